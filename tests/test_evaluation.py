"""Files in, figures out: whoever made them."""

import json

import media
import numpy as np
import pytest
import torch
from PIL import Image

from nst.commands.evaluate import Sheet, evaluate
from nst.errors import InputError
from nst.media.images import read_picture
from nst.motion.true_flow import read_flow
from nst.options.tools import EvaluationConfig

SIZE = (64, 96)
FRAMES = 12


@pytest.fixture
def folders(tmp_path):
    """Return two folders of frames: a scene, and the same darker."""
    for name, scale in (("original", 1.0), ("darker", 0.5)):
        (tmp_path / name).mkdir()
        for i in range(FRAMES):
            levels = (media.picture(i, SIZE) * scale).round().astype(np.uint8)
            Image.fromarray(levels).save(tmp_path / name / f"{i:03}.png")
    return tmp_path / "original", tmp_path / "darker"


def write_flow(path, flow):
    height, width = flow.shape[:2]
    with open(path, "wb") as file:
        np.array([202021.25], "<f4").tofile(file)
        np.array([width, height], "<i4").tofile(file)
        flow.astype("<f4").tofile(file)


def test_half_the_light_is_half_the_warping_error(folders, tmp_path):
    original, darker = folders
    output = tmp_path / "report.json"
    figures = evaluate(
        EvaluationConfig(original=original, stylized=darker, output=output, quiet=True)
    )
    # Over ten frames the scene moves too far to be followed.
    half = 0.5 * figures["input_warping_error"]["1"]
    assert figures["warping_error"] == {"1": pytest.approx(half, rel=0.1)}
    assert json.loads(output.read_text()) == json.loads(json.dumps(figures))
    plot, sheet = (read_picture(tmp_path / f"report_{kind}.png") for kind in ("plot", "sheet"))
    assert plot.size[0] > 400 and sheet.size == (8 * 240, 2 * 160)
    column = np.asarray(sheet)[:, :240].astype(float)
    assert column[:160].mean() == pytest.approx(2 * column[160:].mean(), rel=0.05)


def test_frames_alone_tell_the_detail_that_was_lost(folders):
    """Columns of two levels, in half the contrast: a quarter of the energy."""
    original, darker = folders
    stripes = np.tile(np.array([[[0], [128]]], np.uint8).repeat(3, 2), (SIZE[0], SIZE[1] // 2, 1))
    for folder, scale in ((original, 1.0), (darker, 0.5)):
        for path in folder.iterdir():
            Image.fromarray((stripes * scale).astype(np.uint8)).save(path)
    paths = {"original": original, "stylized": darker, "alone": original}
    beside = evaluate(EvaluationConfig(**paths, quiet=True))["beside_alone"]
    assert beside["detail"] == pytest.approx(0.25, rel=1e-3)


def test_the_shorter_one_sets_the_length(folders):
    original, darker = folders
    (darker / f"{FRAMES - 1:03}.png").unlink()
    with pytest.warns(UserWarning, match="darker ends after 11 frames"):
        figures = evaluate(EvaluationConfig(original=original, stylized=darker, quiet=True))
    assert figures["frames"] == FRAMES - 1


def test_true_flow_gives_e_stab_and_what_is_hidden_does_not_count(tmp_path, folders):
    """Frames of one color each: the flow does not matter, the difference of levels does."""
    frames, flows, hidden = (tmp_path / name for name in ("frames", "flows", "hidden"))
    for folder in (frames, flows, hidden):
        folder.mkdir()
    for i in range(3):
        Image.fromarray(np.full((*SIZE, 3), 51 * i, np.uint8)).save(frames / f"{i}.png")
    for i in range(2):
        write_flow(flows / f"{i}.flo", np.ones((*SIZE, 2)))
        half = np.zeros(SIZE, np.uint8)
        half[:, 48:] = 255
        Image.fromarray(half).save(hidden / f"{i}.png")
    options = {"original": frames, "stylized": frames, "flow_dir": flows, "quiet": True}
    figures = evaluate(EvaluationConfig(**options))
    assert figures["e_stab"] == figures["input_e_stab"] == pytest.approx(0.2, abs=1e-4)
    seen = evaluate(EvaluationConfig(**options, occlusion_dir=hidden))["e_stab"]
    assert seen == pytest.approx(0.2 * 0.5**0.5, abs=1e-4)
    (flows / "0.flo").unlink()
    with pytest.raises(InputError, match="1 .flo files for 3 frames"):
        evaluate(EvaluationConfig(**options))


def test_a_flow_file_is_read_as_x_then_y(tmp_path):
    flow = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    write_flow(tmp_path / "a.flo", flow)
    found = read_flow(tmp_path / "a.flo")
    assert torch.equal(found[0], torch.from_numpy(flow).permute(2, 0, 1))
    (tmp_path / "b.flo").write_bytes(b"no flow at all, this one")
    with pytest.raises(InputError, match="b.flo is not a flow file"):
        read_flow(tmp_path / "b.flo")


@pytest.mark.parametrize("count", [1, 3, 8, 16, 17, 100])
def test_a_sheet_spreads_over_a_video_of_any_length(count):
    sheet = Sheet()
    for i in range(count):
        image = torch.full((1, 3, 8, 12), i / count)
        sheet.add(image, image)
    levels = (sheet.image()[0, 0, 0, ::240] * count).round().int().tolist()
    assert len(levels) == min(8, count)
    assert levels == sorted(set(levels)) and levels[0] == 0
    assert levels[-1] >= 0.85 * (count - 1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"output": "report.txt"}, "must be .json"),
        ({"output": "nowhere/report.json"}, "nowhere"),
        ({"stylized": "nowhere.mp4"}, "nowhere.mp4"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(folders, tmp_path, options, message):
    original, darker = folders
    before = sorted(tmp_path.rglob("*"))
    paths = {key: tmp_path / value for key, value in options.items()}
    options = {"original": original, "stylized": darker, "quiet": True} | paths
    with pytest.raises(InputError, match=message):
        evaluate(EvaluationConfig(**options))
    assert sorted(tmp_path.rglob("*")) == before
