"""Write the golden files anew: ``python -m tests.golden``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from jundscan.choices import DEFAULT_STRIDE
from tests.golden import FOLDER, SCORES_STRIDE, features, scan_to

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        made = {
            "features.tsv": features(),
            "scores.tsv": scan_to(Path(work, "scores"), "tsv", SCORES_STRIDE),
            "hits.bed": scan_to(Path(work, "hits"), "bed", DEFAULT_STRIDE),
        }
    for name, text in made.items():
        (FOLDER / name).write_text(text)
        print(f"{FOLDER / name}: {text.count(chr(10))} lines")
