"""How a page becomes one file: template, style and script inside, nothing loaded from elsewhere."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from nodestage.core import files

TEMPLATES = Path(__file__).with_name("templates")


def write_page(output, template, title, study, context):
    """Fill a template and write it as one HTML file; text from data is escaped.

    study : title of the study
    """
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = (
        _environment()
        .get_template(template)
        .render(
            title=title,
            study=study,
            css=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
            js=Markup(script),
            script_digest=digest,
            **context,
        )
    )
    files.write_text(output, text)


def with_code(text):
    """A sentence whose `keys of the config` are set as code; everything else is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def _environment():
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = with_code
    return environment
