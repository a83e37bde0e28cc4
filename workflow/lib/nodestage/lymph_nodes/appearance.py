"""What an instance looks like, in numbers: shape, density, surroundings, the network's confidence.

No absolute position is among them: a number must mean the same in every patient and hospital.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from nodestage.lymph_nodes.sharpness import FWHM, edge_mm

RIM_MM = 3.4  # tissue beside an instance, up to this distance
RING_MM = (2.3, 6.0)  # distances of its surroundings, without the blurred edge
BLUR_MM = 2.7  # FWHM with which a scan on a coarse grid mixes an instance and its surroundings
INNER = (1 / 3, 6)  # the share of an instance farthest from its surroundings, and its fewest voxels
FAT_HU = -10
MOST_LOG_ODDS = 30.0  # background outside all windows has infinite log odds

SHAPE = (
    "log_volume",  # of mm3
    "short_mm",
    "long_mm",
    "elongation",
    "flatness",
    "filling",  # volume over that of an ellipsoid with the same moments
    "depth_mm",
)
OF_PHASE = (
    "mean",
    "sd",
    "p10",
    "p90",
    "core",
    "core_sd",
    "inner",
    "inner_sd",
    "unmixed",
    "unmixed_sd",
    "rim",
    "ring",
    "ring_sd",
    "ring_p90",
    "ring_fat",
)
LOCATION = (
    "in_organ",
    "ring_in_organ",
    "in_vessel",
    "rim_in_vessel",
    "organ_mm",
    "attention",
    "ring_attention",
)
NETWORK = ("log_odds_max", "log_odds_mean", "log_odds_sd", "log_odds_rim")
PHASES = ("arterial", "venous")
DENSITIES = (
    *(f"{phase}_{name}" for phase in PHASES for name in OF_PHASE),
    "venous_minus_arterial",
    "phases_correlation",
)
SCAN = tuple(f"{phase}_edge_mm" for phase in PHASES)  # one number of a scan for all its instances
COLUMNS = [*SHAPE, *DENSITIES, *LOCATION, *NETWORK, *SCAN]


def appearance(
    instances: np.ndarray,
    images: dict[str, np.ndarray],
    spacing: tuple[float, float, float],
    vessels: Sequence[int],
) -> list[dict]:
    """One row for each instance.

    Parameters
    ----------
    instances : integer array (z, y, x), numbered from 1
    images : arrays (z, y, x): `arterial` and `venous` (int16, HU), `attention` (in [0, 1]),
        `organs` (uint8 labels), `log_odds` (of the segmentation network)
    spacing : (z, y, x), mm
    vessels : labels of `organs` through which blood flows

    Returns
    -------
    list of dicts: `instance` and `COLUMNS`. HU are means and percentiles within the instance, its
    core (a voxel or more from its surface, where there is one), its innermost third, its rim and its
    ring. `unmixed` is the density that the instance would have without its surroundings, and
    `unmixed_sd` the remaining variation inside. `in_…` are shares of its voxels; `organ_mm` is their
    mean distance to the nearest organ, 0 inside. `…_edge_mm` are the scans' own (`sharpness.edge_mm`).
    """
    mm = np.asarray(spacing, float)
    edges = edge_widths(images, spacing) if instances.any() else {}
    rows = []
    for number, box, regions, depth in _instances(instances, mm):
        seen = {name: image[box] for name, image in images.items()}
        row = {"instance": number, **_shape(regions["node"], depth, mm)}
        row |= _densities(seen, regions, mm)
        row |= _location(seen["organs"], seen["attention"], regions, mm, vessels)
        row |= _network(np.clip(seen["log_odds"], -MOST_LOG_ODDS, MOST_LOG_ODDS), regions)
        rows.append(row | edges)
    return rows


def edge_widths(
    images: dict[str, np.ndarray], spacing: tuple[float, float, float], blur_mm: float = 0.0
) -> dict[str, float]:
    """`SCAN`: how sharp the phases are, after a further blur in the plane."""
    return {f"{phase}_edge_mm": edge_mm(images[phase], spacing, blur_mm) for phase in PHASES}


def densities(
    instances: np.ndarray,
    images: dict[str, np.ndarray],
    spacing: tuple[float, float, float],
) -> list[dict]:
    """`instance`, `log_volume` and `DENSITIES` of each instance, from `arterial` and `venous` alone."""
    mm = np.asarray(spacing, float)
    rows = []
    for number, box, regions, _ in _instances(instances, mm):
        node = regions["node"]
        row = {"instance": number, "log_volume": float(np.log(node.sum() * mm.prod()))}
        seen = {name: image[box] for name, image in images.items()}
        rows.append(row | _densities(seen, regions, mm))
    return rows


def margin(spacing: Sequence[float]) -> np.ndarray:
    """Voxels (z, y, x) around an instance within which it is described."""
    return np.ceil((RING_MM[1] + 2) / np.asarray(spacing)).astype(int)


def boxes(instances: np.ndarray, around: Sequence[int]) -> Iterator[tuple[int, tuple[slice, ...]]]:
    """Number of each instance, and its box with so many voxels (z, y, x) around it, as far as there are any."""
    for number, box in enumerate(ndimage.find_objects(instances.astype(np.int32)), start=1):
        if box is not None:
            yield (
                number,
                tuple(
                    slice(max(side.start - more, 0), side.stop + more)
                    for side, more in zip(box, around, strict=True)
                ),
            )


def _instances(instances, spacing):
    """Number, box, regions and depth in mm of each instance, in a box with some margin."""
    for number, box in boxes(instances, margin(spacing)):
        node = instances[box] == number
        outside = ndimage.distance_transform_edt(~node, sampling=spacing)
        depth = ndimage.distance_transform_edt(node, sampling=spacing)
        ring = (outside > RING_MM[0]) & (outside <= RING_MM[1]) & (instances[box] == 0)
        regions = {
            "node": node,
            "core": _or_else(depth > spacing.max(), node, least=4),
            "rim": _or_else((outside > 0) & (outside <= RIM_MM), node),
            "ring": _or_else(ring, node),
        }
        yield number, box, regions, depth


def _share(node, spacing):
    """Share of the instance in each voxel's density, float (z, y, x): its mask, blurred as a scan is."""
    return ndimage.gaussian_filter(node.astype(float), BLUR_MM / FWHM / spacing)


