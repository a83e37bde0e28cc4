"""A card of the frozen model: what it is for, how it did, where it fails, and on which terms it may be used.

Made from the study's results, as Markdown and HTML, and laid beside the bundle's manifest, which names
the model and does not change with it. The layout follows Mitchell and others (FAT* 2019, "Model cards
for model reporting"). What a run can't know is left to the authors, visibly.
"""

import re
from dataclasses import dataclass, field

from markupsafe import Markup

from nodestage.core import files
from nodestage.core.names import MAIN_METRICS
from nodestage.report import blocks, fields, headline, numbers
from nodestage.report.sources import load
from nodestage.report.writing import write_page
from nodestage.statistics import vocabulary

AUTHORS = "[For the authors: {}.]"


@dataclass(frozen=True)
class Section:
    """A part of the card.

    Attributes
    ----------
    title : heading
    items : sentences, one list entry each
    table : {columns, numeric, lines, same, notes, absent} as the pages' macro takes it, or None
    caption : of the table
    """

    title: str
    items: list[str | Markup] = field(default_factory=list)
    table: dict | None = None
    caption: str = ""


@dataclass(frozen=True)
class Model:
    """What is known of the frozen model beside the run.

    Attributes
    ----------
    version : of nodestage, by which alone the bundle is read
    thresholds : {method: mean of the folds' frozen thresholds}
    terms : {what the networks started from: its terms}
    """

    version: str
    thresholds: dict = field(default_factory=dict)
    terms: dict = field(default_factory=dict)


def sections(facts, centers, model):
    """The parts of the card.

    Parameters
    ----------
    facts : records.Facts of the study
    centers : list of records.Center
    model : Model
    """
    centers = sorted(centers, key=lambda center: center.role != "discovery")
    return [
        _use(facts),
        _model(facts, model),
        _data(facts, centers),
        _performance(facts.run.primary, centers),
        _limits(facts),
        _how(facts.run),
        _terms(model),
    ]


def write(facts, centers, model, markdown, html):
    """Write the card as Markdown and as one HTML file.

    Parameters
    ----------
    facts, centers, model : as in `sections`
    markdown, html : paths
    """
    parts = sections(facts, centers, model)
    title = f"Model card: {facts.run.study}"
    files.write_text(markdown, as_markdown(title, parts))
    context = {"sections": parts, "slug": _slug}
    write_page(html, "card.html", title, facts.run.study, context)


def as_markdown(title, parts):
    """The card as Markdown; text of the study can't become markup."""
    text = [f"# {_escaped(title)}", "**For research. Not a medical device.**"]
    for part in parts:
        text.append(f"## {_escaped(part.title)}")
        if part.items:
            text.append("\n".join(f"- {_escaped(_plain(item))}" for item in part.items))
        if part.table is not None:
            text.append(_table(part.table, part.caption))
    return "\n\n".join(text) + "\n"


def _table(table, caption):
    if not table["lines"]:
        return _escaped(f"{caption}: {table['absent'] or 'no rows.'}")
    rows = [table["columns"], ["---"] * len(table["columns"])]
    rows += [[_escaped(_plain(cell)) for cell in line] for line in table["lines"]]
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    notes = [f"- ({letter}) {_escaped(_plain(note))}" for letter, note in table["notes"]]
    return "\n".join([f"{_escaped(caption)}\n", *lines, *(["", *notes] if notes else [])])


def _plain(text):
    """Text without tags; the letter of a note in brackets."""
    if not isinstance(text, Markup):
        return str(text)
    return Markup(re.sub(r'<sup class="mark">(.*?)</sup>', r" (\1)", text)).striptags()


