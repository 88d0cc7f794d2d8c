"""How fast is the shipped picture bundle in int8 on one core, against the same weights in eager torch fp32?

    python benchmarks/int8.py [--whole BUNDLE] [--shipped BUNDLE] [--core N]

On one core and thread, wall time, every side in turn in one process; a ratio is the median of the rounds.

single   one ready picture (uint8) at a time to calibrated probabilities: Predictor.probabilities in int8
         and fp32 against the classifier in eager torch (logits and softmax alone); beside them the bare int8
         session, and Predictor.predict from a PNG file's bytes, which decodes them and builds the answer.
batch    the test pictures in batches, each side at the size that is best for it here.
test     accuracy of both precisions on Fashion-MNIST's test pictures, and how many are warned of.

A shipped bundle has no weights for torch: `--whole` is the one that it was made from, by
scripts/default_bundles.py. Writes results/bench/int8.json.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record
from in_turn import Side, latencies, rates, ratio, stay_on_one_core, summary, times_as_fast
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image

from shelfwise.bundle import Bundle, default_bundle
from shelfwise.data import fashion_mnist
from shelfwise.data.labelled import LabelledPictures
from shelfwise.errors import ShelfwiseError
from shelfwise.predict import Predictor
from shelfwise.predict.onnx_backend import OnnxBackend, Precision
from shelfwise.schema import Picture, Product

BATCH_SIZES = (16, 64, 256)
CALLS, TUNING = 500, 1024
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
WHOLE = record.ROOT / "runs" / "default" / "pictures" / "bundle"


def main() -> None:
    """Measure, record, print the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--whole", type=Path, default=WHOLE)
    parser.add_argument("--shipped", type=Path, default=None, help="by default the package's own")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--core", type=int, default=None)
    options = parser.parse_args()
    core = stay_on_one_core(options.core)
    try:
        whole = Bundle.open(options.whole)
        shipped = Bundle.open(options.shipped or default_bundle("pictures"))
    except ShelfwiseError as error:
        sys.exit(str(error))
    test = fashion_mnist.load("test", shipped.config.data.folder)
    values = {"core": core, "threads": 1, "rounds": options.rounds}
    values |= measure(whole, shipped, test, options.rounds)
    path = record.write("int8", values)
    show(values)
    print(f"written to {path.relative_to(record.ROOT)}")


def measure(whole: Bundle, shipped: Bundle, test: LabelledPictures, rounds: int) -> dict[str, Any]:
    """The three questions, one after the other; ends the process where the bundles are of two networks."""
    if shipped.label != whole.label and shipped.meta.info.get("slim_of") != whole.label:
        sys.exit(f"'{shipped.path}' was not made from '{whole.path}'")
    files = {name: (shipped.path / name).stat().st_size for name in shipped.meta.files}
    return {
        "bundle": shipped.label,
        "bytes": {"all": sum(files.values()), "int8": files["picture.int8.onnx"]},
        "single": single(whole, shipped, test.images[:CALLS], rounds),
        "batch": batch(whole, shipped, test.images, rounds),
        "test": {precision: tested(shipped, test, precision) for precision in PRECISIONS},
    }


def single(whole: Bundle, shipped: Bundle, images: UInt8[ndarray, "N H W C"], rounds: int) -> dict[str, Any]:
    """Microseconds of one picture on every side, and how often ours fits into eager torch's."""
    ready = [image[None] for image in images]
    small = predictor_of(shipped, "int8")
    sides = {
        "eager_fp32": Side(eager(whole), ready),
        **{
            f"shelfwise_{kind}": Side(predictor_of(shipped, kind).probabilities, ready) for kind in PRECISIONS
        },
        "bare_int8": Side(OnnxBackend(shipped, 1, "int8").picture, ready),
        "predict_int8": Side(lambda product: small.predict([product]), encoded(images)),
    }
    taken = latencies(sides, rounds)
    return {
        **{name: in_microseconds(some) for name, some in taken.items()},
        "int8_over_eager": times_as_fast(taken["shelfwise_int8"], taken["eager_fp32"]),
        "fp32_over_eager": times_as_fast(taken["shelfwise_fp32"], taken["eager_fp32"]),
        "bare_int8_over_eager": times_as_fast(taken["bare_int8"], taken["eager_fp32"]),
        "calls": len(images),
    }


