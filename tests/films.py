"""A film of three shots for tests, small and short, and what compares two of it."""

from pathlib import Path

import media
import numpy as np

from nst.options.stylize import VideoConfig
from nst.stylize.parts import PartWriter

SIZE, SHOTS = (48, 64), (7, 5, 6)
FIRSTS = (0, 7, 12)


def scenes() -> list[np.ndarray]:
    """Return three shots that have nothing in common."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    first = [media.picture(i, SIZE) for i in range(SHOTS[0])]
    second = [np.roll(noise, 2 * i, 1) for i in range(SHOTS[1])]
    third = [255 - media.picture(3 * i, SIZE)[::-1, ::-1] // 4 for i in range(SHOTS[2])]
    return first + second + third


def make_film(path: Path) -> Path:
    return media.make_clip(path, sum(SHOTS), SIZE, pictures=scenes())


def film_config(film: Path, net: Path, output: Path, **options) -> VideoConfig:
    given = {
        "input_video": str(film),
        "output_video": output,
        "style": "wave",
        "checkpoint": str(net),
        "device": "cpu",
        "precision": "float32",
        "quiet": True,
    }
    return VideoConfig(**{**given, **options})


def assert_same(one: Path, other: Path) -> None:
    a, b = media.read_back(one), media.read_back(other)
    assert len(a.frames) == sum(SHOTS)
    assert all(np.array_equal(x, y) for x, y in zip(a.arrays(), b.arrays(), strict=True))
    assert (a.times, a.sound, a.sound_times) == (b.times, b.sound, b.sound_times)
    assert a.sound


def stop_at(monkeypatch, count: int, error: BaseException) -> None:
    """Have a run end in an error after so many frames."""
    write, done = PartWriter.write, []

    def stopping(self, images):
        if len(done) == count:
            raise error
        done.append(self.first)
        write(self, images)

    monkeypatch.setattr(PartWriter, "write", stopping)
