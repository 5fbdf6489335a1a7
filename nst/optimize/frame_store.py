"""The frames of an unfinished video on disk: what came in and what each pass has made of it.

A frame's result is used only as it is on disk, in 8 bits. So a run that goes on where another
stopped comes to the same end.
"""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from nst.core.files import make_folder, write_json
from nst.core.places import fitted_name, is_locked, lock, unlock
from nst.errors import InputError
from nst.media.frames import Frame
from nst.media.images import load_image, save_image
from nst.options.stylize import VideoConfig
from nst.options.unfinished import options_of, refuse_other_options

# What may differ between a run and the one that goes on with it.
FREE = ("resume", "quiet")
# The folder's mark: only what holds it is read, written or removed.
MADE_BY = "nst: the frames of an unfinished video"


class FrameStore:
    """A folder beside the output, `OUTPUT.nst-unfinished`: `input/`, `pass1/` ... and `run.json`.

    It is made new, and only what this class wrote is ever removed from it.

    Raises:
        InputError: --resume finds nothing or another run; without it, an unfinished run is there;
            a folder of that name is somebody else's; another run is working in it.
    """

    def __init__(self, config: VideoConfig):
        output = config.output_video
        self.folder = output.with_name(fitted_name(output.name[:230], ".nst-unfinished"))
        self._run = self.folder / "run.json"
        self._options = options_of(config, FREE)
        self.times: list[tuple[int, int]] = []
        self.shots = [0]
        self._lock: int | None = None
        if config.resume:
            self._load()
        elif self._is_ours() and self._read()["times"]:
            raise InputError(
                f"{self.folder} holds an unfinished run: give --resume, or delete that folder"
            )

    def take_in(self, frames: Iterable[Frame]) -> None:
        """Keep the frames of a video."""
        if self._is_ours():  # left by a run that was stopped before it had painted anything
            self._take_lock()
            self.remove()
        try:
            self.folder.mkdir()
        except FileExistsError:
            raise InputError(
                f"{self.folder} is in the way and not of this program: rename it"
            ) from None
        except OSError as error:
            raise InputError(f"cannot make the folder {self.folder}: {error.strerror}") from error
        self._save()
        self._take_lock()
        make_folder(self.folder / "input")
        for number, frame in enumerate(frames):
            save_image(frame.image, self._path("input", number))
            self.times.append((frame.pts, frame.duration))
        self._save()

    def begin_shot(self, number: int) -> None:
        """Note that another shot begins here."""
        if number not in self.shots:
            self.shots.append(number)
            self._save()

    def shot_of(self, number: int) -> int:
        """Return the number of the first frame of this one's shot."""
        return max(shot for shot in self.shots if shot <= number)

    def content(self, number: int) -> Tensor:
        """Return a frame as it came in."""
        return load_image(self._path("input", number))

    def has(self, turn: int, number: int) -> bool:
        """Tell whether a pass, 1 for the first, has finished a frame."""
        return self._path(f"pass{turn}", number).is_file()

    def result(self, turn: int, number: int) -> Tensor:
        """Return what a pass made of a frame."""
        return load_image(self._path(f"pass{turn}", number))

    def keep(self, turn: int, number: int, image: Tensor) -> None:
        """Put a result on the disk."""
        path = self._path(f"pass{turn}", number)
        path.parent.mkdir(exist_ok=True)
        save_image(image, path)

    def frame(self, turn: int, number: int) -> Frame:
        """Return a result with its time."""
        pts, duration = self.times[number]
        return replace(Frame(self.result(turn, number), pts), duration=duration)

    def remove(self) -> None:
        """Remove what this class wrote, and the folder where that leaves it empty."""
        self.close()
        for part in self.folder.iterdir():
            if (
                part.is_dir()
                and not part.is_symlink()
                and re.fullmatch(r"input|pass\d+", part.name)
            ):
                for file in part.iterdir():
                    if re.fullmatch(r"\d{6,}\.png", file.name):
                        file.unlink()
                with suppress(OSError):
                    part.rmdir()
        self._run.unlink()
        with suppress(OSError):
            self.folder.rmdir()

    def close(self) -> None:
        """Let other runs work in the folder."""
        unlock(self._lock)
        self._lock = None

    def __enter__(self) -> "FrameStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> None:
        if not self._run.is_file():
            raise InputError(f"--resume found no {self._run}: start the run without it")
        try:
            run = self._read()
            before, self.shots = run["options"], run["shots"]
            self.times = [(pts, duration) for pts, duration in run["times"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._run} cannot be read: delete {self.folder}") from error
        refuse_other_options(before, self._options, "--resume")
        self._take_lock()

    def _is_ours(self) -> bool:
        try:
            self._read()
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return True

    def _read(self) -> dict:
        run = json.loads(self._run.read_text("utf-8"))
        if run["made_by"] != MADE_BY:
            raise ValueError(f"{self._run} is not of this program")
        return run

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        if is_locked(self.folder):
            raise InputError(f"{self.folder}: another run is working there; give another output")
        self._lock = lock(self.folder)

    def _path(self, part: str, number: int) -> Path:
        return self.folder / part / f"{number:06d}.png"

    def _save(self) -> None:
        run = {"made_by": MADE_BY, "options": self._options}
        write_json(self._run, run | {"shots": self.shots, "times": self.times})
