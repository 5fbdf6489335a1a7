"""What goes wrong with a long video's parts: one line each, and what is finished stays."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import media
import numpy as np
import pytest
from films import SIZE, assert_same, stop_at
from PIL import Image

import nst.api
import nst.stylize.plan
from nst.api import run_video
from nst.core.places import lock, unlock
from nst.errors import InputError
from nst.media.video_writer import VideoWriter
from nst.stylize.parts import PartWriter, parts_folder
from nst.stylize.videos import one_pass_video

pytestmark = pytest.mark.usefixtures("short_parts")


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Fill a disk but for some bytes; return the file that does."""
    filler = disk / "filler"
    status = os.statvfs(disk)
    filler.write_bytes(bytes(status.f_bavail * status.f_frsize - left))
    return filler


def begin(film_config, monkeypatch) -> Path:
    """Have a run stop in its second part; return the folder of parts."""
    with monkeypatch.context() as patch:
        stop_at(patch, 9, InputError("stop"))
        with pytest.raises(InputError, match="stop"):
            run_video(film_config(resume=True))
    return parts_folder(film_config().output_video)


def test_a_second_run_at_once_is_refused(film_config, monkeypatch):
    folder = begin(film_config, monkeypatch)
    handle = lock(folder)
    with pytest.raises(InputError, match="another run is working there"):
        run_video(film_config(resume=True))
    unlock(handle)
    run_video(film_config(resume=True))


def test_other_options_and_files_are_refused(film_config, film_clip, tmp_path, monkeypatch):
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


def test_a_folder_of_somebody_else_is_left_alone(film_config):
    folder = parts_folder(film_config().output_video)
    folder.mkdir()
    (folder / "novel.txt").write_text("dear")
    with pytest.raises(InputError, match="not of this program"):
        run_video(film_config(resume=True))
    assert [p.name for p in folder.iterdir()] == ["novel.txt"]


def test_a_full_disk(film_config, tmp_path, monkeypatch):
    """Files may not grow beyond a size that the first part has and the second exceeds."""
    one_pass_video(film_config("whole.mp4"))
    folder = begin(film_config, monkeypatch)
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


def test_a_folder_that_vanishes(film_config, monkeypatch):
    folder = begin(film_config, monkeypatch)
    write = PartWriter.write

    def losing(self, images):
        write(self, images)
        if folder.is_dir():
            shutil.rmtree(folder)

    monkeypatch.setattr(PartWriter, "write", losing)
    with pytest.raises(InputError, match="nst-parts is gone"):
        run_video(film_config(resume=True))


def test_a_part_that_is_damaged_is_painted_again(film_config, tmp_path, monkeypatch):
    one_pass_video(film_config("whole.mp4"))
    part = begin(film_config, monkeypatch) / "00000000-video.mkv"
    damaged = bytearray(part.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 100] = bytes(100)
    part.write_bytes(damaged)
    with pytest.raises(InputError, match="frames 0 to 6 are damaged"):
        run_video(film_config(resume=True))
    run_video(film_config(resume=True))
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")


def test_a_disk_that_is_full(film_config, disk, tmp_path):
    """It takes the first part and not the second."""
    one_pass_video(film_config("whole.mp4"))
    run_video(film_config("disk/size.mp4", plan=tmp_path / "size.json"))
    plan = film_config("disk/size.mp4", plan=tmp_path / "size.json", part="1/3")
    run_video(plan)
    parts = parts_folder(plan.output_video)
    size = (parts / "00000000-video.mkv").stat().st_size
    shutil.rmtree(parts)
    filler = fill(disk, size + 24_000)
    stopped = pytest.raises(InputError, match="no space left .* --resume: finished parts stay")
    with pytest.warns(UserWarning, match="may take .* are free"), stopped:
        run_video(film_config("disk/out.mp4", resume=True))
    folder = parts_folder(tmp_path / "disk" / "out.mp4")
    assert [path.name for path in folder.glob("*.mkv")] == ["00000000-video.mkv"]
    assert sorted(path.name for path in disk.iterdir()) == ["filler", folder.name]
    filler.unlink()
    run_video(film_config("disk/out.mp4", resume=True))
    assert_same(tmp_path / "whole.mp4", disk / "out.mp4")
    assert sorted(path.name for path in disk.iterdir()) == ["out.mp4"]


