"""Where explanations go: tables, a track of contributions, known sites, pictures; and the record of the run."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH, decode
from jundscan.dna.regions import Region
from jundscan.errors import OutputError
from jundscan.explanations.alignment import Aggregate, aggregate
from jundscan.explanations.known_sites import CONSENSUS, matches
from jundscan.explanations.mutagenesis import Explanation, explain_regions
from jundscan.explanations.ranking import StrongHit
from jundscan.io.aliases import check_names_in_text
from jundscan.io.numbers import format_probability, shortest_decimals
from jundscan.io.outputs import check_output, open_output, remove_old_output, write_error
from jundscan.run.record import run_facts
from jundscan.scanning.plan import Scan

TABLES = ("mutagenesis.tsv", "contributions.bedgraph", "accessibility.tsv", "sites.bed")
HIT_FILES = ("hits.png", "logo.png", "logo.tsv")
_MISSING = "."


def picture_name(region: Region) -> str:
    """Name the picture of a region, whatever letters its chromosome's name has."""
    return re.sub(r"[^\w.-]", "_", f"{region.chrom}_{region.start}-{region.end}") + ".png"


def check_folder(folder: str | Path, names: Iterable[str], force: bool) -> None:
    """Make the folder, and find out before any work whether files of these names can be written into it.

    Raises
    ------
    OutputError
        When it is a file, cannot be made, or holds one of them and ``force`` is false.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: a file, not a folder; name another one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise write_error(folder, err) from err
    for name in names:
        check_output(folder / name, force)


def write_explanations(
    scan: Scan,
    regions: Sequence[Region],
    hits: Sequence[StrongHit],
    folder: str | Path,
    force: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
    hits_file: Path | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Explain regions and hits, and write tables, a track and pictures.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`.
    regions : sequence of Region
        Each gets a picture of its own.
    hits : sequence of StrongHit
        The strongest first; they share a page and an aggregated logo.
    folder : str or pathlib.Path
        Made when it does not exist.
    force : bool
        Whether existing files may be replaced.
    on_progress : callable
        Told 1 after each region.
    hits_file : pathlib.Path, optional
        Where the hits come from, for the record.
    command : str, optional
        The command line, for the record.

    Returns
    -------
    dict
        The keys of ``explain --json``.
    """
    from jundscan.explanations.pictures import draw_aggregate, draw_page, draw_region

    began = time.perf_counter()
    folder = Path(folder)
    check_names_in_text(folder, (region.chrom for region in (*regions, *(hit.region for hit in hits))))
    names = [*TABLES, *map(picture_name, regions), *(HIT_FILES if hits or hits_file is not None else ())]
    check_folder(folder, names, force)
    explained = []
    for explanation in explain_regions(scan, [*regions, *(hit.region for hit in hits)]):
        explained.append(explanation)
        on_progress(1)
    model = f"{scan.model.metadata.name} {scan.model.metadata.version}"
    track = "sequence alone" if scan.track is None else scan.track.path.name
    for explanation in explained[: len(regions)]:
        title = f"{explanation.region}: {model}, accessibility {track}"
        path = folder / picture_name(explanation.region)
        draw_region(path, explanation, scan.model.flank, scan.threshold.value, title, force)
    of_hits = explained[len(regions) :]
    found = aggregate(of_hits)
    if hits:
        draw_page(folder / "hits.png", of_hits, f"{len(of_hits)} strongest hits: {model}, {track}", force)
        if found is not None:
            draw_aggregate(folder / "logo.png", found, f"What drives {found.regions} hits: {model}, {track}", force)
            _write_logo(folder / "logo.tsv", found, force)
    drawn = HIT_FILES if found is not None else HIT_FILES[:1] if hits else ()
    for name in set(HIT_FILES) - set(drawn) if force else ():
        remove_old_output(folder / name, force)
    rank = {chrom: number for number, chrom in enumerate(scan.genome.chromsizes)}
    in_order = sorted(explained, key=lambda one: (rank[one.region.chrom], one.region.start, one.region.end))
    _write_mutagenesis(folder / "mutagenesis.tsv", explained, force)
    _write_track(folder / "contributions.bedgraph", in_order, force)
    _write_response(folder / "accessibility.tsv", explained, force)
    sites = _write_sites(folder / "sites.bed", in_order, force)
    return {
        **run_facts(scan.inputs, scan.threshold, {"hits": hits_file}, command),
        "regions": [str(region) for region in regions],
        "hits": [str(hit.region) for hit in hits],
        "hit_probabilities": [None if math.isnan(value) else value for value in _exact(hits)],
        "bases": sum(len(one.codes) for one in explained),
        "sites": sites,
        "regions_with_a_site": sum(bool(matches(one.codes)) for one in explained),
        "files": [str(folder / name) for name in names if (folder / name).exists()],
        "seconds": time.perf_counter() - began,
    }


