"""Rows of small pictures on one labelled sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

_CELL = 96  # smallest side of a picture on the sheet, in pixels; small ones are enlarged in whole steps
_GAP, _MARGIN, _LABEL, _TITLE = 6, 18, 92, 46
_PAPER, _INK, _FAINT = (232, 232, 228), (32, 33, 36), (92, 94, 100)


def contact_sheet(
    title: str, rows: Sequence[tuple[str, UInt8[ndarray, "P H W C"]]], *, note: str = ""
) -> Image.Image:
    """One line of pictures for each (label, pictures), under a title; the first row is set apart."""
    _, height, width, _ = rows[0][1].shape
    scale = max(1, -(-_CELL // max(height, width)))
    step_x, step_y = width * scale + _GAP, height * scale + _GAP
    columns = max(len(pictures) for _, pictures in rows)
    head = _TITLE + (20 if note else 0)
    size = (
        max(_MARGIN * 2 + _LABEL + columns * step_x - _GAP, 420),
        _MARGIN * 2 + head + len(rows) * step_y + 2 * _GAP,
    )
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _MARGIN), title, _INK, ImageFont.load_default(20))
    pen.text((_MARGIN, _MARGIN + 28), note, _FAINT, ImageFont.load_default(13))
    top = _MARGIN + head
    for number, (label, pictures) in enumerate(rows):
        middle = top + step_y // 2 - 8
        pen.text((_MARGIN, middle), label, _INK if number == 0 else _FAINT, ImageFont.load_default(13))
        for column, picture in enumerate(pictures):
            sheet.paste(_enlarged(picture, scale), (_MARGIN + _LABEL + column * step_x, top))
        top += step_y
        if number == 0:
            pen.line([(_MARGIN, top + _GAP // 2), (size[0] - _MARGIN, top + _GAP // 2)], (196, 196, 190))
            top += 2 * _GAP
    return sheet


def _enlarged(picture: UInt8[ndarray, "H W C"], scale: int) -> Image.Image:
    image = Image.fromarray(np.squeeze(picture, 2) if picture.shape[2] == 1 else picture).convert("RGB")
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
