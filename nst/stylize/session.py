"""What it takes to paint a video's parts, and the record of the run that they belong to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from nst.core.device import choose_device, choose_dtype, dtype_name
from nst.core.progress import OnProgress, Progress
from nst.errors import InputError
from nst.media.camera import is_live
from nst.media.frames import OnFrame, PaintedFrame, StreamInfo
from nst.models.checkpoint import DEFAULT, Checkpoint, load_checkpoint
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.styles.codes import as_it_is
from nst.styles.schedule import Clock
from nst.stylize.key_learning import key_paint, learned
from nst.stylize.key_times import check_keyframes
from nst.stylize.paint import Paint, Styles, check_styles, mix_paint, read_styles
from nst.stylize.parts import Parts
from nst.stylize.pipeline import Pipeline, Source, sample
from nst.stylize.record import new_record
from nst.stylize.shots import Shot
from nst.stylize.videos import mask_picture, written

# Bytes that a kept pixel of 8 or 16 bits takes, at most, where it is painted; raw it is 3 or 6.
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
        """What to paint with: learned on the video once, by whoever comes first."""
        config, parts = self.config, self.parts
        if config.keyframe:
            paint = mix_paint(config, self.checkpoint, self.styles, lambda: sample(config))
            known = parts.shared_codes(None)
            keys, made = learned(config, self.checkpoint, known, self.on_progress)
            if known is None:  # another process may have been first
                keys = key_paint(config, self.checkpoint, keys.keys, parts.shared_codes(made))
            return replace(paint, keys=keys)
        if not self.styles.pictures:  # nothing to learn
            return mix_paint(config, self.checkpoint, self.styles, lambda: sample(config))
        known = parts.shared_codes(None)
        paint = mix_paint(
            config, self.checkpoint, self.styles, lambda: sample(config), self.on_progress,
            tune=as_it_is if known else None,
        )  # fmt: skip
        known = known or parts.shared_codes(_codes(paint))
        on_device = {name: codes.to(paint.device) for name, codes in known.items()}
        scaled = on_device.get("scaled_codes")
        return replace(paint, codes=on_device["codes"], scaled_codes=scaled)

    @cached_property
    def pipeline(self) -> Pipeline:
        """What paints any frames of the video, with nets that are loaded once."""
        return Pipeline(self.source, self.paint, self.styles)

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
    styles, device = read_styles(config), choose_device(config.device)
    checkpoint = load_checkpoint(config.checkpoint or DEFAULT)
    check_styles(config, checkpoint, styles)
    settled = record["settled"] if record else settled_options(config, device)
    as_settled = replace(config, **settled)
    with ExitStack() as stack:
        source = stack.enter_context(Source(as_settled, device))
        styles.timeline(Clock.of(source.info))  # refuses times that it does not have
        check_keyframes(config, source.info)
        if record is None:
            record = new_record(config, styles, settled)
            record["depths"] = kept_depths(config, writable_depth(config, source.info, device))
        parts = Parts(config.output_video, record, hold, way_on(config))
        stack.enter_context(parts)
        yield Session(as_settled, styles, checkpoint, source, parts, on_progress)


def way_on(config: VideoConfig) -> str:
    """Return what the user is to do when a run has stopped, in the imperative."""
    if config.join:
        return "give the --part of what is missing again, then --join"
    if config.plan:
        return "give the command again"
    return "give the command again with --resume"


def paint_shot(session: Session, shot: Shot) -> Iterator[int]:
    """Paint a shot, yielding how many of its frames are done, and keep it.

    Raises:
        InputError: the video ends before the shot does.
    """
    parts = session.parts
    with (
        session.pipeline.painted(shot.first, shot.stop, shot.run_in) as frames,
        parts.begun(shot.first, session.depths) as writer,
    ):
        for frame in frames:
            writer.write(session.images(frame))
            yield writer.count
        if writer.count != shot.stop - shot.first:
            raise InputError(
                f"{session.config.input_video} ends at frame {shot.first + writer.count}, and was "
                f"longer when its shots were found: is it being written?"
            )
        writer.keep()


def settled_options(config: VideoConfig, device: torch.device) -> dict[str, str]:
    """Return what the options' `auto` comes to here: each part is to take the same."""
    precision = dtype_name(choose_dtype(config.precision, device))
    flow = config.flow
    if flow == "auto":
        flow = FlowEstimator(flow, config.flow_long_side, device).method
    return {"precision": precision, "flow": flow}


def writable_depth(config: VideoConfig, info: StreamInfo, device: torch.device) -> int:
    """Return the bits of the video that is to be written, 8 or 16.

    Raises:
        InputError: it, or what is written beside it, could not be written.
    """
    with written(config, info, device) as writers:
        writers.discard()
        return writers.video.depth


def kept_depths(config: VideoConfig, video: int) -> dict[str, int]:
    """Return the bits, 8 or 16, of each kind of image that is kept; `video` are the result's."""
    depths = {"video": video}
    if config.mask_output and config.region:
        depths["masks"] = 8
    if config.report and config.temporal_blend:
        depths["alone"] = 16
    return depths


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


def space(info: StreamInfo, frames: int, depths: Mapping[str, int]) -> int:
    """Return how many bytes a video's parts take, at the most and about."""
    height, width = info.size
    return round(frames * height * width * sum(BYTES_A_PIXEL[bits] for bits in depths.values()))


def _codes(paint: Paint) -> dict[str, Tensor]:
    codes = {"codes": paint.codes, "scaled_codes": paint.scaled_codes}
    return {name: tensor for name, tensor in codes.items() if tensor is not None}
