"""Registration against its rivals, on a CT warped by known fields with arterial-like contrast.

    python benchmarks/registration.py --ct ct.nii.gz --organs organs.nii.gz --fields 5
    python benchmarks/registration.py --scale 5        # time and memory, 96³ to 512 × 512 × 200

Each method runs in a process of its own on the same pairs; the table gives the target error
inside the body (mm), folded voxels, mean Dice of the organs, seconds, memory, and error
relative to nodestage's. deedsBCV runs when --deeds names a folder with its built programs,
ConvexAdam when it can be imported.
"""

import argparse
import importlib.util
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from nodestage import registration
from nodestage.registration import bands


def phantom():
    """A body with organs, 112 slices of 101 × 122 at 3 mm, where no real CT is given."""
    rng = np.random.default_rng(0)
    shape = (112, 101, 122)
    at = np.stack(np.meshgrid(*[np.arange(n) * 3.0 for n in shape], indexing="ij"), axis=-1)
    wobble = 300 * ndimage.gaussian_filter(rng.normal(size=shape), 3)
    size = np.array(shape) * 3.0
    body = ((((at - size / 2) / (size * [2, 0.42, 0.46]))[..., 1:]) ** 2).sum(axis=-1) < 1
    organs = np.zeros(shape, np.uint8)
    for k in range(120):
        middle, radius = rng.uniform(0.1, 0.9, 3) * size, rng.uniform(6, 35)
        organs[(np.linalg.norm(at - middle, axis=-1) + wobble < radius) & body] = 1 + k % 12
    values = np.r_[40, rng.uniform(-80, 250, 12)]
    image = np.where(body, values[organs], -1000.0)
    image += 200 * ndimage.gaussian_filter(rng.normal(size=shape), 1.5) * body
    return ndimage.gaussian_filter(image, 0.6).astype(np.float32), organs, (3.0, 3.0, 3.0)


def read(ct, organs):
    if ct is None:
        return phantom()
    image, labels = sitk.ReadImage(ct), sitk.ReadImage(organs)
    return (
        sitk.GetArrayFromImage(image).astype(np.float32),
        sitk.GetArrayFromImage(labels),
        tuple(reversed(image.GetSpacing())),
    )


def to_shape(image, organs, spacing, shape):
    new = tuple((n - 1) * s / (m - 1) for n, s, m in zip(image.shape, spacing, shape, strict=True))
    index = [
        np.clip(np.rint(np.arange(m) * t / s).astype(int), 0, n - 1)
        for m, t, s, n in zip(shape, new, spacing, image.shape, strict=True)
    ]
    return bands.resample(image, spacing, shape, new), organs[np.ix_(*index)], new


def smooth_field(rng, shape, spacing, smooth_mm=30.0):
    """A smooth random field (z, y, x, 3) of no particular size."""
    knots = [
        max(4, int(np.ceil(n * s / smooth_mm)) + 3) for n, s in zip(shape, spacing, strict=True)
    ]
    at = np.meshgrid(
        *[np.linspace(1, k - 2, n) for k, n in zip(knots, shape, strict=True)], indexing="ij"
    )
    return np.stack(
        [
            ndimage.map_coordinates(
                ndimage.gaussian_filter(rng.normal(size=knots), 0.6), at, order=3
            )
            for _ in range(3)
        ],
        axis=-1,
    )


def known_field(shape, spacing, seed, size_mm=12.0, smooth_mm=30.0):
    """A smooth random field without folds, 99 % of it below size_mm beside an affine part."""
    rng = np.random.default_rng(seed)
    u = smooth_field(rng, shape, spacing, smooth_mm)
    u *= size_mm / np.percentile(np.linalg.norm(u, axis=-1), 99)
    p = np.stack(
        np.meshgrid(
            *[np.arange(n) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"
        ),
        axis=-1,
    )
    p -= p.reshape(-1, 3).mean(axis=0)
    return (u + p @ (0.02 * rng.normal(size=(3, 3))).T + rng.uniform(-6, 6, 3)).astype(np.float32)


def pull(array, u, spacing, order=1, fill=-1024):
    at = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in array.shape], indexing="ij")
    where = [at[k] + u[..., k] / spacing[k] for k in range(3)]
    return ndimage.map_coordinates(array, where, order=order, mode="constant", cval=fill)


