"""Stylize a video with a net that train.py made; timing and sound are kept.

python stylize_video.py --input-video in.mp4 --output-video out.mp4 --style wave
"""

from nst.commands.run import run
from nst.options.stylize import VideoConfig


def main(config: VideoConfig) -> str | None:
    """Stylize the video that `config` names."""
    from nst.commands.stylize import video  # late: --help must not wait for torch

    return video(config)


if __name__ == "__main__":
    raise SystemExit(run(main, VideoConfig, description=__doc__))
