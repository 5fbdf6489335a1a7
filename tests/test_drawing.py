"""The lines and the shading of a photo that are drawn into a painting."""

import pytest
import torch

from nst.stylize.forward import LINE_NOISE, SHADING_WEIGHT, drawing, stylize

CODES = torch.zeros(1, 1)
GRAY = 0.5


def net(image, codes, weights):
    """Paint everything gray."""
    return torch.full_like(image, GRAY)


def step(height=48, width=96):
    """Return a photo whose right half is lighter by 0.4."""
    photo = torch.full((1, 3, height, width), 0.2)
    photo[..., width // 2 :] = 0.6
    return photo


def test_flat_areas_and_noise_have_nothing_to_draw():
    assert drawing(torch.full((1, 3, 64, 80), 0.3)).abs().max() < 1e-6
    checkers = (torch.arange(80) + torch.arange(64)[:, None]) % 2 * 2.0 - 1
    faint = 0.5 + 0.8 * LINE_NOISE * checkers.expand(1, 3, 64, 80)
    assert drawing(faint).abs().max() < 0.01 * SHADING_WEIGHT


def test_a_line_of_one_pixel_keeps_its_contrast():
    photo = torch.full((1, 3, 96, 96), 0.2)
    photo[..., 48] = 0.8
    drawn = drawing(photo)
    # A square of 3 pixels sees a third of the line: 0.4 is left, but for what noise may be.
    assert drawn[0, 0, 40, 48].item() == pytest.approx(0.4 - LINE_NOISE, abs=0.12)
    assert drawn[0, 0, 40, 10].abs() < 0.02


def test_shading_is_that_of_the_photo_and_sums_to_nearly_nothing():
    drawn = drawing(step(96, 192))[0, 0, 48]
    assert drawn[100] > 0.05 and drawn[91] < -0.05  # light and dark at both sides of the edge
    assert drawn[100] == pytest.approx(-drawn[91].item(), abs=0.02)
    assert drawn.mean().abs() < 0.02


def test_what_is_drawn_is_added_less_where_the_identity_is():
    photo = step()
    full = stylize(net, photo, CODES, torch.float32, detail=0.5)
    expected = (GRAY + 0.5 * drawing(photo)).clamp(0, 1).expand(1, 3, -1, -1)
    torch.testing.assert_close(full, expected)
    none = stylize(net, photo, CODES, torch.float32, detail=0.0)
    assert torch.equal(none, torch.full_like(photo, GRAY))
    # Half identity: half of what is drawn.
    half = stylize(net, photo, CODES, torch.float32, CODES, identity_weight=0.5, detail=0.5)
    alone = stylize(net, photo, CODES, torch.float32, CODES, identity_weight=0.5)
    torch.testing.assert_close(half, (alone + 0.25 * drawing(photo)).clamp(0, 1))


def test_each_picture_of_a_batch_is_drawn_by_itself():
    photos = torch.cat([step(), step().flip(3)])
    torch.testing.assert_close(drawing(photos), torch.cat([drawing(p[None]) for p in photos]))
