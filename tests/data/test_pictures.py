"""Pictures: each odd mode is converted and named, each bad file refused by kind, whatever the bytes."""

from __future__ import annotations

import io
import struct
import threading
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from drawn import draw_garment
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from shelfwise.data import pictures
from shelfwise.data.pictures import decode
from shelfwise.errors import PictureError


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def kind_of(source: bytes | Path, **options: int) -> str:
    with pytest.raises(PictureError) as caught:
        decode(source, **options)
    return caught.value.kind


GARMENT = draw_garment("shirt", 1, 48)
JPEG = encoded(GARMENT, "JPEG", quality=90)
CUT_OUT = GARMENT.convert("RGBA")
CUT_OUT.putalpha(GARMENT.convert("L").point([255] * 250 + [0] * 6))


def test_a_plain_png_comes_back_exactly() -> None:
    done = decode(encoded(GARMENT))
    assert np.array_equal(done.pixels, np.asarray(GARMENT))
    assert (done.mode, done.warnings, done.size) == ("RGB", (), (48, 48))


def test_grey_stays_one_channel() -> None:
    done = decode(encoded(GARMENT.convert("L")))
    assert done.pixels.shape == (48, 48, 1)
    assert done.warnings == ()
    assert decode(encoded(GARMENT.convert("1"))).pixels.shape == (48, 48, 1)


@pytest.mark.parametrize(
    ("image", "form", "expected"),
    [
        (GARMENT.convert("CMYK"), "JPEG", "cmyk"),
        (GARMENT.convert("CMYK"), "TIFF", "cmyk"),
        (GARMENT.convert("P"), "PNG", "palette"),
        (GARMENT.convert("P"), "GIF", "palette"),
        (GARMENT.convert("RGBA"), "PNG", "alpha"),
        (CUT_OUT, "WEBP", "alpha"),
        (GARMENT.convert("LA"), "PNG", "alpha"),
        (GARMENT.convert("YCbCr"), "TIFF", "colour_space"),
    ],
)
def test_odd_modes_are_converted_and_named(image: Image.Image, form: str, expected: str) -> None:
    done = decode(encoded(image, form))
    assert expected in done.warnings
    channels = 1 if image.mode == "LA" else 3
    assert done.pixels.shape == (48, 48, channels)
    reference = np.asarray(GARMENT.convert("L" if channels == 1 else "RGB")).reshape(48, 48, channels)
    assert np.abs(done.pixels.astype(int) - reference).mean() < 12


def test_transparent_pixels_become_white() -> None:
    layers = Image.new("RGBA", (10, 10), (200, 0, 0, 0))
    layers.putpixel((0, 0), (200, 0, 0, 255))
    pixels = decode(encoded(layers)).pixels
    assert pixels[0, 0].tolist() == [200, 0, 0]
    assert (pixels[1:] == 255).all()


def test_a_transparent_colour_of_a_palette_becomes_white() -> None:
    image = Image.new("P", (10, 10), 0)
    image.putpalette([0, 0, 0, 250, 10, 10] + [0] * 762)
    image.putpixel((3, 3), 1)
    done = decode(encoded(image, "PNG", transparency=0))
    assert done.warnings == ("palette", "alpha")
    assert done.pixels[0, 0].tolist() == [255, 255, 255]
    assert done.pixels[3, 3].tolist() == [250, 10, 10]


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    done = decode(encoded(Image.fromarray(ramp)))
    assert done.warnings == ("16_bit",)
    assert np.array_equal(done.pixels[:, :, 0], np.arange(256).reshape(16, 16))
    assert np.array_equal(decode(encoded(Image.fromarray(ramp), "TIFF")).pixels, done.pixels)


def test_wider_than_sixteen_bits_and_fractions_are_scaled_too() -> None:
    whole = Image.fromarray(np.linspace(0, 2**31 - 1, 256).astype(np.int32).reshape(16, 16))
    assert decode(encoded(whole, "TIFF")).pixels.max() == 255
    fractions = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    fractions[0, 0] = np.nan
    done = decode(encoded(Image.fromarray(fractions), "TIFF"))
    assert done.warnings == ("16_bit",)
    assert (done.pixels[0, 0, 0], done.pixels[-1, -1, 0]) == (0, 255)


def whole_at_once(values: np.ndarray) -> np.ndarray:
    """What `16_bit` means: by the full range of the format, rounded."""
    wide = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    peak = float(wide.max(initial=0.0))
    of_format = 65535.0 if peak <= 65535 else 2.0**31 - 1
    full = max(1.0, peak) if values.dtype.kind == "f" else of_format
    return np.rint(np.clip(wide / full, 0.0, 1.0) * 255.0).astype(np.uint8)


