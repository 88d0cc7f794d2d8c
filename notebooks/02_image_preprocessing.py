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
# # 2. From a product photo to a batch
#
# A network wants arrays of one size. A shop has photos of every size. This notebook follows the pixels in
# between: preparing a photo, normalising, changing pictures at random, and dealing batches. It starts from
# what `01_data_exploration` kept, so run that one first.
#
# Pictures: drawn here, or Fashion-MNIST, Xiao, Rasul and Vollgraf
# ([arXiv:1708.07747](https://arxiv.org/abs/1708.07747)), MIT licence, Copyright © 2017 Zalando SE.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image, ImageDraw

from shelfwise.config import AugmentConfig, PreprocessConfig
from shelfwise.data import fashion_mnist
from shelfwise.data.preprocess import Preprocessor
from shelfwise.nn.augment import LEVELS, augment
from shelfwise.nn.loaders import MemoryLoader
from shelfwise.reports.page import figure_style
from shelfwise.store import ArtifactStore

plt.rcParams.update(figure_style("light") | {"figure.facecolor": "white", "savefig.facecolor": "white"})
ROWS = int(os.environ.get("SHELFWISE_NOTEBOOK_ROWS", "60000"))  # the tests take fewer
STORE = Path(os.environ.get("SHELFWISE_NOTEBOOK_STORE", "../results/notebooks"))

store = ArtifactStore(STORE)
pixels = store.read_json("fashion-mnist/pixels")
train = fashion_mnist.load("train")
train = train.take(np.arange(min(ROWS, len(train))))
print("kept by", store.info("fashion-mnist/pixels").producer, "->", pixels)

# %% [markdown]
# ## One photo, three ways to fit
#
# `pad` keeps the shape of the product and fills the rest with white; `stretch` fills the frame and bends the
# product; `fashion-mnist` follows that data set's own published preparation: trim, shrink, sharpen, centre,
# negate, grey. A model that was trained on Fashion-MNIST needs the last one. Given the photo any other way,
# it sees a world turned inside out.

# %%
photo = Image.new("RGB", (480, 640), "white")
draw = ImageDraw.Draw(photo)
shirt = [(150, 150), (205, 130), (275, 130), (330, 150), (430, 250), (385, 320), (335, 275), (335, 520)]
draw.polygon([*shirt, (145, 520), (145, 275), (95, 320), (50, 250)], fill=(186, 44, 52))
draw.ellipse((205, 100, 275, 160), fill="white")
draw.line([(145, 400), (335, 400)], fill=(240, 210, 120), width=26)
source = np.asarray(photo)

figure, grid = plt.subplots(1, 4, figsize=(8.5, 2.9), width_ratios=[1.15, 1, 1, 1])
grid[0].imshow(source)
grid[0].set_title("photo, 480 x 640", fontsize=9)
for axes, fit in zip(grid[1:], ("pad", "stretch", "fashion-mnist"), strict=True):
    ready = Preprocessor(PreprocessConfig(fit=fit)).picture(source)
    axes.imshow(ready[..., 0], cmap="gray", vmin=0, vmax=255)
    axes.set_title(f"{fit}, 28 x 28", fontsize=9)
for axes in grid:
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# A Fashion-MNIST picture passes through untouched, so one path serves both:

# %%
ready = Preprocessor(PreprocessConfig()).picture(train.images[0])
print("unchanged:", np.array_equal(ready, train.images[0]))

# %% [markdown]
# ## Normalisation
#
# The mean and the deviation come from every training pixel. The network holds them as buffers, so they
# travel with the weights and the ONNX file; nothing else in shelfwise normalises. After it, training pixels
# have mean 0 and deviation 1:

# %%
normalised = (train.images.astype(np.float32) / 255 - pixels["mean"][0]) / pixels["std"][0]
print(f"mean {normalised.mean(dtype=np.float64):+.5f}, deviation {normalised.std(dtype=np.float64):.5f}")

# %% [markdown]
# Why not estimate them from a batch? Because the estimate depends on the batch. Here are two hundred of
# them, 64 pictures each; the dashed line is the exact value.

