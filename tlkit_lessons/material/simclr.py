"""SimCLR: two augmented views of one image, and how similar a network finds them; no labels are needed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def augmented(images: Tensor, rng: torch.Generator) -> Tensor:
    """Augment each image (Nx1x16x16): random rotation, shear, scale, shift, bending and stroke width.

    The deviations are those of the rendered glyphs or a little larger; no label is used.
    """

    def chance(*shape: int, spread: float) -> Tensor:
        return spread * torch.randn(len(images), *shape, generator=rng)

    turn = torch.eye(2) + chance(2, 2, spread=0.2)
    grid = F.affine_grid(
        torch.cat([turn, chance(2, 1, spread=0.15)], 2), list(images.shape), align_corners=False
    )
    bent = F.interpolate(chance(2, 4, 4, spread=0.1), images.shape[-2:], mode="bicubic")
    moved = F.grid_sample(images, grid + bent.permute(0, 2, 3, 1), align_corners=False)
    return moved.clamp(0, 1) ** chance(1, 1, 1, spread=0.5).exp()


def similarities(net: nn.Module, views: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines between the projections of 2N views, 2N x 2N, and the index of each view's positive, 2N.

    net: views to one projection each. The views of image i are i and N + i, a positive pair; a view is not
    compared with itself. Softmax and cross-entropy of these, at a temperature, are SimCLR's loss (Chen et al.
    2020, equation 1), here with its linear projection.
    """
    projected = F.normalize(net(views))
    cosines = projected @ projected.T
    cosines = cosines.masked_fill(torch.eye(len(views), dtype=torch.bool), -torch.inf)
    return cosines, torch.arange(len(views)).roll(len(views) // 2)
