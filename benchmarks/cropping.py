"""What the crop to the body saves at full size: preparation of a patient, and windows of a prediction.

    OMP_NUM_THREADS=1 python benchmarks/cropping.py [--grid 200 512 512] [--folder work/cropping]

One simulated patient on the paper's voxels (`config/paper.yaml`), simulated once and kept in the folder.
Each measurement is a process of its own, so that its peak memory is its own; whole image and crop
alternate. The last table counts the windows of a prediction with the paper's patch, and times a small
network over them, since the time of a prediction is that of its windows.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rungs.patients import on_venous_grid

from nodestage.core import configs, volumes

REPOSITORY = Path(__file__).parents[1]
SPACING = (0.8, 0.68, 0.68)
PATCH = [80, 192, 160]
PHASES = ("arterial", "venous")


def simulated(folder, grid):
    """Paths of both phases and of the drawn nodes of one simulated patient, made once."""
    from nodestage.simulator import patient_settings, sheet, simulate_patient

    paths = {name: folder / f"{name}.nii.gz" for name in (*PHASES, "lymph_nodes")}
    if not all(path.exists() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        settings = configs.load(REPOSITORY / "config/simulator.yaml")["simulator"]
        settings |= {"grid": list(grid), "spacing": list(SPACING), "scale": 1.3}
        row = next(row for row in sheet(settings, 3) if row["center"] == "changhai")
        patient = simulate_patient(3, row, patient_settings(settings, row))
        # Both phases on one grid, as after registration.
        arrays = {
            "arterial": on_venous_grid(patient),
            "venous": patient.venous.array,
            "lymph_nodes": patient.truth["nodes"]["venous"].array.astype(np.uint8),
        }
        for name, path in paths.items():
            volumes.write_volume(path, volumes.Volume(arrays[name], SPACING))
    return paths


def measured(part, paths, crop):
    """One measurement, in a process of its own: {seconds, memory_gb, …}."""
    call = [sys.executable, __file__, "--part", part, "--crop", str(int(crop))]
    call += ["--paths", json.dumps({name: str(path) for name, path in paths.items()})]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def prepare(paths, crop):
    """Prepare the patient as the lymph-node networks read it."""
    from nodestage.nnunet import cases, cropping, plans

    images = [volumes.read(paths[phase]) for phase in PHASES]
    labels = (volumes.read(paths["lymph_nodes"]).array > 0).astype(np.uint8)
    arrays = [image.array for image in images]
    arrays.append(labels.astype(np.float32))  # in place of the map: as many values
    plan = plans.make_plans(
        "lymph_nodes", [labels.shape], SPACING, [*PHASES, "noNorm"], 1, {"patch_size": PATCH}
    )
    started = time.perf_counter()
    box = cropping.whole(labels.shape)
    if crop:
        box = cropping.training_box(arrays[:2], SPACING, labels)
    with tempfile.TemporaryDirectory() as folder:
        cases.prepared("p", [a[box] for a in arrays], labels[box], SPACING, plan, folder)
        seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    share = np.prod([s.stop - s.start for s in box]) / labels.size
    return {"seconds": seconds, "disk_mb": size / 2**20, "share": float(share)}


def predict(paths, crop):
    """Windows of the paper's patch over the patient, and the time of a small network over them."""
    import torch

    from nodestage.core import checkpoints
    from nodestage.nnunet import cropping, network, plans, prediction, windows

    venous = volumes.read(paths["venous"])
    plan = plans.make_plans(
        "organs", [venous.array.shape], SPACING, ["CT"], 2,
        {"patch_size": PATCH, "features": [2, 4, 4, 4], "convolutions": 1},
    )  # fmt: skip
    checkpoints.seed_all(0)
    net = network.build(plan.plans, plan.dataset_json).eval()
    model = {
        "plans": plan.plans,
        "dataset_json": plan.dataset_json,
        "mirror_axes": [],
        "settings": {"mixed_precision": False},
    }
    started = time.perf_counter()
    box = cropping.whole(venous.array.shape)
    if crop:
        box = cropping.body_box([venous.array], SPACING)
    image = venous.array[box]
    with torch.inference_mode():
        labels = prediction.predict_labels(net, [image], SPACING, model)
    cropping.restored(labels, box, venous.array.shape)
    padded = [max(n, size) for n, size in zip(image.shape, PATCH, strict=True)]
    return {
        "seconds": time.perf_counter() - started,
        "windows": len(windows.corners(padded, PATCH)),
    }


PARTS = {"prepare": prepare, "predict": predict}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--grid", type=int, nargs=3, default=[200, 512, 512])
    options.add_argument("--folder", type=Path, default=Path("work/cropping"))
    options.add_argument("--repeat", type=int, default=2)
    for hidden in ("--part", "--crop", "--paths"):
        options.add_argument(hidden, help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.part:
        found = PARTS[options.part](json.loads(options.paths), options.crop == "1")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps(found | {"memory_gb": peak}))
        return
    grid = "x".join(map(str, options.grid))
    paths = simulated(options.folder / grid, options.grid)
    print("part\timage\tseconds\tmemory GB\tmore")
    for part in PARTS:
        best = {}
        for _ in range(options.repeat):
            for crop in (False, True):
                found = measured(part, paths, crop)
                if crop not in best or found["seconds"] < best[crop]["seconds"]:
                    best[crop] = found
        for crop, found in best.items():
            more = {k: round(v, 2) for k, v in found.items() if k not in ("seconds", "memory_gb")}
            print(
                f"{part}\t{'body' if crop else 'whole'}\t{found['seconds']:.1f}\t"
                f"{found['memory_gb']:.2f}\t{more}"
            )
        print(f"{part}\tratio\t{best[False]['seconds'] / best[True]['seconds']:.2f}")


if __name__ == "__main__":
    main()
