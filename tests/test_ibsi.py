"""Which radiomics features have IBSI's reference values on its digital phantom, and what docs say of it."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from needed import PYRADIOMICS

extraction = pytest.importorskip("nodestage.methods.radiomics.extraction", reason=PYRADIOMICS)
ROOT = Path(__file__).parents[1]
PHANTOM = yaml.safe_load((ROOT / "tests/ibsi_digital_phantom.yaml").read_text(encoding="utf-8"))
REFERENCES = PHANTOM["features"]

# Divided by n in PyRadiomics, by n - 1 in IBSI: the covariance of the voxels' positions.
BY_COUNT = {"shape_MajorAxisLength", "shape_MinorAxisLength", "shape_LeastAxisLength"}
DIFFERENT = {"firstorder_Kurtosis", "shape_MinorAxisLength", "shape_LeastAxisLength"}
NOT_IN_IBSI = {
    "firstorder_TotalEnergy",
    "glcm_MCC",
    "shape_Maximum2DDiameterColumn",
    "shape_Maximum2DDiameterRow",
    "shape_Maximum2DDiameterSlice",
}


@cache
def computed():
    """The 107 features of the unfiltered phantom with our settings, but bins of width 1 as IBSI asks."""
    settings = extraction.settings()
    patched = settings | {
        "imageType": {"Original": {}},
        "setting": settings["setting"] | {"binWidth": 1},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "settings", lambda: patched)
        found = extraction.features(
            np.array(PHANTOM["image"], float), np.array(PHANTOM["mask"]), (2.0, 2.0, 2.0)
        )
    return {name.removeprefix("original_"): value for name, value in found.items()}


def printed(value):
    """A value with three digits, as the manual prints it; `1490` and not `1.49e+03`."""
    return f"{float(f'{value:.3g}'):g}"


def agrees(name, value):
    reference = REFERENCES[name]
    if "tolerance" in reference:
        return abs(value - reference["value"]) <= reference["tolerance"]
    return float(f"{value:.3g}") == reference["value"]


def test_the_phantom_is_the_published_one():
    image, mask = np.array(PHANTOM["image"]), np.array(PHANTOM["mask"])
    assert image.shape == mask.shape == (4, 4, 5) and mask.sum() == 74
    assert set(image[mask > 0]) == {1, 3, 4, 6}


def test_the_features_that_differ_from_ibsi_are_those_that_we_name():
    values = computed()
    assert set(values) - set(REFERENCES) == NOT_IN_IBSI
    assert {name for name in REFERENCES if not agrees(name, values[name])} == DIFFERENT


def test_the_features_that_differ_do_so_by_their_definition():
    values = computed()
    assert printed(values["firstorder_Kurtosis"] - 3) == "-0.355"
    for name in BY_COUNT:
        assert agrees(name, values[name] * np.sqrt(74 / 73))


def lines():
    """Lines of the table in docs/radiomics.md."""
    for name, value in computed().items():
        if name in NOT_IN_IBSI:
            yield f"| `{name}` | – | | {printed(value)} | not in IBSI |"
            continue
        reference = REFERENCES[name]
        wanted = f"{reference['value']:g}"
        if "tolerance" in reference:
            wanted += f" ± {reference['tolerance']:g}"
        verdict = "agrees" if agrees(name, value) else "**differs**"
        yield f"| `{name}` | {reference['name']} | {wanted} | {printed(value)} | {verdict} |"


def test_the_documentation_has_these_values():
    text = (ROOT / "docs/radiomics.md").read_text(encoding="utf-8")
    assert [line for line in lines() if line not in text] == []
    counts = [len(REFERENCES) - len(DIFFERENT), len(REFERENCES), len(computed())]
    assert "{} of the {} features that IBSI defines, of {}".format(*counts) in text
