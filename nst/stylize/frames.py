"""A video's frames painted one after the other, between its reader and its writer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.color import UNGRADED, Grade, restore_color
from nst.core.tensors import size_of
from nst.core.threads import in_order
from nst.media.frames import Frame, PaintedFrame
from nst.motion.coherence import Motion, MotionTracker, VideoMemory
from nst.motion.grain import MovingGrain
from nst.regions.given import GivenMasks
from nst.regions.segmented import SegmentedMasks
from nst.regions.spec import Regions
from nst.styles.timeline import Timeline
from nst.stylize.batches import ShrinkingBatches, in_groups
from nst.stylize.forward import FoldedCodes, stylize, with_grain
from nst.stylize.key_paint import KeyPaint
from nst.stylize.paint import Paint
from nst.stylize.recorded import RecordedNet

# Earlier results are not mixed in where a tenth or more of the style has changed since the last
# frame: they would stay behind, and what is newly uncovered would show it.
FORGETTING = 10.0


@dataclass(frozen=True)
class Scene:
    """A frame and what is known of it before it is painted.

    Args:
        frame: its image on the net's device.
        motion: from the last frame; None where a shot begins.
        weights: style weights (1, K, H, W); None is for one code.
        grain: (1, 3, H, W), what the net gets beside the frame, see `motion.grain`; None adds none.
        shot: number of the shot; the same for all where no motion is looked for.
    """

    frame: Frame
    motion: Motion | None = None
    weights: Tensor | None = None
    grain: Tensor | None = None
    shot: int = 0


def followed(
    frames: Iterable[Frame],
    device: torch.device,
    tracker: MotionTracker | None = None,
    masks: SegmentedMasks | GivenMasks | None = None,
    grain: float = 0.0,
) -> Iterator[Scene]:
    """Find the motion and the style weights of a video, frame by frame.

    Args:
        tracker: a new one, which estimates the motion; without it each frame stands alone.
        masks: give each frame's style weights.
        grain: its amplitude, that of the net's training; 0 is none.
    """
    moving, shot = None, 0
    for frame in frames:
        image = frame.image.to(device)
        motion = tracker.follow(image) if tracker else None
        shot += tracker is not None and motion is None
        weights = masks.follow(image, motion).to(device) if masks else None
        motion = motion.to(device) if motion else None
        noise = None
        if grain:
            moving = moving or MovingGrain(size_of(image), device=device, amplitude=grain)
            # Without a tracker the grain is the canvas's own, and stands still.
            flow = (motion.flow, motion.validity) if motion else (None,)
            noise = moving.follow(*flow)
        yield Scene(replace(frame, image=image), motion, weights, noise, shot)


def stylize_frames(
    scenes: Iterable[Scene],
    paint: Paint,
    temporal_blend: float = 0.0,
    preserve_color: str = "none",
    timeline: Timeline | None = None,
    regions: Regions | None = None,
    workers: int = 1,
    waiting: int = 1,
    keep_alone: bool = False,
    together: int = 1,
    number: int = 0,
    net: RecordedNet | None = None,
    grade: Grade = UNGRADED,
) -> Iterator[PaintedFrame]:
    """Paint what `followed` gives, frame by frame; each result keeps its frame's time.

    Args:
        temporal_blend: weight of the previous result where the motion can be trusted.
        preserve_color: none, luminance or histogram, see `color.restore_color`.
        timeline: what each frame is painted with, where that changes; `paint` is for its size.
        regions: whose weights the scenes have.
        workers, waiting: see `in_order`; passes of the net at the same time.
        keep_alone: give each frame as painted without memory, too.
        together: frames in one pass, at most.
        number: of the first frame, for `timeline` and keyframes.
        net: that of `paint`, where what is recorded of it is to be kept; None records it anew.
    """

    def finished(image: Tensor, job: _Job) -> Tensor:
        content = job.scene.frame.image
        image = grade(restore_color(image, content, preserve_color))
        if regions:  # last of all: what stays original has nothing of the frames before
            image = regions.restored(image, content, job.scene.weights, job.originals)
        return image

    memory = VideoMemory(temporal_blend)
    groups = in_groups(_jobs(scenes, paint, timeline, number), together, _can_share_a_pass)
    keys = paint.keys
    net = net or RecordedNet(paint.net)
    work = ShrinkingBatches(partial(_by_keys, keys) if keys else partial(_stylized, paint, net))
    for job, image in chain.from_iterable(in_order(work, groups, workers, waiting)):
        scene, kept = job.scene, job.kept
        if keys:
            image, kept = keys.guided(job.number, image, kept)
        alone = finished(image, job) if keep_alone else None
        image = memory.update(image, kept) if temporal_blend else image
        result = replace(scene.frame, image=finished(image, job))
        yield PaintedFrame(scene.frame, result, scene.weights, alone, scene.motion is None)


@dataclass(frozen=True)
class _Job:
    """A scene with what it is painted with.

    Args:
        codes: (R, D).
        identity_weight: the identity's weight in them.
        folded: the codes that `FoldedCodes` gives, where there are style weights.
        originals: how far each of the styles leaves the picture as it is; None where none changes.
        kept: the motion, its validity less where the style is another one than before.
        number: of the frame, from 0 on.
    """

    scene: Scene
    codes: Tensor
    identity_weight: float | Tensor
    folded: Tensor | None
    originals: list[float] | None
    kept: Motion | None
    number: int


def _jobs(
    scenes: Iterable[Scene], paint: Paint, timeline: Timeline | None, number: int
) -> Iterator[_Job]:
    """Find the codes of each scene, in order: those of regions depend on the frames before."""
    codes, weight = paint.codes, paint.identity_weight
    folds, moment, originals = None, None, None
    for index, scene in enumerate(scenes, number):
        kept, last = scene.motion, moment
        if timeline:
            moment = timeline.at(index, scene.frame.pts)
            if moment != last:
                codes, weight = paint.at(moment)
                originals = timeline.originals(moment)
                kept = _less_kept(scene, moment.change(last)) if last else kept
        folded = None
        if scene.weights is not None:
            folds = folds or FoldedCodes(paint.net, codes, paint.dtype)
            seen = with_grain(scene.frame.image, scene.grain)
            folded = folds.follow(seen, scene.motion is None, codes)
        yield _Job(scene, codes, weight, folded, originals, kept, index)


def _less_kept(scene: Scene, change: Sequence[float]) -> Motion | None:
    """Return a scene's motion with less validity where its style has changed, by 0 to 1."""
    if scene.motion is None:
        return None
    kept = (1 - FORGETTING * scene.motion.validity.new_tensor(change)).clamp(min=0)
    kept = kept[None, :, None, None]
    if scene.weights is not None:
        size = size_of(scene.motion.validity)
        weights = F.interpolate(scene.weights, size=size, mode="area")
        kept = (kept * weights.to(kept)).sum(1, keepdim=True)
    return replace(scene.motion, validity=scene.motion.validity * kept)


