"""The toolkit as Python. The second way is the net called by hand, and the command's own file."""

import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import media
import numpy as np
import pytest
from PIL import Image

import nst
import nst.optimize.images
from nst.api import run_video
from nst.commands.stylize import stylize_pictures
from nst.options.stylize import PictureConfig, VideoConfig

ROOT = Path(__file__).parents[1]
MACHINE = {"device": "cpu", "precision": "float32"}


@pytest.fixture(scope="module")
def net(tiny_path) -> nst.Net:
    return nst.load(tiny_path, **MACHINE)


@pytest.fixture(scope="module")
def any_net(any_style_path) -> nst.Net:
    return nst.load(any_style_path, **MACHINE)


@pytest.fixture
def photo() -> np.ndarray:
    return media.picture(0, (48, 64))


@pytest.fixture
def clip(tmp_path) -> Path:
    return media.make_clip(tmp_path / "clip.mp4", frames=5, size=(48, 64))


def near(found: np.ndarray, expected: np.ndarray) -> bool:
    return np.abs(found.astype(float) - expected).max() <= 0.51


class TestStylize:
    def test_array_pil_and_path_give_the_same(self, net, photo, painted, tmp_path):
        Image.fromarray(photo).save(tmp_path / "in.png")
        found = net.stylize(photo, style="scream")
        assert found.dtype == np.uint8 and near(found, painted(photo, (0, 0, 1)))
        pil = net.stylize(Image.fromarray(photo), "scream")
        assert isinstance(pil, Image.Image) and np.array_equal(np.array(pil), found)
        for path in (tmp_path / "in.png", str(tmp_path / "in.png")):
            assert np.array_equal(net.stylize(path, "scream"), found)

    def test_gray_is_read_as_a_gray_picture(self, net, photo):
        gray = photo[..., 0]
        expected = net.stylize(np.repeat(gray[..., None], 3, 2))
        assert np.array_equal(net.stylize(gray), expected)
        assert np.array_equal(np.array(net.stylize(Image.fromarray(gray))), expected)

    def test_the_first_style_blends_and_strength(self, net, photo, painted):
        assert net.styles == ["wave", "scream"]
        assert near(net.stylize(photo), painted(photo, (0, 1, 0)))
        found = net.stylize(photo, "wave*1+scream*3:0.8", strength=0.5)
        assert near(found, painted(photo, (0.6, 0.1, 0.3)))

    @pytest.mark.parametrize("options", [{}, {"preserve_color": "luminance"}])
    def test_a_region_is_painted_as_by_the_command(self, net, tiny_path, photo, tmp_path, options):
        mask = np.zeros((48, 64), np.uint8)
        mask[:, 20:] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        Image.fromarray(photo).save(tmp_path / "in.png")
        options |= {"region": ("255=wave",), "style": "original", "masks": tmp_path / "mask.png"}
        config = PictureConfig(
            content_path=tmp_path / "in.png",
            output=tmp_path / "out.png",
            method="one-pass",
            checkpoint=str(tiny_path),
            quiet=True,
            **MACHINE,
            **options,
        )
        report = stylize_pictures(config)
        assert report.outputs == (tmp_path / "out.png",) and report.seconds > 0
        written = np.array(Image.open(tmp_path / "out.png"))
        found = net.stylize(photo, **{**options, "region": "255=wave"})
        assert np.array_equal(found, written)
        assert np.array_equal(found[:, :15], photo[:, :15])

    def test_style_pictures_by_path_array_and_blend(self, any_net, photo, tmp_path):
        pictures = [media.picture(9 * i, (70, 90)) for i in (1, 2)]
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / f"{i}+1.png")
        paths = [tmp_path / "0+1.png", tmp_path / "1+1.png"]
        tuned: list[nst.Progress] = []
        found = any_net.stylize(photo, paths[0], refine_steps=2, on_progress=tuned.append)
        assert [(p.stage, p.done, p.total) for p in tuned] == [
            ("tuning the style", done, 2) for done in (0, 1, 2)
        ]
        untuned = {"refine_steps": 0}
        one = any_net.stylize(photo, str(paths[0]), **untuned)
        assert np.array_equal(one, any_net.stylize(photo, pictures[0], **untuned))
        assert not np.array_equal(one, found)
        both = any_net.stylize(photo, paths, blend=(1, 0), **untuned)
        assert np.array_equal(one, both)

    @pytest.mark.parametrize(
        ("style", "options", "message"),
        [
            ("monet", {}, "no style 'monet'; there are: wave, scream"),
            ("wave*x", {}, "write it like"),
            (None, {"strength": 2}, "--strength is 2; it must be from 0 to 1"),
            (None, {"style_weight": 3}, "--style-weight belongs to --method optimize"),
            (None, {"long_side": 18}, "at least 16"),
            (None, {"mask_output": "m.png", "region": "person=wave"}, "mask_output is for files"),
            (Path("x.png"), {}, "no file x.png"),
            (np.zeros((32, 32, 3), np.uint8), {"refine_steps": 0}, "this checkpoint has to learn"),
        ],
    )
    def test_what_is_wrong_is_an_input_error(self, net, photo, style, options, message):
        with pytest.raises(nst.InputError, match=message):
            net.stylize(photo, style, **options)

    def test_pictures_that_are_none_are_refused(self, net, photo):
        with pytest.raises(nst.InputError, match="float64"):
            net.stylize(photo / 255)
        with pytest.raises(TypeError, match="no option 'stile'"):
            net.stylize(photo, stile="wave")


