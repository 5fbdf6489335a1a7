"""A script's command line, made from its dataclass: parser, recipe file, errors and exit status."""

import argparse
import difflib
import errno
import os
import reprlib
import sys
import tomllib
import types
import typing
import warnings
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path

from nst.errors import InputError
from nst.options.field import flag_of
from nst.options.recipes import find_recipe

# Type of an option: how it is called in errors and in --help, and what a recipe may hold for it.
KINDS = {
    int: ("a whole number", "N", (int,)),
    float: ("a number", "X", (int, float)),
    bool: ("true or false", None, (bool,)),
    str: ("a text", "TEXT", (str,)),
    Path: ("a path", "PATH", (str,)),
}


def run(
    main: Callable,
    config_class: type,
    description: str | None,
    argv: Sequence[str] | None = None,
    prog: str | None = None,
) -> int:
    """Call `main` with the options of the command line and return the script's exit status.

    What `main` returns, if anything, is printed. `prog` is the name in the usage line; none takes
    the script's.

    What the user can put right becomes one line on stderr and status 2. Any other exception passes
    through: it is a bug, and its traceback is needed.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            answer = main(_parse(config_class, description, argv, prog))
            if answer:
                print(answer)
        except KeyboardInterrupt:
            status, line = 130, "interrupted"
        except BrokenPipeError:
            # Whoever read our output has left; without this Python complains once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except Exception as error:
            if (message := _explain(error, config_class)) is None:
                raise
            status, line = 2, f"error: {message}"
        else:
            return 0
    print(line, file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise InputError(message.removeprefix("argument ") + "; see --help")

    # A reader that left, as in `--help | head -1`, has to show here and not at exit.
    def print_help(self, file: typing.TextIO | None = None) -> None:
        super().print_help(file)
        sys.stdout.flush()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)

    # argparse lists both spellings of a switch, which costs each a line of the first screen.
    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction):
            return action.option_strings[0].replace("--", "--[no-]", 1)
        return super()._format_action_invocation(action)


def _parse(
    config_class: type, description: str | None, argv: Sequence[str] | None, prog: str | None
):
    specs = {spec.name: spec for spec in fields(config_class)}
    given, unknown = _build_parser(config_class, description, prog).parse_known_args(argv)
    if unknown:
        near = _nearest(unknown[0], [*specs, "config", "help"])
        hint = f"did you mean {flag_of(near)}?" if near else "see --help"
        raise InputError(f"unknown argument {unknown[0]!r}; {hint}")
    recipe = vars(given).pop("config", None)
    values = _read_recipe(recipe, specs) if recipe is not None else {}
    for name, raw in vars(given).items():
        values[name] = _convert(raw, specs[name], flag_of(name), typed=False)
    missing = [
        flag_of(n) for n, spec in specs.items() if spec.default is MISSING and n not in values
    ]
    if missing:
        raise InputError(f"{', '.join(missing)} must be given, here or in the file of --config")
    return config_class(**values)


def _build_parser(config_class: type, description: str | None, prog: str | None) -> _Parser:
    groups = grouped(config_class)
    parser = _Parser(
        prog=prog,
        description=description and description.strip(),
        usage=" ".join(
            ["%(prog)s", *(f"{flag_of(s.name)} {metavar(s)}" for s in groups["required"]), "..."]
        ),
        formatter_class=_Formatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        add_help=False,
    )
    for name, members in groups.items():
        group = parser.add_argument_group(name)
        if name == "common":
            recipe = "TOML file of options; flags win over it"
            group.add_argument("--config", type=Path, metavar="PATH", help=recipe)
            group.add_argument("-h", "--help", action="help", help="show this and stop")
        for spec in members:
            kind, many = kind_of(spec)
            more = {"metavar": metavar(spec)}
            if many:
                more |= {"nargs": "+", "action": "extend"}  # several at once, or one by one
            if kind is bool:
                more = {"action": argparse.BooleanOptionalAction}
            text = (spec.metadata["help"] + default_text(spec.default)).replace("%", "%%")
            group.add_argument(*flags_of(spec), dest=spec.name, help=text, **more)
    return parser


def grouped(config_class: type) -> dict[str, list[Field]]:
    """Return a script's options by their groups, in the order of --help."""
    groups: dict[str, list[Field]] = {"required": [], "common": []}
    for spec in fields(config_class):
        name = "required" if spec.default is MISSING else spec.metadata["group"]
        groups.setdefault(name, []).append(spec)
    return groups


