"""`--style`: what it means as weights, and as a code. The second way is a sum written by hand."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import media
import pytest
import torch
from PIL import Image

from nst.errors import InputError
from nst.options.stylize import PictureConfig
from nst.styles.codes import STYLE_SIDE, style_code, style_codes
from nst.styles.pictures import load_style
from nst.styles.spec import StyleSpec, parse_style, picture_style, style_of


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
    found = parse_style(text)
    assert dict(found.weights) == pytest.approx(shares)
    assert [style for style, _ in found.weights] == list(shares)
    assert found.strength == strength


def test_weights_sum_to_one_and_keep_their_ratios():
    generator = torch.Generator().manual_seed(3)
    for count in range(1, 9):
        given = (torch.rand(count, generator=generator) * 100 + 0.01).tolist()
        text = "+".join(f"s{i}*{share:.6f}" for i, share in enumerate(given))
        shares = dict(parse_style(text).weights)
        assert sum(shares.values()) == pytest.approx(1)
        for i, share in enumerate(given):
            assert shares[f"s{i}"] / shares["s0"] == pytest.approx(share / given[0], rel=1e-4)


@pytest.fixture
def gallery(tmp_path, monkeypatch) -> Path:
    """Return a folder of pictures whose names hold every mark; it is the current one."""
    monkeypatch.chdir(tmp_path)
    names = ["a+b.png", "a*2.png", "c:0.5.jpg", "d=e, f.png", "größe 1.png", "g", "sub/h:0.5"]
    (tmp_path / "sub").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    "text, weights, strength",
    [
        ("a+b.png", {Path("a+b.png"): 1}, 1),
        ("a+b.png:0.5", {Path("a+b.png"): 1}, 0.5),
        ("a*2.png", {Path("a*2.png"): 1}, 1),
        ("a*2.png*3+wave", {Path("a*2.png"): 0.75, "wave": 0.25}, 1),
        ("wave+a+b.png*3:0.5", {"wave": 0.25, Path("a+b.png"): 0.75}, 0.5),
        ("a+b.png + a*2.png", {Path("a+b.png"): 0.5, Path("a*2.png"): 0.5}, 1),
        ("c:0.5.jpg", {Path("c:0.5.jpg"): 1}, 1),
        ("c:0.5.jpg:0.25", {Path("c:0.5.jpg"): 1}, 0.25),
        ("d=e, f.png", {Path("d=e, f.png"): 1}, 1),
        ("größe 1.png:0.5", {Path("größe 1.png"): 1}, 0.5),
        ("sub/h:0.5", {Path("sub/h:0.5"): 1}, 1),
        ("./g", {Path("g"): 1}, 1),
        ("g", {"g": 1}, 1),
        (r"C:\art\wave.jpg", {Path(r"C:\art\wave.jpg"): 1}, 1),
        (r"C:\art\wave.jpg:0.6", {Path(r"C:\art\wave.jpg"): 1}, 0.6),
        ("~/none.jpg:1", {Path(os.path.expanduser("~/none.jpg")): 1}, 1),
        ("missing/x:y.jpg", {Path("missing/x:y.jpg"): 1}, 1),
    ],
)
def test_paths_may_hold_every_mark(gallery, text, weights, strength):
    found = parse_style(text)
    assert dict(found.weights) == pytest.approx(weights)
    assert found.strength == strength
    assert found.pictures == tuple(style for style in weights if isinstance(style, Path))


@pytest.mark.parametrize("text", ["wave", "a*1+b*3:0.25", "a+b.png*1+./g*1:0.5", "original"])
def test_a_style_is_written_as_it_is_read(gallery, text):
    style = parse_style(text)
    assert parse_style(str(style)) == style
    assert pickle.loads(pickle.dumps(style)) == style and hash(style) == hash(parse_style(text))


def test_original_is_the_identity(tiny):
    assert parse_style("original").is_original and not parse_style("wave+original").is_original
    assert torch.equal(style_code(tiny, parse_style("original"))[0], tiny.codes[0])


def test_a_style_is_its_row_of_the_table(tiny):
    for row, name in enumerate(tiny.styles):
        code = style_code(tiny, parse_style(name))
        assert code.shape == (1, tiny.net.code_length)
        assert torch.equal(code[0], tiny.codes[row])


def test_no_style_is_the_first_that_changes_something(tiny):
    assert torch.equal(style_code(tiny, None)[0], tiny.codes[1])
    half = style_code(tiny, None, 0.5)
    torch.testing.assert_close(half[0], (tiny.codes[0] + tiny.codes[1]) / 2)


def test_blend_is_the_mean_of_its_codes_by_share(tiny):
    _, wave, scream = tiny.codes
    torch.testing.assert_close(
        style_code(tiny, parse_style("wave*3+scream"))[0], 0.75 * wave + 0.25 * scream
    )


@pytest.mark.parametrize("text", ["wave", "wave*1+scream*2", "scream+identity"])
def test_strength_goes_straight_from_identity_to_the_style(tiny, text):
    identity, style = tiny.codes[0], style_code(tiny, parse_style(text))[0]
    for strength in (0.0, 0.1, 0.5, 0.9, 1.0):
        expected = identity + strength * (style - identity)
        torch.testing.assert_close(style_code(tiny, parse_style(text), strength)[0], expected)
    assert torch.equal(style_code(tiny, parse_style(text), 0.0)[0], identity)


def test_strength_of_the_text_is_multiplied_by_the_option(tiny):
    expected = tiny.codes[0] + 0.3 * (tiny.codes[2] - tiny.codes[0])
    for text, strength in (("scream:0.6", 0.5), ("scream:0.3", 1.0), ("scream", 0.3)):
        torch.testing.assert_close(style_code(tiny, parse_style(text), strength)[0], expected)


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("text", ["wave", "wave:0.5", "identity", "wave*3+identity:0.8", None])
def test_identity_weight_is_what_the_code_holds_of_it(tiny, text, strength):
    """Read off the code itself: with the other styles' codes at 0, that weight is left."""
    codes = torch.zeros_like(tiny.codes)
    codes[0] = 1
    style = None if text is None else parse_style(text)
    found, weights = style_codes(replace(tiny, codes=codes), (style,), strength)
    assert found[0, 0].item() == pytest.approx(weights.item())


