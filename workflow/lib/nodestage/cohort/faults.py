"""Errors of intake: patient, column, what is wrong, how to fix it."""

from contextlib import contextmanager

from nodestage.core.errors import InputError


class IntakeError(InputError):
    """Something from outside that can't be used.

    `str(error)` may stand in a log: it holds neither a path nor text from an image
    file. `error.full` adds those and belongs on the terminal alone.
    """

    def __init__(self, message, detail=""):
        super().__init__(message)
        self.full = f"{message}\n{detail}" if detail else message


def millimeters(values, digits=4):
    """Numbers as they stand in a message: '0.68 × 0.68 × 0.8'."""
    return " × ".join(f"{float(value):.{digits}g}" for value in values)


def some(values, limit=10):
    """The first few of many values: '1, 2, 3 … (40 in all)'."""
    values = list(values)
    shown = ", ".join(str(value) for value in values[:limit])
    return shown if len(values) <= limit else f"{shown} … ({len(values)} in all)"


@contextmanager
def about(patient, column):
    """Put patient and column in front of any error from the block."""
    try:
        yield
    except InputError as error:
        if getattr(error, "located", False):
            raise
        who = f"{patient}: " if patient else ""
        text = str(error)
        located = IntakeError(
            f"{who}{column or 'image'}: {text}{'' if text.endswith(('.', '?')) else '.'}"
        )
        detail = getattr(error, "full", text).removeprefix(text).strip()
        located.full = f"{located}\n{detail}" if detail else str(located)
        located.located = True
        raise located from error
