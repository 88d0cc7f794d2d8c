"""Errors a user can mend: each names the thing, the value and the remedy."""


class ShelfwiseError(Exception):
    """Base of all errors that a user can mend; the CLI prints one line and exits with 2."""


class DataError(ShelfwiseError):
    """Input data is missing, damaged or not what it claims to be."""


class PictureError(DataError):
    """One picture cannot be used; `kind` is a short stable word for counting (see `data.pictures`)."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class ErrorBudgetError(ShelfwiseError):
    """More rows failed than `--max-errors` allows; the CLI exits with 1."""


class ConfigError(ShelfwiseError):
    """A configuration value is unknown, ill-typed or contradicts another."""


class StoreError(ShelfwiseError):
    """An artifact is missing, damaged or of a type that the store refuses."""


class TrainingError(ShelfwiseError):
    """A training run cannot go on: the loss is not finite, the disk is full, the checkpoint differs."""


class InterruptedRunError(TrainingError):
    """Ctrl-C stopped a training run; what it had learned is in a checkpoint."""


class BundleError(ShelfwiseError):
    """A folder is not a bundle, or it is damaged or from a newer version."""


class SearchError(ShelfwiseError):
    """An index is missing, damaged or does not fit, or a search asks for what it cannot give."""


class FilterError(SearchError):
    """A filter that cannot be read or does not fit the fields; `position` is where in it, from 0."""

    def __init__(self, why: str, position: int) -> None:
        super().__init__(f"filter, character {position + 1}: {why}")
        self.position = position


class MissingExtraError(ShelfwiseError):
    """An optional library is needed and not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f'{library} is not installed; run: pip install "shelfwise[{extra}]"')
