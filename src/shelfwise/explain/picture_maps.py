"""All maps of one picture: for the class, for the class rather than its rival, and the picture's edges."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import UInt8
from numpy import ndarray

from shelfwise.explain import edges
from shelfwise.explain import occlusion as answers
from shelfwise.explain.feature_maps import GRAD_CAM
from shelfwise.explain.gradients import (
    INTEGRATED_GRADIENTS,
    SMOOTH,
    OpenNetwork,
    complete_gradients,
    contrast_of,
    grad_cam,
    value_of,
)
from shelfwise.explain.maps import smooth
from shelfwise.explain.question import Question
from shelfwise.explain.result import MapCollector
from shelfwise.schema.explanation import Asks, Method

UNITS = {
    INTEGRATED_GRADIENTS.name: "nats a pixel",
    GRAD_CAM.name: "no unit",
    answers.METHOD.name: "nats when blanked",
}


def maps_of_picture(
    ask: answers.Ask,
    network: OpenNetwork | None,
    pixels: UInt8[ndarray, "H W C"],
    question: Question,
    *,
    number: int,
    background: int,
) -> MapCollector:
    """The maps of picture `number`; `ask` gives calibrated logits of its versions, `network` the gradients.

    What the network cannot give is left out: `why_without` says it."""
    one = pixels[None]
    asked: list[Asks] = ["class"] if question.rival is None else ["class", "contrast"]
    found: dict[str, Sequence[ndarray]] = {}
    changes: dict[str, list[float]] = {}
    if network is not None:
        values = [value_of(question), *([] if question.rival is None else [contrast_of(question)])]
        rough, change = complete_gradients(network, values, one, background)
        found[INTEGRATED_GRADIENTS.name] = list(smooth(rough[:, 0], SMOOTH * pixels.shape[0]))
        changes[INTEGRATED_GRADIENTS.name] = change[:, 0].tolist()
        if network.last is not None:
            found[GRAD_CAM.name] = list(grad_cam(network, values, one)[:, 0])
    judges = [question.value, *([] if question.rival is None else [question.contrast])]
    found[answers.METHOD.name] = answers.occlusion(ask, judges, pixels, background)
    said = MapCollector(number)
    for place, asks in enumerate(asked):
        for method, maps in found.items():
            change_of = changes[method][place] if method in changes else None
            said.add(method, asks, maps[place], UNITS[method], change=change_of)
    said.add(edges.METHOD.name, "edges", edges.sobel(one)[0], "grey levels")
    return said


def methods_used(network: OpenNetwork | None) -> tuple[Method, ...]:
    """What `maps_of_picture` did."""
    gradients = () if network is None else (INTEGRATED_GRADIENTS,)
    cam = () if network is None or network.last is None else (network.last.method,)
    return (*gradients, *cam, answers.METHOD, edges.METHOD)


def why_without(network: OpenNetwork | None) -> dict[str, str]:
    """What `maps_of_picture` cannot do with this network, and why."""
    if network is None:
        return {"gradients": "this picture tower has no place where gradients could be taken"}
    if network.last is None:
        return {GRAD_CAM.name: "no features of this picture tower lie on a grid"}
    return {}
