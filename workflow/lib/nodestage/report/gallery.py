"""Small pictures of one patient for the report: two phases, overlays to switch on and off.

Pictures are axial slices in canonical orientation: the patient's right on the left side, front
at the top, seen from the feet. The slice that explains a score may be coronal or sagittal, the
head at the top. Pixels are square and interpolated for display; nothing is
measured on them. CT is stored as gray values that span `STORED_HU`; a page gets its windows
from it by a linear filter. Every overlay is a separate picture with a transparent background.
"""

import base64
import io
import json
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nodestage.core import files

STORED_HU = (-160.0, 400.0)
"""HU at gray values 0 and 255."""

WINDOWS = {
    "soft": ("Soft tissue", -160, 240),
    "arterial": ("Arterial", -100, 400),
    "liver": ("Liver", 15, 165),
}
"""Window presets: name, lowest and highest HU. Each lies within `STORED_HU`."""

FIELD_MM = 220.0
"""Width and height of the part of the slice that is shown, around what decided."""

SIDE_PIXELS = 288
"""Pixels along the longer side of a picture."""

BUDGET = 120_000
"""Characters that all pictures of one patient may take in a page."""

LAYERS = {
    # name: color, opacity of the inside (0 to 255), dashed line
    "map": ("#f98e09", 0, False),
    "saliency": ("#cc4778", 0, False),
    "organs": ("#8ecbff", 0, False),
    "tumor": ("#ffb000", 60, False),
    "tumor_truth": ("#ffe08a", 0, True),
    "nodes_negative": ("#2ee6c8", 0, False),
    "nodes_positive": ("#ff4d5e", 90, False),
    "truth_negative": ("#c9fff4", 0, True),
    "truth_positive": ("#ffffff", 0, True),
}
"""Overlays from the lowest to the uppermost; others lie above them."""

OTHER = ("#d0a2ff", 50, False)

GLOWING = {"map": "inferno", "saliency": "plasma"}
"""Layers that are numbers in [0, 1] rather than masks, and their colors."""

SHOWN_FROM = 0.2
"""Below this share of its largest value a saliency stays clear, so that the CT shows through."""


