"""The volume viewer: voxels as in the scan, a folder that opens offline, in a browser."""

import base64
import gzip
import json
import re

import nibabel
import numpy as np
import pytest
from PIL import Image

from nodestage.report import gallery
from nodestage.report.viewer import encoding, writing

HOSTILE = "A<script>window.hacked=1</script>&'\""
SPACING = (3.0, 1.5, 2.0)
SHAPE = (12, 40, 32)
NODE = (slice(4, 8), slice(10, 18), slice(18, 26))


def scan(arterial=True, shape=SHAPE, spacing=SPACING):
    """A bright block in gray, called positive; a tumor beside it; the liver around both."""
    venous = np.full(shape, 40.0)
    venous[NODE] = 200
    venous[0, 0, 0], venous[-1, 0, 0] = -1000, 900
    node, tumor = np.zeros(shape, bool), np.zeros(shape, bool)
    node[NODE], tumor[2:5, 25:30, 4:12] = True, True
    overlays = {
        "nodes_negative": np.zeros(shape, bool),
        "nodes_positive": node,
        "tumor": tumor,
        "organs": np.where(tumor, 11, 6),
    }
    phases = (venous - 30 if arterial else None, venous)
    return gallery.Scan(*phases, overlays, np.linspace(0, 1, 12)[:, None, None] + node * 0, spacing)


def read(text):
    """Values (z, y, x) and header of an encoded volume, as nibabel reads them."""
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))
    return image.get_fdata().transpose(2, 1, 0), image


def test_a_volume_has_the_scans_voxels_in_their_place():
    one = scan()
    texts = encoding.encoded(one)
    assert set(texts) == {"arterial", "venous", "map", "organs", "tumor", "nodes"}
    for phase, array in one.phases.items():
        found, image = read(texts[phase])
        np.testing.assert_allclose(found, np.clip(array, *gallery.STORED_HU), atol=1.1)
        # To the right, the front and the head: the reverse of x and y of our arrays.
        np.testing.assert_allclose(image.affine, np.diag([-2.0, -1.5, 3.0, 1.0]))
    np.testing.assert_allclose(read(texts["map"])[0], one.attention, atol=0.002)
    for name, expected in (
        ("organs", one.overlays["organs"]),
        ("tumor", one.overlays["tumor"]),
        ("nodes", 2 * one.overlays["nodes_positive"]),
    ):
        np.testing.assert_array_equal(read(texts[name])[0], expected)


def test_a_missing_phase_and_empty_masks_are_left_out():
    one = scan(arterial=False)
    one.overlays["tumor"][:] = False
    assert set(encoding.encoded(one)) == {"venous", "map", "organs", "nodes"}


def test_a_large_scan_is_cut_to_what_matters_and_thinned(monkeypatch):
    monkeypatch.setattr(encoding, "BUDGET", 2_000)
    one = scan()
    one.attention[:6] = 0
    found, image = read(encoding.encoded(one)["nodes"])
    assert found.size <= 1.1 * encoding.BUDGET and found.size > 0.5 * encoding.BUDGET
    # The same volume of tissue, and the node's part of it, on larger voxels.
    zooms = np.array(image.header.get_zooms())
    assert (found == 2).sum() * zooms.prod() == pytest.approx(4 * 8 * 8 * np.prod(SPACING), rel=0.3)
    assert set(np.unique(found)) == {0, 2}


def write(folder, codes):
    folder.mkdir(parents=True)
    shown = writing.ViewerFolder(folder, "center", {"liver": 6, "pancreas": 11})
    for code in codes:
        shown.add(code, encoding.encoded(scan()))
    shown.close()
    return folder


def test_the_folder_has_a_file_per_patient_and_nothing_of_the_page_is_code(tmp_path):
    folder = write(tmp_path / "viewer", [HOSTILE, "P2"])
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    niivue = {"niivue/niivue.umd.js", "niivue/LICENSES.txt"}
    assert names == {"index.html", "patients/0.js", "patients/1.js"} | niivue
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script>window" not in page and "unsafe-eval" not in page
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert writing.addresses([HOSTILE, "P2"], "a b") == {
        HOSTILE: "viewer/a%20b/index.html#0",
        "P2": "viewer/a%20b/index.html#1",
    }
    text = (folder / "patients/1.js").read_text(encoding="utf-8")
    assert json.loads(text[len("loaded(") : -3]) == encoding.encoded(scan())


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory):
    """The browser, with the first patient of a viewer shown."""
    folder = write(tmp_path_factory.mktemp("report") / "viewer", [HOSTILE, "P2"])
    chromium.complaints.clear()
    chromium.requests.clear()
    chromium.size(900, 600)
    chromium.open(folder / "index.html")
    shown(chromium, HOSTILE)
    return chromium


def shown(chromium, patient):
    """Wait until a patient is drawn."""
    waiting = f"""new Promise((done) => {{
        const look = () => document.body.dataset.shown === {json.dumps(patient)} ? done(true)
            : document.getElementById("message").textContent.includes("can't") ? done(document.getElementById("message").textContent)
            : setTimeout(look, 50);
        look(); }})"""
    assert chromium.run(waiting) is True


def colors(chromium, tmp_path):
    """Pixels (n, 3) of the canvas."""
    chromium.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    chromium.picture(tmp_path / "shot.png", whole=False)
    box = chromium.run(
        "(({x, y, right, bottom}) => [x, y, right, bottom])(document.getElementById('canvas').getBoundingClientRect())"
    )
    with Image.open(tmp_path / "shot.png") as picture:
        return np.asarray(picture.convert("RGB").crop([int(side) for side in box])).reshape(-1, 3)


def red(pixels):
    """How many pixels have the color of a positive node over gray."""
    r, g, b = pixels.astype(int).T
    return int(((r > g + 40) & (r > b + 20)).sum())


def test_a_patient_opens_offline_at_the_node_and_overlays_switch(opened, tmp_path):
    assert opened.run("document.getElementById('message').textContent") == ""
    assert opened.run("window.hacked") is None
    assert all(address.startswith(("file:", "data:", "blob:")) for address in opened.requests)
    with_node = red(colors(opened, tmp_path))
    assert with_node > 500
    opened.press("4")
    assert red(colors(opened, tmp_path)) == 0
    opened.press("4")
    assert red(colors(opened, tmp_path)) == with_node


def test_slices_windows_and_phases_change_what_is_shown(opened, tmp_path):
    for _ in range(6):  # beyond the node's last slice
        opened.press("ArrowUp")
    assert red(colors(opened, tmp_path)) == 0
    for _ in range(6):
        opened.press("ArrowDown")
    at_node = colors(opened, tmp_path)
    assert red(at_node) > 500
    opened.press("a")
    arterial = colors(opened, tmp_path)
    assert arterial.mean() < at_node.mean()  # 30 HU less
    opened.press("w")
    assert colors(opened, tmp_path).mean() != arterial.mean()
    for key in ("v", "w", "w"):
        opened.press(key)
    np.testing.assert_array_equal(colors(opened, tmp_path), at_node)


def test_the_next_patient_and_an_address_open_theirs(opened):
    opened.press("j")
    shown(opened, "P2")
    opened.run("location.hash = '#0'")
    shown(opened, HOSTILE)
    assert opened.complaints == []


def test_the_viewer_fits_a_phone(opened):
    opened.size(390, 800)
    assert opened.run("document.documentElement.scrollWidth") <= 390
    assert opened.run("document.getElementById('canvas').getBoundingClientRect().height") > 300
    opened.size(900, 600)
