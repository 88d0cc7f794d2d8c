"""Embedding texts: the vectors of the obvious loop, in order, resumed to the same bytes, honest on cuts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_checkpoints import KINDS, Kind, save_small_checkpoint

from shelfwise.errors import ConfigError, DataError, StoreError
from shelfwise.store import ArtifactStore

pytest.importorskip("transformers", reason="needs the extra 'text' (transformers)")

import torch

from shelfwise.enrich import embed
from shelfwise.enrich.embed import batches, embed_texts
from shelfwise.nn.pretrained import PretrainedEncoder, load_tokenizer

TEXT = "the dress fits well soft fabric too small in shoulders größer als erwartet colour faded wash"
WORDS = TEXT.split()
TESTS = Path(__file__).parent.parent


def drawn_texts(count: int, seed: int = 0) -> list[str]:
    """Texts of 0 to 20 words."""
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(0, 21))) for _ in range(count)]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Path]:
    folder = tmp_path_factory.mktemp("embedding")
    return {kind: save_small_checkpoint(folder / kind, kind, WORDS) for kind in KINDS}


@pytest.fixture
def bert(checkpoints: dict[Kind, Path]) -> str:
    return str(checkpoints["bert"])


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def int8_store(int8_graphs: Path, tmp_path: Path) -> ArtifactStore:
    """A store that has the int8 graph of `bert` already: an export takes seconds."""
    shutil.copytree(int8_graphs, tmp_path / "int8" / ".onnx")
    return ArtifactStore(tmp_path / "int8")


@pytest.fixture(scope="session")
def int8_graphs(checkpoints: dict[Kind, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = ArtifactStore(tmp_path_factory.mktemp("graphs"))
    embed_texts(
        ["soft"], encoder=str(checkpoints["bert"]), store=store, name="v", precision="int8", threads=1
    )
    return store.root / ".onnx"


@torch.no_grad()
def one_by_one(checkpoint: str, texts: list[str], max_tokens: int = 64) -> np.ndarray:
    """Mean token states, a text at a time."""
    encoder, tokenizer = PretrainedEncoder.load(checkpoint).eval(), load_tokenizer(checkpoint)
    tokenizer.enable_truncation(max_tokens)
    return np.stack([encoder(torch.tensor([tokenizer.encode(t).ids]))[0].mean(0).numpy() for t in texts])


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    dots = (one * other).sum(1)
    return np.asarray(dots / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_row_i_is_the_vector_of_text_i(
    checkpoints: dict[Kind, Path], store: ArtifactStore, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "WINDOW", 16)
    texts = drawn_texts(50)
    artifact = embed_texts(
        iter(texts), encoder=str(checkpoints[kind]), store=store, name="vectors", batch_tokens=100
    )
    assert (artifact.dtype, artifact.shape) == ("float32", (50, 32))
    expected = one_by_one(str(checkpoints[kind]), texts)
    assert np.abs(store.read_array("vectors") - expected).max() < 1e-5


def test_the_first_token_and_unit_length_are_to_be_had(bert: str, store: ArtifactStore) -> None:
    texts = drawn_texts(5)
    embed_texts(texts, encoder=bert, store=store, name="first", pooling="first")
    embed_texts(texts, encoder=bert, store=store, name="unit", normalize=True)
    encoder, tokenizer = PretrainedEncoder.load(bert).eval(), load_tokenizer(bert)
    with torch.no_grad():
        expected = encoder(torch.tensor([tokenizer.encode(texts[3]).ids]))[0, 0].numpy()
    assert np.abs(store.read_array("first")[3] - expected).max() < 1e-5
    assert np.linalg.norm(store.read_array("unit"), axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("precision", "least"), [("bf16", 0.999), ("int8", 0.97)])
def test_lower_precisions_point_the_same_way(
    bert: str, int8_store: ArtifactStore, precision: Any, least: float
) -> None:
    texts = drawn_texts(40)
    embed_texts(texts, encoder=bert, store=int8_store, name="low", precision=precision, threads=1)
    vectors = int8_store.read_array("low")
    assert vectors.dtype == np.float32
    expected = one_by_one(bert, texts)
    assert cosines(vectors, expected).min() > least
    assert np.abs(vectors - expected).max() > 1e-5


def test_the_int8_graph_is_made_once_and_alone(
    bert: str, int8_store: ArtifactStore, int8_graphs: Path
) -> None:
    (graph,) = int8_graphs.iterdir()
    before = {path.name: path.stat().st_ino for path in (int8_store.root / ".onnx").iterdir()}
    assert list(before) == [graph.name]
    embed_texts(["soft"], encoder=bert, store=int8_store, name="a", precision="int8", threads=1)
    assert {path.name: path.stat().st_ino for path in (int8_store.root / ".onnx").iterdir()} == before


def test_a_thousand_vectors_of_768_numbers_are_2_9_megabytes(tmp_path: Path, store: ArtifactStore) -> None:
    wide = save_small_checkpoint(tmp_path / "wide", "distilbert", WORDS, width=768, layers=1)
    texts = [WORDS[i % len(WORDS)] for i in range(1000)]
    artifact = embed_texts(texts, encoder=str(wide), store=store, name="wide")
    assert artifact.shape == (1000, 768)
    assert round(artifact.size / 2**20, 1) == 2.9
    whole = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert whole < artifact.size + 4096


class PulledPlugError(Exception):
    """What the iterator of a killed run raises."""


def until(texts: list[str], stop: int) -> Iterator[str]:
    yield from texts[:stop]
    raise PulledPlugError


@pytest.mark.parametrize(
    ("precision", "stop"), [("fp32", 0), ("fp32", 7), ("fp32", 8), ("fp32", 40), ("int8", 30), ("bf16", 30)]
)
def test_a_run_that_stopped_goes_on_to_the_same_bytes(
    bert: str, int8_store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, stop: int, precision: Any
) -> None:
    store = int8_store
    monkeypatch.setattr(embed, "WINDOW", 8)
    texts = drawn_texts(40)
    settings: dict[str, Any] = {"encoder": bert, "store": store, "precision": precision, "threads": 1}
    embed_texts(texts, name="whole", **settings)
    with pytest.raises(PulledPlugError):
        embed_texts(until(texts, stop), name="resumed", **settings)
    assert "resumed" not in store
    work = store.root / ".embedding" / "resumed"
    done = {path.name: path.stat().st_ino for path in work.glob("*")}
    assert len(done) == stop // 8
    seen: list[dict[str, int]] = []
    embed_texts(
        texts,
        name="resumed",
        watch=lambda _: seen.append({path.name: path.stat().st_ino for path in work.glob("*")}),
        **settings,
    )
    assert len(seen[-1]) == 5
    assert done.items() <= seen[-1].items()  # the shards that were whole are the same files
    assert not work.exists()
    assert store.read_array("whole").tobytes() == store.read_array("resumed").tobytes()
    assert store.read_json("whole_recipe") == store.read_json("resumed_recipe")


KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from test_embed import drawn_texts
from shelfwise.enrich import embed
from shelfwise.store import ArtifactStore

embed.WINDOW = 8
def die(progress):
    if progress.texts == 24:
        os.kill(os.getpid(), signal.SIGKILL)
store = ArtifactStore(Path(sys.argv[2]))
embed.embed_texts(drawn_texts(40), encoder=sys.argv[1], store=store, name="v", watch=die)
"""


