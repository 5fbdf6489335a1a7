"""A video painted part by part: the same frames as in one go, whatever happens on the way."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import media
import numpy as np
import pytest
import torch
from films import FIRSTS, SHOTS, SIZE, assert_same, stop_at
from PIL import Image

import nst.stylize.film
import nst.stylize.pipeline
import nst.stylize.session
from nst.api import run_video
from nst.errors import InputError
from nst.media.lossless import LosslessWriter, read_lossless
from nst.stylize.film import keeps_parts
from nst.stylize.parts import Parts, PartWriter, parts_folder
from nst.stylize.recorded import RecordedNet
from nst.stylize.videos import one_pass_video

pytestmark = pytest.mark.usefixtures("short_parts")
ROOT = Path(__file__).parents[1]


def painted_parts(monkeypatch) -> list[int]:
    """Return the numbers of the parts of which a frame is painted from now on."""
    write, firsts = PartWriter.write, []

    def noting(self, images):
        firsts.append(self.first)
        write(self, images)

    monkeypatch.setattr(PartWriter, "write", noting)
    return firsts


@pytest.mark.parametrize("deep", [False, True])
def test_kept_images_come_back_exactly(tmp_path, deep):
    top = 65535 if deep else 255
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(0, top + 1, (1, 3, 37, 51), generator=generator) / top for _ in "abc"]
    writer = LosslessWriter(tmp_path / "a.mkv", deep)
    for image in images:
        writer.write(image)
    writer.close()
    kept = list(read_lossless(tmp_path / "a.mkv"))
    assert all(torch.equal(a, b) for a, b in zip(images, kept, strict=True))


@pytest.mark.filterwarnings("ignore:finished parts are kept")
@pytest.mark.parametrize(
    "options, count",
    [
        ({}, 1),
        ({}, 9),
        ({}, 17),
        ({"style_to": "scream"}, 12),
        ({"style": None, "style_at": "2f wave, 14f scream", "strength_at": "0 0.3, 0.5 1"}, 9),
        ({"temporal_blend": 0.0}, 9),
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_video(
    film_config, tmp_path, monkeypatch, options, count
):
    one_pass_video(film_config("whole.mp4", **options))
    with monkeypatch.context() as patch:
        stop_at(patch, count, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run_video(film_config(resume=True, **options))
    assert not (tmp_path / "out.mp4").exists()
    firsts = painted_parts(monkeypatch)
    run_video(film_config(resume=True, **options))
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "whole.mp4"]
    if not options:  # what was finished is not painted again
        assert len(firsts) == sum(SHOTS) - max(first for first in FIRSTS if first <= count)


@pytest.mark.filterwarnings("ignore:style is not measured")
def test_frames_with_masks_and_a_report_go_on_too(film_config, tmp_path, monkeypatch):
    options = {"region": ("255=scream",), "masks": tmp_path / "mask.png"}
    options |= {"mask_output": tmp_path / "masks.mp4", "report": tmp_path / "report.json"}
    half = np.zeros(SIZE, np.uint8)
    half[:, 20:] = 255
    Image.fromarray(half).save(options["masks"])
    one_pass_video(film_config("whole.mp4", **options))
    whole = {kind: options[kind].rename(tmp_path / f"whole-{kind}") for kind in list(options)[2:]}
    with monkeypatch.context() as patch:
        stop_at(patch, 9, InputError("stop"))
        with pytest.raises(InputError, match="stop"):
            run_video(film_config(resume=True, **options))
    run_video(film_config(resume=True, **options))
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")
    masks = [
        media.read_back(path).arrays() for path in (whole["mask_output"], options["mask_output"])
    ]
    assert all(np.array_equal(a, b) for a, b in zip(*masks, strict=True)) and masks[0]
    one, other = (json.loads(path.read_text()) for path in (whole["report"], options["report"]))
    for figure in ("ssim", "detail"):
        assert other[figure] == pytest.approx(one[figure], abs=2e-3)
    assert other["beside_alone"]["detail"] == pytest.approx(one["beside_alone"]["detail"], abs=2e-3)


def test_a_run_says_how_fast_it_was_and_builds_its_nets_once(film_config, monkeypatch):
    """Frames that an earlier run has painted do not count."""
    built = []

    class Counted(RecordedNet):
        def __init__(self, net):
            built.append(net)
            super().__init__(net)

    monkeypatch.setattr(nst.stylize.pipeline, "RecordedNet", Counted)
    plan = film_config("film.json").output_video
    run_video(film_config(plan=plan))
    assert run_video(film_config(plan=plan, part="1/1")).frames == sum(SHOTS)
    assert len(built) == 1
    with monkeypatch.context() as patch:
        patch.setattr(nst.stylize.film, "join", lambda session: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_video(film_config("other.mp4", resume=True))
    assert run_video(film_config("other.mp4", resume=True)).fps == 0


@pytest.mark.parametrize("planned", [False, True])
def test_a_run_killed_when_all_is_joined_only_tidies_up(
    film_config, tmp_path, monkeypatch, planned
):
    options = {"plan": tmp_path / "film.json"} if planned else {"resume": True}
    if planned:
        run_video(film_config(**options))
        run_video(film_config(part="1/1", **options))
        options["join"] = True

    def killed(self):
        next(self.folder.glob("0*.json")).unlink()
        self.close()
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "remove", killed)
        with pytest.raises(SystemExit):
            run_video(film_config(**options))
    before = (tmp_path / "out.mp4").stat()
    report = run_video(film_config(**options))
    assert (report.frames, report.size, report.output) == (sum(SHOTS), SIZE, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").stat() == before
    assert not parts_folder(tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("predicts", [True, False])
def test_a_picture_is_learned_once_for_all_parts(
    film_config, any_style_path, tiny_path, tmp_path, monkeypatch, predicts
):
    Image.fromarray(media.picture(3, (72, 80))).save(tmp_path / "style.png")
    options = {"style": None, "style_path": (tmp_path / "style.png",), "refine_steps": 2}
    options["checkpoint"] = str(any_style_path if predicts else tiny_path)
    one_pass_video(film_config("whole.mp4", **options))
    stage, first, second = "tuning the style" if predicts else "learning the style", [], []
    with monkeypatch.context() as patch:
        stop_at(patch, 9, InputError("stop"))
        with pytest.raises(InputError, match="stop"):
            run_video(film_config(resume=True, **options), on_progress=first.append)
    run_video(film_config(resume=True, **options), on_progress=second.append)
    assert [told.done for told in first if told.stage == stage] == [0, 1, 2]
    assert second and not any(told.stage == stage for told in second)
    with monkeypatch.context() as patch:
        stop_at(patch, 9, InputError("stop"))
        with pytest.raises(InputError, match="stop"):
            run_video(film_config("other.mp4", resume=True, **options))
    Image.fromarray(media.picture(4, (72, 80))).save(tmp_path / "style.png")
    with pytest.raises(InputError, match="style.png is another file now"):
        run_video(film_config("other.mp4", resume=True, **options))
    shutil.rmtree(parts_folder(tmp_path / "other.mp4"))
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")
    assert not parts_folder(film_config().output_video).exists()


def test_workers_find_what_was_learned(film_config, tiny_path, tmp_path, monkeypatch):
    Image.fromarray(media.picture(3, (72, 80))).save(tmp_path / "style.png")
    seen = []

    def workers(session, shots, count, tell):
        seen.append(session.parts.shared_codes(None))
        return sum(1 for shot in shots for _ in nst.stylize.film.paint_shot(session, shot))

    monkeypatch.setattr(nst.stylize.film, "paint_with_workers", workers)
    options = {"style": None, "style_path": (tmp_path / "style.png",), "refine_steps": 1}
    run_video(film_config(workers=2, **options))
    assert len(seen) == 1 and "codes" in seen[0]


def test_what_cannot_be_learned_leaves_no_parts(film_config, tmp_path):
    Image.fromarray(media.picture(3, (72, 80))).save(tmp_path / "style.png")
    options = {"style": None, "style_path": (tmp_path / "style.png",), "refine_steps": 0}
    for more in ({"resume": True}, {"plan": tmp_path / "plan.json"}, {"workers": 2}):
        with pytest.raises(InputError, match="give more --refine-steps than 0"):
            run_video(film_config(**options, **more))
    assert [path.name for path in tmp_path.iterdir()] == ["style.png"]


KILLED = """
import os, signal, sys
from nst.commands.run import run
from nst.options.stylize import VideoConfig
import nst.stylize.film, nst.stylize.parts as parts
from nst.media.video_writer import VideoWriter
from nst.commands.stylize import video
owner, name, count = {"frame": (parts.PartWriter, "write", 9), "note": (parts, "write_json", 1),
                      "join": (VideoWriter, "write", 4)}[sys.argv.pop(1)]
