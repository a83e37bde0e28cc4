"""Threads, memory, time and GPUs of each kind of job, from the section `jobs` of the config."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

# Kinds of jobs that run networks; no other job asks for a GPU.
ON_GPU = ("train", "predict", "fit", "score")
# Kinds of short jobs, one or two per patient, which profiles/slurm-grouped submits together: its limit
# on `short` says how many of them run at a time. Nothing else has such a limit.
SHORT = ("simulate", "intake", "register", "annotation", "patient", "radiomics")


@dataclass(frozen=True)
class Resources:
    """What each kind of job asks of the machine; `default` fills in what a kind leaves out."""

    jobs: dict[str, dict[str, Any]]

    def job(self, kind: str) -> dict[str, Any]:
        """Resources of one kind of job, over the defaults."""
        return {**self.jobs["default"], **self.jobs.get(kind, {})}

    def threads(self, kind: str) -> int:
        """Threads of one kind of job."""
        return self.job(kind)["threads"]

    def of(
        self, kind: str, patients: Callable[[Any], Collection[str]] | None = None
    ) -> dict[str, Any]:
        """The `resources` of a rule; a retry asks for more memory and time.

        Parameters
        ----------
        kind : key of the section `jobs`
        patients : function of the wildcards that gives the patients whom a job processes one by
            one; each adds `seconds_per_patient` to the time

        Returns
        -------
        {mem_mb: MB, runtime: minutes}, both functions of wildcards and attempt, and the numbers
        `gpu` and `short`
        """
        asked = self.job(kind)
        seconds = asked.get("seconds_per_patient", 0)

        def memory(wildcards: Any, attempt: int) -> int:
            return asked["mem_mb"] * attempt

        def minutes(wildcards: Any, attempt: int) -> int:
            many = len(patients(wildcards)) if patients else 0
            return math.ceil((asked["runtime"] + seconds / 60 * many) * attempt)

        gpu = {"gpu": asked.get("gpu", 0)} if kind in ON_GPU else {}
        short = {"short": 1} if kind in SHORT else {}
        return {"mem_mb": memory, "runtime": minutes, **gpu, **short}
