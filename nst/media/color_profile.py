"""Color profiles: from what a picture's numbers mean to sRGB."""

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms

# A profile's color space -> the mode of the pictures that it describes.
MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


class ProfileError(ValueError):
    """A profile that cannot be read, or that describes another kind of picture."""


def _srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the date of its making: the same picture gives the same file
    return bytes(profile)


SRGB = _srgb_profile()


def to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert a picture without alpha to sRGB, mode RGB, relative to its white.

    Args:
        picture: mode RGB, L or CMYK.
        profile: as the file has it (ICC).

    Raises:
        ProfileError: the profile is broken or is not for this mode.
    """
    if picture.mode == "L" and _mode_of(profile) == "RGB":
        picture = picture.convert("RGB")  # a gray picture by an editor that works in RGB
    transform = _transform(profile, picture.mode)
    return picture.convert("RGB") if transform is None else transform.apply(picture)


def lab_to_srgb(picture: Image.Image) -> Image.Image:
    """Convert a picture of mode LAB to sRGB, mode RGB."""
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")


def _mode_of(profile: bytes) -> str | None:
    return MODES.get(_opened(profile).profile.xcolor_space)


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    try:
        return ImageCms.ImageCmsProfile(BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ProfileError("its color profile cannot be read") from error


# Frames of a folder have one profile, and a transform from CMYK takes a while to build.
@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what converts to sRGB; None where the profile is sRGB, so that no level moves."""
    opened = _opened(profile)
    if _mode_of(profile) != mode:
        raise ProfileError("its color profile is for another kind of picture")
    if mode == "RGB" and "srgb" in (opened.profile.profile_description or "").lower():
        return None
    try:
        return ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ProfileError("its color profile cannot be used") from error
