"""Prompts: training and evaluation ask in different words, and every known class has its names."""

from __future__ import annotations

from pathlib import Path

import pytest

from shelfwise.data.fashion_mnist import CLASSES
from shelfwise.data.prompts import _data, class_prompts, read_templates, target_prompts
from shelfwise.errors import ConfigError


def test_training_and_evaluation_have_no_template_in_common() -> None:
    data = _data()
    assert not set(data["train"]) & set(data["evaluate"])
    assert len(set(data["train"])) == len(data["train"])
    for template in data["train"] + data["evaluate"]:
        assert template.count("{}") == 1


def test_no_prompt_of_training_is_asked_in_evaluation() -> None:
    for describe in (False, True):
        asked = class_prompts(CLASSES, use="evaluate", source="fashion-mnist", describe=describe)
        learned = class_prompts(CLASSES, use="train", source="fashion-mnist", describe=describe)
        assert not {p for some in asked.texts for p in some} & {p for some in learned.texts for p in some}


def test_every_class_of_fashion_mnist_has_names_and_a_description() -> None:
    data = _data()
    names = data["classes"]["fashion-mnist"]
    assert set(names) == set(data["descriptions"]["fashion-mnist"]) == set(CLASSES)
    everything = [name for some in names.values() for name in some]
    assert len(everything) == len(set(everything))
    assert len(set(data["descriptions"]["fashion-mnist"].values())) == 10


def test_training_takes_every_name_and_evaluation_the_first() -> None:
    learned = class_prompts(("Trouser",), use="train", source="fashion-mnist").texts[0]
    asked = class_prompts(("Trouser",), use="evaluate", source="fashion-mnist").texts[0]
    assert {"a trouser", "a trousers", "a pants"} <= set(learned)
    assert len(learned) == 3 * len(_data()["train"])
    assert len(asked) == len(_data()["evaluate"])
    assert all("trouser " in f"{prompt} " for prompt in asked)


def test_a_description_follows_the_name_where_it_is_known() -> None:
    prompts = class_prompts(("Bag", "Hat"), use="train", source="fashion-mnist", describe=True)
    assert prompts.texts[0][0] == "bag, carried by hand, handle, box shape, not worn on the body"
    assert prompts.texts[1][0] == "hat"


def test_an_unknown_source_or_class_is_asked_for_by_its_own_name() -> None:
    for source in (None, "my-shop.csv", "fashion-mnist"):
        prompts = class_prompts(("Garden {gnome}", "Ärmel"), use="train", source=source, describe=True)
        assert prompts.classes == ("Garden {gnome}", "Ärmel")
        assert prompts.texts[0][:2] == ("garden {gnome}", "a garden {gnome}")
        assert prompts.texts[1][1] == "a ärmel"
    assert class_prompts((), use="evaluate").texts == ()


def test_each_target_is_asked_by_its_own_templates_or_the_default_ones() -> None:
    templates = read_templates()
    paths = (("Footwear", "Shoes", "{Clog}"), ("Footwear", "Flats", "Pump"))
    asked = target_prompts("category", paths, templates)
    assert asked.classes == ("{Clog}", "Pump")
    assert asked.texts[1] == tuple(template.replace("{}", "Pump") for template in templates["default"])
    assert "a photo of a {Clog}." in asked.texts[0]
    assert target_prompts("colour", (("Red",),), templates).texts[0][0] == "a photo of something Red."


def test_a_name_that_two_classes_share_is_told_apart_by_the_one_above() -> None:
    paths = (("Men", "Belt"), ("Women", "Belt"), ("Women", "Skirt"))
    asked = target_prompts("category", paths, {"default": ("{}",)})
    assert asked.texts == (("Belt (Men)",), ("Belt (Women)",), ("Skirt",))


def test_a_name_that_the_one_above_shares_too_is_told_apart_further_up() -> None:
    paths = (("Men", "Shoes", "Other"), ("Women", "Shoes", "Other"), ("Women", "Bags", "Other"))
    asked = target_prompts("category", paths, {"default": ("{}",)})
    assert asked.classes == ("Other (Shoes, Men)", "Other (Shoes, Women)", "Other (Bags)")


def test_templates_of_ones_own_replace_ours(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('category = ["ein Foto von {}"]')
    templates = read_templates(path)
    assert target_prompts("category", (("Rüschen",),), templates).texts == (("ein Foto von Rüschen",),)
    with pytest.raises(ConfigError, match="has neither 'colour' nor 'default'"):
        target_prompts("colour", (("rot",),), templates)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('category = ["a photo"]', "category: 'a photo' must hold {} once"),
        ('category = ["{} and {}"]', "must hold {} once"),
        ("category = []", "category is no list of templates"),
        ('category = "{}"', "category is no list of templates"),
        ("category = [1]", "1 must hold {} once"),
        ("category", "own.toml'"),
        (None, "cannot be read: No such file"),
    ],
)
def test_templates_that_cannot_be_used_are_named(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_templates(path)
    assert said in str(caught.value)
