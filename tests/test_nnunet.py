"""nnU-Net adapted from outside: plans, cases, training, prediction."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from nodestage.core import checkpoints, memory
from nodestage.core.errors import InputError, TrainingError
from nodestage.core.run import Run, TrainingSet
from nodestage.nnunet import cases, network, plans, prediction
from nodestage.nnunet.imports import leaving_out

SPACING = (2.5, 2.2, 2.2)
SETTINGS = {
    "patch_size": [16, 16, 16],
    "features": [4, 8, 8],
    "batch_size": 2,
    "convolutions": 1,
    "epochs": 3,
    "iterations_per_epoch": 4,
    "validation_iterations": 1,
    "initial_lr": 0.05,
    "momentum": 0.9,
}


def make_patient(seed, shape=(18, 20, 22)):
    """A bright ball in noise, and its mask."""
    random = np.random.default_rng(seed)
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    center = [random.uniform(0.35, 0.65) * n for n in shape]
    mask = sum((a - c) ** 2 for a, c in zip(axes, center, strict=True)) < 5**2
    image = random.normal(0, 20, shape) + 150 * mask
    return image.astype(np.int16), mask.astype(np.uint8)


def make_dataset(folder, n=4, channels=("venous",), shuffled=False, **settings):
    """Preprocessed patients p0, p1, ... and their plans."""
    patients = {f"p{i}": make_patient(i) for i in range(n)}
    plan = plans.make_plans(
        "ball",
        [image.shape for image, _ in patients.values()],
        SPACING,
        list(channels),
        1,
        {**SETTINGS, **settings},
    )
    random = np.random.default_rng(99)
    for patient, (image, mask) in patients.items():
        if shuffled:
            mask = random.permutation(mask.ravel()).reshape(mask.shape)
        cases.preprocess(patient, [image], mask, SPACING, plan, folder)
    return sorted(patients), plan


@pytest.fixture(scope="module")
def training():
    """The training module: its import takes seconds."""
    from nodestage.nnunet import training

    return training


@pytest.fixture(scope="module")
def trained(training, tmp_path_factory):
    """A network that learned the ball, and the folder that its patients are in."""
    folder = tmp_path_factory.mktemp("ball")
    patients, plan = make_dataset(folder, epochs=6, iterations_per_epoch=10)
    model = training.train(
        plan,
        TrainingSet(patients[:3], patients[3:]),
        Run(1, folder / "state" / "checkpoint.pt", folder),
    )
    return model


def dice(a, b):
    return 2 * np.sum((a > 0) & (b > 0)) / max(1, np.sum(a > 0) + np.sum(b > 0))


# plans


def test_plans_take_geometry_from_nnunets_planner_and_constants_from_the_config():
    given = {"intensity": {"CT": {"low": -100, "high": 200, "mean": 60, "sd": 50}}}
    plan = plans.make_plans(
        "organs", [(64, 96, 96)] * 4, SPACING, ["arterial", "noNorm"], 19, given
    )
    planned = network.configuration(plan.plans)
    assert planned["patch_size"] == [64, 96, 96]
    assert planned["normalization_schemes"] == ["CTNormalization", "NoNormalization"]
    assert planned["architecture"]["arch_kwargs"]["features_per_stage"] == [32, 64, 128, 256, 320]
    constants = plan.plans["foreground_intensity_properties_per_channel"]["0"]
    assert (constants["percentile_00_5"], constants["percentile_99_5"]) == (-100, 200)
    assert (constants["mean"], constants["std"]) == (60, 50)
    assert network.number_of_classes(plan.dataset_json) == 20


def test_plans_keep_the_papers_patch_and_plan_the_rest():
    plan = plans.make_plans(
        "nodes", [(244, 512, 512)], (0.8, 0.68, 0.68), ["a", "v"], 1, {"patch_size": [80, 192, 160]}
    )
    planned = network.configuration(plan.plans)
    kwargs = planned["architecture"]["arch_kwargs"]
    assert planned["patch_size"] == [80, 192, 160]
    assert planned["batch_size"] == 2
    assert planned["batch_dice"] is True  # a patch sees little of such a scan
    assert kwargs["features_per_stage"] == [32, 64, 128, 256, 320, 320]
    assert np.prod(kwargs["strides"], axis=0).tolist() == [16, 32, 32]


@pytest.mark.parametrize(
    "settings, word",
    [
        ({"patch_size": [30, 32, 33]}, "divisible"),
        ({"patch_size": [16, 16, 16], "features": [4] * 9}, "Shorten `features`"),
        ({"features": [4, 8]}, "2 stages are too few"),
        ({"pach_size": [16, 16, 16]}, "unknown setting pach_size"),
        ({"intensity": {"CT": {"low": 9, "high": 3}}}, "must be below high"),
    ],
)
def test_plans_refuse_what_cannot_be(settings, word):
    with pytest.raises(InputError, match=word):
        plans.make_plans("x", [(64, 64, 64)], SPACING, ["venous"], 1, settings)


# cases


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_network_has_the_norm_of_the_config(norm):
    plan = plans.make_plans("x", [(18, 20, 22)], SPACING, ["venous"], 1, SETTINGS | {"norm": norm})
    net = network.build(plan.plans, plan.dataset_json).eval()
    kinds = {type(m).__name__ for m in net.modules()}
    assert ("BatchNorm3d" in kinds) == (norm == "batch")
    assert ("RectifiedInstanceNorm" in kinds) == (norm == "instance")


def test_a_case_of_another_spacing_is_refused(tmp_path):
    image, mask = make_patient(0)
    plan = plans.make_plans("x", [image.shape], SPACING, ["venous"], 1, SETTINGS)
    with pytest.raises(InputError, match="p0: the image's spacing is 1"):
        cases.preprocess("p0", [image], mask, (1.0, 1.0, 1.0), plan, tmp_path)


def test_a_case_is_done_once_and_again_when_its_mask_changed(tmp_path):
    patients, plan = make_dataset(tmp_path, n=1)
    file = cases.folder_of(tmp_path, plan.plans) / "p0_seg.b2nd"
    written = file.stat().st_mtime_ns
    image, mask = make_patient(0)
    cases.preprocess("p0", [image], mask, SPACING, plan, tmp_path)
    assert file.stat().st_mtime_ns == written
    before = cases.digests(tmp_path, plan.plans, patients)
    cases.preprocess("p0", [image], 0 * mask, SPACING, plan, tmp_path)
    assert file.stat().st_mtime_ns > written
    assert cases.digests(tmp_path, plan.plans, patients) != before


def test_prediction_normalises_as_the_preprocessor_does(tmp_path):
    import blosc2

    image, mask = make_patient(0)
    attention = np.random.default_rng(0).uniform(0, 1, image.shape).astype(np.float32)
    plan = plans.make_plans("x", [image.shape], SPACING, ["venous", "noNorm"], 1, SETTINGS)
    cases.preprocess("p0", [image, attention], mask, SPACING, plan, tmp_path)
    stored = blosc2.open(str(cases.folder_of(tmp_path, plan.plans) / "p0.b2nd"), mode="r")[:]
    np.testing.assert_array_equal(prediction.normalise([image, attention], plan.plans), stored)
    np.testing.assert_array_equal(stored[1], attention)


def test_a_coarse_network_reads_what_its_preprocessor_wrote(tmp_path):
    import blosc2

    image, mask = make_patient(0, shape=(19, 24, 31))
    plan = plans.make_plans(
        "x", [image.shape], SPACING, ["venous"], 1, {**SETTINGS, "spacing_mm": [5.0, 4.4, 3.3]}
    )
    cases.preprocess("p0", [image], mask, SPACING, plan, tmp_path)
    stored = blosc2.open(str(cases.folder_of(tmp_path, plan.plans) / "p0.b2nd"), mode="r")[:]
    coarse = network.coarse_shape(plan.plans, image.shape)
    assert coarse == (10, 12, 21) == stored.shape[1:]
    normal = torch.from_numpy(prediction.normalise([image], plan.plans))
    np.testing.assert_allclose(prediction._resized(normal, coarse), stored, atol=1e-5)


def test_a_coarse_network_learns_and_answers_on_the_images_grid(training, tmp_path):
    patients, plan = make_dataset(
        tmp_path, spacing_mm=[3.6, 3.2, 3.2], epochs=6, iterations_per_epoch=8
    )
    model = training.train(
        plan, TrainingSet(patients, []), Run(1, tmp_path / "state" / "checkpoint.pt", tmp_path)
    )
    image, mask = make_patient(50, shape=(40, 24, 22))
    net = prediction.load(model)
    labels = prediction.predict_labels(net, [image], SPACING, model)
    assert labels.shape == image.shape
    assert dice(labels, mask) > 0.7
    logits = prediction.predict_logits(net, [image], SPACING, model)
    np.testing.assert_array_equal(labels, logits.argmax(0).numpy())
    where = np.zeros(image.shape, bool)
    where[mask.argmax() // mask[0].size, 12, 11] = True
    part = prediction.predict_labels(net, [image], SPACING, model, where=where)
    assert dice(part, mask) > 0.7
    assert prediction.predict_labels(net, [image], SPACING, model, where=where & False).sum() == 0
    with pytest.raises(InputError, match=r"p9: the image's spacing"):
        prediction.predict_labels(net, [image], (5.0, 2.2, 2.2), model, patient="p9")


# training


def test_it_learns_and_the_file_holds_plain_values_only(trained, tmp_path):
    checkpoints.save(tmp_path / "model.pt", trained)
    model = torch.load(tmp_path / "model.pt", weights_only=True)
    assert model["digest"] == checkpoints.digest(model["weights"])
    image, mask = make_patient(50)
    found = prediction.predict_labels(prediction.load(model), [image], SPACING, model)
    assert found.dtype == np.uint8 and found.shape == image.shape
    assert dice(found, mask) > 0.8


def test_shuffled_masks_teach_nothing(training, tmp_path):
    patients, plan = make_dataset(tmp_path, shuffled=True, epochs=6, iterations_per_epoch=10)
    model = training.train(
        plan, TrainingSet(patients[:3], []), Run(1, tmp_path / "state" / "checkpoint.pt", tmp_path)
    )
    image, mask = make_patient(50)
    labels = prediction.predict_labels(prediction.load(model), [image], SPACING, model)
    assert dice(labels, mask) < 0.4


def test_same_seed_same_weights_other_seed_other_weights(training, tmp_path):
    patients, plan = make_dataset(tmp_path, epochs=1)
    first, again, other = (
        training.train(
            plan, TrainingSet(patients, []), Run(seed, tmp_path / name / "checkpoint.pt", tmp_path)
        )["digest"]
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first == again != other


def test_a_shift_in_hu_is_drawn_in_units_of_the_normalised_image(training, tmp_path, monkeypatch):
    from nodestage.nnunet import trainer

    drawn, real = [], trainer.with_shift
    monkeypatch.setattr(trainer, "with_shift", lambda t, sd: (drawn.append(sd), real(t, sd)))
    digests = []
    for shift in (None, 0, 10):
        folder = tmp_path / str(shift)
        intensity = {"CT": {"low": -50, "high": 200, "mean": 80, "sd": 40}}
        patients, plan = make_dataset(folder, epochs=1, shift_hu=shift, intensity=intensity)
        run = Run(5, folder / "checkpoint.pt", folder)
        digests.append(training.train(plan, TrainingSet(patients, []), run)["digest"])
    assert drawn == [0.25] and digests[0] == digests[1] != digests[2]


def test_a_killed_training_goes_on_to_the_same_weights(training, tmp_path):
    """The process is killed for good (SIGKILL) in mid-epoch, after its first checkpoint."""
    patients, plan = make_dataset(tmp_path)

    def run(name, **how):
        return training.train(
            plan,
            TrainingSet(patients[:3], patients[3:]),
            Run(3, tmp_path / name / "checkpoint.pt", tmp_path),
            choose="best",
            **how,
        )

    whole = run("undisturbed")
    child = os.fork()
    if child == 0:
        run("killed", trainer=slow_after_first_epoch(training))
        os._exit(0)
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert checkpoints.load(checkpoint)["epoch"] == 1
    resumed = run("killed")
    assert resumed["digest"] == whole["digest"]
    assert resumed["history"] == whole["history"]
    assert resumed["epoch"] == whole["epoch"]


def test_epochs_without_any_label_or_mark_leave_the_best_epoch_alone(training, tmp_path):
    """Dice is undefined there; nnU-Net's moving average would stay so, and epoch 1 the best."""
    patients, plan = make_dataset(tmp_path, epochs=4)
    outside = [
        {"tp_hard": np.array([0]), "fp_hard": np.array([0]), "fn_hard": np.array([0]), "loss": 0.0}
    ]
    marked = [
        {"tp_hard": np.array([8]), "fp_hard": np.array([1]), "fn_hard": np.array([1]), "loss": 0.0}
    ]

    class Trainer(training.Trainer):
        def on_validation_epoch_end(self, val_outputs):
            unseen = self.current_epoch in (0, 2)
            super().on_validation_epoch_end(outside if unseen else marked)

    model = training.train(plan, TrainingSet(patients[:3], patients[3:]), Run(0, tmp_path / "out" / "checkpoint.pt", tmp_path), choose="best", trainer=Trainer)  # fmt: skip
    np.testing.assert_allclose(model["history"]["ema_fg_dice"][:3], [0, 0.08, 0.08], atol=0.01)
    assert np.isfinite(model["history"]["ema_fg_dice"]).all() and model["epoch"] == 4


