"""The config against its schema: every fault of every key in one list, before any job.

The main process asks once. Jobs read the workflow again, but their config was checked
before they began, so they don't pay for importing jsonschema (0.3 s).
"""

import difflib
import itertools
import math
from pathlib import Path

import yaml

from nodestage.core.errors import InputError

# Methods that read what `identification.candidates` makes.
CANDIDATE_METHODS = ("nodes_candidates", "combined_candidates")
SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.yaml"


def check(config):
    """Raise one `InputError` that lists every fault of a config.

    Parameters
    ----------
    config : dict, a study's whole config, or a user's file that is to be laid over the default
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    faults = {}  # (place, what is wrong there): sentence
    given = _with_text_for_keys(config, (), faults)
    for error in _validator(schema).iter_errors(given):
        for place, what, sentence in _told(error, schema, given):
            # Of several rules that one value breaks, the first speaks.
            faults.setdefault((place, what), sentence)
    faults |= _methods_that_are_not_there(given, schema)
    faults |= _candidates_without_inner_networks(given)
    if faults:
        head = f"The config has {len(faults)} {'fault' if len(faults) == 1 else 'faults'}:"
        told = [f"  {_dotted(place)}: {said}" for (place, _), said in faults.items()]
        raise InputError("\n".join([head, *told]))


def _with_text_for_keys(value, path, faults):
    """The same with text for keys: YAML reads the name 1 as a number and `no` as false."""
    if isinstance(value, (list, tuple)):
        return [_with_text_for_keys(part, path, faults) for part in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, part in value.items():
        # In a label_system numbers are our own ids.
        if not isinstance(key, str) and "label_system" not in path:
            said = f"YAML reads a name as {key!r}, which is no text. Put it in quotes."
            faults[path, str(key)] = said
        found[str(key)] = _with_text_for_keys(part, (*path, str(key)), faults)
    return found


def _validator(schema):
    import jsonschema

    def ascending(validator, wanted, values, rule):
        if isinstance(values, list) and all(map(_is_number, values)):
            if any(b <= a for a, b in itertools.pairwise(values)):
                yield jsonschema.ValidationError("not ascending")

    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine_many(
        {
            # YAML's .inf and .nan are no settings, and 3.0 counts nothing.
            "number": lambda checker, value: _is_number(value),
            "integer": lambda checker, value: _is_number(value) and isinstance(value, int),
        }
    )
    return jsonschema.validators.extend(base, {"x-ascending": ascending}, type_checker=types)(
        schema
    )


def _is_number(value):
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return known and math.isfinite(value)


def _told(error, schema, config):
    """(place, what is wrong there, sentence) of each fault behind one of jsonschema's errors."""
    place = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", ()))
        extra = [key for key in error.instance if key not in known]
        return [(place, key, _unknown(key, known, place, schema)) for key in extra]
    if error.validator == "required":
        absent = [key for key in error.validator_value if key not in error.instance]
        return [(place, absent[0], _absent(absent, place, schema))]
    rule, mend = _rule(error.absolute_schema_path, schema)
    choices = _choices(rule, schema)
    near = _near(error.instance, choices)
    if "propertyNames" in error.absolute_schema_path:
        said = f"the name {error.instance!r} is not allowed{near}. {mend}."
        return [(place, error.instance, said)]
    # A list is one setting: shown whole, whichever entry is wrong.
    inside = next((i for i, key in enumerate(place) if isinstance(key, int)), len(place))
    value = config
    for key in place[:inside]:
        value = value[key]
    if not near and isinstance(value, str) and _reads_as_number(value) and not choices:
        near = f" (YAML reads it as text; as a number it is {float(value)!r})"
    if not mend:
        mend = f"Use {_one_of(choices)}" if choices else "Give settings, `key: value`"
    return [(place[:inside], "", f"{_shown(value)} is not allowed{near}. {mend}.")]


def _rule(path, schema):
    """The rule that an error broke, and the nearest advice on the way to it."""
    node, mend = schema, ""
    for key in path:
        while isinstance(node, dict) and key not in node:
            node = _resolved(node["$ref"], schema)
            mend = node.get("x-mend", mend)
        if key == "properties":
            mend = ""
        rule, node = node, node[key]
        if isinstance(node, dict):
            mend = node.get("x-mend", mend)
    return rule, mend


