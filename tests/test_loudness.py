"""How loud a sound is, by tones whose level is known."""

import wave
from fractions import Fraction

import numpy as np
import pytest

from nst.errors import InputError
from nst.media.frames import StreamInfo
from nst.media.loudness import RANGE, STEP, loudness

RATE = 16000


def info_of(path, begin=0, end=None):
    times = {"begin": Fraction(begin), "end": end and Fraction(end)}
    return StreamInfo((48, 64), Fraction(25), Fraction(1, 25), path=path, **times)


@pytest.fixture
def tones(tmp_path):
    """A second each of silence, full level, half of the range below it, full level."""
    times = np.arange(RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * times)
    parts = [0 * tone, tone, tone * 10 ** (-RANGE / 2 / 20), tone]
    with wave.open(str(tmp_path / "tones.wav"), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        samples = (np.concatenate(parts) * 32767).astype("<i2")
        file.writeframes(samples.repeat(2).tobytes())
    return tmp_path / "tones.wav"


def test_levels_are_decibels_below_the_loudest(tones):
    found = loudness(info_of(tones))
    assert len(found) == 4 / STEP
    middles = found[[10, 30, 50, 70]]
    np.testing.assert_allclose(middles, [0, 1, 0.5, 1], atol=0.02)
    assert np.abs(np.diff(found)).max() < 0.25  # no step is sudden


def test_a_span_has_its_own_levels(tones):
    found = loudness(info_of(tones, 1, 3))
    assert len(found) == 2 / STEP
    np.testing.assert_allclose(found[[10, 30]], [1, 0.5], atol=0.02)


def test_without_sound_it_is_said(tones, tmp_path):
    with pytest.raises(InputError, match="a folder of frames has no sound to follow"):
        loudness(info_of(None))
    with wave.open(str(tmp_path / "silent.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * RATE))
    with pytest.raises(InputError, match="silent.wav has no sound to follow"):
        loudness(info_of(tmp_path / "silent.wav"))