nst.stylize.film.MIN_FRAMES = 1
before = getattr(owner, name)
def killing(*args, **options):
    global count
    count -= 1
    if not count:
        os.kill(os.getpid(), signal.SIGKILL)
    return before(*args, **options)
setattr(owner, name, killing)
raise SystemExit(run(video, VideoConfig, None))
"""


def test_killed_again_and_again_it_comes_to_the_same_end(film_config, tmp_path, monkeypatch):
    """In the second shot; with that shot whole but for its note; in the join."""
    one_pass_video(film_config("whole.mp4"))
    given = film_config(resume=True)
    flags = ["--input-video", given.input_video, "--output-video", str(given.output_video)]
    flags += ["--style", "wave", "--checkpoint", given.checkpoint, "--device", "cpu"]
    flags += ["--precision", "float32", "--quiet", "--resume"]
    kept = []
    for moment in ("frame", "note", "join"):
        command = [sys.executable, "-c", KILLED, moment, *flags]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        kept.append(sorted(int(p.stem) for p in parts_folder(given.output_video).glob("0*.json")))
    assert kept == [[0], [0], [0, 7, 12]]
    firsts = painted_parts(monkeypatch)
    run_video(given)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "whole.mp4"]
    assert not firsts and not parts_folder(given.output_video).exists()
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")


def test_parts_are_kept_unasked_for_long_videos_only(film_config, monkeypatch):
    assert not keeps_parts(film_config(), None) and keeps_parts(film_config(resume=True), None)
    monkeypatch.setattr(nst.stylize.film, "KEPT_FROM_SECONDS", 0.5)
    assert keeps_parts(film_config(), None) and not keeps_parts(film_config(show=True), None)
    assert not keeps_parts(film_config(), lambda frame: True)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    assert not keeps_parts(film_config(), None)
