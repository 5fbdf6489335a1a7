"""Videos stylized from end to end.

The second way of knowing is a plain decode of both files, and the net called by hand.
"""

import signal
import threading
import weakref
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest
import torch
from PIL import Image
from tqdm import TMonitor

import nst.stylize.frames
from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media import video_writer
from nst.media.encoder import FileEncoder
from nst.media.frames import Frame
from nst.media.gif import GifEncoder
from nst.media.video_writer import VideoWriter
from nst.models.transformer_net import TransformerNet
from nst.options.stylize import VideoConfig
from nst.styles.codes import STYLE_SIDE, style_code
from nst.styles.pictures import load_style
from nst.styles.spec import parse_style
from nst.styles.tuning import code_tuner
from nst.stylize.frames import followed, stylize_frames
from nst.stylize.paint import Paint
from nst.stylize.videos import one_pass_video

SIZE = (48, 64)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    assert not {thread for thread in left if not isinstance(thread, TMonitor)}  # tqdm's own


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return media.make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", size=SIZE)


@pytest.fixture
def run(tiny_path) -> Callable[..., Path]:
    """Stylize a video frame by frame, unless told otherwise, and return where it is."""

    def call(source: Path, output: Path, **options) -> Path:
        defaults = {"style": "wave", "checkpoint": str(tiny_path), "temporal_blend": 0.0}
        machine = {"device": "cpu", "precision": "float32", "quiet": True}
        options = defaults | machine | options
        one_pass_video(VideoConfig(input_video=source, output_video=output, **options))
        return output

    return call


def pictures(folder: Path, count: int, size: tuple[int, int] = SIZE, shift: int = 0) -> Path:
    folder.mkdir()
    for index in range(count):
        Image.fromarray(media.picture(index + shift, size)).save(folder / f"{index}.png")
    return folder


def read_folder(folder: Path) -> list[np.ndarray]:
    return [np.array(Image.open(file)) for file in sorted(folder.iterdir())]


def chroma(rgb: np.ndarray) -> np.ndarray:
    return np.array(Image.fromarray(rgb).convert("YCbCr")).astype(int)[..., 1:]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


class TestFrames:
    """The generator between reader and writer: a list in, frames out."""

    times = ((0, 3), (4, 0), (5, 1), (90, 7))

    def frames(self, still: bool = False) -> list[Frame]:
        return [
            Frame(to_float(media.picture(0 if still else i, SIZE)), *time)
            for i, time in enumerate(self.times)
        ]

    def paint(self, tiny, frames, tracker=None, **options) -> list[Frame]:
        paint = Paint(tiny.net, style_code(tiny, parse_style("wave")), torch.float32)
        painted = stylize_frames(followed(frames, CPU, tracker), paint, **options)
        return [frame.result for frame in painted]

    def test_each_keeps_its_time(self, tiny):
        found = self.paint(tiny, self.frames())
        assert [(frame.pts, frame.duration) for frame in found] == list(self.times)

    def test_each_is_the_picture_painted_alone(self, tiny, painted):
        for index, frame in enumerate(self.paint(tiny, self.frames())):
            assert frame.image.shape == (1, 3, *SIZE)
            found = np.moveaxis(frame.image[0].numpy(), 0, -1) * 255
            assert np.abs(found - painted(media.picture(index, SIZE), (0, 1, 0))).max() < 0.01

    def test_still_video_stays_still(self, tiny):
        first, *others = self.paint(tiny, self.frames(still=True))
        assert all(torch.equal(frame.image, first.image) for frame in others)

    def test_frames_that_came_in_are_left_as_they_were(self, tiny):
        given = self.frames()
        before = [frame.image.clone() for frame in given]
        self.paint(tiny, given, preserve_color="luminance")
        assert all(torch.equal(f.image, b) for f, b in zip(given, before, strict=True))

    def test_one_is_taken_for_each_that_is_given(self, tiny):
        taken = []
        source = (taken.append(frame.pts) or frame for frame in self.frames())
        paint = Paint(tiny.net, style_code(tiny, parse_style("wave")), torch.float32)
        result = stylize_frames(followed(source, CPU), paint)
        assert taken == []
        for count in (1, 2, 3):
            next(result)
            assert len(taken) == count

    def test_memory_is_used_after_the_first_frame_and_before_colors(self, tiny, monkeypatch):
        """A stand-in that halves the light from the second frame on shows where it is called."""

        class Halving:
            def __init__(self, weight):
                self.begun = False

            def update(self, now, motion):
                begun, self.begun = self.begun, True
                return now / 2 if begun else now

        monkeypatch.setattr(nst.stylize.frames, "VideoMemory", Halving)
        plain = self.paint(tiny, self.frames())
        halved = self.paint(tiny, self.frames(), temporal_blend=0.5)
        assert torch.equal(halved[0].image, plain[0].image)
        assert torch.equal(halved[2].image, plain[2].image / 2)
        options = {"temporal_blend": 0.5, "preserve_color": "luminance"}
        colored = self.paint(tiny, self.frames(), **options)
        red_minus_blue = [(f.image[:, 0] - f.image[:, 2]) for f in (colored[2], self.frames()[2])]
        inside = ((colored[2].image > 0) & (colored[2].image < 1)).all(1)
        assert inside.float().mean() > 0.5
        torch.testing.assert_close(*(difference[inside] for difference in red_minus_blue))
        light = [
            (0.299 * f.image[:, 0] + 0.587 * f.image[:, 1] + 0.114 * f.image[:, 2])[inside]
            for f in (colored[2], halved[2])
        ]
        torch.testing.assert_close(*light)


