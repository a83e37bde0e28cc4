"""Simulated patients for the ladder, made once and kept in a folder."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import yaml
from scipy import ndimage

from nodestage import simulator
from nodestage.core import files
from nodestage.tumor.slices import AIR

CONFIG = Path(__file__).resolve().parents[2] / "config"
CENTER, AUXILIARY = "changhai", "teaching"
PANCREAS = 11


def settings(preset="larger.yaml"):
    """The settings of a study: config.yaml and simulator.yaml with a preset on top of both."""
    return _over(_yaml("config.yaml") | _yaml("simulator.yaml"), _yaml(preset))


@dataclass
class Patients:
    """Patients of the discovery center, to learn from and to test on, and auxiliary ones.

    Attributes
    ----------
    folder : where the patients are kept, one file each
    seed : of the simulator
    train, test : how many; the first ones learn
    auxiliary : patients of the center that lends its masks
    """

    folder: Path
    seed: int
    train: int
    test: int
    auxiliary: int = 24

    @cached_property
    def _simulator(self):
        found = settings()["simulator"]
        found["centers"] = {name: dict(found["centers"][name]) for name in (CENTER, AUXILIARY)}
        found["centers"][CENTER]["patients"] = self.train + self.test
        found["centers"][AUXILIARY]["patients"] = self.auxiliary
        return found

    @cached_property
    def _kind(self):
        """What shapes the patients, however many there are; other settings make other patients."""
        centers = {
            name: {k: v for k, v in center.items() if k != "patients"}
            for name, center in self._simulator["centers"].items()
        }
        return digest({**self._simulator, "centers": centers})

    @cached_property
    def rows(self):
        """{patient: row of the sample sheet}."""
        return {row["patient"]: row for row in simulator.sheet(self._simulator, self.seed)}

    def of(self, center):
        return [patient for patient, row in self.rows.items() if row["center"] == center]

    @property
    def training(self):
        return self.of(CENTER)[: self.train]

    @property
    def tested(self):
        return self.of(CENTER)[self.train :]

    @cached_property
    def labels(self):
        """{patient: 0 or 1} of the discovery center."""
        return {patient: int(self.rows[patient]["metastasis"]) for patient in self.of(CENTER)}

    def read(self, patient):
        """One patient, simulated when first asked for.

        Returns
        -------
        dict: `venous` and `arterial` (int16 HU; the arterial phase on the venous grid by the true
        field), `organs`, `tumor`, `nodes` (1 negative, 2 positive), `annotated` (the nodes that the
        annotator saw), `instances`, `confounders` (uint8), all (z, y, x); `spacing` (z, y, x), mm;
        `record`, the simulator's own
        """
        path = Path(self.folder, f"patients-{self._kind}", f"{patient}.npz")
        if not path.exists():
            self._make(patient, path)
        with np.load(path, allow_pickle=False) as stored:
            found = {key: stored[key] for key in stored.files}
        spacing = tuple(float(s) for s in found["spacing"])
        return found | {"record": json.loads(found["record"].item()), "spacing": spacing}

    def _make(self, patient, path):
        row = self.rows[patient]
        own = simulator.patient_settings(self._simulator, row)
        made = simulator.simulate_patient(self.seed, row, own)
        truth, record = made.truth, made.truth["record"]
        kind, seen = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
        for node in record["nodes"]:
            kind[node["instance"]] = 1 + node["positive"]
            seen[node["instance"]] = (1 + node["positive"]) * node["annotated"]
        instances = truth["nodes"]["venous"].array.astype(np.uint8)
        with files.whole(path) as temporary, open(temporary, "wb") as handle:
            np.savez(
                handle,
                venous=made.venous.array.astype(np.int16),
                arterial=on_venous_grid(made),
                instances=instances,
                nodes=kind[instances],
                annotated=seen[instances],
                record=np.array(json.dumps(record)),
                spacing=np.array(made.venous.spacing),
                **{
                    role: truth[role]["venous"].array.astype(np.uint8)
                    for role in ("organs", "tumor", "confounders")
                },
            )


def on_venous_grid(made):
    """The arterial scan where the venous one has the same tissue, by the true field (mm)."""
    venous, arterial = made.venous, made.arterial
    at = np.indices(venous.array.shape, np.float32)
    for axis in range(3):
        start = venous.origin[2 - axis] - arterial.origin[2 - axis]  # origins are (x, y, z)
        at[axis] *= venous.spacing[axis]
        at[axis] = (at[axis] + start + made.truth["field"][..., axis]) / arterial.spacing[axis]
    moved = ndimage.map_coordinates(
        arterial.array.astype(np.float32), at, order=1, mode="constant", cval=AIR
    )
    return np.rint(moved).astype(np.int16)


def digest(value):
    """Ten letters that name a plain value, for what is kept in the folder."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def _over(base, upper):
    """`base` updated by `upper`, branch by branch, as Snakemake does with configs."""
    both = {
        k: _over(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v
        for k, v in upper.items()
    }
    return {**base, **both}


def _yaml(name):
    return yaml.safe_load((CONFIG / name).read_text(encoding="utf-8"))
