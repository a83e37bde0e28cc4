"""How a rung is printed."""

import time
from dataclasses import dataclass, field

from nodestage import statistics
from nodestage.core import learning


@dataclass
class Timer:
    """CPU seconds of this process since it was made; what was cached costs nothing."""

    start: float = field(default_factory=time.process_time)

    @property
    def words(self):
        return f"{time.process_time() - self.start:.0f} CPU s"


def ranked(y, score, train=None):
    """`AUC 0.88 [0.82, 0.94], train 0.95`; DeLong's interval, `train` left out where None."""
    low, high = statistics.auc_ci(y, score)
    learned = "" if train is None else f", train {train:.2f}"
    return f"AUC {learning.auc(y, score):.2f} [{low:.2f}, {high:.2f}]{learned}"


def rung(name, words, timer=None):
    """Print one rung as a line."""
    cost = f" ({timer.words})" if timer else ""
    print(f"{name:<44} {words}{cost}", flush=True)
