"""Prompts: training and evaluation ask in different words, and every known class has its names."""

from __future__ import annotations

from shelfwise.data.fashion_mnist import CLASSES
from shelfwise.data.prompts import _data, class_prompts


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