def _exact(hits: Sequence[StrongHit]) -> list[float]:
    """Probabilities as the shortest decimals of what float32 holds."""
    return list(shortest_decimals(np.array([hit.probability for hit in hits], np.float32)).tolist())


def _number(value: float) -> str:
    return _MISSING if math.isnan(value) else f"{value:.7g}"


def _probability(value: float) -> str:
    return _MISSING if math.isnan(value) else format_probability(value)


def _write_mutagenesis(path: Path, explained: Sequence[Explanation], force: bool) -> None:
    """One line for each base: what each substitution changes, the base's contribution, the window centred on it."""
    with open_output(path, force) as stream:
        columns = (
            "chrom",
            "start",
            "end",
            "reference",
            *ALPHABET,
            "contribution",
            "probability",
            "accessibility",
            "region",
        )
        stream.write("#" + "\t".join(columns) + "\n")
        for one in explained:
            letters = decode(one.codes).decode()
            rows = zip(letters, one.differences, one.contributions, one.probabilities, one.accessibility, strict=True)
            for place, (letter, changes, contribution, probability, accessibility) in enumerate(rows, one.region.start):
                cells = [one.region.chrom, str(place), str(place + 1), letter, *map(_number, changes.tolist())]
                cells += [
                    _number(contribution),
                    _probability(probability),
                    _probability(accessibility),
                    str(one.region),
                ]
                stream.write("\t".join(cells) + "\n")


def _write_track(path: Path, in_order: Sequence[Explanation], force: bool) -> None:
    """Contribution of each base, once where regions overlap; bases without one are left out."""
    with open_output(path, force) as stream:
        stream.write(
            'track type=bedGraph name="JUND contributions" description="logits lost when the base is broken"\n'
        )
        chrom, reached = "", 0
        for one in in_order:
            reached = reached if chrom == one.region.chrom else 0
            chrom = one.region.chrom
            for place, value in enumerate(one.contributions.tolist(), one.region.start):
                if place >= reached and not math.isnan(value):
                    stream.write(f"{chrom}\t{place}\t{place + 1}\t{value:.7g}\n")
            reached = max(reached, one.region.end)


def _write_response(path: Path, explained: Sequence[Explanation], force: bool) -> None:
    """The best window's probability at every percentile, of all widths alike, and (.) when none is available."""
    with open_output(path, force) as stream:
        stream.write(
            "#region\twindow_start\twindow_end\twindow_accessibility\twindow_probability\taccessibility\tprobability\n"
        )
        for one in explained:
            if (response := one.response) is None:
                continue
            shown = [str(one.region), str(response.start), str(response.start + WINDOW_LENGTH)]
            shown += [_probability(response.accessibility), _probability(response.probability)]
            points = zip(response.percentiles.tolist(), response.probabilities.tolist(), strict=True)
            for percentile, probability in [*points, (math.nan, response.without)]:
                stream.write("\t".join([*shown, _probability(percentile), _probability(probability)]) + "\n")


def _write_sites(path: Path, in_order: Sequence[Explanation], force: bool) -> int:
    """Known sites as BED6, once where regions overlap; the score is the mean contribution of their bases × 100."""
    written: dict[tuple[str, int, int], str] = {}
    for one in in_order:
        for site in matches(one.codes):
            start, end = one.region.start + site.start, one.region.start + site.end
            mean = float(np.nan_to_num(one.contributions[site.start : site.end]).mean())
            score = round(min(max(100 * mean, 0), 1000))
            row = f"{one.region.chrom}\t{start}\t{end}\t{site.name}\t{score}\t{CONSENSUS[site.sequence][1]}\n"
            written.setdefault((one.region.chrom, start, end), row)
    with open_output(path, force) as stream:
        stream.write(f"# exact matches of {', '.join(CONSENSUS)}\n")
        stream.writelines(written.values())
    return len(written)


def _write_logo(path: Path, found: Aggregate, force: bool) -> None:
    with open_output(path, force) as stream:
        names = [f"{kind}_{letter}" for kind in ("contribution", "frequency") for letter in ALPHABET]
        stream.write(f"# mean of {found.regions} aligned hits\n#position\t" + "\t".join(names) + "\n")
        for place, row in enumerate(np.hstack((found.contributions, found.frequencies)).tolist()):
            stream.write("\t".join([str(place), *map(_number, row)]) + "\n")