def test_a_disk_that_is_full_in_the_join(film_config, disk, tmp_path, monkeypatch):
    one_pass_video(film_config("whole.mp4"))
    with monkeypatch.context() as patch:
        begin_write, fillers = VideoWriter.write, []

        def filling(self, frame):
            if not fillers:
                fillers.append(fill(disk, 0))
            begin_write(self, frame)

        patch.setattr(VideoWriter, "write", filling)
        with pytest.raises(InputError, match="no space left .* finished parts stay in .* --resume"):
            run_video(film_config("disk/out.mp4", resume=True))
    folder = parts_folder(tmp_path / "disk" / "out.mp4")
    assert len(list(folder.glob("*-video.mkv"))) == 3 and not (disk / "out.mp4").exists()
    fillers[0].unlink()
    monkeypatch.setattr(PartWriter, "write", None)  # nothing is painted again
    run_video(film_config("disk/out.mp4", resume=True))
    assert_same(tmp_path / "whole.mp4", disk / "out.mp4")


def test_a_folder_that_is_not_there_for_a_while(film_config, tmp_path, monkeypatch):
    """Like a disk that is pulled while the second part is written."""
    one_pass_video(film_config("whole.mp4"))
    disk, away = tmp_path / "disk", tmp_path / "away"
    disk.mkdir()
    write, count = PartWriter.write, []

    def losing(self, images):
        count.append(1)
        write(self, images)
        if len(count) == 9:
            disk.rename(away)

    with monkeypatch.context() as patch:
        patch.setattr(PartWriter, "write", losing)
        with pytest.raises(InputError, match="nst-parts is gone; see that its disk is there"):
            run_video(film_config("disk/out.mp4", resume=True))
    away.rename(disk)
    run_video(film_config("disk/out.mp4", resume=True))
    assert_same(tmp_path / "whole.mp4", disk / "out.mp4")


def test_an_output_s_folder_that_cannot_be_written(film_config, disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(InputError, match="cannot be written"):
        run_video(film_config("disk/out.mp4", resume=True))


def test_the_temporary_folder_is_not_needed(film_config, tmp_path, monkeypatch):
    """Everything lies beside the output: it may be full, or no folder at all."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))

    def refused(*args, **options):
        raise FileNotFoundError("no usable temporary directory")

    for name in ("gettempdir", "mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryFile"):
        monkeypatch.setattr(tempfile, name, refused)
    run_video(film_config(resume=True))
    assert (tmp_path / "out.mp4").is_file()


def test_a_picture_that_needs_a_full_temporary_folder(monkeypatch, disk, tiny_path):
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    fill(disk, 0)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    with pytest.raises(InputError, match="temporary folder .* set TMPDIR"):
        nst.api.stylize_video("film.mp4", "out.mp4", Image.fromarray(noise))


def test_an_interrupted_join_leaves_no_half_video(film_config, tmp_path, monkeypatch):
    one_pass_video(film_config("whole.mp4"))
    with monkeypatch.context() as patch:
        write, count = VideoWriter.write, []

        def interrupting(self, frame):
            count.append(1)
            if len(count) == 5:
                raise KeyboardInterrupt
            write(self, frame)

        patch.setattr(VideoWriter, "write", interrupting)
        with pytest.warns(UserWarning, match="--resume goes on"), pytest.raises(KeyboardInterrupt):
            run_video(film_config(resume=True))
    assert not (tmp_path / "out.mp4").exists()
    run_video(film_config(resume=True))
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")


def test_a_source_that_has_become_shorter(film_config, tmp_path, monkeypatch):
    film = media.make_clip(tmp_path / "film.mp4", 18, SIZE)
    options = {"input_video": str(film), "plan": tmp_path / "film.json"}
    run_video(film_config(**options))
    media.make_clip(film, 9, SIZE)
    with pytest.raises(InputError, match="film.mp4 is another file now"):
        run_video(film_config(part="1/1", **options))
    monkeypatch.setattr(nst.stylize.plan, "check_same_run", lambda *given: None)  # not noticed
    with pytest.raises(InputError, match="ends at frame 9, and was longer"):
        run_video(film_config(part="1/1", **options))
