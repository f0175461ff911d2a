"""What a scan of many samples returns in Python: sites by samples, and the hits of each sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jundscan.errors import JundscanError, format_count
from jundscan.io.frames import data_frame
from jundscan.io.html_tables import html_table
from jundscan.model.thresholds import is_positive
from jundscan.samples.sites import SiteTable
from jundscan.scanning.score import Hit

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

_SHOWN_SITES = 5  # rows of the table in a notebook


@dataclass(frozen=True, eq=False)
class SampleSites:
    """Sites of many samples, from :func:`jundscan.scan_samples`. Its length is the number of sites.

    Attributes
    ----------
    sites : SiteTable
        ``chrom``, ``start``, ``end``, ``summit``: the union of the hits of all samples. ``best``, (sites, samples): the
        highest probability of each sample among the windows inside the site.
    samples : tuple of str
        Names of the samples: columns of ``best``.
    groups : tuple of str or None
        Group of each sample.
    hits : mapping of str to list of Hit
        Hits of each sample, as :func:`jundscan.scan` yields them for its track alone.
    threshold : float
        Windows that score this or more are called.
    """

    sites: SiteTable
    samples: tuple[str, ...]
    groups: tuple[str | None, ...]
    hits: Mapping[str, list[Hit]]
    threshold: float

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self.sites.start)

    @property
    def calls(self) -> NDArray[np.bool_]:
        """Whether each sample calls each site, (sites, samples)."""
        return is_positive(self.sites.best, self.threshold)

    def __repr__(self) -> str:
        return f"<SampleSites: {self._describe()}>"

    def _repr_html_(self) -> str:
        rows = np.sort(np.argsort(-self.sites.best.max(axis=1), kind="stable")[:_SHOWN_SITES]).tolist()
        columns = ("chrom", "start", "end", "summit", *self.samples)
        shown = [
            (*(column[row] for column in self.sites[:4]), *(f"{value:.4f}" for value in self.sites.best[row].tolist()))
            for row in rows
        ]
        return html_table(self._describe(), columns, shown)

    def _describe(self) -> str:
        groups = len({group for group in self.groups if group is not None})
        of_groups = f" of {format_count(groups, 'group')}" if groups else ""
        return f"{format_count(len(self), 'site')} in {format_count(len(self.samples), 'sample')}{of_groups}"

    def to_frame(self) -> DataFrame:
        """Return a ``pandas.DataFrame`` with one row per site.

        Columns are those of ``sites.tsv``: chrom, start, end (0-based half-open), summit, samples (how many call the
        site), and the best probability of each sample under its name.

        Raises
        ------
        JundscanError
            When pandas is not installed.
        """
        return data_frame({**self._site_columns(), **dict(zip(self.samples, self.sites.best.T, strict=True))})

    def to_anndata(self) -> AnnData:
        """Return an ``anndata.AnnData`` with samples as observations and sites as variables.

        ``X`` holds the best probability of each sample in each site. ``obs`` holds the group of each sample. ``var``
        holds chrom, start, end, summit and samples of each site, which is named ``chrom:start-end``.
        ``uns["threshold"]`` is the threshold.

        Raises
        ------
        JundscanError
            When anndata is not installed.
        """
        try:
            from anndata import AnnData
        except ImportError as err:
            raise JundscanError("to_anndata() needs anndata; run: pip install 'jundscan[anndata]'") from err
        from pandas import Categorical, DataFrame, Index

        bounds = zip(*(column.tolist() for column in self.sites[:3]), strict=True)
        names = [f"{chrom}:{start}-{end}" for chrom, start, end in bounds]
        known = sorted({group for group in self.groups if group is not None})
        # plain objects, because files of AnnData hold no other text yet
        groups = Categorical(list(self.groups), Index(known, dtype=object))
        chroms = Index(list(dict.fromkeys(self.sites.chrom.tolist())), dtype=object)
        columns: dict[str, Any] = {**self._site_columns(), "chrom": Categorical(self.sites.chrom, chroms)}
        return AnnData(
            X=np.ascontiguousarray(self.sites.best.T),
            obs=DataFrame({"group": groups}, index=Index(self.samples, dtype=object)),
            var=DataFrame(columns, index=Index(names, dtype=object)),
            uns={"threshold": self.threshold},
        )

    def _site_columns(self) -> dict[str, Any]:
        chrom, start, end, summit, _ = self.sites
        return {"chrom": chrom, "start": start, "end": end, "summit": summit, "samples": self.calls.sum(axis=1)}