class TestKept:
    """What a video keeps when it is painted, read back from both files."""

    @pytest.mark.parametrize(
        "name, options",
        [
            ("even.mp4", {}),
            ("film.mkv", {"rate": Fraction(24000, 1001)}),
            ("odd.webm", {"size": (49, 63), "codec": "libvpx-vp9"}),
            (
                "variable.mp4",
                {
                    "pts": [0, 30, 70, 80, 150, 160, 300, 310, 330, 400, 420, 500],
                    "time_base": Fraction(1, 1000),
                },
            ),
            ("portrait.mov", {"rotation": 90}),
            ("overhead.mp4", {"rotation": 180}),
        ],
    )
    @pytest.mark.parametrize("blend", [0.0, 0.6])
    def test_count_times_rate_sound_and_orientation(self, run, tmp_path, name, options, blend):
        source = media.make_clip(tmp_path / name, **{"size": SIZE} | options)
        output = tmp_path / f"out{source.suffix}"
        run(source, output, preserve_color="luminance", temporal_blend=blend, crf=6)
        before, after = media.read_back(source), media.read_back(output)
        assert len(after.frames) == len(before.frames) == 12
        assert [float(t) for t in after.times] == pytest.approx(
            [float(t) for t in before.times], abs=1e-6
        )
        if "pts" not in options:  # else it is a mean, and depends on how long the last one lasts
            assert after.rate == before.rate
        assert after.sound == before.sound and len(after.sound) > 20
        assert after.sound_times[0] == pytest.approx(before.sound_times[0], abs=0.002)

        # The colors are the source's, so they say which way up a painted picture is.
        turns = options.get("rotation", 0) // 90
        assert {frame.rotation for frame in after.frames} == {0}
        for index in (0, 7):
            upright = np.rot90(media.picture(index, options.get("size", SIZE)), turns)
            shown = after.arrays()[index][: upright.shape[0], : upright.shape[1]]
            assert shown.shape == upright.shape
            wanted, found = (chroma(np.ascontiguousarray(a)) for a in (upright, shown))
            error = np.abs(found - wanted).mean()
            assert error < 4
            assert np.abs(found - wanted[::-1, ::-1]).mean() > 2 * error
            assert np.abs(shown.astype(int) - upright).mean() > 8  # and it is painted

    @pytest.mark.parametrize("kind", ["gif", "mp4"])
    def test_gif_keeps_its_delays(self, run, tmp_path, kind):
        delays = [20, 50, 100, 20, 300, 70]
        first, *others = [Image.fromarray(media.picture(i, SIZE)) for i in range(6)]
        source = tmp_path / "in.gif"
        first.save(source, save_all=True, append_images=others, duration=delays, loop=3)
        output = run(source, tmp_path / f"out.{kind}")
        starts = [sum(delays[:i]) / 1000 for i in range(6)]
        assert [float(t) for t in media.read_back(output).times] == pytest.approx(starts)
        if kind == "gif":
            with Image.open(output) as found:
                assert found.size == SIZE[::-1] and found.info["loop"] == 3
                shown = [found.seek(i) or found.info["duration"] for i in range(found.n_frames)]
            assert shown == delays

    def test_alpha_of_a_folder_comes_back_in_a_folder(self, run, tmp_path):
        alphas = [
            np.roll(np.arange(96, dtype=np.uint8) * 2, 9 * i)[None].repeat(64, 0) for i in range(3)
        ]
        (tmp_path / "in").mkdir()
        for index, alpha in enumerate(alphas):
            rgba = np.dstack([media.picture(index), alpha])
            Image.fromarray(rgba).save(tmp_path / "in" / f"{index}.png")
        files = sorted(run(tmp_path / "in", tmp_path / "out", mirror=True).iterdir())
        assert len(files) == 3
        for file, alpha in zip(files, alphas, strict=True):
            with Image.open(file) as picture:
                assert np.array_equal(np.asarray(picture)[..., 3], alpha[:, ::-1])

    def test_folder_is_painted_in_the_order_of_its_numbers(self, run, painted, tmp_path):
        source = pictures(tmp_path / "in", 11, size=(49, 63))
        found = read_folder(run(source, tmp_path / "out", style="wave*3+scream:0.8"))
        assert len(found) == 11
        for index, picture in enumerate(found):  # 10.png is the last, not the third
            expected = painted(media.picture(index, (49, 63)), (0.2, 0.6, 0.2))
            assert np.abs(picture - expected).max() <= 0.51

    @pytest.mark.parametrize("rate", ["12.5", "29.97", "0.1"])
    def test_folder_has_the_rate_that_is_given(self, run, tmp_path, rate):
        source = pictures(tmp_path / "in", 6)
        found = media.read_back(run(source, tmp_path / "out.mp4", rate=float(rate)))
        assert found.rate == Fraction(rate)  # the decimal, not the nearest binary number
        assert found.times == [i / Fraction(rate) for i in range(6)]

    def test_sound_can_be_left_out(self, run, clip, tmp_path):
        found = media.read_back(run(clip, tmp_path / "out.mp4", keep_audio=False))
        assert len(found.frames) == 12 and not found.sound

    def test_colors_can_be_kept(self, run, tmp_path):
        source = pictures(tmp_path / "in", 3)
        kept = read_folder(run(source, tmp_path / "kept", preserve_color="luminance"))
        plain = read_folder(run(source, tmp_path / "plain"))
        for index, (with_color, without) in enumerate(zip(kept, plain, strict=True)):
            wanted = chroma(media.picture(index, SIZE))
            inside = ((with_color > 0) & (with_color < 255)).all(-1)
            assert inside.mean() > 0.7
            assert np.abs(chroma(with_color) - wanted)[inside].max() <= 1
            assert np.abs(chroma(without) - wanted).mean() > 3

    @pytest.mark.parametrize("long_side, size", [(32, (24, 32)), (96, (72, 96)), (30, (22, 30))])
    def test_long_side(self, run, painted, tmp_path, long_side, size):
        source = pictures(tmp_path / "in", 2)
        found = read_folder(run(source, tmp_path / "out", long_side=long_side))
        assert [picture.shape for picture in found] == [(*size, 3)] * 2
        channels = [
            Image.fromarray(channel).resize(size[::-1], Image.Resampling.BICUBIC)
            for channel in np.moveaxis(media.picture(1, SIZE).astype(np.float32), -1, 0)
        ]
        expected = painted(np.stack(channels, -1).clip(0, 255), (0, 1, 0))
        assert np.abs(found[1] - expected).max() <= 1
        stream = media.read_back(run(source, tmp_path / "out.mp4", long_side=long_side)).frames[0]
        assert (stream.height, stream.width) == size


