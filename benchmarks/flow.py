"""End-point error of RAFT and DIS on frames whose motion is known.

    python -m benchmarks.flow --pair frame_0002.png frame_0003.png frame_0002.flo [invalid.png]

The flow is from the first picture to the second; pixels that are white in the last are left out.
"""

import argparse
import time
from pathlib import Path

import torch

from nst.media.images import load_image
from nst.motion.flow import FlowEstimator
from nst.motion.true_flow import read_flow
from nst.motion.warp import resize_flow


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", type=Path, nargs="+", action="append", required=True)
    options = parser.parse_args()
    print("pair                      method  long side  end-point error in pixels   ms")
    for first, second, truth, *invalid in options.pair:
        true = read_flow(truth)
        counts = torch.ones_like(true[:, :1])
        if invalid:
            counts = (load_image(invalid[0])[:, :1] < 0.5).float()
        source, target = load_image(first), load_image(second)
        for method in ("raft", "dis"):
            for long_side in (None, max(true.shape[-2:])):
                estimator = FlowEstimator(method, long_side)
                prepared = estimator.prepare(source), estimator.prepare(target)
                begin = time.perf_counter()
                flow = resize_flow(estimator.estimate(*prepared), true.shape[-2:])
                took = time.perf_counter() - begin
                gaps = (flow - true).square().sum(1, keepdim=True).sqrt()
                error = ((gaps * counts).sum() / counts.sum()).item()
                name = f"{truth.parent.name}/{truth.stem}"[-24:]
                side = estimator.long_side
                print(f"{name:26}{method:8}{side:9}{error:16.2f}{took * 1e3:16.0f}")


if __name__ == "__main__":
    main()
