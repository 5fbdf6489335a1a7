"""The masks of a video's regions, frame by frame: found by a segmenter, or given by the user."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.tensors import fit, stretch
from nst.models.deeplab import CLASSES, Segmenter
from nst.motion.coherence import Motion
from nst.options.stylize import PictureConfig, VideoConfig
from nst.regions.edges import decided, feathered, guided_filter, normalised, without_islands
from nst.regions.given import labels_of, picture_streams, video_streams
from nst.regions.spec import Regions

# Masks are found and carried at so many pixels, then drawn to the edges of the full frame. What
# a segmenter sees is coarser: its own grid has some 65.
LOOK_SIDE, LONG_SIDE = 128, 256
# Share of what was known of a place that a frame's news does not change, where it can be followed:
# what comes and goes from one look to the next is averaged, and no look makes a mask jump.
MEMORY = 0.8
# As much of that is kept even where the motion cannot be trusted: limbs are mostly there.
DOUBTED = 0.5
# A class is there from this share of the frame on.
LEAST_SEEN = 0.002
# A given colour may be off by this much of 255: encoders move them a little.
COLOUR_TOLERANCE = 24 / 255


class SegmentedMasks:
    """Masks of classes, found every few frames and carried along the motion between.

    Args:
        every: frames from one look to the next; a new shot is looked at at once.
        feather: pixels over which regions fade into each other.

    Whether the last frame was looked at is the attribute `looked`.
    """

    def __init__(self, regions: Regions, segmenter: Segmenter, every: int, feather: float):
        self.regions, self.segmenter, self.every, self.feather = regions, segmenter, every, feather
        self._members = regions.membership()
        self._last: Tensor | None = None  # the last look, carried on
        self._masks: Tensor | None = None  # the mean of all looks, carried on
        self._age, self.looked = 0, False
        self._seen = torch.zeros(len(CLASSES), dtype=torch.bool)

    def follow(self, frame: Tensor, motion: Motion | None = None) -> Tensor:
        """Return the style weights (1, K, H, W) of the next frame.

        Args:
            frame: (1, 3, H, W).
            motion: from the last frame to this one; None begins anew.
        """
        frame = frame.cpu()
        size = tuple(frame.shape[-2:])
        size = fit(size, min(LONG_SIDE, max(size)))
        self._age += 1
        self.looked = motion is None or self._age >= self.every
        if motion is None:
            masks = last = self._look(frame, size)
        else:
            last, masks = motion.carry(torch.cat([self._last, self._masks])).chunk(2)
            last = self._look(frame, size) if self.looked else last
            trusted = DOUBTED + (1 - DOUBTED) * motion.trusted(size)
            masks = torch.lerp(last, masks, MEMORY * trusted)
        if self.looked:
            self._age = 0
        self._last, self._masks = last, masks
        small = F.interpolate(frame, size=size, mode="bilinear", antialias=True)
        return feathered(decided(guided_filter(masks, small, frame)), self.feather)

    def report(self) -> None:
        """Say which styles were never used."""
        names = ", ".join(name for name, seen in zip(CLASSES, self._seen, strict=True) if seen)
        used = self._members @ self._seen.float()
        _warn_of_unused(self.regions, used > 0, f"seen were {names}")

    def _look(self, frame: Tensor, size: tuple[int, int]) -> Tensor:
        coarse = fit(size, min(LOOK_SIDE, max(size)))
        classes = self.segmenter.probabilities(frame, coarse).cpu()
        counts = classes.argmax(1).flatten().bincount(minlength=len(CLASSES))
        self._seen |= counts >= LEAST_SEEN * coarse[0] * coarse[1]
        masks = (self._members @ classes.flatten(2)).view(1, -1, *coarse)
        return stretch(without_islands(masks), size)


class GivenMasks:
    """Masks of the user's own.

    Args:
        streams: what `mask_files` gives: pictures of labels, or a soft mask for each name.
        feather: pixels over which regions fade into each other.
    """

    def __init__(self, regions: Regions, streams: list[Iterator[Tensor]], feather: float):
        self.regions, self.feather = regions, feather
        labels, colours = labels_of(regions)
        self._streams, self._colours = streams, torch.tensor(colours)
        self._rows = torch.tensor([*(regions.rows[label] for label in labels), regions.rest])
        self._used = torch.zeros(len(regions.styles), dtype=torch.bool)
        self._resized = False

    def follow(self, frame: Tensor, motion: Motion | None = None) -> Tensor:
        """Return the style weights (1, K, H, W) of the next frame; they need no motion."""
        found = [next(stream) for stream in self._streams]
        if len(self._colours):
            layers = self._labelled(found[0])
        else:
            layers = torch.cat([picture.mean(1, keepdim=True) for picture in found], 1)
        size = frame.shape[-2:]
        if layers.shape[-2:] != size:
            if not self._resized:
                height, width = layers.shape[-2:]
                message = f"masks of {width}x{height} are brought to {size[1]}x{size[0]}"
                warnings.warn(message, stacklevel=2)
            self._resized = True
            layers = F.interpolate(layers, size=size, mode="bilinear", antialias=True)
        rest = (1 - layers.sum(1, keepdim=True)).clamp(min=0)
        masks = torch.zeros(1, len(self.regions.styles), *size)
        masks.index_add_(1, self._rows, torch.cat([layers, rest], 1))
        masks = normalised(masks)
        self._used |= (masks >= 0.5).flatten(2).any(2)[0]
        return feathered(masks, self.feather)

    def report(self) -> None:
        """Say which styles were never used."""
        _warn_of_unused(self.regions, self._used, "the masks have none of it")

    def _labelled(self, picture: Tensor) -> Tensor:
        """Return a mask for each colour, (1, L, h, w). Black counts as one: that of no region."""
        colours = torch.cat([self._colours, torch.zeros(1, 3)])
        gaps = (picture - colours[:, :, None, None]).abs().amax(1)
        nearest = gaps.argmin(0)
        nearest[gaps.amin(0) > COLOUR_TOLERANCE] = len(colours) - 1
        masks = F.one_hot(nearest, len(colours))[..., : len(self._colours)]
        return masks.permute(2, 0, 1)[None].float()


def _warn_of_unused(regions: Regions, used: Tensor, why: str) -> None:
    for row, style in enumerate(regions.styles):
        if not used[row] and row in regions.rows.values():
            labels = ", ".join(label for label, of in regions.rows.items() if of == row)
            warnings.warn(f"nothing took {style} ({labels}): {why}", stacklevel=3)


@contextmanager
def video_masks(
    config: VideoConfig,
    regions: Regions | None,
    device: torch.device,
    dtype: torch.dtype,
    rate: Fraction,
) -> Iterator[SegmentedMasks | GivenMasks | None]:
    """Open the masks that `config` names; without regions there are none.

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
        yield masks
        masks.report()


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