# %%
random = np.random.default_rng(0)
picks = [random.choice(len(train), 64) for _ in range(200)]
estimates = [train.images[rows].mean() / 255 for rows in picks]
figure, axes = plt.subplots(figsize=(6.5, 2.4))
axes.hist(estimates, bins=30)
axes.axvline(pixels["mean"][0], linestyle="--", color="black")
axes.set(xlabel="mean pixel of a batch of 64", ylabel="batches")
axes.set_title(f"Batches say anything from {min(estimates):.3f} to {max(estimates):.3f}")
plt.show()

# %% [markdown]
# ## Augmentation
#
# Four levels, applied to whole uint8 batches. Each row below is one level on the same eight pictures.

# %%
chosen = [int(np.flatnonzero(train.labels == label)[0]) for label in (0, 1, 3, 5, 7, 8, 9, 2)]
batch = torch.from_numpy(train.images[chosen])
rows = torch.tensor(chosen)
figure, grid = plt.subplots(len(LEVELS), len(chosen), figsize=(8, 4.3))
for line, level in zip(grid, LEVELS, strict=True):
    config = AugmentConfig(level=level)
    changed = augment(batch, config, generator=torch.Generator().manual_seed(4), epoch=0, rows=rows)
    for axes, picture in zip(line, changed.numpy(), strict=True):
        axes.imshow(picture[..., 0], cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    line[0].set_ylabel(level, rotation=0, ha="right", va="center")
plt.show()

# %% [markdown]
# The same generator gives the same bytes, on the CPU, on a GPU and in the compiled kernel. That is what
# makes a resumed run equal to one that was never stopped.

# %%
twice = [
    augment(
        batch, AugmentConfig(level="heavy"), generator=torch.Generator().manual_seed(4), epoch=0, rows=rows
    )
    for _ in range(2)
]
print("same bytes:", torch.equal(*twice))

# %% [markdown]
# Mirroring is done by turns: with `alternating`, each picture is mirrored in every other epoch, so that two
# epochs show both sides of everything, and none twice
# ([arXiv:2404.00498](https://arxiv.org/abs/2404.00498), section 3.6).

# %%
figure, grid = plt.subplots(4, len(chosen), figsize=(8, 4.3))
for epoch, line in enumerate(grid):
    config = AugmentConfig(flip="alternating")
    changed = augment(batch, config, generator=torch.Generator().manual_seed(epoch), epoch=epoch, rows=rows)
    for axes, picture in zip(line, changed.numpy(), strict=True):
        axes.imshow(picture[..., 0], cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    line[0].set_ylabel(f"epoch {epoch}", rotation=0, ha="right", va="center")
plt.show()

# %% [markdown]
# What does augmentation ask of a model? To see through the blur below: the mean of 500 changed versions of
# one boot, level by level.

# %%
boot = torch.from_numpy(train.images[chosen[6]]).expand(500, -1, -1, -1)
figure, grid = plt.subplots(1, len(LEVELS), figsize=(7, 2.1))
for axes, level in zip(grid, LEVELS, strict=True):
    generator = torch.Generator().manual_seed(0)
    many = augment(boot, AugmentConfig(level=level), generator=generator, epoch=0, rows=torch.arange(500))
    axes.imshow(many.float().mean(0)[..., 0], cmap="gray", vmin=0, vmax=255)
    axes.set_title(level, fontsize=9)
    axes.set_axis_off()
plt.show()

# %% [markdown]
# ## Batches
#
# The order of batches is a function of the seed and the epoch, and nothing else. So a run that was stopped
# in the middle of an epoch asks for batch 3 and gets what it would have got.

# %%
loader = MemoryLoader(train, 64, seed=0, augment=AugmentConfig(level="medium", flip="alternating"))
whole = list(loader.batches(epoch=1))
resumed = next(iter(loader.batches(epoch=1, start=3)))
print(f"{len(loader)} batches an epoch; batch 3 again: {torch.equal(whole[3].pixels, resumed.pixels)}")

figure, axes = plt.subplots(figsize=(8, 2.1))
first = whole[0].pixels.numpy()[..., 0]
axes.imshow(first.reshape(4, 16, 28, 28).transpose(0, 2, 1, 3).reshape(4 * 28, 16 * 28), cmap="gray")
axes.set_axis_off()
axes.set_title("The first batch of epoch 1, as the network gets it: uint8, [64, 28, 28, 1]")
plt.show()
