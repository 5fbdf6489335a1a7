"""Sound comes through to every container, whatever its codec, layout and rate.

The second reader is a plain decode by PyAV: what was a tone of 440 Hz has to be one again, as loud
and as long.
"""

import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest

import nst
from nst.media import sound
from nst.media.sound_encoder import SoundEncoder
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video

ENDINGS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
SECONDS = 1


def tone(channels: int, rate: int, seconds: float = SECONDS, hertz: float = 440) -> np.ndarray:
    """Return (samples, channels) of a tone, the first two channels loud, the rest silent."""
    wave = 0.3 * np.sin(np.arange(round(rate * seconds)) * 2 * np.pi * hertz / rate)
    return np.stack([wave if c < 2 else 0 * wave for c in range(channels)], 1).astype(np.float32)


def make(
    path: Path, codec: str, layout: str, rate: int, tracks=1, begin=0.0, gap=0.0, block=1024
) -> Path:
    """Write 25 pictures of a second and tracks of sound; `gap` is cut out in its middle.

    Args:
        block: samples of a packet, where the codec leaves that free.
    """
    with av.open(str(path), "w", options={"strict": "experimental"}) as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.codec_context.max_b_frames = 0
        streams = [container.add_stream(codec, rate=rate, layout=layout) for _ in range(tracks)]
        for stream in streams:
            stream.bit_rate = 128_000  # WMA has no default
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(media.picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = tone(av.AudioLayout(layout).nb_channels, rate)
        for stream in streams:
            for at in range(0, len(samples), block):
                if gap and 0.3 <= at / rate < 0.3 + gap:
                    continue
                packed = np.ascontiguousarray(samples[at : at + block]).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = at + round(begin * rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def through(source: Path, path: Path) -> list[str]:
    """Read and write without a net between; return what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with open_video(source) as reader:
            with create_video(path, reader.info, threads=1, preset="ultrafast") as writer:
                for frame in reader:
                    writer.write(frame)
    return [str(warning.message) for warning in said]


def heard(path: Path, index: int = 0) -> tuple[np.ndarray, int, list[float]]:
    """Return a track's samples (n, channels), its rate, and its frames' times."""
    parts, times = [], []
    with av.open(str(path)) as container:
        stream = container.streams.audio[index]
        plain = av.AudioResampler(format="flt")
        for frame in container.decode(stream):
            if frame.pts is not None:
                times.append(float(frame.pts * frame.time_base))
            for part in plain.resample(frame):
                parts.append(part.to_ndarray().reshape(-1, frame.layout.nb_channels))
        return np.concatenate(parts), stream.rate, times


def pitch(samples: np.ndarray, rate: int) -> float:
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return spectrum.argmax() * rate / len(middle)


def level(samples: np.ndarray) -> float:
    """Return the level of the middle, in decibels."""
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    return float(10 * np.log10((middle.astype(float) ** 2).mean() + 1e-12))


SOURCES = [
    ("pcm.avi", "pcm_s16le", "stereo", 48000),
    ("pcm.mkv", "pcm_s16le", "stereo", 48000),
    ("eight.avi", "pcm_u8", "mono", 22050),
    ("studio.mov", "pcm_s24le", "stereo", 48000),
    ("adpcm.avi", "adpcm_ms", "stereo", 22050),
    ("ima.avi", "adpcm_ima_wav", "stereo", 22050),
    ("media.wmv", "wmav2", "stereo", 44100),
    ("side.mkv", "ac3", "5.1(side)", 48000),
    ("high.mkv", "flac", "mono", 192000),
    ("many.mkv", "pcm_s16le", "hexadecagonal", 48000),
    ("old.mpg", "mp2", "stereo", 44100),
    ("surround.mkv", "aac", "7.1", 48000),
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sound")
    return {name: make(folder / name, *kind) for name, *kind in SOURCES}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", [source[0] for source in SOURCES])
def test_every_sound_comes_through_to_every_container(sources, tmp_path, name, ending):
    said = through(sources[name], tmp_path / f"out{ending}")
    assert all("mixed down to two" in message for message in said)
    before, rate_before, _ = heard(sources[name])
    after, rate, _ = heard(tmp_path / f"out{ending}")
    assert len(media.read_back(tmp_path / f"out{ending}").times) == 25
    assert len(after) / rate == pytest.approx(len(before) / rate_before, abs=0.08)
    assert pitch(after[:, 0], rate) == pytest.approx(440, abs=3)
    assert level(after[:, 0]) == pytest.approx(level(before[:, 0]), abs=1)


@pytest.mark.parametrize("name, ending", [("pcm.avi", ".mp4"), ("studio.mov", ".mp4")])
def test_pcm_in_an_mp4_is_what_every_player_knows(sources, tmp_path, name, ending):
    through(sources[name], tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"


def test_sound_that_sets_in_at_once_does_not_overshoot(sources, tmp_path):
    through(sources["studio.mov"], tmp_path / "out.mp4")
    before, after = (
        np.abs(heard(path)[0]).max() for path in (sources["studio.mov"], tmp_path / "out.mp4")
    )
    assert 20 * np.log10(after / before) < 1


def test_what_a_container_takes_is_copied_bit_by_bit(sources, tmp_path):
    for name, ending in (("side.mkv", ".mp4"), ("high.mkv", ".mp4"), ("old.mpg", ".mkv")):
        through(sources[name], tmp_path / f"out{ending}")
        before, after = media.read_back(sources[name]), media.read_back(tmp_path / f"out{ending}")
        assert before.sound == after.sound
    through(sources["studio.mov"], tmp_path / "out.mkv")
    assert np.array_equal(heard(sources["studio.mov"])[0], heard(tmp_path / "out.mkv")[0])


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov", ".webm"])
def test_all_tracks_keep_language_title_and_default(tmp_path, ending):
    source = make(tmp_path / "in.mkv", "aac", "stereo", 48000, tracks=2)
    labels = [("deu", "Kino", 0), ("fra", "Commentaire", 1)]
    with av.open(str(source)) as old, av.open(str(tmp_path / "named.mkv"), "w") as new:
        copies = {}
        for stream in old.streams:
            copies[stream.index] = new.add_stream_from_template(stream)
        for stream, (language, title, default) in zip(new.streams.audio, labels, strict=True):
            stream.metadata.update({"language": language, "title": title})
            stream.disposition = default
        for packet in old.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
    assert through(tmp_path / "named.mkv", tmp_path / f"out{ending}") == []
    with av.open(str(tmp_path / f"out{ending}")) as container:
        found = [
            (s.metadata["language"], s.metadata.get("title") or s.metadata["name"], s.disposition)
            for s in container.streams.audio
        ]
    found = [(lang, title, int(default) & 1) for lang, title, default in found]
    # QuickTime has a language's older code.
    assert [
        (lang.replace("ger", "deu"), title, default) for lang, title, default in found
    ] == labels


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_a_hole_becomes_silence_and_what_follows_keeps_its_time(tmp_path, ending):
    source = make(tmp_path / "in.mkv", "pcm_s16le", "mono", 48000, gap=0.4)
    through(source, tmp_path / f"out{ending}")
    samples, rate, times = heard(tmp_path / f"out{ending}")
    at = [int((second - times[0]) * rate) for second in (0.1, 0.25, 0.4, 0.6, 0.8, 0.95)]
    loud, quiet, again = (
        np.abs(samples[a:b]).max() for a, b in zip(at[::2], at[1::2], strict=True)
    )
    assert loud > 0.25 and again > 0.25 and quiet < 0.05


def test_sound_that_begins_later_keeps_its_time(tmp_path):
    source = make(tmp_path / "in.mkv", "pcm_s16le", "mono", 48000, begin=0.5)
    through(source, tmp_path / "out.mp4")
    samples, rate, times = heard(tmp_path / "out.mp4")
    first = np.argmax(np.abs(samples) > 0.1) / rate + times[0]
    assert first == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("codec", ["ac3", "aac"])
@pytest.mark.parametrize("ending", [".mp4", ".webm", ".avi"])
def test_a_track_that_turns_mono(tmp_path, codec, ending):
    parts = [
        make(tmp_path / f"{layout}.ts", codec, layout, 48000).read_bytes()
        for layout in ("stereo", "mono")
    ]
    (tmp_path / "in.ts").write_bytes(b"".join(parts))
    assert through(tmp_path / "in.ts", tmp_path / f"out{ending}") == []
    after = media.read_back(tmp_path / f"out{ending}")
    assert len(after.times) == 50
    samples, rate = [], 48000
    with av.open(str(tmp_path / f"out{ending}")) as container:
        plain = None
        for frame in container.decode(container.streams.audio[0]):
            if plain is None or (frame.layout.name, rate) != plain[1:]:
                rate = frame.sample_rate
                plain = (av.AudioResampler("flt", "mono", 48000), frame.layout.name, rate)
            samples += [part.to_ndarray()[0] for part in plain[0].resample(frame)]
    samples = np.concatenate(samples)
    # Where parts are joined FFmpeg's own tool leaves up to the length of one between them.
    assert 1.9 < len(samples) / 48000 < 3.2
    for part in (samples[10000:40000], samples[-40000:-10000]):
        assert pitch(part, 48000) == pytest.approx(440, abs=5)


def test_an_empty_track_is_left_out_with_a_word(tmp_path):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        empty = container.add_stream("aac", rate=48000, layout="stereo")
        empty.codec_context.open()
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(media.picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    (said,) = through(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert "sound track 1" in said and "left out" in said
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [s.type for s in container.streams] == ["video"]
    assert len(media.read_back(tmp_path / "out.mp4").times) == 5


def test_sound_that_fails_on_the_way_does_not_cost_the_pictures(sources, tmp_path, monkeypatch):
    encode, calls = SoundEncoder.encode, []

    def failing(self, *given):
        calls.append(1)
        if len(calls) > 10:
            raise ValueError("of the encoder")
        return encode(self, *given)

    monkeypatch.setattr(SoundEncoder, "encode", failing)
    (said,) = through(sources["pcm.avi"], tmp_path / "out.mp4")
    assert "sound track 1" in said and "ends here: of the encoder" in said
    assert len(media.read_back(tmp_path / "out.mp4").times) == 25


def test_sound_that_nothing_can_take_is_said_before_the_first_picture(
    sources, tmp_path, monkeypatch
):
    monkeypatch.setattr(sound.Sound, "_channels_and_rate", lambda *_: (0, 0))
    with open_video(sources["media.wmv"]) as reader:
        with pytest.warns(UserWarning, match="cannot be decoded.*it is left out"):
            writer = create_video(tmp_path / "out.webm", reader.info)
    writer.discard()


def test_a_run_is_told_of_the_sound_by_the_script(sources, tmp_path):
    """The line on stderr comes before the work, from the program as a user runs it."""
    code = (
        "import sys; from nst.media.video_reader import open_video; "
        "from nst.media.video_writer import create_video; "
        "create_video(sys.argv[2], open_video(sys.argv[1]).info).discard()"
    )
    root = Path(nst.__file__).parents[1]
    given = [sys.executable, "-c", code, str(sources["many.mkv"]), str(tmp_path / "out.mp4")]
    done = subprocess.run(given, cwd=root, capture_output=True, text=True, check=True)
    assert "16 channels; they are mixed down to two" in done.stderr


@pytest.mark.parametrize("ending", [".mkv", ".mov"])
def test_packets_shorter_than_a_tick_do_not_stretch_the_sound(tmp_path, ending):
    """As TrueHD's in a Matroska file, whose clock counts milliseconds: 1200 of them a second."""
    source = make(tmp_path / "in.mkv", "pcm_s16le", "stereo", 48000, block=40)
    assert through(source, tmp_path / f"out{ending}") == []
    _, _, times = heard(tmp_path / f"out{ending}")
    assert 0.9 < times[-1] < 1
