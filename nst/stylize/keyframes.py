"""Frames that a user has painted, brought onto the video, and the motion around them."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from nst.core.progress import OnProgress, tracked, warn
from nst.core.tensors import resize, size_of
from nst.errors import InputError
from nst.media.frames import Frame
from nst.media.images import load_image_and_alpha
from nst.motion.align import align, moved
from nst.motion.coherence import Motion
from nst.motion.flow import FlowEstimator
from nst.motion.long_flow import follow_away
from nst.options.stylize import VideoConfig
from nst.stylize.key_paint import REACH, Keyframe, Keyframes
from nst.stylize.key_times import keyframe_numbers, parse_keyframe
from nst.stylize.pipeline import Source
from nst.stylize.shots import is_cut


def read_keyframes(config: VideoConfig, on_progress: OnProgress | None = None) -> Keyframes:
    """Read the painted frames and find the motion around them.

    Raises:
        InputError: names the keyframe and what is wrong with it.
    """
    with Source(config) as source:
        texts = keyframe_numbers(config, source.info)
        pictures = {n: load_image_and_alpha(parse_keyframe(t)[2]) for n, t in texts.items()}
        found = _looked_through(source, list(texts), source.info.frames, on_progress)
    keys = []
    for number, text in texts.items():
        if number not in found.frames:
            raise InputError(f"--keyframe {text}: the video has {found.count} frames only")
        keys.append(_placed(number, found.frames[number], *pictures[number], text))
    return Keyframes(tuple(keys), tuple(found.cuts), _motions(list(texts), found))


@dataclass
class _Found:
    """What was seen of a video: keyframes' frames, prepared neighbors, cuts, how many frames."""

    flow: FlowEstimator
    frames: dict[int, Tensor] = field(default_factory=dict)
    prepared: dict[int, Tensor] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    count: int = 0


def _looked_through(
    source: Source, numbers: Sequence[int], total: int | None, on_progress: OnProgress | None
) -> _Found:
    """Read a video as far as the last keyframe reaches, and keep what is near to one of them."""
    found = _Found(FlowEstimator("dis", source.config.flow_long_side))
    stop = numbers[-1] + REACH + 1
    stop = stop if total is None else min(stop, total)
    before = None
    frames = tracked(
        source.frames(0, stop), "looking around the keyframes", stop, "frame", on_progress
    )
    near: deque[tuple[int, Tensor]] = deque(maxlen=REACH + 1)
    for number, frame in enumerate(frames):
        now = found.flow.prepare(frame.image)
        near.append((number, now))
        if number in numbers:
            found.frames[number] = frame.image.cpu()
            found.prepared |= dict(near)
        elif any(0 < number - key <= REACH for key in numbers):
            found.prepared[number] = now
        if before is not None and is_cut(found.flow, now, before):
            found.cuts.append(number)
        before, found.count = now, number + 1
    return found


def _motions(numbers: Sequence[int], found: _Found) -> dict[tuple[int, int], Motion]:
    """Return the motions from frames to keyframes, as far as they reach and up to the next one."""
    motions = {}
    for i, number in enumerate(numbers):
        first = numbers[i - 1] if i else 0
        last = numbers[i + 1] if i + 1 < len(numbers) else found.count - 1
        for way in (
            range(number + 1, min(last, number + REACH) + 1),
            range(number - 1, max(first, number - REACH) - 1, -1),
        ):
            within = []
            for there, here in pairwise((number, *way)):
                if max(there, here) in found.cuts:
                    break
                within.append(here)
            frames = (found.prepared[n] for n in within)
            for n, motion in zip(
                within, follow_away(found.prepared[number], frames, found.flow), strict=False
            ):
                motions[i, n] = Motion(motion.flow.half(), motion.validity.half())
    return motions


def _placed(number: int, frame: Tensor, image: Tensor, alpha: Tensor | None, text: str) -> Keyframe:
    """Bring a painting onto its frame."""
    name = f"--keyframe {text}"
    image, shift = align(image, frame, name)
    size = size_of(frame)
    known = torch.ones(1, 1, *size) if alpha is None else resize(alpha, size)
    if not known.any():
        raise InputError(f"{name} is transparent everywhere: paint something")
    if shift != (0.0, 0.0):
        warn(f"{name} lay {shift[0]:.1f}, {shift[1]:.1f} pixels beside its frame and was moved")
        image, known = moved(image, shift), moved(known, shift) * _covered(size, shift)
    return Keyframe(number, frame, image, known)


def _covered(size: tuple[int, int], shift: tuple[float, float]) -> Tensor:
    """Return a mask (1, 1, H, W), 0 where nothing of a picture lies that was moved."""
    mask = torch.ones(1, 1, *size)
    for axis, by in ((3, round(shift[0])), (2, round(shift[1]))):
        if by:
            side = mask.shape[axis]
            mask.narrow(axis, 0 if by > 0 else side + by, abs(by)).zero_()
    return mask


def frames_of(config: VideoConfig, numbers: Sequence[int]) -> dict[int, Frame]:
    """Return some frames of a video, by number."""
    with Source(config) as source:
        return {n: next(source.frames(n, n + 1)) for n in sorted(numbers)}
