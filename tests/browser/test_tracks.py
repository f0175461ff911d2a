"""igv.js reads the bigWigs that a scan writes: the values themselves, and summaries of them when zoomed out."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan.io.outputs import open_track_output
from jundscan.report import render
from tests.browser.chromium import ABSENT, find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None or importlib.util.find_spec("selenium") is None, reason=ABSENT)
IGV = Path(render.__file__).parent / "static" / "igv.min.js"
SIZES = {"chr2": 4_000_000, "chr10": 500_000}
STEP = 10
READ = """
const [views, length, done] = arguments;
const file = document.getElementById("track").files[0];
igv.createBrowser(document.getElementById("igv"), {
  reference: { id: "g", indexed: false,
               fastaURL: "data:text/plain;base64," + btoa(`>chr2:1-4 @len=${length}\\nACGT\\n`) },
  tracks: [{ type: "wig", format: "bigwig", url: file, name: "t" }],
  loadDefaultGenomes: false, queryParametersSupported: false,
}).then(async (browser) => {
  const [track] = browser.findTracks("name", "t");
  const found = [];
  for (const [chrom, start, end, scale] of views) {
    const rows = await track.getFeatures(chrom, start, end, scale);
    found.push(rows.map((row) => [row.start, row.end, row.value]));
  }
  done(JSON.stringify(found));
}).catch((error) => done(JSON.stringify(String(error))));
"""


def read_with_igv(chrome: Any, page: Path, track: Path, views: list[tuple[str, int, int, float]]) -> Any:
    """Return the rows that igv.js reads of a bigWig: for each view chrom, start, end and bases per pixel."""
    page.write_text(f'<input type="file" id="track"><div id="igv"></div><script src="{IGV.as_uri()}"></script>')
    chrome.get(page.as_uri())
    chrome.find_element("id", "track").send_keys(str(track))
    chrome.set_script_timeout(60)
    return json.loads(chrome.execute_async_script(READ, views, SIZES["chr2"]))


@pytest.mark.tools
@pytest.mark.slow
@pytest.mark.parametrize("digits", [3, None])
def test_igv_reads_a_track(chrome: Any, tmp_path: Path, digits: int | None) -> None:
    rng = np.random.default_rng(0)
    values = {chrom: rng.random(size // STEP).astype(np.float32) for chrom, size in SIZES.items()}
    with open_track_output(tmp_path / "t.bw", SIZES, digits=digits) as add:
        for chrom, of_chrom in values.items():
            starts = np.arange(len(of_chrom)) * STEP
            add(chrom, starts, starts + STEP, of_chrom)
    views = [("chr2", 2_000_000, 2_000_500, 1), ("chr10", 400_000, 400_500, 1), ("chr2", 0, SIZES["chr2"], 3_000)]
    near, other, far = read_with_igv(chrome, tmp_path / "page.html", tmp_path / "t.bw", views)
    for rows, (chrom, start, end, _) in ((near, views[0]), (other, views[1])):
        shown = [(at, stop, value) for at, stop, value in rows if start <= at < end]
        assert [(at, stop) for at, stop, _ in shown] == [(at, at + STEP) for at in range(start, end, STEP)]
        expected = values[chrom][start // STEP : end // STEP]
        found = np.array([value for *_, value in shown])
        if digits is None:
            np.testing.assert_array_equal(found.astype(np.float32), expected)
        else:
            assert np.round(found, digits).tolist() == np.round(expected.astype(np.float64), digits).tolist()
    # igv.js reads summaries of 2,560 bases, and makes one row of those that share a pixel
    assert 1_000 < len(far) < SIZES["chr2"] / 2_560
    assert np.average([row[2] for row in far], weights=[row[1] - row[0] for row in far]) == pytest.approx(
        values["chr2"].mean(), abs=1e-4
    )
