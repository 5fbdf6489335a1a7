"""What a film costs in memory, files and time, and how the time falls with more machines.

    python -m benchmarks.film memory                # one run, and a plan with its parts and join
    python -m benchmarks.film scaling               # measure each stage here, then simulate
    python -m benchmarks.film scaling --rates 220 6 90 400    # simulate with measured rates

`memory` runs a short and a long clip, each in a process of its own, and prints the peak of its
memory and of its open files: neither may grow with the length. `scaling` takes a film of 90
minutes, 130,000 frames, with shots as long as in films (log-normal, 4 s on average), and adds up
what its stages take: the plan, the slowest of the workers, the join. Workers of a queue
(--workers, --ray) take the next shot when they are free; those of --part K/N have theirs from the
beginning, and each decodes the film up to its first shot.
"""

import argparse
import heapq
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch

from nst.models.checkpoint import Checkpoint, save_checkpoint
from nst.models.transformer_net import TransformerNet
from nst.stylize.shots import MIN_FRAMES, Shot, divide, shots_of_part

ROOT = Path(__file__).parent.parent
FRAMES, RATE, MEAN_SHOT, SPREAD = 130_000, 24, 4.0, 0.8
WORKERS = (1, 2, 4, 8, 16, 32, 64)
START = 10.0  # seconds in which a process loads everything


