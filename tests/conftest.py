"""What several test files need: a net so small that it paints in a millisecond."""

from pathlib import Path

import pytest
import torch

from nst.checkpoint import Checkpoint, save_checkpoint
from nst.transformer_net import TransformerNet

TINY_STYLES = ("identity", "wave", "scream")


@pytest.fixture(scope="session")
def tiny() -> Checkpoint:
    """Return an untrained net with three styles that differ much."""
    generator = torch.Generator().manual_seed(0)
    net = TransformerNet((8, 8, 8), 1)
    with torch.no_grad():
        for parameter in net.parameters():
            scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    noise = torch.randn(len(TINY_STYLES), net.code_length, generator=generator)
    codes = net.plain_code() + 0.5 * noise
    return Checkpoint(net.eval().requires_grad_(False), codes, TINY_STYLES)


@pytest.fixture(scope="session")
def tiny_path(tiny, tmp_path_factory) -> Path:
    """Return the file of `tiny`."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, tiny)
    return path
