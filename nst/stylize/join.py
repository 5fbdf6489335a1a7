"""The painted parts of a video put together, with the source's times and its sound."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from nst.core.device import choose_device
from nst.core.places import remove_left_behind
from nst.core.threads import in_background
from nst.errors import InputError
from nst.losses.video_metrics import Measurement
from nst.stylize.session import Session
from nst.stylize.videos import Writers, measurement, written


def join(session: Session) -> tuple[Measurement, Writers]:
    """Write the video from its parts; it appears when it is whole, and not at all otherwise.

    Returns:
        What measured it, and the files written.

    Raises:
        InputError: the output cannot be written, or parts are damaged; the sound ones stay.
    """
    config, parts = session.config, session.parts
    device = choose_device(config.device)
    measured = measurement(config, session.checkpoint, session.styles, device)
    total = parts.record["frames"]
    tell = session.teller("joining", 0, total)
    for name in parts.record.get("writing", ()):
        remove_left_behind(Path(name))  # by a join that was killed
    try:
        with (
            in_background(session.source.frames()) as originals,
            in_background(parts.images()) as kept,
            written(config, session.source.info, device) as writers,
        ):
            parts.note(writing=[str(path.absolute()) for path in writers.unfinished()])
            try:
                for number, (original, images) in enumerate(_paired(originals, kept, total), 1):
                    images = {kind: image.to(device) for kind, image in images.items()}
                    result = replace(original, image=images["video"])
                    writers.write(original, result, images.get("masks"))
                    measured.add(original.image, result.image, images.get("alone"))
                    tell(number)
            except KeyboardInterrupt:  # otherwise what is written so far would appear
                writers.discard()
                raise
    except InputError as error:
        raise InputError(f"{error}; finished parts stay in {parts.folder}: {parts.cure}") from error
    return measured, writers


def _paired(originals: Iterator, kept: Iterator, total: int) -> Iterator[tuple]:
    for number, (original, images) in enumerate(zip_longest(originals, kept)):
        if original is None or images is None:
            what = "the input has" if original is None else "the parts have"
            raise InputError(f"{what} {number} of {total} frames only")
        yield original, images
