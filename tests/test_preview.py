"""Sheets that are seen before a video is painted; their frames are painted by hand too."""

import time
from collections.abc import Callable
from pathlib import Path

import media
import numpy as np
import pytest
import torch
from PIL import Image

import nst.styles.codes
import nst.styles.tuning
import nst.stylize.preview
from nst.api import run_video
from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media.sheet import LINE_HEIGHT, MARGIN
from nst.options.stylize import VideoConfig
from nst.styles.codes import STYLE_SIDE
from nst.styles.pictures import load_style
from nst.styles.tuning import style_learner

SIZE, COUNT = (48, 64), 18


@pytest.fixture
def config(tiny_path, tmp_path) -> Callable[..., VideoConfig]:
    (tmp_path / "in").mkdir()
    for index in range(COUNT):
        Image.fromarray(media.picture(index, SIZE)).save(tmp_path / "in" / f"{index:02d}.png")

    def make(**options) -> VideoConfig:
        defaults = {"input_video": str(tmp_path / "in"), "checkpoint": str(tiny_path)}
        defaults |= {"device": "cpu", "precision": "float32", "quiet": True}
        return VideoConfig(**defaults | options)

    return make


def tiles(path: Path, top: int, columns: int, count: int) -> list[np.ndarray]:
    """Return the pictures of a sheet that begin at a row of pixels."""
    sheet = np.array(Image.open(path))
    found = []
    for index in range(count):
        y = top + index // columns * (LINE_HEIGHT + SIZE[0] + 2 * MARGIN) + LINE_HEIGHT + MARGIN
        x = MARGIN + index % columns * (SIZE[1] + MARGIN)
        found.append(sheet[y : y + SIZE[0], x : x + SIZE[1]])
    return found


@pytest.mark.filterwarnings("ignore:masks of 64x48")
def test_nine_frames_are_those_of_the_run(config, painted, tmp_path):
    path = tmp_path / "sheet.png"
    report = run_video(
        config(style_at="0f wave, 9f cut scream", preview=path, output_video=tmp_path / "out.mp4")
    )
    for index, found in enumerate(tiles(path, LINE_HEIGHT, 3, 9)):
        number = 2 * index + 1
        weights = (0, 1, 0) if number < 9 else (0, 0, 1)
        expected = painted(media.picture(number, SIZE), weights)
        assert np.abs(found - expected).max() <= 0.51
    assert report.figures["seconds"] > 0 and report.figures["frames"] == COUNT
    assert report.note.startswith(f"wrote {path}: all {COUNT} frames of 64x48 will take about")
    assert report.output is None and sorted(p.name for p in tmp_path.iterdir()) == ["in", path.name]


def test_the_masks_of_regions_are_on_the_sheet(config, tmp_path):
    (tmp_path / "masks").mkdir()
    for index in range(COUNT):
        mask = np.zeros(SIZE, np.uint8)
        mask[:, : 3 * index] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{index:02d}.png")
    plain, path = tmp_path / "plain.png", tmp_path / "sheet.png"
    run_video(config(style="wave", preview=plain))
    regions = {"region": ("255=0f scream, 9f cut original",), "masks": tmp_path / "masks"}
    run_video(config(style="wave", preview=path, feather=0.0, **regions))
    before, after = (np.array(Image.open(p)) for p in (plain, path))
    assert after.shape[0] > before.shape[0] and after.shape[1] == before.shape[1]
    last = tiles(path, LINE_HEIGHT, 3, 9)[-1]  # frame 17: its left 51 pixels stay original
    assert np.array_equal(last[:, :50], media.picture(17, SIZE)[:, :50])
    strip = after[before.shape[0] + LINE_HEIGHT + MARGIN :].astype(int)
    red = (strip[..., 0] - strip[..., 1] > 60).sum(0)  # the first region has this color
    pitch = (SIZE[1] + MARGIN) // 3
    counts = [red[MARGIN + i * pitch :][:pitch].sum() for i in range(9)]
    assert counts == sorted(counts) and counts[-1] > 10 * max(1, counts[0])


def test_the_whole_takes_its_frames_at_the_rate_of_the_excerpt(monkeypatch):
    marks = [(done, 10.0 + 0.5 * max(0, done - 2)) for done in range(13)] + [(12, 17.0)]
    assert nst.stylize.preview._rate(marks[:-1]) == pytest.approx(0.5)
    assert nst.stylize.preview._rate([(0, 0.0), (1, 2.0)]) == 2.0


