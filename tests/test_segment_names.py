"""Names of segments: which class they are, what `make check` says of them, and where one file may stand."""

import numpy as np
import pytest
import yaml
from cohort_phantom import dicom_series, phantom
from drawing_files import (
    LABELS,
    Series,
    ball,
    contours_of,
    slicer_fields,
    write_nrrd,
    write_rtstruct,
    write_seg,
)
from sheet_rows import CENTERS, row

from nodestage import cohort
from nodestage.cohort.centers import check_label_systems
from nodestage.cohort.drawings import names
from nodestage.core import tables
from nodestage.core.errors import InputError
from nodestage.study import check, schema

KNOWN = {
    "organs": LABELS,
    "tumor": {"tumor": 1},
    "lymph_nodes": {"negative": 1, "positive": 2},
}
NODES = {"lymph_nodes": {"negative": ["LN *", "N0"], "positive": ["LN pos*", "Filia *"]}}
TUMOR, NODE = ball((12, 30, 36), 9), ball((15, 20, 20), 4)


def chosen(found, role="lymph_nodes", segments=NODES):
    return names.choose(found, role, segments, KNOWN).classes


@pytest.mark.parametrize(
    "name, label",
    [("N0", 1), (" n0 ", 1), ("LN 12", 1), ("ln_12", 1), ("Filia 3", 2), ("FILIA  iliaca", 2)],
)
def test_capitals_underscores_and_blanks_do_not_matter_and_a_star_is_any_text(name, label):
    assert chosen([name]) == {0: label}


def test_a_name_of_two_classes_is_refused_and_one_written_out_goes_before_a_star():
    with pytest.raises(InputError, match="segment 2 of 2 has a name of negative and positive"):
        chosen(["N0", "LN pos 1"])
    exact = {"lymph_nodes": {"negative": ["LN *"], "positive": ["LN pos"]}}
    assert chosen(["LN pos", "LN 1"], segments=exact) == {0: 2, 1: 1}


def test_without_an_entry_our_own_names_are_understood():
    assert chosen(["Spleen", "cha pha"], "organs", None) == {0: 1, 1: 19}
    assert chosen(["PDAC"], "tumor", None) == {0: 1}
    found = ["negative lymph node 1", "Positive_lymph_node", "Liver", "tumor"]
    assert chosen(found, segments=None) == {0: 1, 1: 2}


def test_one_name_may_belong_to_two_masks_and_not_to_two_classes_of_one():
    both = {"tumor": ["PDAC"], "organs": {"pancreas": ["Pancreas", "PDAC"]}}
    assert names.check(both, LABELS) == []
    twice = {"organs": {"pancreas": ["PDAC"], "liver": ["pdac "]}}
    with pytest.raises(InputError, match="center a, organs: segments gives the name 'pdac ' to"):
        check_label_systems({"a": {"role": "external", "segments": twice}}, LABELS)


def test_missing_classes_of_the_config_are_recorded():
    segments = {"organs": {"spleen": "Milz", "liver": "Leber"}}
    facts = names.choose(["Leber"], "organs", segments, KNOWN).facts
    assert facts == {"segments": 1, "segments_missing": ["spleen"]}


@pytest.mark.parametrize(
    "segments, said",
    [
        ({"tumor": 5}, "centers.a.segments.tumor: 5 is not allowed. Give the name of a segment"),
        ({"tumour": "x"}, "unknown setting 'tumour' (did you mean 'tumor'?)"),
        ({"organs": {"splen": "x"}}, "the name 'splen' is not allowed (did you mean 'spleen'?)"),
        ({"lymph_nodes": {"pos": "x"}}, "centers.a.segments.lymph_nodes: unknown setting 'pos'"),
        ({"lymph_nodes": ["x"]}, "centers.a.segments.lymph_nodes: ['x'] is not allowed"),
        ({"optional": ["nodes"]}, "centers.a.segments.optional: ['nodes'] is not allowed"),
    ],
)
def test_a_misuse_in_the_config_is_reported(segments, said):
    with pytest.raises(InputError) as error:
        schema.check({"centers": {"a": {"role": "external", "segments": segments}}})
    assert said in str(error.value), str(error.value)


def test_what_the_documentation_offers_passes():
    segments = NODES | {
        "tumor": "PDAC",
        "organs": {"spleen": ["Milz", "Spleen*"]},
        "ignore": "others",
        "optional": ["lymph_nodes"],
    }
    schema.check({"centers": {"a": {"role": "external", "segments": segments}}})


# The sheet and `make check`


def study(folder, segments, sheet):
    centers = {"alpha": {"role": "discovery", "segments": segments}, "beta": {"role": "external"}}
    (folder / "c.yaml").write_text(yaml.safe_dump({"centers": centers}), encoding="utf-8")
    tables.write(folder / "s.tsv", sheet)
    return check.main([str(folder / "c.yaml"), "--sheet", str(folder / "s.tsv")])


