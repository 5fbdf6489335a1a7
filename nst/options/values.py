"""What an option's value may be: its type, read from a command line's text or from a TOML file."""

import difflib
import reprlib
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, Field
from pathlib import Path

from nst.errors import InputError


class Timed(str):
    """Values at times: the text of a command line, "0 wave, 4 scream", or a TOML file's table."""

    def __new__(cls, value: "str | dict") -> "Timed":
        """Return the text; a table becomes one.

        >>> Timed({"0": "wave", "4": {"5": 0.3}})
        '0 wave, 4.5 0.3'
        """
        if isinstance(value, dict):
            value = ", ".join(f"{time} {item}" for time, item in _flat(value))
        return super().__new__(cls, value)


def _flat(table: dict) -> Iterator[tuple[str, object]]:
    """Yield a table's rows; to TOML an unquoted 4.5 is the row 5 of a table 4."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{rest}", item) for rest, item in _flat(value))
        else:
            yield str(key), value


# Type of an option: how errors call it, how help does, and what a TOML file may hold for it.
KINDS = {
    int: ("a whole number", "N", (int,)),
    float: ("a number", "X", (int, float)),
    bool: ("true or false", None, (bool,)),
    str: ("a text", "TEXT", (str,)),
    Path: ("a path", "PATH", (str,)),
    Timed: ("a text or a table", "TIMES", (str, dict)),
}


def kind_of(spec: Field) -> tuple[type, bool]:
    """Return the type of one value, and whether the option takes several."""
    kind: typing.Any = spec.type
    if isinstance(kind, types.UnionType):
        kind = next(a for a in typing.get_args(kind) if a is not types.NoneType)
    many = typing.get_origin(kind) is tuple
    return (typing.get_args(kind)[0] if many else kind), many


def metavar(spec: Field) -> str | None:
    """Return how help writes an option's value: its choices, or its name; None for a switch."""
    choices = "|".join(spec.metadata["choices"] or ())
    return choices or spec.metadata["metavar"] or KINDS[kind_of(spec)[0]][1]


def default_text(default) -> str:
    """Return an option's default as help shows it, in brackets; an empty text for none."""
    if default is MISSING or default is None or default == () or default is False:
        return ""
    if default is True:
        return " [on]"
    many = default if isinstance(default, tuple) else (default,)
    return f" [{' '.join(f'{d:g}' if isinstance(d, float) else str(d) for d in many)}]"


def convert(raw, spec: Field, name: str, typed: bool):
    """Turn a TOML file's value (typed) or the command line's text into the option's type.

    Raises:
        InputError: says `name`, the value and what it must be.
    """
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


def read_toml(path: Path, specs: dict[str, Field], name: str) -> dict:
    """Return the options in a TOML file, by their names.

    Args:
        name: what errors call the file.

    Raises:
        InputError: it cannot be read, an option is unknown or of the wrong type.
    """
    try:
        # Windows' editors put a byte order mark at the beginning.
        found = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{name} is not a TOML file: {error}") from None
    for key in found:
        if key not in specs:
            near = " or ".join(similar(key, specs))
            hint = f"did you mean {near}?" if near else f"known are {', '.join(specs)}"
            raise InputError(f"{name}: unknown key {key!r}; {hint}")
    return {k: convert(v, specs[k], f"{name}: {k}", typed=True) for k, v in found.items()}


def similar(word: str, names: Iterable[str]) -> list[str]:
    """Return the names that a mistyped or half-remembered one may have meant, the likeliest first.

    >>> similar("lnog_side", ["long_side", "crop_size"]), similar("size", ["crop_size", "steps"])
    (['long_side'], ['crop_size'])
    """
    names = [*names]
    parts = [name for name in names if word in name.split("_")]
    return parts or difflib.get_close_matches(word, names, 1)
