"""Every kind of picture, read in one way. The second ways: Pillow, tifffile, OpenCV, closed forms.

What a file means is known because the test made it, or by another reader's answer.
"""

import os
import struct
import unicodedata
import zlib
from io import BytesIO
from pathlib import Path

import av
import media
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from nst.commands.stylize import stylize_pictures
from nst.core.tensors import to_uint8
from nst.errors import InputError
from nst.media.color_profile import SRGB
from nst.media.deep import likely_white, srgb_encoded
from nst.media.folders import list_pictures, walk_files
from nst.media.images import (
    check_size,
    load_image,
    load_image_and_alpha,
    load_mask,
    read_picture,
    save_image,
)
from nst.media.picture_file import MAX_PIXELS, is_picture, picture_size
from nst.media.picture_reader import read_pixels
from nst.options.stylize import PictureConfig
from nst.styles.pictures import find_styles

# EXIF with an undefined tag of a known number, as phones write it: Pillow cannot write it again.
ODD_EXIF = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack(
    "<HHHIHHHHIII", 2, 0x112, 3, 1, 6, 0, 0x11A, 7, 1, 1, 0
)
D65 = np.array([0.9505, 1.0, 1.089])


def levels(path: Path) -> np.ndarray:
    """Return what a picture is read as, on the scale of 0 to 255, without rounding."""
    return load_image(path)[0].permute(1, 2, 0).numpy() * 255


def ramp(size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """Return (H, W, 3) floats in [0, 1], each channel another slope."""
    y, x = np.mgrid[: size[0], : size[1]]
    height, width = size[0] - 1, size[1] - 1
    return np.stack([x / width, y / height, (x + y) / (width + height)], -1)


class TestDeep:
    """16-bit and float pictures keep their values."""

    def test_16_bit_grays_and_colors_of_png(self, tmp_path):
        values = (ramp() * 65535).round().astype(np.uint16)
        Image.fromarray(values[..., 0]).save(tmp_path / "gray.png")
        write_png16(tmp_path / "rgb.png", values)
        write_png16(tmp_path / "rgba.png", np.dstack([values, values[..., 0]]))
        gray = np.repeat(values[..., :1], 3, 2)
        np.testing.assert_allclose(levels(tmp_path / "gray.png"), gray / 257, atol=1e-3)
        np.testing.assert_allclose(levels(tmp_path / "rgb.png"), values / 257, atol=1e-3)
        image, alpha = load_image_and_alpha(tmp_path / "rgba.png")
        np.testing.assert_allclose(alpha[0, 0].numpy(), values[..., 0] / 65535, atol=1e-6)
        visible = values[..., 0] > 0
        found = image[0].permute(1, 2, 0).numpy()[visible]
        np.testing.assert_allclose(found, values[visible] / 65535, atol=1e-6)

    @pytest.mark.parametrize("planar", ["contig", "separate"])
    @pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64])
    def test_tiffs_of_colors(self, tmp_path, kind, planar):
        top = 65535 if kind is np.uint16 else 1
        values = (ramp() * top).astype(kind)
        stored = values if planar == "contig" else np.moveaxis(values, -1, 0).copy()
        path = tmp_path / "x.tif"
        tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar)
        np.testing.assert_allclose(levels(path), values / top * 255, atol=1e-3)
        assert picture_size(path) == (24, 32)

    @pytest.mark.parametrize("brightest", [1.0, 7.5, 255.0, 65535.0])
    def test_floats_are_scaled_by_what_white_must_be(self, tmp_path, brightest):
        values = (ramp()[..., 0] * brightest).astype(np.float32)
        values[:4], values[4, 0] = -3.0, np.nan
        tifffile.imwrite(tmp_path / "x.tif", values)
        white = brightest if brightest > 16 else 1.0
        expected = (np.nan_to_num(values) / white).clip(0, 1) * 255
        found = levels(tmp_path / "x.tif")
        np.testing.assert_allclose(found, np.repeat(expected[..., None], 3, 2), atol=1e-3)

    @pytest.mark.parametrize(
        "brightest, white", [(0, 1), (16, 1), (17, 255), (300, 65535), (1e6, 1e6)]
    )
    def test_white_of_floats(self, brightest, white):
        assert likely_white(brightest) == white

    def test_scans_whose_0_is_white(self, tmp_path):
        values = (ramp()[..., 0] * 65535).astype(np.uint16)
        tifffile.imwrite(tmp_path / "x.tif", values, photometric="miniswhite")
        found = levels(tmp_path / "x.tif")[..., 0]
        np.testing.assert_allclose(found, 255 - values / 257, atol=1e-3)

    def test_colors_multiplied_by_alpha_are_divided(self, tmp_path):
        alpha = np.full((24, 32, 1), 0.5)
        stored = (np.dstack([ramp() * alpha, alpha]) * 65535).round().astype(np.uint16)
        path = tmp_path / "x.tif"
        tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["assocalpha"])
        image, found = load_image_and_alpha(path)
        np.testing.assert_allclose(image[0].permute(1, 2, 0).numpy(), ramp(), atol=1e-4)
        np.testing.assert_allclose(found.numpy(), 0.5, atol=1e-4)

    def test_exr_is_encoded_from_linear_light(self, tmp_path):
        light = ramp().astype(np.float32)
        write_film(tmp_path / "x.exr", light)
        expected = np.array([srgb(v) for v in light.ravel()]).reshape(light.shape)
        np.testing.assert_allclose(levels(tmp_path / "x.exr"), expected * 255, atol=0.01)
        assert picture_size(tmp_path / "x.exr") == (24, 32) and is_picture(tmp_path / "x.exr")

    def test_srgb_curve_at_known_points(self):
        np.testing.assert_allclose(
            srgb_encoded(np.array([0.0, 0.0031308, 0.214041, 1.0])), [0, 0.04045, 0.5, 1], atol=1e-5
        )

    def test_dpx_keeps_its_10_bits(self, tmp_path):
        values = (ramp() * 1023).round().astype(np.uint16)
        write_film(tmp_path / "x.dpx", values)
        np.testing.assert_allclose(levels(tmp_path / "x.dpx"), values / 1023 * 255, atol=1e-3)


