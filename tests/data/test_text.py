"""Text: HTML goes, meaning stays; encodings are found and mixed ones repaired, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.data.text import clean_text, decode_line, detect_encoding


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<p>Soft <b>cotton</b></p><ul><li>red</li><li>blue</li></ul>", "Soft cotton red blue"),
        ("<b>Nike</b>Air", "NikeAir"),
        ("line<br/>break", "line break"),
        ("Caf&eacute; &amp; bar&nbsp;", "Café & bar"),
        ("&lt;p&gt;escaped as a whole&lt;/p&gt;", "escaped as a whole"),
        ("before<script>alert('x')</script>after<!-- note -->.", "before after ."),
        ("unclosed <!-- comment", "unclosed"),
        ('<a href="x" onclick="y">link</a>', "link"),
    ],
)
def test_html_is_stripped_and_said_so(raw: str, plain: str) -> None:
    assert clean_text(raw) == (plain, True)


@pytest.mark.parametrize(
    "text", ["size < 40", "a < b > c", "<unknown> brand", "R&D", "x <3 you", "AT&T; ok", "Ω — ünïcode"]
)
def test_plain_text_with_signs_stays_as_it_is(text: str) -> None:
    assert clean_text(text) == (text, False)


def test_white_space_and_control_characters_are_tidied() -> None:
    assert clean_text(" two \n\t words\u00a0here\x00\u200b ") == ("two words here", False)


@given(st.text())
def test_cleaning_never_raises_and_leaves_one_trimmed_line(text: str) -> None:
    plain, _ = clean_text(text)
    assert plain == " ".join(plain.split())
    assert "\n" not in plain


def test_cleaning_a_hostile_text_takes_no_quadratic_time() -> None:
    for piece in ("<p ", "<!--", "<script>", "&amp", "<a href="):
        clean_text(piece * 50_000)


@pytest.mark.parametrize(
    ("sample", "encoding"),
    [
        (b"id,title\n1,plain\n", "utf-8"),
        ("id,title\n1,café\n".encode(), "utf-8"),
        ("id,title\n1,café\n".encode("utf-8-sig"), "utf-8-sig"),
        ("id,title\n1,café\n".encode("cp1252"), "cp1252"),
        ("id,title\n1,“€5” café\n".encode("cp1252"), "cp1252"),
        ("id,title\n1,café\n".encode("utf-16"), "utf-16-le"),
        ("\ufeffid,title\n1,café\n".encode("utf-16-be"), "utf-16-be"),
        ("id,title\n1,café\n".encode("utf-16-be"), "utf-16-be"),
        ("id,title\n1,café\n".encode("utf-16-le"), "utf-16-le"),
        (b"", "utf-8"),
        ("é\n".encode() * 5 + "é\n".encode("latin-1"), "utf-8"),
        ("é\n".encode("latin-1") * 5 + "é\n".encode(), "cp1252"),
    ],
)
def test_encodings_are_detected(sample: bytes, encoding: str) -> None:
    assert detect_encoding(sample) == encoding


def test_a_sample_cut_inside_a_character_is_still_utf8() -> None:
    assert detect_encoding(b"1,plain\n" + "2,caf\u00e9".encode()[:-1]) == "utf-8"


def test_stray_bytes_in_a_utf8_line_are_repaired_where_they_stand() -> None:
    line = "naïve ".encode() + "café €".encode("cp1252")
    assert decode_line(line, "utf-8") == ("naïve café €", True)
    assert decode_line("naïve".encode(), "utf-8") == ("naïve", False)


def test_a_utf8_line_in_a_cp1252_file_is_read_as_utf8() -> None:
    assert decode_line("café".encode("cp1252"), "cp1252") == ("café", False)
    assert decode_line("café".encode(), "cp1252") == ("café", True)
    assert decode_line(b"\x81\xe9", "cp1252") == ("\x81é", False)


def test_another_encoding_marks_what_it_cannot_read() -> None:
    assert decode_line("日本".encode("shift_jis"), "shift_jis") == ("日本", False)
    assert decode_line(b"\xff\xff", "shift_jis")[1]


@given(st.binary(), st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "latin-1", "ascii", "shift_jis"]))
def test_decoding_a_line_never_raises(line: bytes, encoding: str) -> None:
    decode_line(line, encoding)


@given(st.binary())
def test_detection_never_raises(sample: bytes) -> None:
    assert detect_encoding(sample)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_utf8_text_survives_unrepaired(text: str) -> None:
    assert decode_line(text.encode(), "utf-8") == (text, False)