@dataclass(frozen=True)
class Scan:
    """Volumes of one patient, on the study grid.

    Attributes
    ----------
    arterial, venous : arrays (z, y, x) of HU; None where the phase is missing
    overlays : {name: mask (z, y, x)}; names as in `LAYERS` or a user's; `organs` is a label
        map, the others are true where not 0
    attention : array (z, y, x) in [0, 1], the attention map, or None
    spacing : (z, y, x), mm
    """

    arterial: np.ndarray | None
    venous: np.ndarray | None
    overlays: dict[str, np.ndarray | None]
    attention: np.ndarray | None
    spacing: tuple[float, float, float]

    @property
    def phases(self) -> dict[str, np.ndarray]:
        """The phases that are there."""
        both = {"arterial": self.arterial, "venous": self.venous}
        return {name: array for name, array in both.items() if array is not None}

    @property
    def layers(self) -> dict[str, np.ndarray]:
        """The overlays that are there."""
        return {n: np.asarray(mask) for n, mask in self.overlays.items() if mask is not None}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the phases."""
        return next(iter(self.phases.values())).shape

    def check(self, patient: str) -> None:
        """Raise ValueError where the volumes are not on one grid."""
        attention = {} if self.attention is None else {"map": self.attention}
        for name, array in {**self.phases, **self.layers, **attention}.items():
            if array.shape != self.shape:
                raise ValueError(
                    f"{patient}: {name} has the shape {array.shape}, the CT {self.shape}"
                )


def patient_panel(patient, scan: Scan, facts=None, explained=None):
    """Pictures of one patient.

    Parameters
    ----------
    patient : str, study code
    scan : Scan
    facts : dict that a JSON file can hold, kept beside the pictures. `node_center` (z, y, x)
        names a voxel of the node that decided and `tumor_slice` the slice of the tumor; left
        out, they are the largest node called positive (else negative) and the slice with the
        largest tumor area.
    explained : the most influential slice for the call and its saliency, from `explaining.view`;
        or None

    Returns
    -------
    {name: bytes}: `{view}.{phase}.jpg`, `{view}.{layer}.png` and `meta.json`, which lists the
    views (slice, mm per pixel, phases, layers)
    """
    facts = dict(facts or {})
    if not scan.phases:
        return {"meta.json": _json({"patient": patient, "facts": facts, "views": []})}
    scan.check(patient)
    views = _views(scan.layers, scan.shape, facts)
    for quality in (88, 80, 70, 60, 45, 30):
        panel, described = {}, []
        for view in views:
            pictures, about = _view(view, scan, quality)
            panel.update(pictures)
            described.append(about)
        if explained:
            pictures, about = _explained(explained, quality)
            panel.update(pictures)
            described.append(about)
        if sum(4 * len(data) / 3 for data in panel.values()) <= BUDGET:
            break
    panel["meta.json"] = _json(
        {"patient": patient, "facts": facts, "views": described, "quality": quality}
    )
    return panel


def write(path, panels):
    """Write the panels of a center ({patient: panel}) as one JSON file, pictures in base64."""
    entries = []
    for panel in panels.values():
        entry = json.loads(panel["meta.json"])
        entry["pictures"] = {
            name: base64.b64encode(data).decode("ascii")
            for name, data in sorted(panel.items())
            if name != "meta.json"
        }
        entries.append(entry)
    files.write_json(path, {"stored_hu": list(STORED_HU), "patients": entries})


def read(path):
    """{patient: entry} of a file that `write` made; an entry has patient, facts, views, pictures."""
    return {entry["patient"]: entry for entry in files.read_json(path)["patients"]}


def _json(value):
    return json.dumps(value, sort_keys=True, default=files._plain).encode("utf-8")


def _views(layers, shape, facts):
    """Which slices to show: dicts with name, z and the focus (y, x) in voxels."""
    views = []
    node = _node_center(layers, facts)
    if node is not None:
        views.append({"name": "node", "z": node[0], "focus": node[1:]})
    elif np.any(layers.get("truth_positive", False)):
        missed = _largest_center(layers["truth_positive"])
        views.append({"name": "missed", "z": missed[0], "focus": missed[1:]})
    tumor = layers.get("tumor", layers.get("tumor_truth"))
    if tumor is not None and np.any(tumor):
        z = facts.get("tumor_slice")
        z = int(np.argmax((tumor > 0).sum(axis=(1, 2)))) if z is None else int(z)
        inside = np.argwhere(tumor[z] > 0)
        focus = inside.mean(axis=0) if len(inside) else np.argwhere(tumor > 0)[:, 1:].mean(axis=0)
        if views and views[0]["z"] == z:
            views[0]["name"] += "_tumor"
        else:
            views.append({"name": "tumor", "z": z, "focus": (float(focus[0]), float(focus[1]))})
    if not views:
        z = shape[0] // 2
        views.append({"name": "middle", "z": z, "focus": (shape[1] / 2, shape[2] / 2)})
    return views


def _node_center(layers, facts):
    if facts.get("node_center") is not None:
        z, y, x = facts["node_center"]
        return round(float(z)), float(y), float(x)
    for name in ("nodes_positive", "nodes_negative"):
        if np.any(layers.get(name, False)):
            return _largest_center(layers[name])
    return None


def _largest_center(mask):
    """(z, y, x) in the largest 26-connected part: its slice of the largest area, its middle there."""
    import cc3d

    parts, count = cc3d.connected_components(
        np.ascontiguousarray(mask > 0), connectivity=26, return_N=True
    )
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    part = parts == 1 + int(np.argmax(sizes))
    z = int(np.argmax(part.sum(axis=(1, 2))))
    y, x = np.argwhere(part[z]).mean(axis=0)
    return z, float(y), float(x)


def _view(view, scan, quality):
    """Pictures of one slice and what a page must know about them."""
    phases, spacing = scan.phases, scan.spacing
    rows, columns = _crop(view["focus"], scan.shape, spacing)
    height_mm = (rows.stop - rows.start) * spacing[1]
    width_mm = (columns.stop - columns.start) * spacing[2]
    mm = max(height_mm, width_mm) / SIDE_PIXELS
    size = (max(1, round(width_mm / mm)), max(1, round(height_mm / mm)))
    cut_out = (view["z"], rows, columns)
    pictures = {}
    for phase, volume in phases.items():
        pictures[f"{view['name']}.{phase}.jpg"] = _jpeg(volume[cut_out], size, quality)
    if scan.attention is not None:
        pictures[f"{view['name']}.map.png"] = _heat(scan.attention[cut_out], size, GLOWING["map"])
    for name, mask in scan.layers.items():
        cut = mask[cut_out]
        if np.any(cut):
            pictures[f"{view['name']}.{name}.png"] = _outline(
                cut, size, *LAYERS.get(name, OTHER), by_label=name == "organs"
            )
    shown = {key.split(".")[1] for key in pictures}
    known = [name for name in LAYERS if name in shown]
    y, x = view["focus"]
    about = {
        "name": view["name"],
        "plane": "axial",
        "slice": view["z"] + 1,
        "slices": scan.shape[0],
        "mm_per_pixel": mm,
        "width": size[0],
        "height": size[1],
        "focus": [
            round(100 * (x + 0.5 - columns.start) / (columns.stop - columns.start), 1),
            round(100 * (y + 0.5 - rows.start) / (rows.stop - rows.start), 1),
        ],
        "phases": list(phases),
        "layers": known + sorted(shown - set(known) - set(phases)),
    }
    return pictures, about


def _explained(view, quality):
    """Pictures of the slice that explains a score, and what a page must know about them."""
    rows, columns = next(iter(view["phases"].values())).shape
    # In the scale of the other views: a network's slice is a smaller part of the body.
    mm = FIELD_MM / SIDE_PIXELS
    size = (round(columns * view["mm_per_pixel"] / mm), round(rows * view["mm_per_pixel"] / mm))
    pictures = {
        f"{view['name']}.{phase}.jpg": _jpeg(cut, size, quality)
        for phase, cut in view["phases"].items()
    }
    for name, cut in view["layers"].items():
        if name in GLOWING:
            drawn = np.where(cut < SHOWN_FROM, 0, cut)
            pictures[f"{view['name']}.{name}.png"] = _heat(drawn, size, GLOWING[name])
        elif np.any(cut):
            pictures[f"{view['name']}.{name}.png"] = _outline(
                cut, size, LAYERS[name][0], 0, LAYERS[name][2], by_label=False
            )
    shown = {key.split(".")[1] for key in pictures}
    return pictures, {
        **{key: view[key] for key in ("name", "plane", "slice", "slices")},
        "mm_per_pixel": mm,
        "width": size[0],
        "height": size[1],
        "focus": [50.0, 50.0],
        "phases": list(view["phases"]),
        "layers": [name for name in LAYERS if name in shown],
    }


def _crop(focus, shape, spacing):
    """Rows and columns of a field of `FIELD_MM` around the focus, within the image."""
    cuts = []
    for middle, length, step in zip(focus, shape[1:], spacing[1:], strict=True):
        wanted = min(length, max(1, round(FIELD_MM / step)))
        start = min(max(0, round(middle - wanted / 2)), length - wanted)
        cuts.append(slice(start, start + wanted))
    return cuts


def gray(cut):
    """HU as the gray values that are stored, as floats in [0, 255]."""
    low, high = STORED_HU
    return np.clip((np.asarray(cut, np.float32) - low) / (high - low) * 255, 0, 255)


def _jpeg(cut, size, quality):
    """A slice in HU as JPEG of `size` (width, height)."""
    picture = Image.fromarray(gray(cut)).resize(size, Image.Resampling.BICUBIC)
    picture = Image.fromarray(np.clip(np.rint(np.asarray(picture)), 0, 255).astype(np.uint8))
    return compressed(picture, quality)


def compressed(picture, quality):
    """A PIL picture as JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _smooth(mask, size):
    """A mask on the picture's pixels, its stairs smoothed."""
    picture = Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(picture) >= 0.5


