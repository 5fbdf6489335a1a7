"""The pictures to paint: all checked before the first is painted, then read one by one."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from nst.core.progress import warn
from nst.errors import InputError
from nst.media.images import WITH_ALPHA, check_size, load_image, load_image_and_alpha
from nst.media.picture_reader import read_pixels

Job = tuple[Path, Path, Path | None]


def usable(
    jobs: Sequence[Job],
    long_side: int | None,
    size_of: Callable[[tuple[int, int], Path], tuple[int, int]],
) -> list[tuple[Job, tuple[int, int]]]:
    """Return the jobs whose pictures can be painted, each with the (height, width) to work at.

    One that cannot be read is left out with a warning, if there are others.

    Args:
        jobs: a picture, what it becomes, and where its masks are written, if they are.
        size_of: the working size by a picture's own size and its path.

    Raises:
        InputError: none of them can be painted, or a result would be too large for its kind.
    """
    found, errors = [], []
    for job in jobs:
        source, *targets = job
        try:
            size = size_of(read_pixels(source, long_side).size, source)
        except InputError as error:
            if len(jobs) == 1:
                raise
            errors.append(error)
            continue
        for target in filter(None, targets):
            check_size(target, size)
        found.append((job, size))
    if not found:
        raise InputError(f"none of {len(jobs)} pictures can be painted: {errors[0]}")
    for error in errors:
        warn(f"left out: {error}")
    return found


def left_out(jobs: Sequence[tuple], chosen: Sequence[tuple[Job, object]]) -> tuple[Path, ...]:
    """Return the pictures of `jobs` that `usable` did not choose."""
    sources = {source for (source, *_), _ in chosen}
    return tuple(source for source, *_ in jobs if source not in sources)


def read_content(source: Path, target: Path, long_side: int | None) -> tuple[Tensor, Tensor | None]:
    """Read a picture to paint, (1, 3, H, W), and the alpha that its result gets, (1, 1, H, W).

    The alpha is None where all is opaque, or where the target cannot hold it: then the picture lies
    on white. A large picture may come reduced, as by `read_pixels`.
    """
    if target.suffix.lower() in WITH_ALPHA:
        return load_image_and_alpha(source, long_side)
    return load_image(source, long_side), None
