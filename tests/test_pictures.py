"""Pictures painted in one pass. The second way is the net called by hand on what Pillow reads."""

import os
from pathlib import Path

import media
import numpy as np
import pytest
from PIL import Image

from nst.commands.run import run
from nst.commands.stylize import pictures, stylize_pictures
from nst.core.reports import PictureReport
from nst.errors import InputError
from nst.options.stylize import PictureConfig


@pytest.fixture
def content(tmp_path) -> Path:
    return save(tmp_path / "in.png")


@pytest.fixture
def album(tmp_path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for index, name in enumerate(("a.png", "b.jpg", "c.gif", "d.ppm", "e.JPG")):
        save(folder / name, index, size=(40 + index, 52))
    return folder


def save(path: Path, index: int = 0, size: tuple[int, int] = (48, 64)) -> Path:
    Image.fromarray(media.picture(index, size)).save(path)
    return path


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


@pytest.fixture
def stylize(tiny_path):
    def call(content: Path, output: Path, **options) -> PictureReport:
        machine = {"device": "cpu", "precision": "float32", "quiet": True}
        options = {"method": "one-pass", "checkpoint": str(tiny_path)} | machine | options
        return stylize_pictures(PictureConfig(content_path=content, output=output, **options))

    return call


class TestOne:
    @pytest.mark.parametrize("size", [(48, 64), (49, 63), (33, 50)])
    def test_is_what_the_net_makes_of_it(self, stylize, painted, tmp_path, size):
        content = save(tmp_path / "in.png", size=size)
        stylize(content, tmp_path / "out.png", style="scream")
        found = read(tmp_path / "out.png")
        assert found.shape == (*size, 3)
        expected = painted(read(content), (0, 0, 1))
        assert np.abs(found - expected).max() <= 0.51  # rounded, and nothing more
        assert sorted(tree(tmp_path)) == ["in.png", "out.png"]

    def test_blend_and_strength_reach_the_net(self, stylize, painted, content, tmp_path):
        stylize(content, tmp_path / "out.png", style="wave+scream:0.8", strength=0.5)
        expected = painted(read(content), (0.6, 0.2, 0.2))
        assert np.abs(read(tmp_path / "out.png") - expected).max() <= 0.51

    def test_no_strength_is_the_picture_as_it_is(self, stylize, content, tmp_path):
        stylize(content, tmp_path / "none.png", style="wave", strength=0.0)
        stylize(content, tmp_path / "identity.png", style="identity")
        stylize(content, tmp_path / "full.png", style="wave")
        none, identity, full = (read(tmp_path / f"{n}.png") for n in ("none", "identity", "full"))
        assert np.array_equal(none, identity)
        assert np.array_equal(none, read(content))
        assert np.abs(full.astype(int) - none).mean() > 5

    @pytest.mark.parametrize("long_side, size", [(32, (24, 32)), (64, (48, 64)), (100, (75, 100))])
    def test_long_side(self, stylize, painted, content, tmp_path, long_side, size):
        stylize(content, tmp_path / "out.png", style="wave", long_side=long_side)
        found = read(tmp_path / "out.png")
        assert found.shape == (*size, 3)
        # As floats, since Pillow would round to levels before the net and we do not.
        channels = [
            Image.fromarray(channel).resize(size[::-1], Image.Resampling.BICUBIC)
            for channel in np.moveaxis(read(content).astype(np.float32), -1, 0)
        ]
        expected = painted(np.stack(channels, -1).clip(0, 255), (0, 1, 0))
        assert np.abs(found - expected).max() <= 1

    def test_colors_can_be_kept(self, stylize, content, tmp_path):
        stylize(content, tmp_path / "kept.png", style="wave", preserve_color="luminance")
        stylize(content, tmp_path / "plain.png", style="wave")
        rgb = read(tmp_path / "kept.png")
        inside = ((rgb > 0) & (rgb < 255)).all(-1)  # elsewhere a color had to give way
        assert inside.mean() > 0.7
        before, kept, plain = (
            np.array(Image.open(tmp_path / f"{n}.png").convert("YCbCr")).astype(int)
            for n in ("in", "kept", "plain")
        )
        assert np.abs(kept - before)[..., 1:][inside].max() <= 1
        assert np.abs(kept - plain)[..., 0][inside].max() <= 1
        assert np.abs(plain - before)[..., 1:].mean() > 3
        assert np.abs(kept - before)[..., 0].mean() > 3

    def test_an_older_picture_is_replaced(self, stylize, content, tmp_path):
        save(tmp_path / "out.png", 7, size=(20, 20))
        stylize(content, tmp_path / "out.png")
        assert read(tmp_path / "out.png").shape == (48, 64, 3)

    @pytest.mark.parametrize(
        "ending, kind", [("jpg", "JPEG"), ("webp", "WEBP"), ("tif", "TIFF"), ("bmp", "BMP")]
    )
    def test_the_ending_says_the_kind(self, stylize, content, tmp_path, ending, kind):
        stylize(content, tmp_path / f"out.{ending}")
        with Image.open(tmp_path / f"out.{ending}") as picture:
            assert picture.format == kind and picture.size == (64, 48)


class TestAlpha:
    """What is transparent stays so where the kind can say it, and lies on white elsewhere."""

    @pytest.fixture
    def sprite(self, tmp_path) -> Path:
        alpha = np.zeros((48, 64), np.uint8)
        alpha[:, 16:48], alpha[:, 48:] = 255, 100
        rgba = np.dstack([media.picture(0, (48, 64)), alpha])
        Image.fromarray(rgba).save(tmp_path / "sprite.png")
        return tmp_path / "sprite.png"

    @pytest.mark.parametrize("long_side", [None, 32])
    def test_is_that_of_the_content(self, stylize, sprite, tmp_path, long_side):
        stylize(sprite, tmp_path / "out.png", style="wave", long_side=long_side)
        with Image.open(tmp_path / "out.png") as picture:
            found = np.array(picture)
        size = (64, 48) if long_side is None else (32, 24)
        with Image.open(sprite) as picture:
            expected = picture.getchannel("A").resize(size, Image.Resampling.BICUBIC)
        assert np.abs(found[..., 3].astype(int) - np.asarray(expected)).max() <= 1

    def test_lies_on_white_in_a_bitmap(self, stylize, painted, sprite, tmp_path):
        stylize(sprite, tmp_path / "out.bmp", style="wave")
        with Image.open(sprite) as picture:
            white = Image.new("RGBA", picture.size, "white")
            flat = np.asarray(Image.alpha_composite(white, picture).convert("RGB"))
        expected = painted(flat, (0, 1, 0))
        assert np.abs(read(tmp_path / "out.bmp") - expected).max() <= 1


class TestFolder:
    def test_names_are_kept_and_each_picture_is_painted(self, stylize, painted, album, tmp_path):
        stylize(album, tmp_path / "out", style="wave")
        names = sorted(p.name for p in (tmp_path / "out").iterdir())
        assert names == ["a.png", "b.jpg", "c.png", "d.png", "e.JPG"]
        for source, name in zip(("a.png", "c.gif", "d.ppm"), ("a.png", "c.png", "d.png"), strict=1):
            expected = painted(read(album / source), (0, 1, 0))
            assert np.abs(read(tmp_path / "out" / name) - expected).max() <= 0.51

    def test_into_a_folder_that_is_there(self, stylize, album, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "other.txt").write_text("stays")
        stylize(album, out)
        assert len(tree(out)) == 6 and (out / "other.txt").read_text() == "stays"

    def test_two_that_would_get_one_name(self, stylize, album, tmp_path):
        save(album / "c.png")
        before = tree(tmp_path)
        with pytest.raises(InputError, match="two pictures .* c.png"):
            stylize(album, tmp_path / "out")
        assert tree(tmp_path) == before


def small(folder: Path) -> Path:
    return save(folder / "small.png", size=(15, 64))


def text(folder: Path) -> Path:
    (folder / "text.png").write_text("no picture")
    return folder / "text.png"


def half(folder: Path) -> Path:
    whole = save(folder / "half.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    return folder / "half.png"


def empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


class TestBadInput:
    """One line that names what is wrong, and the disk as it was."""

    def refused(self, stylize, content: Path, output: Path, root: Path, **options) -> str:
        before = tree(root)
        with pytest.raises(InputError) as caught:
            stylize(content, output, **options)
        assert tree(root) == before
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize(
        "make, part",
        [
            (lambda folder: folder / "none.png", "none.png"),
            (small, "64x15"),
            (text, "cannot be read"),
            (half, "cannot be read"),
        ],
        ids=["missing", "small", "text", "half"],
    )
    def test_content(self, stylize, tmp_path, make, part):
        content = make(tmp_path)
        assert part in self.refused(stylize, content, tmp_path / "out.png", tmp_path)

    def test_folder_without_pictures(self, stylize, tmp_path):
        message = self.refused(stylize, empty(tmp_path), tmp_path / "out", tmp_path)
        assert "no pictures" in message and "empty" in message

    @pytest.mark.parametrize("make", [small, text, half])
    def test_one_bad_picture_of_a_folder_is_left_out(self, stylize, album, tmp_path, make):
        name = make(album).name
        with pytest.warns(UserWarning, match=f"left out: .*{name}"):
            report = stylize(album, tmp_path / "out")
        assert [path.name for path in report.left_out] == [name]
        assert len(list((tmp_path / "out").iterdir())) == 5

    @pytest.mark.filterwarnings("default")
    def test_a_part_that_was_left_out_is_status_1(self, album, tiny_path, tmp_path, capsys):
        half(album)
        options = ["--checkpoint", str(tiny_path), "--method", "one-pass", "--quiet"]
        paths = ["--content-path", str(album), "--output", str(tmp_path / "out")]
        assert run(pictures, PictureConfig, None, [*paths, *options]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert "half.png" in lines[0] and "1 of 6 pictures could not be used" in lines[-1]

    def test_a_folder_of_bad_pictures_only(self, stylize, tmp_path):
        folder = empty(tmp_path)
        text(folder), half(folder)
        message = self.refused(stylize, folder, tmp_path / "out", tmp_path)
        assert "none of 2 pictures can be painted" in message

    @pytest.mark.parametrize(
        "output, part",
        [
            ("in.png", "overwrite"),
            ("album", "is a folder"),
            ("out.xyz", "its ending must be one of"),
            ("out", "its ending must be one of"),
            ("nowhere/out.png", "no folder"),
        ],
    )
    def test_output_of_a_picture(self, stylize, content, album, tmp_path, output, part):
        assert part in self.refused(stylize, content, tmp_path / output, tmp_path)

    def test_too_wide_for_the_kind_is_known_before_work(self, stylize, tmp_path):
        content = tmp_path / "wide.png"
        Image.new("RGB", (17000, 16)).save(content)
        message = self.refused(stylize, content, tmp_path / "out.webp", tmp_path)
        assert "17000x16" in message and "16383" in message

    def test_output_is_the_input_by_another_name(self, stylize, content, tmp_path):
        os.link(content, tmp_path / "link.png")
        message = self.refused(stylize, content, tmp_path / "link.png", tmp_path)
        assert "overwrite" in message

    @pytest.mark.parametrize(
        "output, part",
        [
            ("album", "--content-path"),
            ("out.png", "is a folder"),
            ("nowhere/out", "cannot make"),
            ("in.png", "is a folder"),
            ("file", "cannot make"),
        ],
    )
    def test_output_of_a_folder(self, stylize, content, album, tmp_path, output, part):
        (tmp_path / "file").write_text("a file")
        assert part in self.refused(stylize, album, tmp_path / output, tmp_path)

    @pytest.mark.parametrize("source", ["in.png", "album"])
    @pytest.mark.parametrize(
        "options, part",
        [
            ({"style": "monet"}, "wave, scream"),
            ({"style": "wave*x"}, "write it like"),
            ({"checkpoint": "none.safetensors"}, "none.safetensors"),
            ({"checkpoint": __file__}, "not a checkpoint"),
            ({"device": "toaster"}, "toaster"),
            ({"long_side": 18}, "at least 16"),
        ],
        ids=["style", "blend", "no-checkpoint", "not-a-checkpoint", "device", "long-side"],
    )
    def test_options(self, stylize, content, album, tmp_path, source, options, part):
        output = tmp_path / ("out.png" if source == "in.png" else "out")
        assert part in self.refused(stylize, tmp_path / source, output, tmp_path, **options)


class TestRegions:
    """Each of two pictures with a mask of its own, white on the left."""

    @pytest.fixture
    def masks(self, tmp_path) -> Path:
        (tmp_path / "masks").mkdir()
        for name, share in (("in", 0.5), ("a", 0.5), ("b", 0.25)):
            levels = np.zeros((48, 64), np.uint8)
            levels[:, : int(64 * share)] = 255
            Image.fromarray(levels).save(tmp_path / "masks" / f"{name}.png")
        return tmp_path / "masks"

    def test_each_side_has_its_style(self, stylize, painted, content, masks, tmp_path):
        region = ("255=wave:0.5", "background=wave+scream")
        stylize(content, tmp_path / "out.png", masks=masks / "in.png", region=region, feather=0)
        found = read(tmp_path / "out.png")
        half = painted(read(content), (0.5, 0.5, 0))
        blend = painted(read(content), (0, 0.5, 0.5))
        assert np.abs(found[:, :8] - half[:, :8]).max() <= 1
        assert np.abs(found[:, -8:] - blend[:, -8:]).max() <= 1
        assert np.abs(half - blend).mean() > 5

    def test_original_is_the_picture(self, stylize, content, masks, tmp_path):
        region = ("255=original", "background=wave")
        stylize(content, tmp_path / "out.png", masks=masks / "in.png", region=region, feather=0)
        found, given = read(tmp_path / "out.png").astype(int), read(content)
        assert np.abs(found[:, :32] - given[:, :32]).max() == 0
        assert np.abs(found[:, 32:] - given[:, 32:]).mean() > 5

    def test_a_folder_takes_a_folder_of_masks(self, stylize, masks, tmp_path):
        (tmp_path / "album").mkdir()
        for name in ("a", "b"):
            save(tmp_path / "album" / f"{name}.png")
        options = {"region": ("255=original",), "style": "wave", "feather": 0}
        stylize(
            tmp_path / "album",
            tmp_path / "out",
            masks=masks,
            mask_output=tmp_path / "plans",
            **options,
        )
        assert sorted(p.name for p in (tmp_path / "plans").iterdir()) == ["a.png", "b.png"]
        for name, column in (("a", 32), ("b", 16)):
            found = read(tmp_path / "out" / f"{name}.png").astype(int)
            gap = np.abs(found - read(tmp_path / "album" / f"{name}.png")).mean((0, 2))
            assert gap[:column].max() == 0 and gap[column:].mean() > 5

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"region": ("person",)}, "write it like person=wave"),
            ({"masks": Path("x.png")}, "--masks needs --region"),
            ({"region": ("255=wave",), "masks": Path("x.png")}, "no file x.png"),
        ],
    )
    def test_bad_input_writes_nothing(self, stylize, content, tmp_path, options, message):
        before = tree(tmp_path)
        with pytest.raises(InputError, match=message):
            stylize(content, tmp_path / "out.png", **options)
        assert tree(tmp_path) == before
