"""Every style is listed, and shown where it is said to be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nst.commands.list_styles import COLUMNS, PAINTED_SIDE, SIDE, catalogue, sheet
from nst.core.tensors import to_float
from nst.errors import InputError
from nst.media.images import read_picture, small_jpeg
from nst.media.sheet import LINE_HEIGHT, MARGIN
from nst.models.checkpoint import SHIPPED, load_checkpoint, save_checkpoint
from nst.options.tools import CatalogueConfig
from nst.styles.codes import style_code
from nst.styles.spec import parse_style
from nst.stylize.forward import stylize

PITCH = SIDE + MARGIN


def test_the_shipped_styles_are_listed_a_line_each():
    lines = catalogue(CatalogueConfig(quiet=True)).splitlines()
    for name in SHIPPED:
        listed = {line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: ")}
        styles = set(load_checkpoint(name).styles) - {"identity"}
        assert listed == (styles or {"any picture at once, by --style-path with this checkpoint"})


def test_a_sheet_has_each_style_picture_above_the_photo_in_that_style(tiny, tmp_path):
    colors = {"wave": (200, 30, 40), "scream": (20, 60, 220)}
    pictures = {
        name: small_jpeg(Image.new("RGB", (90, 60), color)) for name, color in colors.items()
    }
    path, output = tmp_path / "two.safetensors", tmp_path / "sheet.png"
    save_checkpoint(path, replace(tiny, pictures=pictures))
    levels = np.random.default_rng(0).integers(
        0, 256, (PAINTED_SIDE, PAINTED_SIDE, 3), dtype=np.uint8
    )
    Image.fromarray(levels).save(tmp_path / "photo.png")
    config = CatalogueConfig(
        checkpoint=str(path), output=output, content_path=tmp_path / "photo.png", quiet=True
    )
    assert catalogue(config).splitlines() == ["two: wave", "two: scream"]
    found = np.asarray(read_picture(output)).astype(int)
    top = LINE_HEIGHT + MARGIN
    for i, (name, color) in enumerate(colors.items()):
        column = found[:, MARGIN + i * PITCH :][:, :SIDE]
        assert (column[:LINE_HEIGHT] < 128).any() and (column[LINE_HEIGHT:top] == 255).all()
        assert np.abs(column[top : top + SIDE] - color).max() <= 3  # it went through a JPEG
        painted = stylize(
            tiny.net, to_float(levels), style_code(tiny, parse_style(name)), torch.float32
        )
        shown = torch.nn.functional.interpolate(
            painted, (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False
        )
        expected = shown.clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(column[top + PITCH :][:SIDE] - expected).max() <= 0.51
    assert found.shape == (top + 2 * PITCH + MARGIN, MARGIN + 2 * PITCH, 3)


def test_many_styles_fill_rows_and_a_new_checkpoint_begins_another(tiny):
    names = ("identity", *(f"style{i}" for i in range(COLUMNS + 1)))
    many = replace(tiny, styles=names, codes=tiny.codes[:1].expand(len(names), -1))
    image = sheet({"many": many, "tiny": tiny}, torch.rand(1, 3, PAINTED_SIDE, PAINTED_SIDE))
    row = LINE_HEIGHT + MARGIN + PITCH
    assert image.shape == (1, 3, 3 * row + MARGIN, MARGIN + COLUMNS * PITCH)
    filled = [
        [(image[..., i * row : (i + 1) * row, MARGIN + j * PITCH :][..., :SIDE] < 1).any().item()
         for j in range(COLUMNS)]
        for i in range(3)
    ]  # fmt: skip
    assert [sum(line) for line in filled] == [COLUMNS, 1, 2]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"checkpoint": "none.safetensors"}, "no checkpoint none.safetensors"),
        ({"output": "sheet.txt"}, "sheet.txt: its ending must be"),
        ({"output": "sheet.png", "content_path": Path("none.jpg")}, "no file none.jpg"),
        ({"output": "sheet.png", "checkpoint": "any_style"}, "any_style has no styles of its own"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(tmp_path, options, message):
    if "output" in options:
        options = options | {"output": tmp_path / options["output"]}
    with pytest.raises(InputError, match=message) as caught:
        catalogue(CatalogueConfig(**options, quiet=True))
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())
