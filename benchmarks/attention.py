"""Attention map of a full-size patient: nodestage against SimpleITK on the whole volume.

    OMP_NUM_THREADS=1 python benchmarks/attention.py
    OMP_NUM_THREADS=1 python benchmarks/attention.py --organs organs.nii.gz --ids 19=11 20=19

The other way is SimpleITK's SignedMaurerDistanceMap of each of the ten structures, put through
Eq. 1 and 2. Both run in one process, ours before, between and after the structures of the other
(`--repeat` times in all), so that a busy machine slows both. Without `--organs` the patient is a
simulated one of 512 × 512 × 244 voxels. `--ids` says which label of the mask is which of
config/anatomy.yaml's where they differ. Prints seconds, CPU seconds, their ratios, the largest
difference, and the memory of a fresh process as a multiple of its output.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import yaml

from nodestage import attention
from nodestage.core import volumes

ROOT = Path(__file__).resolve().parents[1]
SHAPE, SPACING = (244, 512, 512), (0.8, 0.68, 0.68)


def given(path, ids):
    """Labels and spacing of a mask; `ids` {its label: ours}, other labels stay."""
    volume = volumes.read(path)
    table = np.arange(256, dtype=np.uint8)
    for theirs, ours in ids.items():
        table[theirs] = ours
    return table[volume.array.astype(np.uint8)], volume.spacing


def simulated(seed):
    """Organs and vessels of a simulated patient of 348 × 348 × 195 mm."""
    from nodestage.simulator import anatomy, motion, painting, tissue
    from nodestage.simulator.shapes import Canvas

    settings = yaml.safe_load((ROOT / "config/simulator.yaml").read_text())["simulator"]
    settings.update(scale=1.3, calibers=1.0, no_lga=0, splenectomy=0)
    draw = np.random.default_rng(seed)
    body = anatomy.draw(draw, settings)
    axes = [
        ((np.arange(n) - (n - 1) / 2) * s).astype(np.float32)
        for n, s in zip(SHAPE, SPACING, strict=True)
    ]
    bend = motion.variation(draw, settings["scale"])
    canvas = Canvas(motion.anatomy_from_venous(bend, axes), axes)
    painting.paint(canvas, body)
    painting.paint_arteries(canvas, body)
    return tissue.LABEL_OF[canvas.tissue], SPACING


def by_simpleitk(labels, spacing, ranges, between):
    """The same map from whole-volume distances; `between()` is called after each structure."""
    highest = np.zeros(labels.shape, np.float32)
    own = np.zeros(labels.shape, np.float32)
    for label, (low, high) in ranges.items():
        inside = labels == label
        if not inside.any():
            continue
        image = sitk.GetImageFromArray(inside.astype(np.uint8))
        image.SetSpacing([float(s) for s in spacing[::-1]])
        distance = sitk.GetArrayViewFromImage(
            found := sitk.SignedMaurerDistanceMap(
                image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
            )
        )
        score = np.clip(1 - np.maximum(low - distance, distance - high) / 3, 0, 1)
        own[inside] = score[inside]
        np.maximum(highest, score, out=highest)
        del found, distance, score
        between()
    return np.where(np.isin(labels, list(ranges)), own, highest)


def warm_up(spacing, ranges):
    """Compile, or load what was compiled before."""
    labels = np.zeros((1, 2048, attention.maps.LARGE // 2048 + 1), np.uint8)
    labels[0, 0, 0] = next(iter(ranges))
    attention.attention_map(labels, spacing, ranges)


class Clock:
    """Wall and CPU seconds of what is called through it."""

    def __init__(self):
        self.wall = self.cpu = 0.0

    def start(self):
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self):
        self.wall += time.perf_counter() - self._wall
        self.cpu += time.process_time() - self._cpu


def peak(reset=False):
    """Largest memory of this process so far (bytes), or since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def memory(path, spacing, ranges, threads):
    """Peak memory beyond the labels, as a multiple of the map. Runs in a process of its own."""
    labels = np.load(path)
    warm_up(spacing, ranges)
    before = peak(reset=True)
    found = attention.attention_map(labels, spacing, ranges, threads=threads)
    return (peak() - before) / found.nbytes


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--organs", help="a mask of organs and vessels (NIfTI)")
    options.add_argument("--ids", nargs="*", default=[], metavar="THEIRS=OURS")
    options.add_argument("--seed", type=int, default=0, help="of the simulated patient")
    options.add_argument("--threads", type=int, default=1, help="of both")
    options.add_argument("--repeat", type=int, default=3, help="maps by nodestage")
    options = options.parse_args()

    ids = {int(theirs): int(ours) for theirs, ours in (pair.split("=") for pair in options.ids)}
    labels, spacing = given(options.organs, ids) if options.organs else simulated(options.seed)
    anatomy = yaml.safe_load((ROOT / "config/anatomy.yaml").read_text())
    ranges = {anatomy["labels"][name]: tuple(r) for name, r in anatomy["ranges_mm"].items()}
    present = [label for label in ranges if (labels == label).any()]
    sizes = " × ".join(map(str, labels.shape))
    print(f"{sizes} voxels (z, y, x), {len(present)} of {len(ranges)} structures", flush=True)

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)
    warm_up(spacing, ranges)
    ours, theirs, found = [], Clock(), None

    def one_of_ours():
        nonlocal found
        clock = Clock()
        clock.start()
        found = attention.attention_map(labels, spacing, ranges, threads=options.threads)
        clock.stop()
        ours.append(clock)

    # Ours at even distances among the structures of the other.
    turns = set(np.linspace(0, len(present), options.repeat).round().astype(int).tolist())
    done = 0
    if 0 in turns:
        one_of_ours()

    def between():
        nonlocal done
        done += 1
        if done in turns:
            theirs.stop()
            one_of_ours()
            theirs.start()

    theirs.start()
    expected = by_simpleitk(labels, spacing, ranges, between)
    theirs.stop()
    wall, cpu = (statistics.median(getattr(c, k) for c in ours) for k in ("wall", "cpu"))
    print("\t".join(("", "seconds", "CPU seconds")))
    print(f"nodestage (median of {len(ours)})\t{wall:.2f}\t{cpu:.2f}")
    print(f"SimpleITK\t{theirs.wall:.1f}\t{theirs.cpu:.1f}")
    print(f"ratio\t{theirs.wall / wall:.0f}\t{theirs.cpu / cpu:.0f}")
    print(f"largest difference\t{np.abs(found - expected).max():.1e}")
    print(f"above 0\t{(found > 0).mean():.1%}\nat 1\t{(found == 1).mean():.1%}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.npy")
        np.save(path, labels)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            times = pool.apply(memory, (path, spacing, ranges, options.threads))
    print(f"memory, times the output\t{times:.2f}")


if __name__ == "__main__":
    main()
