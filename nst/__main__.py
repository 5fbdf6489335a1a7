"""Every command by its name, such as `nst video --help`; `python -m nst` is the same."""

import sys
from collections.abc import Sequence

from nst import __version__
from nst.commands.run import run
from nst.commands.table import COMMANDS, named


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that is named first and return its exit status."""
    name, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if name in ("-h", "--help", "--version"):
        sys.stdout.write(usage() if name != "--version" else f"nst {__version__}\n")
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"error: no command {name!r}; there are: {', '.join(COMMANDS)}\n")
        return 2
    command = COMMANDS[name]
    return run(
        lambda config: named(command.main)(config),
        named(command.config),
        command.description,
        rest,
        prog=f"nst {name}",
    )


def usage() -> str:
    """Return the list of commands."""
    lines = ["usage: nst COMMAND ...", ""]
    for name, command in COMMANDS.items():
        lines.append(f"  {name:10}{command.description.splitlines()[0]}")
    return "\n".join([*lines, "", "COMMAND --help tells more.", ""])


if __name__ == "__main__":
    raise SystemExit(main())
