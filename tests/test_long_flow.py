"""Flow to a frame that is many frames away, on pictures whose motion is known."""

import torch

from nst.core.tensors import resize
from nst.motion.flow import FlowEstimator
from nst.motion.long_flow import follow_away

SIZE, STEP, COUNT = (96, 160), 3, 16


def panned(count: int = COUNT) -> list[torch.Tensor]:
    """Return frames of a camera that goes right by `STEP` pixels each."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 24, 60, generator=generator)
    wide = resize(noise, (SIZE[0], 240))
    return [wide[..., i * STEP : i * STEP + SIZE[1]] for i in range(count)]


def motions(frames):
    flow = FlowEstimator("dis")
    key, *others = (flow.prepare(frame) for frame in frames)
    return list(follow_away(key, others, flow))


def test_a_pan_adds_up_without_drift():
    found = motions(panned())
    assert len(found) == COUNT - 1
    for distance, motion in enumerate(found, 1):
        # What is at x now was at x + distance * STEP in the key.
        x, y = motion.flow[0]
        sure = motion.validity[0, 0] > 0.5
        assert (x[sure] - distance * STEP).abs().mean() < 0.3
        assert y[sure].abs().mean() < 0.3


def test_what_came_into_sight_is_not_trusted():
    last = motions(panned())[-1]
    gone = (COUNT - 1) * STEP
    assert last.validity[..., -gone + 4 :].max() < 0.05
    assert last.validity[..., 8 : -gone - 16].mean() > 0.5


def test_nothing_is_followed_beyond_a_cut():
    frames = panned(6)
    frames[3:] = [frame.flip(2, 3) for frame in frames[3:]]
    assert len(motions(frames)) == 2


def test_a_search_begins_where_it_is_told():
    """40 pixels are more than DIS finds by itself at this size."""
    flow, frames = FlowEstimator("dis"), panned()
    now, key = (flow.prepare(frames[i]) for i in (14, 0))
    told = torch.tensor([14.0 * STEP, 0.0]).view(1, 2, 1, 1).expand(1, 2, *SIZE).contiguous()
    found = flow.refine(now, key, told)[0, 0, 16:-16, 16:80]
    assert (found - 14 * STEP).abs().mean() < 0.3
