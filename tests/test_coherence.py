"""The memory of a video: it holds still what is still, follows what moves, forgets at cuts."""

import pytest
import torch
import torch.nn.functional as F

from nst.motion.coherence import (
    ANCHOR_FRAMES,
    ANCHOR_WEIGHT,
    Motion,
    MotionTracker,
    VideoMemory,
)
from nst.motion.flow import FlowEstimator
from nst.motion.warp import sharp_warp


def texture(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=generator)
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


class Memory:
    """A video's tracker and its memory, as `stylize_frames` joins them."""

    def __init__(self, flow, share):
        self.tracker, self.memory = MotionTracker(flow), VideoMemory(share)

    def steady(self, content, painted):
        return self.memory.update(painted, self.tracker.follow(content))


def noise_like(image, seed):
    return torch.rand(image.shape, generator=torch.Generator().manual_seed(seed))


def test_first_frame_is_left_alone():
    content, painted = texture(64, 96), texture(64, 96, 1)
    assert torch.equal(Memory(FlowEstimator(), 0.8).steady(content, painted), painted)


def test_a_still_scene_that_is_painted_the_same_stays_the_same():
    content, paint, memory = texture(64, 96), texture(64, 96, 1), Memory(FlowEstimator(), 0.8)
    for _ in range(5):
        result = memory.steady(content, paint)
    assert torch.allclose(result, paint, atol=2e-3)


def test_a_still_scene_that_boils_is_calmed():
    """Each result is one picture and noise; their running mean has less of it, and changes less."""
    content, memory = texture(64, 96), Memory(FlowEstimator(), 0.75)
    paint = 0.25 + 0.5 * texture(64, 96, 1)
    results = [paint + 0.05 * (noise_like(content, i) - 0.5) for i in range(8)]
    steady = [memory.steady(content, painted) for painted in results]

    def energy(x):
        return x.square().mean()

    assert energy(steady[-1] - steady[-2]) < 0.2 * energy(results[-1] - results[-2])
    assert energy(steady[-1] - paint) < 0.6 * energy(results[-1] - paint)


def test_strokes_stay_sharp_while_the_camera_moves():
    """A pan of a third of a pixel a frame resamples the strokes each time: they must not blur."""
    world, paint = texture(80, 136), texture(80, 136, 1)
    memory = Memory(FlowEstimator(), 0.9)
    for t in range(16):
        along = torch.zeros(1, 2, 64, 96)
        along[:, 0] = t / 3
        content, painted = (sharp_warp(x[..., 8:72, 8:104], along) for x in (world, paint))
        result = memory.steady(content, painted)

    def roughness(x):
        return (x[..., 16:-16, 17:-16] - x[..., 16:-16, 16:-17]).square().mean().sqrt().item()

    assert roughness(result) == pytest.approx(roughness(painted), rel=0.1)


def test_moving_scene_carries_the_result_along():
    """The camera pans 4 pixels; the result of the first frame is found 4 pixels further on."""
    world, paint = texture(80, 136), texture(80, 136, 1)
    memory = Memory(FlowEstimator(), 0.9)
    memory.steady(world[..., 4:132], paint[..., 4:132])
    unlike = noise_like(world[..., :128], 5)
    result = memory.steady(world[..., 8:136], unlike)
    inner = (..., slice(16, -16), slice(24, -24))
    carried = 0.9 * paint[..., 8:136] + 0.1 * unlike
    assert (result - carried)[inner].abs().mean() < 0.04
    assert (result - unlike)[inner].abs().mean() > 0.15


def test_a_cut_leaves_no_trace_of_the_shot_before():
    memory = Memory(FlowEstimator(), 0.9)
    for i in range(3):
        memory.steady(texture(64, 96, i // 3), noise_like(texture(64, 96), i))
    painted = noise_like(texture(64, 96), 9)
    assert torch.equal(memory.steady(texture(64, 96, seed=7), painted), painted)


def test_a_frame_of_another_size_begins_anew():
    memory = Memory(FlowEstimator(), 0.9)
    memory.steady(texture(64, 96), texture(64, 96, 1))
    painted = texture(96, 64, 1)
    assert torch.equal(memory.steady(texture(96, 64), painted), painted)


@pytest.mark.parametrize("step", [0.0, 0.3])
def test_a_change_of_light_is_not_held_back(step):
    content, memory = 0.6 * texture(64, 96), Memory(FlowEstimator(), 0.9)
    before, painted = texture(64, 96, 1), texture(64, 96, 2)
    memory.steady(content, before)
    result = memory.steady(content + step, painted)
    kept = (result - painted).abs().mean() / (before - painted).abs().mean()
    assert kept > 0.8 if step == 0 else kept < 0.1


def test_motions_one_after_the_other_are_their_composition():
    """A zoom, then a pan: where a pixel was two frames ago, by hand."""
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    zoomed = Motion(torch.stack([x * 0.1, y * 0.1])[None], torch.ones(1, 1, 40, 60))
    panned = torch.tensor([3.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 40, 60)
    half = torch.ones(1, 1, 40, 60)
    half[..., 30:] = 0
    both = Motion(panned, half).after(zoomed)
    expected = torch.stack([(x + 3) * 1.1 - x, (y - 2) * 1.1 - y])[None]
    inner = (..., slice(5, -5), slice(5, -5))
    assert torch.allclose(both.flow[inner], expected[inner], atol=1e-4)
    assert torch.equal(both.validity, half)


def test_slow_change_is_pulled_back_by_an_anchor():
    """Flat results of levels that rise: each is the mean of three levels, told by hand."""
    content, memory = texture(64, 96), Memory(FlowEstimator(), 0.6)
    previous = anchor = None
    for t in range(25):
        level = 0.2 + 0.01 * t
        result = memory.steady(content, torch.full((1, 3, 64, 96), level))
        if previous is None:
            previous = anchor = level
        else:
            weight = ANCHOR_WEIGHT * 0.6
            previous = weight * anchor + (1 - weight) * (0.6 * previous + 0.4 * level)
        if t and t % ANCHOR_FRAMES == 0:
            anchor = previous
        center = result[..., 20:-20, 20:-20]
        assert torch.allclose(center, torch.tensor(previous), atol=1e-3)
