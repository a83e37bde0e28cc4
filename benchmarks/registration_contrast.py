"""Registration where contrast changes everything: many fields, and the tails of the error.

    python benchmarks/registration_contrast.py --fields 20 --deeds FOLDER

A textured phantom of 56 × 80 × 96 voxels (2 × 1.6 × 1.6 mm). In the other phase every tissue has an intensity
drawn anew; a smooth random field moves it by at most 9 mm. For each method the mean, the 95th
percentile and the largest error inside the body, field by field, and over all fields. deedsBCV runs where --deeds
names a folder with its built programs, ConvexAdam and greedy (picsl_greedy) where they can be imported.
"""

import argparse
import importlib.util
import sys
import time

import numpy as np
import registration as rivals
import SimpleITK as sitk
from scipy import ndimage

from nodestage import registration

SHAPE, SPACING = (56, 80, 96), (2.0, 1.6, 1.6)
LARGEST_MM = 9.0


def tissues(rng):
    """Labels of a body with twelve tissues in 60 pieces, and where the body is."""
    size = np.array(SHAPE) * SPACING
    at = np.stack(
        np.meshgrid(
            *[np.arange(n) * s for n, s in zip(SHAPE, SPACING, strict=True)], indexing="ij"
        ),
        axis=-1,
    )
    wobble = 150 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 3)
    body = ((((at - size / 2) / (size * [2, 0.46, 0.46]))[..., 1:]) ** 2).sum(axis=-1) < 1
    labels = np.zeros(SHAPE, np.uint8)
    for k in range(60):
        middle, radius = rng.uniform(0.1, 0.9, 3) * size, rng.uniform(5, 22)
        labels[(np.linalg.norm(at - middle, axis=-1) + wobble < radius) & body] = 1 + k % 12
    return labels, body


def pair_of(seed):
    """A pair as `registration.make_pair` gives it, without organs."""
    rng = np.random.default_rng(seed)
    labels, body = tissues(rng)
    texture = 120 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.2) * body

    def phase():
        values = rng.uniform(-80, 200, 13)
        return ndimage.gaussian_filter(np.where(body, values[labels], -1000.0) + texture, 0.5)

    one, other = phase(), phase()
    u = rivals.smooth_field(np.random.default_rng(seed + 500), SHAPE, SPACING)
    u = (u * LARGEST_MM / np.linalg.norm(u, axis=-1).max()).astype(np.float32)
    fixed = rivals.pull(one, u, SPACING) + rng.normal(0, 12, SHAPE)
    seen = np.ones(SHAPE, bool)
    for k in range(3):
        axis = np.arange(SHAPE[k]) * SPACING[k]
        q = u[..., k] + np.expand_dims(axis, [a for a in range(3) if a != k])
        seen &= (q > 0) & (q < axis[-1])
    return {
        "fixed": fixed.astype(np.float32),
        "moving": (other + rng.normal(0, 12, SHAPE)).astype(np.float32),
        "u": u,
        "body": ndimage.binary_opening(fixed > -400, iterations=2) & seen,
        "spacing": SPACING,
    }


def of_trees(count):
    """nodestage with so many spanning trees."""

    def method(pair, **_):
        found = registration.register(pair["fixed"], pair["moving"], pair["spacing"], trees=count)
        return found.displacement

    method.__name__ = f"nodestage, {count} tree{'s' if count > 1 else ''}"
    return method


def greedy(pair, **_):
    """picsl_greedy, deformable alone, since there is no affine part, by mutual information in the body.

    Correlation in patches, its usual choice, goes astray where contrast turns round (14 mm in the first field).
    """
    from picsl_greedy import Greedy3D

    images = dict(zip(("fixed", "moving"), rivals._images(pair), strict=True))
    body = sitk.GetImageFromArray(pair["body"].astype(np.uint8))
    body.CopyInformation(images["fixed"])
    run = Greedy3D()
    run.execute(
        "-i fixed moving -gm body -n 100x100x50 -m NMI -s 3vox 1vox -o warp -threads 1 -V 0",
        **images,
        body=body,
        warp=None,
    )
    warp = sitk.Cast(run["warp"], sitk.sitkVectorFloat64)
    return rivals._dense(sitk.DisplacementFieldTransform(warp), pair)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--deeds", help="folder with linearBCV, deedsBCV and applyBCVfloat")
    parser.add_argument("--fields", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="number of the first field")
    parser.add_argument("--trees", type=int, nargs="*", default=[1, 3])
    parser.add_argument("--no-rivals", action="store_true")
    options = parser.parse_args()
    methods = [of_trees(count) for count in options.trees]
    if not options.no_rivals:
        methods += [rivals.deeds] if options.deeds else []
        methods += [rivals.sitk_demons]
        methods += [rivals.convexadam] if importlib.util.find_spec("convexAdam") else []
        methods += [greedy] if importlib.util.find_spec("picsl_greedy") else []
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    errors, cpu = {m.__name__: [] for m in methods}, {m.__name__: [] for m in methods}
    of_trees(1)(pair_of(0))  # compiled code comes from the cache
    for seed in range(options.first, options.first + options.fields):
        pair = pair_of(seed)
        for method in methods:
            started = rivals.seconds()
            found = method(pair, programs=options.deeds)
            cpu[method.__name__].append(rivals.seconds() - started)
            off = np.linalg.norm(found - pair["u"], axis=-1)[pair["body"]]
            errors[method.__name__].append((off.mean(), np.percentile(off, 95), off.max()))
            shown = " ".join(f"{e:.2f}" for e in errors[method.__name__][-1])
            print(f"{seed} {method.__name__}: {shown}", file=sys.stderr, flush=True)
    own = np.array(errors[methods[len(options.trees) - 1].__name__])[:, 0]
    print(f"{options.fields} fields, largest shift {LARGEST_MM} mm; {time.strftime('%F')}")
    print(
        f"{'method':>22} {'mean':>6} {'worst':>6} {'95 %':>6} {'worst':>6} {'max':>6} {'CPU s':>6}  own/its mean, worst field"
    )
    for name, found in errors.items():
        table = np.array(found)
        mean, tail, most = table.T
        print(
            f"{name:>22} {mean.mean():6.2f} {mean.max():6.2f} {tail.mean():6.2f} {tail.max():6.2f} "
            f"{most.max():6.1f} {np.mean(cpu[name]):6.1f}  {(own / mean).max():.2f}"
        )


if __name__ == "__main__":
    main()
