"""The pages: one per center, one for the study. Each is a single file without requests."""

from nodestage.report import (
    answers,
    blocks,
    checklists,
    controls,
    fields,
    flow,
    gallery,
    headline,
    patients,
    pictures,
    plots,
    readers,
    study_tables,
    trust,
)
from nodestage.report import numbers as shown
from nodestage.report.gallery_pictures import GalleryPictures
from nodestage.report.sources import load
from nodestage.report.viewer import writing as viewer
from nodestage.report.writing import write_page
from nodestage.statistics import vocabulary

REGISTRATION = (
    "Similarity of the structures in both phases, before (ring) and after registration (dot); 1 is "
    "identical. Red: flagged, look at the overlays in both phases."
)

SUMMARISED = "The center sent back summaries only; this needs one row per patient."

TABLES = (
    "performance",
    "comparisons",
    "missing",
    "roc",
    "calibration",
    "decision_curve",
    "subgroups",
    "operating_point",
    "recalibration",
    "coverage",
    "uncertainty",
    "draw_next_patients",
    "draw_next_nodes",
    "pn_stage",
    "pn_confusion",
    "readers",
    "reader_comparisons",
    "table_1",
)
"""The tables of a center."""


def center_page(center, facts, output, pictures=None):
    """Write the report of one center.

    Parameters
    ----------
    center : records.Center; an auxiliary center is in no patient-level table and has no report
    facts : records.Facts
    output : path of the HTML file
    pictures : GalleryPictures; None keeps all pictures in the page
    """
    if center.role not in headline.BASES:
        raise ValueError(f"{center.name}: a center of the role {center.role} has no report")
    primary = facts.run.primary
    tables = {name: load(center.statistics, f"{name}.tsv") for name in TABLES}
    if facts.summarised:
        _explain_absence(tables.values())
    discovery = None if center.role == "discovery" else center.discovery
    there = load(discovery, "performance.tsv") if discovery else None
    people = [patients.normalised(r, primary["method"], facts.thresholds) for r in facts.patients]
    pictures = pictures or GalleryPictures()
    panels = _panels(people, center, facts, pictures)
    ids = {panel["patient"]: panel["id"] for panel in panels}
    top = headline.headline(center, tables["performance"], primary, there)
    context = {
        "center": center.name,
        "role": center.role,
        "headline": top,
        "comparison": headline.comparison(tables["comparisons"], primary),
        "notices": fields.notices(facts, center.role),
        "plots": plots.of_center(center, tables, there, primary)
        | plots.of_coverage(tables["coverage"], primary["method"])
        | plots.of_registration(people),
        "returned": facts.returned,
        "images": facts.images,
        "registration_words": REGISTRATION,
        "truth": _table_of(facts.truth),
        "oracle": _table_of(facts.oracle, vocabulary.heads("oracle")),
        "absent": {name: rows.absent for name, rows in tables.items()},
        "show": shown,
        **_of_tables(center.name, tables, discovery, primary),
        **_of_patients(center.name, people, ids, facts),
        **_of_gallery(panels),
        "beside": pictures,
        "thresholds": _thresholds(facts.thresholds),
    }
    counts = _counts(people, panels, tables, facts.returned)
    context |= _ending(facts, answers.PageOf(center.role, center.name, counts, _plain(top)))
    write_page(output, "center.html", f"{center.name}: {facts.run.study}", facts.run.study, context)


def study_page(statistics_folder, centers, facts, output, record=None, figures=None):
    """Write the report of the whole study.

    Parameters
    ----------
    statistics_folder : folder of the study's tables (heterogeneity, table_1 to table_7)
    centers : list of records.Center
    facts : records.Facts; records of patients aren't needed
    output : path of the HTML file
    record : file that `pictures.write` left beside Figures 3 and 4, or None
    figures : folder where the page's plots are written as SVG and PNG too, or None
    """
    run, primary = facts.run, facts.run.primary
    tables = {
        c.name: {name: load(c.statistics, f"{name}.tsv") for name in ("performance", "comparisons")}
        for c in centers
    }
    _explain_absence(tables[c.name]["comparisons"] for c in centers if c.summarised)
    centers = sorted(centers, key=lambda c: c.role != "discovery")
    home = next((c for c in centers if c.role == "discovery"), None)
    there = tables[home.name]["performance"] if home else None
    tops = [
        {
            "center": c,
            "headline": headline.headline(c, tables[c.name]["performance"], primary, there),
            "comparison": headline.comparison(tables[c.name]["comparisons"], primary),
        }
        for c in centers
    ]
    of_study = {
        n: load(statistics_folder, f"{n}.tsv") for n in ("heterogeneity", "froc", "froc_at")
    }
    performance = {c.name: tables[c.name]["performance"] for c in centers}
    drawn = plots.of_study(centers, performance, of_study, primary)
    if figures is not None:
        plots.write_study(figures, drawn)
    sources = {"organs": run.discovery_organs_source, "tumor": run.discovery_tumor_source}
    context = {
        "tops": tops,
        "notices": fields.notices(facts, "study"),
        "plots": drawn,
        "pictures": pictures.read(record),
        "heterogeneity": blocks.table(of_study["heterogeneity"].where(metric=primary["metric"])),
        "heterogeneity_more": blocks.table(of_study["heterogeneity"]),
        "tables": study_tables.paper(statistics_folder, sources),
        "detection": study_tables.detection(statistics_folder),
        "signature": study_tables.signature(statistics_folder),
        "robustness": study_tables.robustness(statistics_folder),
        "truth": _table_of(facts.truth),
        "show": shown,
    }
    sentences = " ".join(_plain(top["headline"]) for top in tops)
    context |= _ending(facts, answers.PageOf("study", "", {}, sentences, centers))
    write_page(output, "study.html", run.study, run.study, context)


