"""The fast way, beside the direct one in float64."""

import pytest
import torch
import torch.nn.functional as F

from nst.models import winograd as convolution
from nst.models.winograd import MIN_CHANNELS, FrozenConvolution


@pytest.fixture
def by_winograd(monkeypatch):
    """Take the fast way whatever this processor is."""
    if not torch.backends.nnpack.is_available():
        pytest.skip("PyTorch has no NNPACK here")
    monkeypatch.setattr(convolution, "_winograd_pays", lambda: True)


def random_case(size, batch=1, channels=(32, MIN_CHANNELS)):
    generator = torch.Generator().manual_seed(0)
    layer = FrozenConvolution(*channels)
    state = {
        "weight": torch.randn(channels[1], channels[0], 3, 3, generator=generator),
        "bias": torch.randn(channels[1], generator=generator),
    }
    layer.load_state_dict(state)
    return layer, torch.randn(batch, channels[0], *size, generator=generator)


def ways_taken(monkeypatch):
    """Return a list that gets a word for each convolution."""
    taken = []
    direct, fast = F.conv2d, torch._nnpack_spatial_convolution
    monkeypatch.setattr(F, "conv2d", lambda *a: taken.append("direct") or direct(*a))
    monkeypatch.setattr(
        torch, "_nnpack_spatial_convolution", lambda *a: taken.append("fast") or fast(*a)
    )
    return taken


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("size", "batch"), [((8, 8), 1), ((13, 21), 1), ((24, 9), 3), ((28, 28), 2)]
)
def test_maps_and_slopes_equal_the_direct_ways(by_winograd, monkeypatch, size, batch, layout):
    layer, x = random_case(size, batch)
    x = x.contiguous(memory_format=layout).requires_grad_()
    taken = ways_taken(monkeypatch)
    maps = layer(x)
    slope_above = torch.randn(maps.shape, generator=torch.Generator().manual_seed(1))
    (slope,) = torch.autograd.grad(maps, x, slope_above)
    assert taken == ["fast"] * 2 * batch
    exact = x.detach().double().requires_grad_()
    expected = F.conv2d(exact, layer.weight.double(), layer.bias.double(), 1, 1)
    (expected_slope,) = torch.autograd.grad(expected, exact, slope_above.double())
    for found, wanted in ((maps, expected), (slope, expected_slope)):
        assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_what_the_fast_way_cannot_take_goes_the_direct_one(by_winograd, monkeypatch):
    layer, x = random_case((12, 12))
    few, _ = random_case((12, 12), channels=(32, MIN_CHANNELS // 2))
    taken = ways_taken(monkeypatch)
    layer(x[..., :4])
    few(x)
    layer.double()(x.double())
    layer.bfloat16()(x.bfloat16())
    assert taken == ["direct"] * 4


def test_weights_that_change_are_seen(by_winograd):
    """The turned kernels are kept from call to call."""
    layer, x = random_case((12, 12))
    x.requires_grad_()
    (before,) = torch.autograd.grad(layer(x).sum(), x)
    layer.load_state_dict({"weight": 2 * layer.weight, "bias": layer.bias})
    (after,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(after, 2 * before)


def test_vgg_gives_the_same_gradient_either_way(by_winograd, monkeypatch, random_vgg):
    image = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(2))

    def look():
        leaf = image.clone().requires_grad_()
        features = random_vgg(leaf, ("relu1_1", "relu3_2"))
        total = sum(x.square().mean() for x in features.values())
        return total.detach(), *torch.autograd.grad(total, leaf)

    with monkeypatch.context() as patch:
        taken = ways_taken(patch)
        total, gradient = look()
    assert "fast" in taken
    monkeypatch.setattr(convolution, "_winograd_pays", lambda: False)
    direct_total, direct_gradient = look()
    torch.testing.assert_close(total, direct_total, rtol=1e-5, atol=0)
    assert (gradient - direct_gradient).norm() < 1e-3 * direct_gradient.norm()
