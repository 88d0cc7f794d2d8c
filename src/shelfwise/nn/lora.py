"""LoRA (arXiv:2106.09685) by peft: low-rank updates of the attention's queries and values, then merged.

The paper's table 5 finds queries and values the best place for a given number of weights.
"""

from __future__ import annotations

from torch import nn

from shelfwise.errors import ConfigError, MissingExtraError

try:
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.lora import LoraLayer
except ImportError:
    raise MissingExtraError("peft", "text") from None

ATTENTION = {
    *("query", "value"),  # BERT, RoBERTa, ELECTRA
    *("q_lin", "v_lin"),  # DistilBERT
    *("query_proj", "value_proj"),  # DeBERTa
    *("q_proj", "v_proj", "q", "v"),  # Llama and its kin; MPNet, T5
    *("Wqkv", "qkv_proj"),  # ModernBERT and others with one layer for queries, keys and values
}
"""What architectures call the linear layers of queries and values."""


def add_lora(module: nn.Module, rank: int) -> None:
    """Give the attention layers in `module` updates of this rank, which alone learn.

    They begin as zero: what the module computes does not change."""
    names = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and name.rpartition(".")[2] in ATTENTION
    ]
    if not names:
        raise ConfigError(
            "tuning is 'lora', but this checkpoint has no attention layers by a known name; "
            "use 'full' or 'frozen'"
        )
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names), module)


def merge_lora(module: nn.Module) -> None:
    """Add the updates to the weights they belong to: the same outputs from plain linear layers.

    State dict and ONNX graph are then those of a module that never had LoRA; nothing learns any more."""
    for name, layer in list(module.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge(safe_merge=True)
            module.set_submodule(name, layer.get_base_layer())
        vars(layer).pop("peft_config", None)
