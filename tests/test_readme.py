"""README's commands run as they are written, on tiny input of the names they use."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from media import make_clip
from PIL import Image
from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

from nst.models.checkpoint import load_checkpoint
from nst.models.weights import DEEPLAB_FILES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"```bash\n(.*?)```", re.S)
COMMANDS = [
    line for block in BLOCK.findall(README) for line in block.splitlines() if line[:7] == "python "
]
OURS = [c for c in COMMANDS if c.split()[1] in ("stylize_video.py", "style_transfer.py")]
EXPORTING = [c for c in COMMANDS if c.startswith("python -m nst export")]
TRAINING = [c for c in COMMANDS if c.split()[1] == "train.py"]
# What would be long is made short; everything else is run to the letter.
SHORTENED = [
    "--steps",
    "1",
    "--crop-size",
    "64",
    "--style-size",
    "64",
    "--workers",
    "0",
    "--holdout",
    "1",
]


def picture(path: Path, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    Image.fromarray(levels).save(path)


@pytest.fixture
def newcomer(tmp_path):
    """A folder like a fresh clone, with the small pictures that README's commands speak of."""
    for name in ("nst", "configs", "train.py", "stylize_video.py", "style_transfer.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("photos", "styles", "results"):
        (tmp_path / name).mkdir()
    for i in range(3):
        picture(tmp_path / "photos" / f"{i}.jpg", i)
    picture(tmp_path / "styles" / "dots.jpg", 10)
    (tmp_path / "many_pictures" / "paintings").mkdir(parents=True)
    for i in range(3):
        picture(tmp_path / "many_pictures" / "paintings" / f"{i}.jpg", 20 + i)
    picture(tmp_path / "photo.jpg", 11)
    picture(tmp_path / "painting.jpg", 13)
    picture(tmp_path / "other_painting.jpg", 14)
    for name in ("sky", "ground", "painted_sky", "painted_ground"):
        picture(tmp_path / f"{name}.png", 15)
    picture(tmp_path / "new_style.jpg", 12)
    picture(tmp_path / "mask.png", 13)
    # Three seconds, since one command cuts out seconds 2 to 4.
    make_clip(tmp_path / "results" / "sample.mp4", frames=75, size=(48, 64))
    return tmp_path


def run(command: str, folder: Path, **environment) -> None:
    words, environment = [sys.executable, *shlex.split(command)[1:]], environment or None
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def environment(tmp_path, vgg_state):
    """Random weights where the scripts look for real ones: README's words are tested here."""
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save(vgg_state, folder / "vgg19-dcbb9e9d.pth")
    segmenter = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)
    torch.save(segmenter.state_dict(), folder / DEEPLAB_FILES["mobilenet"])
    return {**os.environ, "NST_WEIGHTS": str(folder)}


def shortened(command: str) -> str:
    """Leave an optimised picture or video two steps at 48 pixels; pass others on."""
    if "--method one-pass" in command:
        return command
    if "style_transfer.py" in command:
        return f"{command} --steps 2 --long-side 48"
    if "--method optimize" in command:
        return f"{command} --steps 2 --frame-steps 1 --long-side 48 --duration 0.1"
    return command


def test_readme_has_commands_of_every_script():
    assert len(OURS) >= 5 and len(TRAINING) >= 2


@pytest.mark.parametrize("command", [c for c in OURS if "mine.safetensors" not in c])
def test_stylizing_commands_run(command, newcomer, environment):
    before = {p for p in newcomer.iterdir()}
    run(shortened(command), newcomer, **environment)
    assert {p for p in newcomer.iterdir()} - before, "nothing was written"


def test_measuring_commands_run(newcomer, environment):
    (newcomer / "painted.mp4").write_bytes((newcomer / "results" / "sample.mp4").read_bytes())
    measuring = [c for c in COMMANDS if c.startswith("python -m nst evaluate")]
    assert measuring
    for command in measuring:
        run(command, newcomer, **environment)
        for name in ("report.json", "report_plot.png", "report_sheet.png"):
            assert (newcomer / name).is_file()


def test_exported_styles_are_written_and_the_code_below_paints_with_one(newcomer):
    assert EXPORTING
    for command in EXPORTING:
        run(command, newcomer)
        assert (newcomer / re.search(r"--output (\S+)", command)[1]).is_file()
    (code,) = re.findall(r"```python\n(import cv2.*?)```", README, re.S)
    run(f"python -c {shlex.quote(code)}", newcomer)
    with Image.open(newcomer / "painted.jpg") as painted:
        assert painted.size == (640, 360)
        assert np.asarray(painted).std() > 20


def test_listing_commands_run(newcomer):
    listing = [c for c in COMMANDS if c.startswith("python -m nst styles")]
    assert listing
    for command in listing:
        run(f"{command} --checkpoint fast", newcomer)
        assert (newcomer / "sheet.png").is_file()


def test_training_commands_run_and_what_they_make_paints(newcomer, environment):
    for command in TRAINING:
        run(" ".join([command, *SHORTENED]), newcomer, **environment)
    for command in (c for c in OURS if "mine.safetensors" in c):
        run(command, newcomer, **environment)
        assert (newcomer / "mine.mp4").is_file()
    assert load_checkpoint(newcomer / "mine.safetensors").styles == ("identity", "dots")


def test_every_style_that_readme_names_is_shipped():
    shipped = set.intersection(*(set(load_checkpoint(name).styles) for name in ("quality", "fast")))
    named = {
        re.match(r"\w+", term).group()
        for command in OURS + EXPORTING
        for text in re.findall(r'(?:--style |--region \S+=)"?([^" ]+)', command)
        for term in text.split("+")
    }
    assert named and named - {"original"} <= shipped


def test_pictures_that_readme_shows_are_there():
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
