"""What the page keeps for one visitor: their key, and questions with their answers or problems."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import streamlit as st

from shelfwise.schema.serving import ModelCard
from shelfwise.ui.advice import advice_on
from shelfwise.ui.client import ApiError, Client
from shelfwise.ui.launch import API, DEFAULT_API

Question = TypeVar("Question")
Found = TypeVar("Found")
_KEY = "api_key"


@dataclass
class Kept(Generic[Question, Found]):
    """A question, and what came of it; with neither answer nor problem it is yet to be asked."""

    question: Question
    answer: Found | None = None
    problem: ApiError | None = None


def client() -> Client:
    """The API, asked as this visitor."""
    return Client(os.environ.get(API, DEFAULT_API), st.session_state.get(_KEY) or None)


def connected(api: Client) -> frozenset[str]:
    """Paths of the server's endpoints; where it cannot be reached, the page ends with the reason."""
    try:
        return _paths(api.base)
    except ApiError as problem:
        show_problem(problem, api, "connection")
        st.stop()


def models(api: Client) -> tuple[ModelCard, ...]:
    """The bundles that answer; where they are not told, the page ends with the reason."""
    try:
        return server_state(api)
    except ApiError as problem:
        show_problem(problem, api, "models")
        st.stop()


def server_state(api: Client) -> tuple[ModelCard, ...]:
    """The same for the side bar; ApiError where they are not told."""
    return _models(api.base, st.session_state.get(_KEY))


def ask(name: str, question: Question) -> None:
    """Let `told` of the same name ask this from now on."""
    st.session_state[name] = Kept[Question, Any](question)


def told(name: str, call: Callable[[Question], Found], api: Client, *, waiting: str) -> Found | None:
    """The answer to a kept question; None where there is none, or where the problem is shown instead.

    A question is sent once: whatever a visitor does elsewhere on the page does not send it again."""
    kept = cast("Kept[Question, Found] | None", st.session_state.get(name))
    if kept is None:
        return None
    if kept.answer is None and kept.problem is None:
        try:
            with st.spinner(waiting):
                kept.answer = call(kept.question)
        except ApiError as problem:
            kept.problem = problem
    if kept.problem is not None:
        show_problem(kept.problem, api, name, again=lambda: _forget(name))
    return kept.answer


def kept_question(name: str) -> Any:
    """The question that is kept under a name, or None."""
    kept = st.session_state.get(name)
    return None if kept is None else kept.question


def show_problem(
    problem: ApiError, api: Client, place: str, *, again: Callable[[], None] = lambda: None
) -> None:
    """Say what went wrong, with a button to try again, or a field for the key; `place` tells them apart."""
    advice = advice_on(problem, api.base)
    text = f"**{advice.title}.** {advice.text}"
    (st.error if advice.grave else st.warning)(text)
    if advice.wants_key:
        with st.form(f"{place}:key", border=False):
            key = st.text_input("API key", type="password", placeholder="sw_…", key=f"{place}:key:field")
            if st.form_submit_button("Use this key", type="primary"):
                use_key(key)
                again()
                st.rerun()
    elif advice.again and st.button("Try again", key=f"{place}:again", on_click=_again, args=(again,)):
        st.rerun()


def pictures_of(api: Client, index: str, ids: Sequence[str]) -> dict[str, bytes]:
    """The pictures of products of an index, as far as the server gives them; it is asked once for each."""
    found = {}
    try:
        for id in ids:
            picture = _picture(api.base, st.session_state.get(_KEY), index, id)
            if picture is not None:
                found[id] = picture
    except ApiError:  # too fast, or gone: what is there is shown
        pass
    return found


def use_key(key: str) -> None:
    """Ask with this key from now on; it stays in the memory of this visit."""
    st.session_state[_KEY] = key.strip()
    _forget_problems()


def has_key() -> bool:
    """Whether questions are asked with a key."""
    return bool(st.session_state.get(_KEY))


def _again(forget: Callable[[], None]) -> None:
    forget()
    _paths.clear()
    _models.clear()


def _forget(name: str) -> None:
    st.session_state[name].problem = None


def _forget_problems() -> None:
    for kept in st.session_state.values():
        if isinstance(kept, Kept):
            kept.problem = None


@st.cache_data(ttl=30, show_spinner=False)
def _paths(base: str) -> frozenset[str]:
    return Client(base).paths()


@st.cache_data(ttl=15, show_spinner=False, max_entries=100)
def _models(base: str, key: str | None) -> tuple[ModelCard, ...]:
    return Client(base, key).models()


@st.cache_data(ttl=300, show_spinner=False, max_entries=1_000)
def _picture(base: str, key: str | None, index: str, id: str) -> bytes | None:
    """`index` is in it so that a newer index is asked anew."""
    return Client(base, key).picture(id)
