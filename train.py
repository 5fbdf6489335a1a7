"""Train one net on photos and style pictures; the checkpoint holds all the styles.

python train.py --content-dir photos --style-dir styles
"""

from nst.commands.run import run
from nst.options.train import TrainConfig


def main(config: TrainConfig) -> str | None:
    """Train as `config` says."""
    from nst.commands.train import train  # late: --help must not wait for torch

    return train(config)


if __name__ == "__main__":
    raise SystemExit(run(main, TrainConfig, description=__doc__))
