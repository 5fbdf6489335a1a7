"""The two scripts as a user runs them: exit status, what is on stderr, what is on the disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import media
import numpy as np
import pytest
from PIL import Image

import style_transfer
import stylize_video
from nst.commands.run import run
from nst.options.stylize import PictureConfig, VideoConfig

ROOT = Path(__file__).parents[1]
SIZE = (48, 64)
MACHINE = ["--device", "cpu", "--precision", "float32"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return media.make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", size=SIZE)


def start(name: str, *arguments: object, folder: Path = ROOT) -> subprocess.Popen:
    """Start a script; Ctrl-C reaches it even where the tests themselves run in the background."""
    return subprocess.Popen(
        [sys.executable, ROOT / name, *map(str, arguments), *MACHINE],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_picture(painted, tiny_path, tmp_path):
    Image.fromarray(media.picture(0, SIZE)).save(tmp_path / "in.png")
    paths = ["--content-path", tmp_path / "in.png", "--output", tmp_path / "out.png"]
    style = ["--method", "one-pass", "--checkpoint", tiny_path, "--style", "scream:0.5"]
    script = start("style_transfer.py", *paths, *style)
    output = script.communicate(timeout=120)
    assert (script.returncode, output) == (0, (f"wrote {tmp_path / 'out.png'}\n", ""))
    expected = painted(media.picture(0, SIZE), (0.5, 0, 0.5))
    assert np.abs(np.array(Image.open(tmp_path / "out.png")) - expected).max() <= 0.51


def test_video(tiny_path, clip, tmp_path):
    """With the progress bar, which belongs on stderr; a recipe gives the rest."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'checkpoint = "{tiny_path}"\nstyle = "wave"\nlong_side = 32\n')
    paths = ["--input-video", clip, "--output-video", tmp_path / "out.mp4"]
    script = start("stylize_video.py", *paths, "--config", recipe)
    printed, progress = script.communicate(timeout=120)
    assert script.returncode == 0
    assert printed.startswith(f"wrote {tmp_path / 'out.mp4'}; ") and printed.count("\n") == 1
    assert "warping error " in printed
    assert "12/12" in progress and "frame/s" in progress
    before, after = media.read_back(clip), media.read_back(tmp_path / "out.mp4")
    assert after.times == before.times and after.sound == before.sound
    assert (after.frames[0].height, after.frames[0].width) == (24, 32)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "recipe.toml"]


def test_bad_input_is_one_line(tiny_path, clip, tmp_path):
    paths = ["--input-video", clip, "--output-video", tmp_path / "out.mp4"]
    script = start("stylize_video.py", *paths, "--checkpoint", tiny_path, "--style", "monet")
    printed, complaint = script.communicate(timeout=120)
    assert script.returncode == 2 and printed == ""
    assert complaint == "error: no style 'monet'; there are: wave, scream\n"
    assert not list(tmp_path.iterdir())


def test_a_picture_without_output_gets_a_name_of_its_own(tiny_path, tmp_path):
    """Typed twice, the second result does not touch the first."""
    Image.fromarray(media.picture(0, SIZE)).save(tmp_path / "in.png")
    given = ["--content-path", "in.png", "--method", "one-pass", "--checkpoint", tiny_path]
    printed = [
        start("style_transfer.py", *given, *style, folder=tmp_path).communicate(timeout=120)
        for style in ([], ["--style", "wave:0.5"])
    ]
    assert printed == [("wrote in-wave.png\n", ""), ("wrote in-wave-2.png\n", "")]
    names = "in.png", "in-wave.png", "in-wave-2.png"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    pictures = [np.array(Image.open(tmp_path / name)).astype(int) for name in names]
    assert np.abs(pictures[1] - pictures[2]).max() > 1


