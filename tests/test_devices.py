"""Every path on a GPU that is only pretended, see `pretend_gpu`: the same results as on the CPU.

A tensor on the wrong device is an error, and so is one that NumPy gets before the host has it.
"""

from dataclasses import replace
from pathlib import Path

import media
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from pretend_gpu import GPU, PretendTensor, pretended_gpu
from test_small_deeplab import random_tensors
from torchvision.models.optical_flow import raft_small

import nst.commands.evaluate
import nst.motion.flow
import nst.optimize.images
import nst.optimize.videos
import nst.train.loop
import nst.train.loss_nets
from nst.api import run_video
from nst.commands.evaluate import evaluate
from nst.commands.stylize import stylize_pictures
from nst.core.tensors import to_float
from nst.media.images import load_image
from nst.models import deeplab
from nst.models.checkpoint import load_checkpoint
from nst.models.transformer_net import TransformerNet
from nst.motion.coherence import MotionTracker, VideoMemory
from nst.motion.flow import FlowEstimator
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.tools import EvaluationConfig
from nst.options.train import TrainConfig
from nst.styles.tuning import code_tuner, style_learner
from nst.stylize.forward import FoldedCodes, stylize
from nst.train.loop import train

CPU = torch.device("cpu")
SIZE = (48, 64)


@pytest.fixture
def gpu(monkeypatch):
    """Pretend a GPU; give the counter of what waits for it."""
    with pretended_gpu(monkeypatch) as waits:
        yield waits


def image(index: int = 0, size: tuple[int, int] = SIZE) -> torch.Tensor:
    return to_float(media.picture(index, size))


