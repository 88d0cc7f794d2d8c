# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. One model for pictures and words
#
# A shop has a picture of one product, a title of another, and both of a third. This notebook trains one
# model that answers from whatever there is, with a category path, an attribute, and a vector in a space
# that pictures and words share. A run is interrupted on purpose and goes on to the same weights; then ways
# of joining pictures and words stand side by side, and something is taken away.
#
# **The words are constructed** (notebook 3): no buyer wrote them, and they were chosen to go with the
# picture's class. So the figures below show how the parts work together; none is an accuracy on products.
# For those see the results in the README, on a real catalogue.
#
# Pictures: Fashion-MNIST, Xiao, Rasul and Vollgraf ([arXiv:1708.07747](https://arxiv.org/abs/1708.07747)),
# MIT licence, Copyright © 2017 Zalando SE.

# %%
import io
import os
import textwrap
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from shelfwise.config import ProductsConfig, changed
from shelfwise.data import fashion_mnist
from shelfwise.data.inspect import inspect_file
from shelfwise.data.pairs import PairDataset, constructed_pairs
from shelfwise.data.product_rows import load_products
from shelfwise.data.suggest import suggest
from shelfwise.data.suggest_products import suggest_products
from shelfwise.data.synthetic_reviews import synthetic_opinions
from shelfwise.evaluate.products import ask_subsets, evaluate_products
from shelfwise.predict.products import ProductPredictor
from shelfwise.reports.page import figure_style
from shelfwise.schema import Picture, Product
from shelfwise.train.journal import read_journal
from shelfwise.train.product_inputs import product_inputs
from shelfwise.train.products import train_products

plt.rcParams.update(figure_style("light") | {"figure.facecolor": "white", "savefig.facecolor": "white"})
ROWS = int(os.environ.get("SHELFWISE_NOTEBOOK_ROWS", "60000"))  # the tests take fewer
SMALL = ROWS < 10_000
folder = TemporaryDirectory()
runs = Path(folder.name)

# %% [markdown]
# ## A table
#
# Pictures and constructed texts are paired by category, as in notebook 3, here with a text of its own for
# every picture. They become a table as a shop would have it: a picture, the first words of a text, a
# department and a kind, and whether the writer was pleased.

# %%
count = min(10_000, ROWS)
pictures = fashion_mnist.load("train")
pictures = pictures.take(np.arange(min(ROWS, len(pictures))))
reviews = [each.review for each in synthetic_opinions(count, noise=0.05)]
pairs = PairDataset(constructed_pairs(pictures, reviews, count), pictures)
departments = {"Trouser": "Bottoms", "Dress": "Dresses", "Bag": "Bags"}
departments |= dict.fromkeys(("Sandal", "Sneaker", "Ankle boot"), "Shoes")
moods = (None, "disappointed", "disappointed", "mixed", "pleased", "pleased")

rows = []
for i, item in enumerate(pairs):
    encoded = io.BytesIO()
    Image.fromarray(item.pixels[..., 0]).save(encoded, "PNG")
    row = {"id": f"p{i:05}", "image": encoded.getvalue()}
    row["text"] = textwrap.shorten(item.text, 90, placeholder=" ...")
    row["department"] = departments.get(item.category, "Tops")
    rows.append(row | {"kind": item.category, "mood": moods[item.review.rating]})
table = runs / "products.parquet"
pq.write_table(pa.Table.from_pylist(rows), table)

figure, grid = plt.subplots(1, 6, figsize=(9, 2.5))
for axes, row in zip(grid, rows[1:7], strict=True):
    axes.imshow(Image.open(io.BytesIO(row["image"])), cmap="gray")
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"{row['department']} > {row['kind']}\n{row['mood']}", fontsize=7)
    axes.set_xlabel(textwrap.fill(row["text"], 24), fontsize=7)
figure.suptitle(f"Six of {len(rows):,} rows", x=0.02, ha="left", fontsize=11)
plt.show()

# %% [markdown]
# ## What to learn
#
# `shelfwise data inspect` writes such a configuration for a shop's own table. What it thinks of this one: the
# departments and kinds form a path, because a kind tells its department.

# %%
suggested = suggest_products(suggest(inspect_file(table)))
for name, target in suggested.targets.items():
    print(f"{name:10} {' > '.join(target.labels):20} {suggested.reasons[f'targets.{name}']}")

# %% [markdown]
# The network is small, for pictures of 28x28: two stages of convolutions, a bag of hashed words, a gate
# between the two.

