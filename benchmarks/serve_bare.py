"""What a bare predictor embeds in a second, texts of 64 tokens in batches of 32; for `serve_texts.py`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from serve_load import texts

from shelfwise.service.models import open_model


def main() -> None:
    """Print texts a second; asked for by BUNDLE PRECISION SECONDS."""
    model = open_model(Path(sys.argv[1]), threads=1, precision=sys.argv[2])  # type: ignore[arg-type]
    asked = texts(64, 256)
    embed = model.predictor.embed_texts  # type: ignore[union-attr]
    embed(asked[:32])
    done, ends = 0, time.perf_counter() + float(sys.argv[3])
    began = time.perf_counter()
    while time.perf_counter() < ends:
        embed([asked[(done + place) % 256] for place in range(32)])
        done += 32
    print(done / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
