"""Old names of settings: read with a warning, refused beside the new name."""

import pytest
import workflow_study as workflow
import yaml
from study_config import default_config as config

from nodestage.core.errors import InputError
from nodestage.study import aliases, check, schema


def nested(name, value):
    for key in reversed(name.split(".")):
        value = {key: value}
    return value


def new_name(old):
    return f"{old.rpartition('.')[0]}.{aliases.RENAMED[old]}"


def at(config, name):
    for key in name.split("."):
        config = config[key]
    return config


@pytest.mark.parametrize("old", aliases.RENAMED)
def test_an_old_name_replaces_the_default_of_the_new_one_with_a_warning(old):
    merged = config(**nested(old, 0.007))
    (warning,) = aliases.rename(merged)
    assert f"`{old}`" in warning and f"`{aliases.RENAMED[old]}`" in warning
    assert at(merged, new_name(old)) == 0.007
    schema.check(merged)
    assert aliases.rename(merged) == []


@pytest.mark.parametrize("old", aliases.RENAMED)
def test_both_names_in_one_file_are_an_error(old):
    both = nested(old, 1)
    at(both, old.rpartition(".")[0])[aliases.RENAMED[old]] = 1
    with pytest.raises(InputError, match="Keep the new name alone"):
        aliases.check(both)
    aliases.check(nested(old, 1))


def test_odd_configs_hold_no_old_names():
    for odd in ({}, {"registration": None}, {"simulator": {"nodes": 3}}, {"lymph_nodes": []}):
        aliases.check(odd)
        assert aliases.rename(odd) == []


@pytest.mark.slow
def test_make_check_and_the_workflow_warn_alike(tmp_path, capsys):
    workflow.write_config(
        tmp_path, samples="samples.tsv", centers={}, lymph_nodes={"least_share": 0.01}
    )
    assert check.main([str(tmp_path / "config.yaml"), "--no-images"]) == 1  # there is no sheet
    printed = capsys.readouterr().err
    assert "Warning: The setting `lymph_nodes.least_share` is now called" in printed
    printed = workflow.snakemake(tmp_path, "--dry-run", "--nolock", check=False)
    assert "`lymph_nodes.least_share` is now called `min_attention_share`" in printed
    assert "unknown setting" not in printed and "Traceback" not in printed


@pytest.mark.slow
def test_the_workflow_refuses_both_names(tmp_path):
    text = {"lymph_nodes": {"least_share": 0.01, "min_attention_share": 0.02}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    printed = workflow.snakemake(tmp_path, "--dry-run", "--nolock", check=False)
    assert "Keep the new name alone" in printed and "Traceback" not in printed
