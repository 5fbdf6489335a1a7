"""A picture's code, tuned on what is to be painted: the step between prediction and training.

The net stays as it is; only the code moves, by the losses it was trained with. What an encoder
predicts for a picture it has never seen is a good place to begin, not to end. The front of VGG-19,
to relu3_1, tells enough of a style for that and comes with the package.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from nst.core.device import choose_dtype
from nst.core.progress import OnProgress, tracked
from nst.core.tensors import fit_within, resize, size_of
from nst.losses.perceptual import content_loss, gram_matrix, style_loss, total_variation
from nst.models.transformer_net import TransformerNet
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19_front

# Maximum of the contents' longer side while the code is tuned, and minimum of their shorter side.
LONG_SIDE, MIN_SIDE = 192, 32
CONTENT_LAYERS = ("relu3_1",)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1")
STYLE_WEIGHT, TV_WEIGHT, RATE = 10.0, 0.5, 0.1


def code_tuner(
    net: TransformerNet,
    contents: Callable[[], list[Tensor]],
    steps: int,
    precision: str = "auto",
    on_progress: OnProgress | None = None,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what turns a style picture (1, 3, H, W) and its code (1, D) into a better code.

    Args:
        net: in float32; the code is tuned on its device.
        contents: gives images to paint, when the first picture is tuned; they are taken in turn.
        precision: of VGG-19's pass, see `choose_dtype`.
    """
    device = net.output.weight.device

    @cache
    def prepared() -> tuple[VGGFeatures, list[Tensor], list[dict[str, Tensor]]]:
        wanted = "auto" if precision == "float16" else precision  # too small for gradients
        dtype = choose_dtype(wanted, device, gradients=True)
        vgg = VGGFeatures(load_vgg19_front()).to(device, dtype)
        small = [_small(content).to(device) for content in contents()]
        with torch.no_grad():
            return vgg, small, [vgg(content, CONTENT_LAYERS) for content in small]

    def tune(picture: Tensor, code: Tensor) -> Tensor:
        if not steps:
            return code
        vgg, images, targets = prepared()
        home = code.device
        with torch.no_grad():
            features = vgg(picture.to(device), STYLE_LAYERS)
            grams = {layer: gram_matrix(x) for layer, x in features.items()}
        code = code.detach().to(device, copy=True).requires_grad_()
        optimizer = torch.optim.Adam([code], RATE, betas=(0.9, 0.99))
        slower = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: (1 - k / steps) ** 0.5)
        for step in tracked(range(steps), "tuning the style", steps, "step", on_progress):
            content, target = images[step % len(images)], targets[step % len(targets)]
            stylized = net(content, code, code.new_ones(1, 1))
            features = vgg(stylized, STYLE_LAYERS)
            loss = content_loss(features, target) + STYLE_WEIGHT * style_loss(features, grams)
            loss = (loss + TV_WEIGHT * total_variation(stylized)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            slower.step()
        return code.detach().to(home)

    return tune


def _small(content: Tensor) -> Tensor:
    size = size_of(content)
    long_side = max(LONG_SIDE, round(MIN_SIDE * max(size) / min(size)))
    return resize(content, fit_within(size, long_side))
