"""What a video holds, as FFmpeg's programs see it, or where there are none a plain PyAV decode.

It shares no code with the product's reader.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

SMALL = (18, 24)
RATE = 16000
HAS_FFMPEG = bool(shutil.which("ffmpeg") and shutil.which("ffprobe"))


@dataclass
class Track:
    """A sound track: language, samples (mono, at `RATE`)."""

    language: str
    samples: np.ndarray

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    @property
    def level(self) -> float:
        """Decibels of the loudest half, so that silence at an end does not count."""
        power = np.sort(self.samples.astype(float) ** 2)[len(self.samples) // 2 :]
        return float(10 * np.log10(power.mean() + 1e-12))

    @property
    def pitch(self) -> float:
        spectrum = np.abs(np.fft.rfft(self.samples * np.hanning(len(self.samples)), 1 << 17))
        return float(spectrum.argmax() * RATE / (1 << 17))


@dataclass
class Seen:
    """Times in seconds, small pictures (n, h, w, 3) upright, and the sound tracks."""

    times: list[float | None]
    pictures: np.ndarray
    tracks: list[Track]


def look(path: Path) -> Seen:
    return _by_ffmpeg(path) if HAS_FFMPEG else _by_pyav(path)


def _by_ffmpeg(path: Path) -> Seen:
    entries = "frame=best_effort_timestamp_time:stream=codec_type,index:stream_tags=language"
    probe = ["ffprobe", "-v", "quiet", "-show_entries", entries, "-of", "json"]
    found = json.loads(_run([*probe, "-select_streams", "v:0", str(path)]))
    times = [frame.get("best_effort_timestamp_time") for frame in found.get("frames", [])]
    streams = json.loads(_run([*probe[:4], entries.split(":", 1)[1], "-of", "json", str(path)]))
    tags = [s.get("tags", {}) for s in streams["streams"] if s["codec_type"] == "audio"]
    decode = ["ffmpeg", "-v", "quiet", "-nostdin", "-i", str(path)]
    small = f"scale={SMALL[1]}:{SMALL[0]}:flags=area"
    kind = ["-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = _run([*decode, "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", small, *kind])
    tracks = []
    for index, tag in enumerate(tags):
        sound = ["-map", f"0:a:{index}", "-ac", "1", "-ar", str(RATE), "-f", "f32le", "-"]
        samples = np.frombuffer(_run([*decode, *sound]), np.float32)
        tracks.append(Track(tag.get("language", "und"), samples))
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, *SMALL, 3)
    return Seen([None if time is None else float(time) for time in times], pictures, tracks)


def _run(command: list[str]) -> bytes:
    return subprocess.run(command, capture_output=True, check=False).stdout


def _by_pyav(path: Path) -> Seen:
    times, pictures, tracks = [], [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                times.append(None if frame.pts is None else float(frame.pts * frame.time_base))
                turned = frame.rotation % 180 == 90
                height, width = SMALL[::-1] if turned else SMALL
                flags = {"width": width, "height": height, "format": "rgb24"}
                array = frame.reformat(**flags, interpolation="AREA").to_ndarray()
                pictures.append(np.rot90(array, frame.rotation // 90))
        count = len(container.streams.audio)
    for index in range(count):
        with av.open(str(path)) as container:
            stream, parts, mono = container.streams.audio[index], [], None
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue
                for frame in frames:
                    mono = mono or av.AudioResampler("flt", "mono", RATE)
                    frame.pts = None
                    parts += [part.to_ndarray()[0] for part in mono.resample(frame)]
            samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
            tracks.append(Track(stream.metadata.get("language", "und"), samples))
    return Seen(times, np.array(pictures), tracks)