def srgb(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * float(light) ** (1 / 2.4) - 0.055


def write_png16(path: Path, values: np.ndarray) -> None:
    import cv2

    channels = [2, 1, 0, 3][: values.shape[2]]
    assert cv2.imwrite(str(path), values[..., channels])


def write_film(path: Path, values: np.ndarray) -> None:
    """Write an OpenEXR of floats or a 10-bit DPX by FFmpeg's encoders."""
    kind = path.suffix[1:]
    frame = av.VideoFrame.from_ndarray(values, format="gbrpf32le" if kind == "exr" else "gbrp10le")
    context = av.CodecContext.create(kind, "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.framerate = 25
    path.write_bytes(b"".join(bytes(p) for f in (frame, None) for p in context.encode(f)))


class TestColorProfiles:
    def test_display_p3_is_what_its_primaries_say(self, tmp_path):
        """Closed form: the patch in XYZ by P3's primaries, from there to sRGB's."""
        patches = np.array(
            [(200, 60, 60), (60, 180, 60), (60, 60, 200), (220, 160, 120), (90,) * 3]
        )
        expected = convert(patches, P3, (1.0,), SRGB_PRIMARIES)
        path = patch_picture(tmp_path / "p3.png", patches, icc(P3, curve=None))
        found = read_picture(path)
        for index, color in enumerate(expected):
            np.testing.assert_allclose(found.getpixel((8 + 16 * index, 8)), color, atol=1.6)

    @pytest.mark.parametrize("name", ["photo.png", "photo.jpg"])
    def test_a_display_p3_photo_keeps_its_look(self, tmp_path, tiny_path, name):
        """From file to file with no style: within 4 levels, by LittleCMS's word."""
        Image.fromarray(media.picture(0)).save(
            tmp_path / name, icc_profile=icc(P3, None), quality=97, subsampling=0
        )
        config = PictureConfig(
            content_path=tmp_path / name, output=tmp_path / f"out-{name}", method="one-pass",
            checkpoint=str(tiny_path), strength=0.0, device="cpu", quiet=True,
        )  # fmt: skip
        stylize_pictures(config)
        looks = []
        for path in (config.content_path, config.output):
            with Image.open(path) as picture:
                profile = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
                target = ImageCms.createProfile("sRGB")
                look = ImageCms.profileToProfile(picture.convert("RGB"), profile, target)
            looks.append(np.asarray(look).astype(int))
        untold = np.abs(looks[0] - media.picture(0)).max()  # what ignoring the profile would cost
        assert np.abs(looks[0] - looks[1]).max() <= 4 < untold

    def test_gamma_of_adobe_rgb(self, tmp_path):
        patches = np.array([(128, 128, 128), (100, 140, 100), (140, 110, 150)])
        expected = convert(patches, ADOBE, (563 / 256,), SRGB_PRIMARIES)
        path = patch_picture(tmp_path / "adobe.png", patches, icc(ADOBE, 563 / 256))
        found = read_picture(path)
        for index, color in enumerate(expected):
            np.testing.assert_allclose(found.getpixel((8 + 16 * index, 8)), color, atol=1.6)

    def test_srgb_moves_no_level(self, tmp_path):
        array = media.picture(0)
        Image.fromarray(array).save(tmp_path / "x.png", icc_profile=SRGB)
        assert np.array_equal(np.asarray(read_picture(tmp_path / "x.png")), array)

    def test_a_profile_of_rgb_on_a_gray_picture(self, tmp_path):
        grays = np.arange(0, 256, 8, dtype=np.uint8)[None].repeat(8, 0)
        Image.fromarray(grays).save(tmp_path / "x.png", icc_profile=icc(P3, 1.0))
        expected = [255 * srgb(v / 255) for v in grays[0]]
        found = np.asarray(read_picture(tmp_path / "x.png"))[0, :, 1]
        np.testing.assert_allclose(found, expected, atol=1.2)

    def test_alpha_and_turn_stay_with_the_colors(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        array = np.dstack([media.picture(0), np.full((64, 96), 128, np.uint8)])
        Image.fromarray(array).save(tmp_path / "x.png", exif=exif, icc_profile=icc(P3, None))
        pixels = read_pixels(tmp_path / "x.png")
        assert pixels.colors.shape == (96, 64, 3) and (pixels.alpha == 128).all()
        profile = ImageCms.ImageCmsProfile(tmp_path_profile(tmp_path))
        expected = ImageCms.profileToProfile(
            Image.fromarray(media.picture(0)), profile, ImageCms.createProfile("sRGB")
        )
        np.testing.assert_allclose(
            pixels.colors.astype(int), np.rot90(np.asarray(expected), -1).astype(int), atol=1
        )

    def test_of_16_bits_too(self, tmp_path):
        patches = np.array([(200, 60, 60), (90, 90, 90)])
        values = (patches[None].repeat(8, 0).repeat(8, 1) * 257).astype(np.uint16)
        path = tmp_path / "x.tif"
        tifffile.imwrite(path, values, photometric="rgb", iccprofile=icc(P3, None))
        found = np.asarray(read_picture(path))[4, 4::8]
        np.testing.assert_allclose(found, convert(patches, P3, (1.0,), SRGB_PRIMARIES), atol=1.6)

    def test_one_that_is_broken_is_named_and_left_out(self, tmp_path):
        array = media.picture(0)
        Image.fromarray(array).save(tmp_path / "x.png", icc_profile=b"no profile at all" * 20)
        with pytest.warns(UserWarning, match="x.png: its color profile"):
            found = read_picture(tmp_path / "x.png")
        assert np.array_equal(np.asarray(found), array)

    def test_masks_are_read_as_stored(self, tmp_path):
        array = np.full((8, 8, 3), (255, 0, 0), np.uint8)
        clear = np.dstack([array, np.zeros((8, 8), np.uint8)])
        Image.fromarray(array).save(tmp_path / "x.png", icc_profile=icc(ADOBE, 1.8))
        Image.fromarray(clear).save(tmp_path / "clear.png")
        assert np.array_equal(to_uint8(load_mask(tmp_path / "x.png")), array)
        assert load_mask(tmp_path / "clear.png").max() == 0


P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


def to_xyz(primaries: tuple) -> np.ndarray:
    """Return the matrix from linear RGB to XYZ, white D65."""
    matrix = np.stack([[x / y, 1, (1 - x - y) / y] for x, y in primaries], 1)
    return matrix * np.linalg.solve(matrix, D65)


def convert(colors: np.ndarray, source: tuple, gamma: tuple, target: tuple) -> np.ndarray:
    """Convert 8-bit colors between primaries; a gamma of 1 stands for the sRGB curve."""
    encoded = colors / 255
    if gamma == (1.0,):
        low = encoded / 12.92
        light = np.where(encoded <= 0.04045, low, ((encoded + 0.055) / 1.055) ** 2.4)
    else:
        light = encoded ** gamma[0]
    light = light @ (np.linalg.inv(to_xyz(target)) @ to_xyz(source)).T
    return 255 * np.vectorize(srgb)(light.clip(0, 1))


def icc(primaries: tuple, curve: float | None) -> bytes:
    """Return a matrix profile, ICC version 2; a curve of None is sRGB's, else its gamma."""
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    d50 = np.array([0.9642, 1.0, 0.8249])
    gain = np.diag((bradford @ d50) / (bradford @ D65))
    matrix = np.linalg.inv(bradford) @ gain @ bradford @ to_xyz(primaries)

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    if curve is None:
        x = np.linspace(0, 1, 1024)
        table = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
        trc = b"curv\0\0\0\0" + struct.pack(">I", 1024)
        trc += b"".join(struct.pack(">H", round(v * 65535)) for v in table)
    else:
        trc = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(curve * 256)) + b"\0\0"
    name = b"test\0"
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)}
    tags |= {b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(d50)}
    for index, channel in enumerate((b"r", b"g", b"b")):
        tags |= {channel + b"XYZ": xyz(matrix[:, index]), channel + b"TRC": trc}
    body, table = b"", struct.pack(">I", len(tags))
    for mark, data in tags.items():
        table += mark + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4x4s4s4s4s", 0, b"\2\x10\0\0", b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    whole = bytearray(head.ljust(128, b"\0") + table + body)
    whole[:4] = struct.pack(">I", len(whole))
    return bytes(whole)


