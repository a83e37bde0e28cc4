"""Image quality: numbers and warnings that are cheap enough to compute for every image."""

import numpy as np

from nodestage.cohort import notices
from nodestage.cohort.plausible import limits
from nodestage.core.names import PHASES

NOISY = 0.2  # of the voxels that differ between two slices
EDGES_HU = (-1024, -900, -500, -150, -20, 20, 80, 150, 250, 400, 700, 1500, 32768)


def quality(volume, record=None):
    """Numbers and warnings about a canonical CT; `record` as intake wrote it, for the warnings that follow from it.

    Returns
    -------
    dict: slices, spacing_mm (z, y, x), coverage_mm (z, y, x), hu_edges and hu_share (the
    share of voxels between neighbouring edges), border_share (how much of the image's side
    walls is body), warnings (words)
    """
    array, spacing = volume.array, volume.spacing
    # A voxel every 4 mm or so is enough for all of this.
    coarse = array[tuple(slice(None, None, max(1, round(4.0 / s))) for s in spacing)]
    each = np.bincount(
        np.clip(coarse, EDGES_HU[0], EDGES_HU[-1]).ravel().astype(np.int32) - EDGES_HU[0],
        minlength=EDGES_HU[-1] - EDGES_HU[0],
    )
    counts = np.add.reduceat(each, np.subtract(EDGES_HU[:-1], EDGES_HU[0]))
    body = coarse > -300
    walls = np.concatenate(
        [body[:, 0].ravel(), body[:, -1].ravel(), body[:, :, 0].ravel(), body[:, :, -1].ravel()]
    )
    warnings = []
    if (coarse > -500).all():
        warnings.append("no air in the image")
    if walls.mean() > 0.25:
        warnings.append(
            f"body reaches {walls.mean():.0%} of the side walls: the field of view cuts it"
        )
    if max(spacing) / min(spacing) > 10:
        warnings.append(f"slices {max(spacing) / min(spacing):.0f} times as far apart as pixels")
    warnings += notices.warnings((record or {}) | _findings(array, coarse))
    coverage = [round(n * s, 3) for n, s in zip(array.shape, spacing, strict=True)]
    if coverage[0] < 100:
        warnings.append(f"covers {coverage[0]:.0f} mm from head to foot")
    if not _spine_behind(coarse, body):
        warnings.append("spine not behind: the voxels may be flipped")
    if _lungs_below(coarse, body):
        warnings.append("lung-like air at the lower end: the voxels may be upside down")
    return {
        "slices": array.shape[0],
        "spacing_mm": [round(float(s), 6) for s in spacing],
        "coverage_mm": coverage,
        "hu_edges": list(EDGES_HU),
        "hu_share": [round(float(c) / coarse.size, 6) for c in counts],
        "hu_mean_body": round(float(coarse[body].mean()), 2) if body.any() else None,
        "border_share": round(float(walls.mean()), 4),
        "warnings": warnings,
    }


def _findings(array, coarse):
    """What in the voxels themselves speaks for a cut, coarse or repeated image; keys as in `notices`."""
    facts = {}
    highest = int(coarse.max())
    # A scanner cuts at 3071; bone reaches 1000 and more.
    noisy = len(np.unique(coarse)) > 200
    if noisy and highest < 1500 and np.mean(coarse == highest) > 0.001:
        facts["cut_at_hu"] = highest
    tissue = coarse[(coarse >= -150) & (coarse <= 250)]
    distinct = len(np.unique(tissue))
    if noisy and tissue.size > 20_000 and distinct < 100:
        facts["few_values"] = distinct
    facts |= _of_slices(array)
    repeated = repetition(array)
    if repeated:
        facts["repeated_along_z"] = (
            f"from slice {repeated + 1} on the anatomy repeats that of the first slices: two phases in one file?"
        )
    return facts


