"""A card in one run: videos, optimized pictures, training; speed and the most memory of each.

    python -m benchmarks.gpu [--only net video picture training] [--device cpu --tiny]

It prints as it goes and stops at `--minutes`. "Plain" is the same net in eager float32 as a
textbook writes it, NCHW, one frame after the other. "Textbook" is the optimization of Gatys et al.:
torch.optim's L-BFGS at the full size, from the content, VGG-19 in float32. `--tiny` is a trial of
the benchmark itself: small pictures, few rounds, random VGG-19; its numbers say nothing.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.plain_net import PlainNet
from nst.api import run_video
from nst.core.device import choose_device, choose_dtype, dtype_name, frames_together
from nst.errors import InputError
from nst.losses.perceptual import gram_matrix
from nst.media.frames import Frame, StreamInfo
from nst.media.images import save_image
from nst.media.video_writer import create_video
from nst.models.checkpoint import load_checkpoint
from nst.models.vgg import OXFORD_INDICES, VGGFeatures
from nst.models.weights import RAFT_FILES, find, load_vgg19
from nst.motion.flow import FlowEstimator
from nst.optimize.coarse_to_fine import Sources, optimize_image
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.train import TrainConfig
from nst.stylize.forward import stylize
from nst.stylize.recorded import RecordedNet
from nst.train.loop import train

PARTS = ("net", "video", "picture", "training")
SIZES = {"640x360": (360, 640), "1080p": (1080, 1920), "4K": (2160, 3840)}
TINY_SIZES = {"64x48": (48, 64), "80x64": (64, 80)}
LONG_SIDES, TINY_LONG_SIDES = (512, 1024, 2048), (64,)


class Card:
    """What is measured, and until when.

    Args:
        device: to measure.
        minutes: for all of it.
        tiny: everything small.
    """

    def __init__(self, device: torch.device, minutes: float, tiny: bool):
        self.device, self.tiny = device, tiny
        self.end = time.perf_counter() + 60 * minutes

    def wait(self) -> None:
        """Wait until the card has done what it was given."""
        if self.device.type != "cpu":
            torch.get_device_module(self.device).synchronize()

    def measure(self, work: Callable[[], object], seconds: float = 1.0) -> tuple[float, str]:
        """Return the seconds of one call, after one to warm up, and the most memory of it."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        for _ in range(1 if self.tiny else 3):
            work()
        self.wait()
        count, begin = 0, time.perf_counter()
        while count < 1 or time.perf_counter() - begin < (0 if self.tiny else seconds):
            for _ in range(1 if self.tiny else 5):
                work()
                count += 1
            self.wait()
        return (time.perf_counter() - begin) / count, self.memory()

    def once(self, work: Callable[[], object]) -> tuple[float, str]:
        """Return the seconds of a single call and the most memory of it."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        begin = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - begin, self.memory()

    def memory(self) -> str:
        """Return the most memory since the last measurement began."""
        if self.device.type != "cuda":
            return "-"
        return f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GB"

    def row(self, label: str, work: Callable[[], tuple[float, str]], unit: str, count: float = 1):
        """Print a line: `count` things in the seconds that `work` returns."""
        if time.perf_counter() > self.end:
            print(f"{label:44}not measured: the time is over", flush=True)
            return
        try:
            took, memory = work()
        except torch.OutOfMemoryError:
            print(f"{label:44}not enough memory", flush=True)
        except InputError as error:
            print(f"{label:44}{error}", flush=True)
        else:
            value = f"{took:10.2f} s" if unit == "s" else f"{count / took:10.1f} {unit}"
            print(f"{label:44}{value:26}{memory:>10}", flush=True)


def texture(size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Return an image (1, 3, H, W) of smooth texture."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, *(side // 16 + 2 for side in size), generator=generator)
    return F.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)


def net_alone(card: Card) -> None:
    """Frames a second of one pass, the image on the card."""
    for name, size in (TINY_SIZES if card.tiny else SIZES).items():
        for kind in ("fast", "any_style"):
            checkpoint = load_checkpoint(kind)
            code = checkpoint.code(-1).to(card.device)
            image = texture(size).to(card.device)
            plain = PlainNet(checkpoint.net, checkpoint.code(-1)[0]).to(card.device)
            with torch.inference_mode():
                card.row(
                    f"{kind}, {name}, plain",
                    lambda plain=plain, image=image: card.measure(lambda: plain(image)),
                    "frames/s",
                )
            del plain
            dtype = choose_dtype("auto", card.device)
            net = RecordedNet(checkpoint.net.to(card.device, dtype))
            together = max(2, frames_together(card.device, size, live=False))
            batch = image.expand(together, -1, -1, -1).contiguous()

            def one(net=net, image=image, code=code, dtype=dtype) -> None:
                stylize(net, image, code, dtype)

            def several(net=net, batch=batch, code=code, dtype=dtype) -> None:
                stylize(net, batch, code, dtype)

            word = dtype_name(dtype)
            label = f"{kind}, {name}, {word}"
            card.row(label, lambda one=one: card.measure(one), "frames/s")
            card.row(
                f"{label}, {together} together",
                lambda several=several: card.measure(several),
                "frames/s",
                together,
            )
    methods = ["dis", *(["raft"] if find(RAFT_FILES) else [])]
    for method in methods:
        estimator = FlowEstimator(method, 64 if card.tiny else None, card.device)
        size = next(iter((TINY_SIZES if card.tiny else SIZES).values()))
        seen = [estimator.prepare(texture(size, n).to(card.device)) for n in range(2)]
        card.row(
            f"{method.upper()} flow, both ways",
            lambda e=estimator, s=seen: card.measure(lambda: e.both_ways(*s)),
            "pairs/s",
        )
    if "raft" not in methods:
        print("RAFT's weights are not at hand: see --flow raft", flush=True)


def make_clip(path: Path, size: tuple[int, int], frames: int) -> None:
    """Write a clip of moving texture."""
    picture = texture((size[0] + frames, size[1] + 2 * frames))
    with create_video(path, StreamInfo(size, Fraction(25), Fraction(1, 25))) as writer:
        for t in range(frames):
            cut = picture[..., t : t + size[0], 2 * t : 2 * t + size[1]]
            writer.write(Frame(cut, t))


def whole_videos(card: Card, folder: Path) -> None:
    """Frames a second from file to file, start and loading included."""
    style = folder / "style.png"
    save_image(texture((256, 256), 5), style)
    kinds = {
        "fast, alone": {"checkpoint": "fast", "temporal_blend": 0.0},
        "fast": {"checkpoint": "fast", "flow": "dis"},
        "fast, RAFT": {"checkpoint": "fast", "flow": "raft"},
        "fast, regions": {"checkpoint": "fast", "region": ("person=original",)},
        "any style": {"style_path": (style,), "checkpoint": "any_style"},
    }
    if not find(RAFT_FILES):
        del kinds["fast, RAFT"]
    for name, size in (TINY_SIZES if card.tiny else SIZES).items():
        frames = 4 if card.tiny else {360: 250, 1080: 100, 2160: 40}[size[0]]
        source = folder / f"{name}.mp4"
        make_clip(source, size, frames)
        for kind, options in kinds.items():
            config = VideoConfig(
                input_video=str(source),
                output_video=folder / f"out {name} {kind}.mp4",
                device=str(card.device),
                quiet=True,
                **options,
            )
            card.row(
                f"video {name}, {kind}",
                lambda config=config: card.once(lambda: run_video(config)),
                "frames/s",
                frames,
            )


def vgg_weights(card: Card) -> dict[str, torch.Tensor]:
    """Return VGG-19's weights; for a trial random ones in Oxford's layout."""
    if not card.tiny:
        return load_vgg19()
    generator, state, channels = torch.Generator().manual_seed(0), {}, 3
    state["0.weight"] = torch.zeros(3, 3, 1, 1)
    outputs = [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    for index, width in zip(OXFORD_INDICES, outputs, strict=True):
        weight = torch.randn(width, channels, 3, 3, generator=generator)
        state[f"{index}.weight"] = weight * (2 / (9 * channels)) ** 0.5
        state[f"{index}.bias"], channels = torch.zeros(width), width
    return state


def textbook(vgg: VGGFeatures, content: torch.Tensor, style: torch.Tensor, steps: int) -> None:
    """Optimize as Gatys et al. 2015 do: torch.optim's L-BFGS, so many looks at the loss."""
    layers = tuple(f"relu{block}_1" for block in range(1, 6))
    with torch.no_grad():
        target = vgg(content, ("relu4_2",))["relu4_2"]
        grams = {layer: gram_matrix(x) for layer, x in vgg(style, layers).items()}
    image = content.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([image], max_iter=steps, max_eval=steps)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        features = vgg(image, (*layers, "relu4_2"))
        value = (features["relu4_2"] - target).square().mean()
        for layer, gram in grams.items():
            value = value + 1e4 * (gram_matrix(features[layer]) - gram).square().sum()
        value.backward()
        return value

    optimizer.step(loss)


