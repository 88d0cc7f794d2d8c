"""Vectors of any number of texts by any text encoder, streamed to the store and resumed where it stopped.

Texts are read in windows, sorted by length within one, batched by tokens, and kept as one shard a
window. A shard's name is made of what it was computed from, so a run that was killed goes on behind its
last whole shard, and texts or settings that changed are computed anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from tokenizers import Tokenizer

from shelfwise.enrich.text_vectors import Pooling, Precision, TextVectors, open_vectors
from shelfwise.errors import ConfigError, StoreError
from shelfwise.files import replacing
from shelfwise.nn.pretrained import PretrainedEncoder, checkpoint_path, load_tokenizer, weights_sha256
from shelfwise.schema import Frozen
from shelfwise.store import Artifact, ArtifactStore

WINDOW = 1024
"""Texts that are sorted by length together, and written as one shard."""
WINDOW_CHARACTERS = 4_000_000
"""A window ends here too: so many characters are held at once, and one text more."""
MAX_TOKENS = 256
PRODUCER = "shelfwise.enrich.embed"


class Recipe(Frozen):
    """What the vectors depend on, besides the texts."""

    encoder: str
    weights_sha256: str
    precision: Precision
    pooling: Pooling
    normalize: bool
    max_tokens: int
    """Special tokens included; longer texts are cut."""
    batch_tokens: int
    """In a batch, padding included."""


@dataclass
class Progress:
    """What has been embedded so far; the tokens are those of the texts, without special ones."""

    texts: int = 0
    tokens: int = 0
    cut_texts: int = 0
    cut_tokens: int = 0

    def add(self, other: Progress) -> None:
        """Count what `other` has counted."""
        self.texts += other.texts
        self.tokens += other.tokens
        self.cut_texts += other.cut_texts
        self.cut_tokens += other.cut_tokens


@dataclass
class _Job:
    """Everything that turns a window into a shard."""

    recipe: Recipe
    folder: Path
    tokenizer: Tokenizer
    vectors: TextVectors
    pad_id: int
    width: int
    shards: list[Path] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)


def embed_texts(
    texts: Iterable[str],
    *,
    encoder: str,
    store: ArtifactStore,
    name: str,
    precision: Precision = "fp32",
    pooling: Pooling = "mean",
    normalize: bool = False,
    max_tokens: int | None = None,
    batch_tokens: int | None = None,
    resume: bool = True,
    overwrite: bool = False,
    threads: int | None = None,
    watch: Callable[[Progress], None] = lambda _: None,
    before_commit: Callable[[Progress], None] = lambda _: None,
) -> Artifact:
    """Keep the vectors of `texts` as the float32 array `name` [N, D], row i for text i.

    Beside it `NAME_recipe` (JSON) says what they were made with and how much was cut at `max_tokens` (256
    when None, or what the encoder reads). `encoder` is `minilm`, a folder or a hub id. A run that was
    killed goes on where it stopped when it is begun again with the same texts; `resume=False` begins anew.
    `threads` is of int8; torch has its own. `watch` sees the progress after every window, `before_commit`
    the sum when all is computed and nothing can be seen yet: the place to keep what belongs beside it."""
    _refuse_existing(store, name, overwrite)
    work = store.root / ".embedding" / name.replace("/", ".")
    with _alone(work):
        if not resume:
            shutil.rmtree(work, ignore_errors=True)
        path = checkpoint_path(encoder)
        model = PretrainedEncoder.load(path)
        recipe = Recipe(
            encoder=encoder,
            weights_sha256=weights_sha256(path),
            precision=precision,
            pooling=pooling,
            normalize=normalize,
            max_tokens=_token_limit(max_tokens, model.longest),
            batch_tokens=batch_tokens or _batch_tokens(precision),
        )
        job = _open_job(recipe, model, work, store.root / ".onnx", threads)
        for window in _windows(texts):
            _embed_window(job, window)
            watch(job.progress)
        if overwrite and name in store:
            store.delete(name)  # the shards are whole: a crash from here on costs seconds
        before_commit(job.progress)
        artifact = _assemble(job, store, name)
        shutil.rmtree(work, ignore_errors=True)
    return artifact


def _open_job(
    recipe: Recipe, model: PretrainedEncoder, work: Path, graphs: Path, threads: int | None
) -> _Job:
    """The tokenizer and the network, ready; int8 graphs are kept in `graphs`."""
    tokenizer = load_tokenizer(recipe.encoder)
    tokenizer.enable_truncation(recipe.max_tokens)
    vectors = open_vectors(
        model,
        precision=recipe.precision,
        pooling=recipe.pooling,
        graph=graphs / f"{recipe.weights_sha256[:32]}-{recipe.pooling}-int8.onnx",
        threads=threads,
    )
    return _Job(recipe, work, tokenizer, vectors, model.pad_id, model.width)


def _refuse_existing(store: ArtifactStore, name: str, overwrite: bool) -> None:
    """Better now than after hours."""
    if name in store and not overwrite:
        raise StoreError(
            f"artifact '{name}' exists already in '{store.root}'; choose another name, or overwrite it"
        )


def _token_limit(wanted: int | None, longest: int) -> int:
    """`wanted`, checked against what the encoder can read."""
    if wanted is None:
        return min(MAX_TOKENS, longest)
    if not 8 <= wanted <= longest:
        raise ConfigError(f"max_tokens is {wanted}; this encoder reads 8 to {longest:,} tokens at once")
    return wanted


def _batch_tokens(precision: Precision) -> int:
    """Tokens in a batch. MiniLM on one core: 4,250 tokens a second in fp32 by batches of 1,024 and 3,100 by
    8,192; 7,300 and 4,100 in int8: larger ones leave the cache."""
    return 32_768 if precision != "int8" and torch.cuda.is_available() else 1_024


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Hold the work folder's lock; the system releases it if this process dies."""
    work.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{work}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"another process computes '{work.name}' in this store; wait for it, or choose another name"
            ) from None
        yield


