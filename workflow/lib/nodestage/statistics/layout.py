"""Tables as a reader sees them: HTML and LaTeX from the same rows, everything escaped."""

import html as _html
import math
from pathlib import Path

from nodestage.core import files
from nodestage.core.names import MAIN_METRICS
from nodestage.statistics import vocabulary
from nodestage.statistics.study import NUMBERS

TABLES = (
    ("table_1.tsv", "Table I", "Patients and tumors of each center"),
    ("table_2.tsv", "Table II", "Distances of lymph nodes to organs and vessels"),
    (
        "table_3.tsv",
        "Table III",
        "Organs and vessels: the teacher on one phase, the student on both",
    ),
    ("table_pdac.tsv", "Tumor", "Segmentation of the tumor"),
    ("table_4.tsv", "Table IV", "Lymph nodes as instances: positive or negative"),
    ("table_5.tsv", "Table V", "Lymph nodes: segmentation and detection"),
    ("table_6.tsv", "Table VI", "Metastasis in the discovery center, cross-validated"),
    ("table_7.tsv", "Table VII", "Metastasis in the external centers"),
)
HIDDEN = {"table_6.tsv": NUMBERS, "table_7.tsv": NUMBERS}
"""Columns for machines, which the formatted text beside them repeats."""

ON_PAIRS = (
    "pairs_dice",
    "dice_on_pairs",
    "reference_dice_on_pairs",
    "p_dice",
    "pairs_f",
    "f_on_pairs",
    "reference_f_on_pairs",
    "p_f",
)
"""Columns of Table V that compare a variant with the reference."""

PRINTED = {
    "table_5.tsv": (
        "stage",
        "class",
        "variant",
        "basis",
        "n",
        "dice",
        "n_dice",
        "recall",
        "precision",
        "f",
        "n_f",
        "instance_recall",
        "instance_precision",
        *ON_PAIRS,
        "note",
    )
}
"""Where a printed table has fewer columns than the file."""

HEADS = {
    "table_5.tsv": {
        "n_dice": "n, Dice",
        "n_f": "n, F",
        "pairs_dice": "n, both define Dice",
        "dice_on_pairs": "Dice, both defined",
        "reference_dice_on_pairs": "Dice of the reference there",
        "p_dice": "p, Dice",
        "pairs_f": "n, both define F",
        "f_on_pairs": "F, both defined",
        "reference_f_on_pairs": "F of the reference there",
        "p_f": "p, F",
    }
}
"""Words for a table's columns, over their names."""

NO_TRUTH = "this study has no ground truth for this table."
GIVEN = {"table_3.tsv": "organs", "table_pdac.tsv": "tumor"}
"""Tables about a network that labels these masks, unless the discovery center gives them."""

FAMILY = (
    "Holm’s adjustment covers the comparisons of the declared method with every other in one metric of "
    "one center. Nothing is adjusted over the metrics, the centers, or what the pages say of each "
    "center: of many such results some come out below 0.05 by chance."
)
"""Which tests count as one family, for whoever reads an adjusted p."""

FOOT = {
    name: (
        "Estimate, ± SD over folds where there are folds, [95 % percentile bootstrap]; where that "
        "gives none, [exact] limits of a share, [DeLong] of an AUC, or what a note names. * p < 0.05, "
        "NS not significant, ref the method compared with, after Holm, of the paired bootstrap. "
        "Wilcoxon on bootstrap values, the paper's own mark and no test of a difference, is in the "
        f"TSV alone. {FAMILY}"
    )
    for name in ("table_6.tsv", "table_7.tsv")
} | {
    "table_3.tsv": (
        "Mean over patients, and SD. A arterial, V venous. The teacher learned from masks of the "
        "auxiliary centers, which may show less of a vessel than the masks that test it here; the "
        "student learned from labels that the teacher gave and from vessels drawn here."
    ),
    "table_5.tsv": (
        "Dice and F are undefined in a patient in whom nothing is drawn and nothing found, and 0 where "
        "only one of the two is: n, Dice and n, F count the patients who define them, who differ "
        "between variants. So compare variants on the patients whom both define: their number, the "
        "row’s mean on them, that of the reference (the attention variant), and p of Wilcoxon’s signed rank on "
        "these pairs."
    ),
}

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def why_empty(name, sources=()):
    """Why a table has no rows: masks that the center gave test no network, or nothing was drawn.

    Parameters
    ----------
    name : file name of the table
    sources : {organs, tumor: given|predicted} of the discovery center
    """
    what = GIVEN.get(name)
    if what and dict(sources).get(what) == "given":
        return (
            f"the {what} masks of the discovery center are given ({what}: source: given), "
            "so that no network is there to be tested."
        )
    return NO_TRUTH


