"""Textures: band-pass noise, statistically the same everywhere in the image, without shapes or strokes.

A target far from characters. A class is an orientation and a spatial frequency; where the light and dark
patches lie is random, so a single pixel carries no information about the class.
"""

import numpy as np

from tlkit.errors import UserError

SIDE = 8  # pixels, as for the glyphs
ANGLES = (0, 45, 90, 135)  # degrees, the direction in which brightness varies
CYCLES = {"coarse": 1.5, "fine": 3.0}  # periods along the side of an image
SPREAD = 0.45  # cycles: how narrow the frequency band is
TILT = 8  # degrees: standard deviation of the orientation within a class
TEXTURES = (*(f"{fineness} {angle}°" for fineness in CYCLES for angle in ANGLES), *CYCLES)


def textures(n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(float32 N x 1 x 8 x 8 in [0, 1], int64 N: indices into TEXTURES), balanced, in random order.

    Eight oriented textures and two without a direction. Equal arguments give equal bits. Raises UserError for
    a count below one.
    """
    if n_per_class < 1:
        raise UserError(f"n_per_class={n_per_class}: give at least 1.")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(TEXTURES)), n_per_class))
    images = np.stack([_texture(TEXTURES[label], rng) for label in labels])
    return images[:, None].astype(np.float32), labels


def _texture(name: str, rng: np.random.Generator) -> np.ndarray:
    fineness, _, angle = name.partition(" ")
    wide = 2 * SIDE  # made larger and cropped, so that nothing repeats at the borders
    fy, fx = np.meshgrid(np.fft.fftfreq(wide) * SIDE, np.fft.fftfreq(wide) * SIDE, indexing="ij")
    radius = CYCLES[fineness]
    if angle:
        turn = np.deg2rad(float(angle[:-1]) + TILT * rng.standard_normal())
        along = [
            (fx - s * radius * np.cos(turn)) ** 2 + (fy - s * radius * np.sin(turn)) ** 2 for s in (1, -1)
        ]
        band = sum(np.exp(-part / (2 * SPREAD**2)) for part in along)
    else:
        band = np.exp(-((np.hypot(fx, fy) - radius) ** 2) / (2 * SPREAD**2))
    grain = np.fft.ifft2(np.fft.fft2(rng.standard_normal((wide, wide))) * band).real[:SIDE, :SIDE]
    contrast = rng.uniform(0.15, 0.3) / grain.std()
    return np.clip(0.5 + (grain - grain.mean()) * contrast + 0.05 * rng.standard_normal((SIDE, SIDE)), 0, 1)
