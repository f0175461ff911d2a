"""Write explanations: tables, a track of contributions, known sites, pictures, and the record of the run."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from jundscan.dna.letters import ALPHABET, WINDOW_LENGTH, decode
from jundscan.dna.regions import Region
from jundscan.errors import OutputError, format_count
from jundscan.explanations.alignment import AverageLogo, DrivingSite, driving_site, logos_by_kind
from jundscan.explanations.mutagenesis import Explanation, explain_regions
from jundscan.explanations.ranking import StrongHit
from jundscan.io.aliases import check_names_in_text
from jundscan.io.numbers import format_probability, shortest_decimals
from jundscan.io.outputs import check_output, open_output, remove_old_output, write_error
from jundscan.model.sites import NO_SITE, describe_sites, site_kinds
from jundscan.run.record import run_facts
from jundscan.scanning.plan import Scan
from jundscan.schemas.records import ExplainRecord

TABLES = ("mutagenesis.tsv", "contributions.bedgraph", "accessibility.tsv", "sites.bed")
HIT_FILES = ("hits.png", "hits.tsv", "logo.png", "logo.tsv")
_MISSING = "."


def picture_name(region: Region) -> str:
    """Return the file name of a region's picture. Characters that a file name may not hold become ``_``."""
    return re.sub(r"[^\w.-]", "_", f"{region.chrom}_{region.start}-{region.end}") + ".png"


