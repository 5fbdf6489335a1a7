import pytest
import torch

from nst.errors import InputError
from nst.models.deeplab import CLASSES
from nst.options.stylize import PictureConfig
from nst.regions.spec import parse_regions
from nst.styles.codes import style_code, style_codes
from nst.styles.spec import parse_style
from nst.stylize.paint import read_styles


def styles_by_class(*texts: str, style: str | None = None) -> dict[str, str]:
    """Return what each class takes."""
    regions = parse_regions(texts, style and parse_style(style), own_masks=False)
    members = regions.membership()
    assert torch.equal(members.sum(0), torch.ones(21))
    rows = members.argmax(0).tolist()
    return {name: str(regions.styles[row]) for name, row in zip(CLASSES, rows, strict=True)}


def expected(rest: str, **others: str) -> dict[str, str]:
    return {name: others.get(name, rest) for name in CLASSES}


@pytest.mark.parametrize(
    ("texts", "style", "answer"),
    [
        (["person=a"], None, expected("original", person="a")),
        (["person=a"], "b", expected("b", person="a")),
        (["person=a", "background=b"], None, expected("b", person="a")),
        (["person=a", "background=b"], "c", expected("c", person="a", background="b")),
        (["cat,dog=a:0.5", "people=original"], "b",
         expected("b", cat="a:0.5", dog="a:0.5", person="original")),
        (["vehicles=a"], None, expected("original", **dict.fromkeys(
            ("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"), "a"))),
        (["animals=a"], None, expected("original", **dict.fromkeys(
            ("bird", "cat", "cow", "dog", "horse", "sheep"), "a"))),
        (["foreground=a*2+b*2"], None, expected("a*0.5+b*0.5", background="original")),
        (["foreground=a", "background=b"], None, expected("a", background="b")),
    ],
)  # fmt: skip
def test_each_class_takes_what_was_said(texts, style, answer):
    assert styles_by_class(*texts, style=style) == answer


def test_regions_of_one_style_are_painted_as_one():
    regions = parse_regions(("person=a", "dog=b", "cat=a*1"), parse_style("b"), own_masks=False)
    assert regions.styles == (parse_style("a"), parse_style("b"))


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        (["person"], ["'person'", "person=wave"]),
        (["=a"], ["'=a'", "write it like"]),
        (["person="], ["'person='", "write it like"]),
        (["people,human=a"], ["'human'", "tvmonitor", "vehicles", "foreground"]),
        (["person=a", "dog,person=b"], ["person is named twice"]),
        (["person=a", "foreground=b"], ["person is named twice"]),
    ],
)
def test_what_cannot_be_meant_is_refused(texts, parts):
    with pytest.raises(InputError) as caught:
        parse_regions(tuple(texts), None, own_masks=False)
    assert all(part in str(caught.value) for part in parts)


def test_two_words_for_what_masks_leave_over_are_refused():
    with pytest.raises(InputError, match="--style and --region background"):
        parse_regions(("255=a", "background=b"), parse_style("c"), own_masks=True)


def painted_with(config: PictureConfig, checkpoint):
    styles = read_styles(config)
    return styles.regions, *style_codes(checkpoint, styles.painted, config.strength)


def test_codes_follow_strengths_and_blends_region_by_region(tiny, tmp_path):
    texts = ("person=wave:0.5", "dog=wave+scream", "cat=original")
    config = PictureConfig(
        content_path=tmp_path,
        output=tmp_path,
        method="one-pass",
        region=texts,
        style="scream",
        strength=0.8,
    )
    regions, codes, weights = painted_with(config, tiny)
    identity, wave, scream = tiny.codes
    expected = ("wave:0.5", "wave*0.5+scream*0.5", "original", "scream")
    assert tuple(map(str, regions.styles)) == expected
    answers = [
        0.6 * identity + 0.4 * wave,
        0.2 * identity + 0.4 * wave + 0.4 * scream,
        identity,
        0.2 * identity + 0.8 * scream,
    ]
    torch.testing.assert_close(codes, torch.stack(answers))
    torch.testing.assert_close(weights, torch.tensor([0.6, 0.2, 1.0, 0.2]))


def test_without_regions_there_is_the_one_style(tiny, tmp_path):
    config = PictureConfig(
        content_path=tmp_path, output=tmp_path, method="one-pass", style="wave:0.5"
    )
    regions, codes, weights = painted_with(config, tiny)
    assert regions is None and weights.tolist() == [0.5]
    assert torch.equal(codes, style_code(tiny, parse_style("wave:0.5")))


def test_a_style_that_is_not_there_is_refused(tiny, tmp_path):
    config = PictureConfig(
        content_path=tmp_path, output=tmp_path, method="one-pass", region=("person=monet",)
    )
    with pytest.raises(InputError, match="no style 'monet'; there are: wave, scream"):
        painted_with(config, tiny)


def test_what_is_left_alone_is_put_back():
    painted, content = torch.zeros(1, 3, 1, 4), torch.ones(1, 3, 1, 4)
    shares = torch.tensor([0.0, 0.25, 0.5, 1.0]).view(1, 1, 1, 4)
    weights = torch.cat([1 - shares, shares], 1)
    regions = parse_regions(("person=a", "background=original"), None, own_masks=False)
    assert torch.equal(regions.restored(painted, content, weights), shares.expand(1, 3, 1, 4))
    regions = parse_regions(("person=a", "background=b"), None, own_masks=False)
    assert torch.equal(regions.restored(painted, content, weights), painted)
