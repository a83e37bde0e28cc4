"""How much memory a job may still take, and whether an error means that memory was refused.

The kernel grants more memory than there is and later kills the process without a message: a job that is
too large must be refused before it begins.
"""

import re
import resource
from pathlib import Path

GIB = 2**30
# Words in the RuntimeErrors of torch, ITK and oneDNN; NumPy and Python raise MemoryError.
REFUSALS = ("alloc", "out of memory", "could not create a primitive", "could not create a memory")


def refused(error: BaseException) -> bool:
    """Whether an error means that memory was requested and refused."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in REFUSALS)


def free(root: str | Path = "/") -> float:
    """Bytes that this process may still take; infinite where no limit is known.

    The minimum of what the machine has (swap counted), of what the cgroups around this process
    leave (Slurm, containers; the cache of files can be freed), and of `ulimit -v`.

    Parameters
    ----------
    root : where `proc` and `sys` lie; tests use another folder
    """
    root = Path(root)
    return min(_of_machine(root), _of_cgroups(root), _of_limit(root))


def _of_machine(root):
    amounts = dict(re.findall(r"^(\w+): +(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE))
    if "MemAvailable" not in amounts:
        return float("inf")
    return 1024 * (int(amounts["MemAvailable"]) + int(amounts.get("SwapFree", 0)))


def _of_cgroups(root):
    minimum = float("inf")
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            names, top = ("memory.max", "memory.current", "file"), root / "sys/fs/cgroup"
        elif "memory" in kinds.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache")
            top = root / "sys/fs/cgroup/memory"
        else:
            continue
        group = top / path.lstrip("/")
        # Inside a container its cgroup may be the top folder, whatever its path is.
        for folder in {top, group, *group.parents} - set(top.parents):
            minimum = min(minimum, _of_cgroup(folder, *names))
    return minimum


def _of_cgroup(folder, limit, used, cache):
    allowed, taken = _text(folder / limit).strip(), _text(folder / used).strip()
    if not allowed.isdigit() or not taken.isdigit():  # absent, or "max"
        return float("inf")
    kept = re.search(rf"^{cache} (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
    return int(allowed) - int(taken) + (int(kept.group(1)) if kept else 0)


def _of_limit(root):
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    held = _text(root / "proc/self/statm").split()
    if limit == resource.RLIM_INFINITY or not held:
        return float("inf")
    return limit - int(held[0]) * resource.getpagesize()


def _text(path):
    try:
        return path.read_text()
    except OSError:
        return ""
