"""Kill runs of a film at random moments and go on with them; print what came of each.

    PYTHONPATH=.:tests python tests/killed.py FILM NET FOLDER --count 20

A process that has loaded everything and computed nothing makes each run by a fork: so a run costs
what it paints, not the seconds in which PyTorch is loaded.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from films import SHOTS, film_config

import nst.stylize.film
import nst.stylize.plan  # noqa: F401, loaded before the forks
from nst.api import run_video
from nst.options.stylize import VideoConfig
from nst.stylize.parts import PartWriter, parts_folder

KINDS = ("run", "regions", "part", "join")


def forked(config: VideoConfig, log: Path) -> int:
    """Begin a run in a process of its own, which notes each frame that it keeps; return its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        write = PartWriter.write

        def noting(self: PartWriter, images: dict) -> None:
            write(self, images)
            with open(log, "ab", buffering=0) as file:
                file.write(b".")

        PartWriter.write = noting
        run_video(config)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def run(config: VideoConfig, log: Path, until: float | None = None) -> float | None:
    """Run to the end, or kill the run after some seconds; return how long it took.

    Returns:
        None where it was killed.
    """
    begun, pid = time.monotonic(), forked(config, log)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        spent = time.monotonic() - begun
        if ended:
            if status:
                raise SystemExit(f"a run of {config} failed with {status}")
            return spent
        if until is not None and spent >= until:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            return None if status else spent
        time.sleep(0.002)


def steps_of(kind: str, make: Callable[..., VideoConfig], folder: Path) -> list[VideoConfig]:
    """Return the runs that make a film, the first of which may be killed and given again."""
    if kind in ("run", "regions"):
        masks = {"region": ("255=scream",), "masks": folder.parent / "mask.png"}
        return [make(resume=True, **(masks if kind == "regions" else {}))]
    plan = {"plan": folder / "film.json"}
    steps = [make(**plan), make(part="1/1", **plan), make(join=True, **plan)]
    return steps[1:] if kind == "part" else steps[2:]


def prepare(kind: str, make: Callable[..., VideoConfig], folder: Path, log: Path) -> None:
    """Do what comes before the run that is killed."""
    plan = {"plan": folder / "film.json"}
    if kind in ("part", "join"):
        run(make(**plan), log)
    if kind == "join":
        run(make(part="1/1", **plan), log)


def kill_and_go_on(kind: str, options: argparse.Namespace) -> None:
    """Make a film again and again; all but the first run are killed, and given once more."""
    moments, seconds = random.Random(options.seed), None
    for number in range(options.count + 1):
        folder = options.folder / f"{kind}{number}"
        folder.mkdir()
        log = folder / "frames.log"
        log.touch()

        def make(folder: Path = folder, **given: object) -> VideoConfig:
            return film_config(options.film, options.net, folder / "out.mp4", **given)

        prepare(kind, make, folder, log)
        first, *rest = steps_of(kind, make, folder)
        killed = False
        if seconds is None:
            seconds = run(first, log)
        elif run(first, log, moments.uniform(0, seconds)) is None:
            killed = True
            run(first, log)
        for step in rest:
            run(step, log)
        if parts_folder(folder / "out.mp4").exists() or list(folder.glob(".*")):
            raise SystemExit(f"something is left in {folder}: {sorted(os.listdir(folder))}")
        found = {"kind": kind, "output": str(folder / "out.mp4"), "killed": killed}
        print(json.dumps(found | {"twice": log.stat().st_size - sum(SHOTS)}), flush=True)


def main() -> None:
    """Print a line of JSON for each film."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("net", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    nst.stylize.film.MIN_FRAMES = 1  # each shot is a part
    for kind in options.kinds:
        kill_and_go_on(kind, options)


if __name__ == "__main__":
    main()
