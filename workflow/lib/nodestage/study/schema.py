"""The config against its schema: every fault of every key in one list, before any job.

The main process checks once. Jobs parse the workflow again, but their config was checked
before, so they don't import jsonschema (0.3 s).
"""

import difflib
import itertools
import math
from collections.abc import Iterable
from pathlib import Path

import yaml

from nodestage.core.errors import InputError
from nodestage.methods import registry

# Methods that read what `identification.candidates` makes.
CANDIDATE_METHODS = (
    "nodes_candidates",
    "combined_candidates",
    "node_graph",
    "node_order",
    "node_noisy_or",
)
DECLARED = ("family", "needs")
SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.yaml"


def check(config: dict, structures: Iterable[str] | None = None) -> None:
    """Raise one `InputError` that lists every fault of a config.

    Parameters
    ----------
    config : dict, a study's whole config, or a user's file that is to be merged into the default
    structures : names in the study's anatomy; None: those of config/anatomy.yaml
    """
    schema = _schema(structures)
    faults = faults_of(config, schema)
    checked = _with_text_for_keys(config, (), {})
    faults |= _unknown_methods(checked, schema)
    faults |= _candidates_without_inner_networks(checked)
    faults |= _scores_of_absent_methods(checked)
    faults |= _start_with_other_phases(checked)
    if faults:
        head = f"The config has {len(faults)} {'fault' if len(faults) == 1 else 'faults'}:"
        lines = [f"  {dotted(path)}: {sentence}" for (path, _), sentence in faults.items()]
        raise InputError("\n".join([head, *lines]))


def check_bundle(settings: dict, structures: Iterable[str] | None = None) -> None:
    """Raise `InputError` for settings of a bundle that no config may have.

    They replace a hospital's sections after its own config was checked.

    Parameters
    ----------
    settings : `exchange.bundle.Frozen.settings`
    structures : names in the bundle's anatomy
    """
    schema = _schema(structures)
    built_in = schema["properties"]["methods"]["properties"]
    # What a bundle declares of a method of nodestage; in a config only a method of one's own declares it.
    methods = {
        name: {k: v for k, v in entry.items() if name not in built_in or k not in DECLARED}
        for name, entry in settings["methods"].items()
    }
    faults = faults_of(settings | {"methods": methods}, schema)
    if faults:
        (path, _), sentence = next(iter(faults.items()))
        raise InputError(
            f"bundle: {len(faults)} of its settings can't be used, first {dotted(path)}: {sentence} Copy it again; if "
            "that doesn't help, ask the coordinating team."
        )


