"""Some 70 small files as people have them: codecs, containers, rates, turns, sound and faults.

Each is made by PyAV. Where its build lacks an encoder, FFmpeg's program makes the file if there is
one. `python tests/corpus.py FOLDER` writes them all, to be looked at.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FFMPEG = shutil.which("ffmpeg")


@dataclass(frozen=True)
class Sound:
    codec: str
    layout: str = "stereo"
    rate: int = 48000
    language: str = ""
    begin: float = 0.0


@dataclass(frozen=True)
class Case:
    """A file, what it is to be written as, and in what it may differ from the original.

    Args:
        file: its name; the ending says the container.
        to: the ending of the output.
        pts: a frame's times in 1/1000 s; None is one frame each.
        fault: is given the file's bytes and returns the bytes that are tried.
        fast: it is part of the suite that always runs.
        levels: mean error of colors, out of 255.
    """

    file: str
    to: str
    codec: str = "libx264"
    size: tuple[int, int] = (64, 96)
    rate: Fraction = Fraction(25)
    frames: int = 12
    pix_fmt: str = "yuv420p"
    sounds: tuple[Sound, ...] = (Sound("aac"),)
    rotation: int = 0
    aspect: Fraction | None = None
    options: tuple[tuple[str, str], ...] = ()
    pts: tuple[int, ...] | None = None
    offset: int = 0
    fault: Callable[[bytes], bytes] | None = None
    fast: bool = False
    levels: float = 5.0
    form: str | None = None

    def __str__(self) -> str:
        return f"{self.file}{self.to}"


def scene(index: int, size: tuple[int, int]) -> np.ndarray:
    """Return frame `index`: colors that drift, and a bright bar that moves; no two are alike."""
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    phase = index / 7
    channels = [np.sin(3 * x + phase), np.cos(4 * y - phase), np.sin(2 * (x + y) + 2 + phase / 2)]
    picture = 128 + 70 * np.stack(channels, 2)
    left = (5 * index) % size[1]
    picture[:, left : left + size[1] // 8] += 40
    return picture.clip(0, 255).round().astype(np.uint8)


def make(case: Case, folder: Path) -> Path:
    """Write a case's file.

    Raises:
        ValueError, av.FFmpegError: there is no such encoder here.
    """
    path = folder / case.file
    try:
        _encode(case, path)
    except ValueError:
        if FFMPEG is None:
            raise
        plain = folder / f"plain-{path.stem}.mkv"
        _encode(replace(case, codec="ffv1", sounds=PCM), plain)
        codecs = ["-c:v", case.codec, "-b:v", "3M", "-c:a", case.sounds[0].codec]
        quiet = [FFMPEG, "-v", "error", "-nostdin", "-y"]
        subprocess.run([*quiet, "-i", str(plain), *codecs, str(path)], check=True)
        plain.unlink()
    if case.fault:
        path.write_bytes(case.fault(path.read_bytes()))
    return path


def _encode(case: Case, path: Path) -> None:
    with av.open(str(path), "w", format=case.form, options={"strict": "experimental"}) as container:
        video = container.add_stream(case.codec, rate=case.rate, options=dict(case.options))
        video.height, video.width = case.size
        video.pix_fmt = case.pix_fmt
        context = video.codec_context
        context.thread_count, context.gop_size = 1, 6
        if path.suffix in (".avi", ".flv", ".mpg", ".3gp"):
            context.max_b_frames = 0
        if case.codec not in ("libx264", "libx265", "gif", "ffv1", "png", "qtrle", "rawvideo"):
            video.bit_rate = 3_000_000
        context.time_base = Fraction(1, 1000) if case.pts else 1 / case.rate
        if case.aspect:
            context.sample_aspect_ratio = case.aspect
        if case.rotation:
            video.set_display_rotation(case.rotation)
        context.colorspace, context.color_range = 6, 2 if "j" in case.pix_fmt else 1
        tracks = [_add_sound(container, sound) for sound in case.sounds]
        for index in range(case.frames):
            frame = av.VideoFrame.from_ndarray(scene(index, case.size), format="rgb24")
            frame = frame.reformat(
                format=case.pix_fmt, dst_colorspace=5, dst_color_range=context.color_range
            )
            frame.pts = case.pts[index] if case.pts else index + case.offset
            frame.time_base = context.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        length = case.pts[-1] / 1000 if case.pts else float(case.frames / case.rate)
        for stream, sound in zip(tracks, case.sounds, strict=True):
            _write_tone(container, stream, sound, length)


def _add_sound(container: av.container.OutputContainer, sound: Sound) -> av.AudioStream:
    stream = container.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
    if not sound.codec.startswith(("pcm", "flac", "alac", "adpcm")):
        stream.bit_rate = 128_000
    if sound.language:
        stream.metadata["language"] = sound.language
    return stream


def _write_tone(container, stream: av.AudioStream, sound: Sound, length: float) -> None:
    count = av.AudioLayout(sound.layout).nb_channels
    wave = 0.25 * np.sin(np.arange(round(length * sound.rate)) * 2 * np.pi * 440 / sound.rate)
    samples = np.repeat(wave[:, None], count, 1).astype(np.float32)
    for at in range(0, len(samples), 1024):
        packed = np.ascontiguousarray(samples[at : at + 1024]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=sound.layout)
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = at + round(sound.begin * sound.rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def cut(part: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * part)]


def cut_start(data: bytes) -> bytes:
    """Begin in the middle of a transport stream, before a packet of which there is no key."""
    return data[len(data) // 3 // 188 * 188 :]


def holed(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + b"\x00" * 600 + data[middle + 600 :]


def joined(data: bytes) -> bytes:
    return data + data


NTSC = Fraction(30000, 1001)
PCM, MP2, MP3 = (Sound("pcm_s16le"),), (Sound("mp2"),), (Sound("libmp3lame"),)
OPUS, NONE = (Sound("libopus"),), ()
CASES = [
    # Codecs and containers.
    Case("h264.mp4", ".mp4", fast=True),
    Case("h264.mkv", ".mp4"),
    Case("h264.mov", ".mkv"),
    Case("h264.m4v", ".mov", form="mp4"),
    Case("h264.ts", ".mp4", fast=True),
    Case("h264.mts", ".mp4", form="mpegts"),
    Case("h264.flv", ".mp4"),
    Case("h264.avi", ".mp4", sounds=PCM, fast=True),
    Case("h264.3gp", ".mp4"),
    Case("hevc.mp4", ".mov", codec="libx265"),
    Case("hevc.mkv", ".webm", codec="libx265"),
    Case("vp8.webm", ".webm", codec="libvpx", sounds=(Sound("libvorbis"),)),
    Case("vp9.webm", ".mp4", codec="libvpx-vp9", sounds=OPUS, fast=True),
    Case("av1.mp4", ".mp4", codec="libsvtav1"),
    Case("xvid.avi", ".avi", codec="mpeg4", sounds=MP3),
    Case("part2.mp4", ".webm", codec="mpeg4"),
    Case("dvd.mpg", ".mp4", codec="mpeg2video", sounds=MP2),
    Case("broadcast.ts", ".mkv", codec="mpeg2video", sounds=MP2),
    Case("vcd.mpg", ".mp4", codec="mpeg1video", sounds=MP2),
    Case("camera.avi", ".mp4", codec="mjpeg", pix_fmt="yuvj420p", sounds=PCM),
    Case("photo.mov", ".mp4", codec="mjpeg", pix_fmt="yuvj420p", sounds=PCM),
    Case("tape.mxf", ".mp4", codec="mpeg2video", sounds=PCM),
    Case("prores.mov", ".mov", codec="prores_ks", pix_fmt="yuv422p10le", sounds=PCM),
    Case("archive.mkv", ".mkv", codec="ffv1", sounds=(Sound("flac"),)),
    Case("huff.avi", ".mp4", codec="huffyuv", pix_fmt="yuv422p", sounds=PCM),
    Case("media.wmv", ".mp4", codec="wmv2", sounds=(Sound("wmav2", rate=44100),), fast=True),
    Case("flash.flv", ".mp4", codec="flv", sounds=(Sound("libmp3lame", rate=44100),)),
    Case("theora.ogv", ".mp4", codec="libtheora", sounds=(Sound("libvorbis"),)),
    Case("animation.mov", ".mp4", codec="qtrle", pix_fmt="rgb24", sounds=NONE),
    Case("still.mov", ".mp4", codec="png", pix_fmt="rgb24", sounds=NONE),
    Case("raw.avi", ".mp4", codec="rawvideo", sounds=PCM),
    Case("phone.3gp", ".mp4", codec="h263", size=(144, 176), sounds=NONE),
    Case("loop.gif", ".gif", codec="gif", pix_fmt="rgb8", sounds=NONE, levels=30),
    Case("loop2.gif", ".mp4", codec="gif", pix_fmt="rgb8", sounds=NONE, levels=30),
    # Streams that have no times.
    Case("bare.h264", ".mp4", sounds=NONE, fast=True),
    Case("bare50.h264", ".mkv", rate=Fraction(50), sounds=NONE),
    Case("bare.hevc", ".mp4", codec="libx265", sounds=NONE),
    Case("bare.mjpeg", ".mp4", codec="mjpeg", pix_fmt="yuvj420p", sounds=NONE),
    Case("bare.y4m", ".mp4", codec="wrapped_avframe", sounds=NONE),
    # Rates.
    Case("film.mp4", ".mp4", rate=Fraction(24000, 1001)),
    Case("ntsc.mkv", ".mp4", rate=NTSC),
    Case("sport.ts", ".mp4", rate=2 * NTSC, frames=24),
    Case("web.avi", ".avi", codec="mpeg4", rate=Fraction(15), sounds=MP3),
    Case("half.mov", ".mkv", rate=Fraction(25, 2)),
    Case("slow.mp4", ".mp4", rate=Fraction(1), frames=4),
    Case("vary.mkv", ".mp4", frames=5, pts=(0, 40, 200, 210, 600), fast=True),
    Case("vary.mp4", ".mkv", frames=5, pts=(0, 40, 200, 210, 600)),
    Case("late.mkv", ".mp4", offset=10),
    # Turned, stretched, odd; ranges and depths.
    *(Case(f"turn{d}.mp4", ".mp4", rotation=d, fast=d == 90) for d in (90, 180, 270)),
    Case("turn.mov", ".webm", rotation=-90),
    Case("wide.mkv", ".mp4", aspect=Fraction(2)),
    Case("odd.webm", ".webm", codec="libvpx-vp9", size=(63, 95), sounds=OPUS),
    Case("full.mp4", ".mp4", pix_fmt="yuvj420p"),
    Case("fine.mkv", ".mp4", pix_fmt="yuv444p"),
    Case("ten.mp4", ".mp4", codec="libx265", pix_fmt="yuv420p10le"),
    Case("ten.mkv", ".webm", pix_fmt="yuv422p10le"),
    # Sound.
    Case("byte.avi", ".mp4", codec="mjpeg", pix_fmt="yuvj420p", sounds=(Sound("pcm_u8", "mono"),)),
    Case("adpcm.avi", ".webm", codec="mpeg4", sounds=(Sound("adpcm_ms", rate=22050),)),
    Case("cinema.mkv", ".webm", sounds=(Sound("ac3", "5.1(side)"),), fast=True),
    Case("stream.mp4", ".avi", sounds=(Sound("eac3", "5.1(side)"),)),
    Case("studio.mov", ".mp4", sounds=(Sound("pcm_s24le"),), fast=True),
    Case("high.mkv", ".mov", sounds=(Sound("flac", "mono", 96000),)),
    Case("apple.mov", ".webm", sounds=(Sound("alac"),)),
    Case("round.webm", ".mp4", codec="libvpx-vp9", sounds=(Sound("libopus", "5.1"),)),
    Case("two.mkv", ".mp4", sounds=(Sound("aac", language="eng"), Sound("ac3", language="fra"))),
    Case("delayed.mkv", ".mp4", sounds=(Sound("pcm_s16le", begin=0.2),)),
    Case("silent.mp4", ".mkv", sounds=NONE),
    # Faults.
    Case("cut.mkv", ".mp4", frames=40, fault=cut(0.6), fast=True),
    Case("cut.avi", ".mp4", frames=40, codec="mpeg4", sounds=PCM, fault=cut(0.6)),
    Case("cut.ts", ".mp4", frames=40, fault=cut(0.6)),
    Case("cut.flv", ".mp4", frames=40, fault=cut(0.6)),
    Case("headless.ts", ".mp4", frames=40, fault=cut_start),
    Case("holed.ts", ".mp4", frames=40, codec="mpeg2video", sounds=MP2, fault=holed),
    Case("joined.ts", ".mp4", frames=30, sounds=(Sound("ac3"),), fault=joined, fast=True),
    Case("joined.mpg", ".mkv", frames=30, codec="mpeg2video", sounds=MP2, fault=joined),
]


def main() -> None:
    """Write the corpus into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for case in CASES:
        try:
            print(make(case, folder))
        except (ValueError, av.FFmpegError) as error:
            print(f"{case.file}: {error}")


if __name__ == "__main__":
    main()
