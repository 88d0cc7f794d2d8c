"""Halves of CLIP and SigLIP, and ViT: what they say is what transformers says, from safetensors alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from small_checkpoints import PAIRS, PairKind, save_small_checkpoint, save_small_pair

from shelfwise.errors import ConfigError, DataError

for library in ("transformers", "peft"):
    pytest.importorskip(library, reason=f"needs the extra 'text' ({library})")

from transformers import AutoModel  # noqa: E402

from shelfwise.nn.pretrained_halves import (  # noqa: E402
    MeanText,
    PictureEncoder,
    TextHalf,
    blank_text,
    load_text,
    pair_scale,
    pixel_scale,
    text_limit,
)

TEXTS = ["a photo of a red shoe", "a bag", "größer als erwartet", "leather and wool, size 42"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[PairKind, Path]:
    folder = tmp_path_factory.mktemp("pairs")
    return {kind: save_small_pair(folder / kind, kind, TEXTS) for kind in PAIRS}


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("bert"), "bert", TEXTS)


def ids_of(folder: Path, pad: int, length: int = 0) -> torch.Tensor:
    from shelfwise.nn.pretrained import load_tokenizer

    rows = [encoding.ids for encoding in load_tokenizer(str(folder)).encode_batch(TEXTS)]
    length = max(length, *map(len, rows))
    return torch.tensor([row + [pad] * (length - len(row)) for row in rows])


@torch.no_grad()
@pytest.mark.parametrize("kind", PAIRS)
def test_pictures_have_the_vectors_of_transformers(kind: PairKind, pairs: dict[PairKind, Path]) -> None:
    pixels = torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    encoder = PictureEncoder.load(str(pairs[kind])).eval()
    theirs = AutoModel.from_pretrained(pairs[kind]).eval()
    if kind == "vit":
        expected = theirs(pixel_values=pixels).last_hidden_state[:, 0]
    else:
        expected = theirs.get_image_features(pixel_values=pixels).pooler_output
    states, vectors = encoder(pixels)
    assert torch.allclose(vectors, expected, atol=1e-6)
    assert vectors.shape[1] == encoder.width == (24 if kind == "clip" else 32)
    assert states.shape == (3, 9 if kind == "siglip" else 10, encoder.states)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_texts_have_the_vectors_of_transformers_however_much_padding_follows(
    kind: PairKind, pairs: dict[PairKind, Path]
) -> None:
    encoder = load_text(str(pairs[kind])).eval()
    assert isinstance(encoder, TextHalf)
    theirs = AutoModel.from_pretrained(pairs[kind]).eval()
    # SigLIP is meant to be asked with all its places filled.
    full = ids_of(pairs[kind], encoder.pad_id, 40 if kind == "siglip" else 0)
    expected = theirs.get_text_features(input_ids=full).pooler_output
    for length in (0, 30):
        ids = ids_of(pairs[kind], encoder.pad_id, length)
        states, vectors = encoder(ids, ids != encoder.pad_id)
        assert torch.allclose(vectors, expected, atol=1e-5)
        assert states.shape == (*ids.shape, encoder.states)
    assert torch.nn.functional.cosine_similarity(vectors[:1], vectors[1:]).max() < 0.999


@torch.no_grad()
def test_a_text_encoder_is_the_mean_of_its_states(bert: Path) -> None:
    encoder = load_text(str(bert)).eval()
    assert isinstance(encoder, MeanText)
    ids = ids_of(bert, encoder.pad_id)
    states, vectors = encoder(ids, ids != encoder.pad_id)
    for row, some, vector in zip(ids, states, vectors, strict=True):
        assert torch.allclose(some[row != encoder.pad_id].mean(0), vector, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_blank_half_takes_the_weights_of_a_read_one(kind: PairKind, pairs: dict[PairKind, Path]) -> None:
    pictures, texts = PictureEncoder.load(str(pairs[kind])), load_text(str(pairs[kind]))
    # As a bundle keeps them.
    kept = [json.loads(json.dumps(half.architecture)) for half in (pictures, texts)]
    assert str(pairs[kind]) not in json.dumps(kept)
    blank = PictureEncoder.blank(kept[0]).eval()
    blank.load_state_dict(pictures.state_dict())
    pixels = torch.randn(1, 3, 24, 24)
    assert torch.equal(blank(pixels)[1], pictures.eval()(pixels)[1])
    words = blank_text(kept[1]).eval()
    words.load_state_dict(texts.state_dict())
    ids = ids_of(pairs[kind], 1)
    assert torch.equal(words(ids, ids != 1)[1], texts.eval()(ids, ids != 1)[1])


@torch.no_grad()
@pytest.mark.parametrize("kind", PAIRS)
def test_positions_are_interpolated_for_another_size(kind: PairKind, pairs: dict[PairKind, Path]) -> None:
    encoder = PictureEncoder.load(str(pairs[kind])).eval()
    small, tall = torch.randn(1, 3, 16, 16), torch.randn(1, 3, 40, 16)
    assert encoder(small)[0].shape[1] == 4 + (kind != "siglip")
    assert encoder(tall)[0].shape[1] == 10 + (kind != "siglip")
    encoder.check_size(40, 16)
    with pytest.raises(ConfigError, match=r"multiples of that .it was trained at 24x24"):
        encoder.check_size(80, 60)


def test_pixels_are_scaled_as_the_checkpoint_says_or_it_is_refused(
    pairs: dict[PairKind, Path], tmp_path: Path
) -> None:
    assert pixel_scale(str(pairs["clip"])) == ((0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
    copy = shutil.copytree(pairs["clip"], tmp_path / "copy")
    nested = {"image_processor": json.loads((copy / "preprocessor_config.json").read_text())}
    (copy / "preprocessor_config.json").unlink()
    (copy / "processor_config.json").write_text(json.dumps(nested))
    assert pixel_scale(str(copy)) == pixel_scale(str(pairs["clip"]))
    (copy / "processor_config.json").write_text("{}")
    with pytest.raises(DataError, match=r"has no preprocessor_config.json with image_mean"):
        pixel_scale(str(copy))
    (copy / "processor_config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        pixel_scale(str(copy))


def test_a_pair_tells_how_it_compares(pairs: dict[PairKind, Path]) -> None:
    assert pair_scale(str(pairs["clip"])) == (pytest.approx(9.974, abs=1e-2), 0.0)
    assert pair_scale(str(pairs["siglip"])) == (pytest.approx(9.974, abs=1e-2), -10.0)


def test_the_longest_text_is_known_without_the_weights(pairs: dict[PairKind, Path], bert: Path) -> None:
    assert text_limit(str(pairs["clip"])) == text_limit(str(pairs["siglip"])) == 40
    assert text_limit(str(bert)) == 64


def test_what_reads_no_pictures_or_no_texts_is_one_line(pairs: dict[PairKind, Path], bert: Path) -> None:
    with pytest.raises(
        DataError, match=r"model_type 'bert'\) is none that reads pictures here: clip, siglip"
    ):
        PictureEncoder.load(str(bert))
    with pytest.raises(DataError, match="is no text encoder"):
        load_text(str(pairs["vit"]))


def test_a_pickled_half_is_refused(pairs: dict[PairKind, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(pairs["clip"], tmp_path / "copy")
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"needs config.json, model.safetensors"):
        PictureEncoder.load(str(copy))
