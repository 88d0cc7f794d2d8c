"""All maps of one picture: for the class, for the class rather than its rival, and the picture's edges."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.explain import edges
from shelfwise.explain import occlusion as answers
from shelfwise.explain.gradients import (
    GRAD_CAM,
    INTEGRATED_GRADIENTS,
    SMOOTH,
    OpenNetwork,
    contrast_of,
    grad_cam,
    integrated_gradients,
    value_of,
)
from shelfwise.explain.maps import smooth
from shelfwise.explain.question import Question
from shelfwise.explain.result import MapCollector
from shelfwise.schema.explanation import Method

NATS = "nats a pixel"
Ask = Callable[[ndarray], ndarray]


def maps_of_picture(
    ask: Ask,
    network: OpenNetwork | None,
    pixels: UInt8[ndarray, "H W C"],
    question: Question,
    *,
    number: int,
    background: int,
) -> MapCollector:
    """The maps of picture `number`; `ask` gives calibrated logits of its versions, `network` the gradients.

    Without a network there is occlusion alone."""
    found = MapCollector(number)
    asked = ["class"] if question.rival is None else ["class", "contrast"]
    for asks in asked:
        if network is not None:
            value = value_of(question) if asks == "class" else contrast_of(question)
            rough = integrated_gradients(network, value, pixels[None], background)
            steady = smooth(rough, SMOOTH * pixels.shape[0])[0]
            found.add(INTEGRATED_GRADIENTS.name, asks, steady, NATS, adds_up=True)
            found.add(GRAD_CAM.name, asks, grad_cam(network, value, pixels[None])[0], "no unit")
        judge = question.value if asks == "class" else question.contrast
        falls = answers.occlusion(partial(_judged, ask, judge), pixels, background)
        found.add(answers.METHOD.name, asks, falls, "nats when blanked")
    found.add(edges.METHOD.name, "edges", edges.sobel(pixels[None])[0], "grey levels")
    return found


def _judged(ask: Ask, judge: Ask, versions: UInt8[ndarray, "B H W C"]) -> Float[ndarray, "B"]:
    return judge(ask(versions))


def methods_used(network: bool) -> tuple[Method, ...]:
    """What `maps_of_picture` did."""
    gradients = (INTEGRATED_GRADIENTS, GRAD_CAM) if network else ()
    return (*gradients, answers.METHOD, edges.METHOD)
