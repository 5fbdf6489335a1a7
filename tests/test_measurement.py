"""What is measured of a video, on motion and noise that are known."""

import pytest
import torch
import torch.nn.functional as F

from nst.commands.summary import in_words
from nst.losses.perceptual import gram_matrix
from nst.losses.style_figures import MOMENT_LAYERS, style_reference
from nst.losses.video_metrics import Measurement
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


def measured(originals, *results, **options):
    measurement = Measurement(FlowEstimator(), **options)
    for images in zip(originals, *results, strict=True):
        measurement.add(*images)
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
    style = style_reference(FakeVGG(), [(images[0], 1.0)])
    figures = measured([images[0]] * 9, half[:1] * 9, vgg=FakeVGG(), style=style)
    # Half the features: half the means, a quarter of the covariances and of the Gram matrices.
    assert figures["style_mean_error"] == pytest.approx(0.5**2, rel=1e-4)
    assert figures["style_covariance_error"] == pytest.approx(0.75**2, rel=1e-4)
    assert figures["style_gram_error"] == pytest.approx(0.75**2, rel=1e-4)
    assert figures["style_sizes"] == [SIZE]
    assert figures["content_distance"] == pytest.approx(0.25, rel=1e-4)
    assert "means 0.250, covariances 0.562 (painting at 96 pixels)" in in_words(figures)
    assert "style_mean_error" not in measured(images, half)


def test_more_light_is_an_error_of_the_means_alone():
    image = 0.5 * clip(1)[0]
    style = style_reference(FakeVGG(), [(image, 1.0)])
    figures = measured([image], [image + 0.2], vgg=FakeVGG(), style=style)
    mean = image.mean((2, 3)).square().sum()
    assert figures["style_mean_error"] == pytest.approx(3 * 0.2**2 / mean.item(), rel=1e-4)
    assert figures["style_covariance_error"] < 1e-8


def test_a_blends_target_is_the_mean_of_its_styles():
    first, second = clip(1)[0], 1 - 0.5 * clip(1)[0]
    style = style_reference(FakeVGG(), [(first, 0.25), (second, 0.75)])
    expected = 0.25 * gram_matrix(first) + 0.75 * gram_matrix(second)
    assert torch.allclose(style.grams["relu1_1"], expected)
    mean, covariance = style.moments["relu5_1"]
    assert torch.allclose(mean, 0.25 * first.mean((2, 3)) + 0.75 * second.mean((2, 3)))
    both = [torch.cov(image[0].flatten(1), correction=0) for image in (first, second)]
    assert torch.allclose(covariance[0], 0.25 * both[0] + 0.75 * both[1], atol=1e-6)
    assert set(style.moments) == set(MOMENT_LAYERS)


def test_errors_are_told_beside_the_clips_own():
    """Noise of the clip's own and twice as much: a ratio of two, at each lag."""
    figures = measured(noisy(clip(), 0.02), noisy(clip(), 0.04))
    for lag in ("1", "10"):
        assert figures["warping_error_ratio"][lag] == pytest.approx(2, rel=0.05)


def test_perceptual_errors_see_a_change_of_hue_and_no_change_of_strength():
    """Features that are the picture: unit vectors of gray and of red are 2 - 2 / root(3) apart."""
    gray, red = torch.full((1, 3, *SIZE), 0.5), torch.zeros(1, 3, *SIZE)
    red[:, 0] = 0.7
    still = [clip(1)[0]] * 2
    figures = [
        measured(still, results, vgg=FakeVGG(), vgg_every=1)
        for results in ([gray, red], [gray, 1.5 * gray], [red, red])
    ]
    hue, strength, same = (f["feature_warping_error"]["1"] ** 2 for f in figures)
    assert hue == pytest.approx(2 - 2 / 3**0.5, rel=1e-3)
    assert strength < 1e-6 and same < 1e-6
    assert figures[0]["input_feature_warping_error"]["1"] < 1e-3


def test_frames_alone_tell_what_a_memory_gains_and_costs():
    """Results with half the contrast about their mean have half of everything."""
    alone = noisy(clip(), 0.05)
    center = sum(clip()) / 16
    results = [center + 0.5 * (image - center) for image in noisy([center] * 16, 0.05)]
    beside = measured([center] * 16, results, noisy([center] * 16, 0.05))["beside_alone"]
    for lag in ("1", "10"):
        assert beside["warping_error"][lag] == pytest.approx(0.5, rel=0.02)
    flat = [0 * image + 0.5 for image in alone]
    half = [0.5 + 0.5 * (image - 0.5) for image in alone]
    assert measured(clip(), half, alone)["beside_alone"]["detail"] == pytest.approx(0.25, rel=1e-4)
    assert measured(clip(), flat, alone)["beside_alone"]["detail"] < 1e-6


class GlidingSquare:
    """The true flow of a square of 40 pixels that glides 8 pixels a frame over still ground."""

    method = "true"

    def __init__(self):
        self.frames = 0

    def prepare(self, image):
        self.frames += 1
        return torch.tensor(self.frames - 1)

    def both_ways(self, now, before):
        flows = torch.zeros(2, 1, 2, *SIZE)
        for flow, t, step in ((flows[0], now, before - now), (flows[1], before, now - before)):
            flow[:, 0, 30:70, 10 + 8 * t : 50 + 8 * t] = 8.0 * step
        return tuple(flows)


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_a_ghost_is_the_weight_of_what_covered_the_ground(weight):
    """Behind the square some of it stays."""
    ground, square = clip(1)[0], 1 - clip(1)[0][..., :40, :40]
    originals, results = [], []
    for t in range(6):
        image = ground.clone()
        image[..., 30:70, 10 + 8 * t : 50 + 8 * t] = square
        originals.append(image)
        result = image.clone()
        if t:
            behind = (..., slice(30, 70), slice(2 + 8 * t, 10 + 8 * t))
            result[behind] = (1 - weight) * image[behind] + weight * results[t - 1][behind]
        results.append(result)
    measurement = Measurement(GlidingSquare())
    for original, result in zip(originals, results, strict=True):
        measurement.add(original, result, original)
    assert measurement.figures()["beside_alone"]["ghost"] == pytest.approx(weight, rel=0.05)


def test_a_pair_without_motion_to_trust_tells_nothing():
    """Going back and there again ends elsewhere, whatever the pixel: nothing is to be compared."""

    class Lost(FlowEstimator):
        def both_ways(self, now, before):
            return (torch.full((1, 2, *SIZE), 9.0),) * 2

    measurement = Measurement(Lost())
    for image in clip(3):
        measurement.add(image, image.flip(3))
    figures = measurement.figures()
    assert figures["warping_error"] == {} and figures["valid"] == {"1": 0}


def test_too_short_a_video_leaves_out_what_it_has_not():
    figures = measured(clip(1), clip(1))
    assert figures["warping_error"] == {} and in_words(figures) == "SSIM to the input 1.00"
