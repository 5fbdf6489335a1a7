import re
import struct
from pathlib import Path

import media
import numpy as np
import pytest
import torch
from PIL import Image

from nst.core.tensors import to_uint8
from nst.errors import InputError
from nst.media.images import center_crop
from nst.styles.pictures import find_styles, load_style
from nst.train.datasets import (
    FRAMES_PER_VIDEO,
    Samples,
    following,
    hold_out,
    load_contents,
    open_content,
    random_crop,
    steps_of,
)


def photo(path: Path, index: int = 0, size: tuple[int, int] = (48, 64)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(media.picture(index, size)).save(path)
    return path


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    return [photo(tmp_path / f"{i}.png", 7 * i) for i in range(5)]


def equal(first: tuple, second: tuple) -> bool:
    return torch.equal(first[0], second[0]) and first[1] == second[1]


def test_a_sample_is_a_function_of_its_address_alone(photos):
    one, other = (Samples(photos, 32, 3, 0.3, seed=5) for _ in range(2))
    addresses = [(step, place) for step in range(4) for place in range(3)]
    forwards = {a: one[a] for a in addresses}
    for address in reversed(addresses):
        np.random.seed(address[0])
        assert equal(other[address], forwards[address])
    firsts = [sample[0].numpy().tobytes() for sample in forwards.values()]
    assert len(set(firsts)) == len(addresses)


def test_another_seed_gives_other_samples(photos):
    one, other = (Samples(photos, 32, 3, 0.3, seed=s) for s in (0, 1))
    assert not any(equal(one[0, place], other[0, place]) for place in range(4))


def test_two_processes_see_together_what_one_sees_alone(photos):
    samples = Samples(photos, 32, 3, 0.3, seed=0)
    alone = list(steps_of(3, 8, range(4)))
    parts = [list(steps_of(3, 8, range(2 * rank, 2 * rank + 2))) for rank in range(2)]
    assert [a + b for a, b in zip(*parts, strict=True)] == alone
    assert [batch[0][0] for batch in alone] == [3, 4, 5, 6, 7]
    assert len({address for batch in alone for address in batch}) == 20
    assert equal(samples[parts[1][0][0]], samples[alone[0][2]])


def test_styles_and_the_identity_come_as_often_as_asked(photos):
    samples = Samples(photos[:1], 4, 3, 0.25, seed=0)
    drawn = np.array([samples[step, 0][1] for step in range(800)])
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    # Four standard deviations of a binomial share.
    assert np.abs(shares - 0.25).max() < 4 * (0.25 * 0.75 / 800) ** 0.5
    never = Samples(photos[:1], 4, 2, 0.0, seed=0)
    assert {never[step, 0][1] for step in range(100)} == {1, 2}


def test_samples_of_a_step_take_one_style_together(photos):
    samples = Samples(photos, 8, 3, 0.25, seed=0, together=True)
    drawn = [{samples[step, place][1] for place in range(3)} for step in range(200)]
    assert all(len(styles) == 1 for styles in drawn)
    shares = np.bincount([styles.pop() for styles in drawn], minlength=4) / len(drawn)
    assert np.abs(shares - 0.25).max() < 4 * (0.25 * 0.75 / 200) ** 0.5
    assert not torch.equal(samples[0, 0][0], samples[0, 1][0])


def test_samples_are_crops_of_the_size_asked_for(photos):
    crops, style = Samples(photos, 40, 3, 0.1, seed=0)[7, 1]
    assert crops.shape == (2, 3, 40, 40) and crops.dtype == torch.uint8
    assert torch.equal(crops[0], crops[1])  # nothing follows a photo
    assert 0 <= style <= 3


def test_what_follows_a_frame_is_cropped_as_the_frame_is():
    """The next frame is the frame inverted, so each pixel tells whether the crops agree."""
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    samples = Samples([np.stack([frame, 255 - frame])], 30, 1, 0.0, seed=3)
    for step in range(5):
        crop, after = samples[step, 0][0].int()
        assert (crop + after - 255).abs().max() <= 1


@pytest.mark.parametrize("size", [(30, 90), (90, 30), (33, 33)])
def test_a_crop_is_half_to_all_of_the_shorter_side_upright_and_maybe_flipped(size):
    """Both planes are ramps, so the crop itself says where it was cut."""
    y, x = np.mgrid[: size[0], : size[1]]
    picture = Image.fromarray(np.stack([2 * x, 2 * y, 0 * x], -1).astype(np.uint8))
    random, flips, sides = np.random.default_rng(0), 0, []
    for _ in range(40):
        crop = random_crop(picture, 16, random)
        assert crop.shape == (16, 16, 3) and crop.dtype == np.uint8
        across = (float(crop[8, 14, 0]) - float(crop[8, 1, 0])) / 2 * 16 / 13
        down = (float(crop[14, 8, 1]) - float(crop[1, 8, 1])) / 2 * 16 / 13
        assert abs(abs(across) - down) < 2.5
        flips += across < 0
        sides.append(down)
    shorter = min(size)
    assert 0.45 * shorter < min(sides) < 0.65 * shorter
    assert 0.85 * shorter < max(sides) < 1.1 * shorter
    assert 8 < flips < 32


def test_contents_are_found_in_subfolders(tmp_path):
    expected = [photo(tmp_path / "a.jpg"), photo(tmp_path / "deep" / "er" / "b.PNG")]
    assert load_contents(tmp_path, 64) == expected
    assert open_content(expected[1]).size == (64, 48)


def test_contents_are_known_by_what_they_are_and_found_behind_links(tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "linked").symlink_to(photo(tmp_path / "set" / "a.png").parent)
    photo(tmp_path / "set" / "b.png").rename(tmp_path / "set" / "download")
    media.make_clip(tmp_path / "clip.mp4", frames=3, audio=False).rename(tmp_path / "set" / "c.m4v")
    (tmp_path / "set" / "._a.png").write_bytes(bytes(100))
    contents = load_contents(tmp_path / "all", 64)
    assert [item.name for item in contents if isinstance(item, Path)] == ["a.png", "download"]
    assert len(contents) == 2 + 3


def test_turned_clips_are_learned_upright(tmp_path):
    media.make_clip(tmp_path / "clip.mp4", frames=2, audio=False, rotation=90)
    frame = np.asarray(open_content(load_contents(tmp_path, 64)[0])).astype(float)
    assert frame.shape == (96, 64, 3)
    # A player turns it counter-clockwise.
    assert np.abs(frame - np.rot90(media.picture(0))).mean() < 6


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_photos_with_odd_exif_are_contents(tmp_path):
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIHI", 1, 0x11A, 7, 1, 1, 0)
    Image.fromarray(media.picture(0)).save(tmp_path / "a.jpg", exif=exif)
    (path,) = load_contents(tmp_path, 64)
    assert Samples([path], 32, 1, 0.0, seed=0)[0, 0][0].shape == (2, 3, 32, 32)


def test_frames_of_videos_are_contents(tmp_path):
    media.make_clip(tmp_path / "clip.mp4", frames=10, audio=False)
    contents = load_contents(tmp_path, 64)
    assert len(contents) == 10
    for index, frame in enumerate(contents):
        difference = np.asarray(open_content(frame)).astype(float) - media.picture(index)
        assert np.abs(difference).mean() < 6
    for content, after in zip(contents, contents[1:], strict=False):
        assert np.array_equal(content[1], after[0])
    assert following(contents[-1]) is None


def test_long_videos_give_frames_from_all_of_their_length(tmp_path):
    frames = 3 * FRAMES_PER_VIDEO
    media.make_clip(tmp_path / "clip.mkv", frames, size=(16, 16), audio=False)
    contents = load_contents(tmp_path, 16)
    assert FRAMES_PER_VIDEO <= len(contents) <= FRAMES_PER_VIDEO + 1
    last = np.asarray(open_content(contents[-1])).astype(float)
    errors = [np.abs(last - media.picture(i, (16, 16))).mean() for i in range(frames)]
    assert np.argmin(errors) >= frames - 3


def test_large_frames_are_made_small_for_memorys_sake(tmp_path):
    media.make_clip(tmp_path / "clip.mp4", frames=1, size=(96, 1024), audio=False)
    assert load_contents(tmp_path, 64)[0].shape == (2, 48, 512, 3)


def test_what_cannot_be_read_is_left_out_with_one_warning_that_counts(tmp_path):
    whole = photo(tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "half.jpg").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    photo(tmp_path / "tiny.png", size=(15, 200))
    clip = media.make_clip(tmp_path / "good.mp4", frames=4)
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "half.mp4").write_bytes(clip.read_bytes()[:1000])
    media.make_sound(tmp_path / "sound.mp4")
    with pytest.warns(UserWarning) as caught:
        contents = load_contents(tmp_path, 64)
    assert len(contents) == 5 and whole in contents
    assert len(caught) == 1
    assert str(caught[0].message).startswith(f"{tmp_path}: 6 files left out, such as ")


