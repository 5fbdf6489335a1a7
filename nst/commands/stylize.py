"""Stylize pictures or a video by the method that was asked for.

What needs torch is imported late: `--help` and usage errors must not wait for it.
"""

import os
from dataclasses import replace

from nst.core.forecast import tell
from nst.core.reports import PictureReport
from nst.errors import IncompleteError, InputError
from nst.options.optimize import OPTIMIZE
from nst.options.stylize import PictureConfig, VideoConfig


def stylize_pictures(config: PictureConfig) -> PictureReport:
    """Paint what `config` names and write it; a folder's pictures keep their names.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    from nst.commands.jobs import pair_files
    from nst.core.progress import bars

    if config.output is None:
        raise InputError("--output must be given: where to write the picture")
    jobs = pair_files(config.content_path, config.output)
    with bars(config.quiet) as on_progress:
        if config.method == OPTIMIZE:
            from nst.optimize.images import optimize_pictures

            return optimize_pictures(config, jobs, on_progress)
        from nst.stylize.images import one_pass_pictures

        masks = None
        if config.mask_output:
            pairs = pair_files(config.content_path, config.mask_output, "--mask-output")
            masks = [target for _, target in pairs]
        return one_pass_pictures(config, jobs, masks, on_progress)


def pictures(config: PictureConfig) -> str | None:
    """Paint what `config` names; return the line that says what was written, None where quiet.

    Without `output` a picture is named after content and style, in the current folder.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
        IncompleteError: pictures of the folder could not be used; the others are painted.
    """
    from nst.commands.outputs import painted_place
    from nst.commands.summary import pictures_summary

    with painted_place(config) as output:
        if config.method == OPTIMIZE:
            line = f"optimizing the pixels of {output}, {config.steps} steps at each size"
            tell(f"{line}; Ctrl-C keeps what is done", config.quiet)
        report = stylize_pictures(replace(config, output=output))
    if report.left_out:
        names = ", ".join(path.name for path in report.left_out[:3])
        count = len(report.left_out) + len(report.outputs)
        raise IncompleteError(
            f"{len(report.left_out)} of {count} pictures could not be used, such as {names}; "
            "the others are painted"
        )
    return None if config.quiet else pictures_summary(report)


def video(config: VideoConfig) -> str | None:
    """Stylize the video that `config` names; return the line to print, None where quiet."""
    # Decoder, net and encoder share the cores: OpenMP workers that spin while they wait for the
    # next layer slow the encoder down. OpenMP reads this once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from nst.api import run_video
    from nst.commands.summary import video_summary

    if config.method == OPTIMIZE:
        line = "optimizing each frame, which is slow; Ctrl-C keeps the finished ones for --resume"
        tell(line, config.quiet)
    report = run_video(config)
    return None if config.quiet else video_summary(report)
