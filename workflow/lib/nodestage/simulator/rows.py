"""The sample sheet of a simulated study: Table I's patients, without an image.

Counts are exact, not drawn: of n patients round(n * share) are positive, annotated and so on,
spread evenly over the numbers. A patient added at the end changes no earlier row.
"""

import math

from nodestage.core.errors import InputError
from nodestage.core.names import PHASES
from nodestage.simulator import cancers, draws

# Settings that shape images; the others shape the sheet alone.
_SHAPES = (
    "grid",
    "spacing",
    "scale",
    "calibers",
    "tumor_effect",
    "node_effect",
    "nodes",
    "far_confounders",
    "near_confounders",
    "breathing_mm",
    "bowel_mm",
    "no_lga",
    "splenectomy",
    "shortcut_noise_hu",
)
IMAGES = "results/simulator/images"
ANNOTATIONS = "results/simulator/annotations"


def sheet(settings: dict, seed: int) -> list[dict[str, str]]:
    """All rows of the sample sheet.

    Parameters
    ----------
    settings : dict, the config's section `simulator`; `anatomy`, where the study names one, holds
        its `labels`, `tumor_organ` and `phases`
    seed : int

    Returns
    -------
    list of dicts with the columns of a sample sheet (`cohort.COLUMNS`) but those that choose a
    series of a DICOM folder; every value a text, empty where unknown
    """
    _check(settings)
    rows = []
    for name, center in settings["centers"].items():
        for number in range(center["patients"]):
            rows.append(_row(settings, seed, name, center, number))
    return rows


def patient_settings(settings: dict, row: dict) -> dict:
    """The settings that shape this row's patient, and no others.

    What only decides the content of the sheet (number of patients, prevalence, ages, who is
    annotated) is left out: changing it must not make anew a patient whose row stays the same.
    """
    center = settings["centers"][row["center"]]
    kept = {
        key: center[key] for key in ("role", "mask_phase", "scanner", "spacing") if key in center
    }
    if not row["metastasis"]:
        kept["prevalence"] = center["prevalence"]  # the hidden status is drawn with it
    anatomy = {key: settings[key] for key in ("anatomy",) if key in settings}
    return {key: settings[key] for key in _SHAPES} | anatomy | {"centers": {row["center"]: kept}}


def _row(settings, seed, name, center, number):
    patient = f"{center['code']}{number + 1:03d}"
    random = draws.stream(seed, patient, "row")
    positive = chosen(number, center["prevalence"])
    auxiliary = center["role"] == "auxiliary"
    row = {
        "patient": patient,
        "center": name,
        **_files(center, patient, number, settings.get("anatomy", {}).get("phases", PHASES)),
        "organ_set": _organ_set(center, number),
        "metastasis": "" if auxiliary else str(int(positive)),
        "ct_reported": _ct_report(settings, center, positive, random),
        **_clinical(center, positive, random),
    }
    if auxiliary:
        row["pn_stage"] = ""
    # A cell in a hundred is missing, as in life; drawn last, so that the share can be changed
    # without changing the other cells.
    for column in ("sex", "age", "tumor_size_cm", "tumor_location"):
        if random.random() < settings["missing_values"]:
            row[column] = ""
    return row


def chosen(number: int, share: float, offset: float = 0.5) -> bool:
    """Whether patient `number` (from 0) is one of the share: exactly round(n * share) of the first n.

    Another `offset` chooses others, about as many.

    >>> [sum(chosen(i, 0.47) for i in range(n)) for n in (8, 24)]
    [4, 11]
    """
    return math.floor((number + 1) * share + offset) > math.floor(number * share + offset)


def _files(center, patient, number, phases):
    """Paths of images and annotations; empty where this center or patient lacks them."""
    lacks = center.get("missing", {})
    paths = {}
    for phase in PHASES:
        # From the third patient on, so that the first rows of a center are complete ones.
        lost = 2 <= number < 2 + lacks.get(phase, 0)
        paths[phase] = "" if lost or phase not in phases else f"{IMAGES}/{patient}/{phase}.nii.gz"
    labels = center["labels"]
    has = {
        "organs": bool(_organ_set(center, number)),
        "tumor": chosen(number, labels["tumor"], offset=0.25),
        "lymph_nodes": bool(labels["lymph_nodes"]),
    }
    for role, present in has.items():
        paths[role] = f"{ANNOTATIONS}/{patient}/{role}.nii.gz" if present else ""
    return paths


def _organ_set(center, number):
    """train, validation or test for the first patients of a center; empty for the others."""
    for name in ("train", "validation", "test"):
        count = center["labels"]["organs"].get(name, 0)
        if number < count:
            return name
        number -= count
    return ""


def _ct_report(settings, center, positive, random):
    """The radiologist's word on metastasis, with the set sensitivity and specificity."""
    rates = settings["ct_report"]
    report = random.random() < (rates["sensitivity"] if positive else 1 - rates["specificity"])
    return str(int(report)) if center["ct_report"] else ""


def _clinical(center, positive, random):
    """Clinical columns in the proportions of Table I; none but pN depends on the status."""
    age_middle, age_low, age_high = center["age"]
    age = age_middle + random.normal() * (age_high - age_low) / 1.349
    middle, spread = draws.log_normal(center["tumor_size_cm"])
    larger = random.normal()
    # Stage grows with size, loosely: Table I's T3 is that of the older edition, by extension.
    stage = _pick_ranked(center["pt_stage"], 0.6 * larger + 0.8 * random.normal())
    pn2 = random.random() < center["pn2_of_positive"]
    male = random.random() < center["male"]
    missing_stage = random.random() < center["pt_stage_missing"]
    return {
        "sex": "M" if male else "F",
        "age": str(int(min(max(round(age), 30), 88))),
        "pt_stage": "" if missing_stage else stage,
        "pn_stage": ("N2" if pn2 else "N1") if positive else "N0",
        "tumor_size_cm": f"{min(max(math.exp(middle + spread * larger), 1.0), 8.0):.1f}",
        "tumor_location": _pick(center["tumor_location"], random.random()),
    }


def _pick(shares, at):
    """The name whose part of the shares covers `at` in [0, 1)."""
    total, below = sum(shares.values()), 0.0
    for name, share in shares.items():
        below += share / total
        if at < below:
            return str(name)
    return str(name)


def _pick_ranked(shares, z):
    """The same for a standard normal `z`: low values take the first names."""
    return _pick(shares, 0.5 * math.erfc(-z / math.sqrt(2)))


def _check(settings):
    """Refuse a study that can't be, in the user's words; single settings are the schema's business."""
    codes = [center["code"] for center in settings["centers"].values()]
    if len(set(codes)) < len(codes):
        raise InputError(
            f"simulator: centers share a patient code ({', '.join(codes)}). "
            "Give each center its own `code`."
        )
    cancers.check(settings)
