"""A style picture is learned by a net: what moves, how often, and what is refused before."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import media
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import nst
import nst.styles.codes
import nst.styles.tuning
import nst.stylize.session
import nst.stylize.videos
from nst.api import run_video
from nst.commands.run import run
from nst.commands.stylize import video
from nst.core.tensors import to_float
from nst.losses.perceptual import feature_moments, moment_errors
from nst.models.checkpoint import Checkpoint, load_checkpoint
from nst.models.small_vgg import SmallVGGFeatures
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19_front
from nst.options.stylize import PictureConfig, VideoConfig
from nst.styles.pictures import load_style
from nst.styles.tuning import STYLE_LAYERS, style_learner, tuner_of
from nst.stylize.forward import stylize
from nst.stylize.images import one_pass_pictures
from nst.stylize.paint import mix_paint, read_styles
from nst.stylize.pipeline import sample

SIZE, STYLE_SIDE = (48, 64), 96


@pytest.fixture(autouse=True)
def small_styles(monkeypatch) -> None:
    """Style pictures are looked at in a size that takes no time."""
    monkeypatch.setattr(nst.styles.codes, "STYLE_PICTURE_SIDE", STYLE_SIDE)


@pytest.fixture
def two(tmp_path) -> tuple[Path, Path]:
    """Return the files of two style pictures."""
    paths = tmp_path / "one.png", tmp_path / "two.png"
    for index, path in enumerate(paths):
        Image.fromarray(media.picture(9 * index + 3, (60, 50))).save(path)
    return paths


@pytest.fixture
def clip(tmp_path) -> Path:
    """Return a folder of nine frames."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for index in range(9):
        Image.fromarray(media.picture(4 * index, SIZE)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def config(clip, tiny_path, tmp_path) -> Callable[..., VideoConfig]:
    def make(**options) -> VideoConfig:
        given = {"input_video": str(clip), "output_video": tmp_path / "out", "refine_steps": 2}
        given |= {"checkpoint": str(tiny_path), "device": "cpu", "precision": "float32"}
        return VideoConfig(**{**given, "quiet": True, **options})

    return make


def with_kernels(tiny: Checkpoint) -> Checkpoint:
    generator = torch.Generator().manual_seed(3)
    shape = (len(tiny.styles), tiny.net.kernels_length)
    kernels = 0.02 * torch.randn(shape, generator=generator)
    kernels[0] = 0
    return replace(tiny, kernels=kernels)


def learned_by_hand(checkpoint: Checkpoint, path: Path, content: Tensor, steps: int = 2) -> Tensor:
    room = checkpoint.learnable()
    learn = style_learner(room, room.net, lambda: [content], steps)
    return learn(load_style(path, STYLE_SIDE), room.middle)


def test_the_style_comes_nearer_and_all_else_stays(tiny):
    """The distance is VGG-19's, and not that of the network that it is learned by."""
    checkpoint, vgg = with_kernels(tiny), VGGFeatures(load_vgg19_front())
    before = {name: value.clone() for name, value in checkpoint.net.state_dict().items()}
    codes, kernels = checkpoint.codes.clone(), checkpoint.kernels.clone()
    content, style = (to_float(media.picture(index, (64, 64))) for index in (0, 9))
    start = checkpoint.middle
    learn = style_learner(checkpoint, checkpoint.net, lambda: [content], 12)
    learned = learn(style, start)
    assert learned.shape == start.shape and not learned.requires_grad
    with torch.no_grad():
        targets = {layer: feature_moments(x) for layer, x in vgg(style, STYLE_LAYERS).items()}
        found = []
        for code in (start, learned):
            painted = checkpoint.net(content, code, torch.ones(1, 1))
            found.append(sum(moment_errors(vgg(painted, STYLE_LAYERS), targets)).item())
    assert found[1] < 0.9 * found[0]
    # The last convolution and its bias are those of the styles' mean.
    last = sum(value.numel() for value in checkpoint.net.output.parameters())
    assert torch.equal(learned[:, -last:], start[:, -last:])
    assert (learned[:, :-last] != start[:, :-last]).float().mean() > 0.9
    state = checkpoint.net.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in state.items())
    assert torch.equal(checkpoint.codes, codes) and torch.equal(checkpoint.kernels, kernels)


def test_it_begins_from_the_mean_of_the_styles_without_the_identity(tiny):
    checkpoint = with_kernels(tiny)
    whole = torch.cat([checkpoint.codes, checkpoint.kernels], 1)
    torch.testing.assert_close(checkpoint.middle, whole[1:].mean(0, keepdim=True))
    room = tiny.learnable()
    assert tiny.kernels is None and not room.kernels.any()
    torch.testing.assert_close(room.middle[:, : tiny.net.code_length], tiny.codes[1:].mean(0)[None])
    alone = replace(tiny, codes=tiny.codes[:1], styles=("identity",))
    assert torch.equal(alone.learnable().middle[:, : tiny.net.code_length], tiny.codes[:1])


