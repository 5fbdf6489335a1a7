import json
import math
import typing
from dataclasses import MISSING, FrozenInstanceError, fields
from pathlib import Path

import pytest

from nst.commands.parser import parse
from nst.errors import InputError
from nst.options.field import flag_of
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.tools import EvaluationConfig, ExportConfig
from nst.options.train import TrainConfig
from nst.options.values import kind_of

# A second list of what has to be given, apart from the dataclasses.
REQUIRED = {
    PictureConfig: {"content_path": Path("in.png")},
    VideoConfig: {"input_video": "in.mp4"},
    TrainConfig: {"content_dir": Path("in"), "style_dir": Path("s")},
}
OPTIONS = [(config, spec) for config in REQUIRED for spec in fields(config)]
BOUNDS = [
    (config, spec, bound)
    for config, spec in OPTIONS
    for bound in ("low", "high")
    if spec.metadata[bound] is not None
]


def name_of(value) -> str:
    return getattr(value, "name", None) or getattr(value, "__name__", None) or str(value)


def build(config, **values):
    """Return a config with what it needs, and what `values` belong to and need."""
    given = [spec for spec in fields(config) if spec.name in values]
    owners = {spec.metadata["method"] for spec in given} - {None}
    method = {"method": owners.pop()} if owners else {}
    return config(**{**REQUIRED[config], **needed_by(config, given), **method, **values})


def needed_by(config, given) -> dict:
    """Return a value for each option that one of the given needs."""
    needed = {spec.metadata["needs"] for spec in given}
    return {spec.name: other_value(spec)[0] for spec in fields(config) if spec.name in needed}


@pytest.mark.parametrize("config", REQUIRED, ids=name_of)
def test_only_files_must_be_given(config):
    required = {spec.name for spec in fields(config) if spec.default is MISSING}
    assert required == set(REQUIRED[config])
    build(config)
    with pytest.raises(TypeError, match="required"):
        config()


@pytest.mark.parametrize(("config", "spec"), OPTIONS, ids=name_of)
def test_default_has_the_type_it_claims(config, spec):
    claimed = typing.get_args(spec.type) or (spec.type,)
    default = REQUIRED[config].get(spec.name, spec.default)
    if default is None:
        assert type(None) in claimed
    elif typing.get_origin(spec.type) is tuple:
        assert type(default) is tuple and {type(item) for item in default} <= {claimed[0]}
    else:
        assert isinstance(default, claimed)
        assert not isinstance(default, bool) or bool in claimed
        assert not (type(default) is int and int not in claimed)


@pytest.mark.parametrize(("config", "spec"), OPTIONS, ids=name_of)
def test_help_is_one_line(config, spec):
    text = spec.metadata["help"]
    assert text and "\n" not in text and not text.endswith(".")


@pytest.mark.parametrize(("config", "spec"), OPTIONS, ids=name_of)
def test_help_names_the_value_and_has_a_place(config, spec):
    switch = spec.type is bool
    assert bool(spec.metadata["metavar"]) == (not switch and not spec.metadata["choices"])
    assert spec.default is MISSING or spec.metadata["group"] in config.groups
    members = {spec.metadata["group"] for spec in fields(config) if spec.default is not MISSING}
    assert members | {"required"} == set(config.groups)


REQUIRED_OF_TOOLS = {
    EvaluationConfig: {"original": Path("a.mp4"), "stylized": Path("b.mp4")},
    ExportConfig: {"output": Path("a.onnx")},
}
NEEDY = [
    (config, spec)
    for config in {**REQUIRED, **REQUIRED_OF_TOOLS}
    for spec in fields(config)
    if spec.metadata["needs"]
]
OF_ONE_METHOD = [(config, spec) for config, spec in OPTIONS if spec.metadata["method"]]
OTHER = {"optimize": "one-pass", "one-pass": "optimize"}


