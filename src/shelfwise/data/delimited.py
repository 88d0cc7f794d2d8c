"""Records of a delimited text file, exactly numbered; a broken one is named and the next ones are read.

The csv module does the parsing; what is ours is going on after a quote that never closes, which would
otherwise swallow the rest of the file."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from shelfwise.data.lines import Line

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES = 50


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `number` counts from 1, blank lines included, as a spreadsheet does."""

    number: int
    cells: tuple[str, ...]
    repaired: bool = False
    """Some bytes did not fit the file's encoding."""
    problem: tuple[str, str] | None = None
    """Kind and reason, where the record cannot be used; `cells` then hold its first line."""


class _Feed:
    """Gives csv its lines, remembers those of the current record and takes back what was not one."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self._returned: deque[Line] = deque()
        self.taken: list[Line] = []
        self.ended = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        try:
            line = self._returned.popleft() if self._returned else next(self._lines)
        except StopIteration:
            self.ended = True
            raise
        self.taken.append(line)
        return line.text

    def start_record(self) -> None:
        self.taken, self.ended = [], False

    def give_back_all_but_first(self) -> None:
        self._returned.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def read_records(lines: Iterable[Line], delimiter: str) -> Iterator[Record]:
    """Every record that is not blank, the line of column names included.

    A record whose quote does not close properly before the file ends, or within csv's field limit of
    128 KB, is a problem of its first line alone: reading goes on with the second."""
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter)
    number = 0
    while True:
        feed.start_record()
        problem, cells = None, []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            long = "field larger than field limit" in str(error)
            why = f"a cell is longer than {csv.field_size_limit():,} characters" if long else str(error)
            problem = ("unreadable_row", why)
        number += 1
        if feed.ended or (len(feed.taken) > 1 and (problem or not _is_strict(feed.taken, delimiter))):
            feed.give_back_all_but_first()
            problem = ("unclosed_quote", "a quote opens and never closes")
        repaired = any(line.repaired for line in feed.taken)
        if problem:
            yield Record(number, (feed.taken[0].text.rstrip("\r\n"),), repaired, problem)
        elif cells:
            yield Record(number, tuple(cells), repaired)


def _is_strict(lines: list[Line], delimiter: str) -> bool:
    """Whether the lines are one record by the letter of the format.

    Where a quote is left open by mistake, the next quote of the file closes it, with text right behind:
    read leniently, all rows between would silently become one product."""
    try:
        next(csv.reader((line.text for line in lines), delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return True


def find_delimiter(lines: Iterable[Line]) -> str:
    """The delimiter that cuts the first lines into the most columns, the same number on each."""
    sample = [line.text for line in islice(lines, _SAMPLE_LINES)]

    def score(delimiter: str) -> float:
        widths: list[int] = []
        with suppress(csv.Error):
            widths.extend(len(cells) for cells in csv.reader(sample, delimiter=delimiter) if cells)
        if not widths:
            return 0.0
        return float((widths[0] - 1) * widths.count(widths[0]) / len(widths))

    return max(DELIMITERS, key=score)


def column_names(cells: Iterable[str]) -> tuple[str, ...]:
    """Usable names: trimmed, `column_3` where there is none, `name_2` where one recurs."""
    names: list[str] = []
    for position, cell in enumerate(cells, start=1):
        base = name = " ".join(cell.split()) or f"column_{position}"
        again = 1
        while name in names:
            again += 1
            name = f"{base}_{again}"
        names.append(name)
    return tuple(names)