class TestSharing:
    """A net is one value: painting changes nothing in it."""

    styles = ("wave", "scream", "wave*1+scream*1:0.5", "original")

    def test_loaded_twice_and_painted_by_threads(self, net, tiny_path, photo):
        expected = [nst.load(tiny_path, **MACHINE).stylize(photo, style) for style in self.styles]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda style: net.stylize(photo, style), self.styles * 4))
        for index, result in enumerate(found):
            assert np.array_equal(result, expected[index % len(expected)])

    def test_sent_to_another_process(self, net, photo):
        expected = net.stylize(photo, "scream")
        assert np.array_equal(pickle.loads(pickle.dumps(net)).stylize(photo, "scream"), expected)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert np.array_equal(pool.submit(net.stylize, photo, "scream").result(), expected)

    def test_a_precision_that_does_not_exist_is_refused(self, tiny_path):
        with pytest.raises(
            nst.InputError, match="precision is 'float64'; choose from auto, float32"
        ):
            nst.load(tiny_path, precision="float64")

    def test_another_precision_leaves_the_checkpoint(self, tiny_path, photo):
        net = nst.load(tiny_path, device="cpu", precision="bfloat16")
        net.stylize(photo)
        assert {str(p.dtype) for p in net.checkpoint.net.parameters()} == {"torch.float32"}