def test_unknown_style_says_which_there_are(tiny):
    with pytest.raises(InputError) as caught:
        style_code(tiny, parse_style("wave+monet"))
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


def chosen(options: PictureConfig, checkpoint, tune=None) -> tuple[torch.Tensor, float]:
    """Return the code that the options ask for, and the identity's weight in it."""
    styles = (style_of(options),)
    code, weights = style_codes(checkpoint, styles, options.strength, options.style_scale, tune)
    return code, weights.item()


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
    code, share = chosen(config(style_path=two[:1]), any_style)
    torch.testing.assert_close(code, predicted(any_style, two[0]))
    assert share == 0
    other, _ = chosen(config(style_path=two[1:]), any_style)
    assert (other - code).abs().max() > 0.01


def test_pictures_blend_by_their_weights_and_strength(any_style, two):
    given = config(style_path=two, blend=(1.0, 3.0), strength=0.8)
    code, share = chosen(given, any_style)
    first, second = (predicted(any_style, path) for path in two)
    expected = 0.2 * any_style.codes[:1] + 0.8 * (0.25 * first + 0.75 * second)
    torch.testing.assert_close(code, expected)
    assert share == pytest.approx(0.2)


def test_a_picture_blends_with_a_style_that_has_kernels(any_style, stroked, two):
    both = replace(any_style, styles=stroked.styles, codes=stroked.codes, kernels=stroked.kernels)
    code = style_code(both, parse_style(f"{two[0]}*3+scream"))
    affine, kernels = both.net.parted(code)
    expected = 0.75 * predicted(any_style, two[0]) + 0.25 * stroked.codes[2:]
    torch.testing.assert_close(affine, expected)
    # The encoder's code is for the net as it is.
    torch.testing.assert_close(kernels, 0.25 * stroked.kernels[2:])


def test_kernels_blend_as_codes_do(stroked):
    code = style_code(stroked, parse_style("wave*3+scream:0.5"))
    affine, kernels = stroked.net.parted(code)
    for found, rows in ((affine, stroked.codes), (kernels, stroked.kernels)):
        torch.testing.assert_close(found[0], torch.tensor([0.5, 0.375, 0.125]) @ rows)
    assert not stroked.code(0)[0, stroked.net.code_length :].any()


def test_scale_enlarges_the_strokes(any_style, two):
    code, _ = chosen(config(style_path=two[:1], style_scale=0.5), any_style)
    torch.testing.assert_close(code, predicted(any_style, two[0], STYLE_SIDE // 2))


def test_a_picture_may_stand_where_a_name_does(any_style, tmp_path):
    path = tmp_path / "wave.png"
    Image.fromarray(media.picture(3, (70, 90))).save(path)
    expected = torch.lerp(any_style.codes[:1], predicted(any_style, path), 0.5)
    torch.testing.assert_close(style_code(any_style, parse_style(f"{path}:0.5")), expected)
    assert parse_style(f"{path}:0.5").identity_weight() == 0.5


def test_tuning_is_asked_for_each_picture(any_style, two):
    seen = []

    def tune(picture, code):
        seen.append(picture.shape)
        return code + len(seen)

    code, _ = chosen(config(style_path=two), any_style, tune)
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
    code, _ = chosen(config(style_path=(path,)), any_style)
    assert code.isfinite().all()


def test_an_animation_gives_its_first_frame(any_style, tmp_path):
    frames = [Image.fromarray(media.picture(i, (40, 40))) for i in (0, 9)]
    frames[0].save(tmp_path / "many.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "one.gif")
    codes = [
        chosen(config(style_path=(tmp_path / f"{name}.gif",)), any_style)[0]
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
        chosen(config(**options), any_style)


def test_a_checkpoint_without_encoder_has_to_learn(tiny, two):
    with pytest.raises(InputError, match="this checkpoint has to learn"):
        chosen(config(style_path=two), tiny)


def test_pictures_of_no_blend_weigh_alike():
    style = picture_style(["a.png", Path("b")])
    assert style == StyleSpec(((Path("a.png"), 0.5), (Path("b"), 0.5)))
