"""A long video over many machines: a plan, parts of it that run anywhere, and their joining."""

import time
from dataclasses import astuple, replace

from nst.core.files import check_place, write_json
from nst.core.progress import OnProgress, collected_warnings
from nst.core.reports import VideoReport
from nst.errors import InputError
from nst.media.frames import OnFrame
from nst.options.stylize import VideoConfig
from nst.stylize.film import find_shots, joined_before, paint_shots
from nst.stylize.join import join
from nst.stylize.paint import read_styles
from nst.stylize.parts import parts_folder
from nst.stylize.record import check_same_run, digest, read_record
from nst.stylize.session import Session, check_writable, opened_session, space
from nst.stylize.shots import Shot, part_number, shots_of_part
from nst.stylize.videos import written_report


def planned_film(
    config: VideoConfig, on_frame: OnFrame | None = None, on_progress: OnProgress | None = None
) -> VideoReport:
    """Write the plan of a video, paint a part of it, or join the parts: what `config` says.

    Args:
        on_frame: must be None: frames are not shown as they are painted.
        on_progress: is told how many frames are done.

    Raises:
        InputError: something the user gave is wrong, or the disk gave up; finished parts stay.
    """
    if config.plan is None:
        raise InputError("--part and --join need the video's --plan")
    if config.part and config.join:
        raise InputError("--part paints and --join comes after all parts: give one of them")
    if config.resume:
        raise InputError("--resume is for a run without --plan: --part goes on by itself")
    if config.ray:
        raise InputError("--ray finds the shots and joins them by itself: leave out --plan")
    check_writable(config, on_frame, "--plan")
    with collected_warnings() as warned:
        if config.part:
            return _paint_part(config, warned, on_progress)
        if config.join:
            return _join_parts(config, warned, on_progress)
        return _write_plan(config, warned, on_progress)


def _write_plan(
    config: VideoConfig, warned: list[str], on_progress: OnProgress | None
) -> VideoReport:
    begun, plan = time.perf_counter(), config.plan
    check_place(plan, "--plan", [".json"])
    if plan.exists():
        raise InputError(f"--plan {plan} is there already: add --part or --join, or delete it")
    with opened_session(config, None, "alone", on_progress) as session:
        if session.parts.finished():
            session.parts.close()
            folder = session.parts.folder
            raise InputError(
                f"{folder} holds an unfinished run: delete it, or give that run's own command "
                "with --resume and no --plan"
            )
        try:
            shots, total = find_shots(session)
        except BaseException:
            session.parts.remove()  # it holds nothing yet
            raise
        record, info = session.parts.record, session.source.info
        record |= {"shots": [astuple(shot) for shot in shots], "frames": total}
        needed = space(info, total, record["depths"])
        session.parts.remove()
    record["temporary_bytes"] = needed
    write_json(plan, record | {"hash": digest(record)})
    return VideoReport(
        output=None,
        frames=total,
        size=info.size,
        seconds=time.perf_counter() - begun,
        fps=0.0,
        warnings=tuple(warned),
        note=f"wrote {plan}: {total} frames in {len(shots)} shots, which take up to "
        f"{needed / 1e9:.3g} GB beside {config.output_video} until they are joined",
    )


def _paint_part(
    config: VideoConfig, warned: list[str], on_progress: OnProgress | None
) -> VideoReport:
    begun = time.perf_counter()
    number, count = part_number(config.part)
    plan = _read_plan(config, "--part")
    shots = shots_of_part([Shot(*shot) for shot in plan["shots"]], number, count)
    with opened_session(config, plan, "together", on_progress) as session:
        _check_plan(session, plan)
        painted = paint_shots(session, shots, wait=False)
        left = sum(not session.parts.has(shot.first, shot.stop) for shot in shots)
        folder, size = session.parts.folder, session.source.info.size
    note = f"part {number}/{count}: {len(shots) - left} of {len(shots)} shots are in {folder}"
    if left:
        note += f"; another process is painting the other {left}"
    seconds = time.perf_counter() - begun
    return VideoReport(
        output=None,
        frames=painted,
        size=size,
        seconds=seconds,
        fps=painted / seconds,
        warnings=tuple(warned),
        note=note,
    )


def _join_parts(
    config: VideoConfig, warned: list[str], on_progress: OnProgress | None
) -> VideoReport:
    begun = time.perf_counter()
    plan = _read_plan(config, "--join")
    if report := joined_before(config):
        return report
    if not parts_folder(config.output_video).is_dir():
        raise InputError(f"--join: there is no {parts_folder(config.output_video)}: no part ran")
    with opened_session(config, plan, "alone", on_progress) as session:
        _check_plan(session, plan)
        shots = [Shot(*shot) for shot in plan["shots"]]
        missing = [s for s in shots if not session.parts.has(s.first, s.stop)]
        if missing:
            frames = ", ".join(f"{shot.first} to {shot.stop - 1}" for shot in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise InputError(f"--join: not painted yet are frames {frames}{more}: run their --part")
        measured, writers = join(session)
        size = session.source.info.size
        seconds = time.perf_counter() - begun
        report = written_report(config, measured, writers, size, measured.frames, seconds)
        session.parts.note(joined=size)
        session.parts.remove()
    return replace(report, warnings=tuple(warned))


def _read_plan(config: VideoConfig, flag: str) -> dict:
    plan = read_record(config.plan)
    if not plan.get("shots") or plan.pop("hash", None) != digest(plan):
        raise InputError(f"--plan {config.plan} is incomplete or was changed: write it anew")
    check_same_run(plan, config, read_styles(config), flag)
    return plan


def _check_plan(session: Session, plan: dict) -> None:
    if session.parts.record["shots"] != plan["shots"]:
        raise InputError(f"{session.parts.folder} holds parts of another plan: delete it")
