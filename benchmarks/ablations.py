"""What is each part of the shipped products recipe worth? Every switch, three seeds, on validation.

    python benchmarks/ablations.py [catalog catalog.small] [--jobs 2]

NAME is of the switches, configs/ablations/NAME.toml; what stands before a dot in it is the configuration's.
Runs `shelfwise ablate` in results/bench/ablation-NAME (a dot becomes a dash), where the figures and answers
of finished cells stay, so that hours of training may be spread over days and machines; writes
results/bench/ablation-NAME.json and docs/ablation-NAME.png once all are done; `benchmarks/tables.py` fills
docs/ablations.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import record

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run and record each of the named ablations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=["catalog", "catalog.small"])
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for name in options.names:
        recorded = f"ablation-{name.replace('.', '-')}"
        out = ROOT / "results" / "bench" / recorded
        subprocess.run(command(name, out, options.jobs), check=True)
        found = json.loads((out / "ablation.json").read_text(encoding="utf-8"))
        record.write(recorded, found)
        shutil.copyfile(out / "ablation.png", ROOT / "docs" / f"{recorded}.png")
        print(f"{name}: {found['cells']['done']} cells, {found['cpu_seconds']:,.0f} CPU-seconds")


def command(name: str, out: Path, jobs: int) -> list[str]:
    """The ablation of one configuration, in a process of its own."""
    shelfwise = [sys.executable, "-c", "from shelfwise.cli import main; main()"]
    configs = ROOT / "configs"
    switches = ["--switches", str(configs / "ablations" / f"{name}.toml")]
    config = configs / f"{name.partition('.')[0]}.toml"
    asked = ["ablate", str(config), *switches, "--out", str(out), "--jobs", str(jobs)]
    return [*shelfwise, *asked]


if __name__ == "__main__":
    main()
