"""Where a review's sentences and clauses are: rules, offsets into the text, linear time.

Together the spans of a text hold all of its characters but white space. Every pattern consumes the whole run
of signs that it meets, so that no text (10 MB of dots) is scanned twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]
"""Start and end (excluded) of a piece of text, in characters."""

_END = re.compile(
    r"""(?P<dots>[.!?…‽]++)(?P<close>(?:["'”’»*)\]}]|[^\w\s"'“‘(\[{«#@$€£¥&<>=+~/\\.!?…‽,;:%-])*+)(?P<gap>\s*+)"""
    r"|(?P<wide>[。！？｡]++[」』”’）]*+)\s*+"
    r"|(?P<blank>\n\s*+)"
)
_ABBREVIATION = re.compile(
    r"(?<![^\W_])(?:mr|mrs|ms|dr|st|jr|sr|vs|approx|etc|no|e\.g|i\.e|[b-hj-z])$", re.IGNORECASE
)
_BULLET = re.compile(r"[-*•·–—]\s|\d+[.)]\s")

_SUBJECT = r"(?:it|they|i|this|that|these|those|he|she|you|we|there)(?:['’](?:s|m|re|ve|d|ll))?"
_THING = r"(?:the|my|its|their)\s+\w+(?:\s+\w+){0,2}?"
_PLURAL = r"(?:the|my|its|their)\s+(?:\w+\s+){0,2}?\w+s\s+(?:are|were|have)"
_VERB = (
    r"(?:is|are|was|were|isn['’]t|aren['’]t|wasn['’]t|weren['’]t|has|have|had|does|doesn['’]t|did|didn['’]t"
    r"|runs|ran|fits|looks|looked|feels|felt|hangs|hung|hits|seems|seemed|came|comes|flows|drapes)"
)
_OPENING = (
    rf"(?:(?:and|so|or|because)\s+)?(?:{_SUBJECT}\b|{_PLURAL}\b|{_THING}\s+(?!are|were|have){_VERB}\b"
    rf"|(?:also\s+|really\s+|just\s+)?{_VERB}\b|(?:also\s+|really\s+|just\s+|i\s+)*(?:loved?|hated?)\b)"
)
_CONTRAST = (
    r"(?:but|however|although|(?:even\s+)?though|except|whereas|unfortunately|sadly|otherwise|"
    r"yet(?!\s*[,.!?;)]))"
)
# Every way begins with one of few signs, which the regular expression engine jumps to.
_BREAK = re.compile(
    rf"[;—–]|--+|\)(?=[\s,])|,\s*(?={_OPENING}|{_CONTRAST}\b\W+\w)"
    rf"|\s(?:-+\s|(?=\(\w|{_CONTRAST}\b\W+\w|and\s+{_OPENING}))",
    re.IGNORECASE,
)
_SEAM = " \t\r\n,;:—–-&("
_NO_CONTRAST = re.compile(r"(?:\b(?:nothing|anything|all|not)|n['’]t)\s+$", re.IGNORECASE)


def sentences(text: str) -> list[Span]:
    """The sentences in order, without the white space around them.

    They end at `.`, `!`, `?`, runs of these and blank lines; not inside `5.5`, `e.g.` or `shop.com`."""
    spans: list[Span] = []
    start = 0
    for match in _END.finditer(text):
        if _ends_here(text, match):
            _append(spans, text, start, match.end())
            start = match.end()
    _append(spans, text, start, len(text))
    return spans


def clauses(text: str) -> list[Span]:
    """The clauses of every sentence, in order; a clause holds one judgement where the rules can tell.

    They end before words of contrast ("but", "however", "although" ...), at semicolons, dashes and brackets,
    and where a comma or "and" begins a further statement ("and it runs small")."""
    return [clause for start, end in sentences(text) for clause in clauses_within(text, start, end)]


def clauses_within(text: str, start: int, end: int) -> list[Span]:
    """The clauses of one sentence, the characters `start` to `end` of `text`."""
    spans: list[Span] = []
    begin = start
    for cut in _cuts(text, start, end):
        if cut > begin:
            _append(spans, text, begin, cut)
            begin = cut
    _append(spans, text, begin, end)
    return spans


def trimmed(text: str, span: Span) -> Span:
    """The span without commas, dashes and open brackets around it, as it is quoted; itself if that is all."""
    start, end = span
    kept = text[start:end].lstrip(_SEAM)
    first = end - len(kept)
    kept = kept.rstrip(_SEAM)
    return (first, first + len(kept)) if kept else span


def _cuts(text: str, start: int, end: int) -> Iterator[int]:
    """Where a new clause may begin."""
    for match in _BREAK.finditer(text, start, end):
        cut = match.end()
        if not (text[cut : cut + 1].isalpha() and _NO_CONTRAST.search(text, max(start, cut - 10), cut)):
            yield cut


def _ends_here(text: str, match: re.Match[str]) -> bool:
    """Whether the signs end a sentence, told by what stands before and after them."""
    if match["wide"] is not None:
        return True
    after = text[match.end() : match.end() + 2]
    if match["blank"] is not None:
        return match["blank"].count("\n") > 1 or _BULLET.match(text, match.end()) is not None
    dots = match["dots"]
    if match["gap"] or not after:
        return dots != "." or bool(match["close"]) or not _is_abbreviated(text, match.start(), after)
    if dots == ".":
        # "perfect.The" is two sentences, "shop.com", "5.5" and "U.S" are none
        before = text[max(0, match.start() - 2) : match.start()]
        return len(before) == 2 and before.islower() and after[0].isupper() and after[1:].islower()
    return after[0].isalpha()


def _is_abbreviated(text: str, dot: int, after: str) -> bool:
    return _ABBREVIATION.search(text, max(0, dot - 7), dot) is not None and not after[:1].isupper()


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    """Add the piece without its outer white space, if anything is left."""
    piece = text[start:end]
    kept = piece.lstrip()
    start += len(piece) - len(kept)
    kept = kept.rstrip()
    if kept:
        spans.append((start, start + len(kept)))
