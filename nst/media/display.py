"""A window that shows frames as they come."""

import os
import re
import socket
import sys
import time

import cv2

from nst.core.tensors import to_uint8
from nst.errors import InputError
from nst.media.frames import Frame

TITLE = "nst"
LEAVE = (27, ord("q"))  # Esc


class Window:
    """A window with the frames a second in its title.

    Raises:
        InputError: there is no display, or an OpenCV without windows.
    """

    def __init__(self) -> None:
        if sys.platform == "linux" and not _display_answers():
            raise InputError("--show needs a display and there is none here: give --output-video")
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise InputError(
                "--show: this OpenCV cannot open windows; install opencv-python in place of "
                "opencv-python-headless"
            ) from error
        self._rate = 0.0
        self._last: float | None = None

    def show(self, frame: Frame) -> bool:
        """Show a frame; return False when the user asked to leave by q, Esc or the window."""
        picture = to_uint8(frame.image)
        if self._last is None:
            cv2.resizeWindow(TITLE, picture.shape[1], picture.shape[0])
        cv2.imshow(TITLE, picture[..., ::-1])
        cv2.setWindowTitle(TITLE, f"{TITLE}, {self._frames_per_second():.0f} frames/s")
        pressed = cv2.waitKey(1) & 0xFF
        return pressed not in LEAVE and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def _frames_per_second(self) -> float:
        now = time.perf_counter()
        if self._last is not None:
            rate = 1 / max(1e-6, now - self._last)
            self._rate = rate if not self._rate else 0.9 * self._rate + 0.1 * rate
        self._last = now
        return self._rate

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *_: object) -> None:
        cv2.destroyAllWindows()


def _display_answers() -> bool:
    """Tell whether X or Wayland is there; asked for first, since without Qt ends the process."""
    if os.environ.get("WAYLAND_DISPLAY"):
        return True
    place = re.match(r"([^:]*):(\d+)", os.environ.get("DISPLAY", ""))
    if not place:
        return False
    host, number = place[1], int(place[2])
    try:
        if host and host != "unix":
            socket.create_connection((host, 6000 + number), 2).close()
        else:
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(f"/tmp/.X11-unix/X{number}")
    except OSError:
        return False
    return True
