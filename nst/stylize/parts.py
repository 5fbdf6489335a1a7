"""The painted parts of an unfinished video, kept exactly, in a folder beside the output.

A part is one shot, or several short ones: it begins where nothing of earlier frames is remembered.
It counts as finished when its note, `NUMBER.json`, is there, which is written last; whatever
happens before leaves a file that nobody reads.
"""

import errno
import json
import platform
import re
import secrets
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import av
from safetensors.torch import load_file, save
from torch import Tensor

from nst.core.files import replacing, write_json
from nst.core.places import fitted_name, is_locked, lock, unlock
from nst.errors import InputError
from nst.media.lossless import LosslessWriter, read_lossless
from nst.media.video_writer import FULL_DISK
from nst.stylize.record import hash_of, read_record

BLOCK = 1_000_000  # bytes of a file that are read at a time
OURS = re.compile(
    r"\d{8}\.(json|busy)|\.?\d{8}-[a-z]+(\.[0-9a-f]{8}\.part)?\.mkv|run\.json|codes\.(safetensors|new)"
    r"|\.(\d{8}|run|codes)\.[0-9a-f]+\.part\.(json|new)"  # of `replacing`
)
GONE = (errno.ENOENT, errno.ESTALE, errno.EIO)
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def parts_folder(output: Path) -> Path:
    """Return where the parts of an output are kept."""
    return output.with_name(fitted_name(output.name[:230], ".nst-parts"))