def test_a_killed_process_goes_on_to_the_same_bytes(
    bert: str, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), str(TESTS)])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, bert, str(store.root)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(list((store.root / ".embedding" / "v").iterdir())) == 3
    monkeypatch.setattr(embed, "WINDOW", 8)
    embed_texts(drawn_texts(40), encoder=bert, store=store, name="v")
    embed_texts(drawn_texts(40), encoder=bert, store=store, name="whole")
    assert store.read_array("v").tobytes() == store.read_array("whole").tobytes()


def test_texts_that_changed_are_computed_anew_on_resume(
    bert: str, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "WINDOW", 8)
    texts = drawn_texts(24)
    with pytest.raises(PulledPlugError):
        embed_texts(until(texts, 20), encoder=bert, store=store, name="v")
    texts[3] = "colour faded"
    embed_texts(texts, encoder=bert, store=store, name="v")
    assert np.abs(store.read_array("v") - one_by_one(bert, texts)).max() < 1e-5


def test_a_damaged_shard_is_computed_anew(
    bert: str, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "WINDOW", 8)
    texts = drawn_texts(24)
    with pytest.raises(PulledPlugError):
        embed_texts(until(texts, 24), encoder=bert, store=store, name="v")
    for i, shard in enumerate((store.root / ".embedding" / "v").iterdir()):
        shard.write_bytes(shard.read_bytes()[: 100 * i])
    embed_texts(texts, encoder=bert, store=store, name="v")
    assert np.abs(store.read_array("v") - one_by_one(bert, texts)).max() < 1e-5


def test_without_resume_a_run_begins_anew(
    bert: str, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "WINDOW", 8)
    texts = drawn_texts(8)
    with pytest.raises(PulledPlugError):
        embed_texts(until(texts, 8), encoder=bert, store=store, name="v")
    with pytest.raises(PulledPlugError):
        embed_texts(until(texts, 0), encoder=bert, store=store, name="v", resume=False)
    assert not (store.root / ".embedding" / "v").exists()


