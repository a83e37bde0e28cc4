"""nnU-Net's trainer with `TrainingSettings`, without its plots and log files.

Subclasses override what nnU-Net's trainer provides for it: `build_network_architecture`,
`get_training_transforms` (static), `_build_loss`, and here `loader_class`.
"""

from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import BrightnessAdditiveTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.pseudo2d import Convert2DTo3DTransform

from nodestage.core import devices
from nodestage.core.errors import TrainingError
from nodestage.core.run import TrainingSet
from nodestage.nnunet import imports
from nodestage.nnunet.rectified import join
from nodestage.nnunet.settings import TrainingSettings

nnunet: Any = imports.module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
datasets: Any = imports.module("nnunetv2.training.dataloading.nnunet_dataset")


DeepSupervisionWrapper = nnunet.DeepSupervisionWrapper


class CopyPatch(BasicTransform):
    """Copy a patch before it is changed: it may be a view into a volume kept in memory."""

    def apply(self, data_dict, **params):
        """The patch with copies of its image and labels."""
        data_dict["image"] = data_dict["image"].clone()
        data_dict["segmentation"] = data_dict["segmentation"].clone()
        return data_dict


class CachedDataset(datasets.nnUNetDatasetBlosc2):
    """nnU-Net's compressed cases, unpacked once for as long as they fit into `limit` bytes."""

    limit = 2 * 2**30

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._cases, self._bytes = {}, 0

    def load_case(self, identifier):
        """A patient from memory, else from disk as nnU-Net reads it."""
        if identifier in self._cases:
            return self._cases[identifier]
        data, seg, before, properties = super().load_case(identifier)
        size = int(np.prod(data.shape)) * 4 + int(np.prod(seg.shape)) * 2
        if self._bytes + size > self.limit:
            return data, seg, before, properties
        self._bytes += size
        self._cases[identifier] = data[:], seg[:], before, properties
        return self._cases[identifier]


