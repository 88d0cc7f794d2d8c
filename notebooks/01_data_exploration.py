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
# # 1. What is in the data?
#
# Before anything is trained, look. Fashion-MNIST holds 70,000 product pictures in ten classes, made from a
# shop's catalogue. This notebook asks five plain questions of it: is it whole, is it balanced, what do the
# classes look like, what are the pixels like, and does the test set repeat the training set?
#
# Pictures: Fashion-MNIST, Xiao, Rasul and Vollgraf ([arXiv:1708.07747](https://arxiv.org/abs/1708.07747)),
# MIT licence, Copyright © 2017 Zalando SE.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa

from shelfwise.data import fashion_mnist
from shelfwise.data.duplicates import near_duplicates
from shelfwise.data.statistics import pixel_statistics
from shelfwise.reports.page import figure_style, plain_logarithm
from shelfwise.store import ArtifactStore

plt.rcParams.update(figure_style("light") | {"figure.facecolor": "white", "savefig.facecolor": "white"})
ROWS = int(os.environ.get("SHELFWISE_NOTEBOOK_ROWS", "60000"))  # the tests take fewer
STORE = Path(os.environ.get("SHELFWISE_NOTEBOOK_STORE", "../results/notebooks"))

# %% [markdown]
# ## Is it whole?
#
# `load` finds the four files, checks magic numbers, counts and the sha256 of their content, and refuses
# anything else by name.

# %%
train, test = fashion_mnist.load("train"), fashion_mnist.load("test")
train, test = train.take(np.arange(min(ROWS, len(train)))), test.take(np.arange(min(ROWS, len(test))))
print(f"training {train.images.shape}, test {test.images.shape}, {train.images.dtype}")
print(", ".join(train.classes))

# %% [markdown]
# ## Is it balanced?
#
# Yes, exactly. Accuracy is therefore a fair headline here. On a real catalogue it rarely is, which is why
# every report also gives the macro F1.

# %%
figure, axes = plt.subplots(figsize=(8, 2.8))
places = np.arange(10)
axes.bar(places - 0.2, train.class_counts, 0.4, label="training")
axes.bar(places + 0.2, test.class_counts, 0.4, label="test")
axes.set_xticks(places, train.classes, rotation=30, ha="right")
axes.set_ylabel("pictures")
axes.set_title("Pictures per class")
axes.legend(loc="upper right", bbox_to_anchor=(1, 1.15), ncols=2)
plt.show()

# %% [markdown]
# ## What do the classes look like?
#
# Twelve pictures of each class, as they come. Three things are worth noticing. The garments are centred and
# upright, so a model has little use for large rotations. Sneakers and boots nearly all point left, so a
# mirrored one is new to it. And the row of shirts looks like the rows of T-shirts, pullovers and coats.

# %%
figure, grid = plt.subplots(10, 12, figsize=(8, 6.8))
for label, line in enumerate(grid):
    for axes, row in zip(line, np.flatnonzero(train.labels == label), strict=False):
        axes.imshow(train.images[row, :, :, 0], cmap="gray")
    for axes in line:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    line[0].set_ylabel(train.classes[label], rotation=0, ha="right", va="center", fontsize=9)
figure.suptitle("Training pictures by class", x=0.02, ha="left", fontsize=11)
plt.show()

# %% [markdown]
# The mean picture of a class says what its members share; where it is sharp, they agree. Trousers agree.
# Bags and sandals do not.

# %%
means = np.stack([train.images[train.labels == label].mean(axis=0)[..., 0] for label in range(10)])
figure, grid = plt.subplots(2, 5, figsize=(8, 3.6))
for axes, mean, name in zip(grid.flat, means, train.classes, strict=True):
    axes.imshow(mean, cmap="gray", vmin=0, vmax=255)
    axes.set_title(name, fontsize=9)
    axes.set_axis_off()
plt.show()

# %% [markdown]
# How far do the means alone go? Give each test picture the class of the nearest mean picture. It is a
# baseline of ten templates: anything that is trained has to beat it, and its mistakes show which classes
# are hard before any network is involved.

# %%
flat, templates = test.images.reshape(len(test), -1).astype(np.float32), means.reshape(10, -1)
distance = (flat**2).sum(1)[:, None] - 2 * flat @ templates.T + (templates**2).sum(1)
guess = distance.argmin(1)
accuracy = float((guess == test.labels).mean())
confusion = np.zeros((10, 10))
np.add.at(confusion, (test.labels, guess), 1)
confusion /= np.maximum(confusion.sum(1, keepdims=True), 1)

