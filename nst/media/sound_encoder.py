"""Sound encoded anew: brought to one layout and rate that the encoder knows, without gaps."""

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

# By the number of channels: what is meant where a file names no layout, and what encoders know.
LAYOUTS = {
    **{1: "mono", 2: "stereo", 3: "3.0", 4: "quad"},
    **{5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"},
}
MOST_CHANNELS = {"libmp3lame": 2}
# A hole or an overlap of so many seconds is put right; less is how files round their times.
TOLERANCE = Fraction(1, 20)
# Bits a second of a channel. FFmpeg's AAC overshoots where sound sets in, audibly below 160,000.
BITS = {"aac": 160_000, "libopus": 96_000, "libmp3lame": 96_000}


class SoundEncoder:
    """One track through an encoder of FFmpeg's, on a clock that counts its samples.

    Input may change its channels, rate and format on the way. More channels than a layout has a
    name for are mixed down to two: the odd ones left, the even ones right.

    Args:
        codec: the encoder.
        channels, rate: of the source.

    Raises:
        ValueError, av.FFmpegError: the encoder cannot be opened for this.
    """

    def __init__(self, codec: str, channels: int, rate: int) -> None:
        self.codec = codec
        channels = channels if channels in LAYOUTS else 2
        self.layout = LAYOUTS[min(channels, MOST_CHANNELS.get(codec, 8))]
        self.rate = nearest_rate(rate, av.Codec(codec, "w").audio_rates)
        trial = av.CodecContext.create(codec, "w")
        # The encoders in use all take floats, planar or packed.
        self._format = next(f.name for f in trial.codec.audio_formats if f.name.startswith("flt"))
        trial.sample_rate, trial.layout, trial.format = self.rate, self.layout, self._format
        trial.open()
        self._stream: av.AudioStream | None = None
        self._plain: av.AudioResampler | None = None
        self._final: av.AudioResampler | None = None
        self._kind: tuple | None = None
        self._next: int | None = None

    def add_to(self, container: av.container.OutputContainer) -> av.AudioStream:
        """Give the container a stream of this encoder's and return it."""
        stream = container.add_stream(self.codec, rate=self.rate, layout=self.layout)
        stream.codec_context.format = self._format
        stream.bit_rate = BITS[self.codec] * stream.codec_context.channels
        self._stream = stream
        return stream

    def encode(self, frame: av.AudioFrame, time: Fraction | None) -> Iterator[av.Packet]:
        """Encode a frame.

        Args:
            time: seconds from the output's beginning, where it begins; None goes on.
        """
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self._drain()
            self._kind = kind
            self._plain = av.AudioResampler(format="flt")
        frame.pts = None
        channels = frame.layout.nb_channels
        for plain in self._plain.resample(frame):
            samples = plain.to_ndarray().reshape(-1, channels)
            yield from self._placed(samples, frame, time)
            time = None

    def finish(self) -> Iterator[av.Packet]:
        """Encode what is still held."""
        yield from self._drain()
        yield from self._stream.encode(None)

    def _placed(
        self, samples: np.ndarray, frame: av.AudioFrame, time: Fraction | None
    ) -> Iterator[av.Packet]:
        """Encode samples (n, channels) where they belong, with silence in a hole before them."""
        rate, unnamed = frame.sample_rate, frame.layout.name.endswith(" channels")
        if time is not None:
            begin = round(time * self.rate)
            if self._next is None:
                self._next = max(begin, 0)
            hole = begin - self._next
            if hole > TOLERANCE * self.rate:
                yield from self._drain()
                yield from self._silence(begin - self._next)
            elif hole < -TOLERANCE * self.rate or (hole < 0 and self._next == 0):
                samples = samples[round(Fraction(-hole, self.rate) * rate) :]
        self._next = self._next or 0
        if not len(samples):
            return
        channels, name = samples.shape[1], frame.layout.name
        if channels not in LAYOUTS:
            # Added up: most of so many are silent as a rule, and a mean would leave a whisper.
            sides = [samples[:, side::2].sum(1).clip(-1, 1) for side in (0, 1)]
            samples, name = np.stack(sides, 1), "stereo"
        elif unnamed:
            name = LAYOUTS[channels]
        packed = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
        named = av.AudioFrame.from_ndarray(packed, format="flt", layout=name)
        named.sample_rate, named.time_base = rate, Fraction(1, rate)
        if self._final is None:
            self._final = av.AudioResampler(self._format, self.layout, self.rate)
        for ready in self._final.resample(named):
            yield from self._send(ready)

    def _send(self, ready: av.AudioFrame) -> Iterator[av.Packet]:
        ready.pts, ready.time_base = self._next, Fraction(1, self.rate)
        self._next += ready.samples
        yield from self._stream.encode(ready)

    def _silence(self, samples: int) -> Iterator[av.Packet]:
        channels = av.AudioLayout(self.layout).nb_channels
        planar = self._format == "fltp"
        while samples > 0:
            count = min(samples, self.rate)
            shape = (channels, count) if planar else (1, channels * count)
            zeros = np.zeros(shape, np.float32)
            quiet = av.AudioFrame.from_ndarray(zeros, self._format, self.layout)
            quiet.sample_rate = self.rate
            yield from self._send(quiet)
            samples -= count

    def _drain(self) -> Iterator[av.Packet]:
        """Encode what the resampler holds, and let the next input set up another."""
        if self._final is not None:
            for ready in self._final.resample(None):
                yield from self._send(ready)
        self._final = None


def nearest_rate(rate: int, known: list[int] | None) -> int:
    """Return a rate that an encoder knows: the same, the next above, or of high ones 48000.

    >>> nearest_rate(22050, [48000, 24000]), nearest_rate(192000, [96000, 48000, 44100])
    (24000, 48000)
    """
    if not known or rate in known:
        return rate
    above = [other for other in known if other > rate]
    return min(above) if above else 48000 if 48000 in known else max(known)
