"""Videos in and out: what is kept, and what is said of bad input.

The second way of knowing is a plain decode by PyAV, Pillow, or the textbook's formula of color.
"""

import os
import re
import resource
import shutil
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest
import torch
from PIL import Image

from nst.core.tensors import to_float, to_uint8
from nst.errors import InputError
from nst.media.frames import Frame, StreamInfo
from nst.media.images import read_picture
from nst.media.loudness import loudness
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video

FILES = ("mp4", "mkv", "mov", "webm", "avi", "gif")
KINDS = (*FILES, "folder")
MATRICES = [(m, full) for m in ("bt601", "bt709") for full in (False, True)]


def target(folder: Path, kind: str, name: str = "out") -> Path:
    return folder / (name if kind == "folder" else f"{name}.{kind}")


def copy(source: Path, path: Path, start: float = 0.0, duration: float | None = None, **options):
    """Read and write without a net between; return what was expected of the source."""
    with open_video(source, start, duration) as reader:
        with create_video(path, reader.info, threads=1, **options) as writer:
            for frame in reader:
                writer.write(frame)
    return reader.info


def frames_of(path: Path, start: float = 0.0, duration: float | None = None) -> list[Frame]:
    with open_video(path, start, duration) as reader:
        return list(reader)


def mean_error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return media.make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 96), (63, 95)], ids=["even", "odd"])
class TestContract:
    """Every kind keeps pictures, size, times and, where it can have it, sound."""

    @pytest.fixture
    def written(self, kind, size, tmp_path) -> tuple[Path, Path]:
        # VP9 keeps an odd size, so that the source has it too.
        source = media.make_clip(tmp_path / "in.webm", size=size, codec="libvpx-vp9")
        path = target(tmp_path, kind)
        copy(source, path, crf=6)
        return source, path

    def test_reader_gives_the_pictures_that_were_written(self, written, kind, size):
        frames = frames_of(written[1])
        even = kind in ("mp4", "mkv", "mov", "avi")
        height, width = (side + side % 2 if even else side for side in size)
        assert len(frames) == 12
        assert {tuple(frame.image.shape) for frame in frames} == {(1, 3, height, width)}
        assert {frame.image.dtype for frame in frames} == {torch.float32}
        bound = 5 if kind == "gif" else 3.5
        for index, frame in enumerate(frames):
            shown = to_uint8(frame.image)[: size[0], : size[1]]
            assert mean_error(shown, media.picture(index, size)) < bound

    def test_times_and_rate(self, written, kind, size):
        with open_video(written[1]) as reader:
            frames = list(reader)
        pts = [frame.pts for frame in frames]
        assert reader.info.rate == 25 and reader.info.frames == 12
        assert all(a < b for a, b in zip(pts, pts[1:], strict=False))
        assert [p * reader.info.time_base for p in pts] == [Fraction(i, 25) for i in range(12)]
        if kind != "folder":
            assert media.read_back(written[1]).rate == 25

    def test_sound(self, written, kind, size):
        if kind in ("gif", "folder"):
            return
        before, after = (media.read_back(path) for path in written)
        assert len(before.sound) > 20
        # Opus is what the source has; avi and mov cannot always hold it.
        if kind in ("webm", "mkv", "mp4"):
            assert after.sound == before.sound
        assert after.sound_times[-1] == pytest.approx(before.sound_times[-1], abs=0.05)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "mov", "avi"])
def test_sound_is_copied_byte_by_byte(clip, tmp_path, kind):
    path = target(tmp_path, kind)
    copy(clip, path)
    before, after = media.read_back(clip), media.read_back(path)
    assert after.sound == before.sound
    shift = {
        round(float(b - a), 2) for a, b in zip(before.sound_times, after.sound_times, strict=True)
    }
    assert len(shift) == 1
    assert after.duration == pytest.approx(before.duration, abs=0.04)


def test_sound_that_the_kind_cannot_hold_is_encoded_anew(clip, tmp_path):
    copy(clip, tmp_path / "out.webm")
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
        samples = np.concatenate(
            [f.to_ndarray().mean(0) for f in container.decode(container.streams.audio[0])]
        )
    assert samples.size / 48000 == pytest.approx(12 / 25, abs=0.06)
    spectrum = np.abs(np.fft.rfft(samples[8000:20000]))
    assert spectrum.argmax() * 48000 / 12000 == pytest.approx(440, abs=8)


