"""What methods declare, read without importing them; which files a family's digest covers."""

import subprocess
import sys
from pathlib import Path

import pytest
from study_config import study

from nodestage.core import digest
from nodestage.core.errors import InputError
from nodestage.methods import registry

TEN = {
    *("ct_report", "radiomics", "radiomics_ct_report", "resnet3d", "resnet2d", "deepten"),
    *("tumor_net", "nodes_plain", "nodes_attention", "combined"),
}

BEYOND = {
    *("nodes_candidates", "combined_candidates", "combined_radiomics", "pn_ordinal"),
    *("node_graph", "node_order", "node_noisy_or"),
}


def test_the_registry_holds_the_papers_ten_methods_and_those_beyond_them():
    assert set(registry.built_in()) == TEN | BEYOND


@pytest.mark.parametrize("name", sorted(TEN | BEYOND))
def test_what_is_read_from_the_text_is_what_the_class_holds(name):
    cls, declared = registry.load(name), registry.built_in()[name]
    for key in registry.KEYS:
        default = registry.Declaration.__dataclass_fields__[key].default
        assert getattr(cls, key, default) == getattr(declared, key), key
    assert callable(cls.fit) and callable(cls.predict)


def test_a_method_can_be_explained_only_if_it_is_a_network_over_slices():
    explained = {name for name, method in registry.built_in().items() if method.explained}
    assert explained == {"combined", "tumor_net", "resnet2d", "deepten"}


def test_reading_the_declarations_imports_no_method():
    code = (
        "import sys; from nodestage.methods import registry; registry.built_in(); "
        "print([m for m in sys.modules if m == 'torch' or m.startswith('nodestage.methods.fusion')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_config_is_laid_over_what_the_class_declares():
    method = registry.declared("nodes_plain", {"needs": ["views"], "nonnegative": False})
    assert (method.family, method.needs, method.nonnegative) == ("fusion", ("views",), False)
    own = registry.declared("mine", {"file": "mine.py", "needs": ["nodes"], "threshold": False})
    assert (own.family, own.file, own.threshold) == ("mine", Path("mine.py"), False)
    with pytest.raises(InputError, match="no method of this name"):
        registry.declared("combinde", {})


def test_a_digest_covers_a_familys_own_files_and_no_other_family(config):
    methods = study(config).methods
    for family, other in (("fusion", "resnet3d"), ("baselines", "combined")):
        covered = {*methods.sources(family), *digest.reached(*methods.sources(family))}
        assert {registry.built_in()[m].file for m in methods.families[family]} <= covered
        assert registry.built_in()[other].file not in covered
        scripts = digest.LIBRARY.parents[1] / "scripts"
        reached = digest.reached(scripts / "fit.py", scripts / "score.py")
        assert not reached & {method.file for method in registry.built_in().values()}


def test_a_users_file_shares_a_job_only_with_its_family(config):
    config["methods"] |= {
        "one": {"file": "one.py", "needs": [], "family": "ours", "settings": {"C": 2}},
        "two": {"file": "two.py", "needs": ["nodes"], "family": "ours"},
    }
    methods = study(config).methods
    assert methods.sources("ours") == [Path("one.py"), Path("two.py")]
    assert methods.needs("ours") == {"nodes"}
    assert methods.fitted("ours") == {
        "one": {"file": "one.py", "settings": {"C": 2}},
        "two": {"file": "two.py"},
    }
    assert methods.shipped_families == ["baselines", "fusion"]
