"""Write `examples/pictures/`: the first Fashion-MNIST test picture of each class, as PNG.

python scripts/example_pictures.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from shelfwise.data import fashion_mnist

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "pictures"


def main() -> None:
    """Write the pictures, named after their class."""
    test = fashion_mnist.load("test")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for label, name in enumerate(test.classes):
        row = int((test.labels == label).argmax())
        file = name.lower().replace("/", "-").replace(" ", "-") + ".png"
        Image.fromarray(test.images[row, :, :, 0]).save(FOLDER / file, optimize=True)


if __name__ == "__main__":
    main()
