"""Whether a center's images are fit to be used: one page, those to look at first on top.

Needs no model but the organs', so that it can be read before anything is trained on the nodes.
"""

import itertools
from dataclasses import dataclass, field
from statistics import median

from markupsafe import Markup

from nodestage.cohort import plausible
from nodestage.core.names import PHASES
from nodestage.report import numbers, organ_pictures
from nodestage.report.facts import flags
from nodestage.report.sources import Cell
from nodestage.report.writing import write_page
from nodestage.statistics import vocabulary

LEAST_OF_MEDIAN = 0.75
"""A likeness of the phases below this share of the center's median is worth a look."""

TISSUE_HU = -150
"""The histograms count voxels from here on: with the air about the patient they would show air."""

ALL_NEGATIVE = (
    "lymph nodes: metastasis, but every drawn node is negative (1): right where the positive ones "
    "can’t be seen"
)

VESSELS = {"aorta": "Aorta", "portal": "Portal vein"}


@dataclass
class Patient:
    """What is known of a patient's images.

    intake : {phase: record}, of the phases that there are
    registration : its record; empty where there is none
    contrast : what `cohort.phase_contrast` found; empty without organs or without two phases
    volumes : {structure: ml} of the organ labels; None without any
    warnings : sentences, without those of the records
    reason : why no image is used, or ""
    """

    code: str
    intake: dict
    registration: dict
    contrast: dict
    reason: str
    volumes: dict | None = None
    warnings: list = field(default_factory=list)

    @property
    def flags(self):
        return flags(self.intake, self.registration, self.reason) + self.warnings


def patients(codes, intake, registration, contrast, reasons, volumes=(), given=False, negative=()):
    """One `Patient` each, those with most to look at first.

    Parameters
    ----------
    codes : the center's patients
    intake : {patient: {phase: record}}
    registration : {patient: record}
    contrast : {patient: what `cohort.phase_contrast` found}
    reasons : {patient: why its images are not used}
    volumes : {patient: {structure: ml}} of the organ labels, of those who have any
    given : whether the masks came with the images. They show what their center draws: only what
        some patient shows is missed in another. A network's labels miss what they don't show.
    negative : patients with metastasis whose drawn nodes are all negative
    """
    found, volumes = [], dict(volumes)
    shown = {name for one in volumes.values() for name in one}
    expected = [n for n in plausible.limits()["needed"] if not given or n in shown]
    for code in codes:
        record = registration.get(code, {})
        # Where one phase stands in for both there is nothing to compare.
        alone = bool(record.get("substituted")) or not record
        found.append(
            Patient(
                code,
                intake.get(code, {}),
                record,
                {} if alone else contrast.get(code, {}),
                reasons.get(code, ""),
                volumes.get(code),
            )
        )
    usual = [likeness(p.registration) for p in found]
    usual = [value for value in usual if value is not None]
    for patient in found:
        patient.warnings += [f"phases: {text}" for text in patient.contrast.get("warnings", [])]
        unchecked = patient.contrast.get("unchecked")
        if unchecked and {"aorta", "portal_splenic_vein"} & {*expected}:
            patient.warnings.append(f"phases: could not be checked, {unchecked}")
        patient.warnings += _about_organs(patient.volumes, expected, given)
        if patient.code in negative:
            patient.warnings.append(ALL_NEGATIVE)
        mine = likeness(patient.registration)
        if mine is not None and mine < LEAST_OF_MEDIAN * median(usual):
            patient.warnings.append(
                f"registration: the phases are less alike ({mine:.2f}) than is usual here "
                f"({median(usual):.2f}): another patient's, upside down, or badly registered?"
            )
    return sorted(found, key=lambda p: (-len(p.flags), p.code))