def check_folder(folder: str | Path, names: Iterable[str], force: bool) -> None:
    """Make the folder, and check before any work that files of these names can be written into it.

    Raises
    ------
    OutputError
        When the folder is a file, cannot be made, or holds one of these files and ``force`` is false.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: a file, not a folder. Choose another name")
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
) -> ExplainRecord:
    """Explain regions and hits, and write tables, a track and pictures.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`.
    regions : sequence of Region
        Each gets its own picture.
    hits : sequence of StrongHit
        The strongest first. They share one page, a table and the logos of each kind of site.
    folder : str or pathlib.Path
        Created if missing.
    force : bool
        Replace existing files.
    on_progress : callable
        Called with 1 after each region.
    hits_file : pathlib.Path, optional
        The file of the hits, for the record.
    command : str, optional
        The command line, for the record.

    Returns
    -------
    ExplainRecord
        The record of ``explain --json``.
    """
    from jundscan.explanations.pictures import draw_averages, draw_page, draw_region

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
    kinds = site_kinds(scan.model.metadata)
    averages = logos_by_kind(of_hits, kinds)
    driving = [driving_site(one) for one in of_hits]
    if hits:
        draw_page(folder / "hits.png", of_hits, f"{len(of_hits)} strongest hits: {model}, {track}", force)
        _write_hits(folder / "hits.tsv", hits, driving, force)
    if averages:
        averaged = sum(one.regions for one in averages)
        draw_averages(folder / "logo.png", averages, f"What drives {averaged} hits: {model}, {track}", force)
        _write_logos(folder / "logo.tsv", averages, force)
    written = HIT_FILES if averages else HIT_FILES[:2] if hits else ()
    for name in set(HIT_FILES) - set(written) if force else ():
        remove_old_output(folder / name, force)
    rank = {chrom: number for number, chrom in enumerate(scan.genome.chromsizes)}
    in_order = sorted(explained, key=lambda one: (rank[one.region.chrom], one.region.start, one.region.end))
    _write_mutagenesis(folder / "mutagenesis.tsv", explained, force)
    _write_track(folder / "contributions.bedgraph", in_order, scan.model.metadata.factor, force)
    _write_response(folder / "accessibility.tsv", explained, force)
    known_sites = describe_sites(scan.model.metadata)
    sites = _write_sites(folder / "sites.bed", in_order, known_sites, force)
    hit_sites = [NO_SITE if found is None else found.site.name for found in driving]
    return {
        **run_facts(scan.inputs, scan.threshold, {"hits": hits_file}, command),
        "regions": [str(region) for region in regions],
        "hits": [str(hit.region) for hit in hits],
        "hit_probabilities": [None if math.isnan(value) else value for value in _exact_probabilities(hits)],
        "hit_sites": hit_sites,
        "hits_by_site": {kind: hit_sites.count(kind) for kind in (*kinds, NO_SITE)},
        "known_sites": known_sites,
        "bases": sum(len(one.codes) for one in explained),
        "sites": sites,
        "regions_with_a_site": sum(bool(one.sites) for one in explained),
        "files": [str(folder / name) for name in names if (folder / name).exists()],
        "seconds": time.perf_counter() - began,
    }


def _exact_probabilities(hits: Sequence[StrongHit]) -> list[float]:
    """Return probabilities as the shortest decimals that give the same float32."""
    return list(shortest_decimals(np.array([hit.probability for hit in hits], np.float32)).tolist())


def _number(value: float) -> str:
    return _MISSING if math.isnan(value) else f"{value:.7g}"


def _probability(value: float) -> str:
    return _MISSING if math.isnan(value) else format_probability(value)


def _write_mutagenesis(path: Path, explained: Sequence[Explanation], force: bool) -> None:
    """Write one line per base: change by each substitution, contribution, and the window centred on it."""
    with open_output(path, force) as stream:
        columns = ("contribution", "probability", "accessibility", "region")
        stream.write("#" + "\t".join(("chrom", "start", "end", "reference", *ALPHABET, *columns)) + "\n")
        for one in explained:
            letters = decode(one.codes).decode()
            rows = zip(letters, one.differences, one.contributions, one.probabilities, one.accessibility, strict=True)
            for at, (letter, changes, contribution, probability, accessibility) in enumerate(rows, one.region.start):
                cells = [one.region.chrom, str(at), str(at + 1), letter, *map(_number, changes.tolist())]
                cells += [_number(contribution), _probability(probability), _probability(accessibility)]
                cells.append(str(one.region))
                stream.write("\t".join(cells) + "\n")


def _write_track(path: Path, in_order: Sequence[Explanation], factor: str, force: bool) -> None:
    """Write each base's contribution, once where regions overlap. Bases without a contribution are left out."""
    with open_output(path, force) as stream:
        stream.write(
            f'track type=bedGraph name="{factor} contributions" description="logits lost when the base is broken"\n'
        )
        chrom, reached = "", 0
        for one in in_order:
            reached = reached if chrom == one.region.chrom else 0
            chrom = one.region.chrom
            for at, value in enumerate(one.contributions.tolist(), one.region.start):
                if at >= reached and not math.isnan(value):
                    stream.write(f"{chrom}\t{at}\t{at + 1}\t{value:.7g}\n")
            reached = max(reached, one.region.end)


def _write_response(path: Path, explained: Sequence[Explanation], force: bool) -> None:
    """Write the best window's probability at every percentile, and without accessibility (``.``)."""
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


def _write_sites(path: Path, in_order: Sequence[Explanation], what: str, force: bool) -> int:
    """Write known sites as BED6, once where regions overlap. The score is 100 × the mean contribution of their bases.

    ``what`` describes the sites. Returns their number.
    """
    written: dict[tuple[str, int, int, str], str] = {}
    for one in in_order:
        for site in one.sites:
            start, end = one.region.start + site.start, one.region.start + site.end
            mean = float(np.nan_to_num(one.contributions[site.start : site.end]).mean())
            score = round(min(max(100 * mean, 0), 1000))
            row = f"{one.region.chrom}\t{start}\t{end}\t{site.name}\t{score}\t{site.strand}\n"
            written.setdefault((one.region.chrom, start, end, site.name), row)
    with open_output(path, force) as stream:
        stream.write(f"# {what}\n")
        stream.writelines(written.values())
    return len(written)


def _write_hits(path: Path, hits: Sequence[StrongHit], driving: Sequence[DrivingSite | None], force: bool) -> None:
    """Write one line per hit with the known site that drives it, or ``none``."""
    columns = ("chrom", "start", "end", "probability", "site", "site_start", "site_end", "strand", "sequence")
    with open_output(path, force) as stream:
        stream.write("#" + "\t".join((*columns, "contribution", "region")) + "\n")
        for hit, found in zip(hits, driving, strict=True):
            cells = [hit.hit.chrom, str(hit.hit.start), str(hit.hit.end), _probability(hit.probability)]
            if found is None:
                cells += [NO_SITE, *[_MISSING] * 5]
            else:
                site, contribution = found
                start, end = (str(hit.region.start + edge) for edge in (site.start, site.end))
                cells += [site.name, start, end, site.strand, site.sequence, _number(contribution)]
            stream.write("\t".join([*cells, str(hit.region)]) + "\n")


def _write_logos(path: Path, averages: Sequence[AverageLogo], force: bool) -> None:
    """Write one line per position of each kind's logo."""
    with open_output(path, force) as stream:
        names = [f"{value}_{letter}" for value in ("contribution", "frequency") for letter in ALPHABET]
        for one in averages:
            stream.write(f"# {one.kind}: mean of {format_count(one.regions, 'aligned hit')}\n")
        stream.write("#" + "\t".join(("site", "position", *names)) + "\n")
        for one in averages:
            rows = np.hstack((one.contributions, one.frequencies)).tolist()
            for position, row in enumerate(rows, one.first):
                stream.write("\t".join([one.kind, str(position), *map(_number, row)]) + "\n")
