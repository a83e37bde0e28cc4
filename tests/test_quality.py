"""The page about a center's images: what is wrong is named, on top, escaped, with the records' numbers."""

import base64
import copy
import io
import re

import numpy as np
import pytest
import report_study as made
import workflow_study as workflow
from cohort_phantom import phantom
from PIL import Image
from test_report import Page

from nodestage import cohort
from nodestage.core import files
from nodestage.core.volumes import Volume
from nodestage.report import facts, organ_pictures, pages, plots, quality

KNOWN = {"aorta": 8, "portal_splenic_vein": 10}
CODES = ["P1", "P2", "P3", "P4", "P5", "P6", made.HOSTILE]


def intake(spacing=(2.5, 1.5, 1.5), array=None):
    volume = Volume(phantom() if array is None else array, spacing)
    return {"quality": cohort.quality(volume), "spacing_mm": list(spacing)}


def registered(after=0.9, **more):
    return {
        "similarity": {"before": 0.75, "affine": 0.85, "after": after, "chance": 0.6},
        "displacement_mm": {"mean": 4.25, "p95": 9.5, "max": 14.125},
        "folded_share": 0.0,
        "covered_share": 0.97,
        "failed": False,
        "reason": "",
        **more,
    }


@pytest.fixture(scope="module")
def records():
    """Six patients and one with a hostile code; P2's phases are swapped, P3's registration failed,
    P4 has another patient's arterial phase, P5 has no arterial phase, P6 lies upside down in front."""
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2], labels[2:] = 8, 10
    arterial = np.where(labels == 8, 320, 120)
    venous = np.where(labels == 8, 150, 170)
    right = cohort.phase_contrast(arterial, venous, labels, KNOWN)
    wrong = cohort.phase_contrast(venous, arterial, labels, KNOWN)
    taken = {p: {"arterial": intake(), "venous": intake((5.0, 1.5, 1.5))} for p in CODES}
    del taken["P5"]["arterial"]
    taken["P6"]["venous"] = intake(array=np.ascontiguousarray(phantom()[:, ::-1]))
    laid = {p: registered() for p in CODES if p != "P5"}
    laid["P3"] = registered(0.62, failed=True, reason="1.00 % of the voxels fold")
    laid["P4"] = registered(0.75)
    contrast = {p: wrong if p == "P2" else right for p in laid}
    reasons = {"P5": "arterial phase missing"}
    return {
        "intake": taken,
        "registration": laid,
        "contrast": contrast,
        "reasons": reasons,
    }


@pytest.fixture(scope="module")
def found(records):
    return quality.patients(CODES, **records)