def other_value(spec):
    """Return a valid value of an option that is not its default, as Python and as text."""
    kind, many = kind_of(spec)
    low, high = spec.metadata["low"], spec.metadata["high"]
    if kind is bool:
        return (not spec.default), f"--{'no-' if spec.default else ''}{spec.name}"
    if choices := spec.metadata["choices"]:
        value = next(choice for choice in choices if choice != spec.default)
    elif kind in (int, float):
        value = kind(low if spec.default != low else high if high is not None else low + 1)
    else:
        value = kind("soft" if spec.name == "look" else "x")  # one that is there
    return ((value,) if many else value), str(value)


def refused(config, spec, *argv) -> str:
    """Return the complaint of a command line about an option of another method."""
    with pytest.raises(InputError) as caught:
        parse(config, None, [str(word) for word in argv])
    message, owner = str(caught.value), spec.metadata["method"]
    assert f"{flag_of(spec.name)} belongs to --method {owner}" in message
    assert f"give --method {owner}" in message and "\n" not in message
    return message


def words_of(config) -> list:
    return [word for name, value in REQUIRED[config].items() for word in (flag_of(name), value)]


@pytest.mark.parametrize(("config", "spec"), OF_ONE_METHOD, ids=name_of)
def test_option_of_another_method_is_refused(config, spec, tmp_path):
    """On the command line, from a file and in Python; even where it is the default."""
    value, text = other_value(spec)
    method = OTHER[spec.metadata["method"]]
    words = [*words_of(config), "--method", method]
    flag = [text.replace("_", "-")] if spec.type is bool else [flag_of(spec.name), text]
    refused(config, spec, *words, *flag)
    own = [*words_of(config), "--method", spec.metadata["method"]]
    for name, needed in needed_by(config, [spec]).items():
        own += [flag_of(name), *(needed if isinstance(needed, tuple) else [needed])]
    assert getattr(parse(config, None, [str(word) for word in own + flag])[0], spec.name) == value
    file = tmp_path / "recipe.toml"
    plain = [text] if kind_of(spec)[0] in (str, Path) and isinstance(value, tuple) else value
    plain = text if isinstance(plain, Path) else plain
    in_toml = json.dumps(plain)
    file.write_text(f"{spec.name} = {in_toml}\n")
    assert str(file) in refused(config, spec, *words, "--config", file)
    with pytest.raises(InputError, match=f"{flag_of(spec.name)} belongs to --method"):
        config(**{**REQUIRED[config], "method": method, spec.name: value})
    if isinstance(spec.default, int | float | str) and spec.type is not bool:
        refused(config, spec, *words, flag_of(spec.name), spec.default)


@pytest.mark.parametrize(("config", "spec"), NEEDY, ids=name_of)
def test_option_without_what_it_needs_is_refused(config, spec, tmp_path):
    """On the command line, from a file and in Python; even where it is the default."""
    value, text = other_value(spec)
    flag, needed = flag_of(spec.name), spec.metadata["needs"]
    required = {**REQUIRED, **REQUIRED_OF_TOOLS}[config]
    message = f"{flag} needs {flag_of(needed)}: give that too, or leave {flag} out"
    words = [str(word) for name, each in required.items() for word in (flag_of(name), each)]
    method = {"method": spec.metadata["method"]} if spec.metadata["method"] else {}
    words += [word for name, each in method.items() for word in (flag_of(name), each)]
    words += ["--config", str(tmp_path / "recipe.toml")]
    (tmp_path / "recipe.toml").write_text("")
    given = [flag] if spec.type is bool else [flag, text]
    with pytest.raises(InputError, match=message):
        parse(config, None, [*words, *given])
    with pytest.raises(InputError, match=message):
        config(**required, **method, **{spec.name: value})
    if not isinstance(value, tuple):
        stored = json.dumps(str(value) if isinstance(value, Path) else value)
        (tmp_path / "recipe.toml").write_text(f"{spec.name} = {stored}\n")
        with pytest.raises(InputError, match=f"recipe.toml: {message}"):
            parse(config, None, words)
        (tmp_path / "recipe.toml").write_text("")
    default = spec.default
    if isinstance(default, int | float | str) and spec.type is not bool:
        with pytest.raises(InputError, match=message):
            parse(config, None, [*words, flag, str(default)])
    config(**required, **method, **needed_by(config, [spec]), **{spec.name: value})