def batch(whole: Bundle, shipped: Bundle, images: UInt8[ndarray, "N H W C"], rounds: int) -> dict[str, Any]:
    """Pictures per second of every side at the batch size that is best for it, and ratios."""
    asked: dict[str, Callable[[ndarray], object]] = {
        "eager_fp32": eager(whole),
        **{f"shelfwise_{kind}": predictor_of(shipped, kind).probabilities for kind in PRECISIONS},
    }
    best = {name: best_size(call, images[:TUNING]) for name, call in asked.items()}
    sides = {name: in_batches(call, images, best[name]) for name, call in asked.items()}
    measured = rates(sides, len(images), rounds)
    return summary(measured) | {
        "batch_sizes": best,
        "int8_over_eager": ratio(measured["shelfwise_int8"], measured["eager_fp32"]),
        "fp32_over_eager": ratio(measured["shelfwise_fp32"], measured["eager_fp32"]),
        "pictures": len(images),
    }


def tested(bundle: Bundle, test: LabelledPictures, precision: Precision) -> dict[str, float | None]:
    """Accuracy on the test pictures, and the share of them that is warned of for nothing."""
    found = predictor_of(bundle, precision).picture_outputs(test.images)
    unlike = bundle.meta.unlike
    warned = None if unlike is None else float((found.unlike >= unlike.threshold).mean())
    return {"accuracy": float((found.logits.argmax(1) == test.labels).mean()), "warned": warned}


def predictor_of(bundle: Bundle, precision: Precision) -> Predictor:
    """Ours on one thread."""
    return Predictor(bundle, OnnxBackend(bundle, 1, precision))


def eager(bundle: Bundle) -> Callable[[UInt8[ndarray, "B H W C"]], object]:
    """The peer: the trained classifier in plain torch, without what else the bundle says."""
    import torch

    from shelfwise.nn.dual import DualEncoder
    from shelfwise.predict.torch_backend import load_model

    torch.set_num_threads(1)
    model = load_model(bundle)
    classifier = model.classifier if isinstance(model, DualEncoder) else model

    @torch.inference_mode()
    def ask(pixels: ndarray) -> object:
        return (classifier(torch.from_numpy(pixels)) / bundle.temperature).softmax(1).numpy()

    return ask


def encoded(images: UInt8[ndarray, "N H W C"]) -> list[Product]:
    """Products with the pictures as PNG files, which lose nothing."""
    products = []
    for number, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image.squeeze()).save(file, "PNG")
        products.append(Product(id=str(number), images=(Picture(data=file.getvalue()),)))
    return products


def best_size(call: Callable[[ndarray], object], images: UInt8[ndarray, "N H W C"]) -> int:
    """The batch size with the highest rate."""
    sides = {str(size): in_batches(call, images, size) for size in BATCH_SIZES}
    tuned = rates(sides, len(images), 2)
    return int(max(tuned, key=lambda size: max(tuned[size])))


def in_batches(call: Callable[[ndarray], object], images: ndarray, size: int) -> Callable[[], object]:
    """All pictures, so many at a time."""
    parts: Sequence[ndarray] = [images[i : i + size] for i in range(0, len(images), size)]
    return lambda: [call(part) for part in parts]


def in_microseconds(taken: Float[ndarray, "rounds calls"]) -> dict[str, float]:
    """Return the median and the 99th percentile over all calls."""
    p50, p99 = np.percentile(taken, [50, 99]) * 1e6
    return {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}


def show(values: dict[str, Any]) -> None:
    """Microseconds and rates, then the ratios."""
    for name, found in values["single"].items():
        if isinstance(found, dict):
            print(f"one picture, {name:15s} p50 {found['p50_us']:9.1f} us  p99 {found['p99_us']:9.1f} us")
    for name, rate in values["batch"]["per_second"].items():
        print(f"batches of {values['batch']['batch_sizes'][name]:3d}, {name:15s} {rate:9,.0f} pictures/s")
    for name, found in values["test"].items():
        print(f"test accuracy in {name}: {found['accuracy']:.2%}")
    print(f"int8 over eager torch, one picture: {values['single']['int8_over_eager']:.1f}x")
    print(f"int8 over eager torch, batches: {values['batch']['int8_over_eager']:.1f}x")


if __name__ == "__main__":
    main()
