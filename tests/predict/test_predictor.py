"""The one inference path: the same numbers from both backends, and an answer or a reason for any picture."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from drawn import draw_garment
from PIL import Image

from shelfwise.bundle import Bundle, write_bundle
from shelfwise.decide.temperature import apply_temperature
from shelfwise.errors import BundleError, MissingExtraError
from shelfwise.predict import Predictor
from shelfwise.predict.predictor import CHUNK
from shelfwise.schema import Picture, Prediction, Product

Draw = Callable[..., Any]


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor.load(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def pixels(drawn_pictures: Draw) -> np.ndarray:
    images: np.ndarray = drawn_pictures(40, seed=5000).images
    noise = np.random.default_rng(0).integers(0, 256, (24, 28, 28, 1), dtype=np.uint8)
    return np.concatenate([images, noise])


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def product(content: bytes | str, id: str = "x") -> Product:
    """A product with one picture, as bytes or as a path."""
    picture = Picture(path=content) if isinstance(content, str) else Picture(data=content)
    return Product(id=id, images=(picture,))


def odd_pictures() -> dict[str, tuple[bytes, str | None]]:
    """Encoded pictures of every odd sort, with the warning that each one brings."""
    shoe = draw_garment("shoe", 7, (90, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.asarray(shoe.convert("L"), dtype=np.uint16) * 257)
    other = draw_garment("bag", 7, (90, 60))
    return {
        "plain": (encoded(shoe), None),
        "grey": (encoded(shoe.convert("L")), None),
        "wide": (encoded(draw_garment("shoe", 7, (700, 9))), None),
        "tall": (encoded(draw_garment("shoe", 7, (8, 500))), None),
        "cmyk": (encoded(shoe.convert("CMYK"), "JPEG"), "cmyk"),
        "16 bit": (encoded(deep), "16_bit"),
        "palette": (encoded(shoe.convert("P")), "palette"),
        "alpha": (encoded(shoe.convert("RGBA")), "alpha"),
        "rotated": (encoded(shoe, "JPEG", exif=exif), "exif_rotated"),
        "animated": (encoded(shoe, "GIF", save_all=True, append_images=[other]), "animated"),
        "webp": (encoded(shoe, "WEBP"), None),
        "bmp": (encoded(shoe, "BMP"), None),
    }


def test_onnx_and_torch_agree(tiny_bundle: Path, predictor: Predictor, pixels: np.ndarray) -> None:
    torch = Predictor.load(tiny_bundle, backend="torch")
    assert np.abs(predictor.probabilities(pixels) - torch.probabilities(pixels)).max() <= 1e-4
    assert np.abs(predictor.embed_pictures(pixels) - torch.embed_pictures(pixels)).max() <= 1e-4
    texts = ["a shoe", "", "ein Täschchen aus rotem Leinen", "x" * 3000]
    assert np.abs(predictor.embed_texts(texts) - torch.embed_texts(texts)).max() <= 1e-4


def test_probabilities_sum_to_one_and_use_the_temperature(
    tiny_bundle: Path, pixels: np.ndarray, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    value = json.loads((folder / "bundle.json").read_text())
    value["temperature"] = 3.0
    (folder / "bundle.json").write_text(json.dumps(value))
    predictor = Predictor.load(folder, threads=1)
    probabilities = predictor.probabilities(pixels)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    assert np.allclose(probabilities, apply_temperature(predictor.logits(pixels), 3.0), atol=1e-6)
    assert not np.allclose(probabilities, apply_temperature(predictor.logits(pixels), 1.0), atol=1e-3)


def test_vectors_are_unit_length_in_one_space(predictor: Predictor, pixels: np.ndarray) -> None:
    pictures, texts = predictor.embed_pictures(pixels), predictor.embed_texts(["a bag", "a shoe"])
    assert pictures.shape[1] == texts.shape[1]
    for vectors in (pictures, texts):
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)


def test_nothing_in_nothing_out(predictor: Predictor) -> None:
    none = np.zeros((0, 28, 28, 1), np.uint8)
    width = predictor.embed_texts(["a bag"]).shape[1]
    assert predictor.predict([]) == []
    assert list(predictor.stream(iter(()))) == []
    assert predictor.logits(none).shape == predictor.probabilities(none).shape == (0, 4)
    assert predictor.embed_pictures(none).shape == (0, width)
    assert predictor.embed_texts([]).shape == (0, width)


def test_more_than_one_chunk_gives_what_single_calls_give(
    tiny_bundle: Path, predictor: Predictor, pixels: np.ndarray
) -> None:
    many = np.concatenate([pixels] * (CHUNK // len(pixels) + 1))
    assert len(many) > CHUNK
    probabilities = predictor.probabilities(many)
    for row in (0, CHUNK - 1, CHUNK, len(many) - 1):
        assert np.allclose(probabilities[row], predictor.probabilities(many[row : row + 1])[0], atol=1e-6)
    texts = [f"bag number {i}" for i in range(CHUNK + 3)]
    vectors = predictor.embed_texts(texts)
    assert len(vectors) == len(texts)
    assert np.allclose(vectors[-1], predictor.embed_texts(texts[-1:])[0], atol=1e-5)


@pytest.mark.parametrize("name", sorted(odd_pictures()))
def test_a_picture_of_any_size_and_mode_is_answered(predictor: Predictor, name: str) -> None:
    content, warning = odd_pictures()[name]
    (answer,) = predictor.predict([product(content)])
    assert answer.status == "ok"
    assert answer.error is None
    assert (warning in answer.warnings) if warning else (answer.warnings == ())
    assert answer.label == answer.top[0].label
    assert answer.probability == answer.top[0].probability
    assert answer.target == "kind"
    assert answer.bundle == predictor.bundle.label


def test_a_shoe_is_a_shoe_in_every_mode(predictor: Predictor) -> None:
    kinds = [n for n in odd_pictures() if n not in ("wide", "tall", "rotated")]
    answers = predictor.predict([product(odd_pictures()[name][0], name) for name in kinds])
    assert {answer.label for answer in answers} == {"shoe"}


def bad_pictures(folder: Path) -> dict[str, Product]:
    """Products that cannot be answered, by what is wrong with them."""
    whole = encoded(draw_garment("shoe", 1, 90), "JPEG")
    (folder / "page.jpg").write_text("<!DOCTYPE html><title>404</title>")
    return {
        "1x1": product(encoded(Image.new("RGB", (1, 1))), "1x1"),
        "truncated": product(whole[: len(whole) // 2], "truncated"),
        "an HTML page": product("page.jpg", "an HTML page"),
        "not found": product("nowhere.jpg", "not found"),
        "empty": product(b"", "empty"),
        "no picture": Product(id="no picture", title="A bag"),
    }


@pytest.mark.parametrize("which", ["1x1", "truncated", "an HTML page", "not found", "empty", "no picture"])
def test_a_bad_picture_fails_alone_with_a_reason(predictor: Predictor, tmp_path: Path, which: str) -> None:
    good = odd_pictures()["plain"][0]
    row = [product(good, "before"), bad_pictures(tmp_path)[which], product(good, "after")]
    before, failed, after = predictor.predict(row, image_root=tmp_path)
    assert (before.id, failed.id, after.id) == ("before", which, "after")
    assert before.model_copy(update={"id": "after"}) == after
    assert after.status == "ok"
    assert failed.status == "failed"
    assert failed.error
    assert (failed.label, failed.probability, failed.top) == (None, None, ())


def test_only_bad_pictures_are_only_failures(predictor: Predictor, tmp_path: Path) -> None:
    answers = predictor.predict(list(bad_pictures(tmp_path).values()), image_root=tmp_path)
    assert {answer.status for answer in answers} == {"failed"}
    assert len({answer.error for answer in answers}) == len(answers)


def test_the_same_file_twice_gets_the_same_answer_twice(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "bag.png"
    draw_garment("bag", 3, 80).save(path)
    first, second = predictor.predict([product(str(path)), product(str(path))])
    assert first == second
    assert first.label == "bag"


def test_top_is_sorted_and_as_long_as_asked(predictor: Predictor) -> None:
    content = odd_pictures()["plain"][0]
    for top, length in ((1, 1), (3, 3), (99, 4)):
        (answer,) = predictor.predict([product(content)], top=top)
        scores = [score.probability for score in answer.top]
        assert len(scores) == length
        assert scores == sorted(scores, reverse=True)


def test_a_stream_gives_what_a_list_gives(predictor: Predictor, tmp_path: Path) -> None:
    good = odd_pictures()["plain"][0]
    products = [product(good, str(i)) for i in range(CHUNK + 2)]
    products[3] = bad_pictures(tmp_path)["1x1"]
    assert list(predictor.stream(iter(products), top=2)) == predictor.predict(products, top=2)


def test_the_bundles_limit_on_pixels_is_kept(tiny_bundle: Path, tmp_path: Path) -> None:
    source = Bundle.open(tiny_bundle)
    data = source.config.data.model_copy(update={"max_pixels": 1000})
    files = {name: tiny_bundle / name for name in source.meta.files if name != "config.json"}
    config = source.config.model_copy(update={"data": data})
    bundle = write_bundle(tmp_path / "small", info=source.meta, config=config, files=files, card="")
    (answer,) = Predictor.load(bundle.path, threads=1).predict([product(odd_pictures()["plain"][0])])
    assert "1,000" in (answer.error or "")


def test_four_threads_get_the_same_answers(predictor: Predictor, pixels: np.ndarray) -> None:
    products = [product(content, name) for name, (content, _) in odd_pictures().items()]
    expected: list[Prediction] = predictor.predict(products)
    logits = predictor.logits(pixels)

    def ask(_: int) -> tuple[list[Prediction], bool]:
        return predictor.predict(products), np.array_equal(predictor.logits(pixels), logits)

    with ThreadPoolExecutor(4) as pool:
        for answers, same in pool.map(ask, range(12)):
            assert same
            assert answers == expected


def test_a_bundle_without_a_text_tower_says_so(tiny_bundle: Path, tmp_path: Path) -> None:
    source = Bundle.open(tiny_bundle)
    info = source.meta.model_copy(update={"tokenizer": None})
    files = {"model.safetensors": tiny_bundle / "model.safetensors"}
    files["picture.onnx"] = tmp_path / "logits.onnx"
    graph = onnx.load(tiny_bundle / "picture.onnx")
    del graph.graph.output[1]
    onnx.save(graph, files["picture.onnx"])
    write_bundle(tmp_path / "b", info=info, config=source.config, files=files, card="")
    predictor = Predictor.load(tmp_path / "b", threads=1)
    for ask in (
        lambda: predictor.embed_texts(["a bag"]),
        lambda: predictor.embed_pictures(np.zeros((0, 28, 28, 1), np.uint8)),
    ):
        with pytest.raises(BundleError, match=r"has no text tower; train it with text\.align = true"):
            ask()
    assert predictor.outputs(np.zeros((0, 28, 28, 1), np.uint8))[1] is None


def test_torch_that_is_missing_is_named(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shelfwise.predict.torch_backend", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingExtraError, match=r"torch is not installed; run: pip install \"shelfwise\[train\]"
    ):
        Predictor.load(tiny_bundle, backend="torch")


ALONE = """
import socket, sys

class Refused(socket.socket):
    def __init__(self, *_, **__):
        raise AssertionError("a socket was opened")

socket.socket = Refused
for name in ("torch", "onnx", "onnxscript", "matplotlib", "sklearn"):
    sys.modules[name] = None
from shelfwise.predict import Predictor
from shelfwise.schema import Picture, Product

predictor = Predictor.load(sys.argv[1], threads=1)
(answer,) = predictor.predict([Product(id="x", images=(Picture(path=sys.argv[2]),))])
assert len(predictor.embed_texts(["a bag"])) == 1
print(answer.model_dump_json())
"""


def test_a_bundle_answers_without_torch_and_without_a_network(
    tiny_bundle: Path, predictor: Predictor, tmp_path: Path
) -> None:
    path = tmp_path / "bag.png"
    draw_garment("bag", 3, 80).save(path)
    command = [sys.executable, "-c", ALONE, str(tiny_bundle), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (here,) = predictor.predict([product(str(path))])
    assert Prediction.model_validate_json(done.stdout) == here
