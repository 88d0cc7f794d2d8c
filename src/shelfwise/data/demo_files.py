"""The demo shop as a shop would hand it over: a table, pictures, reviews, and a README that says what it is.

products.csv   the catalogue; `constructed` is true in every row
images/        a PNG a product: Fashion-MNIST's test pictures, 28x28
reviews.csv    constructed reviews by product; reviews.toml reads them
planted.csv    near duplicates and contradictory listings, to check what finds them
README.txt     written last: a folder without it is not finished
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from shelfwise.data.demo_shop import MISTOLD, DemoProduct, demo_products, demo_reviews, picture_of
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.synthetic_files import reviews_toml, write_reviews_csv
from shelfwise.errors import DataError
from shelfwise.files import replacing, write_json

Asked = dict[str, object]
ASKED, README = "demo-shop.json", "README.txt"
COLUMNS = (
    "id",
    "title",
    "description",
    "picture",
    "category",
    "brand",
    "colour",
    "gender",
    "season",
    "price",
)
_TEXT = """A demo shop, made by `shelfwise data demo --products {products} --seed {seed}`.

ALL OF IT IS GENERATED. No such shop, brand or product exists, and no buyer wrote a review. Colours, brands,
materials and prices were drawn at random: the pictures are grey and show none of them. No figure from this
folder says anything of a real catalogue.

products.csv  {count:,} listings: title, description, category, brand, colour, gender, season, price
images/       {count:,} pictures of 28x28: test rows of Fashion-MNIST, copyright 2017 Zalando SE, MIT licence
              (arXiv:1708.07747), those of near duplicates moved by a pixel
reviews.csv   {reviews:,} constructed reviews (reviews.toml reads them); {mistold:.0%} contradict their stars
planted.csv   {twice:,} listings that repeat another product, {wrong:,} whose words are of another class
              than their pictures
"""


def write_demo_shop(out: Path, pictures: LabelledPictures, *, products: int = 600, seed: int = 0) -> None:
    """Write the shop to `out`; what an interrupted run has written stays, and the rest is added.

    DataError where `out` holds anything else, also a demo shop of other settings."""
    asked: Asked = {"made_by": "shelfwise data demo", "products": products, "seed": seed}
    listings = demo_products(pictures, products, seed=seed)
    try:
        claim(out, asked)
        (out / "images").mkdir(exist_ok=True)
        for product in listings:
            _write_picture(product, pictures, out / _path(product))
        _write_table(listings, out / "products.csv")
        reviews = write_reviews_csv(demo_reviews(listings, seed=seed), out / "reviews.csv")
        _write_text(out / "reviews.toml", reviews_toml("reviews.csv", f"shelfwise data demo --seed {seed}"))
        planted = [product for product in listings if product.planted]
        _write_planted(planted, out / "planted.csv")
        _write_text(out / README, _readme(listings, planted, reviews, products, seed))
    except OSError as error:
        raise DataError(f"'{out}' cannot be written: {error}") from None


def finished(out: Path, *, products: int, seed: int) -> bool:
    """Whether just this shop is there, whole."""
    there = (out / README).is_file() and (out / "products.csv").is_file()
    return there and _asked(out) == {"made_by": "shelfwise data demo", "products": products, "seed": seed}


def claim(out: Path, asked: Asked) -> None:
    """Make the folder this shop's; DataError where it holds anything else."""
    out.mkdir(parents=True, exist_ok=True)
    found = _asked(out)
    if found is None and any(out.iterdir()):
        raise DataError(f"'{out}' holds something that is no demo shop; choose another --out")
    if found is not None and found != asked:
        raise DataError(
            f"'{out}' holds the demo shop of --products {found.get('products')} --seed {found.get('seed')}; "
            "choose another --out, or remove it first"
        )
    write_json(out / ASKED, asked)


def _asked(out: Path) -> Asked | None:
    """What the folder's shop was asked to be; None where there is none."""
    try:
        found = json.loads((out / ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _path(product: DemoProduct) -> str:
    return f"images/{product.id}.png"


def _write_picture(product: DemoProduct, pictures: LabelledPictures, path: Path) -> None:
    if not path.exists():
        with replacing(path) as partial:
            Image.fromarray(picture_of(product, pictures)).save(partial, "PNG", optimize=True)


def _write_table(products: Iterable[DemoProduct], path: Path) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow((*COLUMNS, "constructed"))
        for product in products:
            said = [getattr(product, name) for name in COLUMNS if name not in ("picture", "price")]
            said.insert(COLUMNS.index("picture"), _path(product))
            writer.writerow((*said, f"{product.price:.2f}", "true"))


def _write_planted(products: Iterable[DemoProduct], path: Path) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "planted", "shown", "listed_as", "repeats"))
        for product in products:
            writer.writerow((product.id, product.planted, product.shown, product.category, product.twin))


def _readme(
    listings: Sequence[DemoProduct], planted: Sequence[DemoProduct], reviews: int, products: int, seed: int
) -> str:
    twice = sum(product.planted == "near_duplicate" for product in planted)
    return _TEXT.format(
        products=products,
        seed=seed,
        count=len(listings),
        reviews=reviews,
        mistold=MISTOLD,
        twice=twice,
        wrong=len(planted) - twice,
    )


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
