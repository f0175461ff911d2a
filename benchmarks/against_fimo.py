"""Compare the scan at the default stride and at every base with FIMO.

Run ``python -m benchmarks.against_fimo``. It prints the ratios beside their targets and writes ``--out`` if given.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

from benchmarks import machine, peers
from benchmarks.__main__ import default_genome
from benchmarks.genome import make_genome
from benchmarks.ours import EndToEnd
from benchmarks.run import SLOW_PEER_BASES
from benchmarks.targets import MAX_BYTES, MIN_RATIOS
from benchmarks.timing import interleaved, ratio
from jundscan.model.load import load_model
from jundscan.options import DEFAULT_STRIDE
from jundscan.threads import usable_cores
from train.records import write_record


def main(arguments: list[str] | None = None) -> None:
    """Measure, compare and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against_fimo", description=__doc__)
    parser.add_argument("--model", type=Path, help="model to scan with (default: the default model)")
    parser.add_argument("--genome", type=Path, help="FASTA to read bases from (default: that of the whole benchmark)")
    parser.add_argument("--bases", type=int, help="maximum bases per chromosome, of four")
    parser.add_argument("--threads", type=int, default=min(2, usable_cores()))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args(arguments)
    model = load_model(options.model, "cpu")
    with tempfile.TemporaryDirectory(prefix="jundscan-fimo-") as name:
        folder = Path(name)
        genome = make_genome(folder, options.genome or default_genome(), options.bases)
        scan = EndToEnd(genome, folder)
        scan.run(model.path, 101, options.threads)  # writes the index, fills the page cache
        scanners, notes = peers.cases(genome.codes, SLOW_PEER_BASES, ("FIMO",))
        strides = {str(stride): stride for stride in (DEFAULT_STRIDE, 1)}
        cases = {
            name: partial(scan.rate, name, model.path, stride, options.threads) for name, stride in strides.items()
        }
        speeds = interleaved({**cases, **scanners}, options.repeats)
    found = {
        "machine": machine.describe(),
        "model": model.identity(),
        "genome": {"source": genome.source, "bases": genome.bases},
        "threads": options.threads,
        "peers": notes,
        "mbp_per_second": speeds,
        "peak_bytes": {name: scan.records[name]["peak_bytes"] for name in strides},
    }
    for name, stride in strides.items():
        rate = speeds[name]
        words = f"stride {stride}: {rate['median']:.3g} Mbp/s ({rate['min']:.3g} – {rate['max']:.3g})"
        if "FIMO" in speeds:
            compared = ratio(rate, speeds["FIMO"])
            found[f"stride_{stride}_over_fimo"] = compared
            least = MIN_RATIOS["fimo_stride_1" if stride == 1 else "fimo_default"]
            words += f", {compared['median']:.2f} x FIMO (aim {least:g})"
        memory = scan.records[name]["peak_bytes"]
        print(f"{words}, {memory / 1e6:.0f} MB (aim {MAX_BYTES / 1e6:.0f})")
    if options.out:
        write_record(found, options.out)


if __name__ == "__main__":
    main()