def slow_after_first_epoch(training):
    """nnU-Net's trainer with steps that leave time to be killed in."""

    class Trainer(training.Trainer):
        def train_step(self, batch):
            if self.current_epoch:
                time.sleep(0.5)
            return super().train_step(batch)

    return Trainer


def watched(training, rates, stop_after=None):
    """A trainer that notes the learning rate of every step, and may die after so many."""

    class Trainer(training.Trainer):
        def train_step(self, batch):
            if len(rates) == stop_after:
                raise KeyboardInterrupt
            rates.append(self.optimizer.param_groups[0]["lr"])
            return super().train_step(batch)

    return Trainer


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_training_continues_with_its_learning_rate(training, tmp_path, optimizer):
    patients, plan = make_dataset(tmp_path, n=2, optimizer=optimizer)

    def run(name, rates, stop_after=None):
        trainer = watched(training, rates, stop_after)
        job = Run(3, tmp_path / name / "checkpoint.pt", tmp_path)
        return training.train(plan, TrainingSet(patients, []), job, trainer=trainer)

    unbroken, before, after = [], [], []
    whole = run("unbroken", unbroken)
    with pytest.raises(KeyboardInterrupt):
        run("broken", before, stop_after=9)  # in the third epoch of four steps
    resumed = run("broken", after)
    assert before[:8] + after == unbroken and len(unbroken) == 12
    assert unbroken == sorted(unbroken, reverse=True) and unbroken[0] > unbroken[-1]
    assert resumed["digest"] == whole["digest"] and resumed["history"] == whole["history"]
    # A finished training has nothing left to do.
    idle = []
    assert run("broken", idle)["digest"] == whole["digest"] and idle == []


