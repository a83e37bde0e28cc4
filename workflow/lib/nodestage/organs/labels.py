"""Label maps of organs: pseudo labels joined with annotations, and small pieces removed."""

from collections.abc import Iterable, Mapping

import numpy as np

# A piece smaller than this share of its organ's largest piece is taken for an error. A tenth
# keeps a vessel that a thin stretch has cut in two, and drops specks far from the organ.
SHARE = 0.1
Share = float | Mapping[int, float]


def merge(pseudo: np.ndarray, annotated: np.ndarray, classes: Iterable[int]) -> np.ndarray:
    """Pseudo labels in which the classes that were drawn replace the predicted ones.

    A voxel of an annotated class in the pseudo labels but not in the annotation becomes
    background: for these classes the annotation alone counts.

    Parameters
    ----------
    pseudo, annotated : label maps (z, y, x) on one grid
    classes : labels that were annotated

    Returns
    -------
    uint8 label map (z, y, x)
    """
    if pseudo.shape != annotated.shape:
        raise ValueError(f"pseudo labels {pseudo.shape}, annotation {annotated.shape}")
    classes = [int(c) for c in classes]
    merged = np.where(np.isin(pseudo, classes), 0, pseudo).astype(np.uint8)
    by_hand = np.isin(annotated, classes)
    merged[by_hand] = annotated[by_hand]
    return merged


def clean(labels: np.ndarray, share: Share = SHARE) -> np.ndarray:
    """Remove each label's pieces that are small beside its largest one.

    Parameters
    ----------
    labels : label map (z, y, x)
    share : float, or {label: float} with the rest at `SHARE`; pieces (26 neighbours) with fewer
        voxels than this share of the label's largest piece become background. 1 keeps the
        largest alone (and its equals), 0 keeps all.

    Returns
    -------
    uint8 label map (z, y, x)
    """
    import cc3d

    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    pieces, count = cc3d.connected_components(labels, connectivity=26, return_N=True)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    label_of = np.zeros(count + 1, np.uint8)
    label_of[pieces.ravel()] = labels.ravel()
    kept = label_of.copy()
    for label in np.unique(label_of[1:]):
        limit = share.get(int(label), SHARE) if isinstance(share, Mapping) else share
        of_label = label_of == label
        kept[of_label & (sizes < limit * sizes[of_label].max())] = 0
    kept[0] = 0
    return kept[pieces]
