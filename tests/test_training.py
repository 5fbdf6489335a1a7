import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import media
import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import nst.train.loop
import nst.train.loss_nets
from nst.commands.parser import parse
from nst.errors import InputError
from nst.losses.metrics import style_distances
from nst.losses.perceptual import gram_matrix
from nst.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from nst.models.style_encoder import StyleEncoder
from nst.models.transformer_net import TransformerNet
from nst.models.vgg import VGGFeatures
from nst.options.train import TrainConfig
from nst.styles.pictures import find_styles, load_style
from nst.train.loop import train
from nst.train.schedule import Schedule, learning_rate
from nst.train.start import start
from nst.train.style_targets import CODE_RATE, Batch, StyleTable, _tiles, find_targets
from nst.train.terms import losses

ROOT = Path(__file__).parents[1]
TERMS = ("content", "style_mean", "style_covariance", "tv", "identity", "total")
INDICES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def style_picture(name: str) -> np.ndarray:
    """Return a blue picture of waves, or a red and yellow one of dots."""
    y, x = np.mgrid[:72, :80]
    if name == "wave":
        light = 0.5 + 0.5 * np.sin(x / 3 + np.sin(y / 6))
        planes = [60 * light, 60 + 80 * light, 120 + 130 * light]
    else:
        light = (np.sin(x / 2) * np.sin(y / 2) > 0.2).astype(float)
        planes = [200 + 50 * light, 40 + 190 * light, 30 + 0 * light]
    return np.stack(planes, -1).astype(np.uint8)


@pytest.fixture
def config(train_config, monkeypatch, vgg_state) -> TrainConfig:
    """A run of two styles on four photos with random VGG weights."""
    monkeypatch.setattr(nst.train.loss_nets, "load_vgg19", lambda path: vgg_state)
    for index in range(4):
        photo = media.picture(9 * index, (72, 90))
        Image.fromarray(photo).save(train_config.content_dir / f"{index}.png")
    for name in ("wave", "dots"):
        Image.fromarray(style_picture(name)).save(train_config.style_dir / f"{name}.png")
    return train_config


class Recorder:
    """Stands in for `losses`: calls it, keeps what it sees, and strikes at one step of its own.

    `targets` are the run's own, with all codes and kernels.
    """

    def __init__(self, monkeypatch, strike=None, at: int | None = None):
        self.totals: list[torch.Tensor] = []
        self.terms: list[dict[str, torch.Tensor]] = []
        self.drawn: list[torch.Tensor] = []
        self.strike, self.at = strike, at
        monkeypatch.setattr(nst.train.loop, "losses", self)
        monkeypatch.setattr(nst.train.loop, "find_targets", self.find_targets)

    def find_targets(self, config):
        self.targets = find_targets(config)
        return self.targets

    def __call__(self, net, batch, *others):
        self.net, self.codes = net, batch.codes
        if len(self.totals) == self.at:
            self.strike()
        terms = losses(net, batch, *others)
        self.terms.append({name: values.detach().clone() for name, values in terms.items()})
        self.totals.append(self.terms[-1]["total"])
        self.drawn.append(batch.style)
        return terms

    def weights(self) -> dict[str, torch.Tensor]:
        """Return all that was trained, as the run left it, in full precision."""
        state = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        own = [kernels.detach().clone() for kernels in self.targets.kernels]
        state |= {f"kernels.{i}": kernels for i, kernels in enumerate(own)}
        return {**state, "codes": self.targets.codes.detach().clone()}

    def fall(self, count: int = 3) -> float:
        """Return what is left of the loss: of the last steps of a style by its first, at worst."""
        left = []
        for style in (1, 2):
            steps = [
                total.mean()
                for total, drawn in zip(self.totals, self.drawn, strict=True)
                if drawn[0] == style
            ]
            if steps:
                left.append(sum(steps[-count:]) / sum(steps[:count]))
        return float(max(left))


def recorded(monkeypatch, config: TrainConfig) -> Recorder:
    recorder = Recorder(monkeypatch)
    train(config)
    return recorder


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def raising(error: BaseException):
    def strike():
        raise error

    return strike


def test_one_picture_and_one_style_are_overfitted(config, monkeypatch):
    for photo in config.content_dir.iterdir():
        Image.fromarray(media.picture(0, (64, 64))).save(photo)
    config = replace(
        config,
        style_dir=config.style_dir / "wave.png",
        steps=30,
        identity_fraction=0,
        warmup_steps=0,
    )
    recorder = recorded(monkeypatch, config)
    assert recorder.fall() < 0.5