@pytest.mark.parametrize("size", [(16, 16), (16, 700), (300, 20)])
def test_contents_of_any_shape_will_do(tiny, size):
    room = tiny.learnable()
    learn = style_learner(room, room.net, lambda: [torch.rand(1, 3, *size)], 1)
    learned = learn(torch.rand(1, 3, 64, 64), room.middle)
    assert learned.isfinite().all() and not torch.equal(learned, room.middle)


@pytest.mark.parametrize(
    ("long_side", "style_scale", "factor"), [(640, 1, 1), (960, 1, 1.5), (320, 1, 0.5), (640, 2, 2)]
)
def test_strokes_grow_with_what_is_painted(tiny, monkeypatch, long_side, style_scale, factor):
    """The style picture is looked at in the size in which its strokes would have their width."""
    room = replace(tiny.learnable(), scales=(0.5, 1.0, 2.0))
    look, seen = SmallVGGFeatures.forward, []

    def looking(self, image, layers):
        seen.append(tuple(image.shape[2:]))
        return look(self, image, layers)

    monkeypatch.setattr(SmallVGGFeatures, "forward", looking)
    content = torch.rand(1, 3, 32, long_side)
    learn = style_learner(room, room.net, lambda: [content], 1, style_scale)
    learn(torch.rand(1, 3, 48, 80), room.middle)
    assert seen[0] == (48 * factor, 80 * factor)


def test_a_checkpoint_without_kernels_learns(tiny, tiny_path, two):
    """A file of before; painting by hand is by a net that has the kernels in its weights."""
    photo = media.picture(0, SIZE)
    found = nst.load(tiny_path, device="cpu", precision="float32").stylize(
        photo, two[0], refine_steps=2
    )
    net, code = tiny.net.with_kernels(learned_by_hand(tiny, two[0], to_float(photo)))
    with torch.no_grad():
        expected = net(to_float(photo), code, torch.ones(1, 1))[0].movedim(0, -1) * 255
        plain = tiny.net(to_float(photo), code, torch.ones(1, 1))[0].movedim(0, -1) * 255
    assert np.abs(found - expected.numpy()).max() <= 0.51
    assert np.abs(found - plain.numpy()).max() > 1


def test_a_picture_and_an_included_style_blend(two):
    """The fast net's own: the picture's code is one for all sizes, the style's that of the size."""
    fast, photo = load_checkpoint("fast"), to_float(media.picture(0, SIZE))
    config = PictureConfig(
        content_path=Path("in.png"), output=Path("out.png"), method="one-pass", refine_steps=1,
        style=f"{two[0]}*0.25+great_wave*0.75:0.5", device="cpu", precision="float32",
    )  # fmt: skip
    paint = mix_paint(config, fast, read_styles(config), lambda: [photo]).for_size(SIZE)
    sized = fast.at_scale(0.5).learnable()  # of 64 pixels, the smallest brush
    own = learned_by_hand(fast, two[0], photo, 1)
    wave = sized.code(sized.styles.index("great_wave"))
    expected = torch.lerp(sized.code(0), 0.25 * own + 0.75 * wave, 0.5)
    torch.testing.assert_close(paint.codes, expected, rtol=1e-4, atol=1e-5)
    assert float(paint.identity_weight) == 0.5


def test_each_picture_is_learned_once(config, tiny, two):
    """In two regions, at two times, in a blend: its code is one."""
    options = config(
        style_at=f"0f {two[0]}, 4f wave, 8f {two[0]}*0.5+{two[1]}*0.5",
        region=(f"person={two[0]}", f"cat={two[1]}"),
    )
    told: list[nst.Progress] = []
    content = to_float(media.picture(0, SIZE))
    styles = read_styles(options)
    paint = mix_paint(options, tiny, styles, lambda: [content], told.append)
    assert [(p.stage, p.done, p.total) for p in told] == [
        ("learning the style", done, 4) for done in (0, 1, 2, 2, 3, 4)
    ]
    room = tiny.learnable()
    one, other = (learned_by_hand(tiny, path, content) for path in two)
    by_style = {str(two[0]): one, str(two[1]): other, "wave": room.code(1)}
    expected = [
        by_style[str(key)] if len(key.weights) == 1 else (one + other) / 2 for key in styles.keys
    ]
    assert len(styles.keys) == 4
    torch.testing.assert_close(paint.codes, torch.cat(expected))