def test_span_cuts_pictures_and_sound_alike(run, tmp_path):
    source = media.make_clip(tmp_path / "in.mp4", frames=40, size=SIZE)
    cut = {"start": 0.4, "duration": 0.6}
    before = media.read_back(source)
    after = media.read_back(run(source, tmp_path / "cut.mp4", **cut))
    assert after.times == [Fraction(i, 25) for i in range(15)]
    first = before.sound.index(after.sound[0])
    assert after.sound == before.sound[first : first + len(after.sound)]
    assert before.sound_times[first] == pytest.approx(0.4, abs=0.05)
    assert len(after.sound) * 1024 / 48000 == pytest.approx(0.6, abs=0.06)
    lag = before.sound_times[first] - after.sound_times[0]
    assert lag == pytest.approx(0.4, abs=0.002)
    whole = read_folder(run(source, tmp_path / "whole"))
    part = read_folder(run(source, tmp_path / "part", **cut))
    assert len(whole) == 40 and len(part) == 15
    assert all(np.array_equal(a, b) for a, b in zip(part, whole[10:25], strict=True))


@pytest.mark.parametrize("blend", [0.0, 0.8])
def test_a_video_does_not_see_the_one_before(run, tmp_path, blend):
    one, other = pictures(tmp_path / "a", 3), pictures(tmp_path / "b", 3, shift=40)
    results = []
    for index, source in enumerate((one, other, one)):
        output = run(source, tmp_path / f"out{index}", temporal_blend=blend)
        results.append(read_folder(output))
    first, between, again = results
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], between[0])


