"""The pages: one for each center, one for the study. Each is a single file without requests."""

from pathlib import Path

from markupsafe import Markup

from nodestage.report import (
    answers,
    blocks,
    checklists,
    fields,
    flow,
    gallery,
    headline,
    patients,
    pictures,
    plots,
)
from nodestage.report import numbers as shown
from nodestage.report.printed import tables as printed
from nodestage.report.sources import load
from nodestage.report.writing import write_page
from nodestage.statistics import comparisons, vocabulary

REGISTRATION = (
    "Similarity of the structures in both phases, before (ring) and after registration (dot); 1 would "
    "be the same everywhere. Red: flagged, look at the overlays with both phases."
)

BESIDE_TABLES = (
    ("froc_at.tsv", "Lymph nodes found within a number of false positives per patient"),
    ("node_recall.tsv", "Lymph nodes found, by size, status and station"),
    ("false_positives.tsv", "False positives per patient, by place"),
)
"""What attention claims to change; not among the paper's tables."""

SUMMARISED = "The center sent back summaries alone, and this needs a row a patient."

NEED_TRUTH = {
    "table_3.tsv",
    "table_pdac.tsv",
    "table_4.tsv",
    "table_5.tsv",
    "node_recall.tsv",
    "false_positives.tsv",
    "froc_at.tsv",
}
"""Tables that compare with drawn masks."""


def center_page(center, role, statistics_folder, gallery_file, facts, output, discovery=None):
    """Write the report of one center.

    Parameters
    ----------
    center : str
    role : `discovery` or `external` (an auxiliary center is in no patient-level table)
    statistics_folder : folder of the center's tables
    gallery_file : what `gallery.write` wrote for this center, or None
    facts : dict; `docs/report.md` lists the keys. Whatever is left out is said to be unknown.
    output : path of the HTML file
    discovery : folder of the discovery center's tables, or None
    """
    if role not in headline.BASES:
        raise ValueError(f"{center}: a center of the role {role} has no report")
    facts = {**facts, "primary": comparisons.endpoint(facts.get("primary"))}
    primary = facts["primary"]
    tables = {
        name: load(statistics_folder, f"{name}.tsv")
        for name in (
            "performance",
            "comparisons",
            "missing",
            "roc",
            "calibration",
            "decision_curve",
            "subgroups",
            "table_1",
        )
    }
    elsewhere = facts.get("returned")
    if elsewhere and elsewhere["holds"] == "summaries":
        _say_why(tables.values())
    reference = None if role == "discovery" or discovery is None else discovery
    there = load(reference, "performance.tsv") if reference else None
    people = _people(facts, primary["method"])
    entries = gallery.read(gallery_file) if gallery_file else {}
    cards = [
        patients.card(i, person, entries.get(person["patient"]))
        for i, person in enumerate(patients.worst_first(people), start=1)
        if not elsewhere
    ]
    top = headline.headline(center, role, tables["performance"], primary, there)
    scored = [p for p in people if p["outcome"] in ("tp", "fp", "tn", "fn")]
    counts = _counts(people, scored, cards, tables["missing"])
    counts["n_subgroups"] = len(tables["subgroups"])
    if elsewhere:
        counts.pop("n_sheet", None)  # those of unknown status stayed there
    first = patients.look_first(people)
    place = {card["patient"]: card["id"] for card in cards}
    context = {
        "center": center,
        "role": role,
        "headline": top,
        "comparison": headline.comparison(tables["comparisons"], primary),
        "notices": fields.notices(facts, role),
        "flow": flow.flow(
            center,
            len(people),
            patients.excluded(people),
            len(scored),
            patients.outcome_boxes(people),
            vocabulary.name("methods", primary["method"]),
            "in the file sent back" if elsewhere else "in the sample sheet",
        )
        if people
        else None,
        "table_1": blocks.table(
            tables["table_1"],
            hide=("discovery",) if reference is None else (),
            heads={"value": center, "discovery": "Discovery center"},
        ),
        "performance": blocks.performance(tables["performance"]),
        "with_everybody": blocks.with_everybody(tables["performance"]),
        "further": blocks.performance(
            tables["performance"], blocks.further_metrics(tables["performance"])
        ),
        "comparisons": blocks.comparisons(tables["comparisons"], primary),
        "family": vocabulary.family(),
        "missing": blocks.table(tables["missing"]),
        "plots": plots.of_center(center, role, tables, there, primary)
        | plots.of_registration(people),
        "calibration": blocks.table(_summaries(tables["calibration"])),
        "thresholds": _thresholds(facts.get("threshold") or {}),
        "subgroups": blocks.subgroups(tables["subgroups"]),
        "cards": cards,
        "elsewhere": elsewhere,
        "windows": _windows(),
        "layers": _layers(cards),
        "explained": any(view["name"].startswith("speaks_") for c in cards for view in c["views"]),
        "look_first": [{**p, "id": place.get(p["patient"]), "why": _why(p)} for p in first],
        "people": [{**p, "id": place.get(p["patient"])} for p in people],
        "outcome_words": patients.OUTCOMES,
        "registration_words": REGISTRATION,
        "truth": blocks.facts_table(facts["truth"]) if facts.get("truth") else None,
        "oracle": blocks.facts_table(facts["oracle"], vocabulary.heads("oracle"))
        if facts.get("oracle")
        else None,
        "absent": {name: rows.absent for name, rows in tables.items()},
        "show": shown,
        **_ending(facts, role, center, counts, top.sentence.striptags()),
    }
    write_page(
        output, "center.html", f"{center}: {facts.get('study', 'nodestage')}", facts, context
    )


