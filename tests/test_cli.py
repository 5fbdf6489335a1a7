import errno
import os
import re
import signal
import subprocess
import sys
import tomllib
import warnings
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import pytest

import nst.commands.parser
from nst.commands.run import run
from nst.errors import InputError
from nst.options.field import Checked, option
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.train import TrainConfig

ROOT = Path(__file__).parents[1]
SCRIPTS = {
    "train.py": TrainConfig,
    "style_transfer.py": PictureConfig,
    "stylize_video.py": VideoConfig,
}
RECIPES = sorted((ROOT / "configs").glob("*.toml"))


@dataclass(frozen=True)
class Example(Checked):
    """One option of each kind."""

    source: Path = option(help="what to read")
    count: int = option(3, help="how many, 100% of them", low=1)
    share: float = option(0.5, help="how much", low=0, high=1)
    audio: bool = option(True, help="keep the sound")
    mode: str = option("soft", help="how", choices=("soft", "hard"))
    long_side: int | None = option(None, help="pixels")
    log_dir: Path | None = option(None, help="folder", group="record")
    sizes: tuple[int, ...] = option((1, 2), help="some", group="net")
    layers: tuple[str, ...] = option((), help="names", group="net")


def parse(*argv, config=Example):
    """Return what a script's main would get; fails when the command line is refused."""
    caught = []
    assert run(caught.append, config, "test", [str(word) for word in argv]) == 0
    return caught[0]


def refusal(capsys, *argv, main=None, config=Example) -> str:
    """Return the line on stderr of a command line that is refused; there is no other output."""
    argv = [str(word) for word in argv]
    assert run(main or (lambda _: pytest.fail("main was called")), config, "test", argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
    return err.removeprefix("error: ").strip()


def failing(error):
    def main(_):
        raise error

    return main


@pytest.fixture
def recipe(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "recipe.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def script(*argv, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "COLUMNS": "80", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        **options,
    )


def test_every_type_arrives():
    argv = "--source a.png --count 7 --share 1 --no-audio --mode hard --long-side 64".split()
    argv += "--log-dir runs --sizes 4 5 6 --layers relu1_1 relu2_1".split()
    config = parse(*argv)
    expected = (Path("a.png"), 7, 1.0, False, "hard", 64, Path("runs"), (4, 5, 6))
    assert config == Example(*expected, ("relu1_1", "relu2_1"))
    assert type(config.share) is float and type(config.source) is type(Path())


def test_defaults_are_those_of_the_dataclass():
    assert parse("--source", "x") == Example(Path("x"))


def test_flag_wins_over_file_over_default(recipe):
    path = recipe('source = "file.png"\ncount = 5\nshare = 1\naudio = false\nsizes = [8]\n')
    assert parse("--config", path) == Example(Path("file.png"), 5, 1.0, False, sizes=(8,))
    config = parse("--config", path, "--count", "9", "--audio", "--source", "flag.png")
    assert config == Example(Path("flag.png"), 9, 1.0, True, sizes=(8,))


def test_paths_of_a_recipe_are_not_relative_to_it(recipe):
    assert parse("--config", recipe('source = "a/b.png"')).source == Path("a/b.png")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("cuont = 5", ["'cuont'", "did you mean count?"]),
        ("long-side = 5", ["'long-side'", "did you mean long_side?"]),
        ("xyzzy = 5", ["'xyzzy'", *(spec.name for spec in fields(Example))]),
        ("[record]\nlog_dir = 'x'", ["'record'"]),
        ("count = '5'", ["count is '5'", "a whole number"]),
        ("count = 5.0", ["count is 5.0", "a whole number"]),
        ("count = true", ["count is True", "a whole number"]),
        ("share = '0.5'", ["share is '0.5'", "a number"]),
        ("share = 2", ["--share is 2.0", "from 0 to 1"]),
        ("share = nan", ["--share is nan", "finite"]),
        ("audio = 1", ["audio is 1", "true or false"]),
        ("mode = 'loud'", ["'loud'", "soft, hard"]),
        ("source = 3", ["source is 3", "a path"]),
        ("source = ''", ["source is ''", "a path"]),
        ('source = "a\\u0000b"', ["source is 'a\\x00b'", "a path"]),
        ("sizes = 3", ["sizes is 3", "a list"]),
        ("sizes = []", ["sizes is []", "a list"]),
        ("sizes = [1, 'x']", ["sizes is 'x'", "a whole number"]),
        ("count = 1979-05-27", ["count is", "a whole number"]),
        ("count = ]", ["not a TOML file", "line 1"]),
        (b"source = '\xff'", ["not a TOML file"]),
    ],
)
def test_recipe_is_checked_by_name(capsys, recipe, text, parts):
    message = refusal(capsys, "--source", "x", "--config", recipe(text))
    assert all(part in message for part in parts), message


