"""Configs that a person writes, read with a sentence for every usual mistake."""

from pathlib import Path

import yaml

from nodestage.core.errors import InputError


def read(path):
    """A config file as a dict.

    Raises
    ------
    InputError where the file isn't there, isn't text or YAML, or holds no settings
    """
    path = Path(path)
    if not path.is_file():
        folder = path.parent
        what = (
            f"no {path.name} in the folder {folder}" if folder.is_dir() else f"no folder {folder}"
        )
        raise InputError(
            f"There is {what}. Correct STUDY, or begin a study: make study DIR={folder}"
        )
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8 text. Save it as UTF-8.") from error
    except yaml.YAMLError as error:
        raise InputError(_unreadable(path, error)) from error
    if found is None:
        raise InputError(
            f"{path.name} is empty. It must name `samples` and `centers`: config/README.md."
        )
    if not isinstance(found, dict):
        raise InputError(f"{path.name} holds no settings. Write lines of the form `key: value`.")
    return found


def _unreadable(path, error):
    """Which line of a YAML file is wrong, and how to mend it."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"{path.name} can't be read ({error}). Mend it in a text editor."
    lines = path.read_text(encoding="utf-8").splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    problem = getattr(error, "problem", "") or "not YAML"
    if "\t" in line[: mark.column + 1]:
        mend = "It begins with a tab: indent with blanks"
    elif "mapping values" in problem:
        mend = 'A text that holds a colon needs quotes: title: "Nodes: a study"'
    else:
        mend = f"{problem.capitalize()}: are quotes, brackets and indents closed and even, here and above?"
    return f"{path.name}, line {mark.line + 1}: {line.strip()!r} can't be read. {mend}."
