"""How fast each stage learns, by its own gradients (Lee et al. 2023, arXiv:2210.11466).

A hook gives each stage a factor of its one-cycle rate from its latest gradients. The paper has one a tensor,
from five batches before each epoch. Here they are those of the steps of training, an epoch or WINDOW of them,
for as many to come: no pass more than `full`. At first, in the warm-up, and for the new head always, it is 1.
"""

WINDOW = 5  # steps at least, as many as the paper's batches
KEPT = 0.95  # of the largest signal to noise; a stage below is off: the threshold of the published code
Stages = list[tuple[float, float, float]]  # |mean gradient|^2, mean |gradient|^2, |weights|^2 of each


def relative_norms(stages: Stages) -> list[float]:
    """Auto-RGN: the norm of the gradient over that of the weights, over the largest of these ratios."""
    found = [(square / max(weights, 1e-30)) ** 0.5 for _, square, weights in stages]
    return [one / max(found) if one else 0.0 for one in found]


def signal_to_noise(stages: Stages) -> list[float]:
    """Auto-SNR: 1 where the squared mean over the variance, step to step, is KEPT of the largest, else 0."""
    found = [mean / max(square - mean, 1e-30) for mean, square, _ in stages]
    return [float(one >= KEPT * max(found)) for one in found]
