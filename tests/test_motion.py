"""Made-up second frames: their motion, light and noise are those they say."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nst.train import synthetic_motion as motion
from nst.train.synthetic_motion import second_frame, true_second_frame


@pytest.fixture
def images():
    coarse = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0.2, 0.8)


def test_each_pixel_is_the_one_that_the_flow_points_to(images, monkeypatch):
    monkeypatch.setattr(motion, "NOISE", 0.0)
    frame = second_frame(images, (1, 2), range(3))
    n, y, x = 1, 30, 20
    dx, dy = frame.flow[n, :, y, x].tolist()
    left, top = int(np.floor(x + dx)), int(np.floor(y + dy))
    a, b = x + dx - left, y + dy - top
    four = images[n, :, top : top + 2, left : left + 2]
    by_hand = (1 - b) * ((1 - a) * four[:, 0, 0] + a * four[:, 0, 1])
    by_hand = by_hand + b * ((1 - a) * four[:, 1, 0] + a * four[:, 1, 1])
    assert torch.allclose(frame.image[n, :, y, x], by_hand + frame.light[n, 0, y, x], atol=1e-5)


def test_noise_has_its_deviation(images, monkeypatch):
    noisy = second_frame(images, (1, 2), range(3)).image
    monkeypatch.setattr(motion, "NOISE", 0.0)
    clean = second_frame(images, (1, 2), range(3)).image
    inner = (clean > 0.05) & (clean < 0.95)
    assert (noisy - clean)[inner].std().item() == pytest.approx(2 / 255, rel=0.05)


def test_places_have_numbers_of_their_own_whatever_the_batch(images):
    together = second_frame(images, (1, 2), range(3))
    alone = second_frame(images[2:], (1, 2), range(2, 3))
    assert torch.allclose(together.image[2:], alone.image, atol=1e-6)
    assert not torch.allclose(together.flow[1], together.flow[2], atol=0.1)
    again = second_frame(images, (1, 3), range(3))
    assert not torch.allclose(together.flow, again.flow, atol=0.1)


def test_what_left_the_frame_is_not_valid(images):
    frame = second_frame(images, (1, 2), range(3))
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    ends = torch.stack([x, y]) + frame.flow
    outside = ((ends < 0) | (ends > 63)).any(1, keepdim=True)
    assert torch.equal(frame.validity == 0, outside)
    assert 0.5 < frame.validity.mean() < 1


def test_a_share_of_the_samples_stands_still(images, monkeypatch):
    still = [
        second_frame(images[:1], (step,), range(1)).flow.abs().max().item() == 0
        for step in range(200)
    ]
    # Four standard deviations of a binomial share.
    assert abs(np.mean(still) - motion.STILL) < 4 * (motion.STILL * (1 - motion.STILL) / 200) ** 0.5
    monkeypatch.setattr(motion, "STILL", 1.0)
    monkeypatch.setattr(motion, "NOISE", 0.0)
    assert torch.allclose(second_frame(images, (0,), range(3)).image, images, atol=1e-5)


def test_the_frame_that_does_follow_takes_the_place_of_the_made_up_one():
    """The second sample moves 3 pixels and gets darker; nothing follows the first."""
    coarse = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    large = F.interpolate(coarse, size=(64, 96), mode="bicubic").clamp(0.2, 0.8)
    images, after = large[..., 8:72], large[..., 5:69].clone() - 0.05
    after[0] = images[0]
    made_up = second_frame(images, (1,), range(2))
    found = true_second_frame(images, after, made_up)
    for part in ("image", "flow", "validity", "light"):
        assert torch.equal(getattr(found, part)[0], getattr(made_up, part)[0])
    assert torch.equal(found.image[1], after[1])
    inner = (1, slice(None), slice(16, -16), slice(16, -16))
    assert found.flow[inner].mean((1, 2)).tolist() == pytest.approx([-3, 0], abs=0.3)
    assert found.light[inner].mean().item() == pytest.approx(-0.05, abs=0.01)
    assert found.validity[inner].mean() > 0.8


def test_without_a_next_frame_all_is_made_up(images):
    made_up = second_frame(images, (1,), range(3))
    assert true_second_frame(images, images.clone(), made_up) is made_up
