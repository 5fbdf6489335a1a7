"""The masks of a video's regions, frame by frame: found by a segmenter, or given by the user."""

import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.coherence import Motion
from nst.errors import InputError
from nst.masks import decided, feathered, guided_filter, normalised, without_islands
from nst.regions import BACKGROUND, Regions
from nst.segmentation import CLASSES, Segmenter
from nst.tensors import fit
from nst.video_reader import open_video

# Masks are found and carried at this many pixels, then drawn to the edges of the full frame.
LONG_SIDE = 320
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

    def follow(self, frame: Tensor, motion: Motion | None) -> Tensor:
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

    def close(self) -> None:
        """Say which styles were never used."""
        names = ", ".join(name for name, seen in zip(CLASSES, self._seen, strict=True) if seen)
        used = self._members @ self._seen.float()
        _warn_of_unused(self.regions, used > 0, f"seen were {names}")

    def _look(self, frame: Tensor, size: tuple[int, int]) -> Tensor:
        classes = self.segmenter.probabilities(frame, size).cpu()
        counts = classes.argmax(1).flatten().bincount(minlength=len(CLASSES))
        self._seen |= counts >= LEAST_SEEN * size[0] * size[1]
        return without_islands(torch.einsum("kc,nchw->nkhw", self._members, classes))


class GivenMasks:
    """Masks of the user's own: pictures of labels, or a soft mask for each region.

    Args:
        path: with grey levels or colours as labels, a picture, a folder or a video of them; with
            names, a folder that has a picture, a folder or a video of each name, white where the
            region is.
        rate: frames a second of the video; folders have as many.
        start: seconds from the beginning.

    Raises:
        InputError: a label cannot be read, or its mask is not there.
    """

    def __init__(
        self, regions: Regions, path: Path, feather: float, rate: Fraction, start: float = 0.0
    ):
        self.regions, self.feather = regions, feather
        labels = [label for label in regions.rows if label != BACKGROUND]
        colours = [_colour(label) for label in labels]
        if any(colours) and not all(colours):
            name = labels[colours.index(None)]
            raise InputError(f"--region {name!r} is no grey level or colour as the others are")
        self._colours = torch.tensor(colours if any(colours) else [])
        self._rows = [regions.rows[label] for label in labels]
        self._used = torch.zeros(len(regions.styles), dtype=torch.bool)
        self._files = ExitStack()
        paths = [path] if len(self._colours) else [_file_of(label, path) for label in labels]
        try:
            readers = [self._files.enter_context(open_video(p, start, rate=rate)) for p in paths]
        except BaseException:
            self._files.close()
            raise
        self._streams = [_held(iter(r), p) for r, p in zip(readers, paths, strict=True)]
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
        rows = torch.tensor([*self._rows, self.regions.rest])
        masks.index_add_(1, rows, torch.cat([layers, rest], 1))
        masks = normalised(masks)
        self._used |= (masks >= 0.5).flatten(2).any(2)[0]
        return feathered(masks, self.feather)

    def close(self) -> None:
        """Close the files and say which styles were never used."""
        self._files.close()
        _warn_of_unused(self.regions, self._used, "the masks have none of it")

    def _labelled(self, picture: Tensor) -> Tensor:
        """Return a mask for each colour, (1, L, h, w). Black counts as one: that of no region."""
        colours = torch.cat([self._colours, torch.zeros(1, 3)])
        gaps = (picture - colours[:, :, None, None]).abs().amax(1)
        nearest = gaps.argmin(0)
        nearest[gaps.amin(0) > COLOUR_TOLERANCE] = len(colours) - 1
        masks = F.one_hot(nearest, len(colours))[..., : len(self._colours)]
        return masks.permute(2, 0, 1)[None].float()


def _held(frames: Iterator, path: Path) -> Iterator[Tensor]:
    """Give the masks' pictures, and the last one on and on."""
    count = 0
    for frame in frames:
        count += 1
        yield frame.image
    if count > 1:
        warnings.warn(f"{path} ends after {count} masks: the last one is held", stacklevel=2)
    while True:
        yield frame.image


def _colour(label: str) -> tuple[float, float, float] | None:
    """Read a grey level or #rrggbb."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", label):
        return tuple(int(label[i : i + 2], 16) / 255 for i in (1, 3, 5))
    if label.isascii() and label.isdigit() and int(label) <= 255:
        return (int(label) / 255,) * 3
    return None


def _file_of(name: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError(f"--region {name!r} needs a mask of that name, but {folder} is no folder")
    found = [entry for entry in sorted(folder.iterdir()) if name in (entry.stem, entry.name)]
    if not found:
        names = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8])
        raise InputError(f"--region {name!r}: no mask of that name in {folder}, it has {names}")
    return found[0]


def _warn_of_unused(regions: Regions, used: Tensor, why: str) -> None:
    for row, style in enumerate(regions.styles):
        if not used[row] and row in regions.rows.values():
            labels = ", ".join(label for label, of in regions.rows.items() if of == row)
            warnings.warn(f"nothing took {style} ({labels}): {why}", stacklevel=3)
