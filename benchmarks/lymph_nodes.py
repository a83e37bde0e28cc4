"""Lymph-node networks against stock nnU-Net: training step, inference, and the full-size network.

    OMP_NUM_THREADS=1 python benchmarks/lymph_nodes.py step
    OMP_NUM_THREADS=1 python benchmarks/lymph_nodes.py inference
    OMP_NUM_THREADS=1 python benchmarks/lymph_nodes.py train --model model.pt
    OMP_NUM_THREADS=1 python benchmarks/lymph_nodes.py inference --model model.pt
    OMP_NUM_THREADS=1 python benchmarks/lymph_nodes.py windows --organs organs.nii.gz --ids 19=11 20=19
    OMP_NUM_THREADS=1 python benchmarks/lymph_nodes.py full
    OMP_NUM_THREADS=1 python benchmarks/lymph_nodes.py step --paper --compile --model model.pt
    OMP_NUM_THREADS=1 python benchmarks/lymph_nodes.py inference --paper --model model.pt

`step`       one step, batch and all, of nnU-Net's own trainer (two images), of our `plain` and of
             `attention` (map, blocks, Tversky, informative sampling): same plans, augmentation and
             patients, one process, in turns.
`inference`  from images to labels: our predictor, which leaves out windows without attention
             (`ours`), those that would hardly count where attention is (`share`), and with windows
             over the box around the attention (`around`), against nnUNetPredictor: one
             network, one simulated abdomen, each in a process of its own, in turns.
`train`      a small `attention` network with config/paper.yaml's window, by the library's own
             training on simulated abdomens with nodes, for `inference` to have labels to compare.
`windows`    how many windows of config/paper.yaml's network a patient's map leaves.
`full`       config/paper.yaml's network: parameters, memory and memory traffic of a training step
             (counted, not run), and one window forward on the CPU.

With `--paper` the network is that of config/paper.yaml, the patient one of 300 × 512 × 512 voxels,
and the work is a GPU's: `step` draws some batches, goes through them again and again, and trains
`attention` further on them (`--model`), for `inference` to have a network with margins.

Patients are simulated unless a mask is given. Seconds are CPU seconds, which a busy machine
changes less than those on the wall; on a GPU they are those on the wall.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from nodestage import attention
from nodestage.core import devices

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
PAPER = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
SPACING = tuple(PAPER["spacing_mm"])
NOISE_HU = np.float32(12)
FULL, MIDDLE = (300, 512, 512), (160, 320, 320)  # voxels of an abdomen, and of what is trained on
CHANNELS = ["arterial", "venous", "noNorm"]


def ranges():
    anatomy = yaml.safe_load((ROOT / "config/anatomy.yaml").read_text())
    return {anatomy["labels"][name]: tuple(r) for name, r in anatomy["ranges_mm"].items()}


def simulator_settings(**more):
    return yaml.safe_load((ROOT / "config/simulator.yaml").read_text())["simulator"] | more


def row(*cells):
    print("\t".join(str(c) for c in cells), flush=True)


def peak(reset=False):
    """Largest memory of this process so far (bytes), or since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


# One training step


def patients(n):
    """Simulated patients of the default size: (arterial, venous, map, nodes) and spacing.

    Both images are of the venous grid: registration is not what is measured.
    """
    from nodestage import simulator

    settings = simulator_settings()
    found = []
    for sheet_row in simulator.sheet(settings, 0)[:n]:
        made = simulator.simulate_patient(0, sheet_row, settings)
        organs, nodes = (made.truth[role]["venous"].array for role in ("organs", "nodes"))
        spacing = made.venous.spacing
        venous = made.venous.array
        found.append((venous, venous, attention.attention_map(organs, spacing, ranges()), nodes))
    return found, spacing


