"""The story of an optimized picture, with random VGG-19 weights and shallow layers."""

import json
from pathlib import Path

import media
import numpy as np
import pytest
import torch
from PIL import Image

import nst.optimize.coarse_to_fine
import nst.optimize.images
from nst.commands.stylize import stylize_pictures
from nst.core.color import luminance, match_color
from nst.errors import InputError
from nst.media.images import load_image
from nst.optimize.coarse_to_fine import scale_sizes
from nst.optimize.memory import Plan
from nst.optimize.optimizers import Step
from nst.options.optimize import OptimizeOptions
from nst.options.stylize import PictureConfig

SIZE = (36, 48)


@pytest.fixture
def paths(tmp_path) -> dict[str, Path]:
    Image.fromarray(media.picture(0, SIZE)).save(tmp_path / "in.png")
    Image.fromarray(media.color_bars((56, 72))).save(tmp_path / "style.png")
    Image.fromarray(media.picture(7, (64, 64))).save(tmp_path / "style2.png")
    return {"content": tmp_path / "in.png", "style": tmp_path / "style.png", "root": tmp_path}


@pytest.fixture
def optimize(paths, monkeypatch, random_vgg):
    """Optimize with everything small; returns the path that was written."""
    monkeypatch.setattr(nst.optimize.images, "load_vgg19", lambda path: None)
    monkeypatch.setattr(nst.optimize.images, "VGGFeatures", lambda state, pooling: random_vgg)

    def call(name="out.png", **options) -> Path:
        small = {
            "content_path": paths["content"],
            "style_path": (paths["style"],),
            "steps": 4,
            "content_layers": ("relu2_2",),
            "style_layers": ("relu1_1", "relu2_1"),
            "device": "cpu",
            "precision": "float32",
            "quiet": True,
        }
        output = paths["root"] / name
        stylize_pictures(PictureConfig(output=output, **{**small, **options}))
        return output

    return call


def record(path: Path) -> dict:
    return json.loads(path.with_suffix(".json").read_text("utf-8"))


def levels(path: Path) -> np.ndarray:
    return np.array(Image.open(path)).astype(int)


def test_the_loss_falls_and_the_record_says_how(optimize, paths):
    out = optimize(steps=12, init_image="noise")
    told = record(out)
    first, last = told["losses"][0], told["losses"][-1]
    assert levels(out).shape == (*SIZE, 3) and told["complete"]
    assert last["style"] < 0.95 * first["style"] and last["total"] < first["total"]
    assert last["total"] == pytest.approx(sum(last[k] for k in ("content", "style", "tv")))
    assert told["options"]["seed"] == 0 and told["torch"] == torch.__version__
    assert sorted(p.name for p in paths["root"].glob("*out*")) == ["out.json", "out.png"]


@pytest.mark.parametrize("init", ["content", "noise"])
def test_a_seed_gives_the_same_picture_twice(optimize, init):
    one, same = (levels(optimize(f"{n}.png", init_image=init, seed=3)) for n in "ab")
    other = levels(optimize("c.png", init_image=init, seed=4))
    assert np.array_equal(one, same)
    assert np.array_equal(one, other) == (init == "content")


def test_it_begins_from_what_is_said(optimize, paths):
    """With a rate of almost nothing the result is the beginning."""
    still = {"optimizer": "adam", "learning_rate": 1e-6, "steps": 1, "scales": 1}
    kept = levels(optimize(**still, preserve_color="luminance"))
    assert np.abs(kept - levels(paths["content"])).max() <= 1
    recolored = load_image(optimize("c.png", **still))
    expected = match_color(load_image(paths["content"]), load_image(paths["style"]))
    assert (recolored - expected).abs().max() < 1 / 255 + 1e-3
    other = paths["root"] / "style2.png"
    begun = load_image(optimize("b.png", init_image=str(other), **still))
    expected = torch.nn.functional.interpolate(load_image(other), SIZE, mode="area")
    assert (begun - expected).abs().mean() < 0.02


def test_luminance_keeps_the_colors_and_histogram_the_palette(optimize, paths):
    content = load_image(paths["content"])
    kept = load_image(optimize(preserve_color="luminance"))
    gap = (kept - luminance(kept)) - (content - luminance(content))
    assert gap.abs().mean() < 0.01
    far, near = (
        load_image(optimize(f"{how}.png", preserve_color=how, steps=12)) for how in
        ("none", "histogram")
    )  # fmt: skip
    mean = content.mean((2, 3))
    assert (near.mean((2, 3)) - mean).abs().sum() < 0.5 * (far.mean((2, 3)) - mean).abs().sum()


def test_style_weights_choose_between_styles(optimize, paths):
    styles = (paths["style"], paths["root"] / "style2.png")
    alone = levels(optimize("a.png"))
    first_only = levels(optimize("b.png", style_path=styles, blend=(1.0, 0.0)))
    both = levels(optimize("c.png", style_path=styles))
    assert np.abs(first_only - alone).max() <= 1 and np.abs(both - alone).max() > 5