def _can_share_a_pass(first: _Job, second: _Job) -> bool:
    """Tell whether two frames are of one size and shot, and of the same codes if they have maps.

    A shot's frames are together with none of another, so that it can be painted by itself.
    """
    return (
        first.scene.shot == second.scene.shot
        and (first.folded is None or first.codes is second.codes)
        and first.folded is second.folded
        and first.scene.frame.image.shape == second.scene.frame.image.shape
    )


def _stylized(paint: Paint, net: RecordedNet, jobs: list[_Job]) -> list[tuple[_Job, Tensor]]:
    """Stylize frames that can share a pass."""
    scenes, first = [job.scene for job in jobs], jobs[0]
    codes, identity_weight = first.codes, first.identity_weight
    weights = _together([scene.weights for scene in scenes])
    if any(job.codes is not codes for job in jobs):  # a code for each frame
        codes = torch.cat([job.codes for job in jobs])
        each = [torch.as_tensor(job.identity_weight).to(codes).view(1) for job in jobs]
        identity_weight, weights = torch.cat(each), torch.eye(len(jobs)).to(codes)
    images = stylize(
        net,
        torch.cat([scene.frame.image for scene in scenes]),
        codes,
        paint.dtype,
        paint.identity,
        identity_weight,
        weights,
        first.folded,
        _together([scene.grain for scene in scenes]),
        paint.detail,
    )
    return list(zip(jobs, images.split(1), strict=True))


def _by_keys(keys: KeyPaint, jobs: list[_Job]) -> list[tuple[_Job, Tensor]]:
    """Paint frames with the net that has learned the keyframes."""
    return [(job, keys.painted(job.number, job.scene.frame.image)) for job in jobs]


def _together(parts: list[Tensor | None]) -> Tensor | None:
    """Return what all frames have, or none has, as one batch."""
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found else None