def _escaped(text):
    """Text in which no character is Markdown or HTML."""
    text = re.sub(r"([\\*_{}\[\]#|~])", r"\\\1", " ".join(str(text).split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slug(title):
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")


def _use(facts):
    method, one_phase = vocabulary.name("methods", facts.run.primary["method"]), facts.run.one_phase
    phases = f"the {one_phase} phase" if one_phase else "the arterial and the venous phase"
    other = "other phases" if one_phase else "single phases"
    return Section(
        "Intended use",
        [
            f"Predicts whether a patient with {facts.run.cancer} has lymph-node metastasis, from {phases} of a CT "
            "taken before surgery.",
            "For researchers who evaluate it in patients of other hospitals. Not for deciding on the treatment of a "
            f"patient, and not for other tumors, {other} or images that are not in HU.",
            f"The declared method is {method}; the bundle holds every method of the study.",
            AUTHORS.format("who is meant to use it, where in care, and for whom it was not tried"),
        ],
    )


def _model(facts, model):
    run, items = facts.run, []
    listed = dict(fields.methods(facts))
    items += [listed["Model"], listed["External scoring"]]
    items += [f"{what}: {words}" for what, words in run.sizes.items()]
    items.append(f"Pretrained weights: {run.pretrained or 'not recorded'}.")
    cells = [(m, numbers.plain_cell(value)) for m, value in model.thresholds.items()]
    if cells:
        shown = ", ".join(
            f"{numbers.general(c.text)} ({vocabulary.name('methods', m)})" for m, c in cells
        )
        items.append(f"Mean of the folds’ frozen thresholds: {shown}. A call is positive above it.")
    if run.radiomics is not None:
        robust = run.radiomics.get("robustness")
        words = f"ICC of at least {robust['icc']:g} under small changes" if robust else "no filter"
        items.append(
            f"Radiomics: {run.radiomics['features']:,} features per phase, {words}, then LASSO."
        )
    items.append(
        f"nodestage {model.version}, which alone reads this bundle. SHA-256 of its manifest (the model’s digest): "
        f"{run.model_digest}. Config digest {run.config_digest}, seed {run.seed}."
    )
    return Section("Model", items)


def _data(facts, centers):
    run = facts.run
    lines = []
    for center in centers:
        rows = load(center.statistics, "performance.tsv")
        row = headline.primary_row(rows, run.primary["method"], run.primary["metric"], center.role)
        counts = [numbers.show_count(row[c]) for c in ("n", "positives")] if row else ["–", "–"]
        trained = "trained and cross-validated" if center.role == "discovery" else "evaluation only"
        lines.append([center.name, trained, *counts])
    items = [
        "Simulated patients: no number here describes real patients." if run.simulated else "",
        f"Organ masks of the discovery center: {run.discovery_organs_source}; tumor masks: "
        f"{run.discovery_tumor_source}.",
        fields.inner_words(run),
        f"{run.folds} folds, each with training, validation and test patients."
        if run.folds
        else "",
        AUTHORS.format(
            "eligibility, scanners, dates, treatment, readers, ethics, and how the data may be had"
        ),
    ]
    columns = ["Center", "Used for", "Patients scored", "With metastasis"]
    table = _as_table(columns, lines, (False, False, True, True))
    return Section("Data", [item for item in items if item], table, "Patients of each center")


def _performance(primary, centers):
    """The declared method in each center: the main metrics, and calibration."""
    method, lines, notes = primary["method"], [], blocks.Notes()
    for center in centers:
        rows = load(center.statistics, "performance.tsv")
        cells = [
            _estimate(headline.primary_row(rows, method, metric, center.role), notes)
            for metric in MAIN_METRICS
        ]
        summaries = load(center.statistics, "calibration.tsv").where(method=method)
        cells += [
            _estimate(next(iter(summaries.where(kind=kind)), None), notes)
            for kind in ("intercept", "slope")
        ]
        lines.append([center.name, *cells])
    columns = ["Center", *(vocabulary.name("metrics", m) for m in MAIN_METRICS)]
    columns += ["Calibration intercept", "Calibration slope"]
    table = _as_table(columns, lines, (False, *(True,) * (len(columns) - 1)))
    table["notes"] = notes.lines()
    name = vocabulary.name("methods", method)
    return Section(
        "Performance",
        [
            f"{fields.primary_words(primary)}.",
            "Discovery center: test patients of the cross-validation. Other centers: mean of the folds’ scores.",
            "Subgroups, decision curves and every other method are on the centers’ pages.",
        ],
        table,
        f"{name}: estimate [95 % CI]",
    )


def _estimate(row, notes):
    """`0.71 [0.58–0.82]`, or why there is none."""
    if row is None:
        return Markup("–")
    digits = numbers.digits_for(row["n"].number)
    cell = numbers.show(row["estimate"], digits) + notes.mark(row.text("note"))
    ends = numbers.interval(row, digits=digits)
    return cell + Markup(" {}").format(ends) if ends else cell


def _as_table(columns, lines, numeric):
    return {
        "columns": columns,
        "numeric": list(numeric),
        "lines": lines,
        "same": [False] * len(lines),
        "notes": [],
        "absent": "no center has results.",
    }


def _limits(facts):
    items = [text for _, text in fields.notices(facts, "study")]
    items += [
        "The estimates describe these patients and scanners. In another hospital prevalence, scanners and contrast "
        "timing differ: evaluate it there before you rely on it, calibration above all.",
        fields.OVERLAP,
        "Lymph nodes too small to be seen are not found, whatever their status.",
        "It was not tried whether the model helps a reader or a patient.",
        AUTHORS.format("known failures, groups in which it does worse, and what follows from them"),
    ]
    return Section("Limits", items)


def _how(run):
    return Section(
        "How to use it",
        [
            "Put the bundle’s folder and a sheet of patients beside nodestage and follow docs/hospital.md: `make bundle "
            "BUNDLE=…` compares every file with the manifest, `make check` looks at the images, `make score` scores.",
            "Input: arterial and venous CT (DICOM or NIfTI, in HU) of the upper abdomen. Organs and tumor are marked by "
            "the bundle’s networks, or by masks of yours.",
            "Output: a score, a calibrated probability and a call per patient and method. A patient without usable "
            "images gets a reason and no score, never a guess.",
            f"Compare the manifest’s SHA-256 ({run.model_digest}) with the one that the team gives by another way.",
        ],
    )


def _terms(model):
    started = [
        f"Its networks started from {what}; their terms: {terms}."
        for what, terms in model.terms.items()
    ]
    return Section(
        "Licence",
        [
            "nodestage: Apache License 2.0.",
            AUTHORS.format("licence of these trained weights, and whom to ask"),
            *(started or ["Its networks started from no published weights."]),
            "What the networks learned from patients may be subject to the terms on which these data were collected.",
        ],
    )
