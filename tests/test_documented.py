"""What the documentation promises: every key and rule is explained, and truth is read once."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from nodestage.cohort import folds
from nodestage.methods import base, registry
from nodestage.tumor import slices

ROOT = Path(__file__).parents[1]
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
TRUTH = "results/simulator/truth"
NETWORKS = ("organs.teacher", "organs.student", "tumor.network", "lymph_nodes.network")
# Sections whose entries have the same keys, explained once under this name.
SHARED = {"methods": "<method>", "jobs": "<job>"}


def keys(value, depth, path=()):
    """Dotted paths of a config's keys, down to `depth` levels; a method's settings count as one."""
    if path:
        yield ".".join(path)
    if isinstance(value, dict) and len(path) < depth:
        for key, part in value.items():
            yield from keys(part, depth, (*path, str(key)))


def spellings(path):
    """The names under which config/README.md may explain a key."""
    parent, _, key = path.rpartition(".")
    section, _, entry = parent.partition(".")
    found = {path}
    if parent in NETWORKS:
        found.add(f"<network>.{key}")
    if section in SHARED and entry:
        found.add(f"{section}.{SHARED[section]}.{key}")
    return found


def words_in_code_style(path):
    return set(re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8")))


def undocumented(config, depth):
    explained = words_in_code_style(ROOT / "config" / "README.md")
    # A section whose keys are all explained needs no line of its own.
    return [
        path
        for path in keys(config, depth)
        if not spellings(path) & explained
        and not any(word.startswith(f"{path}.") for word in explained)
    ]


def config_of(name):
    return yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))


def test_every_setting_is_explained():
    assert undocumented(config_of("config.yaml"), depth=3) == []


def lines_with_defaults():
    """(key, cell of its default) of each line of config/README.md's tables that has one."""
    head = []
    for line in (ROOT / "config" / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        key = re.fullmatch(r"`([\w.<>]+)`", cells[0])
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif key and "default" in head and cells[head.index("default")]:
            yield key.group(1), cells[head.index("default")]


WHOSE = {"organs": NETWORKS[:2], "tumor": NETWORKS[2:3], "nodes": NETWORKS[3:]}


def told(key, cell):
    """{dotted key: value} that a line gives, where it gives values and not words.

    Of a network: `2; tumor and nodes 4` is 4 for these and 2 for the others.
    """
    found = {}
    for part in cell.split("; "):
        names, text = re.fullmatch(r"((?:organs|tumor|nodes|and| )*)(.*)", part).groups()
        value = yaml.safe_load(text.strip("`"))
        whose = [network for name in WHOSE if name in names.split() for network in WHOSE[name]]
        if "<network>" in key:
            keys = [key.replace("<network>", network) for network in whose or NETWORKS]
            found |= dict.fromkeys(keys, value)
        else:
            found.setdefault(key, value)
    return {key: value for key, value in found.items() if not isinstance(value, str)}


def test_defaults_are_those_of_the_config():
    config = config_of("config.yaml") | config_of("simulator.yaml")
    checked = 0
    for line, cell in lines_with_defaults():
        for key, value in told(line, cell).items():
            at = config
            for part in key.split("."):
                at = at.get(part, {}) if isinstance(at, dict) else {}
            if not isinstance(at, dict):  # what the config leaves out, or groups, is told in words
                assert at == value, (key, cell)
                checked += 1
    assert checked > 60


def test_every_switch_of_the_simulator_is_explained():
    assert undocumented(config_of("simulator.yaml"), depth=2) == []


def blocks():
    """(rule's name or "", text) of every top-level statement in the rules."""
    for path in RULES:
        text = path.read_text(encoding="utf-8")
        for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
            name = re.match(r"(?:rule|checkpoint) (\w+):", block)
            yield (name.group(1) if name else ""), block


def test_every_rule_is_explained():
    rules = {name for name, _ in blocks() if name} | {"all"}
    assert len(rules) > 20
    assert sorted(rules - words_in_code_style(ROOT / "docs" / "stages.md")) == []


def test_two_rules_read_the_truth_and_one_writes_it():
    named = {name for name, block in blocks() if TRUTH in block}
    assert named == {"simulate", "evaluate_truth", "evaluate_oracle"}
    simulate = next(block for name, block in blocks() if name == "simulate")
    assert TRUTH not in simulate[: simulate.index("output:")]
    assert "input:" not in simulate


@pytest.mark.parametrize(
    "name", ["README.md", "config/README.md", "docs/stages.md", "docs/paper.md"]
)
def test_links_between_pages_lead_somewhere(name):
    page = ROOT / name
    linked = re.findall(r"\]\((?!https?:)([^)#]+\.md)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in linked if not (page.parent / link).is_file()] == []


def test_the_page_on_the_paper_names_every_equation_table_and_part_with_a_file_that_exists():
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    parts = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|", page, re.MULTILINE)
    assert [int(number) for number, *_ in parts] == list(range(1, 20))
    for _, part, named in parts:
        files = re.findall(r"`([^`]+\.py)`", named)
        library = ROOT / "workflow" / "lib" / "nodestage"
        assert files and [file for file in files if not (library / file).is_file()] == [], part
    assert {f"Eq. {n}" for n in range(1, 8)} <= set(re.findall(r"Eq\. \d", page))
    tables = set(
        re.findall(
            r"\b(?:IV|VII|VI|V|III|II|I)\b",
            " ".join(re.findall(r"Tables? [IV]+(?: and [IV]+)?", page)),
        )
    )
    assert tables == {"I", "II", "III", "IV", "V", "VI", "VII"}


def test_the_method_in_the_documentation_runs(tmp_path):
    text = (ROOT / "docs" / "own_method.md").read_text(encoding="utf-8")
    file = tmp_path / "brightness.py"
    file.write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1), encoding="utf-8")
    paths = {f"P{i}": tmp_path / f"P{i}.npz" for i in range(8)}
    for i, path in enumerate(paths.values()):
        images = np.full((9, 2, 4, 4), 100 if i % 2 else 20, np.int16)
        masks = np.ones((9, 4, 4), np.uint8)
        slices.write(
            path,
            {"usable": True, "reason": "", "source": "tumor", "images": images, "masks": masks},
        )
    data = base.Data(slices=paths, reasons={"P8": "venous phase missing"})
    labels = {patient: i % 2 for i, patient in enumerate(paths)}
    method = registry.from_file("brightness", file)({"C": 10.0}, 1)
    method.state = method.fit(
        base.Patients(data, list(paths)[:6], labels),
        base.Patients(data, list(paths)[6:], labels),
    )
    assert all(type(value) is float for value in method.state.values())
    found = method.predict(base.Patients(data, [*paths, "P8"]))
    assert found["P7"] > 0.5 > found["P6"]
    assert found["P8"] == "venous phase missing"


def test_the_radiologists_page_agrees_with_the_program():
    page = (ROOT / "docs" / "radiologist.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"`?make ([a-z]+) (?:DIR|STUDY)=", page))
    assert {"study", "check", "quality", "run", "packet"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert "five folds need five patients with metastasis and five without" in page
    assert (folds._min_patients(5), folds._min_patients(4)) == (5, 4)
    assert "Four folds need four of each" in page
    assert min(map(folds._min_patients, range(2, 11))) == 4
    assert "**1 = negative, 2 = positive**" in page and "PRESET=config/config.yaml" in page
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page):
        assert (ROOT / "docs" / target).is_file(), target
