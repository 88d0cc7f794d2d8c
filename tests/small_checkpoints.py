"""Small random checkpoints on disk, those that read texts with a tokenizer learned from the given ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

Kind = Literal["bert", "roberta", "distilbert"]
KINDS: tuple[Kind, ...] = ("bert", "roberta", "distilbert")
PairKind = Literal["clip", "siglip", "vit"]
PAIRS: tuple[PairKind, ...] = ("clip", "siglip", "vit")
VOCABULARY = 300


def save_small_checkpoint(
    folder: Path,
    kind: Kind,
    texts: Sequence[str],
    *,
    width: int = 32,
    layers: int = 2,
    longest: int = 64,
    seed: int = 0,
) -> Path:
    """Write config.json, model.safetensors and tokenizer.json to `folder`, as a hub checkpoint has them.

    RoBERTa gets a byte-level tokenizer and pads with 1, the others word pieces and pad with 0."""
    import torch
    from transformers import AutoModel

    tokenizer = _byte_pairs(texts) if kind == "roberta" else _word_pieces(texts)
    torch.manual_seed(seed)
    config = _config(kind, tokenizer.get_vocab_size(), width, layers, longest)
    network = AutoModel.from_config(config)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save_small_pair(
    folder: Path, kind: PairKind, texts: Sequence[str], *, width: int = 32, side: int = 24, seed: int = 0
) -> Path:
    """Write a CLIP or SigLIP, or a ViT that reads pictures alone, with the scale of its pixels.

    Pictures of `side` are cut into patches of 8. CLIP's shared space has 24 dimensions, SigLIP's `width`."""
    import torch
    from transformers import (
        CLIPConfig,
        CLIPModel,
        SiglipConfig,
        SiglipModel,
        ViTConfig,
        ViTForImageClassification,
    )

    torch.manual_seed(seed)
    layers = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2}
    layers |= {"num_attention_heads": 4}
    pictures = layers | {"image_size": side, "patch_size": 8}
    tokenizer = _byte_pairs(texts)
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    reads = layers | ids | {"vocab_size": tokenizer.get_vocab_size(), "max_position_embeddings": 40}
    if kind == "clip":
        # An end token of another number than 2: with that one CLIP looks for the largest id instead.
        tokenizer = _byte_pairs(texts, ("<unk>", "<pad>", "<mask>", "<s>", "</s>"))
        reads |= {"bos_token_id": 3, "eos_token_id": 4}
        network = CLIPModel(CLIPConfig(text_config=reads, vision_config=pictures, projection_dim=24))
    elif kind == "siglip":
        network = SiglipModel(SiglipConfig(text_config=reads, vision_config=pictures))
    else:
        network = ViTForImageClassification(ViTConfig(**pictures))
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim >= 2:
                weights.normal_(std=0.15)  # at the usual 0.02 all answers of an untrained encoder are alike
            if name in ("logit_scale", "logit_bias"):
                weights.fill_(2.3 if name == "logit_scale" else -10.0)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder)
    if kind != "vit":
        tokenizer.save(str(folder / "tokenizer.json"))
    scale = {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}
    (folder / "preprocessor_config.json").write_text(json.dumps(scale))
    return folder


def _config(kind: Kind, vocabulary: int, width: int, layers: int, longest: int) -> Any:
    from transformers import BertConfig, DistilBertConfig, RobertaConfig

    if kind == "distilbert":
        return DistilBertConfig(
            vocab_size=vocabulary,
            dim=width,
            n_layers=layers,
            n_heads=4,
            hidden_dim=2 * width,
            max_position_embeddings=longest,
            initializer_range=0.2,
        )
    # RoBERTa counts positions from behind the padding's id, so two more are needed.
    family, extra = (RobertaConfig, 2) if kind == "roberta" else (BertConfig, 0)
    return family(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=longest + extra,
        initializer_range=0.2,  # at the usual 0.02 all texts of an untrained encoder are alike
    )


def _word_pieces(texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def _byte_pairs(
    texts: Sequence[str], special: tuple[str, ...] = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", special.index("</s>")), ("<s>", special.index("<s>"))
    )
    return tokenizer
