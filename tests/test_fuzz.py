"""Bad inputs: a few by mutation, and those that once were a traceback. `tests/fuzz.py` has more."""

from pathlib import Path

import fuzz
import pytest

SEEDS = sorted(file for file in (Path(__file__).parent / "seeds").glob("*/*") if file.is_file())


@pytest.fixture(scope="module")
def tools(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tools")
    fuzz.prepare(folder)
    return folder


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", fuzz.SUBJECTS)
def test_bad_inputs_are_one_line_or_a_result(tools, tmp_path, name):
    for _, file, data in fuzz.cases(4, 3, tools, [name]):
        folder = tmp_path / file.partition(".")[0]
        folder.mkdir()
        (folder / file).write_bytes(data)
        assert fuzz.problem(fuzz.SUBJECTS[name], folder / file, tools) is None, file


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", fuzz.SUBJECTS)
def test_whole_files_give_a_result(tools, tmp_path, name):
    """Else the others would be refused for a reason of their own."""
    for file, data in list(fuzz.SUBJECTS[name].seeds(tools).items())[:2]:
        folder = tmp_path / file.partition(".")[0]
        folder.mkdir(exist_ok=True)
        (folder / file).write_bytes(data)
        arguments = fuzz.SUBJECTS[name].arguments(folder / file, folder / "output", tools)
        if name != "recipe":  # its masks are not there
            assert fuzz.nst([str(word) for word in arguments]) == 0


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("seed", SEEDS, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_what_once_was_wrong(tools, tmp_path, seed):
    (tmp_path / seed.name).write_bytes(seed.read_bytes())
    assert fuzz.problem(fuzz.SUBJECTS[seed.parent.name], tmp_path / seed.name, tools) is None
