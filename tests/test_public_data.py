"""Recipes for public data: rows of the sheet from their folders, and what their masks become."""

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from snakemake.utils import update_config

from nodestage.cohort import centers as cohort_centers
from nodestage.cohort import masks
from nodestage.cohort.sheet import COLUMNS
from nodestage.cohort.sheet_check import check_sheet
from nodestage.core.errors import InputError
from nodestage.study import public, schema
from nodestage.study.study import Sheet, build

ROOT = Path(__file__).parents[1]
ANATOMY = yaml.safe_load((ROOT / "config/anatomy.yaml").read_text(encoding="utf-8"))
KNOWN = ANATOMY["labels"]


def nifti(path, values=(), shape=(6, 8, 10)):
    """A small CT, or a mask with these values in a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.full(shape, 40, np.int16) if not values else np.zeros(shape, np.uint8)
    array[2, 3, : len(values)] = values
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.0, 2.0, 2.5))
    sitk.WriteImage(image, str(path))


def made_up(name, folder):
    """Two patients in the layout of a data set; the values of the first one's masks."""
    if name == "msd_pancreas":
        for k in (1, 4):
            nifti(folder / f"imagesTr/pancreas_00{k}.nii.gz")
            nifti(folder / f"labelsTr/pancreas_00{k}.nii.gz", (1, 2))
        (folder / "imagesTr/._pancreas_001.nii.gz").write_bytes(b"a Mac's")
    elif name == "amos":
        for k in ("0001", "0404", "0507"):
            nifti(folder / f"imagesTr/amos_{k}.nii.gz")
            nifti(folder / f"labelsTr/amos_{k}.nii.gz", range(1, 11))
    elif name == "btcv":
        for k in ("0001", "0002"):
            nifti(folder / f"img/img{k}.nii.gz")
            nifti(folder / f"label/label{k}.nii.gz", range(4, 14))
    else:
        for k in ("001", "002"):
            (folder / f"CT Lymph Nodes/ABD_LYMPH_{k}").mkdir(parents=True)
            (folder / f"CT Lymph Nodes/ABD_LYMPH_{k}/1.dcm").write_bytes(b"x")
            mask = folder / f"MED_ABD_LYMPH_MASKS/ABD_LYMPH_{k}/ABD_LYMPH_{k}_mask.nii.gz"
            nifti(mask, (1, 2, 3))
            nifti(folder / f"totalsegmentator/ABD_LYMPH_{k}.nii.gz", (1, 52, 20, 7))


def at_home(folder):
    """A patient of one's own discovery center, which every study has."""
    nifti(folder / "home/ct.nii.gz")
    nifti(folder / "home/nodes.nii.gz", (1, 2))
    return dict.fromkeys(COLUMNS, "") | {
        "patient": "H1", "center": "home", "metastasis": "1",
        "venous": str(folder / "home/ct.nii.gz"),
        "lymph_nodes": str(folder / "home/nodes.nii.gz"),
    }  # fmt: skip


# What the first patient's masks must become: {column: our names, in the order of the voxels}.
EXPECTED = {
    "msd_pancreas": {"tumor": [0, 1]},
    "amos": {
        "organs": "spleen right_kidney left_kidney gallbladder esophagus liver stomach aorta "
        "vena_cava pancreas".split()
    },
    "btcv": {
        "organs": "gallbladder esophagus liver stomach aorta vena_cava portal_splenic_vein pancreas "
        "right_adrenal left_adrenal".split()
    },
    "tcia_lymph_nodes": {"organs": ["spleen", "aorta", 0, "pancreas"], "lymph_nodes": [1, 1, 1]},
}


def config_of(name):
    recipe = yaml.safe_load((ROOT / f"config/public/{name}.yaml").read_text(encoding="utf-8"))
    whole = {}
    for file in ("config.yaml", "simulator.yaml"):
        update_config(whole, yaml.safe_load((ROOT / "config" / file).read_text(encoding="utf-8")))
    update_config(whole, recipe)
    return whole


@pytest.mark.parametrize("name", sorted(public.SETS))
def test_a_set_becomes_rows_and_its_masks_our_labels(tmp_path, name):
    made_up(name, tmp_path)
    rows = list(public.rows(name, tmp_path))
    assert len(rows) == 2 and {row["center"] for row in rows} == {name}
    config = config_of(name)
    schema.check(config)
    entries = config["centers"] | {"home": {"role": "discovery"}}
    check_sheet([*rows, at_home(tmp_path)], entries, base=tmp_path)
    entry = config["centers"][name]
    for column, expected in EXPECTED[name].items():
        system = cohort_centers.label_system(entry, column)
        rules = masks.MaskRules(column, system, KNOWN if column == "organs" else None)
        mask, _ = masks.read_mask_with_record(rows[0][column], rules)
        wanted = sorted(KNOWN[value] if isinstance(value, str) else value for value in expected)
        found = sorted(mask.array[mask.array > 0].tolist())
        assert found == [value for value in wanted if value]
        shown = {KNOWN[structure] for structure in cohort_centers.annotated(entry, KNOWN)}
        assert column != "organs" or set(found) <= shown


def test_attention_maps_of_one_phase_need_no_status_and_no_network(tmp_path):
    made_up("tcia_lymph_nodes", tmp_path)
    rows = list(public.rows("tcia_lymph_nodes", tmp_path))
    config = config_of("tcia_lymph_nodes")
    entries = config["centers"] | {"home": {"role": "discovery"}}
    study = build(config, ANATOMY, Sheet([*rows, at_home(tmp_path)], entries))
    assert study.patients.imaged("tcia_lymph_nodes") == ["LN001", "LN002"]
    assert study.paths.attention("LN001", 0) == "results/attention/table/LN001.nii.gz"
    assert study.paths.masks("organs", ["LN001"])["organs_files"] == [
        "results/registration/LN001/organs.nii.gz"
    ]


def test_a_folder_of_another_layout_is_named(tmp_path, capsys):
    with pytest.raises(InputError, match=r"amos: no imagesTr/amos_\*.nii.gz"):
        list(public.rows("amos", tmp_path))
    nifti(tmp_path / "imagesTr/amos_0001.nii.gz")
    with pytest.raises(InputError, match=r"amos_0001 has no mask \(labelsTr"):
        list(public.rows("amos", tmp_path))
    assert public.main(["amos", str(tmp_path)]) == 1
    assert "Unpack the labels" in capsys.readouterr().err
    nifti(tmp_path / "labelsTr/amos_0001.nii.gz", (1,))
    assert public.main(["amos", str(tmp_path), "--header"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.startswith("patient\t") and row.startswith("AMOS0001\tamos\t")


def test_the_page_names_every_set_with_licence_and_config():
    page = (ROOT / "docs/public_data.md").read_text(encoding="utf-8")
    for name in public.SETS:
        line = re.search(rf"^\| `{name}` \|.*$", page, re.MULTILINE)[0]
        assert "CC BY" in line or "terms of use" in line
        assert "http" in line and (ROOT / f"config/public/{name}.yaml").is_file()
