"""Looks: what they set, what wins over them, and lightness and colors graded by hand."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import nst
from nst.api import run_video
from nst.commands.list_styles import catalogue
from nst.commands.parser import parse
from nst.core.color import Grade, luminance
from nst.errors import InputError
from nst.options.recipes import included_looks, read_look
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.tools import CatalogueConfig

ARGV = ["--input-video", "in.mp4"]
SPECS = {spec.name: spec for spec in fields(VideoConfig)}


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0))


def test_saturation_and_contrast_are_factors(image):
    image = 0.35 + 0.3 * image  # nothing is clipped
    light = luminance(image)
    found = Grade(saturation=0.5, contrast=1.5)(image)
    torch.testing.assert_close(luminance(found), 0.5 + 1.5 * (light - 0.5))
    torch.testing.assert_close(found - luminance(found), 0.5 * (image - light))
    gray = Grade(saturation=0)(image)
    torch.testing.assert_close(gray, light.expand(1, 3, -1, -1))
    assert Grade()(image) is image


def test_tones_are_levels_with_short_ramps_between():
    ramp = torch.linspace(0, 1, 1201).expand(1, 3, 1, 1201)
    found = luminance(Grade(tones=4)(ramp)).flatten()
    levels = torch.arange(4) / 3
    near = (found[:, None] - levels).abs().amin(1) < 1e-4
    assert near.float().mean() == pytest.approx(0.75, abs=0.01)
    assert (found.diff() >= -1e-6).all() and found.diff().max() < 0.01
    assert (found[0], found[-1]) == (pytest.approx(0), pytest.approx(1))


def test_looks_set_what_they_say_and_other_options_win(tmp_path):
    found, _ = parse(VideoConfig, "", [*ARGV, "--look", "ink", "--contrast", "1.5"])
    assert (found.saturation, found.contrast, found.style_scale) == (0, 1.5, 0.5)
    file = tmp_path / "mine.toml"
    file.write_text('look = "poster"\nsaturation = 0.3\n')
    found, _ = parse(VideoConfig, "", [*ARGV, "--config", str(file)])
    assert (found.saturation, found.tones, found.look) == (0.3, 4, "poster")
    file.write_text("tones = 7\n")
    found, _ = parse(VideoConfig, "", [*ARGV, "--look", str(file)])
    assert found.tones == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "--look is '.*mine.toml'; give bold, ink, natural, poster, soft, or a TOML file"),
        ('look = "ink"', "a look takes no other look"),
        ("tone = 3", "unknown key 'tone'; did you mean tones"),
        ("tones = 1", "--tones is 1; it must be from 2 to 32"),
    ],
)
def test_a_wrong_look_is_one_line(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    if text:
        file.write_text(text)
    with pytest.raises(InputError, match=message):
        parse(VideoConfig, "", [*ARGV, "--look", str(file)])


def test_a_look_is_for_one_pass():
    argv = ["--content-path", "a.jpg", "--look", "ink"]
    with pytest.raises(InputError, match="belongs to --method one-pass"):
        parse(PictureConfig, "", argv)


def test_every_look_is_listed_with_what_it_is_like():
    lines = catalogue(CatalogueConfig(quiet=True)).splitlines()
    looks = included_looks()
    assert set(looks) == {"soft", "bold", "poster", "ink", "natural"}
    for name, words in looks.items():
        assert f"look: {name}: {words}" in lines and words.endswith(".")
        assert read_look(name, SPECS).keys() <= SPECS.keys()


def test_pictures_and_videos_are_graded_alike(tiny_path, film_config, painted):
    content = (np.random.default_rng(0).random((48, 64, 3)) * 255).round().astype(np.uint8)
    net = nst.load(tiny_path, device="cpu", precision="float32")
    plain = torch.from_numpy(painted(content, (0, 1, 0)) / 255).movedim(-1, 0)[None].float()
    expected = Grade(0.5, 1.3, 5)(plain)[0].movedim(0, -1).numpy() * 255
    options = {"saturation": 0.5, "contrast": 1.3, "tones": 5}
    found = net.stylize(content, "wave", **options)
    assert np.abs(found - expected).mean() < 0.6
    frames = []
    config = film_config(temporal_blend=0.0, **options)
    run_video(replace(config, output_video=None), frames.append)
    for frame in frames[:2]:
        given = (frame.original.image[0].movedim(0, -1) * 255).round().byte().numpy()
        by_hand = net.stylize(given, "wave", **options)
        assert np.abs(frame.result.image[0].movedim(0, -1).numpy() * 255 - by_hand).mean() < 0.6
    assert net.stylize(content, "wave", look="ink", style_scale=1.0).std(2).max() <= 1
