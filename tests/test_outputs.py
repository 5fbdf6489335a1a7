"""Results that the user gave no name get a free one in the current folder."""

import os
from pathlib import Path

import pytest
from PIL import Image

from nst.commands.outputs import last_unfinished, new_place, painted_name
from nst.commands.train import train
from nst.core.forecast import MEASURED, SETTLED, Forecast
from nst.errors import InputError
from nst.options.stylize import PictureConfig
from nst.options.train import TrainConfig


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(stem: str, ending: str, *beside: str) -> str:
    """Return the name that a result gets, after it has been written."""
    with new_place(stem, ending, beside) as path:
        if ending:
            path.write_text("result")
        else:
            (path / "result").touch()
    return path.name


def test_the_first_free_number_is_taken(here):
    assert [made("a", ".png") for _ in range(3)] == ["a.png", "a-2.png", "a-3.png"]
    (here / "a-2.png").unlink()
    assert made("a", ".png") == "a-2.png"
    assert [made("b", "") for _ in range(2)] == ["b", "b-2"]


def test_what_is_written_beside_must_be_free_too(here):
    (here / "a.json").touch()
    (here / "a-2.log").mkdir()
    assert made("a", ".png", ".json", ".log") == "a-3.png"
    os.symlink("nowhere", here / "c.png")  # a link to nothing is something of the user's
    assert made("c", ".png") == "c-2.png"


def test_two_runs_at_once_get_two_names(here):
    with new_place("a", ".png") as one, new_place("a", ".png") as two:
        assert (one.name, two.name) == ("a.png", "a-2.png")


@pytest.mark.parametrize("ending", [".png", ""])
def test_nothing_stays_where_nothing_was_written(here, ending):
    with pytest.raises(InputError), new_place("a", ending):
        raise InputError("no")
    assert not list(here.iterdir())


def test_long_names_are_cut(here):
    name = made("x" * 300, ".png")
    assert len(name) == 255 and name.endswith(".png")
    assert made("x" * 300, ".png").endswith("x-2.png")


def painted(**options) -> str:
    return "".join(painted_name(PictureConfig(**options)))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"style_path": (Path("art/wave.png"),)}, "in-wave.jpg"),
        ({"style_path": (Path("wave.png"), Path("b.c.jpg"))}, "in-wave+b.c.jpg"),
        ({"method": "one-pass", "style": "wave*0.5+scream*0.5:0.8"}, "in-wave+scream.jpg"),
        ({"method": "one-pass", "style": "art/wave.png:0.8"}, "in-wave.jpg"),
        (
            {"method": "one-pass", "region": ("person=wave", "dog=wave", "cat=original")},
            "in-wave.jpg",
        ),
        ({"method": "one-pass", "style": "a", "region": ("person=b",)}, "in-a+b.jpg"),
        ({"content_path": Path("in.webp"), "style_path": (Path("w.png"),)}, "in-w.webp"),
        ({"content_path": Path("in.gif"), "style_path": (Path("w.png"),)}, "in-w.png"),
        ({"content_path": Path("."), "style_path": (Path("w.png"),)}, "photos-w"),
    ],
)
def test_a_picture_is_named_after_content_and_style(here, monkeypatch, options, name):
    (here / "photos").mkdir()
    monkeypatch.chdir(here / "photos")
    assert painted(**{"content_path": Path("somewhere/in.jpg"), **options}) == name


def test_the_run_that_was_interrupted_last_goes_on(here):
    assert last_unfinished("net", ".safetensors", ".state.pt") is None
    for age, name in enumerate(["net-3", "net", "net-2", "network", "net-x"]):
        (here / f"{name}.state.pt").touch()
        os.utime(here / f"{name}.state.pt", (1e9 - age, 1e9 - age))
    os.utime(here / "network.state.pt", (2e9, 2e9))
    assert last_unfinished("net", ".safetensors", ".state.pt") == Path("net-3.safetensors")


@pytest.fixture
def trained(monkeypatch) -> list[TrainConfig]:
    """Training that only writes what it would have written."""
    import nst.train.loop

    seen = []

    def write(config: TrainConfig, *_) -> None:
        seen.append(config)
        config.output.write_text("net")

    monkeypatch.setattr(nst.train.loop, "train", write)
    return seen


def test_a_checkpoint_is_named_after_the_styles(here, trained):
    (here / "styles.v2").mkdir()
    Image.new("RGB", (8, 8)).save(here / "wave.png")
    for style_dir in ("styles.v2", "styles.v2/", "wave.png"):
        config = TrainConfig(content_dir=Path("p"), style_dir=Path(style_dir), steps=1)
        line = train(config)
        assert line.startswith(f"wrote {trained[-1].output}; its log is in ")
    names = [str(config.output) for config in trained]
    assert names == ["styles.v2.safetensors", "styles.v2-2.safetensors", "wave.safetensors"]


def test_resume_takes_the_interrupted_one(here, trained):
    (here / "styles.safetensors").touch()
    (here / "styles-2.safetensors").touch()
    config = TrainConfig(content_dir=Path("p"), style_dir=Path("styles"), steps=1, resume=True)
    with pytest.raises(InputError, match="--resume found no styles.state.pt"):
        train(config)
    (here / "styles-2.state.pt").touch()
    train(config)
    assert [str(config.output) for config in trained] == ["styles-2.safetensors"]


def test_a_name_that_was_given_is_taken_as_it_is(here, trained):
    output = here / "mine.safetensors"
    output.write_text("before")
    train(TrainConfig(content_dir=Path("p"), style_dir=Path("s"), output=output, steps=1))
    assert output.read_text() == "net" and len(list(here.iterdir())) == 1


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.0, "painting will take about 2 min"), (0.01, "")]
)
def test_the_time_left_is_that_of_the_first_steps(capsys, monkeypatch, seconds, words):
    """The first ones are slow and do not count; 100 steps are left when it is said."""
    clock = [0.0]
    monkeypatch.setattr("nst.core.forecast.time.monotonic", lambda: clock[0])
    forecast, first = Forecast("painting"), SETTLED + MEASURED
    for step in range(first + 20):
        clock[0] += 9 if step < SETTLED else seconds
        forecast.add((step + 1) / (first + 100))
    said = capsys.readouterr().err
    assert (words in said and said.count("\n") == 1) if words else not said
