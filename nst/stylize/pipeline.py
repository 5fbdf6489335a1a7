"""From a video's frames to painted ones: reading, following and painting, each in a thread.

Memory does not grow with the video's length. Any range of frames can be painted: what is remembered
of earlier frames is forgotten at a cut, so a range that begins at one comes out as in the whole.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from nst.core.device import frame_workers, frames_together
from nst.core.tensors import resize, working_size
from nst.core.threads import in_background
from nst.errors import InputError
from nst.media.camera import is_live
from nst.media.frames import Frame, PaintedFrame, StreamInfo, frame_rate
from nst.media.video_reader import VideoReader, open_video
from nst.media.video_writer import holds_alpha
from nst.models.deeplab import Segmenter
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.regions.masks import needs_segmenter, open_masks
from nst.styles.schedule import Clock
from nst.stylize.forward import MIN_SIDE
from nst.stylize.frames import followed, stylize_frames
from nst.stylize.key_times import check_keyframes
from nst.stylize.paint import Paint, Styles, grade_of
from nst.stylize.recorded import RecordedNet

# From a camera's first picture to the one that a style is learned on: its exposure has settled.
SETTLING_MILLISECONDS = 700


def sample(config: VideoConfig) -> list[Tensor]:
    """Return frames that a style picture is learned on, as they are painted: one of each third.

    Of a camera, and where the length is not known, one; a camera's is a little later than its
    first.
    """
    live = is_live(str(config.input_video))
    with Source(config) as source:
        info = source.info
        for frame in source.raw:
            if not live or frame.pts >= SETTLING_MILLISECONDS:
                break
    images, rate = [frame.image], frame_rate(config.rate)
    for third in (1, 2) if info.frames and not live else ():
        start = config.start + float(third * info.frames // 3 / info.rate)
        with (
            suppress(InputError),  # a file that is cut short says more frames than it has
            open_video(
                config.input_video, start, rate=rate, deinterlace=config.deinterlace
            ) as video,
        ):
            images += [frame.image for frame in islice(video, 1)]
    return [resize(image, info.size) for image in images]


def check_times(config: VideoConfig, styles: Styles) -> None:
    """Refuse styles at times that the video does not have, before anything is learned on it.

    Raises:
        InputError: names the option and the time.
    """
    if is_live(str(config.input_video)):
        styles.timeline(Clock.of_camera())
        if config.keyframe:
            raise InputError("--keyframe needs a video that can be read again, not a camera")
    elif styles.schedules or config.keyframe:
        with Source(config) as source:
            styles.timeline(Clock.of(source.info))
            check_keyframes(config, source.info)


class Source:
    """The part of a video that is wanted, open at its frame `position`; `info` is of the output.

    Frames have their alpha where the output can hold it.

    Args:
        device: where they are to be painted.
    """

    def __init__(self, config: VideoConfig, device: torch.device | None = None) -> None:
        self.config, self.device = config, device or torch.device("cpu")
        self.live = is_live(str(config.input_video))
        self.position = 0
        self._open()
        size = working_size(self.raw.info.size, config.long_side, config.input_video, MIN_SIDE)
        self.info: StreamInfo = replace(self.raw.info, size=size)

    def frames(self, first: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Yield the frames from number `first` on, up to `stop`, at the output's size.

        What lies behind `position` is reached by reading from the beginning.
        """
        self._go_to(first)
        for frame in islice(self._iterator, None if stop is None else stop - first):
            self.position += 1
            image, alpha = resize(frame.image.to(self.device), self.info.size), frame.alpha
            if self.config.mirror:
                image, alpha = image.flip(3), None if alpha is None else alpha.flip(3)
            yield replace(frame, image=image, alpha=alpha)

    def counted(self, first: int = 0) -> Iterator[int]:
        """Yield the number of each frame from `first` on, without making an image of it."""
        self._go_to(first)
        while self._skip(1):
            self.position += 1
            yield self.position - 1

    def close(self) -> None:
        self.raw.close()

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        config, output = self.config, self.config.output_video
        span = (config.input_video, config.start, config.duration, frame_rate(config.rate))
        keep_alpha = output is not None and holds_alpha(output, config.codec, config.pix_fmt)
        self.raw = open_video(*span, keep_alpha, config.deinterlace, self.device, config.hwaccel)
        self._iterator: Iterator[Frame] = iter(self.raw)

    def _go_to(self, number: int) -> None:
        if number < self.position:
            self.close()
            self._open()
            self.position = 0
        self._skip(number - self.position)
        self.position = number

    def _skip(self, count: int) -> int:
        """Leave out so many frames; return how many there were."""
        if isinstance(self.raw, VideoReader):
            return self.raw.skip(count)
        return sum(1 for _ in islice(self._iterator, count))


def remembers(config: VideoConfig, paint_grain: float, regions: object) -> bool:
    """Tell whether anything of a frame is used for the next one."""
    return config.flow != "none" and bool(config.temporal_blend or regions or paint_grain)


class Pipeline:
    """Paints a video, or ranges of its frames one after the other, with nets that are built once.

    Raises:
        InputError: the weights of one that the options need are not to be had.
    """

    def __init__(self, source: Source, paint: Paint, styles: Styles) -> None:
        config = source.config
        self._source, self._styles = source, styles
        self._paint = paint = paint.for_size(source.info.size, styles.scale_factors)
        self._net = RecordedNet(paint.net)
        self._segmenter = self._flow = None
        if needs_segmenter(config, styles.regions):
            self._segmenter = Segmenter(config.segmenter, paint.device, paint.dtype)
        if remembers(config, paint.grain, styles.regions):
            self._flow = FlowEstimator(config.flow, config.flow_long_side, paint.device)

    @contextmanager
    def painted(
        self, first: int = 0, stop: int | None = None, run_in: int = 0
    ) -> Iterator[Iterator[PaintedFrame]]:
        """Give the painted frames from number `first` on, up to `stop`, made by threads.

        What is live waits in no queue before the net: each frame is the latest.

        Args:
            run_in: so many frames before `first` are painted too and thrown away: they fill the
                memory.
        """
        source, paint, regions = self._source, self._paint, self._styles.regions
        config, info, live = source.config, source.info, source.live
        ahead = nullcontext if live else in_background
        begin = first - run_in
        with ExitStack() as stack:
            workers = stack.enter_context(frame_workers(paint.device, info.size, live))
            device, dtype, segmenter = paint.device, paint.dtype, self._segmenter
            opened = open_masks(
                config, regions, device, dtype, rate=info.rate, first=begin, segmenter=segmenter
            )
            masks = stack.enter_context(opened)
            tracker = MotionTracker(self._flow) if self._flow else None
            frames = stack.enter_context(ahead(source.frames(begin, stop)))
            scenes = followed(frames, paint.device, tracker, masks, paint.grain)
            results = stylize_frames(
                stack.enter_context(ahead(scenes)),
                paint,
                config.temporal_blend,
                config.preserve_color,
                self._styles.timeline(Clock.of(info)),
                regions,
                workers,
                waiting=0 if live else 1,
                keep_alone=bool(config.report and config.temporal_blend),
                together=frames_together(paint.device, info.size, live),
                number=begin,
                net=self._net,
                grade=grade_of(config),
            )
            kept = islice(results, run_in, None)
            yield stack.enter_context(in_background(kept, depth=1 if live else 2))
            if masks and begin == 0 and stop is None:
                masks.report()
