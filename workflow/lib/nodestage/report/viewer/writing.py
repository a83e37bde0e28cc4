"""The folder of a center's viewer: its page, niivue, and one file per patient."""

import base64
import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from nodestage.report.gallery import LAYERS, WINDOWS

HERE = Path(__file__).parent
PAGE = "index.html"
OVERLAYS = {
    # volume: name on the page, color of each label, opacity, shown at first
    "map": ("Attention map", [], 0.35, False),
    "organs": ("Organs and vessels", None, 0.35, False),
    "tumor": ("Tumor", [LAYERS["tumor"][0]], 0.5, True),
    "nodes": (
        "Lymph nodes: called negative, positive",
        [LAYERS["nodes_negative"][0], LAYERS["nodes_positive"][0]],
        0.6,
        True,
    ),
    "drawn": (
        "Drawn by a reader: negative, positive",
        [LAYERS["truth_negative"][0], LAYERS["truth_positive"][0]],
        0.6,
        False,
    ),
}


@dataclass
class ViewerFolder:
    """Writes a center's viewer, patient by patient; `close` adds the page that lists them.

    Attributes
    ----------
    folder : exists, empty
    center : its name, for the title
    organs : {structure: label} of the organ volumes
    """

    folder: Path
    center: str
    organs: dict[str, int]
    patients: list[str] = field(default_factory=list)

    def add(self, patient: str, volumes: dict[str, str]) -> None:
        """Write one patient's file, `patients/{number}.js`.

        patient : study code; volumes : from `encoding.encoded`
        """
        path = self.folder / "patients" / f"{len(self.patients)}.js"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"loaded({_script(volumes)});\n", encoding="utf-8")
        self.patients.append(patient)

    def close(self) -> None:
        """Write the page and copy niivue beside it."""
        shutil.copytree(HERE / "niivue", self.folder / "niivue")
        script = (HERE / "viewer.js").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        environment = Environment(autoescape=True, undefined=StrictUndefined)
        template = environment.from_string((HERE / "viewer.html").read_text(encoding="utf-8"))
        page = template.render(
            center=self.center,
            patients=self.patients,
            windows=WINDOWS,
            overlays=OVERLAYS,
            facts=_script({"patients": self.patients, "overlays": OVERLAYS, "organs": self.organs}),
            css=(HERE / "viewer.css").read_text(encoding="utf-8"),
            script=script,
            digest=digest,
        )
        (self.folder / PAGE).write_text(page, encoding="utf-8")


def addresses(patients: Iterable[str], center: str) -> dict[str, str]:
    """{patient: address in the viewer}, as seen from the center's page.

    patients : in the order in which `ViewerFolder.add` took them, which is that of the center's gallery
    """
    return {
        patient: f"viewer/{quote(center)}/{PAGE}#{number}"
        for number, patient in enumerate(patients)
    }


def _script(value):
    """JSON that neither ends a script element nor begins a comment there."""
    text = json.dumps(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
