"""nnU-Net's U-Net with the attention map in front of each segmentation head."""

import torch
from dynamic_network_architectures.building_blocks.simple_conv_blocks import ConvDropoutNormReLU
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import nn
from torch.nn import functional

from nodestage.lymph_nodes.variants import variant
from nodestage.nnunet import network
from nodestage.nnunet.rectified import join


class LymphNodeUNet(nn.Module):
    """A U-Net whose last input channel is the attention map, which the encoder does not read.

    The map is averaged down to the resolution of each decoder stage, multiplies that stage's
    feature, and the product goes through a 1 × 1 convolution block (convolution, norm,
    nonlinearity) and then through the head ("Attention based Lymph Node Segmentation",
    section III-A). What flows up to the next stage is the feature as it was.

    Parameters
    ----------
    unet : PlainConvUNet, built for the images alone
    blocks : bool, whether the blocks stand in front of the heads
    attention : bool, whether the map multiplies; without it the map counts as 1 everywhere

    With neither, this is the stock network, which ignores the last channel.
    """

    def __init__(self, unet, blocks, attention):
        super().__init__()
        if attention and not blocks:
            raise ValueError("the map needs the convolution blocks behind it")
        self.encoder = unet.encoder
        self.decoder = unet.decoder  # nnU-Net switches deep supervision on `network.decoder`
        self.attention = attention
        self.blocks = None
        if blocks:
            self.blocks = nn.ModuleList(
                _block(unet.encoder, head.in_channels) for head in unet.decoder.seg_layers
            )
            self.blocks.apply(InitWeights_He(1e-2))

    def forward(self, x):
        """Logits (batch, classes, z, y, x) of `x` (batch, images and the map, z, y, x).

        With deep supervision a list of them, finest first.
        """
        heads, features, attention = self.decoder.seg_layers, self.decoded(x)[1], x[:, -1:]
        logits = []
        for stage in reversed(range(len(heads))):
            if self.attention:
                # From stage to stage: at full size a voxel of the coarsest averages thousands, which
                # is slow on a GPU in one step.
                attention = _averaged(attention, features[stage].shape[2:])
            logits.append(heads[stage](self.before_head(stage, features[stage], attention)))
            if not self.decoder.deep_supervision:
                return logits[0]
        return logits

    def decoded(self, x):
        """The bottleneck and every decoder stage's feature, coarsest first."""
        skips = self.encoder(x[:, :-1])
        low, features = skips[-1], []
        for up, stage, skip in zip(
            self.decoder.transpconvs, self.decoder.stages, skips[-2::-1], strict=True
        ):
            low = stage(torch.cat((up(low), skip), 1))
            features.append(low)
        return skips[-1], features

    def before_head(self, stage, feature, attention):
        """What a stage's head sees, from that stage's feature and the map, no coarser than it."""
        if self.blocks is None:
            return feature
        if self.attention:
            feature = feature * _averaged(attention, feature.shape[2:]).to(feature.dtype)
        return self.blocks[stage](feature)

    def features(self, x):
        """The bottleneck and what the finest head sees: (batch, channels, z, y, x) each."""
        bottleneck, decoded = self.decoded(x)
        return bottleneck, self.before_head(len(decoded) - 1, decoded[-1], x[:, -1:])


def _averaged(attention, size):
    """The map averaged down to a stage's (z, y, x), itself where it has that size."""
    if attention.shape[2:] == size:
        return attention
    return functional.adaptive_avg_pool3d(attention, size)


def _block(encoder, channels):
    return ConvDropoutNormReLU(
        encoder.conv_op,
        channels,
        channels,
        kernel_size=1,
        stride=1,
        conv_bias=encoder.conv_bias,
        norm_op=encoder.norm_op,
        norm_op_kwargs=encoder.norm_op_kwargs,
        nonlin=encoder.nonlin,
        nonlin_kwargs=encoder.nonlin_kwargs,
    )


def build(plans, dataset_json, deep_supervision=False):
    """The network of the variant that the plans name (`variant`), with freshly drawn weights.

    `dataset_json` counts the map among its channels; the encoder is built without it.
    """
    images = dict(list(dataset_json["channel_names"].items())[:-1])
    unet = network.build(plans, {**dataset_json, "channel_names": images}, deep_supervision)
    kind = variant(plans["variant"])
    return join(LymphNodeUNet(unet, blocks=kind.blocks, attention=kind.attention))
