import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import uniform_filter
from skimage.color import rgb2yiq

from nst.core.color import keep_color, luminance, match_color
from nst.core.tensors import blur, fit, pad_to_multiple, resize, stretch, to_float, to_uint8


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_all_levels_survive_the_way_to_float_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = np.stack([levels, levels[::-1], levels.T], axis=2)
    image = to_float(picture.copy())
    assert image.shape == (1, 3, 16, 16) and image.dtype == torch.float32
    assert image.min() == 0 and image.max() == 1
    np.testing.assert_array_equal(to_uint8(image), picture)


def test_to_uint8_rounds_and_clamps():
    image = torch.tensor([-3.0, 0.4 / 255, 0.6 / 255, 127.4 / 255, 127.6 / 255, 2.0])
    levels = to_uint8(image.view(1, 1, 1, 6).expand(1, 3, 1, 6))
    assert levels[0, :, 0].tolist() == [0, 0, 1, 127, 128, 255]
    # Truncation would give 127.
    assert abs(to_uint8(noise(1, 3, 512, 512)).mean() - 127.5) < 0.2


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_to_uint8_takes_any_float(dtype):
    image = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=dtype).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert to_uint8(image)[..., 0].tolist() == [[0, 64], [128, 255]]


@pytest.mark.parametrize("size", [(13, 22), (16, 17), (8, 8), (1, 1), (2, 37)])
@pytest.mark.parametrize("multiple", [4, 8])
def test_padding_then_cropping_is_the_identity(size, multiple):
    image = noise(2, 3, *size)
    padded = pad_to_multiple(image, multiple)
    for side, length in zip(size, padded.shape[-2:], strict=True):
        assert length % multiple == 0 and 0 <= length - side < multiple
    assert torch.equal(padded[..., : size[0], : size[1]], image)


def test_padding_mirrors_where_it_can_and_repeats_where_it_cannot():
    large, small = noise(1, 3, 9, 10), noise(1, 3, 2, 10)
    margins = ((0, 0), (0, 0))
    mirrored = np.pad(large.numpy(), (*margins, (0, 3), (0, 2)), mode="reflect")
    repeated = np.pad(small.numpy(), (*margins, (0, 2), (0, 2)), mode="edge")
    np.testing.assert_array_equal(pad_to_multiple(large, 4).numpy(), mirrored)
    np.testing.assert_array_equal(pad_to_multiple(small, 4).numpy(), repeated)


@pytest.mark.parametrize("size", [(1080, 1920), (1921, 1079), (17, 17), (3, 4000)])
def test_fit_keeps_the_aspect_to_half_a_pixel(size):
    assert fit(size, None) == size
    height, width = fit(size, 640)
    assert max(height, width) == 640 and min(height, width) >= 1
    short = 640 * min(size) / max(size)
    assert min(height, width) == 1 or abs(min(height, width) - short) <= 0.5


@pytest.mark.parametrize("size", [(20, 30), (90, 41)])
def test_resize_equals_pillows_bicubic(size):
    image = noise(1, 3, 45, 60) * 0.4 + 0.3
    channels = [Image.fromarray(plane) for plane in image[0].numpy()]
    expected = np.stack([c.resize(size[::-1], Image.Resampling.BICUBIC) for c in channels])
    np.testing.assert_allclose(resize(image, size)[0].numpy(), expected, atol=1e-5)


def test_resize_stays_in_range_and_keeps_its_own_size():
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1
    # Bicubic interpolation overshoots beside an edge.
    stretchd = resize(edge, (8, 31))
    assert stretchd.min() == 0 and stretchd.max() == 1
    assert torch.equal(resize(edge, (8, 8)), edge)


def test_luminance_equals_the_y_of_yiq():
    image = noise(1, 3, 5, 7)
    expected = rgb2yiq(image[0].permute(1, 2, 0).double().numpy())[..., 0]
    np.testing.assert_allclose(luminance(image)[0, 0].numpy(), expected, atol=1e-6)


