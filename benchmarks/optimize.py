"""How long an optimised picture takes to a given loss, beside the two textbook ways.

    python -m benchmarks.optimize --content a.jpg b.jpg c.jpg --style x.jpg y.jpg z.jpg

The loss to reach is that of L-BFGS as the tutorials write it (PyTorch's own, eager, float32, one
scale, from the photo) after `--steps` steps. All losses are measured by the same float32 code on
the clamped picture, while the clock stands still.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nst.device import choose_device, choose_dtype
from nst.image_io import load_image
from nst.memory_plan import plan_memory
from nst.metrics import content_distance
from nst.objective import Objective
from nst.optimization import Sources, build_objective, optimize_image, style_target
from nst.optimize_options import OptimizeOptions
from nst.tensors import fit, resize
from nst.vgg import VGGFeatures
from nst.weights import load_vgg19

# Of the textbook's steps, those at which the loss is measured.
LOOKS = 30


def textbook(objective: Objective, image: Tensor, optimizer: type) -> Iterator[Tensor]:
    """Go down by an optimiser of PyTorch's, with the settings of the tutorials."""
    image = image.clone().requires_grad_()
    if optimizer is torch.optim.LBFGS:
        way = optimizer([image], max_iter=1, history_size=100, tolerance_grad=0, tolerance_change=0)
    else:
        way = optimizer([image], lr=0.02)

    def closure() -> Tensor:
        terms, image.grad = objective(image)
        return torch.tensor(sum(terms.values()))

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


def compare(content: Tensor, style: Tensor, args: argparse.Namespace) -> None:
    """Print one pair's table."""
    device = choose_device(args.device)
    quick = torch.bfloat16 if args.bfloat16 else choose_dtype("auto", device)
    dtypes = dict.fromkeys((torch.float32, quick))
    state = load_vgg19()
    plain = VGGFeatures(state).to(device)
    content = resize(content, fit(content.shape[-2:], args.size)).to(device)
    size = tuple(content.shape[-2:])
    options = OptimizeOptions(loss="gram", steps=args.our_steps)
    plan = plan_memory(size, options, device, torch.float32)
    target = style_target(plain, [style.to(device)], max(size), options)
    judge = build_objective(plain, content, target, options, plan)
    look = max(3, args.steps // LOOKS)

    def measure(image: Tensor) -> float:
        if image.shape != content.shape:
            return float("inf")  # a coarse scale is no result yet
        return sum(judge(image.clamp(0, 1))[0].values())

    def row(name: str, image: Tensor, loss: float, seconds: float, base: float) -> None:
        terms, _ = judge(image.clamp(0, 1))
        layers = options.content_layers
        with torch.no_grad():
            distance = content_distance(plain(image, layers), plain(content, layers))
        style_term = terms["style"] / options.style_weight
        print(
            f"{name:26}{seconds:9.1f}{base / seconds:10.2f}{loss:9.4f}{style_term:9.4f}"
            f"{distance:9.4f}",
            flush=True,
        )

    print(f"{'':26}{'s':>9}{'x L-BFGS':>10}{'loss':>9}{'style':>9}{'content':>9}")
    way = textbook(judge, content, torch.optim.LBFGS)
    image, goal, base = timed(way, args.steps, args.steps, measure)
    row("textbook L-BFGS", image, goal, base, base)
    way = textbook(judge, content, torch.optim.Adam)
    found = timed(way, args.steps, look, measure, goal)
    row("textbook Adam", *found, base)
    for dtype in dtypes:
        vgg = VGGFeatures(state).to(device, dtype)
        way = ours(Sources(content, [style]), vgg, options)
        found = timed(way, 2 * args.steps, look // 3, measure, goal)
        row(f"ours {str(dtype).removeprefix('torch.')}", *found, base)


def main() -> None:
    """Print a table for each pair; a loss above the textbook's has not reached it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--content", type=Path, nargs="+", required=True)
    parser.add_argument("--style", type=Path, nargs="+", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=300, help="of the textbook's L-BFGS")
    parser.add_argument("--our-steps", type=int, default=100, help="of each of our scales")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--bfloat16", action="store_true", help="measure it where it does not pay")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    pairs = list(zip(args.content, args.style, strict=True))[: args.pairs]
    print(f"{args.size} pixels, threads {torch.get_num_threads()}, PyTorch {torch.__version__}")
    for content, style in pairs:
        print(f"\n{content.stem} in the style of {style.stem}")
        compare(load_image(content), load_image(style), args)


if __name__ == "__main__":
    main()
