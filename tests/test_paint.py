"""Which codes are painted with, by the user's style scale and the picture's size."""

from dataclasses import replace
from pathlib import Path

import media
import pytest
import torch
from PIL import Image

from nst.errors import InputError
from nst.media.images import load_image
from nst.models.checkpoint import Checkpoint, save_checkpoint
from nst.models.transformer_net import TransformerNet
from nst.options.stylize import PictureConfig
from nst.stylize.forward import stylize
from nst.stylize.images import one_pass_pictures
from nst.stylize.paint import Paint, mix_paint, read_styles

STYLES = ("identity", "wave", "scream")


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    net = TransformerNet((4, 6, 8), 1, 2).eval().requires_grad_(False)
    codes = net.plain_code() + 0.3 * torch.randn(3, 3, net.code_length)
    codes[:, 0] = codes[0, 0]
    return Checkpoint(net, codes[1], STYLES, scales=(0.5, 1.0, 2.0), scaled_codes=codes)


@pytest.fixture
def config(tmp_path) -> PictureConfig:
    Image.fromarray(media.picture(0, (48, 64))).save(tmp_path / "photo.png")
    return PictureConfig(
        content_path=tmp_path / "photo.png",
        output=tmp_path / "painted.png",
        method="one-pass",
        style="wave",
        device="cpu",
        precision="float32",
        quiet=True,
    )


def paint_of(config: PictureConfig, checkpoint: Checkpoint) -> Paint:
    return mix_paint(config, checkpoint, read_styles(config), list)


@pytest.mark.parametrize(
    ("size", "scale", "row"),
    [((360, 640), 1, 1), ((720, 1280), 1, 2), ((320, 180), 1, 0), ((640, 360), 2, 2)]
    + [((640, 1280), 0.5, 1), ((2160, 3840), 1, 2), ((64, 48), 1, 0)],
)
def test_strokes_grow_with_the_picture(config, checkpoint, size, scale, row):
    paint = paint_of(replace(config, style_scale=scale), checkpoint).for_size(size)
    torch.testing.assert_close(paint.codes[0], checkpoint.scaled_codes[row, 1])


def test_between_two_scales_codes_are_interpolated(config, checkpoint):
    codes = paint_of(config, checkpoint).for_size((360, 905)).codes[0]
    expected = checkpoint.scaled_codes[1:, 1].mean(0)
    torch.testing.assert_close(codes, expected, rtol=1e-3, atol=1e-3)


def test_strength_and_blend_hold_at_every_scale(config, checkpoint):
    config = replace(config, style="wave*0.25+scream*0.75:0.5")
    codes = paint_of(config, checkpoint).for_size((720, 1280)).codes[0]
    identity, wave, scream = checkpoint.scaled_codes[2]
    expected = 0.5 * identity + 0.5 * (0.25 * wave + 0.75 * scream)
    torch.testing.assert_close(codes, expected)


def test_a_scale_beyond_those_trained_is_said(config, checkpoint):
    paint = paint_of(replace(config, style_scale=4), checkpoint)
    with pytest.warns(UserWarning, match=r"knows 0\.5 to 2: taking 2"):
        codes = paint.for_size((360, 640)).codes
    torch.testing.assert_close(codes[0], checkpoint.scaled_codes[2, 1])


def test_one_brush_size_refuses_another(config, checkpoint):
    one = replace(checkpoint, scales=(1.0,), scaled_codes=None)
    assert torch.equal(paint_of(config, one).for_size((720, 1280)).codes[0], one.codes[1])
    with pytest.raises(InputError, match="one brush size"):
        paint_of(replace(config, style_scale=2), one)


def test_a_picture_is_painted_with_the_codes_of_its_size(config, checkpoint, tmp_path: Path):
    save_checkpoint(tmp_path / "net.safetensors", checkpoint)
    config = replace(config, checkpoint=str(tmp_path / "net.safetensors"))
    one_pass_pictures(config, [(config.content_path, config.output)])
    content, found = load_image(config.content_path), load_image(config.output)
    code = checkpoint.scaled_codes[0, 1:2]
    expected = stylize(checkpoint.net, content, code, torch.float32, detail=checkpoint.detail)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.51 / 255)
