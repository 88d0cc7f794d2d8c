"""The peer of `serve_texts.py`: LitServe on the text tower of a products bundle, by a Python that has it.

    PYTHON benchmarks/serve_litserve.py BUNDLE PORT MAX_TOKENS MAX_BATCH_SIZE BATCH_TIMEOUT

Needs litserve, numpy, onnxruntime and tokenizers, and nothing of shelfwise. It reads the same files, and
skips what an answer from a text alone can do without: the picture tower.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class Texts(litserve.LitAPI):  # type: ignore[misc]
    """`{"input": text}` to `{"embedding": vector}`, in batches."""

    def __init__(self, bundle: Path, max_tokens: int, **how: Any) -> None:
        super().__init__(**how)
        self.bundle, self.max_tokens = bundle, max_tokens

    def setup(self, device: str) -> None:
        """Open tokenizer and graphs, one thread each, with the settings that shelfwise has."""
        self.tokenizer = Tokenizer.from_file(str(self.bundle / "tokenizer.json"))
        self.tokenizer.enable_truncation(self.max_tokens)
        self.tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.title, self.fuse = (
            onnxruntime.InferenceSession(
                str(self.bundle / f"{name}.onnx"),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["SkipLayerNormFusion"],
            )
            for name in ("title", "fuse")
        )

    def decode_request(self, request: dict[str, str]) -> str:
        """The text."""
        return request["input"]

    def batch(self, inputs: list[str]) -> list[str]:
        """Texts are tokenized together."""
        return inputs

    def predict(self, x: list[str]) -> np.ndarray:
        """Unit vectors [B, E]."""
        encoded = self.tokenizer.encode_batch_fast(x)
        ids = np.array([one.ids for one in encoded], np.int64)
        words = (ids + 1) * np.array([one.attention_mask for one in encoded], np.int64)
        tokens, vectors = self.title.run(None, {"words": words})
        known = {"text_tokens": tokens, "text_present": words > 0, "text_vector": vectors}
        given = {one.name: known.get(one.name, nothing(one, len(x))) for one in self.fuse.get_inputs()}
        return self.fuse.run(["vectors"], given)[0]

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        """A row for each."""
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict[str, list[float]]:
        """As JSON."""
        return {"embedding": output.tolist()}


def nothing(given: Any, rows: int) -> np.ndarray:
    """Zeros for an input of another modality, which is not present."""
    shape = [rows, *(size if isinstance(size, int) else 1 for size in given.shape[1:])]
    return np.zeros(shape, bool if "bool" in given.type else np.float32)


if __name__ == "__main__":
    api = Texts(
        Path(sys.argv[1]),
        int(sys.argv[3]),
        max_batch_size=int(sys.argv[4]),
        batch_timeout=float(sys.argv[5]),
    )
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="error",
        access_log=False,
    )
