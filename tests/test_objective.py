"""The whole loss and its gradient, against autograd by hand and finite differences."""

import pytest
import torch

from nst.losses.perceptual import gram_matrix, relative_error, total_variation
from nst.models import winograd
from nst.optimize.objective import (
    FeatureTarget,
    Objective,
    StyleTarget,
    picture_features,
    picture_moments,
    windows,
)


@pytest.fixture(autouse=True)
def direct_convolutions(monkeypatch):
    """Tiles and the whole by the same arithmetic: Winograd's rounds by 1e-4, on large maps only."""
    monkeypatch.setattr(winograd, "_winograd_pays", lambda: False)


STYLE, CONTENT = ("relu1_1", "relu2_1", "relu3_1"), "relu3_2"


def picture(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def objective(vgg, content, masks=None, loss="gram", **more):
    moments = picture_moments(vgg, picture(48, 56, 5), STYLE)
    count = 1 if masks is None else len(masks)
    moments = {k: tuple(m.expand(count, *m.shape[1:]) for m in v) for k, v in moments.items()}
    style = StyleTarget(moments, loss, torch.full((count,), 1 / count), masks)
    values = picture_features(vgg, content, (CONTENT,))[CONTENT]
    pixels = picture(*values.shape[-2:], 7)[:, :1]
    targets = [
        FeatureTarget("content", CONTENT, values, 1.5),
        FeatureTarget("temporal", CONTENT, values * 0.5, 0.5, pixels),
    ]
    terms = {"tv": lambda image: 0.3 * total_variation(image).sum()}
    return Objective(vgg, style, 10.0, targets, terms, **more)


def test_terms_and_gradient_equal_the_formula_by_hand(random_vgg):
    content, image = picture(40, 52), picture(40, 52, 1).requires_grad_()
    terms, gradient = objective(random_vgg, content)(image)
    target = random_vgg(picture(48, 56, 5), STYLE)
    features = random_vgg(image, (*STYLE, CONTENT))
    wanted = random_vgg(content, (CONTENT,))[CONTENT]
    pixels = picture(*wanted.shape[-2:], 7)[:, :1]
    errors = [relative_error(gram_matrix(features[k]), gram_matrix(target[k])) for k in STYLE]
    half = 0.5 * wanted
    expected = {
        "tv": 0.3 * total_variation(image).sum(),
        "content": 1.5 * (features[CONTENT] - wanted).square().sum() / wanted.square().sum(),
        "style": 10 * sum(errors).sum() / 3,
        "temporal": 0.5
        * ((features[CONTENT] - half).square() * pixels).sum()
        / (half.square() * pixels).sum(),
    }
    assert terms == {k: pytest.approx(v.item(), rel=1e-4) for k, v in expected.items()}
    (by_hand,) = torch.autograd.grad(sum(expected.values()), image)
    torch.testing.assert_close(gradient, by_hand, rtol=1e-3, atol=1e-4 * by_hand.abs().max().item())


@pytest.mark.parametrize("loss", ["moments", "gram", "wasserstein"])
@pytest.mark.parametrize("size, regions", [((64, 96), 0), ((65, 83), 2)])
def test_tiles_have_the_gradient_of_the_whole(random_vgg, size, loss, regions):
    content, image = picture(*size), picture(*size, 1)
    masks = picture(*size, 3)[0, :regions] if regions else None
    whole_terms, whole = objective(random_vgg, content, masks, loss)(image)
    tiled = objective(random_vgg, content, masks, loss, tile=24)
    for _ in range(3):  # each time with other cuts
        terms, gradient = tiled(image)
        assert terms == {k: pytest.approx(v, rel=1e-4) for k, v in whole_terms.items()}
        assert (gradient - whole).norm() < 1e-4 * whole.norm()


def test_computing_twice_changes_nothing(random_vgg):
    content, image = picture(40, 52), picture(40, 52, 1)
    plain_terms, plain = objective(random_vgg, content)(image)
    terms, gradient = objective(random_vgg, content, recompute=True)(image)
    assert terms == pytest.approx(plain_terms)
    torch.testing.assert_close(gradient, plain)


@pytest.mark.parametrize("loss", ["moments", "gram", "wasserstein"])
def test_gradient_is_the_slope_in_float64(vgg_state, loss):
    from nst.models.vgg import VGGFeatures

    vgg = VGGFeatures(vgg_state).double()
    content, image = picture(16, 20).double(), picture(16, 20, 1).double()
    judge = objective(vgg, content, loss=loss)
    _, gradient = judge(image)
    way = torch.randn(image.shape, generator=torch.Generator().manual_seed(2)).double()
    ahead, behind = (sum(judge(image + s * 1e-6 * way)[0].values()) for s in (1, -1))
    slope = (ahead - behind) / 2e-6
    assert (gradient * way).sum().item() == pytest.approx(slope, rel=1e-4)


def test_a_region_that_is_everywhere_equals_no_region(random_vgg):
    content, image = picture(40, 48), picture(40, 48, 1)
    plain_terms, plain = objective(random_vgg, content)(image)
    terms, gradient = objective(random_vgg, content, torch.ones(1, 40, 48))(image)
    assert terms == pytest.approx(plain_terms, rel=1e-5)
    torch.testing.assert_close(gradient, plain, rtol=1e-3, atol=1e-4 * plain.abs().max().item())


def test_style_gradient_is_0_far_from_its_region(random_vgg):
    size, masks = (16, 96), torch.zeros(1, 16, 96)
    masks[..., :32] = 1
    judge = objective(random_vgg, picture(*size), masks)
    judge.features, judge.pixel_terms = [], {}
    judge.__post_init__()
    _, gradient = judge(picture(*size, 1))
    assert not gradient[..., 64:].any() and gradient[..., :32].any()


@pytest.mark.parametrize("size", [(64, 96), (65, 83), (16, 200)])
@pytest.mark.parametrize("tile, shift", [(None, 3), (32, 0), (32, 5), (48, 1)])
def test_tiles_own_each_pixel_once(size, tile, shift):
    count = torch.zeros(size)
    for window in windows(size, tile, STYLE, shift):
        top, bottom, left, right = window.inner
        assert top % 4 == 0 and left % 4 == 0
        count[top:bottom, left:right] += 1
    assert torch.equal(count, torch.ones(size))


def test_features_from_tiles_are_those_of_the_whole(random_vgg):
    image = picture(65, 83)
    whole = random_vgg(image, STYLE)
    torch.testing.assert_close(picture_features(random_vgg, image, STYLE, 24), whole)