def test_two_styles_from_scratch_are_each_nearest_to_their_own(config, monkeypatch, vgg_state):
    recorder = recorded(monkeypatch, replace(config, steps=100))
    assert len(recorder.totals) == 100
    assert recorder.fall() < 0.7
    loaded = load_checkpoint(config.output)
    assert loaded.styles == ("identity", "dots", "wave")
    assert loaded.training["steps_done"] == 100 and loaded.training["options"]["batch"] == 2
    # What painted the last step is what was saved, in half precision.
    trained = recorder.weights()
    torch.testing.assert_close(loaded.codes, trained["codes"], rtol=1e-3, atol=1e-3)
    own = torch.stack([trained["kernels.0"], trained["kernels.1"]])
    torch.testing.assert_close(loaded.kernels[1:], own, rtol=1e-3, atol=1e-3)
    assert not loaded.kernels[0].any() and (own[0] - own[1]).abs().max() > 0.01
    vgg, layers = VGGFeatures(vgg_state), config.style_layers
    photo = torch.from_numpy(media.picture(4, (64, 64))).permute(2, 0, 1)[None] / 255
    for row, own, other in ((1, "dots", "wave"), (2, "wave", "dots")):
        with torch.no_grad():
            painted = loaded.net(photo, loaded.code(row), torch.ones(1, 1))
        distance = {}
        for name in (own, other):
            features = vgg(load_style(config.style_dir / f"{name}.png", 64), layers)
            grams = {k: gram_matrix(v) for k, v in features.items()}
            distance[name] = sum(style_distances(vgg(painted, layers), grams).values())
        assert distance[own] < 0.5 * distance[other]


def test_one_seed_gives_one_result_and_another_seed_another(config, monkeypatch):
    runs = [recorded(monkeypatch, replace(config, steps=3, seed=seed)) for seed in (3, 3, 4)]
    weights = [run.weights() for run in runs]
    assert equal(weights[0], weights[1]) and not equal(weights[0], weights[2])
    assert torch.equal(torch.stack(runs[0].totals), torch.stack(runs[1].totals))


@pytest.mark.parametrize("how", ["ctrl-c", "second ctrl-c", "crash"])
def test_a_run_that_stopped_goes_on_as_if_it_had_not(config, monkeypatch, how):
    whole = recorded(monkeypatch, config)
    again = replace(config, output=config.output.with_name("again.safetensors"), save_every=2)
    strike, error, kept = {
        # The step under way is finished first.
        "ctrl-c": (lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt, 4),
        "second ctrl-c": (raising(KeyboardInterrupt()), KeyboardInterrupt, 3),
        "crash": (raising(RuntimeError("out of memory")), RuntimeError, 2),
    }[how]
    handler = signal.getsignal(signal.SIGINT)
    broken = Recorder(monkeypatch, strike, at=3)
    with pytest.raises(error):
        train(again)
    assert signal.getsignal(signal.SIGINT) is handler
    assert load_checkpoint(again.output).training["steps_done"] == kept
    rest = recorded(monkeypatch, replace(again, resume=True))
    assert len(rest.totals) == 6 - kept
    totals = torch.stack(broken.totals[:kept] + rest.totals)
    assert torch.equal(totals, torch.stack(whole.totals))
    assert equal(rest.weights(), whole.weights())
    names = {path.name for path in config.output.parent.iterdir() if path.is_file()}
    assert names == {"net.safetensors", "again.safetensors"}


def test_a_state_that_does_not_fit_is_refused(config, monkeypatch):
    Recorder(monkeypatch, raising(KeyboardInterrupt()), at=2)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    before = config.output.read_bytes()
    Recorder(monkeypatch, lambda: pytest.fail("trained"), at=0)
    with pytest.raises(InputError, match="--widths was .*8, 8, 8.* and is .*8, 8, 16"):
        train(replace(config, resume=True, widths=(8, 8, 16)))
    (state,) = config.output.parent.glob("*.state.pt")
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InputError, match="does not fit this run"):
        train(replace(config, resume=True))
    assert config.output.read_bytes() == before