def tmp_path_profile(folder: Path) -> str:
    (folder / "p3.icc").write_bytes(icc(P3, None))
    return str(folder / "p3.icc")


def patch_picture(path: Path, patches: np.ndarray, profile: bytes) -> Path:
    array = patches.astype(np.uint8)[None].repeat(16, 0).repeat(16, 1)
    Image.fromarray(array).save(path, icc_profile=profile)
    return path


class TestExif:
    @pytest.mark.filterwarnings("ignore::UserWarning:PIL")
    def test_what_pillow_stumbles_over_is_no_traceback(self, tmp_path):
        Image.fromarray(media.picture(0)).save(tmp_path / "x.jpg", exif=ODD_EXIF, quality=95)
        array = np.asarray(read_picture(tmp_path / "x.jpg")).astype(int)
        assert array.shape == (96, 64, 3)
        assert np.abs(array - np.rot90(media.picture(0), -1)).mean() < 3

    @pytest.mark.filterwarnings("ignore::UserWarning:PIL")
    @pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage" * 9, ODD_EXIF[:20], b"II*\0"])
    def test_broken_exif_is_ignored(self, tmp_path, exif):
        Image.fromarray(media.picture(0)).save(tmp_path / "x.jpg", exif=exif)
        assert (
            read_picture(tmp_path / "x.jpg").size
            == (96, 64)
            == picture_size(tmp_path / "x.jpg")[::-1]
        )

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif"])
    def test_size_and_pixels_are_as_pillow_turns_them(self, tmp_path, orientation, ending):
        path, exif = tmp_path / f"x{ending}", Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(media.picture(0)).save(path, exif=exif)
        with Image.open(path) as picture:
            expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        assert np.array_equal(np.asarray(read_picture(path)), expected)
        assert picture_size(path) == expected.shape[:2]