def _schema(structures):
    """The schema of the config, with these names of structures; None: those of config/anatomy.yaml."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    if structures is not None:
        schema["$defs"]["structure"]["enum"] = list(structures)
    return schema


def faults_of(settings: dict, schema: dict) -> dict[tuple[tuple, str], str]:
    """Faults of settings against a schema: {(path of the setting, key): sentence with a hint}.

    Parameters
    ----------
    settings : what a YAML file holds
    schema : as the files of workflow/schemas/ hold it, with `x-hint` and `x-ascending`
    """
    faults: dict[tuple[tuple, str], str] = {}
    checked = _with_text_for_keys(settings, (), faults)
    for error in _validator(schema).iter_errors(checked):
        for path, key, sentence in _described(error, schema, checked):
            # Of several rules that one value breaks, the first is reported.
            faults.setdefault((path, key), sentence)
    return faults


def _with_text_for_keys(value, path, faults):
    """The same value with keys as text: YAML reads the name 1 as a number and `no` as false."""
    if isinstance(value, (list, tuple)):
        return [_with_text_for_keys(part, path, faults) for part in value]
    if not isinstance(value, dict):
        return value
    with_text = {}
    for key, part in value.items():
        # In a label_system numbers are the study's ids.
        if not isinstance(key, str) and "label_system" not in path:
            faults[path, str(key)] = (
                f"YAML reads a name as {key!r}, which is not text. Put it in quotes."
            )
        with_text[str(key)] = _with_text_for_keys(part, (*path, str(key)), faults)
    return with_text


def _validator(schema):
    import jsonschema

    def ascending(validator, wanted, values, rule):
        if isinstance(values, list) and all(map(_is_number, values)):
            if any(b <= a for a, b in itertools.pairwise(values)):
                yield jsonschema.ValidationError("not ascending")

    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine_many(
        {
            # YAML's .inf and .nan are not settings, and 3.0 is not a count.
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


def _described(error, schema, config):
    """(path of the setting, key, sentence) of each fault behind one of jsonschema's errors."""
    at = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", ()))
        extra = [key for key in error.instance if key not in known]
        return [(at, key, _unknown(key, known, at, schema)) for key in extra]
    if error.validator == "required":
        absent = [key for key in error.validator_value if key not in error.instance]
        return [(at, absent[0], _absent(absent, at, schema))]
    rule, hint = _rule(error.absolute_schema_path, schema)
    choices = _choices(rule, schema)
    near = _near(error.instance, choices)
    if "propertyNames" in error.absolute_schema_path:
        sentence = f"the name {error.instance!r} is not allowed{near}. {hint}."
        return [(at, error.instance, sentence)]
    # A list is one setting: shown whole, whichever entry is wrong.
    inside = next((i for i, key in enumerate(at) if isinstance(key, int)), len(at))
    value = config
    for key in at[:inside]:
        value = value[key]
    if not near and isinstance(value, str) and _reads_as_number(value) and not choices:
        near = f" (YAML reads it as text; as a number it is {float(value)!r})"
    if not hint:
        hint = f"Use {_one_of(choices)}" if choices else "Give settings, `key: value`"
    return [(at[:inside], "", f"{_shown(value)} is not allowed{near}. {hint}.")]


def _rule(path, schema):
    """The rule that an error broke, and the nearest advice on the way to it."""
    node, hint = schema, ""
    for key in path:
        while isinstance(node, dict) and key not in node:
            node = _resolved(node["$ref"], schema)
            hint = node.get("x-hint", hint)
        if key == "properties":
            hint = ""
        rule, node = node, node[key]
        if isinstance(node, dict):
            hint = node.get("x-hint", hint)
    return rule, hint


def _resolved(reference, schema):
    return schema["$defs"][reference.rpartition("/")[2]]


def _choices(rule, schema):
    """Every value that a rule lets one choose from; none where it does not list any."""
    if "$ref" in rule:
        rule = _resolved(rule["$ref"], schema)
    values = list(rule.get("enum", ()))
    for option in rule.get("anyOf", ()):
        values += _choices(option, schema)
    return values


def _one_of(values):
    *first, last = ["null" if value is None else str(value) for value in values]
    return f"{', '.join(first)} or {last}" if first else last


def _near(value, known, cutoff=0.6):
    known = [str(option) for option in known if option is not None]
    nearest = difflib.get_close_matches(str(value), known, 1, cutoff)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""


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


def _unknown(key, known, at, schema):
    hint = _near(key, known)
    homes = [home for home in _homes(schema, schema, key) if home != at]
    below = [home for home in homes if home[: len(at)] == at] or homes
    if below and not hint:
        hint = f" (it belongs under {', '.join(f'`{dotted(home)}`' for home in below[:4])})"
    return f"unknown setting {key!r}{hint}. Known are {', '.join(known)}."


def _absent(keys, at, schema):
    sentence = f"{' and '.join(map(repr, keys))} {'is' if len(keys) == 1 else 'are'} missing"
    if at[:1] != ("methods",):
        return f"{sentence}. Add {'it' if len(keys) == 1 else 'them'} (config/README.md)."
    hint = _near(at[-1], schema["properties"]["methods"]["properties"])
    return (
        f"{sentence}{hint}. A method that is not nodestage's own needs `file` and `needs` "
        "(docs/own_method.md)."
    )


