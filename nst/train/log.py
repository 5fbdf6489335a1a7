"""What a training run tells while it goes on: TensorBoard's curves and pictures."""

import json
import platform
import warnings
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from nst.losses.metrics import ssim, style_distances
from nst.media.images import center_crop
from nst.models.checkpoint import IDENTITY
from nst.options.train import TrainConfig
from nst.train.datasets import open_content


def describe(config: TrainConfig, dtype: torch.dtype, photos: int, processes: int) -> dict:
    """Return how the run is made, for the checkpoint's metadata; no path leaves the machine."""
    options = {k: v for k, v in asdict(config).items() if not isinstance(v, Path)}
    if options["init"] and "/" in options["init"]:
        options["init"] = Path(options["init"]).name
    return {
        "options": options,
        "photos": photos,
        "processes": processes,
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


class TrainingLog:
    """TensorBoard's file of a run, and its options as JSON beside it."""

    def __init__(self, config: TrainConfig, styles: list[str]):
        from torch.utils.tensorboard import SummaryWriter

        folder = config.log_dir or config.output.with_suffix(".log")
        self.writer = SummaryWriter(str(folder))
        self.styles = styles
        options = json.dumps(asdict(config), default=str, indent=2)
        (Path(folder) / "options.json").write_text(options + "\n")

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
    def validate(self, step, net, codes, rows, grams, vgg, held_out, config) -> None:
        """Write a grid (photo, identity, styles), SSIM and style distance on held-out photos."""
        photos = torch.cat([center_crop(open_content(item), config.size) for item in held_out])
        photos = photos.to(codes.device)
        columns = [photos]
        similarity = True
        for row in (0, *rows.tolist()):
            weights = torch.zeros(len(photos), len(codes), device=codes.device)
            weights[:, row] = 1
            columns.append(net(photos, codes, weights))
        for i, (name, painted) in enumerate(
            zip((IDENTITY, *self.styles), columns[1:], strict=True)
        ):
            try:
                pairs = zip(painted.split(1), photos.split(1), strict=True)
                values = [ssim(a, b) for a, b in pairs] if similarity else []
            except ImportError:
                warnings.warn("no scikit-image here: SSIM is left out", stacklevel=2)
                similarity, values = False, []
            if values:
                self.writer.add_scalar(f"ssim/{name}", sum(values) / len(values), step)
            if i:
                targets = {k: v[i - 1 : i] for k, v in grams.items()}
                distances = style_distances(vgg(painted, config.style_layers), targets)
                mean = sum(distances.values()) / len(distances)
                self.writer.add_scalar(f"style_distance/{name}", mean, step)
        # One row a photo: the photo, the identity, then each style.
        grid = torch.cat([torch.cat(list(column), 1) for column in columns], 2)
        self.writer.add_image("held_out", grid.clamp(0, 1).cpu(), step)
        self.writer.flush()
