"""Live video in: a camera's number, a device's path or a stream's URL.

Latency counts more than frames: a thread takes every frame as it comes and keeps the latest only,
so that who cannot keep up misses frames instead of falling behind.
"""

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from urllib.request import url2pathname

import cv2
import numpy as np

from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media.frames import Frame, StreamInfo, frame_rate

MILLISECONDS = Fraction(1, 1000)
SILENCE_SECONDS = 10.0  # a stream that stays still for so long has ended


def is_live(name: str) -> bool:
    """Tell whether an input is a camera or a stream: what is not there as a file, by its name.

    >>> [is_live(name) for name in ("0", "/dev/video1", "rtsp://host/door", "clip.mp4")]
    [True, True, True, False]
    """
    path = local_path(name)
    if path is None:
        return True
    if path.exists():
        return path.is_char_device()
    return _is_number(name) or (name.startswith("/dev/") and not name.startswith("/dev/shm/"))


def local_path(name: str) -> Path | None:
    """Return the path that a name or a `file://` address stands for; None for another address.

    >>> local_path("file:///tmp/a%20b.mp4").as_posix(), local_path("rtsp://host/door")
    ('/tmp/a b.mp4', None)
    """
    scheme, separator, rest = name.partition("://")
    if not separator or Path(name).exists():
        return Path(name)
    if scheme.lower() != "file":
        return None
    plain = Path(rest)  # a name that was put behind file:// as it is
    return plain if plain.exists() else Path(url2pathname(rest.removeprefix("localhost")))


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


class CameraReader:
    """A camera or stream, open for reading; iterated once, each time giving the latest frame.

    Frames carry the milliseconds since the first one given as their time.

    Args:
        name: see `is_live`.
        duration: seconds after which it ends; None goes on until the stream does.

    Raises:
        InputError: it cannot be opened, or gives no picture.
    """

    def __init__(self, name: str, duration: float | None = None) -> None:
        self._duration = duration
        self._capture = cv2.VideoCapture(int(name) if _is_number(name) else name)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        got, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not got:
            self._capture.release()
            raise InputError(
                f"--input-video {name}: no camera or stream gives pictures there; "
                "check its number or address, and that nothing else uses it"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        rate = frame_rate(rate) if 1 <= rate <= 1000 else Fraction(25)
        self.info = StreamInfo(first.shape[:2], rate, MILLISECONDS)
        self._latest: tuple[float, np.ndarray] | None = (time.monotonic(), first)
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._grab, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        pts, begin = -1, None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._latest or self._ended, SILENCE_SECONDS)
                if self._latest is None:
                    return
                (moment, picture), self._latest = self._latest, None
            begin = moment if begin is None else begin
            seconds = moment - begin
            if self._duration is not None and seconds >= self._duration:
                return
            pts = max(pts + 1, round(seconds * 1000))
            yield Frame(to_float(self._upright(picture)), pts)

    def __enter__(self) -> "CameraReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._changed:
            self._ended = True
        self._thread.join()
        self._capture.release()

    def _grab(self) -> None:
        while not self._ended:
            got, picture = self._capture.read()
            with self._changed:
                if got:
                    self._latest = (time.monotonic(), picture)
                else:
                    self._ended = True
                self._changed.notify()

    def _upright(self, picture: np.ndarray) -> np.ndarray:
        height, width = self.info.size
        if picture.shape[:2] != (height, width):
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(picture[..., ::-1])
