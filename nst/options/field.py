"""What an option is: a field of a frozen dataclass, with a default, a range and a help text."""

from collections.abc import Container, Iterable
from dataclasses import MISSING, Field, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import ClassVar

from nst.errors import InputError

REQUIRED = "required"  # the group of what has no default


def option(
    default=MISSING,
    *,
    help: str,
    group: str = "options",
    metavar: str | None = None,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    method: str | None = None,
    common: bool = False,
    instead_of: str | None = None,
):
    """Return a dataclass field that knows its help text, its group and its range.

    Args:
        metavar: what help calls the value, as in `--lags FRAMES`; a switch and choices have none.
        method: the only method that uses the option; None: all do.
        common: `--help` shows it; `--help-all` shows every option.
        instead_of: the option that it stands in place of; given as a flag it ends what a recipe
            says of that.
    """
    metadata = {"help": help, "group": group, "metavar": metavar, "low": low, "high": high}
    metadata |= {"choices": choices, "method": method, "common": common}
    metadata["instead_of"] = instead_of
    return field(default=default, metadata=metadata)


def flag_of(name: str) -> str:
    """Return the command line's spelling of a field: `long_side` is `--long-side`."""
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Checked:
    """A dataclass that refuses values out of their option's range, and options of other methods.

    `groups` are the sections of `--help-all` and of the page of options, in the order in which
    people need them. `recipe` is the included file that the command takes when it is given none.

    Raises:
        InputError: names the flag, the value and what is allowed.
    """

    groups: ClassVar[tuple[str, ...]] = ()
    recipe: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        specs = fields(self)
        for spec in specs:
            value = getattr(self, spec.name)
            choices, low, high = (spec.metadata[key] for key in ("choices", "low", "high"))
            flag = flag_of(spec.name)
            if choices and value not in choices:
                raise InputError(f"{flag} is {value!r}; choose from {', '.join(choices)}")
            for number in value if isinstance(value, tuple) else (value,):
                if number is None or isinstance(number, str | Path):
                    continue
                if isinstance(number, float) and not isfinite(number):
                    raise InputError(f"{flag} is {number}; it must be a finite number")
                if not (low is None or number >= low) or not (high is None or number <= high):
                    raise InputError(f"{flag} is {number}; it must be {range_text(low, high)}")
        changed = {spec.name for spec in specs if getattr(self, spec.name) != spec.default}
        refuse_other_methods(specs, getattr(self, "method", None), changed)


def refuse_other_methods(
    specs: Iterable[Field], method: str | None, given: Container[str], source: str = ""
) -> None:
    """Refuse options that the method does not use: ignored, they would mislead.

    Args:
        method: the one that runs; None: the command has only one.
        given: names of the options that were given.
        source: where they were given, when not on the command line.

    Raises:
        InputError: names the option and the method that it belongs to.
    """
    for spec in specs:
        owner = spec.metadata["method"]
        if method and owner not in (None, method) and spec.name in given:
            raise InputError(
                f"{source}{flag_of(spec.name)} belongs to --method {owner}, and {method} runs: "
                f"leave it out, or give --method {owner}"
            )


def range_text(low: float | None, high: float | None) -> str:
    """Return what an option's range is, in words.

    >>> range_text(0, 1), range_text(16, None)
    ('from 0 to 1', 'at least 16')
    """
    if high is None:
        return f"at least {low}"
    if low is None:
        return f"at most {high}"
    return f"from {low} to {high}"