def files(folder):
    """A series with one SEG, one RTSTRUCT and one .seg.nrrd that hold tumor and node."""
    series = Series(folder / "ct")
    drawn = {"PDAC": TUMOR, "N0": NODE}
    contours = {name: list(contours_of(array, series.affine)) for name, array in drawn.items()}
    array = TUMOR.astype("u1") + 2 * NODE.astype("u1")
    fields = slicer_fields({"PDAC": (1, 0), "N0": (2, 0)})
    return series, [
        write_seg(folder / "s.dcm", drawn, series),
        write_rtstruct(folder / "r", contours, series),
        write_nrrd(folder / "s.seg.nrrd", array, series.affine, fields),
    ]


def headers(folder, path, segments, **more):
    made = row("P1", venous="ct", lymph_nodes=str(path), tumor=str(path)) | more
    centers = {"alpha": CENTERS["alpha"] | {"segments": segments}}
    return cohort.check_headers_and_notices([made], centers, 1, base=folder, labels=LABELS)


def test_check_reads_the_headers_of_every_format(tmp_path):
    segments = {"tumor": ["PDAC", "Tumor"], **NODES}
    for path in files(tmp_path)[1]:
        grids, said, _ = headers(tmp_path, path, segments)
        assert list(grids) == [("P1", "venous")]
        sentences = said["P1", "lymph_nodes"]
        assert "no segment for positive" in sentences, path
        assert "its segments: 'PDAC', 'N0'" in sentences
        assert said["P1", "tumor"] == []


def test_check_names_every_mistake(tmp_path):
    series, paths = files(tmp_path)
    other = Series(tmp_path / "other", uid="1.2.826.5")
    wrong = write_seg(tmp_path / "o.dcm", {"PDAC": TUMOR, "N0": NODE}, other)
    moved = series.affine.copy()
    moved[:3, 3] += 0.8
    off = write_nrrd(
        tmp_path / "off.nrrd",
        TUMOR.astype("u1"),
        moved,
        slicer_fields({"PDAC": (1, 0)}),
    )
    between = [one + (0, 0, 1.2) for one in contours_of(TUMOR, series.affine)]
    lifted = write_rtstruct(tmp_path / "l.dcm", {"PDAC": between}, series)
    segments = {"tumor": ["PDAC"], **NODES}
    for path, words in [
        (wrong, "P1: tumor: refers to another series than the venous image"),
        (off, "P1: tumor: is not on the grid of the venous image"),
        (lifted, "contours don't lie on slices of the image"),
    ]:
        with pytest.raises(InputError) as error:
            headers(tmp_path, path, segments, lymph_nodes="")
        assert words in str(error.value), str(error.value)
        assert "1.2.8" not in error.value.full
    for path in paths:
        with pytest.raises(InputError) as error:
            headers(tmp_path, path, {"tumor": ["PDAC"]}, lymph_nodes="")
        assert "1 of its 2 segments has a name" in str(error.value) and "N0" not in str(error.value)
        assert "of these: 'N0'" in error.value.full


def test_a_mask_of_the_other_phase_asks_for_mask_phase(tmp_path):
    _, paths = files(tmp_path)
    dicom_series(tmp_path / "late", array=phantom() + 1, uid="1.2.826.6")
    for path in paths[:2]:
        with pytest.raises(InputError) as error:
            headers(
                tmp_path, path, {"tumor": ["PDAC"], **NODES}, venous="late", arterial="ct",
                lymph_nodes="",
            )  # fmt: skip
        assert "refers to the series of the arterial image" in str(error.value)
        assert "`mask_phase: arterial`" in str(error.value)


def test_one_file_may_stand_in_several_mask_columns_of_its_row_alone(tmp_path, capsys):
    files(tmp_path)
    segments = {"tumor": ["PDAC"], **NODES}
    shared = row("P1", venous="ct", tumor="s.dcm", lymph_nodes="s.dcm")
    external = row("P2", "beta", venous="other")
    Series(tmp_path / "other", uid="1.2.826.5")
    study(tmp_path, segments, [shared, external])
    assert "same file" not in capsys.readouterr().err
    study(tmp_path, segments, [shared, external | {"tumor": "s.dcm"}])
    assert "row 3, patient P2, tumor: the same file as tumor of row 2" in capsys.readouterr().err
    np.save(tmp_path / "m.npy", TUMOR)
    study(tmp_path, segments, [shared | {"tumor": "m.npy"}, external])
    assert "tumor: not a mask by its name" in capsys.readouterr().err


def test_a_folder_may_hold_an_image_and_the_mask_drawn_on_it(tmp_path, capsys):
    series = Series(tmp_path / "ct")
    write_seg(series.folder / "seg.dcm", {"PDAC": TUMOR, "N0": NODE}, series)
    made = row("P1", venous="ct", tumor="ct", lymph_nodes="ct")
    segments = {"tumor": ["PDAC"], **NODES}
    study(tmp_path, segments, [made])
    printed = capsys.readouterr().err
    assert "same file" not in printed and "image headers" not in printed
    grids, *_ = headers(tmp_path, "ct", segments)
    assert len(grids) == 1
