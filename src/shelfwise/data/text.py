"""Text as shops write it to plain text: HTML stripped, encodings detected, mixed encodings repaired.

Kinds of warning: `html` (tags or entities were removed), `mixed_encoding` (bytes did not fit the file).
"""

from __future__ import annotations

import codecs
import html
import re

_INLINE = (
    "a abbr b big cite code del dfn em font i ins kbd mark q s samp small span strike strong sub sup tt "
    "u var wbr"
)
_SEPARATING = (
    "article aside blockquote body br button caption center col colgroup dd details div dl dt "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html iframe img input label li link "
    "main meta nav noscript ol option p picture pre section select source style summary svg table tbody "
    "td template textarea tfoot th thead title tr ul video script"
)
_INLINE_TAGS = frozenset(_INLINE.split())
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.I | re.S)
_ANY_TAG = f"{_INLINE} {_SEPARATING}".replace(" ", "|")
_TAG = re.compile(rf"</?({_ANY_TAG})(?:[\s/][^<>]*)?>", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.I)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff]")


def clean_text(text: str) -> tuple[str, bool]:
    """Plain text on one line, and whether HTML had to be removed.

    Tags that separate (`<p>`, `<br>`, `<li>` ...) become a space, others vanish; scripts and comments go
    with their content; entities are resolved, also where the whole text was escaped. `<` in plain text
    (`size < 40`, `<unknown>`) stays."""
    found = False
    if "<" in text or "&" in text:
        for _ in range(2):  # the second round is for text that was escaped as a whole: &lt;p&gt;
            plain = _ENTITY.sub(lambda match: html.unescape(match[0]), _strip_tags(text))
            if plain == text:
                break
            text, found = plain, True
    if not text.isprintable():
        text = _CONTROL.sub("", text)
    return " ".join(text.split()), found


def _strip_tags(text: str) -> str:
    text = _HIDDEN.sub(" ", text)
    return _TAG.sub(lambda match: "" if match[1].lower() in _INLINE_TAGS else " ", text)


def detect_encoding(sample: bytes) -> str:
    """The encoding of a text file by its first bytes.

    One of `utf-8`, `utf-8-sig`, `utf-16-le`, `utf-16-be` and `cp1252`. UTF-8 wins where
    at least half of the lines with special characters are valid UTF-8; the others are then repaired by
    `decode_line`. latin-1 is read as cp1252, its superset in practice."""
    for mark, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16-le")):
        if sample.startswith(mark):
            return name
    if sample.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) > 0.3 * len(sample) / 2 and min(even, odd) < 0.1 * max(even, odd):
        return "utf-16-be" if even > odd else "utf-16-le"
    valid = invalid = 0
    for line in sample.splitlines()[: None if sample.endswith((b"\n", b"\r")) else -1] or [sample]:
        if not line.isascii():
            if decode_line(line, "utf-8")[1]:
                invalid += 1
            else:
                valid += 1
    return "cp1252" if invalid > valid else "utf-8"


def decode_line(line: bytes, encoding: str) -> tuple[str, bool]:
    """The text of one line, and whether some of its bytes did not fit `encoding` and were repaired.

    `encoding` is Python's own name of it. In a UTF-8 file stray bytes are read as cp1252; in a cp1252 file a
    line of valid UTF-8 is read as that. In any other encoding what does not fit becomes U+FFFD. Never raises
    for any bytes."""
    if line.isascii() and encoding in ("utf-8", "utf-8-sig", "cp1252"):
        return line.decode("ascii"), False
    if encoding == "cp1252":
        text, stray = decode_line(line, "utf-8")
        return (text, not stray) if not stray else (line.decode("cp1252", "cp1252-or-latin-1"), False)
    try:
        return line.decode(encoding), False
    except UnicodeDecodeError:
        rescue = "cp1252-or-latin-1" if encoding in ("utf-8", "utf-8-sig") else "replace"
        return line.decode(encoding, rescue), True


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: the offending bytes as cp1252, or latin-1 for the five that it leaves open."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    try:
        if error.encoding != "charmap":
            return bytes(bad).decode("cp1252"), error.end
    except UnicodeDecodeError:
        pass
    return bytes(bad).decode("latin-1"), error.end


codecs.register_error("cp1252-or-latin-1", _as_cp1252)