def test_what_was_cut_is_counted(bert: str, store: ArtifactStore) -> None:
    long, short = " ".join(["dress"] * 30), "soft fabric"
    tokenizer = load_tokenizer(bert)
    lengths = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in (long, short)]
    embed_texts([long, short, ""], encoder=bert, store=store, name="v", max_tokens=12)
    facts = store.read_json("v_recipe")
    assert (facts["texts"], facts["tokens"]) == (3, sum(lengths))
    assert (facts["cut_texts"], facts["cut_tokens"]) == (1, lengths[0] - 10)
    assert facts["cut_texts_share"] == pytest.approx(1 / 3)
    assert facts["cut_tokens_share"] == pytest.approx((lengths[0] - 10) / sum(lengths))
    assert np.abs(store.read_array("v") - one_by_one(bert, [long, short, ""], 12)).max() < 1e-5


def test_the_recipe_says_what_the_vectors_were_made_with(bert: str, store: ArtifactStore) -> None:
    embed_texts(["soft"], encoder=bert, store=store, name="shop/v")
    facts = json.loads(json.dumps(store.read_json("shop/v_recipe")))
    assert {key: facts[key] for key in ("encoder", "precision", "pooling", "normalize", "max_tokens")} == {
        "encoder": bert,
        "precision": "fp32",
        "pooling": "mean",
        "normalize": False,
        "max_tokens": 64,  # all that this encoder reads
    }
    assert (facts["texts"], facts["width"], len(facts["weights_sha256"])) == (1, 32, 64)


def test_no_texts_give_an_array_of_no_rows(bert: str, store: ArtifactStore) -> None:
    assert embed_texts([], encoder=bert, store=store, name="none").shape == (0, 32)
    assert store.read_json("none_recipe")["cut_tokens_share"] == 0


def test_odd_texts_are_embedded(bert: str, store: ArtifactStore) -> None:
    odd = ["", " ", "\ud83d", "👗🏽", "\0", "漢字", "a" * 5000, "ﷺ" * 200]
    embed_texts(odd, encoder=bert, store=store, name="odd")
    assert np.isfinite(store.read_array("odd")).all()


def test_long_texts_end_a_window_early(
    bert: str, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "WINDOW_CHARACTERS", 100)
    seen: list[int] = []
    texts = ["soft " * 30] * 3 + ["soft"] * 30
    embed_texts(texts, encoder=bert, store=store, name="v", watch=lambda done: seen.append(done.texts))
    assert seen == [1, 2, 3, 28, 33]


def test_an_array_that_exists_is_refused_before_anything_is_computed(bert: str, store: ArtifactStore) -> None:
    embed_texts(["soft"], encoder=bert, store=store, name="v")
    before = store.read_array("v")
    with pytest.raises(StoreError, match="'v' exists already"):
        embed_texts(until([], 0), encoder="./no-such-folder", store=store, name="v")
    embed_texts(["small", "soft"], encoder=bert, store=store, name="v", overwrite=True)
    assert store.read_array("v").shape == (2, 32)
    assert store.read_json("v_recipe")["texts"] == 2
    assert np.abs(store.read_array("v")[1] - before[0]).max() < 1e-5


def test_two_runs_of_one_name_do_not_meet(bert: str, store: ArtifactStore) -> None:
    def meanwhile() -> Iterator[str]:
        with pytest.raises(StoreError, match="another process computes 'v'"):
            embed_texts(["soft"], encoder=bert, store=store, name="v")
        embed_texts(["soft"], encoder=bert, store=store, name="other")
        yield "soft"

    embed_texts(meanwhile(), encoder=bert, store=store, name="v")
    assert store.names() == ["other", "other_recipe", "v", "v_recipe"]


@pytest.mark.parametrize("wanted", [7, 65])
def test_a_length_that_the_encoder_cannot_read_is_refused(
    bert: str, store: ArtifactStore, wanted: int
) -> None:
    with pytest.raises(ConfigError, match=f"max_tokens is {wanted}; this encoder reads 8 to 64"):
        embed_texts(["soft"], encoder=bert, store=store, name="v", max_tokens=wanted)


def test_an_encoder_that_is_none_is_named(store: ArtifactStore) -> None:
    with pytest.raises(DataError, match=r"'\./nowhere' is not a folder"):
        embed_texts(["soft"], encoder="./nowhere", store=store, name="v")


def test_an_encoder_too_large_for_int8_is_told_what_to_use(
    bert: str, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shelfwise.enrich.text_vectors.ONNX_BYTES", 1000)
    with pytest.raises(ConfigError, match="use 'bf16'"):
        embed_texts(["soft"], encoder=bert, store=store, name="v", precision="int8")


def test_batches_hold_every_text_once_and_never_more_tokens_than_asked() -> None:
    lengths = [int(n) for n in np.random.default_rng(0).integers(1, 60, 500)] + [300]
    dealt = list(batches(lengths, 256))
    assert sorted(i for batch in dealt for i in batch) == list(range(501))
    for batch in dealt:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 256
    assert dealt[0] == [500]
    padding = sum(len(b) * max(lengths[i] for i in b) - sum(lengths[i] for i in b) for b in dealt)
    assert padding < 0.1 * sum(lengths)
