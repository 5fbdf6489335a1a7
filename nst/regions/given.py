"""Masks of the user's own: which file shows which region, and the style weights of each frame."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.progress import warn
from nst.errors import InputError
from nst.media.frames import Frame
from nst.media.images import load_mask
from nst.media.picture_file import is_picture
from nst.media.picture_reader import animation_of
from nst.media.video_reader import VideoReader, open_video
from nst.motion.coherence import Motion
from nst.regions.edges import feathered, normalized
from nst.regions.spec import BACKGROUND, Regions, warn_of_unused

# A given color may be off by this much of 255: encoders move them a little.
COLOR_TOLERANCE = 24 / 255


class GivenMasks:
    """Masks of the user's own.

    Args:
        streams: from `video_streams` or `picture_streams`: pictures of labels, or a soft
            mask for each name.
        feather: pixels over which regions fade into each other.
        mirror: flip them, as the frames are.
    """

    def __init__(
        self,
        regions: Regions,
        streams: list[Iterator[Tensor]],
        feather: float,
        mirror: bool = False,
    ):
        self.regions, self.feather, self.mirror = regions, feather, mirror
        labels, colors = labels_of(regions)
        self._streams, self._colors = streams, torch.tensor(colors)
        self._rows = torch.tensor([*(regions.rows[label] for label in labels), regions.rest])
        self._used = torch.zeros(len(regions.styles), dtype=torch.bool)
        self._resized = False

    def follow(self, frame: Tensor, motion: Motion | None = None) -> Tensor:
        """Return the style weights (1, K, H, W) of the next frame; they need no motion."""
        found = [next(stream) for stream in self._streams]
        if len(self._colors):
            layers = self._labelled(found[0])
        else:
            layers = torch.cat([picture.mean(1, keepdim=True) for picture in found], 1)
        if self.mirror:
            layers = layers.flip(3)
        size = frame.shape[-2:]
        if layers.shape[-2:] != size:
            if not self._resized:
                height, width = layers.shape[-2:]
                message = f"masks of {width}x{height} are brought to {size[1]}x{size[0]}"
                warn(message)
            self._resized = True
            layers = F.interpolate(layers, size=size, mode="bilinear", antialias=True)
        rest = (1 - layers.sum(1, keepdim=True)).clamp(min=0)
        masks = torch.zeros(1, len(self.regions.styles), *size)
        masks.index_add_(1, self._rows, torch.cat([layers, rest], 1))
        masks = normalized(masks)
        self._used |= (masks >= 0.5).flatten(2).any(2)[0]
        return feathered(masks, self.feather)

    def report(self) -> None:
        """Say which styles were never used."""
        warn_of_unused(self.regions, self._used, "the masks have none of it")

    def _labelled(self, picture: Tensor) -> Tensor:
        """Return a mask for each color, (1, L, h, w). Black counts as one: that of no region."""
        colors = torch.cat([self._colors, torch.zeros(1, 3)])
        gaps = (picture - colors[:, :, None, None]).abs().amax(1)
        nearest = gaps.argmin(0)
        nearest[gaps.amin(0) > COLOR_TOLERANCE] = len(colors) - 1
        masks = F.one_hot(nearest, len(colors))[..., : len(self._colors)]
        return masks.permute(2, 0, 1)[None].float()


def labels_of(regions: Regions) -> tuple[list[str], list[tuple[float, float, float]]]:
    """Return the labels that masks show, and their colors; none are left for names.

    Raises:
        InputError: some are colors and some are names.
    """
    labels = [label for label in regions.rows if label != BACKGROUND]
    colors = [_color(label) for label in labels]
    if None in colors and any(colors):
        name = labels[colors.index(None)]
        raise InputError(f"--region {name!r} is no gray level or color, as others of them are")
    return labels, [color for color in colors if color]


def video_streams(
    regions: Regions, path: Path, rate: Fraction, start: float, files: ExitStack, first: int = 0
) -> list[Iterator[Tensor]]:
    """Open a video's masks: one stream of label pictures, or one of soft masks for each name.

    Args:
        path: a video, a folder of pictures or a picture; for names a folder that has one of these
            for each.
        rate: frames a second of the video; folders of masks have as many.
        start: seconds from the beginning.
        files: closes what is opened.
        first: number of the first frame, from `start` on, that masks are wanted for.

    Returns:
        Pictures (1, 3, h, w), the last one held for ever.

    Raises:
        InputError: a mask is not there or cannot be read.
    """
    streams: list[Iterator[Tensor]] = []
    for place in _paths(regions, path):
        if place.is_file() and is_picture(place) and not animation_of(place):
            streams.append(repeat(load_mask(place)))
        else:
            opened = partial(_opened, place, rate, start, files)
            streams.append(_held(opened(), opened, place, first))
    return streams


def picture_streams(
    regions: Regions, path: Path, sources: Sequence[Path], several: bool
) -> list[Iterator[Tensor]]:
    """Find the masks of pictures, as `video_streams` does.

    Args:
        several: the sources are a folder's, and their masks are in folders, named like them.

    Raises:
        InputError: a mask is not there.
    """
    files = [
        [_named(source.stem, place) for source in sources] if several else [place]
        for place in _paths(regions, path)
    ]
    if not several and path.is_dir() and labels_of(regions)[1]:
        raise InputError(f"--masks {path} is a folder: give the picture of the masks")
    return [(load_mask(file) for file in row) for row in files]


def _paths(regions: Regions, path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"no file {path}: check --masks")
    labels, colors = labels_of(regions)
    return [path] if colors else [_named(label, path) for label in labels]


def _opened(path: Path, rate: Fraction, start: float, files: ExitStack) -> Iterable[Frame]:
    return cast(Iterable[Frame], files.enter_context(open_video(path, start, rate=rate)))


def _held(
    frames: Iterable[Frame], again: Callable[[], Iterable[Frame]], path: Path, first: int
) -> Iterator[Tensor]:
    """Yield the images of a video's frames from number `first` on, and the last one for ever.

    Args:
        again: opens the video once more.
    """
    if isinstance(frames, VideoReader):
        frames.skip(first)  # faster than reading them
    else:
        frames = islice(frames, first, None)
    last: tuple[int, Tensor] | None = None
    for count, frame in enumerate(frames, first + 1):
        last = count, frame.image
        yield frame.image
    if last is None:  # it has no more than `first` frames: the last of them is held
        for count, frame in enumerate(again(), 1):
            last = count, frame.image
    count, image = last  # a reader gives a frame or refuses
    warn(f"{path} ends after {count} masks: the last one is held")
    yield from repeat(image)


def _color(label: str) -> tuple[float, float, float] | None:
    """Read a gray level or #rrggbb."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", label):
        red, green, blue = (int(label[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return red, green, blue
    if label.isascii() and label.isdigit() and int(label) <= 255:
        return (int(label) / 255,) * 3
    return None


def _named(name: str, folder: Path) -> Path:
    """Return what is called `name` in a folder, whatever its ending."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: it needs a mask called {name!r} in it")
    entries = sorted(folder.iterdir())
    found = [entry for entry in entries if name in (entry.stem, entry.name)]
    if not found:
        there = ", ".join(entry.name for entry in entries[:8])
        raise InputError(f"no mask called {name!r} in {folder}, it has {there}")
    return found[0]
