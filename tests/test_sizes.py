"""What the pages say of grid, registration and networks: a small run does not read like a full one."""

from pathlib import Path

import pytest
import report_study as made
import yaml
from snakemake.utils import update_config

from nodestage.report import answers, fields
from nodestage.study import pretraining, sizes

CONFIG = Path(__file__).parents[1] / "config"


def config(*names, **over):
    found = {}
    for name in ("config.yaml", *names):
        update_config(found, yaml.safe_load((CONFIG / name).read_text(encoding="utf-8")))
    update_config(found, over)
    return found


def methods(settings):
    return {m: s for m, s in settings["methods"].items() if s}


def pretrained(settings):
    """The config as it is where `make weights` was run."""
    fetched = {"pretrained": {"path": "published:a file", "sha256": "ab" * 32}}
    for names in pretraining.METHODS.values():
        for method in filter(settings["methods"].get, names):
            settings["methods"][method]["settings"] |= fetched
    return settings


def test_full_size_is_told_and_nothing_falls_short_of_it():
    full = pretrained(config("paper.yaml"))
    assert sizes.smaller(full, methods(full)) == []
    said = sizes.described(full, methods(full))
    assert said["Grid"] == "0.8 × 0.68 × 0.68 mm (z × y × x)."
    for words in ("80 × 192 × 160", "1,000 epochs × 250 steps", "SGD", "nnU-Net’s own choice"):
        assert words in said["Lymph-node networks"]
    assert (
        "3 affine rounds, then 5 levels with control points 16 to 4 mm apart"
        in said["Registration"]
    )
    assert "; 3,000 steps." in said["Patient networks"]


@pytest.mark.parametrize(
    "over, words",
    [
        ({"spacing_mm": [2.5, 2.2, 2.2]}, ["grid of 2.5 × 2.2 × 2.2 mm (0.8 × 0.68 × 0.68 mm)"]),
        (
            {"lymph_nodes": {"network": {"epochs": 1}}},
            ["lymph-node networks: 250 steps (250,000)"],
        ),
        ({"identification": {"crop": [12, 16, 16]}}, ["identification of nodes: crops of 12"]),
        (
            {"methods": {"combined": {"settings": {"steps": 20}}}},
            ["patient networks: from 20 steps (3,000)"],
        ),
        ({"spacing_mm": "median"}, []),
        # What isn't trained can't fall short.
        ({"tumor": {"source": "given", "network": {"epochs": 1}}}, []),
    ],
)
def test_what_falls_short_of_the_paper_is_named(over, words):
    mine = pretrained(config("paper.yaml", **over))
    found = sizes.smaller(mine, methods(mine))
    assert len(found) == len(words)
    assert all(text in said for text, said in zip(words, found, strict=True))


def test_the_page_warns_of_small_settings_and_offers_a_paragraph():
    small = config()
    facts = made.facts(
        [],
        sizes=sizes.described(small, methods(small)),
        smaller=sizes.smaller(small, methods(small)),
    )
    kinds = dict(fields.notices(facts, "external"))
    assert "organ teacher: 240 steps (250,000)" in kinds["smaller"] and "…" in kinds["smaller"]
    rows = dict(fields.methods(facts))
    again = "(twice where the network had not fitted its training data)"
    assert f"8 epochs × 60 steps {again}" in rows["Lymph-node networks"]
    assert f"480 steps {again}." in rows["Patient networks"]
    assert "lymph-node networks: 480 steps (250,000)" in rows["Smaller than the paper’s"]
    paragraph = rows["For a methods section"]
    assert "2.5 × 2.2 × 2.2 mm" in paragraph and "Seed 20210" in paragraph
    assert "smaller than the paper’s" in paragraph and "hardware" in paragraph
    known = answers.checklist_fields(facts, answers.PageOf("external", "c", {}, ""))
    assert "8 epochs × 60 steps" in known["training"]
    # A full run has no such notice, and an older one without the facts has neither.
    assert "smaller" not in dict(fields.notices(made.facts([]), "external"))
    bare = dict(fields.methods(made.facts([])))
    assert "Lymph-node networks" not in bare and bare["Grid"] == "not recorded"
