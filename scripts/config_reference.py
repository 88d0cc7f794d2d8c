"""docs/config.md, made from the configuration's own docstrings; `--check` fails when it is stale.

python scripts/config_reference.py [--check]
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from shelfwise import config
from shelfwise.config.serving import ServeConfig

PAGE = Path(__file__).resolve().parent.parent / "docs" / "config.md"
HEAD = """# Configuration

What `shelfwise train CONFIG` takes: a TOML or JSON file with the tables below, every key optional. On
the command line `--set train.lr=0.03` goes on top. Unknown keys are refused by name. Relative paths,
a checkpoint's too, are looked for in the file's own folder, then in the one that the environment variable
`SHELFWISE_DATA` names, then in the working directory. Ready files are in `configs/`; `shelfwise data inspect`
writes one for a table of yours. The last part is what `shelfwise serve --config` takes. This page is made by
`scripts/config_reference.py`.
"""


def reference() -> str:
    """The whole page."""
    texts = {}
    for path in sorted(Path(config.__file__).parent.glob("*.py")):
        texts |= docstrings(path.read_text(encoding="utf-8"))
    pictures = "".join(_sections(config.Config, "", texts))
    reviews = "".join(_sections(config.ReviewsConfig, "", texts))
    products = "".join(_sections(config.ProductsConfig, "", texts))
    serving = "".join(_sections(ServeConfig, "serve", texts))
    parts = {"Pictures": pictures, "Reviews": reviews, "Products": products, "Serving": serving}
    return "\n".join([HEAD, *(f"# {name}\n{text}" for name, text in parts.items())])


def docstrings(source: str) -> dict[tuple[str, str], str]:
    """(class, field) to the text below the field, and (class, "") to the class's own."""
    found = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        found[node.name, ""] = ast.get_docstring(node) or ""
        for field, after in zip(node.body, node.body[1:], strict=False):
            named = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found[node.name, field.target.id] = " ".join(str(after.value.value).split())
    return found


def _sections(
    model: type[BaseModel], path: str, texts: dict[tuple[str, str], str], preset: BaseModel | None = None
) -> list[str]:
    """One table of the file and the tables inside it, with the defaults of `preset` where that is given."""
    title = f"[{path}]" if path else "top of the file"
    rows, inner = [], []
    for name, field in model.model_fields.items():
        kind, value = field.annotation, field.default if preset is None else getattr(preset, name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            below = f"{path}.{name}".lstrip(".")
            inner += _other_defaults(kind, below, texts) or _sections(kind, below, texts, value)
            continue
        rows.append(_row(model, name, value, texts))
        named = get_args(kind)[1] if get_origin(kind) is dict else None
        if isinstance(named, type) and issubclass(named, BaseModel):
            inner += _sections(named, f"{path}.{name}.NAME".lstrip("."), texts)
    intro = " ".join(texts[model.__name__, ""].split())
    return [f"\n## {title}\n\n{intro}\n\n{_table(rows)}", *inner]


def _row(model: type[BaseModel], name: str, value: Any, texts: dict[tuple[str, str], str]) -> str:
    told = (texts.get((kind.__name__, name)) for kind in model.__mro__)  # or where it is inherited from
    text = next(filter(None, told), "").replace("|", "\\|")
    return f"| `{name}` | {_type(model.model_fields[name].annotation)} | {_default(value)} | {text} |"


def _table(rows: list[str]) -> str:
    return "\n".join(["| key | type | default | |", "| --- | --- | --- | --- |", *rows, ""])


def _other_defaults(kind: type[BaseModel], path: str, texts: dict[tuple[str, str], str]) -> list[str]:
    """A table whose keys are told elsewhere: what is preset here to something else, and what is only here."""
    base = kind.__base__
    if base is None or not issubclass(base, BaseModel) or "optimizer" not in base.model_fields:
        return []
    fields, others = kind.model_fields, base.model_fields
    pairs = {name: (fields[name].default, others[name].default) for name in others}
    rows = [f"| `{name}` | {_default(here)} |" for name, (here, other) in pairs.items() if here != other]
    if not rows:
        own = [_row(kind, name, field.default, texts) for name, field in fields.items() if name not in others]
        more = [f"\n{_table(own)}"] if own else []
        return [f"\n## [{path}]\n\n{' '.join(texts[kind.__name__, ''].split())}\n", *more]
    table = "\n".join(["| key | default here |", "| --- | --- |", *rows])
    return [f"\n## [{path}]\n\nAs for pictures, with other defaults.\n\n{table}\n"]


def _type(kind: Any) -> str:
    """The annotation as a reader wants it: choices spelled out."""
    if get_origin(kind) is Literal:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_type(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return f"table of {_type(get_args(kind)[1]).replace('table', 'tables', 1)}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "table"
    if kind is Any:
        return "values"
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_type(some) for some in get_args(kind) if some is not type(None))
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path"}[
        kind.__name__
    ]


def _default(value: Any) -> str:
    if value is PydanticUndefined or value is None or value in ({}, ()):
        return ""
    text = json.dumps(round(value, 6) if isinstance(value, float) else value)
    return f"`{text}`".replace("|", "\\|")


def main() -> None:
    """Write the page, or check it."""
    page = reference()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        sys.exit("docs/config.md is stale; run: make fix")


if __name__ == "__main__":
    main()
