"""The preset of a study: settings that replace nodestage's defaults and are replaced by the study's config.

`make study` writes its name into the study's file `preset`, and every later `make` takes it from
there. The file's content is a path that is checked, and never part of a command.
"""

from pathlib import Path

from nodestage.core.errors import InputError

REPOSITORY = Path(__file__).parents[4]
DEFAULT = "config/paper.yaml"
FILE = "preset"
LONGEST = 4096  # characters of a path

HINT = (
    "Write one line: config/paper.yaml, another YAML file of config/, or the absolute path of one"
)


def chosen(folder: str | Path, option: str = "") -> Path:
    """The file of settings that a study's config replaces.

    Parameters
    ----------
    folder : the study's folder, whose file `preset` may name it
    option : PRESET of the command line, which comes first; empty: none

    Raises
    ------
    InputError where what is named is no YAML file, or the study's file names one outside config/
    """
    if option:
        return named(option)
    file = Path(folder, FILE)
    text = _line(file)
    if not text:
        return REPOSITORY / DEFAULT
    return remembered(text, file)


def named(text: str) -> Path:
    """The file of settings that a command line names, relative to the repository."""
    path = _resolved(text)
    if not _is_settings(path):
        raise InputError(f"There is no file {path}. Correct PRESET.")
    return path


def remembered(text: str, file: str | Path = "PRESET") -> Path:
    """The file of settings that a study's file `preset` names, or may name."""
    path = _resolved(text)
    inside = path.resolve().is_relative_to((REPOSITORY / "config").resolve())
    if not _is_settings(path) or not (inside or Path(text).is_absolute()):
        raise InputError(f"{file} names {_shown(text)}, which is not a file of settings. {HINT}.")
    return path


def _resolved(text):
    return REPOSITORY / text if "\0" not in text else Path()


def _is_settings(path):
    try:
        return path.suffix in (".yaml", ".yml") and path.is_file()
    except OSError:  # longer than a path can be
        return False


def _line(file):
    """The one line of a study's file `preset`; empty where there is none."""
    if not file.exists():
        return ""
    if not file.is_file():
        raise InputError(f"{file} is not a file. Delete it, or write a file there. {HINT}.")
    with open(file, "rb") as opened:
        content = opened.read(LONGEST + 1)
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text. {HINT}.") from error
    if len(text.splitlines()) > 1 or len(content) > LONGEST:
        raise InputError(f"{file} holds more than one line. {HINT}.")
    return text


def _shown(text):
    """The text with its control characters spelled out, and no longer than a line."""
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
