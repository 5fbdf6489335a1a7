"""The commands of README and of the pages of docs/ run as they are written, on tiny input."""

import argparse
import contextlib
import re
import runpy
import shlex
import sys
import warnings
from pathlib import Path
from unittest import mock

import media
import numpy as np
import pytest
import torch
from PIL import Image
from test_faces import random_tensors
from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

from nst.models import blazeface
from nst.models.checkpoint import load_checkpoint
from nst.models.weights import DEEPLAB_FILES

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")))
EVERY_PAGE = (*PAGES, "CHANGELOG.md", "MODEL_CARD.md", "results/README.md")
SCRIPTS = ("train.py", "stylize_video.py", "style_transfer.py")
# Commands that set up or check a checkout: other tests and the continuous integration run these.
SETUP = (". .venv/", "python -m venv", "python -m pytest", "pip install", "ruff", "mypy")
# What would be long is made short; everything else runs as written.
SHORT_TRAINING = (
    "--steps 1 --batch 2 --crop-size 64 --style-size 64 --style-scales 1 --workers 0 --holdout 1"
)
SHORT_PICTURE = "--steps 2 --long-side 48"
SHORT_VIDEO = f"{SHORT_PICTURE} --frame-steps 1 --duration 0.1"


class Parsed(BaseException):
    """Raised in place of a benchmark's work, when its options have been accepted."""


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", read(page), re.S)


