"""One pass over one image, against the net called by hand."""

import pytest
import torch
import torch.nn.functional as F

from nst.core.tensors import working_size
from nst.errors import InputError
from nst.models.checkpoint import load_checkpoint
from nst.models.transformer_net import TransformerNet
from nst.styles.codes import style_code
from nst.styles.spec import parse_style
from nst.stylize.forward import MIN_SIDE, FoldedCodes, stylize


def image(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (48, 64), (49, 63), (50, 21)])
def test_same_as_picking_the_code_by_its_weight_and_the_same_size(tiny, size):
    content = image(*size)
    painted = stylize(tiny.net, content, tiny.codes[1:2], torch.float32)
    assert painted.shape == content.shape and painted.dtype == torch.float32
    by_weight = tiny.net(content, tiny.codes, torch.tensor([[0.0, 1.0, 0.0]]))
    torch.testing.assert_close(painted, by_weight, rtol=0, atol=1e-5)
    assert painted.std() > 0.02  # or nothing above could fail


def test_half_precision_is_about_the_same_and_given_in_float32(tiny):
    content, code = image(48, 64), tiny.codes[2:3]
    exact = stylize(tiny.net, content, code, torch.float32)
    rounded = stylize(tiny.net, content, code, torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    assert (rounded - exact).abs().mean() < 0.01


def test_content_is_left_as_it_was(tiny):
    content = image(32, 32)
    before = content.clone()
    stylize(tiny.net, content, tiny.codes[1:2], torch.float32)
    assert torch.equal(content, before)


@pytest.mark.parametrize(
    "size, long_side, expected",
    [
        ((1080, 1920), None, (1080, 1920)),
        ((1080, 1920), 640, (360, 640)),
        ((1920, 1080), 640, (640, 360)),
        ((30, 40), 80, (60, 80)),
        ((16, 16), None, (16, 16)),
    ],
)
def test_working_size(size, long_side, expected):
    assert working_size(size, long_side, "x.png", MIN_SIDE) == expected


@pytest.mark.parametrize(
    "size, long_side, shown",
    [((15, 200), None, "200x15"), ((200, 15), None, "15x200"), ((100, 1000), 64, "64x6")],
)
def test_too_small_says_the_size_and_the_least(size, long_side, shown):
    with pytest.raises(InputError) as caught:
        working_size(size, long_side, "x.png", MIN_SIDE)
    for part in ("x.png", shown, str(MIN_SIDE), "--long-side"):
        assert part in str(caught.value)


@pytest.mark.parametrize("size", [(200, 320), (321, 170), (17, 400)])
def test_large_and_narrow_pictures_get_their_light_back_too(tiny, size):
    """Found on a smaller copy, or on itself where that copy would be too narrow for the net."""
    coarse = torch.rand(1, 3, 3, 4, generator=torch.Generator().manual_seed(2))
    content = F.interpolate(coarse, size=size, mode="bicubic").clamp(0.1, 0.9)
    identity = tiny.codes[:1]
    alone = stylize(tiny.net, content, identity, torch.float32)
    given_back = stylize(tiny.net, content, identity, torch.float32, identity, 1.0)
    assert given_back.shape == content.shape
    lost, left = (
        F.adaptive_avg_pool2d(painted - content, 4).abs().mean() for painted in (alone, given_back)
    )
    assert left < 0.25 * lost


def test_what_the_identity_loses_of_light_and_color_is_given_back():
    """An untrained net leaves nothing alone; its picture still gets the photo's broad colors."""
    torch.manual_seed(0)
    net = TransformerNet((8, 8, 8), 1)
    code = net.plain_code()[None]
    coarse = torch.rand(1, 3, 3, 4, generator=torch.Generator().manual_seed(1))
    image = F.interpolate(coarse, size=(120, 160), mode="bicubic").clamp(0.1, 0.9)
    alone = stylize(net, image, code, torch.float32)
    given_back = stylize(net, image, code, torch.float32, code, 1.0)
    half = stylize(net, image, code, torch.float32, code, 0.5)
    broad = lambda x: F.avg_pool2d(x, 20)  # noqa: E731
    lost = (broad(alone) - broad(image)).abs().mean().item()
    assert (broad(given_back) - broad(image)).abs().mean() < 0.1 * lost
    assert (broad(half) - broad(image)).abs().mean().item() == pytest.approx(0.5 * lost, rel=0.1)
    assert torch.equal(stylize(net, image, code, torch.float32, code, 0.0), alone)


class TestFoldedCodes:
    """What the norms know of a video; the net's own `folded` of a frame is what they should."""

    def images(self) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(3)
        image = torch.rand(1, 3, 40, 56, generator=generator)
        return [image, image.square()]

    def gap(self, found: torch.Tensor, wanted: torch.Tensor, start: torch.Tensor) -> float:
        return float((found - wanted).norm() / (start - wanted).norm())

    def test_a_shot_begins_with_its_own(self, tiny):
        folds = FoldedCodes(tiny.net, tiny.codes, torch.float32)
        for image in self.images():
            found = folds.follow(image, anew=True)
            torch.testing.assert_close(found, tiny.net.folded(image, tiny.codes))

    def test_kernels_pass_through(self, stroked):
        codes = torch.cat([stroked.code(row) for row in range(3)])
        folds = FoldedCodes(stroked.net, codes, torch.float32)
        first, second = self.images()
        found = folds.follow(first, anew=True)
        torch.testing.assert_close(found, stroked.net.folded(first, codes))
        for k in range(3):  # as the norms of the net that has them
            own, code = stroked.net.with_kernels(codes[k : k + 1])
            affine, kernels = stroked.net.parted(found[k : k + 1])
            torch.testing.assert_close(affine, own.folded(first, code))
            assert torch.equal(kernels[0], stroked.kernels[k])
        assert folds.follow(second, anew=False, codes=codes.flip(0)).shape == codes.shape

    def test_a_change_is_followed_bit_by_bit(self, tiny):
        before, after = self.images()
        folds = FoldedCodes(tiny.net, tiny.codes, torch.float32)
        start, wanted = (tiny.net.folded(image, tiny.codes) for image in (before, after))
        folds.follow(before, anew=True)
        gaps = [self.gap(folds.follow(after, anew=False), wanted, start) for _ in range(72)]
        assert gaps[-1] < 0.1 and all(b <= a + 1e-6 for a, b in zip(gaps, gaps[1:], strict=False))
        assert max(a - b for a, b in zip([1.0, *gaps], gaps, strict=False)) < 0.5


def steps(image: torch.Tensor) -> torch.Tensor:
    """Return how much each pixel differs from its right and lower neighbor, (H-1, W-1)."""
    right = (image[..., :-1, 1:] - image[..., :-1, :-1]).square()
    down = (image[..., 1:, :-1] - image[..., :-1, :-1]).square()
    return (right + down).sum(1).sqrt()[0]


def test_a_small_region_of_a_shipped_net_has_its_own_style_and_no_seam():
    """A disc of a tenth of it, by what is found at half size after the light has changed."""
    from skimage.data import astronaut

    checkpoint = load_checkpoint("fast")
    content = torch.from_numpy(astronaut()[:256, 96:352].copy()).permute(2, 0, 1)[None] / 255
    codes = torch.cat(
        [style_code(checkpoint, parse_style(n)) for n in ("composition_vii", "great_wave")]
    )
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    distance = ((y - 110.0) ** 2 + (x - 128.0) ** 2).sqrt() - 46
    disc = (0.5 - distance / 8).clamp(0, 1)
    weights = torch.stack([disc, 1 - disc])[None]
    folds = FoldedCodes(checkpoint.net, codes, torch.float32)
    folded = folds.follow(0.6 * content + 0.1, anew=True)
    for _ in range(24):
        folded = folds.follow(content, anew=False)
    found = stylize(checkpoint.net, content, codes, torch.float32, None, 0.0, weights, folded)
    alone = [stylize(checkpoint.net, content, code[None], torch.float32) for code in codes]
    for own, other, place in ((*alone, distance < -16), (*alone[::-1], distance > 16)):
        gap = (found - own)[..., place].abs().mean()
        assert gap < 0.25 * (other - own)[..., place].abs().mean()
    edge = (distance.abs() < 6)[:-1, :-1]
    limit = max(steps(picture)[edge].max() for picture in alone)
    assert steps(found)[edge].max() < 1.5 * limit


def test_regions_with_kernels_are_the_pictures_of_each_net(stroked):
    image = torch.rand(2, 3, 33, 250, generator=torch.Generator().manual_seed(5))
    codes = torch.cat([stroked.code(row) for row in (1, 2)])
    weights = torch.zeros(2, 2, 33, 250)
    weights[:, 0, :, :120] = 1
    weights[:, 1, :, 120:] = 1
    for one, share in zip(image.split(1), weights.split(1), strict=True):
        folded = stroked.net.folded(one, codes)
        found = stylize(stroked.net, one, codes, torch.float32, stroked.code(0), 0.0, share, folded)
        alone = [stylize(stroked.net, one, code, torch.float32) for code in codes.split(1)]
        expected = torch.cat([alone[0][..., :120], alone[1][..., 120:]], -1)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_map_of_one_style_gives_exactly_its_picture(tiny):
    image = torch.rand(1, 3, 33, 50, generator=torch.Generator().manual_seed(5))
    identity, codes = tiny.codes[:1], tiny.codes[1:]
    shares = torch.tensor([0.0, 0.6])
    folded = torch.full_like(codes, torch.nan)  # not even looked at
    for dtype in (torch.float32, torch.bfloat16):
        for k in range(2):
            weights = torch.zeros(1, 2, 33, 50)
            weights[:, k] = 1
            found = stylize(tiny.net, image, codes, dtype, identity, shares, weights, folded)
            alone = (codes[k : k + 1], dtype, identity, shares[k].item())
            assert torch.equal(found, stylize(tiny.net, image, *alone))