def test_a_folder_is_painted_by_what_was_learned_on_it(tiny, tiny_path, clip, two, tmp_path):
    (tmp_path / "out").mkdir()
    config = PictureConfig(
        content_path=clip, output=tmp_path / "out", method="one-pass", style_path=two[:1],
        checkpoint=str(tiny_path), refine_steps=2, device="cpu", precision="float32", quiet=True,
    )  # fmt: skip
    jobs = [(clip / f"{i}.png", tmp_path / "out" / f"{i}.png") for i in range(9)]
    one_pass_pictures(config, jobs)
    room = tiny.learnable()
    seen = [to_float(media.picture(4 * i, SIZE)) for i in (0, 3, 6)]
    learn = style_learner(room, room.net, lambda: seen, 2)
    code = learn(load_style(two[0], STYLE_SIDE), room.middle)
    for index, (_, target) in enumerate(jobs):
        image = to_float(media.picture(4 * index, SIZE))
        expected = stylize(room.net, image, code, torch.float32)[0].movedim(0, -1) * 255
        assert np.abs(np.array(Image.open(target)) - expected.numpy()).max() <= 0.51


@pytest.mark.parametrize("scale", [0.25, 4.0])
@pytest.mark.parametrize("kind", ["picture", "video"])
def test_a_scale_beyond_those_trained_is_said_once(config, clip, two, tmp_path, kind, scale):
    options = {"checkpoint": "fast", "style_path": two[:1], "style_scale": scale}
    options |= {"refine_steps": 1, "long_side": 352 if scale == 4 else 32}
    with pytest.warns(UserWarning, match="taking") as caught:
        if kind == "video":
            found = run_video(config(**options, duration=0.1)).warnings
        else:
            given = {"content_path": clip / "0.png", "output": tmp_path / "out.png", "quiet": True}
            picture = PictureConfig(method="one-pass", device="cpu", **given, **options)
            found = one_pass_pictures(picture, [(picture.content_path, picture.output)]).warnings
    assert len(found) == 1 and f"--style-scale {scale:g}" in found[0]
    assert {str(warning.message) for warning in caught} == set(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style_path": "{both}", "refine_steps": 0}, "give more --refine-steps than 0"),
        ({"style_path": "{both}", "style_scale_at": "0f 1, 4f 2"}, "--style-scale-at is for incl"),
        ({"style": "{one}+waves"}, "no style 'waves'; there are: wave, scream"),
        ({"style_path": ("{one}", "none.png")}, "no file none.png"),
        ({"style_at": "0f {one}, 4f waves"}, "--style-at at 4f: no style 'waves'"),
        ({"style_at": "0f {one}, 40f wave"}, "--style-at: 40f is after the end"),
        ({"style_path": "{both}", "style_scale": 2.0}, "one brush size"),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_what_is_wrong_is_said_before_anything_is_learned(
    config, two, tmp_path, monkeypatch, capsys, options, message, resume
):
    def filled(value):
        if value == "{both}":
            return two
        if isinstance(value, tuple):
            return tuple(Path(filled(item)) for item in value)
        return value.replace("{one}", str(two[0])) if isinstance(value, str) else value

    def learning(*_):
        raise AssertionError("frames are read to learn a style")

    for module in (nst.stylize.videos, nst.stylize.session):
        monkeypatch.setattr(module, "sample", learning)
    given = config(**{name: filled(value) for name, value in options.items()}, resume=resume)
    before = sorted(tmp_path.iterdir())
    assert run(lambda _: video(given), VideoConfig, "", ["--input-video", "x", "--show"]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


class TestSample:
    """The frames that a style is learned on."""

    @pytest.mark.parametrize(
        ("options", "numbers"),
        [
            ({}, (0, 3, 6)),
            ({"rate": 5.0}, (0, 3, 6)),
            ({"start": 0.12, "duration": 0.12}, (3, 4, 5)),
            ({"long_side": 32}, (0, 3, 6)),
        ],
    )
    def test_one_of_each_third(self, config, options, numbers):
        images = sample(config(**options))
        assert len(images) == 3
        for image, number in zip(images, numbers, strict=True):
            whole = to_float(media.picture(4 * number, SIZE))
            if "long_side" in options:
                assert image.shape == (1, 3, 24, 32)
                continue
            assert torch.equal(image, whole)

    @pytest.mark.filterwarnings("ignore:.*is cut short")
    def test_what_is_cut_short_gives_what_is_there(self, config, tmp_path):
        whole = media.make_clip(tmp_path / "whole.mkv", frames=60, size=SIZE)
        data, path = whole.read_bytes(), tmp_path / "cut.mkv"
        path.write_bytes(data[: len(data) * 2 // 5])
        images = sample(config(input_video=str(path)))
        assert 1 <= len(images) <= 3 and all(image.shape == (1, 3, *SIZE) for image in images)


def test_steps_by_default_are_those_of_the_way(tiny, any_style, monkeypatch):
    counts = []
    monkeypatch.setattr(nst.styles.tuning, "code_tuner", lambda *given: counts.append(given[2]))
    monkeypatch.setattr(nst.styles.tuning, "style_learner", lambda *given: counts.append(given[3]))
    for steps in (None, 7):
        for checkpoint in (any_style, tiny):
            tuner_of(checkpoint, checkpoint.net, list, steps)
    assert counts == [20, 100, 7, 7]
    assert tuner_of(any_style, tiny.net, list, 0) is None
