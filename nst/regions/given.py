"""Masks that the user drew: which file shows which region, and its pictures one by one."""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import repeat
from pathlib import Path

from torch import Tensor

from nst.errors import InputError
from nst.media.frames import Frame
from nst.media.images import WRITABLE as STILLS
from nst.media.images import load_image
from nst.media.video_reader import open_video
from nst.regions.spec import BACKGROUND, Regions


def labels_of(regions: Regions) -> tuple[list[str], list[tuple[float, float, float]]]:
    """Return the labels that masks show, and their colours; none are left for names.

    Raises:
        InputError: some are colours and some are names.
    """
    labels = [label for label in regions.rows if label != BACKGROUND]
    colours = [_colour(label) for label in labels]
    if None in colours and any(colours):
        name = labels[colours.index(None)]
        raise InputError(f"--region {name!r} is no grey level or colour, as others of them are")
    return labels, [colour for colour in colours if colour]


def video_streams(
    regions: Regions, path: Path, rate: Fraction, start: float, files: ExitStack
) -> list[Iterator[Tensor]]:
    """Open a video's masks: one stream of label pictures, or one of soft masks for each name.

    Args:
        path: a video, a folder of pictures or a picture; for names a folder that has one of these
            for each.
        rate: frames a second of the video; folders of masks have as many.
        start: seconds from the beginning.
        files: closes what is opened.

    Returns:
        Pictures (1, 3, h, w), the last one held for ever.

    Raises:
        InputError: a mask is not there or cannot be read.
    """
    streams = []
    for place in _paths(regions, path):
        if place.suffix.lower() in STILLS:
            streams.append(repeat(load_image(place)))
        else:
            reader = files.enter_context(open_video(place, start, rate=rate))
            streams.append(_held(reader, place))
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
    return [(load_image(file) for file in row) for row in files]


def _paths(regions: Regions, path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"no file {path}: check --masks")
    labels, colours = labels_of(regions)
    return [path] if colours else [_named(label, path) for label in labels]


def _held(frames: Iterable[Frame], path: Path) -> Iterator[Tensor]:
    count = 0
    for frame in frames:
        count += 1
        yield frame.image
    warnings.warn(f"{path} ends after {count} masks: the last one is held", stacklevel=2)
    yield from repeat(frame.image)


def _colour(label: str) -> tuple[float, float, float] | None:
    """Read a grey level or #rrggbb."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", label):
        return tuple(int(label[i : i + 2], 16) / 255 for i in (1, 3, 5))
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
