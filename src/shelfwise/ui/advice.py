"""What a visitor is told when a question got no answer, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass

from shelfwise.ui.client import ApiError
from shelfwise.ui.pieces import as_plain_text


@dataclass(frozen=True)
class Advice:
    """One problem in the visitor's words."""

    title: str
    text: str
    again: bool = True
    """Whether the same question may be answered later."""
    wants_key: bool = False
    grave: bool = True
    """Whether something is broken, rather than busy or asked wrongly."""


def advice_on(problem: ApiError, base: str) -> Advice:
    """The advice on a problem with the API at `base`."""
    message = _sentence(problem.message)
    wait = (
        f" Try again in {problem.retry_after_s:g} s." if problem.retry_after_s else " Try again in a moment."
    )
    match problem.status, problem.code:
        case 0, "timeout":
            return Advice("No answer in time", f"The API at {base} did not answer: {message}")
        case 0, _:
            return Advice(
                "The API cannot be reached",
                f"Nothing answers at {base}. Start it with `shelfwise serve --bundle FOLDER`, "
                f"or start this page with the right address: `shelfwise ui --api URL`.",
            )
        case 401, _:
            return Advice(
                "A key is needed",
                "This API answers holders of a key. Whoever runs it makes one with `shelfwise keys add`.",
                again=False,
                wants_key=True,
                grave=False,
            )
        case 403, _:
            return Advice("This key may not do that", message, again=False, wants_key=True)
        case 404, "no_index":
            return Advice("There is no index to search in", message, again=False, grave=False)
        case 404, "unknown_product":
            return Advice("No product has this id", message, again=False, grave=False)
        case 413, _:
            return Advice(
                "Too large",
                f"{message} Take fewer or smaller pictures, or shorter reviews.",
                again=False,
                grave=False,
            )
        case 422, _:
            part = f" (in {as_plain_text(problem.field)})" if problem.field else ""
            return Advice(f"This cannot be asked{part}", message, again=False, grave=False)
        case 429, _:
            return Advice("Too fast", "More was asked than the API allows at once." + wait, grave=False)
        case 503, _:
            return Advice("The API is busy", message + wait, grave=False)
        case 504, _:
            return Advice("It took too long", message + wait)
        case 200, _:
            return Advice(
                "The API and this page do not fit",
                f"{message} Install the same version of shelfwise on both sides.",
                again=False,
            )
    traced = f" Its log has the request {as_plain_text(problem.request_id)}." if problem.request_id else ""
    return Advice(f"The API answered with an error ({problem.status})", message + traced)


def _sentence(text: str) -> str:
    """Begin it with a capital letter and end it with a full stop."""
    text = as_plain_text(text.strip())
    end = "" if text.endswith((".", "!", "?")) else "."
    return text[:1].upper() + text[1:] + end
