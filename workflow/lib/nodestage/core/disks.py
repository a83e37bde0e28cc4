"""What a disk refuses: no space left, a quota, a folder that may not be written."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
MIN_FREE = 10_000_000  # bytes; below them Snakemake can't keep its own records

NO_SPACE = (
    "no space is left on the disk (or a quota or a limit on the size of files is reached). Free some, "
    "then run again: finished files stay, unfinished ones are made anew."
)


def refusal(error: BaseException) -> str:
    """A sentence where a disk is the cause of an error, "" elsewhere."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in FULL:
            return NO_SPACE
        if isinstance(cause, OSError) and cause.errno in FORBIDDEN:
            # Files of the workflow are relative to the study; another path may name a patient.
            name = os.fspath(cause.filename or "")
            what = name if isinstance(name, str) and name and not os.path.isabs(name) else "a file"
            return (
                f"{what} can't be read or written by this account ({os.strerror(cause.errno)}). Ask for the right, or "
                "take another folder, then run again."
            )
        # torch's writer notices that its last bytes didn't arrive, not why.
        if isinstance(cause, RuntimeError) and "inline_container" in str(cause):
            return NO_SPACE
    return ""


def fault_of(folder: str | Path) -> str:
    """Why no result can be written into an existing folder, as a sentence; "" where one can."""
    folder = Path(folder)
    if not folder.is_dir():
        return ""
    state = os.statvfs(folder)
    if state.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK | os.X_OK):
        return (
            f"The folder {folder} is read-only for this account, and results are written there. Copy config.yaml and the "
            "sheet to a folder of your own, with absolute paths of the images."
        )
    if state.f_blocks and state.f_bavail * state.f_frsize < MIN_FREE:
        return f"The disk of {folder} is full ({state.f_bavail * state.f_frsize / 1e6:.1f} MB left). Free some space."
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