def flags_of(spec: Field) -> list[str]:
    """Return an option's names on the command line."""
    return [flag_of(name) for name in (spec.name, spec.metadata["also"]) if name]


def kind_of(spec: Field) -> tuple[type, bool]:
    """Return the type of one value, and whether the option takes several."""
    kind = spec.type
    if isinstance(kind, types.UnionType):
        kind = next(a for a in typing.get_args(kind) if a is not types.NoneType)
    many = typing.get_origin(kind) is tuple
    return (typing.get_args(kind)[0] if many else kind), many


def metavar(spec: Field) -> str | None:
    """Return how --help writes an option's value: its choices, or its kind; None for a switch."""
    return "|".join(spec.metadata["choices"] or ()) or KINDS[kind_of(spec)[0]][1]


def default_text(default) -> str:
    """Return an option's default as --help shows it, in brackets; an empty text for none."""
    if default is MISSING or default is None or default == ():
        return ""
    if isinstance(default, bool):
        return " [on]" if default else " [off]"
    many = default if isinstance(default, tuple) else (default,)
    return f" [{' '.join(f'{d:g}' if isinstance(d, float) else str(d) for d in many)}]"


def _read_recipe(path: Path, specs: dict[str, Field]) -> dict:
    try:
        with open(find_recipe(path), "rb") as file:
            recipe = tomllib.load(file)
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"--config {path} is not a TOML file: {error}") from None
    for key in recipe:
        if key not in specs:
            near = _nearest(key, list(specs))
            hint = f"did you mean {near}?" if near else f"known are {', '.join(specs)}"
            raise InputError(f"--config {path}: unknown key {key!r}; {hint}")
    return {
        k: _convert(v, specs[k], f"--config {path}: {k}", typed=True) for k, v in recipe.items()
    }


def _convert(raw, spec: Field, name: str, typed: bool):
    """Turn a recipe's value (typed) or the command line's text into the option's type."""
    kind, many = kind_of(spec)
    called, _, accepted = KINDS[kind]
    if many and (type(raw) is not list or not raw):
        raise InputError(f"{name} is {reprlib.repr(raw)}; it must be a list in [ ], not empty")
    values = []
    for item in raw if many else [raw]:
        try:
            # `type`, not `isinstance`: to Python a bool is an int, but `steps = true` is a slip.
            if typed and type(item) not in accepted or item == "" or "\0" in str(item):
                raise ValueError
            values.append(kind(item))
        except (ValueError, OverflowError):
            raise InputError(f"{name} is {reprlib.repr(item)}; it must be {called}") from None
    return tuple(values) if many else values[0]


def _nearest(word: str, names: list[str]) -> str | None:
    name = word.partition("=")[0].lstrip("-").replace("-", "_")
    return next(iter(difflib.get_close_matches(name, names, 1)), None)


def _explain(error: Exception, config_class: type) -> str | None:
    """Return the line that tells the user what to put right, None when the error is a bug."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        # One raised in a loader's process arrives with that process's traceback before it.
        return text.rpartition("InputError: ")[2]
    names = {kind.__name__ for kind in type(error).__mro__}
    memory = ("not enough memory", "out of memory", "t allocate memory")  # can't, cannot
    if names & {"MemoryError", "OutOfMemoryError"} or any(m in text.lower() for m in memory):
        known = {spec.name for spec in fields(config_class)}
        cure = next((flag_of(n) for n in ("long_side", "batch") if n in known), None)
        return "not enough memory" + (f"; try a smaller {cure}" if cure else "")
    # safetensors passes the system's text on; torch.save only notices that its file is too short.
    full = ("No space left on device", "unexpected pos")
    if getattr(error, "errno", None) == errno.ENOSPC or any(f in text for f in full):
        name = getattr(error, "filename", None)
        return "no space left on the disk" + (f" for {name}" if name else "")
    return None


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    tqdm = sys.modules.get("tqdm")  # when a bar is on the screen the line belongs above it
    write = tqdm.tqdm.write if tqdm else print
    write(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