# %%
config = ProductsConfig.model_validate(
    {
        "data": {
            "source": str(table),
            "columns": {
                "images": ["image"],
                "title": "text",
                "labels": {"department": "department", "kind": "kind", "mood": "mood"},
            },
        },
        "preprocess": {"height": 28, "width": 28, "channels": 1, "fit": "pad", "background": 0},
        "targets": {"category": {"labels": ["department", "kind"]}, "mood": {"labels": ["mood"]}},
        "picture": {"stem": 16, "stem_stride": 1, "widths": [32, 64], "depths": [1, 1]}
        | {"downsample": ["pool", "pool"]},
        "title": {"buckets": 8192, "width": 96, "hide": 0.3},
        "fusion": {"kind": "gated", "width": 96},
        "shared": {"width": 64},
        "augment": {"flip": "random", "pad": 2, "fill": 0},
        "train": {"epochs": 6, "batch_size": 128, "adamw_lr": 3e-3, "weight_decay": 0.05, "clip": 1.0}
        | {"warmup": 0.1, "evaluate_every": 0.5, "checkpoint_every": 25, "device": "cpu"},
    }
)
if SMALL:
    config = changed(config, {"train.epochs": 3, "train.checkpoint_every": 4}, where="here")
parts = load_products(config)
inputs = product_inputs(parts, config)
print(parts.count)
print(", ".join(f"{name} {len(part):,}" for name, part in parts.parts.items()), "products")

# %% [markdown]
# ## Training, interrupted
#
# Training hands out a record of every step to whoever watches. Here the watcher pulls the plug in the middle.
# What a run needs to go on lies in checkpoints: weights, optimizers and the place in the data; the random
# numbers of a step follow from its number alone. So a run that goes on ends with the same weights as one that
# was never interrupted. The checksums at the end say whether that is true.

# %%
losses = {"whole": {}, "interrupted": {}, "gone on": {}}
bundle = train_products(
    config,
    runs / "whole",
    inputs=inputs,
    watch=lambda w: losses["whole"].update({w.record.step: w.record.loss}),
)
steps = bundle.info["training"]["steps"]


def pull_the_plug(watch):
    losses["interrupted"][watch.record.step] = watch.record.loss
    if watch.record.step == 6 * steps // 10:
        raise KeyboardInterrupt


try:
    train_products(config, runs / "cut", inputs=inputs, watch=pull_the_plug)
except KeyboardInterrupt:
    print(f"interrupted after step {max(losses['interrupted'])} of {steps}")
print("left:", ", ".join(sorted(path.name for path in (runs / "cut" / "checkpoints").iterdir())))

resumed = train_products(
    config,
    runs / "cut",
    inputs=inputs,
    resume=True,
    watch=lambda w: losses["gone on"].update({w.record.step: w.record.loss}),
)
print(f"gone on from step {min(losses['gone on'])}")
for one in (bundle, resumed):
    print(one.meta.files["model.safetensors"])

# %% [markdown]
# Green is the run that was never interrupted, and the two halves of the other lie on it, step by step; the
# steps between the last checkpoint and the plug were walked twice.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
for (name, walked), width in zip(losses.items(), (5, 1.5, 1.5), strict=True):
    left.plot(
        list(walked), list(walked.values()), linewidth=width, alpha=0.35 if width > 2 else 1, label=name
    )
left.axvline(max(losses["interrupted"]), linestyle="--", color="black", linewidth=1)
left.set(xlabel="step", ylabel="loss, nats")
left.set_title("Loss of every step")
left.legend()
for name, style in (("whole", "o-"), ("cut", "x")):
    found = [record for record in read_journal(runs / name / "journal.jsonl") if "val_accuracy" in record]
    right.plot([r["epoch"] for r in found], [r["val_accuracy"] for r in found], style, label=name)
right.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
right.set(xlabel="epoch", ylabel="accuracy of the kind")
right.set_title("Validation, from all that is known")
right.legend(["never interrupted", "interrupted, gone on"], loc="lower right")
plt.show()

# %% [markdown]
# ## Every subset of what may be known
#
# One bundle, asked for the kind and the mood of the same products from the picture, from the text, and from
# both. Six in ten writers are pleased, and more a picture cannot know of moods; a text's first words often
# leave out what it is about. Each knows what the other does not. Lines are 95% intervals, over families.

# %%
test = parts.parts["test"]
predictor = ProductPredictor.load(bundle.path, threads=1)
measured = evaluate_products(predictor, test, part="test", source="constructed pairs")
figure, panels = plt.subplots(1, 2, figsize=(9, 2.6), sharex=True)
for axes, (target, by_subset) in zip(panels, measured["targets"].items(), strict=True):
    for place, figures in enumerate(by_subset.values()):
        accuracy = figures["accuracy"]
        low, high = accuracy["ci95"]
        axes.barh(place, accuracy["value"], color=f"C{place}")
        axes.plot([low, high], [place, place], color="black", linewidth=1)
        axes.text(0.02, place, f"{accuracy['value']:.0%}", va="center", color="white", fontsize=9)
    axes.set_yticks(range(len(by_subset)), [subset.replace("+", " + ") for subset in by_subset])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_title(f"{target}: {len(predictor.bundle.reading.targets[target].paths)} classes")
