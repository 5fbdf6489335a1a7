"""What PyTorch does not promise to keep: it is there, and what stands in for it does the same."""

import pytest
import torch

from nst.models import winograd
from nst.models.transformer_net import TransformerNet
from nst.models.winograd import MIN_CHANNELS, FrozenConvolution


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (torch, "_nnpack_spatial_convolution"),
        (torch, "native_group_norm"),
        (torch.Tensor, "_version"),
    ],
)
def test_it_is_there(owner, name):
    """A failure says that PyTorch has dropped it: all works on, more slowly."""
    assert hasattr(owner, name)


def test_without_native_group_norm_a_net_paints_the_same(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    net = TransformerNet((4, 8, 16), blocks=1)
    image = torch.rand(1, 3, 32, 24, generator=generator)
    code = net.plain_code() + 0.1 * torch.randn(net.code_length, generator=generator)
    whole = torch.ones(1, 1)
    with torch.no_grad():
        expected, folded = net(image, code[None], whole), net.folded(image, code[None])
        monkeypatch.delattr(torch, "native_group_norm")
        torch.testing.assert_close(net(image, code[None], whole), expected)
        torch.testing.assert_close(net.folded(image, code[None]), folded)


def test_without_nnpack_s_function_convolutions_go_the_common_way(monkeypatch):
    monkeypatch.delattr(torch, "_nnpack_spatial_convolution")
    winograd._winograd_pays.cache_clear()
    try:
        assert not winograd._winograd_pays()
    finally:
        winograd._winograd_pays.cache_clear()


def test_without_a_version_kernels_are_made_anew(monkeypatch):
    if not torch.backends.nnpack.is_available():
        pytest.skip("PyTorch has no NNPACK here")
    monkeypatch.setattr(winograd, "_winograd_pays", lambda: True)
    monkeypatch.setattr(winograd, "_version_of", lambda weight: None)
    layer = FrozenConvolution(8, MIN_CHANNELS)
    x = torch.rand(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    before = layer(x)
    with torch.no_grad():
        layer.weight.mul_(2)
        layer.bias.mul_(2)
    torch.testing.assert_close(layer(x), 2 * before)
