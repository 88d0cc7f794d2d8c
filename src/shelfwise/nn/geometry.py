"""Moving, blurring and erasing pictures: integer arithmetic on whole uint8 batches, one path for CPU and GPU.

B, H, W, C: pictures, height, width, channels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int32, UInt8
from torch import Tensor

ONE = 1 << 16
"""One pixel in the fixed-point numbers of a map."""
PIECE = 1 << 16
"""Values that the CPU warps at once; larger batches leave the cache and take 1.4 times as long."""


def compose(
    affine: Int32[Tensor, "N 6"],
    flip: Bool[Tensor, "N"] | None,
    shift: Int32[Tensor, "N 2"] | None,
    *,
    width: int,
) -> Int32[Tensor, "N 6"]:
    """The map that shifts, flips and then follows `affine`: one map in place of three."""
    a, b, c, d, e, f = affine.unbind(1)
    if flip is not None:
        c = torch.where(flip, c + a * (width - 1), c)
        f = torch.where(flip, f + d * (width - 1), f)
        a = torch.where(flip, -a, a)
        d = torch.where(flip, -d, d)
    if shift is not None:
        dy, dx = shift.unbind(1)
        c = c + a * dx + b * dy
        f = f + d * dx + e * dy
    return torch.stack([a, b, c, d, e, f], 1)


def shift_and_flip(
    pixels: UInt8[Tensor, "B H W C"],
    shift: Int32[Tensor, "B 2"] | None,
    flip: Bool[Tensor, "B"] | None,
    fill: int,
) -> UInt8[Tensor, "B H W C"]:
    """Pictures moved by whole pixels (source = output + shift) after the chosen ones are turned over."""
    if not len(pixels):
        return pixels.clone()
    if flip is not None:
        chosen = flip.nonzero()[:, 0].to(pixels.device)
        pixels = pixels.index_copy(0, chosen, pixels.index_select(0, chosen).flip(2))
    if shift is None:
        return pixels.clone() if flip is None else pixels
    b, h, w, c = pixels.shape
    pad = max(1, int(shift.abs().max()))
    hp, wp = h + 2 * pad, w + 2 * pad
    padded = pixels.new_full((b, hp, wp, c), fill)
    padded[:, pad : pad + h, pad : pad + w] = pixels
    # A crop is one run of bytes in the padded picture: B copies instead of B H W C look-ups.
    run = ((h - 1) * wp + w) * c
    runs = padded.as_strided((padded.numel() - run + 1, run), (1, 1))
    first = torch.arange(b, dtype=torch.int32) * (hp * wp * c)
    first += ((shift[:, 0] + pad) * wp + shift[:, 1] + pad) * c
    crops = runs.index_select(0, first.to(pixels.device))
    return crops.as_strided((b, h, w, c), (run, wp * c, c, 1)).contiguous()


def warp(
    pixels: UInt8[Tensor, "B H W C"], affine: Int32[Tensor, "B 6"], fill: int
) -> UInt8[Tensor, "B H W C"]:
    """Pictures sampled along `affine` with bilinear weights of 8 bits; outside there is `fill`.

    Within 2 of 255 of bilinear interpolation in real numbers."""
    step = max(1, PIECE // max(1, pixels[:1].numel()))
    if pixels.device.type != "cpu" or len(pixels) <= step:
        return _warp(pixels, affine, fill)
    pieces = zip(pixels.split(step), affine.split(step), strict=True)
    return torch.cat([_warp(some, maps, fill) for some, maps in pieces])


def _warp(
    pixels: UInt8[Tensor, "B H W C"], affine: Int32[Tensor, "B 6"], fill: int
) -> UInt8[Tensor, "B H W C"]:
    b, h, w, c = pixels.shape
    hp, wp = h + 2, w + 2  # a border of fill on every side
    taps = _taps(pixels, fill)
    sx, sy = _positions(affine.to(pixels.device), h, w)
    sx.clamp_(0, (wp - 1) * ONE)
    sy.clamp_(0, (hp - 1) * ONE)
    start = torch.arange(b, dtype=torch.int32, device=pixels.device).view(b, 1, 1) * (hp * wp)
    index = (sx >> 16).add_(sy >> 16, alpha=wp).add_(start)
    four = taps.index_select(0, index.view(-1)).view(b, h, w, c)
    wx = (sx >> 8).bitwise_and_(255).unsqueeze(3)
    wy = (sy >> 8).bitwise_and_(255).unsqueeze(3)
    # Upper and lower row are mixed at once, in the two halves of an int32: 256 times the mean of each.
    left, right = four & 0x00FF00FF, (four >> 8).bitwise_and_(0x00FF00FF)
    both = right.sub_(left).mul_(wx).add_(left, alpha=256)
    upper, lower = both & 0xFFFF, (both >> 16).bitwise_and_(0xFFFF)
    mean = lower.sub_(upper).mul_(wy).add_(upper, alpha=256).add_(1 << 15)
    return (mean >> 16).to(torch.uint8)


def _positions(m: Int32[Tensor, "B 6"], h: int, w: int) -> tuple[Tensor, "Tensor"]:
    """Where each output pixel comes from, x and y, in the batch with a border of one pixel."""
    x = torch.arange(w, dtype=torch.int32, device=m.device)
    y = torch.arange(h, dtype=torch.int32, device=m.device).view(h, 1)
    a, b, c, d, e, f = m.view(-1, 6, 1, 1).unbind(1)
    return (a * x + (c + ONE)) + b * y, (d * x + (f + ONE)) + e * y


def _taps(pixels: UInt8[Tensor, "B H W C"], fill: int) -> Int32[Tensor, "..."]:
    """For every pixel of the bordered batch, it and its neighbours right, below and both in one int32.

    One look-up then fetches all four. In the last column and row neighbours are wrong; their weight is 0."""
    b, h, w, c = pixels.shape
    n, below = b * (h + 2) * (w + 2) * c, (w + 2) * c
    flat = pixels.new_full((n + below + c,), fill)
    flat[:n].view(b, h + 2, w + 2, c)[:, 1:-1, 1:-1] = pixels
    wide = flat.to(torch.int32)
    pair = wide[:-c].add(wide[c:], alpha=1 << 8)
    taps = pair[:n].add(pair[below:], alpha=1 << 16)
    return taps if c == 1 else taps.view(-1, c)


def blur_(pixels: UInt8[Tensor, "B H W C"], chosen: Bool[Tensor, "B"]) -> UInt8[Tensor, "B H W C"]:
    """Blur the chosen pictures in place: 3x3 binomial (1 2 1 | 2 4 2 | 1 2 1) / 16, edges repeated."""
    which = chosen.nonzero()[:, 0].to(pixels.device)
    some = pixels.index_select(0, which).to(torch.int16)
    for dim in (1, 2):
        n = some.shape[dim]
        before = torch.cat([some.narrow(dim, 0, 1), some.narrow(dim, 0, n - 1)], dim)
        after = torch.cat([some.narrow(dim, 1, n - 1), some.narrow(dim, n - 1, 1)], dim)
        some = before + 2 * some + after
    return pixels.index_copy_(0, which, ((some + 8) >> 4).to(torch.uint8))


def erase_(
    pixels: UInt8[Tensor, "B H W C"], box: Int32[Tensor, "B 4"], fill: int
) -> UInt8[Tensor, "B H W C"]:
    """Set `box` (top, left, bottom, right) of each picture to `fill` in place; an empty box is no change."""
    which = (box[:, 2] > 0).nonzero()[:, 0]
    top, left, bottom, right = box.index_select(0, which).to(pixels.device).unsqueeze(2).unbind(1)
    which = which.to(pixels.device)
    y = torch.arange(pixels.shape[1], dtype=torch.int32, device=pixels.device)
    x = torch.arange(pixels.shape[2], dtype=torch.int32, device=pixels.device)
    rows = ((y >= top) & (y < bottom)).to(torch.uint8)
    columns = ((x >= left) & (x < right)).to(torch.uint8)
    inside = (rows.unsqueeze(2) * columns.unsqueeze(1)).unsqueeze(3)
    # Products in uint8 are several times as fast as masked_fill or where.
    some = pixels.index_select(0, which).mul_(1 - inside).add_(inside, alpha=fill)
    return pixels.index_copy_(0, which, some)
