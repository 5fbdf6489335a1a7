"""The story of an optimized video, with random VGG-19 weights and shallow layers."""

import json
from pathlib import Path

import media
import numpy as np
import pytest
from PIL import Image

import nst.losses.video_metrics
import nst.optimize.frame_store
import nst.optimize.frames
import nst.optimize.videos
from nst.api import run_video
from nst.core.places import lock, unlock
from nst.core.tensors import resize
from nst.errors import InputError
from nst.losses.perceptual import gram_matrix, relative_error
from nst.media.images import load_image
from nst.options.stylize import VideoConfig

SIZE = (32, 48)
FRAMES = 3


@pytest.fixture
def optimize(tmp_path, monkeypatch, random_vgg):
    monkeypatch.setattr(nst.optimize.videos, "load_vgg19", lambda path: None)
    monkeypatch.setattr(nst.optimize.videos, "VGGFeatures", lambda *args: random_vgg)
    media.make_clip(tmp_path / "in.mp4", frames=FRAMES, size=SIZE)
    Image.fromarray(media.color_bars((56, 72))).save(tmp_path / "style.png")

    def call(name="out", **options) -> Path:
        small = {
            "method": "optimize",
            "input_video": str(tmp_path / "in.mp4"),
            "style_path": (tmp_path / "style.png",),
            "steps": 4,
            "frame_steps": 3,
            "content_layers": ("relu2_2",),
            "style_layers": ("relu1_1", "relu2_1"),
            "device": "cpu",
            "precision": "float32",
            "quiet": True,
        }
        output = tmp_path / name
        run_video(VideoConfig(output_video=output, **{**small, **options}))
        return output

    return call


def pictures(folder: Path) -> list[np.ndarray]:
    return [np.array(Image.open(path)).astype(int) for path in sorted(folder.iterdir())]


def stop_at(monkeypatch, turn: int, number: int) -> None:
    """Have Ctrl-C come before this frame is finished."""
    keep = nst.optimize.frame_store.FrameStore.keep

    def stopping(self, *args):
        if args[:2] == (turn, number):
            raise KeyboardInterrupt
        keep(self, *args)

    monkeypatch.setattr(nst.optimize.frame_store.FrameStore, "keep", stopping)


def test_the_report_has_the_styles_distance_at_the_size_it_was_looked_at(
    optimize, tmp_path, random_vgg
):
    report = tmp_path / "report.json"
    folder = optimize("out", report=report, style_scale=0.75)
    style, first = (
        resize(load_image(path), size)
        for path, size in ((tmp_path / "style.png", (28, 36)), (sorted(folder.iterdir())[0], SIZE))
    )
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    wanted, found = random_vgg(style, layers), random_vgg(first, layers)
    errors = [relative_error(gram_matrix(found[k]), gram_matrix(wanted[k])) for k in layers]
    error = json.loads(report.read_text())["style_gram_error"]
    assert error == pytest.approx(sum(errors).item() / 4, rel=0.02)


def test_a_style_too_narrow_to_measure_is_told_first(optimize, tmp_path, monkeypatch):
    Image.fromarray(media.color_bars((8, 72))).save(tmp_path / "strip.png")
    painting = []
    paint_frames = nst.optimize.videos._paint_frames
    monkeypatch.setattr(
        nst.optimize.videos, "_paint_frames", lambda *a: painting.append(1) or paint_frames(*a)
    )

    def note(message, *_, **__):
        told.append((str(message), len(painting)))

    told = []
    monkeypatch.setattr(nst.losses.video_metrics, "warn", note)
    report = tmp_path / "report.json"
    assert optimize("out", style_path=(tmp_path / "strip.png",), report=report).is_dir()
    assert len(told) == 1 and told[0][1] == 0
    assert "style is not measured" in told[0][0] and "too small for relu5_1" in told[0][0]
    assert "style_mean_error" not in json.loads(report.read_text())


@pytest.mark.parametrize("passes, turn, number", [(1, 1, 1), (2, 2, 1)])
def test_resuming_gives_what_an_uninterrupted_run_gives(
    optimize, tmp_path, monkeypatch, passes, turn, number
):
    whole = pictures(optimize("whole", passes=passes))
    with monkeypatch.context() as patch:
        stop_at(patch, turn, number)
        with pytest.raises(KeyboardInterrupt):
            optimize("cut", passes=passes)
    assert not (tmp_path / "cut").exists() and (tmp_path / "cut.nst-unfinished").is_dir()
    with pytest.raises(InputError, match="--resume, or delete"):
        optimize("cut", passes=passes)
    with pytest.raises(InputError, match="--resume: --steps was 4 and is 5"):
        optimize("cut", passes=passes, resume=True, steps=5)
    resumed = pictures(optimize("cut", passes=passes, resume=True))
    assert len(whole) == FRAMES
    assert all(np.array_equal(a, b) for a, b in zip(whole, resumed, strict=True))
    assert not (tmp_path / "cut.nst-unfinished").exists()


