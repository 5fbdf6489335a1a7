import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from skimage.data import astronaut

from nst.core.tensors import resize, to_float
from nst.errors import InputError
from nst.models.checkpoint import (
    Checkpoint,
    load_checkpoint,
    picture_in,
    save_checkpoint,
    styles_in,
)
from nst.models.transformer_net import TransformerNet
from nst.stylize.forward import stylize

STYLES = ("identity", "wave", "scream")


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    net = TransformerNet((4, 6, 8), 1)
    return Checkpoint(net, torch.randn(3, net.code_length), STYLES, {"steps": 7})


def paint(checkpoint: Checkpoint) -> torch.Tensor:
    image = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return checkpoint.net(image, checkpoint.codes, torch.tensor([[0.2, 0.5, 0.3]]))


def test_what_is_saved_comes_back_and_paints_the_same(tmp_path, checkpoint):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    assert loaded.styles == STYLES and loaded.training == {"steps": 7}
    assert (loaded.net.widths, loaded.net.blocks) == ((4, 6, 8), 1)
    assert torch.equal(loaded.codes, checkpoint.codes)
    assert torch.equal(paint(loaded), paint(checkpoint))
    assert not loaded.net.training
    assert not any(p.requires_grad for p in loaded.net.parameters())
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_half_precision_is_half_the_size_and_about_the_same(tmp_path, checkpoint):
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    save_checkpoint(full, checkpoint)
    save_checkpoint(half, checkpoint, torch.float16)
    with safe_open(half, "pt") as archive:
        assert {archive.get_tensor(k).dtype for k in archive.keys()} == {torch.float16}
    values = sum(p.numel() for p in checkpoint.net.parameters()) + checkpoint.codes.numel()
    assert full.stat().st_size - half.stat().st_size == pytest.approx(2 * values, abs=64)
    loaded = load_checkpoint(half)
    assert loaded.codes.dtype == torch.float32
    torch.testing.assert_close(paint(loaded), paint(checkpoint), rtol=0, atol=5e-3)


def test_saving_replaces_what_was_there(tmp_path, checkpoint):
    path = tmp_path / "net.safetensors"
    path.write_text("old")
    save_checkpoint(path, checkpoint)
    assert load_checkpoint(path).styles == STYLES


def test_a_full_disk_leaves_the_old_file_and_nothing_beside(tmp_path, checkpoint, monkeypatch):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("nst.core.files.os.replace", fail)
    checkpoint.codes += 1
    with pytest.raises(InputError, match="cannot write .*No space left"):
        save_checkpoint(path, checkpoint)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["net.safetensors"]


def test_a_folder_that_is_not_there_is_named(tmp_path, checkpoint):
    path = tmp_path / "nowhere" / "net.safetensors"
    with pytest.raises(InputError, match="cannot write") as caught:
        save_checkpoint(path, checkpoint)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named_with_what_else_there_is(tmp_path):
    with pytest.raises(InputError, match="fast or any_style") as caught:
        load_checkpoint(tmp_path / "none.safetensors")
    assert str(tmp_path / "none.safetensors") in str(caught.value)
    with pytest.raises(InputError):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 200, 0.5, -1])
def test_a_file_cut_short_is_refused(tmp_path, checkpoint, kept):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, checkpoint)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(InputError, match="cut short"):
        load_checkpoint(path)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_its_code_does_not_run(tmp_path):
    path, trace = tmp_path / "net.safetensors", tmp_path / "ran"
    torch.save({"codes": Bomb(trace)}, path)
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(path)
    assert not trace.exists()
    torch.load(path.rename(tmp_path / "net.pt"), weights_only=False)
    assert trace.exists(), "the bomb was none"


def description(**changes) -> dict[str, str]:
    whole = {"kind": "transformer", "widths": [4, 6, 8], "blocks": 1, "styles": STYLES}
    return {"nst": json.dumps({**whole, "training": {}, **changes})}


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"format": "pt"},
        {"nst": "no JSON"},
        {"nst": "[]"},
        {"nst": "{}"},
        description(widths=[4, 6]),
        description(widths=3),
        description(widths=[4, 6, 9]),
        description(blocks=2),
        description(blocks="one"),
        description(styles=STYLES[:2]),
        description(styles=STYLES[::-1]),
        description(styles=[]),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, checkpoint, metadata):
    path = tmp_path / "net.safetensors"
    state = {f"net.{k}": v.contiguous() for k, v in checkpoint.net.state_dict().items()}
    save_file({**state, "codes": checkpoint.codes}, path, metadata)
    with pytest.raises(InputError) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_tensors_that_are_not_the_nets_are_refused(tmp_path, checkpoint):
    path = tmp_path / "net.safetensors"
    state = {f"net.{k}": v.contiguous() for k, v in checkpoint.net.state_dict().items()}
    whole = {**state, "codes": checkpoint.codes}
    save_file(whole, path, description())
    load_checkpoint(path)
    foreign = [
        {k: v for k, v in whole.items() if k != "codes"},
        {k: v for k, v in whole.items() if k != "net.output.bias"},
        {**whole, "net.more": torch.ones(1)},
        {**whole, "codes": checkpoint.codes[:2]},
        {**whole, "codes": checkpoint.codes[:, 1:].contiguous()},
    ]
    for tensors in foreign:
        save_file(tensors, path, description())
        with pytest.raises(InputError):
            load_checkpoint(path)


