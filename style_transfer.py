"""Paint a picture, or a folder of them: optimize its pixels, or one pass of a net.

style_transfer.py --content-path in.jpg --style-path wave.jpg --output out.png
"""

from nst.commands.run import run
from nst.options.stylize import PictureConfig


def main(config: PictureConfig) -> None:
    """Stylize the pictures that `config` names."""
    from nst.commands.stylize import pictures  # late: --help must not wait for torch

    return pictures(config)


if __name__ == "__main__":
    raise SystemExit(run(main, PictureConfig, description=__doc__))
