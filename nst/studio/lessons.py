"""Training by the page: its command line, and what its log shows while it goes on."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst.core.files import make_folder
from nst.errors import InputError
from nst.options.train import TrainConfig
from nst.options.written import arguments_of
from nst.studio.files import Files, safe_name

RECIPE = "new_style"
# Steps between two entries of the log, and between two sheets: a run of minutes shows several.
LOG_EVERY, VALIDATE_EVERY = 5, 50
HOLDOUT = 2  # photos of the sheet
# Photos of scikit-image's that are learned on where no folder of photos is given.
INCLUDED = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


@dataclass(frozen=True)
class Lesson:
    """A training run: its arguments, the checkpoint it writes, and the state it can resume from."""

    arguments: list[str]
    output: Path
    state: Path


def new_lesson(
    files: Files, name: str, pictures: list[str], photos: list[str], minutes: float, **machine: str
) -> Lesson:
    """Return the run that learns pictures as styles.

    Args:
        name: of the checkpoint.
        pictures: the page's names of the style pictures.
        photos: those of the photos, or of folders of them; none takes photos that are included.
        minutes: how long to train.
        machine: device and precision.

    Raises:
        InputError: there is nothing to learn, or a value is out of its range.
    """
    if not pictures:
        raise InputError("drop at least one picture to learn")
    stem = safe_name(name or Path(pictures[0]).stem)
    root = next(
        root
        for number in range(1, 10_000)
        for root in [files.output_dir / "lessons" / (f"{stem}-{number}" if number > 1 else stem)]
        if not root.exists()
    )
    output = files.roots["styles"] / f"{root.name}.safetensors"
    styles, contents = root / "styles", root / "photos"
    config = TrainConfig(
        content_dir=contents,
        style_dir=styles,
        output=output,
        minutes=minutes,
        log_dir=root / "log",
        log_every=LOG_EVERY,
        validate_every=VALIDATE_EVERY,
        save_every=VALIDATE_EVERY,
        holdout=HOLDOUT,
        **machine,  # type: ignore[arg-type]
    )
    sources = [files.path(name) for name in pictures]
    given = [files.path(name) for name in photos]
    for folder in (root.parent, root, styles, contents):
        make_folder(folder)
    for path in sources:
        shutil.copy(path, styles / path.name)
    for path in given or _included():
        if path.is_dir():
            (contents / path.name).symlink_to(path, target_is_directory=True)
        else:
            shutil.copy(path, contents / path.name)
    arguments = ["train", "--config", RECIPE, *arguments_of(config)]
    return Lesson(arguments, output, output.with_suffix(".state.pt"))


def _included() -> list[Path]:
    import skimage  # late: it is slow to import

    folder = Path(skimage.__file__).parent / "data"
    return [folder / name for name in INCLUDED]


class LessonLog:
    """The losses and the sheet in a training run's log, read anew when it has grown."""

    def __init__(self, folder: Path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        self._events = EventAccumulator(str(folder), {"scalars": 500, "images": 1})
        self._events.Reload()

    def losses(self) -> dict[str, list[tuple[int, float]]]:
        """Return each loss by its name, as (step, value)."""
        self._events.Reload()
        names = [tag for tag in self._events.Tags()["scalars"] if tag.startswith("loss/")]
        return {
            name.removeprefix("loss/"): [(e.step, e.value) for e in self._events.Scalars(name)]
            for name in names
        }

    def sheet(self) -> tuple[int, bytes] | None:
        """Return the newest sheet, a PNG file of photos and styles, with its step; None before."""
        self._events.Reload()
        if "held_out" not in self._events.Tags()["images"]:
            return None
        newest: Any = self._events.Images("held_out")[-1]
        return newest.step, newest.encoded_image_string
