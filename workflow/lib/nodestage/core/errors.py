"""Errors that a user can fix."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


class NodestageError(Exception):
    """Base of every error that nodestage raises on purpose."""


class InputError(NodestageError):
    """Something in the user's data or settings is wrong.

    The message names the patient, the file (by the sheet's column, never by its
    path), what is wrong, and how to fix it.
    """


class TrainingError(NodestageError):
    """A training could not go on; the message names the setting that helps."""


def reports_input_errors(main: Callable[P, int]) -> Callable[P, int]:
    """A command line's `main` that prints an InputError and returns 1, where it would raise it."""

    @functools.wraps(main)
    def reporting(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except InputError as error:
            # `full` adds paths and texts from image files, which belong on the terminal, not in a log.
            print(f"Error: {getattr(error, 'full', error)}", file=sys.stderr)
            return 1

    return reporting