def study_page(statistics_folder, centers, facts, output, record=None, figures=None):
    """Write the report of the whole study.

    Parameters
    ----------
    statistics_folder : folder of the study's own tables (heterogeneity, table_1 to table_7)
    centers : list of {center, role, statistics (folder), page (file name of its report),
        summarised (whether the center sent back summaries alone)}
    facts : dict, as for `center_page`; per-patient records aren't needed
    output : path of the HTML file
    record : what `pictures.write` left beside Figures 3 and 4, or None
    figures : folder where the page's plots are written as SVG and PNG too, or None
    """
    facts = {**facts, "primary": comparisons.endpoint(facts.get("primary")), "centers": centers}
    primary = facts["primary"]
    found = [
        {
            **entry,
            "performance": load(entry["statistics"], "performance.tsv"),
            "comparisons": load(entry["statistics"], "comparisons.tsv"),
        }
        for entry in sorted(centers, key=lambda entry: entry["role"] != "discovery")
    ]
    _say_why(entry["comparisons"] for entry in found if entry.get("summarised"))
    home = next((entry for entry in found if entry["role"] == "discovery"), None)
    tops = []
    for entry in found:
        top = headline.headline(
            entry["center"],
            entry["role"],
            entry["performance"],
            primary,
            home["performance"] if home else None,
        )
        tops.append(
            {
                **entry,
                "headline": top,
                "comparison": headline.comparison(entry["comparisons"], primary),
            }
        )
    heterogeneity = load(statistics_folder, "heterogeneity.tsv")
    curve, curve_at = (load(statistics_folder, f"{n}.tsv") for n in ("froc", "froc_at"))
    drawn = plots.of_study(found, home, heterogeneity, primary, curve, curve_at)
    if figures is not None:
        plots.write_study(figures, drawn)
    sources = {what: facts.get(f"discovery_{what}_source") for what in ("organs", "tumor")}
    context = {
        "tops": tops,
        "notices": fields.notices(facts, "study"),
        "plots": drawn,
        "pictures": pictures.read(record),
        "heterogeneity": blocks.table(heterogeneity.where(metric=primary["metric"])),
        "heterogeneity_more": blocks.table(heterogeneity),
        "tables": [
            (
                number,
                _parts(statistics_folder, name, title, sources),
                vocabulary.foot(name),
            )
            for name, (number, title) in vocabulary.paper_tables().items()
        ],
        "beside": [
            (title, _study_table(statistics_folder, name, vocabulary.heads("detection")))
            for name, title in BESIDE_TABLES
        ],
        "signature": _signature(statistics_folder),
        "truth": blocks.facts_table(facts["truth"]) if facts.get("truth") else None,
        "show": shown,
        **_ending(
            facts, "study", "", {}, " ".join(top["headline"].sentence.striptags() for top in tops)
        ),
    }
    write_page(output, "study.html", str(facts.get("study", "nodestage")), facts, context)


def _say_why(tables):
    """Tables that a center of summaries can't have say so, in place of being merely empty."""
    for rows in tables:
        if not rows:
            rows.absent = SUMMARISED


def _study_table(folder, name, heads=None, sources=()):
    rows = load(folder, name)
    if not rows and name in NEED_TRUTH and Path(folder, name).is_file():
        rows.absent = printed.why_empty(name, sources)
    # The columns of Table I are the centers, whose names stay as they are.
    if name == "table_1.tsv":
        heads = {c: c for c in rows.columns if c not in ("characteristic", "level")}
    return blocks.table(rows, hide=printed.HIDDEN.get(name, ()), heads=heads)


