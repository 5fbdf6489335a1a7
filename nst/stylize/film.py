"""A long video in one pass, part by part: what is painted stays painted, whatever happens.

The parts are kept exactly and joined when all are there, so the result is that of a run without a
break. See `parts` for what is kept, `pipeline` for why a part needs nothing of the ones before.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple, replace
from itertools import pairwise, zip_longest

from nst.core.device import choose_device
from nst.core.files import write_json
from nst.core.progress import OnProgress, collected_warnings, tracked, warn
from nst.core.reports import Figures, VideoReport
from nst.core.threads import in_background
from nst.errors import InputError
from nst.media.camera import is_live
from nst.media.frames import OnFrame
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.stylize.parts import PART_FRAMES, Parts, check_same_run, parts_folder, read_record
from nst.stylize.pipeline import Source, painted, remembers
from nst.stylize.session import Session, check_writable, opened_session, paint_shot, space
from nst.stylize.shots import Shot, divide, divide_freely, find_cuts
from nst.stylize.videos import Writers, measurement, written
from nst.stylize.workers import paint_with_workers

# From this length on parts are kept unasked, where they take less than half of the free space.
KEPT_FROM_SECONDS = 120
# Between two tries to paint what another process has begun.
WAIT_SECONDS = 0.5


def keeps_parts(config: VideoConfig, on_frame: OnFrame | None) -> bool:
    """Tell whether a video is painted part by part: it is wanted, or long, with room for them."""
    if config.resume or config.workers:
        return True
    if config.output_video is None or on_frame or config.show or is_live(str(config.input_video)):
        return False
    with Source(config) as source:
        info = source.info
    if info.frames is None or info.frames / info.rate < KEPT_FROM_SECONDS:
        return False
    folder = config.output_video.absolute().parent
    needed = space(info, info.frames, {"video": 8})
    return folder.is_dir() and 2 * needed < shutil.disk_usage(folder).free


def paint_film(
    config: VideoConfig, on_frame: OnFrame | None = None, on_progress: OnProgress | None = None
) -> VideoReport:
    """Stylize a video part by part, going on with what an earlier run has finished.

    Args:
        on_frame: must be None: frames are not shown as they are painted.
        on_progress: is told how many frames are done.

    Raises:
        InputError: something the user gave is wrong, or the disk gave up; finished parts stay.
    """
    begun = time.perf_counter()
    check_writable(config, on_frame, "--workers" if config.workers else "--resume")
    workers = config.workers or 1
    with (
        collected_warnings() as warned,
        opened_session(config, _kept_record(config), "alone", on_progress) as session,
    ):
        parts = session.parts
        parts.clean()
        painting, before = time.perf_counter(), parts.finished_until()
        try:
            if workers > 1 and session.shots is None and parts.record["frames"] is None:
                note_shots(session)
            if session.shots is not None:
                paint_shots(session, session.shots, workers)
            elif parts.record["frames"] is None:
                _paint_on(session, before)
            else:  # all were painted, and damaged ones are to be painted again
                paint_shots(session, _gaps(parts), workers)
            spent = time.perf_counter() - painting
            figures, writers = join(session)
        except KeyboardInterrupt:
            if parts.finished():
                warn(f"finished parts are kept in {parts.folder}: --resume goes on with them")
            raise
        parts.remove()
    count = parts.record["frames"] - before
    return film_report(session, writers, count, spent, begun, figures, warned)


def film_report(
    session: Session,
    writers: Writers,
    painted: int,
    spent: float,
    begun: float,
    figures: Figures,
    warned: list[str],
) -> VideoReport:
    """Return what is to be said of a video that was joined.

    Args:
        writers: of what was written.
        painted, spent: frames painted in this run, and the seconds for that.
        begun: when the run began, by `time.perf_counter`.
    """
    return VideoReport(
        output=writers.video.path if writers.video else None,
        frames=session.parts.record["frames"],
        size=session.source.info.size,
        seconds=time.perf_counter() - begun,
        fps=painted / max(spent, 1e-9),
        figures=figures,
        warnings=tuple(warned),
        masks=writers.masks.path if writers.masks else None,
        compare=writers.compare.path if writers.compare else None,
    )


def find_shots(session: Session, first: int = 0) -> tuple[list[Shot], int]:
    """Return the shots of a video from a frame on, and the number of all its frames."""
    config, source = session.config, session.source
    frames, total = source.frames(first), source.info.frames
    if remembers(config, session.checkpoint.grain, session.styles.regions):
        flow = FlowEstimator(config.flow, config.flow_long_side, choose_device(config.device))
        cuts, count = find_cuts(frames, flow, total, session.on_progress)
        shots = divide(cuts, count, PART_FRAMES)
    else:
        count = sum(1 for _ in tracked(frames, "counting", total, "frame", session.on_progress))
        shots = divide_freely(count)
    return [Shot(first + s.first, first + s.stop, s.run_in) for s in shots], first + count


def note_shots(session: Session) -> None:
    """Find the shots of what is not painted yet and write them into the parts' record."""
    parts = session.parts
    done = sorted(item for item in parts.finished().items() if item[0] < parts.finished_until())
    rest, total = find_shots(session, parts.finished_until())
    if any(shot.run_in for shot in rest):
        warn_of_run_ins()
    shots = [Shot(first, stop) for first, stop in done] + rest
    parts.note(shots=[astuple(shot) for shot in shots], frames=total)


