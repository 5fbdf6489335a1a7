"""DIS on textures whose motion is known."""

import pytest
import torch
import torch.nn.functional as F

from nst.flow import FlowEstimator
from nst.warp import resize_flow, warp


def texture(height, width):
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("long_side", [64, 320])
def test_shifted_texture_gives_that_shift(long_side):
    """The second picture shows the first 4 pixels further left and 2 further down."""
    large = texture(140, 180)
    first, second = large[..., 10:130, 10:170], large[..., 8:128, 14:174]
    flow = FlowEstimator(long_side)
    small = flow.estimate(flow.prepare(first), flow.prepare(second))
    found = resize_flow(small, (120, 160))[..., 20:-20, 20:-20].mean((2, 3))[0]
    assert found[0] == pytest.approx(-4, abs=0.4)
    assert found[1] == pytest.approx(2, abs=0.4)
    carried = warp(second, resize_flow(small, (120, 160)))
    still = (second - first).square().mean()
    assert (carried - first)[..., 20:-20, 20:-20].square().mean() < 0.2 * still


@pytest.mark.parametrize("size", [(16, 16), (17, 90), (90, 17), (200, 301)])
def test_any_size_gives_finite_flow_on_the_prepared_grid(size):
    image = texture(208, 304)[..., : size[0], : size[1]]
    before = image.clone()
    flow = FlowEstimator(128)
    seen = flow.prepare(image)
    result = flow.estimate(seen, seen)
    assert result.shape == (1, 2, *seen.shape)
    assert result.isfinite().all()
    assert torch.equal(image, before)


def test_frames_are_never_enlarged():
    assert FlowEstimator(320).prepare(texture(48, 64)).shape == (48, 64)
