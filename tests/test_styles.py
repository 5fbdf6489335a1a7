"""`--style`: what it means as shares, and as a code. The second way is a sum written by hand."""

from dataclasses import replace
from pathlib import Path

import media
import numpy as np
import pytest
import torch
from PIL import Image

from nst.errors import InputError
from nst.options.stylize import PictureConfig, VideoConfig
from nst.styles.codes import STYLE_SIDE, CrossFade, chosen_style, style_code
from nst.styles.pictures import load_style
from nst.styles.spec import identity_share, parse_style, wanted_checkpoint


@pytest.mark.parametrize(
    "text, shares, strength",
    [
        ("wave", {"wave": 1}, 1),
        ("wave:0.6", {"wave": 1}, 0.6),
        ("wave:0", {"wave": 1}, 0),
        ("wave*0.5+scream*0.5", {"wave": 0.5, "scream": 0.5}, 1),
        ("wave+scream", {"wave": 0.5, "scream": 0.5}, 1),
        ("wave*3+scream", {"wave": 0.75, "scream": 0.25}, 1),
        ("wave*1+scream*0", {"wave": 1, "scream": 0}, 1),
        (" wave * 1 + scream * 4 : 0.25 ", {"wave": 0.2, "scream": 0.8}, 0.25),
        ("wave+scream*2+wave", {"wave": 0.5, "scream": 0.5}, 1),
        ("starry night*2", {"starry night": 1}, 1),
    ],
)
def test_closed_forms(text, shares, strength):
    found, found_strength = parse_style(text)
    assert found == pytest.approx(shares)
    assert list(found) == list(shares)
    assert found_strength == strength


def test_shares_of_any_blend_sum_to_one_and_keep_their_ratios():
    generator = torch.Generator().manual_seed(3)
    for count in range(1, 9):
        given = (torch.rand(count, generator=generator) * 100 + 0.01).tolist()
        shares, _ = parse_style("+".join(f"s{i}*{share:.6f}" for i, share in enumerate(given)))
        assert sum(shares.values()) == pytest.approx(1)
        for i, share in enumerate(given):
            assert shares[f"s{i}"] / shares["s0"] == pytest.approx(share / given[0], rel=1e-4)


def test_a_style_is_its_row_of_the_table(tiny):
    for row, name in enumerate(tiny.styles):
        code = style_code(tiny, name)
        assert code.shape == (1, tiny.net.code_length)
        assert torch.equal(code[0], tiny.codes[row])


def test_no_style_is_the_first_that_changes_something(tiny):
    assert torch.equal(style_code(tiny, None)[0], tiny.codes[1])
    half = style_code(tiny, None, 0.5)
    torch.testing.assert_close(half[0], (tiny.codes[0] + tiny.codes[1]) / 2)


def test_blend_is_the_mean_of_its_codes_by_share(tiny):
    _, wave, scream = tiny.codes
    torch.testing.assert_close(style_code(tiny, "wave*3+scream")[0], 0.75 * wave + 0.25 * scream)


@pytest.mark.parametrize("text", ["wave", "wave*1+scream*2", "scream+identity"])
def test_strength_goes_straight_from_identity_to_the_style(tiny, text):
    identity, style = tiny.codes[0], style_code(tiny, text)[0]
    for strength in (0.0, 0.1, 0.5, 0.9, 1.0):
        expected = identity + strength * (style - identity)
        torch.testing.assert_close(style_code(tiny, text, strength)[0], expected)
    assert torch.equal(style_code(tiny, text, 0.0)[0], identity)


def test_strength_of_the_text_is_multiplied_by_the_option(tiny):
    expected = tiny.codes[0] + 0.3 * (tiny.codes[2] - tiny.codes[0])
    for text, strength in (("scream:0.6", 0.5), ("scream:0.3", 1.0), ("scream", 0.3)):
        torch.testing.assert_close(style_code(tiny, text, strength)[0], expected)


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("text", ["wave", "wave:0.5", "identity", "wave*3+identity:0.8", None])
def test_share_of_identity_is_what_the_code_holds_of_it(tiny, text, strength):
    """Read off the code itself: with the other styles' codes at 0, that share is left."""
    codes = torch.zeros_like(tiny.codes)
    codes[0] = 1
    code = style_code(replace(tiny, codes=codes), text, strength)
    assert code[0, 0].item() == pytest.approx(identity_share(text, strength))


def test_unknown_style_says_which_there_are(tiny):
    with pytest.raises(InputError) as caught:
        style_code(tiny, "wave+monet")
    assert "'monet'" in str(caught.value)
    assert str(caught.value).endswith("there are: wave, scream")


@pytest.mark.parametrize(
    "text",
    ["", " ", "+", "wave+", "+wave", "*2", "wave*", "wave*x", "wave*-1", "wave*2*3", ":0.5"]
    + ["wave:", "wave:x", "wave:1.01", "wave:-0.1", "wave:nan", "wave:0.5:0.5", "wave*0"]
    + ["wave*0+scream*0", "wave*nan", "wave*inf+scream", "wave*1e999", "wave:0.5+scream:0.5"],
)
def test_what_cannot_be_read_is_one_line_with_the_text(text):
    with pytest.raises(InputError) as caught:
        parse_style(text)
    message = str(caught.value)
    assert repr(text) in message
    assert "\n" not in message


def config(**options) -> PictureConfig:
    paths = {"content_path": Path("in.png"), "output": Path("out.png")}
    return PictureConfig(**paths, method="one-pass", **options)


