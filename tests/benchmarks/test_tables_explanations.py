"""The table on explanations: a method that was measured has its rows, another has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tables


def area(value: float, **minus: float) -> dict[str, Any]:
    differences = {f"minus_{other}": {"value": d, "ci95": [d - 0.01, d + 0.01]} for other, d in minus.items()}
    return {"value": value, **differences}


def test_each_method_stands_beside_chance_and_edges(tmp_path: Path) -> None:
    curves = ("deletion", "insertion", "insertion_from_blurred")
    methods = {
        "random": {curve: area(0.3) for curve in curves},
        "occlusion": {curve: area(0.1, random=-0.2, edges=-0.05) for curve in curves},
    }
    (tmp_path / "explanations.json").write_text(
        json.dumps({"pictures": {"count": 600, "class": methods, "contrast": methods}})
    )
    head, _, *rows = tables.render("explanations", tmp_path).splitlines()
    assert head == "| what | measured | to compare | from |"
    assert len(rows) == 6
    assert "occlusion by windows, on 600 pictures | deletion 0.100, insertion 0.100, from blurred" in rows[0]
    assert "minus a random order: deletion -0.200 (-0.210 to -0.190), insertion" in rows[0]
    assert "occlusion by windows, minus edges | deletion -0.050 (-0.060 to -0.040)" in rows[1]
    assert "a random order | deletion 0.300" in rows[2]
    assert "occlusion by windows, against the runner-up, on 600 pictures | deletion 0.100" in rows[3]
