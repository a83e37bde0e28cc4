"""The config's schema: it fits every config of ours, knows every setting, and says what is wrong."""

import inspect
from pathlib import Path

import pytest
import workflow_study as workflow
import yaml
from study_config import default_config as config

from nodestage.core.errors import InputError
from nodestage.core.names import MAIN_METRICS
from nodestage.lymph_nodes.variants import VARIANTS
from nodestage.methods import registry
from nodestage.methods.baselines import signature
from nodestage.methods.fusion import settings as fusion_settings
from nodestage.nnunet import plans, settings
from nodestage.registration import COARSE, FULL
from nodestage.study import check, schema
from nodestage.study import new as new_study

ROOT = Path(__file__).parents[1]
SCHEMA = yaml.safe_load(schema.SCHEMA.read_text(encoding="utf-8"))


def faults(**over):
    """The lines on each fault of the default config updated by `over`."""
    with pytest.raises(InputError) as error:
        schema.check(config(**over))
    head, *lines = str(error.value).splitlines()
    assert head == f"The config has {len(lines)} fault{'s' if len(lines) > 1 else ''}:"
    return lines


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("config/paper.yaml",),
        ("config/realistic.yaml",),
        ("config/paper.yaml", "config/realistic.yaml"),
        ("tests/small.yaml",),
    ],
)
def test_our_own_configs_pass(names):
    schema.check(config(*names))


def test_the_config_that_make_study_writes_passes_alone_and_laid_over_ours(tmp_path):
    new_study.begin(tmp_path)
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    schema.check(yaml.safe_load(text))
    schema.check(config("config/paper.yaml", **yaml.safe_load(text)))


@pytest.mark.parametrize(
    "over, said",
    [
        # A key that is not there: which, where, and the nearest one.
        ({"lymph_nodes": {"alhpa": 1}}, "lymph_nodes: unknown setting 'alhpa' (did you mean 'alpha'?)"),
        ({"titel": "x"}, "top level: unknown setting 'titel' (did you mean 'title'?)"),
        ({"alpha": 1}, "top level: unknown setting 'alpha' (it belongs under `lymph_nodes`)"),
        ({"lymph_nodes": {"epochs": 3}}, "unknown setting 'epochs' (it belongs under `lymph_nodes.network`)"),
        ({"jobs": {"train": {"mem_gb": 4}}}, "jobs.train: unknown setting 'mem_gb' (did you mean 'mem_mb'?)"),
        ({"simulator": {"nodes": {"men_count": 3}}}, "simulator.nodes: unknown setting 'men_count' (did you mean 'mean_count'?)"),
        ({"methods": {"resnet2d": {"settings": {"step": 3}}}}, "methods.resnet2d.settings: unknown setting 'step' (did you mean 'steps'?)"),
        ({"methods": {"nodes_plain": {"settings": {"C": 3}}}}, "methods.nodes_plain.settings: unknown setting 'C'"),
        ({"centers": {"a": {"role": "external", "mask_fase": "venous"}}}, "centers.a: unknown setting 'mask_fase' (did you mean 'mask_phase'?)"),
        # Values: what stands there, and what may.
        ({"seed": -1}, "seed: -1 is not allowed. Give a whole number, 0 or more."),
        ({"chunks": 2.0}, "chunks: 2.0 is not allowed. Give a whole number, 1 or more."),
        ({"mirror": None, "lymph_nodes": {"mirror": 1}}, "lymph_nodes.mirror: 1 is not allowed. Say true or false."),
        ({"substitute_phase": "yes"}, "substitute_phase: 'yes' is not allowed. Say true or false."),
        ({"folds": None}, "folds: null is not allowed. Give settings, `key: value`."),
        ({"folds": {"inner": 0}}, "identification.candidates: with `folds.inner: 0` no candidate of a training patient"),
        ({"methods": {"combined_radiomics": {"settings": {"of": ["combined", "radiomics"]}}, "radiomics": None}},
         "methods.combined_radiomics.settings.of: it averages the scores of radiomics, which is switched off"),
        ({"methods": {"combined_radiomics": {"settings": {"of": ["combined", "combined_radiomics"]}}}},
         "which averages scores itself"),
        ({"tumor": {"phases": "both"}}, "tumor.start: the arterial network sees one phase"),
        ({"identification": {"candidates": False}}, "methods.nodes_candidates: it reads what `identification.candidates` makes"),
        ({"folds": {"inner": 1}}, "folds.inner: 1 is not allowed. Give 2 or more parts, or 0 for none."),
        ({"spacing_mm": [2.5, 2.2]}, "spacing_mm: [2.5, 2.2] is not allowed. Give three sizes above 0 in mm, (z, y, x)."),
        ({"spacing_mm": [2.5, 2.2, 0]}, "spacing_mm: [2.5, 2.2, 0] is not allowed."),
        ({"spacing_mm": "medain"}, "spacing_mm: 'medain' is not allowed (did you mean 'median'?)."),
        ({"attention": {"percentiles": [100, 0]}}, "attention.percentiles: [100, 0] is not allowed. Give two numbers from 0 to 100, the lower first."),
        ({"attention": {"ranges": "Table"}}, "attention.ranges: 'Table' is not allowed (did you mean 'table'?). Use table or estimated."),
        ({"lymph_nodes": {"threshold": 50}}, "lymph_nodes.threshold: 50 is not allowed. Give a probability between 0 and 1"),
        ({"lymph_nodes": {"variants": ["attention"]}}, "lymph_nodes.variants: ['attention'] is not allowed. Two methods and the tables compare plain and attention"),
        ({"lymph_nodes": {"network": {"initial_lr": "5e-4"}}}, "lymph_nodes.network.initial_lr: '5e-4' is not allowed (YAML reads it as text; as a number it is 0.0005)."),
        ({"lymph_nodes": {"network": {"features": [8, 16]}}}, "lymph_nodes.network.features: [8, 16] is not allowed. Give three whole numbers or more"),
        ({"identification": {"momentum": 1}}, "identification.momentum: 1 is not allowed."),
        ({"statistics": {"bootstraps": float("inf")}}, "statistics.bootstraps: inf is not allowed."),
        ({"registration": {"radius": [4, 2.5, 1]}}, "registration.radius: [4, 2.5, 1] is not allowed."),
        # Centers.
        ({"centers": {"a": {"role": "test"}}}, "centers.a.role: 'test' is not allowed. Use discovery, external or auxiliary."),
        ({"centers": {"a": {}}}, "centers.a: 'role' is missing."),
        ({"centers": {"a": None}}, "centers.a: null is not allowed. Give settings"),
        ({"centers": {"a b": {"role": "external"}}}, "centers: the name 'a b' is not allowed. Use letters, digits"),
        ({"centers": {"study": {"role": "external"}}}, "centers: the name 'study' is not allowed."),
        ({"centers": {"pseudo": {"role": "external"}}}, "centers: the name 'pseudo' is not allowed."),
        ({"centers": {1: {"role": "external"}}}, "centers: YAML reads a name as 1, which is not text. Put it in quotes."),
        ({"centers": {"a": {"role": "external", "mask_phase": "venus"}}}, "centers.a.mask_phase: 'venus' is not allowed (did you mean 'venous'?)."),
        ({"centers": {"a": {"role": "external", "mask_phase": {"tumor": "late"}}}}, "centers.a.mask_phase.tumor: 'late' is not allowed. Use arterial or venous."),
        ({"centers": {"a": {"role": "external", "annotated": ["sma", "lag"]}}}, "centers.a.annotated: ['sma', 'lag'] is not allowed (did you mean 'lga'?)."),
        ({"centers": {"a": {"role": "external", "label_system": {"spleeen": 1}}}}, "centers.a.label_system: the name 'spleeen' is not allowed (did you mean 'spleen'?)."),
        ({"centers": {"a": {"role": "external", "label_system": {"liver": [2, 0]}}}}, "centers.a.label_system.liver: [2, 0] is not allowed. Give their id"),
        ({"centers": {"a": {"role": "external", "label_system": {"lymph_nodes": {"positiv": 1}}}}}, "centers.a.label_system.lymph_nodes: unknown setting 'positiv' (did you mean 'positive'?)."),
        ({"centers": {"a": {"role": "external", "returned": "a.tsv", "chunks": 2}}}, "is not allowed. With `returned` give `role: external` and nothing else"),
        ({"centers": {"a": {"role": "auxiliary", "returned": "a.tsv"}}}, "centers.a.role: 'auxiliary' is not allowed. Only an external center is scored elsewhere"),
        ({"simulator": {"centers": {"tianjin": {"returned": "a.tsv"}}}}, "simulator.centers.tianjin.returned: 'a.tsv' is not allowed. Leave it out; only a center of a study with a sample sheet"),
        ({"packet": {"rows": "no"}}, "packet.rows: 'no' is not allowed. Say true or false."),
        ({"simulator": {"centers": {"tianjin": {"patients": 1000}}}}, "simulator.centers.tianjin.patients: 1000 is not allowed."),
        ({"simulator": {"centers": {"tianjin": {"prevalence": 63}}}}, "simulator.centers.tianjin.prevalence: 63 is not allowed. Give a share from 0 to 1."),
        # Methods.
        ({"methods": {"radiomcs": {"settings": {}}}}, "methods.radiomcs: 'file' and 'needs' are missing (did you mean 'radiomics'?)."),
        ({"methods": {"resnet_3d": None}}, "methods: unknown method 'resnet_3d' (did you mean 'resnet3d'?). null switches nothing off."),
        ({"methods": {"organs": {"file": "x.py", "needs": []}}}, "methods: the name 'organs' is not allowed."),
        ({"methods": {"mine": {"file": "x.py", "needs": [], "family": "fusion"}}}, "methods.mine.family: 'fusion' is not allowed. Leave it out"),
        ({"methods": {"mine": {"file": "x.py", "needs": ["view"]}}}, "methods.mine.needs: ['view'] is not allowed (did you mean 'views'?)."),
        ({"statistics": {"primary": {"method": "combind"}}}, "statistics.primary.method: unknown method 'combind' (did you mean 'combined'?)."),
        ({"methods": {"radiomics": None}}, "statistics.primary.reference: unknown method 'radiomics'"),
        ({"statistics": {"operating_point": {"sensitivity": 0.9, "specificity": 0.9}}}, "Give one of the two, such as {sensitivity: 0.9}, or null."),
        ({"statistics": {"operating_point": {"sensitivity": 90}}}, "statistics.operating_point.sensitivity: 90 is not allowed."),
        ({"statistics": {"primary": {"metric": "auroc"}}}, "statistics.primary.metric: 'auroc' is not allowed (did you mean 'auc'?)."),
    ],
)  # fmt: skip
def test_a_misuse_is_reported_with_path_value_and_hint(over, said):
    assert any(line.strip().startswith(said) or said in line for line in faults(**over))


