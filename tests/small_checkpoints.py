"""Small random checkpoints on disk, each with a tokenizer learned from the given texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

Kind = Literal["bert", "roberta", "distilbert"]
KINDS: tuple[Kind, ...] = ("bert", "roberta", "distilbert")
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


def _byte_pairs(texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer
