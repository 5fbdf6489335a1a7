"""What an option is: a field of a frozen dataclass, with a default, a range and a help text."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

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
    needs: str | None = None,
    common: bool = False,
    instead_of: str | None = None,
):
    """Return a dataclass field that knows its help text, its group and its range.

    Args:
        metavar: what help calls the value, as in `--lags FRAMES`; a switch and choices have none.
        method: the only method that uses the option; None: all do.
        needs: the option without which it has no effect.
        common: `--help` shows it; `--help-all` shows every option.
        instead_of: the option that it stands in place of; given as a flag it ends what a recipe
            says of that.
    """
    metadata: dict[str, Any] = {"help": help, "group": group, "metavar": metavar}
    metadata |= {"low": low, "high": high, "choices": choices, "common": common}
    metadata |= {"method": method, "needs": needs, "instead_of": instead_of}
    return field(default=default, metadata=metadata)


def flag_of(name: str) -> str:
    """Return the command line's spelling of a field: `long_side` is `--long-side`."""
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Checked:
    """A dataclass that refuses values out of their option's range, and options without effect.

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
        values = {spec.name: getattr(self, spec.name) for spec in specs}
        changed = {spec.name for spec in specs if values[spec.name] != spec.default}
        refuse_without_effect(specs, values, changed)


def refuse_without_effect(
    specs: Iterable[Field], values: Mapping[str, Any], given: Container[str], source: str = ""
) -> None:
    """Refuse options that the method does not use, or that need another: ignored, they'd mislead.

    Args:
        values: of all options; one that is not there has its default.
        given: names of the options that were given.
        source: where they were given, when not on the command line.

    Raises:
        InputError: names the option and what it belongs to or needs.
    """
    by_name = {spec.name: spec for spec in specs}
    of_all = {name: values.get(name, spec.default) for name, spec in by_name.items()}
    method = of_all.get("method")
    for name, spec in by_name.items():
        if name not in given:
            continue
        flag, owner, needed = flag_of(name), spec.metadata["method"], spec.metadata["needs"]
        if method and owner not in (None, method):
            raise InputError(
                f"{source}{flag} belongs to --method {owner}, and {method} runs: "
                f"leave it out, or give --method {owner}"
            )
        if needed and not of_all[needed]:
            raise InputError(
                f"{source}{flag} needs {flag_of(needed)}: give that too, or leave {flag} out"
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