def test_a_run_goes_on_with_its_own_styles_only(config, monkeypatch, tmp_path):
    Recorder(monkeypatch, raising(KeyboardInterrupt()), at=2)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    Recorder(monkeypatch, lambda: pytest.fail("trained"), at=0)
    with pytest.raises(InputError, match="unfinished run: give --resume"):
        train(config)
    wave = config.style_dir / "wave.png"
    whole = wave.read_bytes()
    Image.fromarray(media.picture(50)).save(wave)
    with pytest.raises(InputError, match="the picture of wave is another than before"):
        train(replace(config, resume=True))
    wave.unlink()
    (config.style_dir / "other.png").write_bytes(whole)
    with pytest.raises(InputError, match="styles were .*wave.* and are .*other"):
        train(replace(config, resume=True))


DRIVER = """
import os
import sys
from pathlib import Path

import torch

import nst.train.loop
import nst.train.loss_nets
from nst.options.train import TrainConfig

torch.set_num_threads(1)
folder = Path(sys.argv[1])
given = torch.load(folder / "given.pt", weights_only=True)
nst.train.loss_nets.load_vgg19 = lambda path: given["vgg"]
real, find_targets, seen, totals = nst.train.loop.losses, nst.train.loop.find_targets, {}, []


def losses(net, batch, *others):
    terms = real(net, batch, *others)
    seen["net"] = net
    totals.append(terms["total"].detach())
    return terms


def found_targets(config):
    seen["targets"] = find_targets(config)
    return seen["targets"]


nst.train.loop.losses = losses
nst.train.loop.find_targets = found_targets
options = {k: Path(folder, v[1:]) if str(v)[0] == "@" else v for k, v in given["options"].items()}
nst.train.loop.train(TrainConfig(**options))
targets = seen["targets"]
state = {**seen["net"].state_dict(), "codes": targets.codes.detach()}
state |= {f"kernels.{i}": own.detach() for i, own in enumerate(targets.kernels)}
torch.save({"weights": state, "totals": totals}, folder / f"rank{os.environ['RANK']}.pt")
"""


