"""A whole video is steady: at cuts, in still scenes, and in what is said of it at the end."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from nst.commands.summary import video_summary
from nst.core.tensors import resize, to_float
from nst.media.frames import Frame
from nst.models.checkpoint import load_checkpoint
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.styles.codes import style_code
from nst.stylize.frames import followed, stylize_frames
from nst.stylize.paint import Paint
from nst.stylize.videos import one_pass_video

BLEND = VideoConfig.__dataclass_fields__["temporal_blend"].default


def painted(checkpoint, images, workers=1):
    frames = [Frame(image, t) for t, image in enumerate(images)]
    paint = Paint(checkpoint.net, style_code(checkpoint, None), torch.float32)
    scenes = followed(frames, torch.device("cpu"), MotionTracker(FlowEstimator()))
    return [frame.result.image for frame in stylize_frames(scenes, paint, BLEND, workers=workers)]


def gliding(picture, count):
    """Return views (1, 3, 96, 128) of a camera that glides over a picture."""
    image = resize(to_float(picture), (160, 240))
    return [image[..., 20:116, 2 * t : 2 * t + 128] for t in range(count)]


def test_after_a_cut_all_is_as_if_the_shot_were_alone(tiny):
    first, second = gliding(data.astronaut(), 5), gliding(data.coffee(), 4)
    joined, alone = painted(tiny, first + second), painted(tiny, second)
    for found, expected in zip(joined[5:], alone, strict=True):
        assert torch.equal(found, expected)
    # The memory does work in between.
    by_itself = painted(tiny, second[1:2])[0]
    assert not torch.allclose(alone[1], by_itself, atol=0.01)


def test_frames_painted_at_the_same_time_are_those_painted_one_by_one(tiny):
    images = gliding(data.astronaut(), 9)
    pairs = zip(painted(tiny, images), painted(tiny, images, workers=3), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("name", ["fast"])
def test_a_still_scene_with_a_cameras_noise_holds_still(name):
    """The shipped nets, 50 frames: the result changes no more than half as much again."""
    checkpoint = load_checkpoint(name)
    scene = resize(to_float(data.astronaut()), (112, 112))
    generator = torch.Generator().manual_seed(0)
    noisy = [
        (scene + 2 / 255 * torch.randn(scene.shape, generator=generator)).clamp(0, 1)
        for _ in range(50)
    ]
    result = painted(checkpoint, noisy)

    def change(images):
        pairs = zip(images, images[1:], strict=False)
        return np.mean([(b - a).square().mean().item() for a, b in pairs]) ** 0.5

    assert change(result) <= 1.5 * change(noisy)


@pytest.mark.parametrize("style", [None, "wave"])
def test_a_report_says_what_the_line_says_and_more(tiny_path, tmp_path, style):
    (tmp_path / "in").mkdir()
    for t, image in enumerate(gliding(data.astronaut(), 12)):
        levels = (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(levels).save(tmp_path / "in" / f"{t:02}.png")
    options = {"checkpoint": str(tiny_path), "style": style, "device": "cpu", "quiet": True}
    options |= {"input_video": tmp_path / "in", "output_video": tmp_path / "out"}
    with pytest.warns(UserWarning, match="style is not measured: .*no picture of the style"):
        report = one_pass_video(VideoConfig(**options, report=tmp_path / "report.json"))
    line = video_summary(report)
    assert (report.frames, report.complete, report.output) == (12, True, tmp_path / "out")
    assert report.size == (96, 128) and report.fps > 12 / report.seconds > 0
    assert [w for w in report.warnings if "no picture of the style" in w]
    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["frames"] == 12 and figures["flow"] == "dis"
    assert len(figures["over_time"]["1"]["frame"]) == 11
    beside = figures["beside_alone"]
    assert 0 < beside["detail"] < 1.5 and abs(beside["ghost"]) < 1
    assert 0 < beside["warping_error"]["1"] < 1
    assert f"{figures['warping_error']['1']:.3f} at lag 1" in line
    assert f"SSIM to the input {figures['ssim']:.2f}" in line
