"""The page about a center's images: patients to look at first on top, then the numbers of each."""

import itertools
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup

from nodestage.cohort import plausible
from nodestage.core.names import PHASES
from nodestage.report import numbers, organ_pictures
from nodestage.report.sources import Cell
from nodestage.report.writing import write_page
from nodestage.statistics import vocabulary

TISSUE_HU = -150
"""Lower limit of the histograms: the air around the patient would dominate them."""

VESSELS = {"aorta": "Aorta", "portal": "Portal vein"}


@dataclass(frozen=True)
class About:
    """The center of a quality page.

    Attributes
    ----------
    center, role : names
    study : title
    simulated, effects : as in `records.Run`
    organs : where the organ labels of the vessels come from, in words
    phases : the phases of the study
    organ : the structure that holds the tumor
    first_look : whether the page is made before any organ is labelled
    """

    center: str
    role: str
    study: str = "nodestage"
    simulated: bool = False
    effects: str = ""
    organs: str = "the organ labels"
    first_look: bool = False
    phases: tuple = PHASES
    organ: str = "pancreas"


def page(about, people, notes, output, pictures=None):
    """Write the quality page of one center.

    Parameters
    ----------
    about : About
    people, notes : as `patients` gives them
    output : path of the HTML file
    pictures : {patient: {plane: JPEG in base64}}, as `organ_pictures.pictures` gives them
    """
    pictures = pictures or {}
    context = {
        "about": about,
        "notes": notes,
        "first": [p for p in people if p.flags],
        "people": people,
        "histograms": [h for h in (_histogram(people, phase) for phase in about.phases) if h],
        "changes": [
            (p.code, what.replace("_", " "), "; ".join(sentences))
            for p in people
            for what, sentences in p.changes.items()
        ],
        "images": [(phase, _table(people, _images(people, phase))) for phase in about.phases],
        "vessels": _table(people, _vessels(people)),
        "volumes": _table(people, _volumes(people)),
        "pictures": pictures,
        "pictured": [p for p in people if p.code in pictures][: organ_pictures.MAX_PATIENTS],
        "most": organ_pictures.MAX_PATIENTS,
        "registration": _table(people, _registration(people)),
        "tissue": TISSUE_HU,
        "organ": vocabulary.inside("structures", about.organ).replace("_", " "),
        "organ_tint": organ_pictures.tint(about.organ),
    }
    write_page(output, "quality.html", f"{about.center}: images", about.study, context)


def _table(people, columns):
    """Columns {head: {code: Markup}} as heads and lines; patients without any value are left out."""
    lines = [
        (p.code, [values.get(p.code, "–") for values in columns.values()])
        for p in people
        if any(p.code in values for values in columns.values())
    ]
    return {"heads": list(columns), "lines": lines}


def _images(people, phase):
    columns = {}
    for p in people:
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


def _vessels(people):
    return {
        f"{name}, {phase}": {
            p.code: _shown(
                f"{p.code}/contrast", f"{vessel}_{phase}", p.contrast[f"{vessel}_{phase}"], 0
            )
            for p in people
            if p.contrast
        }
        for vessel, name in VESSELS.items()
        for phase in PHASES
    }


def _volumes(people):
    columns = {}
    for name in plausible.limits()["volume_ml"]:
        seen = {p.code: p.volumes[name] for p in people if name in (p.volumes or {})}
        if seen:
            columns[vocabulary.name("structures", name)] = {
                code: _shown(f"{code}/organs", name, ml, 1) for code, ml in seen.items()
            }
    return columns


def _registration(people):
    columns = {}
    for p in people:
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
    highest = max(shares) or 1.0
    drawn = Markup("").join(
        Markup('<rect x="{}" y="{:.1f}" width="5" height="{:.1f}"/>').format(
            6 * i, 22 - 20 * s / highest, 20 * s / highest
        )
        for i, s in enumerate(shares)
    )
    return Markup(
        '<svg class="bars" role="img" aria-label="{}" width="{}" height="22" viewBox="0 0 {} 22">'
        "<title>{}</title>{}</svg>"
    ).format(words, 6 * len(shares), 6 * len(shares), words, drawn)


def _histogram(people, phase):
    """The center's histogram: median and range over its patients in each bin of HU."""
    seen = [p.intake[phase]["quality"] for p in people if phase in p.intake]
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