def _windows(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of texts, the same ones whenever the texts are the same."""
    window: list[str] = []
    characters = 0
    for text in texts:
        # Half a surrogate pair, as cut JSON has it, is nothing that a tokenizer could read.
        window.append(text.encode("utf-8", "replace").decode())
        characters += len(text)
        if len(window) == WINDOW or characters >= WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _embed_window(job: _Job, texts: list[str]) -> None:
    """Make sure of the window's shard, and count it."""
    digest = hashlib.sha256(job.recipe.model_dump_json().encode())
    for text in texts:
        digest.update(f"\0{len(text)}\0{text}".encode())
    path = job.folder / f"{digest.hexdigest()}.safetensors"
    counts = _read_counts(path)
    if counts is None:
        counts = _write_shard(job, texts, path)
    job.shards.append(path)
    job.progress.add(counts)


def _write_shard(job: _Job, texts: list[str], path: Path) -> Progress:
    """Compute the vectors of `texts` and write them to `path` with their counts."""
    encodings = job.tokenizer.encode_batch(texts)
    counts = Progress(texts=len(texts))
    for encoding in encodings:
        cut = sum(len(rest.ids) - sum(rest.special_tokens_mask) for rest in encoding.overflowing)
        counts.tokens += len(encoding.ids) - sum(encoding.special_tokens_mask) + cut
        counts.cut_texts += cut > 0
        counts.cut_tokens += cut
    vectors = _vectors(job, [encoding.ids for encoding in encodings])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(save({"vectors": vectors}, {key: str(value) for key, value in vars(counts).items()}))
        file.flush()
        os.fsync(file.fileno())
    return counts


def _read_counts(path: Path) -> Progress | None:
    """The counts in a whole shard; None where there is none."""
    try:
        with safe_open(path, "numpy") as shard:
            return Progress(**{key: int(value) for key, value in shard.metadata().items()})
    except (FileNotFoundError, SafetensorError):
        return None


def _vectors(job: _Job, rows: list[list[int]]) -> Float32[ndarray, "N D"]:
    """Vectors in the order of `rows`, computed in batches of like lengths."""
    vectors = np.empty((len(rows), job.width), np.float32)
    for batch in batches([len(row) for row in rows], job.recipe.batch_tokens):
        ids = np.full((len(batch), max(1, *(len(rows[i]) for i in batch))), job.pad_id, np.int64)
        for line, i in zip(ids, batch, strict=True):
            line[: len(rows[i])] = rows[i]
        vectors[batch] = job.vectors(ids)
    if job.recipe.normalize:
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Positions in batches, the longest first, of at most `batch_tokens` with padding (or of one text)."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _assemble(job: _Job, store: ArtifactStore, name: str) -> Artifact:
    """Write the shards as one array. The recipe comes first: a crash between leaves no array without one."""
    progress = job.progress
    facts = {
        **job.recipe.model_dump(),
        **vars(progress),
        "width": job.width,
        "cut_texts_share": progress.cut_texts / max(1, progress.texts),
        "cut_tokens_share": progress.cut_tokens / max(1, progress.tokens),
    }
    store.write_json(f"{name}_recipe", facts, producer=PRODUCER, overwrite=True)
    with store.array_writer(name, producer=PRODUCER) as writer:
        writer.append(np.empty((0, job.width), np.float32))
        for path in job.shards:
            with safe_open(path, "numpy") as shard:
                writer.append(shard.get_tensor("vectors"))
    return store.info(name)
