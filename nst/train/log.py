"""What a training run tells while it goes on: TensorBoard's curves and pictures."""

import platform
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from nst.core.device import dtype_name
from nst.core.files import open_log, write_json
from nst.core.places import free_name
from nst.core.progress import warn
from nst.losses.metrics import ssim
from nst.losses.perceptual import moment_errors
from nst.media.images import center_crop
from nst.models.checkpoint import IDENTITY
from nst.models.transformer_net import TransformerNet
from nst.options.train import LOG, TrainConfig
from nst.train.datasets import open_content
from nst.train.loss_nets import LossNet
from nst.train.state import checkpoint_path
from nst.train.style_targets import Batch


def describe(config: TrainConfig, dtype: torch.dtype, photos: int, processes: int) -> dict:
    """Return how the run is made, for the checkpoint's metadata; no path leaves the machine."""
    options = {k: v for k, v in asdict(config).items() if not isinstance(v, Path)}
    if options["init_checkpoint"] and "/" in options["init_checkpoint"]:
        options["init_checkpoint"] = Path(options["init_checkpoint"]).name
    return {
        "options": options,
        "photos": photos,
        "processes": processes,
        "dtype": dtype_name(dtype),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


class TrainingLog:
    """TensorBoard's file of a run, and its options as JSON beside it."""

    def __init__(self, config: TrainConfig, styles: list[str]):
        folder = config.log_dir or checkpoint_path(config).with_suffix(LOG)
        self.writer = open_log(folder)
        self.styles = styles
        path = folder / "options.json"  # of several runs with one log each keeps its own
        write_json(free_name(path) if path.exists() else path, asdict(config))

    def terms(
        self,
        step: int,
        terms: dict[str, Tensor],
        style: Tensor,
        labels: list[str],
        rate: float,
        speed: float,
    ) -> None:
        self.writer.add_scalar("learning_rate", rate, step)
        self.writer.add_scalar("pictures_per_second", speed, step)
        painted = style > 0
        for name, values in terms.items():
            of_this_kind = (
                values
                if name in ("content", "temporal", "temporal_features", "total")
                else (values[~painted] if name == "identity" else values[painted])
            )
            if len(of_this_kind):
                self.writer.add_scalar(f"loss/{name}", of_this_kind.mean().item(), step)
            for value, label in zip(values.tolist(), labels, strict=True):
                if value or name == "content":
                    self.writer.add_scalar(f"loss_{name}/{label}", value, step)

    @torch.no_grad()
    def validate(
        self, step: int, net: TransformerNet, batch: Batch, vgg: LossNet, held_out: list,
        config: TrainConfig,
    ) -> None:  # fmt: skip
        """Write a grid (photo, identity, styles), SSIM and style errors on held-out photos.

        Args:
            batch: of the identity and each style in turn, see `StyleTable.held_out`.
        """
        photos = torch.cat([center_crop(open_content(item), config.crop_size) for item in held_out])
        photos = photos.to(batch.codes.device)
        columns, similarity = [photos], True
        for i, (name, row) in enumerate(zip((IDENTITY, *self.styles), batch.weights, strict=True)):
            code = row[None] @ batch.codes
            painted = net(photos, code, code.new_ones(len(photos), 1))
            columns.append(painted)
            try:
                pairs = zip(painted.split(1), photos.split(1), strict=True)
                values = [ssim(a, b) for a, b in pairs] if similarity else []
            except ImportError:
                warn("no scikit-image here: SSIM is left out")
                similarity, values = False, []
            if values:
                self.writer.add_scalar(f"ssim/{name}", sum(values) / len(values), step)
            if i:
                place = batch.style[i] - 1
                own = {k: (m[place][None], c[place][None]) for k, (m, c) in batch.targets.items()}
                errors = moment_errors(vgg(painted, config.style_layers), own)
                for kind, values in zip(("mean", "covariance"), errors, strict=True):
                    self.writer.add_scalar(f"style_{kind}_error/{name}", values.mean(), step)
        # One row a photo: the photo, the identity, then each style.
        grid = torch.cat([torch.cat(list(column), 1) for column in columns], 2)
        self.writer.add_image("held_out", grid.clamp(0, 1).cpu(), step)
        self.writer.flush()
