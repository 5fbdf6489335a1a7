"""Open the masks that the options name: of classes, or the user's own; for a video or pictures."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import torch

from nst.models.deeplab import Segmenter
from nst.options.stylize import PictureConfig, VideoConfig
from nst.regions.given import GivenMasks, picture_streams, video_streams
from nst.regions.segmented import SegmentedMasks
from nst.regions.spec import Regions


@contextmanager
def video_masks(
    config: VideoConfig,
    regions: Regions | None,
    device: torch.device,
    dtype: torch.dtype,
    rate: Fraction,
    first: int = 0,
) -> Iterator[SegmentedMasks | GivenMasks | None]:
    """Open the masks that `config` names; without regions there are none.

    Args:
        first: number of the first frame that they are for.

    Raises:
        InputError: the masks or the segmenter's weights are not to be had.
    """
    if regions is None:
        yield None
        return
    with ExitStack() as files:
        if config.masks is None:
            segmenter = Segmenter(config.segmenter, device, dtype)
            masks = SegmentedMasks(regions, segmenter, config.segment_every, config.feather)
        else:
            streams = video_streams(regions, config.masks, rate, config.start, files)
            masks = GivenMasks(regions, streams, config.feather)
            masks.skip(first)
        yield masks


@contextmanager
def picture_masks(
    config: PictureConfig,
    regions: Regions | None,
    device: torch.device,
    dtype: torch.dtype,
    sources: Sequence[Path],
) -> Iterator[SegmentedMasks | GivenMasks | None]:
    """Open the masks of pictures, one after the other; see `video_masks`."""
    if regions is None:
        yield None
        return
    if config.masks is None:
        segmenter = Segmenter(config.segmenter, device, dtype)
        masks = SegmentedMasks(regions, segmenter, 1, config.feather)
    else:
        several = config.content_path.is_dir()
        streams = picture_streams(regions, config.masks, sources, several)
        masks = GivenMasks(regions, streams, config.feather)
    yield masks
    masks.report()
