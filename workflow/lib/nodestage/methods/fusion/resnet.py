"""ResNet-18 with torchvision's key names, and the mask branch of Section III-B.

torchvision itself is not imported: beside a CPU build of torch its public wheel fails.
"""

from typing import Any

from torch import nn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, in two or three dimensions."""

    def __init__(self, inputs, outputs, stride, conv, norm):
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = norm(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = norm(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                conv(inputs, outputs, 1, stride=stride, bias=False), norm(outputs)
            )

    def forward(self, x):
        """Two convolutions and the shortcut."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class MaskBranch(nn.Module):
    """Maps a mask to a feature of conv1's shape, by which conv1's output is multiplied.

    With weights 0 and biases 1 it gives 1 everywhere: exactly the identity at the start,
    so that pretrained weights keep their meaning.
    """

    def __init__(self, channels, stride, conv):
        super().__init__()
        self.conv = conv(1, channels, 3, stride=stride, padding=1)
        self.relu = nn.ReLU()
        nn.init.zeros_(self.conv.weight)
        nn.init.ones_(self.conv.bias)

    def forward(self, mask):
        """Weights of conv1's output, from the mask."""
        return self.relu(self.conv(mask))


class ResNet18(nn.Module):
    """The trunk up to layer4, in 2D (torchvision) or 3D (the Kinetics/MiT 3D-ResNet-18).

    Parameters
    ----------
    dimensions : 2 or 3
    width : channels of conv1; layer1 to layer4 have 1, 2, 4 and 8 times as many. 64 is the published ResNet-18

    forward : image (B, 3, ...), mask (B, 1, ...) -> layer4's feature (B, 8 * width, ...)
    """

    def __init__(self, dimensions: int = 2, width: int = 64):
        super().__init__()
        parts: dict[int, tuple[Any, Any, Any]] = {
            2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d),
            3: (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d),
        }
        conv, norm, pool = parts[dimensions]
        # The published 3D network keeps every slice in conv1 (conv1_t_stride 1).
        stride = 2 if dimensions == 2 else (1, 2, 2)
        self.conv1 = conv(3, width, 7, stride=stride, padding=3, bias=False)
        self.bn1 = norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = pool(3, stride=2, padding=1)
        widths = (width, width, 2 * width, 4 * width, 8 * width)
        for number in range(1, 5):
            inputs, outputs = widths[number - 1 : number + 1]
            first = BasicBlock(inputs, outputs, 1 if number == 1 else 2, conv, norm)
            second = BasicBlock(outputs, outputs, 1, conv, norm)
            setattr(self, f"layer{number}", nn.Sequential(first, second))
        for module in self.modules():
            if isinstance(module, conv):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Made last, so that the initialisation above leaves its zeros and ones alone.
        self.mask_branch = MaskBranch(width, stride, conv)

    def forward(self, image, mask):
        """The feature map of layer4."""
        x = self.conv1(image) * self.mask_branch(mask)
        x = self.maxpool(self.relu(self.bn1(x)))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return x