def make_film(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Write a film with a cut every 50 frames, each shot a picture that moves."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            if number % 50 == 0:
                noise = rng.integers(0, 255, (size[0] // 8, size[1] // 8, 3)).astype(np.uint8)
                picture = noise.repeat(8, 0).repeat(8, 1)
            moved = np.roll(picture, number % 50, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))


def make_net(path: Path) -> None:
    """Write a net so small that a clip's length counts, not the painting."""
    net = TransformerNet((4, 4, 4), 1)
    codes = net.plain_code() + 0.1 * torch.randn(2, net.code_length)
    save_checkpoint(path, Checkpoint(net.eval(), codes, ("identity", "wave")))


def watched(arguments: list[str]) -> tuple[float, int, float]:
    """Run stylize_video.py; return its peak of memory in MB, of open files, and the seconds."""
    command = [sys.executable, str(ROOT / "stylize_video.py"), *arguments]
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    files, status, usage = 0, 0, None
    while usage is None:
        ended, status, found = os.wait4(process.pid, os.WNOHANG)
        if ended:
            usage = found
        else:
            try:
                files = max(files, len(os.listdir(f"/proc/{process.pid}/fd")))
            except OSError:  # it ends now, or this is not Linux
                pass
            time.sleep(0.05)
    if status:
        raise SystemExit(f"{' '.join(command)} failed with {status}")
    return usage.ru_maxrss / 1024, files, time.perf_counter() - begin


def measure_memory(lengths: list[int], side: int) -> None:
    """Print peaks of memory and files for clips of several lengths."""
    print("| frames | command | memory, MB | open files | temporary, MB: stated | seconds |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_net(folder / "net.safetensors")
        for frames in lengths:
            film, plan = folder / f"{frames}.mp4", folder / f"{frames}.json"
            make_film(film, frames, (side, side))
            common = ["--input-video", str(film), "--checkpoint", str(folder / "net.safetensors")]
            common += ["--style", "wave", "--device", "cpu", "--precision", "float32", "--quiet"]
            one = [*common, "--output-video", str(folder / f"{frames}_one.mp4"), "--resume"]
            many = [*common, "--output-video", str(folder / f"{frames}_many.mp4")]
            many += ["--plan", str(plan)]
            steps = {"one run": one, "--plan": many}
            steps |= {f"--part {k}/2": [*many, "--part", f"{k}/2"] for k in (1, 2)}
            steps |= {"--join": [*many, "--join"]}
            for step, arguments in steps.items():
                memory, files, seconds = watched(arguments)
                stated = json.loads(plan.read_text())["temporary_bytes"] if plan.exists() else 0
                space = f"{stated / 1e6:.0f}" if stated else ""
                row = f"| {frames} | {step} | {memory:.0f} | {files} | {space} | {seconds:.0f} |"
                print(row, flush=True)


def measured_rates(frames: int, side: int) -> list[float]:
    """Return frames a second here: the plan, a worker, the join, and decoding alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film, plan, output = folder / "film.mp4", folder / "film.json", folder / "out.mp4"
        make_film(film, frames, (side * 9 // 16 // 2 * 2, side))
        common = ["--input-video", str(film), "--output-video", str(output), "--quiet"]
        common += ["--style", "starry_night", "--plan", str(plan)]
        begin = time.perf_counter()
        with av.open(str(film)) as container:
            for _ in container.decode(video=0):
                pass
        decoding = time.perf_counter() - begin
        idle = watched(["--help"])[2]
        spent = [watched([*common, *extra])[2] for extra in ([], ["--part", "1/1"], ["--join"])]
        return [frames / max(1e-3, seconds - idle) for seconds in spent] + [frames / decoding]


def film_of_shots(seed: int = 0) -> list[Shot]:
    """Return the shots of a film of 90 minutes, as a plan has them."""
    rng = random.Random(seed)
    cuts = [0]
    while cuts[-1] < FRAMES:
        median = MEAN_SHOT / np.exp(SPREAD**2 / 2)
        cuts.append(cuts[-1] + max(1, round(RATE * median * np.exp(rng.gauss(0, SPREAD)))))
    return divide(cuts[:-1], FRAMES, MIN_FRAMES)


def queue_seconds(shots: list[Shot], workers: int, paint: float, decode: float) -> float:
    """Return how long workers take that each take the next shot; each decodes on to its shots."""
    free = [(START, 0) for _ in range(workers)]
    end = 0.0
    for shot in shots:
        begin, position = heapq.heappop(free)
        skipped = (shot.first - shot.run_in - position) / decode
        end = begin + skipped + (shot.stop - shot.first + shot.run_in) / paint
        heapq.heappush(free, (end, shot.stop))
    return max(moment for moment, _ in free)


def part_seconds(shots: list[Shot], workers: int, paint: float, decode: float) -> float:
    """Return how long the slowest of the parts K/N takes."""
    spent = [START]
    for number in range(1, workers + 1):
        own = shots_of_part(shots, number, workers)
        if own:
            frames = sum(shot.stop - shot.first + shot.run_in for shot in own)
            spent.append(START + own[0].first / decode + frames / paint)
    return max(spent)


def simulate(plan: float, paint: float, join: float, decode: float) -> None:
    """Print what a film takes with more and more workers, at these frames a second."""
    shots = film_of_shots()
    print(
        f"{FRAMES} frames in {len(shots)} shots; frames/s: plan {plan:.0f}, a worker {paint:.1f}, "
        f"join {join:.0f}, decoding {decode:.0f}"
    )
    print("| workers | --part: hours, frames/s | queue: hours, frames/s | what takes longest |")
    print("|---|---|---|---|")
    for workers in WORKERS:
        cells = []
        for seconds in (part_seconds, queue_seconds):
            painting = seconds(shots, workers, paint, decode)
            total = FRAMES / plan + painting + FRAMES / join
            cells.append(f"{total / 3600:.1f}, {FRAMES / total:.0f}")
        skipping = FRAMES * (1 - 1 / workers) / decode
        stages = {"plan": FRAMES / plan, "painting": painting - skipping, "join": FRAMES / join}
        stages["decoding up to the shots"] = skipping
        print(f"| {workers} | {cells[0]} | {cells[1]} | {max(stages, key=stages.get)} |")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    memory = commands.add_parser("memory", help="peaks of memory and open files")
    memory.add_argument("--frames", type=int, nargs="+", default=[1000, 10_000])
    memory.add_argument("--side", type=int, default=64)
    scaling = commands.add_parser("scaling", help="how the time falls with more machines")
    scaling.add_argument("--frames", type=int, default=240)
    scaling.add_argument("--side", type=int, default=640)
    scaling.add_argument(
        "--rates", type=float, nargs=4, metavar="FPS", help="of plan, worker, join and decoding"
    )
    options = parser.parse_args()
    if options.command == "memory":
        measure_memory(options.frames, options.side)
    else:
        simulate(*(options.rates or measured_rates(options.frames, options.side)))


if __name__ == "__main__":
    main()
