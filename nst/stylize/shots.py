"""Where a video can be divided: at its cuts, where nothing of earlier frames is remembered."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from nst.core.progress import OnProgress, tracked
from nst.core.threads import in_background
from nst.errors import InputError
from nst.media.frames import Frame
from nst.motion.coherence import DIFFERENCE, motion_between
from nst.motion.flow import FlowEstimator

# Mean difference of two frames, as they are prepared for the flow, below which no cut is looked
# for: what is missed makes a part longer, not wrong.
LIKELY_CUT = 0.03
# The fewest frames of a part: a shorter shot is kept together with the next.
MIN_FRAMES = 25
# Frames of a shot above which it is divided, and those painted before a piece to fill the memory.
MAX_FRAMES, RUN_IN = 3000, 30
# Frames of a piece where each stands alone: a multiple of what passes a net together.
FREE_FRAMES = 240


@dataclass(frozen=True)
class Shot:
    """Frames `first` to `stop` - 1, painted by themselves.

    Args:
        run_in: so many frames before them are painted too and thrown away, where no cut is.
    """

    first: int
    stop: int
    run_in: int = 0


def find_cuts(
    frames: Iterator[Frame],
    flow: FlowEstimator,
    total: int | None,
    on_progress: OnProgress | None = None,
) -> tuple[list[int], int]:
    """Return the numbers of frames at which shots begin, 0 first, and how many frames there are."""
    cuts, before, number = [0], None, -1
    with in_background(frames) as ahead:
        tracked_frames = tracked(ahead, "finding cuts", total, "frame", on_progress)
        for number, frame in enumerate(tracked_frames):
            now = flow.prepare(frame.image.to(flow.device))
            if before is not None and is_cut(flow, now, before):
                cuts.append(number)
            before = now
    return cuts, number + 1


def is_cut(flow: FlowEstimator, now: Tensor, before: Tensor) -> bool:
    """Tell whether a shot begins at a frame; both frames are prepared for the flow."""
    if float((now - before).abs().mean()) < LIKELY_CUT:
        return False
    return motion_between(flow, now, before, DIFFERENCE) is None


def divide(cuts: list[int], total: int, minimum: int) -> list[Shot]:
    """Return the shots between cuts: short ones joined, those that are too long divided.

    Args:
        cuts: the numbers of frames at which shots begin, 0 first.
        minimum: the fewest frames that a shot is to have.

    >>> divide([0, 10, 12, 50], 60, 5)
    [Shot(first=0, stop=10, run_in=0), Shot(first=10, stop=50, run_in=0), Shot(first=50, stop=60, \
run_in=0)]
    """
    if not total:
        return []
    begins = [0]
    for cut in cuts[1:]:
        if cut - begins[-1] >= minimum:
            begins.append(cut)
    shots = []
    for first, stop in pairwise([*begins, total]):
        pieces = -(-(stop - first) // MAX_FRAMES)
        edges = [first + (stop - first) * i // pieces for i in range(pieces + 1)]
        for begin, end in pairwise(edges):
            shots.append(Shot(begin, end, 0 if begin == first else min(RUN_IN, begin - first)))
    return shots


def divide_freely(total: int) -> list[Shot]:
    """Return pieces of a video whose frames know nothing of each other."""
    edges = [*range(0, total, FREE_FRAMES), total]
    return [Shot(first, stop) for first, stop in pairwise(edges)]


def shots_of_part(shots: list[Shot], number: int, count: int) -> list[Shot]:
    """Return the shots of part `number` (from 1 on) of `count`: neighbors, of about equal work."""
    total = shots[-1].stop
    return [s for s in shots if (s.first + s.stop) * count // (2 * total) == number - 1]


def part_number(text: str, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Return which part of how many a process is to paint.

    Args:
        text: K/N, or auto: that of a Slurm array, or the RANK of WORLD_SIZE processes.

    Raises:
        InputError: it is neither, or nothing says it.

    >>> part_number("2/8"), part_number("auto", {"RANK": "0", "WORLD_SIZE": "4"})
    ((2, 8), (1, 4))
    """
    if text == "auto":
        if "SLURM_ARRAY_TASK_ID" in environment:
            minimum = int(environment.get("SLURM_ARRAY_TASK_MIN", "0"))
            step = int(environment.get("SLURM_ARRAY_TASK_STEP", "1"))
            number = (int(environment["SLURM_ARRAY_TASK_ID"]) - minimum) // step + 1
            count = int(environment["SLURM_ARRAY_TASK_COUNT"])
        elif "RANK" in environment and "WORLD_SIZE" in environment:
            number, count = int(environment["RANK"]) + 1, int(environment["WORLD_SIZE"])
        else:
            raise InputError(
                "--part auto finds neither a Slurm array's SLURM_ARRAY_TASK_ID nor RANK and "
                "WORLD_SIZE: give K/N"
            )
    else:
        first, _, second = text.partition("/")
        if not (first.isascii() and first.isdigit() and second.isascii() and second.isdigit()):
            raise InputError(f"--part is {text!r}; give K/N, such as 2/8, or auto")
        number, count = int(first), int(second)
    if not 1 <= number <= count:
        raise InputError(f"--part {text} is {number} of {count}; give 1/{count} to {count}/{count}")
    return number, count
