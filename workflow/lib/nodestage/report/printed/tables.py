"""Tables I to VII as a reader sees them: which columns, names in words, notes as letters."""

from pathlib import Path

from nodestage.core import files
from nodestage.core.names import MAIN_METRICS
from nodestage.report.printed import text
from nodestage.statistics import vocabulary
from nodestage.statistics.study import NUMBERS

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

NO_TRUTH = "this study has no ground truth for this table."
OF_MASKS = {"table_3.tsv": "organs", "table_pdac.tsv": "tumor"}
"""Tables about a network that labels these masks; a center that gives the masks has none."""


def why_empty(name, sources=()):
    """Why a table has no rows: the center gave its masks, or nothing was drawn.

    Parameters
    ----------
    name : file name of the table
    sources : {organs, tumor: given|predicted} of the discovery center
    """
    masks = OF_MASKS.get(name)
    if masks and dict(sources).get(masks) == "given":
        return (
            f"the {masks} masks of the discovery center are given ({masks}: source: given), "
            "so there is no network to test."
        )
    return NO_TRUTH


def write(folder, tables, sources=()):
    """Write Tables I to VII, as far as `tables` has them, beside their TSV, as `.html` and `.tex`.

    Parameters
    ----------
    folder : of the study's tables
    tables : {file name: rows}
    sources : as in `why_empty`
    """
    for name in vocabulary.paper_tables():
        if name in tables:
            table = printed(name, tables[name], sources)
            for ending, content in ((".html", text.page(table)), (".tex", text.latex(table))):
                files.write_text(Path(folder, name).with_suffix(ending), content)


def printed(name, rows, sources=()):
    """One of the paper's tables as `text.Table`; parameters as in `write`."""
    rows, notes = _footnotes([_in_words(row, name) for row in rows])
    present = dict.fromkeys(key for row in rows for key in row)
    hidden = (*HIDDEN.get(name, ()), *(() if notes else ("note",)))
    columns = [c for c in PRINTED.get(name, present) if c in present and c not in hidden]
    if name == "table_1.tsv":  # its columns are the centers, which keep their names
        heads = {c: c for c in columns}
    else:
        heads = {metric: vocabulary.name("metrics", metric) for metric in MAIN_METRICS}
    if name == "table_5.tsv":
        heads |= vocabulary.heads("table_5")
    return text.Table(
        rows,
        "{}. {}.".format(*vocabulary.paper_tables()[name]),
        absent=why_empty(name, sources),
        columns=tuple(columns),
        heads=heads,
        foot=" ".join(filter(None, [vocabulary.foot(name), *notes])),
    )


def _footnotes(rows):
    """(rows whose `note` is letters, the notes behind the letters)."""
    letters, marked = {}, []
    for row in rows:
        parts = filter(None, str(row.get("note") or "").split("; "))
        of_row = {letters.setdefault(part, _letter(len(letters))) for part in parts}
        marked.append(row | {"note": ", ".join(sorted(of_row, key=lambda x: (len(x), x)))})
    return marked, [f"{letter}: {part.rstrip('.')}." for part, letter in letters.items()]


def _letter(number):
    """a to z, then aa, ab and so on."""
    before, last = divmod(number, 26)
    return ("" if not before else _letter(before - 1)) + chr(ord("a") + last)


def _in_words(row, name):
    """A row with the words for methods and bases; a user's method keeps its name.

    The mark used in the paper does not test a difference and is not printed.
    """
    if name not in HIDDEN:
        return row
    row = {key: value for key, value in row.items() if key != "wilcoxon_bootstrap"}
    kinds = {"method": "methods", "basis": "bases"} if "basis" in row else {"method": "methods"}
    return row | {key: vocabulary.name(kind, row[key]) for key, kind in kinds.items()}
