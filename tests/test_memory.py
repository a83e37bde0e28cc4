"""What is free is asked of machine, cgroups and limit; what runs out is told in words."""

import resource

import numpy as np
import pytest

from nodestage.core import logs, memory

MEMINFO = "MemTotal:  9999 kB\nMemAvailable:  4000 kB\nSwapFree:  1000 kB\n"


def machine(folder, **files):
    """A folder with a machine's files under their paths, `__` standing for the slash."""
    for name, text in {"proc__meminfo": MEMINFO, **files}.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


JOB = "sys__fs__cgroup__slurm__job_7__"


@pytest.mark.parametrize(
    "files, kib",
    [
        pytest.param({}, 5000, id="the machine's own"),
        pytest.param({"proc__meminfo": ""}, float("inf"), id="nothing tells"),
        pytest.param(
            {
                "proc__self__cgroup": "0::/slurm/job_7/step_0\n",
                f"{JOB}step_0__memory_dot_max": "max\n",
                f"{JOB}step_0__memory_dot_current": "1\n",
                f"{JOB}memory_dot_max": f"{2000 * 1024}\n",
                f"{JOB}memory_dot_current": f"{1500 * 1024}\n",
                f"{JOB}memory_dot_stat": f"anon 1\nfile {300 * 1024}\n",
            },
            800,
            id="a Slurm job's limit, above the step's, the file cache counted as free",
        ),
        pytest.param(
            {
                "proc__self__cgroup": "4:cpu:/\n3:memory:/elsewhere\n",
                "sys__fs__cgroup__memory__memory_dot_limit_in_bytes": f"{1000 * 1024}\n",
                "sys__fs__cgroup__memory__memory_dot_usage_in_bytes": f"{900 * 1024}\n",
            },
            100,
            id="a container that sees its own cgroup as the top (v1)",
        ),
    ],
)
def test_the_tightest_limit_counts(tmp_path, files, kib):
    assert memory.free(machine(tmp_path, **files)) == kib * 1024


def test_ulimit_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2**20, 2**20))
    root = machine(tmp_path, proc__self__statm="16 9 9\n")
    assert memory.free(root) == 2**20 - 16 * resource.getpagesize()


def test_this_machine_has_some():
    assert 0 < memory.free() < float("inf")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("f4")),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("ITK ERROR: Failed to allocate memory for image."),
        RuntimeError("std::bad_alloc"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_any_job_that_runs_out_says_memory_and_the_setting(tmp_path, capsys, error):
    with pytest.raises(type(error)), logs.to(tmp_path / "log"):
        raise error
    for said in (capsys.readouterr().err, (tmp_path / "log").read_text(encoding="utf-8")):
        assert "out of memory" in said and "`mem_mb`" in said and "`jobs`" in said


def test_another_error_does_not_speak_of_memory(tmp_path, capsys):
    with pytest.raises(ValueError), logs.to(tmp_path / "log"):
        raise ValueError("a wrong number")
    assert "memory" not in capsys.readouterr().err
