import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst.models.net_convolutions import doubled_convolution, output_convolution
from nst.models.transformer_net import TransformerNet, _Norms
from nst.models.widening import widened, widened_kernels

WIDTHS, BLOCKS = (4, 6, 8), 2


@pytest.fixture(params=[1, 2], ids=["full", "unshuffled"])
def net(request) -> TransformerNet:
    torch.manual_seed(0)
    return TransformerNet(WIDTHS, BLOCKS, request.param)


def picture(size: tuple[int, int], batch: int = 1, seed: int = 1) -> Tensor:
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(seed))


def some_codes(net: TransformerNet, count: int) -> Tensor:
    noise = torch.randn(count, net.code_length, generator=torch.Generator().manual_seed(2))
    return net.plain_code() + 0.3 * noise


def halves(size: tuple[int, int]) -> Tensor:
    """Two regions (1, 2, H, W), left and right."""
    left = (torch.arange(size[1]) < size[1] // 2).float().expand(size)
    return torch.stack([left, 1 - left])[None]


class PlainNet(nn.Module):
    """The papers' net in torch's own modules, for one style: Johnson et al. with affine norms."""

    def __init__(self, net: TransformerNet, code: Tensor):
        super().__init__()
        first, second, third = net.widths
        affine = self.affine = list(self.split(net, code))

        def block(weight: Tensor, channels: int, stride: int = 1) -> list[nn.Module]:
            side = weight.shape[-1]
            convolution = nn.Conv2d(weight.shape[1], channels, side, stride, bias=False)
            norm = nn.InstanceNorm2d(channels, affine=True)
            convolution.weight.data, (norm.weight.data, norm.bias.data) = weight, affine.pop(0)
            return [nn.ReflectionPad2d(side // 2), convolution, norm]

        factor = self.factor = net.unshuffle
        down = zip(net.encoder, net.widths, (1, 2, 2), strict=True)
        self.down = nn.ModuleList(
            nn.Sequential(*block(c.weight, width, s), nn.ReLU()) for c, width, s in down
        )
        pairs = zip(net.residual[::2], net.residual[1::2], strict=True)
        self.residual = nn.ModuleList(
            nn.Sequential(*block(a.weight, third), nn.ReLU(), *block(b.weight, third))
            for a, b in pairs
        )
        up = [
            m
            for c, width in zip(net.decoder, (second, first), strict=True)
            for m in (nn.Upsample(scale_factor=2), *block(c.weight, width), nn.ReLU())
        ]
        self.up = nn.Sequential(*up)
        side = 9 if factor == 1 else 5
        last = nn.Conv2d(first, 3 * factor**2, side)
        last.load_state_dict(net.output.state_dict())
        self.last = nn.Sequential(nn.ReflectionPad2d(side // 2), last, nn.Sigmoid())

    @staticmethod
    def split(net: TransformerNet, code: Tensor):
        """Yield each norm's scale and shift: all scales come before all shifts."""
        first, second, third = net.widths
        begin, half = 0, len(code) // 2
        for channels in (first, second, third, *(2 * net.blocks) * [third], second, first):
            end = begin + channels
            yield code[begin:end].clone(), code[half + begin : half + end].clone()
            begin = end

    def forward(self, image: Tensor) -> Tensor:
        x = 2 * image - 1
        # Channel 4 c + 2 i + j is pixel (i, j) of each 2x2 block of color c.
        blocks = [x[:, c, i::2, j::2] for c in range(3) for i in (0, 1) for j in (0, 1)]
        x = x if self.factor == 1 else torch.stack(blocks, 1)
        x = first = self.down[0](x)
        for stage in self.down[1:]:
            x = stage(x)
        for block in self.residual:
            x = x + block(x)
        x = self.up(x)
        x = self.last(x if self.factor == 1 else x + first)
        if self.factor == 1:
            return x
        n, _, height, width = x.shape
        rows = x.view(n, 3, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3)
        return rows.reshape(n, 3, 2 * height, 2 * width)


class RegionNorm(nn.Module):
    """Instance norms of several nets that see the same layer, mixed pixel by pixel by a map.

    Each net has painted all of the picture in its own style: what its norm found then is used.
    """

    def __init__(self, affine: list[tuple[Tensor, Tensor]], found: list[Tensor], weights: Tensor):
        super().__init__()
        self.affine, self.found, self.weights = affine, found, weights

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(self.weights, self.weights.shape[-1] // x.shape[-1])
        result = 0
        for k, ((scale, shift), own) in enumerate(zip(self.affine, self.found, strict=True)):
            mean, var = own.mean((2, 3), keepdim=True), own.var((2, 3), correction=0, keepdim=True)
            normed = (x - mean) / (var + 1e-5).sqrt()
            styled = normed * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)
            result = result + pooled[:, k : k + 1] * styled
        return result


def with_regions(net: TransformerNet, image: Tensor, codes: Tensor, weights: Tensor) -> Tensor:
    """Paint each style alone, then all of them together."""
    seen = []
    for code in codes:
        plain, own = PlainNet(net, code), []
        for module in plain.modules():
            if isinstance(module, nn.InstanceNorm2d):
                module.register_forward_pre_hook(lambda _, x, own=own: own.append(x[0]))
        plain(image)
        seen.append(own)
    affine = list(zip(*(PlainNet.split(net, code) for code in codes), strict=True))
    norms = [
        RegionNorm(a, f, weights) for a, f in zip(affine, zip(*seen, strict=True), strict=True)
    ]
    plain = PlainNet(net, codes[0])
    for part in [*plain.down, *plain.residual, plain.up]:
        for index, module in enumerate(part):
            if isinstance(module, nn.InstanceNorm2d):
                part[index] = norms.pop(0)
    return plain(image)


@torch.no_grad()
@pytest.mark.parametrize("size", [(16, 16), (32, 24)])
@pytest.mark.parametrize("batch", [1, 2])
def test_net_equals_the_papers_in_torchs_own_modules(net, size, batch):
    code = some_codes(net, 1)
    image = picture(size, batch)
    found = net(image, code, torch.ones(batch, 1))
    expected = PlainNet(net, code[0])(image)
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_size_that_is_no_multiple_is_mirrored_and_cropped(net):
    code, image = some_codes(net, 1), picture((18, 21))
    margins = (0, -21 % net.stride, 0, -18 % net.stride)
    expected = PlainNet(net, code[0])(F.pad(image, margins, mode="reflect"))
    found = net(image, code, torch.ones(1, 1))
    torch.testing.assert_close(found, expected[..., :18, :21], rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [(16, 16), (17, 31), (16, 45), (37, 19)])
@pytest.mark.parametrize("mapped", [False, True])
def test_any_size_in_is_the_same_size_out_within_range(net, size, mapped):
    codes, weights = 5 * some_codes(net, 2), torch.tensor([[0.3, 0.7]])
    if mapped:
        codes, weights = net.folded(picture(size), codes), halves(size)
    stylized = net(picture(size), codes, weights)
    assert stylized.shape == (1, 3, *size)
    assert stylized.min() >= 0 and stylized.max() <= 1 and stylized.std() > 0.05


@pytest.mark.parametrize("mapped", [False, True])
def test_gradient_reaches_every_parameter_every_code_and_every_pixel(net, mapped):
    image = picture((19, 22), batch=2).requires_grad_()
    codes = some_codes(net, 2)
    codes = (net.folded(image[:1], codes) if mapped else codes).requires_grad_()
    weights = halves((19, 22)).expand(2, 2, 19, 22) if mapped else torch.eye(2)
    wanted = picture((19, 22), batch=2, seed=3)
    (net(image, codes, weights) - wanted).square().sum().backward()
    for name, parameter in net.named_parameters():
        by_filter = parameter.grad.flatten(1) if parameter.ndim > 1 else parameter.grad[:, None]
        assert (by_filter.abs().sum(1) > 0).all(), name
    assert (codes.grad != 0).float().mean() > 0.95  # the others' rectifiers are off throughout
    assert (image.grad.abs().sum(1) > 0).all()


def test_a_style_that_is_not_asked_for_gets_no_gradient(net):
    codes = some_codes(net, 3).requires_grad_()
    weights = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    net(picture((16, 16), batch=2), codes, weights).square().sum().backward()
    assert torch.equal(codes.grad[0], torch.zeros(net.code_length))
    assert codes.grad[1].any() and codes.grad[2].any()


@torch.no_grad()
def test_a_map_of_one_style_equals_that_style(net):
    codes, image = some_codes(net, 3), picture((18, 25))
    folded = net.folded(image, codes)
    for k, row in enumerate(torch.eye(3)):
        mapped = row[None, :, None, None].expand(1, 3, 18, 25)
        expected = net(image, codes[k : k + 1], torch.ones(1, 1))
        torch.testing.assert_close(net(image, folded, mapped), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_one_hot_weights_take_one_code_and_mixtures_the_mixed_code(net):
    codes, image = some_codes(net, 3), picture((16, 20))
    for k, code in enumerate(codes):
        expected = net(image, code[None], torch.ones(1, 1))
        found = net(image, codes, torch.eye(3)[k : k + 1])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    mixed = (0.25 * codes[0] + 0.75 * codes[2])[None]
    expected = net(image, mixed, torch.ones(1, 1))
    found = net(image, codes, torch.tensor([[0.25, 0.0, 0.75]]))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_hard_regions_equal_each_styles_own_norms_mixed_pixel_by_pixel(net):
    size = (24, 32)
    codes, image, weights = some_codes(net, 2), picture(size), halves(size)
    # Not a multiple of the coarsest pixel, so that some of those are mixed.
    weights = weights.roll(3, 3)
    found = net(image, net.folded(image, codes), weights)
    expected = with_regions(net, image, codes, weights)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for code in codes:
        whole = net(image, code[None], torch.ones(1, 1))
        assert (found - whole).abs().max() > 0.05


@torch.no_grad()
def test_far_from_an_edge_a_region_is_what_its_style_paints_alone():
    """Farther than what a pixel sees: 4 + 2 + 4 pixels down, 8 in each of two, 4 + 2 + 4 up."""
    net = TransformerNet(WIDTHS, 1)
    size = (16, 120)
    codes, image = some_codes(net, 2), picture(size)
    found = net(image, net.folded(image, codes), halves(size))
    left, right = (net(image, code[None], torch.ones(1, 1)) for code in codes)
    torch.testing.assert_close(found[..., :24], left[..., :24], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[..., -24:], right[..., -24:], rtol=1e-4, atol=1e-5)
    assert (left - right).abs().mean() > 0.02


@torch.no_grad()
def test_a_map_is_mirrored_and_cropped_as_its_picture_is(net):
    size = (18, 21)
    codes, image, weights = some_codes(net, 2), picture(size), halves(size).roll(9, 3)
    margins = (0, -21 % net.stride, 0, -18 % net.stride)
    padded = [F.pad(x, margins, mode="reflect") for x in (image, weights)]
    expected = with_regions(net, padded[0], codes, padded[1])[..., :18, :21]
    found = net(image, net.folded(image, codes), weights)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_regions_of_one_style_leave_no_seam(net):
    size, image = (20, 27), picture((20, 27))
    code = some_codes(net, 1)
    found = net(image, net.folded(image, code.repeat(2, 1)), halves(size))
    expected = net(image, code, torch.ones(1, 1))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_conditional_instance_norm_equals_torchs_with_scale_and_shift():
    x = 3 * torch.randn(2, 6, 7, 9, generator=torch.Generator().manual_seed(0)) + 1
    codes = torch.randn(2, 12, generator=torch.Generator().manual_seed(1))
    together = _Norms(codes, torch.eye(2), [6], 4)(x)
    for sample, code, found in zip(x, codes, together, strict=True):
        expected = F.instance_norm(sample[None], weight=code[:6], bias=code[6:])
        torch.testing.assert_close(found[None], expected, rtol=1e-4, atol=1e-5)
        alone = _Norms(code[None], torch.ones(1, 1), [6], 4)(sample[None])
        torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(5, 8), (2, 2), (7, 3)])
def test_doubled_convolution_equals_repetition_mirror_and_convolution(size):
    torch.manual_seed(0)
    x, convolution = torch.randn(2, 5, *size), nn.Conv2d(5, 4, 3, bias=False)
    doubled = F.interpolate(x, scale_factor=2, mode="nearest")
    expected = convolution(F.pad(doubled, (1, 1, 1, 1), mode="reflect"))
    torch.testing.assert_close(doubled_convolution(x, convolution.weight), expected)


@pytest.mark.parametrize("size", [(6, 8), (16, 10)])
def test_output_convolution_equals_the_plain_one(size):
    torch.manual_seed(0)
    x, convolution = torch.randn(2, 5, *size), nn.Conv2d(5, 3, 9)
    expected = convolution(F.pad(x, (4, 4, 4, 4), mode="reflect"))
    found = output_convolution(x, convolution.weight, convolution.bias)
    torch.testing.assert_close(found, expected)


@torch.no_grad()
@pytest.mark.parametrize("mapped", [False, True])
def test_a_batch_of_two_equals_two_of_one(net, mapped):
    codes, images = some_codes(net, 2), picture((18, 16), batch=2)
    weights = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
    if mapped:
        weights = torch.cat([halves((18, 16)), halves((18, 16)).flip(1)])
    together = net(images, codes, weights)
    alone = [net(images[i : i + 1], codes, weights[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("mapped", [False, True])
def test_a_bfloat16_picture_gives_about_the_same(net, mapped):
    codes, image = some_codes(net, 2), picture((32, 32))
    weights = torch.tensor([[0.5, 0.5]])
    if mapped:
        codes, weights = net.folded(image, codes), halves((32, 32))
    full, half = net(image, codes, weights), net(image.bfloat16(), codes, weights)
    assert half.dtype == torch.bfloat16
    difference = (half.float() - full).abs()
    assert difference.mean() < 0.01 < full.std()
    # As much must come of a net that was itself moved to bfloat16.
    moved = net.to(torch.bfloat16)(image.bfloat16(), codes, weights)
    torch.testing.assert_close(moved, half, rtol=0.05, atol=0.03)


@torch.no_grad()
def test_nothing_is_changed_in_place(net):
    codes, image, weights = some_codes(net, 2), picture((17, 18)), halves((17, 18))
    before = [x.clone() for x in (codes, image, weights)]
    net(image, codes, weights)
    for now, then in zip((codes, image, weights), before, strict=True):
        assert torch.equal(now, then)


@pytest.mark.parametrize(
    ("codes", "weights", "message"),
    [
        ((2, 7), (1, 2), "codes have the shape"),
        ((2, None), (1, 3), "weights have the shape"),
        ((2, None), (2, 2), "weights have the shape"),
        ((2, None), (1, 2, 16, 17), "weights have the shape"),
    ],
)
def test_shapes_that_do_not_fit_are_quoted(net, codes, weights, message):
    codes = torch.ones(codes[0], codes[1] or net.code_length)
    with pytest.raises(ValueError, match=message) as caught:
        net(picture((16, 16)), codes, torch.ones(*weights))
    assert str(tuple((codes if "codes" in message else torch.ones(*weights)).shape)) in str(
        caught.value
    )


def test_length_of_a_code_is_twice_all_channels_of_all_norms():
    # By hand: 32+64+128 down, ten times 128, 64+32 up.
    assert TransformerNet().code_length == 2 * (224 + 1280 + 96)
    assert TransformerNet().plain_code().sum() == 1600


@torch.no_grad()
@pytest.mark.parametrize("factor", [2, 3])
def test_a_widened_net_paints_the_same_picture(net, factor):
    codes, image, weights = some_codes(net, 2), picture((18, 20)), torch.tensor([[0.3, 0.7]])
    wide, wide_codes = widened(net, factor), codes.repeat_interleave(factor, 1)
    assert wide.widths == tuple(factor * width for width in WIDTHS)
    expected = net(image, codes, weights)
    torch.testing.assert_close(wide(image, wide_codes, weights), expected, rtol=1e-3, atol=1e-4)
    # The copies of a channel are not read alike, or training would never take them apart.
    read = wide.encoder[1].weight[:, :factor]
    assert not torch.allclose(read[:, 0], read[:, 1])


def other_net(net: TransformerNet) -> TransformerNet:
    torch.manual_seed(5)
    return TransformerNet(net.widths, net.blocks, net.unshuffle)


def kernels_to(net: TransformerNet, other: TransformerNet) -> Tensor:
    """What has to be added to the weights of one net to get those of another, (1, W)."""
    names = [f"encoder.{i}.weight" for i in range(3)]
    names += [f"residual.{i}.weight" for i in range(2 * net.blocks)]
    names += ["decoder.0.weight", "decoder.1.weight", "output.weight", "output.bias"]
    one, two = net.state_dict(), other.state_dict()
    return torch.cat([(two[name] - one[name]).flatten() for name in names])[None]


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 2])
def test_a_code_with_kernels_paints_as_the_net_of_those_weights(net, batch):
    other, code, image = other_net(net), some_codes(net, 1), picture((18, 21), batch)
    whole = torch.cat([code, kernels_to(net, other)], 1)
    assert whole.shape[1] == net.code_length + net.kernels_length
    expected = other(image, code, torch.ones(batch, 1))
    assert (expected - net(image, code, torch.ones(batch, 1))).abs().max() > 0.01
    torch.testing.assert_close(net(image, whole, torch.ones(batch, 1)), expected)
    own, rest = net.with_kernels(whole)
    torch.testing.assert_close(own(image, rest, torch.ones(batch, 1)), expected)


@torch.no_grad()
def test_mixed_kernels_are_the_net_of_the_mean_weights(net):
    other, codes, image = other_net(net), some_codes(net, 2), picture((16, 24), 2)
    change = kernels_to(net, other)
    whole = torch.cat([codes, torch.cat([torch.zeros_like(change), change])], 1)
    mean = other_net(net)
    pairs = zip(net.state_dict().items(), other.state_dict().values(), strict=True)
    mean.load_state_dict({name: 0.25 * a + 0.75 * b for (name, a), b in pairs})
    expected = mean(image[:1], 0.25 * codes[:1] + 0.75 * codes[1:], torch.ones(1, 1))
    weights = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    found = net(image, whole, weights)
    torch.testing.assert_close(found[:1], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1:], net(image[1:], codes[:1], torch.ones(1, 1)))


@torch.no_grad()
def test_regions_with_kernels_are_each_styles_picture_cut_out(net):
    # Wide enough for the boxes to be smaller than the picture.
    other, codes, image = other_net(net), some_codes(net, 2), picture((40, 400))
    change = kernels_to(net, other)
    whole = torch.cat([codes, torch.cat([torch.zeros_like(change), change])], 1)
    weights = halves((40, 400))
    weights[..., 180:200] = 0.5
    found = net(image, net.folded(image, whole), weights)
    one = net(image, codes[:1], torch.ones(1, 1))
    two = other(image, codes[1:], torch.ones(1, 1))
    expected = weights[:, :1] * one + weights[:, 1:] * two
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_widened_kernels_paint_the_same_picture(net):
    code, image = some_codes(net, 1), picture((18, 20))
    change = kernels_to(net, other_net(net))
    expected = net(image, torch.cat([code, change], 1), torch.ones(1, 1))
    wide, wide_change = widened(net, 2), widened_kernels(net, change, 2)
    whole = torch.cat([code.repeat_interleave(2, 1), wide_change], 1)
    torch.testing.assert_close(wide(image, whole, torch.ones(1, 1)), expected, rtol=1e-3, atol=1e-4)
