"""Stylize a video with a net that train.py made; timing and sound are kept.

python stylize_video.py --input-video in.mp4 --output-video out.mp4 --style wave
"""

import os

from nst.cli import run
from nst.config import VideoConfig


def main(config: VideoConfig) -> str | None:
    """Stylize the video that `config` names."""
    # Decoder, net and encoder share the cores: OpenMP workers that spin while they wait for the
    # next layer slow the encoder down. OpenMP reads this once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from nst.video import stylize_video  # late: --help must not wait for torch

    line = stylize_video(config)
    return None if config.quiet else line


if __name__ == "__main__":
    raise SystemExit(run(main, VideoConfig, description=__doc__))
