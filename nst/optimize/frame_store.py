"""The frames of an unfinished video on disk: what came in and what each pass has made of it.

A frame's result is used only as it is on disk, in 8 bits. So a run that goes on where another
stopped comes to the same end.
"""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor

from nst.core.files import make_folder, write_json
from nst.errors import InputError
from nst.media.frames import Frame
from nst.media.images import load_image, save_image
from nst.options.stylize import VideoConfig

# What may differ between a run and the one that goes on with it.
FREE = ("resume", "quiet")


class FrameStore:
    """A folder beside the output: `input/`, `pass1/` ... and `run.json`.

    Raises:
        InputError: --resume finds nothing or another run; without it, an unfinished run is there.
    """

    def __init__(self, config: VideoConfig):
        output = config.output_video
        self.folder = output.with_name(f"{output.stem}.frames")
        self._run = self.folder / "run.json"
        options = {k: v for k, v in asdict(config).items() if k not in FREE}
        self._options = json.loads(json.dumps(options, default=str))
        if config.resume:
            self._load(config)
            return
        if self._run.is_file():
            raise InputError(
                f"{self.folder} holds an unfinished run: give --resume, or delete that folder"
            )
        self.times: list[tuple[int, int]] = []
        self.shots = [0]

    def _load(self, config: VideoConfig) -> None:
        try:
            run = json.loads(self._run.read_text("utf-8"))
            before, self.shots = run["options"], run["shots"]
            self.times = [(pts, duration) for pts, duration in run["times"]]
        except FileNotFoundError:
            raise InputError(f"--resume found no {self._run}: start the run without it") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._run} cannot be read: delete {self.folder}") from error
        for name, value in self._options.items():
            if before.get(name) != value:
                raise InputError(
                    f"--resume: {name} was {before.get(name)} and is {value}; give the same options"
                )

    def take_in(self, frames) -> None:
        """Keep the frames of a video, from an iterable of Frame."""
        shutil.rmtree(self.folder, ignore_errors=True)
        make_folder(self.folder)
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
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, part: str, number: int) -> Path:
        return self.folder / part / f"{number:06d}.png"

    def _save(self) -> None:
        run = {"options": self._options, "shots": self.shots, "times": self.times}
        write_json(self._run, run)