def test_blend_steadies_what_a_light_flicker_unsettles(run, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    generator = np.random.default_rng(0)
    for index in range(8):
        noise = generator.integers(-3, 4, (*SIZE, 3))
        picture = (media.picture(0, SIZE).astype(int) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(picture).save(source / f"{index}.png")

    def unrest(blend: float) -> float:
        output = run(source, tmp_path / f"out-{round(10 * blend)}", temporal_blend=blend)
        frames = np.stack(read_folder(output)[2:]).astype(float)
        return np.abs(np.diff(frames, axis=0)).mean()

    assert unrest(0.8) < 0.7 * unrest(0.0)


def test_frame_that_cannot_be_decoded_is_left_out_with_a_warning(run, tmp_path):
    source = media.make_clip(tmp_path / "in.mp4", frames=12, size=SIZE, gop=1)
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packets = list(container.demux(video=0))
    broken = next(p for p in packets if p.size and p.pts * p.time_base == Fraction(6, 25))
    data[broken.pos : broken.pos + broken.size] = b"\xff" * broken.size
    source.write_bytes(data)
    with pytest.warns(UserWarning, match="0.240 s cannot be decoded"):
        run(source, tmp_path / "out.mp4")
    found = media.read_back(tmp_path / "out.mp4")
    assert found.times == [Fraction(i, 25) for i in range(12) if i != 6]
    assert len(found.sound) > 20


class TestEnding:
    @pytest.fixture
    def fail_after(self, monkeypatch):
        """Make a method raise at its call number `count`, counted from 0."""

        def set_up(owner: type, method: str, count: int, error: BaseException) -> None:
            original, calls = getattr(owner, method), []

            def wrapper(*args, **kwargs):
                calls.append(1)
                if len(calls) > count:
                    raise error
                return original(*args, **kwargs)

            monkeypatch.setattr(owner, method, wrapper)

        return set_up

    @pytest.mark.parametrize("count", [0, 5])
    @pytest.mark.parametrize("output", ["out.mp4", "out.gif", "out"])
    def test_error_in_the_net_ends_all_and_leaves_nothing(
        self, run, clip, tmp_path, fail_after, count, output
    ):
        error = RuntimeError("of the net")
        fail_after(TransformerNet, "forward", count, error)
        with pytest.raises(RuntimeError) as caught:
            run(clip, tmp_path / output)
        assert caught.value is error
        assert names(tmp_path) == []

    def test_error_of_the_writer_ends_all_and_keeps_what_was_there(
        self, run, clip, tmp_path, fail_after
    ):
        (tmp_path / "out.mp4").write_bytes(b"an older film")
        fail_after(VideoWriter, "write", 4, InputError("no space left"))
        with pytest.raises(InputError, match="no space"):
            run(clip, tmp_path / "out.mp4")
        assert names(tmp_path) == ["out.mp4"]
        assert (tmp_path / "out.mp4").read_bytes() == b"an older film"

    @pytest.mark.parametrize("owner, method", [(VideoWriter, "write"), (TransformerNet, "forward")])
    @pytest.mark.parametrize("output", ["out.mp4", "out.mkv", "out.gif", "out"])
    def test_interrupt_keeps_the_finished_frames(
        self, run, clip, tmp_path, fail_after, owner, method, output
    ):
        whole = run(clip, tmp_path / f"whole{Path(output).suffix}")
        fail_after(owner, method, 7, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(clip, tmp_path / output)
        assert names(tmp_path) == sorted([whole.name, output])
        if output == "out":
            expected, found = read_folder(whole), read_folder(tmp_path / output)
            assert len(found) == 7
            assert all(np.array_equal(a, b) for a, b in zip(found, expected[:7], strict=True))
            return
        expected, found = media.read_back(whole), media.read_back(tmp_path / output)
        assert len(found.frames) == 7 and found.times == expected.times[:7]
        if expected.sound:
            assert found.sound == expected.sound[: len(found.sound)]
            assert found.sound_times[-1] < 0.3 < expected.sound_times[-1]

    @pytest.mark.parametrize("method, count", [("write", 7), ("finish", 12)])
    @pytest.mark.parametrize(
        "output, encoder",
        [("out.mp4", FileEncoder), ("out.gif", GifEncoder), ("out", video_writer.PictureWriter)],
    )
    def test_real_interrupt_waits_for_the_picture_in_hand(
        self, run, clip, tmp_path, monkeypatch, output, encoder, method, count
    ):
        """It comes when the encoder has begun with the last picture, or with the file's end."""
        original, calls = getattr(encoder, method), []

        def wrapper(*args):
            calls.append(1)
            if len(calls) == (count if method == "write" else 1):
                signal.raise_signal(signal.SIGINT)
            return original(*args)

        monkeypatch.setattr(encoder, method, wrapper)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                run(clip, tmp_path / output)
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        finally:
            signal.signal(signal.SIGINT, before)
        assert names(tmp_path) == [output]
        if output == "out":
            assert len(read_folder(tmp_path / output)) == count
        else:
            assert len(media.read_back(tmp_path / output).frames) == count

    def test_interrupt_before_the_first_frame_leaves_nothing(self, run, clip, tmp_path, fail_after):
        fail_after(VideoWriter, "write", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(clip, tmp_path / "out.mp4")
        assert names(tmp_path) == []


def test_frames_in_memory_do_not_grow_with_the_length(run, tmp_path, monkeypatch):
    """Counted at every birth: three queues, originals and results, what is in hand: no more."""
    alive, most, born = 0, 0, 0
    lock, original = threading.RLock(), Frame.__init__

    def die() -> None:
        nonlocal alive
        with lock:
            alive -= 1

    def init(self, *args, **kwargs) -> None:
        nonlocal alive, most, born
        original(self, *args, **kwargs)
        weakref.finalize(self, die)
        with lock:
            alive, born = alive + 1, born + 1
            most = max(most, alive)

    monkeypatch.setattr(Frame, "__init__", init)
    source = media.make_clip(tmp_path / "in.mp4", frames=200, size=(32, 32), audio=False)
    run(source, tmp_path / "out.mkv")
    assert born >= 400
    assert most <= 24
    assert alive == 0


class TestBadInput:
    """One line that names what is wrong, and the disk as it was."""

    def refused(self, run, root: Path, source: Path, output: Path, **options) -> str:
        before = {p: p.is_file() and p.read_bytes() for p in root.rglob("*")}
        with pytest.raises(InputError) as caught:
            run(source, output, **options)
        assert {p: p.is_file() and p.read_bytes() for p in root.rglob("*")} == before
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_missing(self, run, tmp_path):
        message = self.refused(run, tmp_path, tmp_path / "none.mp4", tmp_path / "out.mp4")
        assert "none.mp4" in message

    def test_half_a_file(self, run, clip, tmp_path):
        data = clip.read_bytes()
        (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
        message = self.refused(run, tmp_path, tmp_path / "half.mp4", tmp_path / "out.mp4")
        assert "half.mp4" in message and "cut short" in message

    def test_sound_only(self, run, tmp_path):
        source = media.make_sound(tmp_path / "in.m4a")
        message = self.refused(run, tmp_path, source, tmp_path / "out.mp4")
        assert "no picture stream" in message

    def test_output_is_the_input(self, run, clip, tmp_path):
        source = tmp_path / "in.mp4"
        source.write_bytes(clip.read_bytes())
        assert "is the input" in self.refused(run, tmp_path, source, source)

    def test_folder_into_itself(self, run, tmp_path):
        source = pictures(tmp_path / "in", 2)
        assert "is the input" in self.refused(run, tmp_path, source, source)

    @pytest.mark.parametrize("output, part", [("out.xyz", ".xyz"), ("nowhere/out.mp4", "nowhere")])
    def test_output(self, run, clip, tmp_path, output, part):
        assert part in self.refused(run, tmp_path, clip, tmp_path / output)

    @pytest.mark.parametrize("output", ["out.mp4", "out.gif", "out"])
    @pytest.mark.parametrize(
        "options, part",
        [
            ({"style": "monet"}, "wave, scream"),
            ({"style": "wave:2"}, "from 0 to 1"),
            ({"checkpoint": "none.safetensors"}, "none.safetensors"),
            ({"checkpoint": __file__}, "not a checkpoint"),
            ({"long_side": 18}, "at least 16"),
            ({"start": 99.0}, "99"),
            ({"duration": 0.0}, "duration"),
            ({"device": "toaster"}, "toaster"),
        ],
        ids=["style", "strength", "no-net", "not-a-net", "small", "start", "duration", "device"],
    )
    def test_options(self, run, clip, tmp_path, output, options, part):
        assert part in self.refused(run, tmp_path, clip, tmp_path / output, **options)

    @pytest.mark.parametrize("options", [{"codec": "nonsense"}, {"preset": "sideways"}])
    def test_encoder(self, run, clip, tmp_path, options):
        message = self.refused(run, tmp_path, clip, tmp_path / "out.mp4", **options)
        assert next(iter(options.values())) in message


class TestRegions:
    """A style on either side; the net's own pictures in one style are the second way of knowing."""

    @pytest.fixture
    def sides(self, tmp_path) -> Path:
        """Masks for 12 frames: the left half is white."""
        levels = np.zeros(SIZE, np.uint8)
        levels[:, : SIZE[1] // 2] = 255
        (tmp_path / "sides").mkdir()
        for index in range(12):
            Image.fromarray(levels).save(tmp_path / "sides" / f"{index:02}.png")
        return tmp_path / "sides"

    def test_each_side_has_its_style(self, run, sides, tmp_path):
        """Far from the edge exactly, in a video that stands still."""
        source = pictures(tmp_path / "source", 1)
        for index in range(1, 6):
            (source / f"{index}.png").write_bytes((source / "0.png").read_bytes())
        options = {"masks": sides, "region": ("255=wave", "0=scream"), "feather": 0}
        both = run(source, tmp_path / "both", style=None, **options)
        left, right = (
            read_folder(run(source, tmp_path / style, style=style)) for style in ("wave", "scream")
        )
        found = read_folder(both)
        assert len(found) == 6
        for t, frame in enumerate(found):
            assert np.abs(frame[:, :8].astype(int) - left[t][:, :8]).max() <= 1
            assert np.abs(frame[:, -8:].astype(int) - right[t][:, -8:]).max() <= 1
            assert np.abs(left[t].astype(int) - right[t]).mean() > 10

    def test_one_style_everywhere_is_that_styles_video(self, run, clip, sides, tmp_path):
        both = run(clip, tmp_path / "both", masks=sides, region=("255=wave",), style="wave")
        plain = run(clip, tmp_path / "plain", style="wave")
        for found, expected in zip(read_folder(both), read_folder(plain), strict=True):
            assert np.array_equal(found, expected)

    def test_what_is_left_alone_is_the_videos_own(self, run, sides, tmp_path):
        """With the last result mixed in, the pixels of `original` still have nothing of it."""
        source = pictures(tmp_path / "source", 4)
        options = {"masks": sides, "region": ("255=original",), "feather": 0}
        output = run(source, tmp_path / "out", temporal_blend=0.6, **options)
        for found, given in zip(read_folder(output), read_folder(source), strict=True):
            half = SIZE[1] // 2
            assert np.abs(found[:, :half].astype(int) - given[:, :half]).max() <= 1
            assert np.abs(found[:, half:].astype(int) - given[:, half:]).mean() > 10

    def test_masks_are_written_to_look_at(self, run, clip, sides, tmp_path):
        options = {"masks": sides, "region": ("255=wave",), "style": "scream", "feather": 0}
        run(clip, tmp_path / "out.mp4", mask_output=tmp_path / "plan", **options)
        plans = read_folder(tmp_path / "plan")
        assert len(plans) == 12
        for plan in plans:
            left, right = plan[:, : SIZE[1] // 2], plan[:, SIZE[1] // 2 :]
            hue = [(p[..., 0].astype(int) - p[..., 1]).mean() for p in (left, right)]
            assert hue[0] > 60 and hue[1] < -20

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"region": ("person=monet",)}, "no style 'monet'"),
            ({"region": ("human=wave",)}, "'human' is no class"),
            ({"region": ("255=wave",), "masks": Path("none")}, "no file none"),
            ({"region": ("255=wave",), "mask_output": "out.mp4"}, "'255' is no class"),
        ],
    )
    def test_bad_input_writes_nothing(self, run, clip, tmp_path, options, message):
        with pytest.raises(InputError, match=message):
            run(clip, tmp_path / "out.mp4", style=None, **options)
        assert not list(tmp_path.iterdir())

    def test_masks_do_not_go_where_the_video_goes(self, run, clip, sides, tmp_path):
        options = {"masks": sides, "region": ("255=wave",)}
        with pytest.raises(InputError, match="--mask-output is --output-video"):
            run(clip, tmp_path / "o.mp4", mask_output=tmp_path / "o.mp4", **options)
        assert names(tmp_path) == ["sides"]


class TestStyles:
    def test_fade_goes_from_one_style_to_the_other(self, run, painted, tmp_path):
        source = pictures(tmp_path / "in", 3)
        run(source, tmp_path / "out", style="wave", style_to="scream:0.5")
        expected = [(0, 1, 0), (0.25, 0.5, 0.25), (0.5, 0, 0.5)]
        for index, found in enumerate(read_folder(tmp_path / "out")):
            by_hand = painted(media.picture(index, SIZE), expected[index])
            assert np.abs(found - by_hand).max() <= 0.51

    @pytest.mark.parametrize("steps", [0, 3])
    def test_a_picture_tuned_on_a_frame_of_each_third_is_the_style_of_all(
        self, run, any_style, any_style_path, tmp_path, steps
    ):
        style = tmp_path / "style.png"
        Image.fromarray(media.picture(5, (40, 50))).save(style)
        options = {"style": None, "style_path": (style,), "checkpoint": str(any_style_path)}
        run(pictures(tmp_path / "in", 2), tmp_path / "out", refine_steps=steps, **options)
        picture = load_style(style, STYLE_SIDE)
        with torch.no_grad():
            code = any_style.encoder(picture)
        seen = [to_float(media.picture(index, SIZE)) for index in (0, 0, 1)]
        code = code_tuner(any_style.net, lambda: seen, steps, "float32")(picture, code)
        for index, found in enumerate(read_folder(tmp_path / "out")):
            image = to_float(media.picture(index, SIZE))
            expected = any_style.net(image, code, torch.ones(1, 1))[0].movedim(0, -1) * 255
            assert np.abs(found - expected.numpy()).max() <= 0.51
