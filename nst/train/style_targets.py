"""What a training run paints towards: for each step the styles' codes and their targets.

Either a table of styles, each with codes of its own, or any picture, its code predicted.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from nst.errors import InputError
from nst.losses.perceptual import feature_moments
from nst.models.checkpoint import IDENTITY, Checkpoint
from nst.models.style_encoder import StyleEncoder
from nst.options.train import TrainConfig
from nst.styles.pictures import find_styles, load_style, small_copy, style_name
from nst.train.datasets import AnySamples, Samples, group_styles, hold_out, load_contents
from nst.train.distributed import sum_over_processes, this_process
from nst.train.loss_nets import LossNet

# A code learns from its own style's samples only, so its steps are larger than the net's.
CODE_RATE = 5.0
# Shorter side of the copies of the style pictures that a checkpoint carries, to be measured by.
LARGEST_COPY = 768
TILE = 512  # pixels a side of what is taken of large style pictures
# layer -> mean (T, C) and covariance (T, C, C) of T targets
Targets = dict[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Batch:
    """What the N samples of a step are painted with and towards.

    Args:
        codes: (R, D), or (R, D + W) with kernels.
        weights: (N, R), how each sample mixes them; they sum to 1.
        style: (N,), 0 = the identity, else 1 + the row in `targets`.
        targets: moments of the style pictures' features.
        group: successive samples that have one style and are compared with it as one canvas.
    """

    codes: Tensor
    weights: Tensor
    style: Tensor
    targets: Targets
    group: int


class StyleTable:
    """Styles known by name, with codes at each style scale and with targets computed once.

    Each also has kernels, what it adds to the net's convolutions, for all scales. As those of one
    style at a time can be in the net, all samples of a step have one style.

    There are targets at each scale and halfway between two, which are painted with the mean of
    both codes: so what lies between two scales is trained too.

    Args:
        config: of the run.
        files: the styles' pictures by their names.
    """

    def __init__(self, config: TrainConfig, files: dict[str, Path]):
        self.config, self.files, self.names = config, files, list(files)
        scales = config.style_scales
        between = [(a * b) ** 0.5 for a, b in zip(scales, scales[1:], strict=False)]
        self.levels = sorted((*scales, *between))
        self.group = config.pictures_per_style
        self._targets: tuple[LossNet, Targets] | None = None

    def samples(self, contents: list) -> Samples:
        config = self.config
        fraction = 0.0 if config.only_codes else config.identity_fraction
        count = len(self.files) * len(self.levels)
        return Samples(contents, config.crop_size, count, fraction, config.seed, together=True)

    def prepare(self, checkpoint: Checkpoint, device: torch.device) -> list[dict]:
        """Put the codes on the device; return the optimizer's groups of what is trained here."""
        config = self.config
        size = min(config.style_size, LARGEST_COPY)
        checkpoint.pictures |= {n: small_copy(file, size) for n, file in self.files.items()}
        scaled = checkpoint.codes[None] if checkpoint.scaled_codes is None else None
        scaled = checkpoint.scaled_codes if scaled is None else scaled
        self.shape = scaled.shape
        self.codes = nn.Parameter(scaled.flatten(0, 1).to(device))
        self.mixing = self._mixing(checkpoint).to(device)
        if checkpoint.kernels is None:
            length = checkpoint.net.kernels_length
            checkpoint.kernels = torch.zeros(len(checkpoint.styles), length)
        rows = [checkpoint.styles.index(name) for name in self.names]
        self.kernels = [nn.Parameter(checkpoint.kernels[row].to(device, copy=True)) for row in rows]
        return [
            {"params": [self.codes], "scale": CODE_RATE},
            {"params": self.kernels, "scale": 1.0},
        ]

    def _mixing(self, checkpoint: Checkpoint) -> Tensor:
        """Return (1 + T, R): the weights of the rows of `codes` for the identity and each target.

        T goes through the levels of the first style, then of the second.
        """
        scales, styles = self.shape[:2]
        identity = torch.zeros(scales, styles)
        identity[:, 0] = 1 / scales
        rows = [identity.flatten()]
        for name in self.names:
            for level in range(len(self.levels)):
                row = torch.zeros(scales, styles)
                row[level // 2, checkpoint.styles.index(name)] += 0.5
                row[(level + 1) // 2, checkpoint.styles.index(name)] += 0.5
                rows.append(row.flatten())
        return torch.stack(rows)

    def targets(self, loss_net: LossNet) -> Targets:
        """Return the styles' moments by a network, computed when first asked for."""
        if self._targets is None or self._targets[0] is not loss_net:
            sizes = [round(self.config.style_size * level) for level in self.levels]
            files = list(self.files.values())
            processes = this_process()
            found = style_targets(
                files, sizes, loss_net, self.config, self.codes.device, *processes
            )
            self._targets = (loss_net, found)
        return self._targets[1]

    def of_step(self, loss_net: LossNet, drawn: Tensor) -> Batch:
        """Return what the samples of a step, drawn as one style (N,), are painted towards."""
        style = drawn.to(self.codes.device)
        code, weights = self._whole(int(drawn[0])), self.codes.new_ones(len(drawn), 1)
        return Batch(code, weights, style, self.targets(loss_net), self.group)

    def _whole(self, drawn: int) -> Tensor:
        """Return all that a target is painted with (1, D + W)."""
        code = self.mixing[drawn][None] @ self.codes
        own = self.kernels[(drawn - 1) // len(self.levels)]
        return torch.cat([code, (own if drawn else torch.zeros_like(own))[None]], 1)

    def finish(self, checkpoint: Checkpoint) -> None:
        """Write what was trained into the checkpoint."""
        codes = self.codes.detach().view(self.shape).clone()
        codes[:, 0] = codes[:, 0].mean(0)
        for name, own in zip(self.names, self.kernels, strict=True):
            checkpoint.kernels[checkpoint.styles.index(name)] = own.detach().cpu()
        checkpoint.scales = self.config.style_scales
        checkpoint.scaled_codes = codes if len(codes) > 1 else None
        checkpoint.codes = codes[checkpoint.scales.index(1.0)]

    def labels(self, style: Tensor) -> list[str]:
        """Return the name of each sample's style."""
        count = len(self.levels)
        return [self.names[(row - 1) // count] if row else IDENTITY for row in style.tolist()]

    def held_out(self, loss_net: LossNet) -> Batch:
        """Return what to paint held-out photos with: the identity, then each style at scale 1."""
        count = len(self.levels)
        middle = self.levels.index(1.0)
        rows = [0, *(1 + k * count + middle for k in range(len(self.names)))]
        codes = torch.cat([self._whole(row) for row in rows]).detach()
        weights = torch.eye(len(rows)).to(codes)
        return Batch(codes, weights, torch.tensor(rows), self.targets(loss_net), self.group)


class AnyStyle:
    """Pictures whose codes the encoder predicts; a few of them are held out.

    Pictures in a subfolder of `--style-dir` have together the chance of those in another.
    """

    group = 1
    kernels: tuple[Tensor, ...] = ()  # all pictures have the net's

    def __init__(self, config: TrainConfig):
        self.config = config
        found = load_contents(config.style_dir, config.style_size, "--style-dir", videos=False)
        pictures = [picture for picture in found if isinstance(picture, Path)]
        if len(pictures) <= config.holdout:
            raise InputError(
                f"--style-dir has {len(pictures)} pictures that can be used; "
                f"it needs more than the {config.holdout} of --holdout"
            )
        self.files = {str(file.relative_to(config.style_dir)): file for file in pictures}
        unseen, pictures = hold_out(pictures, config.holdout)
        self.groups = group_styles(config.style_dir, pictures)
        self.unseen = {style_name(picture): picture for picture in unseen}
        self.names = list(self.unseen)
        self._unseen_targets: tuple[LossNet, Targets] | None = None

    def samples(self, contents: list) -> AnySamples:
        config = self.config
        sizes = (config.crop_size, self.groups, config.style_size)
        return AnySamples(contents, *sizes, config.identity_fraction, config.seed)

    def prepare(self, checkpoint: Checkpoint, device: torch.device) -> list[dict]:
        """Put the encoder on the device; return the optimizer's groups of what is trained here."""
        if checkpoint.encoder is None:
            checkpoint.encoder = StyleEncoder(checkpoint.net.code_length)
            checkpoint.encoder.start_from(checkpoint.codes.mean(0))
        self.encoder = checkpoint.encoder.to(device).train().requires_grad_()
        checkpoint.styles, checkpoint.pictures = (IDENTITY,), {}
        checkpoint.scales, checkpoint.scaled_codes, checkpoint.kernels = (1.0,), None, None
        self.codes = nn.Parameter(checkpoint.codes[:1].to(device))
        return [{"params": [self.codes, *self.encoder.parameters()], "scale": 1.0}]

    def of_step(self, loss_net: LossNet, drawn: Tensor, pictures: Tensor) -> Batch:
        """Return what a step's samples are painted towards.

        Args:
            drawn: (N,), 0 = the identity, 1 = the style of its picture.
            pictures: (N, 3, h, w) of levels.
        """
        device = self.codes.device
        pictures = pictures.to(device, torch.float32) / 255
        with torch.no_grad():
            features = loss_net(pictures, self.config.style_layers)
        style = torch.arange(1, len(pictures) + 1, device=device) * (drawn > 0).to(device)
        targets = {layer: feature_moments(x) for layer, x in features.items()}
        codes = torch.cat([self.codes, self.encoder(pictures)])
        return Batch(codes, _one_hot(style, codes), style, targets, 1)

    def finish(self, checkpoint: Checkpoint) -> None:
        """Write what was trained into the checkpoint."""
        checkpoint.codes = self.codes.detach().clone()

    def labels(self, style: Tensor) -> list[str]:
        """Return the name of each sample's style."""
        return ["any" if row else IDENTITY for row in style.tolist()]

    def held_out(self, loss_net: LossNet) -> Batch:
        """Return what to paint held-out photos with: the identity, then each unseen picture."""
        if self._unseen_targets is None or self._unseen_targets[0] is not loss_net:
            files, device = list(self.unseen.values()), self.codes.device
            found = style_targets(files, [self.config.style_size], loss_net, self.config, device)
            self._unseen_targets = (loss_net, found)
        targets = self._unseen_targets[1]
        self.encoder.eval()
        with torch.no_grad():
            pictures = [load_style(file, self.config.style_size) for file in self.unseen.values()]
            codes = [self.encoder(picture.to(self.codes.device)) for picture in pictures]
        self.encoder.train()
        codes = torch.cat([self.codes.detach(), *codes])
        rows = torch.arange(len(codes), device=codes.device)
        return Batch(codes, _one_hot(rows, codes), rows, targets, 1)


def style_targets(
    files: list[Path],
    sizes: list[int],
    loss_net: LossNet,
    config: TrainConfig,
    device: torch.device,
    rank: int = 0,
    world: int = 1,
) -> Targets:
    """Return the moments of whole style pictures, each at each of these shorter sides in turn.

    Args:
        rank, world: of several processes that all call this, each measures a part.
    """
    jobs = [(file, size) for file in files for size in sizes]
    with torch.no_grad():
        probe = loss_net(torch.zeros(1, 3, 32, 32, device=device), config.style_layers)
        channels = {layer: features.shape[1] for layer, features in probe.items()}
        targets = {
            layer: (
                torch.zeros(len(jobs), c, device=device),
                torch.zeros(len(jobs), c, c, device=device),
            )
            for layer, c in channels.items()
        }
        mine = range(rank, len(jobs), world)
        for job in tqdm(mine, "measuring styles", disable=config.quiet or rank > 0, leave=False):
            tiles = _tiles(load_style(*jobs[job])).to(device)
            for layer, features in loss_net(tiles, config.style_layers).items():
                mean, covariance = feature_moments(features, len(tiles))
                targets[layer][0][job], targets[layer][1][job] = mean[0], covariance[0]
    for pair in targets.values():
        for rows in pair:
            sum_over_processes(rows, world)
    return targets


def _tiles(image: Tensor) -> Tensor:
    """Return an image (1, 3, H, W), of a large one four tiles that say nearly as much.

    The moments are means over places: a million pixels are enough for them.
    """
    height, width = image.shape[-2:]
    if height * width <= 4 * TILE**2 or min(height, width) <= TILE:
        return image
    # In the middle of each quarter, as far as it reaches.
    tops = (max(0, height // 4 - TILE // 2), min(height - TILE, 3 * height // 4 - TILE // 2))
    lefts = (max(0, width // 4 - TILE // 2), min(width - TILE, 3 * width // 4 - TILE // 2))
    return torch.cat([image[..., y : y + TILE, x : x + TILE] for y in tops for x in lefts])


def find_targets(config: TrainConfig) -> StyleTable | AnyStyle:
    """Find what `--style-dir` holds.

    Raises:
        InputError: nothing there that could be used.
    """
    if config.any_style:
        return AnyStyle(config)
    return StyleTable(config, find_styles(config.style_dir, IDENTITY))


def _one_hot(rows: Tensor, codes: Tensor) -> Tensor:
    return nn.functional.one_hot(rows, len(codes)).to(codes.dtype)