def _of_slices(array):
    """What sides, rows and neighboring slices show of padding, files cut short, and slices out of place."""
    facts = {}
    for wall in (array[:, 0], array[:, -1], array[:, :, 0], array[:, :, -1]):
        if wall.min() == wall.max() and wall.min() > -900:
            facts["border_at_hu"] = str(wall.min())  # 0 is worth a sentence, too
    blank = (array.max(2) == array.min(2)).sum(1)
    jumps = np.abs(np.diff(blank)) > 0.1 * array.shape[1]
    whole = blank == array.shape[1]  # counted as blank slices
    jumps = np.flatnonzero(jumps & ~whole[1:] & ~whole[:-1])
    if len(jumps):
        facts["rows_blank"] = int(jumps[0]) + 1
    thin = array[:, :: max(1, array.shape[1] // 96), :: max(1, array.shape[2] // 96)]
    thin = np.clip(thin, -200, 250).astype(np.int16)
    changed = (thin[1:] != thin[:-1]).mean((1, 2))
    if not (changed > NOISY).any():
        return facts  # without noise, neighbors may well be equal
    repeated = int(np.count_nonzero((changed == 0) & ~whole[1:]))
    if repeated:
        facts["slices_repeated"] = repeated
    if len(thin) > 12:
        next_one, next_but_one = (
            float(np.median(np.abs(thin[n:] - thin[:-n]).mean((1, 2)))) for n in (1, 2)
        )
        if next_but_one < 0.9 * next_one and not repeated:
            facts["slices_alternate"] = True
    return facts


def repetition(array):
    """The slice at which the anatomy of the first slices begins again, or 0.

    Two phases that were appended in one file show it: a jump between two neighbouring slices, and
    behind it the first slices once more, but for the contrast of vessels.

    Parameters
    ----------
    array : HU (z, y, x)
    """
    slices = array.shape[0]
    if slices < 12:
        return 0
    thin = [slice(None), *(slice(None, None, max(1, n // 48)) for n in array.shape[1:])]
    coarse = np.clip(array[tuple(thin)], -200, 200).astype(np.float32)
    steps = np.abs(np.diff(coarse, axis=0)).mean((1, 2))
    usual = float(np.median(steps))
    for start in range(slices // 3, 2 * slices // 3 + 1):
        if steps[start - 1] < max(3 * usual, 2.0):
            continue
        again = coarse[start : 2 * start]
        apart = np.abs(again - coarse[: len(again)]).mean((1, 2))
        # As near to the first slices as neighbours are, while the jump is far from that.
        if np.median(apart) < 0.4 * steps[start - 1]:
            return start
    return 0


def _spine_behind(coarse, body):
    """Whether bone near the middle plane lies behind the body's center; True where there is too little bone to decide."""
    columns = np.flatnonzero(body.any((0, 1)))
    if not len(columns):
        return True
    third = (columns[-1] - columns[0]) // 3
    middle = slice(columns[0] + third, columns[-1] - third + 1)
    bone = coarse[:, :, middle] > 300
    if bone.sum() < 20:
        return True
    rows = np.arange(coarse.shape[1])
    bone_row = np.average(rows, weights=bone.sum((0, 2)))
    body_row = np.average(rows, weights=body.sum((0, 2)))
    return bool(bone_row > body_row)


def _lungs_below(coarse, body):
    """Whether air enclosed in the body fills the lowest slices and not the highest."""
    ends = max(1, coarse.shape[0] // 6)

    def enclosed(part):
        inside = body[part]
        if inside.mean() < 0.05:
            return 0.0
        # Between the first and the last body voxel of each line, from left to right.
        hull = (
            np.logical_or.accumulate(inside, 2)
            & np.logical_or.accumulate(inside[:, :, ::-1], 2)[:, :, ::-1]
        )
        return float(((coarse[part] < -500) & hull).sum() / max(1, hull.sum()))

    below, above = enclosed(slice(0, ends)), enclosed(slice(-ends, None))
    return below > 0.25 and below > 3 * above


def touching(labels):
    """{label: ['bottom', 'top', …]} of the labels that reach a face of the volume (z, y, x)."""
    faces = {
        "bottom": labels[0],
        "top": labels[-1],
        "front": labels[:, 0],
        "back": labels[:, -1],
        "right": labels[:, :, 0],
        "left": labels[:, :, -1],
    }
    faces_of = {}
    for name, face in faces.items():
        for label in np.flatnonzero(np.bincount(face.ravel(), minlength=1)[1:]) + 1:
            faces_of.setdefault(str(label), []).append(name)
    return faces_of


def phase_contrast(arterial, venous, labels, known):
    """How bright aorta and portal vein are in each phase, to see whether phases were exchanged.

    Parameters
    ----------
    arterial, venous : HU (z, y, x), on one grid
    labels : organ label map on that grid
    known : {class: id}, the `labels` of config/anatomy.yaml

    Returns
    -------
    dict: aorta_arterial, aorta_venous, portal_arterial, portal_venous (median HU, None where
    the vessel is missing), warnings (words), unchecked (why the phases can't be distinguished, or "")
    """
    median_hu = {}
    for name, key in [("aorta", "aorta"), ("portal", "portal_splenic_vein")]:
        inside = labels == known.get(key, -1)
        for phase, image in [("arterial", arterial), ("venous", venous)]:
            median_hu[f"{name}_{phase}"] = float(np.median(image[inside])) if inside.any() else None
    absurd, usable = [], dict(median_hu)
    low, high = limits()["vessel_hu"]
    for name, words in (("aorta", "aorta"), ("portal", "portal vein")):
        seen = {phase: median_hu[f"{name}_{phase}"] for phase in PHASES}
        if any(hu is not None and not low <= hu <= high for hu in seen.values()):
            usable |= dict.fromkeys((f"{name}_{phase}" for phase in seen), None)
            absurd.append(
                f"{words} has {seen['arterial']:.0f} HU in the arterial and {seen['venous']:.0f} HU "
                f"in the venous phase, a vessel {low} to {high}: its label lies elsewhere"
            )
    unchecked = ""
    if all(hu is None for hu in usable.values()):
        unchecked = "neither aorta nor portal vein is labelled where a vessel can be"
    warnings = absurd + _swapped(**usable) + _alike(**usable)
    return median_hu | {"warnings": warnings, "unchecked": unchecked}


def _swapped(aorta_arterial, aorta_venous, portal_arterial, portal_venous, margin_hu=30):
    """A sentence where the vessels are bright in the wrong phase, by `margin_hu` or more."""
    aorta, portal = aorta_arterial is not None, portal_arterial is not None
    if aorta and portal:
        # The aorta stands out against the portal vein in the arterial phase alone.
        what = "aorta − portal vein"
        first, second = aorta_arterial - portal_arterial, aorta_venous - portal_venous
        wrong = second - first
    elif aorta:
        what, first, second = "the aorta", aorta_arterial, aorta_venous
        wrong = second - first
    elif portal:
        what, first, second = "the portal vein", portal_arterial, portal_venous
        wrong = first - second
    else:
        return []
    if wrong < margin_hu:
        return []
    return [
        f"{what} is {first:.0f} HU in the arterial and {second:.0f} HU in the venous phase: the two may "
        "be swapped"
    ]


def _alike(aorta_arterial, aorta_venous, portal_arterial, portal_venous, margin_hu=15):
    """A sentence where both vessels are as bright in one phase as in the other."""
    pairs = [(aorta_arterial, aorta_venous), (portal_arterial, portal_venous)]
    known = [abs(first - second) for first, second in pairs if first is not None]
    if len(known) < 2 or max(known) >= margin_hu:
        return []
    return [
        f"aorta and portal vein differ by {known[0]:.0f} and {known[1]:.0f} HU between the phases: one phase twice, "
        "in two reconstructions?"
    ]


def median_spacing(spacings):
    """The median (z, y, x) of many images' spacing, mm: geometry, which holds no label."""
    return tuple(float(v) for v in np.median(np.asarray(spacings, float), axis=0))
