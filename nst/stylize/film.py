"""A long video in one pass, part by part: what is painted stays painted, whatever happens.

The parts are kept exactly and joined when all are there, so the result is that of a run without a
break. See `parts` for what is kept, `pipeline` for why a part needs nothing of the ones before.
"""

import shutil
import time
from contextlib import ExitStack
from dataclasses import astuple, replace
from itertools import pairwise

from nst.core.device import choose_device
from nst.core.progress import OnProgress, collected_warnings, tracked, warn
from nst.core.reports import VideoReport
from nst.errors import InputError
from nst.media.camera import is_live
from nst.media.frames import OnFrame
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.stylize.join import join
from nst.stylize.paint import read_styles
from nst.stylize.parts import Parts, parts_folder
from nst.stylize.pipeline import Source, remembers
from nst.stylize.ray_workers import connected, paint_on_ray
from nst.stylize.record import check_same_run, read_record
from nst.stylize.session import (
    Session,
    check_writable,
    kept_depths,
    opened_session,
    paint_shot,
    space,
)
from nst.stylize.shots import MIN_FRAMES, Shot, divide, divide_freely, find_cuts
from nst.stylize.videos import written_report
from nst.stylize.workers import paint_with_workers, worker_count

# From this length on parts are kept unasked, where they take less than half of the free space.
KEPT_FROM_SECONDS = 120
# Between two tries to paint what another process has begun.
WAIT_SECONDS = 0.5


def keeps_parts(config: VideoConfig, on_frame: OnFrame | None) -> bool:
    """Tell whether a video is painted part by part: it is wanted, or long, with room for them."""
    if config.resume or config.workers or config.ray:
        return True
    if config.output_video is None or on_frame or config.show or is_live(str(config.input_video)):
        return False
    with Source(config) as source:
        info = source.info
    if info.frames is None or info.frames / info.rate < KEPT_FROM_SECONDS:
        return False
    folder = config.output_video.absolute().parent
    # An encoder that is named may take more than 8 bits.
    depths = kept_depths(config, 16 if config.codec or config.pix_fmt else 8)
    needed = space(info, info.frames, depths)
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
    given = {"--ray": config.ray, "--workers": config.workers}
    check_writable(config, on_frame, next((flag for flag in given if given[flag]), "--resume"))
    if config.resume and (report := joined_before(config)):
        return report
    with (
        connected(config.ray),
        collected_warnings() as warned,
        opened_session(config, _kept_record(config), "alone", on_progress) as session,
    ):
        parts = session.parts
        parts.clean()
        _warn_of_space(session)
        painting = time.perf_counter()
        try:
            painted = _paint_all(session)
            spent = time.perf_counter() - painting
            measured, writers = join(session)
        except KeyboardInterrupt:
            if parts.finished():
                warn(f"finished parts are kept in {parts.folder}: --resume goes on with them")
            elif session.shots is None:
                parts.remove()  # it holds nothing
            raise
        size = session.source.info.size
        report = written_report(session.config, measured, writers, size, painted, spent)
        parts.note(joined=size)
        parts.remove()
    return replace(report, seconds=time.perf_counter() - begun, warnings=tuple(warned))


def joined_before(config: VideoConfig) -> VideoReport | None:
    """Finish what a run left that was killed when its video was whole; None where none was."""
    note = parts_folder(config.output_video) / "run.json"
    record = read_record(note) if note.is_file() else {}
    if not record.get("joined") or not config.output_video.exists():
        return None
    with Parts(config.output_video, record) as left:
        left.remove()
    size = tuple(record["joined"])
    return VideoReport(config.output_video, record["frames"], size, seconds=0.0, fps=0.0)


def find_shots(session: Session, first: int = 0) -> tuple[list[Shot], int]:
    """Return the shots of a video from a frame on, and the number of all its frames."""
    config, source = session.config, session.source
    total, tell = source.info.frames, session.on_progress
    if remembers(config, session.checkpoint.grain, session.styles.regions):
        flow = FlowEstimator(config.flow, config.flow_long_side, choose_device(config.device))
        cuts, count = find_cuts(source.frames(first), flow, total, tell)
        shots = divide(cuts, count, MIN_FRAMES)
    else:
        numbers = tracked(source.counted(first), "counting", total, "frame", tell)
        count = sum(1 for _ in numbers)
        shots = divide_freely(count)
    if any(shot.run_in for shot in shots):
        warn(
            "shots of more than two minutes or so are divided: where the pieces meet, strokes may "
            "differ a little from those of a run in one go"
        )
    return [Shot(first + s.first, first + s.stop, s.run_in) for s in shots], first + count


