"""Names of results that the user gave no name: in the current folder, never over anything."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from glob import escape
from itertools import count
from pathlib import Path

from nst.core.places import numbered_name
from nst.errors import InputError
from nst.media.images import WRITABLE
from nst.models.checkpoint import styles_in
from nst.options.optimize import OPTIMIZE
from nst.options.stylize import PictureConfig
from nst.styles.spec import ORIGINAL, parse_style


@contextmanager
def new_place(stem: str, ending: str, beside: Iterable[str] = ()) -> Iterator[Path]:
    """Give the path of a new file, or of a new folder when there is no ending.

    Where the plain name is taken it gets the first free number: `wave.png`, `wave-2.png`. File or
    folder are made at once, empty, so that two runs never take the same name, and are deleted when
    nothing has been written to them.

    Args:
        beside: endings of what is written beside the file; these names must be free too.

    Raises:
        InputError: the current folder cannot be written.
    """
    path = next(filter(None, (_made(stem, ending, beside, number) for number in count(1))))
    try:
        yield path
    finally:
        with suppress(OSError):  # of a folder that is not empty
            if path.is_dir():
                path.rmdir()
            elif not path.stat().st_size:
                path.unlink()


def _made(stem: str, ending: str, beside: Iterable[str], number: int) -> Path | None:
    """Make the file or folder of a number; None where the name is taken."""
    path, *others = (numbered(stem, end, number) for end in (ending, *beside))
    if any(os.path.lexists(other) for other in others):
        return None
    try:
        path.touch(exist_ok=False) if ending else path.mkdir()
    except FileExistsError:
        return None
    except OSError as error:
        raise InputError(
            f"{path} cannot be written in this folder ({error.strerror}): give --output"
        ) from None
    return path


def numbered(stem: str, ending: str, number: int) -> Path:
    """Return the path of the first, second, ... result of a kind, here."""
    return Path(numbered_name(stem, ending, number))


def last_unfinished(stem: str, ending: str, state: str) -> Path | None:
    """Return the result of a name here whose run was interrupted last; None where there is none.

    Args:
        state: ending of the file that an interrupted run leaves.
    """
    name = re.compile(rf"{re.escape(stem)}(-\d+)?{re.escape(state)}")
    states = [path for path in Path().glob(f"{escape(stem)}*{state}") if name.fullmatch(path.name)]
    last = max(states, key=lambda path: path.stat().st_mtime, default=None)
    return last and last.with_name(last.name.removesuffix(state) + ending)


def painted_place(config: PictureConfig) -> AbstractContextManager[Path]:
    """Give the path of the picture or folder to write: the given one, or a new one.

    Raises:
        InputError: there is no content, or the current folder cannot be written.
    """
    if config.output is not None:
        return nullcontext(config.output)
    if not config.content_path.exists():
        raise InputError(f"no file {config.content_path}: check --content-path")
    stem, ending = painted_name(config)
    return new_place(stem, ending, [".json"] if ending and config.method == OPTIMIZE else [])


def painted_name(config: PictureConfig) -> tuple[str, str]:
    """Return stem and ending of a painted picture: the content's name and the style's.

    A folder of pictures becomes a folder, which has no ending. A kind of picture that cannot be
    written becomes PNG.
    """
    content = Path(os.path.abspath(config.content_path))
    style = "+".join(dict.fromkeys(_style_names(config)))
    if content.is_dir():
        return f"{content.name}-{style}", ""
    ending = content.suffix if content.suffix.lower() in WRITABLE else ".png"
    return f"{content.stem}-{style}", ending


def _style_names(config: PictureConfig) -> list[str]:
    """Return the names of the styles that the options ask for."""
    if config.style_path or config.method == OPTIMIZE:
        return [path.stem for path in config.style_path or ()]
    texts = [config.style, *(text.partition("=")[2] for text in config.region)]
    styles = [style for text in texts if text for style, _ in parse_style(text).weights]
    styles = [style for style in styles if style != ORIGINAL]
    if not styles:
        styles = styles_in(config.checkpoint or "fast")[:1]
    return [style.stem if isinstance(style, Path) else style for style in styles]
