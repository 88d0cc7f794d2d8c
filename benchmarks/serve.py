"""How much of a bare model does a server deliver, and how much of an empty route? And against LitServe?

    python benchmarks/serve.py [--pictures BUNDLE]
    python benchmarks/serve.py --texts BUNDLE [--litserve PYTHON]

The server has one core to itself, the load generator the other; both sides of every ratio are measured in
turn, several rounds, in the same minutes, and ratios are of medians. Who has no turn is stopped.

    pictures   one small PNG a request, 16 callers: requests a second of POST /v1/classify over those of an
               empty FastAPI route that reads the same upload, as the body (`body`) and as a form (`form`)
    texts      one text of 64 tokens a request, 16 callers: requests a second of POST /v1/embeddings over what
               the bare predictor does in batches on the same core (`bare`), and over LitServe on the same
               ONNX files (`litserve`), all in fp32; then in 8 bits, against the bare predictor in 8 bits and
               LitServe in fp32
    start      from the command to the first answer of /health/ready, and the resident memory then

Pictures and start are of the package's own bundles. A bundle of texts is one of products with MiniLM as its
title tower: benchmarks/serve_bundle.py makes one in a minute. PYTHON is one that has litserve, numpy,
onnxruntime and tokenizers. Writes results/bench/serve.json, or serve_texts.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import record
from serve_load import Load, form, picture
from serve_sides import CALLERS, LOAD_CORE, ROUNDS, Server, in_turn, shelfwise_server, started
from serve_texts import texts

from shelfwise.bundle import DEFAULTS, default_bundle

EMPTY_PORT = 8977
EMPTY = """
import sys, uvicorn
from fastapi import FastAPI, Request, UploadFile
app = FastAPI()
@app.post("/body")
async def body(request: Request):
    return {"bytes": len(await request.body())}
@app.post("/form")
async def form(image: UploadFile):
    return {"bytes": len(await image.read())}
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="by default the package's own")
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--litserve", help="a Python that has litserve")
    parser.add_argument("--seconds", type=float, default=8.0, help="of one side of one round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, default=record.FOLDER)
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    values: dict[str, Any] = {"callers": CALLERS, "rounds": options.rounds, "seconds": options.seconds}
    if options.texts:
        name = "serve_texts"
        values |= texts(options.texts, options.litserve, options.seconds, options.rounds)
    else:
        name = "serve"
        own = {bundle: default_bundle(bundle) for bundle in DEFAULTS}
        with shelfwise_server({"pictures": options.pictures} if options.pictures else own) as server:
            values["start"] = {"seconds": server.seconds, "resident_mb": server.resident_mb()}
            values["pictures"] = pictures(server, options.seconds, options.rounds)
    print(json.dumps(values, indent=2))
    print(f"written to {record.write(name, values, folder=options.out)}")


def pictures(server: Server, seconds: float, rounds: int) -> dict[str, Any]:
    """Our route and an empty one in turn, by the way that a picture is uploaded."""
    png = picture()
    uploads = {"body": (png, "image/png"), "form": form(png, "image")}
    found: dict[str, Any] = {"upload_bytes": len(png)}
    command = [sys.executable, "-c", EMPTY, str(EMPTY_PORT)]
    with started(command, "/openapi.json", EMPTY_PORT) as empty:
        for name, (body, kind) in uploads.items():
            ours = server.in_its_turn(Load(server.port, "/v1/classify", body, kind).run)
            theirs = empty.in_its_turn(Load(empty.port, f"/{name}", body, kind).run)
            found[name] = in_turn(ours, theirs, seconds, rounds)
    return found


if __name__ == "__main__":
    main()
