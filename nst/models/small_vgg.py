"""A network that imitates VGG-19's features to relu5_1 with a sixteenth of the arithmetic.

Wang et al., "Collaborative Distillation for Ultra-Resolution Universal Style Transfer", 2020: each
layer has a quarter of VGG-19's channels, whose moments say nearly as much about a style. Losses on
these features train a network seven times faster than on VGG-19's on a processor, and need no
download: the weights (MIT license, Copyright (c) 2020 Huan Wang) come with the package. Figures
are always measured with VGG-19 itself.
"""

from importlib import resources

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from nst.errors import InputError

# Channels and number of the convolutions of each block; a 2x2 max pooling stands between two.
BLOCKS = {1: (16, 2), 2: (32, 2), 3: (64, 4), 4: (128, 4), 5: (128, 1)}
LAYERS = [f"relu{b}_{i}" for b, (_, count) in BLOCKS.items() for i in range(1, count + 1)]


class SmallVGGFeatures(nn.Module):
    """Turn an image in [0, 1] into rectified feature maps, named as VGG-19's, called alike.

    Parameters are frozen; the gradient reaches the image.
    """

    def __init__(self) -> None:
        super().__init__()
        self.normalize = nn.Conv2d(3, 3, 1)  # to BGR levels less their mean
        self.convolutions = nn.ModuleDict()
        channels_in = 3
        for name in LAYERS:
            channels = BLOCKS[int(name[4])][0]
            self.convolutions[name] = nn.Conv2d(channels_in, channels, 3)
            channels_in = channels
        file = resources.files("nst") / "models" / "pretrained" / "small_vgg19.safetensors"
        self.load_state_dict({k: v.float() for k, v in load(file.read_bytes()).items()})
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Return {layer: (N, C, h, w)} for `layers`, computed no deeper than the deepest of them.

        The image is taken in the dtype of the weights.

        Raises:
            InputError: a layer that this network does not have, or an image below 32 pixels.
        """
        check_small_layers(layers)
        if min(image.shape[-2:]) < 2 ** (len(BLOCKS) - 1):
            raise InputError("a picture below 16 pixels a side is too small for the loss network")
        x = image.to(self.normalize.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = self.normalize(x)
        features = {}
        for name in LAYERS[: max(map(LAYERS.index, layers)) + 1]:
            if name.endswith("_1") and name != "relu1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu_(self.convolutions[name](F.pad(x, (1, 1, 1, 1), mode="replicate")))
            if name in layers:
                features[name] = x
        return features


def check_small_layers(layers: tuple[str, ...]) -> None:
    """Refuse names of layers that the small network does not have.

    Raises:
        InputError: says which.
    """
    if unknown := set(layers) - set(LAYERS):
        raise InputError(
            f"the small loss network has no layer {sorted(unknown)[0]!r}: "
            "use relu1_1 to relu5_1, or --loss-net vgg19"
        )
