"""Grain in a net's input: its statistics, its motion, and which nets get it."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from nst.media.frames import Frame
from nst.media.images import load_image, save_image
from nst.models.checkpoint import load_checkpoint, save_checkpoint
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.motion.grain import MovingGrain, grain
from nst.motion.warp import inside
from nst.options.stylize import PictureConfig
from nst.styles.codes import style_code
from nst.styles.spec import parse_style
from nst.stylize.forward import stylize
from nst.stylize.frames import followed, stylize_frames
from nst.stylize.images import one_pass_pictures
from nst.stylize.paint import Paint

SIZE = (96, 160)


def shift(x, y, size=SIZE):
    """Return a backward flow: each pixel was (x, y) further on."""
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, *size).contiguous()


def zoom(factor, size=SIZE):
    """Return the backward flow of a camera that comes nearer, by `factor` a frame."""
    y, x = torch.meshgrid(*(torch.arange(float(n)) - (n - 1) / 2 for n in size), indexing="ij")
    return (torch.stack([x, y]) * (1 / factor - 1))[None]


def test_a_pictures_grain_is_the_sum_of_three_noises():
    """Bilinear interpolation takes 2/3 of the variance along each axis: 4/9 of each noise's 1."""
    found = grain((512, 512), seed=3)
    assert found.mean().abs() < 0.04
    assert found.std().item() == pytest.approx((3 * 4 / 9) ** 0.5 / 1.7, rel=0.03)
    generator = torch.Generator().manual_seed(3)
    by_hand = 0
    for cell in (4, 8, 16):
        noise = torch.randn(1, 3, 512 // cell, 512 // cell, generator=generator)
        by_hand = by_hand + F.interpolate(noise, (512, 512), mode="bilinear") / 1.7
    inner = (..., slice(16, -16), slice(16, -16))
    assert torch.allclose(found[inner], by_hand[inner], atol=1e-5)


def test_a_seed_gives_one_grain_and_another_another():
    assert torch.equal(grain((50, 70), 1), grain((50, 70), 1))
    assert not torch.allclose(grain((50, 70), 1), grain((50, 70), 2), atol=0.1)
    assert grain((50, 70)).shape == (1, 3, 50, 70)


def test_a_still_cameras_grain_stands_still():
    moving = MovingGrain(SIZE)
    first = moving.follow(None)
    assert torch.equal(first, grain(SIZE))
    for _ in range(5):
        assert torch.allclose(moving.follow(shift(0, 0), torch.ones(1, 1, *SIZE)), first)


@pytest.mark.parametrize("step", [(3, -2), (1.5, 0.75)])
def test_grain_follows_a_pan(step):
    moving = MovingGrain(SIZE)
    moving.follow(None)
    for _ in range(4):
        now = moving.follow(shift(*step), inside(shift(*step)))
    x, y = (int(4 * n) for n in step)
    expected = grain(SIZE).roll((-y, -x), (2, 3))  # its edges fit together
    assert torch.allclose(now, expected, atol=1e-4)


def test_grain_keeps_its_variance_over_a_long_pan():
    """Resampled each frame, its finest part would lose half of its energy within 20 frames."""
    moving = MovingGrain(SIZE)
    variance = moving.follow(None).var().item()
    flow = shift(1.3, 0.4, (48, 80))  # at half the size, as DIS finds it
    for _ in range(100):
        now = moving.follow(flow, inside(flow))
        assert now.var().item() == pytest.approx(variance, rel=0.05)


def test_uncovered_ground_has_the_grain_of_the_ground_beside_it():
    """A square jumps to the right over ground that pans by two pixels a frame."""
    moving = MovingGrain(SIZE)
    moving.follow(None)
    flow, validity = shift(2, 0), torch.ones(1, 1, *SIZE)
    flow[..., 30:60, 70:110] = -20
    validity[..., 30:60, 50:70] = 0
    now = moving.follow(flow, validity)
    expected = grain(SIZE).roll(-2, 3)
    assert torch.allclose(now[..., 30:60, 40:69], expected[..., 30:60, 40:69], atol=1e-4)


def test_a_long_zoom_renews_the_grain_patch_by_patch():
    """Without that, cells of 4 pixels would be 30 pixels wide at the end."""

    def slope(x):
        return (x[..., 1:] - x[..., :-1]).square().mean().item()

    moving = MovingGrain(SIZE)
    before = moving.follow(None)
    fineness, variance, changes = slope(before), before.var().item(), []
    for _ in range(100):
        now = moving.follow(zoom(1.02))
        changes.append((now - before).square().mean().item() / variance)
        before = now
    assert slope(now) > 0.4 * fineness
    assert now.var().item() == pytest.approx(variance, rel=0.2)
    assert max(changes) < 0.35  # 2 would be all of it at once


def test_a_cut_begins_the_grain_anew():
    moving = MovingGrain(SIZE)
    first = moving.follow(None)
    moving.follow(shift(5, 0))
    assert torch.equal(moving.follow(None), first)
    again = moving.follow(shift(5, 0))
    assert torch.allclose(again, first.roll(-5, 3), atol=1e-4)


def grainy(checkpoint, amplitude):
    return replace(checkpoint, training={"options": {"grain": amplitude}})


@pytest.mark.parametrize("workers", [1, 3])
def test_a_video_gets_the_grain_of_its_nets_training(tiny, workers):
    """A flat scene, each frame by itself: the net sees the scene with the canvas's own grain."""
    frames = [Frame(torch.full((1, 3, 48, 64), 0.5), t) for t in range(4)]
    code = style_code(tiny, parse_style("wave"))
    paint = Paint(tiny.net, code, torch.float32)
    scenes = followed(frames, torch.device("cpu"), grain=grainy(tiny, 0.03).grain)
    expected = tiny.net(0.5 + 0.03 * grain((48, 64)), code, torch.ones(1, 1))
    for frame in stylize_frames(scenes, paint, workers=workers):
        assert torch.allclose(frame.result.image, expected, atol=1e-5)


def test_grain_pans_with_the_scene_that_the_net_sees():
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(240.0), indexing="ij")
    pattern = sum(torch.sin(x / a + y / b) for a, b in ((5, 9), (-7, 4), (3, 11)))
    world = (0.5 + 0.12 * pattern).expand(1, 3, 96, 240)
    frames = [Frame(world[..., 3 * t : 3 * t + 160], t) for t in range(5)]
    tracker = MotionTracker(FlowEstimator())
    scenes = list(followed(frames, torch.device("cpu"), tracker, grain=0.1))
    expected = 0.1 * grain(SIZE).roll(-12, 3)
    inner = (..., slice(20, -20), slice(30, -40))
    gap = (scenes[-1].grain - expected)[inner].square().mean() / expected.var()
    assert gap < 0.02


