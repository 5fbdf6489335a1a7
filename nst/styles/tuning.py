"""A picture's code, tuned on what is to be painted: the step between prediction and training.

The net stays as it is; only the code moves, by the losses it was trained with. What an encoder
predicts for a picture it has never seen is a good place to begin, not to end. The front of VGG-19,
to relu3_1, tells enough of a style for that and comes with the package.

Without an encoder a picture is learned as a style of its own, code and kernels, from the mean of
the styles that the net has: longer, and much nearer to the picture.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from nst.core.device import choose_dtype
from nst.core.progress import OnProgress, Progress, tracked
from nst.core.tensors import fit_within, resize, size_of
from nst.losses.perceptual import (
    content_loss,
    feature_moments,
    gram_matrix,
    moment_errors,
    style_loss,
    total_variation,
)
from nst.models.checkpoint import Checkpoint
from nst.models.small_vgg import SmallVGGFeatures
from nst.models.transformer_net import TransformerNet
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19_front
from nst.motion.grain import grain
from nst.options.shared import STYLE_LAYERS as DEEP_LAYERS
from nst.styles.codes import Tune, scale_at

# Maximum of the contents' longer side while the code is tuned, and minimum of their shorter side.
LONG_SIDE, MIN_SIDE = 192, 32
CONTENT_LAYERS = ("relu3_1",)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1")
STYLE_WEIGHT, TV_WEIGHT, RATE = 10.0, 0.5, 0.1
# Steps by default: of tuning what an encoder predicts, and of learning a picture.
TUNING_STEPS, LEARNING_STEPS = 20, 100
# Of learning: pixels of the square patches, and the rates of the code and of its kernels.
PATCH, CODE_RATE, KERNEL_RATE = 224, 2e-2, 3e-3
LEARNED_CONTENT, LEARNED_STYLE = ("relu4_1",), (*DEEP_LAYERS, "relu5_1")


def tuner_of(
    checkpoint: Checkpoint,
    net: TransformerNet,
    contents: Callable[[], list[Tensor]],
    steps: int | None = None,
    precision: str = "auto",
    style_scale: float = 1.0,
    count: int = 1,
    on_progress: OnProgress | None = None,
) -> Tune | None:
    """Return what improves the code that a checkpoint has for a picture; None without steps.

    Args:
        net: the checkpoint's, in float32, where the code is to be tuned.
        steps: None takes what the checkpoint needs.
        style_scale: of strokes that are learned; those that are predicted have theirs already.
        count: of the pictures that there are; the progress is that of all of them.
    """
    if steps is None:
        steps = TUNING_STEPS if checkpoint.encoder else LEARNING_STEPS
    if not steps:
        return None
    total, finished = steps * count, 0

    def report(progress: Progress) -> None:
        nonlocal finished
        if on_progress:
            done = finished % total + progress.done
            on_progress(replace(progress, done=done, total=total))
        finished += steps * (progress.done == steps)

    if checkpoint.encoder:
        return code_tuner(net, contents, steps, precision, report)
    return style_learner(checkpoint, net, contents, steps, style_scale, report)


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


def style_learner(
    checkpoint: Checkpoint,
    net: TransformerNet,
    contents: Callable[[], list[Tensor]],
    steps: int,
    style_scale: float = 1.0,
    on_progress: OnProgress | None = None,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what learns a style picture (1, 3, H, W) from a code (1, D + W) to begin with.

    By the losses of training, on patches of what is to be painted; a picture is learned once.

    Args:
        checkpoint: knows the style scales and the grain.
        net: in float32; the style is learned on its device.
        contents: gives images in the size in which they will be painted; patches are taken of all.
    """
    device = net.output.weight.device
    learned: dict[bytes, Tensor] = {}

    @cache
    def prepared() -> tuple[SmallVGGFeatures, list[Tensor]]:
        return SmallVGGFeatures().to(device), [content.to(device) for content in contents()]

    def learn(picture: Tensor, code: Tensor) -> Tensor:
        vgg, images = prepared()
        generator = torch.Generator().manual_seed(0)
        scale = scale_at(checkpoint.scales, style_scale, size_of(images[0]))
        height, width = size_of(picture)
        size = round(height * scale), round(width * scale)
        with torch.no_grad():
            features = vgg(resize(picture, size).to(device), LEARNED_STYLE)
            targets = {layer: feature_moments(x) for layer, x in features.items()}
        # The last convolution stays: learned in so few steps, it would draw a grid of pixels.
        last = net.output.weight.numel() + net.output.bias.numel()
        lengths = [net.code_length, net.kernels_length - last, last]
        affine, kernels, kept = code.detach().to(device, copy=True).split(lengths, 1)
        affine, kernels = affine.clone().requires_grad_(), kernels.clone().requires_grad_()
        groups = [{"params": [affine], "lr": CODE_RATE}, {"params": [kernels], "lr": KERNEL_RATE}]
        optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
        slower = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: (1 - k / steps) ** 0.5)
        for step in tracked(range(steps), "learning the style", steps, "step", on_progress):
            patch = _patch(images[step % len(images)], generator)
            noise = grain(size_of(patch), step).to(device)
            noisy = (patch + checkpoint.grain * noise).clamp(0, 1)
            with torch.no_grad():
                target = vgg(patch, LEARNED_CONTENT)
            stylized = net(noisy, torch.cat([affine, kernels, kept], 1), affine.new_ones(1, 1))
            features = vgg(stylized, (*LEARNED_CONTENT, *LEARNED_STYLE))
            mean, covariance = moment_errors(features, targets)
            loss = content_loss(features, target) + STYLE_WEIGHT * (mean + covariance)
            loss = (loss + TV_WEIGHT * total_variation(stylized)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            slower.step()
        return torch.cat([affine, kernels, kept], 1).detach().to(code.device)

    def once(picture: Tensor, code: Tensor) -> Tensor:
        shown = hashlib.sha256(picture.numpy().tobytes()).digest()
        if shown not in learned:
            learned[shown] = learn(picture, code)
        return learned[shown]

    return once


def _patch(image: Tensor, generator: torch.Generator) -> Tensor:
    """Return a square of an image (1, 3, H, W) at a random place, or all of a smaller side."""
    place = []
    for side in size_of(image):
        taken = min(PATCH, side)
        first = int(torch.randint(side - taken + 1, (), generator=generator))
        place.append(slice(first, first + taken))
    return image[..., place[0], place[1]]