def full_size_patient(keep):
    """The middle of a full-size abdomen with nodes: arterial, venous, map, nodes."""
    arrays = abdomen_with_nodes(FULL, SPACING, keep)
    middle = tuple(slice((n - m) // 2, (n + m) // 2) for n, m in zip(FULL, MIDDLE, strict=True))
    return [np.ascontiguousarray(a[middle]) for a in arrays]


def trainers(folder, settings, cohort, spacing, device="cpu", compiled=False):
    """{name: trainer ready for its steps}: stock on two images, ours on two and the map."""
    from nodestage.core.run import TrainingSet
    from nodestage.lymph_nodes.trainer import LymphNodeTrainer, LymphNodeTraining
    from nodestage.nnunet import cases, environment, network, plans, trainer

    n = len(cohort)
    shapes = [venous.shape for _, venous, _, _ in cohort]
    codes = [f"P{i}" for i in range(n)]

    class Stock(trainer.nnunet.nnUNetTrainer):
        """Untouched, but for who is trained on."""

        def do_split(self):
            return codes, codes

        def _do_i_compile(self):
            return compiled and super()._do_i_compile()

        def print_to_log_file(self, *args, **kwargs):
            pass

    settings = settings | {"compile": compiled}
    found = {}
    for name in ("stock", "plain", "attention"):
        channels = CHANNELS[: 2 if name == "stock" else 3]
        data = f"{len(channels)}_channels"
        plan = plans.make_plans(data, shapes, spacing, channels, 1, settings)
        for code, (*images, nodes) in zip(codes, cohort, strict=True):
            cases.preprocess(
                code, images[: len(channels)], (nodes > 0).astype(np.uint8), spacing, plan, folder,
            )  # fmt: skip
        planned = {**plan.plans, "variant": name, "continue_training": False}
        variables = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
        with environment.environment(nnUNet_n_proc_DA="0", **dict.fromkeys(variables, str(folder))):
            import torch

            torch.manual_seed(0)
            kind = Stock if name == "stock" else LymphNodeTrainer
            running = kind(
                planned, network.CONFIGURATION, 0, plan.dataset_json, torch.device(device)
            )
            if name != "stock":
                settings_of_training = LymphNodeTraining(**vars(plan.training))
                running.configure(settings_of_training, TrainingSet(codes, codes))
            running.initialize()
            running.dataloader_train, _ = running.get_dataloaders()
            running.set_deep_supervision_enabled(True)
            running.on_train_epoch_start()
        found[name] = running
    return found


def step(options):
    import torch

    torch.set_num_threads(1)
    settings = {
        "patch_size": options.patch,
        "features": options.features,
        "convolutions": options.convolutions,
        "batch_size": 2,
        "augmentation": "full",
        "optimizer": "sgd",
    }
    with tempfile.TemporaryDirectory() as folder:
        if options.paper:
            step_at_full_size(folder, options)
            return
        running = trainers(folder, settings, *patients(options.patients))
        spent = {name: [] for name in running}
        for turn in range(options.rounds + 1):
            # Each goes first in its turn.
            names = list(running)
            for name in names[turn % 3 :] + names[: turn % 3]:
                np.random.seed(turn)
                torch.manual_seed(turn)
                started = time.process_time()
                batch = next(running[name].dataloader_train)
                drawn = time.process_time()
                running[name].train_step(batch)
                if turn:  # the first warms up
                    spent[name].append((drawn - started, time.process_time() - drawn))
    stock = np.array(spent["stock"])
    print(
        f"patch {options.patch}, features {options.features}, {options.convolutions} convolutions "
        f"a stage, batch 2, {options.rounds} steps each, CPU seconds"
    )
    row(
        "trainer",
        "batch (mean)",
        "network (least)",
        "step",
        "step / stock's",
        "network's median / stock's",
    )
    for name, each in spent.items():
        each = np.array(each)
        # Batches differ by what is drawn, so their mean counts; a network always does the same,
        # and takes least where nothing else disturbs it.
        batch, net = each[:, 0].mean(), each[:, 1].min()
        whole = stock[:, 0].mean() + stock[:, 1].min()
        median = np.median(each[:, 1]) / np.median(stock[:, 1])
        row(
            name, f"{batch:.3f}", f"{net:.3f}", f"{batch + net:.3f}",
            f"{(batch + net) / whole:.3f}", f"{median:.3f}",
        )  # fmt: skip


def step_at_full_size(folder, options):
    """Steps of config/paper.yaml's network on a GPU, and a network trained for `inference`."""
    import torch

    device = devices.chosen(options.device)
    cohort = [full_size_patient(options.keep)]
    settings = PAPER["lymph_nodes"]["network"]
    torch.backends.cudnn.benchmark = True  # as nnU-Net trains
    card = torch.cuda.get_device_name() if device.type == "cuda" else device
    print(f"{card}, torch {torch.__version__}, {options.rounds} steps each")
    batches, stock = {}, None
    for compiled in (False, True)[: 1 + options.compile]:
        running = trainers(folder, settings, cohort, SPACING, device, compiled)
        seen = {name: [] for name in running}
        memory, own, losses = {}, {}, {}
        for name, each in running.items():
            if name not in batches:
                started = time.perf_counter()
                batches[name] = [next(each.dataloader_train) for _ in range(options.batches)]
                batches[name].append((time.perf_counter() - started) / options.batches)
            before = held_on(device)
            each.train_step(batches[name][0])  # momentum comes with the first step
            own[name] = held_on(device) - before + network_bytes(each.network)
        for turn in range(WARM + options.rounds):
            names = list(running)
            for name in names[turn % 3 :] + names[: turn % 3]:
                others = held_on(device) - own[name]
                wait(device, reset=True)
                started = time.perf_counter()
                result = running[name].train_step(batches[name][turn % options.batches])
                wait(device)
                if turn >= WARM:
                    seen[name].append(time.perf_counter() - started)
                    memory[name] = (peak_on(device) - others) / 2**30
                    losses[name] = float(result["loss"])
        row(
            "trainer", "batch on the CPU, s", "step, s", "least", "most", "step / stock's",
            "peak, GiB", "loss",
        )  # fmt: skip
        for name, spent in seen.items():
            middle = statistics.median(spent)
            stock = stock or middle
            row(
                f"{name}{', compiled' if compiled else ''}", f"{batches[name][-1]:.2f}",
                f"{middle:.4f}", f"{min(spent):.4f}", f"{max(spent):.4f}", f"{middle / stock:.3f}",
                f"{memory[name]:.2f}", f"{losses[name]:.3f}",
            )  # fmt: skip
        if options.model and not compiled:
            train_further(running["attention"], batches["attention"][:-1], options)
        del running


def train_further(running, batches, options):
    """Go on for `--further` steps over the same batches, and save the network."""
    import torch

    for turn in range(options.further):
        loss = running.train_step(batches[turn % len(batches)])["loss"]
    print(f"attention after {options.further} more steps: loss {loss:.3f}", flush=True)
    torch.save({k: v.cpu() for k, v in running.network.state_dict().items()}, options.model)


WARM = 3  # steps of each trainer that aren't timed


def network_bytes(net):
    return sum(p.numel() * p.element_size() for p in net.parameters())


def held_on(device):
    import torch

    return torch.cuda.memory_allocated() if device.type == "cuda" else 0


def peak_on(device):
    import torch

    return torch.cuda.max_memory_allocated() if device.type == "cuda" else peak()


def wait(device, reset=False):
    """Until all work given to a GPU is done; then its largest memory may start anew."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()
        if reset:
            torch.cuda.reset_peak_memory_stats()


# Inference


def abdomen(shape, spacing, keep=None, seed=0):
    """A painted abdomen: arterial and venous HU with noise, organ labels, (z, y, x).

    Its tissues are kept in the file `keep` and read from there the next time.
    """
    from nodestage.simulator import tissue

    if keep and Path(keep).exists():
        painted = np.load(keep)["tissue"]
    else:
        painted = tissues(shape, spacing, seed)
        if keep:
            np.savez_compressed(keep, tissue=painted)
    draw = np.random.default_rng(seed)
    images = [
        (tissue.HU_OF[phase][painted] + NOISE_HU * draw.standard_normal(shape, np.float32)).astype(
            np.int16
        )
        for phase in ("arterial", "venous")
    ]
    return (*images, tissue.LABEL_OF[painted])


def tissues(shape, spacing, seed):
    """Codes of the tissues of a painted abdomen, uint8 (z, y, x)."""
    from nodestage.simulator import anatomy, motion, painting
    from nodestage.simulator.shapes import Canvas

    settings = simulator_settings(scale=1.3, calibers=1.0, no_lga=0, splenectomy=0)
    draw = np.random.default_rng(seed)
    body = anatomy.draw(draw, settings)
    axes = [
        ((np.arange(n) - (n - 1) / 2) * s).astype(np.float32)
        for n, s in zip(shape, spacing, strict=True)
    ]
    canvas = Canvas(
        motion.anatomy_from_venous(motion.variation(draw, settings["scale"]), axes), axes
    )
    painting.paint(canvas, body)
    painting.paint_arteries(canvas, body)
    return canvas.tissue


def with_nodes(arterial, venous, organs, found, spacing, count=40, seed=0):
    """Put round nodes of 6 to 16 mm between the organs, where attention is 1; their mask."""
    from nodestage.simulator import tissue

    draw = np.random.default_rng(seed)
    mask = np.zeros(found.shape, np.uint8)
    free = np.flatnonzero((found == 1) & (organs == 0))
    centers = np.unravel_index(draw.choice(free, count), found.shape)
    for center in zip(*centers, strict=True):
        radius = draw.uniform(3, 8)
        box = tuple(
            slice(max(int(c - radius / s), 0), min(int(c + radius / s) + 2, n))
            for c, s, n in zip(center, spacing, mask.shape, strict=True)
        )
        lines = np.ogrid[box]
        away = sum(((line - c) * s) ** 2 for line, c, s in zip(lines, center, spacing, strict=True))
        mask[box][(away < radius**2) & (organs[box] == 0)] = 1
    for image, density in zip((arterial, venous), tissue.NODE, strict=True):
        noise = NOISE_HU * draw.standard_normal(int(mask.sum()), np.float32)
        image[mask > 0] = density + noise
    return mask


def abdomen_with_nodes(shape, spacing, keep=None, seed=0):
    """A painted abdomen with nodes: arterial, venous, map, mask of the nodes, (z, y, x)."""
    arterial, venous, organs = abdomen(shape, spacing, keep, seed)
    found = attention.attention_map(organs, spacing, ranges())
    nodes = with_nodes(arterial, venous, organs, found, spacing, seed=seed)
    return arterial, venous, found, nodes


def train(options):
    """A network for `inference`, from simulated abdomens with nodes."""
    from nodestage.core import volumes
    from nodestage.core.run import Run
    from nodestage.lymph_nodes.crossfitting import Fold
    from nodestage.lymph_nodes.training import train_fold

    settings = DEFAULT["lymph_nodes"] | {"variants": ["attention"], "choose": "last"}
    settings["network"] = DEFAULT["lymph_nodes"]["network"] | {
        "patch_size": [n // options.coarser for n in options.patch],
        "features": options.features, "convolutions": options.convolutions, "batch_size": 2,
        "epochs": EPOCHS, "iterations_per_epoch": options.steps // EPOCHS,
    }  # fmt: skip
    shape = tuple(n // options.coarser for n in FULL)
    spacing = tuple(s * options.coarser for s in SPACING)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        patients = {}
        for seed in range(1, options.patients + 1):  # `inference` predicts seed 0
            patients[f"P{seed}"] = paths = {}
            arrays = abdomen_with_nodes(shape, spacing, seed=seed)
            for name, array in zip(IMAGES, arrays, strict=True):
                paths[name] = Path(folder, f"P{seed}.{name}.nii.gz")
                volumes.write_volume(paths[name], volumes.Volume(array, spacing))
        painted = time.process_time()
        fold = Fold(patients, list(patients), [], [])
        train_fold(fold, settings, Run(0, options.model, Path(folder, "work")))
    row("patients, CPU seconds", f"{painted - started:.0f}")
    row("training, CPU seconds", f"{time.process_time() - painted:.0f}")


EPOCHS = 10  # of `train`
IMAGES = ("arterial", "venous", "map", "lymph_nodes")


def exported(plan, seed=0):
    """An attention network with drawn weights, as a training exports it."""
    import torch

    from nodestage.lymph_nodes.network import build

    plans = {**plan.plans, "variant": "attention"}
    torch.manual_seed(seed)
    net = build(plans, plan.dataset_json)
    return {
        "plans": plans,
        "dataset_json": plan.dataset_json,
        "settings": vars(plan.training),
        "mirror_axes": [0, 1, 2],
        "weights": net.state_dict(),
    }


def balanced(model, channels, share):
    """Shift the head so that a `share` of one window's attended voxels is called."""
    import torch

    from nodestage.lymph_nodes.network import build
    from nodestage.nnunet import network, prediction

    data = torch.from_numpy(prediction.normalise(channels, model["plans"]))
    corner = [
        min(max(int(c) - n // 2, 0), size - n)
        for c, n, size in zip(
            np.argwhere(channels[2] > 0).mean(0),
            network.patch_size(model["plans"]),
            channels[2].shape,
            strict=True,
        )
    ]
    box = tuple(
        slice(a, a + n) for a, n in zip(corner, network.patch_size(model["plans"]), strict=True)
    )
    with torch.inference_mode():
        logits = prediction.load(model, build)(data[(slice(None), *box)][None])[0]
    margin = (logits[1] - logits[0])[data[2][box] > 0]
    head = max(k for k in model["weights"] if "decoder.seg_layers" in k and k.endswith("bias"))
    model["weights"][head][1] -= torch.quantile(margin[:1_000_000], 1 - share)


def predict(how, path, out, share, device, repeat):
    """Predict in a process of its own.

    Returns, of each time: CPU seconds, wall seconds, memory beyond the inputs and largest memory
    of the GPU (MiB), and how many windows were run.
    """
    import torch

    from nodestage.lymph_nodes.network import build
    from nodestage.nnunet import network, prediction

    torch.set_num_threads(1)
    held = torch.load(path, weights_only=False)
    model, channels, spacing = held["model"], held["channels"], held["spacing"]
    device = devices.chosen(device)
    net = prediction.load(model, build).to(device)
    if how == "stock":
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        manager = PlansManager(model["plans"])
        theirs = nnUNetPredictor(use_mirroring=False, device=device, allow_tqdm=False)
        theirs.manual_initialization(
            net, manager, manager.get_configuration(network.CONFIGURATION), None,
            model["dataset_json"], "Trainer", (0, 1, 2),
        )  # fmt: skip
    if device.type == "cuda":  # its libraries are loaded with the first window
        with torch.inference_mode(), torch.autocast("cuda"):
            net(torch.rand(1, 3, *network.patch_size(model["plans"]), device=device))
        torch.cuda.empty_cache()
    seen, run = [], []
    net.register_forward_hook(lambda _, images, __: run.append(len(images[0])))
    for _ in range(repeat):
        run.clear()
        wait(device, reset=True)
        before = peak(reset=True)
        cpu, wall = time.process_time(), time.perf_counter()
        if how == "stock":
            data = torch.from_numpy(prediction.normalise(channels, model["plans"]))
            logits = theirs.predict_sliding_window_return_logits(data).to("cpu")
            labels = logits.argmax(0).to(torch.uint8).numpy()  # as nnU-Net's own export has it
        else:
            labels = prediction.predict_labels(
                net, channels, spacing, model, where=channels[2] > 0, device=device,
                min_attention_share=share if how == "share" else 0.0, around=how == "around",
            )  # fmt: skip
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        on_gpu = peak_on(device) / 2**20 if device.type == "cuda" else 0.0
        seen.append((cpu, wall, (peak() - before) / 2**20, on_gpu, sum(run)))
        data = logits = None
    np.save(out, labels)
    return seen


def painted(options):
    """A network, a simulated abdomen for it, and its nodes: none for a network of drawn weights."""
    from nodestage.core import checkpoints
    from nodestage.nnunet import plans

    held = checkpoints.load(options.model) if options.model else {}
    if "networks" in held:  # from `train`
        model = held["networks"]["attention"]
        spacing = tuple(model["plans"]["image_spacing"])
        shape = tuple(round(n * s / t) for n, s, t in zip(FULL, SPACING, spacing, strict=True))
        *channels, nodes = abdomen_with_nodes(shape, spacing, options.keep, options.seed)
        return model, channels, spacing, nodes
    shape = FULL if options.paper else tuple(options.shape)
    # The field of a full-size scan, whatever the voxels.
    spacing = tuple(float(n * s / m) for n, s, m in zip(FULL, SPACING, shape, strict=True))
    arterial, venous, organs = abdomen(shape, spacing, options.keep)
    found = attention.attention_map(organs, spacing, ranges())
    settings = {
        "patch_size": options.patch, "features": options.features,
        "convolutions": options.convolutions, "batch_size": 2,
    }  # fmt: skip
    if options.paper:
        settings = PAPER["lymph_nodes"]["network"]
    model = exported(plans.make_plans("nodes", [shape], spacing, CHANNELS, 1, settings))
    nodes = None
    if held:
        nodes = with_nodes(arterial, venous, organs, found, spacing)
        model["weights"] = held
    else:
        balanced(model, [arterial, venous, found], 0.05)
    return model, [arterial, venous, found], spacing, nodes


def from_study(options):
    """The attention network of a study's fold, and one of its patients with annotated nodes."""
    from nodestage.core import checkpoints, volumes
    from nodestage.lymph_nodes.variants import SMALLEST_ATTENTION

    results = Path(options.study, "results")
    model = checkpoints.load(results / "lymph_nodes/fold0/model.pt")["networks"]["attention"]
    images = [
        volumes.read(results / "registration" / options.patient / f"{phase}.nii.gz")
        for phase in ("arterial", "venous")
    ]
    found = volumes.read(results / "attention/table" / f"{options.patient}.nii.gz").array
    found = np.where(found < SMALLEST_ATTENTION, 0, found)
    nodes = volumes.read(results / "registration" / options.patient / "lymph_nodes.nii.gz").array
    return model, [*(image.array for image in images), found], images[0].spacing, nodes


def inference(options):
    import torch

    from nodestage.nnunet import network

    model, channels, spacing, nodes = (from_study if options.study else painted)(options)
    found, patch = channels[2], network.patch_size(model["plans"])
    print(f"{found.shape} voxels, patch {patch}; attention on {(found > 0).mean():.1%}", flush=True)
    results = {"stock": [], "ours": [], "share": [], "around": []}
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder, "held.pt")
        torch.save({"model": model, "channels": channels, "spacing": spacing}, held)
        # On a GPU what starts anew with each process would outlast the prediction.
        rounds, each = (1, options.repeat) if options.paper else (options.repeat, 1)
        for _ in range(rounds):
            for how, seen in results.items():
                how_to = (how, held, Path(folder, f"{how}.npy"), options.min_attention_share)
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    seen += pool.apply(predict, (*how_to, options.device, each))
                print(how, *(f"{x:.1f}" for times in seen for x in times), flush=True)
        called = {how: np.load(Path(folder, f"{how}.npy"))[found > 0] > 0 for how in results}
    row(
        "predictor", "windows", "CPU seconds", "seconds", "memory, MiB", "of the GPU, MiB",
        "stock / it", "Dice with stock's", "Dice with the nodes",
    )  # fmt: skip
    counted = 1 if options.paper else 0  # wall or CPU seconds
    stock = statistics.median(times[counted] for times in results["stock"])
    truth = None if nodes is None else nodes[found > 0] > 0
    for how, seen in results.items():
        cpu, wall, memory, on_gpu, run = (statistics.median(c) for c in zip(*seen, strict=True))
        row(
            how, run, f"{cpu:.1f}", f"{wall:.1f}", f"{memory:.0f}", f"{on_gpu:.0f}",
            f"{stock / (cpu, wall)[counted]:.2f}", f"{dice(called[how], called['stock']):.5f}",
            "" if truth is None else f"{dice(called[how], truth):.4f}",
        )  # fmt: skip
    row("called where attended", f"{called['stock'].mean():.2%}")


def dice(one, other):
    return 2 * (one & other).sum() / max(one.sum() + other.sum(), 1)


def windows(options):
    import torch

    from nodestage.core import volumes
    from nodestage.nnunet.windows import box_around, corners

    if options.organs:
        volume = volumes.read(options.organs)
        table = np.arange(256, dtype=np.uint8)
        for pair in options.ids:
            theirs, ours = pair.split("=")
            table[int(theirs)] = int(ours)
        # Brought to the study's voxels, each the nearest one.
        lines = (
            (np.arange(int(n * s / t)) * t / s).round().astype(int)
            for n, s, t in zip(volume.array.shape, volume.spacing, SPACING, strict=True)
        )
        organs = table[volume.array.astype(np.uint8)][np.ix_(*lines)]
    else:
        organs = abdomen(FULL, SPACING)[2]
    inside = torch.from_numpy(attention.attention_map(organs, SPACING, ranges()) > 0)
    tile = PAPER["lymph_nodes"]["network"]["patch_size"]
    every = len(corners(tuple(inside.shape), tile))
    shape, covered = tuple(inside.shape), float(inside.float().mean())
    row(f"{shape} voxels; attention on {covered:.1%}")
    row("windows", "of them run", "ratio")
    for least in (0, 0.001, 0.01, 0.05):
        run = len(corners(shape, tile, 0.5, inside, least))
        row(f"that give at most {least:.1%} left out", run, f"{every / run:.2f}")
    run = len(corners(shape, tile, 0.5, inside, around=True))
    box = tuple(side.stop - side.start for side in box_around(inside, tile))
    row(f"windows over the box around attention, {box}", run, f"{every / run:.2f}")
    row("all", every, 1)


# The full-size network


def full(options):
    import torch

    from nodestage.lymph_nodes.network import build
    from nodestage.nnunet import network, plans

    settings = PAPER["lymph_nodes"]["network"]
    plan = plans.make_plans("nodes", [FULL], SPACING, CHANNELS, 1, settings)
    planned = plan.plans
    patch, batch = network.patch_size(planned), network.configuration(planned)["batch_size"]
    architecture = network.configuration(planned)["architecture"]["arch_kwargs"]
    row("patch (z, y, x)", patch)
    row("features", architecture["features_per_stage"])
    row(
        "variant", "parameters", "forward, 10^12 operations", f"kept for backward, batch {batch}",
        "read and written by a step",
    )  # fmt: skip
    for variant in ("stock", "plain", "attention"):
        if variant == "stock":
            net, channels = stock_network(architecture), 2
        else:
            plans_of = {**planned, "variant": variant}
            net, channels = build(plans_of, plan.dataset_json, deep_supervision=True), 3
        held, operations, moved = counted(net, (batch, channels, *patch))
        parameters = sum(p.numel() for p in net.parameters())
        row(
            variant, f"{parameters:,}", f"{operations / 1e12:.3f}", f"{held / 2**30:.2f} GiB",
            f"{moved / 1e9:.1f} GB",
        )  # fmt: skip
    if options.count_only:
        return
    torch.set_num_threads(1)
    net.decoder.deep_supervision = False
    net.eval()
    before = peak(reset=True)
    cpu, wall = time.process_time(), time.perf_counter()
    with torch.inference_mode():
        logits = net(torch.rand(1, 3, *patch))
    row("one window forward, CPU seconds", f"{time.process_time() - cpu:.1f}")
    row("on the wall", f"{time.perf_counter() - wall:.1f}")
    row("memory beyond the network", f"{(peak() - before) / 2**30:.2f} GiB")
    row("logits", tuple(logits.shape), f"finite {bool(torch.isfinite(logits).all())}")


def stock_network(architecture):
    """nnU-Net's own U-Net of two images."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from torch import nn

    operations = {
        "conv_op": nn.Conv3d, "norm_op": nn.InstanceNorm3d, "nonlin": nn.LeakyReLU,
        "dropout_op": None,
    }  # fmt: skip
    return PlainConvUNet(2, num_classes=2, deep_supervision=True, **architecture | operations)


def counted(net, shape):
    """Bytes that a forward pass keeps for its backward pass, its multiplications and sums, and
    the bytes that the operations of both passes read and write.

    Counted on torch's `meta` device, which knows sizes and computes nothing; float32.
    """
    import copy

    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import FlopCounterMode

    class Moved(TorchDispatchMode):
        total = 0

        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            found = operation(*args, **(kwargs or {}))
            if not operation.is_view:
                self.total += sum(
                    tensor.numel() * tensor.element_size()
                    for tensor in tree_leaves((args, kwargs, found))
                    if isinstance(tensor, torch.Tensor)
                )
            return found

    net = copy.deepcopy(net).to("meta").train()
    parameters = {id(p) for p in net.parameters()}
    held = {}

    def pack(tensor):
        if id(tensor) not in parameters:
            # By its storage: what several operations keep is in memory once.
            held[tensor.untyped_storage()._cdata] = (tensor, tensor.untyped_storage().nbytes())
        return tensor

    counter, moved = FlopCounterMode(display=False), Moved()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), moved:
        with counter:
            outputs = net(torch.empty(shape, device="meta"))
        # nnU-Net's loss leaves the coarsest output out.
        sum(output.mean() for output in outputs[:-1]).backward()
    return sum(size for _, size in held.values()), counter.get_total_flops(), moved.total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = parser.add_subparsers(required=True, metavar="task")

    def network_options(task, patch, features, convolutions):
        task.add_argument("--patch", type=int, nargs=3, default=patch, help="z y x")
        task.add_argument("--features", type=int, nargs="+", default=features, help="a stage each")
        task.add_argument("--convolutions", type=int, default=convolutions, help="a stage")

    def full_size_options(task):
        task.add_argument("--paper", action="store_true", help="config/paper.yaml's network")
        task.add_argument("--device", help="a GPU where there is one; cpu, cuda with --paper")
        task.add_argument("--keep", help="file of the abdomen's tissues, made where it isn't there")

    task = tasks.add_parser("step")
    full_size_options(task)
    task.add_argument("--batches", type=int, default=5, help="drawn with --paper")
    task.add_argument("--compile", action="store_true", help="torch.compile too, with --paper")
    task.add_argument("--model", help="where the attention network goes, with --paper")
    task.add_argument("--further", type=int, default=1000, help="steps before it goes there")
    network_options(task, [32, 48, 48], [16, 32, 64], 2)
    task.add_argument("--rounds", type=int, default=20)
    task.add_argument("--patients", type=int, default=2)
    task.set_defaults(run=step)

    task = tasks.add_parser("inference")
    network_options(task, [40, 96, 80], [8, 16, 32], 1)
    task.add_argument("--shape", type=int, nargs=3, default=[160, 256, 256], help="z y x")
    task.add_argument("--repeat", type=int, default=1)
    full_size_options(task)
    task.add_argument("--model", help="from `train` or `step --paper`, in place of drawn weights")
    task.add_argument("--seed", type=int, default=0, help="of the abdomen, with a model of `train`")
    task.add_argument("--study", help="a study's folder: its fold 0 in place of drawn weights")
    task.add_argument("--patient", help="a patient of that study")
    task.add_argument(
        "--least-share", type=float, default=0.01, help="windows of less weight left out"
    )
    task.set_defaults(run=inference)

    task = tasks.add_parser("train")
    task.add_argument("--model", required=True, help="where the network goes")
    task.add_argument("--patients", type=int, default=8)
    task.add_argument("--steps", type=int, default=100)
    task.add_argument(
        "--coarser", type=int, default=1, help="times the voxel; the window's mm stay"
    )
    window = PAPER["lymph_nodes"]["network"]["patch_size"]
    network_options(task, window, [4, 8, 16, 32, 32, 32], 1)
    task.set_defaults(run=train)

    task = tasks.add_parser("windows")
    task.add_argument("--organs", help="a mask of organs and vessels (NIfTI)")
    task.add_argument("--ids", nargs="*", default=[], metavar="THEIRS=OURS")
    task.set_defaults(run=windows)

    task = tasks.add_parser("full")
    task.add_argument("--count-only", action="store_true", help="without the forward pass")
    task.set_defaults(run=full)

    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.run(options)


if __name__ == "__main__":
    main()
