"""What a picture's file says before it is decoded: its kind, its size, how it is turned."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from nst.errors import InputError
from nst.media.deep import film_kind, film_size

with suppress(ImportError):  # HEIC, the kind that iPhones write, where the plug-in is installed
    from pillow_heif import register_heif_opener

    register_heif_opener()

# The largest picture that is read: phones have 200 megapixels. Eight bits of it are 800 MB. Pillow
# itself refuses twice its limit, which would be 179 megapixels.
MAX_PIXELS = 2**28
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

# Kinds that are known by how they begin, and decoded without running another program.
FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP", "DIB", "PPM", "JPEG2000"),
    *("PSD", "ICO", "ICNS", "PCX", "SGI", "DDS", "QOI", "SUN", "JXL"),
)
# Endings that show that a name is meant as a picture, even where there is no such file.
READABLE = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".heic", ".heif"),
    *(".gif", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pnm", ".jp2", ".jpx", ".tga", ".psd"),
    *(".exr", ".dpx", ".hdr"),
)
# TGA files say nothing of their kind: nearly any file could be one.
TGA_ENDINGS = (".tga", ".icb", ".vda", ".vst")
TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
# TIFF's tags.
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC, EXTRA_SAMPLES = 0x0112, 258, 262, 338
WIDTH, HEIGHT, PLANES = 256, 257, 284


def picture_size(path: Path) -> tuple[int, int]:
    """Return the upright (height, width) of a picture, from its header alone.

    Raises:
        InputError: no such file, not a picture or too large.
    """
    with explained(path):
        return header_of(path)[0]


def is_picture(path: Path) -> bool:
    """Tell whether a file is a picture of a known kind, by its content; it may be broken."""
    try:
        with open(path, "rb") as file:
            head = file.read(32)
        if film_kind(head) or _is_heic(head):
            return True
        with open_picture(path):
            return True
    except UnidentifiedImageError:
        return head.startswith(TIFF_MARKS)
    except OSError:
        return False
    except Exception:
        return True  # its kind was recognized, and what follows is broken


@contextmanager
def explained(path: object) -> Iterator[None]:
    """Turn what decoders raise into an InputError that names the file and the cure."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"no file {path}: check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder: give a picture") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be opened: you have no right to read it") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise InputError(_too_large(path)) from error
    except Exception as error:
        # For a broken file Pillow's readers raise nearly every kind of error, struct.error,
        # KeyError and ZeroDivisionError among them. None of them is worth a traceback.
        raise InputError(_why_unreadable(path)) from error


def head_of(path: Path | BinaryIO) -> bytes:
    """Return the first bytes of a file, which tell its kind; none of what is no file."""
    if not isinstance(path, Path):
        return b""
    if path.is_fifo() or path.is_char_device():  # which would be waited for, without an end
        raise InputError(f"{path} is a pipe or a device: save what it gives as a file")
    with open(path, "rb") as file:
        return file.read(32)


def open_picture(path: Path | BinaryIO) -> Image.Image:
    """Open a picture by Pillow, by its content."""
    is_tga = isinstance(path, Path) and path.suffix.lower() in TGA_ENDINGS
    Image.init()
    known = [name for name in (*FORMATS, *(["TGA"] if is_tga else [])) if name in Image.OPEN]
    return Image.open(path, formats=known)


def header_of(path: Path) -> tuple[tuple[int, int], int]:
    """Return a picture's upright (height, width), and its orientation by EXIF, 1 to 8."""
    head = head_of(path)
    if kind := film_kind(head):
        size, orientation = film_size(path, kind), 1
    else:
        try:
            with open_picture(path) as picture:
                # Pillow decodes all of a PNG to look for EXIF at its end.
                plain = picture.format == "PNG" and not _has_metadata(path)
                orientation = 1 if plain else orientation_of(picture)
                size = _upright_size(picture, orientation)
        except UnidentifiedImageError:
            if not head.startswith(TIFF_MARKS):
                raise
            stored, orientation = _tiff_header(path)
            size = stored[::-1] if orientation >= 5 else stored
    check_size(path, size)
    return size, orientation


def _has_metadata(path: Path) -> bool:
    """Tell whether a PNG has EXIF or a text that may hold XMP, by the names of its chunks."""
    with open(path, "rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            if head[4:] in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return False


def _tiff_header(path: Path) -> tuple[tuple[int, int], int]:
    """Return a TIFF's (height, width) as stored and its orientation, of any kind of channels."""
    tags = tiff_tags(path)
    orientation = tags.get(ORIENTATION, 1)
    return (int(tags[HEIGHT]), int(tags[WIDTH])), orientation if orientation in range(1, 9) else 1


def tiff_tags(path: Path) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Return the tags of a TIFF's first page."""
    with open(path, "rb") as file:
        head = file.read(8)
        big = 43 in head[2:4]
        tags = TiffImagePlugin.ImageFileDirectory_v2(head + (file.read(8) if big else b""))
        file.seek(tags.next)
        tags.load(file)
    return tags


def check_size(path: object, size: tuple[int, int]) -> None:
    """Refuse a picture that is too large to be read.

    Raises:
        InputError: says how large it is, and the limit.
    """
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(_too_large(path, size))


def _too_large(path: object, size: tuple[int, int] | None = None) -> str:
    shape = f" of {size[1]}x{size[0]} pixels" if size else ""
    return (
        f"{path} is too large{shape}: at most {MAX_PIXELS // 10**6} megapixels can be read; "
        "make it smaller in an image editor first"
    )


def _why_unreadable(path: object) -> str:
    with suppress(OSError):
        if isinstance(path, Path) and _is_heic(head_of(path)):
            return f"{path} is a HEIC picture: pip install pillow-heif, or save it as JPEG"
    return f"{path} cannot be read as a picture: give a JPEG, PNG or the like that is not damaged"


def _is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS and b"avif" not in head


def orientation_of(picture: Image.Image) -> int:
    """Return an open picture's orientation by EXIF, 1 to 8."""
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # cameras and editors break EXIF in every way; the picture is still good
        return 1
    return orientation if orientation in range(1, 9) else 1


def _upright_size(picture: Image.Image, orientation: int) -> tuple[int, int]:
    """Return an open picture's upright (height, width); of a TIFF Pillow says it so itself."""
    turned = orientation >= 5 and picture.format != "TIFF"
    return picture.size if turned else picture.size[::-1]