def test_a_flag_turns_off_what_a_file_says_of_those_that_need_it(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text("temporal_weight = 50.0\ntemporal_feature_weight = 2.0\n")
    words = ["--content-dir", "a", "--style-dir", "b", "--config", str(file)]
    assert parse(TrainConfig, None, words)[0].temporal_feature_weight == 2
    found, _ = parse(TrainConfig, None, [*words, "--temporal-weight", "0"])
    assert (found.temporal_weight, found.temporal_feature_weight) == (0, 1)


def test_method_of_the_file_counts_and_can_be_overruled(tmp_path):
    file = tmp_path / "recipe.toml"
    # Windows' Notepad begins a file with a byte order mark.
    file.write_text('method = "one-pass"\nstrength = 0.5\n', "utf-8-sig")
    words = [*map(str, words_of(PictureConfig)), "--config", str(file)]
    assert parse(PictureConfig, None, words)[0].strength == 0.5
    with pytest.raises(InputError, match="--strength belongs to --method one-pass"):
        parse(PictureConfig, None, [*words, "--method", "optimize"])


def test_unknown_method_is_what_is_complained_of():
    with pytest.raises(InputError, match="--method is 'gatys'; choose from"):
        words = [*map(str, words_of(PictureConfig)), "--strength", "0.5", "--method", "gatys"]
        parse(PictureConfig, None, words)


@pytest.mark.parametrize(("config", "spec", "bound"), BOUNDS, ids=name_of)
def test_range_ends_where_it_says(config, spec, bound):
    limit = spec.metadata[bound]
    integral = int in (spec.type, *typing.get_args(spec.type))
    beyond = limit + (-1 if bound == "low" else 1)
    if not integral:
        beyond = math.nextafter(limit, -math.inf if bound == "low" else math.inf)
    wrap = (lambda value: (value,)) if typing.get_origin(spec.type) is tuple else (lambda v: v)
    assert getattr(build(config, **{spec.name: wrap(limit)}), spec.name) == wrap(limit)
    with pytest.raises(InputError) as caught:
        build(config, **{spec.name: wrap(beyond)})
    for part in (flag_of(spec.name), str(beyond), str(limit)):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("config", "values", "message"),
    [
        (VideoConfig, {"strength": 1.5}, "--strength is 1.5; it must be from 0 to 1"),
        (VideoConfig, {"crf": 64}, "--crf is 64; it must be from 0 to 63"),
        (TrainConfig, {"steps": 0}, "--steps is 0; it must be at least 1"),
        (TrainConfig, {"widths": (32, 2, 8)}, "--widths is 2; it must be at least 4"),
        (
            PictureConfig,
            {"precision": "half"},
            "--precision is 'half'; choose from auto, float32, bfloat16",
        ),
        (TrainConfig, {"style_weight": math.inf}, "--style-weight is inf; it must be a finite"),
        (TrainConfig, {"style_weight": math.nan}, "--style-weight is nan; it must be a finite"),
        (TrainConfig, {"seed": 10**400}, "from 0 to 4294967295"),
    ],
)
def test_refusal_says_flag_value_and_range(config, values, message):
    with pytest.raises(InputError) as caught:
        build(config, **values)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_none_is_no_number_to_check():
    assert build(VideoConfig, long_side=None, duration=None).long_side is None


def test_config_cannot_change():
    with pytest.raises(FrozenInstanceError):
        build(VideoConfig).strength = 0.5


def test_options_of_one_name_are_of_one_type():
    kinds = {}
    for _, spec in OPTIONS:
        kind = typing.get_args(spec.type) or (spec.type,)  # one script may have a default for it
        kinds.setdefault(spec.name, set()).add(frozenset(kind) - {type(None)})
    shared = {name for name in kinds if sum(spec.name == name for _, spec in OPTIONS) > 1}
    assert {"device", "precision", "checkpoint", "strength", "long_side"} <= shared
    assert all(len(kinds[name]) == 1 for name in shared)