def test_recipe_that_is_not_there(capsys, tmp_path):
    assert "no.toml: No such file" in refusal(capsys, "--config", tmp_path / "no.toml")
    assert "Is a directory" in refusal(capsys, "--config", tmp_path)


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        ([], ["--source must be given"]),
        (["--source"], ["--source", "expected one argument"]),
        (["--source", ""], ["--source is ''", "a path"]),
        (["--source", "x", "--count", "many"], ["--count is 'many'", "a whole number"]),
        (["--source", "x", "--count", "1.5"], ["--count is '1.5'", "a whole number"]),
        (["--source", "x", "--count", "0"], ["--count is 0", "at least 1"]),
        (["--source", "x", "--count", "9" * 5000], ["--count", "a whole number"]),
        (["--source", "x", "--share", "nan"], ["--share is nan"]),
        (["--source", "x", "--mode", "loud"], ["--mode is 'loud'", "soft, hard"]),
        (["--source", "x", "--cuont", "5"], ["'--cuont'", "did you mean --count?"]),
        (["--source", "x", "--long_side=5"], ["did you mean --long-side?"]),
        (["--source", "x", "--sourc", "5"], ["did you mean --source?"]),
        (["--source", "x", "--side", "5"], ["did you mean --long-side?"]),
        (["--source", "x", "--xyzzy", "5"], ["'--xyzzy'", "--help-all"]),
        (["--source", "x", "stray"], ["'stray'"]),
        (["--source", "x", "--sizes"], ["--sizes", "at least one"]),
        (["--source", "x", "--audio=1"], ["--audio"]),
        (["--source", "x", "--mode", "\udcff"], ["--mode is '\\udcff'"]),
    ],
)
def test_usage_errors_are_one_line(capsys, argv, parts):
    message = refusal(capsys, *argv)
    assert all(part in message for part in parts), message


def test_input_error_is_one_line(capsys):
    message = refusal(capsys, "--source", "x", main=failing(InputError("a.png: no\nsuch file")))
    assert message == "a.png: no such file"


def test_input_error_of_a_loader_process_loses_its_traceback(capsys):
    wrapped = "Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent"
    wrapped += " call last):\n  File 'x.py', line 1\nnst.errors.InputError: a.png is cut short\n"
    message = refusal(capsys, "--source", "x", main=failing(InputError(wrapped)))
    assert message == "a.png is cut short"


class OutOfMemoryError(RuntimeError):
    """Stands for torch's, which has this name and bases."""


@dataclass(frozen=True)
class BatchOnly(Checked):
    """A config whose memory is in its batch."""

    batch: int = option(4, help="pictures")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    ],
)
def test_out_of_memory_names_the_cure(capsys, error):
    assert "--long-side" in refusal(capsys, "--source", "x", main=failing(error))
    assert "--batch" in refusal(capsys, main=failing(error), config=BatchOnly)


def test_torch_out_of_memory_is_known(capsys):
    torch = pytest.importorskip("torch")
    message = refusal(capsys, "--source", "x", main=lambda _: torch.empty(1 << 50))
    assert "not enough memory" in message
    error = torch.cuda.OutOfMemoryError("no room")
    assert "not enough memory" in refusal(capsys, "--source", "x", main=failing(error))