def test_each_style_paints_the_middle_frame(config, painted, tmp_path):
    path = tmp_path / "styles.png"
    report = run_video(config(preview_styles=path))
    middle = media.picture(COUNT // 2, SIZE)
    original, wave, scream = tiles(path, 0, 4, 3)
    assert np.array_equal(original, middle)
    for found, weights in ((wave, (0, 1, 0)), (scream, (0, 0, 1))):
        assert np.abs(found - painted(middle, weights)).max() <= 0.51
    assert report.note == f"wrote {path}: the middle frame in 2 styles"


def test_each_picture_of_a_folder_is_a_style(config, any_style, any_style_path, tmp_path):
    (tmp_path / "art").mkdir()
    for index in range(3):
        Image.fromarray(media.picture(9 * index, (80, 90))).save(tmp_path / "art" / f"{index}.png")
    path = tmp_path / "styles.png"
    options = {"style_path": (tmp_path / "art",), "refine_steps": 0}
    run_video(config(preview_styles=path, checkpoint=str(any_style_path), **options))
    image = torch.from_numpy(media.picture(COUNT // 2, SIZE)).permute(2, 0, 1)[None] / 255
    for index, found in enumerate(tiles(path, 0, 4, 4)[1:]):
        with torch.no_grad():
            code = any_style.encoder(load_style(tmp_path / "art" / f"{index}.png", STYLE_SIDE))
        expected = any_style.net(image, code, torch.ones(1, 1))[0].movedim(0, -1) * 255
        assert np.abs(found - expected.numpy()).max() <= 0.51


def test_each_picture_of_a_folder_is_learned(config, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(nst.styles.codes, "STYLE_PICTURE_SIDE", 64)
    (tmp_path / "art").mkdir()
    for index in range(2):
        Image.fromarray(media.picture(9 * index, (80, 90))).save(tmp_path / "art" / f"{index}.png")
    path, told = tmp_path / "styles.png", []
    options = {"style_path": (tmp_path / "art",), "refine_steps": 2, "preview_styles": path}
    run_video(config(**options), on_progress=told.append)
    assert {(p.stage, p.total) for p in told} == {("learning the style", 4)}
    assert told[-1].done == 4
    image, room = to_float(media.picture(COUNT // 2, SIZE)), tiny.learnable()
    for index, found in enumerate(tiles(path, 0, 4, 3)[1:]):
        learn = style_learner(room, room.net, lambda: [image], 2)
        code = learn(load_style(tmp_path / "art" / f"{index}.png", 64), room.middle)
        expected = room.net(image, code, torch.ones(1, 1))[0].movedim(0, -1) * 255
        assert np.abs(found - expected.numpy()).max() <= 0.51
    Image.new("L", (4, 4)).save(tmp_path / "art" / "9.png")
    (tmp_path / "art" / "9.png").write_bytes((tmp_path / "art" / "9.png").read_bytes()[:40])
    told.clear()
    with pytest.raises(InputError, match="9.png"):
        run_video(config(**options), on_progress=told.append)
    assert not told


def test_the_time_to_learn_counts_and_is_spent_once(config, tmp_path, monkeypatch):
    """Learning is a sleep of 20 ms a step here, painting takes next to nothing."""
    counts = []

    def learner(checkpoint, net, contents, steps, *_):
        def learn(picture, code):
            counts.append(steps)
            time.sleep(0.02 * steps)
            return code

        return learn

    monkeypatch.setattr(nst.styles.tuning, "style_learner", learner)
    for index in range(2):
        Image.fromarray(media.picture(index, (40, 40))).save(tmp_path / f"{index}.png")
    one, other = (tmp_path / f"{index}.png" for index in range(2))
    report = run_video(config(style_at=f"0f {one}, 9f {other}", preview=tmp_path / "sheet.png"))
    assert counts == [100, 100, 1]
    assert report.figures["seconds"] > 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_video": "0"}, "--preview is for a video with an end"),
        ({"preview": Path("sheet.mp4")}, "sheet.mp4"),
        ({"style_at": "0 wave, 9 scream"}, "9 is after the end"),
        ({"style": "monet"}, "no style 'monet'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(config, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        run_video(config(**{"preview": tmp_path / "sheet.png", **options}))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
