"""PyRadiomics' filtered images, computed on no more of the image than the tumor's box needs.

PyRadiomics filters the whole image and then cuts out the tumor. Each function here gives
the same values inside the box:

- point filters (square, square root, logarithm, exponential) need only the box and the
  largest |value| of the whole image, by which they are scaled;
- the gradient needs one voxel around the box;
- the stationary wavelet transform of length 6 needs six, taken from the opposite side
  where the box touches the image border, since the transform is periodic;
- the Laplacian of Gaussian is recursive and has no end, but beyond ten sigma its response
  is below the rounding of its float32 output. It is separable, so after the pass along an
  axis only the box's part of that axis is carried on: 8 passes on shrinking blocks instead
  of 9 on the whole.

All arrays are (z, y, x), spacing in mm in the same order.
"""

import math

import numpy as np
import pywt
import SimpleITK as sitk

LOG_REACH = 10.0  # sigma
WAVELET_REACH = 8  # voxels; 6 are needed, 8 keeps blocks even


def filtered_images(image, box, spacing, image_types):
    """Yield (name, array) of the original and every filtered image inside `box`.

    Parameters
    ----------
    image : (z, y, x), the whole image, HU
    box : three slices, the tumor's bounding box
    spacing : (z, y, x), mm
    image_types : the `imageType` section of the settings
    """
    inside = image[box].astype(np.float64)
    peak = float(np.abs(image.astype(np.float64)).max())
    for kind, options in image_types.items():
        options = options or {}
        if kind == "Original":
            yield "original", image[box]
        elif kind == "Wavelet":
            yield from _wavelet(image, box, options)
        elif kind == "LoG":
            for sigma in options["sigma"]:
                name = f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"
                yield name, laplacian_of_gaussian(image, box, spacing, sigma)
        elif kind == "Gradient":
            yield "gradient", _gradient(image, box, spacing)
        else:
            yield kind.lower(), POINT_FILTERS[kind](inside, peak)


def _square(values, peak):
    return (values / math.sqrt(peak)) ** 2 if peak else values


def _square_root(values, peak):
    return np.sign(values) * np.sqrt(np.abs(values) * peak)


def _logarithm(values, peak):
    scale = peak / math.log(peak + 1) if peak else 1.0
    return np.sign(values) * np.log1p(np.abs(values)) * scale


def _exponential(values, peak):
    rate = math.log(peak) / peak if peak else 0.0
    return np.exp(rate * values)


POINT_FILTERS = {
    "Square": _square,
    "SquareRoot": _square_root,
    "Logarithm": _logarithm,
    "Exponential": _exponential,
}


def _gradient(image, box, spacing):
    wide, within = widen(box, image.shape, (1, 1, 1))
    gradient = sitk.GradientMagnitude(as_sitk(image[wide], spacing), useImageSpacing=True)
    return sitk.GetArrayFromImage(gradient)[within]


def _wavelet(image, box, options):
    """Stationary wavelet transform, one level; the letters mean x, y and z in turn."""
    if options.get("level", 1) != 1 or options.get("start_level", 0) != 0:
        raise ValueError("settings.yaml: only level 1 of the wavelet transform is computed")
    indices = [
        _periodic(part, size, WAVELET_REACH) for part, size in zip(box, image.shape, strict=True)
    ]
    block = image[np.ix_(*indices)]
    bands = pywt.swtn(block, options.get("wavelet", "coif1"), level=1, axes=(2, 1, 0))[0]
    within = tuple(slice(WAVELET_REACH, WAVELET_REACH + p.stop - p.start) for p in box)
    # PyRadiomics gives the approximation last.
    for name in [*(name for name in bands if name != "aaa"), "aaa"]:
        letters = name.replace("a", "L").replace("d", "H")
        yield f"wavelet-{letters}", bands[name][within]


def _periodic(part, size, margin):
    """Indices of `part` and `margin` voxels on either side, an even number of them.

    The image repeats itself beyond its border; an odd size is first made even by
    repeating the first voxel, as PyRadiomics does.
    """
    period = size + size % 2
    stop = part.stop + margin + (part.stop - part.start) % 2
    return np.arange(part.start - margin, stop) % period % size


def laplacian_of_gaussian(image, box, spacing, sigma):
    """ITK's LaplacianRecursiveGaussian, normalized across scale, inside `box`.

    The sum over the three axes of the second derivative along that axis, smoothed along
    the other two, divided by the squared spacing of the axis (as ITK does).
    """
    wide, within = widen(box, image.shape, [math.ceil(LOG_REACH * sigma / s) for s in spacing])
    block, within = _long_enough(image[wide], within, spacing, sigma)

    # [image with no derivative yet, then those with the second derivative along one axis]
    smooth, derived = block, {}
    for axis in range(3):
        part = [slice(None)] * 3
        part[axis] = within[axis]
        part = tuple(part)
        derived = {a: _gauss(d, spacing, sigma, axis, 0)[part] for a, d in derived.items()}
        derived[axis] = _gauss(smooth, spacing, sigma, axis, 2)[part]
        if axis < 2:
            smooth = _gauss(smooth, spacing, sigma, axis, 0)[part]
    total = sum(d.astype(np.float64) / spacing[axis] ** 2 for axis, d in derived.items())
    return total.astype(np.float32)


def _gauss(block, spacing, sigma, axis, order):
    """One recursive pass along `axis`: smoothing (order 0) or second derivative (order 2)."""
    orders = sitk.RecursiveGaussianImageFilter
    result = sitk.RecursiveGaussian(
        as_sitk(block, spacing),
        sigma,
        True,
        orders.SecondOrder if order == 2 else orders.ZeroOrder,
        2 - axis,
    )
    return sitk.GetArrayFromImage(result)


def _long_enough(block, within, spacing, sigma):
    """Repeat the border of a thin image until the recursive filter accepts it.

    The filter itself continues the border voxel for ever, so this changes no value.
    PyRadiomics leaves such an image's LoG features out.
    """
    pad = [
        max(0, math.ceil((max(4, math.ceil(sigma / s) + 1) - n) / 2))
        for n, s in zip(block.shape, spacing, strict=True)
    ]
    if any(pad):
        block = np.pad(block, [(p, p) for p in pad], mode="edge")
        within = tuple(slice(w.start + p, w.stop + p) for w, p in zip(within, pad, strict=True))
    return block, within


def widen(box, shape, margin):
    """The box with `margin` voxels more on each side, within the image.

    Returns the wider box, and the position of the first one in it.
    """
    wide = tuple(
        slice(max(0, part.start - r), min(size, part.stop + r))
        for part, size, r in zip(box, shape, margin, strict=True)
    )
    within = tuple(
        slice(part.start - w.start, part.stop - w.start) for part, w in zip(box, wide, strict=True)
    )
    return wide, within


def as_sitk(array, spacing):
    """An array (z, y, x) with its spacing (z, y, x; mm) as a SimpleITK image."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing([float(s) for s in reversed(spacing)])
    return image
