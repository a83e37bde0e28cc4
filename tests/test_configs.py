"""YAML that a person writes: nothing is replaced, repeated or read as another number in silence."""

import os
from pathlib import Path

import pytest
import yaml

from nodestage.core import configs
from nodestage.core.errors import InputError
from nodestage.study import new

ROOT = Path(__file__).parents[1]
BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{y}: &{y} [{','.join([f'*{x}'] * 10)}]\n"
    for x, y in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "text, words",
    [
        ("seed: 5\nseed: 7\n", "lines 1 and 2: 'seed' is set twice"),
        ("centers:\n  a: {role: external}\n  a: {}\n", "lines 2 and 3: 'a' is set twice"),
        ("c:\n- {x: 1,\n   x: 2}\n", "lines 2 and 3: 'x'"),
        ("1: a\n'1': b\n", "lines 1 and 2: '1'"),
        (BOMB, "repeat to over"),
        ("a: &a [*a]\n", "is inside what it repeats"),
        ("a: " + "[" * 3000, "nests"),
        ("seed: 1_0\n", "line 1: 1_0 is not a plain whole number"),
        ("seed: 010\n", "line 1: 010"),
        ("seed: 0x1F\n", "line 1: 0x1F"),
        ("seed: 1:30\n", "line 1: 1:30"),
        ("x: 1_0.5\n", "line 1: 1_0.5 is not a plain number"),
        ("seed: " + "9" * 5000, "(5000 digits)"),
        ("007: {role: external}\n", "in quotes if it is a name"),
        ("d: 2026-99-99\n", "can't build"),
        ("d: !!bool maybe\n", "can't build"),
        ('title: "\\ud800"\n', "half a character"),
        ("[a, b]: 1\n", "in place of a key"),
    ],
)
def test_what_yaml_would_change_in_silence_is_an_error_with_its_line(tmp_path, text, words):
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        configs.read(tmp_path / "config.yaml")
    assert words in str(error.value) and "config.yaml" in str(error.value)


def test_plain_settings_aliases_and_merges_are_read_as_yaml_reads_them(tmp_path):
    text = "base: &b {x: 1, y: 2.5e-3}\nc: {<<: *b, x: -7}\nd: .inf\ne: [0, .5, 1., no, ~]\n"
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8-sig")
    assert configs.read(tmp_path / "c.yaml") == yaml.safe_load(text)


def test_a_pipe_in_place_of_a_config_never_hangs(tmp_path):
    os.mkfifo(tmp_path / "config.yaml")
    with pytest.raises(InputError, match="a pipe or device"):
        configs.read(tmp_path / "config.yaml")


def test_our_own_configs_are_strict():
    for path in sorted((ROOT / "config").glob("*.yaml")):
        assert configs.load(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "name", ["2026-11-28", "007", "no", "Nodes: one", "#1", 'say "hi"', "O'Neil", "~"]
)
def test_a_study_may_be_named_as_its_folder_is(tmp_path, name):
    new.begin(tmp_path / name)
    assert configs.read(tmp_path / name / "config.yaml")["title"] == name


def test_a_study_where_a_file_lies_is_a_sentence(tmp_path):
    (tmp_path / "study").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        new.begin(tmp_path / "study")


def test_a_method_that_is_off_by_default_is_switched_on_by_an_empty_mapping():
    """Snakemake's own merge keeps the default's null; a later null switches it off again."""
    from snakemake.utils import update_config

    layers = [
        {"methods": {"pn_ordinal": None, "combined": {"settings": {"steps": 5}}}},
        {"methods": {"pn_ordinal": {}, "combined": {}}},
    ]
    config = {}
    for layer in layers:
        update_config(config, layer)
        configs.keep_empty(config, layer)
    assert config == {"methods": {"pn_ordinal": {}, "combined": {"settings": {"steps": 5}}}}
    update_config(config, {"methods": {"pn_ordinal": None}})
    configs.keep_empty(config, {"methods": {"pn_ordinal": None}})
    assert config["methods"]["pn_ordinal"] is None


def test_values_inside_a_command_lines_config_have_the_types_of_yaml():
    """As Snakemake hands over `--config radiomics='{robustness: {icc: 0.75}}'` and the like."""
    from snakemake.cli import parse_config
    from snakemake.utils import update_config

    line = parse_config(
        [
            "radiomics={robustness: {icc: 0.75, patients: 12}}",
            "spacing_mm=[2, 1e-1, x]",
            "methods={radiomics: null, mine: {file: mine.py, settings: {on: true, of: [007, 8]}}}",
            "seed=5",
        ]
    )
    config = {"methods": {"combined": {"rate": "1"}}, "title": "12"}
    update_config(config, line)
    update_config(config, configs.with_types(line))
    assert config == {
        "radiomics": {"robustness": {"icc": 0.75, "patients": 12}},
        "spacing_mm": [2, 0.1, "x"],
        "methods": {
            "combined": {"rate": "1"},
            "radiomics": None,
            "mine": {"file": "mine.py", "settings": {"on": True, "of": ["007", 8]}},
        },
        "title": "12",
        "seed": 5,
    }
