"""What is committed is what the code makes."""

from pathlib import Path

from conftest import DASHBOARDS
from dashboards.src.__main__ import write


def test_the_committed_dashboards_are_those_that_the_code_makes(tmp_path: Path) -> None:
    write(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in DASHBOARDS.glob("*.json")}
    assert made.keys() == committed.keys()
    for name, text in made.items():
        assert text == committed[name], f"{name} is not what the code makes: run `make dashboards`"
