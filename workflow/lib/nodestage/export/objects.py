"""What all exported objects share: who made them, their numbers, and coded names."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import highdicom
import pydicom
import yaml
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

import nodestage
from nodestage.cohort.drawings.seg import quiet_highdicom
from nodestage.core import files

quiet_highdicom()

MANUFACTURER = "nodestage"
RESEARCH = "For research, not a medical device"
SERIES = {"nodes": 9101, "tumor": 9102, "organs": 9103, "sr": 9110, "keyimages": 9120}


@dataclass(frozen=True)
class Maker:
    """What made the objects of a patient.

    Attributes
    ----------
    model_digest : SHA-256 of the bundle's manifest
    series : UID of the series that the objects are about
    """

    model_digest: str
    series: str

    def uid(self, *what: str | bytes) -> str:
        """A UID that depends on the series, the model and what it is for: a repeated export has the same."""
        parts = [self.series, self.model_digest, *what]
        texts = [p if isinstance(p, str) else hashlib.sha256(p).hexdigest() for p in parts]
        return generate_uid(entropy_srcs=[nodestage.__version__, *texts])

    def common(self, kind: str) -> dict[str, Any]:
        """Arguments that highdicom's constructors share."""
        return {
            "series_instance_uid": self.uid(kind, "series"),
            "series_number": SERIES[kind],
            "manufacturer": MANUFACTURER,
        }

    @property
    def algorithm(self) -> highdicom.AlgorithmIdentificationSequence:
        """The model as segments name it."""
        return highdicom.AlgorithmIdentificationSequence(
            name=MANUFACTURER,
            family=codes.DCM.ArtificialIntelligence,
            version=f"{nodestage.__version__}, model {self.model_digest[:12]}",
        )


@cache
def terms() -> dict[str, Any]:
    """The content of codes.yaml."""
    return yaml.safe_load(Path(__file__).with_name("codes.yaml").read_text(encoding="utf-8"))


def sct(name: str) -> Code:
    """A concept of SNOMED CT by the name that pydicom gives it."""
    return getattr(codes.SCT, name)


def organ(name: str) -> dict[str, str]:
    """Code, words and color of a structure of the anatomy; one that codes.yaml lacks is an organ of that name."""
    other = terms()["other"] | {"words": name.replace("_", " ").capitalize()}
    return terms()["organs"].get(name, other)


def concept(key: str) -> Code:
    """A concept that no public scheme has, by its key in codes.yaml."""
    value, meaning = terms()["concepts"][key]
    return Code(value, terms()["concepts"]["scheme"], meaning)


def save(path: Path, dataset: pydicom.Dataset) -> None:
    """Write an object, whole or not at all."""
    with files.whole(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
