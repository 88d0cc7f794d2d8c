"""Products runs: one model for picture, title and table learns, resumes, is exported, and answers alike."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw_catalog
from PIL import Image
from small_products import products_config

from shelfwise.bundle import ProductsBundle, open_bundle
from shelfwise.config import AblateConfig, ProductsConfig, changed
from shelfwise.data.catalog import read_catalog
from shelfwise.errors import BundleError, ConfigError, DataError, ErrorBudgetError, TrainingError
from shelfwise.files import claimed
from shelfwise.nn.product_net import ProductNet
from shelfwise.predict.products import ProductPredictor
from shelfwise.predict.torch_products import load_product_net
from shelfwise.schema import Picture, Product
from shelfwise.train.fit import Watch
from shelfwise.train.product_inputs import fingerprint, load_product_inputs, read_as
from shelfwise.train.product_start import start_from
from shelfwise.train.products import train_products
from shelfwise.train.start import finished


@pytest.fixture(scope="module")
def table(products_table: Path) -> Path:
    return products_table


@pytest.fixture(scope="module")
def bundle(tiny_products_bundle: Path) -> ProductsBundle:
    return ProductsBundle.open(tiny_products_bundle)


@pytest.fixture(scope="module")
def predictor(bundle: ProductsBundle) -> ProductPredictor:
    return ProductPredictor.load(bundle.path, threads=1)


def products(table: Path) -> list[Product]:
    config = products_config(table)
    return [item for item in read_catalog(config.data) if isinstance(item, Product)]


def test_pictures_and_titles_alone_and_together_are_learned(bundle: ProductsBundle) -> None:
    validation = bundle.info["validation"]
    assert validation["picture"]["category"] > 0.6
    assert validation["text"]["category"] > 0.9
    assert validation["picture+text"]["colour"] > 0.5
    assert set(bundle.reading.targets["colour"].temperatures) == {"picture", "text", "picture+text"}
    assert bundle.reading.targets["category"].counts
    assert max(gap for name, gap in bundle.info["parity"].items() if "int8" not in name) < 1e-4
    assert "from picture and text or whichever" in (bundle.path / "README.md").read_text()


def test_the_same_answer_from_onnx_and_torch_whatever_is_known(
    bundle: ProductsBundle, predictor: ProductPredictor, table: Path
) -> None:
    whole = products(table)[:9]
    asked = [
        *whole[:3],
        *(product.model_copy(update={"title": None}) for product in whole[3:6]),
        *(product.model_copy(update={"images": ()}) for product in whole[6:8]),
        whole[8].model_copy(update={"images": whole[8].images + whole[0].images}),
    ]
    torch_side = ProductPredictor.load(bundle.path, backend="torch")
    ours, theirs = (list(side.predict(asked, table.parent)) for side in (predictor, torch_side))
    assert [answer.known for answer in ours] == [("picture", "text")] * 3 + [("picture",)] * 3 + [
        ("text",)
    ] * 2 + [("picture", "text")]
    for one, other, product in zip(ours, theirs, asked, strict=True):
        assert one.status == "ok"
        for name, said in one.targets.items():
            assert said.labels == other.targets[name].labels
            assert said.probabilities == pytest.approx(other.targets[name].probabilities, abs=1e-4)
        alone = next(predictor.predict([product], table.parent))
        assert alone.targets["category"].labels == one.targets["category"].labels
        expected = one.targets["category"].probabilities
        assert alone.targets["category"].probabilities == pytest.approx(expected, abs=1e-5)


def test_a_product_of_which_nothing_is_known_fails_alone(predictor: ProductPredictor, table: Path) -> None:
    bad = Product(id="bad", images=(Picture(data=b"no picture"),))
    half = Product(id="half", title="Elder Red wool bag 7", images=(Picture(path="images/none.png"),))
    found = list(predictor.predict([Product(id="empty"), bad, half], table.parent))
    assert [answer.status for answer in found] == ["failed", "failed", "ok"]
    assert [answer.error_kind for answer in found] == ["nothing_known", "not_a_picture", None]
    assert found[2].known == ("text",)
    assert found[2].warnings == ("picture_skipped",)
    assert list(predictor.predict([], table.parent)) == []


def test_pictures_lie_near_their_titles(predictor: ProductPredictor, table: Path) -> None:
    given = predictor.read(products(table), table.parent)
    known = predictor.encode(given)
    pictures, titles = (predictor.scores(known, [name]).vectors for name in ("picture", "text"))
    assert pictures is not None and titles is not None  # noqa: PT018
    assert np.linalg.norm(pictures, axis=1) == pytest.approx(1, abs=1e-5)
    own = (pictures * titles).sum(1).mean()
    assert own > (pictures * np.roll(titles, 1, 0)).sum(1).mean() + 0.1


@pytest.mark.parametrize(
    "sections",
    [
        {"fusion": {"kind": "picture"}},
        {"fusion": {"kind": "cross_attention"}},
        {"picture": {"depths": [2, 2], "residual": True, "pool": "all"}},
        {"train": {"optimizer": "muon", "adamw_lr": 1e-2, "epochs": 1}},
        {"targets": {"category": {"labels": ["category"], "balance": 0.5}, "colour": {"labels": ["colour"]}}},
    ],
)
def test_other_networks_train_and_are_exported(sections: dict[str, Any], table: Path, tmp_path: Path) -> None:
    config = products_config(table, **{"train": {"epochs": 1}, **sections})
    bundle = train_products(config, tmp_path)
    assert bundle.info["validation"]
    assert max(gap for name, gap in bundle.info["parity"].items() if "int8" not in name) < 1e-4
    answer = next(ProductPredictor.load(bundle.path).predict(products(table)[:1], table.parent))
    assert answer.status == "ok"


def test_table_fields_are_a_modality_and_several_values_a_target(table: Path, tmp_path: Path) -> None:
    config = products_config(
        table,
        data={
            "columns": {
                "images": ["image"],
                "title": "title",
                "labels": {"category": "category", "tags": "id"},
                "fields": {"colour": "colour"},
            }
        }
        | {"source": str(table)},
        targets={"category": {"labels": ["category"]}, "tags": {"labels": ["tags"], "several": True}},
        table={"fields": ["colour"]},
        shared={"loss": "none"},
        train={"epochs": 1},
    )
    bundle = train_products(config, tmp_path)
    assert bundle.reading.modalities == ("picture", "text", "table")
    assert bundle.reading.shared == 0
    assert "picture+text+table" in bundle.reading.targets["category"].temperatures
    predictor = ProductPredictor.load(bundle.path)
    answer = next(predictor.predict([Product(id="p", fields={"colour": "red"})], table.parent))
    assert answer.known == ("table",)
    assert len(answer.targets["tags"].top) == 3


def test_a_run_that_was_interrupted_goes_on_to_the_same_weights(table: Path, tmp_path: Path) -> None:
    config = products_config(table, train={"epochs": 2, "checkpoint_every": 3})

    def stop(watch: Watch) -> None:
        if watch.record.step == 7:
            raise KeyboardInterrupt

    whole = train_products(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_products(config, tmp_path / "cut", watch=stop)
    with pytest.raises(TrainingError, match="go on with --resume"):
        train_products(config, tmp_path / "cut")
    resumed = train_products(config, tmp_path / "cut", resume=True)
    assert whole.meta.files["model.safetensors"] == resumed.meta.files["model.safetensors"]
    assert train_products(config, tmp_path / "cut", resume=True).version == resumed.version
    switches = AblateConfig(groups={"fusion": {"late": {"fusion.kind": "late"}}})
    ablated = config.model_copy(update={"ablate": switches})
    assert finished(ablated, tmp_path / "cut") is not None


def test_a_run_may_go_on_with_its_pictures_kept_in_another_form(table: Path, tmp_path: Path) -> None:
    decoded, encoded = (
        products_config(
            table,
            augment={"flip": "random", "pad": 2},
            train={"epochs": 1, "checkpoint_every": 2, "picture_memory_mb": mb},
        )
        for mb in (512, 0)
    )

    def stop(watch: Watch) -> None:
        if watch.record.step == 3:
            raise KeyboardInterrupt

    weights = {
        train_products(decoded, tmp_path / "decoded").meta.files["model.safetensors"],
        train_products(encoded, tmp_path / "encoded").meta.files["model.safetensors"],
    }
    for first, then in ((decoded, encoded), (encoded, decoded)):
        folder = tmp_path / f"cut-{first.train.picture_memory_mb}"
        with pytest.raises(KeyboardInterrupt):
            train_products(first, folder, watch=stop)
        weights.add(train_products(then, folder, resume=True).meta.files["model.safetensors"])
    assert len(weights) == 1


def test_a_run_of_before_pictures_were_kept_encoded_is_still_finished(
    bundle: ProductsBundle, table: Path, tmp_path: Path
) -> None:
    older = shutil.copytree(bundle.path, tmp_path / "bundle")
    config, info = (json.loads((older / f"{name}.json").read_text()) for name in ("config", "bundle"))
    del config["train"]["picture_memory_mb"]
    (older / "config.json").write_text(json.dumps(config))
    info["files"]["config.json"] = hashlib.sha256((older / "config.json").read_bytes()).hexdigest()
    (older / "bundle.json").write_text(json.dumps(info))
    assert finished(products_config(table), tmp_path) is not None


def test_how_pictures_are_kept_is_no_part_of_a_fingerprint(table: Path) -> None:
    decoded, encoded = (products_config(table, train={"picture_memory_mb": mb}) for mb in (512, 0))
    kept, streamed = load_product_inputs(decoded), load_product_inputs(encoded)
    assert (kept.mean, kept.std) == (streamed.mean, streamed.std)
    assert fingerprint(decoded, kept) == fingerprint(encoded, streamed)
    names = {name: classes.paths for name, classes in kept.classes.items()}
    data, digest = kept.train, hashlib.sha256(json.dumps(names).encode())
    inputs = (data.places, data.first, data.words, data.pieces, data.values, data.numbers, data.keys)
    for array in (*inputs, *data.labels.values()):
        digest.update(array.tobytes())
    digest.update(data.pool[data.places].tobytes())
    assert fingerprint(encoded, streamed)["data"] == digest.hexdigest()[:16]


@pytest.mark.parametrize(
    ("setting", "value", "read"),
    [
        ("preprocess.height", 20, True),
        ("split.salt", "other:", True),
        ("title.words", 2, True),
        ("title.buckets", 256, True),
        ("targets", {"colour": {"labels": ["colour"]}}, True),
        ("title.width", 64, False),
        ("picture.residual", True, False),
        ("picture.pool", "all", False),
        ("picture.dropout", 0.5, False),
        ("fusion.kind", "late", False),
        ("shared.weight", 0.5, False),
        ("train.lr", 0.5, False),
    ],
)
def test_data_is_read_again_where_a_setting_changes_it(
    table: Path, setting: str, value: Any, *, read: bool
) -> None:
    config = products_config(table)
    other = changed(config, {setting: value}, where="test")
    assert isinstance(other, ProductsConfig)
    assert (read_as(other) != read_as(config)) == read
    digests = {load_product_inputs(each).digest for each in (config, other)}
    assert (len(digests) == 2) == read


def test_a_picture_that_vanishes_in_training_is_named(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 60, size=24)
    config = products_config(table, train={"epochs": 2, "picture_memory_mb": 0})
    inputs = load_product_inputs(config)
    for path in sorted((tmp_path / "images").iterdir())[10:]:
        path.unlink()
    with pytest.raises(DataError, match=r"images/p00..\.png' is not what it was .*: not found; put it back"):
        train_products(config, tmp_path / "run", inputs=inputs)


def test_pictures_that_cannot_be_used_are_told_before_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = draw_catalog(tmp_path, 60, size=24)
    (tmp_path / "images" / "p0007.png").unlink()
    (tmp_path / "images" / "p0009.png").write_bytes(b"no picture")
    with caplog.at_level("WARNING", "shelfwise.train"):
        load_product_inputs(products_config(table))
    assert "2 of the pictures cannot be used" in caplog.text
    assert "the first is row 9: image 'images/p0007.png': " in caplog.text
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(
        DataError, match=r"none of its pictures can be used; the first is row 2: .*image_root"
    ):
        load_product_inputs(products_config(table))


def test_titles_alone_are_learned_where_no_picture_is_named(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 60, size=24)
    table.write_text(re.sub(r"images/.*png", "", table.read_text()))
    assert not len(load_product_inputs(products_config(table)).train.places)


def test_what_cannot_be_learned_is_one_line(table: Path, tmp_path: Path) -> None:
    columns = {"title": "title"}
    nothing = products_config(table, data={"source": str(table), "columns": columns})
    with pytest.raises(ConfigError, match="has no label to learn"):
        train_products(nothing, tmp_path)


def test_a_run_starts_from_a_bundle_and_heads_follow_the_class_names(
    bundle: ProductsBundle, tiny_bundle: Path, table: Path, tmp_path: Path
) -> None:
    grown = tmp_path / "grown.csv"
    lines = table.read_text().splitlines()
    azure = ["x" + line.replace(",red,", ",azure,") for line in lines if ",red," in line]
    grown.write_text("\n".join(lines + azure))
    (tmp_path / "images").symlink_to(table.parent / "images")
    start = products_config(grown, train={"epochs": 0.01, "lr": 1e-6})
    found = train_products(start, tmp_path / "run", init_from=bundle.path)
    assert "azure" in found.reading.targets["colour"].paths[0]
    before, after = (one.info["validation"]["picture+text"]["category"] for one in (bundle, found))
    assert after > before - 0.1
    with pytest.raises(ConfigError, match="is a pictures bundle; this run needs one of products"):
        train_products(start, tmp_path / "b", init_from=tiny_bundle)
    wide = products_config(table, fusion={"width": 48})
    with pytest.raises(ConfigError, match=r"another shape than the config says \(picture.out"):
        train_products(wide, tmp_path / "c", init_from=bundle.path)


def test_rows_that_cannot_be_used_are_counted_against_the_budget(
    tmp_path: Path,
) -> None:
    table = draw_catalog(tmp_path, 40, size=24)
    with table.open("a") as file:
        file.write("x1,,shirt,red,\n")
    with pytest.raises(ErrorBudgetError, match="--max-errors 1"):
        train_products(products_config(table), tmp_path / "run")


def test_a_bundle_of_another_task_is_named(bundle: ProductsBundle, tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="is a pictures bundle; this needs one of products"):
        ProductsBundle.open(tiny_bundle)
    assert isinstance(open_bundle(bundle.path), ProductsBundle)


def test_weights_of_another_network_are_refused(
    bundle: ProductsBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shelfwise.predict import torch_products

    monkeypatch.setattr(torch_products, "load_file", lambda _: {})
    with pytest.raises(BundleError, match="does not fit its description"):
        ProductPredictor.load(bundle.path, backend="torch")


def test_what_a_fusion_does_not_listen_to_changes_no_answer(table: Path, tmp_path: Path) -> None:
    config = products_config(table, fusion={"kind": "picture"}, train={"epochs": 2})
    bundle = train_products(config, tmp_path)
    temperatures = {name: target.temperatures for name, target in bundle.reading.targets.items()}
    assert all(set(one) == {"picture"} and one["picture"] != 1 for one in temperatures.values())
    predictor = ProductPredictor.load(bundle.path)
    whole = products(table)[0]
    alone, titled = whole.model_copy(update={"title": None}), whole.model_copy(update={"images": ()})
    together, picture, title = predictor.predict([whole, alone, titled], table.parent)
    assert together.targets == picture.targets
    assert together.known == picture.known == ("picture",)
    assert (title.status, title.error_kind) == ("failed", "nothing_known")
    assert title.error == "it has no usable picture, and the bundle answers from nothing else"
    given = predictor.encode(predictor.read([whole], table.parent))
    asked = [predictor.scores(given, subset) for subset in (("picture",), ("picture", "text"))]
    assert np.array_equal(asked[0].logits["colour"], asked[1].logits["colour"])


def test_a_bad_picture_is_no_reason_for_a_bundle_of_titles(several_bundle: Path) -> None:
    predictor = ProductPredictor.load(several_bundle)
    bad = Product(id="bad", images=(Picture(data=b"no picture"),))
    titled = bad.model_copy(update={"title": "Elder Red wool bag 7"})
    failed, answered = predictor.predict([bad, titled], Path())
    assert (failed.status, failed.error_kind) == ("failed", "nothing_known")
    assert failed.error == "it has no title, and the bundle answers from nothing else"
    assert answered.known == ("text",)


def test_a_temperature_that_is_missing_is_told(bundle: ProductsBundle) -> None:
    target = bundle.reading.targets["colour"]
    assert target.temperature_of(("picture", "text")) == target.temperatures["picture+text"]
    assert target.temperature_of(()) == 1.0
    with pytest.raises(
        BundleError, match="no temperature for 'picture\\+table', only for picture, text, pict"
    ):
        target.temperature_of(("picture", "table"))


def test_another_main_target_takes_over_all_but_the_vectors_of_its_classes(
    bundle: ProductsBundle, table: Path
) -> None:
    targets = {"colour": {"labels": ["colour"]}, "category": {"labels": ["category"]}}
    config = products_config(table, targets=targets)
    data = load_product_inputs(config)
    net = ProductNet(config, data.classes, data.mean, data.std)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    start_from(net, bundle.path, {name: classes.paths for name, classes in data.classes.items()})
    donor = load_product_net(bundle).state_dict()
    for name, value in net.state_dict().items():
        kept = before if name == "shared.classes.weight" else donor
        assert torch.equal(value, kept[name]), name


def test_a_donor_without_a_shared_space_leaves_the_new_one_to_be_learned(table: Path, tmp_path: Path) -> None:
    plain = products_config(table, shared={"loss": "none"}, train={"epochs": 0.2})
    donor = train_products(plain, tmp_path / "donor")
    config = products_config(table, train={"epochs": 0.2})
    found = train_products(config, tmp_path / "run", init_from=donor.path)
    assert found.reading.shared == 16


def test_what_no_training_product_had_is_not_answered_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = draw_catalog(tmp_path, 60, size=24)
    table.write_text(re.sub(r"images/.*png", "", table.read_text()))
    short = {"epochs": 1}
    titled = train_products(products_config(table, fusion={"kind": "late"}, train=short), tmp_path / "run")
    assert "no training product has a picture" in caplog.text
    assert (titled.reading.unlearned, titled.modalities_used) == (("picture",), ("text",))
    assert "from picture" not in (titled.path / "README.md").read_text().partition("## Figures")[2]
    picture = tmp_path / "p.png"
    Image.fromarray(np.full((24, 24, 3), 90, np.uint8)).save(picture)
    asked = [Product(id="a", images=(Picture(path=str(picture)),)), Product(id="b", title="Red shirt")]
    alone, both = ProductPredictor.load(titled.path, threads=1).predict(asked, tmp_path)
    assert (alone.status, alone.error_kind) == ("failed", "nothing_known")
    assert alone.error == "it has no title, and the bundle answers from nothing else"
    assert both.status == "ok"
    with pytest.raises(
        ConfigError, match=r"fusion.kind is 'picture', but no training product of .* has a picture"
    ):
        train_products(products_config(table, fusion={"kind": "picture"}, train=short), tmp_path / "none")


def test_a_title_without_a_word_is_named_as_such(predictor: ProductPredictor) -> None:
    (answer,) = predictor.predict([Product(id="a", title="\u2605\u2605\u2605")], Path())
    assert answer.error == (
        "it has no usable picture and no word that can be read in its title, and the bundle answers from "
        "nothing else"
    )


def test_two_processes_cannot_train_into_one_folder(table: Path, tmp_path: Path) -> None:
    config = products_config(table)
    with claimed(tmp_path / "run" / ".lock") as other:
        assert other is None
        with pytest.raises(TrainingError, match=r"is in use: process \d+ on .* trains into it"):
            train_products(config, tmp_path / "run")


def test_a_fingerprint_knows_every_word_and_the_classes_names(table: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(table.parent / "images")
    plain = load_product_inputs(products_config(table)).digest
    for change, title in ((lambda text: text.replace(",red,", ",crimson,"), {}), (_longer, {"words": 2})):
        changed_table = tmp_path / "changed.csv"
        changed_table.write_text(change(table.read_text()))
        mine = load_product_inputs(products_config(table, title=title)).digest
        assert load_product_inputs(products_config(changed_table, title=title)).digest != mine
    assert load_product_inputs(products_config(table)).digest == plain


def _longer(text: str) -> str:
    """Every title's last word is another."""
    return re.sub(r"(Elder|Fir)[^,]*", lambda found: f"{found[0]} anew", text)