def make_pair(image, organs, spacing, seed):
    """Fixed: the image through the field. Moving: the image with other contrast and noise."""
    u = known_field(image.shape, spacing, seed)
    rng = np.random.default_rng(1000 + seed)
    fixed = pull(image, u, spacing) + rng.normal(0, 12, image.shape)
    moving = image.copy()
    for label in np.unique(organs)[1:]:
        moving[organs == label] += rng.uniform(-80, 120)
    moving = ndimage.gaussian_filter(moving, 0.4) + rng.normal(0, 12, image.shape)
    seen = np.ones(image.shape, bool)
    for k in range(3):
        axis = np.arange(image.shape[k]) * spacing[k]
        q = u[..., k] + np.expand_dims(axis, [a for a in range(3) if a != k])
        seen &= (q > 0) & (q < axis[-1])
    body = ndimage.binary_opening(fixed > -200, iterations=2) & seen
    return {
        "fixed": fixed.astype(np.float32),
        "moving": moving.astype(np.float32),
        "organs": organs,
        "fixed_organs": pull(organs, u, spacing, order=0, fill=0),
        "u": u,
        "body": body,
        "spacing": spacing,
    }


def none(pair, **_):
    return np.zeros_like(pair["u"])


def affine(pair, **_):
    return registration.register(
        pair["fixed"], pair["moving"], pair["spacing"], grid_mm=[], step_mm=[], radius=[]
    ).displacement


def nodestage(pair, **_):
    return registration.register(pair["fixed"], pair["moving"], pair["spacing"]).displacement


def nodestage_coarse(pair, **_):
    return registration.register(
        pair["fixed"], pair["moving"], pair["spacing"], **registration.COARSE
    ).displacement


def _images(pair):
    both = []
    for name in ("fixed", "moving"):
        image = sitk.GetImageFromArray(np.clip(pair[name], -1000, 1000))
        image.SetSpacing([float(s) for s in reversed(pair["spacing"])])
        both.append(image)
    return both


def _dense(transform, pair):
    fixed, _ = _images(pair)
    to_field = sitk.TransformToDisplacementFieldFilter()
    to_field.SetReferenceImage(fixed)
    return sitk.GetArrayFromImage(to_field.Execute(transform))[..., ::-1].astype(np.float32)


def _sitk_affine(pair):
    fixed, moving = _images(pair)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.1, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsGradientDescent(1.0, 100, 1e-6, 10)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    method.SetInitialTransform(start)
    return method.Execute(fixed, moving)


def sitk_affine(pair, **_):
    return _dense(_sitk_affine(pair), pair)


def sitk_bspline(pair, **_):
    fixed, moving = _images(pair)
    first = _sitk_affine(pair)
    mesh = [
        max(3, round(n * s / 24)) for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)
    ]
    spline = sitk.BSplineTransformInitializer(fixed, mesh)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.1, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsLBFGSB(numberOfIterations=20)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1, 0])
    method.SetMovingInitialTransform(first)
    method.SetInitialTransform(spline)
    method.Execute(fixed, moving)
    return _dense(sitk.CompositeTransform([first, spline]), pair)


def sitk_demons(pair, **_):
    fixed, moving = _images(pair)
    first = _sitk_affine(pair)
    laid = sitk.Resample(moving, fixed, first, sitk.sitkLinear, -1000.0)
    laid = sitk.HistogramMatching(laid, fixed)
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfIterations(80)
    demons.SetStandardDeviations(1.5)
    found = sitk.DisplacementFieldTransform(
        sitk.Cast(demons.Execute(fixed, laid), sitk.sitkVectorFloat64)
    )
    return _dense(sitk.CompositeTransform([first, found]), pair)