class TestKinds:
    @pytest.mark.parametrize(
        "name, kind",
        [("x.jfif", "JPEG"), ("x.jpe", "JPEG"), ("x.avif", "AVIF"), ("x.tga", "TGA")]
        + [("x.jp2", "JPEG2000"), ("x.psd", "PNG"), ("download", "PNG"), ("photo.txt", "WEBP")],
    )
    def test_content_tells_the_kind(self, tmp_path, name, kind):
        Image.fromarray(media.picture(0)).save(tmp_path / name, format=kind)
        with Image.open(tmp_path / name) as picture:
            expected = np.asarray(picture.convert("RGB"))
        assert is_picture(tmp_path / name)
        assert np.array_equal(np.asarray(read_picture(tmp_path / name)), expected)

    @pytest.mark.parametrize("content", [b"", b"text\n" * 99, bytes(999), b"\0\0\2" * 99])
    def test_what_is_no_picture(self, tmp_path, content):
        (tmp_path / "file").write_bytes(content)
        assert not is_picture(tmp_path / "file")

    def test_a_clip_is_no_picture(self, tmp_path):
        assert not is_picture(media.make_clip(tmp_path / "x.mp4", frames=2))

    def test_heic_names_its_plug_in(self, tmp_path):
        if "HEIF" in Image.OPEN:
            pytest.skip("the plug-in is installed")
        (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
        with pytest.raises(InputError, match="x.heic is a HEIC picture: pip install pillow-heif"):
            read_picture(tmp_path / "x.heic")

    def test_strips(self, tmp_path):
        array = media.picture(0, (32, 1280))
        Image.fromarray(array).save(tmp_path / "x.png")
        assert np.array_equal(np.asarray(read_picture(tmp_path / "x.png")), array)


class TestLarge:
    @pytest.mark.parametrize("ending, mode", [(".jpg", "RGB"), (".png", "RGBA"), (".png", "P")])
    def test_reduced_decoding_is_the_picture_smaller(self, tmp_path, ending, mode):
        whole = Image.fromarray(media.picture(0, (1200, 1600))).convert(mode)
        whole.save(tmp_path / f"x{ending}")
        pixels = read_pixels(tmp_path / f"x{ending}", long_side=100)
        height, width = pixels.colors.shape[:2]
        assert 200 <= width <= 400 and abs(width / height - 4 / 3) < 0.02
        assert pixels.size == (1200, 1600)
        expected = np.asarray(read_picture(tmp_path / f"x{ending}").resize((100, 75), Image.BOX))
        found = np.asarray(Image.fromarray(pixels.colors).resize((100, 75), Image.BOX))
        assert np.abs(found.astype(int) - expected).mean() < 1

    def test_a_little_larger_is_decoded_whole(self, tmp_path):
        Image.fromarray(media.picture(0, (120, 160))).save(tmp_path / "x.png")
        assert read_pixels(tmp_path / "x.png", long_side=50).colors.shape == (120, 160, 3)

    def test_too_many_pixels_are_refused_by_the_header(self, tmp_path):
        side = int(MAX_PIXELS**0.5) + 1
        path = tmp_path / "bomb.png"
        data = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", data) + chunk(b"IDAT", b"x" * 9))
        for read in (read_picture, picture_size):
            with pytest.raises(InputError, match="too large.* megapixels can be read"):
                read(path)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


class TestWriting:
    @pytest.mark.parametrize("ending", [".png", ".webp", ".tif"])
    def test_alpha_comes_back(self, tmp_path, ending):
        array = np.dstack([media.picture(0), media.picture(1)[..., 0]])
        Image.fromarray(array).save(tmp_path / "in.png")
        image, alpha = load_image_and_alpha(tmp_path / "in.png")
        save_image(image, tmp_path / f"o{ending}", alpha)
        with Image.open(tmp_path / f"o{ending}") as picture:
            assert picture.mode == "RGBA"
            found = np.asarray(picture)
        assert np.array_equal(found[..., 3], array[..., 3])
        assert np.abs(found[..., :3].astype(int) - array[..., :3]).mean() < 3

    @pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif"])
    def test_pictures_say_that_they_are_srgb(self, tmp_path, ending):
        Image.fromarray(media.picture(0)).save(tmp_path / "in.png")
        save_image(load_image(tmp_path / "in.png"), tmp_path / f"out{ending}")
        with Image.open(tmp_path / f"out{ending}") as picture:
            profile = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)

    @pytest.mark.parametrize("ending, longest", [(".webp", 16383), (".jpg", 65535)])
    def test_too_wide_for_the_kind(self, tmp_path, ending, longest):
        check_size(tmp_path / f"x{ending}", (16, longest))
        with pytest.raises(InputError, match=f"{longest} at most: write .png"):
            check_size(tmp_path / f"x{ending}", (16, longest + 1))


