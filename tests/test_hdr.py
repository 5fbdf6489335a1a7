"""HDR comes out as its SDR twin, by the standards' formulas written out again with plain floats."""

import math
import warnings
from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from nst.core.tensors import to_uint8
from nst.media import hdr
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video

SIZE = (64, 96)


def pq(light: float) -> float:
    """ST 2084, from cd/m2."""
    y = (light / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def inverse_pq(signal: float) -> float:
    e = signal ** (1 / 78.84375)
    return 10000 * (max(e - 0.8359375, 0) / (18.8515625 - 18.6875 * e)) ** (1 / 0.1593017578125)


def hlg(scene: float) -> float:
    """BT.2100's OETF, from light of the scene in [0, 1]."""
    if scene <= 1 / 12:
        return math.sqrt(3 * scene)
    return 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


def bent(light: float, peak: float) -> float:
    """BT.2390's EETF, black at 0, to 203 cd/m2."""
    signal, limit = pq(light) / pq(peak), pq(203) / pq(peak)
    knee = 1.5 * limit - 0.5
    if signal < knee:
        return light
    t = (signal - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
    return inverse_pq((spline + (3 * t**2 - 2 * t**3) * limit) * pq(peak))


# Linear BT.709 to BT.2020, as BT.2087 prints it.
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def twin_signal(rgb: np.ndarray, kind: str) -> np.ndarray:
    """Return the HDR signal (H, W, 3) of an SDR picture in [0, 1], white at 203 cd/m2."""
    light = 203 * (rgb**2.4 @ TO_2020.T)
    if kind == "pq":
        return np.vectorize(pq)(light.clip(0))
    if kind == "sdr":
        return (light / 203) ** (1 / 2.4)
    shown = light / 1000
    bright = shown @ np.array([0.2627, 0.6780, 0.0593])
    scene = shown * bright[..., None] ** (1 / 1.2 - 1)
    return np.vectorize(hlg)(scene.clip(0, 1))


def make(path: Path, signal: np.ndarray, transfer: int, frames: int = 2) -> Path:
    """Write a signal as 10-bit 4:2:0 in BT.2020's matrix, without loss."""
    r, g, b = np.moveaxis(signal, -1, 0)
    y = 0.2627 * r + 0.6780 * g + 0.0593 * b
    small = [
        ((b - y) / 1.8814).reshape(SIZE[0] // 2, 2, -1, 2).mean((1, 3)),
        ((r - y) / 1.4746).reshape(SIZE[0] // 2, 2, -1, 2).mean((1, 3)),
    ]
    planes = [64 + 876 * y, *(512 + 896 * c for c in small)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        context.color_range = 1
        for index in range(frames):
            frame = av.VideoFrame(SIZE[1], SIZE[0], "yuv420p10le")
            for plane, values in zip(frame.planes, planes, strict=True):
                rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                rows[:, : plane.width] = values.round().clip(0, 1023)
                plane.update(rows)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path) -> tuple[np.ndarray, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with open_video(path) as reader:
            array = to_uint8(next(iter(reader)).image)
    return array.astype(int), [str(warning.message) for warning in said]


def test_curves_are_the_standards():
    signal = torch.linspace(0, 1, 41, dtype=torch.float64)
    expected = [inverse_pq(float(s)) for s in signal]
    assert hdr.pq_light(signal).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    light = torch.tensor([0.01, 1, 100, 203, 1000, 10000], dtype=torch.float64)
    assert hdr.pq_signal(light).tolist() == pytest.approx([pq(float(x)) for x in light], abs=1e-6)
    # BT.2408: 203 cd/m2 is 58 % of PQ and 75 % of HLG.
    assert float(hdr.pq_signal(light)[3]) == pytest.approx(0.58, abs=0.002)
    shown = 1000 * float(hdr.hlg_scene(torch.tensor(0.75))) ** 1.2
    assert shown == pytest.approx(203, abs=1)
    scene = torch.tensor([hlg(x) for x in (0, 0.05, 0.3, 1)])
    assert hdr.hlg_scene(scene).tolist() == pytest.approx([0, 0.05, 0.3, 1], abs=1e-5)


@pytest.mark.parametrize("peak", [400.0, 1000.0, 4000.0])
def test_tone_curve_is_bt2390s(peak):
    light = torch.linspace(0.1, peak, 200, dtype=torch.float64)
    found = hdr.tone_curve(light, peak)
    expected = [bent(float(x), peak) for x in light]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)
    assert float(found[-1]) == pytest.approx(203, rel=1e-3)
    assert (found.diff() > 0).all()


def test_matrix_is_bt2087s():
    found = hdr.to_bt709(9).double().numpy()
    assert np.abs(found @ TO_2020 - np.eye(3)).max() < 1e-3


@pytest.mark.parametrize("kind, transfer", [("pq", 16), ("hlg", 18)])
def test_hdr_looks_like_its_sdr_twin(tmp_path, kind, transfer):
    """Below the knee within 3 levels and a mean of 1; above it by the curve."""
    rgb = media.picture(0, SIZE) / 255
    dark = rgb * 0.6
    array, said = read(make(tmp_path / "dark.mkv", twin_signal(dark, kind), transfer))
    error = np.abs(array - dark * 255)
    assert error.max() < 4 and error.mean() < 1
    assert len(said) == 1 and "HDR" in said[0] and "brought to SDR" in said[0]

    gray = np.repeat(np.linspace(0.05, 1, SIZE[1])[None, :, None], SIZE[0], 0).repeat(3, 2)
    array, _ = read(make(tmp_path / "gray.mkv", twin_signal(gray, kind), transfer))
    light = 203 * gray[0, :, 0] ** 2.4
    expected = [255 * (bent(x, 1000) / 203) ** (1 / 2.4) for x in light]
    assert np.abs(array[10, :, 1] - expected).max() < 2.5
    assert np.ptp(array[10], axis=1).max() <= 2  # gray stays gray


@pytest.mark.parametrize("kind, transfer", [("pq", 16), ("hlg", 18)])
@pytest.mark.filterwarnings("ignore:.*brought to SDR")
def test_the_written_film_looks_like_that_of_its_twin(tmp_path, no_net, kind, transfer):
    """From file to file: within 4 levels and a mean of 1, lossy encoding of both included."""
    rgb = media.picture(0, SIZE) / 255 * 0.6
    no_net(make(tmp_path / "hdr.mkv", twin_signal(rgb, kind), transfer), tmp_path / "hdr.mp4")
    media.make_clip(
        tmp_path / "sdr.mkv", 2, SIZE, audio=False, codec="ffv1",
        pictures=[(rgb * 255).round().astype(np.uint8)] * 2,
    )  # fmt: skip
    no_net(tmp_path / "sdr.mkv", tmp_path / "sdr.mp4")
    found, twin = (media.read_back(tmp_path / f"{name}.mp4") for name in ("hdr", "sdr"))
    for a, b in zip(found.frames, twin.frames, strict=True):
        # As players show them: by the file's own word on its colors, which is the same for both.
        assert (a.colorspace, a.color_range) == (b.colorspace, b.color_range) == (1, 1)
        blurred = [
            uniform_filter(media.to_rgb(media.planes_of(frame), "bt709", False), (4, 4, 0))
            for frame in (a, b)
        ]
        error = np.abs(blurred[0] - blurred[1])
        assert error.max() < 4 and error.mean() < 1


def test_wide_gamut_without_hdr_is_brought_to_bt709(tmp_path):
    rgb = media.picture(3, SIZE) / 255
    array, said = read(make(tmp_path / "wide.mkv", twin_signal(rgb, "sdr"), 14))
    error = np.abs(array - rgb * 255)
    assert error.max() < 4 and error.mean() < 1
    assert "wide gamut" in said[0]


def test_the_result_is_tagged_as_what_it_is(tmp_path):
    source = make(tmp_path / "in.mkv", twin_signal(media.picture(0, SIZE) / 300, "pq"), 16)
    with pytest.warns(UserWarning, match="BT.2390"), open_video(source) as reader:
        with create_video(tmp_path / "out.mp4", reader.info) as writer:
            for frame in reader:
                writer.write(frame)
    context = av.open(str(tmp_path / "out.mp4")).streams.video[0].codec_context
    assert (context.color_trc, context.color_primaries, context.colorspace) == (1, 1, 1)


@pytest.mark.parametrize("peak", [150, 700, 3000])
def test_the_streams_own_peak_counts(peak):
    convert = hdr.ToSdr(hdr.PQ, 9, max(peak, 203))
    code = round(pq(peak) * 65535)
    found = float(convert(np.full((1, 1, 3), code, np.uint16))[0, 1])
    expected = bent(peak, peak) if peak > 203 else peak
    assert found == pytest.approx((expected / 203) ** (1 / 2.4), abs=0.003)
