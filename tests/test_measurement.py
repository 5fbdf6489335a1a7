"""What is measured of a video, on motion and noise that are known."""

import pytest
import torch
import torch.nn.functional as F

from nst.losses.perceptual import gram_matrix
from nst.losses.video_metrics import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    Measurement,
    in_words,
    target_grams,
)
from nst.motion.flow import FlowEstimator

SIZE = (96, 128)


class FakeVGG:
    """Features that are the picture itself, at every layer."""

    mean = torch.zeros(1)

    def __call__(self, image, layers):
        return dict.fromkeys(layers, image)


def clip(frames=16, step=1):
    """Return a texture that moves left; it has large parts, by which far motion is found."""
    generator, world = torch.Generator().manual_seed(0), 0
    for cell in (4, 16):
        coarse = torch.rand(1, 3, SIZE[0] // cell, 240 // cell, generator=generator)
        world = world + F.interpolate(coarse, size=(SIZE[0], 240), mode="bicubic") / 2
    world = world.clamp(0.1, 0.9)
    return [world[..., step * t : step * t + SIZE[1]] for t in range(frames)]


def noisy(images, sigma):
    generator = torch.Generator().manual_seed(1)
    return [image + sigma * torch.randn(image.shape, generator=generator) for image in images]


def measured(originals, results, **options):
    measurement = Measurement(FlowEstimator(), **options)
    for original, result in zip(originals, results, strict=True):
        measurement.add(original, result)
    return measurement.figures()


def test_a_video_that_is_its_original_has_the_floor_and_full_similarity():
    figures = measured(clip(), clip())
    assert figures["warping_error"] == figures["input_warping_error"]
    assert figures["ssim"] == pytest.approx(1)
    assert figures["frames"] == 16 and tuple(figures["size"]) == SIZE
    assert figures["valid"]["1"] > 0.8


def test_boiling_is_measured_at_both_lags():
    """Noise of its own in each frame changes by its deviation times the root of two."""
    figures = measured(clip(), noisy(clip(), 0.05))
    for lag in ("1", "10"):
        assert figures["warping_error"][lag] == pytest.approx(0.05 * 2**0.5, rel=0.1)
        assert figures["input_warping_error"][lag] < 0.02


def test_a_sample_agrees_with_the_whole():
    results = noisy(clip(), 0.05)
    whole, sample = measured(clip(), results), measured(clip(), results, every=4)
    assert len(sample["over_time"]["1"]["frame"]) == 4
    assert sample["over_time"]["10"]["frame"] == [10, 14]
    for lag in ("1", "10"):
        expected = pytest.approx(whole["warping_error"][lag], rel=0.05)
        assert sample["warping_error"][lag] == expected


def test_sizes_may_differ_and_the_smaller_is_measured():
    large = [F.interpolate(image, scale_factor=2, mode="bicubic") for image in clip(4)]
    assert tuple(measured(large, clip(4))["size"]) == SIZE
    assert tuple(measured(clip(4), large, long_side=64)["size"]) == (48, 64)


def test_style_and_content_are_measured_where_there_is_a_style():
    images = clip(9)
    half = [0.5 * image for image in images]
    grams = target_grams(FakeVGG(), {"a": images[0]}, {"a": 1.0})
    figures = measured([images[0]] * 9, half[:1] * 9, vgg=FakeVGG(), grams=grams)
    # Half the features: a quarter of the Gram matrix, so (1 - 1/4)^2; and (1/2)^2.
    assert figures["style_distance"]["mean"] == pytest.approx(0.75**2, rel=1e-4)
    assert set(figures["style_distance"]) == {*STYLE_LAYERS, "mean"}
    assert figures["content_distance"] == pytest.approx(0.25, rel=1e-4)
    assert "style_distance" not in measured(images, half)
    assert CONTENT_LAYERS


def test_a_blends_target_is_the_mean_of_its_grams():
    first, second = clip(1)[0], 1 - clip(1)[0]
    grams = target_grams(FakeVGG(), {"a": first, "b": second}, {"a": 0.25, "b": 0.75})
    expected = 0.25 * gram_matrix(first) + 0.75 * gram_matrix(second)
    assert torch.allclose(grams["relu1_1"], expected)


def test_too_short_a_video_leaves_out_what_it_has_not():
    figures = measured(clip(1), clip(1))
    assert figures["warping_error"] == {} and in_words(figures) == "SSIM to the input 1.00"
