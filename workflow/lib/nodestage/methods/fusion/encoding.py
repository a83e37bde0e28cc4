"""Texture encoding layer: an orderless pooling of features (Section III-B, ref. 54)."""

import torch
from torch import nn
from torch.nn import functional


class TextureEncoding(nn.Module):
    """Residuals of a feature map to learned codewords, softly assigned and summed.

    A 1 x 1 convolution to `width` channels, batch norm and ReLU give descriptors x_i, one
    a position; with codewords c_k and scales s_k

        a_ik = softmax_k(s_k |x_i - c_k|^2)         e_k = sum_i w_i a_ik (x_i - c_k)

    and the output is (e_1, ..., e_K) divided by its length. s_k starts in (-1, 0), so that
    the nearest codeword weighs most. The w_i are 1, or the mask's share of position i
    (`mask_weighted`) where the mask is not empty.

    forward : feature (B, inputs, h, w), mask (B, 1, H, W) -> (B, codewords * width)
    """

    def __init__(self, inputs=512, width=64, codewords=8, mask_weighted=False):
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(inputs, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        bound = (width * codewords) ** -0.5
        self.codewords = nn.Parameter(torch.empty(codewords, width).uniform_(-bound, bound))
        self.scale = nn.Parameter(torch.empty(codewords).uniform_(-1, 0))
        self.mask_weighted = mask_weighted

    def forward(self, feature, mask):
        """Encode a feature map (B, C, y, x), as the class describes it."""
        x = self.reduce(feature)
        weight = x.new_ones(x.shape[0], x.shape[2] * x.shape[3])
        if self.mask_weighted:
            pooled = functional.adaptive_avg_pool2d(mask, x.shape[2:]).flatten(1)
            seen = pooled.sum(1, keepdim=True) > 0
            weight = torch.where(seen, pooled, weight)
        return functional.normalize(encode(x, self.codewords, self.scale, weight).flatten(1))


def encode(x, codewords, scale, weight):
    """Aggregated residuals e_k.

    Parameters
    ----------
    x : (B, D, h, w); codewords : (K, D); scale : (K,); weight : (B, h * w)

    Returns
    -------
    (B, K, D)
    """
    x = x.flatten(2).transpose(1, 2)  # (B, N, D)
    residual = x.unsqueeze(2) - codewords  # (B, N, K, D)
    assignment = functional.softmax(scale * residual.square().sum(-1), dim=-1)
    return torch.einsum("bn,bnk,bnkd->bkd", weight, assignment, residual)