def same(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Compare what was computed on the pretended GPU with what the CPU says."""
    assert isinstance(found, PretendTensor) and not isinstance(expected, PretendTensor)
    assert torch.allclose(found.cpu(), expected, atol=tolerance, rtol=0)


def weight_map(styles: int, size: tuple[int, int] = SIZE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(1, styles, *size, generator=generator).softmax(1)


def random_net(unshuffle: int) -> tuple[TransformerNet, torch.Tensor]:
    torch.manual_seed(0)
    net = TransformerNet((8, 8, 8), 1, unshuffle).requires_grad_(False)
    return net, net.plain_code() + 0.3 * torch.randn(3, net.code_length)


def test_pretending_catches_what_cuda_would(gpu):
    there = torch.zeros(2, device="cuda")
    assert there.device == GPU and there.is_cuda and (there + 1).is_cuda
    for wrong in (
        lambda: there + torch.zeros(2),
        lambda: torch.cat([torch.zeros(2), there]),
        lambda: torch.zeros(4)[there.long()],
        lambda: F.conv2d(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 1, 1, device=GPU)),
    ):
        with pytest.raises(RuntimeError, match="on the same device"):
            wrong()
    with pytest.raises(TypeError, match="numpy"):
        there.numpy()
    with pytest.raises(TypeError, match="numpy"):
        np.asarray(there)
    gpu.clear()
    assert float((there + torch.tensor(1.0)).sum()) == 2 and there.cpu().tolist() == [0, 0]
    assert not isinstance(there.cpu(), PretendTensor) and sum(gpu.values()) == 3


class TestNets:
    @pytest.mark.parametrize("unshuffle", [1, 2])
    @pytest.mark.parametrize("weights", ["one", "whole", "map"])
    @pytest.mark.parametrize("kernels", [False, True])
    def test_transformer(self, gpu, unshuffle, weights, kernels):
        net, codes = random_net(unshuffle)
        if kernels:
            codes = torch.cat([codes, 0.05 * torch.randn(3, net.kernels_length)], 1)
        mixed = torch.tensor([[0.5, 0.3, 0.2], [0.0, 1.0, 0.0]])
        weights = {"one": mixed[:1], "whole": mixed, "map": weight_map(3)}[weights]
        content = torch.cat([image(n) for n in range(len(weights))])
        expected = net(content, codes, weights)
        same(net.to(GPU)(content.to(GPU), codes.to(GPU), weights.to(GPU)), expected)

    @pytest.mark.parametrize("unshuffle", [1, 2])
    def test_folded_codes_follow(self, gpu, unshuffle):
        net, codes = random_net(unshuffle)
        expected = FoldedCodes(net, codes, torch.float32)
        frames = [image(n, (128, 136)) for n in range(5)]
        for n, frame in enumerate(frames):
            found = expected.follow(frame, anew=n == 0)
        on_gpu = FoldedCodes(net.to(GPU), codes.to(GPU), torch.float32)
        for n, frame in enumerate(frames):
            last = on_gpu.follow(frame.to(GPU), anew=n == 0)
        same(last, found, 1e-4)

    @pytest.mark.parametrize("mapped", [False, True])
    def test_one_pass_with_strength(self, gpu, tiny, mapped):
        content, weights = image(), weight_map(3) if mapped else None
        codes = tiny.codes if mapped else tiny.codes[1:2]
        share = torch.tensor([1.0, 0.4, 0.2]) if mapped else 0.4
        folded = tiny.net.folded(content, codes)
        rest = (torch.float32, tiny.codes[:1], share, weights, folded)
        expected = stylize(tiny.net, content, codes, *rest)
        net = random_copy(tiny.net).to(GPU)
        codes, folded, identity = (x.to(GPU) for x in (codes, folded, tiny.codes[:1]))
        weights = weights.to(GPU) if mapped else None
        share = share.to(GPU) if mapped else share
        rest = (torch.float32, identity, share, weights, folded)
        same(stylize(net, content.to(GPU), codes, *rest), expected)

    def test_style_encoder(self, gpu, any_style):
        encoder = random_copy(any_style.encoder)
        expected = encoder(image(0, (80, 96)))
        same(encoder.to(GPU)(image(0, (80, 96)).to(GPU)), expected, 1e-4)

    def test_tuning_a_code(self, gpu, any_style):
        def tuned(device: torch.device) -> torch.Tensor:
            net = random_copy(any_style.net).to(device)
            tune = code_tuner(net, lambda: [image(), image(5)], 3, "float32")
            return tune(image(9, (64, 64)), any_style.codes)

        expected, found = tuned(CPU), tuned(GPU)
        assert not isinstance(found, PretendTensor)
        # Adam's first steps have one length, so what hardly matters may go either way.
        assert (found - expected).abs().median() < 1e-4
        assert (expected - any_style.codes).abs().median() > 0.1

    def test_learning_a_picture(self, gpu, tiny):
        def learned(device: torch.device) -> torch.Tensor:
            room, net = tiny.learnable(), random_copy(tiny.net).to(device)
            learn = style_learner(room, net, lambda: [image(), image(5)], 3)
            return learn(image(9, (64, 64)), room.middle)

        expected, found = learned(CPU), learned(GPU)
        assert not isinstance(found, PretendTensor)
        assert (found - expected).abs().median() < 1e-4
        assert (expected - tiny.learnable().middle).abs().median() > 1e-3


def numbers(figures: dict, name: str = "") -> dict[str, float]:
    """Return every number of nested figures by its path."""
    found: dict[str, float] = {}
    for key, value in figures.items():
        if isinstance(value, dict):
            found |= numbers(value, f"{name}/{key}")
        elif isinstance(value, (int, float)):
            found[f"{name}/{key}"] = value
    return found


def random_copy(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy that may be moved, of a module that other tests use too."""
    from copy import deepcopy

    return deepcopy(module)


@pytest.fixture
def random_raft(monkeypatch):
    """RAFT with random weights."""
    torch.manual_seed(0)
    state = raft_small().state_dict()
    monkeypatch.setattr(nst.motion.flow, "load_raft", lambda: state)


@pytest.mark.parametrize("method", ["dis", "raft"])
def test_motion_and_coherence(gpu, random_raft, method):
    def steadied(device: torch.device) -> list[torch.Tensor]:
        tracker, memory = MotionTracker(FlowEstimator(method, 64, device)), VideoMemory(0.8)
        results = []
        for n in range(3):
            frame = image(n).to(device)
            motion = tracker.follow(frame)
            results.append(memory.update(frame.flip(1), motion.to(device) if motion else None))
        return results

    for found, expected in zip(steadied(GPU), steadied(CPU), strict=True):
        same(found, expected, 4e-3)  # cubic kernels differ: OpenCV's on the CPU, PyTorch's here


@pytest.fixture
def small_deeplab(monkeypatch):
    """The small segmenter with random weights."""
    monkeypatch.setattr(deeplab, "load_small_deeplab", lambda: b"")
    monkeypatch.setattr(deeplab, "read_tensors", lambda _: random_tensors())


class StillFlow(torch.nn.Module):
    """Stands in for RAFT: nothing moves, so all that a frame shows can be found in the last."""

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
        return [0 * (source - target)[:, :2]]


class TestVideos:
    """From file to file."""

    @pytest.fixture
    def clip(self, tmp_path) -> Path:
        folder = tmp_path / "frames"
        folder.mkdir()
        for n in range(3):
            Image.fromarray(media.picture(n, SIZE)).save(folder / f"{n}.png")
        return folder

    @pytest.fixture
    def paint(self, clip, tiny_path, tmp_path, small_deeplab, monkeypatch):
        monkeypatch.setattr(nst.motion.flow, "_build_raft", lambda device: StillFlow())

        def call(device: str, **options) -> np.ndarray:
            output = tmp_path / f"{device} {len(list(tmp_path.iterdir()))}"
            # Not "auto": it takes RAFT on a GPU only, where its weights are found.
            defaults = {"style": "wave:0.7", "checkpoint": str(tiny_path), "flow": "dis"}
            defaults["precision"] = "float32"
            machine = {"device": device, "quiet": True}
            if "region" in options:
                machine["segmenter"] = "small"
            given = {**defaults, **machine, **options}
            run_video(VideoConfig(input_video=str(clip), output_video=output, **given))
            return np.stack([np.array(Image.open(p)) for p in sorted(output.iterdir())]).astype(int)

        return call

    @pytest.mark.filterwarnings("ignore:nothing took")
    @pytest.mark.parametrize(
        "options",
        [
            {"temporal_blend": 0.0},
            {"preserve_color": "histogram", "long_side": 40},
            {"region": ("person=scream",), "flow": "raft", "preserve_color": "luminance"},
            {"region": ("background=scream", "person=original"), "segment_every": 2},
            {"style_to": "scream", "temporal_blend": 0.0},
        ],
    )
    def test_one_pass(self, gpu, paint, options):
        expected, found = paint("cpu", **options), paint("cuda", **options)
        assert found.shape == expected.shape and np.abs(found - expected).max() <= 1

    @pytest.mark.filterwarnings("ignore:style is not measured")
    def test_report_and_masks(self, gpu, paint, clip, tmp_path):
        masks = tmp_path / "masks"
        masks.mkdir()
        for n in range(5):
            Image.fromarray(media.picture(n, SIZE)[..., 0] // 128 * 255).save(masks / f"{n}.png")
        report = tmp_path / "report.json"
        shown = {"masks": masks, "mask_output": tmp_path / "shown", "region": ("255=scream",)}
        expected = paint("cpu", **{**shown, "mask_output": tmp_path / "seen"}, report=report)
        expected_figures = report.read_text("utf-8")
        found = paint("cuda", **shown, report=report)
        assert np.abs(found - expected).max() <= 1
        assert len(report.read_text("utf-8")) > 100 and len(expected_figures) > 100

    def test_evaluation(self, gpu, paint, clip, tmp_path, monkeypatch, vgg_state, capsys):
        monkeypatch.setattr(nst.commands.evaluate, "load_vgg19", lambda _: vgg_state)
        paint("cpu", temporal_blend=0.0)
        stylized = next(p for p in tmp_path.iterdir() if p.name.startswith("cpu"))
        style = tmp_path / "style.png"
        Image.fromarray(media.color_bars()).save(style)
        figures = [
            evaluate(
                EvaluationConfig(
                    original=clip, stylized=stylized, style_path=style, device=device, flow="dis"
                )
            )
            for device in ("cpu", "cuda")
        ]
        expected, found = (numbers(each) for each in figures)
        assert len(expected) > 8 and found == pytest.approx(expected, abs=1e-3, rel=1e-2)

    def test_optimized(self, gpu, paint, clip, tmp_path, monkeypatch, vgg_state):
        monkeypatch.setattr(nst.optimize.videos, "load_vgg19", lambda _: vgg_state)
        style = tmp_path / "style.png"
        Image.fromarray(media.color_bars()).save(style)
        options = {
            "method": "optimize",
            "style": None,
            "checkpoint": None,
            "style_path": (style,),
            "steps": 2,
            "frame_steps": 2,
            "passes": 2,
            "content_layers": ("relu2_1",),
            "style_layers": ("relu1_1", "relu2_1"),
            "duration": 0.08,
            "temporal_feature_weight": 1.0,
            "style_from_previous": 0.2,
        }
        expected, found = paint("cpu", **options), paint("cuda", **options)
        assert found.shape == expected.shape and np.abs(found - expected).mean() < 1


class TestPictures:
    @pytest.fixture
    def paint(self, tmp_path, monkeypatch, vgg_state, tiny_path, any_style_path, small_deeplab):
        monkeypatch.setattr(nst.optimize.images, "load_vgg19", lambda _: vgg_state)
        Image.fromarray(media.picture(0, SIZE)).save(tmp_path / "in.png")
        Image.fromarray(media.color_bars((56, 72))).save(tmp_path / "style.png")
        mask = np.zeros(SIZE, np.uint8)
        mask[:, 20:] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        paths = {
            "{style}": tmp_path / "style.png",
            "{mask}": tmp_path / "mask.png",
            "{tiny}": str(tiny_path),
            "{any}": str(any_style_path),
        }

        def filled(value):
            if isinstance(value, tuple):
                return tuple(filled(each) for each in value)
            return paths.get(value, value) if isinstance(value, str) else value

        def call(device: str, **options) -> torch.Tensor:
            machine = {"device": device, "precision": "float32", "quiet": True}
            output = tmp_path / f"{device}.png"
            given = machine | {name: filled(value) for name, value in options.items()}
            stylize_pictures(
                PictureConfig(content_path=tmp_path / "in.png", output=output, **given)
            )
            return load_image(output)

        return call

    @pytest.mark.filterwarnings("ignore:nothing took")
    @pytest.mark.parametrize(
        "options",
        [
            {"checkpoint": "{tiny}", "style": "wave*0.4+scream*0.6:0.7"},
            {"checkpoint": "{any}", "style_path": ("{style}",), "refine_steps": 2},
            {"checkpoint": "{tiny}", "style_path": ("{style}",), "refine_steps": 2},
            {
                "checkpoint": "{tiny}",
                "style": "wave",
                "region": ("person=scream",),
                "segmenter": "small",
            },
        ],
    )
    def test_one_pass(self, gpu, paint, options):
        expected, found = (paint(d, method="one-pass", **options) for d in ("cpu", "cuda"))
        assert (found - expected).abs().max() <= 1.01 / 255

    @pytest.mark.parametrize(
        "options",
        [
            {"optimizer": "lbfgs", "tile": 64, "long_side": 96},
            {"optimizer": "adam", "loss": "wasserstein"},
            {
                "content_mask": ("{mask}", "{mask}"),
                "style_path": ("{style}", "{style}"),
                "style_mask": ("{mask}", "{mask}"),
                "preserve_color": "histogram",
            },
        ],
    )
    def test_optimized(self, gpu, paint, options):
        small = {
            "steps": 3,
            "style_path": ("{style}",),
            "content_layers": ("relu2_2",),
            "style_layers": ("relu1_1", "relu2_1"),
        }
        expected, found = (paint(d, **{**small, **options}) for d in ("cpu", "cuda"))
        assert (found - expected).abs().mean() < 1 / 255


class TestTraining:
    @pytest.fixture
    def config(self, train_config, monkeypatch, vgg_state) -> TrainConfig:
        monkeypatch.setattr(nst.train.loss_nets, "load_vgg19", lambda _: vgg_state)
        for folder, count in ((train_config.content_dir, 3), (train_config.style_dir, 2)):
            for n in range(count):
                picture = media.picture(9 * n + count, (72, 90))
                Image.fromarray(picture).save(folder / f"{folder.name}{n}.png")
        return replace(train_config, steps=2, log_every=1, validate_every=1, save_every=1)

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"temporal_weight": 10.0, "grain": 0.1, "unshuffle": 2, "style_scales": (0.5, 1.0)},
            {"any_style": True},
        ],
        ids=["plain", "temporal", "encoder"],
    )
    def test_a_run_gives_what_it_gives_on_a_cpu(self, gpu, config, options):
        config = replace(config, **options)
        train(config)
        there = replace(config, device="cuda", output=config.output.with_stem("cuda"))
        train(there)
        first, second = (load_checkpoint(c.output) for c in (config, there))
        assert (first.codes - second.codes).abs().mean() < 1e-4
        if not config.any_style:
            assert (first.kernels - second.kernels).abs().mean() < 1e-4
        for name, value in first.net.state_dict().items():
            assert (value - second.net.state_dict()[name]).abs().mean() < 1e-4, name

    @pytest.mark.parametrize("devices", [("cpu", "cuda"), ("cuda", "cpu")])
    def test_a_run_goes_on_on_the_other_device(self, gpu, config, devices, monkeypatch):
        whole = replace(config, output=config.output.with_stem("whole"))
        train(whole)
        saved = nst.train.loop.save
        stopped = []

        def stop(*arguments) -> None:
            saved(*arguments)
            if not stopped:
                stopped.append(True)
                raise RuntimeError("stopped")

        monkeypatch.setattr(nst.train.loop, "save", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            train(replace(config, device=devices[0]))
        train(replace(config, device=devices[1], resume=True))
        first, second = (load_checkpoint(c.output) for c in (whole, config))
        assert (first.codes - second.codes).abs().mean() < 1e-4
