"""The encoder: what its code depends on, and what not."""

import numpy as np
import pytest
import torch

from nst.models.style_encoder import PIXEL_SCALES, RunningNorm, StyleEncoder, _correlations


@pytest.fixture(scope="module")
def encoder() -> StyleEncoder:
    torch.manual_seed(0)
    encoder = StyleEncoder(20, (8, 8, 12), mixtures=4, hidden=16)
    encoder.train()
    for _ in range(3):
        encoder(torch.rand(4, 3, 40, 40))
    return encoder.eval().requires_grad_(False)


def test_a_code_for_each_picture_of_any_size(encoder):
    for size in ((32, 32), (33, 70), (90, 41)):
        both = torch.rand(2, 3, *size)
        codes = encoder(both)
        assert codes.shape == (2, 20) and codes.isfinite().all()
        torch.testing.assert_close(codes[1:], encoder(both[1:]))


def test_every_picture_begins_near_the_given_code():
    encoder, code = StyleEncoder(6, (8, 8)), torch.arange(6.0)
    encoder.start_from(code)
    assert (encoder(torch.rand(5, 3, 32, 32)) - code).abs().max() < 1


def test_statistics_forget_places(encoder):
    """A picture repeated side by side is the same style, up to what happens at the seams."""
    y, x = np.mgrid[:64, :64]
    wave = 0.5 + 0.5 * np.stack([np.sin(x * np.pi / 8), np.cos(y * np.pi / 8), 0 * x])
    tile = torch.tensor(wave[None], dtype=torch.float32)
    once, twice = (encoder.statistics(torch.cat([tile] * n, 3)) for n in (2, 4))
    torch.testing.assert_close(once, twice, rtol=0.05, atol=0.05)


def test_pixels_have_their_mean_and_covariance(encoder):
    flat = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    found = encoder.statistics(flat)[0, : 9 * PIXEL_SCALES].view(PIXEL_SCALES, 9)
    light = 0.299 * 0.2 + 0.587 * 0.5 + 0.114 * 0.9
    # Rec. 601's color differences.
    expected = torch.tensor([light, 0.5 / 0.886 * (0.9 - light), 0.5 / 0.701 * (0.2 - light)])
    torch.testing.assert_close(found[:, :3], expected.expand(PIXEL_SCALES, 3), rtol=0, atol=2e-3)
    assert found[:, 3:].abs().max() < 0.02


def test_correlations_are_numpys_covariances():
    x = torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(1))
    for row, sample in zip(_correlations(x), x.flatten(2).numpy(), strict=True):
        expected = np.cov(sample, bias=True)[np.triu_indices(3)]
        np.testing.assert_allclose(row * row.abs(), expected, atol=2e-4)


def test_running_norm_standardises_what_it_has_seen():
    norm, generator = RunningNorm(2), torch.Generator().manual_seed(2)
    for _ in range(200):
        norm(torch.randn(4, 2, generator=generator) * torch.tensor([3.0, 0.1]) + 7)
    norm.eval()
    # What few samples in all have seen is their own mean and variance.
    few, exact = torch.randn(12, 3, generator=generator), RunningNorm(3)
    for part in few.split((5, 3, 4)):
        exact(part)
    torch.testing.assert_close(exact.mean, few.mean(0))
    torch.testing.assert_close(exact.variance, few.var(0, correction=0))
    given = torch.tensor([[7.0, 7.0], [10.0, 7.1]])
    torch.testing.assert_close(norm(given), torch.tensor([[0.0, 0], [1, 1]]), rtol=0, atol=0.15)
    before = norm.mean.clone()
    norm(given)
    assert torch.equal(norm.mean, before)


def test_the_shipped_size_is_below_eight_megabytes():
    from nst.models.transformer_net import TransformerNet

    net = TransformerNet((16, 32, 64))
    encoder = StyleEncoder(net.code_length)
    numbers = sum(p.numel() for part in (net, encoder) for p in part.state_dict().values())
    assert 2 * numbers < 8e6
