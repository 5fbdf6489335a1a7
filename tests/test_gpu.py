"""On a real GPU: what the CPU gives. `python -m pytest -m gpu` runs these alone."""

from copy import deepcopy
from dataclasses import replace

import media
import pytest
import torch
from test_devices import TestTraining as Training

from nst.__main__ import main
from nst.core.tensors import Download, to_float
from nst.media.frames import Frame
from nst.motion.coherence import MotionTracker, VideoMemory
from nst.motion.flow import FlowEstimator
from nst.stylize.forward import stylize
from nst.stylize.frames import Paint, Scene, stylize_frames
from nst.stylize.recorded import record
from nst.train.loop import train

GPU, CPU = torch.device("cuda"), torch.device("cpu")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
# Of a picture in [0, 1]: rounding of eight bits of a fraction, of eleven, and of float32.
TOLERANCES = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 8e-2}


@pytest.fixture(autouse=True)
def exact_float32():
    """Without TF32, which keeps ten bits."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def image(index: int = 0, size: tuple[int, int] = (96, 128)) -> torch.Tensor:
    return to_float(media.picture(index, size))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("mapped", [False, True])
def test_one_pass_is_that_of_the_cpu(tiny, dtype, mapped):
    codes = tiny.codes if mapped else tiny.codes[1:2]
    weights = None
    if mapped:
        steps = torch.linspace(0, 1, 128).expand(1, 1, 96, 128)
        weights = torch.cat([steps / 2, 1 - steps, steps / 2], 1)
    folded = tiny.net.folded(image(), codes)
    rest = (tiny.codes[:1], 0.3, weights, folded)
    expected = stylize(tiny.net, image(), codes, torch.float32, *rest)
    net = deepcopy(tiny.net).to(GPU, dtype)
    there = [x.to(GPU) if isinstance(x, torch.Tensor) else x for x in rest]
    found = stylize(net, image().to(GPU), codes.to(GPU), dtype, *there)
    gap = (found.cpu() - expected).abs()
    assert gap.max() < TOLERANCES[dtype] and gap.mean() < TOLERANCES[dtype] / 4


def test_a_recorded_pass_is_the_pass(tiny):
    net = deepcopy(tiny.net).to(GPU)
    given = [image().to(GPU), tiny.codes[1:2].to(GPU), torch.ones(1, 1, device=GPU)]
    with torch.inference_mode():
        play = record(net, tuple(given))
        for index in range(3):
            given[0] = image(index).to(GPU)
            assert torch.allclose(play(*given), net(*given), atol=1e-5)


def test_frames_come_back_as_they_went():
    coming = [Download(to_float(media.picture(n), GPU)) for n in range(8)]
    for n, each in enumerate(coming):
        assert (each.array() == media.picture(n)).all()


@pytest.mark.parametrize("together", [1, 4])
def test_a_steadied_video_is_that_of_the_cpu(tiny, together):
    results = []
    for device in (CPU, GPU):
        net, codes = deepcopy(tiny.net).to(device), tiny.codes[1:2].to(device)
        tracker = MotionTracker(FlowEstimator("dis", 64, device))
        scenes = []
        for n in range(6):
            content = image(n).to(device)
            motion = tracker.follow(content)
            frame = Frame(content, n)
            scenes.append(Scene(frame, motion.to(device) if motion else None))
        paint = Paint(net, codes, torch.float32)
        painted = stylize_frames(scenes, paint, 0.8, together=together)
        results.append([frame.result.image.cpu() for frame in painted])
    for expected, found in zip(*results, strict=True):
        assert (found - expected).abs().mean() < 2e-3  # cubic kernels differ


def test_a_mean_along_the_motion_stays_there(tiny):
    memory = VideoMemory(0.8)
    assert memory.update(image().to(GPU), None).is_cuda


@pytest.fixture
def config(train_config, monkeypatch, vgg_state):
    return Training.config.__wrapped__(Training(), train_config, monkeypatch, vgg_state)


@pytest.mark.parametrize("devices", [("cpu", "cuda"), ("cuda", "cpu")])
def test_training_goes_on_on_the_other_device(config, devices, monkeypatch):
    Training().test_a_run_goes_on_on_the_other_device(None, config, devices, monkeypatch)


def test_training_is_that_of_the_cpu(config):
    Training().test_a_run_gives_what_it_gives_on_a_cpu(None, config, {"temporal_weight": 10.0})


def test_out_of_memory_is_one_line_with_the_cure(config, monkeypatch, capsys):
    def fill(*_):
        return torch.empty(2**50, device=GPU)

    monkeypatch.setattr("nst.train.loop.losses", fill)
    with pytest.raises(torch.OutOfMemoryError):
        train(replace(config, device="cuda"))
    monkeypatch.setattr("nst.stylize.film.keeps_parts", fill)
    assert main(["video", "--input-video", "in.mp4", "--output-video", "out.mp4"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: not enough memory; try a smaller --long-side"