def _outline(cut, size, tint, inside, dashed, by_label):
    """A mask as a line of two pixels, its inside filled with opacity `inside`."""
    labels = np.unique(cut[cut > 0]) if by_label else [None]
    drawn = np.zeros(size[::-1], np.uint8)
    for label in labels:
        mask = np.pad(_smooth(cut > 0 if label is None else cut == label, size), 2)
        core = mask.copy()
        for _ in range(1 if by_label else 2):
            core = (
                core
                & np.roll(core, 1, 0)
                & np.roll(core, -1, 0)
                & np.roll(core, 1, 1)
                & np.roll(core, -1, 1)
            )
        line, core = (mask & ~core)[2:-2, 2:-2], core[2:-2, 2:-2]
        if dashed:
            y, x = np.indices(line.shape)
            line = line & ((x + y) // 4 % 2 == 0)
        drawn[core & (drawn == 0)] = 1
        drawn[line] = 2
    rgb = tuple(int(tint[i : i + 2], 16) for i in (1, 3, 5))
    return _palette_png(drawn, [(0, 0, 0), rgb, rgb], [0, inside, 235], bits=2)


def _heat(cut, size, colormap, steps=16):
    """Numbers in [0, 1] as glowing colors; clear where they are 0."""
    from matplotlib import colormaps

    picture = Image.fromarray(np.asarray(cut, np.float32)).resize(size, Image.Resampling.BILINEAR)
    drawn = np.clip(np.rint(np.asarray(picture) * (steps - 1)), 0, steps - 1).astype(np.uint8)
    tints = colormaps[colormap](np.linspace(0.15, 0.9, steps))[:, :3]
    colors = [tuple(round(255 * float(part)) for part in tint) for tint in tints]
    opacity = [0] + [70 + round(50 * step / (steps - 1)) for step in range(1, steps)]
    return _palette_png(drawn, colors, opacity, bits=4)


def _palette_png(indices, colors, opacity, bits):
    picture = Image.frombytes("P", indices.shape[::-1], np.ascontiguousarray(indices).tobytes())
    picture.putpalette([part for color in colors for part in color])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes(opacity), bits=bits, optimize=True)
    return buffer.getvalue()
