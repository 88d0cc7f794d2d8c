"""The server's log: one JSON object a line, with a request's id and nothing of what was asked or answered."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

_PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Time, level, logger, message, whatever a caller gave as `extra`, and a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in record.__dict__.items() if name not in _PLAIN},
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """The same for people: what was given as `extra` follows the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback where there is one."""
        given = {name: value for name, value in record.__dict__.items() if name not in _PLAIN}
        told = " ".join(f"{name}={value}" for name, value in given.items())
        first, *rest = super().format(record).split("\n", 1)
        return "\n".join([f"{first} {told}".rstrip(), *rest])


def log_request(told: dict[str, Any]) -> None:
    """A line about one request, by way of logging."""
    logging.getLogger("shelfwise.api").info("request", extra=told)


def write_request(told: dict[str, Any]) -> None:
    """The same as JSON straight to standard error: by way of logging it takes as long as a small answer."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "level": "info", "logger": "shelfwise.api", "message": "request", **told}
    sys.stderr.buffer.write(orjson.dumps(line) + b"\n")
    sys.stderr.buffer.flush()


def log_to_stderr(form: str) -> None:
    """Send all logs of the process to standard error, as `json` or `text`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