def _or_else(region, node, least=1):
    """A region, or the node itself where the region has fewer voxels than `least`."""
    return region if region.sum() >= least else node


def _shape(node, depth, spacing):
    voxels = np.argwhere(node) * spacing
    volume = len(voxels) * float(spacing.prod())
    # Plus the extent of a voxel itself: without it a flat instance would have no thickness.
    moments = np.cov(voxels.T, bias=True).reshape(3, 3) + np.diag(spacing**2 / 12)
    short, middle, long = np.sqrt(np.linalg.eigvalsh(moments))
    ellipsoid = 4 / 3 * np.pi * 5**1.5 * short * middle * long
    return {
        "log_volume": float(np.log(volume)),
        "short_mm": 4 * float(middle),
        "long_mm": 4 * float(long),
        "elongation": float(middle / long),
        "flatness": float(short / long),
        "filling": float(volume / ellipsoid),
        "depth_mm": float(depth.max()),
    }


def _densities(images, regions, spacing):
    row, share = {}, _share(regions["node"], spacing)
    inner = _innermost(regions["node"], share)
    for phase in PHASES:
        image = images[phase].astype(np.float64)
        densities = _of_phase(image, regions) | _inside(image, inner) | _unmixed(image, share)
        row |= {f"{phase}_{name}": value for name, value in densities.items()}
    node = regions["node"]
    row["venous_minus_arterial"] = row["venous_core"] - row["arterial_core"]
    row["phases_correlation"] = _correlation(*(images[p][node].astype(float) for p in PHASES))
    return row


def _of_phase(image, regions):
    node, core, rim, ring = (image[regions[name]] for name in ("node", "core", "rim", "ring"))
    low, high = np.percentile(node, [10, 90])
    return {
        "mean": float(node.mean()),
        "sd": float(node.std()),
        "p10": float(low),
        "p90": float(high),
        "core": float(core.mean()),
        "core_sd": float(core.std()),
        "rim": float(rim.mean()),
        "ring": float(ring.mean()),
        "ring_sd": float(ring.std()),
        "ring_p90": float(np.percentile(ring, 90)),
        "ring_fat": float(np.mean(ring < FAT_HU)),
    }


def _innermost(node, share):
    """The voxels of an instance with the least of its surroundings, bool (z, y, x)."""
    part, least = INNER
    voxels = np.flatnonzero(node)
    count = max(round(len(voxels) * part), least)
    inner = np.zeros(node.shape, bool)
    inner.flat[voxels[np.argsort(-share.flat[voxels], kind="stable")[:count]]] = True
    return inner


def _inside(image, inner):
    return {"inner": float(image[inner].mean()), "inner_sd": float(image[inner].std())}


def _unmixed(image, share):
    """Density of the instance by least squares, as if its surroundings were of one density.

    A voxel with share w of the instance shows w · inside + (1 - w) · outside: in a small node no
    voxel shows the inside alone. What is left over inside is its texture.
    """
    near = share > 0.05
    mixture = np.stack([share[near], 1 - share[near]], axis=1)
    density, *_ = np.linalg.lstsq(mixture, image[near], rcond=None)
    left = (image[near] - mixture @ density)[share[near] > 0.5]
    return {
        "unmixed": float(density[0]),
        "unmixed_sd": float(left.std()) if len(left) else 0.0,
    }


def _correlation(a, b):
    """Pearson's correlation of two arrays (n,); 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    length = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / length) if length > 0 else 0.0


def _location(organs, attention, regions, spacing, vessels):
    node, ring, rim = regions["node"], regions["ring"], regions["rim"]
    inside = organs > 0
    vessel = np.isin(organs, list(vessels))
    # The box ends at its margin: a larger distance is not measured.
    distance = (
        ndimage.distance_transform_edt(~inside, sampling=spacing)[node].mean()
        if inside.any()
        else 2 * RING_MM[1]
    )
    return {
        "in_organ": float(inside[node].mean()),
        "ring_in_organ": float(inside[ring].mean()),
        "in_vessel": float(vessel[node].mean()),
        "rim_in_vessel": float(vessel[rim].mean()),
        "organ_mm": min(float(distance), 2 * RING_MM[1]),
        "attention": float(attention[node].mean()),
        "ring_attention": float(attention[ring].mean()),
    }


def _network(log_odds, regions):
    node = log_odds[regions["node"]]
    return {
        "log_odds_max": float(node.max()),
        "log_odds_mean": float(node.mean()),
        "log_odds_sd": float(node.std()),
        "log_odds_rim": float(log_odds[regions["rim"]].mean()),
    }
