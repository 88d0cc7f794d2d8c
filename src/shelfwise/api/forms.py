"""`read_form(body, kind)`: the parts of a form that is whole in memory, bounded as every body is.

Starlette's reader writes each file to a spool and wraps it: three times the work for a small picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from shelfwise.api.problems import RequestError


@dataclass
class Part:
    """One part: a file where it has a file's name, else a field."""

    name: str = ""
    filename: str | None = None
    data: bytes = b""

    def text(self) -> str:
        """A field's value; RequestError 422 where it is no UTF-8."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            raise RequestError(422, f"'{self.name}' of the form is no UTF-8", field=self.name) from None


def read_form(body: bytes, kind: str, *, most: int) -> list[Part]:
    """The parts of `body`, whose content type is `kind`; RequestError 400 for no form and above `most`."""
    _, options = parse_options_header(kind)
    boundary = options.get(b"boundary")
    if not boundary:
        raise _broken("its content type names no boundary")
    reading = _Reading(most)
    try:
        parser = MultipartParser(boundary, reading.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise _broken(str(error)) from None
    if not reading.ended:
        raise _broken("it ends early")
    return reading.parts


@dataclass
class _Reading:
    """What the parser tells, put together."""

    most: int
    parts: list[Part] = field(default_factory=list)
    ended: bool = False
    _header: bytes = b""
    _value: bytes = b""
    _chunks: list[bytes] = field(default_factory=list)

    def callbacks(self) -> dict[str, object]:
        """By the parser's names."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name,
            "on_header_value": self._said,
            "on_header_end": self._known,
            "on_part_data": self._data,
            "on_part_end": self._finish,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) == self.most:
            raise _broken(f"it has more than {self.most} parts")
        self.parts.append(Part())
        self._chunks = []

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _said(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _known(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self.parts[-1].name = options.get(b"name", b"").decode("utf-8", "replace")
            if b"filename" in options:
                self.parts[-1].filename = options[b"filename"].decode("utf-8", "replace")
        self._header = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def _finish(self) -> None:
        self.parts[-1].data = b"".join(self._chunks)

    def _end(self) -> None:
        self.ended = True


def _broken(why: str) -> RequestError:
    return RequestError(400, f"the form cannot be read: {why}", code="not_a_form")
