import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from nst.regions import edges as masks
from nst.regions.edges import box, color_plan, decided, feathered, guided_filter, without_islands


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def split(size: tuple[int, int], column: int) -> torch.Tensor:
    left = (torch.arange(size[1]) < column).float().expand(size)
    return torch.stack([left, 1 - left])[None]


@pytest.mark.parametrize("radius", [0, 1, 4])
def test_box_is_the_mean_of_the_window(radius):
    maps = random(3, 12, 17)
    expected = [uniform_filter(m, 2 * radius + 1, mode="nearest") for m in maps.numpy()]
    assert np.allclose(box(maps, radius), expected, atol=1e-6)


def test_guided_filter_equals_the_papers_least_squares_window_by_window(monkeypatch):
    monkeypatch.setattr(masks, "REACH", 0.1)  # a radius of 2 pixels
    image, mask = random(1, 3, 14, 20), random(1, 3, 14, 20, seed=1).softmax(1)
    found = guided_filter(mask, image, image)[0, :2].numpy()
    colors = np.pad(image[0].numpy(), ((0, 0), (2, 2), (2, 2)), mode="edge")
    values = np.pad(mask[0, :2].numpy(), ((0, 0), (2, 2), (2, 2)), mode="edge")
    lines = np.empty((2, 4, 14, 20))
    for y in range(14):
        for x in range(20):
            window = colors[:, y : y + 5, x : x + 5].reshape(3, -1)
            around = window.mean(1)
            spread = np.cov(window, bias=True) + masks.CONTRAST**2 * np.eye(3)
            for k in range(2):
                goal = values[k, y : y + 5, x : x + 5].ravel()
                a = np.linalg.solve(spread, (window * goal).mean(1) - around * goal.mean())
                lines[k, :, y, x] = [*a, goal.mean() - a @ around]
    for k in range(2):
        a = [uniform_filter(plane, 5, mode="nearest") for plane in lines[k]]
        expected = sum(a[i] * image[0, i].numpy() for i in range(3)) + a[3]
        assert np.abs(found[k] - expected.clip(0, 1)).max() < 2e-3


def test_guided_filter_brings_a_vague_edge_to_the_pictures():
    """Three pixels off and blurred at a quarter of the size; the picture's edge is at 63."""
    image = torch.where(torch.arange(128) < 63, 0.3, 0.6).expand(1, 3, 80, 128)
    small = torch.nn.functional.avg_pool2d(image, 4)
    vague = split((20, 32), 15)
    vague = box(vague[0], 1)[None]
    drawn = decided(guided_filter(vague, small, image))
    assert torch.allclose(drawn.sum(1), torch.ones(1, 80, 128))
    assert (drawn[0, 0, :, :61] > 0.9).all() and (drawn[0, 0, :, 66:] < 0.1).all()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_masks_sum_to_one_and_constant_ones_stay(count):
    image, small = random(1, 3, 33, 50), random(1, 3, 17, 25)
    found = guided_filter(random(1, count, 17, 25, seed=2).softmax(1), small, image)
    assert found.shape == (1, count, 33, 50) and found.min() >= 0
    assert torch.allclose(found.sum(1), torch.ones(1, 33, 50), atol=1e-5)
    shares = torch.linspace(1, 2, count).view(1, count, 1, 1)
    shares = (shares / shares.sum()).expand(1, count, 17, 25)
    constant = guided_filter(shares, small, image)
    assert torch.allclose(constant, shares[..., :1, :1].expand_as(constant), atol=1e-3)


@pytest.mark.parametrize(("width", "reach"), [(0, 0), (2, 2), (8, 8)])
def test_regions_fade_over_the_width_asked_for(width, reach):
    soft = feathered(split((9, 60), 30), width)
    profile = soft[0, 0, 4]
    assert torch.allclose(soft.sum(1), torch.ones(1, 9, 60), atol=1e-6)
    assert torch.allclose(profile[: 30 - reach], torch.ones(30 - reach), atol=1e-6)
    assert torch.allclose(profile[30 + reach :], torch.zeros(30 - reach), atol=1e-6)
    assert (profile.diff() <= 1e-6).all()
    if width:
        assert ((profile > 0.01) & (profile < 0.99)).sum() >= width


def test_decisions_keep_order_and_doubt():
    shares = torch.tensor([0.5, 0.5, 0.7, 0.3, 1.0, 0.0]).view(3, 2, 1, 1)
    firm = decided(shares)[:, 0, 0, 0].tolist()
    assert firm == pytest.approx([0.5, 0.7**4 / (0.7**4 + 0.3**4), 1.0])


def test_islands_and_holes_go_to_the_next_likely_region_and_the_rest_stays():
    likely = torch.tensor([0.2, 0.3, 0.5]).view(3, 1, 1).expand(3, 60, 80).clone()
    person = torch.tensor([0.1, 0.7, 0.2]).view(3, 1, 1)
    likely[:, 10:40, 10:30] = person
    likely[:, 50:52, 60:63] = person  # an island of 6 of 4800 pixels
    likely[:, 20:22, 20:23] = torch.tensor([0.6, 0.3, 0.1]).view(3, 1, 1)  # a hole
    before = likely[None].clone()
    found = without_islands(likely[None])
    label = found[0].argmax(0)
    assert (label[50:52, 60:63] == 2).all() and (label[20:22, 20:23] == 1).all()
    same = torch.ones(60, 80, dtype=torch.bool)
    same[50:52, 60:63] = same[20:22, 20:23] = False
    assert torch.allclose(found[..., same], before[..., same], atol=1e-4)
    assert torch.equal(likely[None], before)


def test_plan_shows_each_region_in_a_color_of_its_own():
    plan = color_plan(split((8, 8), 4), torch.full((1, 3, 8, 8), 0.5))
    left, right = plan[0, :, 0, 0], plan[0, :, 0, -1]
    assert plan.min() >= 0 and plan.max() <= 1 and (left - right).abs().max() > 0.3