def deeds(pair, programs, **_):
    """linearBCV and deedsBCV; the field is read by warping the three coordinates."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        def put(name, array):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / name))
            return str(folder / name)

        def run(name, *arguments):
            subprocess.run(
                [str(Path(programs) / name), *map(str, arguments)], check=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

        f, m = (put(f"{n}.nii.gz", pair[n].astype(np.int16)) for n in ("fixed", "moving"))
        run("linearBCV", "-F", f, "-M", m, "-O", folder / "affine")
        run(
            "deedsBCV", "-F", f, "-M", m, "-O", folder / "deeds", "-A", folder / "affine_matrix.txt"
        )
        out = np.empty_like(pair["u"])
        for k, axis in enumerate(
            np.meshgrid(*[np.arange(n) + 1000.0 for n in pair["fixed"].shape], indexing="ij")
        ):
            c = put("axis.nii.gz", axis.astype(np.float32))
            run("applyBCVfloat", "-M", c, "-O", folder / "deeds", "-D", folder / "w.nii.gz",
                "-A", folder / "affine_matrix.txt")  # fmt: skip
            warped = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "w.nii.gz")))
            out[..., k] = (warped - axis) * pair["spacing"][k]
        return out


def convexadam(pair, **_):
    import torch
    from convexAdam.convex_adam_MIND import convex_adam_pt

    torch.set_num_threads(1)
    found = convex_adam_pt(
        img_fixed=torch.from_numpy(pair["fixed"]), img_moving=torch.from_numpy(pair["moving"])
    )
    return np.asarray(found, np.float32) * np.array(pair["spacing"], np.float32)


def seconds():
    """CPU seconds of this process and its children."""
    both = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(r.ru_utime + r.ru_stime for r in both)


def _timed(method, pair, programs, pipe):
    os.environ["OMP_NUM_THREADS"] = "1"
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    if method in (nodestage, nodestage_coarse, affine):  # compiled code comes from the cache
        small = {
            **pair,
            "fixed": pair["fixed"][:24, :24, :24],
            "moving": pair["moving"][:24, :24, :24],
        }
        method(small)
    before, started = seconds(), time.perf_counter()
    found = method(pair, programs=programs)
    cpu, wall = seconds() - before, time.perf_counter() - started
    peak = max(
        resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    pipe.send((found, cpu, wall, peak / 1e6))


def measure(method, pair, programs):
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(method, pair, programs, there))
    process.start()
    there.close()
    try:
        found, cpu, wall, peak = here.recv()
    except EOFError:
        return None
    finally:
        process.join()
    gone = np.linalg.norm(found - pair["u"], axis=-1)[pair["body"]]
    slope = np.stack(
        [np.stack(np.gradient(found[..., k], *pair["spacing"]), -1) for k in range(3)], -2
    )
    warped = pull(pair["organs"], found, pair["spacing"], order=0, fill=0)
    dices = []
    for label in np.unique(pair["fixed_organs"])[1:]:
        a, b = warped == label, pair["fixed_organs"] == label
        dices.append(2 * np.sum(a & b) / (a.sum() + b.sum()))
    return (
        gone.mean(), np.percentile(gone, 95), 100 * np.mean(np.linalg.det(slope + np.eye(3)) <= 0),
        np.mean(dices), cpu, wall, peak,
    )  # fmt: skip


SIZES = ((96, 96, 96), (144, 144, 144), (120, 160, 192), (256, 256, 256), (200, 512, 512))


def _grown(shape, pipe):
    """The phantom and a moved one, enlarged to `shape`: only time and memory are looked at."""
    os.environ["OMP_NUM_THREADS"] = "1"
    image, _, _ = phantom()
    pair = []
    for seed in (0, 1):
        array = np.roll(image, (2 * seed, -3 * seed, 2 * seed), axis=(0, 1, 2))
        spacing = [(n - 1) / (m - 1) for n, m in zip(image.shape, shape, strict=True)]
        large = bands.resample(array, (1.0,) * 3, shape, spacing)
        rng = np.random.default_rng(seed)
        for slab in large:  # in place: at full size a second array is 0.2 GB
            slab += rng.normal(0, 12, slab.shape).astype(np.float32)
        pair.append(large)
    small = [array[:24, :24, :24] for array in pair]
    registration.register(*small, (0.8, 0.68, 0.68))  # compiled code comes from the cache
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    before, started = seconds(), time.perf_counter()
    registration.register(*pair, (0.8, 0.68, 0.68))
    cpu, wall = seconds() - before, time.perf_counter() - started
    pipe.send((cpu, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, held))


def scale(sizes):
    """Time and memory of one registration as the volume grows at 0.80 × 0.68 × 0.68 mm."""
    print(f"{'voxels (z, y, x)':>18} {'CPU s':>8} {'wall s':>8} {'peak GB':>8} {'before GB':>10}")
    context = multiprocessing.get_context("spawn")
    for shape in sizes:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_grown, args=(shape, there))
        process.start()
        there.close()
        try:
            cpu, wall, peak, held = here.recv()
        except EOFError:
            print(f"{' x '.join(map(str, shape)):>18} ended early (memory?)", flush=True)
            continue
        finally:
            process.join()
        print(
            f"{' x '.join(map(str, shape)):>18} {cpu:8.1f} {wall:8.1f} {peak:8.2f} {held:10.2f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ct")
    parser.add_argument("--organs")
    parser.add_argument("--deeds", help="folder with linearBCV, deedsBCV and applyBCVfloat")
    parser.add_argument("--fields", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="number of the first field")
    parser.add_argument("--shape", type=int, nargs=3, default=(120, 160, 192), help="z y x")
    parser.add_argument("--methods", nargs="*", help="only these")
    parser.add_argument("--scale", type=int, metavar="N", help="time and memory, the first N sizes")
    options = parser.parse_args()
    if options.scale:
        return scale(SIZES[: options.scale])
    methods = [none, affine, nodestage_coarse, nodestage, sitk_affine, sitk_bspline, sitk_demons]
    if options.deeds:
        methods.append(deeds)
    if importlib.util.find_spec("convexAdam"):
        methods.append(convexadam)
    if options.methods:
        methods = [m for m in methods if m.__name__ in [*options.methods, "nodestage"]]
    volume = to_shape(*read(options.ct, options.organs), tuple(options.shape))
    rows = {m.__name__: [] for m in methods}
    for seed in range(options.first, options.first + options.fields):
        pair = make_pair(*volume, seed)
        for method in methods:
            found = measure(method, pair, options.deeds)
            if found is not None:
                rows[method.__name__].append(found)
                print(
                    seed, method.__name__, *(f"{v:.2f}" for v in found), file=sys.stderr, flush=True
                )
    own = np.mean(rows["nodestage"], axis=0)
    print(f"{options.fields} fields, {options.shape} voxels (z, y, x), one thread")
    print(
        f"{'method':>17} {'TRE':>6} {'p95':>6} {'fold %':>7} {'Dice':>6} {'CPU s':>7} {'wall s':>7} {'GB':>5} {'TRE ratio':>9} {'CPU ratio':>9}"
    )
    for name, found in rows.items():
        if not found:
            print(f"{name:>17} failed")
            continue
        m = np.mean(found, axis=0)
        print(
            f"{name:>17} {m[0]:6.2f} {m[1]:6.2f} {m[2]:7.3f} {m[3]:6.3f} {m[4]:7.1f} {m[5]:7.1f} {m[6]:5.2f} "
            f"{m[0] / own[0]:9.2f} {m[4] / own[4]:9.2f}"
        )


if __name__ == "__main__":
    main()
