import pytest
import torch
import torch.nn.functional as F

from nst.losses.metrics import (
    content_distance,
    detail,
    e_stab,
    feature_warping_error,
    ghost,
    ssim,
    style_distances,
    warping_error,
)
from nst.losses.perceptual import gram_matrix
from nst.motion.warp import inside, uncovered, warp


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_ssim_of_a_picture_with_itself_is_one():
    image = noise(1, 3, 32, 40)
    assert ssim(image, image) == pytest.approx(1, abs=1e-9)


def test_ssim_of_two_flat_greys_is_the_luminance_term():
    """Without structure, equation 6 of the paper is all there is; levels are 0 to 255."""
    dark, light = 51.0, 204.0
    c1 = (0.01 * 255) ** 2
    expected = (2 * dark * light + c1) / (dark**2 + light**2 + c1)
    images = [torch.full((1, 3, 24, 24), level / 255) for level in (dark, light)]
    assert ssim(*images) == pytest.approx(expected, abs=1e-6)


def test_ssim_falls_with_noise_and_is_symmetric():
    y, x = torch.meshgrid(torch.arange(48) / 6, torch.arange(48) / 9, indexing="ij")
    image = (0.5 + 0.2 * torch.sin(y) + 0.2 * torch.cos(x)).expand(1, 3, 48, 48)
    strengths = (0.02, 0.05, 0.1, 0.3)
    noisy = [(image + s * (noise(1, 3, 48, 48) - 0.5)).clamp(0, 1) for s in strengths]
    values = [ssim(other, image) for other in noisy]
    assert values == sorted(values, reverse=True) and values[0] > 0.9 and values[-1] < 0.6
    assert ssim(image, noisy[2]) == pytest.approx(values[2])


def test_style_distance_is_zero_of_the_style_itself_and_one_of_nothing():
    features = {"relu1_1": noise(1, 4, 8, 8), "relu2_1": noise(1, 6, 4, 4)}
    grams = {name: gram_matrix(value) for name, value in features.items()}
    assert style_distances(features, grams) == {"relu1_1": 0, "relu2_1": 0}
    # The same texture elsewhere in the picture is the same style.
    moved = {name: value.roll((2, 3), (2, 3)) for name, value in features.items()}
    assert max(style_distances(moved, grams).values()) < 1e-10
    black = {name: torch.zeros_like(value) for name, value in features.items()}
    assert style_distances(black, grams) == pytest.approx({"relu1_1": 1, "relu2_1": 1})


def test_style_distance_of_a_batch_is_the_mean_of_its_pictures():
    features, target = noise(3, 4, 8, 8), {"relu1_1": gram_matrix(noise(1, 4, 8, 8, seed=1))}
    alone = [style_distances({"relu1_1": f[None]}, target)["relu1_1"] for f in features]
    together = style_distances({"relu1_1": features}, target)["relu1_1"]
    assert together == pytest.approx(sum(alone) / 3)


def moving(frames=6, step=2, height=48, width=64):
    """Return a texture that moves left by `step` pixels a frame, and the flow back in time."""
    coarse = torch.rand(1, 3, 12, 40, generator=torch.Generator().manual_seed(0))
    world = F.interpolate(coarse, size=(height, 160), mode="bicubic").clamp(0, 1)
    images = [world[..., step * t : step * t + width] for t in range(frames)]
    back = torch.zeros(1, 2, height, width)
    back[:, 0] = step
    return images, back


def test_a_texture_that_follows_the_flow_has_no_warping_error():
    images, back = moving()
    error = warping_error(images[1], warp(images[0], back), inside(back))
    assert error < 1e-10
    assert warping_error(images[1], images[0], inside(back)) > 1e-3


def test_noise_raises_the_warping_error_as_its_variance_does():
    images, back = moving()
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(2, *images[0].shape, generator=generator)
    for sigma in (0.01, 0.02, 0.05):
        now, before = images[1] + sigma * noise[0], images[0] + sigma * noise[1]
        error = warping_error(now, warp(before, back), inside(back))
        assert error == pytest.approx(2 * sigma**2, rel=0.1)


def test_e_stab_of_a_texture_that_follows_the_true_flow_is_zero_and_of_noise_its_deviation():
    images, back = moving()
    flows = [-back] * 5
    masks = [inside(-back)] * 5
    assert e_stab(images, flows, masks) < 1e-6
    generator = torch.Generator().manual_seed(1)
    noisy = [image + 0.05 * torch.randn(image.shape, generator=generator) for image in images]
    # All pixels count below, those that are seen again above.
    seen = masks[0].mean().item()
    assert e_stab(noisy, flows, masks) == pytest.approx(0.05 * (2 * seen) ** 0.5, rel=0.05)
    assert e_stab(noisy, flows, [0 * mask for mask in masks]) == 0
    with pytest.raises(ValueError):
        e_stab(noisy, flows[1:], masks)


def test_content_distance_is_relative_to_the_content():
    content = {"relu4_2": torch.rand(1, 4, 5, 6)}
    assert content_distance(content, content) == 0
    half = {"relu4_2": 0.5 * content["relu4_2"]}
    assert content_distance(half, content) == pytest.approx(0.25)


def test_detail_of_stripes_is_what_their_mean_of_three_takes_away():
    """Of columns 0, 1, 0, 1 the means are 2/3 and 1/3: each is 2/3 off."""
    stripes = (torch.arange(64) % 2).float().expand(1, 3, 48, 64)
    assert detail(stripes) == pytest.approx(4 / 9, rel=0.03)
    assert detail(torch.full((1, 3, 8, 8), 0.3)) < 1e-12


def test_ghost_is_the_weight_of_what_was_there():
    alone, carried, mask = (
        noise(1, 3, 20, 30),
        noise(1, 3, 20, 30, seed=1),
        torch.zeros(1, 1, 20, 30),
    )
    mask[..., 10:] = 1
    found = [ghost(alone + w * (carried - alone), alone, carried, mask) for w in (0.0, 0.3, 1.0)]
    assert [trace / energy for trace, energy in found] == pytest.approx([0, 0.3, 1], abs=1e-6)
    elsewhere = torch.where(mask > 0, alone, carried)
    assert ghost(elsewhere, alone, carried, mask)[0] == 0


class Picture:
    """Features that are the picture itself, at every layer."""

    def __call__(self, image, layers):
        return dict.fromkeys(layers, image)


def test_features_are_compared_where_the_motion_is_trusted():
    now, before = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    now[:, 0], before[:, 1] = 1, 0.3  # at right angles: unit vectors root(2) apart
    half = torch.ones(1, 1, 8, 8)
    half[..., :4] = 0
    assert feature_warping_error(Picture(), now, before, half) == pytest.approx(2)
    same = torch.where(half > 0, now, before)
    assert feature_warping_error(Picture(), same, now, half) == pytest.approx(0, abs=1e-6)


def test_ground_behind_a_square_is_uncovered_and_nothing_else():
    """A square that moved 10 to the right: the flow of the ground ends on where it was."""
    back, there = torch.zeros(1, 2, 40, 80), torch.zeros(1, 2, 40, 80)
    back[:, 0, 10:30, 40:60] = -10
    there[:, 0, 10:30, 30:50] = 10
    expected = torch.zeros(1, 1, 40, 80)
    expected[..., 10:30, 30:40] = 1
    assert (uncovered(back, there) - expected).abs().sum() <= 8  # the corners are round
