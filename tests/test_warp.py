"""Warping and its validity, against slices, constants and a scene with a known square."""

import pytest
import torch
import torch.nn.functional as F

from nst.motion.warp import flow_validity, inside, resize_flow, sharp_warp, warp


def texture(height=24, width=32, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def constant_flow(x, y, height=24, width=32):
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, height, width)


def test_zero_flow_changes_nothing():
    image = texture()
    assert torch.allclose(warp(image, constant_flow(0, 0)), image, atol=1e-5)


@pytest.mark.parametrize(("x", "y"), [(3, 0), (0, 2), (-4, 1)])
def test_whole_shift_equals_slicing(x, y):
    image = texture()
    rolled = torch.roll(image, (-y, -x), (2, 3))
    inner = slice(6, -6)
    moved = warp(image, constant_flow(x, y))
    assert torch.allclose(moved[..., inner, inner], rolled[..., inner, inner], atol=1e-5)


def test_there_and_back_again():
    image = F.avg_pool2d(F.avg_pool2d(texture(48, 64), 9, 1, 4), 9, 1, 4)
    there = constant_flow(2.5, -1.5, 48, 64)
    back = warp(warp(image, there), -there)
    assert (back - image)[..., 8:-8, 8:-8].abs().max() < 0.02


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        warp(texture(), constant_flow(0, 0, 24, 30))


def test_inside_counts_what_leaves_the_frame():
    assert inside(constant_flow(3, 0)).sum() == 24 * (32 - 3)
    assert inside(constant_flow(0, -5)).sum() == (24 - 5) * 32


def test_resized_flow_scales_each_component_by_its_own_axis():
    resized = resize_flow(constant_flow(2, 3), (72, 64))
    assert torch.allclose(resized[:, 0], torch.tensor(4.0))
    assert torch.allclose(resized[:, 1], torch.tensor(9.0))


def test_consistent_flow_is_valid_but_for_what_leaves():
    validity = flow_validity(constant_flow(4, 0), constant_flow(-4, 0))
    assert torch.all(validity[..., :26] == 1)
    assert torch.all(validity[..., -3:] == 0)


def test_uncovered_ground_is_not_valid():
    """A square of 10 pixels moves right by 6: what it stood on cannot be found in the past."""
    height, width, step = 40, 60, 6
    backward = torch.zeros(1, 2, height, width)
    backward[:, 0, 15:25, 26:36] = -step  # the square now
    forward = torch.zeros(1, 2, height, width)
    forward[:, 0, 15:25, 20:30] = step  # the square then
    validity = flow_validity(backward, forward)
    assert torch.all(validity[..., 15:25, 20:26] == 0)
    assert torch.all(validity[..., 18:22, 29:33] == 1)
    assert torch.all(validity[..., :8, :] == 1)


def test_doubt_spreads_outward_softly():
    backward = torch.zeros(1, 2, 40, 60)
    forward = torch.zeros(1, 2, 40, 60)
    forward[:, 0, 20, 30] = 5  # one pixel that does not return
    validity = flow_validity(backward, forward)
    row = validity[0, 0, 20, 25:36]
    assert row.min() == 0 and row[0] == 1 and row[-1] == 1
    assert ((row > 0) & (row < 1)).any()


def test_sharp_warp_is_pytorchs_cubic_sampling():
    """OpenCV does it on a CPU; it knows positions to a 32nd of a pixel."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 18, generator=generator)
    image = F.interpolate(coarse, size=(48, 72), mode="bicubic")
    flow = F.interpolate(3 * torch.randn(1, 2, 5, 5, generator=generator), size=(48, 72))
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(72.0), indexing="ij")
    grid = (torch.stack([x, y])[None] + flow) / torch.tensor([71, 47]).view(1, 2, 1, 1) * 2 - 1
    expected = F.grid_sample(
        image, grid.permute(0, 2, 3, 1), "bicubic", padding_mode="border", align_corners=True
    )
    assert (sharp_warp(image, flow) - expected)[..., 4:-4, 4:-4].abs().max() < 0.01
    assert torch.equal(sharp_warp(image, torch.zeros_like(flow)), image)
