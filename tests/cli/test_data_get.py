"""`shelfwise data get`: says where the data is, what it holds, and refuses what it does not know."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from shelfwise.cli import app, main
from shelfwise.data import fashion_mnist
from shelfwise.errors import DataError


@pytest.fixture(scope="module")
def place() -> str:
    try:
        return str(fashion_mnist.locate(addresses=()))
    except DataError:
        pytest.skip("Fashion-MNIST is not on this machine; install dataset-fashion-mnist")


def test_the_place_the_counts_and_the_checksums_are_told(place: str) -> None:
    result = CliRunner().invoke(app, ["data", "get", "fashion-mnist"])
    assert result.exit_code == 0
    assert result.output.startswith(f"fashion-mnist is in {place}")
    assert result.output.count("60,000 rows") == 2
    assert all(file.sha256 in result.output for file in fashion_mnist.all_files())


def test_the_same_is_told_as_json(place: str) -> None:
    answer = json.loads(CliRunner().invoke(app, ["data", "get", "fashion-mnist", "--json"]).output)
    assert answer["folder"] == place
    assert [file["rows"] for file in answer["files"]] == [60_000, 60_000, 10_000, 10_000]


def test_an_unknown_name_lists_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["shelfwise", "data", "get", "mnist"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "shelfwise: data set 'mnist' is not known; known are: fashion-mnist\n"
