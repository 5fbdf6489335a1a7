"""Folders of pictures: which files of them are pictures, in what order, and what is left out."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nst.core.progress import warn
from nst.errors import InputError
from nst.media.picture_file import READABLE, is_picture

# Files that systems leave in folders; nobody wonders why they are no pictures.
OF_THE_SYSTEM = ("thumbs.db", "desktop.ini")


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder by their content, frame2 before frame10.

    A file with a picture's ending is one even if it turns out to be broken when it is read. Hidden
    files are skipped; one warning counts the other files that are left out.

    Raises:
        InputError: no such folder, no right to read it, or no picture in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: check the path")
    try:
        files = [folder / name for name in os.listdir(folder) if is_visible(name)]
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read: {error.strerror}") from error
    files = sorted((file for file in files if file.is_file()), key=lambda f: natural(f.name))
    pictures = [file for file in files if may_be_picture(file)]
    if not pictures:
        raise InputError(f"no pictures in {folder}: it needs files such as .jpg or .png")
    chosen = set(pictures)
    warn_left_out(folder, (f"{file.name} (no picture)" for file in files if file not in chosen))
    return pictures


def may_be_picture(file: Path) -> bool:
    """Tell whether a file is a picture by its content, or means to be one by its name."""
    return file.suffix.lower() in READABLE or is_picture(file)


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the visible files below a folder, sorted; a linked folder is followed once.

    Raises:
        InputError: no such folder, or no right to read it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: check the path")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(f"the folder {folder} cannot be read: you have no right to")
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=_warn_unreadable, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(filter(is_visible, folders), key=natural)
        for name in sorted(filter(is_visible, names), key=natural):
            if (file := Path(place, name)).is_file():
                yield file


def warn_left_out(folder: Path, names: Iterable[str]) -> None:
    """Say in one warning how many files of a folder are not used, and name the first."""
    left_out = list(names)
    if left_out:
        count = "1 file" if len(left_out) == 1 else f"{len(left_out)} files"
        such = "" if len(left_out) == 1 else "such as "
        warn(f"{folder}: {count} left out, {such}{left_out[0]}")


def is_visible(name: str) -> bool:
    """Tell whether a name is the user's own: not hidden, as a Mac's ._ files are."""
    return not name.startswith(".") and name.lower() not in OF_THE_SYSTEM


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts frame2 before frame10.

    >>> sorted(["f10.png", "f2.png", "f².png"], key=natural)
    ['f2.png', 'f10.png', 'f².png']
    """
    # \d and int() know the same digits; str.isdigit() also takes a superscript for one.
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts)]


def _warn_unreadable(error: OSError) -> None:
    warn(f"the folder {error.filename} cannot be read: left out")
