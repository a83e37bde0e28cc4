"""Organ labels that can't be what they are called."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from nodestage import cohort, simulator
from nodestage.cohort import possible
from nodestage.core.errors import InputError

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "real" / "abdomen_ct"
KNOWN = yaml.safe_load((ROOT / "config/anatomy.yaml").read_text(encoding="utf-8"))["labels"]
TOTAL = {
    "spleen": 1, "right_kidney": 2, "left_kidney": 3, "gallbladder": 4, "liver": 5, "stomach": 6,
    "pancreas": 7, "right_adrenal": 8, "left_adrenal": 9, "duodenum": 19, "aorta": 52,
    "vena_cava": 63, "portal_splenic_vein": 64, "ignore": "others",
}  # fmt: skip


def labels(**voxels):
    """A label map with so many voxels of each class, in rows of one hundred."""
    found = np.zeros((len(voxels), 40, 100), np.uint8)
    for k, (name, count) in enumerate(voxels.items()):
        found[k].flat[:count] = KNOWN[name]
    return found


def told(mask, hu=60, spacing=(10, 10, 10), **more):
    with pytest.raises(InputError) as error:
        possible.check(mask, np.full(mask.shape, hu, np.int16), spacing, KNOWN, **more)
    return str(error.value)


def test_every_class_has_limits_and_no_other_name_does():
    limits = yaml.safe_load(possible.LIMITS.read_text(encoding="utf-8"))
    assert list(limits) == list(KNOWN)


def test_a_volume_that_no_organ_has_names_the_label_system():
    text = told(labels(esophagus=1126, liver=130, cha_pha=63))
    assert "esophagus measures 1126 ml (at most 400 is plausible); cha_pha measures 63 ml" in text
    assert "liver" not in text and "another tool's class ids" in text and "`label_system`" in text
    assert "Correct the center's `label_system`" in told(labels(sma=99), label_system={"sma": 3})


def test_air_is_no_vessel_and_hollow_organs_may_hold_it():
    assert "portal_splenic_vein has a median of -991 HU" in told(
        labels(portal_splenic_vein=40), -991
    )
    for mask in (labels(stomach=400, duodenum=40, esophagus=40), labels(aorta=29)):
        possible.check(mask, np.full(mask.shape, -991, np.int16), (10, 10, 10), KNOWN)


def test_organs_cut_by_the_scan_and_diseased_ones_pass():
    mask = labels(liver=1, spleen=2500, right_kidney=3000, stomach=3500)
    possible.check(mask, np.full(mask.shape, -30, np.int16), (10, 10, 10), KNOWN)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real CT here")
def test_a_real_ct_passes_with_its_label_system_and_is_refused_with_a_subset_of_raw_ids():
    image = cohort.read_ct(REAL / "ct.nii.gz")

    def read(system):
        rules = cohort.MaskRules("organs", system, KNOWN)
        cohort.read_mask_with_record(
            REAL / "organs.nii.gz", rules, image, patient="P1", column="organs"
        )

    read(TOTAL)
    raw = {str(k): k for k in (1, 5, 6, 7, 19)} | {"ignore": "others"}
    with pytest.raises(InputError, match="P1: organs: esophagus measures 1126 ml"):
        read(raw)


@pytest.mark.parametrize("role", ["discovery", "auxiliary"])
def test_simulated_patients_pass(tmp_path, role):
    settings = yaml.safe_load((ROOT / "config/simulator.yaml").read_text(encoding="utf-8"))[
        "simulator"
    ]
    center = next(c for c, s in settings["centers"].items() if s["role"] == role)
    row = next(r for r in simulator.sheet(settings, 3) if r["center"] == center and r["organs"])
    patient = simulator.simulate_patient(3, row, simulator.patient_settings(settings, row))
    simulator.write_patient(patient, *[tmp_path / kind for kind in ("images", "drawn", "truth")])
    phase = settings["centers"][center]["mask_phase"]
    cohort.read_mask_with_record(
        tmp_path / "drawn" / "organs.nii.gz",
        cohort.MaskRules("organs", known=KNOWN),
        cohort.read_ct(tmp_path / "images" / f"{phase}.nii.gz"),
    )
