"""List every reader under test. Add a new one here, or in a module that this list includes."""

from __future__ import annotations

from tests.damage import genomes, intervals, reads, tables, variants
from tests.damage.hostile import hostile_shards
from tests.damage.models import model_files, model_metadata, model_record
from tests.damage.programs import evaluate_program, scan_program
from tests.damage.reader import Reader
from tests.damage.shard_folders import shard_folders


def readers() -> list[Reader]:
    """Return every reader."""
    return [
        *genomes.readers(),
        *intervals.readers(),
        *reads.readers(),
        *tables.readers(),
        *variants.readers(),
        shard_folders(),
        hostile_shards(),
        model_files(),
        model_metadata(),
        model_record(),
        scan_program(),
        evaluate_program(),
    ]
