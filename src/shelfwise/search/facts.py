"""What an index says of itself: `index.json`, written last, so that it names only what is whole.

index.json       format, bundle, dimension, fields, recall, and the name of the view
products.lance   every product with its vector: LanceDB's table, the one source
view-000012/     arrays that searches read, made from version 12 of the table; nothing else is in them
unfinished       there while `shelfwise index` writes; left behind where it was stopped
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, ValidationError

from shelfwise.errors import SearchError
from shelfwise.files import write_json
from shelfwise.schema import Frozen

FORMAT = 2
"""Raised where an index that was made before would find other products."""
FACTS, UNFINISHED, LOCK = "index.json", "unfinished", ".lock"


class IndexFacts(Frozen):
    """The content of `index.json`."""

    format: int = FORMAT
    bundle: str
    """Name and version of the bundle that made the vectors."""
    bundle_path: str | None = None
    """Where it was then."""
    image_root: str | None = None
    """The folder that picture paths are relative to; None where not all products have the same."""
    dimension: int = Field(gt=0)
    """Numbers in a vector."""
    version: int = 0
    """Of the table that the view was made from."""
    view: str | None = Field(default=None, pattern=r"^view-\d+$")
    """Folder of the view; None where nothing was finished yet."""
    products: int = Field(default=0, ge=0)
    fields: dict[str, str] = {}
    """Each field's kind: `number`, `text` or `texts`."""
    exact: bool = True
    """Whether every search scores every product that its filter leaves."""
    reach: int = 0
    """Products that an approximate search scores."""
    recall: dict[str, float] = {}
    """Recall@10 of approximate search against exact search, by filter; empty where search is exact."""
    updated: str = ""

    @property
    def label(self) -> str:
        """Bundle and version, as pages quote it."""
        return f"{self.bundle}#{self.version}"


def read_facts(folder: Path) -> IndexFacts:
    """What the folder's index says; SearchError where it is none, damaged or newer than this shelfwise."""
    path = folder / FACTS
    if not path.is_file():
        raise SearchError(f"'{folder}' is no index: it has no {FACTS}; make one with `shelfwise index`")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = raw.get("format") if isinstance(raw, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise SearchError(
                f"index '{folder}' has format {found}, this shelfwise reads up to {FORMAT}: update shelfwise"
            )
        if isinstance(found, int) and found < FORMAT:
            raise SearchError(
                f"index '{folder}' is of an earlier shelfwise, which compared words otherwise: make it anew "
                "with `shelfwise index` in another folder"
            )
        return IndexFacts.model_validate(raw)
    except (OSError, ValueError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise SearchError(f"index '{folder}': {FACTS} is damaged ({why}); build the index anew") from None


def write_facts(folder: Path, facts: IndexFacts) -> None:
    """Write `index.json`, whole or not at all."""
    write_json(folder / FACTS, facts.model_dump())


def check_fit(facts: IndexFacts, folder: Path, label: str, dimension: int) -> None:
    """SearchError where the vectors of the bundle `label` cannot be compared with the index's."""
    if (facts.bundle, facts.dimension) == (label, dimension):
        return
    where = f" (it was at '{facts.bundle_path}')" if facts.bundle_path else ""
    raise SearchError(
        f"index '{folder}' holds vectors of {facts.bundle} ({facts.dimension} numbers), which do not compare "
        f"with those of {label} ({dimension}); use --bundle with {facts.bundle}{where}, or build another "
        f"index with {label}: shelfwise index BUNDLE CATALOG --out NEW"
    )
