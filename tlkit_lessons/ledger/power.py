"""How large a true difference measurements like these would have told from none."""

from scipy.special import nctdtrinc, stdtrit

from tlkit.errors import UserError
from tlkit.stats import FEWEST_SEEDS, Verdict
from tlkit.stats.verdicts import LEVEL


def detectable(v: Verdict, power: float = 0.8) -> float:
    """The true difference that a share `power` of measurements like v would tell from none, by itself.

    The power of the two-sided t test at 5 % (Cohen 1988, Statistical Power Analysis, ch. 2: noncentral t with
    n - 1 degrees of freedom; the far side, which hardly counts, left out), with the standard error that half
    the interval stands for. An interval over test items has more degrees of freedom, so that this is rather
    too large than too small. Infinite below 5 seeds, where nothing is ever told.
    Raises UserError for a power outside (0.05, 1).
    """
    if not 1 - LEVEL < power < 1:
        raise UserError(f"power must lie between 0.05 and 1, not {power}: 0.8 is usual.")
    if v.n < FEWEST_SEEDS:
        return float("inf")
    t = stdtrit(v.n - 1, (1 + LEVEL) / 2)
    return float(nctdtrinc(v.n - 1, 1 - power, t) * (v.high - v.low) / 2 / t)
