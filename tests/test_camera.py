"""Live input: an MJPEG stream on loopback stands for the camera."""

import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import media
import numpy as np
import pytest
import torch
from PIL import Image

import nst.styles.codes
import nst.styles.tuning
from nst.api import run_video
from nst.errors import InputError
from nst.media.camera import CameraReader, is_live
from nst.media.video_reader import open_video
from nst.options.stylize import VideoConfig
from nst.stylize.videos import one_pass_video

SIZE = (48, 64)
RATE = 50.0


def picture(index: int) -> np.ndarray:
    """Return BGR whose lightness is the frame's number: dark blue left, the number right."""
    levels = np.full((*SIZE, 3), index % 200 + 20, np.uint8)
    levels[:, :16] = (200, 0, 0)
    return levels


def number(image: torch.Tensor) -> int:
    return round(float(image[0, :, 8:40, 40:60].mean()) * 255) - 20


class Camera(ThreadingHTTPServer):
    """Sends `frames` pictures, one each 1/50 s, and knows which was sent last."""

    daemon_threads = True

    def __init__(self, frames: int):
        self.frames, self.sent = frames, -1
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/live.mjpg"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for index in range(self.server.frames):
                data = cv2.imencode(".jpg", picture(index))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                self.server.sent = index
                time.sleep(1 / RATE)
        except OSError:
            pass  # whoever looked has left

    def log_message(self, *_):
        pass


@pytest.fixture
def camera():
    """Return a server's starter; all are stopped at the end."""
    servers = []

    def begin(frames: int) -> Camera:
        servers.append(Camera(frames))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1]

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def test_who_is_slow_misses_frames_and_never_falls_behind(camera):
    server = camera(150)
    lags, numbers, times = [], [], []
    with open_video(server.url) as reader:
        assert isinstance(reader, CameraReader) and reader.info.size == SIZE
        for frame in reader:
            time.sleep(0.1)  # five frames are sent meanwhile
            numbers.append(number(frame.image))
            lags.append(server.sent - numbers[-1])
            times.append(frame.pts)
            if len(numbers) == 12:
                break
    steps = np.diff(numbers[2:])
    assert (steps > 0).all() and steps.mean() > 2
    # No queue: the last one waited no longer than the first ones.
    assert np.mean(lags[-4:]) <= np.mean(lags[2:6]) + 5
    assert (np.diff(times) > 0).all()


def test_the_stream_ends_when_its_sender_does(camera):
    with open_video(camera(10).url) as reader:
        assert len(list(reader)) <= 10


def test_duration_ends_it(camera):
    with open_video(camera(1000).url, duration=0.5) as reader:
        assert max(frame.pts for frame in reader) <= 500


@pytest.mark.parametrize("name", ["97", "http://127.0.0.1:9/none.mjpg", "/dev/none"])
def test_no_camera_is_one_line(name):
    with pytest.raises(InputError, match=f"--input-video {name}: no camera"):
        open_video(name)


def test_what_is_live_has_no_start():
    with pytest.raises(InputError, match="begins now"):
        open_video("0", start=2)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_camera_is_painted_into_a_file(camera, tiny_path, tmp_path, mirror):
    output = tmp_path / "out.mkv"
    config = VideoConfig(
        input_video=camera(400).url, output_video=output, checkpoint=str(tiny_path), quiet=True,
        strength=0.0, duration=1.0, mirror=mirror, flow="none", device="cpu",
    )  # fmt: skip
    one_pass_video(config)
    with open_video(output) as reader:
        frames = list(reader)
    assert len(frames) > 2
    blue = frames[-1].image[0, 2] - frames[-1].image[0, 0]
    sides = blue[:, :12].mean(), blue[:, -12:].mean()
    assert (sides[1] > sides[0]) == mirror


