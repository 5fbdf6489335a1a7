"""More than 8 bits, alpha, interlaced pictures and several streams, read back by PyAV alone."""

import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import media
import numpy as np
import pytest
import torch
from PIL import Image

from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media.frames import Frame, StreamInfo
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video, holds_alpha

SIZE = (64, 96)
INFO = StreamInfo(SIZE, Fraction(25), Fraction(1, 25))


def ramp_alpha() -> np.ndarray:
    """Return (H, W) in 0 to 255: clear left, opaque right."""
    return np.repeat(np.linspace(0, 255, SIZE[1])[None], SIZE[0], 0).round().astype(np.uint8)


def frames(count: int = 4) -> list[Frame]:
    alpha = torch.from_numpy(ramp_alpha() / np.float32(255))[None, None]
    return [Frame(to_float(media.picture(i)), i, 1, alpha) for i in range(count)]


def write(path: Path, given: list[Frame], **options) -> Path:
    with create_video(path, INFO, **options) as writer:
        for frame in given:
            writer.write(frame)
    return path


WITH_ALPHA = [
    ("out.webm", {}),
    ("out.mkv", {"codec": "libvpx-vp9"}),
    ("out.mov", {"codec": "prores_ks", "pix_fmt": "yuva444p10le"}),
    ("out.mov", {"codec": "qtrle"}),
    ("out.mkv", {"codec": "ffv1"}),
    ("out", {}),
    ("out", {"codec": "tiff", "pix_fmt": "rgb48"}),
]


@pytest.mark.parametrize("to, options", [("out", {}), ("out.mov", WITH_ALPHA[2][1])])
def test_a_sequence_comes_back_with_its_alpha(tmp_path, no_net, to, options):
    """A folder of RGBA pictures through all of one pass, read back by Pillow or PyAV alone."""
    (tmp_path / "in").mkdir()
    for index in range(3):
        rgba = np.dstack([media.picture(index, SIZE), np.roll(ramp_alpha(), 9 * index, 1)])
        Image.fromarray(rgba).save(tmp_path / f"in/{index}.png")
    output = no_net(tmp_path / "in", tmp_path / to, **options)
    if output.is_dir():
        found = [np.array(Image.open(path)) for path in sorted(output.iterdir())]
    else:
        with av.open(str(output)) as container:
            found = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    assert len(found) == 3
    for index, rgba in enumerate(found):
        expected = np.roll(ramp_alpha(), 9 * index, 1)
        error = np.abs(rgba[..., 3].astype(int) - expected)
        assert error.max() <= (0 if output.is_dir() else 8)
        shown = np.abs(rgba[..., :3].astype(int) - media.picture(index, SIZE))[expected > 128]
        assert shown.mean() <= (0 if output.is_dir() else 3)


@pytest.mark.parametrize("name, options", WITH_ALPHA, ids=str)
def test_alpha_comes_back(tmp_path, name, options):
    path = write(tmp_path / name, frames(), crf=4, **options)
    assert holds_alpha(tmp_path / name, options.get("codec"), options.get("pix_fmt"))
    with open_video(path, keep_alpha=True) as reader:
        found = list(reader)
    assert len(found) == 4
    for index, frame in enumerate(found):
        alpha = frame.alpha[0, 0].numpy() * 255
        assert np.abs(alpha - ramp_alpha()).max() < 8
        colors = frame.image[0].permute(1, 2, 0).numpy()[:, 8:] * 255
        assert np.abs(colors - media.picture(index)[:, 8:]).mean() < 4


