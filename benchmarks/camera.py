"""A camera's way to the screen at 640x360: frames a second and latency, by a clock in the picture.

    python -m benchmarks.camera

A stream served on loopback stands for the camera: each frame shows when it was made, in
milliseconds, as pairs of light and dark blocks, which can still be read when it is painted. A
window is left out: in its place a reader compares that clock with its own.
"""

import argparse
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

import cv2
import numpy as np

from nst.core.color import luminance
from nst.core.tensors import to_uint8
from nst.media.frames import Frame, PaintedFrame
from nst.options.stylize import VideoConfig
from nst.stylize.videos import one_pass_video

SIZE, RATE = (360, 640), 30.0
BITS, BLOCK = 14, 40  # 16 seconds until the clock starts again


def milliseconds() -> int:
    """Return the clock."""
    return int(time.monotonic() * 1000) % 2**BITS


def picture(moment: int, background: np.ndarray) -> np.ndarray:
    """Return a frame: each bit is a pair of blocks, light above dark or dark above light."""
    levels = background.copy()
    for bit in range(BITS):
        light = 255 * (moment >> bit & 1)
        across = slice(BLOCK * (bit + 1), BLOCK * (bit + 2))
        levels[:BLOCK, across], levels[BLOCK : 2 * BLOCK, across] = light, 255 - light
    return levels


def moment_of(frame: Frame) -> int:
    """Read the clock of a painted frame."""
    light = luminance(frame.image)[0, 0].float()
    moment, inner = 0, BLOCK // 4
    for bit in range(BITS):
        across = slice(BLOCK * (bit + 1) + inner, BLOCK * (bit + 2) - inner)
        above, below = (
            light[top + inner : top + BLOCK - inner, across].mean() for top in (0, BLOCK)
        )
        moment |= int(above > below) << bit
    return moment


class Camera(BaseHTTPRequestHandler):
    """Serves the clock as MJPEG."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        background = np.stack([x % 256, y % 256, (x + y) // 4 % 256], -1).astype(np.uint8)
        following = time.monotonic()
        try:
            while True:
                data = cv2.imencode(".jpg", picture(milliseconds(), background))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                following = max(following + 1 / RATE, time.monotonic())
                time.sleep(following - time.monotonic() if following > time.monotonic() else 0)
        except OSError:
            pass  # whoever looked has left

    def log_message(self, *_) -> None:
        pass


class Screen:
    """Stands in for the window: notes when each frame is shown, and how old it is."""

    def __init__(self) -> None:
        self.shown: list[float] = []
        self.ages: list[int] = []

    def show(self, frame: PaintedFrame) -> None:
        to_uint8(frame.result.image)  # as the window needs it
        self.shown.append(time.monotonic())
        self.ages.append((milliseconds() - moment_of(frame.result)) % 2**BITS)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--checkpoint", default="fast")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"camera of {RATE:g} frames/s, 640x360  frames/s  latency ms: median  worst of 95 %")
    for flow, label in (("none", "each frame alone"), ("dis", "held still along the motion")):
        screen = Screen()
        config = VideoConfig(
            input_video=f"http://127.0.0.1:{server.server_port}/",
            checkpoint=options.checkpoint,
            duration=options.seconds,
            flow=flow,
        )
        one_pass_video(config, on_frame=screen.show)
        # The first second warms up.
        settled = [i for i, t in enumerate(screen.shown) if t > screen.shown[0] + 1]
        ages = sorted(screen.ages[i] for i in settled)
        rate = (len(settled) - 1) / (screen.shown[-1] - screen.shown[settled[0]])
        worst = ages[int(0.95 * len(ages))]
        print(f"{label:33}{rate:10.1f}{median(ages):20.0f}{worst:17.0f}")


if __name__ == "__main__":
    main()