plt.show()

# %% [markdown]
# ## When something is missing
#
# Half of the work is to answer with less; the other half is to know that one has less. Below, the share of
# right answers beside the probability that the model gave them. Where the two agree, a threshold on the
# probability means the same whatever a product has. Each subset has a temperature of its own for that.
#
# In training every step asks every subset. On the right is a model that was always asked with both
# (`fusion.subsets = "dropout"`, nothing dropped) and has no shared space either, for which pictures and words
# are looked at one by one, too. It does not fall apart, because the gate leaves out what is absent, but it
# learned less from each part, for the two together were enough.

# %%
spoilt = changed(
    config, {"fusion.subsets": "dropout", "fusion.dropout": 0.0, "shared.loss": "none"}, where="here"
)
unready = train_products(spoilt, runs / "unready", inputs=inputs)
kinds = [path[-1] for path in predictor.bundle.reading.targets["category"].paths]
truth = np.array([kinds.index(kind) for kind in test.labels["kind"]])
figure, panels = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for axes, one, title in zip(
    panels, (bundle, unready), ("Asked in every subset", "Only ever asked with both"), strict=True
):
    asked = ask_subsets(ProductPredictor.load(one.path, threads=1), test).probabilities
    said = {subset: found["category"] for subset, found in asked.items()}
    right = [float((p.argmax(1) == truth).mean()) for p in said.values()]
    sure = [float(p.max(1).mean()) for p in said.values()]
    places = np.arange(len(said))
    for shift, values, label in ((-0.2, right, "right answers"), (0.2, sure, "mean probability given")):
        axes.bar_label(
            axes.bar(places + shift, values, 0.4, label=label), fmt=lambda v: f"{v:.0%}", fontsize=8
        )
    axes.set_xticks(places, [subset.replace("+", " + ") for subset in said])
    axes.set_title(title)
    axes.set(ylim=(0, 1.25), yticks=np.linspace(0, 1, 5))
panels[0].yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
panels[1].legend(loc="upper right", fontsize=8, ncols=2)
plt.show()

# %% [markdown]
# The same for one product, where words and picture together change the answer most:

