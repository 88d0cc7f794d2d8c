"""Reviews to token ids and back to characters: one reader for training and serving alike.

A tokenizer is the `tokenizers` library's, kept whole in its `tokenizer.json`, whether we trained it or a
pretrained encoder came with it. Long texts become windows of at most `max_tokens` ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray
from tokenizers import Encoding, Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import WordLevelTrainer

from shelfwise.errors import DataError
from shelfwise.schema import Review

PAD, UNKNOWN = "[PAD]", "[UNK]"
"""The first words of our own vocabulary; their ids are 0 and 1."""
UNKNOWN_ID = 1
"""Of a word that is not known, and of one that is hidden in training: so the network learns to do without."""
JOINT = " . "
"""Between headline and text."""
# "don't" and "do n't" become the same two words, since both are found in review files.
_WORDS = r"n't|[a-z]+|'[a-z]+|[0-9]+|[^\sa-z0-9]"


def review_text(review: Review) -> str:
    """What a model reads of a review: headline and text."""
    return (
        f"{review.title}{JOINT}{review.text}" if review.title and review.text else review.title or review.text
    )


def text_start(review: Review) -> int:
    """Where in `review_text` the text begins; the headline, if there is one, is before it."""
    return len(review.title) + len(JOINT) if review.title and review.text else 0


def train_word_tokenizer(texts: Iterable[str], *, vocabulary: int, min_count: int) -> Tokenizer:
    """A tokenizer of lower-cased words, numbers and single marks that knows the commonest ones."""
    tokenizer = Tokenizer(WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = Normalizers(
        [
            NFKC(),
            Lowercase(),
            Replace("’", "'"),
            Replace(Regex(r"(?<=[a-z])n't\b"), " n't"),
            Replace(Regex(r"\bnt\b"), "n't"),
        ]
    )
    tokenizer.pre_tokenizer = Split(Regex(_WORDS), "removed", invert=True)
    trainer = WordLevelTrainer(
        vocab_size=vocabulary,
        min_frequency=min_count,
        special_tokens=[PAD, UNKNOWN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`; DataError where it is damaged."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exceptions
        raise DataError(f"'{path}' is no tokenizer: {str(error).splitlines()[0]}") from None


@dataclass(frozen=True)
class Windows:
    """Texts as id rows of at most `max_tokens` each; row i belongs to text `owner[i]`.

    Texts are in order, and so are the windows of one text. `first[i]` is the place of a row's first id among
    all ids of its text, special ones not counted; `prefix` special ids stand before it in the row."""

    ids: list[Int64[ndarray, "_"]]
    owner: Int64[ndarray, "W"]
    first: Int64[ndarray, "W"]
    prefix: int
    suffix: int
    encodings: list[Encoding]

    def pool(self, values: Float[ndarray, "W K"]) -> Float[ndarray, "N K"]:
        """Each text's mean over its windows, weighted by their tokens: a long text is read whole."""
        weights = np.array([len(row) for row in self.ids], dtype=np.float64)
        pooled = np.zeros((len(self.encodings), values.shape[1]))
        np.add.at(pooled, self.owner, values * weights[:, None])
        total = np.bincount(self.owner, weights, minlength=len(self.encodings))
        return np.asarray((pooled / total[:, None]).astype(values.dtype))

    def offsets(self, text: int) -> Int64[ndarray, "L 2"]:
        """First and last (excluded) character of each token of a text."""
        return np.array(self.encodings[text].offsets, dtype=np.int64).reshape(-1, 2)


class TextReader:
    """Texts to windows of ids."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        probe = tokenizer.encode("a")
        inner = np.flatnonzero(np.array(probe.special_tokens_mask) == 0)
        before = int(inner[0]) if len(inner) else 0
        self.prefix = probe.ids[:before]
        self.suffix = probe.ids[int(inner[-1]) + 1 :] if len(inner) else []
        self.room = max_tokens - len(self.prefix) - len(self.suffix)
        if self.room < 1:
            raise ValueError(f"max_tokens {max_tokens} leaves no room beside the special tokens")

    def windows(self, texts: Sequence[str], *, places: bool = True) -> Windows:
        """Every text as at least one row: an empty one has the special ids, or one padding id.

        Without `places` it is faster, and the encodings do not know where in the text their tokens are."""
        encode = self.tokenizer.encode_batch if places else self.tokenizer.encode_batch_fast
        encodings = encode(list(texts), add_special_tokens=False)
        ids, owner, first = [], [], []
        for i, encoding in enumerate(encodings):
            tokens = encoding.ids
            for start in range(0, max(1, len(tokens)), self.room):
                row = [*self.prefix, *tokens[start : start + self.room], *self.suffix]
                ids.append(np.array(row or [0], dtype=np.int64))
                owner.append(i)
                first.append(start)
        return Windows(
            ids,
            np.array(owner, dtype=np.int64),
            np.array(first, dtype=np.int64),
            len(self.prefix),
            len(self.suffix),
            encodings,
        )

    def first(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text's first window, special ones included; none of a text without any token."""
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        encodings = self.tokenizer.encode_batch_fast(clean, add_special_tokens=False)
        return [
            [*self.prefix, *encoding.ids[: self.room], *self.suffix] if encoding.ids else []
            for encoding in encodings
        ]

    def first_places(self, text: str) -> list[tuple[int, int] | None]:
        """First and last (excluded) character of each id that `first` gives; None of special ones."""
        clean = text.encode("utf-8", "replace").decode()  # as many characters
        offsets = self.tokenizer.encode(clean, add_special_tokens=False).offsets[: self.room]
        if not offsets:
            return []
        return [*(None for _ in self.prefix), *offsets, *(None for _ in self.suffix)]

    def lengths(self, texts: Sequence[str]) -> Int64[ndarray, "N"]:
        """Tokens of each text, special ones not counted."""
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return np.array([len(encoding) for encoding in encodings], dtype=np.int64)


def padded(
    rows: Sequence[Sequence[int] | Int64[ndarray, "_"]], pad: int = 0, *, multiple: int = 1
) -> Int64[ndarray, "B L"]:
    """Rows of ids in one array, the shorter ones filled up with `pad`; its width is a multiple."""
    longest = max([1, *map(len, rows)])
    out = np.full((len(rows), -(-longest // multiple) * multiple), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def choose_max_tokens(lengths: Int64[ndarray, "N"], *, longest: int, multiple: int = 8) -> int:
    """The 95th percentile of the lengths, rounded up, at least 16 and at most `longest`."""
    if not len(lengths):
        return longest
    wanted = int(np.ceil(np.percentile(lengths, 95) / multiple)) * multiple
    return int(min(max(wanted, 16), longest))


def length_statistics(lengths: Int64[ndarray, "N"], max_tokens: int) -> dict[str, float]:
    """Mean, percentiles and the share of texts longer than `max_tokens`, for bundles and reports."""
    if not len(lengths):
        return {}
    p90, p95, p99 = np.percentile(lengths, [90, 95, 99])
    return {
        "mean": float(lengths.mean()),
        "p90": float(p90),
        "p95": float(p95),
        "p99": float(p99),
        "longest": float(lengths.max()),
        "share_longer": float((lengths > max_tokens).mean()),
    }
