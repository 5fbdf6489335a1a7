"""Around every kind of run: what was there before is as it was, and nothing unannounced is new."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import films
import media
import pytest
from interrupted import signal_at
from PIL import Image
from safetensors.torch import save_file

from nst.__main__ import main as nst_main
from nst.models.checkpoint import save_checkpoint

pytestmark = pytest.mark.filterwarnings("default")
ROOT = Path(__file__).parents[1]
SIZE = (48, 64)
INTERRUPTS = [
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None
]
# Names that a careless program takes for its own, next to the outputs film.mp4, film.png ...
DECOYS = (
    *("film.frames/a.png", "film.frames/run.json", "film.parts/x.mkv", "film.tmp", "film.log"),
    *(".film.mp4", ".film.part.mp4", ".film.1.part.mp4", "film.mp4.part", "film.state.pt"),
    *("film.mp4.nst-parts.txt", ".film.0123abcd.part.mp4", "film-2.mp4", ".film/a.png", "film.jsn"),
    *("input/000000.png", "pass1/000000.png", "codes.safetensors", "00000000.json", "run.json"),
)


@dataclass(frozen=True)
class Run:
    """A command, and what it leaves.

    Args:
        command: its words, with names in the folder of `user`.
        made: patterns of what is new when it is done.
        struck: the function in which a signal comes, and at which call; None where the work is too
            short to be interrupted.
        kept: patterns of what is new when it was interrupted.
        resumed: words to go on with; None where nothing is kept for that.
        before: commands that come first, and patterns of what these make.
    """

    command: str
    made: tuple[str, ...]
    struck: tuple[str, int] | None = None
    kept: tuple[str, ...] = ()
    resumed: str | None = None
    before: tuple[str, ...] = ()
    made_before: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.struck[0].partition(":")[0]


ONE_PASS = "--checkpoint tiny.safetensors --style wave --device cpu --precision float32 --quiet"
OPTIMIZE = (
    "--method optimize --style-path style.png --vgg vgg.safetensors --steps 2 --scales 1 "
    "--content-layers relu1_2 --style-layers relu1_1 --device cpu --precision float32 --quiet"
)
PICTURE, VIDEO = f"picture --method one-pass {ONE_PASS}", f"video {ONE_PASS} --flow dis"
TRAIN = (
    "train --content-dir photos --style-dir styles --output net.safetensors --steps 4 --batch 2 "
    "--init-checkpoint tiny.safetensors --pictures-per-style 1 --crop-size 64 --style-size 64 "
    "--style-scales 1 --holdout 1 --workers 0 --loss-net vgg19 --vgg vgg.safetensors "
    "--content-layers relu1_1 --style-layers relu1_1 --validate-every 2 --log-every 1 "
    "--save-every 1 --device cpu --precision float32 --quiet"
)
PLAN = f"{VIDEO} --input-video in.mp4 --output-video film.mp4 --plan plan.json"
PARTS = "film.mp4.nst-parts/.*"
WRITE = ("nst.media.video_writer:VideoWriter.write", 3)
PAINT = ("nst.stylize.parts:PartWriter.write", 10)
RUNS = {
    "picture": Run(
        f"{PICTURE} --content-path photos/a.png --output film.png",
        ("film.png",),
        ("nst.stylize.images:save_image", 1),
    ),
    "unnamed picture": Run(f"{PICTURE} --content-path photos/a.png", ("a-wave.png",)),
    "folder of pictures": Run(
        f"{PICTURE} --content-path photos --output film",
        ("film", r"film/[abcd]\.(png|jpg)"),
        ("nst.stylize.images:save_image", 2),
        ("film", r"film/[ab]\.(png|jpg)"),
    ),
    "video": Run(
        f"{VIDEO} --input-video in.mp4 --output-video film.mp4",
        ("film.mp4",),
        WRITE,
        ("film.mp4",),
    ),
    "video with masks and report": Run(
        f"{VIDEO} --input-video in.mp4 --output-video film.mkv --masks masks.png "
        "--region 255=scream --mask-output shown.mp4 --report figures.json",
        ("film.mkv", "shown.mp4", "figures.json"),
        WRITE,
        ("film.mkv", "shown.mp4"),
    ),
    "frames": Run(
        f"{VIDEO} --input-video frames --output-video film",
        ("film", r"film/\d{6}\.png"),
        WRITE,
        ("film", r"film/\d{6}\.png"),
    ),
    "video in parts": Run(
        f"{VIDEO} --input-video in.mp4 --output-video film.mp4 --resume",
        ("film.mp4",),
        PAINT,
        ("film.mp4.nst-parts", PARTS),
        f"{VIDEO} --input-video in.mp4 --output-video film.mp4 --resume",
    ),
    "plan": Run(PLAN, ("plan.json",), ("nst.stylize.shots:tracked", 1)),
    "part": Run(
        f"{PLAN} --part 1/1",
        ("film.mp4.nst-parts", PARTS),
        PAINT,
        ("film.mp4.nst-parts", PARTS),
        f"{PLAN} --part 1/1",
        (PLAN,),
        ("plan.json",),
    ),
    "join": Run(
        f"{PLAN} --join",
        ("film.mp4",),
        WRITE,
        ("film.mp4.nst-parts", PARTS),
        f"{PLAN} --join",
        (PLAN, f"{PLAN} --part 1/2", f"{PLAN} --part 2/2"),
        ("plan.json",),
    ),
    "optimized picture": Run(
        f"picture {OPTIMIZE} --content-path photos/a.png --output film.png",
        ("film.png", "film.json"),
        ("nst.optimize.record:Record.add", 2),
        ("film.png", "film.json"),
    ),
    "optimized video": Run(
        f"video {OPTIMIZE} --frame-steps 1 --input-video short.mp4 --output-video film.mp4",
        ("film.mp4",),
        ("nst.optimize.frame_store:FrameStore.keep", 2),
        ("film.mp4.nst-unfinished", "film.mp4.nst-unfinished/.*"),
        f"video {OPTIMIZE} --frame-steps 1 --input-video short.mp4 --output-video film.mp4 "
        "--resume",
    ),
    "training": Run(
        TRAIN,
        ("net.safetensors", "net.log", "net.log/.*"),
        ("nst.train.loop:losses", 3),
        ("net.safetensors", "net.state.pt", "net.log", "net.log/.*"),
        f"{TRAIN} --resume",
    ),
    "sheet of styles": Run(
        "styles --checkpoint tiny.safetensors --output sheet.png --quiet", ("sheet.png",)
    ),
    "export": Run(
        "export --checkpoint tiny.safetensors --style wave --output film.onnx", ("film.onnx",)
    ),
    "evaluation": Run(
        "evaluate --original in.mp4 --stylized in.mp4 --output figures.json --device cpu --quiet",
        ("figures.json", "figures_plot.png", "figures_sheet.png"),
        ("nst.losses.video_metrics:Measurement.add", 2),
    ),
}
STRUCK = [name for name, run in RUNS.items() if run.struck]
# Written in place over minutes: of these a killed run leaves something.
KILLED = ["video", "video in parts", "part", "join", "optimized video", "training"]


@pytest.fixture(scope="module")
def vgg_file(vgg_state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(vgg_state, path)
    return path


@pytest.fixture
def user(tmp_path, tiny, vgg_file, short_parts, monkeypatch) -> Path:
    """A folder of the user's with all that the runs need, and much else; the current one."""
    for folder in ("photos/deeper", "styles", "frames", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    for index, name in enumerate(("a.png", "b.jpg", "c.png", "d.png")):
        Image.fromarray(media.picture(index, SIZE)).save(tmp_path / "photos" / name)
        Image.fromarray(media.picture(index, SIZE)).save(tmp_path / f"frames/f{index}.png")
    for name in ("wave", "dots"):
        Image.fromarray(media.color_bars((72, 80))).save(tmp_path / f"styles/{name}.png")
    Image.fromarray(media.color_bars()).save(tmp_path / "style.png")
    Image.new("L", SIZE[::-1], 255).save(tmp_path / "masks.png")
    films.make_film(tmp_path / "in.mp4")
    media.make_clip(tmp_path / "short.mp4", 3, SIZE)
    save_checkpoint(tmp_path / "tiny.safetensors", tiny)
    (tmp_path / "vgg.safetensors").symlink_to(vgg_file)
    for name in ("photos/notes.txt", "photos/._a.png", "photos/deeper/e.png", *DECOYS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"mine: {name}")
    (tmp_path / "link").symlink_to("in.mp4")
    (tmp_path / "nowhere").symlink_to("not there")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "photos/d.png").chmod(0o444)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder: Path) -> dict[str, tuple]:
    """Return all below a folder: of files content, mode and time of the last change."""
    found: dict[str, tuple] = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink():
                kind: tuple = ("link", os.readlink(path))
            elif path.is_dir():
                kind = ("folder", path.stat().st_mode)
            else:
                status = path.stat()
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                kind = (digest, status.st_mode, status.st_mtime_ns)
            found[str(path.relative_to(folder))] = kind
    return found