class Parts:
    """The folder of parts, `OUTPUT.nst-parts`; `record` says what run they are of.

    Args:
        record: of the run; where the folder is there already, its own is taken, and must be alike.
        hold: alone refuses other runs in it, together only those that want it alone; none does not
            look, for processes of a run that holds it.
        cure: what errors say is to be done to go on.

    Raises:
        InputError: the folder is somebody else's or cannot be made; another run is working in it.
    """

    def __init__(
        self,
        output: Path,
        record: dict[str, Any],
        hold: Literal["alone", "together", "none"] = "alone",
        cure: str = "give the command again with --resume",
    ) -> None:
        self.folder, self.cure = parts_folder(output), cure
        self._note = self.folder / "run.json"
        self._lock: int | None = None
        with self.explained():
            if not self._note.is_file():
                if hold == "none":
                    raise InputError(
                        f"{self.folder} is not to be seen from the machine {platform.node()}: the "
                        "output's folder must be shared by all of them"
                    )
                self._begin(record)
            if hold != "none":
                self._take_lock(shared=hold == "together")
        self.record = read_record(self._note)
        self.hash = hash_of(self.record)
        if hash_of(record) != self.hash:
            self.close()
            raise InputError(f"{self.folder} holds parts of another run: delete it, or rename it")

    def note(self, **facts: Any) -> None:
        """Write facts into the record."""
        self.record |= facts
        with self.explained():
            write_json(self._note, self.record)

    def finished(self) -> dict[int, int]:
        """Return the finished parts: number of the first frame -> that after the last."""
        firsts = [int(path.stem) for path in self.folder.glob("????????.json")]
        notes = {first: self._finished_note(first) for first in sorted(firsts)}
        return {first: note["stop"] for first, note in notes.items() if note}

    def has(self, first: int, stop: int) -> bool:
        """Tell whether a part is finished."""
        note = self._finished_note(first)
        return note is not None and note["stop"] == stop

    def finished_until(self) -> int:
        """Return the number of frames at the beginning that are finished without a gap."""
        found, stop = self.finished(), 0
        while stop in found:
            stop = found[stop]
        return stop

    @contextmanager
    def claimed(self, first: int) -> Iterator[bool]:
        """Tell whether a part is for this process to paint; no other gets it until this ends."""
        path = self.folder / f"{first:08d}.busy"
        with self.explained():
            path.touch()
            handle = lock(path)
            free = handle is not None or not is_locked(path)
        try:
            yield free
        finally:
            unlock(handle)

    @contextmanager
    def begun(self, first: int, depths: Mapping[str, int]) -> Iterator["PartWriter"]:
        """Give what takes the frames of a part; without its `keep` nothing of them stays.

        Args:
            depths: bits, 8 or 16, for each kind of image.
        """
        writer = PartWriter(self, first, depths)
        try:
            yield writer
        finally:
            writer.discard()

    def images(self) -> Iterator[dict[str, Tensor]]:
        """Yield the images (1, 3, H, W) of each frame, by kind, of all finished parts."""
        # To list the folder first lets a network's file system see what other machines wrote.
        self.finished()
        stop = 0
        while note := self._finished_note(stop):
            first, stop = stop, note["stop"]
            paths = {kind: self.file(first, kind) for kind in note["files"]}
            if any(_checksum(path) != note["files"][kind][1] for kind, path in paths.items()):
                (self.folder / f"{first:08d}.json").unlink()
                raise InputError(
                    f"{self.folder}: frames {first} to {stop - 1} are damaged on the disk and "
                    "have to be painted anew"
                )
            for images in zip(*map(read_lossless, paths.values()), strict=True):
                yield dict(zip(paths, images, strict=True))

    def shared_codes(self, make: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
        """Return the codes that all parts are painted with: those that one process made first.

        Args:
            make: what to keep where there are none yet; None only looks.
        """
        path = self.folder / "codes.safetensors"
        if make is not None and not path.is_file():
            new = self.folder / "codes.new"
            with self.explained():
                with replacing(new) as partial:
                    partial.write_bytes(save({k: v.contiguous().cpu() for k, v in make.items()}))
                    with suppress(OSError):  # it is there; or this disk has no links
                        path.hardlink_to(partial)
                if path.is_file():
                    new.unlink(missing_ok=True)
                else:
                    new.replace(path)
        return load_file(path) if path.is_file() else None

    def clean(self) -> None:
        """Remove what killed runs have left half done; only for who holds the folder alone."""
        for path in self.folder.glob(".*.part.mkv"):
            if OURS.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what this class wrote, and the folder where that leaves it empty."""
        names = sorted(p.name for p in self.folder.iterdir() if OURS.fullmatch(p.name))
        for name in sorted(names, key=lambda name: name == "run.json"):
            (self.folder / name).unlink(missing_ok=True)
        self.close()
        with suppress(OSError):
            self.folder.rmdir()

    def close(self) -> None:
        """Let other runs work in the folder."""
        unlock(self._lock)
        self._lock = None

    def __enter__(self) -> "Parts":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, record: dict[str, Any]) -> None:
        try:
            self.folder.mkdir()
        except FileExistsError:
            # An empty one was left by a run that was killed at once, or is being begun by another.
            if not self.folder.is_dir() or any(
                not OURS.fullmatch(path.name) for path in self.folder.iterdir()
            ):
                raise InputError(
                    f"{self.folder} is in the way and not of this program: rename it"
                ) from None
        write_json(self._note, record)

    def _finished_note(self, first: int) -> dict[str, Any] | None:
        """Return a part's note; None where it is not finished, or of other options."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads((self.folder / f"{first:08d}.json").read_text("utf-8"))
            sizes = {kind: self.file(first, kind).stat().st_size for kind in note["files"]}
            if (
                sizes == {kind: size for kind, (size, _) in note["files"].items()}
                and note["hash"] == self.hash
                and note["stop"] > first
            ):
                return note
        return None

    def _take_lock(self, shared: bool) -> None:
        self._lock = lock(self.folder, shared)
        if self._lock is None and is_locked(self.folder):
            raise InputError(
                f"{self.folder}: another run is working there; wait for it, or give another output"
            )

    def file(self, first: int, kind: str) -> Path:
        """Return where a part's images of a kind are."""
        return self.folder / f"{first:08d}-{kind}.mkv"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say in one line what has happened to the folder."""
        try:
            yield
        except (OSError, av.FFmpegError, InputError) as error:
            number = getattr(error.__cause__ or error, "errno", None)
            if number in FULL_DISK:
                message = f"{self.folder}: no space left on its disk; free some"
            elif number in GONE and not self.folder.is_dir():
                message = f"{self.folder} is gone; see that its disk is there"
            elif number in GONE + REFUSED:
                message = f"{self.folder} cannot be written; see to its disk and its rights"
            else:
                raise
            raise InputError(f"{message}, then {self.cure}: finished parts stay") from None


class PartWriter:
    """A part that is being written; `keep` makes it a finished one."""

    def __init__(self, parts: Parts, first: int, depths: Mapping[str, int]) -> None:
        self._parts, self.first, self._depths = parts, first, depths
        self.count = 0
        self._open: dict[str, tuple[Path, LosslessWriter]] = {}

    def write(self, images: Mapping[str, Tensor]) -> None:
        """Append a frame's images (1, 3, H, W), by kind."""
        with self._parts.explained():
            for kind, image in images.items():
                if kind not in self._open:
                    name = f".{self.first:08d}-{kind}.{secrets.token_hex(4)}.part.mkv"
                    path = self._parts.folder / name
                    self._open[kind] = path, LosslessWriter(path, self._depths[kind] == 16)
                self._open[kind][1].write(image)
        self.count += 1

    def keep(self) -> None:
        """Finish the part."""
        files = {}
        with self._parts.explained():
            for kind, (path, writer) in self._open.items():
                writer.close()
                files[kind] = path.stat().st_size, _checksum(path)
                path.replace(self._parts.file(self.first, kind))
            self._open = {}
            note = {"stop": self.first + self.count, "files": files, "hash": self._parts.hash}
            write_json(self._parts.folder / f"{self.first:08d}.json", note)

    def discard(self) -> None:
        """Leave nothing of an unfinished part."""
        for path, writer in self._open.values():
            with suppress(OSError, av.FFmpegError):
                writer.abort()
            with suppress(OSError):
                path.unlink()
        self._open = {}


def _checksum(path: Path) -> int:
    found = 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            found = zlib.crc32(block, found)
    return found