@pytest.mark.parametrize("stop_after", [3, 8, 13])
def test_a_network_that_has_not_fitted_its_patches_is_trained_again(
    training, tmp_path, monkeypatch, capsys, stop_after
):
    """The rate begins again; a training that is killed in either cycle ends with the same weights."""
    patients, plan = make_dataset(tmp_path, n=2, epochs=2, cycles=2)
    real, dice = training._dice, []

    def run(name, rates, stop_after=None):
        dice[:] = [0.1, 0.6]
        trainer = watched(training, rates, stop_after)
        job = Run(3, tmp_path / name / "checkpoint.pt", tmp_path, "ball")
        return training.train(plan, TrainingSet(patients, []), job, trainer=trainer)

    # Patches are drawn as they always are; the value is then given.
    monkeypatch.setattr(training, "_dice", lambda *args: (real(*args), dice.pop(0))[1])
    unbroken, before, after = [], [], []
    whole = run("unbroken", unbroken)
    assert "ball: Dice 0.10 on its training data, one more cycle" in capsys.readouterr().out
    assert len(unbroken) == 16 and unbroken[:8] == unbroken[8:] and unbroken[0] > unbroken[7]
    assert whole["epoch"] == 4 and whole["learned"]["value"] == 0.6
    with pytest.raises(KeyboardInterrupt):
        run("broken", before, stop_after)
    monkeypatch.setattr(training, "_dice", lambda *args: (real(*args), 0.1)[1])
    resumed = run("broken", after)
    assert before[: stop_after // 4 * 4] + after == unbroken
    assert resumed["digest"] == whole["digest"] and resumed["history"] == whole["history"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_is_killed_ends_the_training_soon_and_says_memory(training, tmp_path):
    """nnU-Net's parent waited for ever; what kills a worker is nearly always want of memory."""
    patients, plan = make_dataset(tmp_path, n=2, processes=2, epochs=50, iterations_per_epoch=100)

    class Trainer(training.Trainer):
        def train_step(self, batch):
            for worker in multiprocessing.active_children()[:1]:
                with contextlib.suppress(ProcessLookupError):  # it ended in between
                    os.kill(worker.pid, signal.SIGKILL)
            return super().train_step(batch)

    started = time.monotonic()
    with pytest.raises(TrainingError, match=r"ball: out of memory .*`jobs.train.mem_mb`"):
        training.train(
            plan,
            TrainingSet(patients, []),
            Run(0, tmp_path / "s" / "checkpoint.pt", tmp_path, "ball"),
            trainer=Trainer,
        )
    assert time.monotonic() - started < 120
    assert multiprocessing.active_children() == []


def test_a_checkpoint_of_other_data_is_not_used(training, tmp_path):
    patients, plan = make_dataset(tmp_path, epochs=1)

    def run(name):
        return training.train(
            plan, TrainingSet(patients, []), Run(3, tmp_path / name / "checkpoint.pt", tmp_path)
        )["digest"]

    first = run("state")
    image, mask = make_patient(0)
    cases.preprocess("p0", [image], 0 * mask, SPACING, plan, tmp_path)
    assert run("state") == run("fresh") != first


def test_a_loss_that_is_no_number_ends_the_training(training, tmp_path):
    patients, plan = make_dataset(tmp_path, initial_lr=1e30)
    with pytest.raises(TrainingError, match="initial_lr"):
        training.train(
            plan, TrainingSet(patients, []), Run(1, tmp_path / "s" / "checkpoint.pt", tmp_path)
        )


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_names_the_setting(training, tmp_path, error):
    class Hungry(training.Trainer):
        def train_step(self, batch):
            raise error

    patients, plan = make_dataset(tmp_path, n=2)
    with pytest.raises(TrainingError, match=r"memory .*`patch_size`"):
        training.train(
            plan,
            TrainingSet(patients, []),
            Run(0, tmp_path / "s" / "checkpoint.pt", tmp_path),
            trainer=Hungry,
        )


# prediction


@pytest.mark.parametrize("mirror", [False, True])
def test_prediction_equals_nnunets_own_predictor(trained, mirror):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    image, _ = make_patient(51, shape=(14, 30, 37))  # smaller than a window, and larger
    net = prediction.load(trained)
    manager = PlansManager(trained["plans"])
    theirs = nnUNetPredictor(use_mirroring=mirror, device=torch.device("cpu"), allow_tqdm=False)
    theirs.manual_initialization(
        net,
        manager,
        manager.get_configuration(network.CONFIGURATION),
        [trained["weights"]],
        trained["dataset_json"],
        "Trainer",
        (0, 1, 2),
    )
    data = torch.from_numpy(prediction.normalise([image], trained["plans"]))
    expected = theirs.predict_logits_from_preprocessed_data(data).float()
    found = prediction.predict_logits(net, [image], SPACING, trained, mirror=mirror)
    # Theirs sums in 16 bits, which have few digits left at the windows' corners.
    assert ((found - expected).abs() < 0.03).float().mean() > 0.99
    assert (found.argmax(0) == expected.argmax(0)).float().mean() > 0.999


def test_windows_without_interest_are_background_and_the_rest_is_unchanged(trained):
    image, _ = make_patient(52, shape=(16, 64, 16))
    net = prediction.load(trained)
    whole = prediction.predict_logits(net, [image], SPACING, trained)
    where = np.zeros(image.shape, bool)
    where[8, 20, 8] = True
    seen = counted(net)
    part = prediction.predict_logits(net, [image], SPACING, trained, where=where)
    assert seen[0] == 2  # of seven windows, 8 voxels apart, those that hold the voxel
    torch.testing.assert_close(part[:, :, 16:24], whole[:, :, 16:24])
    assert part[:, :, 40:].argmax(0).sum() == 0
    probabilities = prediction.predict_labels(
        net, [image], SPACING, trained, where=where, softmax=True
    )[1]
    assert np.all(probabilities[0, :, 40:] == 1)


def test_an_image_smaller_than_a_window_with_interest_at_its_edge(trained):
    image, _ = make_patient(53, shape=(11, 20, 13))
    net = prediction.load(trained)
    where = np.zeros(image.shape, bool)
    where[0, 0, 0] = True
    part = prediction.predict_logits(net, [image], SPACING, trained, where=where)
    whole = prediction.predict_logits(net, [image], SPACING, trained)
    assert part.shape[1:] == image.shape
    torch.testing.assert_close(part[:, :, 0], whole[:, :, 0])
    nowhere = prediction.predict_labels(net, [image], SPACING, trained, where=where & False)
    assert nowhere.sum() == 0


def test_a_prediction_that_cannot_fit_is_refused_before_it_takes_any_memory(monkeypatch):
    """The kernel would hand the memory out, and kill the job once it is used."""
    monkeypatch.setattr(memory, "free", lambda: 4 * memory.GIB)
    words = r"p0: 20 classes on \(400, 512, 512\) voxels need 8.2 GiB of memory .* 4.0 GiB are free"
    with pytest.raises(InputError, match=words):
        with prediction._enough_memory(20, (400, 512, 512), "p0"):
            raise AssertionError("it began")
    with prediction._enough_memory(20, (200, 256, 256), "p0"):
        pass


def test_memory_that_is_refused_later_gives_the_same_message(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: float("inf"))
    shape = (2**20, 2**20, 2**10)
    with pytest.raises(InputError, match=r"p0: 20 classes .*`jobs.predict.mem_mb`"):
        with prediction._enough_memory(20, shape, "p0"):
            torch.zeros((20, *shape))


def test_a_small_volume_under_a_limit(trained, monkeypatch):
    image, _ = make_patient(7)
    monkeypatch.setattr(memory, "free", lambda: 50_000)
    with pytest.raises(InputError, match=r"p7: 2 classes .* need 0.0 GiB of memory"):
        prediction.predict_labels(prediction.load(trained), [image], SPACING, trained, patient="p7")


def counted(net):
    """How many windows the network is asked to predict from now on, in a list of one number."""
    seen = [0]
    net.register_forward_pre_hook(lambda _, inputs: seen.__setitem__(0, seen[0] + len(inputs[0])))
    return seen


def test_the_trainer_can_be_imported_where_matplotlib_is_there_already():
    code = (
        "import matplotlib; from nodestage.nnunet import trainer; "
        "import matplotlib.pyplot as plt; plt.switch_backend('agg'); plt.figure()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_predicting_imports_neither_the_trainer_nor_pandas():
    code = (
        "import sys; from nodestage.nnunet import prediction, network, plans, fitting\n"
        "import nnunetv2.inference.sliding_window_prediction\n"
        "import nnunetv2.utilities.get_network_from_plans\n"
        "import dynamic_network_architectures.architectures.unet\n"
        "heavy = {'torch._dynamo', 'pandas', 'blosc2', 'skimage', 'matplotlib', 'seaborn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_norm_and_nonlinearity_in_one_change_no_bit_and_copy_nothing():
    """Against nnU-Net's own blocks, in evaluation, on the way forth and on the way back."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    plan = plans.make_plans("ball", [(16, 16, 16)], SPACING, ["venous"], 1, SETTINGS)
    architecture = network.configuration(plan.plans)["architecture"]
    ours = network.build(plan.plans, plan.dataset_json, deep_supervision=True)
    stock = get_network_from_plans(
        *(architecture[k] for k in ("network_class_name", "arch_kwargs", "_kw_requires_import")),
        1, 2, deep_supervision=True,
    )  # fmt: skip
    assert list(ours.state_dict()) == list(stock.state_dict())
    stock.load_state_dict(ours.state_dict())
    images = torch.randn((2, 1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    seen = {}
    for name, net in (("ours", ours), ("stock", stock)):
        logits = net(images)
        sum(found.square().mean() for found in logits).backward()
        seen[name] = [*logits, net.eval()(images)[0], *(p.grad for p in net.parameters())]
        copying = any("CopySlices" in step for step in steps_back(logits[0].grad_fn))
        assert copying == (name == "stock")  # once torch copies no more, ours has no use
    for a, b in zip(*seen.values(), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


def steps_back(last):
    """Names of all steps that autograd goes back from the `last` one."""
    seen, ahead = set(), [last]
    while ahead:
        step = ahead.pop()
        if step is not None and step not in seen:
            seen.add(step)
            ahead += [before for before, _ in step.next_functions]
    return {step.name() for step in seen}


def test_a_module_left_out_is_there_again_afterwards_and_says_so_when_used():
    with leaving_out(["left_out_for_a_test"]):
        from left_out_for_a_test import something
    with pytest.raises(RuntimeError, match=r"left_out_for_a_test\.something was left out"):
        something()
    assert "left_out_for_a_test" not in sys.modules


def test_equal_weights_are_equal_files_whatever_their_name(tmp_path):
    value = {"weights": torch.arange(5.0), "names": ["a", "b"]}
    for name in ("model.pt", "another.pt"):
        checkpoints.save(tmp_path / name, value)
    assert (tmp_path / "model.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()
