"""Write the JSON Schemas of all records anew: ``python -m tests.golden.schemas``."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import msgspec

import jundscan
from jundscan.model import metadata
from jundscan.schemas import records

FOLDER = Path(jundscan.__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
RECORDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "scan": ("jundscan scan --json", (records.ScanRecord,)),
    "samples": ("jundscan scan --samples --json", (records.SamplesRecord,)),
    "score": ("jundscan score --json", (records.ScoreRecord,)),
    "compare": ("jundscan compare --json", (records.CompareRecord,)),
    "evaluate": ("jundscan evaluate --json", (records.EvaluationRecord, records.EvaluationsRecord)),
    "variants": ("jundscan variants --json", (records.VariantsRecord,)),
    "explain": ("jundscan explain --json", (records.ExplainRecord,)),
    "scale": ("jundscan scale", (records.ScaleRunRecord,)),
    "info": ("jundscan info --json", (metadata.ModelInfo,)),
    "doctor": ("jundscan doctor --json", (records.DoctorRecord,)),
}
"""By the name of a schema: what writes the record, and the forms of the record."""


def make_schema(kind: str) -> dict[str, Any]:
    """Make the JSON Schema of a record. It admits no key that the types do not name."""
    command, forms = RECORDS[kind]
    references, definitions = msgspec.json.schema_components(forms, ref_template="#/$defs/{name}")
    for name, one in definitions.items():
        one["description"] = one["description"].partition("\n\n")[0].replace("\n", " ")
        one["additionalProperties"] = False
        if is_dataclass(vars(metadata).get(name)):  # its defaults are for reading: who writes a record writes every key
            one["required"] = sorted(one["properties"])
            for value in one["properties"].values():
                value.pop("default", None)
    top = {"$schema": DIALECT, "$id": f"urn:jundscan:schema:{kind}", "title": command}
    if len(forms) == 1:
        top |= {key: value for key, value in definitions.pop(forms[0].__name__).items() if key != "title"}
    else:
        top |= {"description": "One of these records.", "anyOf": list(references)}
    return {**top, "$defs": dict(sorted(definitions.items()))}


def schema_texts() -> dict[str, str]:
    """Return the content of every schema by the name of its file."""
    return {
        f"{kind}.schema.json": json.dumps(make_schema(kind), indent=1, ensure_ascii=False) + "\n" for kind in RECORDS
    }


def write_schemas() -> None:
    """Write all schemas into the package."""
    for name, text in schema_texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"{FOLDER / name}: {text.count(chr(10))} lines")


if __name__ == "__main__":
    write_schemas()