@pytest.mark.parametrize(
    "over",
    [
        {"methods": {"resnet3d": None}},
        {"methods": {"mine": {"file": "x.py", "needs": ["views"], "settings": {"C": 1}}}},
        {"methods": {"mine": None}},
        {"methods": {"mine": {"file": "x.py", "needs": [], "threshold": False}},
         "statistics": {"primary": {"reference": "mine"}}},
        {"spacing_mm": "median"},
        {"centers": {"a": {"role": "external", "returned": "a.tsv"}}, "packet": {"rows": False}},
        {"folds": {"inner": 0, "folder": "folds"}, "identification": {"candidates": False},
         "methods": {"nodes_candidates": None, "combined_candidates": None}},
        {"lymph_nodes": {"variants": ["plain", "tversky", "map_one", "attention"]}},
        {"centers": {"001-K": {"role": "external", "organs": {"source": "given"}, "chunks": 4,
                               "label_system": {1: 7, "liver": [2, 3], "ignore": [9]}}}},
        {"centers": {"a": {"role": "auxiliary", "mask_phase": {"tumor": "arterial"},
                           "label_system": {"organs": {"liver": 5}, "tumor": {"tumor": [1, 2]}}}}},
        {"methods": {"combined": {"settings": {"pretrained": {"path": "w.pt", "sha256": "0" * 64}}}}},
        {"methods": {"combined": {"settings": {"pretrained": "none", "views_per_patient": None}}}},
    ],
)  # fmt: skip
def test_what_the_documentation_offers_passes(over):
    schema.check(config(**over))


