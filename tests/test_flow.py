"""DIS and RAFT on pictures whose motion is known."""

import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from nst.models.weights import RAFT_FILES
from nst.motion import flow
from nst.motion.flow import FlowEstimator
from nst.motion.warp import resize_flow, warp

CPU = torch.device("cpu")


def texture(height, width):
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def has_raft() -> bool:
    folder = Path(os.environ.get("NST_WEIGHTS", ""))
    return any((folder / name).is_file() for name in RAFT_FILES)


needs_raft = pytest.mark.skipif(
    not has_raft(), reason="needs RAFT's weights in the folder that NST_WEIGHTS names"
)
BOTH = ["dis", pytest.param("raft", marks=needs_raft)]


@pytest.mark.parametrize(
    "method, long_side",
    [("dis", 64), ("dis", 320), pytest.param("raft", 320, marks=needs_raft)],
)
def test_shifted_texture_gives_that_shift(method, long_side):
    """The second picture shows the first 4 pixels further left and 2 further down."""
    large = texture(140, 180)
    first, second = large[..., 10:130, 10:170], large[..., 8:128, 14:174]
    estimator = FlowEstimator(method, long_side)
    small, back = estimator.both_ways(estimator.prepare(first), estimator.prepare(second))
    found, returned = (
        resize_flow(x, (120, 160))[..., 20:-20, 20:-20].mean((2, 3))[0] for x in (small, back)
    )
    assert found.tolist() == pytest.approx([-4, 2], abs=0.4)
    assert returned.tolist() == pytest.approx([4, -2], abs=0.4)
    carried = warp(second, resize_flow(small, (120, 160)))
    still = (second - first).square().mean()
    assert (carried - first)[..., 20:-20, 20:-20].square().mean() < 0.2 * still


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("size", [(16, 16), (17, 90), (90, 17), (200, 301)])
def test_any_size_gives_finite_flow_on_the_prepared_grid(method, size):
    image = texture(208, 304)[..., : size[0], : size[1]]
    before = image.clone()
    estimator = FlowEstimator(method, 128)
    seen = estimator.prepare(image)
    result = estimator.estimate(seen, seen)
    assert result.shape == (1, 2, *seen.shape[-2:])
    assert result.isfinite().all()
    assert torch.equal(image, before)


def test_a_batch_is_its_pairs_one_by_one():
    image = texture(64, 104)
    first, second, third = (image[..., i : i + 96] for i in (0, 3, 8))
    estimator = FlowEstimator()
    seen = [estimator.prepare(x) for x in (first, second, third)]
    both = estimator.estimate(torch.cat(seen[:2]), torch.cat(seen[1:]))
    alone = [estimator.estimate(a, b) for a, b in zip(seen, seen[1:], strict=False)]
    assert torch.equal(both, torch.cat(alone))


def test_frames_are_never_enlarged():
    assert FlowEstimator("dis", 320).prepare(texture(48, 64)).shape == (1, 1, 48, 64)


def test_auto_takes_dis_on_a_cpu():
    assert FlowEstimator("auto", None, CPU).method == "dis"


@pytest.mark.parametrize("present", [True, False])
def test_auto_takes_raft_on_a_gpu_that_has_its_weights(monkeypatch, present):
    monkeypatch.setattr(flow, "find", lambda names: Path("raft.pth") if present else None)
    monkeypatch.setattr(flow, "_build_raft", lambda device: torch.nn.Identity())
    found = FlowEstimator("auto", None, torch.device("cuda"))
    assert (found.method, found.long_side) == (("raft", 512) if present else ("dis", 320))
