import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from nst.losses.perceptual import (
    content_loss,
    correlations,
    feature_moments,
    gram_matrix,
    moment_errors,
    relative_error,
    style_loss,
    temporal_feature_loss,
    temporal_loss,
    total_variation,
    wasserstein_distance,
)


def noise(*shape: int, seed: int = 0, dtype=torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def test_gram_matrix_of_ones_is_one_over_the_channels():
    gram = gram_matrix(torch.ones(2, 5, 6, 7))
    torch.testing.assert_close(gram, torch.full((2, 5, 5), 1 / 5))


def test_gram_matrix_equals_its_definition_as_a_sum_over_pixels():
    features = noise(2, 3, 4, 5)
    expected = torch.zeros(2, 3, 3)
    for y in range(4):
        for x in range(5):
            pixel = features[:, :, y, x]
            expected += pixel[:, :, None] * pixel[:, None, :] / (3 * 4 * 5)
    torch.testing.assert_close(gram_matrix(features), expected)


def test_gram_matrix_is_symmetric_and_positive_semidefinite():
    gram = gram_matrix(noise(1, 6, 2, 2, dtype=torch.float64))
    assert torch.equal(gram, gram.transpose(1, 2))
    assert torch.linalg.eigvalsh(gram).min() > -1e-12


def test_gram_matrix_of_a_texture_is_the_same_at_two_sizes():
    texture = noise(1, 4, 5, 6)
    torch.testing.assert_close(gram_matrix(texture.repeat(1, 1, 2, 3)), gram_matrix(texture))


def test_gram_matrix_does_not_depend_on_where_things_are():
    features = noise(1, 4, 5, 6)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    shuffled = features.flatten(2)[..., order].view_as(features)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(features))
    content = relative_error(shuffled, features)
    assert content > 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gram_matrix_is_exact_in_half_precision(dtype):
    features = (noise(1, 4, 8, 8) * 1000).to(dtype)
    gram = gram_matrix(features)
    assert gram.dtype == torch.float32 and gram.isfinite().all()
    torch.testing.assert_close(gram, gram_matrix(features.double()).float())


def test_gram_matrix_is_exact_under_autocast():
    features = noise(1, 4, 8, 8)
    expected = torch.einsum("nchw,ndhw->ncd", features, features) / 256
    with torch.autocast("cpu", torch.bfloat16):
        gram = gram_matrix(features)
    torch.testing.assert_close(gram, expected)


def test_gram_matrix_takes_any_layout_in_memory():
    features = noise(2, 4, 6, 8)
    rearranged = features.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(gram_matrix(rearranged), gram_matrix(features))


def test_relative_error_has_its_closed_forms():
    target = noise(3, 2, 4, 4)
    assert torch.equal(relative_error(target, target), torch.zeros(3))
    torch.testing.assert_close(relative_error(torch.zeros(3, 2, 4, 4), target), torch.ones(3))
    torch.testing.assert_close(relative_error(1.5 * target, target), torch.full((3,), 0.25))
    values = noise(3, 2, 4, 4, seed=1)
    same = relative_error(100 * values, 100 * target)
    torch.testing.assert_close(same, relative_error(values, target))


def test_relative_error_of_a_black_target_is_finite():
    assert relative_error(torch.ones(1, 3), torch.zeros(1, 3)).isfinite().all()


def test_losses_of_a_picture_with_itself_are_zero():
    features = {"relu1_1": noise(2, 4, 8, 8), "relu2_1": noise(2, 8, 4, 4, seed=1)}
    grams = {name: gram_matrix(value) for name, value in features.items()}
    assert torch.equal(content_loss(features, features), torch.zeros(2))
    assert torch.equal(style_loss(features, grams), torch.zeros(2))


def test_losses_average_over_the_layers_of_the_target():
    black = {name: torch.zeros(2, 4, 4, 4) for name in ("relu1_1", "relu2_1", "relu3_1")}
    target = {"relu1_1": noise(2, 4, 4, 4), "relu2_1": black["relu2_1"]}
    torch.testing.assert_close(content_loss(black, target), torch.full((2,), 0.5))
    grams = {name: gram_matrix(value) for name, value in target.items()}
    torch.testing.assert_close(style_loss(black, grams), torch.full((2,), 0.5))


def test_style_loss_of_doubled_features():
    """The Gram matrix grows by 4, so the relative error is (4 - 1)^2."""
    features = {"relu1_1": noise(3, 4, 8, 8)}
    grams = {"relu1_1": gram_matrix(features["relu1_1"])}
    doubled = {"relu1_1": 2 * features["relu1_1"]}
    torch.testing.assert_close(style_loss(doubled, grams), torch.full((3,), 9.0))


def test_style_loss_of_a_batch_with_one_target_is_that_of_each_sample():
    features, target = noise(3, 4, 8, 8), {"relu1_1": gram_matrix(noise(1, 4, 8, 8, seed=1))}
    together = style_loss({"relu1_1": features}, target)
    alone = [style_loss({"relu1_1": sample[None]}, target) for sample in features]
    torch.testing.assert_close(together, torch.cat(alone))


def test_total_variation_of_constants_checkerboards_and_ramps():
    board = (torch.arange(6)[:, None] + torch.arange(8)) % 2
    ramp = torch.arange(8.0).expand(6, 8) * 0.1
    images = torch.stack([torch.full((6, 8), 0.7), board.float(), ramp])
    images = images[:, None].expand(3, 3, 6, 8)
    torch.testing.assert_close(total_variation(images), torch.tensor([0.0, 2.0, 0.01]))


