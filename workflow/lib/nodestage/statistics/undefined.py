"""Undefined statistics are distinguished from bad values."""

from nodestage.core.errors import NodestageError


class UndefinedError(NodestageError, ValueError):
    """A statistic that these data do not define; the message is the reason, for a table."""


def answer(function, *arguments, **options):
    """(value, "") or, where the statistic is undefined, (None, reason)."""
    try:
        return function(*arguments, **options), ""
    except UndefinedError as error:
        return None, str(error)
