"""The difference of two estimates from different patients."""

import numpy as np
import pytest

from nodestage.statistics import UndefinedError, independent


def test_shares_give_newcombes_interval():
    """Newcombe (1998), example (a): 56 of 70 against 48 of 80, method 10: 0.0524 to 0.3339."""

    def wilson(k, n, z=1.959964):
        middle, half = k + z * z / 2, z * np.sqrt(k * (n - k) / n + z * z / 4)
        return k / n, (middle - half) / (n + z * z), (middle + half) / (n + z * z)

    found = independent.difference(wilson(56, 70), wilson(48, 80))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_it_turns_round_with_its_arguments():
    a, b = (0.62, 0.55, 0.75), (0.70, 0.66, 0.74)
    there, back = independent.difference(a, b), independent.difference(b, a)
    assert (-there.difference, -there.high, -there.low) == pytest.approx(back)


@pytest.mark.parametrize(
    "other", [(0.7, float("nan"), 0.8), (0.7, 0.7, 0.7), (0.5, 0.49999999999999994, 0.5)]
)
def test_an_interval_that_is_none_gives_none(other):
    for pair in ((other, (0.6, 0.5, 0.7)), ((0.6, 0.5, 0.7), other)):
        with pytest.raises(UndefinedError, match="interval"):
            independent.difference(*pair)