@pytest.mark.parametrize(
    "function",
    [
        gram_matrix,
        lambda x: relative_error(x, noise(2, 3, 4, 4, seed=1, dtype=torch.float64)),
        lambda x: content_loss({"a": x}, {"a": noise(2, 3, 4, 4, seed=1, dtype=torch.float64)}),
        lambda x: style_loss({"a": x}, {"a": noise(1, 3, 3, seed=1, dtype=torch.float64)}),
        total_variation,
    ],
    ids=["gram_matrix", "relative_error", "content_loss", "style_loss", "total_variation"],
)
def test_gradient_equals_finite_differences(function):
    assert gradcheck(function, noise(2, 3, 4, 4, dtype=torch.float64).requires_grad_())


def test_temporal_loss_is_the_mean_square_over_valid_pixels_only():
    stylized, carried = noise(2, 3, 8, 12), noise(2, 3, 8, 12, seed=1)
    validity = torch.zeros(2, 1, *stylized.shape[-2:])
    validity[..., :5] = 1
    by_hand = (stylized - carried)[..., :5].square().mean((1, 2, 3))
    assert torch.allclose(temporal_loss(stylized, carried, validity), by_hand)
    elsewhere = torch.where(validity > 0, carried, carried + 1)
    assert torch.allclose(temporal_loss(stylized, elsewhere, validity), by_hand)


def test_temporal_loss_forgives_the_change_of_light_and_no_other():
    carried, light = noise(1, 3, 8, 12), torch.full((1, 1, 1, 1), 0.1)
    everywhere = torch.ones(1, 1, *carried.shape[-2:])
    assert temporal_loss(carried + 0.1, carried, everywhere, light) < 1e-12
    assert temporal_loss(carried, carried, everywhere, light).item() == pytest.approx(0.01)


def test_temporal_feature_loss_is_relative():
    """Features that change by a tenth of themselves, whatever their scale."""
    features, everywhere = noise(2, 5, 6, 7), torch.ones(2, 1, 6, 7)
    for scale in (1e-3, 1.0, 1e3):
        change = temporal_feature_loss(scale * features, 0.9 * scale * features, everywhere)
        assert change.tolist() == pytest.approx([0.01, 0.01], rel=1e-4)


def normal(seed: int, channels=4, count=40):
    """Moments of a set of points, in float64."""
    points = noise(1, count, channels, seed=seed, dtype=torch.float64) + seed
    return points.mean(1), points.transpose(1, 2) @ points / count


def test_wasserstein_distance_equals_scipys_matrix_root():
    import numpy as np
    from scipy.linalg import sqrtm

    (mean, second), (target_mean, target_second) = normal(1), normal(2)
    a, b = (s[0] - torch.outer(m[0], m[0]) for m, s in [(mean, second),
                                                        (target_mean, target_second)])  # fmt: skip
    root = sqrtm(b.numpy())
    shared = np.trace(sqrtm(root @ a.numpy() @ root)).real
    expected = (mean - target_mean).square().sum() + a.trace() + b.trace() - 2 * shared
    expected = expected / target_second[0].trace()
    found = wasserstein_distance(mean, second, target_mean, target_second)
    assert found.item() == pytest.approx(expected.item(), abs=1e-3)


def test_wasserstein_gradient_in_float64():
    (mean, second), target = normal(1), normal(2)
    symmetric = lambda s: (s + s.transpose(1, 2)) / 2  # noqa: E731
    leaves = (mean.requires_grad_(), second.requires_grad_())
    assert gradcheck(lambda m, s: wasserstein_distance(m, symmetric(s), *target), leaves)


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("lead", [(), (2,)])
def test_correlations_have_the_value_and_slope_of_the_product(by_columns, lead):
    x = noise(*lead, 3, 5, dtype=torch.float64)
    x = (x.mT.contiguous().mT if by_columns else x).requires_grad_()
    torch.testing.assert_close(correlations(x), torch.einsum("...ip,...jp->...ij", x, x))
    assert gradcheck(correlations, x)


def test_gram_matrix_gives_its_slope_in_the_layout_of_the_features():
    for layout in (torch.contiguous_format, torch.channels_last):
        x = noise(1, 4, 3, 5).contiguous(memory_format=layout).requires_grad_()
        gram_matrix(x).sum().backward()
        assert x.grad.is_contiguous(memory_format=layout)


def test_moments_equal_numpys_mean_and_covariance():
    features = torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(0)) + 2
    mean, covariance = feature_moments(features, group=2)
    for k in range(2):
        pixels = features[2 * k : 2 * k + 2].numpy().transpose(1, 0, 2, 3).reshape(3, -1)
        np.testing.assert_allclose(mean[k], pixels.mean(1), rtol=1e-5)
        np.testing.assert_allclose(covariance[k], np.cov(pixels, bias=True), rtol=1e-4, atol=1e-6)


def test_moments_are_the_gram_matrix_taken_apart():
    features = torch.randn(1, 3, 5, 6, generator=torch.Generator().manual_seed(0)) + 2
    mean, covariance = feature_moments(features)
    gram = 3 * gram_matrix(features)
    torch.testing.assert_close(covariance + mean[:, :, None] * mean[:, None], gram)


def test_moment_errors_tell_color_from_strokes():
    features = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 1
    targets = {"relu1_1": feature_moments(features)}
    lighter = moment_errors({"relu1_1": features + 1}, targets)
    assert lighter[0] > 0.1 and lighter[1] < 1e-6
    center = features.mean((2, 3), keepdim=True)
    flatter = moment_errors({"relu1_1": center + (features - center) / 2}, targets)
    torch.testing.assert_close(flatter[1], torch.tensor([0.75**2]))
    assert flatter[0] < 1e-6
