"""VGG-19 as a feature extractor (Simonyan and Zisserman, 2015)."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nst.errors import InputError
from nst.models.winograd import FrozenConvolution

# Convolutions of each block; a 2x2 max pooling stands between two blocks.
BLOCKS = {1: (64, 2), 2: (128, 2), 3: (256, 4), 4: (512, 4), 5: (512, 4)}
CONVOLUTIONS = [(b, i) for b, (_, count) in BLOCKS.items() for i in range(1, count + 1)]
LAYERS = [f"relu{b}_{i}" for b, i in CONVOLUTIONS]

# Positions of the sixteen convolutions in the two files of weights.
TORCHVISION_INDICES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
OXFORD_INDICES = (2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OXFORD_MEAN_BGR = (103.939, 116.779, 123.68)  # of levels 0..255


class VGGFeatures(nn.Module):
    """Turn an image in [0, 1] into its rectified feature maps; normalization is its own affair.

    Args:
        pooling: max, as it was trained, or average, smoother (Gatys et al. 2015).

    Built from a state dict in torchvision's layout or in that of the rescaled Oxford weights (see
    `weights.load_vgg19`); it may hold the front of the net only. Parameters are frozen; the
    gradient reaches the image.

    Raises:
        InputError: the state dict is of neither layout.
    """

    mean: Tensor
    std: Tensor
    pool: Any

    def __init__(self, state: dict[str, Tensor], pooling: str = "max"):
        super().__init__()
        self.pool = {"max": F.max_pool2d, "average": F.avg_pool2d}[pooling]
        if "features.0.weight" in state:
            prefix, indices = "features.", TORCHVISION_INDICES
            mean, std = IMAGENET_MEAN, IMAGENET_STD
        elif "0.weight" in state and state["0.weight"].shape[-1] == 1:
            # Layer 0 of that file turns RGB in [0, 1] into BGR levels less their mean; here the
            # levels are left to conv1_1, whose input planes are put into RGB order.
            prefix, indices = "", OXFORD_INDICES
            blue, green, red = (m / 255 for m in OXFORD_MEAN_BGR)
            mean, std = (red, green, blue), (1.0, 1.0, 1.0)
        else:
            raise InputError("these are not VGG-19 weights: give torchvision's or Oxford's file")
        self.convolutions = nn.ModuleDict()
        channels_in = 3
        for (block, i), index in zip(CONVOLUTIONS, indices, strict=True):
            channels = BLOCKS[block][0]
            if f"{prefix}{index}.weight" not in state:
                break  # the front of the net only
            convolution = FrozenConvolution(channels_in, channels)
            weight, bias = state[f"{prefix}{index}.weight"], state[f"{prefix}{index}.bias"]
            if not prefix and channels_in == 3:
                weight = weight.flip(1) * 255
            convolution.load_state_dict({"weight": weight, "bias": bias})
            self.convolutions[f"relu{block}_{i}"] = convolution
            channels_in = channels
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    @property
    def weight(self) -> Tensor:
        """The first convolution's weight: its device and dtype are those of the work."""
        return cast(nn.Conv2d, self.convolutions["relu1_1"]).weight

    def forward(
        self, image: Tensor, layers: tuple[str, ...], recompute: bool = False
    ) -> dict[str, Tensor]:
        """Return {layer: (N, C, h, w)} for `layers`, computed no deeper than the deepest of them.

        The image is taken in the dtype of the weights: move the module to bfloat16 for that.

        Args:
            recompute: keep only what lies between two blocks for the backward pass and compute the
                rest again there: a third more time, less than half the memory.

        Raises:
            InputError: the image is too small for the deepest layer, or a layer is unknown or
                beyond the weights at hand.
        """
        check_layers(layers)
        deepest = max(layers, key=LAYERS.index)
        if deepest not in self.convolutions:
            raise InputError(f"these VGG-19 weights end before {deepest}: give the whole file")
        minimum = 2 ** (int(deepest[4]) - 1)
        if min(image.shape[-2:]) < minimum:
            height, width = image.shape[-2:]
            raise InputError(
                f"a picture of {width}x{height} is too small for {deepest}: "
                f"both sides must be at least {minimum} pixels"
            )
        x = ((image - self.mean) / self.std).to(self.weight.dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        features: dict[str, Tensor] = {}
        for block in BLOCKS:
            names = [n for n in LAYERS[: LAYERS.index(deepest) + 1] if int(n[4]) == block]
            if not names:
                break
            if recompute:
                outputs = checkpoint(self._block, x, names, layers, use_reentrant=False)
            else:
                outputs = self._block(x, names, layers)
            features |= {n: y for n, y in outputs.items() if n in layers}
            x = outputs[names[-1]]
        return features

    def _block(self, x: Tensor, names: list[str], layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the maps of one block that are asked for, and its last."""
        outputs = {}
        for name in names:
            if name.endswith("_1") and name != "relu1_1":
                x = self.pool(x, 2)
            x = F.relu_(self.convolutions[name](x))
            if name in layers or name == names[-1]:
                outputs[name] = x
        return outputs


def check_layers(layers: tuple[str, ...]) -> None:
    """Refuse names that VGG-19 does not have.

    Raises:
        InputError: says which.
    """
    if unknown := set(layers) - set(LAYERS):
        raise InputError(f"VGG-19 has no layer {sorted(unknown)[0]!r}: use relu1_1 to relu5_4")


def stride_and_halo(layers: tuple[str, ...]) -> tuple[int, int]:
    """Return the deepest layer's stride and how far beyond its own cell a feature sees, in pixels.

    >>> stride_and_halo(("relu1_1", "relu5_1"))
    (16, 70)
    """
    stride, halo = 1, 0
    for name in LAYERS[: max(map(LAYERS.index, layers)) + 1]:
        if name.endswith("_1") and name != "relu1_1":
            stride *= 2
        halo += stride
    return stride, halo
