"""Training samples: square crops of photos and of videos' frames, each with a style to take.

A sample is a function of the seed, the step and its place in the whole batch alone. So a resumed
run sees what an uninterrupted one would have seen, and several processes see what one would with
the batch of all of them.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from nst.core.color import LUMA
from nst.core.tensors import to_uint8
from nst.errors import InputError
from nst.media.folders import may_be_picture, walk_files, warn_left_out
from nst.media.frames import Frame
from nst.media.images import read_picture
from nst.media.picture_reader import read_pixels

MEMORY = 3 * 2**30  # bytes of decoded pictures to keep
CHECKED_SIDE = 32  # photos are decoded no larger than this needs to know that they are whole
FRAMES_PER_VIDEO = 32  # evenly spread: more of one shot teach little, and they stay in memory


def load_contents(
    folder: Path, least_side: int, flag: str = "--content-dir", videos: bool = True
) -> list[np.ndarray | Path]:
    """Find everything to train on below a folder: pictures' paths, and frames of videos.

    What a file is, its content says. Linked folders are followed, hidden files are not used. A
    video's frame comes with the one that follows it, as uint8 (2, height, width, 3).

    Each is read once, so that what cannot be read is known before training: it is left out with
    one warning that counts them.

    Args:
        least_side: pictures with a shorter side below a quarter of this are left out.
        flag: the option that named the folder.
        videos: False leaves them out.

    Raises:
        InputError: no such folder, or nothing in it can be used.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: check {flag}")
    contents: list[np.ndarray | Path] = []
    left_out = []
    for file in walk_files(folder):
        try:
            if may_be_picture(file):
                height, width = read_pixels(file, long_side=CHECKED_SIDE).size
                if min(width, height) * 4 < least_side:
                    raise InputError(f"{file} is only {width}x{height}")
                contents.append(file)
            elif videos:
                contents.extend(_video_frames(file))
            else:
                raise InputError(f"{file} is no picture")
        except InputError as error:
            left_out.append(str(error))
    warn_left_out(folder, left_out)
    if not contents:
        raise InputError(f"no pictures or videos in {folder} that could be used for training")
    return contents


def hold_out(contents: list, holdout: int) -> tuple[list, list]:
    """Return (held out, rest): evenly spread, so that a folder sorted by kind gives one of each."""
    chosen = {round((i + 0.5) * len(contents) / holdout) for i in range(holdout)}
    held_out = [item for i, item in enumerate(contents) if i in chosen]
    return held_out, [item for i, item in enumerate(contents) if i not in chosen]


def _video_frames(path: Path) -> list[np.ndarray]:
    try:
        from nst.media.video_reader import open_video  # late: photos need no FFmpeg
    except ImportError as error:
        raise InputError(f"{path} needs the packages av and opencv-python to be read") from error

    pairs, first = [], None
    with open_video(path) as reader:
        every = max(1, (reader.info.frames or 0) // FRAMES_PER_VIDEO)
        for i, frame in enumerate(reader):
            if first is not None:
                pairs.append(np.stack([first, _small(frame)]))
            first = _small(frame) if i % every == 0 else None
    if first is not None:  # the last one: nothing follows it
        pairs.append(np.stack([first, first]))
    return pairs


def _small(frame: Frame) -> np.ndarray:
    picture = Image.fromarray(to_uint8(frame.image))
    picture.thumbnail((512, 512))
    return np.asarray(picture)


def open_content(content: np.ndarray | Path, long_side: int | None = None) -> Image.Image:
    """Return an item of `load_contents` or `decoded` as a picture, reduced as by `read_pixels`."""
    if isinstance(content, Path):
        return read_picture(content, long_side)
    return Image.fromarray(content if content.ndim == 3 else content[0])


def following(content: np.ndarray | Path) -> Image.Image | None:
    """Return the frame after that of `open_content`; None where there is none."""
    if isinstance(content, Path) or content.ndim == 3 or np.array_equal(content[0], content[1]):
        return None
    return Image.fromarray(content[1])


def decoded(contents: list, short_side: int) -> list:
    """Return contents with pictures decoded, at most this shorter side, while memory allows.

    Decoding takes longer than cropping, and each picture comes many times. Beyond `MEMORY` bytes
    pictures stay files.
    """
    held, result = 0, []
    for content in contents:
        if isinstance(content, Path) and held < MEMORY:
            picture = read_picture(content, 2 * short_side)
            scale = max(1.0, min(picture.size) / short_side)
            content = np.asarray(picture.resize([round(side / scale) for side in picture.size]))
            held += content.nbytes
        result.append(content)
    return result


class Samples(Dataset):
    """Crops with styles, addressed by `(step, place)`; see `steps_of` for the sampler.

    An item is the crop and the same of the frame that follows it, uint8 (2, 3, size, size), and the
    row of its style's target, 0 = identity. Where nothing follows, the crop itself does.

    Args:
        contents: from `load_contents`.
        styles: how many targets there are beside the identity.
        identity_fraction: chance that a sample takes the identity.
        together: all samples of a step have one style.
    """

    def __init__(
        self,
        contents: list,
        size: int,
        styles: int,
        identity_fraction: float,
        seed: int,
        together: bool = False,
    ):
        self.contents, self.size, self.styles = contents, size, styles
        self.identity_fraction, self.seed, self.together = identity_fraction, seed, together

    def __getitem__(self, address: tuple[int, int]) -> tuple[Tensor, int]:
        random = np.random.default_rng((self.seed, *address))
        content = self.contents[random.integers(len(self.contents))]
        state = random.bit_generator.state
        crop = after = random_crop(open_content(content, 2 * self.size), self.size, random)
        if (frame := following(content)) is not None:
            random.bit_generator.state = state
            after = random_crop(frame, self.size, random)
        return torch.from_numpy(np.stack([crop, after])).permute(0, 3, 1, 2), self._style(*address)

    def _style(self, step: int, place: int) -> int:
        random = np.random.default_rng((self.seed, step, 0 if self.together else place, 2))
        if random.random() < self.identity_fraction:
            return 0
        return 1 + int(random.integers(self.styles))


def random_crop(picture: Image.Image, size: int, random: np.random.Generator) -> np.ndarray:
    """Cut a square of half to all of the shorter side, resize it, flip it by chance.

    Returns:
        uint8 (size, size, 3).
    """
    side = min(picture.size)
    side = max(1, round(side * random.uniform(0.5, 1.0)))
    left = int(random.integers(picture.width - side + 1))
    top = int(random.integers(picture.height - side + 1))
    box = (left, top, left + side, top + side)
    crop = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=box))
    return (crop[:, ::-1] if random.random() < 0.5 else crop).copy()


