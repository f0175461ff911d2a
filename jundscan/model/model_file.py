"""The file of a model: its bytes, its metadata, and the inputs and outputs that a graph must have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jundscan.errors import ModelError
from jundscan.io.file_kinds import HEAD_BYTES, check_address, check_head
from jundscan.model.metadata import METADATA_KEY, Metadata

if TYPE_CHECKING:
    import onnxruntime

_MOST_BYTES = 1 << 28


def read_model_file(file: Path) -> bytes:
    """Read the content of a model's file.

    Raises
    ------
    ModelError
        When it cannot be read, or is larger than any model.
    """
    check_address(file, ModelError)
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as err:
        raise ModelError(
            f"{file}: cannot be read ({err.strerror}); --model takes an .onnx file made by jundscan"
        ) from err
    if len(content) > _MOST_BYTES:
        raise ModelError(f"{file}: more than {_MOST_BYTES:,} bytes; --model takes an .onnx file made by jundscan")
    check_head(file, "model", ModelError, content[:HEAD_BYTES], False)
    return content


def interface(widths: int) -> dict[str, tuple[str, int]]:
    """Give type and rank of the inputs and the output of a graph that takes accessibility at ``widths`` widths."""
    return {
        "sequence": ("tensor(uint8)", 2),
        "accessibility": ("tensor(float)", 2 if widths == 1 else 3),
        "stride": ("tensor(int64)", 0),
        "probability": ("tensor(float)", 2),
    }


def read_metadata(session: onnxruntime.InferenceSession, file: Path) -> Metadata:
    """Read what a model says of itself, and compare inputs and outputs with it.

    Raises
    ------
    ModelError
        When it is not one of our models, or does not fit its own metadata.
    """
    try:
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        ends = [*session.get_inputs(), *session.get_outputs()]
        found = {value.name: (value.type, len(value.shape)) for value in ends}
    except UnicodeDecodeError as err:
        raise ModelError(f"{file}: names or metadata in it are not UTF-8 text; fetch or export the model anew") from err
    if text is None:
        raise ModelError(
            f"{file}: an ONNX model, but without jundscan's metadata; export one with: python -m train export"
        )
    metadata = Metadata.from_json(text, str(file))
    expected = interface(len(metadata.accessibility_widths))
    if found != expected:
        raise ModelError(
            f"{file}: its inputs and outputs are {found}, jundscan needs {expected}; export the model anew"
        )
    return metadata
