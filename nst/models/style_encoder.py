"""Any picture as a style: its statistics, turned into a style code in one pass.

Ghiasi et al., "Exploring the structure of a real-time, arbitrary neural artistic stylization
network", 2017, predict the scales and shifts of all norms from one layer of a large classifier.
Here a small convolutional net is trained together with the transformer. What a style is lies in
statistics that forget places (Gatys et al. 2015), so of each stage only these are kept: the means
and deviations of its channels and the correlations of a few mixtures of them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_SIDE = 32  # the deepest stage has two pixels then
# Rows: lightness, blue-yellow and red-green differences of RGB.
OPPONENT = torch.tensor([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])
REMEMBERED = 1000  # pictures over which `RunningNorm` averages
PIXEL_SCALES = 4  # the pixels' statistics at full, half ... resolution


class StyleEncoder(nn.Module):
    """Style pictures -> style codes.

    Args:
        code_length: D of the transformer.
        widths: channels of the stages; each but the first halves the resolution.
        mixtures: of each stage's channels, whose correlations are taken.
        hidden: width of the layers that turn statistics into a code.
    """

    def __init__(
        self,
        code_length: int,
        widths: tuple[int, ...] = (32, 64, 96, 128, 192),
        mixtures: int = 16,
        hidden: int = 512,
    ):
        super().__init__()
        self.widths, self.mixtures, self.hidden = tuple(widths), mixtures, hidden
        inputs = (3, *widths[:-1])
        convolutions = [
            nn.Conv2d(i, o, 3, stride=1 if n == 0 else 2)
            for n, (i, o) in enumerate(zip(inputs, widths, strict=True))
        ]
        self.stages = nn.ModuleList(convolutions)
        self.mix = nn.ModuleList(nn.Conv2d(width, mixtures, 1, bias=False) for width in widths)
        pairs = mixtures * (mixtures + 1) // 2
        statistics = 2 * sum(widths) + pairs * len(widths) + 9 * PIXEL_SCALES
        self.norm = RunningNorm(statistics)
        self.into = nn.Linear(statistics, hidden)
        self.between = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, code_length)
        for layer in convolutions:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.out.weight, std=0.1 * hidden**-0.5)
        nn.init.zeros_(self.out.bias)
        self.to(memory_format=torch.channels_last)

    def start_from(self, code: Tensor) -> None:
        """Let every picture's code begin near this one (D,)."""
        with torch.no_grad():
            self.out.bias.copy_(code)

    def forward(self, style: Tensor) -> Tensor:
        """Predict.

        Args:
            style: (N, 3, H, W), both sides at least 32.

        Returns:
            (N, D).
        """
        x = F.relu(self.into(self.norm(self.statistics(style))))
        x = x + F.relu(self.between(x))
        return self.out(x)

    def statistics(self, style: Tensor) -> Tensor:
        """Return (N, S): those of the pixels, then of each stage."""
        colors = F.conv2d(style, OPPONENT.to(style)[..., None, None])
        rows = []
        for scale in range(PIXEL_SCALES):
            if scale:
                colors = F.avg_pool2d(colors, 2)
            rows += [colors.mean((2, 3)), _correlations(colors)]
        x = style.contiguous(memory_format=torch.channels_last) * 2 - 1
        for convolution, mix in zip(self.stages, self.mix, strict=True):
            x = F.relu(convolution(F.pad(x, (1, 1, 1, 1), mode="replicate")))
            deviation, mean = torch.std_mean(x, (2, 3), correction=0)
            rows += [mean, deviation, _correlations(mix(x))]
        return torch.cat(rows, 1)


class RunningNorm(nn.Module):
    """Standardise (N, S) by the running mean and deviation of what came by in training.

    Batch norm's own batch is too small here for its statistics.
    """

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, length: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("variance", torch.zeros(length))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.seen += len(x)
                weight = len(x) / self.seen.clamp(max=REMEMBERED)
                step = x.mean(0) - self.mean
                spread = x.var(0, correction=0) + (1 - weight) * step.square()
                self.variance.lerp_(spread, weight)
                self.mean += weight * step
        return ((x - self.mean) / self.variance.clamp_min(1e-6).sqrt()).clamp(-5, 5)


def _correlations(x: Tensor) -> Tensor:
    """Return (N, C * (C + 1) / 2): the covariances, each drawn to its signed root."""
    centered = x.flatten(2) - x.mean((2, 3))[..., None]
    covariance = centered @ centered.transpose(1, 2) / centered.shape[2]
    above, across = torch.triu_indices(x.shape[1], x.shape[1])
    values = covariance[:, above, across]
    return values.sign() * (values.abs() + 1e-4).sqrt()