# %%
asked = ask_subsets(predictor, test).probabilities
single = np.maximum(asked["picture"]["category"], asked["text"]["category"])
gain = (asked["picture+text"]["category"] - single)[np.arange(len(test)), truth]
chosen = int(gain.argmax())
figure, (picture, *panels) = plt.subplots(1, 4, figsize=(9, 2.4), width_ratios=(1, 1.2, 1.2, 1.2))
picture.imshow(test.pool[test.places[test.first[chosen]]][..., 0], cmap="gray")
picture.set(xticks=[], yticks=[])
picture.set_title(test.labels["kind"][chosen])
picture.set_xlabel(textwrap.fill(test.titles[chosen], 26), fontsize=7)
for axes, (subset, found) in zip(panels, asked.items(), strict=True):
    probabilities = found["category"][chosen]
    best = probabilities.argsort()[::-1][:4]
    colours = ["C0" if kinds[k] == test.labels["kind"][chosen] else "C4" for k in best]
    axes.barh(range(len(best)), probabilities[best], color=colours)
    axes.set_yticks(range(len(best)), [kinds[k] for k in best], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_title(subset.replace("+", " + "))
plt.show()

# %% [markdown]
# ## Ways of joining them
#
# Every strategy with the same towers, data and steps, and one seed: a third of the run above, so a
# look and no verdict. `shelfwise ablate` gives verdicts, over seeds and with intervals of paired differences.

# %%
strategies = ("picture", "text", "late", "concat", "gated", "cross_attention", "bottleneck")
scores = {}
for kind in strategies[4:5] if SMALL else strategies:
    few = changed(config, {"fusion.kind": kind, "train.epochs": 2}, where="here")
    trial = bundle if SMALL else train_products(few, runs / kind, inputs=inputs)
    *_, best = trial.info["validation"].values()  # from all that the strategy looks at
    scores[kind] = best | {"seconds": trial.info["training"]["seconds_train"]}
figure, panels = plt.subplots(1, 3, figsize=(9, 0.9 + 0.3 * len(scores)), sharey=True)
for axes, (key, title) in zip(
    panels, (("category", "kind, right"), ("mood", "mood, right"), ("seconds", "seconds")), strict=True
):
    values = [found[key] for found in scores.values()]
    colours = ["C4" if kind in ("picture", "text") else "C0" for kind in scores]
    show = (lambda v: f"{v:.1f}") if key == "seconds" else (lambda v: f"{v:.0%}")
    axes.bar_label(axes.barh(list(scores), values, color=colours), fmt=show, padding=3, fontsize=8)
    axes.set_xlim(0, 1.2 * max(values))
    axes.xaxis.set_major_formatter("{x:.0f}" if key == "seconds" else "{x:.0%}")
    axes.set_title(title)
panels[0].invert_yaxis()
plt.show()

# %% [markdown]
# ## Words that look for pictures
#
# Training also pulled each picture towards its own words. So words find pictures, by the cosine of two
# vectors; no label of a picture is looked at. The five test pictures nearest to words that no row has:

# %%
queries = [
    "a warm coat for the winter",
    "boots that pinch my toes",
    "a handbag with a chain",
    "jeans or trousers",
]
asking = replace(test.take(np.arange(len(queries))), titles=tuple(queries))
words, vectors = (
    ask_subsets(predictor, some).vectors[of] for some, of in ((asking, "text"), (test, "picture"))
)
nearest = (words @ vectors.T).argsort(1)[:, ::-1][:, :5]
figure, grid = plt.subplots(len(queries), 5, figsize=(7.5, 6.4))
for line, query, found in zip(grid, queries, nearest, strict=True):
    for axes, row in zip(line, found, strict=True):
        axes.imshow(test.pool[test.places[test.first[row]]][..., 0], cmap="gray")
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(test.labels["kind"][row], fontsize=7)
    line[0].set_ylabel(textwrap.fill(query, 16), rotation=0, ha="right", va="center", fontsize=9)
plt.show()
retrieval = measured["retrieval"]
own = retrieval["title_to_picture"]
print(f"a text finds its own picture among {own['pool']:,} in the first ten: {own['recall@10']['value']:.1%}")
if named := retrieval["name_to_picture"]:
    print(f"a class's bare name finds a picture of the class at once: {named['precision@1']:.0%}")

# %% [markdown]
# The first figure is low, and should be: a text was given to any picture of its kind, and nothing would
# tell one of them from the next. With real titles it is the figure to look at.
#
# ## What it costs

# %%
cost = bundle.info["training"]
size = sum(path.stat().st_size for path in bundle.path.iterdir() if path.is_file())
seconds = f"{cost['seconds_train']:.0f} s, {cost['cpu_seconds']:.0f} s of CPU time"
print(f"training: {cost['steps']} steps in {seconds},")
print(f"          {cost['steps'] * config.train.batch_size:,} products shown, {cost['threads']} threads")
print(f"bundle:   {size / 1e6:.1f} MB, and no torch to answer with")
asked = [Product(id=row["id"], images=(Picture(data=row["image"]),), title=row["text"]) for row in rows[:256]]
for modalities in [some for size in (1, 2) for some in combinations(("picture", "text"), size)]:
    left = {} if "picture" in modalities else {"images": ()}
    left |= {} if "text" in modalities else {"title": None}
    few = [product.model_copy(update=left) for product in asked]
    taken, rates = [], []
    for product in few[:60]:
        began = time.perf_counter()
        list(predictor.predict([product], Path()))
        taken.append(time.perf_counter() - began)
    for _ in range(5):
        began = time.perf_counter()
        list(predictor.predict(few, Path()))
        rates.append(len(few) / (time.perf_counter() - began))
    print(
        f"{' + '.join(modalities):15} {1000 * np.median(taken):5.1f} ms for one, "
        f"{max(rates):6,.0f}/s in batches, on one core"
    )

# %% [markdown]
# ## On a shop's own catalogue
#
# The same three commands, from a table to answers:
#
# ```console
# shelfwise data inspect products.csv          # writes products.toml, its guesses marked
# shelfwise train products.toml                # Ctrl-C and --resume as above
# shelfwise predict runs/products/bundle front.jpg --title "Puma men blue running shoe"
# ```
#
# Where `SHELFWISE_DATA` names a folder with a real catalogue, this is what the first of them finds in it:

# %%
real = Path(os.environ.get("SHELFWISE_DATA", "")) / "catalogue-224" / "products.csv"
if real.is_file():
    found = suggest_products(suggest(inspect_file(real)))
    for name, target in found.targets.items():
        print(f"{name:12} {' > '.join(target.labels)}")
else:
    print("SHELFWISE_DATA names no real catalogue here")
folder.cleanup()
