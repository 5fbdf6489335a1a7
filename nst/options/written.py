"""Options written back: as the arguments of a command line, and as the TOML that --config reads."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

from nst.options.field import Checked, flag_of

# TOML's basic strings take everything else as it is.
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def arguments_of(config: Checked) -> list[str]:
    """Return the arguments with which a command gets these options; defaults are left out.

    >>> from pathlib import Path; from nst.options.tools import CatalogueConfig
    >>> arguments_of(CatalogueConfig(output=Path("a b.png"), quiet=True))
    ['--output', 'a b.png', '--quiet']
    """
    arguments = []
    for spec, value in _given(config):
        flag = flag_of(spec.name)
        if isinstance(value, bool):
            arguments.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, tuple):
            arguments += [flag, *map(str, value)]
        elif str(value).startswith("-"):  # or it would be read as an option
            arguments.append(f"{flag}={value}")
        else:
            arguments += [flag, str(value)]
    return arguments


def toml_of(config: Checked) -> str:
    """Return the options as `read_toml` reads them; defaults are left out.

    >>> from pathlib import Path; from nst.options.tools import CatalogueConfig
    >>> toml_of(CatalogueConfig(output=Path("a.png"), quiet=True))
    'output = "a.png"\\nquiet = true\\n'
    """
    return "".join(f"{spec.name} = {_toml(value)}\n" for spec, value in _given(config))


def _given(config: Checked) -> Iterator[tuple[Field, Any]]:
    """Yield the options that are not their defaults, what is required first."""
    specs = sorted(fields(config), key=lambda spec: spec.default is not MISSING)
    for spec in specs:
        value = getattr(config, spec.name)
        if spec.default is MISSING or value != spec.default:
            yield spec, value


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    characters = (
        ESCAPES.get(c) or (c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}")
        for c in str(value)
    )
    return f'"{"".join(characters)}"'