def _parts(folder, name, title, sources):
    """[(caption, table)] of one of the paper's tables; Table V is too wide for one."""
    rows = load(folder, name)
    if name != "table_5.tsv" or not rows:
        return [(title, _study_table(folder, name, sources=sources))]
    heads, intervals = vocabulary.heads("table_5"), ("dice", "f")
    ends = [f"{column}_{end}" for column in intervals for end in ("low", "high")]
    own = {*printed.PRINTED[name], *ends} - {*printed.ON_PAIRS}
    paired = {"class", "variant", "basis", *printed.ON_PAIRS, "note"}
    pairs = [row for row in rows if row.text("pairs_dice")]
    beside = type(rows)(pairs, rows.name, rows.columns, "there is one variant alone.")
    return [
        (title, blocks.table(rows, {c for c in rows.columns if c not in own}, heads, intervals)),
        (
            "Each variant beside the reference, on the patients whom both define",
            blocks.table(beside, {c for c in rows.columns if c not in paired}, heads),
        ),
    ]


def _signature(folder):
    rows = load(folder, "signature.tsv")
    if not rows and Path(folder, rows.name).is_file():
        rows.absent = "in no fold did LASSO keep a feature, or no signature was fitted."
    return blocks.table(rows)


def _people(facts, method):
    thresholds = facts.get("threshold") or {}
    return [patients.normalised(r, method, thresholds) for r in facts.get("patients") or []]


def _counts(people, scored, cards, missing):
    """Numbers for the checklists, only those that the run knows."""
    if not people:
        return {}
    left_out = len(people) - len(scored)
    words = f"{left_out} of {len(people)} patients could not be analysed by the model"
    words += ", each with its reason under “Who was analysed”." if left_out else "."
    if missing:
        words += f" {len(missing)} missing scores over all methods."
    return {
        "n_sheet": len(people),
        "n_analysed": len(scored),
        "positives": sum(bool(p["truth"]) for p in scored),
        "n_gallery": sum(bool(card["views"]) for card in cards),
        "missing": words,
    }


def _why(patient):
    """What to look at in a patient, each sentence once."""
    return list(dict.fromkeys([*patient["flags"], *filter(None, [patient["reason"]])]))


def _thresholds(frozen):
    """`0.52 (Combined)` of each method, with its unit where its score has one."""
    found = []
    for method, value in frozen.items():
        number, unit = "none", ""
        if value is not None:
            number = shown.show_any(shown.plain_cell(value))
            unit = vocabulary.terms()["units"].get(method, "")
        name = vocabulary.name("methods", method)
        found.append(Markup("{}{}{} ({})").format(number, " " * bool(unit), unit, name))
    return found


def _summaries(rows):
    """Rows of calibration.tsv that are summaries of a method, not points of its curve."""
    if "predicted" not in rows.columns:
        return rows
    kept = [r for r in rows if not r.text("predicted")]
    result = type(rows)(kept, rows.name, rows.columns, rows.absent)
    if not kept and not rows.absent:
        result.absent = "The table holds the points of the curves alone."
    return result


def _windows():
    """Filters that make each window from the stored gray values."""
    low, high = gallery.STORED_HU
    made = []
    for key, (label, bottom, top) in gallery.WINDOWS.items():
        slope = (high - low) / (top - bottom)
        made.append(
            {
                "key": key,
                "label": label,
                "low": bottom,
                "high": top,
                "slope": round(slope, 5),
                "intercept": round(-(bottom - low) / (high - low) * slope, 5),
            }
        )
    return made


def _layers(cards):
    """The overlays that any card has, from the lowest up, with their colors."""
    present = {layer for card in cards for view in card["views"] for layer, _ in view["overlays"]}
    names = [n for n in gallery.LAYERS if n in present]
    names += sorted(present - set(names))
    return [
        {
            "key": name,
            "index": i,
            "label": vocabulary.name("layers", name),
            "color": gallery.LAYERS.get(name, gallery.OTHER)[0],
            "dashed": gallery.LAYERS.get(name, gallery.OTHER)[2],
            # Organs and map hide what lies under them: off until asked for.
            "on": name not in ("map", "organs"),
        }
        for i, name in enumerate(names)
    ]


def _ending(facts, role, center, counts, words):
    """Methods, checklists and timings: the end of every page."""
    known = answers.checklist_fields(facts, role, center, counts, words)
    return {
        "methods": fields.methods(facts),
        "checklists": checklists.filled(known),
        "timings": blocks.facts_table(facts["timings"]) if facts.get("timings") else None,
    }


__all__ = ["center_page", "study_page"]
