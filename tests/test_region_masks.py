"""Masks from files, with their known content; masks from a stand-in for the segmenter."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import media
import numpy as np
import pytest
import torch
from PIL import Image

from nst.errors import InputError
from nst.models.deeplab import CLASSES
from nst.motion.coherence import Motion
from nst.regions.given import GivenMasks, picture_streams, video_streams
from nst.regions.segmented import SegmentedMasks
from nst.regions.spec import parse_regions
from nst.styles.spec import parse_style

SIZE = (24, 40)
FRAME = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def label_picture(column: int, left=(255, 0, 0), right=(0, 0, 255), size=SIZE) -> np.ndarray:
    """Return two colors, one on each side of a column, below a black strip of six lines."""
    levels = np.zeros((*size, 3), np.uint8)
    levels[6:, :column], levels[6:, column:] = left, right
    return levels


def folder_of(path: Path, pictures: list[np.ndarray]) -> Path:
    path.mkdir(parents=True)
    for index, levels in enumerate(pictures):
        Image.fromarray(levels).save(path / f"{index:03}.png")
    return path


def masks_of(
    path: Path,
    *texts: str,
    style: str | None = None,
    count: int = 1,
    start: float = 0.0,
    first: int = 0,
    mirror: bool = False,
):
    """Return the style weights of the first frames, without a feather, and their source."""
    regions = parse_regions(texts, style and parse_style(style), own_masks=True)
    with ExitStack() as files:
        streams = video_streams(regions, path, Fraction(25), start, files, first)
        masks = GivenMasks(regions, streams, 0, mirror)
        return [masks.follow(FRAME) for _ in range(count)], masks


@pytest.mark.parametrize("kind", ["picture", "folder", "video"])
def test_colors_are_the_regions(tmp_path, kind):
    if kind == "picture":
        path = tmp_path / "labels.png"
        Image.fromarray(label_picture(10)).save(path)
    elif kind == "folder":
        path = folder_of(tmp_path / "labels", [label_picture(10)] * 2)
    else:
        path = media.make_clip(
            tmp_path / "labels.mp4", 2, SIZE, audio=False, pictures=[label_picture(10)] * 2
        )
    found, _ = masks_of(path, "#ff0000=a", "#0000FF=b", style="c", count=2)
    labels = np.full(SIZE, 2)  # what is black takes --style
    labels[6:, :10], labels[6:, 10:] = 0, 1
    for weights in found:
        assert weights.shape == (1, 3, *SIZE)
        wrong = weights[0].argmax(0).numpy() != labels
        # A video's colors are coarse: a pixel beside an edge may be of neither.
        allowed = np.zeros(SIZE, bool)
        if kind == "video":
            allowed[4:8], allowed[:, 8:12] = True, True
        assert not (wrong & ~allowed).any()
        assert torch.equal(weights.sum(1), torch.ones(1, *SIZE))


def test_grey_levels_are_exact_and_black_is_no_region(tmp_path):
    levels = label_picture(10, (1, 1, 1), (3, 3, 3))
    path = folder_of(tmp_path / "labels", [levels])
    (weights,), _ = masks_of(path, "1=a", "3=b", "background=original")
    answer = np.select([levels[..., 0] == 1, levels[..., 0] == 3], [0, 1], 2)
    assert np.array_equal(weights[0].argmax(0).numpy(), answer)


def test_soft_masks_by_name_are_taken_as_they_are(tmp_path):
    ramp = np.broadcast_to(np.arange(SIZE[1]) * 6, SIZE).astype(np.uint8)
    folder_of(tmp_path / "masks" / "player", [ramp, 255 - ramp])
    Image.fromarray(np.full(SIZE, 51, np.uint8)).save(tmp_path / "masks" / "sky.png")
    found, _ = masks_of(tmp_path / "masks", "player=a", "sky=b", style="c", count=2)
    for weights, player in zip(found, (ramp, 255 - ramp), strict=True):
        player, sky = torch.from_numpy(player / 255).float(), torch.tensor(0.2)
        total = torch.maximum(player + sky, torch.tensor(1.0))
        answer = torch.stack([player / total, sky / total, (1 - player - sky).clamp(min=0) / total])
        torch.testing.assert_close(weights[0], answer, rtol=0, atol=1e-5)


def test_masks_begin_where_the_video_does(tmp_path):
    path = folder_of(tmp_path / "labels", [label_picture(column) for column in range(5, 35)])
    found, _ = masks_of(path, "#ff0000=a", style="b", start=0.4, count=2)
    assert [int(weights[0, 0, 10].sum()) for weights in found] == [15, 16]


def test_a_short_folder_holds_its_last_mask_and_says_so_once(tmp_path):
    path = folder_of(tmp_path / "labels", [label_picture(10), label_picture(20)])
    with pytest.warns(UserWarning, match="ends after 2 masks: the last one is held") as said:
        found, _ = masks_of(path, "#ff0000=a", style="b", count=5)
    assert len(said) == 1
    assert [int(weights[0, 0, 10].sum()) for weights in found] == [10, 20, 20, 20, 20]


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_masks_begin_at_any_frame_even_after_their_last(tmp_path, kind):
    pictures = [label_picture(column) for column in (8, 16, 24, 32)]
    if kind == "folder":
        path = folder_of(tmp_path / "labels", pictures)
    else:
        path = media.make_clip(tmp_path / "labels.mp4", 4, SIZE, audio=False, pictures=pictures)
    found, _ = masks_of(path, "#ff0000=a", style="b", count=2, first=2)
    columns = [float(weights[0, 0, 10].sum()) for weights in found]
    assert columns == pytest.approx([24, 32], abs=2)  # an encoder moves edges a little
    with pytest.warns(UserWarning, match="ends after 4 masks: the last one is held"):
        found, _ = masks_of(path, "#ff0000=a", style="b", count=2, first=4)
    columns = [float(weights[0, 0, 10].sum()) for weights in found]
    assert columns == pytest.approx([32, 32], abs=2)


def test_masks_are_mirrored_with_the_frames(tmp_path):
    path = folder_of(tmp_path / "labels", [label_picture(10)])
    (plain,), _ = masks_of(path, "#ff0000=a", style="b")
    (mirrored,), _ = masks_of(path, "#ff0000=a", style="b", mirror=True)
    assert torch.equal(mirrored, plain.flip(3)) and not torch.equal(mirrored, plain)


def test_masks_of_another_size_are_brought_to_the_frames_and_it_is_said_once(tmp_path):
    size = (SIZE[0] * 2, SIZE[1] * 2)
    path = folder_of(tmp_path / "labels", [label_picture(20, size=size)] * 3)
    with pytest.warns(UserWarning, match="masks of 80x48 are brought to 40x24") as said:
        found, _ = masks_of(path, "#ff0000=a", style="b", count=3)
    assert len(said) == 1
    assert torch.equal(found[2][0, 0, 12].round(), (torch.arange(40) < 10).float())


def test_a_style_that_no_mask_uses_is_named_at_the_end(tmp_path):
    path = folder_of(tmp_path / "labels", [label_picture(10)])
    _, masks = masks_of(path, "#ff0000=a", "#00ff00=b", style="c")
    with pytest.warns(UserWarning, match="nothing took b .#00ff00.") as said:
        masks.report()
    assert len(said) == 1


@pytest.mark.parametrize(
    ("texts", "place", "parts"),
    [
        (["255=a"], "none", ["none", "--masks"]),
        (["255=a", "sky=b"], "labels", ["'sky'", "no gray level"]),
        (["sky=a"], "labels", ["'sky'", "labels", "000.png"]),
        (["sky=a"], "labels/000.png", ["'sky'", "no folder"]),
        (["256=a"], "labels", ["'256'"]),
    ],
)
def test_masks_that_are_not_there_are_refused(tmp_path, texts, place, parts):
    folder_of(tmp_path / "labels", [label_picture(10)])
    with pytest.raises(InputError) as caught:
        masks_of(tmp_path / place, *texts)
    assert all(part in str(caught.value) for part in parts)


def test_pictures_of_a_folder_find_their_masks_by_name(tmp_path):
    regions = parse_regions(("#ff0000=a",), parse_style("b"), own_masks=True)
    folder = tmp_path / "masks"
    folder.mkdir()
    for name, column in (("one.png", 10), ("two.png", 20)):
        Image.fromarray(label_picture(column)).save(folder / name)
    sources = [Path("two.jpg"), Path("one.jpg")]
    masks = GivenMasks(regions, picture_streams(regions, folder, sources, several=True), 0)
    assert [int(masks.follow(FRAME)[0, 0, 10].sum()) for _ in sources] == [20, 10]
    with pytest.raises(InputError, match="no mask called 'three'"):
        picture_streams(regions, folder, [Path("three.jpg")], several=True)
    with pytest.raises(InputError, match="is a folder: give the picture"):
        picture_streams(regions, folder, sources[:1], several=False)


class Stand:
    """A segmenter that sees a person in a square, wherever its owner puts it."""

    def __init__(self):
        self.corner, self.looks = (20, 20), 0

    def probabilities(self, image, size):
        self.looks += 1
        found = torch.full((1, len(CLASSES), *size), 0.01 / 20)
        y, x = self.corner
        label = torch.zeros(size, dtype=torch.long)
        label[y : y + 30, x : x + 30] = CLASSES.index("person")
        return found.scatter(1, label[None, None], 0.99)


def still(size=(80, 120), trust: float = 1.0, x: float = 0.0) -> Motion:
    flow = torch.zeros(1, 2, *size)
    flow[:, 0] = x
    return Motion(flow, torch.full((1, 1, *size), trust))


@pytest.fixture
def person():
    regions = parse_regions(("person=a", "background=b"), None, own_masks=False)

    def masks(every: int) -> tuple[SegmentedMasks, Stand]:
        stand = Stand()
        return SegmentedMasks(regions, stand, every, feather=0), stand

    return masks


WALL = torch.full((1, 3, 80, 120), 0.5)  # without edges that would attract a mask's


def test_the_first_frame_shows_what_is_seen(person):
    masks, _ = person(1)
    weights = masks.follow(WALL)
    assert weights.shape == (1, 2, 80, 120)
    torch.testing.assert_close(weights.sum(1), torch.ones(1, 80, 120))
    assert (weights[0, 0, 25:45, 25:45] > 0.99).all()
    assert (weights[0, 0, :12] < 0.01).all() and (weights[0, 0, :, 60:] < 0.01).all()


def test_it_looks_every_so_often_and_at_once_at_a_new_shot(person):
    masks, stand = person(3)
    searched = []
    for t in range(10):
        masks.follow(WALL, None if t in (0, 5) else still())
        searched.append(masks.searched)
    assert [t for t in range(10) if searched[t]] == [0, 3, 5, 8] and stand.looks == 4


def test_between_looks_a_mask_moves_with_the_picture(person):
    masks, _ = person(100)
    masks.follow(WALL)
    for _ in range(8):
        weights = masks.follow(WALL, still(x=-4.0))  # what is here was 4 pixels to the left
    inner = weights[0, 0, 25:45]
    assert (inner[:, 20 + 32 + 5 : 20 + 32 + 25] > 0.95).all()
    assert (inner[:, :40] < 0.05).all() and (inner[:, 95:] < 0.05).all()


@pytest.mark.parametrize(("trust", "after"), [(1.0, 0.8), (0.0, 0.4)])
def test_a_look_that_disagrees_moves_the_mask_bit_by_bit(person, trust, after):
    """The square is gone at frame 2; what was known fades by its share, without a jump."""
    masks, stand = person(2)
    masks.follow(WALL)
    masks.follow(WALL, still())
    stand.corner = (20, 200)
    known = []
    for t in range(8):
        masks.follow(WALL, still(trust=trust if t < 7 else 1.0))
        known.append(masks._masks[0, 0, 35, 35].item())
    expected = [0.99 * after ** (t + 1) for t in range(7)]
    assert known[:7] == pytest.approx(expected, abs=0.01)
    masks.follow(WALL, None)
    assert masks._masks[0, 0, 35, 35] < 0.01  # a new shot has no memory


def test_what_comes_and_goes_shows_less_than_it_does_alone(person):
    def changes(steady: bool) -> float:
        masks, stand = person(1)
        results = []
        for t in range(12):
            stand.corner = (20, 20 + 3 * (t % 2))
            results.append(masks.follow(WALL, still() if steady and t else None))
        pairs = zip(results[4:], results[5:], strict=False)
        return sum((b - a).abs().mean().item() for a, b in pairs)

    assert changes(steady=True) < 0.35 * changes(steady=False)


def test_classes_that_were_never_seen_are_named_with_those_that_were():
    regions = parse_regions(("dog,cat=a", "person=b"), None, own_masks=False)
    masks = SegmentedMasks(regions, Stand(), 1, 0)
    masks.follow(WALL)
    with pytest.warns(UserWarning) as said:
        masks.report()
    (line,) = (str(warning.message) for warning in said)
    assert all(part in line for part in ("nothing took a", "dog, cat", "background, person"))