class TestVideo:
    def test_frames_progress_and_report(self, tiny_path, clip, tmp_path):
        frames, steps = [], []
        report = nst.stylize_video(
            clip, tmp_path / "out.mp4", "wave", checkpoint=str(tiny_path),
            on_frame=frames.append, on_progress=steps.append, **MACHINE,
        )  # fmt: skip
        assert report.output == tmp_path / "out.mp4" and report.output.is_file()
        assert (report.frames, report.size, report.complete) == (5, (48, 64), True)
        assert report.fps > 0 and report.seconds > 0 and report.warnings == ()
        assert "ssim" in report.figures
        assert [step.done for step in steps] == [0, 1, 2, 3, 4, 5] and steps[0].total == 5
        assert {step.stage for step in steps} == {"stylizing"}
        for frame in frames:
            assert frame.original.pts == frame.result.pts
            assert frame.original.image.shape == frame.result.image.shape == (1, 3, 48, 64)
        assert pickle.loads(pickle.dumps(report)) == report

    def test_the_callback_may_end_it(self, tiny_path, clip):
        seen = []

        def keep(frame: nst.PaintedFrame) -> bool:
            seen.append(frame.result.pts)
            return len(seen) < 2

        report = nst.stylize_video(
            clip, on_frame=keep, checkpoint=str(tiny_path), quiet=True, **MACHINE
        )
        assert (len(seen), report.frames, report.complete) == (2, 2, False)
        assert report.output is None

    def test_what_the_callback_raises_reaches_the_caller(self, tiny_path, clip, tmp_path):
        def fail(frame: nst.PaintedFrame) -> None:
            raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            nst.stylize_video(
                clip, tmp_path / "out.mp4", on_frame=fail, checkpoint=str(tiny_path), **MACHINE
            )
        assert not (tmp_path / "out.mp4").exists()

    def test_the_command_writes_the_same_pictures(self, tiny_path, clip, tmp_path):
        options = {"checkpoint": str(tiny_path), "style": "scream", "quiet": True, **MACHINE}
        nst.stylize_video(clip, tmp_path / "a", **options)
        run_video(VideoConfig(input_video=str(clip), output_video=tmp_path / "b", **options))
        files = sorted((tmp_path / "a").iterdir())
        assert len(files) == 5
        for file in files:
            assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()

    def test_warnings_stay_with_their_video(self, tiny_path, clip, tmp_path):
        """Two at a time: the one whose masks are of another size says so, the other does not."""
        Image.fromarray(np.full((24, 32), 255, np.uint8)).save(tmp_path / "mask.png")
        common = {"checkpoint": str(tiny_path), "quiet": True, **MACHINE}
        masked = {"region": "255=wave", "style": "scream", "masks": tmp_path / "mask.png"}

        def run(name: str, options: dict) -> nst.VideoReport:
            return nst.stylize_video(clip, tmp_path / name, **common, **options)

        with pytest.warns(UserWarning, match="masks of 32x24"), ThreadPoolExecutor(2) as pool:
            first = pool.submit(run, "a.mkv", masked)
            second = pool.submit(run, "b.mkv", {})
            assert any("masks of 32x24" in line for line in first.result().warnings)
            assert second.result().warnings == ()


def test_optimize_writes_what_the_command_writes(photo, tmp_path, monkeypatch, random_vgg):
    monkeypatch.setattr(nst.optimize.images, "load_vgg19", lambda *_: None)
    monkeypatch.setattr(nst.optimize.images, "VGGFeatures", lambda *_: random_vgg)
    style = media.color_bars((56, 72))
    Image.fromarray(photo).save(tmp_path / "in.png")
    Image.fromarray(style).save(tmp_path / "style.png")
    options = {"steps": 2, "style_layers": ("relu1_1",), "content_layers": "relu2_2", **MACHINE}
    steps = []
    found = nst.optimize(photo, style, on_progress=steps.append, **options)
    assert [step.done for step in steps] == list(range(1, steps[0].total + 1))
    config = PictureConfig(
        content_path=tmp_path / "in.png", style_path=(tmp_path / "style.png",), quiet=True,
        output=tmp_path / "out.png", **{**options, "content_layers": ("relu2_2",)},
    )  # fmt: skip
    stylize_pictures(config)
    assert np.array_equal(found, np.array(Image.open(tmp_path / "out.png")))
    assert not np.array_equal(found, photo)


def test_import_is_quick_and_names_are_there():
    code = (
        "import sys, nst\n"
        "assert 'torch' not in sys.modules and set(nst.__all__) <= set(dir(nst))\n"
        "import nst.train.loop, nst.optimize.videos\n"
        "assert callable(nst.train) and callable(nst.optimize) and nst.train.loop.train\n"
        "for name in nst.__all__: getattr(nst, name)\n"
        "try: nst.nothing\n"
        "except AttributeError: print('right')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "right"), done.stderr
