"""What measurements could have told: the smallest difference that eight in ten would show."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from tlkit import stats
from tlkit.errors import UserError
from tlkit_lessons.ledger.power import detectable


@pytest.mark.parametrize("n", [5, 10, 20])
def test_what_is_detectable_is_found_in_eight_of_ten_repeats(n):
    rng = np.random.default_rng(n)
    found = stats.verdict(rng.normal(1, 1, n), np.zeros(n))
    effect, error = detectable(found), (found.high - found.low) / 2 / t.ppf(0.975, n - 1)
    draws = rng.normal(effect, error * np.sqrt(n), (20_000, n))
    assert (ttest_1samp(draws, 0, axis=1, alternative="greater").pvalue < 0.025).mean() == pytest.approx(
        0.8, abs=0.02
    )
    assert detectable(found, 0.5) < effect < detectable(found, 0.95)


def test_four_seeds_detect_nothing_and_a_power_is_a_share():
    assert detectable(stats.verdict([0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.2, 0.1])) == np.inf
    for power in (0.05, 1.0, 8):
        with pytest.raises(UserError, match="power must lie between"):
            detectable(stats.verdict([0.5, 0.6], [0.1, 0.2]), power)