def _resolved(reference, schema):
    return schema["$defs"][reference.rpartition("/")[2]]


def _choices(rule, schema):
    """Every value that a rule lets one choose from; none where it is no choice."""
    if "$ref" in rule:
        rule = _resolved(rule["$ref"], schema)
    found = list(rule.get("enum", ()))
    for option in rule.get("anyOf", ()):
        found += _choices(option, schema)
    return found


def _one_of(values):
    *first, last = ["null" if value is None else str(value) for value in values]
    return f"{', '.join(first)} or {last}" if first else last


def _near(value, known, cutoff=0.6):
    known = [str(option) for option in known if option is not None]
    found = difflib.get_close_matches(str(value), known, 1, cutoff)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _shown(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _reads_as_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _unknown(key, known, place, schema):
    hint = _near(key, known)
    homes = [home for home in _homes(schema, schema, key) if home != place]
    below = [home for home in homes if home[: len(place)] == place] or homes
    if below and not hint:
        hint = f" (it belongs under {', '.join(f'`{_dotted(home)}`' for home in below[:4])})"
    return f"{key!r} is no setting{hint}. Known are {', '.join(known)}."


def _absent(keys, place, schema):
    said = f"{' and '.join(map(repr, keys))} {'is' if len(keys) == 1 else 'are'} missing"
    if place[0] != "methods":
        return f"{said}. Add {'it' if len(keys) == 1 else 'them'} (config/README.md)."
    hint = _near(place[-1], schema["properties"]["methods"]["properties"])
    return (
        f"{said}{hint}. A method that is not nodestage's own needs `file` and `needs` "
        "(docs/own_method.md)."
    )


def _homes(rule, schema, key, path=()):
    """Places of the config that have a setting `key`, by their names."""
    if "$ref" in rule:
        rule = _resolved(rule["$ref"], schema)
    if key in rule.get("properties", ()):
        yield path
    for name, part in rule.get("properties", {}).items():
        yield from _homes(part, schema, key, (*path, name))
    if isinstance(rule.get("additionalProperties"), dict):
        yield from _homes(rule["additionalProperties"], schema, key, (*path, "<name>"))


def _methods_that_are_not_there(config, schema):
    """Faults of an endpoint that names no method of the study, and of a switch that fits none."""
    methods = config.get("methods", {}) if isinstance(config, dict) else None
    if not isinstance(methods, dict):
        return {}
    built_in = schema["properties"]["methods"]["properties"]
    faults = {}
    for name, settings in methods.items():
        # A method of one's own may be switched off; a slip of the pen must not pass for that.
        near = _near(name, built_in, cutoff=0.85)
        if settings is None and name not in built_in and near:
            faults[("methods",), name] = f"{name!r} is no method{near}. null switches nothing off."
    there = [name for name, given in {**built_in, **methods}.items() if given is not None]
    statistics = config.get("statistics")
    primary = statistics.get("primary") if isinstance(statistics, dict) else None
    for key in ("method", "reference") if isinstance(primary, dict) else ():
        name = primary.get(key)
        if isinstance(name, str) and name not in there:
            faults[("statistics", "primary", key), ""] = (
                f"{name!r} is no method of this study{_near(name, there)}. Use {_one_of(there)}."
            )
    return faults


def _candidates_without_inner_networks(config):
    """Faults of `identification.candidates`: no patient to learn from, or a method that needs it."""

    def section(name):
        found = config.get(name) if isinstance(config, dict) else None
        return found if isinstance(found, dict) else {}

    chosen, faults = section("identification").get("candidates"), {}
    if chosen is True and section("folds").get("inner") == 0:
        faults[("identification", "candidates"), ""] = (
            "with `folds.inner: 0` no candidate of a training patient comes from a network that has "
            "not seen the patient. Use `folds.inner: 2` or more, or false."
        )
    for name in CANDIDATE_METHODS:
        if chosen is False and section("methods").get(name) is not None:
            faults[("methods", name), ""] = (
                "it reads what `identification.candidates` makes, which is false. "
                f"Use `{name}: null`, or `identification.candidates: true`."
            )
    return faults


def _dotted(place):
    return ".".join(map(str, place)) or "top level"