def _about_organs(volumes, expected, given):
    """Sentences about structures that are missing, or of a volume that nobody has."""
    if volumes is None:
        return []
    lost = [_named(name) for name in expected if name not in volumes]
    found = [f"organs: no {' and no '.join(lost)} labelled"] if lost else []
    mend = "look at the mask, and at `label_system`" if given else "look at the labels"
    for name, ml, least, most in plausible.implausible(volumes):
        found.append(
            f"organs: {_named(name)} of {ml:.1f} ml, an adult's has {least} to {most}: {mend}"
        )
    return found


def _named(structure):
    return vocabulary.name("structures", structure).lower()


def likeness(record):
    """Likeness of the registered phases: 0 by chance, 1 the same structures; None if unknown."""
    known = record.get("similarity")
    if not known or record.get("failed") or record.get("substituted"):
        return None
    return (known["after"] - known["chance"]) / max(1e-6, 1 - known["chance"])


def record(found):
    """What the center's report takes from here: counts, and warnings beyond the records' own."""
    return {
        "patients": len(found),
        "flagged": sum(bool(p.flags) for p in found),
        "warnings": {p.code: p.warnings for p in found if p.warnings},
        "contrast": {p.code: p.contrast for p in found if p.contrast},
    }


def unshown(found):
    """Needed structures that no patient's labels show, in words; nothing where nobody has labels."""
    known = [p.volumes for p in found if p.volumes is not None]
    needed = plausible.limits()["needed"]
    return [_named(n) for n in needed if known and not any(n in one for one in known)]


def page(center, role, found, facts, output, pictures=None):
    """Write the quality page of one center.

    Parameters
    ----------
    center, role : str
    found : list of `Patient`, in the order of the page
    facts : dict with `study`, and as far as known `simulated`, `effects`, `organs`: where the organ
        labels come from that told the vessels
    output : path of the HTML file
    pictures : {patient: {plane: JPEG in base64}}, as `organ_pictures.pictures` gives them
    """
    context = {
        "center": center,
        "role": role,
        "facts_line": facts.get("effects") or "",
        "first": [p for p in found if p.flags],
        "people": found,
        "histograms": [h for h in (_histogram(found, phase) for phase in PHASES) if h],
        "images": [(phase, _table(found, _images(found, phase))) for phase in PHASES],
        "vessels": _table(found, _vessels(found)),
        "volumes": _table(found, _volumes(found)),
        "pictures": pictures or {},
        "pictured": [p for p in found if p.code in (pictures or {})][: organ_pictures.MOST],
        "most": organ_pictures.MOST,
        "unshown": unshown(found),
        "registration": _table(found, _registration(found)),
        "tissue": TISSUE_HU,
    }
    write_page(output, "quality.html", f"{center}: images", facts, context)


def _table(found, columns):
    """Columns {head: {code: Markup}} as heads and lines; patients without any value are left out."""
    lines = [
        (p.code, [values.get(p.code, "–") for values in columns.values()])
        for p in found
        if any(p.code in values for values in columns.values())
    ]
    return {"heads": list(columns), "lines": lines}


def _images(found, phase):
    columns = {}
    for p in found:
        seen = p.intake.get(phase, {}).get("quality")
        if not seen:
            continue
        source = f"{p.code}/{phase}.json"
        for head, shown in (
            ("Slices", _shown(source, "slices", seen["slices"], 0)),
            ("Voxel z × y × x, mm", _joined(source, "spacing_mm", seen["spacing_mm"], 2)),
            ("Covers z × y × x, mm", _joined(source, "coverage_mm", seen["coverage_mm"], 0)),
            ("Mean HU of the body", _shown(source, "hu_mean_body", seen["hu_mean_body"], 0)),
            ("HU, as above", _bars(_shares(seen), seen["hu_edges"])),
        ):
            columns.setdefault(head, {})[p.code] = shown
    return columns


def _vessels(found):
    return {
        f"{name}, {phase}": {
            p.code: _shown(
                f"{p.code}/contrast", f"{vessel}_{phase}", p.contrast[f"{vessel}_{phase}"], 0
            )
            for p in found
            if p.contrast
        }
        for vessel, name in VESSELS.items()
        for phase in PHASES
    }


