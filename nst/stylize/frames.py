"""A video's frames painted one after the other: the middle of the story of a stylized video."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nst.core.color import restore_color
from nst.core.threads import in_order
from nst.media.frames import Frame
from nst.media.video_writer import VideoWriter
from nst.models.transformer_net import TransformerNet
from nst.motion.coherence import Motion, MotionMean, MotionTracker
from nst.motion.grain import MovingGrain
from nst.regions.edges import colour_plan
from nst.regions.given import GivenMasks
from nst.regions.segmented import SegmentedMasks
from nst.regions.spec import Regions
from nst.styles.codes import CrossFade
from nst.stylize.forward import FoldedCodes, stylize, with_grain


@dataclass(frozen=True)
class Scene:
    """A frame and what is known of it before it is painted.

    Args:
        frame: its image on the net's device.
        motion: from the last frame; None begins anew.
        weights: style weights (1, K, H, W); None is for one code.
        grain: (1, 3, H, W), what the net gets beside the frame, see `motion.grain`; None adds none.
    """

    frame: Frame
    motion: Motion | None = None
    weights: Tensor | None = None
    grain: Tensor | None = None


@dataclass(frozen=True)
class Paint:
    """What frames are painted with.

    Args:
        codes: (K, D), on the net's device; one without masks.
        dtype: to compute in.
        identity, identity_share: see `one_pass.stylize`.
    """

    net: TransformerNet
    codes: Tensor
    dtype: torch.dtype
    identity: Tensor | None = None
    identity_share: float | Tensor = 0.0


def followed(
    frames: Iterable[Frame],
    device: torch.device,
    tracker: MotionTracker | None = None,
    masks: SegmentedMasks | GivenMasks | None = None,
    grain: float = 0.0,
) -> Iterator[Scene]:
    """Find the motion and the regions of a video, frame by frame.

    Args:
        tracker: a new one, which finds the motion; without it each frame is by itself.
        masks: which part of a frame takes which code.
        grain: its amplitude, that of the net's training; 0 is none.
    """
    moving = None
    for frame in frames:
        image = frame.image.to(device)
        motion = tracker.follow(image) if tracker else None
        weights = masks.follow(image, motion).to(device) if masks else None
        noise = None
        if grain:
            moving = moving or MovingGrain(tuple(image.shape[-2:]), device=device)
            # Without a tracker the grain is the canvas's own, and stands still.
            flow = (motion.flow.to(device), motion.validity.to(device)) if motion else (None,)
            noise = moving.follow(*flow).mul(grain)
        yield Scene(replace(frame, image=image), motion, weights, noise)


def stylize_frames(
    scenes: Iterable[Scene],
    paint: Paint,
    temporal_blend: float = 0.0,
    preserve_color: str = "none",
    fade: CrossFade | None = None,
    regions: Regions | None = None,
    mask_writer: VideoWriter | None = None,
    workers: int = 1,
    waiting: int = 1,
) -> Iterator[Frame]:
    """Paint what `followed` gives, frame by frame; each result keeps its frame's time.

    Args:
        temporal_blend: share of the last result where the motion can be trusted.
        preserve_color: none, luminance or histogram, see `tensors.restore_color`.
        fade: brings each frame's own code and identity share.
        regions: whose weights the scenes have.
        mask_writer: takes pictures of the masks.
        workers, waiting: see `in_order`; frames that pass the net at the same time.
    """
    mean, folds = MotionMean(temporal_blend), FoldedCodes(paint.net, paint.codes, paint.dtype)

    def passes() -> Iterator[tuple]:
        for index, scene in enumerate(scenes):
            codes, share = fade.at(index) if fade else (paint.codes, paint.identity_share)
            folded = None
            if scene.weights is not None:
                seen = with_grain(scene.frame.image, scene.grain)
                folded = folds.follow(seen, anew=scene.motion is None)
            yield scene, codes, share, folded

    def painted(job: tuple) -> tuple[Scene, Tensor]:
        scene, codes, share, folded = job
        left_alone = paint.identity, share
        rest = scene.weights, folded, scene.grain
        return scene, stylize(paint.net, scene.frame.image, codes, paint.dtype, *left_alone, *rest)

    for scene, image in in_order(painted, passes(), workers, waiting):
        content, motion, weights = scene.frame.image, scene.motion, scene.weights
        image = mean.update(image, motion) if temporal_blend else image
        image = restore_color(image, content, preserve_color)
        if regions:  # last of all: what is left alone has nothing of the frames before
            image = regions.restored(image, content, weights)
        if mask_writer:
            mask_writer.write(replace(scene.frame, image=colour_plan(weights, content)))
        yield replace(scene.frame, image=image)
