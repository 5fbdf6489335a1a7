"""Videos out: files, GIFs and folders of numbered pictures, each whole or not there at all."""

import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
import torch

from nst.core.places import Place
from nst.core.tensors import Download, resize, to_uint8, to_uint16
from nst.core.threads import interrupts_held_back
from nst.errors import InputError
from nst.media.encoder import NVENC, FileEncoder, pixel_formats, working_codec
from nst.media.frames import Frame, StreamInfo, on_white
from nst.media.gif import GifEncoder
from nst.media.picture_writer import PictureWriter
from nst.media.sound import ENCODERS

AHEAD = 2  # frames on their way from a GPU while one is encoded
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def create_video(
    path: str | Path,
    info: StreamInfo,
    codec: str | None = None,
    crf: float = 18,
    preset: str = "veryfast",
    keep_audio: bool = True,
    threads: int = 0,
    pix_fmt: str | None = None,
    on_gpu: bool = False,
) -> "VideoWriter":
    """Create a video of the kind that the ending names: a file, a GIF or a folder of PNGs.

    Every frame keeps its time, as finely as the kind can say it: a millisecond in mkv and webm,
    1/100 s in a GIF, a whole frame of the average rate in avi. The size becomes even, by repeating
    the last row or column, where H.264 and its like need it; webm gets square pixels. Sound is
    copied, and encoded anew only where the kind cannot hold it; GIFs and folders have none. The
    file appears under its name when it is whole: an error leaves nothing, Ctrl-C what was finished
    until then.

    Args:
        codec: an encoder of FFmpeg's; None is libvpx-vp9 for webm, libx264 for the others, png for
            a folder, which may also have tiff.
        crf: quality, lower is better, 0 to 51 (VP9: 63).
        preset: x264's trade of time for size.
        threads: of the encoder; 0 is one a core.
        pix_fmt: FFmpeg's name of the pixels to write, such as yuv420p10le; None suits the codec. A
            folder takes rgb24 and rgb48.
        on_gpu: without a `codec`, take a GPU's H.264 encoder for mp4, mkv and mov where it works.

    Raises:
        InputError: nothing can be written there or like this.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    folder = path.is_dir() or not suffix
    if not folder and suffix not in (*ENCODERS, ".gif"):
        kinds = ", ".join((*ENCODERS, ".gif"))
        raise InputError(f"{path}: unknown ending {suffix}; give {kinds} or none for a folder")
    if info.path and path.exists() and info.path.exists() and path.samefile(info.path):
        raise InputError(f"{path}: is the input; give the output another name")
    if path.exists() and folder and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: is there already and not an empty folder; give another name")
    place = Place(path, folder)
    try:
        if folder:
            encoder = PictureWriter(place.part, codec, pix_fmt)
        elif suffix == ".gif":
            encoder = GifEncoder(place.part, info)
        else:
            if codec is None and on_gpu and suffix in (".mp4", ".mkv", ".mov") and not pix_fmt:
                codec = working_codec(NVENC)
            codec = codec or default_codec(path)
            options = {"crf": f"{crf:g}"}
            if codec.endswith("_nvenc"):
                options = {"rc": "vbr", "cq": f"{crf:g}", "b": "0"}
            elif "x26" in codec:
                options["preset"] = preset
            elif "vp9" in codec:
                options |= {"deadline": "good", "cpu-used": "5", "row-mt": "1"}
            sound = info.path if keep_audio else None
            encoder = FileEncoder(
                place.part, info, codec, options, sound, threads or os.cpu_count() or 1, pix_fmt
            )
        return VideoWriter(path, place, encoder)
    except BaseException:
        place.discard()
        raise


def holds_alpha(path: Path, codec: str | None, pix_fmt: str | None) -> bool:
    """Tell whether a video keeps alpha when it is written there with these options.

    >>> holds_alpha(Path("a.webm"), None, None), holds_alpha(Path("a.mp4"), None, None)
    (True, False)
    """
    if path.is_dir() or path.suffix.lower() in ("", ".gif"):
        return True
    codec = codec or default_codec(path)
    try:
        formats = [f.name for f in av.Codec(codec, "w").video_formats or []]
    except ValueError:  # an unknown codec, which `create_video` refuses
        return False
    return path.suffix.lower() != ".avi" and pixel_formats(codec, formats, pix_fmt)[1] is not None


def default_codec(path: Path) -> str:
    """Return the encoder of a file by its ending."""
    return "libvpx-vp9" if path.suffix.lower() == ".webm" else "libx264"


class VideoWriter:
    """A video that is being written beside its final name, which `close` gives it."""

    def __init__(
        self, path: Path, place: Place, encoder: "FileEncoder | GifEncoder | PictureWriter"
    ) -> None:
        # Where another run has written there meanwhile, `close` gives it another name.
        self.path, self._place, self._encoder = path, place, encoder
        self._shape: tuple[int, ...] | None = None
        self._alpha = False
        self._last = -1
        self._open = True
        self._coming: deque[tuple[Callable[[], np.ndarray], int, int]] = deque()

    @property
    def part(self) -> Path:
        """Where it is written until it is whole."""
        return self._place.part

    @property
    def depth(self) -> int:
        """Bits of a channel that are written, 8 or 16, before the encoder makes them its own."""
        return self._encoder.depth

    def write(self, frame: Frame) -> None:
        """Append a frame; one that is not later than the last comes one tick after it.

        Raises:
            InputError: no space left.
            ValueError: it differs from the first frame in size.
        """
        shape = tuple(frame.image.shape[-2:])
        if self._shape not in (None, shape):
            raise ValueError(f"frame of shape {shape} after one of {self._shape}")
        coming = self._coming_array(frame)
        self._shape = shape
        self._last = max(frame.pts, self._last + 1)
        self._coming.append((coming, self._last, frame.duration))
        # From a GPU the next frames come while this one is encoded.
        self._encode(AHEAD if frame.image.device.type == "cuda" else 0)

    def _encode(self, left: int) -> None:
        """Encode the frames that are on their way, but for so many."""
        while len(self._coming) > left:
            array, pts, duration = self._coming.popleft()
            with interrupts_held_back(), self._explained():
                self._encoder.write(array(), pts, duration)

    def _coming_array(self, frame: Frame) -> Callable[[], np.ndarray]:
        """Return what gives the frame's array; from a GPU it is on its way."""
        if self._encoder.depth == 8 and frame.alpha is None and not self._alpha:
            return Download(frame.image).array
        array = self._array(frame)
        return lambda: array

    def _array(self, frame: Frame) -> np.ndarray:
        """Return a frame as the encoder takes it: 8 or 16 bits, with alpha where that is held.

        The first frame decides whether there is alpha; what cannot be held is laid on white.
        """
        to_integers = to_uint8 if self._encoder.depth == 8 else to_uint16
        image, alpha = frame.image, frame.alpha
        if alpha is not None:
            height, width = image.shape[-2:]
            alpha = resize(alpha.to(image.device), (height, width))
        if self._shape is None:
            self._alpha = alpha is not None and self._encoder.holds_alpha
        if not self._alpha:
            return to_integers(image if alpha is None else on_white(image, alpha))
        alpha = torch.ones_like(image[:, :1]) if alpha is None else alpha
        return np.dstack([to_integers(image), to_integers(alpha)])

    def close(self, complete: bool = True) -> None:
        """Finish the video and give it its name; incomplete, its sound ends with its frames."""
        if not self._open:
            return
        if self._shape is None:
            self.discard()
            raise InputError(f"{self.path}: not one frame to write; nothing is written")
        with interrupts_held_back():
            try:
                self._encode(0)
                with self._explained():
                    self._encoder.finish(complete)
                    self.path = self._place.keep()
            except BaseException:
                self.discard()
                raise
            self._open = False

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._open:
            self._open = False
            with suppress(av.FFmpegError):
                self._encoder.abort()
            self._place.discard()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        interrupted = isinstance(error, KeyboardInterrupt)
        if kind is None or (interrupted and self._shape is not None):
            self.close(complete=not interrupted)
        else:
            self.discard()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            if error.errno not in FULL_DISK:
                raise
            message = f"{self.path}: no space left on its disk; free some or give another output"
            raise InputError(message) from None
