"""Copy the pages of a finished study into this folder, with the pictures of few patients and without volumes.

    python docs/example/shorten.py larger/results/report

A visitor opens them from the repository or the site; all patients' pictures would have tens of MB.
"""

import re
import sys
from pathlib import Path

PATIENTS = 4
PANEL = re.compile(r'<article class="panel .*?</article>\n?', re.DOTALL)
NOTE = re.compile(r'<p class="small">The pictures of the last \d+ patients are loaded.*?</p>\n')
VOLUMES = re.compile(r'<p><a href="viewer/[^"]*">Scroll through the scan</a></p>')
HEADING = '<h2 id="gallery-title">Patients, worst errors first</h2>\n'


def shortened(page: str) -> str:
    """A page with the first panels of its gallery, which says so; without the volumes."""
    page = VOLUMES.sub("", page)
    panels = PANEL.findall(page)
    if len(panels) <= PATIENTS:
        return page
    kept = "".join(panels[:PATIENTS])
    first, last = page.index(panels[0]), page.index(panels[-1]) + len(panels[-1])
    page = NOTE.sub("", page[:first]) + kept + page[last:]
    note = f'<p class="note">An example: {PATIENTS} of {len(panels)} patients are shown here.</p>\n'
    return page.replace(HEADING, HEADING + note)


def main() -> None:
    """Shorten every page of the report in the folder that the command line names."""
    for path in sorted(Path(sys.argv[1]).glob("*.html")):
        page = shortened(path.read_text(encoding="utf-8"))
        Path(__file__).with_name(path.name).write_text(page, encoding="utf-8")
        print(f"{path.name}: {len(page) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