def test_the_identitys_part_of_a_picture_has_no_grain(tiny):
    image, noise = torch.full((1, 3, 32, 32), 0.4), grain((32, 32))
    code = tiny.codes[:1]
    found = stylize(tiny.net, image, code, torch.float32, code, 1.0, grain=noise)
    assert torch.equal(found, stylize(tiny.net, image, code, torch.float32, code, 1.0))


def test_nets_of_before_have_none(tiny):
    assert tiny.grain == 0 and load_checkpoint("any_style").grain == 0
    frames = [Frame(torch.full((1, 3, 32, 32), 0.5), 0)]
    assert next(followed(frames, torch.device("cpu"))).grain is None


def test_a_picture_gets_the_grain_of_its_nets_training(tiny, tmp_path):
    save_checkpoint(tmp_path / "grainy.safetensors", grainy(tiny, 0.2))
    content, target = tmp_path / "flat.png", tmp_path / "painted.png"
    save_image(torch.full((1, 3, 40, 56), 0.4), content)
    options = {"checkpoint": str(tmp_path / "grainy.safetensors"), "style": "wave"}
    options |= {"method": "one-pass", "precision": "float32", "device": "cpu", "quiet": True}
    config = PictureConfig(content_path=content, output=target, **options)
    one_pass_pictures(config, [(content, target)])
    code, image = style_code(tiny, parse_style("wave")), (0.4 + 0.2 * grain((40, 56))).clamp(0, 1)
    expected = stylize(tiny.net, image, code, torch.float32)
    assert torch.allclose(load_image(target), expected.clamp(0, 1), atol=0.01)
