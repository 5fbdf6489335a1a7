"""A painted video beside its original, pixel by pixel."""

import films
import media
import numpy as np
import pytest
import torch
from PIL import Image

import nst
from nst.api import run_video
from nst.commands.summary import video_summary
from nst.errors import InputError
from nst.media.compare import LINE, PERIOD, SWING, compare_size, compared
from nst.options.stylize import VideoConfig

SIZE = (30, 320)


@pytest.mark.parametrize(
    ("seconds", "place"),
    [(0, 0.5), (PERIOD / 4, 0.5 + SWING), (PERIOD / 2, 0.5), (0.75 * PERIOD, 0.5 - SWING)],
)
def test_left_of_a_wipe_is_the_original_and_right_of_it_the_result(seconds, place):
    generator = torch.Generator().manual_seed(0)
    original, result = (0.9 * torch.rand(1, 3, *SIZE, generator=generator) for _ in "ab")
    found = compared(original, result, seconds, "wipe")
    edge, line = round(place * SIZE[1]), round(LINE * SIZE[1])
    assert found.shape == result.shape and (found[..., edge : edge + line] == 1).all()
    assert torch.equal(found[..., :edge], original[..., :edge])
    assert torch.equal(found[..., edge + line :], result[..., edge + line :])


@pytest.mark.parametrize(("how", "axis"), [("side", 3), ("top", 2)])
def test_beside_and_below_come_whole(how, axis):
    original, result = torch.zeros(1, 3, *SIZE), torch.ones(1, 3, *SIZE)
    found = compared(original, result, 3, how)
    assert found.shape[2:] == compare_size(SIZE, how)
    assert [*map(float, (part.mean() for part in found.chunk(2, axis)))] == [0, 1]


@pytest.mark.parametrize("options", [{}, {"resume": True}])
def test_a_second_video_with_sound_is_written(film_config, tmp_path, film_clip, options):
    report = run_video(film_config(compare="side", crf=1, **options))
    assert report.compare == tmp_path / "out-compare.mp4"
    assert f"wrote {report.output} and {report.compare}" in video_summary(report)
    source, result, both = map(media.read_back, (film_clip, report.output, report.compare))
    assert (both.times, both.sound) == (result.times, result.sound) and both.sound
    width = films.SIZE[1]
    smooth = slice(films.SHOTS[0])  # of noise the encoder keeps little
    for frames in zip(*(v.arrays()[smooth] for v in (source, result, both)), strict=True):
        given, painted, found = (frame.astype(float).mean(2) for frame in frames)
        for expected, other, part in (
            (given, painted, found[:, :width]),
            (painted, given, found[:, width:]),
        ):
            assert 3 * np.abs(part - expected).mean() < np.abs(part - other).mean()


def test_folders_are_compared_too(tiny_path, tmp_path):
    (tmp_path / "in").mkdir()
    for index in range(2):
        Image.fromarray(media.picture(index, SIZE)).save(tmp_path / "in" / f"{index}.png")
    options = {"checkpoint": str(tiny_path), "device": "cpu", "quiet": True, "style": "wave"}
    nst.stylize_video(tmp_path / "in", tmp_path / "out", compare="wipe", **options)
    for index, path in enumerate(sorted((tmp_path / "out-compare").iterdir())):
        found, half = np.array(Image.open(path)), SIZE[1] // 2
        assert np.array_equal(found[:, : half - 1], media.picture(index, SIZE)[:, : half - 1])


def test_nothing_is_compared_without_an_output():
    with pytest.raises(InputError, match="--compare needs --output-video"):
        VideoConfig(input_video="in.mp4", show=True, compare="wipe")
