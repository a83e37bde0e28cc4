"""A study in one line per center, so that a person can check the numbers."""

from nodestage.cohort import readers
from nodestage.cohort.codes import names_in
from nodestage.cohort.faults import some
from nodestage.study.study import Study

MASKS = {"organs": "organs", "tumor": "tumor", "lymph_nodes": "lymph nodes"}


def lines(study: Study) -> list[str]:
    """One line per center, and one below it for each thing worth a second look."""
    outline = []
    for center in study.centers.names:
        outline.append(_line(study, center))
        outline += [f"    {note}" for note in notes(study, center)]
    codes = [p for center in study.centers.with_images for p in study.patients.of(center)]
    named = names_in(codes)
    if named:
        outline.append(
            f"{len(named)} patient codes hold a word that may be a name ({some(named, 5)}). Codes stand in every "
            "file, log and report: use codes that identify nobody"
        )
    return outline


def _line(study: Study, center: str) -> str:
    patients, role = study.patients.of(center), study.centers.role(center)
    rows = [study.patients.rows[p] for p in patients]
    head = f"{center} ({role}): {len(rows)} patients"
    if center in study.centers.summarised:
        return f"{center} ({role}): summaries from a returned file"
    if role != "auxiliary":
        positive, negative, unknown = _status(study, center)
        head += f"; metastasis: {positive} positive, {negative} negative, {unknown} unknown"
    if center in study.returned:
        return f"{head}; from a returned file"
    complete = sum(not study.patients.missing_phases(p) for p in patients)
    which = f"{study.settings.one_phase} phase" if study.settings.one_phase else "both phases"
    masks = ", ".join(f"{name} {sum(bool(r[c]) for r in rows)}" for c, name in MASKS.items())
    head += f"; {which}: {complete}; masks: {masks}"
    if role == "auxiliary":
        return head
    reasons = sorted(study.patients.reasons(patients).values())
    counts = ", ".join(f"{r}: {reasons.count(r)}" for r in dict.fromkeys(reasons))
    return f"{head}; unscored: {len(reasons)}" + (f" ({counts})" if counts else "")


def _status(study: Study, center: str) -> tuple[int, int, int]:
    """How many patients of a center are positive, negative, of unknown status."""
    patients = study.patients.of(center)
    known = list(study.patients.metastasis(patients).values())
    return known.count(1), known.count(0), len(patients) - len(known)


def notes(study: Study, center: str) -> list[str]:
    """Sentences about a center that can be run, but not fully evaluated."""
    role, summarised = study.centers.role(center), center in study.centers.summarised
    if not study.patients.of(center) and not summarised:
        return [
            "no patient of the sheet belongs to it: correct the column `center`, or leave it out"
        ]
    sentences = []
    if role == "external" and not summarised:
        positive, negative, _ = _status(study, center)
        if not positive + negative:
            sentences.append(
                "`metastasis` is empty for all: patients get scores, but their accuracy can't be measured"
            )
        elif not positive or not negative:
            one = "positive" if positive else "negative"
            sentences.append(f"all known patients are {one}: no AUC and no balanced accuracy there")
    if role != "auxiliary" and center in study.centers.with_images:
        if not study.patients.imaged(center):
            sentences.append("no patient can be scored from images")
        sentences += readers.counts([study.patients.rows[p] for p in study.patients.of(center)])
    return sentences