def test_full_disk_is_one_line(capsys):
    def main(_):
        with open("/dev/full", "w") as file:
            file.write("x")

    if not Path("/dev/full").is_char_device():
        pytest.skip("this system has no /dev/full")
    assert "no space left" in refusal(capsys, "--source", "x", main=main)
    named = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.mp4")
    assert "out.mp4" in refusal(capsys, "--source", "x", main=failing(named))


@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("bug"), PermissionError(13, "x")])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        run(failing(error), Example, "test", ["--source", "x"])


def test_any_file_name_can_be_printed(capfd):
    """One that is no UTF-8, as unpacked archives have it, is no error after all the work."""
    assert run(lambda _: "wrote bad\udcff.mp4", Example, "test", ["--source", "x"]) == 0
    assert capfd.readouterr().out == "wrote bad\\udcff.mp4\n"


def test_interrupt_returns_130(capsys):
    assert run(failing(KeyboardInterrupt()), Example, "test", ["--source", "x"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_real_interrupt_returns_130():
    code = (
        "import os, signal, sys; from nst.commands.run import run\n"
        "from nst.options.stylize import VideoConfig\n"
        # A job in the background of a script is begun deaf to it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"main = lambda _: os.kill(os.getpid(), {int(signal.SIGINT)})\n"
        "argv = ['--input-video', 'a', '--output-video', 'b']\n"
        "sys.exit(run(main, VideoConfig, None, argv))"
    )
    done = script("-c", code)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_a_command_as_ctrl_c_does(capsys, number):
    cleaned = []

    def main(_):
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            cleaned.append(number)
            raise

    assert run(main, Example, "test", ["--source", "x"]) == 128 + number
    assert cleaned == [number] and capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        main = lambda _: os.kill(os.getpid(), signal.SIGHUP)  # noqa: E731
        assert run(main, Example, "test", ["--source", "x"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True)
def auto_recipe(monkeypatch, tmp_path):
    """A recipe to take when none is given, with what `WithRecipe` knows."""
    path = tmp_path / "auto.toml"
    path.write_text("minutes = 3\n")
    monkeypatch.setattr(nst.commands.parser, "included_recipe", lambda name: path)


@dataclass(frozen=True)
class WithRecipe(Checked):
    """A config that takes a recipe when it is given none."""

    recipe = "auto"
    minutes: float | None = option(None, help="how long", instead_of="steps")
    steps: int | None = option(None, help="how long", instead_of="minutes")
    quiet: bool = option(False, help="say nothing")


@pytest.fixture
def included(tmp_path, monkeypatch):
    """Stands in for the recipes that come with the package."""
    (tmp_path / "auto.toml").write_text("minutes = 50\n")
    monkeypatch.setattr("nst.commands.parser.included_recipe", lambda name: tmp_path / "auto.toml")


def test_the_recipe_that_is_taken_is_named(capsys, recipe, included):
    caught = []
    assert run(caught.append, WithRecipe, None, []) == 0
    assert caught[0].minutes == 50 and "recipe auto;" in capsys.readouterr().err
    path = recipe("steps = 7")
    assert run(caught.append, WithRecipe, None, ["--config", str(path)]) == 0
    assert caught[1] == WithRecipe(steps=7) and capsys.readouterr().err == ""
    assert run(caught.append, WithRecipe, None, ["--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_flag_ends_what_it_stands_in_place_of(recipe, included):
    assert parse("--steps", "3", config=WithRecipe) == WithRecipe(steps=3)
    path = recipe("steps = 7")
    assert parse("--config", path, "--minutes", 2, config=WithRecipe) == WithRecipe(minutes=2)


def test_warning_is_one_line_and_the_old_way_comes_back(capsys):
    before = warnings.showwarning

    def main(_):
        warnings.simplefilter("always")
        warnings.warn("one picture\nskipped", stacklevel=1)

    assert run(main, Example, "test", ["--source", "x"]) == 0
    assert capsys.readouterr().err == "warning: one picture skipped\n"
    assert warnings.showwarning is before


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX pipe")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("argv", [["--help"], ["--source", "x"]])
def test_a_reader_that_leaves_is_no_error(argv, unbuffered):
    code = (
        "import sys; sys.path.insert(0, 'tests'); from test_cli import Example\n"
        "from nst.commands.run import run\n"
        "main = lambda _: [print('x' * 1000) for _ in range(1000)]\n"
        f"sys.exit(run(main, Example, None, {argv!r}))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    # argparse itself swallows the failure of an unbuffered --help.
    expected = 0 if unbuffered and argv == ["--help"] else 141
    assert (done.returncode, done.stderr) == (expected, "")


@dataclass(frozen=True)
class TwoMethods(Checked):
    """Options of which some belong to a method."""

    groups = ("paint", "machine")
    source: Path = option(help="what to read", metavar="FILE")
    method: str = option("fast", help="how", group="paint", choices=("fast", "slow"), common=True)
    scale: float = option(2, help="size", group="paint", method="fast", common=True, metavar="X")
    steps: int = option(9, help="how long", group="paint", method="slow", common=True)
    tile: int = option(64, help="side", group="machine", method="slow")
    quiet: bool = option(False, help="print nothing", group="machine", common=True)
    audio: bool = option(True, help="keep the sound", group="machine")


def help_of(capsys, config, *argv) -> str:
    with pytest.raises(SystemExit) as stop:
        run(lambda _: pytest.fail("main was called"), config, "What it is.", argv)
    assert stop.value.code == 0
    out, err = capsys.readouterr()
    assert err == "" and "What it is." in out
    return out


def test_help_shows_what_the_default_method_needs(capsys):
    shown = help_of(capsys, TwoMethods, "--help")
    assert re.findall(r"^  (--[a-z-]+)", shown, re.M) == [
        "--source", "--method", "--scale", "--quiet", "--config", "--help-all",
    ]  # fmt: skip
    assert "usage: " in shown and "--source FILE ..." in shown.splitlines()[0]


def test_help_all_shows_everything_in_the_groups_order(capsys):
    shown = help_of(capsys, TwoMethods, "--help-all")
    found = re.findall(r"^(?:  )?(--[][a-z-]+|\w.+(?=:$))", shown, re.M)
    assert found == [
        "required", "--source", "paint", "--method", "--scale", "--steps",
        "machine", "--tile", "--quiet", "--[no-]audio", "help",
        "--config", "--help-all",
    ]  # fmt: skip
    assert "how long [9] (--method slow)" in shown and "side [64] (--method slow)" in shown


def test_help_all_shows_every_default(capsys):
    shown = " ".join(help_of(capsys, Example, "--help-all").split())
    for part in ("how many, 100% of them [3]", "how much [0.5]", "[on]", "how [soft]", "[1 2]"):
        assert part in shown


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_of_the_script(name):
    brief, whole = script(name, "--help"), script(name, "--help-all")
    for done in (brief, whole):
        assert (done.returncode, done.stderr) == (0, "")
        assert max(map(len, done.stdout.splitlines())) <= 80
    assert len(brief.stdout.splitlines()) <= 45  # one screen
    listed = set(re.findall(r"^  --((?:\[no-\])?[a-z][a-z-]*)", whole.stdout, re.MULTILINE))
    assert {flag.removeprefix("[no-]") for flag in listed} - {"config", "help-all", "recipe"} == {
        spec.name.replace("_", "-") for spec in fields(SCRIPTS[name])
    }
    assert "--help-all" in brief.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_without_options_says_what_it_needs(name):
    done = script(name)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1
    for spec in fields(SCRIPTS[name]):
        assert (f"--{spec.name.replace('_', '-')}" in done.stderr) == (spec.default is MISSING)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_shipped_recipe_parses(path):
    kind = path.name.partition("_")[0]
    config = {"video": VideoConfig, "classic.toml": PictureConfig}.get(kind, TrainConfig)
    required = [spec.name for spec in fields(config) if spec.default is MISSING]
    given = [w for name in required for w in (f"--{name.replace('_', '-')}", "x")]
    parsed = parse(*given, "--config", path, config=config)
    for key, value in tomllib.loads(path.read_text("utf-8")).items():
        assert getattr(parsed, key) == (tuple(value) if isinstance(value, list) else value)


def test_recipes_are_found():
    assert {"quality.toml", "fast.toml"} <= {path.name for path in RECIPES}
