"""A picture's code, tuned on what is to be painted: the step between prediction and training.

The net stays as it is; only the code moves, by the losses it was trained with.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from tqdm import tqdm

from nst.losses import content_loss, gram_matrix, style_loss, total_variation
from nst.tensors import fit, resize
from nst.transformer_net import TransformerNet
from nst.vgg import VGGFeatures

LONG_SIDE = 256  # of the contents while the code is tuned
CONTENT_LAYERS = ("relu3_1",)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
STYLE_WEIGHT, TV_WEIGHT, RATE = 10.0, 0.5, 0.02


def code_tuner(
    net: TransformerNet, vgg: VGGFeatures, contents: list[Tensor], steps: int, quiet: bool
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what turns a style picture (1, 3, H, W) and its code (1, D) into a better code.

    Args:
        contents: images to paint, taken in turn; small copies are enough.
    """
    contents = [resize(c, fit(tuple(c.shape[-2:]), min(LONG_SIDE, max(c.shape)))) for c in contents]
    with torch.no_grad():
        targets = [vgg(content, CONTENT_LAYERS) for content in contents]

    def tune(picture: Tensor, code: Tensor) -> Tensor:
        with torch.no_grad():
            grams = {layer: gram_matrix(x) for layer, x in vgg(picture, STYLE_LAYERS).items()}
        code = code.detach().clone().requires_grad_()
        optimizer = torch.optim.Adam([code], RATE)
        for step in tqdm(range(steps), "tuning the style", unit="step", disable=quiet):
            content, target = (x[step % len(x)] for x in (contents, targets))
            stylized = net(content, code, code.new_ones(1, 1))
            features = vgg(stylized, (*CONTENT_LAYERS, *STYLE_LAYERS))
            loss = content_loss(features, target) + STYLE_WEIGHT * style_loss(features, grams)
            loss = (loss + TV_WEIGHT * total_variation(stylized)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return code.detach()

    return tune
