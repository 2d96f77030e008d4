"""How fast each stage learns, by its own gradients (Lee et al. 2023, arXiv:2210.11466).

The paper measures five batches before each epoch, its code by tensor. Here a factor is a stage's, times the
one-cycle rate, and measured on the steps of training itself, an epoch or WINDOW of them, for as many to
come: a step costs that of `full`. Until then, while the rate warms up, all are 1; the new head's is always 1.
"""

WINDOW = 5  # steps at least, as many as the paper's batches
KEPT = 0.95  # of the largest signal to noise; a stage below is off: the threshold of the published code
_TINY = 1e-30
Stages = list[tuple[float, float, float]]  # |mean gradient|^2, mean |gradient|^2, |weights|^2 of each


def relative_norms(stages: Stages) -> list[float]:
    """Auto-RGN: the norm of the gradient over that of the weights, over the largest of these ratios."""
    found = [(square / max(weights, _TINY)) ** 0.5 for _, square, weights in stages]
    return [one / max(found) if one else 0.0 for one in found]


def signal_to_noise(stages: Stages) -> list[float]:
    """Auto-SNR: 1 where the squared mean over the variance, step to step, is KEPT of the largest, else 0."""
    found = [mean / max(square - mean, _TINY) for mean, square, _ in stages]
    return [float(one >= KEPT * max(found)) for one in found]
