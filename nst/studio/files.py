"""Which files the page may name: those dropped on it, those of the given folder, and its results.

A file's name on the page is `kind/path`, such as `dropped/3f9a/cat.jpg`. The kind stands for a
folder and the path must stay below it, links followed: nothing else on the machine can be read.
"""

import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from nst.core.places import fitted_name, numbered_name
from nst.errors import InputError
from nst.media.folders import is_visible, natural
from nst.media.picture_file import READABLE, head_of, is_picture, picture_size
from nst.media.picture_reader import animation_of
from nst.media.video_reader import open_video

DROPPED, FOLDER, RESULTS, STYLES = "dropped", "folder", "results", "styles"
# Endings that are listed of the given folder; what a file is, is then decided by its content.
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mts", ".gif")
LISTABLE = (*READABLE, *VIDEOS)
LISTED = 500  # files of the given folder that are listed
KEPT_FREE = 500_000_000  # bytes that an upload leaves on the disk
# Marks that have a meaning in --style, and what file systems do not take.
UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|+,=#%]')


@dataclass(frozen=True)
class Medium:
    """What a file is: picture, video or folder; its (height, width), and its seconds if a video."""

    kind: str
    size: tuple[int, int] | None = None
    seconds: float | None = None


class Files:
    """The folders that the page may read.

    Args:
        output_dir: where dropped files, results and trained styles are kept; made if need be.
        folder: whose files the page may open, too.

    Raises:
        InputError: one of them is not there or cannot be made.
    """

    def __init__(self, output_dir: Path, folder: Path | None = None):
        self.output_dir = output_dir.absolute()
        self.roots = {name: self.output_dir / name for name in (DROPPED, RESULTS, STYLES)}
        try:
            for place in self.roots.values():
                place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--output-dir {output_dir}: {error.strerror}") from None
        if folder:
            if not folder.is_dir():
                raise InputError(f"there is no folder {folder}: check --folder")
            self.roots[FOLDER] = folder.absolute()

    def path(self, name: str) -> Path:
        """Return the path of what the page calls `name`.

        Raises:
            InputError: there is no such file, or it lies elsewhere.
        """
        kind, _, rest = str(name).partition("/")
        root = self.roots.get(kind)
        if root is not None and "\0" not in rest:
            path = root / rest
            inside = path.resolve().is_relative_to(root.resolve())
            if inside and ".." not in Path(rest).parts and path.exists():
                return path
        raise InputError(f"no file {name!r} here: drop it on the page")

    def name(self, path: Path) -> str:
        """Return what the page calls a path.

        Raises:
            InputError: the page may not read it.
        """
        path = Path(os.path.abspath(path))
        for kind, root in self.roots.items():
            if path.is_relative_to(root):
                name = f"{kind}/{path.relative_to(root).as_posix()}"
                self.path(name)
                return name
        raise InputError(f"{path} cannot be read by this page: drop it there, or give its --folder")

    def listed(self) -> list[str]:
        """Return the names of the given folder's pictures, videos and folders of pictures."""
        root = self.roots.get(FOLDER)
        found: list[str] = []
        if root is None:
            return found
        for place, folders, names in os.walk(root):
            folders[:] = sorted(filter(is_visible, folders), key=natural)
            wanted = [n for n in names if is_visible(n) and Path(n).suffix.lower() in LISTABLE]
            here = Path(place).relative_to(root)
            if here.parts and sum(Path(n).suffix.lower() in READABLE for n in wanted) > 1:
                found.append(f"{FOLDER}/{here.as_posix()}")
            found += [f"{FOLDER}/{(here / n).as_posix()}" for n in sorted(wanted, key=natural)]
            if len(found) >= LISTED:
                break
        return found[:LISTED]

    async def receive(self, name: str, chunks: AsyncIterator[bytes], size: int | None) -> str:
        """Write an uploaded file as it comes, so that memory does not grow; return its name.

        Args:
            size: bytes that are to come, if that is known.

        Raises:
            InputError: there is no room for it.
        """
        folder = self.roots[DROPPED] / secrets.token_hex(4)
        free = shutil.disk_usage(self.output_dir).free - KEPT_FREE
        if (size or 0) > free:
            raise InputError(f"{name}: no space left in {self.output_dir} for {size} bytes")
        folder.mkdir()
        path = folder / safe_name(name)
        written = 0
        try:
            with open(path, "wb") as file:
                async for chunk in chunks:
                    written += len(chunk)
                    if written > free:
                        raise InputError(f"{name}: no space left in {self.output_dir}")
                    file.write(chunk)
        except BaseException:  # a page that was closed too
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self.name(path)

    def forget(self, name: str) -> None:
        """Delete a dropped file."""
        path = self.path(name)
        if name.startswith(f"{DROPPED}/"):
            shutil.rmtree(path.parent, ignore_errors=True)

    def free_place(self, stem: str, ending: str) -> Path:
        """Return a path for a new result that nothing has yet."""
        return next(
            path
            for path in numbered(self.roots[RESULTS], safe_name(stem)[:200], ending)
            if not path.exists() and not path.with_suffix(".toml").exists()
        )


def numbered(folder: Path, stem: str, ending: str = "") -> Iterator[Path]:
    """Yield the paths in a folder that a result may have, the one without a number first."""
    return (folder / numbered_name(stem, ending, number) for number in count(1))


def safe_name(name: str) -> str:
    """Return a file's name that every system takes and that --style reads as a path.

    >>> safe_name("../a+b:c.jpg"), safe_name("...")
    ('a_b_c.jpg', 'file')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return fitted_name(UNSAFE.sub("_", last).strip(". ")[-150:] or "file", "")


def medium_of(path: Path) -> Medium:
    """Tell what a file is, by its content.

    Raises:
        InputError: it can be read neither as a picture nor as a video.
    """
    if path.is_dir():
        return Medium("folder")
    is_gif = head_of(path).startswith(b"GIF8")
    if is_picture(path) and not is_gif and not animation_of(path):
        return Medium("picture", picture_size(path))
    if path.suffix.lower() in READABLE and not is_picture(path):
        picture_size(path)  # says what is wrong with it
    with open_video(path) as video:
        info = video.info
        seconds = None if info.frames is None else float(info.frames / info.rate)
        return Medium("video", info.size, seconds)
