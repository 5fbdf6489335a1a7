"""Files are written beside their place and renamed, so that no half of one is ever seen."""

import json
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nst.core.places import fitted_name, followed
from nst.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, of the same ending; it becomes `path` when all went well.

    A link is followed: its target is written.

    Raises:
        InputError: the place cannot be written.
    """
    path = followed(path)
    ending = f".{secrets.token_hex(4)}.part{path.suffix}"
    partial = path.with_name(fitted_name(f".{path.stem}", ending))
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder where there is none.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}") from error


def open_log(folder: Path) -> Any:
    """Return TensorBoard's writer into a folder, which may hold other logs.

    Raises:
        InputError: the folder cannot be made.
    """
    from torch.utils.tensorboard import SummaryWriter  # late: it takes seconds

    try:
        return SummaryWriter(str(folder))
    except OSError as error:
        raise InputError(
            f"the log cannot be written to {folder} ({error.strerror}): give another --log-dir"
        ) from error


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON; what JSON does not know, such as a path, as its text."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, default=str, indent=1) + "\n", "utf-8")


def check_place(path: Path, flag: str, endings: Collection[str]) -> None:
    """Refuse a file's path that could not be written, before the work whose result it takes.

    Args:
        flag: the option that names it; empty where none does.
        endings: that it may have, in lower case.

    Raises:
        InputError: another ending, no such folder, or no right to write there.
    """
    name = f"{flag} {path}".strip()
    if path.suffix.lower() not in endings:
        one_of = "one of " if len(endings) > 1 else ""
        raise InputError(f"{name}: its ending must be {one_of}{', '.join(endings)}")
    if not path.parent.is_dir():
        raise InputError(f"{name}: there is no folder {path.parent}: make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{name}: the folder cannot be written: choose another")