@pytest.fixture
def two(tmp_path) -> tuple[Path, Path]:
    """Return two style pictures, whose names --style could not say."""
    paths = tmp_path / "a+b.png", tmp_path / "c:1.jpg"
    for index, path in enumerate(paths):
        Image.fromarray(media.picture(9 * index, (70, 90))).save(path)
    return paths


def predicted(any_style, path: Path, side: int = STYLE_SIDE) -> torch.Tensor:
    with torch.no_grad():
        return any_style.encoder(load_style(path, side))


def test_a_picture_is_what_the_encoder_says(any_style, two):
    code, share = chosen_style(config(style_path=two[:1]), any_style)
    torch.testing.assert_close(code, predicted(any_style, two[0]))
    assert share == 0
    other, _ = chosen_style(config(style_path=two[1:]), any_style)
    assert (other - code).abs().max() > 0.01


def test_pictures_blend_by_their_weights_and_strength(any_style, two):
    given = config(style_path=two, blend=(1.0, 3.0), strength=0.8)
    code, share = chosen_style(given, any_style)
    first, second = (predicted(any_style, path) for path in two)
    expected = 0.2 * any_style.codes[:1] + 0.8 * (0.25 * first + 0.75 * second)
    torch.testing.assert_close(code, expected)
    assert share == pytest.approx(0.2)


def test_scale_enlarges_the_strokes(any_style, two):
    code, _ = chosen_style(config(style_path=two[:1], style_scale=0.5), any_style)
    torch.testing.assert_close(code, predicted(any_style, two[0], STYLE_SIDE // 2))


def test_a_picture_may_stand_where_a_name_does(any_style, tmp_path):
    path = tmp_path / "wave.png"
    Image.fromarray(media.picture(3, (70, 90))).save(path)
    expected = torch.lerp(any_style.codes[:1], predicted(any_style, path), 0.5)
    torch.testing.assert_close(style_code(any_style, f"{path}:0.5"), expected)
    assert identity_share(f"{path}:0.5") == 0.5


def test_tuning_is_asked_for_each_picture(any_style, two):
    seen = []

    def tune(picture, code):
        seen.append(picture.shape)
        return code + len(seen)

    code, _ = chosen_style(config(style_path=two), any_style, tune)
    expected = sum(predicted(any_style, path) for path in two) / 2 + 1.5
    torch.testing.assert_close(code, expected)
    assert len(seen) == 2


@pytest.mark.parametrize(
    "mode, size",
    [("RGB", (1, 1)), ("L", (40, 30)), ("RGBA", (40, 40)), ("CMYK", (50, 40)), ("RGB", (8000, 20))],
)
def test_any_kind_of_picture_has_a_code(any_style, tmp_path, mode, size):
    path = tmp_path / ("style.tif" if mode == "CMYK" else "style.png")
    Image.new(mode, size).save(path)
    code, _ = chosen_style(config(style_path=(path,)), any_style)
    assert code.isfinite().all()


def test_an_animation_gives_its_first_frame(any_style, tmp_path):
    frames = [Image.fromarray(media.picture(i, (40, 40))) for i in (0, 9)]
    frames[0].save(tmp_path / "many.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "one.gif")
    codes = [
        chosen_style(config(style_path=(tmp_path / f"{name}.gif",)), any_style)[0]
        for name in ("many", "one")
    ]
    torch.testing.assert_close(*codes)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"style_path": ("a.png",), "style": "wave"}, "leave out one"),
        ({"style_path": ("a.png",), "blend": (1.0, 2.0)}, "2 numbers; .* has 1 pictures"),
        ({"blend": (1.0,)}, "--blend needs --style-path"),
        ({"style_path": ("a.png",), "blend": (0.0,)}, "sum to 0"),
        ({"style_path": ("none.png",)}, "no file none.png"),
        ({"style": "wave"}, "none of its own"),
        ({}, "no styles of its own"),
    ],
)
def test_contradictions_are_one_line(any_style, options, message):
    with pytest.raises(InputError, match=message):
        chosen_style(config(**options), any_style)


def test_a_checkpoint_without_encoder_knows_its_own_styles_only(tiny, two):
    with pytest.raises(InputError, match="its own styles only"):
        chosen_style(config(style_path=two), tiny)


@pytest.mark.parametrize(
    "options, name",
    [
        ({}, "fast"),
        ({"style": "wave"}, "fast"),
        ({"style_path": (Path("a.png"),)}, "any_style"),
        ({"style": "art/a.jpg:0.5"}, "any_style"),
        ({"style_to": "a.jpg"}, "any_style"),
        ({"style_path": (Path("a.png"),), "checkpoint": "mine"}, "mine"),
    ],
)
def test_pictures_choose_their_checkpoint(options, name):
    assert wanted_checkpoint(VideoConfig(input_video="in.mp4", **options), "fast") == name


def test_a_cross_fade_goes_evenly_from_end_to_end():
    fade = CrossFade(torch.zeros(1, 2), 1.0, torch.ones(1, 2), 0.0, 5)
    for index in range(5):
        code, share = fade.at(index)
        np.testing.assert_allclose(code, index / 4)
        assert share == pytest.approx(1 - index / 4)
    assert fade.at(9)[1] == 0
    with pytest.raises(InputError, match="length"):
        CrossFade(torch.zeros(1, 2), 0, torch.ones(1, 2), 0, None)
