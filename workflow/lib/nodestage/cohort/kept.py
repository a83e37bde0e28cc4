"""What was drawn stays: structures that a coarser or turned grid would lose keep at least a voxel."""

import numpy as np

from nodestage.cohort.faults import IntakeError


def restore(drawn, affine, array, grid, facts):
    """Give each drawn structure that `array` lacks its nearest voxel; record what lies outside.

    Parameters
    ----------
    drawn : labels as stored, (k, j, i)
    affine : 4 × 4, indices (i, j, k) to LPS mm
    array : the same labels on `grid` (z, y, x), after resampling
    grid : Grid
    facts : takes `small_structures_kept` (by one voxel), `structures_outside` and
        `outside_mm3` (drawn beyond the image), where there are any

    Returns
    -------
    uint8 array (z, y, x)

    Raises
    ------
    IntakeError where all that was drawn lies outside the image
    """
    import cc3d

    # One component per connected part and label.
    drawn = np.array(drawn)  # cc3d wants an array that it may write to
    parts, number = cc3d.connected_components(drawn, connectivity=26, return_N=True)
    if not number:
        return array
    array = np.array(array)
    voxel_mm3 = abs(float(np.linalg.det(np.asarray(affine)[:3, :3])))
    boxes = cc3d.statistics(parts)["bounding_boxes"]
    kept, outside, outside_voxels, cut = 0, 0, 0, 0
    for part in range(1, number + 1):
        box = boxes[part]
        indices = np.argwhere(parts[box] == part) + [side.start for side in box]
        label = drawn[tuple(indices[0])]
        positions = _positions(indices, affine, grid)
        whole = np.rint(positions).astype(int)
        inside = ((whole >= 0) & (whole < grid.shape)).all(1)
        outside_voxels += int(np.count_nonzero(~inside))
        if not inside.any():
            outside += 1
            continue
        cut += not inside.all()
        whole = whole[inside]
        if (array[tuple(whole.T)] == label).any():
            continue
        nearest = np.linalg.norm(whole - positions.mean(0), axis=1).argmin()
        array[tuple(whole[nearest])] = label
        kept += 1
    if outside == number:
        raise IntakeError(
            f"all that was drawn ({number} {'structure' if number == 1 else 'structures'}, "
            f"{outside_voxels * voxel_mm3:.3g} mm³) lies outside its image. Is it this patient's, and this phase's?"
        )
    counts = {"small_structures_kept": kept, "structures_outside": outside, "structures_cut": cut}
    facts |= {name: count for name, count in counts.items() if count}
    if outside_voxels:
        facts["outside_mm3"] = round(outside_voxels * voxel_mm3, 3)
    return array


def _positions(indices, affine, grid):
    """Indices (k, j, i) of the drawn grid as positions (z, y, x) in voxels of `grid`."""
    homogeneous = np.column_stack([indices[:, ::-1], np.ones(len(indices))])
    mm = (np.asarray(affine) @ homogeneous.T)[:3].T
    return ((mm - np.array(grid.origin)) / np.array(grid.spacing[::-1]))[:, ::-1]
