"""Statistics of the study: pure functions, arrays in, numbers out.

What the data do not define raises `UndefinedError` with the reason; the tables print
that reason instead of the number.
"""

from nodestage.statistics.bootstrap import (
    Design,
    bootstrap_ci,
    distributions,
    paired_bootstrap,
    wilcoxon_on_bootstrap,
)
from nodestage.statistics.calibration import calibration_curve, calibration_line, decision_curve
from nodestage.statistics.centers import random_effects
from nodestage.statistics.paired import (
    holm,
    mcnemar,
    signed_rank,
    signed_rank_share,
    smallest_difference,
)
from nodestage.statistics.rates import METRICS, counts, estimate, exact_interval
from nodestage.statistics.roc import (
    auc,
    auc_ci,
    auc_variance,
    delong_test,
    difference_ci,
    roc_curve,
    vertical_average,
)
from nodestage.statistics.undefined import UndefinedError, answer

__all__ = [
    "METRICS",
    "Design",
    "UndefinedError",
    "answer",
    "auc",
    "auc_ci",
    "auc_variance",
    "bootstrap_ci",
    "calibration_curve",
    "calibration_line",
    "counts",
    "decision_curve",
    "delong_test",
    "difference_ci",
    "distributions",
    "estimate",
    "exact_interval",
    "holm",
    "mcnemar",
    "paired_bootstrap",
    "random_effects",
    "roc_curve",
    "signed_rank",
    "signed_rank_share",
    "smallest_difference",
    "vertical_average",
    "wilcoxon_on_bootstrap",
]