def check(folder: Path, before: dict[str, tuple], patterns: tuple[str, ...]) -> set[str]:
    """Assert that nothing has changed and nothing but these is new; return what is new."""
    after = tree(folder)
    assert {name: after.get(name) for name in before} == before
    new = set(after) - set(before)
    assert [n for n in sorted(new) if not any(re.fullmatch(p, n) for p in patterns)] == []
    return new


def call(command: str) -> int:
    return nst_main(command.split())


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_ends_well(user, name):
    run, before = RUNS[name], tree(user)
    for command in run.before:
        assert call(command) == 0
    assert call(run.command) == 0
    new = check(user, before, run.made + run.made_before)
    assert all(any(re.fullmatch(pattern, n) for n in new) for pattern in run.made)


@pytest.mark.parametrize("number", INTERRUPTS[:2])
@pytest.mark.parametrize("name", STRUCK)
def test_an_interrupted_run(user, name, number):
    run, before = RUNS[name], tree(user)
    for command in run.before:
        assert call(command) == 0
    with signal_at(*run.struck, number):
        assert call(run.command) == 128 + number
    new = check(user, before, run.kept + run.made_before)
    assert len(new) > len(run.made_before) or not run.kept
    go_on(run, user, before)


def go_on(run: Run, user: Path, before: dict[str, tuple], left: tuple[str, ...] = ()) -> None:
    if run.resumed:
        assert call(run.resumed) == 0
        new = check(user, before, run.made + run.made_before + left)
        assert all(any(re.fullmatch(pattern, n) for n in new) for pattern in run.made)