def steps_of(first: int, last: int | None, places: range) -> Iterator[list[tuple[int, int]]]:
    """Yield the addresses of each step's batch, without end where `last` is None.

    Args:
        places: this process's part of the batch.
    """
    for step in count(first) if last is None else range(first, last):
        yield [(step, place) for place in places]


class AnySamples(Samples):
    """Samples for any style: a crop, 0 = identity or 1, and a crop of a style picture.

    Args:
        styles: groups of style pictures, from `group_styles`; each has the same chance.
        style_size: pixels of the style's square.
    """

    def __init__(
        self,
        contents: list,
        size: int,
        styles: list[list[Path]],
        style_size: int,
        identity_fraction: float,
        seed: int,
    ):
        super().__init__(contents, size, 1, identity_fraction, seed)
        self.groups, self.style_size = styles, style_size

    def __getitem__(self, address: tuple[int, int]) -> tuple[Tensor, int, Tensor]:  # type: ignore[override]
        random = np.random.default_rng((self.seed, *address, 1))
        group = self.groups[random.integers(len(self.groups))]
        picture = read_picture(group[random.integers(len(group))])
        crop = other_colors(random_crop(picture, self.style_size, random), random)
        return *super().__getitem__(address), torch.from_numpy(crop).permute(2, 0, 1)


def other_colors(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Turn the hue, change saturation and contrast of every second picture, uint8 (H, W, 3).

    There are fewer paintings than ways to color one.
    """
    turned, angle = random.random() < 0.5, random.uniform(-np.pi, np.pi)
    saturation, gamma = random.uniform(0.5, 1.5), np.exp(random.normal(0, 0.3))
    if not turned:
        return picture
    light = picture @ np.array(LUMA)
    blue, red = picture[..., 2] - light, picture[..., 0] - light
    cos, sin = saturation * np.cos(angle), saturation * np.sin(angle)
    blue, red = cos * blue - sin * red, sin * blue + cos * red
    light = 255 * (light / 255) ** gamma
    green = light - (LUMA[0] * red + LUMA[2] * blue) / LUMA[1]
    levels = np.stack([light + red, green, light + blue], -1)
    return levels.round().clip(0, 255).astype(np.uint8)


def group_styles(folder: Path, pictures: list[Path]) -> list[list[Path]]:
    """Return the pictures below a folder by its subfolders; those in none are a group too."""
    groups: dict[str, list[Path]] = {}
    for picture in pictures:
        parts = picture.relative_to(folder).parts
        groups.setdefault(parts[0] if len(parts) > 1 else "", []).append(picture)
    return list(groups.values())