class Loader(nnunet.nnUNetDataLoader):
    """nnU-Net's loader, whose foreground patches may hold their voxel anywhere.

    nnU-Net centers a foreground patch on a labelled voxel. In a small patch with a small target
    the position reveals the label: the network learns to mark the middle, and detects almost
    nothing in windows at other positions. With `foreground_anywhere` the box is moved so that
    the voxel lies anywhere within three quarters of the patch.
    """

    foreground_anywhere = False

    def get_bbox(self, data_shape, force_fg, class_locations, *args, **kwargs):
        """First and last voxel of a patch, as nnU-Net draws it but for `foreground_anywhere`."""
        voxels_of = [voxels for voxels in (class_locations or {}).values() if len(voxels)]
        if not (self.foreground_anywhere and force_fg and voxels_of):
            return super().get_bbox(data_shape, force_fg, class_locations, *args, **kwargs)
        # A class, then one of its voxels, as nnU-Net draws them.
        voxels = voxels_of[np.random.randint(len(voxels_of))]
        voxel = np.array(voxels[np.random.randint(len(voxels))][1:])
        farthest = np.array(self.final_patch_size) * 3 // 8
        size, shape = np.array(self.patch_size), np.array(data_shape)
        low = voxel - size // 2 + np.random.randint(-farthest, farthest + 1)
        # No farther beyond the image than a patch that is drawn at random.
        margin = np.maximum(self.need_to_pad, size - shape)
        low = np.clip(low, -(margin // 2), shape - size + margin - margin // 2)
        return low.tolist(), (low + size).tolist()


class Trainer(nnunet.nnUNetTrainer):
    """nnU-Net's trainer with `TrainingSettings`, which `configure` sets before the training starts.

    Without validation patients nothing is validated, and the last epoch is kept.
    """

    loader_class = Loader

    def __init__(self, plans, configuration, fold, dataset_json, device):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.settings = TrainingSettings()
        self.patients = TrainingSet([], [])

    def configure(self, settings: TrainingSettings, patients: TrainingSet) -> None:
        """Set settings and patients; settings that are None stay as in nnU-Net."""
        self.settings, self.patients = settings, patients
        if settings.epochs is not None:
            self.num_epochs = settings.epochs
        if settings.iterations_per_epoch is not None:
            self.num_iterations_per_epoch = settings.iterations_per_epoch
        if settings.validation_iterations is not None:
            self.num_val_iterations_per_epoch = settings.validation_iterations
        if settings.initial_lr is not None:
            self.initial_lr = settings.initial_lr
        if settings.weight_decay is not None:
            self.weight_decay = settings.weight_decay
        if settings.oversample_foreground is not None:
            self.oversample_foreground_percent = settings.oversample_foreground

    @staticmethod
    def build_network_architecture(
        plans_manager,  # nnU-Net recognises today's signature by these names
        configuration_manager,
        num_input_channels,
        num_output_channels,
        enable_deep_supervision=True,
    ):
        """nnU-Net's U-Net, its norms and nonlinearities joined."""
        unet = nnunet.nnUNetTrainer.build_network_architecture(
            plans_manager,
            configuration_manager,
            num_input_channels,
            num_output_channels,
            enable_deep_supervision,
        )
        return join(unet)

    # Data and optimizer

    def initialize(self):
        """Set the memory format, mixed precision and the cache of patients."""
        super().initialize()
        if self.device.type == "cpu":
            # The same sums in an order that is faster on a CPU: by a fifth of a step, measured.
            self.network.to(memory_format=torch.channels_last_3d)
            if self.settings.mixed_precision:
                _in_mixed_precision(self.network, self.device)
        # Training and validation have separate loaders, in as many processes each.
        loaders = 2 * max(1, self.settings.processes)
        limit = int(self.settings.cache_gib * 2**30 / loaders)
        self.dataset_class = type("CachedDataset", (CachedDataset,), {"limit": limit})

    def configure_optimizers(self):
        """SGD as nnU-Net has it, or AdamW, and the decay of the learning rate in each cycle."""
        optimizer, _ = super().configure_optimizers()
        momentum = self.settings.momentum
        if self.settings.optimizer == "adam":
            # Learns in a hundred steps, in which nnU-Net's SGD, made for 250,000, learns little.
            optimizer = torch.optim.AdamW(
                self.network.parameters(),
                self.initial_lr,
                betas=(momentum or 0.9, 0.99),
                weight_decay=self.weight_decay,
                fused=True,  # all parameters in one call: a tenth of a small network's step
            )
        elif momentum is not None:
            for group in optimizer.param_groups:
                group["momentum"] = momentum
        return optimizer, Cycles(optimizer, self.initial_lr, self.num_epochs)

    def do_split(self):
        """Training and validation patients; without the latter the training patients, unused."""
        return list(self.patients.train), list(self.patients.validation or self.patients.train)

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self):
        """As nnU-Net does, but for `mirror_axes`."""
        rotation, dummy_2d, initial, mirror = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        if self.settings.mirror_axes is not None:
            mirror = tuple(self.settings.mirror_axes)
            self.inference_allowed_mirroring_axes = mirror or None
        return rotation, dummy_2d, initial, mirror

    def get_dataloaders(self):
        """Generators of training and validation batches."""
        patch = self.configuration_manager.patch_size
        scales = self._get_deep_supervision_scales()
        rotation, dummy_2d, initial, mirror = (
            self.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        regions = self.label_manager.foreground_regions if self.label_manager.has_regions else None
        training = self.get_training_transforms(
            patch,
            rotation,
            scales,
            mirror,
            dummy_2d,
            use_mask_for_norm=self.configuration_manager.use_mask_for_norm,
            is_cascaded=False,
            foreground_labels=self.label_manager.foreground_labels,
            regions=regions,
            ignore_label=self.label_manager.ignore_label,
        )
        validation = self.get_validation_transforms(
            scales,
            is_cascaded=False,
            foreground_labels=self.label_manager.foreground_labels,
            regions=regions,
            ignore_label=self.label_manager.ignore_label,
        )
        if self.settings.augmentation == "light":
            without_filters(training)
        if self.settings.shift_hu:
            with_shift(training, self.settings.shift_hu / self._sd_hu())
        fixed_choice_of_algorithm(training)
        for transforms in (training, validation):
            copy_patches(transforms)
        for_training, for_validation = self.get_tr_and_val_datasets()
        return (
            self._generator(self.make_loader(for_training, initial, training, training=True)),
            self._generator(self.make_loader(for_validation, patch, validation, training=False)),
        )

    def _sd_hu(self):
        """HU of one unit of the normalised images; of the first phase, all are scaled alike by default."""
        constants = self.plans_manager.plans["foreground_intensity_properties_per_channel"]
        return constants["0"]["std"]

    def make_loader(self, dataset, initial_patch, transforms, training):
        """A loader over `dataset`; a subclass may choose another one."""
        loader = self.loader_class(
            dataset,
            self.batch_size,
            initial_patch,
            self.configuration_manager.patch_size,
            self.label_manager,
            oversample_foreground_percent=self.oversample_foreground_percent,
            sampling_probabilities=None,
            pad_sides=None,
            transforms=transforms,
            probabilistic_oversampling=self.probabilistic_oversampling,
        )
        loader.foreground_anywhere = self.settings.foreground_anywhere
        return loader

    def _generator(self, loader):
        workers = self.settings.processes
        if not workers:
            return nnunet.SingleThreadedAugmenter(loader, None)
        # Workers draw random numbers independently and deliver in any order: not reproducible.
        return nnunet.NonDetMultiThreadedAugmenter(
            data_loader=loader,
            transform=None,
            num_processes=workers,
            num_cached=max(6, workers // 2),
            seeds=None,
            pin_memory=self.device.type == "cuda",
            wait_time=0.002,
        )

    # Parts of nnU-Net's training that are replaced or left out

    def on_train_start(self):
        """Build network and loaders; nothing is copied or drawn."""
        if not self.was_initialized:
            self.initialize()
        self.dataloader_train, self.dataloader_val = self.get_dataloaders()
        self.set_deep_supervision_enabled(self.enable_deep_supervision)

    def on_train_epoch_end(self, train_outputs):
        """Stop at a loss that is not finite."""
        super().on_train_epoch_end(train_outputs)
        loss = self.logger.get_value("train_losses", step=-1)
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} in epoch {self.current_epoch + 1}. "
                f"Lower `initial_lr` (now {self.initial_lr}) for this network."
            )

    def on_validation_epoch_end(self, val_outputs):
        """Record the Dice; an undefined one leaves the average as it was."""
        super().on_validation_epoch_end(val_outputs)
        history = self.logger.get_checkpoint()
        if np.isnan(history["mean_fg_dice"][-1]):
            # Patches without any label or mark have no Dice. nnU-Net's moving average would be
            # undefined from here on, and the first epoch the best for ever: it stays as it was.
            before = [0.0, *history["ema_fg_dice"]][-2]
            history["mean_fg_dice"][-1] = history["ema_fg_dice"][-1] = before
            self.logger.load_checkpoint(history)

    def _do_i_compile(self):
        return self.settings.compile and super()._do_i_compile()

    def print_to_log_file(self, *args, also_print_to_console=True, add_timestamp=True):
        """Print to the job's log."""
        # The job's log takes what is printed; a second file with dates in it is not needed.
        if also_print_to_console and any(str(arg).strip() for arg in args):
            print(*args)

    def finish(self):
        """Stop worker processes, if there are any."""
        for loader in (self.dataloader_train, self.dataloader_val):
            if isinstance(loader, nnunet.NonDetMultiThreadedAugmenter):
                loader._finish()


class Cycles(nnunet.PolyLRScheduler):
    """nnU-Net's decay of the learning rate, which begins again with each cycle of epochs."""

    def step(self, current_step=None):
        """Set the rate of an epoch, counted over all cycles."""
        super().step(None if current_step is None else current_step % self.max_steps)


def _in_mixed_precision(network, device):
    """Have a network compute in mixed precision and give float32, from which the loss is taken."""
    forward = network.forward

    def mixed(x):
        with devices.autocast(device, mixed=True):
            logits = forward(x)
        several = isinstance(logits, list | tuple)
        return [one.float() for one in logits] if several else logits.float()

    network.forward = mixed


def copy_patches(transforms):
    """Put a `CopyPatch` before the transforms that change a patch in place.

    The spatial transform only reads its input, which is several times as large as its output.
    """
    reading = (SpatialTransform, Convert2DTo3DTransform)
    indices = [i for i, t in enumerate(transforms.transforms) if isinstance(t, reading)]
    transforms.transforms.insert(max(indices, default=-1) + 1, CopyPatch())


FILTERS = ("GaussianBlurTransform", "SimulateLowResolutionTransform", "GammaTransform")


def without_filters(transforms):
    """Take the slow image filters out of nnU-Net's augmentation (`augmentation: light`)."""
    transforms.transforms = [
        t for t in transforms.transforms if type(getattr(t, "transform", t)).__name__ not in FILTERS
    ]


def with_shift(transforms, sd):
    """Add an offset to every patch and channel, of this SD in units of the normalised image."""
    shift = BrightnessAdditiveTransform(0.0, sd, synchronize_channels=False, p_per_channel=1.0)
    first = [isinstance(t, SpatialTransform) for t in transforms.transforms].index(True)
    transforms.transforms.insert(first + 1, shift)


def fixed_choice_of_algorithm(transforms):
    """nnU-Net times two ways to blur and keeps the faster: not the same result every time."""
    for transform in transforms.transforms:
        inner = getattr(transform, "transform", transform)
        if hasattr(inner, "benchmark"):
            inner.benchmark = False
