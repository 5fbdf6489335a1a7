"""A video in one pass of a trained net.

Reading, painting and writing run at the same time, each in a thread of its own. Memory does not
grow with the video's length.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace

from torch import Tensor
from tqdm import tqdm

from nst.core.device import choose_device, choose_dtype, frame_workers
from nst.core.files import check_place, write_json
from nst.core.tensors import resize, working_size
from nst.core.threads import in_background
from nst.errors import InputError
from nst.losses.video_metrics import Measurement, build_measurement, in_words
from nst.media.camera import is_live
from nst.media.display import Window
from nst.media.frames import Frame, StreamInfo, frame_rate
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video
from nst.models.checkpoint import Checkpoint, load_checkpoint
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.options.stylize import VideoConfig
from nst.regions.masks import video_masks
from nst.regions.spec import chosen_styles
from nst.styles.codes import CrossFade, Tune, style_code
from nst.styles.pictures import style_pictures
from nst.styles.spec import identity_share, wanted_checkpoint, wanted_shares
from nst.styles.tuning import code_tuner
from nst.stylize.forward import LEAST_SIDE
from nst.stylize.frames import Paint, followed, stylize_frames

# Without a report a few small frames are measured, at a cost that does not show.
SAMPLE_SIDE, SAMPLE_EVERY = 320, 16
# From a camera's first picture to the one that a style is tuned on.
SETTLING_MILLISECONDS = 700


def one_pass_video(config: VideoConfig) -> str:
    """Stylize the video that `config` names and write it, with its times and its sound.

    Returns:
        How steady it is and how near to the original, in one line.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    if not (config.output_video or config.show):
        raise InputError("nothing would be seen: give --output-video, --show or both")
    checkpoint = load_checkpoint(wanted_checkpoint(config, "fast"))
    rate = frame_rate(config.rate)
    span = (config.input_video, config.start, config.duration, rate)
    live = is_live(str(config.input_video))

    def sample() -> list[Tensor]:
        with open_video(*span) as reader:
            for frame in reader:
                # A camera gets time to get used to the light.
                if not live or frame.pts >= SETTLING_MILLISECONDS:
                    break
            return [frame.image]

    tune = code_tuner(checkpoint.net, sample, config.refine_steps, config.precision, config.quiet)
    regions, code, left_alone = chosen_styles(config, checkpoint, tune)
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    code, identity = code.to(device), checkpoint.codes[:1].to(device)
    tracker = None
    if config.flow != "none" and (config.temporal_blend or regions or checkpoint.grain):
        tracker = MotionTracker(FlowEstimator(config.flow, config.flow_long_side, device))
    measurement = _measurement(config, checkpoint)
    with open_video(*span) as reader:
        size = working_size(reader.info.size, config.long_side, config.input_video, LEAST_SIDE)
        info = replace(reader.info, size=size)
        fade = _fade(config, checkpoint, tune, code, left_alone, info.frames)
        paint = Paint(checkpoint.net.to(device, dtype), code, dtype, identity, left_alone)
        # What is live waits in no queue before the net: each frame is the latest.
        ahead = nullcontext if live else in_background
        # The frames that are being painted, kept to be measured.
        originals: deque[Tensor] = deque()
        resized = _resized(reader, size, config.mirror, originals)
        with (
            frame_workers(device, size, live) as workers,
            video_masks(config, regions, device, dtype, reader.info.rate) as masks,
            _created(config, info) as writer,
            _mask_writer(config, info) as mask_writer,
            Window() if config.show else nullcontext() as window,
            ahead(resized) as frames,
            ahead(followed(frames, device, tracker, masks, checkpoint.grain)) as scenes,
            in_background(
                stylize_frames(
                    scenes,
                    paint,
                    config.temporal_blend,
                    config.preserve_color,
                    fade,
                    regions,
                    mask_writer,
                    workers,
                    waiting=0 if live else 1,
                ),
                depth=1 if live else 2,
            ) as painted,
        ):
            label = f"stylizing, {tracker.flow.method.upper()} flow" if tracker else "stylizing"
            for frame in tqdm(painted, label, info.frames, unit="frame", disable=config.quiet):
                if writer:
                    writer.write(frame)
                measurement.add(originals.popleft(), frame.image.cpu())
                if window and not window.show(frame):
                    break
    figures = measurement.figures()
    if config.report:
        write_json(config.report, figures)
    return in_words(figures)


def _fade(
    config: VideoConfig,
    checkpoint: Checkpoint,
    tune: Tune | None,
    code: Tensor,
    left_alone: Tensor,
    frames: int | None,
) -> CrossFade | None:
    if not config.style_to:
        return None
    if config.region:
        raise InputError("--style-to fades the whole picture: leave out --region")
    last = style_code(checkpoint, config.style_to, config.strength, config.style_scale, tune)
    left_alone_last = identity_share(config.style_to, config.strength)
    return CrossFade(code, float(left_alone), last.to(code.device), left_alone_last, frames)


def _measurement(config: VideoConfig, checkpoint: Checkpoint) -> Measurement:
    """Return what measures the result: each frame for a report, a few otherwise."""
    if not config.report:
        return Measurement(FlowEstimator("dis"), SAMPLE_SIDE, SAMPLE_EVERY)
    check_place(config.report, "--report")

    def styles() -> tuple[dict[str, Tensor], dict[str, float]]:
        if config.region or config.style_to:
            raise InputError("there is more than one style")
        shares, _ = wanted_shares(config, checkpoint)
        return style_pictures(checkpoint, shares), shares

    return build_measurement(styles, lambda: VGGFeatures(load_vgg19()))


def _created(config: VideoConfig, info: StreamInfo):
    """Return the writer, as a context; of None when nothing is to be written."""
    if config.output_video is None:
        return nullcontext()
    return create_video(
        config.output_video,
        info,
        codec=config.codec,
        crf=config.crf,
        preset=config.preset,
        keep_audio=config.keep_audio,
    )


def _mask_writer(config: VideoConfig, info: StreamInfo):
    """Return the masks' writer, as a context; of None when they are not asked for."""
    if config.mask_output is None:
        return nullcontext()
    if config.output_video and config.mask_output.absolute() == config.output_video.absolute():
        raise InputError(f"--mask-output is --output-video, {config.output_video}: give another")
    return create_video(config.mask_output, info, keep_audio=False)


def _resized(
    frames: Iterable[Frame], size: tuple[int, int], mirror: bool, originals: deque[Tensor]
) -> Iterator[Frame]:
    for frame in frames:
        image = resize(frame.image, size)
        image = image.flip(3) if mirror else image
        originals.append(image)
        yield replace(frame, image=image)
