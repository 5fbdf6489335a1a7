"""Outputs appear whole, under their names, and nothing that was there before is lost."""

import hashlib
import os
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import media
import pytest

import nst
from nst.core.files import replacing
from nst.core.places import Place, is_locked, lock, unlock
from nst.core.tensors import to_float
from nst.media.frames import Frame, StreamInfo
from nst.media.video_writer import create_video

INFO = StreamInfo((64, 96), Fraction(25), Fraction(1, 25))


def write(writer, count: int) -> None:
    for index in range(count):
        writer.write(Frame(to_float(media.picture(index)), index))


def tree(folder: Path) -> dict[str, str]:
    """Return every file below a folder and its hash, links as what they point to."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_of_two_runs_at_one_output_both_films_are_kept(tmp_path):
    output = tmp_path / "two.mp4"
    first = create_video(output, INFO)
    write(first, 9)
    with pytest.warns(UserWarning, match="another run is writing"):
        second = create_video(output, INFO)
    write(second, 4)
    second.close()
    assert len(media.read_back(output).times) == 4
    with pytest.warns(UserWarning, match=r"this one's is .*two-2\.mp4"):
        first.close()
    assert len(media.read_back(output).times) == 4
    assert len(media.read_back(tmp_path / "two-2.mp4").times) == 9
    assert sorted(os.listdir(tmp_path)) == ["two-2.mp4", "two.mp4"]


def test_of_two_runs_the_one_that_fails_leaves_the_others_film(tmp_path):
    output = tmp_path / "two.mp4"
    first = create_video(output, INFO)
    with pytest.warns(UserWarning, match="another run"), create_video(output, INFO) as second:
        write(second, 4)
    first.discard()
    assert os.listdir(tmp_path) == ["two.mp4"] and len(media.read_back(output).times) == 4


def test_what_a_killed_run_left_is_named_and_not_touched(tmp_path):
    script = (
        "import os, sys, signal; from pathlib import Path; from nst.core.places import Place; "
        "place = Place(Path(sys.argv[1])); place.part.write_text('half'); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(nst.__file__).parents[1]
    subprocess.run([sys.executable, "-c", script, tmp_path / "a.mp4"], cwd=root, check=False)
    (left,) = tmp_path.iterdir()
    with pytest.warns(UserWarning, match=f"{left.name} was left by a run that was killed"):
        Place(tmp_path / "a.mp4").discard()
    assert [p.read_text() for p in tmp_path.iterdir()] == ["half"]


def test_another_outputs_part_is_nobodys_business(tmp_path):
    other = Place(tmp_path / "a [1].mp4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Place(tmp_path / "a 1.mp4").discard()
    other.discard()
    assert not list(tmp_path.iterdir())


def test_a_lock_ends_with_its_holder(tmp_path):
    held = lock(tmp_path)
    assert is_locked(tmp_path) and lock(tmp_path) is None
    unlock(held)
    assert not is_locked(tmp_path)


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_as_output_stays_a_link(tmp_path, dangling):
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "film.mp4", tmp_path / "link.mp4"
    if not dangling:
        target.touch()
    link.symlink_to(target)
    with create_video(link, INFO) as writer:
        write(writer, 3)
    assert link.is_symlink() and len(media.read_back(target).times) == 3
    with replacing(link) as partial:
        partial.write_text("text")
    assert link.is_symlink() and target.read_text() == "text"
    assert sorted(os.listdir(tmp_path)) == ["disk", "link.mp4"]


@pytest.mark.parametrize("stem", ["動画" * 41 + "abcde", "a" * 251])
def test_the_longest_name_that_a_file_system_takes(tmp_path, stem):
    output = tmp_path / f"{stem}.mp4"
    with create_video(output, INFO) as writer:
        write(writer, 3)
    with replacing(tmp_path / f"{stem}.txt") as partial:
        partial.write_text("text")
    assert sorted(os.listdir(tmp_path)) == sorted([output.name, f"{stem}.txt"])


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("output", ["film.mp4", "film.gif", "film"])
def test_what_was_there_before_is_as_it_was(tmp_path, output, error):
    for name in (".film.part.mp4", ".film.mp4", "film.mp4.part", "film.frames/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"mine: {name}")
    (tmp_path / "link").symlink_to(tmp_path / ".film.mp4")
    (tmp_path / ".film.part").mkdir()
    (tmp_path / ".film.part" / "notes.txt").write_text("mine")
    before = tree(tmp_path)
    try:
        with create_video(tmp_path / output, INFO) as writer:
            write(writer, 3)
            if error:
                raise error
    except (KeyboardInterrupt, ZeroDivisionError):
        pass
    after = tree(tmp_path)
    assert {name: after[name] for name in before} == before
    new = {name.split("/")[0] for name in after.keys() - before.keys()}
    assert new == (set() if error is ZeroDivisionError else {output})
