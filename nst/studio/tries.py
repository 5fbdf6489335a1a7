"""Tries: pictures painted at once, by the functions of `nst picture`, with what is loaded kept."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from nst.core.device import choose_device, choose_dtype, dtype_name
from nst.core.progress import collected_warnings
from nst.core.tensors import fit, resize, size_of, to_uint8, working_size
from nst.media.contents import read_content
from nst.media.images import load_image, read_picture, save_image
from nst.media.video_reader import open_video
from nst.models.checkpoint import DEFAULT, SHIPPED, Checkpoint, load_checkpoint, picture_in
from nst.models.deeplab import CLASSES, Segmenter
from nst.models.transformer_net import TransformerNet
from nst.options.stylize import PictureConfig
from nst.regions.masks import needs_segmenter
from nst.regions.segmented import MIN_SEEN
from nst.styles.codes import Tune
from nst.styles.tuning import tuner_of
from nst.stylize.forward import MIN_SIDE
from nst.stylize.images import picture_painter
from nst.stylize.paint import mix_paint, placed, read_styles

DRAFT_SIDE = 640  # longer side, in pixels, of what is shown while a slider moves
THUMBNAIL_SIDE = 160
SEEN_SIDE = 256  # longer side of the map of classes
# What is kept: of everything so many, the oldest goes.
KEPT = {"checkpoint": 4, "content": 6, "code": 64, "seen": 8, "result": 2, "thumbnail": 200}
KEPT["segmenter"] = 1

Value = TypeVar("Value")


class Superseded(Exception):
    """A newer try came before this one was begun."""


@dataclass(frozen=True)
class Try:
    """A painted picture: image (1, 3, H, W), alpha (1, 1, H, W) or None, and lines of warning."""

    image: Tensor
    alpha: Tensor | None
    warnings: tuple[str, ...]


class Tries:
    """Paints tries. It may be used by several threads; of those that wait the newest goes on.

    Args:
        device, precision: as on the command line; what `auto` is gets settled here, once, so that
            every try and every command of the page computes alike.
    """

    def __init__(self, device: str = "auto", precision: str = "auto"):
        self.device = choose_device(device)
        self.dtype = choose_dtype(precision, self.device)
        self.machine = {"device": device, "precision": dtype_name(self.dtype)}
        self._kept: dict[str, OrderedDict[Hashable, Any]] = {name: OrderedDict() for name in KEPT}
        self._keeping = threading.Lock()
        # A draft does not wait for a large picture that was begun before.
        self._painting = {True: threading.Lock(), False: threading.Lock()}
        self._newest = {True: 0, False: 0}

    def paint(self, config: PictureConfig, draft: bool) -> Try:
        """Paint what `config` says, as the command does; a draft at most at `DRAFT_SIDE`.

        Raises:
            InputError: something that was set is wrong.
            Superseded: a newer one came meanwhile.
        """
        with self._keeping:
            self._newest[draft] += 1
            number = self._newest[draft]
        with self._painting[draft]:
            if number != self._newest[draft]:
                raise Superseded
            if draft:
                return self._paint(config, True)
            key = (config, _stamp(config.content_path))
            return self._keep("result", key, lambda: self._paint(config, False))

    def save(self, config: PictureConfig, target: Path) -> None:
        """Write the picture that the command would write."""
        done = self.paint(config, draft=False)
        save_image(done.image, target, done.alpha)

    def _paint(self, config: PictureConfig, draft: bool) -> Try:
        source, long_side = config.content_path, config.long_side
        with collected_warnings() as warned:
            styles = read_styles(config)
            checkpoint, net = self._loaded(config.checkpoint or DEFAULT)
            content, alpha = self._content(config)
            size = working_size(size_of(content), long_side, source, MIN_SIDE)
            if draft:
                size = fit(size, min(DRAFT_SIDE, max(size)))
            tune = self._tuner(config, checkpoint, wait=not draft)
            paint = mix_paint(config, checkpoint, styles, lambda: [], net=net, tune=tune)
            needed = needs_segmenter(config, styles.regions)
            segmenter = self._segmenter(config.segmenter) if needed else None
            content = resize(content, size)
            with picture_painter(config, paint, styles, [source], segmenter) as painter:
                image, _ = painter(content)
        alpha = None if alpha is None else resize(alpha, size)
        return Try(image.cpu(), alpha, tuple(warned))

    def _loaded(self, name: str) -> tuple[Checkpoint, TransformerNet]:
        """Return a checkpoint, and its net where it is to run."""

        def load() -> tuple[Checkpoint, TransformerNet]:
            checkpoint = load_checkpoint(name)
            return checkpoint, placed(checkpoint.net, self.device, self.dtype)

        key = name if name in SHIPPED else (name, _stamp(Path(name)))
        return self._keep("checkpoint", key, load)

    def _content(self, config: PictureConfig) -> tuple[Tensor, Tensor | None]:
        source, output, long_side = config.content_path, config.output, config.long_side
        key = (_stamp(source), long_side, output.suffix)  # type: ignore[union-attr]
        return self._keep("content", key, lambda: read_content(source, output, long_side))  # type: ignore[arg-type]

    def _tuner(self, config: PictureConfig, checkpoint: Checkpoint, wait: bool) -> Tune | None:
        """Return what tunes codes, once each; without `wait` only what is tuned already is used."""
        source, long_side = config.content_path, config.long_side
        exact = placed(checkpoint.net, self.device, torch.float32)
        tune = tuner_of(
            checkpoint, exact, lambda: [load_image(source, long_side)], config.refine_steps,
            config.precision, config.style_scale,
        )  # fmt: skip
        if tune is None:
            return None

        def kept(picture: Tensor, code: Tensor) -> Tensor:
            shown = hashlib.sha256(picture.numpy().tobytes()).digest()
            key = (_stamp(source), long_side, config.refine_steps, shown, checkpoint.styles)
            if not wait and key not in self._kept["code"]:
                return code
            return self._keep("code", key, lambda: tune(picture, code))

        return kept

    def frame(self, video: Path, second: float, target: Path) -> None:
        """Write a video's frame at a time as a picture, the nearest before it where it has none.

        Raises:
            InputError: the video cannot be read.
        """
        with open_video(video, max(0.0, second)) as reader:
            save_image(next(iter(reader)).image, target)

    def preview(self, path: Path, long_side: int = DRAFT_SIDE) -> Image.Image:
        """Return a picture as a browser can show it, whatever kind of file it is."""
        picture = read_picture(path, long_side)
        height, width = fit(picture.size[::-1], min(long_side, max(picture.size)))
        return picture.resize((width, height), Image.Resampling.LANCZOS)

    def thumbnail(self, checkpoint: str, style: str) -> bytes:
        """Return the middle of the picture that a style was learned from, as a JPEG file."""

        def make() -> bytes:
            file = picture_in(checkpoint, style)
            side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
            picture = read_picture(BytesIO(file)) if file else Image.new("RGB", side, "gray")
            return jpeg(ImageOps.fit(picture, side))

        return self._keep("thumbnail", (checkpoint, style), make)

    def seen(self, path: Path) -> dict[str, float]:
        """Return the classes that are seen in a picture, each with its fraction of the picture."""
        classes = self._classes(path)
        counts = np.bincount(classes.ravel(), minlength=len(CLASSES)) / classes.size
        found = {name: float(part) for name, part in zip(CLASSES, counts, strict=True)}
        seen = [item for item in found.items() if item[1] >= MIN_SEEN]
        return dict(sorted(seen, key=lambda item: -item[1]))

    def class_at(self, path: Path, x: float, y: float) -> str:
        """Return the class at a place of a picture; x and y are from 0 to 1."""
        classes = self._classes(path)
        height, width = classes.shape
        row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
        return CLASSES[classes[max(0, row), max(0, column)]]

    def _classes(self, path: Path) -> np.ndarray:
        def find() -> np.ndarray:
            image = load_image(path, DRAFT_SIDE)
            size = fit(size_of(image), SEEN_SIDE)
            found = self._segmenter("auto").probabilities(image, size)
            return found.argmax(1)[0].cpu().numpy()

        return self._keep("seen", _stamp(path), find)

    def _segmenter(self, kind: str) -> Segmenter:
        return self._keep("segmenter", kind, lambda: Segmenter(kind, self.device, self.dtype))

    def _keep(self, what: str, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return what was made for a key before, or make it."""
        kept = self._kept[what]
        with self._keeping:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        value = make()
        with self._keeping:
            kept[key] = value
            while len(kept) > KEPT[what]:
                kept.popitem(last=False)
        return value


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    """Return a picture as a JPEG file to look at."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def shown(image: Tensor) -> bytes:
    """Return an image (1, 3, H, W) as a JPEG file to look at."""
    return jpeg(Image.fromarray(to_uint8(image)), 92)


def _stamp(path: Path) -> tuple[str, int, int]:
    """Return what changes when a file does."""
    state = path.stat()
    return str(path), state.st_mtime_ns, state.st_size
