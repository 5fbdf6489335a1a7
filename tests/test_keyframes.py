"""Painted frames that a video follows."""

from dataclasses import replace

import films
import media
import numpy as np
import pytest
import torch
from PIL import Image

import nst.stylize.key_learning
from nst.api import run_video
from nst.core.tensors import resize, to_float, to_uint8
from nst.errors import InputError
from nst.models.checkpoint import load_checkpoint
from nst.options.stylize import VideoConfig
from nst.styles.key_tuning import Example, tune_net
from nst.stylize.key_paint import Keyframe, Keyframes, carried
from nst.stylize.key_times import keyframe_numbers, parse_keyframe
from nst.stylize.pipeline import Source

SIZE, STEP, COUNT = (64, 96), 2, 10


def pan() -> list[np.ndarray]:
    """Return frames of a camera that goes right by `STEP` pixels each: uint8 (H, W, 3)."""
    noise = torch.rand(1, 3, 12, 24, generator=torch.Generator().manual_seed(3))
    wide = to_uint8(resize(noise, (SIZE[0], 2 * SIZE[1])))
    return [wide[:, i * STEP : i * STEP + SIZE[1]] for i in range(COUNT)]


def poster(levels: np.ndarray) -> np.ndarray:
    """Paint a frame: flat colors, exchanged."""
    return (255 - (levels[..., ::-1] // 64) * 80).clip(0, 255).astype(np.uint8)


def example(levels: np.ndarray, target: np.ndarray) -> Example:
    known = torch.ones(1, 1, *levels.shape[:2])
    return Example(to_float(levels), to_float(target), known, torch.ones(1, 1))


@pytest.fixture
def clip(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, levels in enumerate(pan()):
        Image.fromarray(levels).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture
def config(clip, tiny_path, tmp_path):
    """Return what makes the configuration of a run, which writes pictures."""

    def make(*keyframes: str, **options) -> VideoConfig:
        given = {"output_video": tmp_path / "out", "keyframe_steps": 1, **options}
        return VideoConfig(
            input_video=str(clip),
            keyframe=keyframes,
            checkpoint=str(tiny_path),
            device="cpu",
            precision="float32",
            quiet=True,
            rate=10.0,
            **given,
        )

    return make


def key(tmp_path, number: int, name: str = "key.png", alpha: np.ndarray | None = None):
    """Write the painting of a frame."""
    levels = poster(pan()[number])
    if alpha is not None:
        levels = np.dstack([levels, alpha])
    Image.fromarray(levels).save(tmp_path / name)
    return tmp_path / name


def results(folder) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)).astype(int) for path in sorted(folder.glob("*.png"))]


@pytest.mark.parametrize(
    ("text", "found"),
    [("1.5=a.png", (1.5, "s")), ("120f=a=b.png", (120, "f")), ("50%=a.png", (50, "%"))],
)
def test_a_keyframe_is_read(text, found):
    assert parse_keyframe(text)[:2] == found
    assert str(parse_keyframe(text)[2]) == text.partition("=")[2]


def test_times_become_numbers_of_frames(config):
    wanted = config("0.3=a.png", "7f=b.png", "100%=c.png", "0=d.png")
    with Source(wanted) as source:
        numbers = keyframe_numbers(wanted, source.info)
    assert list(numbers.items()) == [
        (0, "0=d.png"),
        (3, "0.3=a.png"),
        (7, "7f=b.png"),
        (9, "100%=c.png"),
    ]


@pytest.mark.parametrize(
    ("keyframes", "options", "message"),
    [
        (["key.png"], {}, "is no time with a picture"),
        (["9=K"], {}, "is after the end, the clip has 1 seconds"),
        (["10f=K"], {}, "is after the end"),
        (["1.5f=K"], {}, "frames are whole numbers"),
        (["0.3=K", "3f=K"], {}, "are both of frame 3"),
        (["3f=no.png"], {}, "no.png"),
        (["3f=K"], {"style": "wave"}, "leave out --style"),
        (["3f=K"], {"region": ("person=wave",)}, "leave out --region"),
        (["3f=K"], {"preview": "sheet.png"}, "leave out --keyframe"),
    ],
)
def test_bad_keyframes_are_refused(config, tmp_path, keyframes, options, message):
    path = key(tmp_path, 3)
    given = [text.replace("K", str(path)) for text in keyframes]
    with pytest.raises(InputError, match=message):
        run_video(config(*given, **options))
    assert not (tmp_path / "out").exists()


def test_a_painting_of_another_frame_is_refused(config, tmp_path):
    Image.fromarray(poster(media.picture(5, SIZE))).save(tmp_path / "other.png")
    with pytest.raises(InputError, match="other.png does not show its frame"):
        run_video(config(f"3f={tmp_path / 'other.png'}"))


