"""The sound of a file on its way into another: copied where that can be, encoded anew elsewhere.

What becomes of each track is decided, tried and said before the first picture is written. No
trouble with a track costs more than that track.
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
from av.format import Flags

from nst.core.progress import warn
from nst.media.demux import may_reset, open_media, packets, played_streams
from nst.media.frames import StreamInfo
from nst.media.sound_encoder import LAYOUTS, SoundEncoder

# Sound that a container does not take as it is becomes this.
ENCODERS = {
    **{".mp4": "aac", ".mkv": "aac", ".mov": "aac"},
    **{".webm": "libopus", ".avi": "libmp3lame"},
}
_MP4 = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")
_KINDS_OF_PCM = ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be")
_PCM = tuple(f"pcm_{kind}" for kind in (*_KINDS_OF_PCM, "f64le", "f64be"))
# What the common players take there. PCM in an .mp4 plays as noise in FFmpeg before 6.1.
COPIED = {
    ".mp4": _MP4,
    ".mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_mulaw", "pcm_alaw", *_PCM),
    ".mkv": (*_MP4, "mp2", "dts", "truehd", "mlp", "vorbis", "wavpack", "pcm_u8", *_PCM),
    ".webm": ("opus", "vorbis"),
    ".avi": ("mp3", "mp2", "ac3", "aac", "pcm_u8", "pcm_s16le"),
}
# ISO 639-2 has two codes for some languages, and QuickTime only one of them.
_QUICKTIME = {
    **{"deu": "ger", "nld": "dut", "ell": "gre", "isl": "ice", "ron": "rum", "sqi": "alb"},
    **{"fas": "per", "zho": "chi", "fre": "fra", "hye": "arm", "kat": "geo", "mya": "bur"},
}
# So much of each track is read to find out what it is and to try whether it can be copied.
TRIED_PACKETS, TRIED_SECONDS = 30, 10
# FFmpeg's word for letting in what is new to a format, such as TrueHD in an .mp4.
EXPERIMENTAL = {"strict": "experimental"}
# Only what leaves no room for the pictures either ends the run.
FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass
class _Track:
    """A track of the source: what its beginning says, and where it goes to."""

    stream: av.AudioStream
    name: str
    begun: list[av.Packet] = field(default_factory=list)
    setups: set[int] = field(default_factory=set)
    output: av.AudioStream | None = None
    encoder: SoundEncoder | None = None
    late: int | None = None
    last: int | None = None


class Sound:
    """The sound tracks of a file, cut to the span that `info` names, on their way into another.

    Each keeps its language, its title and whether it is the default. Its output begins with the
    pictures' time 0.

    Args:
        container: is given a stream for each track.
        ending: of the output, such as ".mp4".
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        path: Path,
        info: StreamInfo,
        ending: str,
    ) -> None:
        self._container, self._path, self._info, self._ending = container, path, info, ending
        self._source = open_media(path)
        found = self._begin()
        self._tracks = {index: track for index, track in found.items() if self._find_a_way(track)}
        self._source.close()
        self._source = open_media(path)
        for index, track in self._tracks.items():
            # What was tried on is used up, and the times of its packets are others now.
            track.stream, track.begun = self._source.streams[index], []
        self._packets = self._read(self._tracks)
        self._next = next(self._packets, None)

    def copy(self, until: Fraction | None) -> None:
        """Send on what begins before `until`, in seconds of the output; None is all."""
        while self._next and (until is None or self._next[0] < until):
            self._guarded(self._next[1].stream.index, self._send, *self._next)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Send on what the encoders still hold."""
        for index, track in list(self._tracks.items()):
            if track.encoder:
                self._guarded(index, self._send_rest, index)

    def close(self) -> None:
        self._source.close()

    def _begin(self) -> dict[int, _Track]:
        """Read the tracks' beginnings, and of AAC that may change on its way all headers."""
        tracks, number = {}, 0
        for stream in self._source.streams.audio:
            number += 1
            words = [str(number), *filter(None, [stream.metadata.get("language")])]
            name = f"{self._path}: sound track {' '.join(words)}"
            if stream.codec_context is None:
                warn(f"{name} has an unknown codec and is left out")
                continue
            tracks[stream.index] = _Track(stream, f"{name} ({stream.codec_context.name})")
        first = None
        for time, packet in self._read(tracks):
            track = tracks[packet.stream.index]
            first = time if first is None else first
            if len(track.begun) < TRIED_PACKETS:
                track.begun.append(packet)
            if (setup := _adts_setup(packet, track.stream)) is not None:
                track.setups.add(setup)
            elif time - first > TRIED_SECONDS and not any(
                track.setups or not track.begun for track in tracks.values()
            ):
                break
        return tracks

    def _find_a_way(self, track: _Track) -> bool:
        """Give the output a stream for a track; say so where there is none."""
        if not track.begun:
            warn(f"{track.name} holds nothing here and is left out")
            return False
        # Found out first: trying to copy the packets uses them up.
        channels, rate = self._channels_and_rate(track)
        known = track.stream.codec_context.codec.canonical_name in COPIED[self._ending]
        decoded = bool(channels and rate)
        # What cannot be decoded is better copied for few players than left out.
        if ((known and len(track.setups) < 2) or not decoded) and self._can_copy(track):
            track.output = self._container.add_stream_from_template(track.stream)
        elif decoded:
            if channels not in LAYOUTS:
                message = f"has {channels} channels; they are mixed down to two"
                warn(f"{track.name} {message}")
            try:
                track.encoder = SoundEncoder(ENCODERS[self._ending], channels, rate)
            except (ValueError, av.FFmpegError):
                track.encoder = SoundEncoder(ENCODERS[self._ending], 2, 48000)
            track.output = track.encoder.add_to(self._container)
        else:
            message = (
                f"cannot be decoded, {self._ending} cannot hold it as it is, and it is left out"
            )
            warn(f"{track.name} {message}")
            return False
        _label(track.output, track.stream, self._ending)
        return True

    def _channels_and_rate(self, track: _Track) -> tuple[int, int]:
        """Decode the beginning; 0 is unknown."""
        channels = rate = 0
        for packet in track.begun:
            with suppress(av.FFmpegError, ValueError):
                for frame in packet.decode():
                    channels = max(channels, frame.layout.nb_channels)
                    rate = rate or frame.sample_rate
        for setup in track.setups:  # a change to more channels that comes later
            configured = setup >> 6 & 7
            channels = max(channels, 8 if configured == 7 else configured) if channels else 0
        return channels, rate

    def _can_copy(self, track: _Track) -> bool:
        """Try it: a container's list of codecs promises more than it can hold."""
        try:
            kind = self._container.format.name
            with av.open(BytesIO(), "w", format=kind, options=EXPERIMENTAL) as trial:
                stream = trial.add_stream_from_template(track.stream)
                trial.start_encoding()
                last = None
                for packet in track.begun:
                    last = _set_rising(packet, stream, last)
                    packet.stream = stream
                    trial.mux(packet)
        except (ValueError, av.FFmpegError):
            return False
        return True

    def _read(self, tracks: dict[int, _Track]) -> Iterator[tuple[Fraction, av.Packet]]:
        """Yield the packets of the span, each with its time in the output."""
        info, ended = self._info, set()
        if not tracks:
            return
        chosen = played_streams(self._source, [self._source.streams[index] for index in tracks])
        for stream in self._source.streams:
            if stream.index not in {played.index for played in chosen}:
                stream.discard = av.stream.Discard.all
        if info.begin > 0 and not may_reset(self._source):
            with suppress(av.FFmpegError):
                self._source.seek(int(info.begin * av.time_base))
        for packet in packets(self._source, chosen, self._path):
            index, ticks = packet.stream.index, packet.dts if packet.pts is None else packet.pts
            if index not in tracks or ticks is None or not packet.size:
                continue
            time = ticks * packet.time_base
            if info.end is not None and time >= info.end:
                ended.add(index)
                if len(ended) == len(tracks):
                    return
            elif time >= info.begin or info.begin <= 0:
                yield time - info.begin, packet

    def _send(self, time: Fraction, packet: av.Packet) -> None:
        index = packet.stream.index
        track = self._tracks[index]
        if track.encoder is None:
            shift = round(self._info.begin / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            packet.stream = track.output
            self._mux(track, [packet])
            return
        with suppress(av.InvalidDataError):
            self._encode(track, packet.decode())

    def _send_rest(self, index: int) -> None:
        track = self._tracks[index]
        with suppress(av.InvalidDataError):
            self._encode(track, track.stream.codec_context.decode(None))
        self._mux(track, track.encoder.finish())

    def _encode(self, track: _Track, frames: Iterable[av.AudioFrame]) -> None:
        for frame in frames:
            time = None
            if frame.pts is not None:
                time = frame.pts * frame.time_base - self._info.begin
            self._mux(track, track.encoder.encode(frame, time))

    def _mux(self, track: _Track, made: Iterable[av.Packet]) -> None:
        self._container.start_encoding()
        for packet in made:
            if track.encoder is None:
                track.last = _set_rising(packet, track.output, track.last)
            if self._container.format.name == "avi":
                # It has nothing before 0, and would move the pictures to make room.
                if track.late is None:
                    track.late = max(0, -(packet.dts or 0))
                packet.dts, packet.pts = (
                    (packet.dts or 0) + track.late,
                    (packet.pts or 0) + track.late,
                )
            self._container.mux(packet)

    def _guarded(self, index: int, work: Callable, *given) -> None:
        """Do a part of the work on a track; what it cannot stand ends the track alone."""
        if index not in self._tracks:
            return
        try:
            work(*given)
        except (av.FFmpegError, ValueError) as error:
            if getattr(error, "errno", None) in FATAL:
                raise
            track = self._tracks.pop(index)
            reason = getattr(error, "strerror", None) or error
            warn(f"{track.name} ends here: {reason}")


def _set_rising(packet: av.Packet, output: av.AudioStream, last: int | None) -> int:
    """Bring a packet's times to its output's ticks, after `last`, and return when it is decoded.

    Some packets are shorter than a tick of their source: TrueHD's, 1/1200 s, in a Matroska file.
    """
    base = output.time_base
    pts, dts = (
        None if ticks is None else round(ticks * packet.time_base / base)
        for ticks in (packet.pts, packet.dts)
    )
    dts = pts if dts is None else dts
    dts = 0 if dts is None else dts
    if last is not None:
        together = output.container.format.flags & Flags.ts_nonstrict.value
        dts = max(dts, last if together else last + 1)
    packet.duration = round(packet.duration * packet.time_base / base)
    packet.time_base, packet.dts, packet.pts = base, dts, max(dts if pts is None else pts, dts)
    return dts


def _adts_setup(packet: av.Packet, stream: av.AudioStream) -> int | None:
    """Return profile, rate and channels of an AAC packet that brings its own header, else None.

    Other containers hold them once for all the track, so it cannot be copied if they change.
    """
    if stream.codec_context.name != "aac" or stream.codec_context.extradata or packet.size < 7:
        return None
    head = int.from_bytes(bytes(packet)[:4])
    return head & 0xFDC0 if head >> 20 == 0xFFF else None


def _label(output: av.AudioStream, source: av.AudioStream, ending: str) -> None:
    """Give a track its language, its title and its place as the default."""
    output.disposition = source.disposition
    kept = source.metadata
    if language := kept.get("language"):
        if ending == ".mov":
            language = _QUICKTIME.get(language, language)
        output.metadata["language"] = language
    handler = kept.get("handler_name", "")
    handler = "" if "handler" in handler.lower() else handler  # what writers put there unasked
    if title := kept.get("title") or kept.get("name") or handler:
        output.metadata["title"] = title
        if ending in (".mp4", ".mov"):
            output.metadata["handler_name"] = title