@pytest.fixture(scope="module")
def killer():
    """Return what runs a command that SIGKILL ends, in a process of its own."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    program = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/interrupted.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )

    def run(place: str, count: int, command: str) -> int:
        job = {"place": place, "count": count, "signal": int(signal.SIGKILL)}
        job |= {"folder": os.getcwd(), "command": command.split()}
        print(json.dumps(job), file=program.stdin, flush=True)
        return int(program.stdout.readline())

    yield run
    program.stdin.close()
    program.wait(60)
    program.stdout.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are made by forks")
@pytest.mark.parametrize("name", KILLED)
def test_a_killed_run(user, killer, name):
    """What it leaves has a name that nothing else has; who goes on with it tidies up."""
    run, before = RUNS[name], tree(user)
    for command in run.before:
        assert call(command) == 0
    assert killer(*run.struck, run.command) == -signal.SIGKILL
    part = (r"\.film\.[0-9a-f]{8}\.part\.mp4",)
    assert check(user, before, run.kept + run.made_before + part)
    go_on(run, user, before, part if name == "video" else ())


@pytest.mark.parametrize(
    ("command", "mine"),
    [
        (RUNS["optimized picture"].command, "film.json"),
        (RUNS["folder of pictures"].command, "film/a.png"),
        (RUNS["frames"].command, "film/a.png"),
        (RUNS["evaluation"].command, "figures_plot.png"),
        (RUNS["evaluation"].command, "figures_sheet.png"),
        (RUNS["video in parts"].command, "film.mp4.nst-parts/mine.txt"),
        (RUNS["optimized video"].command, "film.mp4.nst-unfinished/mine.txt"),
        (RUNS["training"].command, "net.log"),
        (RUNS["training"].command, "net.state.pt"),
        (PLAN, "plan.json"),
    ],
)
def test_what_is_in_the_way_is_refused(user, capfd, command, mine):
    """It is named in one line, and stays."""
    (user / mine).parent.mkdir(exist_ok=True)
    (user / mine).write_text("mine")
    before = tree(user)
    assert call(command) == 2
    check(user, before, ())
    said = capfd.readouterr().err.splitlines()
    assert said[-1].startswith("error: ") and Path(mine).parts[0] in said[-1]


def test_a_log_beside_anothers_options(user):
    """As TensorBoard wants it: one folder for several runs; each keeps its options."""
    (user / "logs").mkdir()
    (user / "logs/options.json").write_text("mine")
    before = tree(user)
    assert call(f"{RUNS['training'].command} --log-dir logs") == 0
    new = check(user, before, ("net.safetensors", "logs/.*"))
    assert "logs/options-2.json" in new
