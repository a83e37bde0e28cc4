"""What a job that trains needs beside its settings: files, seed, patients. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Run:
    """One job that trains: its seed, its files, and where it runs.

    Attributes
    ----------
    seed : of the job; that of a network in it is derived (`seeds.derived`)
    output : file of the model
    work : scratch folder; a training that was killed resumes from it, success deletes it
    label : name of the training, in its log and messages
    threads : of the CPU
    device : "cpu" or "cuda"; None takes a GPU where there is one
    """

    seed: int
    output: str | Path
    work: str | Path
    label: str = "training"
    threads: int = 1
    device: str | None = None


class TrainingSet(NamedTuple):
    """The patients that a network learns from, and those on which its weights are chosen."""

    train: list[str]
    validation: list[str]
