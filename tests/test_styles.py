"""`--style`: what it means as shares, and as a code. The second way is a sum written by hand."""

from dataclasses import replace

import pytest
import torch

from nst.errors import InputError
from nst.styles import identity_share, parse_style, style_code


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
