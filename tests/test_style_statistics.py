import pytest
import torch

from nst.losses.moments import blend_moments, layer_weights, moment_sums, style_distance
from nst.losses.perceptual import gram_matrix


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def moments(features, weights=None):
    height, width = features.shape[-2:]
    weights = torch.ones(1, height, width) if weights is None else weights
    area = weights.sum((1, 2))[:, None]
    first, second = moment_sums(features, weights)
    return {"relu1_1": (first / area, second / area[..., None])}


def test_one_region_that_is_everywhere_has_the_gram_matrix_of_the_whole():
    features = noise(1, 4, 5, 6)
    _, second = moments(features)["relu1_1"]
    torch.testing.assert_close(second / 4, gram_matrix(features))
    _, repeated = moment_sums(features, torch.ones(1, 1, 1).expand(1, 5, 6))
    torch.testing.assert_close(repeated / 30, second)


def test_moments_equal_their_definition_pixel_by_pixel():
    features, weights = noise(1, 3, 4, 5), noise(2, 4, 5, seed=1).sigmoid()
    first, second = moment_sums(features, weights)
    for k in range(2):
        pixels = [(weights[k, y, x], features[0, :, y, x]) for y in range(4) for x in range(5)]
        torch.testing.assert_close(first[k], sum(w * f for w, f in pixels))
        roots = [w.sqrt() * f for w, f in pixels]
        torch.testing.assert_close(second[k], sum(torch.outer(r, r) for r in roots))


def test_what_is_outside_a_region_does_not_count():
    features, weights = noise(1, 3, 4, 6), torch.zeros(1, 4, 6)
    weights[..., :3] = 1
    changed = features.clone()
    changed[..., 3:] = 9
    for a, b in zip(moment_sums(features, weights), moment_sums(changed, weights), strict=True):
        assert torch.equal(a, b)


def test_a_blend_is_what_a_canvas_of_both_parts_has():
    left, right = noise(1, 3, 4, 6), noise(1, 3, 4, 2, seed=1) * 3
    canvas = moments(torch.cat([left, right], 3))
    blend = blend_moments([moments(left), moments(right)], [6, 2])
    torch.testing.assert_close(blend, canvas)


@pytest.mark.parametrize("layer, drawn_in", [("relu1_1", 0), ("relu2_1", 1), ("relu4_1", 1)])
def test_masks_are_pooled_and_drawn_in_with_depth(layer, drawn_in):
    mask = torch.zeros(1, 32, 32)
    mask[:, 8:24, 8:24] = 1
    weights = layer_weights(mask, (16, 16), layer)
    expected = torch.zeros(1, 16, 16)
    expected[:, 4 + drawn_in : 12 - drawn_in, 4 + drawn_in : 12 - drawn_in] = 1
    assert torch.equal(weights, expected)


def test_a_mask_that_is_everywhere_is_not_drawn_in_at_the_border():
    assert torch.equal(layer_weights(torch.ones(2, 32, 32), (8, 8), "relu3_1"), torch.ones(2, 8, 8))


def test_a_region_of_one_pixel_does_not_vanish():
    mask = torch.zeros(1, 16, 16)
    mask[:, 6:8, 6:8] = 1
    assert layer_weights(mask, (8, 8), "relu2_1").sum() == 1


@pytest.mark.parametrize("loss", ["moments", "gram", "wasserstein"])
def test_distance_is_0_for_itself_1_for_nothing_and_does_not_depend_on_scale(loss):
    style, other = noise(1, 3, 8, 8) + 1, noise(1, 3, 8, 8, seed=1) * 2
    assert style_distance(loss, moments(style), moments(style)).item() == pytest.approx(0, abs=1e-4)
    nothing = style_distance(loss, moments(style * 0), moments(style))
    assert nothing.item() == pytest.approx(1, abs=2e-3)
    near = style_distance(loss, moments(other), moments(style))
    scaled = style_distance(loss, moments(other * 5), moments(style * 5))
    torch.testing.assert_close(scaled, near, rtol=1e-3, atol=1e-4)
