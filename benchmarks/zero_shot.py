"""True zero-shot: how well are two classes told by words alone, when all training was without them?

    python benchmarks/zero_shot.py [--seeds 0 1 2]

Sandal and Coat are taken out of every training and validation row; classifier and text alignment see the
other eight, with prompts that say what a class looks like. Then test pictures of the two are asked for by
unseen prompts, once between the two (chance 50%), once among all ten (chance 10%). Shown beside the
`text_aligned` accuracy, whose tower has seen all labels. Writes results/bench/zero_shot.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import record

from shelfwise.config import load_config
from shelfwise.data.datasets import load_labelled
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.prompts import class_prompts
from shelfwise.predict import Predictor
from shelfwise.train.inputs import Inputs
from shelfwise.train.run import train

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "demo.toml"
HELD_OUT = ("Sandal", "Coat")
SETTINGS = ("train.epochs=3", "text.describe=true", "train.threads=1")


def main() -> None:
    """Train without the two classes, ask for them, and record both accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    config = load_config(CONFIG, SETTINGS)
    test = load_labelled(config, "test")
    held_out = [test.classes.index(name) for name in HELD_OUT]
    unseen = test.take(np.flatnonzero(np.isin(test.labels, held_out)))
    prompts = class_prompts(test.classes, use="evaluate", source="fashion-mnist", describe=True)
    between, among = [], []
    for seed in seeds:
        with TemporaryDirectory() as folder:
            seeded = load_config(CONFIG, (*SETTINGS, f"train.seed={seed}"))
            parts = (without(load_labelled(seeded, part), held_out) for part in ("train", "validation"))
            inputs = Inputs(*parts, source="fashion-mnist", target="category")
            predictor = Predictor.load(train(seeded, Path(folder), inputs=inputs).path)
        texts = np.stack([predictor.embed_texts(some).mean(0) for some in prompts.texts])
        texts /= np.linalg.norm(texts, axis=1, keepdims=True)
        scores = predictor.embed_pictures(unseen.images) @ texts.T
        among.append(float((scores.argmax(1) == unseen.labels).mean()))
        two = np.array(held_out)[scores[:, held_out].argmax(1)]
        between.append(float((two == unseen.labels).mean()))
        print(f"seed {seed}: between the two {between[-1]:.3f}, among all ten {among[-1]:.3f}", flush=True)
    figures = {"between_the_two": summary(between), "among_all_ten": summary(among)}
    record.write("zero_shot", {"held_out": HELD_OUT, "seeds": seeds, "settings": SETTINGS, **figures})


def without(data: LabelledPictures, classes: list[int]) -> LabelledPictures:
    """The rows of all other classes, renumbered."""
    kept = [k for k in range(len(data.classes)) if k not in classes]
    some = data.take(np.flatnonzero(np.isin(data.labels, kept)))
    numbers = np.searchsorted(kept, some.labels).astype(np.int64)
    return LabelledPictures(some.images, numbers, tuple(data.classes[k] for k in kept), some.ids)


def summary(values: list[float]) -> dict[str, object]:
    """Mean and values."""
    return {"mean": round(float(np.mean(values)), 4), "values": [round(value, 4) for value in values]}


if __name__ == "__main__":
    main()