def paint_shots(session: Session, shots: list[Shot], wait: bool = True) -> int:
    """Paint those of some shots that are not finished; return how many frames that were.

    Args:
        wait: for those that another process is painting, until it has finished or is gone.
    """
    parts = session.parts
    pending = [shot for shot in shots if not parts.has(shot.first, shot.stop)]
    total = sum(shot.stop - shot.first for shot in shots)
    done = total - sum(shot.stop - shot.first for shot in pending)
    tell = session.teller("stylizing", done, total)
    workers = min(worker_count(session.config), len(pending))
    learns = session.config.keyframe or session.styles.pictures
    if learns and pending and (session.config.ray or workers > 1):
        _ = session.paint  # learned here, once, and not by each worker
    if session.config.ray and pending:
        return paint_on_ray(session, pending, lambda count: tell(done + count))
    if workers > 1:
        return paint_with_workers(session, pending, workers, lambda count: tell(done + count))
    painted = 0
    while pending:
        left = []
        for shot in pending:
            with parts.claimed(shot.first) as free:
                if not free:
                    left.append(shot)
                    continue
                if not parts.has(shot.first, shot.stop):
                    for count in paint_shot(session, shot):
                        tell(done + count)
                    painted += shot.stop - shot.first
            done += shot.stop - shot.first
        if len(left) == len(pending):
            if not wait:
                break
            time.sleep(WAIT_SECONDS)
        pending = left
    return painted


def _kept_record(config: VideoConfig) -> dict | None:
    """Return the record of the run to go on with; None where there is none."""
    note = parts_folder(config.output_video) / "run.json"
    if not note.is_file():
        return None
    record = read_record(note)
    if config.resume and not record.get("joined"):
        check_same_run(record, config, read_styles(config), "--resume")
        return record
    if not record.get("joined") and any(note.parent.glob("????????.json")):
        raise InputError(
            f"{note.parent} holds an unfinished run: give --resume, or delete that folder"
        )
    # Left by a run that was stopped before it had finished a part, or when all was joined.
    with Parts(config.output_video, record) as left:
        left.remove()
    return None


def _warn_of_space(session: Session) -> None:
    """Say it beforehand where the parts may not find room."""
    parts, info = session.parts, session.source.info
    if info.frames is None or parts.finished():
        return
    needed = space(info, info.frames, parts.record["depths"])
    free = shutil.disk_usage(parts.folder).free
    if needed > free:
        warn(
            f"the parts of this video may take {needed / 1e9:.3g} GB beside the output, where "
            f"{free / 1e9:.3g} GB are free"
        )


def _paint_all(session: Session) -> int:
    """Paint what is not finished; return how many frames that were."""
    parts = session.parts
    if session.shots is None and parts.record["frames"] is None:
        if session.config.ray is None and worker_count(session.config) == 1:
            return _paint_on(session)
        _note_shots(session)
    # Without shots all was painted, and damaged parts are to be painted again.
    return paint_shots(session, session.shots or _gaps(parts))


def _note_shots(session: Session) -> None:
    """Find the shots of what is not painted yet and write them into the parts' record."""
    parts = session.parts
    until, finished = parts.finished_until(), parts.finished()
    rest, total = find_shots(session, until)
    done = [Shot(first, stop) for first, stop in sorted(finished.items()) if first < until]
    parts.note(shots=[astuple(shot) for shot in done + rest], frames=total)


def _gaps(parts: Parts) -> list[Shot]:
    """Return what is missing between finished parts."""
    found = parts.finished()
    edges = sorted({*found, *found.values(), 0, parts.record["frames"]})
    return [Shot(first, stop) for first, stop in pairwise(edges) if first not in found]


def _paint_on(session: Session) -> int:
    """Paint from the first unfinished frame on to the end; each part ends at a cut, and is kept.

    Returns:
        How many frames were painted.
    """
    parts = session.parts
    first = stop = parts.finished_until()
    tell = session.teller("stylizing", first, session.source.info.frames)
    with session.pipeline.painted(first) as frames, ExitStack() as stack:
        writer = None
        for number, frame in enumerate(frames, first):
            if writer and frame.fresh and writer.count >= MIN_FRAMES:
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
    return stop - first
