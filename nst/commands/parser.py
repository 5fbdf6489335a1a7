"""A command line made from a dataclass of options: its parser, its help and its TOML file."""

import argparse
import sys
import typing
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from nst.errors import InputError
from nst.options.field import REQUIRED, Checked, flag_of, refuse_without_effect
from nst.options.recipes import find_recipe, included_recipe, read_look
from nst.options.values import convert, default_text, kind_of, metavar, read_toml, similar


def parse(
    config_class: type[Checked],
    description: str | None,
    argv: Sequence[str] | None = None,
    prog: str | None = None,
) -> tuple[Any, str | None]:
    """Return the options of a command line and its TOML file; and the recipe, if none was given.

    `--help` and `--help-all` print and leave by SystemExit, as argparse does.

    Args:
        description: what the command does, for --help.
        argv: None takes the process's own.
        prog: the command's name in the usage line; None takes the script's.

    Raises:
        InputError: says which option is wrong and what is allowed.
    """
    specs = {spec.name: spec for spec in fields(config_class)}
    parser = _build_parser(config_class, description, prog, everything=False)
    given, unknown = parser.parse_known_args(argv)
    if unknown:
        name = unknown[0].partition("=")[0].lstrip("-").replace("-", "_")
        near = " or ".join(map(flag_of, similar(name, [*specs, "config", "help"])))
        hint = f"did you mean {near}?" if near else "see --help-all"
        raise InputError(f"unknown argument {unknown[0]!r}; {hint}")
    flags = vars(given)
    if flags.pop("help_all", False):
        _build_parser(config_class, description, prog, everything=True).print_help()
        parser.exit()
    path = flags.pop("config", None)
    recipe = config_class.recipe if path is None else None
    source = f"recipe {recipe}" if recipe else f"--config {path}"
    file = included_recipe(recipe) if recipe else path and find_recipe(path)
    stored = read_toml(file, specs, source) if file else {}
    flags = {k: convert(v, specs[k], flag_of(k), typed=False) for k, v in flags.items()}
    off = {name for name, value in flags.items() if not value}
    for name in flags.keys() - off:
        stored.pop(specs[name].metadata["instead_of"], None)
    # A flag that turns an option off does so with what a file says of those that need it.
    stored = {k: v for k, v in stored.items() if specs[k].metadata["needs"] not in off}
    values = stored | flags
    if values.get("look"):
        values = read_look(values["look"], specs) | values
    missing = [
        flag_of(k) for k, spec in specs.items() if spec.default is MISSING and k not in values
    ]
    if missing:
        raise InputError(f"{', '.join(missing)} must be given, here or in the file of --config")
    if method_of(config_class, values) or "method" not in specs:  # an unknown one is refused below
        refuse_without_effect(specs.values(), values, flags)
        refuse_without_effect(specs.values(), values, stored, f"{source}: ")
    return config_class(**values), recipe


def method_of(config_class: type[Checked], values: dict) -> str | None:
    """Return the method that options choose; None where there is none, or it is unknown."""
    spec = next((spec for spec in fields(config_class) if spec.name == "method"), None)
    if spec is None:
        return None
    method = values.get("method", spec.default)
    return method if method in spec.metadata["choices"] else None


def grouped(config_class: type[Checked]) -> dict[str, list[Field]]:
    """Return a command's options by their groups, in the order in which people need them."""
    groups: dict[str, list[Field]] = {name: [] for name in (REQUIRED, *config_class.groups)}
    for spec in fields(config_class):
        name = REQUIRED if spec.default is MISSING else spec.metadata["group"]
        groups.setdefault(name, []).append(spec)
    return groups


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise InputError(message.removeprefix("argument ") + "; see --help")

    # A reader that left, as in `--help | head -1`, has to show here and not at exit.
    def print_help(self, file: typing.Any = None) -> None:
        super().print_help(file)
        sys.stdout.flush()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    # argparse lists both spellings of a switch, which costs each a line of the first screen, and
    # "LAYER [LAYER ...]" for several values.
    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction):
            return str(action.metavar)
        return super()._format_action_invocation(action)

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == "+":
            return f"{action.metavar} ..."
        return super()._format_args(action, default_metavar)


def _build_parser(
    config_class: type[Checked], description: str | None, prog: str | None, everything: bool
) -> _Parser:
    """Return a parser of all options, whose help shows the common ones or everything."""
    groups = grouped(config_class)
    parser = _Parser(
        prog=prog,
        description=description and description.strip(),
        usage=" ".join(
            ["%(prog)s", *(f"{flag_of(s.name)} {metavar(s)}" for s in groups[REQUIRED]), "..."]
        ),
        formatter_class=_Formatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        add_help=False,
    )
    method = method_of(config_class, {})
    common = parser.add_argument_group(REQUIRED), parser.add_argument_group("common options")
    for name, members in groups.items():
        owner = sole_method(members) if method else None
        title = f"{name} (--method {owner})" if owner else name
        section = parser.add_argument_group(title) if everything else None
        for spec in members:
            group = section or common[name != REQUIRED]
            kind, many = kind_of(spec)
            more: dict[str, typing.Any] = {"metavar": metavar(spec)}
            if many:
                more |= {"nargs": "+", "action": "extend"}  # several at once, or one by one
            if kind is bool:
                more = {"action": argparse.BooleanOptionalAction, "metavar": written(spec)}
            text = spec.metadata["help"] + default_text(spec.default)
            if everything and method and not owner and spec.metadata["method"]:
                text += f" (--method {spec.metadata['method']})"
            text = text.replace("%", "%%")
            if not (everything or name == REQUIRED or shown_first(spec, method)):
                text = argparse.SUPPRESS
            group.add_argument(flag_of(spec.name), dest=spec.name, help=text, **more)
    last = parser.add_argument_group("help") if everything else common[1]
    recipe = f" [{config_class.recipe}]" if config_class.recipe else ""
    text = "options from a TOML file or an included recipe" + recipe
    last.add_argument("--config", type=Path, metavar="FILE", help=text)
    last.add_argument("-h", "--help", action="help", help="show the common options and stop")
    last.add_argument("--help-all", action="store_true", help="show every option and stop")
    return parser


def written(spec: Field) -> str:
    """Return how help and the page of options write an option and its value."""
    flag = flag_of(spec.name)
    kind, many = kind_of(spec)
    if kind is bool:  # both spellings only where the negative one is of use
        return flag.replace("--", "--[no-]", 1) if spec.default else flag
    return f"{flag} {metavar(spec)}" + " ..." * many


def shown_first(spec: Field, method: str | None) -> bool:
    """Tell whether --help shows an option: a common one that the default method uses."""
    return spec.metadata["common"] and spec.metadata["method"] in (None, method)


def sole_method(members: list[Field]) -> str | None:
    """Return the method that all of a group's options belong to, None when there is no such."""
    methods = {spec.metadata["method"] for spec in members}
    return methods.pop() if len(methods) == 1 else None
