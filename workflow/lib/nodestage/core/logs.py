"""Where a job's output goes: its log file, and progress on the terminal too."""

import logging
import sys
import time
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from nodestage.core import disks, memory
from nodestage.core.errors import NodestageError

_terminal = None  # the job's stderr while `to` redirects it


class Failed(SystemExit):
    """Ends a job with exit code 1 after its error was logged."""

    def __init__(self):
        super().__init__(1)


@contextmanager
def to(path: str | Path) -> Iterator[None]:
    """Send everything that a script prints or logs to the file at `path`.

    An error that a user can fix is one sentence on the terminal; any other
    leaves its traceback in the log and its last line on the terminal.
    """
    global _terminal
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        log = open(path, "w", encoding="utf-8", buffering=1)
    except OSError as error:
        print(f"Error: {disks.refusal(error) or repr(error)}", file=sys.stderr, flush=True)
        raise Failed from error
    # On a full disk the log can't be closed either, and the error is on the terminal only.
    with _closed_at_last(log):
        _terminal = sys.stderr
        handler = logging.StreamHandler(log)
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            with redirect_stdout(log), redirect_stderr(log):
                yield
        except NodestageError as error:
            _write(f"Error: {error}", log, _terminal)
            raise Failed from error
        except BaseException as error:
            if disks.refusal(error):
                _write(f"Error: {disks.refusal(error)}", log, _terminal)
                raise Failed from error
            if memory.refused(error):
                _write(f"Error: {OUT_OF_MEMORY}", log, _terminal)
            _write(traceback.format_exc(), log)
            _write(f"Error: {error!r} (more in {path})", _terminal)
            raise
        finally:
            root.removeHandler(handler)
            _terminal = None


@contextmanager
def _closed_at_last(log):
    try:
        yield
    finally:
        with suppress(OSError):
            log.close()


def _write(text, *streams):
    """One text to several streams; one that can't be written any more doesn't hinder the others."""
    for stream in streams:
        with suppress(OSError):
            print(text, file=stream, flush=True)


OUT_OF_MEMORY = (
    "out of memory. Give this kind of job more (`mem_mb` under `jobs` in the config), or let fewer "
    "jobs run at a time (`--cores`)."
)


def say(text: str) -> None:
    """One line to the log and, from a running job, to the terminal."""
    print(text, flush=True)
    if _terminal is not None:
        print(text, file=_terminal, flush=True)


def progress(
    items: Collection, label: str, total: int | None = None, every: float = 10.0
) -> Iterator:
    """Go through `items`, reporting at most every `every` seconds how many are left.

    Short work reports nothing on the terminal: the first line comes after `every` seconds.
    """
    total = total if total is not None else len(items)
    started = reported = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - reported >= every:
            left = (now - started) / done * (total - done)
            say(f"{label}: {done} of {total}, about {_duration(left)} left")
            reported = now
        yield item
    print(f"{label}: {total} of {total} in {_duration(time.monotonic() - started)}", flush=True)


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
