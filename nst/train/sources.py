"""What a training run paints towards: for each step the styles' codes and their Gram matrices.

Either a table of styles, each with a code of its own, or any picture, its code predicted.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from nst.errors import InputError
from nst.losses.perceptual import gram_matrix
from nst.models.checkpoint import IDENTITY, Checkpoint
from nst.models.style_encoder import StyleEncoder
from nst.models.vgg import VGGFeatures
from nst.options.train import TrainConfig
from nst.styles.pictures import find_styles, load_style, small_copy
from nst.train.datasets import AnySamples, Samples, group_styles, hold_out, load_contents

# A code learns from its own style's samples only, so its steps are larger than the net's.
CODE_RATE = 5.0
# Shorter side of the copies of the style pictures that a checkpoint carries, to be measured by.
LARGEST_COPY = 384
Step = tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]


class StyleTable:
    """Styles known by name, each with a row of the codes and with targets computed once.

    Args:
        config: of the run.
        files: the styles' pictures by their names.
    """

    def __init__(self, config: TrainConfig, files: dict[str, Path]):
        self.config, self.files, self.names = config, files, list(files)

    def samples(self, contents: list) -> Samples:
        config = self.config
        share = 0.0 if config.only_codes else config.identity_share
        return Samples(contents, config.size, len(self.files), share, config.seed)

    def prepare(self, checkpoint: Checkpoint, vgg: VGGFeatures, device: torch.device) -> list[dict]:
        """Put the codes on the device; return the optimiser's groups of what is trained here."""
        self.grams = style_grams(self.files, vgg, self.config, device)
        size = min(self.config.style_size, LARGEST_COPY)
        checkpoint.pictures |= {n: small_copy(file, size) for n, file in self.files.items()}
        self.codes = checkpoint.codes = nn.Parameter(checkpoint.codes.to(device))
        self.rows = torch.tensor([checkpoint.styles.index(name) for name in self.names])
        # A sample's style to its row in the codes: 0 is the identity's.
        self.row_of = torch.cat([torch.zeros(1, dtype=self.rows.dtype), self.rows]).to(device)
        return [{"params": [self.codes], "scale": CODE_RATE}]

    def of_step(self, drawn: Tensor) -> Step:
        """Return the codes, each sample's style and its row in the codes, and the targets."""
        style = drawn.to(self.codes.device)
        return self.codes, style, self.row_of[style], self.grams

    def labels(self, style: Tensor) -> list[str]:
        return [self.names[row - 1] if row else IDENTITY for row in style.tolist()]

    def held_out(self) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return what to look at held-out photos with: codes, their rows, and the targets."""
        return self.codes, self.rows, self.grams


class AnyStyle:
    """Pictures whose codes the encoder predicts; a few of them are held out.

    Pictures in a subfolder of `--style-dir` have together the chance of those in another.
    """

    def __init__(self, config: TrainConfig):
        self.config = config
        pictures = load_contents(config.style_dir, config.style_size, "--style-dir")
        pictures = [picture for picture in pictures if isinstance(picture, Path)]
        if len(pictures) <= config.holdout:
            raise InputError(
                f"--style-dir has {len(pictures)} pictures that can be used; "
                f"it needs more than the {config.holdout} of --holdout"
            )
        unseen, pictures = hold_out(pictures, config.holdout)
        self.groups = group_styles(config.style_dir, pictures)
        self.unseen = {picture.stem: picture for picture in unseen}
        self.names = list(self.unseen)

    def samples(self, contents: list) -> AnySamples:
        config = self.config
        sizes = (config.size, self.groups, config.style_size)
        return AnySamples(contents, *sizes, config.identity_share, config.seed)

    def prepare(self, checkpoint: Checkpoint, vgg: VGGFeatures, device: torch.device) -> list[dict]:
        """Put the encoder on the device; return the optimiser's groups of what is trained here."""
        if checkpoint.encoder is None:
            checkpoint.encoder = StyleEncoder(checkpoint.net.code_length)
            checkpoint.encoder.start_from(checkpoint.codes.mean(0))
        self.encoder = checkpoint.encoder.to(device).train().requires_grad_()
        checkpoint.styles, checkpoint.pictures = (IDENTITY,), {}
        self.identity = checkpoint.codes = nn.Parameter(checkpoint.codes[:1].to(device))
        self.vgg, self.grams = vgg, style_grams(self.unseen, vgg, self.config, device)
        return [{"params": [self.identity, *self.encoder.parameters()], "scale": 1.0}]

    def of_step(self, drawn: Tensor, pictures: Tensor) -> Step:
        """Return the codes, each sample's style and its row in the codes, and the targets."""
        device = self.identity.device
        pictures = pictures.to(device, torch.float32) / 255
        with torch.no_grad():
            features = self.vgg(pictures, self.config.style_layers)
        codes = torch.cat([self.identity, self.encoder(pictures)])
        style = torch.arange(1, len(pictures) + 1, device=device) * (drawn > 0).to(device)
        return codes, style, style, {layer: gram_matrix(x) for layer, x in features.items()}

    def labels(self, style: Tensor) -> list[str]:
        return ["any" if row else IDENTITY for row in style.tolist()]

    def held_out(self) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return what to look at held-out photos with: codes, their rows, and the targets."""
        self.encoder.eval()
        with torch.no_grad():
            pictures = [load_style(file, self.config.style_size) for file in self.unseen.values()]
            codes = [self.encoder(picture.to(self.identity.device)) for picture in pictures]
        self.encoder.train()
        rows = torch.arange(1, len(codes) + 1)
        return torch.cat([self.identity.detach(), *codes]), rows, self.grams


def style_grams(
    files: dict[str, Path], vgg: VGGFeatures, config: TrainConfig, device: torch.device
) -> dict[str, Tensor]:
    """Return layer -> (styles, C, C): the targets, from each whole style picture."""
    rows = []
    with torch.no_grad():
        for file in files.values():
            image = load_style(file, config.style_size).to(device)
            # The content's layers too, so that a wrong name shows before anything is written.
            features = vgg(image, (*config.content_layers, *config.style_layers))
            rows.append({k: gram_matrix(features[k]) for k in config.style_layers})
    return {layer: torch.cat([row[layer] for row in rows]) for layer in config.style_layers}


def find_targets(config: TrainConfig) -> StyleTable | AnyStyle:
    """Look at `--style-dir`.

    Raises:
        InputError: nothing there that could be used.
    """
    if config.any_style:
        return AnyStyle(config)
    return StyleTable(config, find_styles(config.style_dir, IDENTITY))
