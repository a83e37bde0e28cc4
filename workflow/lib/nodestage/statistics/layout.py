"""Tables as a reader sees them: HTML and LaTeX from the same rows, everything escaped."""

import html as _html
import math

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


def cell(value, digits=3):
    """A value as text: floats rounded, what is undefined as a dash."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return str(value)


def html(rows, caption, columns=None, heads=None, digits=3):
    """An accessible HTML table.

    Parameters
    ----------
    rows : list of dicts
    caption : text
    columns : names in order; those of the first row by default
    heads : {column: words}
    digits : decimals of floats

    Returns
    -------
    text; without rows a paragraph that says that the study has no ground truth for it
    """
    if not rows:
        return f"<p>{_html.escape(caption)}: this study has no ground truth for this table.</p>\n"
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


def latex(rows, caption, columns=None, heads=None, digits=3):
    """A `table` environment with booktabs rules; parameters as `html`."""
    if not rows:
        return f"% {_escape(caption)}: this study has no ground truth for this table.\n"
    columns = list(columns or rows[0])
    lines = [" & ".join(_escape(_head(c, heads)) for c in columns)]
    lines += [" & ".join(_escape(cell(row.get(c), digits)) for c in columns) for row in rows]
    head, *body = (line + r" \\" for line in lines)
    inside = "\n".join([head, r"\midrule", *body])
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{_escape(caption)}}}\n"
        f"\\begin{{tabular}}{{l{'c' * (len(columns) - 1)}}}\n\\toprule\n"
        f"{inside}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def _head(column, heads):
    return (heads or {}).get(column, column.replace("_", " "))


def _html_cell(place, text):
    text = _html.escape(text)
    return f'<th scope="row">{text}</th>' if place == 0 else f"<td>{text}</td>"


def _escape(text):
    return "".join(_LATEX.get(character, character) for character in text)
