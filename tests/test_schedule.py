"""Values at times: read, checked, and what they are at a frame, by hand."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from nst.errors import InputError
from nst.options.stylize import PictureConfig, VideoConfig
from nst.styles.schedule import Clock, parse_numbers, parse_styles
from nst.styles.spec import parse_style
from nst.styles.timeline import Timeline
from nst.stylize.paint import read_styles

CLOCK = Clock(Fraction(1, 100), Fraction(25), 101)


def numbers(text: str):
    return parse_numbers(text, "--strength-at", 0, 1)


def video(**options):
    return VideoConfig(input_video="in.mp4", **options)


@pytest.mark.parametrize(
    ("text", "unit", "times", "cuts"),
    [
        ("0 a, 4 b, 9.5 c", "s", (0, 4, 9.5), (0, 0, 0)),
        ("0 a,120f cut b", "f", (0, 120), (0, 1)),
        ("10% a, 100% b*2+c*2:0.5", "%", (10, 100), (0, 0)),
        ("1s a,\n 2.5s  cut  b", "s", (1, 2.5), (0, 1)),
        ("0 dir/a.jpg, 2 c", "s", (0, 2), (0, 0)),
    ],
)
def test_times_are_read(text, unit, times, cuts):
    found = parse_styles(text)
    assert (found.unit, found.times, found.cuts) == (unit, times, tuple(map(bool, cuts)))
    assert parse_styles(str(found)) == found


def test_a_style_changes_slowly_at_both_ends_and_is_held_outside():
    found = parse_styles("1 a, 3 b, 4 cut c")
    expected = {
        0: (1, 0, 0), 1: (1, 0, 0), 1.5: (1 - 5 / 32, 5 / 32, 0), 2: (0.5, 0.5, 0),
        3: (0, 1, 0), 3.99: (0, 1, 0), 4: (0, 0, 1), 99: (0, 0, 1),
    }  # fmt: skip
    for time, weights in expected.items():
        assert found.weights(time) == pytest.approx(weights)


def test_a_number_follows_the_monotone_cubic():
    """SciPy's differs at its ends only, where ours is level."""
    times, values = np.array([0.0, 1, 3, 4, 6, 7]), np.array([0.1, 0.3, 0.8, 0.8, 0.2, 0.6])
    found = numbers(", ".join(f"{t} {v}" for t, v in zip(times, values, strict=True)))
    expected = PchipInterpolator(times, values)
    for time in np.linspace(1, 6, 41):
        assert found.at(time) == pytest.approx(expected(time), abs=1e-9)
    assert numbers("0 0.2, 2 1").at(0.5) == pytest.approx(0.2 + 0.8 * 5 / 32)
    assert numbers("0 0.2, 1 0.4, 2 cut 1").at(1.9) == 0.4


def test_a_frame_s_time_is_in_the_unit_of_the_schedule():
    assert CLOCK.time("s", 7, 33) == 0.33
    assert CLOCK.time("f", 7, 33) == 7
    assert CLOCK.time("%", 50, 0) == 50 and CLOCK.time("%", 200, 0) == 100
    assert Clock(Fraction(1), Fraction(1), 1).time("%", 0, 0) == 0


def test_a_moment_is_the_mixture_that_it_should_be():
    styles = (parse_styles("0 a, 2 b"), parse_style("b"), parse_styles("1 a, 2 cut original"))
    line = Timeline(styles, numbers("0 0, 2 1"), None, CLOCK)
    middle = line.at(25, 100)  # second 1; the different styles are a, b and original
    assert middle.mix == ((0.5, 0.5, 0), (0, 1, 0), (1, 0, 0)) and middle.strength == 0.5
    end = line.at(50, 200)
    assert end.mix == ((0, 1, 0), (0, 1, 0), (0, 0, 1))
    assert line.originals(middle) == [0, 0, 0] and line.originals(end) == [0, 0, 1]
    assert end.change(middle) == pytest.approx((1, 0.5, 1))
    assert line.at(0, 500) == line.at(99, 500)  # seconds, whatever the number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wave", "--style-at: 'wave' is no time with a value"),
        ("", "'' is no time"),
        ("-1 wave", "'-1 wave' is no time"),
        ("0 wave, 4", "'4' is no time"),
        ("0 a, 4 b, 3 c", "3 is not after 4: let the times rise"),
        ("0 a, 4 b, 4 c", "4 is not after 4"),
        ("0 a, 4 b, 200f c", "--style-at has seconds and frames: give all times in one"),
        ("0 a, 4 b:2", "--style-at at 4: the strength in 'b:2' is 2; it must be from 0 to 1"),
    ],
)
def test_what_is_no_schedule_is_told_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as told:
        parse_styles(text)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", ["1.5", "nan", "-0.1", "much"])
def test_a_number_out_of_range_is_told_with_its_time(value):
    with pytest.raises(InputError, match="--strength-at at 3: "):
        numbers(f"0 0.5, 3 {value}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0, 4.1 1", "4.1 is after the end, the clip has 4.04 seconds"),
        ("0 0, 102f 1", "102f is after the end, the clip has 101 frames"),
        ("0 0, 101% 1", "101% is after the end, the clip has 100 percent"),
    ],
)
def test_a_time_out_of_the_clip_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        numbers(text).check(CLOCK)
    numbers("0 0, 4 1").check(CLOCK)
    numbers("0 0, 99 1").check(Clock.of_camera())
    with pytest.raises(InputError, match="a camera has no end"):
        numbers("0 0, 50% 1").check(Clock.of_camera())


def test_options_are_read_into_styles():
    found = read_styles(video(style_at="0 a, 4 b:0.5", strength_at="0 0.2, 3 1"))
    assert found.keys == (parse_style("a"), parse_style("b:0.5"))
    assert [str(schedule) for schedule in found.schedules] == ["0 a, 4 b:0.5", "0 0.2, 3 1.0"]
    found = read_styles(video(style="a", style_to="b"))
    assert str(found.style) == "0% a, 100% b"
    found = read_styles(video(style_at="0 a, 4 b", region=("person=0 c, 2 original", "dog=a")))
    assert [*map(str, found.painted)] == ["0 c, 2 original", "a", "0 a, 4 b"]
    assert [*map(str, found.keys)] == ["c", "original", "a", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style_at": "0 a", "style": "b"}, "says all styles: leave out --style$"),
        ({"style_at": "0 a", "style_to": "b"}, "leave out --style-to"),
        ({"style_at": "0 a", "style_path": ("b.jpg",)}, "leave out --style-path"),
        ({"style_scale_at": "0 5"}, "--style-scale-at at 0: 5 must be from 0.25 to 4"),
        ({"region": ("person=0 a, 2 b:3",)}, "--region person at 2: the strength"),
    ],
)
def test_contradictions_are_one_line(options, message):
    with pytest.raises(InputError, match=message):
        read_styles(video(**options))


def test_a_picture_has_no_time():
    config = PictureConfig(content_path="a.jpg", method="one-pass", region=("person=0 a, 2 b",))
    with pytest.raises(InputError, match="--region person has times, and a picture has none"):
        read_styles(config)
