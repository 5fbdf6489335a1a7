"""What a result measures: any tool's stylized video beside its original.

What each figure means is in `nst/losses/metrics.py` and `nst/losses/video_metrics.py`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from nst.commands.summary import in_words
from nst.core.device import choose_device
from nst.core.files import check_place, replacing, write_json
from nst.core.progress import bars, tracked, warn
from nst.core.reports import Figures
from nst.core.tensors import fit, resize, size_of
from nst.errors import InputError
from nst.losses.metrics import e_stab
from nst.losses.style_figures import style_reference
from nst.losses.video_metrics import Measurement
from nst.media.frames import frame_rate
from nst.media.images import save_image
from nst.media.video_reader import open_video
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.flow import FlowEstimator
from nst.motion.true_flow import read_true_flow
from nst.options.tools import EvaluationConfig
from nst.styles.pictures import load_style

SHEET_COLUMNS, SHEET_WIDTH = 8, 240


def evaluate(config: EvaluationConfig) -> dict:
    """Measure the video that `config` names; write the report, a plot and a contact sheet.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    device = choose_device(config.device)
    if config.output:
        check_place(config.output, "--output", [".json"])
        for path in _beside(config.output):
            if path.exists() and not config.output.exists():
                raise InputError(
                    f"{path} would be overwritten: rename it, or give another --output"
                )
    vgg, style = None, None
    if config.style_path:
        picture = load_style(config.style_path, config.style_size)
        vgg = VGGFeatures(load_vgg19(config.vgg)).to(device)
        style = style_reference(vgg, [(picture, 1.0)])
    flow = FlowEstimator(config.flow, config.flow_long_side, device)
    measurement = Measurement(flow, config.long_side, 1, vgg, style, config.vgg_every)
    sheet = Sheet()
    kept: list[tuple[Tensor, Tensor]] = []  # with true flow: all of them are needed at the end
    paths = [config.original, config.stylized, *filter(None, [config.alone])]
    rate = frame_rate(config.rate)
    with ExitStack() as files:
        videos: list = [files.enter_context(open_video(path, rate=rate)) for path in paths]
        count = videos[1].info.frames
        on_progress = files.enter_context(bars(config.quiet))
        for original, result, *alone in tracked(
            _together(videos, paths), "measuring", count, "frame", on_progress
        ):
            on_device = (image.to(device) for image in (original, result, *alone))
            measurement.add(*on_device)
            sheet.add(original, result)
            if config.flow_dir:
                kept.append((resize(original, size_of(result)), result))
    figures: dict = {"original": config.original.name, "stylized": config.stylized.name}
    if config.style_path:
        figures["style"] = config.style_path.name
    figures |= measurement.figures()
    if config.flow_dir:
        size = size_of(kept[0][1])
        flows, masks = read_true_flow(config.flow_dir, config.occlusion_dir, len(kept), size)
        for name, images in zip(("input_e_stab", "e_stab"), zip(*kept, strict=True), strict=True):
            figures[name] = e_stab(list(images), flows, masks)
    if config.output:
        write_json(config.output, figures)
        plot, contact_sheet = _beside(config.output)
        _plot(figures, plot)
        save_image(sheet.image(), contact_sheet)
    return figures


class Sheet:
    """A contact sheet: frames evenly spread over a video of any length, originals above."""

    def __init__(self):
        self._every, self._count, self._columns = 1, 0, []

    def add(self, original: Tensor, stylized: Tensor) -> None:
        """Take the next frame, as it was and as it became."""
        if self._count % self._every == 0:
            if len(self._columns) == 2 * SHEET_COLUMNS:
                self._columns, self._every = self._columns[::2], 2 * self._every
            height, width = stylized.shape[-2:]
            size = fit((height, width), max(1, round(SHEET_WIDTH * max(1, height / width))))
            self._columns.append(torch.cat([resize(original, size), resize(stylized, size)], 2))
        self._count += 1

    def image(self) -> Tensor:
        """Return the sheet (1, 3, H, W)."""
        last = len(self._columns) - 1
        count = min(SHEET_COLUMNS, last + 1)
        chosen = {round(i * last / max(1, count - 1)) for i in range(count)}
        return torch.cat([self._columns[i] for i in sorted(chosen)], 3)


def _beside(output: Path) -> list[Path]:
    """Return where the plot and the contact sheet are written."""
    return [output.with_name(f"{output.stem}_{kind}.png") for kind in ("plot", "sheet")]


def _together(videos: list, paths: list[Path]) -> Iterator[list[Tensor]]:
    """Give the videos' frames one by one; a tool may have dropped some at the end."""
    count = 0
    for frames in zip_longest(*videos):
        if None in frames:
            ended = paths[frames.index(None)]
            line = f"{ended} ends after {count} frames: the rest is left out"
            warn(line)
            return
        count += 1
        yield [frame.image for frame in frames]


def _plot(figures: dict, path: Path) -> None:
    from matplotlib.figure import Figure  # late: it is slow to import

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    for lag, curves in figures["over_time"].items():
        (line,) = axes.plot(curves["frame"], curves["warping_error"], label=f"result, lag {lag}")
        axes.plot(
            curves["frame"], curves["input_warping_error"], "--",
            color=line.get_color(), label=f"input, lag {lag}",
        )  # fmt: skip
    axes.set(xlabel="frame", ylabel="warping error", title=figures["stylized"])
    axes.set_ylim(bottom=0)
    if figures["over_time"]:
        axes.legend(loc="upper left")  # "best" looks at each point, slowly
    with replacing(path) as partial:
        figure.savefig(partial, dpi=100)


def main(config: EvaluationConfig) -> str:
    """Measure, and return the figures in one line."""
    figures = evaluate(config)
    line = in_words(cast(Figures, figures))
    if "e_stab" in figures:
        line += f"; e_stab {figures['e_stab']:.4f} (input {figures['input_e_stab']:.4f})"
    return f"{line}; flow by {figures['flow'].upper()}, {figures['frames']} frames"
