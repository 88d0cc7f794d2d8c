"""The bundles that come with the package: trained, measured on test rows, and copied small into src/.

    python scripts/default_bundles.py                         all of it, from the data on
    python scripts/default_bundles.py --only reviews          one of them
    python scripts/default_bundles.py --pictures BUNDLE       with a bundle that was trained before

Fashion-MNIST is found as `shelfwise data get fashion-mnist` leaves it, the reviews by SHELFWISE_DATA. Runs go
to runs/default/NAME and are gone on with where they were cut. Commit src/shelfwise/bundles afterwards.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shelfwise.bundle import DEFAULTS, open_bundle, slim

ROOT = Path(__file__).resolve().parent.parent
RUNS, PACKAGE = ROOT / "runs" / "default", ROOT / "src" / "shelfwise" / "bundles"
HEADLINES = ("accuracy", "macro_f1", "ece", "mae", "qwk", "recommended_auroc")
ROOM = 12_000_000
"""Bytes that they may take together."""


@dataclass(frozen=True)
class Default:
    """What one of the bundles is made from."""

    config: str
    first: tuple[str, ...] = ()
    """Configurations of bundles that it learns from, trained before it into runs/NAME."""
    data: str = ""
    """The data set to measure it on."""
    licence: str = ""
    """For the model card."""
    source: str | None = None
    """What it was trained on, where the data's file does not say."""


DEFAULT: dict[str, Default] = {
    "pictures": Default(
        config="configs/default-pictures.toml",
        data="fashion-mnist",
        licence="- Fashion-MNIST: copyright 2017 Zalando SE, MIT licence (arXiv:1708.07747). No other "
        "pictures were used; what is unlike them was made from these.\n"
        "- This bundle: Apache-2.0, as the package.\n",
    ),
    "reviews": Default(
        config="configs/reviews-distilled.toml",
        first=("configs/reviews-minilm.toml",),
        data="configs/reviews-distilled.toml",
        source="English reviews of women's clothing, and sentences on fashion (DMASTE)",
        licence="- Women's E-Commerce Clothing Reviews (Kaggle, nicapotato): CC0.\n"
        "- Aspect terms: DMASTE's fashion reviews (ACL 2023), MIT licence.\n"
        "- Taught by a fine-tuned all-MiniLM-L6-v2, Apache-2.0; none of its weights are in here.\n"
        "- This bundle: Apache-2.0, as the package.\n",
    ),
}


def main() -> None:
    """Make the asked ones and say what they weigh."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=DEFAULTS)
    for name in DEFAULTS:
        parser.add_argument(f"--{name}", type=Path, help="a trained bundle, instead of training one")
    options = parser.parse_args()
    for name in DEFAULTS if options.only is None else (options.only,):
        make(name, getattr(options, name))
    sizes = {name: weight(PACKAGE / name) for name in DEFAULTS}
    for name, size in sizes.items():
        print(f"{name}: {size / 1e6:.2f} MB in {PACKAGE.relative_to(ROOT) / name}")
    print(f"together {sum(sizes.values()) / 1e6:.2f} MB of {ROOM / 1e6:.0f}")
    if sum(sizes.values()) > ROOM:
        sys.exit("too large for the package")


def make(name: str, trained: Path | None) -> None:
    """Train, measure and copy one of them."""
    made, run = DEFAULT[name], RUNS / name
    if trained is None:
        for config in made.first:
            shelfwise("train", config, "--resume")
        shelfwise("train", made.config, "--resume", "--out", str(run.relative_to(ROOT)))
    bundle = trained or run / "bundle"
    shelfwise("evaluate", str(bundle), made.data, "--out", str(run))
    licence = f"## Licence\n{made.licence}\n{figures(run / 'metrics.json')}"
    copy = slim(bundle, PACKAGE / name, metrics=run / "metrics.json", appendix=licence, source=made.source)
    print(f"{copy.label} from {open_bundle(bundle).label}")


def figures(metrics: Path) -> str:
    """For the model card: the headlines among the test figures, and where the others are."""
    test = json.loads(metrics.read_text(encoding="utf-8"))["test"]
    lines = [
        f"- {name}: {one['value']:.4f}"
        + (" (95% interval {:.4f} to {:.4f})".format(*one["ci95"]) if one["ci95"] else "")
        for name in HEADLINES
        if isinstance(one := test.get(name), dict) and one.get("value") is not None
    ]
    where = f"- All of them: `{metrics.name}`, as `shelfwise evaluate` wrote it."
    return "\n".join(["## Test figures, in float", *lines, where]) + "\n"


def shelfwise(*words: str) -> None:
    """Run the command in the project's root; ends the process where it fails."""
    command = [sys.executable, "-c", "from shelfwise.cli import main; main()", *words]
    if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(code)


def weight(folder: Path) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    return sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else 0


if __name__ == "__main__":
    main()
