"""nnU-Net's trainer for lymph nodes: one class for all variants; the plans name the variant."""

from dataclasses import dataclass

import numpy as np

from nodestage.lymph_nodes.augmentation import spare_map
from nodestage.lymph_nodes.loss import TverskyLoss
from nodestage.lymph_nodes.network import build
from nodestage.lymph_nodes.sampling import InformativeLoader
from nodestage.lymph_nodes.variants import variant
from nodestage.nnunet.settings import TrainingSettings
from nodestage.nnunet.trainer import DeepSupervisionWrapper, Trainer


@dataclass(frozen=True)
class LymphNodeTraining(TrainingSettings):
    """Settings of a lymph-node network; `alpha` and `beta` are those of Eq. 3."""

    alpha: float = 0.5
    beta: float = 1.5


class LymphNodeTrainer(Trainer):
    """Stock nnU-Net, except for what the variant changes: architecture, loss, sampler.

    Every variant gets the map as its last channel and the same augmentation, which leaves the map's
    values alone. Its settings are a `LymphNodeTraining`.
    """

    @property
    def variant(self):
        """The Variant that the plans name."""
        return variant(self.plans_manager.plans["variant"])

    @staticmethod
    def build_network_architecture(
        plans_manager,
        configuration_manager,
        num_input_channels,
        num_output_channels,
        enable_deep_supervision=True,
    ):
        """U-Net of the variant, see `network.build`."""
        plans = plans_manager.plans
        channels = {str(i): "" for i in range(num_input_channels)}
        labels = dict.fromkeys(range(num_output_channels))
        dataset = {"channel_names": channels, "labels": labels}
        return build(plans, dataset, enable_deep_supervision)

    def _build_loss(self):
        loss = super()._build_loss()
        if self.variant.tversky:
            compound = loss.loss if isinstance(loss, DeepSupervisionWrapper) else loss
            compound.dc = TverskyLoss(
                self.settings.alpha, self.settings.beta, batch=self.configuration_manager.batch_dice
            )
        return loss

    def make_loader(self, dataset, initial_patch, transforms, training):
        """The variant's loader; intensity transforms leave the map alone."""
        if training:
            spare_map(transforms)
        if training and self.variant.informative:
            self.loader_class = InformativeLoader
        else:
            self.loader_class = type(self).loader_class
        return super().make_loader(dataset, initial_patch, transforms, training)

    def on_train_epoch_start(self):
        """Count the epoch's patches from 0."""
        super().on_train_epoch_start()
        self.draws = np.zeros(3, dtype=np.int64)

    def train_step(self, batch):
        """nnU-Net's step; also count the patches."""
        self.draws += batch.get("draws", 0)
        return super().train_step(batch)

    def on_train_epoch_end(self, train_outputs):
        """Report how many patches held no attention."""
        super().on_train_epoch_end(train_outputs)
        drawn, empty_first, empty = self.draws
        if drawn:
            self.print_to_log_file(
                f"patches without attention: {empty_first / drawn:.1%} as nnU-Net draws them, "
                f"{empty / drawn:.1%} as trained on"
            )
