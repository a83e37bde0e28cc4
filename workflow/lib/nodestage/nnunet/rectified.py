"""Instance norm and leaky ReLU in one, so that autograd copies nothing in the backward pass.

torch's instance norm returns a view of its result. nnU-Net's leaky ReLU works in place on that
view, for which autograd copies whole features several times in the backward pass: nearly half of
all that a training step reads and writes. Here the ReLU comes before the view. Values, gradients
and memory are the same (where torch computes in channels-last order, up to rounding).
"""

from dynamic_network_architectures.building_blocks.simple_conv_blocks import ConvDropoutNormReLU
from torch import nn
from torch.nn import functional


class RectifiedInstanceNorm(nn.InstanceNorm3d):
    """`norm`, an affine InstanceNorm3d, and a leaky ReLU of `slope` on its output."""

    def __init__(self, norm, slope):
        super().__init__(norm.num_features, eps=norm.eps, affine=True)
        self.weight, self.bias, self.slope = norm.weight, norm.bias, slope

    def forward(self, x):
        """Normalise (batch, channels, z, y, x) and apply the nonlinearity."""
        # As torch computes it: a batch norm over one patch that holds the channels of all.
        batch, channels, *size = x.shape
        normalised = functional.batch_norm(
            x.contiguous().view(1, batch * channels, *size),
            None,
            None,
            self.weight.repeat(batch),
            self.bias.repeat(batch),
            training=True,
            eps=self.eps,
        )
        return functional.leaky_relu_(normalised, self.slope).view(x.shape)


def join(net):
    """Join norm and nonlinearity in every block of nnU-Net's; weights keep their names."""
    for block in net.modules():
        if not isinstance(block, ConvDropoutNormReLU) or len(block.all_modules) < 3:
            continue
        norm, nonlin = block.all_modules[-2:]
        if type(norm) is nn.InstanceNorm3d and type(nonlin) is nn.LeakyReLU and norm.affine:
            block.norm = block.all_modules[-2] = RectifiedInstanceNorm(norm, nonlin.negative_slope)
            block.nonlin = block.all_modules[-1] = nn.Identity()
    return net