def test_all_faults_come_in_one_list():
    lines = faults(seed="x", lymph_nodes={"alhpa": 1, "beta": -1}, centers={"a": {"role": "b"}})
    assert len(lines) == 4


def rules(rule, path=()):
    """(path, rule) of every rule of the schema that a value may have to fit."""
    if isinstance(rule, dict):
        yield path, rule
        for key, part in rule.items():
            if key not in ("enum", "required", "x-hint"):
                yield from rules(part, (*path, key))
    elif isinstance(rule, list):
        for i, part in enumerate(rule):
            yield from rules(part, (*path, i))


def test_every_setting_of_the_schema_has_a_description_and_a_hint():
    places = [
        path for path, rule in rules(SCHEMA["properties"]) if "$ref" in rule and "x-hint" in rule
    ]
    assert places == []
    for name, part in SCHEMA["properties"].items():
        assert part.get("description") or part.get("properties"), name
    silent = [
        path
        for path, rule in rules(SCHEMA)
        if rule.get("type") in ("string", "number", "integer", "boolean")
        and "x-hint" not in rule
        and path[-1] not in ("items", "contains", "if")
    ]
    assert silent == []


def known(name):
    return set(SCHEMA["$defs"][name]["properties"])


def test_the_schema_lists_what_the_code_reads():
    definitions = SCHEMA["$defs"]
    assert known("network") == {*settings.NAMES, *plans.PLANNING}
    assert set(SCHEMA["properties"]["registration"]["properties"]) == set(FULL)
    anatomy = yaml.safe_load((ROOT / "config/anatomy.yaml").read_text(encoding="utf-8"))
    assert definitions["structure"]["enum"] == list(anatomy["labels"])
    methods = SCHEMA["properties"]["methods"]["properties"]
    assert set(methods) == set(registry.built_in())
    for name, module in (("deep", fusion_settings), ("radiomics", signature)):
        defaults = Path(inspect.getfile(module)).with_name("defaults.yaml")
        wanted = yaml.safe_load(defaults.read_text(encoding="utf-8"))
        listed = definitions[name]["properties"]["settings"]["properties"]
        assert set(listed) == set(wanted)
        for key, value in wanted.items():
            if "properties" in listed[key]:
                assert set(listed[key]["properties"]) == set(value), key
    primary = SCHEMA["properties"]["statistics"]["properties"]["primary"]["properties"]
    assert primary["metric"]["enum"] == list(MAIN_METRICS)
    variants = SCHEMA["properties"]["lymph_nodes"]["properties"]["variants"]
    assert set(variants["items"]["enum"]) == set(VARIANTS)
    text = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "workflow/rules").glob("*.smk"))
    for job in SCHEMA["properties"]["jobs"]["properties"]:
        assert job == "default" or f'resources_of("{job}"' in text


@pytest.mark.parametrize("names, schedule", [((), COARSE), (("config/paper.yaml",), FULL)])
def test_the_librarys_registration_schedules_are_those_of_the_configs(names, schedule):
    assert FULL | config(*names)["registration"] == schedule


def test_make_check_reports_the_config_before_it_reads_the_sheet(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(
        "samples: nowhere.tsv\ncenters: {a: {role: discovry}}\nseeds: 3\n", encoding="utf-8"
    )
    assert check.main([str(tmp_path / "config.yaml")]) == 1
    printed = capsys.readouterr().err
    assert "did you mean 'discovery'" in printed and "did you mean 'seed'" in printed


def test_an_empty_config_is_reported_as_such(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert check.main([str(tmp_path / "config.yaml")]) == 1
    assert "config.yaml is empty" in capsys.readouterr().err


@pytest.mark.slow
def test_a_fault_of_the_config_stops_the_run_before_any_job(tmp_path):
    workflow.write_config(tmp_path, lymph_node={"alpha": 1}, seed="three")
    printed = workflow.snakemake(tmp_path, "--dry-run", "--nolock", check=False)
    assert "unknown setting 'lymph_node' (did you mean 'lymph_nodes'?)" in printed
    assert "seed: 'three' is not allowed" in printed and "Traceback" not in printed