def test_a_painted_frame_comes_out_as_painted(config, tmp_path):
    path = key(tmp_path, 4)
    run_video(config(f"4f={path}"))
    found = results(tmp_path / "out")
    assert np.abs(found[4] - poster(pan()[4])).max() <= 1


def test_frames_around_get_the_paint_along_the_motion(config, tmp_path):
    run_video(config(f"4f={key(tmp_path, 4)}"))
    found, painting = results(tmp_path / "out"), poster(pan()[4]).astype(int)
    for number in (2, 7):
        by = STEP * (number - 4)
        moved = np.roll(painting, -by, 1)[12:-12, 16:-16]
        ours = found[number][12:-12, 16:-16]
        untouched = painting[12:-12, 16:-16]
        assert np.abs(ours - moved).mean() < 0.35 * np.abs(untouched - moved).mean()


def test_transparent_parts_are_the_nets(config, tmp_path):
    alpha = np.full(SIZE, 255, np.uint8)
    alpha[:, :48] = 0
    run_video(config(f"4f={key(tmp_path, 4, alpha=alpha)}", keyframe_steps=0))
    gap = np.abs(results(tmp_path / "out")[4] - poster(pan()[4])).mean((0, 2))
    assert gap[50:].max() <= 1
    assert gap[:46].mean() > 20


def test_between_two_keys_the_nearer_counts_more():
    levels = to_float(pan()[0])
    keys = tuple(
        Keyframe(n, levels, torch.full_like(levels, v), torch.ones_like(levels[:, :1]))
        for n, v in ((0, 0.0), (8, 1.0))
    )
    frames = Keyframes(keys)
    assert frames.weights(2).tolist() == [[0.75, 0.25]]
    assert frames.weights(9).tolist() == [[0.0, 1.0]]
    cut = replace(frames, cuts=(6,))
    assert cut.weights(5).tolist() == [[1.0, 0.0]]
    assert carried(frames, 8, levels)[0].mean() == 1


def test_a_net_learns_a_painting():
    """Measured on a frame that it has not seen, against the net that it began with."""
    checkpoint = load_checkpoint("fast")
    seen, other = pan()[0], pan()[9]
    given = torch.cat([checkpoint.code(row) for row in range(len(checkpoint.styles))])
    net, codes = tune_net(checkpoint.net, given, [example(seen, poster(seen))], [], steps=40)
    weights = torch.ones(1, 1, *SIZE)
    target = to_float(poster(other))
    after = (net(to_float(other), codes, weights) - target).abs().mean()
    before = min(
        (checkpoint.net(to_float(other), code[None], torch.ones(1, 1)) - target).abs().mean()
        for code in given
    )
    assert after < 0.7 * before


def test_learning_begins_with_the_kernels_that_come_nearest(stroked):
    frame = to_float(pan()[0])
    codes = torch.cat([stroked.code(row) for row in range(3)])
    wanted = stroked.net(frame, codes[2:], torch.ones(1, 1))
    key = replace(example(pan()[0], poster(pan()[0])), target=wanted)
    net, folded = tune_net(stroked.net, codes, [key], [], steps=0)
    assert folded.shape == (1, net.code_length)
    found = net(frame, folded, torch.ones(1, 1, *SIZE))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_learning_is_the_same_each_time(tiny):
    pair = [example(pan()[0], poster(pan()[0]))]
    (one, a), (two, b) = (tune_net(tiny.net, tiny.codes, pair, [], steps=2) for _ in range(2))
    assert torch.equal(a, b)
    for x, y in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(x, y)


@pytest.mark.usefixtures("short_parts")
def test_parts_are_painted_with_what_one_run_learned(tiny_path, tmp_path, monkeypatch):
    film = films.make_film(tmp_path / "film.mkv")
    Image.fromarray(255 - films.scenes()[3]).save(tmp_path / "key.png")
    options = {"style": None, "keyframe": (f"3f={tmp_path / 'key.png'}",), "keyframe_steps": 2}
    whole = films.film_config(film, tiny_path, tmp_path / "whole.mkv", codec="ffv1", **options)
    run_video(whole)
    learned = []
    tune = nst.stylize.key_learning.tune_net

    def counting(*args, **kwargs):
        learned.append(1)
        return tune(*args, **kwargs)

    monkeypatch.setattr(nst.stylize.key_learning, "tune_net", counting)
    parts = replace(whole, output_video=tmp_path / "parts.mkv", resume=True)
    run_video(parts)
    assert learned == [1]
    films.assert_same(tmp_path / "whole.mkv", tmp_path / "parts.mkv")