def _of_tables(center, tables, discovery, primary):
    """Blocks of a center's tables."""
    performance = tables["performance"]
    calibration, undefined = blocks.split(_summaries(tables["calibration"]), "estimate")
    if undefined and not calibration:
        calibration.absent = "undefined for every method."
    return {
        "table_1": blocks.table(
            tables["table_1"],
            hide=("discovery",) if discovery is None else (),
            heads={"value": center, "discovery": "Discovery center"},
        ),
        "performance": blocks.performance(performance),
        "with_everybody": blocks.with_everybody(performance),
        "further": blocks.performance(performance, blocks.further_metrics(performance)),
        "comparisons": blocks.comparisons(tables["comparisons"], primary),
        "family": vocabulary.family(),
        "missing": blocks.table(tables["missing"]),
        "calibration": blocks.table(calibration),
        "calibration_undefined": blocks.table(undefined),
        "subgroups": blocks.subgroups(tables["subgroups"]),
        "operating": trust.operating(tables["operating_point"]),
        "recalibration": trust.recalibration(tables["recalibration"], primary["method"]),
        "coverage": trust.coverage(tables["coverage"], primary["method"]),
        "uncertainty": trust.uncertainty(tables["uncertainty"], primary["method"]),
        "draw_next": trust.draw_next(tables["draw_next_patients"], tables["draw_next_nodes"]),
        "stages": trust.stages(tables["pn_stage"], tables["pn_confusion"]),
        "readers": readers.block(
            tables["readers"], tables["reader_comparisons"], primary["method"]
        ),
    }


def _of_patients(center, people, ids, facts):
    """Flow diagram, list of patients, and those to look at first."""
    first = [
        {**p, "id": ids.get(p["patient"]), "why": _why(p)} for p in patients.look_first(people)
    ]
    diagram = None
    if people:
        diagram = flow.flow(
            center,
            len(people),
            patients.excluded(people),
            patients.outcome_boxes(people),
            vocabulary.name("methods", facts.run.primary["method"]),
            "in the file sent back" if facts.returned else "in the sample sheet",
        )
    return {
        "flow": diagram,
        "look_first": first,
        "people": [{**p, "id": ids.get(p["patient"])} for p in people],
        "outcome_words": patients.OUTCOMES,
    }


def _panels(people, center, facts, pictures):
    """The gallery's panels, worst errors first; none where the center sent back a file."""
    if facts.returned:
        return []
    entries = gallery.read(center.gallery) if center.gallery else {}
    opens = viewer.addresses(entries, center.name) if center.viewer else {}
    return [
        patients.panel(i, person, entries.get(person["patient"]), pictures)
        | {"volumes": opens.get(person["patient"])}
        for i, person in enumerate(patients.worst_first(people), start=1)
    ]


def _of_gallery(panels):
    views = [view["name"] for panel in panels for view in panel["views"]]
    return {
        "panels": panels,
        "windows": controls.windows(),
        "layers": controls.layers(panels),
        "explained": not patients.EXPLAINED.isdisjoint(views),
    }


def _explain_absence(tables):
    """Empty tables of a center of summaries get the reason."""
    for rows in tables:
        if not rows:
            rows.absent = SUMMARISED


def _counts(people, panels, tables, returned):
    """Numbers for the checklists, only those that the run knows."""
    counts = {"n_subgroups": len(tables["subgroups"])}
    if not people:
        return counts
    scored = [p for p in people if p["outcome"] in ("tp", "fp", "tn", "fn")]
    left_out, missing = len(people) - len(scored), len(tables["missing"])
    sentence = f"{left_out} of {len(people)} patients could not be analysed by the model"
    sentence += "; the reasons are listed under “Who was analysed”." if left_out else "."
    if missing:
        sentence += f" {missing} missing scores over all methods."
    if not returned:  # else those of unknown status stayed at the hospital
        counts["n_sheet"] = len(people)
    return counts | {
        "n_analysed": len(scored),
        "positives": sum(bool(p["truth"]) for p in scored),
        "n_gallery": sum(bool(panel["views"]) for panel in panels),
        "missing": sentence,
    }


def _why(patient):
    """What to look at in a patient, each sentence once."""
    return list(dict.fromkeys([*patient["flags"], *filter(None, [patient["reason"]])]))


def _thresholds(frozen):
    """Each method's threshold in words."""
    return [trust.threshold(m, shown.plain_cell(value)) for m, value in frozen.items()]


def _summaries(rows):
    """Rows of calibration.tsv that are summaries of a method, not points of its curve."""
    if "predicted" not in rows.columns:
        return rows
    kept = [r for r in rows if not r.text("predicted")]
    summaries = type(rows)(kept, rows.name, rows.columns, rows.absent)
    if not kept and not rows.absent:
        summaries.absent = "The table holds points of the curves only."
    return summaries


def _table_of(rows, heads=None):
    return blocks.facts_table(rows, heads) if rows else None


def _plain(top):
    return top.sentence.striptags()


def _ending(facts, page):
    """Methods, checklists and timings: the end of every page."""
    return {
        "methods": fields.methods(facts),
        "checklists": checklists.filled(answers.checklist_fields(facts, page)),
        "timings": _table_of(facts.timings),
    }


__all__ = ["center_page", "study_page"]