def test_a_picture_beyond_pillows_limit_is_left_out(tmp_path, monkeypatch):
    photo(tmp_path / "good.png", size=(16, 16)), photo(tmp_path / "huge.png", size=(100, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.warns(UserWarning, match="1 file left out, .*huge.png"):
        assert len(load_contents(tmp_path, 16)) == 1


def test_folders_without_anything_to_train_on_are_refused(tmp_path):
    with pytest.raises(InputError, match="no folder .*--content-dir"):
        load_contents(tmp_path / "none", 64)
    with pytest.raises(InputError, match="no pictures or videos") as caught:
        load_contents(tmp_path, 64)
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "bad.jpg").touch()
    with pytest.warns(UserWarning, match="1 file left out"), pytest.raises(InputError):
        load_contents(tmp_path, 64)


@pytest.mark.parametrize("holdout", [1, 3, 4, 10])
def test_held_out_and_the_rest_are_a_partition_spread_evenly(holdout):
    for count in range(holdout + 1, 3 * holdout + 8):
        held_out, rest = hold_out(list(range(count)), holdout)
        assert len(held_out) == holdout and sorted(held_out + rest) == list(range(count))
        assert np.abs(np.diff(held_out) - count / holdout).max(initial=0) <= 1


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (33, 100)])
def test_center_crop_is_the_middle_square(size):
    array, side = media.picture(0, size), min(size)
    top, left = ((length - side) // 2 for length in size)
    image = center_crop(Image.fromarray(array), side)
    np.testing.assert_array_equal(to_uint8(image), array[top : top + side, left : left + side])
    assert center_crop(Image.fromarray(array), 20).shape == (1, 3, 20, 20)


def test_styles_are_named_by_their_files(tmp_path):
    wave, scream = photo(tmp_path / "wave.jpg"), photo(tmp_path / "the scream.png")
    assert find_styles(tmp_path, "identity") == {"the scream": scream, "wave": wave}
    assert find_styles(wave, "identity") == {"wave": wave}


@pytest.mark.parametrize("name", ["identity", "a+b", "a*2", "a:b", "a,b", "a=b"])
def test_names_that_could_not_be_asked_for_are_refused(tmp_path, name):
    file = photo(tmp_path / f"{name}.png")
    with pytest.raises(InputError, match=re.escape(f"{file} cannot name a style")):
        find_styles(tmp_path, "identity")


def test_style_folders_with_nothing_twins_or_no_picture_are_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures in"):
        find_styles(tmp_path, "identity")
    with pytest.raises(InputError, match="no folder"):
        find_styles(tmp_path / "none", "identity")
    photo(tmp_path / "wave.jpg")
    photo(tmp_path / "wave.png")
    with pytest.raises(InputError, match=r"wave\.jpg and .*wave\.png would be one style"):
        find_styles(tmp_path, "identity")
    (tmp_path / "wave.png").unlink()
    (tmp_path / "xeno.png").write_text("no picture")
    with pytest.raises(InputError, match="cannot be read as a picture"):
        find_styles(tmp_path, "identity")


@pytest.mark.parametrize(
    ("size", "expected"), [((40, 80), (64, 128)), ((90, 30), (192, 64)), ((64, 64), (64, 64))]
)
def test_a_style_picture_is_resized_by_its_shorter_side(tmp_path, size, expected):
    image = load_style(photo(tmp_path / "wave.png", size=size), 64)
    assert image.shape == (1, 3, *expected)
    # Resizing keeps the mean color.
    mean = media.picture(0, size).mean((0, 1)) / 255
    np.testing.assert_allclose(image.mean((0, 2, 3)).numpy(), mean, atol=0.01)