@pytest.fixture(scope="module")
def page(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("qc") / "c.html"
    quality.page("c d", "external", found, {"study": "S", "organs": "predicted"}, path)
    return path.read_text(encoding="utf-8")


def flags_of(found, code):
    return " · ".join(next(p for p in found if p.code == code).flags)


def test_each_fault_is_named_for_its_patient_alone(found):
    for code, words in {
        "P2": "swapped",
        "P3": "fold",
        "P4": "less alike (0.38) than is usual here (0.75)",
        "P5": "arterial phase missing",
        "P6": "spine not behind",
    }.items():
        assert words in flags_of(found, code)
        assert not any(words in flags_of(found, p) for p in CODES if p != code)


def test_patients_to_look_at_stand_on_top(found, page):
    # The phantom's short coverage flags everybody alike; a fault adds to it.
    assert {p.code for p in found[:5]} == {"P2", "P3", "P4", "P5", "P6"} or len(
        found[0].flags
    ) > len(found[-1].flags)
    assert [len(p.flags) for p in found] == sorted((len(p.flags) for p in found), reverse=True)
    order = [code for code in re.findall(r'<th scope="row">(P\d)</th>', page)[:6]]
    assert order == [p.code for p in found if p.code in order][:6]


def test_numbers_are_those_of_the_records(records, page):
    shown = {(a["data-source"], a["data-column"]): a["data-value"] for a, _ in Page(page).numbers}
    for code in ("P1", "P2", "P3", "P4", "P6"):
        for phase in ("arterial", "venous"):
            seen = records["intake"][code][phase]["quality"]
            source = f"{code}/{phase}.json"
            assert shown[source, "slices"] == repr(seen["slices"])
            assert shown[source, "hu_mean_body"] == repr(seen["hu_mean_body"])
            for axis, value, covers in zip(
                "zyx", seen["spacing_mm"], seen["coverage_mm"], strict=True
            ):
                assert shown[source, f"spacing_mm.{axis}"] == repr(value)
                assert shown[source, f"coverage_mm.{axis}"] == repr(covers)
        for vessel in ("aorta", "portal"):
            for phase in ("arterial", "venous"):
                key = f"{vessel}_{phase}"
                value = records["contrast"][code][key]
                assert shown[f"{code}/contrast", key] == repr(value)
        for key in ("before", "affine", "after", "chance"):
            value = records["registration"][code]["similarity"][key]
            assert shown[f"{code}/record.json", f"similarity.{key}"] == repr(value)
        for key in ("mean", "p95", "max"):
            value = records["registration"][code]["displacement_mm"][key]
            assert shown[f"{code}/record.json", f"displacement_mm.{key}"] == repr(value)
    assert ("P5/arterial.json", "slices") not in shown
    assert ("P5/venous.json", "slices") in shown


def test_the_histogram_is_the_share_of_tissue_in_each_bin(records, page):
    seen = records["intake"]["P1"]["arterial"]["quality"]
    kept = [s for e, s in zip(seen["hu_edges"], seen["hu_share"], strict=False) if e >= -150]
    words = Page(page).words
    names = [w for w in words if re.fullmatch(r"−?\d+ to −?\d+|from \d+", w)]
    assert names[:9] == [
        "−150 to −20", "−20 to 20", "20 to 80", "80 to 150", "150 to 250", "250 to 400",
        "400 to 700", "700 to 1500", "from 1500",
    ]  # fmt: skip
    medians = [float(m) for m in re.findall(r'<td class="num">([\d.]+) <span class="ci">', page)]
    np.testing.assert_allclose(medians[:9], 100 * np.array(kept) / sum(kept), atol=0.06)


def test_the_page_is_escaped_and_asks_for_nothing(page):
    read = Page(page)
    assert any(made.HOSTILE in words for words in read.words)
    assert not [tag for tag, _ in read.elements if tag == "img"]
    assert not [name for _, a in read.elements for name in a if name.startswith("on")]
    assert sum(tag == "script" for tag, _ in read.elements) == 1
    for tag, attributes in read.elements:
        for key in ("src", "href"):
            assert attributes.get(key, "#").startswith(("data:", "#")) or tag == "a"
    assert "default-src 'none'" in page and "For research, not a medical device" in page
    tags = [tag for tag, _ in read.elements]
    assert tags.count("table") == tags.count("caption") >= 5
    assert 'href="../c%20d.html"' in page


def test_where_one_phase_stands_in_for_both_nothing_is_compared(records):
    changed = copy.deepcopy(records)
    changed["registration"]["P2"] = registered(substituted="venous", reason="noise")
    found = quality.patients(CODES, **changed)
    assert "swapped" not in flags_of(found, "P2")
    assert "stands in for the other, since the registration failed: noise" in flags_of(found, "P2")


WHOLE = {"aorta": 40.0, "portal_splenic_vein": 12.0, "pancreas": 60.0, "liver": 1500.0}


@pytest.mark.parametrize(
    "volumes, given, words",
    [
        (WHOLE, False, ""),
        ({n: ml for n, ml in WHOLE.items() if n != "pancreas"}, False, "organs: no pancreas labelled"),
        ({"liver": 1500.0}, False, "no aorta and no portal and splenic vein and no pancreas"),
        (WHOLE | {"esophagus": 1126.0}, True, "esophagus of 1126.0 ml, an adult's has 1 to 150"),
        ({"aorta": 40.0, "pancreas": 60.0}, True, ""),  # a center that draws no vein
    ],
)  # fmt: skip
def test_labels_that_cannot_be_right_are_flagged(records, volumes, given, words):
    others = {} if given else {"P2": WHOLE}
    found = quality.patients(CODES, **records, volumes={"P1": volumes} | others, given=given)
    said = flags_of(found, "P1")
    assert words in said and ("organs: " in said) == bool(words)
    assert "organs: " not in flags_of(found, "P2")


def test_metastasis_with_negative_nodes_alone_is_flagged(records):
    found = quality.patients(CODES, **records, negative=["P1"])
    flagged = [p.code for p in found if quality.ALL_NEGATIVE in p.flags]
    assert flagged == ["P1"]


def test_a_check_that_says_nothing_says_that(records):
    """All phases swapped and the vessels lost: the page must not read `none with a flag`."""
    changed = copy.deepcopy(records)
    lost = np.zeros((4, 4, 4), np.uint8)
    changed["contrast"]["P1"] = cohort.phase_contrast(lost, lost, lost, KNOWN)
    found = quality.patients(CODES, **changed, volumes={"P1": {"liver": 1500.0}})
    assert "phases: could not be checked, neither aorta nor portal vein" in flags_of(found, "P1")


def test_the_page_shows_the_labels_on_both_phases(found, tmp_path):
    labels = np.zeros((10, 30, 40), np.uint8)
    labels[3:8, 10:20, 15:30] = 11
    known = KNOWN | {"pancreas": 11}
    ct = np.full(labels.shape, 40.0)  # a pancreas of 15 ml
    drawn = organ_pictures.pictures(ct, ct + 60, labels, known, (5.0, 2.0, 2.0))
    sizes = {}
    for plane, data in drawn.items():
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        sizes[plane] = picture.size
        seen = np.asarray(picture).astype(int)
        assert (abs(seen - np.array([255, 176, 0])).sum(2) < 150).any()  # the pancreas's line
    assert sizes == {"coronal": (260, 162), "axial": (260, 195)}
    quality.page(
        "c", "external", found, {}, tmp_path / "p.html", {made.HOSTILE: drawn, "P2": drawn}
    )
    read = Page((tmp_path / "p.html").read_text(encoding="utf-8"))
    shown = [a for tag, a in read.elements if tag == "img"]
    assert len(shown) == 4 and all(a["src"].startswith("data:image/jpeg;base64,") for a in shown)
    assert shown[-1]["alt"].startswith(made.HOSTILE) and not any("onerror" in a for a in shown)


def test_the_first_look_waits_for_no_network(tmp_path):
    """`make quality` asks for these two targets, one after the other."""
    makefile = (workflow.REPOSITORY / "Makefile").read_text(encoding="utf-8")
    asked = re.findall(r"\$\(RUN\) (first_looks|qualities)\n", makefile)
    assert asked == ["first_looks", "qualities"]
    (tmp_path / "config.yaml").write_text("{}")
    first, later = (set(workflow.planned(tmp_path, target)) for target in asked)
    assert {"first_look", "register", "intake"} <= first
    assert not {rule for rule in first if rule.startswith(("organs", "tumor", "lymph"))}
    assert {"quality", "organs_student"} <= later
    assert not {rule for rule in later if rule.startswith(("lymph_nodes", "fit"))}


def test_a_center_without_any_image_has_a_page(tmp_path):
    found = quality.patients(["P1"], {}, {}, {}, {"P1": "arterial and venous phase missing"})
    quality.page("c", "auxiliary", found, {}, tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "1 of 1 patients to look at" in text and "No histogram" in text
    assert "../c.html" not in text  # an auxiliary center has no report


def test_the_centers_report_takes_the_warnings_over_and_links_to_the_page(found, records, tmp_path):
    files.write_json(tmp_path / "qc.json", quality.record(found))
    files.write_json(tmp_path / "manifest.json", {})
    made.write_gallery(tmp_path / "gallery.json", CODES[:1])
    known = {"rows": [{"patient": p, "metastasis": "1"} for p in CODES], "reasons": {}}
    gathered = facts.of_center(
        known,
        {},
        records["registration"],
        records["intake"],
        tmp_path / "gallery.json",
        tmp_path / "manifest.json",
        quality=tmp_path / "qc.json",
    )
    mine = {p["patient"]: p["flags"] for p in gathered["patients"]}
    assert any("swapped" in text for text in mine["P2"])
    assert not any("swapped" in text for text in mine["P1"])
    gathered |= {"study": "S", "simulated": False}
    pages.center_page("c", "external", tmp_path, None, gathered, tmp_path / "c.html")
    text = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert 'href="qc/c.html"' in text and "the two may be swapped" in text
    flagged = sum(bool(p.flags) for p in found)
    assert f"{flagged} of {len(CODES)} patients carry a flag" in text
    # Red in the registration's figure: the one that failed, and the one less alike than usual.
    people = [{"patient": p["patient"], "record": p} for p in gathered["patients"]]
    axes = plots.of_registration(people)["registration"].figure.axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    red = {names[int(d.get_xdata()[0])] for d in axes.lines if d.get_color() == "#c62828"}
    assert red == {"P3", "P4"}
