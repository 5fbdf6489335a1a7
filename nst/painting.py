"""A video's frames painted one after the other: the middle of the story of a stylized video."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from nst.coherence import MotionMean, MotionTracker
from nst.frames import Frame
from nst.masks import colour_plan
from nst.one_pass import FoldedCodes, stylize
from nst.region_masks import GivenMasks, SegmentedMasks
from nst.styles import CrossFade
from nst.tensors import restore_color
from nst.transformer_net import TransformerNet
from nst.video_writer import VideoWriter


def stylize_frames(
    frames: Iterable[Frame],
    net: TransformerNet,
    code: Tensor,
    dtype: torch.dtype,
    preserve_color: str = "none",
    tracker: MotionTracker | None = None,
    temporal_blend: float = 0.0,
    identity: Tensor | None = None,
    identity_share: float | Tensor = 0.0,
    fade: CrossFade | None = None,
    masks: SegmentedMasks | GivenMasks | None = None,
    mask_writer: VideoWriter | None = None,
) -> Iterator[Frame]:
    """Paint frames one by one; each result keeps its frame's time.

    Args:
        code: (K, D), on the net's device; one without masks.
        dtype: to compute in.
        preserve_color: none, luminance or histogram, see `tensors.restore_color`.
        tracker: a new one, which finds the motion; without it each frame is painted by itself.
        temporal_blend: share of the last result where the motion can be trusted.
        identity, identity_share: see `one_pass.stylize`.
        fade: brings each frame's own code and identity share.
        masks: which part of a frame takes which code.
        mask_writer: takes pictures of the masks.
    """
    mean, folds = MotionMean(temporal_blend), FoldedCodes(net, code, dtype)
    for index, frame in enumerate(frames):
        if fade:
            code, identity_share = fade.at(index)
        content = frame.image.to(code.device)
        motion = tracker.follow(content) if tracker else None
        weights = folded = None
        if masks:
            weights = masks.follow(content, motion).to(code.device)
            folded = folds.follow(content, anew=tracker is not None and motion is None)
        image = stylize(net, content, code, dtype, identity, identity_share, weights, folded)
        image = mean.update(image, motion) if temporal_blend else image
        image = restore_color(image, content, preserve_color)
        if masks:  # last of all: what is left alone has nothing of the frames before
            image = masks.regions.restored(image, content, weights)
        if mask_writer:
            mask_writer.write(replace(frame, image=colour_plan(weights, content)))
        yield replace(frame, image=image)
