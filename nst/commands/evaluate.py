"""The story of a measured result: any tool's stylized video beside its original.

    python -m nst evaluate --original in.mp4 --stylized out.mp4 --style style.jpg

What each figure means is in `nst/losses/metrics.py` and `nst/losses/video_metrics.py`.
"""

import warnings
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from nst.core.device import choose_device
from nst.core.files import check_place, replacing, write_json
from nst.core.tensors import fit, resize
from nst.errors import InputError
from nst.losses.metrics import e_stab
from nst.losses.video_metrics import Measurement, in_words, target_grams
from nst.media.frames import frame_rate
from nst.media.images import list_pictures, load_image, save_image
from nst.media.video_reader import open_video
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19
from nst.motion.flow import FlowEstimator
from nst.motion.warp import resize_flow
from nst.options.tools import EvaluationConfig
from nst.styles.pictures import load_style

FLO_MAGIC = 202021.25  # Middlebury's .flo files begin with it
SHEET_COLUMNS, SHEET_WIDTH = 8, 240


def evaluate(config: EvaluationConfig) -> dict:
    """Measure the video that `config` names; write the report, a plot and a contact sheet.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    if config.output:
        if config.output.suffix != ".json":
            raise InputError(f"--output is {config.output}: its ending must be .json")
        check_place(config.output, "--output")
    device = choose_device(config.device)
    vgg, grams = None, None
    if config.style:
        picture = load_style(config.style, config.style_size)
        vgg = VGGFeatures(load_vgg19(config.vgg)).to(device)
        grams = target_grams(vgg, {config.style.name: picture}, {config.style.name: 1.0})
    flow = FlowEstimator(config.flow, config.flow_long_side, device)
    measurement = Measurement(flow, config.long_side, 1, vgg, grams, config.vgg_every)
    sheet = Sheet()
    results: list[Tensor] = []  # with true flow: all of them are needed at the end
    rate = frame_rate(config.rate)
    with (
        open_video(config.original, rate=rate) as originals,
        open_video(config.stylized, rate=rate) as stylized,
    ):
        counts = originals.info.frames, stylized.info.frames
        frames = tqdm(
            _pairs(originals, stylized), "measuring", counts[1], unit="frame", disable=config.quiet
        )
        for original, result in frames:
            measurement.add(original.to(device), result.to(device))
            sheet.add(original, result)
            if config.flow_dir:
                results.append(result)
    figures = {"original": config.original.name, "stylized": config.stylized.name}
    if config.style:
        figures["style"] = config.style.name
    figures |= measurement.figures()
    if config.flow_dir:
        figures["e_stab"] = _true_stability(results, config.flow_dir, config.occlusion_dir)
    if config.output:
        write_json(config.output, figures)
        _plot(figures, config.output.with_name(f"{config.output.stem}_plot.png"))
        save_image(sheet.image(), config.output.with_name(f"{config.output.stem}_sheet.png"))
    return figures


def read_flow(path: Path) -> Tensor:
    """Read a flow (1, 2, H, W) from a .flo file.

    Raises:
        InputError: not such a file.
    """
    try:
        numbers = np.fromfile(path, "<f4")
        width, height = numbers[1:3].view("<i4")
        if numbers[0] != FLO_MAGIC:
            raise ValueError
        flow = numbers[3:].reshape(height, width, 2)
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{path} is not a flow file: give Middlebury's .flo") from error
    return torch.from_numpy(flow.copy()).permute(2, 0, 1)[None]


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


def _pairs(originals, stylized) -> Iterator[tuple[Tensor, Tensor]]:
    """Pair the frames one by one; a tool may have dropped some at the end."""
    count = 0
    for original, result in zip_longest(originals, stylized):
        if original is None or result is None:
            which = "original" if original is None else "stylized video"
            line = f"the {which} ends after {count} frames: the rest is left out"
            warnings.warn(line, stacklevel=2)
            return
        count += 1
        yield original.image, result.image


def _true_stability(results: list[Tensor], flow_dir: Path, occlusion_dir: Path | None) -> float:
    files = sorted(flow_dir.glob("*.flo"))
    if len(files) != len(results) - 1:
        raise InputError(
            f"--flow-dir {flow_dir} has {len(files)} .flo files for {len(results)} frames: "
            "it needs one from each frame to the next"
        )
    flows = [read_flow(file) for file in files]
    masks = [torch.ones_like(flow[:, :1]) for flow in flows]
    if occlusion_dir:
        pictures = list_pictures(occlusion_dir)
        if len(pictures) != len(flows):
            raise InputError(
                f"--occlusion-dir {occlusion_dir} has {len(pictures)} pictures for "
                f"{len(flows)} flows"
            )
        masks = [(load_image(picture)[:, :1] < 0.5).float() for picture in pictures]
    size = tuple(results[0].shape[-2:])
    flows = [resize_flow(flow, size) for flow in flows]
    masks = [(resize(mask, size) > 0.99).float() for mask in masks]
    return e_stab(results, flows, masks)


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
        axes.legend()
    with replacing(path) as partial:
        figure.savefig(partial, dpi=100)


def main(config: EvaluationConfig) -> str:
    """Measure, and return the figures in one line."""
    figures = evaluate(config)
    line = in_words(figures)
    if "e_stab" in figures:
        line += f"; e_stab {figures['e_stab']:.4f}"
    return f"{line}; flow by {figures['flow'].upper()}, {figures['frames']} frames"
