"""`nst COMMAND`, `python -m nst COMMAND`: every command is listed, and found by its name."""

import subprocess
import sys
from pathlib import Path

import pytest

import nst
from nst.__main__ import main
from nst.commands.table import COMMANDS, named

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("argv", [[], ["--help"]])
def test_the_commands_are_listed(argv, capsys):
    assert main(argv) == 0
    assert set(COMMANDS) <= set(capsys.readouterr().out.split())


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nst {nst.__version__}\n"


def test_an_unknown_command_is_one_line_and_status_2(capsys):
    assert main(["vidoe"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: no command 'vidoe'; there are: ")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_usage_errors_need_no_torch(name):
    code = f"from nst.__main__ import main; import sys; main([{name!r}, '--no-such-option'])\n"
    code += f"try: main([{name!r}, '--help'])\nfinally: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "False"), done.stderr
    assert done.stdout.startswith(f"usage: nst {name} ")
    assert done.stderr.startswith("error: unknown argument '--no-such-option'")


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_runs_is_there(name):
    assert callable(named(COMMANDS[name].main))


def test_a_command_runs():
    done = subprocess.run(
        [sys.executable, "-m", "nst", "options"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "docs" / "options.md").read_text("utf-8")
