"""A video painted part by part: the same frames as in one go, whatever happens on the way."""

import json
import resource
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
from films import FIRSTS, SHOTS, SIZE, assert_same
from PIL import Image

import nst.stylize.film
import nst.stylize.session
from nst.api import run_video
from nst.core.places import lock, unlock
from nst.errors import InputError
from nst.media.lossless import LosslessWriter, read_lossless
from nst.stylize.film import keeps_parts
from nst.stylize.parts import PartWriter, parts_folder
from nst.stylize.videos import one_pass_video

pytestmark = pytest.mark.usefixtures("short_parts")
ROOT = Path(__file__).parents[1]


def stop_at(monkeypatch, count: int, error: BaseException) -> None:
    """Have a run end in an error after so many frames."""
    write, done = PartWriter.write, []

    def stopping(self, images):
        if len(done) == count:
            raise error
        done.append(self.first)
        write(self, images)

    monkeypatch.setattr(PartWriter, "write", stopping)


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


def test_a_picture_s_code_is_tuned_once_for_all_parts(
    film_config, any_style_path, tmp_path, monkeypatch
):
    Image.fromarray(media.picture(3, (72, 80))).save(tmp_path / "style.png")
    options = {"style": None, "style_path": (tmp_path / "style.png",), "refine_steps": 2}
    options["checkpoint"] = str(any_style_path)
    one_pass_video(film_config("whole.mp4", **options))
    steps, mix = [], nst.stylize.session.mix_paint

    def mixing(given, *args):
        steps.append(given.refine_steps)
        return mix(given, *args)

    monkeypatch.setattr(nst.stylize.session, "mix_paint", mixing)
    with monkeypatch.context() as patch:
        stop_at(patch, 9, InputError("stop"))
        with pytest.raises(InputError, match="stop"):
            run_video(film_config(resume=True, **options))
    run_video(film_config(resume=True, **options))
    assert steps == [2, 0]
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")
    assert not parts_folder(film_config().output_video).exists()


KILLED = """
import os, signal, sys
from nst.commands.run import run
from nst.options.stylize import VideoConfig
import nst.stylize.film, nst.stylize.parts as parts
from nst.media.video_writer import VideoWriter
from nst.commands.stylize import video
owner, name, count = {"frame": (parts.PartWriter, "write", 9), "note": (parts, "write_json", 1),
                      "join": (VideoWriter, "write", 4)}[sys.argv.pop(1)]
nst.stylize.film.PART_FRAMES = 1
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
    with pytest.warns(UserWarning, match="left by a run that was killed"):
        run_video(given)
    assert not firsts and not parts_folder(given.output_video).exists()
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")


class TestTrouble:
    """One line each, and what is finished stays."""

    def begin(self, film_config, monkeypatch) -> Path:
        """Have a run stop in its second part; return the folder of parts."""
        with monkeypatch.context() as patch:
            stop_at(patch, 9, InputError("stop"))
            with pytest.raises(InputError, match="stop"):
                run_video(film_config(resume=True))
        return parts_folder(film_config().output_video)

    def test_a_second_run_at_once_is_refused(self, film_config, monkeypatch):
        folder = self.begin(film_config, monkeypatch)
        handle = lock(folder)
        with pytest.raises(InputError, match="another run is working there"):
            run_video(film_config(resume=True))
        unlock(handle)
        run_video(film_config(resume=True))

    def test_other_options_and_files_are_refused(
        self, film_config, film_clip, tmp_path, monkeypatch
    ):
        film = tmp_path / "film.mp4"
        film.write_bytes(film_clip.read_bytes())
        with monkeypatch.context() as patch:
            stop_at(patch, 9, InputError("stop"))
            with pytest.raises(InputError, match="stop"):
                run_video(film_config(resume=True, input_video=str(film)))
        with pytest.raises(InputError, match="--resume: --strength was 1.0 and is 0.5"):
            run_video(film_config(resume=True, input_video=str(film), strength=0.5))
        media.make_clip(film, 20, SIZE)
        with pytest.raises(InputError, match="film.mp4 is another file now"):
            run_video(film_config(resume=True, input_video=str(film)))

    def test_a_folder_of_somebody_else_is_left_alone(self, film_config):
        folder = parts_folder(film_config().output_video)
        folder.mkdir()
        (folder / "novel.txt").write_text("dear")
        with pytest.raises(InputError, match="not of this program"):
            run_video(film_config(resume=True))
        assert [p.name for p in folder.iterdir()] == ["novel.txt"]

    def test_a_full_disk(self, film_config, tmp_path, monkeypatch):
        """Files may not grow beyond a size that the first part has and the second exceeds."""
        one_pass_video(film_config("whole.mp4"))
        folder = self.begin(film_config, monkeypatch)
        size = (folder / "00000000-video.mkv").stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
        try:
            with pytest.raises(InputError, match="no space left .* finished parts stay"):
                run_video(film_config(resume=True))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [p.name for p in folder.glob("*.mkv")] == ["00000000-video.mkv"]
        run_video(film_config(resume=True))
        assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")

    def test_a_folder_that_vanishes(self, film_config, monkeypatch):
        folder = self.begin(film_config, monkeypatch)
        write = PartWriter.write

        def losing(self, images):
            write(self, images)
            if folder.is_dir():
                shutil.rmtree(folder)

        monkeypatch.setattr(PartWriter, "write", losing)
        with pytest.raises(InputError, match="nst-parts is gone"):
            run_video(film_config(resume=True))

    def test_a_part_that_is_damaged_is_painted_again(self, film_config, tmp_path, monkeypatch):
        one_pass_video(film_config("whole.mp4"))
        part = self.begin(film_config, monkeypatch) / "00000000-video.mkv"
        damaged = bytearray(part.read_bytes())
        middle = len(damaged) // 2
        damaged[middle : middle + 100] = bytes(100)
        part.write_bytes(damaged)
        with pytest.raises(InputError, match="frames 0 to 6 are damaged"):
            run_video(film_config(resume=True))
        run_video(film_config(resume=True))
        assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")


def test_parts_are_kept_unasked_for_long_videos_only(film_config, monkeypatch):
    assert not keeps_parts(film_config(), None) and keeps_parts(film_config(resume=True), None)
    monkeypatch.setattr(nst.stylize.film, "KEPT_FROM_SECONDS", 0.5)
    assert keeps_parts(film_config(), None) and not keeps_parts(film_config(show=True), None)
    assert not keeps_parts(film_config(), lambda frame: True)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    assert not keeps_parts(film_config(), None)