@pytest.mark.parametrize("name", ["out.webm", "out.mov", "out.gif"])
def test_without_being_asked_for_alpha_is_laid_on_white(tmp_path, name):
    options = {"codec": "qtrle"} if name == "out.mov" else {}
    alpha = torch.zeros(1, 1, *SIZE)
    alpha[..., SIZE[1] // 2 :] = 1
    path = write(tmp_path / name, [replace(frame, alpha=alpha) for frame in frames()], **options)
    with open_video(path) as reader:
        frame = next(iter(reader))
    image = frame.image[0].permute(1, 2, 0).numpy() * 255
    assert frame.alpha is None and image[:, :40].min() > 250
    assert np.abs(image[:, 56:] - media.picture(0)[:, 56:]).mean() < 6


def test_what_holds_no_alpha_shows_it_on_white(tmp_path):
    path = write(tmp_path / "out.mp4", frames(), crf=4)
    assert not holds_alpha(path, None, None)
    alpha = ramp_alpha()[..., None] / 255
    expected = alpha * media.picture(0) + (1 - alpha) * 255
    assert np.abs(media.read_back(path).arrays()[0] - expected).mean() < 3


def test_a_gif_keeps_the_places_that_do_not_show(tmp_path):
    path = write(tmp_path / "out.gif", frames())
    with Image.open(path) as picture:
        alpha = np.array(picture.convert("RGBA"))[..., 3]
    assert (alpha[:, :40] == 0).all() and (alpha[:, 56:] == 255).all()


def test_a_gif_that_shows_everywhere_has_no_alpha(tmp_path):
    path = write(tmp_path / "in.gif", [replace(frame, alpha=None) for frame in frames()])
    with open_video(path, keep_alpha=True) as reader:
        assert all(frame.alpha is None for frame in reader)


DEEP = [
    ("out.mp4", {"codec": "libx265", "pix_fmt": "yuv420p10le"}, "yuv420p10le"),
    ("out.mov", {"codec": "prores_ks"}, "yuv422p10le"),
    ("out.mkv", {"codec": "libx264", "pix_fmt": "yuv444p10le"}, "yuv444p10le"),
]


def fine_ramp() -> torch.Tensor:
    """Return an image of levels between those of 8 bits, from 0.4 to 0.46."""
    return torch.linspace(0.4, 0.46, SIZE[1]).expand(1, 3, *SIZE).contiguous()


@pytest.mark.parametrize("name, options, pix_fmt", DEEP, ids=[d[2] for d in DEEP])
def test_ten_bits_are_written_and_read(tmp_path, name, options, pix_fmt):
    path = write(tmp_path / name, [Frame(fine_ramp(), i) for i in range(3)], crf=2, **options)
    found = media.read_back(path).frames[0]
    assert found.format.name == pix_fmt
    assert len(np.unique(found.reformat(format="gray16le").to_ndarray())) > 30
    with open_video(path) as reader:
        image = next(iter(reader)).image
    assert (image - fine_ramp()).abs().max() < 1.5 / 255
    assert (image - fine_ramp()).abs().mean() < 0.3 / 255


@pytest.mark.parametrize("codec, ending", [("png", "png"), ("tiff", "tif")])
def test_folders_of_sixteen_bits(tmp_path, codec, ending):
    path = write(tmp_path / "out", [Frame(fine_ramp(), 0)], codec=codec, pix_fmt="rgb48le")
    array = cv2.imread(str(path / f"000000.{ending}"), cv2.IMREAD_UNCHANGED)
    assert array.dtype == np.uint16
    expected = fine_ramp()[0].permute(1, 2, 0).numpy() * 65535
    assert np.abs(array[..., ::-1] - expected).max() <= 1


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("out.mp4", {"pix_fmt": "yuv420p12le"}, "libx264 has no yuv420p12le: it has yuv420p"),
        ("out", {"pix_fmt": "yuv420p10le"}, "a folder has no yuv420p10le"),
        ("out", {"codec": "libx264"}, "cannot write a folder; give png or tiff"),
    ],
)
def test_formats_that_are_not_there(tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        create_video(tmp_path / name, INFO, **options)
    assert not list(tmp_path.iterdir())


class TestInterlaced:
    """Fields of two times; the second way of seeing combs is the difference between the fields."""

    @pytest.fixture
    def interlaced(self, tmp_path) -> Path:
        path = tmp_path / "in.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
            stream.bit_rate = 8_000_000
            stream.codec_context.flags |= 1 << 18  # interlaced DCT
            for index in range(6):
                picture = np.full((*SIZE, 3), 60, np.uint8)
                for field in (0, 1):
                    left = 10 + 6 * (2 * index + field)
                    picture[field::2, left : left + 12] = 200
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    def combs(self, image: torch.Tensor) -> float:
        rows = image[0].mean(0)
        return float((rows[1::2] - rows[::2]).abs().mean())

    def test_it_is_said_or_put_right(self, interlaced):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with open_video(interlaced) as reader:
                woven = list(reader)
        if not said:
            pytest.skip("this FFmpeg does not mark the clip as interlaced")
        assert "give --deinterlace" in str(said[0].message)
        with open_video(interlaced, deinterlace=True) as reader:
            whole = list(reader)
        assert [frame.pts for frame in whole] == [frame.pts for frame in woven]
        assert self.combs(whole[3].image) < 0.3 * self.combs(woven[3].image)


def test_of_several_picture_streams_the_largest_is_read(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        sizes = [(32, 48), SIZE, (16, 16)]
        streams = []
        for height, width in sizes:
            stream = container.add_stream("mpeg4", rate=25)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            streams.append(stream)
        for index in range(3):
            for stream, size in zip(streams, sizes, strict=True):
                picture = np.ascontiguousarray(media.picture(index, size))
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    with open_video(path) as reader:
        assert reader.info.size == SIZE and len(list(reader)) == 3
