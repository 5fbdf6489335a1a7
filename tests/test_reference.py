"""docs/options.md has every option of every command, as --help has them."""

import re
from pathlib import Path

import pytest

from nst.commands.options_page import reference
from nst.commands.run import run
from nst.commands.table import COMMANDS, named

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "options.md").read_text("utf-8")
HEADINGS = {
    name: command.script or f"python -m nst {name}"
    for name, command in COMMANDS.items()
    if name != "options"
}
FLAG = re.compile(r"--(?:\[no-\])?[a-z][a-z-]*")


def test_the_page_is_up_to_date():
    assert PAGE == reference(), "stale: python -m nst options > docs/options.md"


def test_every_command_is_there():
    scripts = {p.name for p in ROOT.glob("*.py") if "raise SystemExit(run(" in p.read_text("utf-8")}
    assert {command.script for command in COMMANDS.values()} - {None} == scripts
    # This page's own command has no options.
    assert set(HEADINGS.values()) == set(re.findall(r"^## `(.+)`$", PAGE, re.M))


@pytest.mark.parametrize("name", HEADINGS)
def test_a_command_s_section_has_the_flags_of_its_help(name, capsys):
    with pytest.raises(SystemExit):
        run(lambda _: None, named(COMMANDS[name].config), None, ["--help-all"])
    shown = re.findall(r"^  (--\S+)", capsys.readouterr().out, re.M)
    section = PAGE.partition(f"## `{HEADINGS[name]}`\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^- (?:\*\*)?`(.+?)`", section, re.M)
    flags = [flag for entry in listed for flag in FLAG.findall(entry)]
    expected = [flag for entry in shown for flag in FLAG.findall(entry)]
    assert sorted(flags) == sorted(set(expected) - {"--config", "--help-all"})


def test_a_line_says_kind_range_and_default():
    for line in (
        "- **`--long-side PIXELS`**: longer side of the result; none keeps the size; at least 16\n",
        "- `--strength FRACTION`: from 0, the input as it is, to 1, the full style; ",
        "- `--[no-]keep-audio`: copy the sound [on]\n",
        "- `--loss moments|gram|wasserstein`: ",
        "- `--lags FRAMES ...`: ",
        "from 0 to 0.95; only with `--method one-pass` [0.9]\n",
        "Optimized video, only with `--method optimize`:\n",
        r"'wave\*0.5+scream\*0.5'",
    ):
        assert line in PAGE
