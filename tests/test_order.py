"""Settings come in one order, however a user orders a config."""

from pathlib import Path

import pytest
import yaml
from study_config import reversed_keys

from nodestage.study import order

CONFIG = Path(__file__).parents[1] / "config"


def defaults():
    texts = [(CONFIG / f"{name}.yaml").read_text("utf-8") for name in ("config", "simulator")]
    return yaml.safe_load(texts[0]) | yaml.safe_load(texts[1])


def test_the_default_config_stays_as_it_is_and_its_reverse_becomes_it():
    config = reversed_keys(defaults())
    assert repr(config) != repr(defaults())
    order.as_in_defaults(config, defaults())
    assert repr(config) == repr(defaults())


@pytest.mark.parametrize(
    "config, expected",
    [
        ({"b": 1, "zz": 0, "a": 2, "aa": 3}, "{'a': 2, 'b': 1, 'aa': 3, 'zz': 0}"),
        # Methods and centers of one's own keep the order in which they were written.
        ({"methods": {"z": None, "m": 1, "a": {"y": 1, "x": 2}}}, "{'methods': {'m': 1, 'z': None, 'a': {'x': 2, 'y': 1}}}"),
        ({"more": [{"y": 1, "x": 2}, 3]}, "{'more': [{'x': 2, 'y': 1}, 3]}"),
        ({"a": {"y": 1, "x": 2}}, "{'a': {'x': 2, 'y': 1}}"),
    ],
)  # fmt: skip
def test_other_keys_come_after_those_of_the_defaults(config, expected):
    order.as_in_defaults(config, {"a": 1, "b": 2, "methods": {"m": {}}})
    assert repr(config) == expected
