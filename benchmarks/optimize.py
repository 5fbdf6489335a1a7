"""How long an optimized picture takes to a given loss, beside the two textbook ways.

    python -m benchmarks.optimize --content a.jpg b.jpg c.jpg --style x.jpg y.jpg z.jpg

The loss to reach is that of L-BFGS as the tutorials write it (PyTorch's own, eager, float32, one
scale, from the photo or, as Gatys et al. 2016, from noise; VGG-19 as a plain chain of layers, its
losses left to autograd) after `--steps` steps. All losses are measured by the same float32 code on
the clamped picture, while the clock stands still.

With `--equal-content` ours is run to its end instead, with the content weighted more and more,
until it is as near to the photo as the textbook's picture; where it was farther at first, its
style's distance at just that nearness is interpolated.
"""

import argparse
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst.core.device import choose_device, choose_dtype, keep_memory
from nst.core.tensors import fit, resize
from nst.losses.metrics import content_distance
from nst.media.images import load_image
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.optimize.coarse_to_fine import (
    Sources,
    build_objective,
    noise_like,
    optimize_image,
)
from nst.optimize.memory import plan_memory
from nst.optimize.style_targets import style_target
from nst.options.optimize import OptimizeOptions

# Of the textbook's steps, those at which the loss is measured.
LOOKS = 30
# Of ours, with --equal-content.
CONTENT_WEIGHTS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)


class Textbook(nn.Module):
    """The loss that `Objective` has, written as the tutorials do."""

    def __init__(self, vgg: VGGFeatures, content: Tensor, style: Tensor, options: OptimizeOptions):
        super().__init__()
        self.convolutions = deepcopy(vgg.convolutions).to(memory_format=torch.contiguous_format)
        self.mean, self.std, self.options = vgg.mean, vgg.std, options
        with torch.no_grad():
            self.content = self.features(content)[options.content_layers[0]]
            features = self.features(style)
            self.style = {layer: self.gram(features[layer]) for layer in options.style_layers}

    def features(self, image: Tensor) -> dict[str, Tensor]:
        x, found = (image - self.mean) / self.std, {}
        for name, convolution in self.convolutions.items():
            x = F.max_pool2d(x, 2) if name.endswith("_1") and name != "relu1_1" else x
            maps = F.conv2d(x, convolution.weight, convolution.bias, padding=1)
            x = found[name] = F.relu(maps)
            if name == "relu5_1":
                return found

    @staticmethod
    def gram(features: Tensor) -> Tensor:
        flat = features[0].flatten(1)
        return flat @ flat.T / flat.shape[1]

    def forward(self, image: Tensor) -> Tensor:
        """Return the weighted sum of content, style and total variation."""
        options, features = self.options, self.features(image)
        style = [relative(self.gram(features[name]), gram) for name, gram in self.style.items()]
        content = relative(features[options.content_layers[0]], self.content)
        variation = (image.diff(dim=2) ** 2).mean() + (image.diff(dim=3) ** 2).mean()
        return (
            options.content_weight * content
            + options.style_weight * sum(style) / len(style)
            + options.tv_weight * variation
        )


def relative(values: Tensor, target: Tensor) -> Tensor:
    """Return the squared error over the target's energy."""
    return ((values - target) ** 2).sum() / (target**2).sum()


def textbook(loss: Textbook, image: Tensor, optimizer: type) -> Iterator[Tensor]:
    """Go down by an optimizer of PyTorch's, with the settings of the tutorials."""
    image = image.clone(memory_format=torch.contiguous_format).requires_grad_()
    if optimizer is torch.optim.LBFGS:
        way = optimizer([image], max_iter=1, history_size=100, tolerance_grad=0, tolerance_change=0)
    else:
        way = optimizer([image], lr=0.02)

    def closure() -> Tensor:
        image.grad = None
        value = loss(image)
        value.backward()
        return value

    while True:
        way.step(closure)
        yield image.detach()


def ours(sources: Sources, vgg: VGGFeatures, options: OptimizeOptions) -> Iterator[Tensor]:
    """Give our picture after each step, at whatever size it has then; it does not end."""
    image = sources.content
    while True:
        for progress in optimize_image(sources, vgg, options, image):
            image = progress.step.image
            yield image
        options = replace(options, scales=1)  # from there on


def timed(way: Iterator[Tensor], steps: int, every: int, measure, goal: float | None = None):
    """Return the last picture, its loss and the seconds; with a goal, end where it is reached."""
    seconds = 0.0
    for step in range(steps):
        begin = time.perf_counter()
        image = next(way)
        seconds += time.perf_counter() - begin
        if (step + 1) % every == 0 or step + 1 == steps:
            loss = measure(image)
            if goal is not None and loss <= goal:
                break
    return image, loss, seconds


