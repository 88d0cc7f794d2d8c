"""The journal of a run: one JSON object a line, whole lines only, and TensorBoard where asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shelfwise.errors import MissingExtraError
from shelfwise.files import replacing

Record = dict[str, Any]


class Journal:
    """Appends records to `journal.jsonl`; a resumed run first drops what came after its checkpoint."""

    def __init__(self, folder: Path, *, resume_step: int = 0, tensorboard: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = _summary_writer(folder / "tensorboard", resume_step) if tensorboard else None
        self.path = folder / "journal.jsonl"
        kept = [record for record in read_journal(self.path) if record["step"] <= resume_step]
        with replacing(self.path) as partial:  # a kill meanwhile leaves the history as it was
            partial.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        self._file = self.path.open("a", encoding="utf-8")

    def add(self, record: Record) -> None:
        """Write one record, which has a `step`; numbers go to TensorBoard too."""
        self._write(record)
        if self._writer is not None:
            for key, value in record.items():
                if key != "step" and isinstance(value, int | float):
                    self._writer.add_scalar(key, value, record["step"])

    def close(self) -> None:
        """Flush and close."""
        self._file.close()
        if self._writer is not None:
            self._writer.close()

    def _write(self, record: Record) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()


def read_journal(path: Path) -> list[Record]:
    """All whole records of a journal; a last line cut by a crash is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def _summary_writer(folder: Path, resume_step: int) -> Any:
    """TensorBoard's writer; what an interrupted run wrote after `resume_step` is hidden."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("tensorboard", "tensorboard") from None
    return SummaryWriter(str(folder), purge_step=resume_step or None)
