"""Files are whole or not there, and a place that cannot take one is known before."""

import json
from pathlib import Path

import pytest

from nst.core.files import check_place, replacing, write_json
from nst.errors import InputError


def test_json_comes_back_as_it_was_and_paths_as_text(tmp_path):
    write_json(tmp_path / "a.json", {"size": (3, 4), "path": Path("x") / "y"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"size": [3, 4], "path": "x/y"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_what_fails_half_way_leaves_the_file_that_was(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_a_place_that_is_not_there_is_named_with_its_flag(tmp_path):
    check_place(tmp_path / "a.json", "--report", [".json"])
    with pytest.raises(InputError, match="--report .*nowhere: make it first"):
        check_place(tmp_path / "nowhere" / "a.json", "--report", [".json"])
    with pytest.raises(InputError, match="--report .*a.txt: its ending must be .json"):
        check_place(tmp_path / "a.txt", "--report", [".json"])
