"""Figures 1 and 2 of the page on the paper are what their script draws, small, and whole."""

import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "figures"
spec = importlib.util.spec_from_file_location("draw", FOLDER / "draw.py")
draw = importlib.util.module_from_spec(spec)
spec.loader.exec_module(draw)


@pytest.mark.parametrize("name", ["figure_1", "figure_2"])
def test_a_figure_is_what_its_script_draws_and_the_page_shows_it(name):
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert text == getattr(draw, name)() and len(text) < 10_000
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    assert f"](figures/{name}.svg)" in page
    root = ElementTree.fromstring(text)
    width, height = float(root.get("width")), float(root.get("height"))
    places = [(float(e.get("x")), float(e.get("y"))) for e in root.iter() if e.get("x")]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


def test_figure_1_names_the_ten_structures():
    words = "".join(ElementTree.fromstring(draw.figure_1()).itertext()).lower()
    anatomy = yaml.safe_load((ROOT / "config/anatomy.yaml").read_text(encoding="utf-8"))
    for name in anatomy["ranges_mm"]:
        assert name.replace("tc_sa", "tc&sa").replace("cha_pha", "cha&pha") in words, name