def test_sound_can_be_left_out(clip, tmp_path):
    copy(clip, tmp_path / "out.mp4", keep_audio=False)
    assert not media.read_back(tmp_path / "out.mp4").sound


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
@pytest.mark.parametrize("start", [0.0, 0.2])
def test_avi_with_pictures_that_change_places(tmp_path, codec, start):
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as container:
        video = container.add_stream(codec, rate=25, options={"bf": "2"})
        video.height, video.width = 64, 96
        video.bit_rate = 2_000_000
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(media.picture(index)).reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    frames = frames_of(source, start)
    first = round(start * 25)
    assert [frame.pts for frame in frames] == list(range(20 - first))
    for index, frame in enumerate(frames, first):
        assert mean_error(to_uint8(frame.image), media.picture(index)) < 3


@pytest.mark.filterwarnings("ignore:a GIF holds")
@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv", "webm", "gif"])
def test_variable_rate_keeps_every_time(tmp_path, kind):
    pts = [0, 30, 70, 80, 150, 151 + 9, 300, 310, 330, 400, 420, 500]
    source = media.make_clip(tmp_path / "in.mp4", pts=pts, time_base=Fraction(1, 1000))
    path = target(tmp_path, kind)
    copy(source, path)
    times = [float(time) for time in media.read_back(path).times]
    if kind == "gif":
        pts = [0, 30, 70, 90, 150, 170, 300, 320, 340, 400, 420, 500]
        times = [round(time, 3) for time in times]
    assert times == pytest.approx([p / 1000 for p in pts], abs=1e-6)


def test_gif_keeps_delays_and_repetitions(tmp_path):
    delays = [20, 50, 100, 20, 300, 70]
    pictures = [Image.fromarray(media.picture(i)) for i in range(6)]
    source = tmp_path / "in.gif"
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=delays, loop=3)
    copy(source, tmp_path / "out.gif")
    with Image.open(tmp_path / "out.gif") as found:
        assert found.info["loop"] == 3
        assert [found.seek(i) or found.info["duration"] for i in range(found.n_frames)] == delays


def test_gif_to_file_shows_the_last_frame_as_long(tmp_path):
    pictures = [Image.fromarray(media.picture(i)) for i in range(3)]
    options = {"save_all": True, "append_images": pictures[1:], "duration": [40, 40, 500]}
    pictures[0].save(tmp_path / "in.gif", **options)
    copy(tmp_path / "in.gif", tmp_path / "out.mp4")
    assert media.read_back(tmp_path / "out.mp4").duration == pytest.approx(0.58, abs=0.001)


