"""Files are written beside their place and renamed, so that no half of one is ever seen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nst.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, of the same ending; it becomes `path` when all went well.

    Raises:
        InputError: the place cannot be written.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
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
