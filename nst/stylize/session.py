"""What it takes to paint a video's parts, and the record of the run that they belong to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from torch import Tensor

from nst.core.device import choose_device, choose_dtype, dtype_name
from nst.core.progress import OnProgress, Progress
from nst.errors import InputError
from nst.media.camera import is_live
from nst.media.frames import OnFrame, PaintedFrame, StreamInfo
from nst.models.checkpoint import Checkpoint
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.styles.schedule import Clock
from nst.stylize.key_learning import key_paint, learned
from nst.stylize.key_times import check_keyframes
from nst.stylize.paint import Paint, Styles, mix_paint, read_styles
from nst.stylize.parts import Parts, new_record
from nst.stylize.pipeline import Source, painted, sample
from nst.stylize.shots import Shot
from nst.stylize.videos import mask_picture, written

# Bytes that a kept pixel takes, of 3 or 6: an upper bound for painted pictures.
BYTES_A_PIXEL = {8: 2.5, 16: 6.0}


@dataclass
class Session:
    """What is needed to paint a video's parts, one after the other."""

    config: VideoConfig
    styles: Styles
    checkpoint: Checkpoint
    source: Source
    parts: Parts
    on_progress: OnProgress | None

    @cached_property
    def paint(self) -> Paint:
        """What to paint with: tuned on the video once, by whoever comes first."""
        config, parts = self.config, self.parts
        if config.keyframe:
            paint = mix_paint(config, self.checkpoint, self.styles, lambda: sample(config))
            known = parts.shared_codes(None)
            keys, made = learned(config, self.checkpoint, known, self.on_progress)
            if known is None:  # another process may have been first
                keys = key_paint(config, self.checkpoint, keys.keys, parts.shared_codes(made))
            return replace(paint, keys=keys)
        if self.checkpoint.encoder is None:  # nothing to tune
            return mix_paint(config, self.checkpoint, self.styles, lambda: sample(config))
        known = parts.shared_codes(None)
        if known:
            config = replace(config, refine_steps=0)
        paint = mix_paint(
            config, self.checkpoint, self.styles, lambda: sample(config), self.on_progress
        )
        known = known or parts.shared_codes(_codes(paint))
        return replace(paint, **{name: codes.to(paint.device) for name, codes in known.items()})

    @property
    def shots(self) -> list[Shot] | None:
        """The shots to paint by themselves; None where cuts are found on the way."""
        shots = self.parts.record["shots"]
        return None if shots is None else [Shot(*shot) for shot in shots]

    @property
    def depths(self) -> dict[str, int]:
        """The bits, 8 or 16, of each kind of image that is kept."""
        return self.parts.record["depths"]

    def images(self, frame: PaintedFrame) -> dict[str, Tensor]:
        """Return what is kept of a frame."""
        found = {
            "video": frame.result.image,
            "masks": mask_picture(self.config, frame),
            "alone": frame.alone,
        }
        return {kind: image for kind, image in found.items() if image is not None}

    def teller(self, stage: str, done: int, total: int | None) -> Callable[[int], None]:
        """Return what tells how many frames of a stage are done."""
        report = self.on_progress or (lambda _: None)

        def tell(now: int) -> None:
            report(Progress(stage, now, total, "frame"))

        tell(done)
        return tell


@contextmanager
def opened_session(
    config: VideoConfig,
    record: dict | None = None,
    hold: Literal["alone", "together", "none"] = "alone",
    on_progress: OnProgress | None = None,
) -> Iterator[Session]:
    """Open a video and its parts to go on with a run.

    Args:
        record: of the run; None begins one.
        hold: see `Parts`.

    Raises:
        InputError: something the user gave is wrong.
    """
    styles = read_styles(config)
    with ExitStack() as stack:
        if record is None:
            with Source(config) as source:
                record = begun_record(config, source.info)
        config = replace(config, **record["settled"])
        checkpoint = styles.load(config.checkpoint, "fast")
        source = stack.enter_context(Source(config, choose_device(config.device)))
        styles.timeline(Clock.of(source.info))  # refuses times that it does not have
        check_keyframes(config, source.info)
        parts = stack.enter_context(Parts(config.output_video, record, hold))
        yield Session(config, styles, checkpoint, source, parts, on_progress)


def paint_shot(session: Session, shot: Shot, tell: Callable[[int], None], before: int = 0) -> None:
    """Paint a shot and keep it.

    Args:
        tell: takes how many frames are done.
        before: how many of other shots were done already.

    Raises:
        InputError: the video ends before the shot does.
    """
    parts, paint = session.parts, session.paint
    span = (shot.first, shot.stop, shot.run_in)
    with (
        painted(session.source, paint, session.styles, *span) as frames,
        parts.begun(shot.first, session.depths) as writer,
    ):
        for frame in frames:
            writer.write(session.images(frame))
            tell(before + writer.count)
        if writer.count != shot.stop - shot.first:
            raise InputError(
                f"{session.config.input_video} ends at frame {shot.first + writer.count}, and was "
                f"longer when its shots were found: is it being written?"
            )
        writer.keep()


def begun_record(config: VideoConfig, info: StreamInfo) -> dict:
    """Return the record of a new run, and refuse what could not be written.

    What the options' `auto` comes to here is settled in it: each part is to take the same.
    """
    device = choose_device(config.device)
    precision = dtype_name(choose_dtype(config.precision, device))
    flow = config.flow
    if flow == "auto":
        flow = FlowEstimator(flow, config.flow_long_side, device).method
    with ExitStack() as stack:
        writers = stack.enter_context(written(config, info, device))
        made = {"video": writers.video, "masks": writers.masks}
        depths = {kind: writer.depth for kind, writer in made.items() if writer}
        for writer in (*made.values(), writers.compare):
            if writer:
                writer.discard()
    record = new_record(config, {"precision": precision, "flow": flow})
    return record | {"depths": depths | {"alone": 16}}


def check_writable(config: VideoConfig, on_frame: OnFrame | None, flag: str) -> None:
    """Refuse what cannot be painted part by part.

    Raises:
        InputError: names the option that stands against it.
    """
    if config.output_video is None or config.show or on_frame:
        raise InputError(
            f"{flag} is for a video that is written: give --output-video, and no --show"
        )
    if is_live(str(config.input_video)):
        raise InputError(f"{flag}: {config.input_video} is live and cannot be read again")


def space(info: StreamInfo, frames: int, depths: dict[str, int]) -> int:
    """Return how many bytes a video's parts take, at the most and about."""
    height, width = info.size
    return round(frames * height * width * BYTES_A_PIXEL[depths["video"]])


def _codes(paint: Paint) -> dict[str, Tensor]:
    codes = {"codes": paint.codes, "scaled_codes": paint.scaled_codes}
    return {name: tensor for name, tensor in codes.items() if tensor is not None}
