"""Open the masks that the options name: of classes, or the user's own; for a video or pictures."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import torch

from nst.models.blazeface import FaceFinder
from nst.models.deeplab import Segmenter
from nst.options.stylize import PictureConfig, VideoConfig
from nst.regions.given import GivenMasks, picture_streams, video_streams
from nst.regions.segmented import SegmentedMasks
from nst.regions.spec import FACES, Regions


def needs_segmenter(config: PictureConfig | VideoConfig, regions: Regions | None) -> bool:
    """Tell whether the regions are classes that a segmenter has to find."""
    return regions is not None and regions.names_classes and config.masks is None


@contextmanager
def open_masks(
    config: PictureConfig | VideoConfig,
    regions: Regions | None,
    device: torch.device,
    dtype: torch.dtype,
    sources: Sequence[Path] = (),
    rate: Fraction = Fraction(25),
    first: int = 0,
    segmenter: Segmenter | None = None,
) -> Iterator[SegmentedMasks | GivenMasks | None]:
    """Open the masks that `config` names; without regions there are none.

    Args:
        device, dtype: what the segmenter computes on and in.
        sources: the pictures' paths, in order; masks of the user's own are named like them.
        rate: frames a second of the video.
        first: number of the video's first frame that masks are wanted for.
        segmenter: one that is loaded; None loads what the options name.

    Raises:
        InputError: the masks or the segmenter's weights cannot be found.
    """
    if regions is None:
        yield None
        return
    with ExitStack() as files:
        if config.masks is None:
            if not needs_segmenter(config, regions):
                segmenter = None
            elif segmenter is None:
                segmenter = Segmenter(config.segmenter, device, dtype)
            finder = FaceFinder() if FACES in regions.rows else None
            every = config.segment_every if isinstance(config, VideoConfig) else 1
            yield SegmentedMasks(regions, segmenter, every, config.feather, finder)
        elif isinstance(config, VideoConfig):
            streams = video_streams(regions, config.masks, rate, config.start, files, first)
            yield GivenMasks(regions, streams, config.feather, config.mirror)
        else:
            several = config.content_path.is_dir()
            streams = picture_streams(regions, config.masks, sources, several)
            yield GivenMasks(regions, streams, config.feather)
