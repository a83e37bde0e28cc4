"""A study in a line a center, for the eye that knows how many there should be."""

from nodestage.cohort.codes import names_in
from nodestage.cohort.faults import some
from nodestage.study.roster import PHASES

MASKS = {"organs": "organs", "tumor": "tumor", "lymph_nodes": "lymph nodes"}


def lines(study):
    """One line a center, and one below it for each thing worth a second look."""
    found = []
    for center in study.centers:
        found.append(_line(study, center))
        found += [f"    {note}" for note in notes(study, center)]
    named = names_in([p for c in study.at_hand for p in study.of(c)])
    if named:
        found.append(
            f"{len(named)} patient codes hold a word that may be a name ({some(named, 5)}). Codes stand in every "
            "file, log and report: use ones that tell nothing"
        )
    return found


def _line(study, center):
    patients = study.of(center)
    rows = [study.rows[p] for p in patients]
    head = f"{center} ({study.role(center)}): {len(rows)} patients"
    if center in study.summarised:
        return f"{center} ({study.role(center)}): summaries from a returned file"
    if study.role(center) != "auxiliary":
        positive, negative, unknown = _status(study, center)
        head += f"; metastasis: {positive} positive, {negative} negative, {unknown} unknown"
    if center in study.returned:
        return f"{head}; from a returned file"
    both = sum(len(study.phases(p)) == len(PHASES) for p in patients)
    masks = ", ".join(f"{name} {sum(bool(r[c]) for r in rows)}" for c, name in MASKS.items())
    head += f"; both phases: {both}; masks: {masks}"
    if study.role(center) == "auxiliary":
        return head
    reasons = sorted(study.reasons(patients).values())
    told = ", ".join(f"{r}: {reasons.count(r)}" for r in dict.fromkeys(reasons))
    return f"{head}; unscored: {len(reasons)}" + (f" ({told})" if told else "")


def _status(study, center):
    """How many of a center are positive, negative, of unknown status."""
    known = list(study.metastasis(study.of(center)).values())
    return known.count(1), known.count(0), len(study.of(center)) - len(known)


def notes(study, center):
    """Sentences about a center that can run, but may not give what is hoped for."""
    found = []
    if not study.of(center) and center not in study.summarised:
        return [
            "no patient of the sheet belongs to it: correct the column `center`, or leave it out"
        ]
    if study.role(center) == "external" and center not in study.summarised:
        positive, negative, _ = _status(study, center)
        if not positive + negative:
            found.append(
                "`metastasis` is empty for all: patients get scores, but nothing can say whether these hold"
            )
        elif not positive or not negative:
            one = "positive" if positive else "negative"
            found.append(f"all known patients are {one}: no AUC and no balanced accuracy there")
    if study.role(center) != "auxiliary" and center in study.at_hand:
        if not study.imaged(center):
            found.append("no patient can be scored from images")
    return found
