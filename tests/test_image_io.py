import errno
import os

import numpy as np
import pytest
import torch
from PIL import Image

from nst.core.tensors import to_float, to_uint8
from nst.errors import InputError
from nst.media.folders import list_pictures
from nst.media.images import load_image, read_picture, save_image

RED, WHITE = (255, 0, 0), (255, 255, 255)


def scene(size: tuple[int, int] = (12, 20)) -> np.ndarray:
    """Return a smooth picture whose four corners all differ."""
    y, x = np.mgrid[: size[0], : size[1]]
    planes = [40 + 9 * x, 60 + 8 * y, 200 - 4 * x - 3 * y]
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].swapaxes(0, 1)),
        (8, np.rot90),
    ],
)
def test_pictures_come_upright_as_their_exif_tag_says(tmp_path, orientation, upright):
    path, exif = tmp_path / "photo.png", Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(scene()).save(path, exif=exif)
    np.testing.assert_array_equal(np.asarray(read_picture(path)), upright(scene()))


def test_transparency_lies_on_white(tmp_path):
    path = tmp_path / "sprite.png"
    alpha = np.full((12, 20), 255, np.uint8)
    alpha[:, 5:10], alpha[:, 10:] = 0, 51
    Image.fromarray(np.dstack([scene(), alpha])).save(path)
    share = alpha[..., None] / 255
    expected = share * scene() + (1 - share) * 255
    np.testing.assert_allclose(np.asarray(read_picture(path)), expected, atol=1)


def test_palettes_greys_and_their_transparency_become_rgb(tmp_path):
    palette = Image.fromarray(scene()).quantize(8)
    palette.save(tmp_path / "palette.png")
    gray = Image.fromarray(scene()[..., 0])
    gray.save(tmp_path / "gray.png")
    clear = Image.new("P", (4, 4), 1)
    clear.putpalette([*RED, *RED])
    clear.putpixel((0, 0), 0)
    clear.save(tmp_path / "clear.gif", transparency=0)
    Image.fromarray(np.dstack([scene()[..., 0], np.zeros((12, 20), np.uint8)]), "LA").save(
        tmp_path / "hidden.png"
    )
    expected = {
        "palette.png": np.array(palette.getpalette()).reshape(-1, 3)[np.asarray(palette)],
        "gray.png": np.repeat(scene()[..., :1], 3, 2),
        "hidden.png": np.full((12, 20, 3), 255),
    }
    for name, array in expected.items():
        np.testing.assert_array_equal(np.asarray(read_picture(tmp_path / name)), array)
    cleared = read_picture(tmp_path / "clear.gif")
    assert cleared.getpixel((0, 0)) == WHITE and cleared.getpixel((1, 0)) == RED


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("brightest", [20000, 65535])
def test_sixteen_bits_keep_their_light_whatever_the_brightest_pixel(tmp_path, ending, brightest):
    levels = np.linspace(0, brightest, 64).reshape(8, 8).astype(np.uint16)
    path = tmp_path / f"scan{ending}"
    Image.fromarray(levels).save(path)
    expected = np.repeat(levels[..., None] / 257, 3, 2)
    np.testing.assert_allclose(np.asarray(read_picture(path)), expected, atol=0.51)


def test_cmyk_becomes_rgb(tmp_path):
    path = tmp_path / "print.jpg"
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, 8:] = (0, 255, 255, 0)
    Image.fromarray(inks, "CMYK").save(path, quality=100)
    picture = read_picture(path)
    for place, color in (((2, 8), WHITE), ((13, 8), RED)):
        np.testing.assert_allclose(picture.getpixel(place), color, atol=3)


def test_load_image_follows_the_convention(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(scene()).save(path)
    image = load_image(path)
    assert image.shape == (1, 3, 12, 20) and image.dtype == torch.float32
    np.testing.assert_allclose(image[0].permute(1, 2, 0).numpy() * 255, scene(), atol=1e-4)


def test_what_cannot_be_read_is_named_in_one_line(tmp_path):
    whole = tmp_path / "whole.jpg"
    Image.fromarray(scene((64, 64))).save(whole)
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "half.jpg").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    expected = {
        "text.jpg": "cannot be read as a picture",
        "half.jpg": "cannot be read as a picture",
        "empty.png": "cannot be read as a picture",
        "folder.png": "is a folder",
        "nothing.png": "no file",
    }
    for name, message in expected.items():
        with pytest.raises(InputError) as caught:
            read_picture(tmp_path / name)
        assert message in str(caught.value) and str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_picture_beyond_pillows_limit_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "huge.png"
    Image.fromarray(scene()).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match="too large"):
        read_picture(path)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".tiff"])
def test_lossless_kinds_write_every_level(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    save_image(to_float(scene()), path)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), scene())


@pytest.mark.parametrize("ending", [".jpg", ".jpeg", ".webp", ".JPG"])
def test_lossy_kinds_come_near(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    save_image(to_float(scene((48, 48))), path)
    with Image.open(path) as picture:
        difference = np.asarray(picture).astype(float) - scene((48, 48))
    assert np.abs(difference).mean() < 2.5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.txt", "its ending must be one of"),
        ("out", "its ending must be one of"),
        ("none/out.png", "no folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(tmp_path, name, message):
    with pytest.raises(InputError, match=message) as caught:
        save_image(to_float(scene()), tmp_path / name)
    assert str((tmp_path / name).parent if "folder" in message else name) in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("broken", ["save", "replace"])
def test_a_full_disk_leaves_the_old_picture_and_nothing_beside(tmp_path, monkeypatch, broken):
    path = tmp_path / "out.png"
    save_image(to_float(scene()), path)
    before = path.read_bytes()

    def fail(*arguments, **_):
        if broken == "save":
            open(arguments[1], "wb").close()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = "PIL.Image.Image.save" if broken == "save" else "nst.core.files.os.replace"
    monkeypatch.setattr(target, fail)
    with pytest.raises(InputError, match="No space left"):
        save_image(1 - to_float(scene()), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["out.png"]


def test_a_folder_without_pictures_and_no_folder_are_told_apart(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="no pictures in"):
        list_pictures(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        list_pictures(tmp_path / "none")


def test_many_passes_do_not_darken(tmp_path):
    image, path = to_float(scene()), tmp_path / "out.png"
    for _ in range(5):
        save_image(image, path)
        image = load_image(path)
    np.testing.assert_array_equal(to_uint8(image), scene())