def commands_of(page: str) -> list[str]:
    """Return the commands of a page's blocks, each on one line, without those that set up."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    commands = [part.strip() for line in lines for part in line.partition(" #")[0].split("&&")]
    return [c for c in commands if c and not c.startswith(("#", *SETUP))]


def picture(path: Path, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    Image.fromarray(levels).save(path)


@pytest.fixture
def newcomer(tmp_path, vgg_state, monkeypatch):
    """A folder like a fresh checkout, with small files of the names that the pages use.

    Random weights lie where the commands look for third parties' ones.
    """
    for name in ("nst", "configs", *SCRIPTS):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("photos", "styles", "results", "weights", "many_pictures/paintings"):
        (tmp_path / name).mkdir(parents=True)
    for i in range(3):
        picture(tmp_path / "photos" / f"{i}.jpg", i)
        picture(tmp_path / "many_pictures" / "paintings" / f"{i}.jpg", 20 + i)
    names = "styles/dots.jpg photo.jpg painting.jpg mask.png sky.png ground.png"
    for i, name in enumerate([*names.split(), "painted_sky.png", "painted_ground.png"], 10):
        picture(tmp_path / name, i)
    media.make_clip(tmp_path / "results" / "sample.mp4", frames=13, size=(48, 64))
    for name, number in (("first.png", 0), ("middle.png", 6)):
        Image.fromarray(255 - media.picture(number, (48, 64))).save(tmp_path / name)
    (tmp_path / "film.toml").write_text("\n".join(blocks("docs/film.md", "toml")))
    torch.save(vgg_state, tmp_path / "weights" / "vgg19-dcbb9e9d.pth")
    segmenter = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)
    torch.save(segmenter.state_dict(), tmp_path / "weights" / DEEPLAB_FILES["mobilenet"])
    # This one is checked by its hash.
    monkeypatch.setattr(blazeface, "load_blazeface", lambda: b"")
    monkeypatch.setattr(blazeface, "read_tensors", lambda _: random_tensors())
    monkeypatch.setenv("NST_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shortened(command: str) -> str:
    """Return a command with fewer steps of learning or optimizing; others as they are."""
    if "train.py" in command:
        return f"{command} {SHORT_TRAINING}"
    if "--keyframe " in command:
        return f"{command} --keyframe-steps 1"
    if "--method optimize" in command:
        return f"{command} {SHORT_VIDEO}"
    if "style_transfer.py" in command and "--method one-pass" not in command:
        return f"{command} {SHORT_PICTURE}"
    if "stylize_video.py" in command and "--style-path " in command:
        return f"{command} --refine-steps 1"
    return command


@contextlib.contextmanager
def parsing_only():
    """Let whatever parses its command line end there, after the options were accepted."""
    parse = argparse.ArgumentParser.parse_known_args

    def parse_and_end(parser, args=None, namespace=None):
        _, unknown = parse(parser, args, namespace)
        raise Parsed if not unknown else ValueError(f"unknown: {unknown}")

    with mock.patch.object(argparse.ArgumentParser, "parse_known_args", parse_and_end):
        with contextlib.suppress(Parsed):
            yield
            raise ValueError("no options were parsed")


def run(command: str) -> None:
    """Run a command in this process: a new one would take seconds to import torch.

    Benchmarks and makers of results take minutes, cameras a camera: only their options are read.
    """
    words = shlex.split(shortened(command))
    while "=" in words[0]:  # variables of the environment
        words.pop(0)
    assert words.pop(0) == "python", command
    module = words.pop(0) == "-m" and words.pop(0)
    script = not module and shlex.split(command)[1]
    short = "--show" in words or (module or "").startswith(("benchmarks.", "results."))
    arguments = [module or script, *words]
    with warnings.catch_warnings(), mock.patch.object(sys, "argv", arguments):
        warnings.simplefilter("default")
        with parsing_only() if short else contextlib.nullcontext():
            try:
                if module:
                    runpy.run_module(module, run_name="__main__", alter_sys=True)
                else:
                    runpy.run_path(script, run_name="__main__")
            except SystemExit as end:
                assert not end.code, command


def outputs(command: str) -> list[Path]:
    return [Path(name) for name in re.findall(r"--(?:mask-)?output(?:-video)? (\S+)", command)]


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)])
def test_commands_of_a_page_run_in_their_order(page, newcomer):
    for command in commands_of(page):
        written = outputs(command)
        for path in written:
            path.unlink(missing_ok=True)
        run(command)
        assert all(path.stat().st_size for path in written if "benchmarks" not in command), command
    for code in blocks(page, "python"):
        for name in re.findall(r'"(\w+\.onnx)"', code):
            assert Path(name) in [path for c in commands_of(page) for path in outputs(c)]
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            exec(compile(code, page, "exec"), {"__name__": "__main__"})
        if "cv2" in code:
            with Image.open("painted.jpg") as painted:
                assert painted.size == (640, 360) and np.asarray(painted).std() > 20


def test_a_command_that_fails_is_seen(newcomer):
    for command in (
        "python style_transfer.py --content-path missing.jpg --style-path photo.jpg --output x.jpg",
        "python -m nst styles --no-such-option",
        "python -m benchmarks.stylize --no-such-option",
    ):
        with pytest.raises((AssertionError, ValueError)):
            run(command)


def test_readme_is_short_and_uses_every_script():
    assert len(read("README.md").split()) <= 1000
    for script in SCRIPTS:
        assert any(script in command for command in commands_of("README.md"))
    assert max(len(line) for line in "\n".join(blocks("README.md", "bash")).splitlines()) <= 90


def test_styles_that_pages_name_are_included():
    shipped = set.intersection(*(set(load_checkpoint(name).styles) for name in ("fast",)))
    named = {
        re.match(r"\w+", term).group()
        for page in EVERY_PAGE
        for text in re.findall(r'(?:--style |--region \S+=)"?([^" \n`]+)', read(page))
        for term in text.split("+")
        if re.match(r"[^\W\d]", term) and "STYLE" not in term  # no times, as in "0 wave, 4 scream"
    }
    trained = {
        name
        for page in EVERY_PAGE
        for name in re.findall(r"(?:--style-dir |styles/)(\w+)\.jpg", read(page))
    }
    assert named and named - {"original"} <= shipped | trained


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_links_of_a_page_lead_somewhere(page):
    folder = (ROOT / page).parent
    for path in re.findall(r"\]\(([^):#]+)\)", read(page)):
        assert (folder / path).exists(), path


def test_nothing_but_checkpoints_is_large():
    """The results together stay below 8 MB."""
    sizes = {path: path.stat().st_size for path in (ROOT / "results").iterdir() if path.is_file()}
    assert sum(sizes.values()) < 8e6, sorted(sizes, key=sizes.get)[-5:]
    assert not list((ROOT / "benchmarks").rglob("*.safetensors"))