def test_a_style_is_tuned_on_a_picture_that_had_time_for_the_light(
    camera, any_style_path, tmp_path, monkeypatch
):
    """And what the tuning takes of the stream is not missing from the video."""
    seen = []

    def tuner(net, contents, *_):
        seen.extend(number(image) for image in contents())
        time.sleep(0.5)
        return lambda picture, code: code

    monkeypatch.setattr(nst.styles.tuning, "code_tuner", tuner)
    output, style = tmp_path / "out.mkv", tmp_path / "style.png"
    Image.fromarray(media.picture(3, (64, 64))).save(style)
    config = VideoConfig(
        input_video=camera(60).url, output_video=output, checkpoint=str(any_style_path),
        style_path=(style,), quiet=True, flow="none", device="cpu",
    )  # fmt: skip
    one_pass_video(config)
    assert len(seen) == 1 and seen[0] > 0.3 * RATE
    with open_video(output) as reader:
        times = [frame.pts * reader.info.time_base for frame in reader]
    assert times[0] == 0 and times[-1] > 0.8


def test_a_picture_is_learned_before_the_stream_is_shown(camera, tiny_path, tmp_path, monkeypatch):
    """And it may come at a time; a fade to the end has none, which is said before."""
    monkeypatch.setattr(nst.styles.codes, "STYLE_PICTURE_SIDE", 64)
    style, told, shown = tmp_path / "style.png", [], []
    Image.fromarray(media.picture(3, (64, 64))).save(style)
    given = {"checkpoint": str(tiny_path), "quiet": True, "flow": "none", "device": "cpu"}
    given |= {"input_video": camera(400).url, "duration": 0.4, "refine_steps": 2}

    def on_frame(frame):
        shown.append(len(told))

    for options in ({"style_path": (style,)}, {"style_at": f"0 wave, 0.2 {style}"}):
        told.clear()
        shown.clear()
        config = VideoConfig(**given, **options)
        one_pass_video(config, on_frame, told.append)
        learning = [p.done for p in told if p.stage == "learning the style"]
        assert learning == [0, 1, 2] and told[2].done == 2 and min(shown) > 2
    config = VideoConfig(**given, style_path=(style,), style_to="wave")
    told.clear()
    with pytest.raises(InputError, match="--style-to: a camera has no end"):
        one_pass_video(config, on_frame, told.append)
    assert not told


def test_somebody_must_see_it(tiny_path):
    with pytest.raises(InputError, match="nothing would be seen"):
        one_pass_video(VideoConfig(input_video="0", checkpoint=str(tiny_path)))


@pytest.mark.parametrize("display", ["", "nonsense", ":4095", "127.0.0.1:4095"])
def test_without_a_display_the_window_is_one_line(camera, tiny_path, monkeypatch, display):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    config = VideoConfig(
        input_video=camera(100).url, show=True, checkpoint=str(tiny_path), quiet=True, device="cpu"
    )
    with pytest.raises(InputError, match="--show needs a display"):
        run_video(config)


class TestCameraOrFile:
    """What is there is looked at before a name is taken for a camera's."""

    @pytest.mark.parametrize("name", ["2024", "0"])
    def test_a_file_called_by_a_number(self, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        assert is_live(name)
        media.make_clip(tmp_path / "clip.mp4", frames=5).rename(tmp_path / name)
        assert not is_live(name)
        with open_video(name) as reader:
            assert len(list(reader)) == 5

    def test_a_folder_called_by_a_number(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "001").mkdir()
        for index in range(3):
            Image.fromarray(media.picture(index)).save(tmp_path / "001" / f"{index}.png")
        with open_video("001") as reader:
            assert len(list(reader)) == 3

    @pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no RAM disk here")
    def test_a_file_on_a_ram_disk(self):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            clip = media.make_clip(Path(folder) / "clip.mp4", frames=5)
            with open_video(str(clip)) as reader:
                assert len(list(reader)) == 5 and reader.info.path == clip

    @pytest.mark.parametrize("name", ["clip.mp4", "a b%20c é.mp4"])
    def test_a_file_address(self, tmp_path, name):
        clip = media.make_clip(tmp_path / name, frames=5)
        for address in (clip.as_uri(), f"file://{clip}"):
            with open_video(address) as reader:
                assert len(list(reader)) == 5 and reader.info.path == clip

    @pytest.mark.parametrize("name", ["/dev/shm/not there.mp4", "file:///not/there.mp4", "²"])
    def test_what_is_not_there_is_a_missing_file(self, name):
        with pytest.raises(InputError, match="no such file"):
            open_video(name)
