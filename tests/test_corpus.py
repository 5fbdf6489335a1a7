"""The corpus through the product with the net left out, read back by a second reader.

`pytest -m corpus tests/test_corpus.py` runs all of it; without the mark only its fast part runs.
"""

import warnings

import av
import numpy as np
import pytest
from corpus import CASES, Case, make
from second_reader import Seen, look


def expected_times(case: Case, before: Seen) -> np.ndarray:
    """Return the frames' times, the first at 0; those of a bare stream by its rate."""
    if any(time is None for time in before.times) or not before.times:
        return np.arange(len(before.pictures)) / float(case.rate)
    times = np.array(before.times)
    steps = np.diff(times)
    # Where a clock was set anew, what follows goes on after one frame.
    steps[(steps < -0.05) | (steps > 9)] = 1 / float(case.rate)
    return np.concatenate([[0], np.cumsum(steps)])


def run(case: Case, no_net, tmp_path) -> None:
    try:
        source = make(case, tmp_path)
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"this FFmpeg cannot make it: {error}")
    output = tmp_path / f"out{case.to}"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        no_net(source, output)
    messages = [str(warning.message) for warning in said]
    if not case.fault:
        assert [m for m in messages if "50 frames a second" not in m] == []
    before, after = look(source), look(output)
    check_pictures(case, before, after)
    check_sound(case, before, after)
    if case.fault and "cut" in case.file and case.file.endswith((".mkv", ".avi")):
        assert any("cut short: its pictures end at" in message for message in messages)


def check_pictures(case: Case, before: Seen, after: Seen) -> None:
    # Of a damaged place one decoder makes a picture and another none.
    spare = 2 if case.fault else 0
    assert abs(len(after.pictures) - len(before.pictures)) <= spare
    assert len(after.pictures) >= (case.frames if not case.fault else 5)
    count = min(len(before.pictures), len(after.pictures))
    if not case.fault:
        tick = {".avi": float(1 / case.rate), ".gif": 0.011}.get(case.to, 0.0021)
        times = np.array(after.times, float)
        expected = expected_times(case, before)
        assert np.abs((times - times[0]) - expected).max() <= tick
    if not case.fault or case.file.startswith("joined"):
        error = np.abs(before.pictures[:count].astype(int) - after.pictures[:count])
        assert error.mean((1, 2, 3)).max() < case.levels


def check_sound(case: Case, before: Seen, after: Seen) -> None:
    assert len(after.tracks) == len(before.tracks)
    for ours, theirs in zip(after.tracks, before.tracks, strict=True):
        if case.to != ".avi":
            assert ours.language == theirs.language
        # A hole is filled with silence, and where files were joined there may be one.
        spare = 1.5 if case.fault else 0.1 + max((s.begin for s in case.sounds), default=0)
        assert ours.seconds == pytest.approx(theirs.seconds, abs=spare)
        assert ours.pitch == pytest.approx(440, abs=6)
        assert ours.level == pytest.approx(theirs.level, abs=1.5)


@pytest.mark.parametrize("case", [c for c in CASES if c.fast], ids=str)
def test_fast_part(case, no_net, tmp_path):
    run(case, no_net, tmp_path)


@pytest.mark.corpus
@pytest.mark.parametrize("case", [c for c in CASES if not c.fast], ids=str)
def test_the_rest(case, no_net, tmp_path):
    run(case, no_net, tmp_path)


def test_the_second_reader_sees_what_was_made(tmp_path):
    """By its own: twelve pictures, 0.04 s apart, a tone of 440 Hz."""
    seen = look(make(Case("a.mp4", ".mp4"), tmp_path))
    assert len(seen.pictures) == 12
    assert np.diff(seen.times) == pytest.approx([0.04] * 11, abs=1e-4)
    assert len(seen.tracks) == 1 and seen.tracks[0].pitch == pytest.approx(440, abs=2)
    assert seen.pictures[0].std() > 10