def test_a_folder_without_output_becomes_a_folder(tiny_path, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(media.picture(0, SIZE)).save(tmp_path / "photos" / name)
    given = ["--content-path", "photos", "--method", "one-pass", "--checkpoint", tiny_path]
    script = start("style_transfer.py", *given, "--quiet", folder=tmp_path)
    assert script.communicate(timeout=120) == ("", "")
    assert sorted(p.name for p in (tmp_path / "photos-wave").iterdir()) == ["a.png", "b.png"]


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_keeps_what_is_finished(tiny_path, tmp_path, number):
    source = media.make_clip(tmp_path / "in.mp4", frames=400, size=(32, 32), audio=False)
    paths = ["--input-video", source, "--output-video", tmp_path / "out"]
    script = start("stylize_video.py", *paths, "--checkpoint", tiny_path, "--quiet")
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob(".out*.part/*"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    script.send_signal(number)
    output = script.communicate(timeout=60)
    assert (script.returncode, output) == (128 + number, ("", "interrupted\n"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out"]
    found = sorted((tmp_path / "out").iterdir())
    assert 4 <= len(found) < 400
    for index, file in enumerate(found):
        assert file.stem == f"{index:06d}"
        assert np.array(Image.open(file)).shape == (32, 32, 3)


class TestBadInput:
    """What each script says of it, without the seconds that a process of its own takes."""

    def refused(self, capfd, script, config_class, folder: Path, *arguments: object) -> str:
        before = sorted(folder.rglob("*"))
        argv = [*map(str, arguments), *MACHINE]
        assert run(script.main, config_class, script.__doc__, argv) == 2
        assert sorted(folder.rglob("*")) == before
        printed, complaint = capfd.readouterr()
        assert printed == ""
        assert complaint.startswith("error: ") and complaint.endswith("\n")
        assert complaint.count("\n") == 1
        return complaint

    @pytest.mark.parametrize(
        "content, output, more, parts",
        [
            ("none.png", "out.png", [], ["none.png", "--content-path"]),
            ("text.png", "out.png", [], ["text.png", "cannot be read"]),
            ("in.png", "in.png", [], ["in.png", "--output"]),
            ("in.png", "out.xyz", [], ["out.xyz", ".png"]),
            ("in.png", "no/out.png", [], ["no", "make it first"]),
            ("in.png", "out.png", ["--strength", "1.5"], ["--strength", "1.5", "0 to 1"]),
            ("in.png", "out.png", ["--style", "monet"], ["'monet'", "wave, scream"]),
            ("in.png", "out.png", ["--style", "wave*x"], ["wave*x"]),
            ("in.png", "out.png", ["--checkpoint", "{}/text.png"], ["text.png", "checkpoint"]),
            ("in.png", "out.png", ["--long-side", "18"], ["18x14", "16"]),
        ],
    )
    def test_picture(self, capfd, tiny_path, tmp_path, content, output, more, parts):
        Image.fromarray(media.picture(0, SIZE)).save(tmp_path / "in.png")
        (tmp_path / "text.png").write_text("no picture")
        paths = ["--content-path", tmp_path / content, "--output", tmp_path / output]
        more = ["--checkpoint", tiny_path, *(text.format(tmp_path) for text in more)]
        more = ["--method", "one-pass", *more]
        line = self.refused(capfd, style_transfer, PictureConfig, tmp_path, *paths, *more)
        assert all(part in line for part in parts)

    @pytest.mark.parametrize(
        "source, output, more, parts",
        [
            ("none.mp4", "out.mp4", [], ["none.mp4"]),
            ("text.mp4", "out.mp4", [], ["text.mp4"]),
            ("half.mp4", "out.mp4", [], ["half.mp4", "cut short"]),
            ("in.mp4", "in.mp4", [], ["in.mp4", "is the input"]),
            ("in.mp4", "out.xyz", [], [".xyz", "mp4"]),
            ("in.mp4", "no/out.mp4", [], ["no", "no such folder"]),
            ("in.mp4", "out.mp4", ["--strength", "nan"], ["--strength", "nan"]),
            ("in.mp4", "out.mp4", ["--style", "monet"], ["'monet'", "wave, scream"]),
            ("in.mp4", "out.mp4", ["--checkpoint", "{}/text.mp4"], ["text.mp4", "checkpoint"]),
            ("in.mp4", "out.mp4", ["--long-side", "18"], ["18x14", "16"]),
            ("in.mp4", "out.mp4", ["--start", "99"], ["99 s"]),
            ("in.mp4", "out.mp4", ["--codec", "nonsense"], ["nonsense"]),
            ("in.mp4", "out.mp4", ["--report", "no/r.json"], ["--report", "no", "make it first"]),
        ],
    )
    def test_video(self, capfd, tiny_path, clip, tmp_path, source, output, more, parts):
        data = clip.read_bytes()
        (tmp_path / "in.mp4").write_bytes(data)
        (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
        (tmp_path / "text.mp4").write_text("no video")
        paths = ["--input-video", tmp_path / source, "--output-video", tmp_path / output]
        more = ["--checkpoint", tiny_path, *(text.format(tmp_path) for text in more)]
        line = self.refused(capfd, stylize_video, VideoConfig, tmp_path, *paths, *more)
        assert all(part in line for part in parts)