def test_kernels_come_back_and_paint_as_the_net_they_make(tmp_path, checkpoint):
    torch.manual_seed(4)
    other = TransformerNet((4, 6, 8), 1)
    pairs = zip(other.parameters(), checkpoint.net.parameters(), strict=True)
    change = torch.cat([(theirs - ours).detach().flatten() for theirs, ours in pairs])
    assert change.shape == (checkpoint.net.kernels_length,)
    checkpoint.kernels = torch.stack([0 * change, change, -change])
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    assert torch.equal(loaded.kernels, checkpoint.kernels)
    assert torch.equal(loaded.at_scale(2.0).kernels, checkpoint.kernels)
    image = torch.rand(1, 3, 20, 24)
    with torch.no_grad():
        found = loaded.net(image, loaded.code(1), torch.ones(1, 1))
        expected = other(image, checkpoint.codes[1:2], torch.ones(1, 1))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    save_checkpoint(path, checkpoint, torch.float16)
    assert torch.equal(load_checkpoint(path).kernels, checkpoint.kernels.half().float())
    for wrong in (checkpoint.kernels[:2], checkpoint.kernels[:, 1:], checkpoint.kernels[0]):
        save_checkpoint(path, replace(checkpoint, kernels=wrong))
        with pytest.raises(InputError, match="do not fit its styles: train it again") as caught:
            load_checkpoint(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["fast"])
def test_shipped_nets_have_six_styles_that_differ_from_one_another(name):
    loaded = load_checkpoint(name)
    assert len(loaded.styles) >= 7 and len(set(loaded.styles)) == len(loaded.styles)
    image = resize(to_float(astronaut()[:256, 96:352].copy()), (64, 64))
    with torch.no_grad():
        codes = [loaded.code(row) for row in range(len(loaded.styles))]
        painted = [loaded.net(image, code, torch.ones(1, 1)) for code in codes]
        painted[0] = stylize(loaded.net, image, codes[0], torch.float32, codes[0], 1)
    assert all(p.isfinite().all() for p in painted)
    # "Leave it alone" comes nearer to the picture than any style does.
    errors = [(p - image).square().mean().item() for p in painted]
    assert errors[0] == min(errors)
    for i, first in enumerate(painted):
        for second in painted[i + 1 :]:
            assert (first - second).abs().mean() > 0.02


def scaled_checkpoint() -> Checkpoint:
    torch.manual_seed(3)
    net = TransformerNet((4, 6, 8), 1, 2)
    codes = torch.randn(3, 3, net.code_length)
    return Checkpoint(net, codes[1], STYLES, {}, scales=(0.5, 1.0, 2.0), scaled_codes=codes)


def test_codes_of_every_scale_come_back(tmp_path):
    checkpoint = scaled_checkpoint()
    save_checkpoint(tmp_path / "net.safetensors", checkpoint)
    loaded = load_checkpoint(tmp_path / "net.safetensors")
    assert loaded.net.unshuffle == 2 and loaded.scales == (0.5, 1.0, 2.0)
    assert styles_in(tmp_path / "net.safetensors") == [s for s in STYLES if s != "identity"]
    assert torch.equal(loaded.codes, checkpoint.codes)
    assert torch.equal(loaded.scaled_codes, checkpoint.scaled_codes)


def test_a_style_s_picture_is_read_without_the_net(tmp_path):
    path = tmp_path / "net.safetensors"
    checkpoint = scaled_checkpoint()
    checkpoint.pictures = {STYLES[1]: b"a JPEG file"}
    save_checkpoint(path, checkpoint)
    assert picture_in(path, STYLES[1]) == b"a JPEG file"
    assert picture_in(path, STYLES[2]) is None
    shipped = load_checkpoint("fast").pictures
    assert all(picture_in("fast", style) == file for style, file in shipped.items())


def test_scales_between_are_interpolated_and_beyond_are_clamped():
    checkpoint = scaled_checkpoint()
    small, middle, large = checkpoint.scaled_codes
    expected = {0.1: small, 0.5: small, 2**-0.5: (small + middle) / 2, 1: middle}
    expected |= {2**0.25: 0.75 * middle + 0.25 * large, 2: large, 5: large}
    for scale, codes in expected.items():
        torch.testing.assert_close(checkpoint.at_scale(scale).codes, codes)


def test_one_scale_is_that_of_every_scale(tmp_path):
    checkpoint = Checkpoint(TransformerNet((4, 6, 8), 1), torch.zeros(1, 2), ("identity",))
    assert checkpoint.at_scale(2) is checkpoint