@pytest.mark.parametrize("kind", ["every 16 bits", "31 bits", "16 bits in 31", "below 0", "to 1", "above 1"])
@pytest.mark.parametrize("strip", [2**18, 1000, 1])
def test_wide_pictures_are_the_same_strip_by_strip(
    kind: str, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_STRIP", strip)
    random = np.random.default_rng(0)
    values = {
        "every 16 bits": np.arange(2**16, dtype=np.uint16).reshape(64, 1024),
        "31 bits": random.integers(-(2**31), 2**31 - 1, (67, 41)).astype(np.int32),
        "16 bits in 31": random.integers(0, 2**16, (67, 41)).astype(np.int32),
        "below 0": -random.integers(0, 2**31 - 1, (67, 41)).astype(np.int32),
        "to 1": random.uniform(-0.5, 1, (67, 41)).astype(np.float32),
        "above 1": random.normal(0, 1e6, (67, 41)).astype(np.float32),
    }[kind]
    if values.dtype.kind == "f":
        values[3, :3] = (np.nan, np.inf, -np.inf)
    for form in ("PNG", "TIFF") if kind == "every 16 bits" else ("TIFF",):
        done = decode(encoded(Image.fromarray(values), form))
        assert np.array_equal(done.pixels[:, :, 0], whole_at_once(values))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_alpha_is_the_same_strip_by_strip(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = np.random.default_rng(0).integers(0, 256, (67, 41, 4), np.uint8)
    image = Image.fromarray(layers)
    image = image.quantize(16) if mode in ("P", "PA") else image.convert(mode)
    data = encoded(image, "PNG") if mode != "PA" else encoded(image.convert("PA"), "TIFF")
    at_once = decode(data)
    assert "alpha" in at_once.warnings
    monkeypatch.setattr(pictures, "_STRIP", 100)
    assert np.array_equal(decode(data).pixels, at_once.pixels)


@pytest.mark.parametrize(("mode", "bytes_each"), [("I;16", 5), ("I", 7), ("F", 7)])
def test_a_wide_picture_takes_little_more_memory_than_its_pixels(mode: str, bytes_each: int) -> None:
    data = encoded(Image.new(mode, (2000, 2000), 1), "TIFF", compression="tiff_deflate")
    tracemalloc.start()
    decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < bytes_each * 2000 * 2000 + 20 * 2**18  # Pillow's own memory is not traced


def test_a_sixteen_bit_colour_png_is_named() -> None:
    row = b"\0" + b"\xff\xff\x80\x00\x00\x00" * 8

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 8))
    done = decode(data + chunk(b"IEND", b""))
    assert done.warnings == ("16_bit",)
    assert done.pixels[0, 0].tolist() == [255, 128, 0]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_the_camera_was_held(form: str, orientation: int) -> None:
    image = Image.new("RGB", (24, 16), "white")
    image.paste((255, 0, 0), (0, 0, 12, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    done = decode(encoded(image, form, exif=exif))
    with Image.open(io.BytesIO(encoded(image, "PNG", exif=exif))) as plain:
        from PIL import ImageOps

        upright = np.asarray(ImageOps.exif_transpose(plain))
    assert done.pixels.shape == upright.shape
    assert np.abs(done.pixels.astype(int) - upright).mean() < 12
    assert ("exif_rotated" in done.warnings) == (orientation != 1)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if form == "WEBP" else {}
        done = decode(encoded(frames[0], form, save_all=True, append_images=frames[1:], **options))
        assert "animated" in done.warnings
        assert done.pixels[8, 8].tolist() == [255, 0, 0]


def test_two_phone_pictures_in_one_file_are_no_animation() -> None:
    other = draw_garment("bag", 2, 48)
    done = decode(encoded(GARMENT, "MPO", save_all=True, append_images=[other]))
    assert done.warnings == ()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_file_cut_at_half_is_truncated(form: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, form)
    assert kind_of(data[: len(data) // 2]) == "picture_truncated"


def test_a_truncated_file_is_refused_even_where_the_process_tells_pillow_to_accept_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert kind_of(JPEG[: len(JPEG) // 2]) == "picture_truncated"
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_damaged_content_is_corrupt() -> None:
    data = bytearray(encoded(GARMENT))
    data[60:120] = b"\x55" * 60
    assert kind_of(bytes(data)) == "picture_corrupt"
    assert kind_of(b"\xff\xd8\xff" + b"\0" * 50 + b"\xff\xd9") == "picture_corrupt"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"),
        (b"\xef\xbb\xbf \n<HTML>", "HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b'{"error": "forbidden"}', "JSON"),
        (b"plain words", "known format"),
    ],
)
def test_what_is_not_a_picture_is_called_what_it_is(tmp_path: Path, data: bytes, word: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=word) as caught:
        decode(path)
    assert caught.value.kind == "not_a_picture"


def test_small_empty_and_missing_files_have_their_own_kinds(tmp_path: Path) -> None:
    assert kind_of(encoded(Image.new("RGB", (7, 40)))) == "picture_too_small"
    assert kind_of(b"") == "picture_empty"
    (tmp_path / "empty.png").touch()
    assert kind_of(tmp_path / "empty.png") == "picture_empty"
    assert kind_of(tmp_path / "none.png") == "picture_missing"
    assert kind_of(tmp_path) == "picture_missing"
    assert kind_of(Path("/dev/zero")) == "picture_missing"
    assert kind_of(tmp_path / "empty.png" / "below.png") == "picture_missing"
    assert kind_of(Path("nul\0byte.png")) == "picture_missing"
    assert kind_of(tmp_path / ("n" * 300)) == "picture_missing"


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    """A header that claims 60,000 x 60,000 pixels, with nothing behind it."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    assert kind_of(data) == "picture_too_large"


def test_the_pixel_limit_is_the_callers() -> None:
    data = encoded(Image.new("RGB", (100, 100)))
    assert decode(data, max_pixels=10_000).size == (100, 100)
    assert kind_of(data, max_pixels=9_999) == "picture_too_large"


def test_a_file_far_larger_than_its_pixels_allow_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "padded.png"
    path.write_bytes(encoded(GARMENT) + b"\0" * (2 << 20))
    assert kind_of(path, max_pixels=10_000) == "picture_too_large"
    assert kind_of(path.read_bytes(), max_pixels=10_000) == "picture_too_large"


def test_no_memory_is_a_picture_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    assert kind_of(encoded(GARMENT)) == "picture_too_large"


def test_a_target_size_decodes_a_large_jpeg_smaller_but_never_below_it() -> None:
    data = encoded(draw_garment("bag", 3, (400, 300)), "JPEG")
    done = decode(data, target_side=70)
    assert done.pixels.shape == (75, 100, 3)
    assert done.size == (400, 300)
    whole = Image.fromarray(decode(data).pixels).resize((100, 75), Image.Resampling.BOX)
    assert np.abs(done.pixels.astype(int) - np.asarray(whole)).mean() < 3
    assert kind_of(encoded(Image.new("RGB", (7, 800)), "JPEG"), target_side=8) == "picture_too_small"


def test_pillows_warnings_stay_inside_and_filters_come_back() -> None:
    """A palette with transparency as bytes makes Pillow warn; warnings are errors in the tests."""
    image = GARMENT.convert("P")
    before = list(warnings.filters)
    decode(encoded(image, "PNG", transparency=bytes(range(256))))
    assert list(warnings.filters) == before


def test_many_threads_decode_alike_and_leave_the_filters_alone() -> None:
    before = list(warnings.filters)
    gate = threading.Barrier(4)

    def work(worker: int) -> int:
        gate.wait()
        total = 0
        for i in range(30):
            if (i + worker) % 3:
                total += int(decode(JPEG).pixels.sum())
            else:
                assert kind_of(JPEG[:300]) == "picture_truncated"
        return total

    with ThreadPoolExecutor(4) as pool:
        totals = list(pool.map(work, [0, 3, 6, 9]))
    assert len(set(totals)) == 1
    assert list(warnings.filters) == before


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_a_picture_or_a_picture_error(data: bytes) -> None:
    try:
        done = decode(data)
    except PictureError:
        return
    assert done.pixels.dtype == np.uint8


SEEDS = [
    JPEG,
    encoded(GARMENT),
    encoded(GARMENT.convert("P"), "GIF"),
    encoded(GARMENT, "TIFF"),
    encoded(GARMENT, "WEBP"),
    encoded(GARMENT, "BMP"),
    encoded(GARMENT, "PPM"),
]


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=12),
    st.one_of(st.none(), st.integers(0, 5_000)),
)
def test_a_mutated_picture_decodes_or_is_a_picture_error(
    seed: bytes, changes: list[tuple[int, int]], cut: int | None
) -> None:
    data = bytearray(seed)
    for position, value in changes:
        data[position % len(data)] = value
    try:
        done = decode(bytes(data[:cut]), max_pixels=1_000_000)
    except PictureError:
        return
    assert done.pixels.shape[2] in (1, 3)
    assert min(done.pixels.shape[:2]) >= 8
