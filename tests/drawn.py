"""Draws small garments and whole catalogues for the tests, so that no test needs anybody's pictures."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from PIL import Image, ImageDraw

KINDS = ("shirt", "trousers", "shoe", "bag")
COLOURS = {"red": (190, 40, 50), "blue": (40, 70, 170), "green": (40, 130, 70), "black": (30, 30, 35)}
MATERIALS = ("cotton", "linen", "leather", "denim", "wool", "canvas")
BRANDS = ("Alder", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Gorse", "Hazel")

_OUTLINES = {
    "shirt": [(30, 15), (42, 20), (58, 20), (70, 15), (95, 35), (85, 52), (72, 43), (72, 90), (28, 90),
              (28, 43), (15, 52), (5, 35)],
    "trousers": [(30, 6), (70, 6), (78, 95), (57, 95), (50, 32), (43, 95), (22, 95)],
    "shoe": [(8, 38), (32, 38), (50, 56), (84, 62), (95, 72), (95, 82), (8, 82)],
    "bag": [(12, 42), (88, 42), (94, 92), (6, 92)],
}  # fmt: skip
"""Corner points of each kind on a 100 x 100 square."""


def colour_of(seed: int) -> str:
    """The colour name that `draw_garment` uses for this seed."""
    return random.Random(f"colour {seed}").choice(sorted(COLOURS))


def draw_garment(kind: str, seed: int, size: int | tuple[int, int] = 64) -> Image.Image:
    """One RGB garment on white, `size` = side or (width, height); a seed moves, scales and colours it."""
    width, height = (size, size) if isinstance(size, int) else size
    dice = random.Random(f"{kind} {seed}")
    scale, left, top = dice.uniform(0.75, 0.95), dice.uniform(0.02, 0.05), dice.uniform(0.02, 0.05)
    wobble = [(dice.uniform(-3, 3), dice.uniform(-3, 3)) for _ in _OUTLINES[kind]]
    fill = COLOURS[colour_of(seed)]

    def place(x: float, y: float) -> tuple[float, float]:
        return (left + scale * x / 100) * width, (top + scale * y / 100) * height

    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    corners = [place(x + dx, y + dy) for (x, y), (dx, dy) in zip(_OUTLINES[kind], wobble, strict=True)]
    pen.polygon(corners, fill=fill)
    if kind == "bag":
        pen.arc([place(28, 12), place(72, 72)], 180, 360, fill=fill, width=max(2, width // 16))
    if kind == "shoe":
        pen.line([place(8, 80), place(95, 80)], fill=(90, 60, 40), width=max(2, height // 20))
    for _ in range(dice.randrange(4)):
        x, y = place(dice.uniform(35, 60), dice.uniform(50, 80))
        pen.ellipse([x, y, x + width / 16, y + height / 16], fill=(240, 220, 120))
    return picture


def title_of(kind: str, seed: int) -> str:
    """A product title that goes with `draw_garment(kind, seed)`."""
    dice = random.Random(f"title {kind} {seed}")
    return f"{dice.choice(BRANDS)} {colour_of(seed).title()} {dice.choice(MATERIALS)} {kind} {seed}"


def draw_catalog(folder: Path, n: int, seed: int = 0, *, size: int | tuple[int, int] = 64) -> Path:
    """Write `n` products and return the CSV: id, title, category, colour, image (under `images/`).

    Kinds take turns, so that every class has n/4 rows; ids are p0000, p0001 ..."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    table = folder / "products.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "category", "colour", "image"])
        for i in range(n):
            kind, dice = KINDS[i % len(KINDS)], seed * 100_003 + i
            name = f"images/p{i:04}.png"
            draw_garment(kind, dice, size).save(folder / name)
            writer.writerow([f"p{i:04}", title_of(kind, dice), kind, colour_of(dice), name])
    return table
