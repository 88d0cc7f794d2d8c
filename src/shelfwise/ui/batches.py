"""Many reviews asked in requests of bounded size, with patience where the API is busy, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shelfwise.schema import ProductSummary, ReviewPrediction
from shelfwise.schema.serving import Answered, GivenReview, ReviewAnswers
from shelfwise.ui.client import ApiError
from shelfwise.ui.merging import merged, merged_products

MOST = 64
"""Reviews of one request; the API's bound where nobody has set another one."""
PATIENCE = 5
"""How often a busy API is asked again about the same reviews."""
LONGEST_WAIT_S = 20.0
_FOLD = 50
"""Batches whose summaries are kept apart before they are added up."""
Ask = Callable[[tuple[GivenReview, ...]], ReviewAnswers]


@dataclass
class Run:
    """The analysis of a file on its way; `done` of its `reviews` are answered."""

    reviews: tuple[GivenReview, ...]
    name: str = "reviews"
    done: int = 0
    size: int = MOST
    """Reviews of the next request."""
    going: bool = True
    problem: ApiError | None = None
    """Why it has stopped, unless somebody stopped it."""
    answers: list[ReviewPrediction] = field(default_factory=list)
    by: Answered | None = None
    _whole: list[ProductSummary] = field(default_factory=list)
    _products: list[tuple[ProductSummary, ...]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether every review is answered."""
        return self.done == len(self.reviews)

    def step(self, ask: Ask, *, wait: Callable[[float], None] = time.sleep) -> None:
        """Ask about the next reviews; ApiError where that does not help, and nothing is lost."""
        answers = self._asked(ask, wait)
        self.answers += answers.items
        self.done += len(answers.items)
        self.by = answers.by
        if answers.summary is not None:
            self._whole.append(answers.summary)
        self._products.append(answers.products)
        if len(self._whole) >= _FOLD:  # so that memory and the time of a look do not grow with the batches
            self._whole = [merged(self._whole)]
            self._products = [merged_products(self._products)]

    def summary(self) -> ProductSummary | None:
        """What all reviews say that are answered by now."""
        return merged(self._whole) if self._whole else None

    def products(self) -> tuple[ProductSummary, ...]:
        """The same for each product, the most reviewed first."""
        return merged_products(self._products)

    def _asked(self, ask: Ask, wait: Callable[[float], None]) -> ReviewAnswers:
        tries = 0
        while True:
            part = self.reviews[self.done : self.done + self.size]
            try:
                return ask(part)
            except ApiError as problem:
                if _too_many(problem) and len(part) > 1:
                    self.size = len(part) // 2
                elif problem.status in (429, 503) and tries < PATIENCE:
                    tries += 1
                    wait(min(LONGEST_WAIT_S, problem.retry_after_s or 2.0**tries))
                else:
                    raise


def _too_many(problem: ApiError) -> bool:
    """Whether fewer reviews in one request may pass."""
    return problem.status in (413, 504) or (problem.status == 422 and problem.field == "items")
