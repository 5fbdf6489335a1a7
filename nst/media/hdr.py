"""HDR and wide-gamut video brought to SDR, as a BT.709 display of 203 cd/m2 shows it.

PQ (SMPTE ST 2084) and HLG (ARIB STD-B67) become light by BT.2100; BT.2390's tone curve bends what
is brighter than the display; colors are brought to BT.709's primaries and clipped; BT.1886's power
of 2.4 makes the code. White at 203 cd/m2 is BT.2408's reference, so what an SDR video shows as
white, and its grays, come out as there.
"""

import math
import struct
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from av import VideoFrame
from torch import Tensor

# H.273's numbers.
PQ, HLG = 16, 18
SDR_CURVES = (1, 6, 14, 15)  # BT.709, BT.601 and both of BT.2020
WHITE = 203.0
DISPLAY_GAMMA = 2.4
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2
# x and y of red, green, blue; all but DCI's have D65 as their white.
D65 = (0.3127, 0.3290)
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


def needs_conversion(transfer: int, primaries: int) -> bool:
    """Tell whether an SDR display of BT.709 would show a stream wrong.

    >>> needs_conversion(PQ, 9), needs_conversion(1, 12), needs_conversion(1, 1)
    (True, True, False)
    """
    return transfer in (PQ, HLG) or (primaries in (9, 11, 12) and transfer in (*SDR_CURVES, 2))


def pq_light(signal: Tensor) -> Tensor:
    """Return the light of a PQ signal in [0, 1], in cd/m2 (ST 2084's EOTF)."""
    power = signal.clamp(0, 1) ** (1 / _M2)
    return 10000 * ((power - _C1).clamp(min=0) / (_C2 - _C3 * power)) ** (1 / _M1)


def pq_signal(light: Tensor) -> Tensor:
    """Return the PQ signal of light in cd/m2, the inverse of `pq_light`."""
    power = (light.clamp(min=0) / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_scene(signal: Tensor) -> Tensor:
    """Return the light of the scene in [0, 1] of an HLG signal (BT.2100's inverse OETF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = signal.clamp(0, 1)
    return torch.where(signal <= 0.5, signal**2 / 3, (((signal - c) / a).exp() + b) / 12)


def tone_curve(light: Tensor, peak: float) -> Tensor:
    """Bend light so that `peak` becomes `WHITE`, both in cd/m2: BT.2390's EETF, black at 0.

    Up to a knee, which lies at 87 cd/m2 for a peak of 1000, light stays as it is.
    """
    if peak <= WHITE:
        return light
    top = float(pq_signal(torch.tensor(peak, dtype=torch.float64)))
    limit = float(pq_signal(torch.tensor(WHITE, dtype=torch.float64))) / top
    knee = 1.5 * limit - 0.5
    signal = (pq_signal(light) / top).clamp(max=1)
    t = (signal - knee) / (1 - knee)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * limit
    )
    return torch.where(signal < knee, light, pq_light(bent * top))


def to_bt709(primaries: int) -> Tensor:
    """Return the (3, 3) matrix from linear RGB of these primaries to that of BT.709."""
    matrix = np.linalg.inv(_to_xyz(1)) @ _to_xyz(primaries)
    return torch.tensor(matrix, dtype=torch.float32)


class ToSdr:
    """Brings the frames of one stream to SDR.

    Args:
        transfer, primaries: H.273's numbers of the stream.
        peak: the brightest light of the stream, in cd/m2; see `peak_of`.
    """

    def __init__(self, transfer: int, primaries: int, peak: float) -> None:
        self._transfer = transfer
        self._matrix = to_bt709(primaries if primaries in PRIMARIES else 9)
        self._peak = HLG_PEAK if transfer == HLG else peak
        codes = torch.linspace(0, 1, 65536, dtype=torch.float64)
        if transfer == PQ:
            self._light = (pq_light(codes) / WHITE).float()
        elif transfer == HLG:
            self._light = hlg_scene(codes).float()
        else:
            self._light = (codes**DISPLAY_GAMMA).float()
        # The tone curve by the root of the light, whose dark end needs the finer steps.
        light = torch.linspace(0, 1, 4097, dtype=torch.float64) ** 2 * self._peak
        bent = tone_curve(light, self._peak) / light.clamp(min=1e-9)
        bent[0] = 1.0
        self._bend = bent.float()

    def __call__(self, codes: np.ndarray) -> Tensor:
        """Return RGB of 16 bits, (H, W, 3), as an image (1, 3, H, W)."""
        light = self._light[torch.from_numpy(codes.astype(np.int32))]
        if self._transfer == HLG:
            bright = light @ torch.tensor([0.2627, 0.6780, 0.0593])
            light = light * bright.clamp(min=1e-6).pow(HLG_GAMMA - 1).unsqueeze(2)
            light = light * (HLG_PEAK / WHITE)
        if self._transfer in (PQ, HLG):
            # By the brightest channel, so that hues stay.
            root = (light.amax(2) * WHITE / self._peak).clamp(0, 1).sqrt() * 4096
            below = root.floor().clamp(max=4095).long()
            bend = torch.lerp(self._bend[below], self._bend[below + 1], root - below)
            light = light * bend.unsqueeze(2)
        light = (light @ self._matrix.T).clamp(0, 1)
        return light.pow(1 / DISPLAY_GAMMA).permute(2, 0, 1)[None].contiguous()


def peak_of(frame: VideoFrame) -> float:
    """Return the brightest light of a PQ stream in cd/m2: its own word, its master's, or 1000."""
    peak = 0.0
    side: Any = frame.side_data  # each is a buffer, which PyAV's types do not say
    if (level := side.get("CONTENT_LIGHT_LEVEL")) is not None:
        peak = float(struct.unpack_from("=I", bytes(level))[0])
    if not peak and (master := side.get("MASTERING_DISPLAY_METADATA")) is not None:
        numerator, denominator = struct.unpack_from("=ii", bytes(master), 72)
        peak = numerator / denominator if denominator else 0.0
    return min(max(peak, WHITE), 10000.0) if peak and math.isfinite(peak) else 1000.0


def in_words(transfer: int, peak: float) -> str:
    """Say what is done to a stream."""
    if transfer not in (PQ, HLG):
        return "its wide gamut is brought to BT.709's, clipped"
    kind = "PQ" if transfer == PQ else "HLG"
    peak = HLG_PEAK if transfer == HLG else peak
    if peak <= WHITE:
        return f"HDR ({kind}) is brought to SDR: its light stays, up to {WHITE:g} cd/m2"
    return f"HDR ({kind}) is brought to SDR: BT.2390's curve from {peak:g} to {WHITE:g} cd/m2"


@lru_cache
def _to_xyz(primaries: int) -> np.ndarray:
    *corners, white = PRIMARIES[primaries]
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in corners]).T
    x, y = white
    return columns * np.linalg.solve(columns, (x / y, 1, (1 - x - y) / y))
