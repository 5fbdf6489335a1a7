"""A texture that moves by known steps, and results that tell which frame they are from."""

import pytest
import torch
import torch.nn.functional as F

from nst.core.color import hold_colors
from nst.motion.flow import FlowEstimator
from nst.optimize.frames import warp_earlier


def texture(left: int, height=96, width=128) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, height // 4, 60, generator=generator)
    wide = F.interpolate(coarse, size=(height, 240), mode="bicubic").clamp(0, 1)
    return wide[..., left : left + width]


def flat(value: float) -> torch.Tensor:
    return torch.full((1, 3, 96, 128), value)


def test_a_result_follows_the_motion():
    now, before = texture(8), texture(4)
    carried, validity = warp_earlier(now, [(before, before)], FlowEstimator())
    inner = (slice(None), slice(None), slice(16, -16), slice(24, -24))
    assert validity[inner].mean() > 0.9
    trusted = validity[inner].expand_as(carried[inner]) > 0.9
    assert (carried - now)[inner][trusted].abs().mean() < 0.02


def test_each_pixel_is_tied_to_the_nearest_frame_that_saw_it():
    """The nearest frame is another scene on its right half, so the older one fills that."""
    now = texture(8)
    covered = now.clone()
    covered[..., 64:] = 0.5
    carried, validity = warp_earlier(now, [(covered, flat(0.2)), (now, flat(0.8))], FlowEstimator())
    assert carried[..., 20:44].mean() == pytest.approx(0.2, abs=0.02)
    assert carried[..., 84:108].mean() == pytest.approx(0.8, abs=0.05)
    assert validity.max() <= 1 + 1e-5


def test_what_was_there_and_is_gone_leaves_no_ghost():
    """A ball that the flow has lost; what got a little darker, as in a shadow, is carried."""
    now = texture(8) * 0.5
    before = now.clone()
    before[..., 40:52, 60:72] = 1.0
    before[..., 100:] += 0.08
    _, validity = warp_earlier(now, [(before, before)], FlowEstimator())
    assert validity[..., 42:50, 62:70].max() < 0.1
    assert validity[..., 16:-16, 16:48].mean() > 0.9
    assert validity[..., 16:-16, 106:-8].mean() > 0.7


def test_another_scene_says_nothing():
    noise = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(5))
    assert warp_earlier(texture(0), [(noise, flat(0.5))], FlowEstimator()) is None


def test_colors_are_held_and_a_picture_of_the_same_is_left_alone():
    reference = texture(0) * 0.5 + 0.2
    drifted = reference * 0.9 + 0.05
    torch.testing.assert_close(hold_colors(reference, reference), reference)
    torch.testing.assert_close(hold_colors(drifted, reference), reference, rtol=0, atol=1e-5)
