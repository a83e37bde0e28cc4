"""The controls of a gallery: windows and overlays."""

from nodestage.report import gallery
from nodestage.statistics import vocabulary


def windows():
    """Filters that make each window from the stored gray values."""
    low, high = gallery.STORED_HU
    filters = []
    for key, (label, bottom, top) in gallery.WINDOWS.items():
        slope = (high - low) / (top - bottom)
        filters.append(
            {
                "key": key,
                "label": label,
                "low": bottom,
                "high": top,
                "slope": round(slope, 5),
                "intercept": round(-(bottom - low) / (high - low) * slope, 5),
            }
        )
    return filters


def layers(panels):
    """The overlays that any panel has, from the lowest up, with their colors."""
    present = {
        layer for panel in panels for view in panel["views"] for layer, _ in view["overlays"]
    }
    names = [name for name in gallery.LAYERS if name in present]
    names += sorted(present - set(names))
    return [
        {
            "key": name,
            "index": i,
            "label": vocabulary.name("layers", name),
            "color": gallery.LAYERS.get(name, gallery.OTHER)[0],
            "dashed": gallery.LAYERS.get(name, gallery.OTHER)[2],
            # Organs and map cover what lies under them: off at first.
            "on": name not in ("map", "organs"),
        }
        for i, name in enumerate(names)
    ]
