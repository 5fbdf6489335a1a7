"""Where a file or folder is to appear: it is made beside that place and renamed when it is whole.

What is made has a name that nothing else has, so two runs with one output do not touch each other's
work, and nothing that was there before is lost to a run that fails.
"""

import glob
import os
import secrets
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path

from nst.core.progress import warn
from nst.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: a run that is alive cannot be told from one that was killed
    fcntl = None

LONGEST_NAME = 255  # bytes, on every common file system


def followed(path: Path) -> Path:
    """Return what a link points to, so that the link stays and its target is written."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def fitted_name(stem: str, ending: str) -> str:
    """Join a name's parts, with the stem cut to what a file system takes.

    >>> len(fitted_name("\\N{GREEK SMALL LETTER ALPHA}" * 200, ".mp4").encode())
    254
    """
    room = LONGEST_NAME - len(os.fsencode(ending))
    return os.fsencode(stem)[:room].decode("utf-8", "ignore") + ending


def numbered_name(stem: str, ending: str, number: int) -> str:
    """Return the name of the first, second, ... of several files.

    >>> numbered_name("wave", ".png", 1), numbered_name("wave", ".png", 2)
    ('wave.png', 'wave-2.png')
    """
    return fitted_name(stem, (f"-{number}" if number > 1 else "") + ending)


class Place:
    """A place that is being written; `part` is the path to write to until `keep` renames it.

    Args:
        path: a link is followed.
        folder: make a folder there, not a file.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, path: Path, folder: bool = False) -> None:
        self.path = followed(path)
        self._before = _state(self.path)
        _tell_of_others(self.path)
        ending = f".{secrets.token_hex(4)}.part{self.path.suffix}"
        self.part = self.path.with_name(fitted_name(f".{self.path.stem}", ending))
        try:
            if folder:
                self.part.mkdir()
            else:
                self.part.touch(exist_ok=False)
        except FileNotFoundError:
            message = f"{path.parent}: no such folder; create it or give another output"
            raise InputError(message) from None
        except OSError as error:
            message = f"{path.parent}: cannot be written ({error.strerror}); give another output"
            raise InputError(message) from None
        self._lock = lock(self.part)

    def keep(self) -> Path:
        """Give what was written its name, and return that.

        It is another name where another run has put its own file there in the meantime.
        """
        path = self.path
        if _state(path) != self._before:
            path = free_name(path)
            warn(f"{self.path} was written by another run meanwhile: this one's is {path}")
        if self.part.is_dir() and path.is_dir():
            path.rmdir()  # fails unless it is empty
        os.replace(self.part, path)
        unlock(self._lock)
        return path

    def discard(self) -> None:
        """Leave nothing behind."""
        unlock(self._lock)
        if self.part.is_dir():
            shutil.rmtree(self.part, ignore_errors=True)
        else:
            self.part.unlink(missing_ok=True)


def lock(path: Path, shared: bool = False) -> int | None:
    """Lock a file or folder for this process; None where another holds it or nothing can.

    Args:
        shared: others may hold it too, but none of them alone.
    """
    if fcntl is None:
        return None
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def unlock(handle: int | None) -> None:
    """Give a lock back; it also ends with its process."""
    if handle is not None:
        with suppress(OSError):
            os.close(handle)


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds a lock on a file or folder."""
    if fcntl is None:
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False


def remove_left_behind(part: Path) -> None:
    """Remove a file that a killed run has left half written, unless a run that is alive holds it.

    Where the file system has no locks, what is alive cannot be told, and it stays.

    Args:
        part: a `Place.part` by that run's own word: another's file may have such a name.
    """
    with suppress(OSError):
        handle = lock(part)
        if handle is not None:
            if not part.is_dir():
                part.unlink()
            unlock(handle)


def _others(path: Path) -> list[Path]:
    """Return what other runs, alive or not, are writing in a place."""
    pattern = f".{glob.escape(path.stem)}.????????.part{glob.escape(path.suffix)}"
    return sorted(path.parent.glob(pattern))


def _tell_of_others(path: Path) -> None:
    """Say so where another run is writing to a place, or one that was killed left its part."""
    for other in _others(path):
        with suppress(OSError):
            if is_locked(other):
                message = f"another run is writing {path} too: who ends last gets another name"
            else:
                message = f"{other} was left by a run that was killed; delete it to free its space"
            warn(message)


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is exchanged or written; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def free_name(path: Path) -> Path:
    """Return the first name that is free: NAME-2, NAME-3 ... of the same ending."""
    names = (numbered_name(path.stem, path.suffix, number) for number in count(2))
    return next(place for place in map(path.with_name, names) if not os.path.lexists(place))
