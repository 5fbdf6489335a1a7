"""Stylize pictures or a video by the method that was asked for.

What needs torch is imported late: `--help` and usage errors must not wait for it.
"""

import os

from nst.options.stylize import PictureConfig, VideoConfig


def stylize_pictures(config: PictureConfig) -> None:
    """Paint what `config` names and write it; a folder's pictures keep their names.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    from nst.commands.jobs import pair_files

    jobs = pair_files(config.content_path, config.output)
    if config.method == "optimize":
        from nst.optimize.images import optimize_pictures

        optimize_pictures(config, jobs)
    else:
        from nst.stylize.images import one_pass_pictures

        masks = None
        if config.mask_output:
            masks = [target for _, target in pair_files(config.content_path, config.mask_output)]
        one_pass_pictures(config, jobs, masks)


def stylize_video(config: VideoConfig) -> str:
    """Stylize the video that `config` names and write it, with its times and its sound.

    Returns:
        How steady it is and how near to the original, in one line.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    # Decoder, net and encoder share the cores: OpenMP workers that spin while they wait for the
    # next layer slow the encoder down. OpenMP reads this once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if config.method == "optimize":
        from nst.optimize.videos import optimize_video

        return optimize_video(config)
    from nst.stylize.videos import one_pass_video

    return one_pass_video(config)


def video(config: VideoConfig) -> str | None:
    """Stylize the video that `config` names; return the line to print, None where quiet."""
    line = stylize_video(config)
    return None if config.quiet else line