figure, axes = plt.subplots(figsize=(6, 5))
shown = axes.imshow(confusion, cmap="Greens", vmin=0, vmax=1)
for true in range(10):
    for said in range(10):
        if confusion[true, said] >= 0.05:
            ink = "white" if confusion[true, said] > 0.6 else "black"
            axes.text(
                said, true, f"{confusion[true, said]:.0%}", ha="center", va="center", fontsize=8, color=ink
            )
axes.set_xticks(range(10), test.classes, rotation=40, ha="right")
axes.set_yticks(range(10), test.classes)
axes.set(xlabel="nearest mean picture", ylabel="class")
axes.spines[:].set_visible(False)
axes.set_title(f"Ten templates are right on {accuracy:.1%} of the test set")
plt.show()

# %% [markdown]
# Shirts are the hard class, and footwear is only ever taken for other footwear. A trained model makes the
# same mistakes, only fewer.

# %% [markdown]
# ## What are the pixels like?
#
# Half of all pixels are exactly 0: background. The statistics are exact, over every training pixel in one
# pass, not an average over batches; the model keeps them, so training and prediction cannot disagree.

# %%
statistics = pixel_statistics([train.images])
per_class = [pixel_statistics([train.images[train.labels == label]]) for label in range(10)]
print(f"mean {statistics.mean[0]:.4f}, standard deviation {statistics.std[0]:.4f} (pixels as 0..1)")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
counts = np.bincount(train.images.ravel(), minlength=256) / train.images.size
left.bar(np.arange(256), counts, width=1)
plain_logarithm(left.yaxis)
left.set(xlabel="pixel value", ylabel="share of pixels")
left.set_title(f"{counts[0]:.0%} of the pixels are 0")
right.errorbar(
    [each.mean[0] for each in per_class], places, xerr=[each.std[0] for each in per_class], fmt="o"
)
right.set_yticks(places, train.classes)
right.invert_yaxis()
right.set_xlabel("mean pixel, one deviation either way")
right.set_title("Pullovers and coats are bright, sandals sparse")
plt.show()

# %% [markdown]
# ## Does the test set repeat the training set?
#
# A picture that is in both is a question with its answer attached. Two pictures count as near-identical if
# their 256-bit difference hashes differ in a few bits only and their pixels agree.

# %%
twins = near_duplicates(train.images, test.images)
agree = train.labels[twins[:, 0]] == test.labels[twins[:, 1]]
touched = len(np.unique(twins[:, 1]))
print(f"{len(twins)} pairs; {touched} of {len(test)} test pictures have a near-twin in training")
print(f"{(~agree).sum()} of the pairs have two different labels")

# %%
shown = twins[:8]
if len(shown):
    figure, grid = plt.subplots(2, len(shown), figsize=(1.15 * len(shown), 2.9), squeeze=False)
    for column, (a, b) in enumerate(shown):
        for axes, data, row, part in (
            (grid[0, column], train, a, "training"),
            (grid[1, column], test, b, "test"),
        ):
            axes.imshow(data.images[row, :, :, 0], cmap="gray")
            axes.set_title(f"{part}\n{data.classes[data.labels[row]]}", fontsize=8, loc="center")
            axes.set_axis_off()
    plt.show()

# %% [markdown]
# A handful in ten thousand: too few to move the accuracy by a tenth of a point. The evaluation counts them
# all the same and gives the accuracy without them, because a shop's own catalogue is another matter. There
# titles recur and photos are used again, which is why shelfwise splits by product family and never by row.
#
# ## Keep what was found
#
# The next notebook starts from these. The store keeps each with its producer, time, shape and sha256.

# %%
store = ArtifactStore(STORE)
producer = "notebooks/01_data_exploration"
store.write_array("fashion-mnist/class-means", means.astype(np.float32), producer=producer, overwrite=True)
store.write_table(
    "fashion-mnist/class-statistics",
    pa.table(
        {
            "class": list(train.classes),
            "rows": train.class_counts.tolist(),
            "mean": [float(each.mean[0]) for each in per_class],
            "std": [float(each.std[0]) for each in per_class],
        }
    ),
    producer=producer,
    overwrite=True,
)
store.write_json(
    "fashion-mnist/pixels",
    {"mean": statistics.mean.tolist(), "std": statistics.std.tolist(), "template_accuracy": accuracy},
    producer=producer,
    overwrite=True,
)
for artifact in store.artifacts():
    print(f"{artifact.name:32} {artifact.kind:6} {artifact.shape!s:14} {artifact.sha256[:12]}")
