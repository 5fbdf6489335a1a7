"""Media that tests make for themselves, and a plain second way of reading media back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

MATRIX = {"bt601": (0.299, 0.114, 6), "bt709": (0.2126, 0.0722, 1)}


def picture(index: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """Return frame `index` of a smooth scene in motion: uint8 (H, W, 3), no two alike."""
    y, x = np.mgrid[: size[0], : size[1]]
    light = np.sin((x + 3 * index) / 9) + np.cos(y / 11 + index / 5)
    tint = [np.sin((x + y) / 40 + index / 4 + channel) for channel in range(3)]
    return (127.5 + 35 * light[..., None] + 25 * np.stack(tint, -1)).round().astype(np.uint8)


def color_bars(size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """Return eight bars, dark and light, gray and saturated, above one another's complement."""
    colors = np.array(
        [(220, 220, 220), (200, 190, 40), (40, 190, 190), (40, 180, 40)]
        + [(190, 50, 190), (190, 40, 40), (40, 40, 190), (30, 30, 30)]
    )
    columns = np.arange(size[1]) * len(colors) // size[1]
    top = np.broadcast_to(colors[columns], (*size, 3)).astype(np.uint8).copy()
    top[size[0] // 2 :] = 255 - top[size[0] // 2 :]
    return top


def to_yuv(rgb: np.ndarray, matrix: str, full_range: bool) -> list[np.ndarray]:
    """Return the planes of yuv420p by the textbook's formula, each chroma sample a mean of four."""
    red, blue, _ = MATRIX[matrix]
    r, g, b = np.moveaxis(rgb.astype(float) / 255, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    chroma = [(b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)]
    small = [c.reshape(c.shape[0] // 2, 2, c.shape[1] // 2, 2).mean((1, 3)) for c in chroma]
    scale, offset, chroma_scale = (255, 0, 255) if full_range else (219, 16, 224)
    planes = [offset + scale * y] + [128 + chroma_scale * c for c in small]
    return [plane.round().clip(0, 255).astype(np.uint8) for plane in planes]


def to_rgb(planes: list[np.ndarray], matrix: str, full_range: bool) -> np.ndarray:
    """Invert `to_yuv`, each chroma sample for four pixels; float (H, W, 3) in 0 to 255."""
    red, blue, _ = MATRIX[matrix]
    scale, offset, chroma_scale = (255, 0, 255) if full_range else (219, 16, 224)
    y = (planes[0].astype(float) - offset) / scale
    u, v = [
        ((plane.astype(float) - 128) / chroma_scale).repeat(2, 0).repeat(2, 1)
        for plane in planes[1:]
    ]
    r, b = y + (2 - 2 * red) * v, y + (2 - 2 * blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], -1).clip(0, 1) * 255


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]


def make_clip(
    path: Path,
    frames: int = 12,
    size: tuple[int, int] = (64, 96),
    rate: Fraction = Fraction(25),
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    audio: bool = True,
    rotation: int = 0,
    sar: Fraction | None = None,
    matrix: str | None = "bt709",
    full_range: bool = False,
    codec: str | None = None,
    gop: int = 6,
    pictures: Sequence[np.ndarray] | None = None,
) -> Path:
    """Write a clip of `picture`s, with a tone of the same length.

    Args:
        pts: a frame's time in `time_base`; None is one tick each.
        time_base: None is one frame.
        rotation: degrees counter-clockwise that a player is told to turn it by.
        matrix: None leaves it untagged, in BT.601.
        gop: a key frame every so many.
    """
    webm = path.suffix == ".webm"
    time_base = time_base or 1 / rate
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec or ("libvpx-vp9" if webm else "libx264"), rate=rate)
        context = video.codec_context
        video.height, video.width = size
        video.pix_fmt = "yuv420p"
        context.time_base, context.thread_count, context.gop_size = time_base, 1, gop
        if webm:
            video.options = {"crf": "10", "deadline": "realtime", "cpu-used": "8"}
        elif codec is None:
            video.options = {"crf": "6", "preset": "veryfast"}
        if path.suffix == ".avi":
            context.max_b_frames = 0
        if sar:
            context.sample_aspect_ratio = sar
        if rotation:
            video.set_display_rotation(rotation)
        if matrix:
            context.colorspace = MATRIX[matrix][2]
        context.color_range = 2 if full_range else 1
        if audio:
            tone = container.add_stream("libopus" if webm else "aac", rate=48000, layout="mono")
        for index in range(frames):
            rgb = picture(index, size) if pictures is None else pictures[index]
            even = np.pad(rgb, ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame(size[1], size[0], "yuv420p")
            for plane, values in zip(
                frame.planes, to_yuv(even, matrix or "bt601", full_range), strict=True
            ):
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                rows[:, : plane.width] = values[: plane.height, : plane.width]
                plane.update(rows)
            frame.pts, frame.time_base = pts[index] if pts else index, time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            length = (pts[-1] * time_base + 1 / rate) if pts else frames / rate
            _mux_tone(container, tone, round(48000 * length))
    return path


def make_sound(path: Path, seconds: float = 0.5) -> Path:
    """Write a file with a tone and nothing to see."""
    with av.open(str(path), "w") as container:
        _mux_tone(container, container.add_stream("aac", rate=48000, layout="mono"), 24000)
    return path


def _mux_tone(
    container: av.container.OutputContainer, stream: av.AudioStream, samples: int
) -> None:
    tone = 0.2 * np.sin(np.arange(samples) * 2 * np.pi * 440 / 48000)
    for start in range(0, samples, 1024):
        frame = av.AudioFrame.from_ndarray(
            tone[None, start : start + 1024].astype(np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@dataclass
class Contents:
    """What a plain decode of a file finds."""

    times: list[Fraction] = field(default_factory=list)
    frames: list[av.VideoFrame] = field(default_factory=list)
    sound: list[bytes] = field(default_factory=list)
    sound_times: list[Fraction] = field(default_factory=list)
    rate: Fraction | None = None
    duration: float = 0.0
    pixel_aspect: Fraction | None = None

    def arrays(self) -> list[np.ndarray]:
        return [frame.to_ndarray(format="rgb24") for frame in self.frames]


def read_back(path: Path) -> Contents:
    """Decode a file by PyAV alone."""
    found = Contents()
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        found.rate, found.pixel_aspect = video.average_rate, video.sample_aspect_ratio
        found.duration = container.duration / av.time_base
        for packet in container.demux():
            if packet.stream is video:
                for frame in packet.decode():
                    found.frames.append(frame)
                    found.times.append(frame.pts * video.time_base)
            elif packet.size:
                found.sound.append(bytes(packet))
                found.sound_times.append(packet.pts * packet.time_base)
    return found