def _homes(rule, schema, key, path=()):
    """Sections of the config that have a setting `key`, as paths."""
    if "$ref" in rule:
        rule = _resolved(rule["$ref"], schema)
    if key in rule.get("properties", ()):
        yield path
    for name, part in rule.get("properties", {}).items():
        yield from _homes(part, schema, key, (*path, name))
    if isinstance(rule.get("additionalProperties"), dict):
        yield from _homes(rule["additionalProperties"], schema, key, (*path, "<name>"))


def _unknown_methods(config, schema):
    """Faults of an endpoint, or of a switch, that names an unknown method."""
    methods = config.get("methods", {}) if isinstance(config, dict) else None
    if not isinstance(methods, dict):
        return {}
    built_in = schema["properties"]["methods"]["properties"]
    faults = {}
    for name, settings in methods.items():
        # A user's method may be switched off; a spelling mistake must not be taken for that.
        near = _near(name, built_in, cutoff=0.85)
        if settings is None and name not in built_in and near:
            faults[("methods",), name] = (
                f"unknown method {name!r}{near}. null switches nothing off."
            )
    known = [name for name, entry in {**built_in, **methods}.items() if entry is not None]
    statistics = config.get("statistics")
    primary = statistics.get("primary") if isinstance(statistics, dict) else None
    for key in ("method", "reference") if isinstance(primary, dict) else ():
        name = primary.get(key)
        if isinstance(name, str) and name not in known:
            faults[("statistics", "primary", key), ""] = (
                f"unknown method {name!r}{_near(name, known)}. Use {_one_of(known)}."
            )
    return faults


def _section(config, *path):
    """A section of a config that may have any fault; empty where it is none."""
    for name in path:
        config = config.get(name) if isinstance(config, dict) else None
    return config if isinstance(config, dict) else {}


def _candidates_without_inner_networks(config):
    """Faults of `identification.candidates`: no training patient, or a method that needs it."""
    chosen, faults = _section(config, "identification").get("candidates"), {}
    if chosen is True and _section(config, "folds").get("inner") == 0:
        faults[("identification", "candidates"), ""] = (
            "with `folds.inner: 0` no candidate of a training patient comes from a network that has "
            "not seen the patient. Use `folds.inner: 2` or more, or false."
        )
    for name in CANDIDATE_METHODS:
        if chosen is False and _section(config, "methods").get(name) is not None:
            faults[("methods", name), ""] = (
                "it reads what `identification.candidates` makes, which is false. "
                f"Use `{name}: null`, or `identification.candidates: true`."
            )
    ordinal = _section(config, "methods").get("pn_ordinal") or {}
    if chosen is False and (ordinal.get("settings") or {}).get("nodes") == "candidates":
        faults[("methods", "pn_ordinal", "settings", "nodes"), ""] = (
            "candidates come from `identification.candidates`, which is false. Use attention."
        )
    return faults


def _start_with_other_phases(config):
    """A tumor network of two phases can't start from the weights of one that sees one."""
    tumor = _section(config, "tumor")
    if (tumor.get("start"), tumor.get("phases")) != ("arterial", "both"):
        return {}
    return {
        (("tumor", "start"), ""): (
            "the arterial network sees one phase, but `tumor.phases` is both. Use `start: scratch`, "
            "or `phases: venous`."
        )
    }


def _scores_of_absent_methods(config):
    """A late fusion of methods that are off, or that read scores themselves."""
    methods = _section(config, "methods")
    late = {name: method.of for name, method in registry.built_in().items() if method.of}
    faults: dict[tuple[tuple, str], str] = {}
    for name, default in late.items():
        if methods.get(name) is None:
            continue
        parts = _section(methods, name, "settings").get("of")
        for part in parts if isinstance(parts, list) else default:
            # A user's file is merged into the default methods: one that it doesn't name may be on.
            off = part in methods and methods[part] is None
            if off or part in late:
                why = "is switched off" if off else "averages scores itself"
                faults[("methods", name, "settings", "of"), str(part)] = (
                    f"it averages the scores of {part}, which {why}. "
                    f"Name other methods, or use `{name}: null`."
                )
    return faults


def dotted(at: tuple) -> str:
    """A setting as a message names it: `lymph_nodes.alpha`."""
    return ".".join(map(str, at)) or "top level"