class Pair:
    """A photo and a style, and what measures results of theirs."""

    def __init__(self, content: Path, style: Path, args: argparse.Namespace, state: dict):
        self.name = f"{content.stem} in the style of {style.stem}"
        self.args, self.vgg = args, VGGFeatures(state).to(args.device)
        photo, picture = load_image(content), load_image(style)
        size = fit(tuple(photo.shape[-2:]), args.size)
        self.content, self.style = resize(photo, size).to(args.device), picture.to(args.device)
        self.options = OptimizeOptions(
            loss="gram", style_weight=4, tv_weight=10, steps=args.our_steps
        )
        plan = plan_memory(size, self.options, args.device, torch.float32)
        target = style_target(self.vgg, [self.style], max(size), self.options)
        self.judge = build_objective(self.vgg, self.content, target, self.options, plan)
        self.goal = self.base = self.nearness = float("nan")

    def measure(self, image: Tensor) -> float:
        """Return the loss of a picture; a coarse scale is no result yet."""
        if image.shape != self.content.shape:
            return float("inf")
        return sum(self.judge(image.clamp(0, 1))[0].values())

    def run_textbook(self) -> None:
        """Print the textbook's rows; the first sets the goal."""
        size = fit(self.style.shape[-2:], max(self.content.shape))
        loss = Textbook(self.vgg, self.content, resize(self.style, size), self.options)
        gap = abs(float(loss(self.content)) / self.measure(self.content) - 1)
        assert gap < 1e-3, f"the textbook's loss is another: {gap:.1e}"
        steps = self.args.steps
        start = noise_like(self.content, 0) if self.args.textbook_from == "noise" else self.content
        way = textbook(loss, start, torch.optim.LBFGS)
        image, self.goal, self.base = timed(way, steps, steps, self.measure)
        self.nearness, _ = self.row("textbook L-BFGS", image, self.goal, self.base)
        if self.args.equal_content:
            return
        way = textbook(loss, start, torch.optim.Adam)
        found = timed(way, steps, max(3, steps // LOOKS), self.measure, self.goal)
        self.row("textbook Adam", *found)

    def run_ours(self, vgg: VGGFeatures, dtype: torch.dtype) -> None:
        """Print our row."""
        way = ours(Sources(self.content, [self.style]), vgg, self.options)
        steps = self.args.steps
        found = timed(way, 2 * steps, max(1, steps // LOOKS // 3), self.measure, self.goal)
        self.row(f"ours {str(dtype).removeprefix('torch.')}", *found)

    def run_equal_content(self, vgg: VGGFeatures) -> None:
        """Print rows of ours, up to the first that is as near to the photo as the textbook's."""
        sources, before = Sources(self.content, [self.style]), None
        for weight in CONTENT_WEIGHTS:
            options = replace(self.options, content_weight=weight)
            begin = time.perf_counter()
            *_, last = optimize_image(sources, vgg, options, self.content)
            image, seconds = last.step.image, time.perf_counter() - begin
            name = f"ours, content {weight}"
            content, style = self.row(name, image, self.measure(image), seconds)
            if content <= self.nearness:
                break
            before = content, style
        else:
            print(f"{self.name:42}ours is farther from the photo at every weight")
            return
        if before:
            share = (before[0] - self.nearness) / (before[0] - content)
            style = before[1] + share * (style - before[1])
            print(f"{self.name:42}{'ours, between':42}{style:9.4f}{self.nearness:9.4f}")

    def row(self, name: str, image: Tensor, loss: float, seconds: float) -> tuple[float, float]:
        """Print a row and return the distances of content and style."""
        terms, _ = self.judge(image.clamp(0, 1))
        layers = self.options.content_layers
        with torch.no_grad():
            content = content_distance(self.vgg(image, layers), self.vgg(self.content, layers))
        style = terms["style"] / self.options.style_weight
        print(
            f"{self.name:42}{name:18}{seconds:7.1f}{self.base / seconds:8.2f}{loss:9.4f}"
            f"{style:9.4f}{content:9.4f}",
            flush=True,
        )
        return content, style


def main() -> None:
    """Print the table; a loss above the textbook's has not reached it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--content", type=Path, nargs="+", required=True)
    parser.add_argument("--style", type=Path, nargs="+", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=300, help="of the textbook's L-BFGS")
    parser.add_argument("--textbook-from", choices=("content", "noise"), default="content")
    parser.add_argument("--our-steps", type=int, default=100, help="of each of our scales")
    parser.add_argument("--equal-content", action="store_true", help="compare styles, not times")
    parser.add_argument("--bfloat16", action="store_true", help="measure it where it does not pay")
    parser.add_argument("--device", type=choose_device, default="auto")
    args = parser.parse_args()
    state = load_vgg19()
    pairs = [Pair(c, s, args, state) for c, s in zip(args.content, args.style, strict=True)]
    print(f"{args.size} pixels, threads {torch.get_num_threads()}, PyTorch {torch.__version__}")
    print(f"{'':60}{'s':>7}{'ratio':>8}{'loss':>9}{'style':>9}{'content':>9}")
    for pair in pairs:
        pair.run_textbook()
    keep_memory()  # as our command does; a tutorial does not
    quick = torch.bfloat16 if args.bfloat16 else choose_dtype("auto", args.device)
    if args.equal_content:
        vgg = VGGFeatures(state).to(args.device, quick)
        for pair in pairs:
            pair.run_equal_content(vgg)
        return
    for dtype in dict.fromkeys((torch.float32, quick)):
        vgg = VGGFeatures(state).to(args.device, dtype)
        for pair in pairs:
            pair.run_ours(vgg, dtype)


if __name__ == "__main__":
    main()