def _volumes(found):
    columns = {}
    for name in plausible.limits()["volume_ml"]:
        seen = {p.code: p.volumes[name] for p in found if name in (p.volumes or {})}
        if seen:
            columns[vocabulary.name("structures", name)] = {
                code: _shown(f"{code}/organs", name, ml, 1) for code, ml in seen.items()
            }
    return columns


def _registration(found):
    columns = {}
    for p in found:
        source, known = f"{p.code}/record.json", p.registration

        def put(head, key, value, digits, code=p.code, source=source):
            columns.setdefault(head, {})[code] = _shown(source, key, value, digits)

        if "similarity" not in known:
            continue
        for head, key in (
            ("Similarity before", "before"),
            ("after the affine", "affine"),
            ("after all", "after"),
            ("by chance", "chance"),
        ):
            put(head, f"similarity.{key}", known["similarity"][key], 3)
        put("Displacement, mean, mm", "displacement_mm.mean", known["displacement_mm"]["mean"], 1)
        put("95 %, mm", "displacement_mm.p95", known["displacement_mm"]["p95"], 1)
        put("largest, mm", "displacement_mm.max", known["displacement_mm"]["max"], 1)
        put("Folded share of voxels", "folded_share", known["folded_share"], 5)
        put("Share that the arterial phase covers", "covered_share", known["covered_share"], 2)
    return columns


def _shown(source, column, value, digits):
    text = "" if value is None else repr(value)
    return numbers.show(Cell(text, source, 0, column), digits)


def _joined(source, column, values, digits):
    shown = [
        _shown(source, f"{column}.{axis}", v, digits) for axis, v in zip("zyx", values, strict=True)
    ]
    return Markup(" × ").join(shown)


def _shares(seen):
    """Share of the voxels above `TISSUE_HU` in each bin of HU."""
    kept = [
        share
        for low, share in zip(seen["hu_edges"], seen["hu_share"], strict=False)
        if low >= TISSUE_HU
    ]
    total = sum(kept)
    return [share / total if total else 0.0 for share in kept]


def _bins(edges):
    """Names of the bins of `_shares`: `20 to 80`."""
    kept = [edge for edge in edges if edge >= TISSUE_HU]
    names = [f"{low} to {high}" for low, high in itertools.pairwise(kept)]
    names[-1] = f"from {kept[-2]}"
    return [name.replace("-", "−") for name in names]


def _bars(shares, edges):
    """A patient's histogram, a few millimeters high, with its numbers in words."""
    words = ", ".join(f"{n} HU {100 * s:.0f} %" for n, s in zip(_bins(edges), shares, strict=True))
    most = max(shares) or 1.0
    drawn = Markup("").join(
        Markup('<rect x="{}" y="{:.1f}" width="5" height="{:.1f}"/>').format(
            6 * i, 22 - 20 * s / most, 20 * s / most
        )
        for i, s in enumerate(shares)
    )
    return Markup(
        '<svg class="bars" role="img" aria-label="{}" width="{}" height="22" viewBox="0 0 {} 22">'
        "<title>{}</title>{}</svg>"
    ).format(words, 6 * len(shares), 6 * len(shares), words, drawn)


def _histogram(found, phase):
    """The center's histogram: median, least and most of its patients in each bin of HU."""
    seen = [p.intake[phase]["quality"] for p in found if phase in p.intake]
    if not seen:
        return None
    by_bin = list(zip(*(_shares(s) for s in seen), strict=True))
    return {
        "phase": phase,
        "n": len(seen),
        "lines": [
            {
                "name": name,
                "median": 100 * median(values),
                "low": 100 * min(values),
                "high": 100 * max(values),
            }
            for name, values in zip(_bins(seen[0]["hu_edges"]), by_bin, strict=True)
        ],
    }