def warn_of_run_ins() -> None:
    """Say that the result is not quite that of a run in one go."""
    warn(
        "shots of more than two minutes or so are divided: where the pieces meet, strokes may "
        "differ a little from those of a run in one go"
    )


def paint_shots(session: Session, shots: list[Shot], workers: int = 1, wait: bool = True) -> int:
    """Paint those of some shots that are not finished; return how many frames that were.

    Args:
        wait: for those that another process is painting, until it has finished or is gone.
    """
    parts = session.parts
    pending = [shot for shot in shots if not parts.has(shot.first, shot.stop)]
    total = sum(shot.stop - shot.first for shot in shots)
    done = before = total - sum(shot.stop - shot.first for shot in pending)
    tell = session.teller("stylizing", done, total)
    if workers > 1 and len(pending) > 1:
        paint_with_workers(session, shots, min(workers, len(pending)), tell)
        return total - before
    while pending:
        left = []
        for shot in pending:
            with parts.claimed(shot.first) as free:
                if free and not parts.has(shot.first, shot.stop):
                    paint_shot(session, shot, tell, done)
                elif not free:
                    left.append(shot)
                    continue
            done += shot.stop - shot.first
        if len(left) == len(pending):
            if not wait:
                break
            time.sleep(WAIT_SECONDS)
        pending = left
    return done - before


def _kept_record(config: VideoConfig) -> dict | None:
    """Return the record of the run to go on with; None where there is none."""
    note = parts_folder(config.output_video) / "run.json"
    if not note.is_file():
        return None
    record = read_record(note)
    if config.resume:
        check_same_run(record, config, "--resume")
        return record
    if any(note.parent.glob("????????.json")):
        raise InputError(
            f"{note.parent} holds an unfinished run: give --resume, or delete that folder"
        )
    # Left by a run that was stopped before it had finished a part.
    with Parts(config.output_video, record) as left:
        left.remove()
    return None


def _gaps(parts: Parts) -> list[Shot]:
    """Return what is missing between finished parts."""
    found = parts.finished()
    edges = sorted({*found, *found.values(), 0, parts.record["frames"]})
    return [Shot(first, stop) for first, stop in pairwise(edges) if first not in found]


def _paint_on(session: Session, first: int) -> None:
    """Paint from a frame on to the video's end; each part ends at a cut, where it is kept."""
    parts, source = session.parts, session.source
    tell = session.teller("stylizing", first, source.info.frames)
    stop = first
    with painted(source, session.paint, session.styles, first) as frames, ExitStack() as stack:
        writer = None
        for number, frame in enumerate(frames, first):
            if writer and frame.fresh and writer.count >= PART_FRAMES:
                writer.keep()
                stack.close()
                writer = None
            if writer is None:
                writer = stack.enter_context(parts.begun(number, session.depths))
            writer.write(session.images(frame))
            stop = number + 1
            tell(stop)
        if writer:
            writer.keep()
    parts.note(frames=stop)


def join(session: Session) -> tuple[Figures, Writers]:
    """Write the video from its parts, with the source's times and sound.

    Returns:
        Its figures, and the files written.
    """
    config, parts = session.config, session.parts
    device = choose_device(config.device)
    measured = measurement(config, session.checkpoint, session.styles, device)
    total = parts.record["frames"]
    tell = session.teller("joining", 0, total)
    with (
        in_background(session.source.frames()) as originals,
        in_background(parts.images()) as kept,
        written(config, session.source.info, device) as writers,
    ):
        for number, (original, images) in enumerate(_paired(originals, kept, total), 1):
            images = {kind: image.to(device) for kind, image in images.items()}
            result = replace(original, image=images["video"])
            writers.write(original, result, images.get("masks"))
            measured.add(original.image, result.image, images.get("alone"))
            tell(number)
    figures = measured.figures()
    if config.report:
        write_json(config.report, figures)
    return figures, writers


def _paired(originals: Iterator, kept: Iterator, total: int) -> Iterator[tuple]:
    for number, (original, images) in enumerate(zip_longest(originals, kept)):
        if original is None or images is None:
            what = "the input has" if original is None else "the parts have"
            raise InputError(f"{what} {number} of {total} frames only: give --resume once more")
        yield original, images