def optimized_pictures(card: Card) -> None:
    """Seconds of an optimized picture with the default options, beside the textbook's 300 looks."""
    state = vgg_weights(card)
    options = PictureConfig(content_path=Path("-"), output=Path("-"), style_path=(Path("-"),))
    steps = 2 if card.tiny else 300
    for side in TINY_LONG_SIDES if card.tiny else LONG_SIDES:
        size = (3 * side // 4, side)
        content, style = texture(size), texture((side, side), 5)
        dtype = choose_dtype("auto", card.device, gradients=True)
        vgg = VGGFeatures(state).to(card.device, dtype)

        def ours(vgg=vgg, content=content, style=style) -> None:
            way = optimize_image(Sources(content, [style]), vgg, options, content)
            for number, _ in enumerate(way):
                if card.tiny and number == 2:
                    return

        card.row(f"picture, {side} pixels", lambda ours=ours: card.once(ours), "s")
        vgg = VGGFeatures(state).to(card.device)
        there = content.to(card.device), style.to(card.device)
        card.row(
            f"picture, {side} pixels, textbook",
            lambda vgg=vgg, there=there: card.once(lambda: textbook(vgg, *there, steps)),
            "s",
        )


def trainings(card: Card, folder: Path) -> None:
    """Steps a second of training and of a new style on the shipped net, start included."""
    for name, count, side in (("photos", 8, 320), ("styles", 1, 384)):
        (folder / name).mkdir()
        for n in range(count):
            save_image(texture((side, side), n), folder / name / f"{name}{n}.png")
    vgg = folder / "vgg.pth"
    torch.save(vgg_weights(card), vgg)
    steps = 2 if card.tiny else 100
    kinds = {
        "a net": {},
        "a net, with temporal terms": {"temporal_weight": 10.0},
        "a new style": {"init_checkpoint": "fast", "only_codes": True},
    }
    for kind, options in kinds.items():
        config = TrainConfig(
            content_dir=folder / "photos",
            style_dir=folder / "styles",
            output=folder / f"{kind}.safetensors",
            steps=steps,
            batch=2 if card.tiny else 8,
            crop_size=64 if card.tiny else 256,
            style_size=64 if card.tiny else 384,
            vgg=vgg,
            device=str(card.device),
            workers=0,
            holdout=1,
            quiet=True,
            **options,
        )
        card.row(
            f"training {kind}",
            lambda config=config: card.once(lambda: train(config)),
            "steps/s",
            steps,
        )


def parts(card: Card, folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the benchmark's parts by name."""
    yield "net", lambda: net_alone(card)
    yield "video", lambda: whole_videos(card, folder)
    yield "picture", lambda: optimized_pictures(card)
    yield "training", lambda: trainings(card, folder)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=7.5, help="when to stop")
    parser.add_argument("--tiny", action="store_true", help="a trial of the benchmark itself")
    options = parser.parse_args()
    try:
        device = choose_device(options.device)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(f"{name}, PyTorch {torch.__version__}", flush=True)
    card = Card(device, options.minutes, options.tiny)
    with tempfile.TemporaryDirectory() as folder:
        for part, measure in parts(card, Path(folder)):
            if part in options.only:
                print(f"\n{part}", flush=True)
                measure()


if __name__ == "__main__":
    main()
