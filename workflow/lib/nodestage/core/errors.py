"""Errors that a user can fix."""


class NodestageError(Exception):
    """Base of every error that nodestage raises on purpose."""


class InputError(NodestageError):
    """Something in the user's data or settings is wrong.

    The message names the patient, the file (by the sheet's column, never by its
    path), what is wrong, and how to fix it.
    """


class TrainingError(NodestageError):
    """A training could not go on; the message names the setting that helps."""
