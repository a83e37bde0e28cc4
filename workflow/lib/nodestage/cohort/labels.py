"""Another tool's class ids, turned into ours."""

import re

import numpy as np

from nodestage.cohort.faults import some
from nodestage.core.errors import InputError


def map_labels(mask, label_system, known):
    """Translate a label map.

    Parameters
    ----------
    mask : integer array (z, y, x), 0 background
    label_system : {our class name or id: their id or list of ids}; None or {} where
        the ids are ours already. The key `ignore` lists their ids that become
        background, or is the word `others`: all that are not named.
    known : {class name: our id}

    Returns
    -------
    uint8 array of the same shape
    """
    if mask.size and int(mask.min()) < 0:
        raise InputError(
            f"negative ids (down to {int(mask.min())}). Give the label map, not the CT."
        )
    number = counts(mask)
    ids = [int(value) for value in np.flatnonzero(number)]
    table = translation(label_system, known)
    ignore = (label_system or {}).get("ignore") or []
    unknown = [] if ignore == "others" else [v for v in ids if v not in table and v not in ignore]
    if unknown:
        shown = ", ".join(f"{v} ({int(number[v])} voxels)" for v in unknown[:10])
        raise InputError(
            f"id {shown}{' …' if len(unknown) > 10 else ''} not among {_ours(table, label_system, known)}"
        )
    lookup = np.zeros(max(ids, default=0) + 1, np.uint8)
    for value in ids:
        lookup[value] = table.get(value, 0)
    if not label_system and mask.dtype == np.uint8:
        return mask
    out = np.empty(mask.shape, np.uint8)
    for k, plane in enumerate(mask):  # a plane at a time: an index array is eight times its size
        out[k] = lookup[plane]
    return out


def _ours(table, label_system, known):
    """Which ids there may be, by name where they are few, and how to admit another one."""
    if label_system or len(known) > 2:
        where = "label_system" if label_system else "config/anatomy.yaml"
        return (
            f"those of {where} ({some(sorted(v for v in table if v), 25)}). Add it to the center's "
            "`label_system`, or list it under `ignore` there (`ignore: others` for all that are not named)."
        )
    values = ", ".join(f"{number} = {name}" for name, number in known.items())
    kind = (
        "Give each node its kind, not a separate number; translate"
        if len(known) == 2
        else "Translate"
    )
    system = ", ".join(f"{name}: …" for name in known)
    return f"{values}. {kind} another tool's values by the center's `label_system` (`{{{system}}}` for this mask)."


def counts(labels):
    """Voxels by id (an array, index = id), of non-negative labels (z, y, x)."""
    total = np.zeros(1, np.int64)
    for plane in labels:
        in_plane = np.bincount(plane.ravel(), minlength=len(total))
        in_plane[: len(total)] += total
        total = in_plane
    return total


def translation(label_system, known):
    """{their id: our id}, background included."""
    if not label_system:
        return {0: 0} | {int(number): int(number) for number in known.values()}
    table = {0: 0}
    for ours, theirs in label_system.items():
        if ours == "ignore":
            continue
        number = known.get(ours, int(ours) if re.fullmatch("[0-9]{1,5}", str(ours)) else None)
        if number not in known.values():
            raise InputError(
                f"label_system names the class {ours!r}, which is not ours. Use one of {', '.join(known)}."
            )
        for value in theirs if isinstance(theirs, list | tuple) else [theirs]:
            if table.setdefault(int(value), number) != number:
                raise InputError(
                    f"label_system gives id {value} to two classes. Each id has one meaning."
                )
    return table