def test_masks_that_are_everywhere_change_nothing(optimize, paths):
    white = paths["root"] / "white.png"
    Image.new("L", (20, 20), 255).save(white)
    plain = levels(optimize("a.png"))
    masked = levels(optimize("b.png", content_mask=(white,), style_mask=(white,)))
    assert np.abs(masked - plain).max() <= 1


def test_a_folder_keeps_its_names(optimize, paths):
    album = paths["root"] / "album"
    album.mkdir()
    for name in ("a.png", "b.jpg"):
        Image.fromarray(media.picture(1, SIZE)).save(album / name)
    out = optimize("out", content_path=album, steps=1)
    assert sorted(p.name for p in out.iterdir()) == ["a.json", "a.png", "b.jpg", "b.json"]


def test_early_stop_ends_a_scale(optimize):
    told = record(optimize(steps=60, scales=1, tolerance=0.9))
    assert told["losses"][-1]["step"] == 11  # the first step that can look ten back


def test_points_that_are_only_tried_end_nothing(monkeypatch):
    """Ten trials in a row that lie higher than what was found: L-BFGS looks on."""
    image = torch.zeros(1, 3, 8, 8)
    tried = [Step(image, {"loss": 1.0 + 0.1 * i}) for i in range(40)]
    monkeypatch.setattr(nst.optimize.coarse_to_fine, "lbfgs", lambda *_: iter(tried))
    plan = Plan(None, False, 20)
    found = nst.optimize.coarse_to_fine.paint(None, image, OptimizeOptions(), 40, plan)
    assert len(list(found)) == 40


def test_the_picture_so_far_is_kept_when_interrupted(optimize, paths, monkeypatch):
    stop = iter([None] * 5)

    def interrupted(folder):
        def log(count, step):
            if next(stop, True):
                raise KeyboardInterrupt

        return log

    monkeypatch.setattr(nst.optimize.images, "step_log", interrupted)
    with pytest.raises(KeyboardInterrupt):
        optimize(steps=20, scales=1)
    told = record(paths["root"] / "out.png")
    assert not told["complete"] and told["losses"][-1]["step"] == 6
    assert levels(paths["root"] / "out.png").shape == (*SIZE, 3)


def test_no_number_in_the_loss_keeps_the_last_good_picture(optimize, paths, monkeypatch):
    good = nst.optimize.coarse_to_fine.lbfgs

    def breaking(loss, image, history):
        for count, step in enumerate(good(loss, image, history)):
            terms = {"style": float("nan")} if count == 3 else step.terms
            yield type(step)(step.image, terms)

    monkeypatch.setattr(nst.optimize.coarse_to_fine, "lbfgs", breaking)
    with pytest.raises(InputError, match="no number at step 4.*--precision float32"):
        optimize(steps=20, scales=1)
    assert record(paths["root"] / "out.png")["losses"][-1]["step"] == 3


def test_log_and_previews(optimize, paths):
    folder = paths["root"] / "log"
    optimize(log_dir=folder, save_every=2)
    assert any(p.stat().st_size for p in (folder / "out").iterdir())


@pytest.mark.parametrize(
    "options, part",
    [
        ({"style_path": ()}, "--style-path"),
        ({"style": "wave"}, "--method one-pass"),
        ({"blend": (1.0, 2.0)}, "2 numbers; there are 1"),
        ({"blend": (0.0,)}, "all 0"),
        ({"content_mask": ("in.png",), "style_mask": ("in.png", "in.png")}, "--style-mask 2"),
        ({"style_layers": ("relu9_9",)}, "relu9_9"),
        ({"long_side": 32}, "at least 32"),
        ({"init_image": "nowhere.png"}, "nowhere.png"),
        ({"style_path": (Path("nowhere.png"),)}, "nowhere.png"),
    ],
)
def test_bad_input_is_told_before_any_work(optimize, paths, options, part):
    for name in ("content_mask", "style_mask"):
        if name in options:
            options = {**options, name: tuple(paths["root"] / n for n in options[name])}
    before = sorted(paths["root"].rglob("*"))
    with pytest.raises(InputError) as caught:
        optimize(**options)
    assert part in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(paths["root"].rglob("*")) == before


def test_a_style_too_narrow_for_the_deepest_layer(optimize, paths):
    narrow = paths["root"] / "narrow.png"
    Image.new("RGB", (200, 6)).save(narrow)
    with pytest.raises(InputError, match="too narrow.*--style-scale"):
        optimize(style_path=(narrow,), style_layers=("relu4_1",))
    assert not (paths["root"] / "out.png").exists()


@pytest.mark.parametrize(
    "size, scales, expected",
    [
        ((512, 512), None, 3),
        ((224, 160), None, 2),
        ((100, 100), None, 1),
        ((3000, 4000), None, 6),
        ((512, 512), 1, 1),
    ],
)
def test_scales_halve_down_to_about_128(size, scales, expected):
    found = scale_sizes(size, scales)
    assert len(found) == expected and found[-1] == size
    assert all(abs(2 * a[0] - b[0]) <= 1 for a, b in zip(found, found[1:], strict=False))
