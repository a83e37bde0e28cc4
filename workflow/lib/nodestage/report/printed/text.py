"""One table as HTML or as LaTeX, from the same rows; everything is escaped."""

import html as escaping
import math
from dataclasses import dataclass, field

LATEX = {
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

STYLE = (
    "body{font:15px/1.4 sans-serif;margin:1.5rem}caption{text-align:left;font-weight:600}"
    "table{border-collapse:collapse}th,td{padding:.2rem .6rem;text-align:left}"
    "thead{border-block:1px solid}tbody{border-bottom:1px solid}"
)

DIGITS = 3


@dataclass(frozen=True)
class Table:
    """A table to be printed.

    Attributes
    ----------
    rows : list of dicts
    caption : text
    absent : why there are no rows, if there are none
    columns : names in order; those of the first row where left out
    heads : {column: words}; others have their name with spaces
    foot : text under the table
    """

    rows: list
    caption: str
    absent: str = ""
    columns: tuple = ()
    heads: dict = field(default_factory=dict)
    foot: str = ""

    def names(self) -> list:
        """The columns, in order."""
        return list(self.columns or self.rows[0])

    def titles(self) -> list:
        """The columns in words."""
        return [self.heads.get(name, name.replace("_", " ")) for name in self.names()]

    def cells(self) -> list:
        """One list of texts per row."""
        return [[cell(row.get(name)) for name in self.names()] for row in self.rows]

    def instead(self) -> str:
        """The caption of a table without rows, and why it has none."""
        return f"{self.caption.rstrip('.')}: {self.absent}"


def cell(value) -> str:
    """A value as text: floats rounded, an undefined value as a dash."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.{DIGITS}f}" if isinstance(value, float) else str(value)


def html(table: Table) -> str:
    """An accessible HTML table; without rows a paragraph with the reason."""
    if not table.rows:
        return f"<p>{escaping.escape(table.instead())}</p>\n"
    head = "".join(f'<th scope="col">{escaping.escape(title)}</th>' for title in table.titles())
    body = "\n".join(
        "<tr>" + "".join(_html_cell(i, text) for i, text in enumerate(cells)) + "</tr>"
        for cells in table.cells()
    )
    return (
        f"<table>\n<caption>{escaping.escape(table.caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
    )


def page(table: Table) -> str:
    """An HTML page around one table; it loads nothing from elsewhere."""
    foot = f"<p>{escaping.escape(table.foot)}</p>\n" if table.foot else ""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{escaping.escape(table.caption)}</title>\n<style>{STYLE}</style>\n"
        f"{html(table)}{foot}</html>\n"
    )


def latex(table: Table) -> str:
    """A `table*` environment with booktabs rules and the foot under it.

    Needs the packages booktabs and graphicx, which shrinks what is wider than the page.
    """
    if not table.rows:
        return f"% {_escape(table.instead())}\n"
    lines = [" & ".join(map(_escape, cells)) for cells in [table.titles(), *table.cells()]]
    head, *body = (line + r" \\" for line in lines)
    inside = "\n".join([head, r"\midrule", *body])
    under = f"\\par\\footnotesize {_escape(table.foot)}\n" if table.foot else ""
    return (
        "\\begin{table*}\n\\centering\n"
        f"\\caption{{{_escape(table.caption)}}}\n"
        "\\resizebox{\\ifdim\\width>\\textwidth\\textwidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{l{'c' * (len(table.names()) - 1)}}}\n\\toprule\n"
        f"{inside}\n\\bottomrule\n\\end{{tabular}}}}\n{under}\\end{{table*}}\n"
    )


def _html_cell(position, text):
    text = escaping.escape(text)
    return f'<th scope="row">{text}</th>' if position == 0 else f"<td>{text}</td>"


def _escape(text):
    return "".join(LATEX.get(character, character) for character in text)
