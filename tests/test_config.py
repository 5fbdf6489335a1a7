import math
import typing
from dataclasses import MISSING, FrozenInstanceError, fields
from pathlib import Path

import pytest

from nst.errors import InputError
from nst.options.field import flag_of
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.train import TrainConfig

# A second list of what has to be given, apart from the dataclasses.
REQUIRED = {
    PictureConfig: {"content_path": Path("in.png"), "output": Path("out.png")},
    VideoConfig: {"input_video": "in.mp4"},
    TrainConfig: {"content_dir": Path("in"), "style_dir": Path("s"), "output": Path("o")},
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
    return config(**{**REQUIRED[config], **values})


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
