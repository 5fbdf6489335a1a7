"""The net as a textbook writes it: what `nst.models.transformer_net` is compared with.

Eager PyTorch, NCHW, `InstanceNorm2d`, doubling by repetition and a large convolution at the end. It
takes the very weights of a checkpoint and one style's code, and gives the same picture.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst.models.transformer_net import TransformerNet


class PlainNet(nn.Module):
    """A checkpoint's net with one style's code poured into its norms and its convolutions."""

    def __init__(self, net: TransformerNet, code: Tensor):
        super().__init__()
        net, affine = net.with_kernels(code[None])
        code = affine[0]
        convolutions = [*net.encoder, *net.residual, *net.decoder, net.output]
        self.convolutions = nn.ModuleList()
        for convolution in convolutions:
            copy = nn.Conv2d(
                convolution.in_channels,
                convolution.out_channels,
                convolution.kernel_size,
                convolution.stride,
                padding=convolution.kernel_size[0] // 2,
                padding_mode="reflect",
                bias=convolution.bias is not None,
            )
            copy.load_state_dict(
                {k: v.contiguous().float() for k, v in convolution.state_dict().items()}
            )
            self.convolutions.append(copy)
        self.unshuffle = net.unshuffle
        half = len(code) // 2
        channels = net.norm_channels
        scales, shifts = code[:half].split(channels), code[half:].split(channels)
        self.norms = nn.ModuleList()
        for count, scale, shift in zip(channels, scales, shifts, strict=True):
            norm = nn.InstanceNorm2d(count, affine=True)
            norm.load_state_dict({"weight": scale, "bias": shift})
            self.norms.append(norm)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Stylize an image whose sides are multiples of the net's `stride`."""
        convolve, norm = iter(self.convolutions), iter(self.norms)
        x = F.pixel_unshuffle(image * 2 - 1, self.unshuffle)
        x = first = F.relu(next(norm)(next(convolve)(x)))
        for _ in range(2):
            x = F.relu(next(norm)(next(convolve)(x)))
        for _ in range((len(self.convolutions) - 6) // 2):
            y = F.relu(next(norm)(next(convolve)(x)))
            x = x + next(norm)(next(convolve)(y))
        for _ in range(2):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = F.relu(next(norm)(next(convolve)(x)))
        x = x + first if self.unshuffle > 1 else x
        return torch.sigmoid(F.pixel_shuffle(next(convolve)(x), self.unshuffle))
