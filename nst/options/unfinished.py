"""What an unfinished run writes down of its options, so that only the same run goes on with it."""

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from nst.errors import InputError
from nst.options.field import flag_of


def options_of(config: Any, free: Collection[str]) -> dict[str, Any]:
    """Return a dataclass's options as JSON gives them back, without those that may differ."""
    options = {name: value for name, value in asdict(config).items() if name not in free}
    return json.loads(json.dumps(options, default=str))


def refuse_other_options(before: dict[str, Any], now: dict[str, Any], flag: str) -> None:
    """Refuse to go on with other options than a run began with.

    Args:
        flag: what the user gave to go on.

    Raises:
        InputError: names the first option that differs.
    """
    for name, value in now.items():
        if before.get(name) != value:
            raise InputError(
                f"{flag}: {flag_of(name)} was {before.get(name)} and is {value}; "
                "give the same options"
            )
