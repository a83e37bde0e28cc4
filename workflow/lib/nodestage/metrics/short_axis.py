"""The short axis of a node, as radiologists measure it."""

import numpy as np

_CORNERS = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])
SHORT_AXIS_MM = (5.0, 10.0)  # borders between small, middle and large nodes


def short_axis_mm(mask, spacing):
    """Short axis of one node: widest extent at right angles to the longest diameter, mm.

    Measured as radiologists do, in the axial slice where the node is largest, between the
    outer corners of its pixels; a single voxel has the size of its pixel.

    Parameters
    ----------
    mask : (z, y, x), one node
    spacing : (z, y, x) in mm
    """
    from scipy.spatial import ConvexHull

    mask = np.asarray(mask, bool)
    z = int(np.argmax(mask.sum(axis=(1, 2))))  # the lowest of equally large slices
    pixels = np.argwhere(mask[z]).astype(float)
    if not len(pixels):
        raise ValueError("the mask of a node holds no voxel")
    corners = (pixels[:, None, :] + _CORNERS[None]).reshape(-1, 2) * np.asarray(spacing[1:], float)
    corners = corners[ConvexHull(corners).vertices]
    between = corners[:, None, :] - corners[None, :, :]
    length = np.sqrt((between**2).sum(-1))
    # Several diameters can be the longest, in a square for example: the narrowest width counts.
    widths = []
    for i, j in np.argwhere(np.triu(length >= length.max() - 1e-9, 1)):
        along = between[i, j] / length[i, j]
        across = corners @ np.array([-along[1], along[0]])
        widths.append(across.max() - across.min())
    # A square's diagonal is as wide as long; its caliper width is the honest number there.
    return float(min(min(widths), _caliper(corners)))


def short_axis_class(short_axis):
    """The size class of a node: `< 5 mm`, `5-10 mm` or `> 10 mm`."""
    small, large = SHORT_AXIS_MM
    if short_axis < small:
        return f"< {small:g} mm"
    return f"{small:g}-{large:g} mm" if short_axis <= large else f"> {large:g} mm"


def _caliper(corners):
    """Smallest distance between two parallel lines that hold a convex polygon (ordered)."""
    edges = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([-edges[:, 1], edges[:, 0]], 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    extent = corners @ normals.T
    return float((extent.max(0) - extent.min(0)).min())