def write(folder, found, sources=()):
    """Write Tables I to VII of `found` beside their TSV, as `.html` and `.tex`.

    Parameters
    ----------
    folder : of the study's tables
    found : {file name: rows}
    sources : as in `why_empty`
    """
    for name, number, title in TABLES:
        if name not in found:
            continue
        rows, notes = _footnotes([_named(row, name) for row in found[name]])
        present = dict.fromkeys(k for row in rows for k in row)
        wanted = PRINTED.get(name, present)
        hidden = (*HIDDEN.get(name, ()), *(() if notes else ("note",)))
        columns = [c for c in wanted if c in present and c not in hidden]
        # Centers keep their names; other columns are words.
        heads = {c: c for c in columns} if name == "table_1.tsv" else _metrics()
        heads = heads | HEADS.get(name, {})
        how = {"columns": columns, "heads": heads, "absent": why_empty(name, sources)}
        caption = f"{number}. {title}."
        foot = " ".join(filter(None, [FOOT.get(name, ""), *notes]))
        parts = {
            ".html": page(html(rows, caption, **how), caption, foot),
            ".tex": latex(rows, caption, foot=foot, **how),
        }
        for ending, text in parts.items():
            files.write_text(Path(folder, name).with_suffix(ending), text)


def _footnotes(rows):
    """(rows whose `note` is letters, what the letters say)."""
    letters, found = {}, []
    for row in rows:
        parts = filter(None, str(row.get("note") or "").split("; "))
        mine = {letters.setdefault(part, _letter(len(letters))) for part in parts}
        found.append(row | {"note": ", ".join(sorted(mine, key=lambda x: (len(x), x)))})
    return found, [f"{letter}: {text.rstrip('.')}." for text, letter in letters.items()]


def _letter(number):
    """a to z, then aa, ab and so on."""
    before, last = divmod(number, 26)
    return ("" if not before else _letter(before - 1)) + chr(ord("a") + last)


def page(table, title, foot=""):
    """An HTML page around one table; it needs nothing from elsewhere."""
    foot = f"<p>{_html.escape(foot)}</p>\n" if foot else ""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{_html.escape(title)}</title>\n<style>{STYLE}</style>\n{table}{foot}</html>\n"
    )


STYLE = (
    "body{font:15px/1.4 sans-serif;margin:1.5rem}caption{text-align:left;font-weight:600}"
    "table{border-collapse:collapse}th,td{padding:.2rem .6rem;text-align:left}"
    "thead{border-block:1px solid}tbody{border-bottom:1px solid}"
)


def _metrics():
    return {metric: vocabulary.terms()["metrics"][metric] for metric in MAIN_METRICS}


def _named(row, name):
    """The row with the words for methods and bases; a user's own method keeps its name.

    The paper's own mark, which is no test of a difference, is not printed.
    """
    if name not in HIDDEN:
        return row
    row = {key: value for key, value in row.items() if key != "wilcoxon_bootstrap"}
    kinds = {"method": "methods", "basis": "bases"} if "basis" in row else {"method": "methods"}
    return row | {
        key: vocabulary.terms()[kind].get(row[key], row[key]) for key, kind in kinds.items()
    }


def cell(value, digits=3):
    """A value as text: floats rounded, what is undefined as a dash."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return str(value)


def html(rows, caption, columns=None, heads=None, digits=3, absent=NO_TRUTH):
    """An accessible HTML table.

    Parameters
    ----------
    rows : list of dicts
    caption : text
    columns : names in order; those of the first row by default
    heads : {column: words}
    digits : decimals of floats
    absent : why there are no rows, if there are none

    Returns
    -------
    text; without rows a paragraph that says why
    """
    if not rows:
        return f"<p>{_html.escape(_without(caption, absent))}</p>\n"
    columns = list(columns or rows[0])
    head = "".join(f'<th scope="col">{_html.escape(_head(c, heads))}</th>' for c in columns)
    lines = [
        "<tr>" + "".join(_html_cell(i, cell(row.get(c), digits)) for i, c in enumerate(columns))
        for row in rows
    ]
    body = "\n".join(f"{line}</tr>" for line in lines)
    return (
        f"<table>\n<caption>{_html.escape(caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
    )


def latex(rows, caption, columns=None, heads=None, digits=3, foot="", absent=NO_TRUTH):
    """A `table*` environment with booktabs rules and text under it; parameters as `html`.

    Needs the packages booktabs and graphicx, which shrinks what is wider than the page.
    """
    if not rows:
        return f"% {_escape(_without(caption, absent))}\n"
    columns = list(columns or rows[0])
    lines = [" & ".join(_escape(_head(c, heads)) for c in columns)]
    lines += [" & ".join(_escape(cell(row.get(c), digits)) for c in columns) for row in rows]
    head, *body = (line + r" \\" for line in lines)
    inside = "\n".join([head, r"\midrule", *body])
    under = f"\\par\\footnotesize {_escape(foot)}\n" if foot else ""
    return (
        "\\begin{table*}\n\\centering\n"
        f"\\caption{{{_escape(caption)}}}\n"
        "\\resizebox{\\ifdim\\width>\\textwidth\\textwidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}\n\\toprule\n"
        f"{inside}\n\\bottomrule\n\\end{{tabular}}}}\n{under}\\end{{table*}}\n"
    )


def _without(caption, absent):
    """The caption of a table without rows, and why it has none."""
    return f"{caption.rstrip('.')}: {absent}"


def _head(column, heads):
    return (heads or {}).get(column, column.replace("_", " "))


def _html_cell(place, text):
    text = _html.escape(text)
    return f'<th scope="row">{text}</th>' if place == 0 else f"<td>{text}</td>"


def _escape(text):
    return "".join(_LATEX.get(character, character) for character in text)
