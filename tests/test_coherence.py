"""The memory of a video: it holds still what is still, follows what moves, forgets at cuts."""

import pytest
import torch
import torch.nn.functional as F

from nst.coherence import MotionMean, MotionTracker
from nst.flow import FlowEstimator


def texture(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=generator)
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


class Memory:
    """A video's tracker and its result's mean, as the story joins them."""

    def __init__(self, flow, share):
        self.tracker, self.mean = MotionTracker(flow), MotionMean(share)

    def steady(self, content, painted):
        return self.mean.update(painted, self.tracker.follow(content))


def noise_like(image, seed):
    return torch.rand(image.shape, generator=torch.Generator().manual_seed(seed))


def test_first_frame_is_left_alone():
    content, painted = texture(64, 96), texture(64, 96, 1)
    assert torch.equal(Memory(FlowEstimator(), 0.8).steady(content, painted), painted)


def test_still_scene_is_the_running_mean_of_its_results():
    content, memory = texture(64, 96), Memory(FlowEstimator(), 0.75)
    results = [noise_like(content, i) for i in range(6)]
    steady = [memory.steady(content, painted) for painted in results]
    expected = results[0]
    for painted in results[1:]:
        expected = 0.25 * painted + 0.75 * expected
    assert torch.allclose(steady[-1], expected, atol=1e-3)
    jump = (steady[-1] - steady[-2]).square().mean()
    assert jump < 0.15 * (results[-1] - results[-2]).square().mean()


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