class TestFolders:
    def save(self, path: Path, **options) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(media.picture(0)).save(path, **options)
        return path

    def test_pictures_by_content_in_natural_order(self, tmp_path):
        names = ["f2.png", "f10.png", "f².png", "scan"]
        for name in names:
            self.save(tmp_path / name, format="PNG")
        (tmp_path / "._f2.png").write_bytes(b"\0\5\x16\7" + bytes(100))
        (tmp_path / "Thumbs.db").write_bytes(bytes(100))
        assert [file.name for file in list_pictures(tmp_path)] == names

    def test_what_is_left_out_is_said(self, tmp_path):
        self.save(tmp_path / "a.jpg")
        (tmp_path / "notes.txt").write_text("text")
        media.make_clip(tmp_path / "clip.mp4", frames=2)
        with pytest.warns(UserWarning, match="2 files left out, such as clip.mp4"):
            assert len(list_pictures(tmp_path)) == 1

    def test_linked_folders_are_followed_once(self, tmp_path):
        photo = self.save(tmp_path / "set" / "a.png")
        (tmp_path / "all").mkdir()
        (tmp_path / "all" / "one").symlink_to(photo.parent)
        (tmp_path / "all" / "two").symlink_to(photo.parent)
        (photo.parent / "round").symlink_to(tmp_path / "all")
        found = list(walk_files(tmp_path / "all"))
        assert [file.resolve() for file in found] == [photo.resolve()]

    def test_one_that_cannot_be_read_is_one_line(self, tmp_path, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "listdir", refuse)
        with pytest.raises(InputError, match="cannot be read: Permission denied"):
            list_pictures(tmp_path)

    def test_styles_of_a_mac_have_composed_names(self, tmp_path):
        self.save(tmp_path / (unicodedata.normalize("NFD", "café") + ".png"))
        (name,) = find_styles(tmp_path, "identity")
        assert name == unicodedata.normalize("NFC", "café")
