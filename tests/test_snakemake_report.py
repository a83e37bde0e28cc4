"""Snakemake's own report: every page, figure and table is in it, with its caption filled in."""

import csv
import json
import re
import zipfile

import pytest
import workflow_study as workflow
import yaml

FIGURES = {f"{name}.svg" for name in ("figure_3", "figure_4", "figure_5a", "figure_5b", "froc")}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The report of a small simulated study whose files stand there without having been computed."""
    folder = tmp_path_factory.mktemp("report") / "study"
    folder.mkdir()
    text = (workflow.REPOSITORY / "config/simulator.yaml").read_text(encoding="utf-8")
    centers = {
        name: {"patients": 12 if center["role"] == "discovery" else 2}
        for name, center in yaml.safe_load(text)["simulator"]["centers"].items()
    }
    methods = yaml.safe_load(
        (workflow.REPOSITORY / "config/config.yaml").read_text(encoding="utf-8")
    )["methods"]
    few = dict.fromkeys(set(methods) - {"radiomics", "nodes_attention"})
    primary = {"method": "nodes_attention", "reference": "radiomics", "metric": "auc"}
    workflow.write_config(
        folder,
        folds={"n": 2},
        simulator={"centers": centers},
        methods=few,
        statistics={"bootstraps": 77, "primary": primary},
    )
    printed = workflow.snakemake(folder, "--summary")
    lines = printed[printed.index("output_file\t") :].splitlines()
    for row in csv.DictReader(lines, delimiter="\t"):
        if row["status"] is not None:
            stand_in(folder / row["output_file"])
    workflow.snakemake(folder, "--touch", "--quiet", "all")
    workflow.snakemake(folder, "--report", "report.zip", "--quiet", "all")
    return zipfile.ZipFile(folder / "report.zip")


def stand_in(path):
    """A file of the right kind, or a folder with a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == "":
        path.mkdir(exist_ok=True)
        (path / "performance.tsv").write_text("method\testimate\ncombined\t0.61\n")
    elif path.suffix == ".svg":
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
    else:
        path.write_text("<html><body>page</body></html>")


def captions(archive):
    """{path under results/: caption as HTML} of what the report shows."""
    name = next(n for n in archive.namelist() if n.endswith("report.html"))
    text = archive.read(name).decode()
    entry = r'"results/([^"]+)": \{"name": .*?"caption": ("(?:[^"\\]|\\.)*")'
    return {path: json.loads(caption) for path, caption in re.findall(entry, text)}


def test_pages_figures_and_tables_are_in_it(archive):
    files = [name.rpartition("/")[2] for name in archive.namelist()]
    assert FIGURES | {"forest.svg"} <= set(files)
    assert {"study.html", "changhai.html", "shengjing.html", "tianjin.html"} <= set(files)
    assert files.count("performance.tsv") == 4  # three centers and the study


def test_every_result_has_a_caption_with_its_values(archive):
    found = captions(archive)
    assert len(found) >= 6 + 4 + 4
    assert all(re.search(r"<p>.{40,}", text, re.DOTALL) for text in found.values())
    assert not [text for text in found.values() if "{{" in text or "{%" in text]
    assert "signed distances" in found["report/figures/figure_3.svg"]
    assert "<strong>tianjin</strong>" in found["report/tianjin.html"]
    assert "The patients are simulated" in found["report/study.html"]
    table = next(text for name, text in found.items() if name.startswith("statistics/tianjin"))
    assert "77 resamples" in table