def test_gif_of_a_fast_clip_is_slower_and_says_so(tmp_path):
    source = media.make_clip(tmp_path / "in.mp4", rate=Fraction(100), audio=False)
    with pytest.warns(UserWarning, match="50 frames a second"):
        copy(source, tmp_path / "out.gif")
    times = media.read_back(tmp_path / "out.gif").times
    assert times == [Fraction(i, 50) for i in range(12)]


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotated_clip_comes_out_upright(tmp_path, rotation):
    options = {"rotation": rotation, "sar": Fraction(4, 3), "audio": False}
    source = media.make_clip(tmp_path / "in.mp4", **options)
    info = copy(source, tmp_path / "out.mp4")
    after = media.read_back(tmp_path / "out.mp4")
    expected = np.rot90(media.picture(5), rotation // 90)
    assert info.size == expected.shape[:2]
    assert mean_error(after.arrays()[5], expected) < 4
    assert {frame.rotation for frame in after.frames} == {0}
    aspect = Fraction(4, 3) if rotation == 180 else Fraction(3, 4)
    assert info.pixel_aspect == after.pixel_aspect == aspect


def test_webm_shows_the_same_shape_with_square_pixels(tmp_path):
    source = media.make_clip(tmp_path / "in.mp4", sar=Fraction(4, 3), audio=False)
    copy(source, tmp_path / "out.webm")
    after = media.read_back(tmp_path / "out.webm")
    assert (after.frames[0].height, after.frames[0].width) == (64, 128)


class TestColor:
    @pytest.mark.parametrize(("matrix", "full_range"), MATRICES)
    @pytest.mark.parametrize("kind", ["mp4", "webm"])
    def test_bars_keep_color_and_tags(self, tmp_path, matrix, full_range, kind):
        bars = media.color_bars()
        options = {"matrix": matrix, "full_range": full_range, "pictures": [bars] * 3}
        source = media.make_clip(tmp_path / "in.mp4", frames=3, audio=False, **options)
        (first, *_) = frames_of(source)
        inner = (np.arange(96) % 12 >= 4) & (np.arange(96) % 12 < 8)
        rows = (np.arange(64) % 32 >= 4) & (np.arange(64) % 32 < 28)
        seen = to_uint8(first.image)
        assert mean_error(seen[rows][:, inner], bars[rows][:, inner]) < 2

        path = target(tmp_path, kind)
        copy(source, path, crf=4)
        frame = media.read_back(path).frames[1]
        assert frame.color_range == (2 if full_range else 1)
        assert frame.colorspace in ((1,) if matrix == "bt709" else (5, 6))
        planes = media.planes_of(frame)
        shown = media.to_rgb(planes, matrix, full_range)[rows][:, inner]
        shift = shown.reshape(-1, 3).mean(0) - bars[rows][:, inner].reshape(-1, 3).mean(0)
        assert mean_error(shown, bars[rows][:, inner]) < 2.5
        assert np.abs(shift).max() < 1

    @pytest.mark.parametrize(("size", "matrix"), [((64, 96), "bt601"), ((64, 1280), "bt709")])
    def test_untagged_is_read_as_players_do_and_tagged(self, tmp_path, size, matrix):
        bars = media.color_bars(size)
        # The same numbers, read by the one matrix or the other.
        planes = media.to_yuv(bars, "bt601", False)
        options = {"matrix": None, "pictures": [bars] * 2, "audio": False, "frames": 2}
        source = media.make_clip(tmp_path / "in.mp4", size=size, **options)
        expected = media.to_rgb(planes, matrix, False)
        shown = to_uint8(frames_of(source)[0].image)
        other = media.to_rgb(planes, "bt709" if matrix == "bt601" else "bt601", False)
        assert mean_error(shown, expected) < 5 < mean_error(shown, other)
        copy(source, tmp_path / "out.mp4")
        frame = media.read_back(tmp_path / "out.mp4").frames[0]
        assert frame.colorspace == media.MATRIX[matrix][2]


class TestSpan:
    def test_frames_and_sound_of_the_span_start_at_zero(self, tmp_path):
        source = media.make_clip(tmp_path / "in.mp4", frames=60, gop=10)
        copy(source, tmp_path / "out.mp4", start=0.6, duration=1.0)
        before, after = media.read_back(source), media.read_back(tmp_path / "out.mp4")
        assert after.times == [Fraction(i, 25) for i in range(25)]
        assert mean_error(after.arrays()[0], media.picture(15)) < 4
        assert mean_error(after.arrays()[24], media.picture(39)) < 4
        spanned = [
            (time, packet)
            for time, packet in zip(before.sound_times, before.sound, strict=True)
            if Fraction(6, 10) <= time < Fraction(16, 10)
        ]
        assert after.sound == [packet for _, packet in spanned]
        offsets = [
            a - (t - Fraction(3, 5)) for a, (t, _) in zip(after.sound_times, spanned, strict=True)
        ]
        assert max(map(abs, offsets)) < 0.001

    @pytest.mark.parametrize("ending", ["ts", "mkv"])
    def test_seeking_warns_of_nothing(self, tmp_path, ending):
        source = media.make_clip(tmp_path / f"in.{ending}", frames=40, gop=250)
        frames = frames_of(source, start=0.8, duration=0.4)
        assert len(frames) == 10
        for index, frame in enumerate(frames, 20):
            assert mean_error(to_uint8(frame.image), media.picture(index)) < 4

    @pytest.mark.parametrize("kind", KINDS)
    def test_span_of_every_kind(self, clip, tmp_path, kind):
        path = target(tmp_path, kind)
        copy(clip, path, keep_audio=False)
        frames = frames_of(path, start=0.12, duration=0.2)
        assert [frame.pts for frame in frames][0] == 0
        assert len(frames) == 5
        assert mean_error(to_uint8(frames[0].image), media.picture(3)) < 6

    @pytest.mark.parametrize("start", [-1.0, float("nan"), float("inf"), 0.48, 100.0])
    def test_start_outside_is_refused(self, clip, start):
        with pytest.raises(InputError, match="start"):
            open_video(clip, start)

    def test_duration_below_zero_is_refused(self, clip):
        with pytest.raises(InputError, match="duration is -1"):
            open_video(clip, 0, -1.0)

    def test_sound_and_pictures_keep_apart_as_they_were(self, tmp_path):
        times = {"pts": [index + 5 for index in range(12)]}
        source = media.make_clip(tmp_path / "in.mkv", **times)
        copy(source, tmp_path / "out.mkv")
        before, after = media.read_back(source), media.read_back(tmp_path / "out.mkv")
        gap = [found.times[0] - found.sound_times[0] for found in (before, after)]
        assert float(gap[0]) == pytest.approx(float(gap[1]), abs=0.0015)


class TestFolder:
    def pictures(self, folder: Path, count: int = 12) -> Path:
        folder.mkdir()
        for index in range(count):
            Image.fromarray(media.picture(index)).save(folder / f"f{index}.png")
        return folder

    def test_natural_order_and_rate(self, tmp_path):
        with open_video(self.pictures(tmp_path / "in"), rate=Fraction(30000, 1001)) as reader:
            frames = list(reader)
        assert reader.info.rate == Fraction(30000, 1001)
        for index, frame in enumerate(frames):
            assert np.array_equal(to_uint8(frame.image), media.picture(index))

    def test_picture_of_another_size_is_named(self, tmp_path):
        folder = self.pictures(tmp_path / "in")
        Image.fromarray(media.picture(0, (32, 32))).save(folder / "f7.png")
        with pytest.raises(InputError, match=r"f7\.png: is 32x32 where the others are 96x64"):
            open_video(folder)

    def test_damaged_picture_is_left_out_with_its_time(self, tmp_path):
        folder = self.pictures(tmp_path / "in")
        whole = (folder / "f5.png").read_bytes()
        (folder / "f5.png").write_bytes(whole[: len(whole) // 2])
        with pytest.warns(UserWarning, match=r"f5\.png"):
            assert [frame.pts for frame in frames_of(folder)] == [0, 1, 2, 3, 4, *range(6, 12)]

    def test_folder_without_pictures(self, tmp_path):
        with pytest.raises(InputError, match="no picture"):
            open_video(tmp_path)

    def test_pictures_turned_by_exif_are_upright(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(media.picture(0)).save(tmp_path / "0.jpg", exif=exif, quality=95)
        (frame,) = frames_of(tmp_path)
        assert mean_error(to_uint8(frame.image), np.rot90(media.picture(0), -1)) < 4


class TestBadInput:
    def test_missing_file(self, tmp_path):
        with pytest.raises(InputError, match="gone.mp4: no such file"):
            open_video(tmp_path / "gone.mp4")

    @pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.gif"])
    def test_text(self, tmp_path, name):
        path = tmp_path / name
        path.write_text("no film at all\n" * 200)
        with pytest.raises(InputError, match=name):
            open_video(path)

    def test_empty_file(self, tmp_path):
        (tmp_path / "empty.mkv").touch()
        with pytest.raises(InputError, match="empty.mkv"):
            open_video(tmp_path / "empty.mkv")

    @pytest.mark.parametrize("index_first", [False, True])
    def test_half_a_file(self, clip, tmp_path, index_first):
        source, path = clip, tmp_path / "half.mp4"
        if index_first:
            source = tmp_path / "whole.mp4"
            copy(clip, source)
        whole = source.read_bytes()
        assert (whole.index(b"moov") < whole.index(b"mdat")) == index_first
        path.write_bytes(whole[: len(whole) * 2 // 3])
        if not index_first:
            with pytest.raises(InputError, match="half.mp4.*cut short"):
                open_video(path)
            return
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            copy(path, tmp_path / "out.mp4")
        assert re.search(r"cut short: its pictures end at 0\.\d+ s of 0\.48", str(said[-1].message))
        assert 4 < len(media.read_back(tmp_path / "out.mp4").times) < 12

    def test_sound_only(self, tmp_path):
        path = media.make_sound(tmp_path / "song.mp4")
        with pytest.raises(InputError, match="no picture stream"):
            open_video(path)

    def test_no_frames(self, tmp_path):
        path = media.make_clip(tmp_path / "in.mkv", frames=1, audio=False)
        data = bytearray(path.read_bytes())
        with av.open(str(path)) as container:
            packet = next(container.demux(video=0))
            at = data.index(bytes(packet))
            data[at : at + packet.size] = bytes(packet.size)
        path.write_bytes(data)
        with pytest.raises(InputError, match="no frame"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            open_video(path)

    def test_damage_in_the_middle_is_left_out_with_a_warning(self, tmp_path):
        source = media.make_clip(tmp_path / "in.mp4", frames=40, gop=1)
        data = bytearray(source.read_bytes())
        with av.open(str(source)) as container:
            packets = list(container.demux(video=0))
        for packet in packets:
            if packet.size and packet.pts * packet.time_base in (Fraction(4, 5), Fraction(6, 5)):
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
        source.write_bytes(data)
        with pytest.warns(UserWarning, match="cannot be decoded") as caught:
            with open_video(source) as reader:
                frames = list(reader)
        times = [frame.pts * reader.info.time_base for frame in frames]
        assert times == [Fraction(i, 25) for i in range(40) if i not in (20, 30)]
        assert [str(w.message).split(" at ")[1][:7] for w in caught] == ["0.800 s", "1.200 s"]
        for frame in frames[::7]:
            index = round(frame.pts * reader.info.time_base * 25)
            assert mean_error(to_uint8(frame.image), media.picture(index)) < 4


class TestBadOutput:
    info = StreamInfo((64, 96), Fraction(25), Fraction(1, 25))

    def test_output_is_input(self, clip):
        with open_video(clip) as reader, pytest.raises(InputError, match="is the input"):
            create_video(clip.parent / ".." / clip.parent.name / clip.name, reader.info)

    @pytest.mark.parametrize("name", ["out.mp5", "out.png", "out.v2"])
    def test_unknown_ending(self, tmp_path, name):
        with pytest.raises(InputError, match=r"unknown ending.*\.mp4.*folder"):
            create_video(tmp_path / name, self.info)

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(InputError, match="gone: no such folder"):
            create_video(tmp_path / "gone" / "out.mp4", self.info)

    def test_folder_is_a_file(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="cannot be written"):
            create_video(tmp_path / "file" / "out.mp4", self.info)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_folder_is_read_only(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(InputError, match="cannot be written"):
            create_video(tmp_path / "out.mp4", self.info)

    def test_full_folder(self, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.png").touch()
        with pytest.raises(InputError, match="not an empty folder"):
            create_video(tmp_path / "out", self.info)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.png"]

    @pytest.mark.parametrize(
        "options",
        [
            {"codec": "nonsense"},
            {"codec": "libx264"},
            {"preset": "warp", "codec": "libx265"},
            {"codec": "gif"},
            {"codec": "libopus"},
        ],
        ids=str,
    )
    def test_encoder_that_refuses(self, tmp_path, options):
        path = tmp_path / "out.webm"
        with pytest.raises(InputError, match="give others"):
            create_video(path, self.info, **options)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
    def test_encoder_of_sound(self, tmp_path, codec):
        with pytest.raises(InputError, match="it encodes no pictures"):
            create_video(tmp_path / "out.mp4", self.info, codec=codec)

    @pytest.mark.parametrize("kind", KINDS)
    def test_no_space_left(self, tmp_path, kind):
        noise = np.random.default_rng(0).integers(0, 256, (128, 192, 3), dtype=np.uint8)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            with pytest.raises(InputError, match="no space left"):
                with create_video(target(tmp_path, kind), self.info, crf=4) as writer:
                    for index in range(20):
                        writer.write(Frame(to_float(np.roll(noise, index)), index))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not list(tmp_path.iterdir())


class TestEnding:
    @pytest.mark.parametrize("kind", KINDS)
    def test_interrupt_keeps_what_is_finished(self, clip, tmp_path, kind):
        path = target(tmp_path, kind)
        with pytest.raises(KeyboardInterrupt), open_video(clip) as reader:
            with create_video(path, reader.info) as writer:
                for frame in reader:
                    if frame.pts * reader.info.time_base > 0.25:
                        raise KeyboardInterrupt
                    writer.write(frame)
        assert len(frames_of(path)) == 7
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
        if kind in ("mp4", "mkv", "mov", "webm"):
            assert max(media.read_back(path).sound_times) < 0.3

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("written", [0, 5])
    def test_error_leaves_nothing_and_what_was_there(self, clip, tmp_path, kind, written):
        path = target(tmp_path, kind)
        if kind != "folder":
            path.write_bytes(b"an older film")
        with pytest.raises(ZeroDivisionError), open_video(clip) as reader:
            with create_video(path, reader.info) as writer:
                for index, frame in enumerate(reader):
                    if index == written:
                        raise ZeroDivisionError
                    writer.write(frame)
        if kind == "folder":
            assert not list(tmp_path.iterdir())
        else:
            assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [
                (path.name, b"an older film")
            ]

    def test_interrupt_before_the_first_frame_leaves_nothing(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            with create_video(tmp_path / "out.mp4", TestBadOutput.info):
                raise KeyboardInterrupt
        assert not list(tmp_path.iterdir())

    def test_not_one_frame(self, tmp_path):
        with pytest.raises(InputError, match="not one frame"):
            with create_video(tmp_path / "out.mp4", TestBadOutput.info):
                pass
        assert not list(tmp_path.iterdir())

    def test_frame_of_another_size_is_a_mistake_of_the_caller(self, tmp_path):
        with pytest.raises(ValueError, match=r"\(64, 96\)"):
            with create_video(tmp_path / "out.mp4", TestBadOutput.info) as writer:
                writer.write(Frame(torch.zeros(1, 3, 64, 96), 0))
                writer.write(Frame(torch.zeros(1, 3, 32, 96), 1))

    def test_time_that_does_not_grow_is_moved_on(self, tmp_path):
        with create_video(tmp_path / "out.mp4", TestBadOutput.info) as writer:
            for index, pts in enumerate([0, 0, 1, 5]):
                writer.write(Frame(to_float(media.picture(index)), pts))
        assert media.read_back(tmp_path / "out.mp4").times == [
            Fraction(n, 25) for n in (0, 1, 2, 5)
        ]

    def test_size_may_change_between_reader_and_writer(self, clip, tmp_path):
        with open_video(clip) as reader, create_video(tmp_path / "out.mp4", reader.info) as writer:
            for frame in reader:
                writer.write(replace(frame, image=frame.image[..., :33, :47].contiguous()))
        after = media.read_back(tmp_path / "out.mp4")
        assert (after.frames[0].height, after.frames[0].width, len(after.frames)) == (34, 48, 12)


@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_hevc_has_the_tag_that_apple_knows(clip, tmp_path, kind):
    with open_video(clip) as reader:
        with create_video(tmp_path / f"out.{kind}", reader.info, codec="libx265") as writer:
            for frame in reader:
                writer.write(frame)
    assert b"hvc1" in (tmp_path / f"out.{kind}").read_bytes()


def test_name_with_colon_and_percent(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "12:30 50%d.mp4")
    copy(Path("12:30 50%d.mp4"), Path("a:b %03d.mp4"))
    assert len(media.read_back(tmp_path / "a:b %03d.mp4").times) == 12


@pytest.mark.skipif(os.name != "posix", reason="makes a named pipe")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    """It can be read but once, and from one end alone it gives nothing for ever."""
    pipe = tmp_path / "clip.mp4"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is a pipe or a device"):
        open_video(pipe)
    with pytest.raises(InputError, match="is a pipe or a device"):
        read_picture(pipe)


def test_a_title_in_another_encoding_than_utf8(tmp_path):
    """As in AVI files of before 2005 or so; the track keeps what can be read of it."""
    plain = media.make_clip(tmp_path / "plain.mkv", codec="mpeg4")
    with av.open(str(plain)) as source, av.open(str(tmp_path / "in.mkv"), "w") as container:
        streams = {s.index: container.add_stream_from_template(s) for s in source.streams}
        streams[1].metadata["title"] = "track Privet"
        container.metadata["title"] = "Privet"
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    data = (tmp_path / "in.mkv").read_bytes()
    assert data.count(b"Privet") == 2
    (tmp_path / "in.mkv").write_bytes(data.replace(b"Privet", "Привет".encode("cp1251")))
    copy(tmp_path / "in.mkv", tmp_path / "out.mkv")
    assert len(media.read_back(tmp_path / "out.mkv").sound) == len(media.read_back(plain).sound)
    with open_video(tmp_path / "in.mkv") as titled, open_video(plain) as untitled:
        np.testing.assert_array_equal(loudness(titled.info), loudness(untitled.info))
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.audio[0].metadata["title"].startswith("track ")