def test_keep_color_takes_the_lightness_of_one_and_the_chroma_of_the_other():
    # Little contrast, so that nothing is clamped.
    stylized, content = noise(1, 3, 6, 6) * 0.2 + 0.4, noise(1, 3, 6, 6, seed=1) * 0.2 + 0.4
    yiq = [
        rgb2yiq(image[0].permute(1, 2, 0).double().numpy())
        for image in (keep_color(stylized, content), stylized, content)
    ]
    np.testing.assert_allclose(yiq[0][..., 0], yiq[1][..., 0], atol=1e-6)
    np.testing.assert_allclose(yiq[0][..., 1:], yiq[2][..., 1:], atol=1e-6)
    bright = keep_color(torch.ones(1, 3, 2, 2), torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))
    assert bright.max() <= 1


def test_inputs_stay_as_they_were():
    image, array = noise(1, 3, 9, 9), np.full((4, 5, 3), 200, np.uint8)
    kept = image.clone()
    to_uint8(image), pad_to_multiple(image, 4), resize(image, (5, 5)), luminance(image)
    keep_color(image, image)
    to_float(array)
    assert torch.equal(image, kept) and (array == 200).all()


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("count, channels", [(1, 3), (1, 1), (2, 3)])
def test_blur_is_the_mean_around_a_pixel(side, count, channels):
    images = torch.rand(count, channels, 7, 9)
    expected = uniform_filter(images.numpy(), (0, 0, side, side), mode="nearest")
    assert np.allclose(blur(images, side), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(14, 18), (9, 31), (7, 9), (4, 5)])
def test_stretch_is_bilinear_between_pixel_centers(size):
    """Against an interpolation written out: what lies between two centers is on a line."""
    maps = torch.rand(2, 3, 7, 9)

    def weights(large: int, small: int) -> torch.Tensor:
        places = ((torch.arange(large) + 0.5) * small / large - 0.5).clamp(0, small - 1)
        return (1 - (places[:, None] - torch.arange(small)).abs()).clamp_min(0)

    expected = weights(size[0], 7) @ maps @ weights(size[1], 9).T
    assert torch.allclose(stretch(maps, size), expected, atol=1e-5)


def test_matched_colors_have_the_references_mean_and_covariance():
    generator = torch.Generator().manual_seed(0)
    image = 0.5 + 0.1 * torch.randn(1, 3, 40, 50, generator=generator)
    mix = torch.tensor([[0.6, 0.2, 0.0], [0.1, 0.5, 0.1], [0.0, 0.3, 0.4]])
    noise = torch.randn(1, 3, 30, 20, generator=generator)
    reference = 0.4 + 0.1 * torch.einsum("ij,njhw->nihw", mix, noise)
    matched = match_color(image, reference)
    torch.testing.assert_close(matched.mean((2, 3)), reference.mean((2, 3)), rtol=0, atol=1e-3)
    covariances = [x[0].flatten(1).cov(correction=0) for x in (matched, reference)]
    torch.testing.assert_close(*covariances, rtol=0, atol=2e-4)


def test_matching_a_picture_with_itself_leaves_it():
    image = torch.rand(1, 3, 8, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(match_color(image, image), image, rtol=0, atol=1e-5)


def test_the_noise_of_a_gray_picture_is_not_stretched_to_a_palette():
    noise = 0.002 * torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    gray = torch.linspace(0.2, 0.8, 40).expand(1, 3, 40, 40)
    palette = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(2))
    matched = match_color(gray + noise, palette)
    left = matched - match_color(gray, palette)
    # A palette's deviation is 0.29: its map, were it not held back, would be 140 times the noise's.
    assert left.std() < 12 * noise.std()
    torch.testing.assert_close(matched.mean((2, 3)), palette.mean((2, 3)), rtol=0, atol=0.02)
