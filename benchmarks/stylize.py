"""Speed at 640x360: the net alone and a whole video, beside the textbook way and the net's floor.

    python -m benchmarks.stylize

All in one run, rounds interleaved, each the best of its rounds: machines are noisy, so read the
ratios. The floor is the textbook net's multiplications and additions over the best rate that this
machine reaches in a large matrix product or 3x3 convolution; GFLOP are those of the row's own pass.
"Plain" is the same net in eager float32 as a textbook writes it, and the same way through a video:
one frame after the other, no threads. "Alone" is without the last result mixed in
(--temporal-blend 0), which the others have.
"""

import argparse
import os
import tempfile
import time
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as stylize_video.py sets it

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain_net import PlainNet
from nst.api import run_video
from nst.core.device import choose_dtype, dtype_name
from nst.media.frames import Frame, StreamInfo
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video
from nst.models.checkpoint import load_checkpoint
from nst.options.stylize import VideoConfig
from nst.stylize.forward import stylize

SIZE = (360, 640)
DTYPES = (torch.float32, torch.bfloat16)


def seconds(call) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def best(calls: dict, rounds: int) -> dict:
    """Return each call's shortest time over interleaved rounds, after one to warm up."""
    for call in calls.values():
        call()
    times = [{name: seconds(call) for name, call in calls.items()} for _ in range(rounds)]
    return {name: min(t[name] for t in times) for name in calls}


def operations(call) -> int:
    """Return how many multiplications and additions a call does in products and convolutions."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        call()
    return counter.get_total_flops()


def machine_rate(dtype: torch.dtype, rounds: int) -> float:
    """Return the most operations a second seen in a matrix product or a 3x3 convolution."""
    square = torch.randn(2048, 2048).to(dtype)
    image = torch.randn(1, 128, 90, 160).to(dtype).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(128, 128, 3, 3).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        times = best(
            {
                "product": lambda: square @ square,
                "convolution": lambda: F.conv2d(image, kernel, padding=1),
            },
            rounds,
        )
    return max(2 * 2048**3 / times["product"], 2 * 128 * 128 * 9 * 90 * 160 / times["convolution"])


def make_clip(path: Path, frames: int) -> None:
    """Write a clip of moving texture."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 24, 48, generator=generator)
    picture = F.interpolate(coarse, size=(SIZE[0] + 80, SIZE[1] + 240), mode="bicubic").clamp(0, 1)
    info = StreamInfo(size=SIZE, rate=Fraction(25), time_base=Fraction(1, 25))
    with create_video(path, info) as writer:
        for t in range(frames):
            x, y = t % 240, t % 80
            writer.write(Frame(picture[..., y : y + SIZE[0], x : x + SIZE[1]], t))


def plain_video(source: Path, target: Path, net: PlainNet) -> None:
    """Stylize a video the plain way."""
    with open_video(source) as reader, create_video(target, reader.info, preset="medium") as writer:
        with torch.inference_mode():
            for frame in reader:
                writer.write(Frame(net(frame.image.contiguous()), frame.pts, frame.duration))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    chosen = choose_dtype("auto", torch.device("cpu"))
    # Where bfloat16 is emulated it is no choice, and takes most of an hour.
    dtypes = (torch.float32,) if chosen == torch.float32 else DTYPES
    rates = {dtype: machine_rate(dtype, options.rounds) for dtype in dtypes}
    print(f"threads {torch.get_num_threads()}, PyTorch {torch.__version__}")
    print(
        f"precision auto takes {dtype_name(chosen)} here; rates in GFLOP/s: "
        + ", ".join(f"{dtype_name(dtype)} {rate / 1e9:.0f}" for dtype, rate in rates.items())
    )
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    print("\nnet only, 640x360          ms  frames/s  x plain  x floor    GFLOP")
    plains = {}
    # The any-style net has the papers' shape at half width, that of `fast` in version 0.1.0.
    for name in ("any_style", "fast"):
        checkpoint = load_checkpoint(name)
        code = checkpoint.code(-1)
        plain = plains[name] = PlainNet(checkpoint.net, code[0])
        calls = {"plain float32": lambda plain=plain: plain(image)}
        for dtype in dtypes:
            net = load_checkpoint(name).net.to(dtype)
            calls[f"ours {dtype_name(dtype)}"] = lambda net=net, dtype=dtype, code=code: stylize(
                net, image, code, dtype
            )
        with torch.inference_mode():
            times = best(calls, options.rounds)
        for call, took in times.items():
            dtype = torch.bfloat16 if "bfloat16" in call else torch.float32
            floor = operations(calls["plain float32"]) / rates[dtype]
            ratio = times["plain float32"] / took
            speed = f"{took * 1e3:7.1f}{1 / took:10.1f}"
            work = operations(calls[call]) / 1e9
            print(f"{name:10}{call:14}{speed}{ratio:9.2f}{took / floor:9.2f}{work:9.1f}")
    print("\nend to end, 640x360           s  frames/s  x plain")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.mp4", Path(folder) / "out.mp4"
        make_clip(source, options.frames)
        for name in ("fast",):
            calls = {"plain float32": lambda name=name: plain_video(source, target, plains[name])}
            for dtype in dtypes:
                precision = dtype_name(dtype)
                for blend, label in ((0.0, "alone"), (VideoConfig.temporal_blend, "")):
                    config = VideoConfig(
                        input_video=source,
                        output_video=target,
                        checkpoint=name,
                        precision=precision,
                        temporal_blend=blend,
                        quiet=True,
                    )
                    calls[f"ours {precision} {label}"] = lambda config=config: run_video(config)
            times = {call: min(seconds(work) for _ in range(2)) for call, work in calls.items()}
            for call, took in times.items():
                ratio = times["plain float32"] / took
                speed = options.frames / took
                print(f"{name:8}{call:20}{took:7.2f}{speed:8.1f}{ratio:9.2f}")


if __name__ == "__main__":
    main()
