"""What several test files need: a net so small that it paints in a millisecond."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import films
import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

import nst.stylize.film
import nst.stylize.frames
from nst.models.checkpoint import Checkpoint, save_checkpoint
from nst.models.style_encoder import StyleEncoder
from nst.models.transformer_net import TransformerNet
from nst.models.vgg import BLOCKS, TORCHVISION_INDICES, VGGFeatures
from nst.options.stylize import VideoConfig
from nst.options.train import TrainConfig
from nst.stylize.videos import one_pass_video

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
def stroked(tiny) -> Checkpoint:
    """Return `tiny` with kernels of each style's own."""
    generator = torch.Generator().manual_seed(2)
    kernels = 0.1 * torch.randn(len(TINY_STYLES), tiny.net.kernels_length, generator=generator)
    kernels[0] = 0
    return replace(tiny, kernels=kernels)


@pytest.fixture(scope="session")
def tiny_path(tiny, tmp_path_factory) -> Path:
    """Return the file of `tiny`."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, tiny)
    return path


@pytest.fixture(scope="session")
def painted(tiny) -> Callable[[np.ndarray, tuple[float, float, float]], np.ndarray]:
    """Return what makes (H, W, 3) in 0 to 255 of such, by hand, with a weight for each style.

    What the identity loses is given back in its share, as a mean of 5x5 pixels; so it is up to 160
    pixels, beyond them it is found on a smaller copy.
    """

    def paint(levels: np.ndarray, weights: tuple[float, float, float]) -> np.ndarray:
        image = torch.tensor(np.moveaxis(levels / 255.0, -1, 0)[None], dtype=torch.float32)
        result, identity = (
            np.moveaxis(tiny.net(image, tiny.codes, torch.tensor([row]))[0].numpy(), 0, -1) * 255
            for row in ([float(weight) for weight in weights], [1.0, 0.0, 0.0])
        )
        lost = uniform_filter(levels - identity, (5, 5, 1), mode="nearest")
        return (result + weights[0] * lost).clip(0, 255)

    return paint


@pytest.fixture
def no_net(monkeypatch, tiny_path) -> Callable[..., Path]:
    """Return what runs a video through all of one pass but the net, and gives the output's path."""
    monkeypatch.setattr(nst.stylize.frames, "stylize", lambda net, image, *_, **__: image)

    def run(source: Path, output: Path, **options) -> Path:
        given = {"checkpoint": str(tiny_path), "temporal_blend": 0.0, "flow": "none"}
        given |= {"device": "cpu", "quiet": True, "crf": 8, "preset": "ultrafast"}
        one_pass_video(
            VideoConfig(input_video=str(source), output_video=output, **{**given, **options})
        )
        return output

    return run


@pytest.fixture(scope="session")
def any_style(tiny) -> Checkpoint:
    """Return the tiny net with an untrained encoder, for which different pictures differ."""
    torch.manual_seed(1)
    encoder = StyleEncoder(tiny.net.code_length, (8, 8), hidden=16)
    encoder.start_from(tiny.net.plain_code())
    torch.nn.init.normal_(encoder.out.weight, std=0.1)
    encoder.norm.variance.fill_(1.0)
    encoder.eval().requires_grad_(False)
    return Checkpoint(tiny.net, tiny.codes[:1], ("identity",), encoder=encoder)


@pytest.fixture(scope="session")
def any_style_path(any_style, tmp_path_factory) -> Path:
    """Return the file of `any_style`."""
    path = tmp_path_factory.mktemp("checkpoint") / "any.safetensors"
    save_checkpoint(path, any_style)
    return path


@pytest.fixture(scope="session")
def vgg_state() -> dict[str, torch.Tensor]:
    """Random VGG-19 weights in torchvision's layout, that keep the energy of what passes."""
    generator, state, channels_in = torch.Generator().manual_seed(0), {}, 3
    counts = [channels for channels, count in BLOCKS.values() for _ in range(count)]
    for index, channels in zip(TORCHVISION_INDICES, counts, strict=True):
        weight = torch.randn(channels, channels_in, 3, 3, generator=generator)
        state[f"features.{index}.weight"] = weight * (2 / (9 * channels_in)) ** 0.5
        state[f"features.{index}.bias"] = torch.zeros(channels)
        channels_in = channels
    return state


@pytest.fixture(scope="session")
def random_vgg(vgg_state) -> VGGFeatures:
    """Return VGG-19 with random weights."""
    return VGGFeatures(vgg_state)


@pytest.fixture(scope="session")
def film_clip(tmp_path_factory) -> Path:
    """A clip of three shots, see `films`."""
    return films.make_film(tmp_path_factory.mktemp("film") / "film.mp4")


@pytest.fixture
def film_config(film_clip, tiny_path, tmp_path) -> Callable[..., VideoConfig]:
    """Return what makes the options of a run over `film_clip`, by its output's name."""
    return lambda name="out.mp4", **options: films.film_config(
        film_clip, tiny_path, tmp_path / name, **options
    )


@pytest.fixture
def short_parts(monkeypatch) -> None:
    """Each shot of `film_clip` is a part of its own."""
    monkeypatch.setattr(nst.stylize.film, "MIN_FRAMES", 1)


@pytest.fixture
def train_config(tmp_path) -> TrainConfig:
    """A run of training as small as can be; its two folders are made, empty."""
    for folder in ("photos", "styles", "out"):
        (tmp_path / folder).mkdir()
    return TrainConfig(
        content_dir=tmp_path / "photos",
        style_dir=tmp_path / "styles",
        output=tmp_path / "out" / "net.safetensors",
        steps=6,
        batch=2,
        pictures_per_style=1,
        crop_size=64,
        style_size=64,
        style_scales=(1.0,),
        grain=0.0,
        loss_net="vgg19",
        unshuffle=1,
        widths=(8, 8, 8),
        blocks=1,
        content_layers=("relu1_1",),
        style_layers=("relu1_1", "relu2_1"),
        holdout=1,
        workers=0,
        device="cpu",
        precision="float32",
        quiet=True,
    )