def test_file_keeps_times_and_sound(optimize, tmp_path):
    before, after = media.read_back(tmp_path / "in.mp4"), media.read_back(optimize("out.mp4"))
    assert after.times == before.times and after.sound == before.sound


def test_a_still_video_stays_still_and_frames_by_themselves_do_not_follow(optimize, tmp_path):
    """Stronger ties in time leave less change between two results."""
    still = tmp_path / "still"
    still.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        noisy = media.picture(0, SIZE) + rng.normal(0, 3, (*SIZE, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(still / f"{i}.png")

    def change(name, **options):
        results = pictures(
            # In the content's own colors: a palette would stretch the noise with them.
            optimize(name, input_video=str(still), steps=16, preserve_color="histogram", **options)
        )
        return np.mean([np.abs(a - b).mean() for a, b in zip(results, results[1:], strict=False)])

    tied = change("tied", temporal_weight=2000.0)
    loose = change("loose", temporal_weight=0.0, temporal_feature_weight=0.0, init_image="noise")
    assert tied < 0.5 * loose


def test_loop_ties_the_last_frame_to_the_first(optimize, monkeypatch):
    seen = []
    warp_earlier = nst.optimize.frames.warp_earlier

    def noting(frame, others, flow):
        seen.append(len(others))
        return warp_earlier(frame, others, flow)

    monkeypatch.setattr(nst.optimize.frames, "warp_earlier", noting)
    optimize("a", passes=2, lags=(1,))
    # The first frame of each pass has nothing before it.
    assert len(seen) == 2 * (FRAMES - 1)
    seen.clear()
    optimize("b", passes=2, lags=(1,), loop=True)
    assert len(seen) == 2 * FRAMES - 1


def test_style_from_previous_and_no_flow_run(optimize):
    assert len(pictures(optimize("a", style_from_previous=0.5))) == FRAMES
    assert len(pictures(optimize("b", flow="none", preserve_color="luminance"))) == FRAMES


@pytest.mark.parametrize(
    "options, part",
    [
        ({"style_path": ()}, "--style-path"),
        ({"style": "wave"}, "--method one-pass"),
        ({"loop": True}, "--passes 2"),
        ({"resume": True}, "start the run without it"),
        ({"long_side": 32}, "at least 32"),
        ({"style_layers": ("relu9_9",)}, "relu9_9"),
        ({"codec": "nonsense"}, "nonsense"),
    ],
)
def test_bad_input_is_told_before_any_work(optimize, tmp_path, options, part):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        optimize("out.mp4", **options)
    assert part in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


class TestWorkingFolder:
    def test_somebody_elses_folder_is_not_touched(self, optimize, tmp_path):
        mine = [
            tmp_path / "out.frames" / "notes.txt",
            tmp_path / "out.nst-unfinished" / "notes.txt",
        ]
        for path in mine:
            path.parent.mkdir()
            path.write_text("mine")
        with pytest.raises(InputError, match="in the way and not of this program"):
            optimize("out")
        assert [path.read_text() for path in mine] == ["mine", "mine"]

    def test_the_input_may_be_called_as_the_output(self, optimize, tmp_path):
        folder = tmp_path / "out.frames"
        folder.mkdir()
        for index in range(FRAMES):
            Image.fromarray(media.picture(index, SIZE)).save(folder / f"{index}.png")
        optimize("out.mp4", input_video=str(folder))
        assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "2.png"]
        assert len(media.read_back(tmp_path / "out.mp4").times) == FRAMES

    def test_what_was_put_into_it_stays(self, optimize, tmp_path, monkeypatch):
        remove = nst.optimize.frame_store.FrameStore.remove

        def joined_by_a_note(store):
            (store.folder / "notes.txt").write_text("mine")
            (store.folder / "input" / "copy of 000001.png").write_text("mine")
            remove(store)

        monkeypatch.setattr(nst.optimize.frame_store.FrameStore, "remove", joined_by_a_note)
        optimize("out")
        left = [p for p in (tmp_path / "out.nst-unfinished").rglob("*") if p.is_file()]
        assert sorted(path.name for path in left) == ["copy of 000001.png", "notes.txt"]

    def test_a_run_stopped_before_it_painted_is_begun_anew(self, optimize, tmp_path, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(nst.optimize.frame_store, "save_image", stopped)
            with pytest.raises(KeyboardInterrupt):
                optimize("out")
        assert (tmp_path / "out.nst-unfinished").is_dir()
        assert len(pictures(optimize("out"))) == FRAMES
        assert not (tmp_path / "out.nst-unfinished").exists()

    def test_two_runs_do_not_work_in_one_folder(self, optimize, tmp_path, monkeypatch):
        stop_at(monkeypatch, 1, 1)
        with pytest.raises(KeyboardInterrupt):
            optimize("out")
        held = lock(tmp_path / "out.nst-unfinished")
        try:
            with pytest.raises(InputError, match="another run is working there"):
                optimize("out", resume=True)
        finally:
            unlock(held)


def stopped(*_):
    raise KeyboardInterrupt