def test_two_processes_equal_one_with_the_batch_of_both(config, monkeypatch, tmp_path, vgg_state):
    one = replace(config, steps=4, identity_fraction=0.4, warmup_steps=0, seed=4)
    alone = recorded(monkeypatch, one)
    options = {spec.name: getattr(one, spec.name) for spec in fields(one)}
    options = {k: v for k, v in options.items() if isinstance(v, int | float | str | tuple)}
    options |= {"content_dir": "@photos", "style_dir": "@styles", "batch": 1}
    options["output"] = "@both.safetensors"
    torch.save({"vgg": vgg_state, "options": options}, tmp_path / "given.pt")
    (tmp_path / "driver.py").write_text(DRIVER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
        + ["--master-addr=127.0.0.1", f"--master-port={port}"]
        + [str(tmp_path / "driver.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [torch.load(tmp_path / f"rank{i}.pt", weights_only=True) for i in range(2)]
    # Both processes hold the same net to the bit, though each saw other samples.
    assert equal(ranks[0]["weights"], ranks[1]["weights"])
    totals = torch.stack([torch.cat(rank["totals"]) for rank in ranks], dim=1)
    torch.testing.assert_close(totals, torch.stack(alone.totals), rtol=1e-2, atol=0)
    begun = start(one, dict.fromkeys(("dots", "wave"))).codes
    for name, expected in alone.weights().items():
        found = ranks[0]["weights"][name]
        # Adam turns a gradient that is rounding alone into a whole step, so a few may differ.
        assert (found - expected).abs().median() < 1e-5, name
        assert (found - expected).norm() < 1e-2 * expected.norm(), name
    moved = (alone.weights()["codes"] - begun).norm()
    assert (ranks[0]["weights"]["codes"] - alone.weights()["codes"]).norm() < 0.1 * moved
    drawn = {int(style[0]) for style in alone.drawn}
    assert {i for i in (0, 1) if alone.weights()[f"kernels.{i}"].any()} == {
        s - 1 for s in drawn if s
    }
    assert load_checkpoint(tmp_path / "both.safetensors").training["processes"] == 2


@pytest.fixture
def given(tmp_path) -> Path:
    """A checkpoint with one style of its own, whose numbers half precision can hold."""
    torch.manual_seed(5)
    net = TransformerNet((8, 8, 8), 1)
    codes = net.plain_code() + 0.2 * torch.randn(3, net.code_length)
    kernels = 0.02 * torch.randn(3, net.kernels_length)
    kernels[0] = 0
    path, styles = tmp_path / "given.safetensors", ("identity", "old", "wave")
    save_checkpoint(path, Checkpoint(net, codes, styles, kernels=kernels), torch.float16)
    return path


@pytest.mark.parametrize("only_codes", [False, True])
def test_init_adds_codes_and_leaves_other_styles_rows_alone(config, monkeypatch, given, only_codes):
    before = load_checkpoint(given)
    config = replace(
        config, init_checkpoint=str(given), only_codes=only_codes, widths=None, seed=12
    )
    recorder = recorded(monkeypatch, config)
    after, weights = load_checkpoint(config.output), recorder.weights()
    assert after.styles == ("identity", "old", "wave", "dots")
    assert torch.equal(after.kernels[:2], before.kernels[:2])
    assert not torch.equal(after.kernels[2], before.kernels[2])
    for codes in (after.codes, weights["codes"]):
        assert torch.equal(codes[1], before.codes[1])
        assert not torch.equal(codes[2], before.codes[2])
        assert torch.equal(codes[0], before.codes[0]) == only_codes
    # Six steps of Adam move no number further than six learning rates.
    mean = before.codes[1:].mean(0)
    reach = CODE_RATE * config.learning_rate * config.steps * 1.01
    assert 0 < (weights["codes"][3] - mean).abs().max() <= reach
    # "dots" comes first in the folder.
    moved = (weights["kernels.0"] - before.kernels[1:].mean(0)).abs().max()
    assert 0 < moved <= reach / CODE_RATE
    for net in (after.net.state_dict(), recorder.net.state_dict()):
        assert equal(net, before.net.state_dict()) == only_codes
    if only_codes:
        assert all((style > 0).all() for style in recorder.drawn)


def test_a_wider_net_begins_as_the_one_it_was_made_of(config, given):
    narrow = load_checkpoint(given)
    wide = start(replace(config, init_checkpoint=str(given), widths=(16, 16, 16)), {"wave": None})
    assert wide.styles == narrow.styles and wide.net.widths == (16, 16, 16)
    photo = torch.from_numpy(media.picture(4, (32, 32))).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        codes = [torch.cat([c.code(row) for row in range(3)]) for c in (narrow, wide)]
        nets, mix = (narrow.net, wide.net), torch.tensor([[0.2, 0.5, 0.3]])
        painted = [net(photo, own, mix) for net, own in zip(nets, codes, strict=True)]
    torch.testing.assert_close(*painted, rtol=1e-3, atol=1e-4)


def test_a_step_moves_the_kernels_of_the_style_it_drew_only(config, monkeypatch, given):
    config = replace(
        config, init_checkpoint=str(given), widths=None, identity_fraction=0.3, steps=12
    )
    seen = []
    recorder = Recorder(monkeypatch)
    of_step = StyleTable.of_step

    def spy(table, *args):
        seen.append([kernels.detach().clone() for kernels in table.kernels])
        return of_step(table, *args)

    monkeypatch.setattr(StyleTable, "of_step", spy)
    train(config)
    seen.append(recorder.targets.kernels)
    assert {int(style[0]) for style in recorder.drawn} == {0, 1, 2}
    for before, after, style in zip(seen[:-1], seen[1:], recorder.drawn, strict=True):
        assert (style == style[0]).all()
        moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert moved == [style[0] == 1, style[0] == 2]


def test_added_styles_begin_at_the_mean_kernels_or_at_the_encoders_net(config, given):
    config = replace(config, init_checkpoint=str(given), widths=None, only_codes=True)
    before = load_checkpoint(given)
    begun = start(config, {"wave": None, "dots": None, "more": None})
    assert begun.styles == ("identity", "old", "wave", "dots", "more")
    assert torch.equal(begun.kernels[:3], before.kernels)
    for row in (3, 4):
        torch.testing.assert_close(begun.kernels[row], (before.kernels[1] + before.kernels[2]) / 2)
    # An encoder predicts codes for the net without kernels.
    encoder = StyleEncoder(before.net.code_length, (8, 8), hidden=16).eval()
    encoder.start_from(before.net.plain_code())
    save_checkpoint(given, replace(before, encoder=encoder))
    begun = start(config, {"dots": config.style_dir / "dots.png"})
    assert torch.equal(begun.kernels[:3], before.kernels) and not begun.kernels[3].any()


def test_without_a_recipe_styles_are_added_to_the_included_net():
    places = ["--content-dir", "photos", "--style-dir", "styles"]
    config, recipe = parse(TrainConfig, None, places)
    assert recipe == "auto" and config.only_codes and config.init_checkpoint == "fast"
    # An encoder needs a net that learns with it.
    assert not parse(TrainConfig, None, [*places, "--any-style"])[0].only_codes
    assert parse(TrainConfig, None, [*places, "--no-any-style"])[0].only_codes


def test_grain_is_that_of_the_checkpoint(config, given, monkeypatch):
    before = load_checkpoint(given)
    save_checkpoint(given, replace(before, training={"options": {"grain": 0.1}}), torch.float16)
    config = replace(config, init_checkpoint=str(given), widths=None, steps=1, only_codes=True)
    train(replace(config, grain=None))
    # What paints the styles that were kept is what they were trained with.
    assert load_checkpoint(config.output).grain == 0.1
    with pytest.raises(InputError, match="--grain is 0.05; .* with 0.1: leave it out"):
        train(replace(config, grain=0.05))
    train(replace(config, grain=0.05, only_codes=False))
    assert load_checkpoint(config.output).grain == 0.05
    new = replace(config, init_checkpoint=None, only_codes=False, grain=None)
    assert start(new, {}).grain == 0.03


def test_learning_rate_rises_and_falls_as_half_a_cosine(config):
    config = replace(config, steps=110, warmup_steps=10, learning_rate=0.01)
    rates = [learning_rate(step, step / 110, config) for step in range(110)]
    cosine = [0.005 * (1 + math.cos(math.pi * step / 110)) for step in range(110)]
    assert rates[:10] == pytest.approx([0.1 * (n + 1) * cosine[n] for n in range(10)])
    assert rates[10:] == pytest.approx(cosine[10:]) and 0 < rates[-1] < 1e-5
    # The rise never takes more than a tenth of a run.
    assert learning_rate(0, 0.0, replace(config, steps=5)) == pytest.approx(0.01)
    by_clock = replace(config, steps=None, minutes=1.0)
    assert learning_rate(0, 0.05, by_clock) < 0.0011
    assert learning_rate(0, 0.5, by_clock) == pytest.approx(0.005)


def test_each_kind_of_sample_has_its_own_terms(config, vgg_state):
    torch.manual_seed(0)
    net, vgg = TransformerNet((8, 8, 8), 1), VGGFeatures(vgg_state)
    codes = net.plain_code().repeat(3, 1)
    image, style = torch.rand(2, 3, 64, 64), torch.tensor([0, 2])
    channels = {"relu1_1": 64, "relu2_1": 128}
    targets = {k: (torch.rand(2, c), torch.rand(2, c, c)) for k, c in channels.items()}
    batch = Batch(codes, torch.eye(3)[[0, 2]], style, targets, 1)
    config = replace(config, content_weight=1.0, style_weight=1.0, tv_weight=1.0)
    with torch.no_grad():
        terms = losses(net, batch, vgg, image, image, config)
        doubled = losses(net, batch, vgg, image, image, replace(config, style_weight=2.0))
        stylized = net(image, codes[:1], torch.ones(2, 1))
    assert terms["style_mean"][0] == terms["style_covariance"][0] == terms["tv"][0] == 0
    assert terms["identity"][1] == 0
    error = (stylized - image).square().sum((1, 2, 3)) / image.square().sum((1, 2, 3))
    assert terms["identity"][0].item() == pytest.approx(10 * error[0].item(), rel=1e-3)
    across, down = (torch.diff(stylized[1], dim=d).square().mean().item() for d in (1, 2))
    assert terms["tv"][1].item() == pytest.approx(across + down, rel=1e-3)
    # By NumPy's own moments.
    errors = {"style_mean": [], "style_covariance": []}
    for layer, maps in vgg(stylized[1:], config.style_layers).items():
        pixels = maps[0].flatten(1).numpy()
        found = {"style_mean": pixels.mean(1), "style_covariance": np.cov(pixels, bias=True)}
        for (kind, value), target in zip(found.items(), targets[layer], strict=True):
            wanted = target[1].numpy()
            errors[kind].append(((value - wanted) ** 2).sum() / (wanted**2).sum())
    for kind, values in errors.items():
        assert terms[kind][1].item() == pytest.approx(np.mean(values), rel=1e-3)
    parts = sum(value for name, value in terms.items() if name != "total")
    torch.testing.assert_close(terms["total"], parts)
    style = terms["style_mean"] + terms["style_covariance"]
    torch.testing.assert_close(doubled["total"], terms["total"] + style)


def test_samples_of_one_style_are_one_canvas(config, vgg_state):
    torch.manual_seed(0)
    net, vgg = TransformerNet((8, 8, 8), 1), VGGFeatures(vgg_state)
    image = torch.rand(2, 3, 64, 64)
    targets = {"relu1_1": (torch.rand(1, 64), torch.rand(1, 64, 64))}
    batch = Batch(net.plain_code()[None], torch.ones(2, 1), torch.ones(2).long(), targets, 2)
    config = replace(config, style_layers=("relu1_1",), style_weight=1.0)
    with torch.no_grad():
        terms = losses(net, batch, vgg, image, image, config)
        stylized = net(image, batch.codes, batch.weights)
        maps = vgg(stylized, ("relu1_1",))["relu1_1"]
    pixels = maps.transpose(0, 1).flatten(1).numpy()
    target = targets["relu1_1"][1][0].numpy()
    expected = ((np.cov(pixels, bias=True) - target) ** 2).sum() / (target**2).sum()
    assert terms["style_covariance"].tolist() == pytest.approx([expected] * 2, rel=1e-3)


def test_a_run_by_the_clock_ends_in_time(config):
    begun = time.monotonic()
    train(replace(config, steps=None, minutes=0.1))
    assert 5 < time.monotonic() - begun < 30
    done = load_checkpoint(config.output).training["steps_done"]
    assert done > 3 and not list(config.output.parent.glob("*.state.pt"))


def test_a_resumed_run_by_the_clock_has_the_rest_of_its_time(config):
    schedule = Schedule(replace(config, steps=None, minutes=1.0), 7, 0.75)
    schedule._begun -= 30
    assert schedule.step == 7 and schedule.progress() == 1.0
    schedule._begun += 24
    assert schedule.progress() == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize("changes", [{"steps": None}, {"minutes": 3.0}])
def test_how_long_to_train_is_said_once(config, changes):
    with pytest.raises(InputError, match="either --minutes or --steps"):
        train(replace(config, **changes))


def test_each_scale_has_codes_and_the_middle_ones_mix_two(config, vgg_state):
    config = replace(config, style_scales=(0.5, 1.0, 2.0), crop_size=64)
    table = StyleTable(config, find_styles(config.style_dir, "identity"))
    checkpoint = start(config, table.files)
    table.prepare(checkpoint, torch.device("cpu"))
    assert table.levels == pytest.approx([0.5, 0.5**0.5, 1, 2**0.5, 2])
    assert table.mixing.shape == (1 + 2 * 5, 3 * 3)
    torch.testing.assert_close(table.mixing.sum(1), torch.ones(11))
    # Of "wave", the second style, at scale 2 ** 0.5: half of its codes at 1 and at 2.
    expected = torch.zeros(3, 3)
    expected[1, 2] = expected[2, 2] = 0.5
    assert torch.equal(table.mixing[1 + 5 + 3].view(3, 3), expected)
    picture = load_style(config.style_dir / "wave.png", round(64 * 2**0.5))
    features = VGGFeatures(vgg_state)(picture, ("relu1_1",))["relu1_1"]
    mean = table.targets(VGGFeatures(vgg_state))["relu1_1"][0][5 + 3]
    torch.testing.assert_close(mean, features.mean((2, 3))[0], rtol=1e-4, atol=1e-6)
    train(config)
    loaded = load_checkpoint(config.output)
    assert loaded.scales == (0.5, 1.0, 2.0) and len(loaded.scaled_codes) == 3
    assert not torch.equal(loaded.at_scale(0.5).codes, loaded.codes)


def test_both_loss_nets_take_a_half_each(config, monkeypatch):
    used = []

    def spy(net, batch, loss_net, *others):
        used.append((type(loss_net).__name__, batch.targets["relu2_1"][0].shape[1]))
        return losses(net, batch, loss_net, *others)

    monkeypatch.setattr(nst.train.loop, "losses", spy)
    train(replace(config, loss_net="both", steps=6))
    assert used == 3 * [("SmallVGGFeatures", 32)] + 3 * [("VGGFeatures", 128)]


def test_large_style_pictures_are_sampled_by_tiles():
    y, x = torch.meshgrid(torch.arange(1100), torch.arange(1300), indexing="ij")
    image = torch.stack([y, x, 0 * y])[None].float()
    tiles = _tiles(image)
    assert tiles.shape == (4, 3, 512, 512)
    # Their middles are near those of the quarters, and each is a piece of the picture.
    corners = tiles[:, :2, 256, 256].tolist()
    assert corners == [[275, 325], [275, 975], [825, 325], [825, 975]]
    small = image[..., :600, :900]
    assert _tiles(small) is small


def test_the_small_loss_net_trains_an_unshuffled_net_with_grain(config, monkeypatch):
    config = replace(
        config, unshuffle=2, loss_net="small", grain=0.03, steps=40, crop_size=64, batch=4,
        pictures_per_style=2, content_layers=("relu2_1",),
    )  # fmt: skip
    recorder = recorded(monkeypatch, config)
    assert recorder.fall() < 0.8
    loaded = load_checkpoint(config.output)
    assert loaded.net.unshuffle == 2 and loaded.training["options"]["grain"] == 0.03


def test_tensorboard_has_every_term_and_the_numbers_of_the_run(config, monkeypatch):
    config = replace(
        config, steps=8, batch=4, log_every=2, validate_every=8, identity_fraction=0.5, seed=2
    )
    recorder = recorded(monkeypatch, config)
    log = EventAccumulator(str(config.output.with_suffix(".log"))).Reload()
    tags = set(log.Tags()["scalars"])
    expected = {"learning_rate", "pictures_per_second", "ssim/identity"}
    expected |= {f"loss/{term}" for term in TERMS}
    for style in ("dots", "wave"):
        expected |= {f"loss_{term}/{style}" for term in TERMS if term != "identity"}
        expected |= {f"ssim/{style}", f"style_covariance_error/{style}"}
    drawn = {style for step in recorder.drawn[1::2] for style in step.tolist()}
    assert drawn == {0, 1, 2}, "not all were drawn at a logged step: take another seed"
    assert expected <= tags, expected - tags
    # A term's curve is the mean over the samples that have it; a step without one has no point.
    for term in TERMS:
        means = {}
        for step in (2, 4, 6, 8):
            values, painted = recorder.terms[step - 1][term], recorder.drawn[step - 1] > 0
            if term not in ("content", "total"):
                values = values[painted != (term == "identity")]
            means |= {step: values.mean().item()} if len(values) else {}
        logged = {event.step: event.value for event in log.Scalars(f"loss/{term}")}
        assert logged == pytest.approx(means), term
    rates = {event.step: event.value for event in log.Scalars("learning_rate")}
    assert rates == pytest.approx(
        {s: learning_rate(s - 1, (s - 1) / 8, config) for s in (2, 4, 6, 8)}
    )
    assert all(0 < event.value < 10 for event in log.Scalars("style_mean_error/wave"))
    assert all(-1 <= event.value <= 1 for event in log.Scalars("ssim/identity"))
    (grid,) = log.Images("held_out")
    assert (grid.step, grid.height, grid.width) == (8, 64, 4 * 64)
    assert (config.output.with_suffix(".log") / "options.json").is_file()


def test_photos_that_cannot_be_read_are_counted_and_left_out(config, monkeypatch):
    (config.content_dir / "bad.jpg").write_text("no picture")
    with pytest.warns(UserWarning, match="1 file left out"):
        recorded(monkeypatch, replace(config, steps=1))
    assert load_checkpoint(config.output).training["photos"] == 3


def test_a_loss_that_is_no_number_stops_the_run_and_spoils_nothing(config, monkeypatch):
    config = replace(config, log_every=1, save_every=2)

    def spoil():
        with torch.no_grad():
            recorder.codes.fill_(math.nan)

    recorder = Recorder(monkeypatch, spoil, at=2)
    with pytest.raises(InputError, match="no number at step 3.*--learning-rate"):
        train(config)
    saved = load_checkpoint(config.output)
    assert saved.training["steps_done"] == 2 and saved.codes.isfinite().all()


def test_styles_are_found_by_the_name_that_training_gives_them(config):
    assert list(find_styles(config.style_dir, "identity")) == ["dots", "wave"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "out/net.pth"}, "must be .safetensors"),
        ({"output": "none/net.safetensors"}, "there is no folder"),
        ({"resume": True}, "--resume found no"),
        ({"content_dir": "none"}, "no folder .*--content-dir"),
        ({"content_dir": "empty"}, "no pictures or videos"),
        ({"style_dir": "empty"}, "no pictures in"),
        ({"style_dir": "none"}, "no folder"),
        ({"style_dir": "forbidden"}, r"a\+b.png cannot name a style"),
        ({"holdout": 4}, "has 4 pictures that can be used; it needs more than the 4 of --holdout"),
        ({"init_checkpoint": "out/none.safetensors"}, "no checkpoint"),
        ({"init_checkpoint": "styles/wave.png"}, "not a checkpoint"),
        ({"only_codes": True}, "--only-codes needs --init-checkpoint"),
        ({"init_checkpoint": "given.safetensors", "blocks": 2}, "--blocks is 2; .* has 1"),
        ({"init_checkpoint": "given.safetensors", "unshuffle": 2}, "--unshuffle is 2; .* has 1"),
        ({"widths": (8, 8)}, "--widths has 2 numbers; it needs three"),
        ({"init_checkpoint": "given.safetensors", "widths": (8, 8, 16)}, "give a multiple"),
        ({"style_layers": ("relu1_1", "relu9_1")}, "no layer 'relu9_1'"),
        ({"content_layers": ("conv1_1",)}, "no layer 'conv1_1'"),
        ({"device": "cuda:99"}, "--device cuda:99"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_input_is_refused_before_anything_is_written(
    config, given, tmp_path, monkeypatch, changes, message
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "forbidden").mkdir()
    shutil.copy(config.style_dir / "wave.png", tmp_path / "forbidden" / "a+b.png")
    for name in {"output", "content_dir", "style_dir"} & set(changes):
        changes = {**changes, name: tmp_path / changes[name]}
    if "init_checkpoint" in changes:
        changes = {**changes, "init_checkpoint": str(tmp_path / changes["init_checkpoint"])}
    files = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message) as caught:
        train(replace(config, **changes))
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == files


@pytest.fixture
def any_style(config) -> TrainConfig:
    """The same run for an encoder, with styles in two folders of one and of four pictures."""
    for folder in ("waves", "dots"):
        (config.style_dir / folder).mkdir()
    for index in range(5):
        name = "wave" if index < 4 else "dots"
        path = config.style_dir / ("waves" if index < 4 else "dots") / f"{index}.png"
        Image.fromarray(style_picture(name)).save(path)
    for file in config.style_dir.glob("*.png"):
        file.unlink()
    return replace(config, any_style=True)


def test_any_style_tells_two_styles_apart(any_style, monkeypatch):
    train(replace(any_style, steps=120, batch=3, learning_rate=5e-3, identity_fraction=0.0))
    loaded = load_checkpoint(any_style.output)
    assert loaded.styles == ("identity",) and loaded.encoder is not None
    codes = {}
    for name in ("wave", "dots"):
        picture = torch.from_numpy(style_picture(name)).permute(2, 0, 1)[None] / 255
        codes[name] = loaded.encoder(picture)
    photo = torch.from_numpy(media.picture(0, (64, 64))).permute(2, 0, 1)[None] / 255
    wave, dots = (loaded.net(photo, code, torch.ones(1, 1)) for code in codes.values())
    # The blue style paints bluer than the red one, though neither has a code of its own.
    assert (wave - dots).mean((0, 2, 3))[2] > 0.01 > -0.01 > (wave - dots).mean((0, 2, 3))[0]


def test_any_style_resumed_equals_uninterrupted(any_style, monkeypatch):
    config = replace(any_style, save_every=2)
    whole = recorded(monkeypatch, config)
    expected = load_checkpoint(config.output).encoder.state_dict()
    # Ctrl-C comes in the third step, which is finished first.
    Recorder(monkeypatch, lambda: signal.raise_signal(signal.SIGINT), at=2)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    assert load_checkpoint(config.output).training["steps_done"] == 3
    resumed = recorded(monkeypatch, replace(config, resume=True))
    assert equal(resumed.net.state_dict(), whole.net.state_dict())
    assert equal(load_checkpoint(config.output).encoder.state_dict(), expected)


def test_new_codes_on_an_encoder_begin_where_it_predicts(any_style, monkeypatch):
    train(any_style)
    given = load_checkpoint(any_style.output)
    config = replace(
        any_style,
        any_style=False,
        init_checkpoint=str(any_style.output),
        only_codes=True,
        widths=None,
        style_dir=any_style.style_dir / "dots",
        output=any_style.output.with_name("codes.safetensors"),
        steps=1,
        learning_rate=1e-6,
    )
    train(config)
    made = load_checkpoint(config.output)
    assert made.styles == ("identity", "4") and made.encoder is not None
    expected = given.encoder(load_style(config.style_dir / "4.png", config.style_size))
    torch.testing.assert_close(made.codes[1:], expected, rtol=1e-2, atol=1e-2)


def test_any_style_refuses_what_it_cannot_do(any_style):
    with pytest.raises(InputError, match="--only-codes"):
        train(replace(any_style, only_codes=True, init_checkpoint="fast"))
    with pytest.raises(InputError, match="--style-dir has 5 pictures"):
        train(replace(any_style, holdout=5, content_dir=any_style.style_dir.parent))
