"""Which frames are painted: what `--keyframe` says, read and checked before any long work."""

import re
from pathlib import Path

from nst.errors import InputError
from nst.media.frames import StreamInfo
from nst.media.picture_reader import read_pixels
from nst.options.stylize import VideoConfig
from nst.styles.schedule import TIME, UNITS, Clock

WRITTEN = re.compile(rf"\s*{TIME}\s*=(.+)", re.DOTALL)


def parse_keyframe(text: str) -> tuple[float, str, Path]:
    """Read `TIME=PICTURE` into the time, its unit (s, f or %) and the picture's path.

    Raises:
        InputError: it cannot be read.

    >>> parse_keyframe("120f=b.png")
    (120.0, 'f', PosixPath('b.png'))
    """
    match = WRITTEN.fullmatch(text)
    if match is None:
        raise InputError(
            f"--keyframe {text!r} is no time with a picture: write it like 1.5=key.png, "
            "120f=key.png or 50%=key.png"
        )
    number, unit, path = match.groups()
    return float(number), unit or "s", Path(path.strip()).expanduser()


def check_keyframes(config: VideoConfig, info: StreamInfo) -> None:
    """Refuse keyframes that cannot be used, and options that paint otherwise than by them.

    Raises:
        InputError: names the option, or the keyframe.
    """
    if not config.keyframe:
        return
    given = {
        "--style": config.style,
        "--style-path": config.style_path,
        "--style-at": config.style_at,
        "--style-to": config.style_to,
        "--region": config.region,
        "--strength": config.strength != 1 or config.strength_at is not None,
    }
    for flag, value in given.items():
        if value:
            raise InputError(f"--keyframe says what is painted: leave out {flag}")
    keyframe_numbers(config, info)
    for text in config.keyframe:
        read_pixels(parse_keyframe(text)[2])


def keyframe_numbers(config: VideoConfig, info: StreamInfo) -> dict[int, str]:
    """Return the number of each painted frame, from 0 on, with what was written for it.

    Raises:
        InputError: the video has no such frame, or two are the same.
    """
    clock, found = Clock.of(info), dict[int, str]()
    for text in config.keyframe:
        time, unit, _ = parse_keyframe(text)
        number = _frame_number(text, time, unit, clock)
        if number in found:
            raise InputError(f"--keyframe {found[number]} and {text} are both of frame {number}")
        found[number] = text
    return dict(sorted(found.items()))


def _frame_number(text: str, time: float, unit: str, clock: Clock) -> int:
    length = clock.length(unit)
    if length is None and unit == "%":
        raise InputError(f"--keyframe {text}: the video's length is not known: give seconds")
    if unit == "f" and time != int(time):
        raise InputError(f"--keyframe {text}: frames are whole numbers, counted from 0")
    if unit == "%":
        number = round(time / 100 * ((clock.frames or 1) - 1))
    else:
        number = round(time if unit == "f" else time * clock.rate)
    if length is not None and (time > length or number >= (clock.frames or 1)):
        raise InputError(
            f"--keyframe {text} is after the end, the clip has {length:.6g} {UNITS[unit]}"
        )
    return number
