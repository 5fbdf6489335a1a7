"""How loud the sound of a video is, all along."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import numpy as np

from nst.errors import InputError
from nst.media.demux import open_media
from nst.media.frames import StreamInfo

STEP = Fraction(1, 20)  # seconds of sound to a level
RATE = 8000  # samples a second, enough to tell how loud it is
# Levels in decibels below the loudest twentieth of a clip that count as silence; and the standard
# deviation, in seconds, of the Gaussian that smooths them: what blinks with every beat flickers.
RANGE, SMOOTHING = 30.0, 0.12


def loudness(info: StreamInfo) -> np.ndarray:
    """Return how loud a video is, from 0 for silence to 1, every `STEP` seconds from its begin.

    The level is the root mean square of all channels in decibels, on a scale of `RANGE` below the
    clip's own loudest parts, smoothed.

    Raises:
        InputError: it has no sound, or none that can be decoded.
    """
    powers = _powers(info.path, info.begin, info.end) if info.path else np.zeros(0)
    if not powers.any():
        raise InputError(f"{info.path or 'a folder of frames'} has no sound to follow")
    levels = 10 * np.log10(powers + 1e-12)
    levels = np.clip(1 + (levels - np.percentile(levels, 95)) / RANGE, 0, 1)
    deviation = SMOOTHING / float(STEP)
    reach = round(3 * deviation)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    padded = np.pad(levels, reach, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), "valid")


def _powers(path: Path, begin: Fraction, end: Fraction | None) -> np.ndarray:
    """Return the mean square of the sound in each step of a span."""
    sums, counts = np.zeros(0), np.zeros(0)
    last = np.inf if end is None else ceil((end - begin) / STEP)
    try:
        with open_media(path) as file:
            if not file.streams.audio:
                return sums
            stream = file.streams.audio[0]
            to_mono = av.AudioResampler("flt", "mono", RATE)
            if begin > 1:
                file.seek(int((begin - 1) * av.time_base))
            for frame in file.decode(stream):
                if frame.time is None or (end is not None and frame.time >= end):
                    continue
                first = (Fraction(frame.pts) * frame.time_base - begin) * RATE
                for part in to_mono.resample(frame):
                    samples = part.to_ndarray()[0].astype(float)
                    steps = (int(first) + np.arange(len(samples))) // int(RATE * STEP)
                    first += len(samples)
                    inside = (steps >= 0) & (steps < last)
                    samples, steps = samples[inside], steps[inside]
                    if len(steps):
                        more = max(0, steps[-1] + 1 - len(sums))
                        sums, counts = (np.pad(each, (0, more)) for each in (sums, counts))
                        np.add.at(sums, steps, samples**2)
                        np.add.at(counts, steps, 1)
    except av.FFmpegError as error:
        if not sums.any():
            raise InputError(f"{path}: its sound cannot be decoded: {error.strerror}") from None
    return sums / np.maximum(counts, 1)
