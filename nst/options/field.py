"""What an option is: a field of a frozen dataclass, with a default, a range and a help text."""

from dataclasses import MISSING, field, fields
from math import isfinite
from pathlib import Path

from nst.errors import InputError


def option(
    default=MISSING,
    *,
    help: str,
    group: str = "common",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    also: str | None = None,
):
    """Return a dataclass field that knows its help text, its group in `--help` and its range.

    Args:
        also: a second name on the command line.
    """
    metadata = {"help": help, "group": group, "low": low, "high": high, "choices": choices}
    metadata["also"] = also
    return field(default=default, metadata=metadata)


def flag_of(name: str) -> str:
    """Return the command line's spelling of a field: `long_side` is `--long-side`."""
    return "--" + name.replace("_", "-")


class Checked:
    """A dataclass that refuses values out of their option's range or choices.

    Raises:
        InputError: names the flag, the value and what is allowed.
    """

    def __post_init__(self) -> None:
        for spec in fields(self):
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
