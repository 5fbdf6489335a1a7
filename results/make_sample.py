"""Make results/sample.mp4, the clip that README's first command paints.

    python -m results.make_sample

A camera moves over three pictures that come with scikit-image, all in the public domain: Eileen
Collins (NASA), Chelsea the cat (Stefan van der Walt, CC0) and a rocket (SpaceX, CC0). A soft chord
shows that sound is kept.
"""

import argparse
import wave
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from skimage import data

from nst.core.tensors import to_float
from nst.media.frames import Frame, StreamInfo
from nst.media.video_writer import create_video

SIZE = (360, 640)
RATE = 24
SECONDS_A_SHOT = 2.5
# Picture, then the first and the last view: center (x, y) and width, as fractions of the picture.
SHOTS = [
    (data.astronaut, (0.45, 0.28, 0.95), (0.42, 0.24, 0.62)),
    (data.chelsea, (0.60, 0.50, 0.98), (0.52, 0.42, 0.70)),
    (data.rocket, (0.50, 0.70, 0.55), (0.50, 0.45, 0.90)),
]
SAMPLES_A_SECOND = 44100
CHORD = (220.0, 277.18, 329.63)  # A major, in Hz


def shot(picture: np.ndarray, first: tuple, last: tuple, count: int):
    """Yield `count` frames (H, W, 3) of a camera that glides from one view to another."""
    height, width = SIZE
    for t in np.linspace(0, 1, count):
        ease = t * t * (3 - 2 * t)
        x, y, fraction = (a + (b - a) * ease for a, b in zip(first, last, strict=True))
        scale = fraction * picture.shape[1] / width  # of the picture's pixels to one of ours
        # The view stays inside the picture.
        half = np.array([width, height]) * scale / 2
        center = np.clip(
            [x * picture.shape[1], y * picture.shape[0]],
            half,
            np.maximum(half, [picture.shape[1], picture.shape[0]] - half),
        )
        corner = center - half
        view = (scale, 0, corner[0], 0, scale, corner[1])  # ours -> the picture's pixels
        frame = Image.fromarray(picture).transform(
            (width, height), Image.Transform.AFFINE, view, Image.Resampling.BICUBIC
        )
        yield np.array(frame)


def write_chord(path: Path, seconds: float) -> None:
    """Write a chord that swells and fades, 16-bit mono."""
    t = np.arange(int(seconds * SAMPLES_A_SECOND)) / SAMPLES_A_SECOND
    sound = sum(np.sin(2 * np.pi * f * t) for f in CHORD) / len(CHORD)
    sound *= 0.3 * np.sin(np.pi * t / seconds) ** 2
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLES_A_SECOND)
        file.writeframes((sound * 32767).astype("<i2").tobytes())


def main() -> None:
    """Write the clip."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    count = round(SECONDS_A_SHOT * RATE)
    with TemporaryDirectory() as folder:
        sound = Path(folder) / "chord.wav"
        write_chord(sound, SECONDS_A_SHOT * len(SHOTS))
        info = StreamInfo(size=SIZE, rate=Fraction(RATE), time_base=Fraction(1, RATE), path=sound)
        target = Path(__file__).with_name("sample.mp4")
        with create_video(target, info, crf=24, preset="slow") as writer:
            pts = 0
            for picture, first, last in SHOTS:
                for frame in shot(picture(), first, last, count):
                    writer.write(Frame(to_float(frame), pts))
                    pts += 1


if __name__ == "__main__":
    main()
