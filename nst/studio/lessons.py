"""Training by the page: its command line, and what its log shows while it goes on."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst.core.files import make_folder
from nst.errors import InputError
from nst.options.train import TrainConfig
from nst.options.written import arguments_of
from nst.studio.files import STYLES, Files, numbered, safe_name

RECIPE = "auto"
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
    files: Files, name: str, pictures: list[str], photos: str, minutes: float, **machine: str
) -> Lesson:
    """Return the run that learns pictures as styles.

    Args:
        name: of the checkpoint.
        pictures: the page's names of the style pictures.
        photos: that of a folder of photos; an empty text takes photos that are included.
        minutes: how long to train.
        machine: device and precision.

    Raises:
        InputError: there is nothing to learn, or a value is out of its range.
    """
    if not pictures:
        raise InputError("drop at least one picture to learn")
    stem = safe_name(name or Path(pictures[0]).stem)
    roots = numbered(files.output_dir / "lessons", stem)
    root = next(root for root in roots if not root.exists())
    output = files.roots[STYLES] / f"{root.name}.safetensors"
    styles, contents = root / "styles", files.path(photos) if photos else root / "photos"
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
        loss_net="small",  # which is included: nothing has to be fetched
        **machine,  # type: ignore[arg-type]
    )
    sources = [files.path(name) for name in pictures]
    for folder in (root.parent, root, styles, contents):
        make_folder(folder)
    for path in sources:
        shutil.copy(path, styles / path.name)
    for path in () if photos else _included():
        shutil.copy(path, contents / path.name)
    arguments = ["train", "--config", RECIPE, *arguments_of(config)]
    return Lesson(arguments, output, output.with_suffix(".state.pt"))


def _included() -> list[Path]:
    import skimage  # late: it is slow to import

    folder = Path(skimage.__file__).parent / "data"
    return [folder / name for name in INCLUDED]


class LessonLog:
    """What a training run's log shows.

    `losses` has each loss by its name, as (step, value); `sheet` is the newest sheet, with its step
    and a PNG file of photos and styles, and None before the first.
    """

    def __init__(self, folder: Path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        self._events = EventAccumulator(str(folder), {"scalars": 500, "images": 1})
        self.losses: dict[str, list[tuple[int, float]]] = {}
        self.sheet: tuple[int, bytes] | None = None
        self.read()

    def read(self) -> None:
        """Read what has come since."""
        self._events.Reload()
        tags: Any = self._events.Tags()
        names = [tag for tag in tags["scalars"] if tag.startswith("loss/")]
        self.losses = {
            name.removeprefix("loss/"): [(e.step, e.value) for e in self._events.Scalars(name)]
            for name in names
        }
        if "held_out" in tags["images"]:
            newest = self._events.Images("held_out")[-1]
            self.sheet = newest.step, newest.encoded_image_string
