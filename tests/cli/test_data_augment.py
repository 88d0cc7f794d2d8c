"""`shelfwise data augment`: a contact sheet of each level, for every kind of catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import draw_catalog
from PIL import Image
from typer.testing import CliRunner

from shelfwise.cli import app
from shelfwise.errors import DataError
from shelfwise.nn.augment import LEVELS
from shelfwise.reports.contact_sheet import contact_sheet

FASHION = Path("/usr/share/datasets/fashion-mnist")


def run(*arguments: str) -> list[str]:
    """The lines printed by a run that must succeed."""
    result = CliRunner().invoke(app, ["data", "augment", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_a_table_gives_a_sheet_of_each_level(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 12)
    out = tmp_path / "sheets"
    printed = run(str(table), "--out", str(out), "--pictures", "5", "--variants", "2")
    assert printed == [str(out / f"{name}.png") for name in (*LEVELS, "flip-crop-erase")]
    sheets = {name: np.asarray(Image.open(out / f"{name}.png")) for name in LEVELS}
    assert len({sheet.shape for sheet in sheets.values()}) == 1
    assert (sheets["light"] != sheets["medium"]).any()
    assert sorted(p.name for p in out.iterdir()) == sorted(Path(line).name for line in printed)


def test_a_seed_gives_the_same_sheets(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 6)
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(str(table), "--out", str(tmp_path / out), "--variants", "1", "--seed", str(seed))
    one, same, other = ((tmp_path / out / "heavy.png").read_bytes() for out in "abc")
    assert one == same
    assert one != other


def test_a_config_adds_a_sheet_of_its_own_augmentation(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 6)
    config = tmp_path / "c.toml"
    config.write_text(
        f'[data]\nsource = "{table}"\n[data.columns]\nimages = ["image"]\nlabels = {{ kind = "category" }}\n'
        '[preprocess]\nheight = 32\nwidth = 24\nchannels = 3\nfit = "pad"\n[augment]\nflip = "random"\n'
    )
    assert run(str(config), "--out", str(tmp_path / "out"))[-1] == str(tmp_path / "out" / "config.png")


@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Fashion-MNIST (Debian: dataset-fashion-mnist)")
def test_fashion_mnist_shows_every_class(tmp_path: Path) -> None:
    assert len(run("fashion-mnist", "--out", str(tmp_path), "--variants", "1")) == 5


def test_a_catalogue_without_usable_pictures_is_named(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 3)
    for path in (tmp_path / "images").iterdir():
        path.write_text("<html>")
    with pytest.raises(DataError, match="no usable picture"):
        run(str(table), "--out", str(tmp_path / "out"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 3)
    with pytest.raises(DataError, match="cannot be written"):
        run(str(table), "--out", str(table / "below-a-file"))


def test_small_pictures_are_enlarged_in_whole_steps_and_large_ones_left() -> None:
    small, large = np.zeros((3, 28, 28, 1), np.uint8), np.zeros((1, 200, 150, 3), np.uint8)
    assert contact_sheet("small", [("original", small)]).height < 28 * 4 + 120
    sheet = np.asarray(contact_sheet("large", [("original", large)], note="as it is"))
    assert ((sheet == 0).all(-1).sum(0) == 200).sum() == 150
