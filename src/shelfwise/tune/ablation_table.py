"""The tables of an ablation as Markdown: a table a group, a line a switch, what changed and what it cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shelfwise.evaluate.product_scores import ALL
from shelfwise.files import replacing, write_json
from shelfwise.tune.cells import AS_IS
from shelfwise.tune.judged import key

Found = dict[str, Any]
_DASH = "–"


def write_ablation(found: Found, out: Path) -> None:
    """Write `ablation.json` and `ablation.md`, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "ablation.json", found)
    with replacing(out / "ablation.md") as partial:
        partial.write_text(f"# Ablation of {found['config']}\n\n{markdown(found)}", encoding="utf-8")


def markdown(found: Found, *, level: int = 2) -> str:
    """All groups, with headings from `level` on; differences in points, bold where 0 is left out."""
    if found["questions"] is None:
        return "*No cell is done yet.*\n"
    cells = found["cells"]
    lines = [_preface(found), ""]
    if cells["done"] < cells["all"]:
        lines += [f"*{cells['done']} of {cells['all']} cells are done.*", ""]
    for group, switches in found["groups"].items():
        lines += [f"{'#' * level} {group.capitalize()}", "", *_table(found, switches), ""]
        if others := _others(found, switches):
            lines += [*others, ""]
    return "\n".join(lines)


def main_figures(found: Found) -> dict[str, str]:
    """The figures that are shown first, by `judged.key`, and how they are called.

    The fullest subset is left out where it says the same as everything that is read, switch by switch."""
    main, whole, every = found["questions"]["main"], whole_of(found), _figures(found)
    *parts, fullest = (key("accuracy", main, subset) for subset in found["questions"]["subsets"])
    everything = key("accuracy", main, whole)
    if any(fullest in figures and figures[fullest] != figures.get(everything) for figures in every):
        parts.append(fullest)
    shown = {name: f"{main} from {subset_words(name.rpartition('/')[2])}" for name in (everything, *parts)}
    shown[key("macro_f1", main, whole)] = f"{main}, macro-F1"
    shown["recall@10"] = "title finds picture, R@10"
    shown[key("ece", main, whole)] = f"{main}, calibration error"
    return {name: text for name, text in shown.items() if any(name in figures for figures in every)}


def whole_of(found: Found) -> str:
    """What everything that a switch reads is called; in older summaries that is the fullest subset."""
    main, fullest = found["questions"]["main"], found["questions"]["subsets"][-1]
    return ALL if any(key("accuracy", main, ALL) in figures for figures in _figures(found)) else str(fullest)


def _figures(found: Found) -> list[dict[str, Any]]:
    """The figures of the baseline and of every switch."""
    switches = (entry for group in found["groups"].values() for entry in group.values())
    return [entry["figures"] for entry in (found["baseline"], *switches)]


def row_counts(found: Found, switches: dict[str, Any]) -> list[tuple[int, dict[str, Any]]] | None:
    """A group's entries by how many products they learned from, the baseline among them, ascending.

    None where the group is about something else: where a switch does not set `split.train_rows`."""
    own = [entry for entry in switches.values() if not entry["same_as_baseline"]]
    if not own or not all(_sets_rows(entry["settings"]) for entry in own):
        return None
    done = [entry for entry in (*own, found["baseline"]) if entry["rows"] and entry["figures"]]
    return sorted(((entry["rows"]["train"], entry) for entry in done), key=lambda pair: pair[0])


def _preface(found: Found) -> str:
    base = found["baseline"]
    rows = base["rows"]
    about = f"{rows['train']:,} rows to learn from, {rows['validation']:,} of validation; " if rows else ""
    settings = ", ".join(f"`{name} = {_value(value)}`" for name, value in found["settings"].items())
    return (
        f"{about}seeds {', '.join(map(str, found['seeds']))}; {found['cpu_seconds']:,.0f} CPU-seconds of "
        f"training in all{f'; all with {settings}' if settings else ''}. {found['method']} "
        f"In brackets: the difference in points, bold where its interval leaves 0 out.{_about_all(found)}"
    )


def _about_all(found: Found) -> str:
    """What a column of everything that is read holds; empty where there is none."""
    if whole_of(found) != ALL:
        return ""
    return (
        " “From all it reads”: asked with everything that a switch takes in of a product, as are macro-F1, "
        f"calibration error and the other targets; {_DASH} where it cannot be asked."
    )


def _table(found: Found, switches: dict[str, Any]) -> list[str]:
    """One group's main figures and cost."""
    shown = main_figures(found)
    head = ["switch", *(text[0].upper() + text[1:] for text in shown.values()), "CPU-seconds"]
    return _lines(head, found, switches, list(shown), cost=True)


def _others(found: Found, switches: dict[str, Any]) -> list[str]:
    """The other targets, from all that is known."""
    questions, whole = found["questions"], whole_of(found)
    targets = dict.fromkeys(target for target, _ in questions["asked"] if target != questions["main"])
    names = [key("accuracy", target, whole) for target in targets]
    return _lines(["switch", *targets], found, switches, names, cost=False) if names else []


def _lines(
    head: Sequence[str], found: Found, switches: dict[str, Any], names: Sequence[str], *, cost: bool
) -> list[str]:
    """A Markdown table, the baseline first, with the names of the switches that come to it."""
    same = [switch for switch, entry in switches.items() if entry["same_as_baseline"]]
    as_is = f"{AS_IS}: {', '.join(same)}" if same else AS_IS
    rows = [_row(found, as_is, found["baseline"], names, cost=cost)]
    for switch, entry in switches.items():
        if not entry["same_as_baseline"]:
            rows.append(_row(found, switch, entry, names, cost=cost))
    aligned = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, aligned, *rows)]


def _row(found: Found, switch: str, entry: dict[str, Any], names: Sequence[str], *, cost: bool) -> list[str]:
    """One switch: its figures, and what a training of it cost."""
    named = switch.replace("|", "\\|")
    if 0 < len(entry["seeds"]) < len(found["seeds"]):
        named += f" ({len(entry['seeds'])} of {len(found['seeds'])} seeds)"
    cells = [named, *(_cell(entry, name) for name in names)]
    if cost:
        spent = entry["cost"]
        cells.append(f"{spent['cpu_seconds']:,.0f}" if "cpu_seconds" in spent else _DASH)
    return cells


def _cell(entry: dict[str, Any], name: str) -> str:
    """`96.4% (+0.21, -0.10 to +0.52)`."""
    figure = entry["figures"].get(name)
    if figure is None or figure["value"] is None:
        return _DASH
    text = f"{figure['value']:.1%}"
    change = entry["differences"].get(name)
    if change is None or change["value"] is None:
        return text
    points = _points(change["value"])
    if change["ci95"] is None:
        return f"{text} ({points})"
    low, high = change["ci95"]
    sure = f"**{points}**" if low > 0 or high < 0 else points
    return f"{text} ({sure}, {_points(low)} to {_points(high)})"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


def subset_words(subset: str) -> str:
    """A subset of the modalities in words."""
    return "all it reads" if subset == ALL else subset.replace("+", " and ")


def _sets_rows(settings: dict[str, Any]) -> bool:
    return "split.train_rows" in settings or "train_rows" in settings.get("split", {})


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
