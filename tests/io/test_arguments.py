"""Arguments of Python callers: every bad one raises InputError, and every type with a plain meaning is accepted."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pyfaidx
import pytest

import jundscan
from jundscan.accessibility.arrays import MemoryTrack
from jundscan.accessibility.scale import IDENTITY
from jundscan.dna.letters import encode
from jundscan.errors import (
    ClusterError,
    DeviceError,
    FastaError,
    InputError,
    JundscanError,
    ModelError,
    OutputError,
    RegionError,
    ShardError,
    TrackError,
)
from jundscan.io.fasta.arrays import MemoryGenome
from jundscan.model.load import load_model
from jundscan.model.model import Model
from tests.helpers.inputs import NEEDS_PYSAM, write_fasta

SCAN_OPTIONS, VARIANT_OPTIONS = (
    {each.name for each in inspect.signature(function).parameters.values() if each.kind is each.KEYWORD_ONLY}
    for function in (jundscan.scan, jundscan.variants)
)
SEQUENCE = "ACGTTGCA" * 20 + "TGACTCA" + "ACGTTGCA" * 20
CODES = encode(SEQUENCE.encode())


class Odd:
    """An object that no function accepts, and whose conversions raise errors of their own."""

    def __array__(self, *arguments: object, **options: object) -> np.ndarray:
        raise RuntimeError("no array")

    def __len__(self) -> int:
        raise RuntimeError("no length")


ODD: dict[str, Any] = {
    "None": None,
    "True": True,
    "a number": 5,
    "a negative number": -3,
    "a huge number": 10**30,
    "a float": 1.5,
    "nan": float("nan"),
    "complex": 1j,
    "a decimal": Decimal("0.5"),
    "text": "nothing of that name",
    "empty text": "",
    "a zero byte": "a\0b",
    "a surrogate": "\udc80",
    "long text": "x" * 5_000,
    "a sequence": SEQUENCE,
    "a FASTA's text": f">s\n{SEQUENCE}",
    "bytes": b"chr1",
    "a path": Path("nothing of that name"),
    "a folder": Path("/"),
    "an empty list": [],
    "a list": [1, 2],
    "a ragged list": [[1], [2, 3]],
    "texts": ["a", "b"],
    "a list of None": [None],
    "a tuple": ("chr1", 0, 100),
    "an empty dict": {},
    "a dict": {"a": 1},
    "a dict of None": {None: None},
    "a dict by number": {1: SEQUENCE},
    "a set": {1},
    "an object": Odd(),
    "a class": Odd,
    "a function": len,
    "an array": np.zeros((2, 3)),
    "no dimension": np.array(3.0),
    "booleans": np.array([True, False]),
    "objects": np.array([None, "x"], object),
    "dates": np.array(["2020-01-01"], "datetime64[D]"),
    "complex numbers": np.array([1j]),
    "records": np.zeros(3, [("a", int)]),
    "empty": np.zeros(0),
    "one letter each": np.array(["A", "é"]),
}


def check(run: Callable[[], Any]) -> None:
    """Fail when the call raises anything but a JundscanError with a printable message."""
    message = "a result"
    try:
        found = run()
        if isinstance(found, Iterator):
            list(found)
    except JundscanError as err:
        message = str(err)
    assert message.isprintable()
    assert message


@pytest.fixture(params=ODD, ids=str)
def odd(request: pytest.FixtureRequest) -> Any:
    return ODD[request.param]


def test_odd_genomes_and_tracks_raise_our_errors(odd: Any, model: Model) -> None:
    check(lambda: jundscan.scan(odd, model=model))
    check(lambda: jundscan.scan({"s": odd}, model=model))
    check(lambda: jundscan.scan({"s": SEQUENCE}, odd, model=model, scale=IDENTITY))
    check(lambda: jundscan.scan({"s": SEQUENCE}, {"s": odd}, model=model, scale=IDENTITY))
    check(lambda: MemoryGenome(odd))
    check(lambda: MemoryTrack(odd))


@pytest.mark.slow
@pytest.mark.parametrize("option", sorted(SCAN_OPTIONS - {"threads", "windows"}))
def test_odd_options_raise_our_errors(option: str, model: Model) -> None:
    for odd in ODD.values():
        options: dict[str, Any] = {"model": model, option: odd}
        check(lambda options=options: jundscan.scan({"s": SEQUENCE}, **options))
        check(lambda options=options: jundscan.scan({"s": SEQUENCE}, CODES.astype(float), **options))
        if option in VARIANT_OPTIONS:
            check(lambda options=options: jundscan.variants({"s": SEQUENCE}, [("s", 160, "T", "A")], **options))
            check(lambda options=options: jundscan.explain({"s": SEQUENCE}, "s:100-120", **options))


def test_odd_threads_windows_and_devices_raise_our_errors(odd: Any, model: Model) -> None:
    if odd != 10**30 if isinstance(odd, int) else True:  # nobody starts 10**30 threads by mistake
        check(lambda: jundscan.scan({"s": SEQUENCE}, model=model, threads=odd))
    check(lambda: jundscan.scan({"s": SEQUENCE}, model=model, windows=odd))
    check(lambda: load_model(odd))
    check(lambda: load_model(None, odd))


def test_odd_variants_and_regions_raise_our_errors(odd: Any, model: Model) -> None:
    genome = {"s": SEQUENCE}
    check(lambda: jundscan.variants(odd, [("s", 160, "T", "A")], model=model))
    check(lambda: jundscan.variants(genome, odd, model=model))
    check(lambda: jundscan.variants(genome, [odd], model=model))
    check(lambda: jundscan.variants(genome, iter([odd]), model=model))
    for position in range(4):
        variant = ["s", 160, "T", "A"]
        variant[position] = odd
        check(lambda variant=variant: jundscan.variants(genome, [tuple(variant)], model=model))
        check(lambda variant=variant: jundscan.variants(genome, [variant], model=model))
    check(lambda: jundscan.variants(genome, [("s", 160, "T", ["A", odd])], model=model))
    check(lambda: jundscan.explain(odd, "s:100-120", model=model))
    check(lambda: jundscan.explain(genome, odd, model=model))
    check(lambda: jundscan.explain(genome, [odd], model=model))


EVALUATE_OPTIONS = (
    *("labels", "weights", "accessibility", "ids", "genome", "model", "device", "threshold", "withhold_accessibility"),
    *("scale", "alias", "bed_value", "allow_length_mismatch"),
)


@pytest.mark.slow
@pytest.mark.parametrize("option", EVALUATE_OPTIONS)
def test_odd_options_of_evaluate_raise_our_errors(option: str, model: Model, tmp_path: Path) -> None:
    windows = np.stack([CODES[start : start + 101] for start in range(4)])
    ids = [f"s:{start}-{start + 101}" for start in range(4)]
    for odd in ODD.values():
        around = {"genome": {"s": SEQUENCE}, "ids": ids} if option in ("accessibility", "alias") else {}
        options = {"labels": np.array([0, 1, 0, 1]), "model": model, **around, option: odd}
        check(lambda options=options: jundscan.evaluate(windows, **options))
        check(lambda odd=odd: jundscan.evaluate(tmp_path, model=model, **{option: odd} if option != "model" else {}))


def test_odd_data_of_evaluate_raise_our_errors(odd: Any, model: Model) -> None:
    check(lambda: jundscan.evaluate(odd, model=model))
    check(lambda: jundscan.evaluate([odd], model=model))
    check(lambda: jundscan.evaluate(odd, np.zeros(2), model=model))


def test_odd_windows_of_a_model_raise_our_errors(odd: Any, model: Model) -> None:
    codes, values = CODES[None, :101], np.array([0.5])
    check(lambda: model.predict(odd, values))
    check(lambda: model.predict(codes, odd))
    check(lambda: model.predict(codes, odd, threads=2))
    check(lambda: model.slide(odd, values, 10))
    check(lambda: model.slide(CODES, odd, 10))
    check(lambda: model.slide(CODES, values, odd))
    check(lambda: model.slide_many(odd, values[None], 1))
    check(lambda: model.slide_many(codes, odd, 1))
    check(lambda: model.slide_many(codes, values[None], odd))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jundscan.scan(SEQUENCE), "is a sequence, but text is taken as the path of a file"),
        (lambda: jundscan.scan(SEQUENCE.encode()), "genome: must be the path of a FASTA.* not bytes"),
        (lambda: jundscan.scan(f">s\n{SEQUENCE}"), "is a sequence"),
        (lambda: jundscan.scan("x" * 300), "File name too long"),
        (lambda: jundscan.scan("a\0b"), "cannot be the path of a file"),
        (lambda: jundscan.scan(""), "genome: the path is empty"),
        (lambda: jundscan.scan({1: SEQUENCE}), "a name must be text, and 1 is int"),
        (lambda: jundscan.scan({"": SEQUENCE}), "a name must be text, and '' is empty"),
        (lambda: jundscan.scan({"s": SEQUENCE}, {1: CODES}), "a name must be text, and 1 is int"),
        (lambda: jundscan.scan({"s": "genomes/chr1.fa"}), "'/' is no letter of a sequence; a path"),
        (lambda: jundscan.scan({"s": SEQUENCE}, threshold="0.5"), "threshold '0.5': not a number"),
        (lambda: jundscan.scan({"s": SEQUENCE}, threshold=True), "threshold True: not a number"),
        (lambda: jundscan.scan({"s": SEQUENCE}, regions=[("s", 0, 200)]), "must be text, chrom:start-end"),
        (lambda: jundscan.scan({"s": SEQUENCE}, regions=5), "regions: must be text or several texts, not int"),
        (lambda: jundscan.scan({"s": SEQUENCE}, regions_file=5), "regions_file: must be the path of a file"),
        (lambda: jundscan.scan({"s": SEQUENCE}, allow_length_mismatch="no"), "must be True or False, not .*no"),
        (lambda: jundscan.scan({"s": SEQUENCE}, model=5), "model: must be the path of a file"),
        (lambda: jundscan.scan({"s": SEQUENCE}, device=["cpu"]), "device .*must be one of auto, cpu, cuda"),
        (
            lambda: jundscan.variants({"s": SEQUENCE}, [("s", "160", "T", "A")]),
            "start '160': must be a whole number",
        ),
        (lambda: jundscan.variants({"s": SEQUENCE}, [("s", 160, b"T", "A")]), "reference must be text, not b'T'"),
        (
            lambda: jundscan.variants({"s": SEQUENCE}, [("s", 160, "T", [b"A"])]),
            "an alternative must be text, not b'A'",
        ),
        (lambda: jundscan.variants({"s": SEQUENCE}, [("s", 160, "T", None)]), "alternatives must be text or several"),
        (lambda: jundscan.variants({"s": SEQUENCE}, ["s:160"]), r"variants\[0\]: must be \(chrom, start"),
        (lambda: jundscan.variants({"s": SEQUENCE}, None), "variants: must be the path of a VCF.* not None"),
        pytest.param(
            lambda: jundscan.variants({"s": SEQUENCE}, "gone.vcf"), "gone.vcf: No such file", marks=NEEDS_PYSAM
        ),
        (lambda: jundscan.explain({"s": SEQUENCE}, []), "regions: none is named"),
        (lambda: jundscan.evaluate([]), "data: no folder of shards"),
        (lambda: jundscan.evaluate(None), "data: must be a folder of shards"),
        (lambda: jundscan.evaluate(np.zeros((2, 101), int), accessibility="x"), "need the genome"),
    ],
)
def test_the_call_itself_raises_input_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert isinstance(caught.value, JundscanError)
    assert isinstance(caught.value, ValueError)


def test_pyfaidx_genomes_are_accepted_but_not_their_records(tmp_path: Path, model: Model) -> None:
    path = write_fasta(tmp_path / "genome.fa", {"s": SEQUENCE})
    with pyfaidx.Fasta(str(path)) as fasta:
        whole = score_all(model, {"s": SEQUENCE})
        assert score_all(model, fasta) == whole
        with pytest.raises(InputError, match=r"genome: must be the path of a FASTA.* not pyfaidx\.FastaRecord"):
            jundscan.scan(fasta["s"], model=model)
        assert score_all(model, {"s": str(fasta["s"])}) == whole
    with pytest.raises(InputError, match=r"s is types\.SimpleNamespace, not letters"):
        jundscan.scan({"s": SimpleNamespace()}, model=model)


# types with a plain meaning are accepted


def test_a_scale_may_be_the_word_identity_or_a_file(model: Model) -> None:
    values = np.arange(len(SEQUENCE)) % 2 / 2
    named = list(jundscan.scan({"s": SEQUENCE}, {"s": values}, model=model, scale="identity", threshold=0.0))
    assert named == list(jundscan.scan({"s": SEQUENCE}, {"s": values}, model=model, scale=IDENTITY, threshold=0.0))
    with pytest.raises(InputError, match="No such file"):
        jundscan.scan({"s": SEQUENCE}, {"s": values}, model=model, scale="gone.json")


def score_all(model: Model, genome: Any, *track: Any) -> list[float]:
    chunks = jundscan.scan(genome, *track, model=model, windows=True, scale=IDENTITY)
    return [score for chunk in chunks for score in chunk.probabilities.tolist()]


@pytest.mark.parametrize(
    "form",
    [
        CODES.astype(np.int64),
        CODES.tolist(),
        tuple(CODES.tolist()),
        SEQUENCE.lower(),
        bytearray(SEQUENCE.encode()),
        np.array(list(SEQUENCE)),
        np.frombuffer(SEQUENCE.encode(), "S1"),
        np.str_(SEQUENCE),
        "\n".join(SEQUENCE[at : at + 60] for at in range(0, len(SEQUENCE), 60)),
        "\r\n".join(SEQUENCE[at : at + 60] for at in range(0, len(SEQUENCE), 60)).encode(),
        SEQUENCE + "\n",
    ],
    ids=["int64", "list", "tuple", "lower", "bytearray", "U1", "S1", "numpy text", "wrapped", "CRLF", "one end"],
)
def test_sequences_of_any_type_are_accepted(model: Model, form: Any) -> None:
    assert len(score_all(model, {"s": SEQUENCE})) == 24
    assert score_all(model, {"s": form}) == score_all(model, {"s": SEQUENCE})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f">s\n{SEQUENCE}", "the text of a FASTA with its names; hand in the sequence alone"),
        (f"\n>s\r\n{SEQUENCE}", "the text of a FASTA"),
        (f"{SEQUENCE}\n>t\n{SEQUENCE}", "the text of a FASTA"),
        (SEQUENCE.replace("T", " ", 1), "a blank inside the sequence of s; remove it"),
        (SEQUENCE.replace("T", "\t", 1), "a blank inside"),
        (f"  {SEQUENCE}", "a blank inside"),
        (f"1 {SEQUENCE}", "a blank inside"),
        (SEQUENCE.replace("T", "\0", 1), r"x00' is no letter"),
        (SEQUENCE.replace("T", "é", 1), "'é' is no letter"),
    ],
)
@pytest.mark.parametrize("form", [str, str.encode], ids=["str", "bytes"])
def test_sequences_with_other_characters_are_errors(text: str, message: str, form: Callable[[str], Any]) -> None:
    with pytest.raises(FastaError, match=message):
        MemoryGenome({"s": form(text)})


def test_arrays_of_letters_may_not_hold_line_ends() -> None:
    for odd in ("\n", "é", "", "1"):
        with pytest.raises(FastaError, match="is no letter"):
            MemoryGenome({"s": np.array(["A", odd, "C"])})


def test_track_values_of_any_type_are_accepted(model: Model) -> None:
    values = np.arange(len(SEQUENCE)) % 2
    whole = score_all(model, {"s": SEQUENCE}, {"s": values})
    for form in (values.astype(np.float32), values.tolist(), values.astype(bool), values.astype(object)):
        assert score_all(model, {"s": SEQUENCE}, {"s": form}) == whole


def test_numpy_numbers_and_fractions_are_accepted_as_options(model: Model) -> None:
    def hits(**options: Any) -> list[jundscan.Hit]:
        return list(jundscan.scan({"s": SEQUENCE}, model=model, **options))

    expected = hits(stride=5, threshold=0.25, threads=1, regions=["s:0-300"])
    numpy_options = {"stride": np.int32(5), "threshold": np.float32(0.25), "threads": np.uint8(1)}
    assert hits(**numpy_options, regions=np.array(["s:0-300"])) == expected
    assert hits(stride=5, threshold=Fraction(1, 4), regions="s:0-300", allow_length_mismatch=np.bool_(True)) == expected
    assert hits(regions=None) == hits()


def test_models_accept_codes_and_accessibility_of_any_number_type(model: Model) -> None:
    codes = np.stack([CODES[start : start + 101] for start in range(5)])
    values = np.linspace(0, 1, 5, dtype=np.float32)
    expected = model.predict(codes, values).tolist()
    for form in (codes.astype(np.int64), codes.astype(np.uint16), codes.tolist()):
        assert model.predict(form, values).tolist() == expected
    for numbers in (values.astype(np.float64), values.tolist(), values[:, None].astype(np.float64)):
        assert model.predict(codes, numbers).tolist() == expected
    assert model.predict(codes, [0, 1, 0, 1, 0]).tolist() == model.predict(codes, np.array([0.0, 1, 0, 1, 0])).tolist()
    long = np.tile(CODES, 4)
    count = (len(long) - model.span) // 10 + 1
    slid = model.slide(long, np.full(count, 0.5, np.float32), 10)
    assert model.slide(long.astype(int), np.full(count, 0.5), np.int64(10)).tolist() == slid.tolist()
    for wrong, message in (
        ({"codes": codes + 4}, "codes other than 0 to 4"),
        ({"codes": codes.astype(float)}, "must be codes of bases"),
        ({"codes": codes[:, :100]}, "100 bases a window; must be 101, or"),
        ({"accessibility": values[:4]}, "4 rows, but 5 windows"),
        ({"accessibility": np.zeros((5, 99))}, "99 columns, but the model sees"),
        ({"accessibility": np.array([0.5, np.inf, 0, 0, 0])}, "has infinite values"),
        ({"accessibility": np.full(5, 1e300)}, "has infinite values"),
        ({"accessibility": None}, "must be numbers in an array of 1 or 2 dimensions, not None"),
        ({"threads": 0}, "threads 0: must be a whole number, at least 1"),
    ):
        with pytest.raises(InputError, match=message):
            model.predict(**{"codes": codes, "accessibility": values, **wrong})


def test_variants_of_any_sequence_type_are_accepted(model: Model) -> None:
    def effects(variants: Any) -> list[jundscan.Effect]:
        return list(jundscan.variants({"s": SEQUENCE}, variants, model=model))

    expected = effects([("s", 160, "T", ["A"])])
    assert expected[0].status == "scored"
    for form in (
        [["s", np.int64(160), np.str_("T"), np.array(["A"])]],
        (("s", 160, "T", "A"),),
        iter([("s", 160, "T", ("A",))]),
    ):
        assert effects(form) == expected


# other processes


@pytest.mark.slow
def test_a_model_can_be_pickled(model: Model, tmp_path: Path) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert (again.sha256, again.path, again.provider, again.metadata) == (
        model.sha256,
        model.path,
        model.provider,
        model.metadata,
    )
    codes, values = CODES[None, :101], np.array([0.5])
    assert again.predict(codes, values).tolist() == model.predict(codes, values).tolist()
    assert copy.copy(model).sha256 == model.sha256
    assert copy.deepcopy({"model": model})["model"] is model
    file = tmp_path / "model.onnx"
    file.write_bytes(model.path.read_bytes())
    other = load_model(file)
    content = pickle.dumps(other)
    file.write_bytes(b"another file")
    assert pickle.loads(content).sha256 == model.sha256
    with pytest.raises(ModelError, match="has changed since the model was loaded"):
        pickle.dumps(other)
    file.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        pickle.dumps(other)


def _found(model: Model, region: str) -> list[jundscan.Hit]:
    return list(jundscan.scan({"s": SEQUENCE}, model=model, threshold=0.0, regions=region, threads=1))


def _failing(model: Model) -> list[jundscan.Hit]:
    return list(jundscan.scan({"s": SEQUENCE}, model=model, regions="t:0-200"))


@pytest.mark.slow
def test_models_hits_and_errors_can_be_sent_between_processes(model: Model) -> None:
    regions = ["s:0-200", "s:100-327"]
    expected = [_found(model, region) for region in regions]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.starmap(_found, [(model, region) for region in regions]) == expected
        with pytest.raises(RegionError, match="no such chromosome"):
            pool.apply(_failing, (model,))
    parallel = joblib.Parallel(n_jobs=2, backend="multiprocessing")
    assert parallel(joblib.delayed(_found)(model, region) for region in regions) == expected


def test_public_functions_can_be_pickled() -> None:
    for function in (jundscan.scan, jundscan.variants, jundscan.explain, jundscan.evaluate, jundscan.load_model):
        again = pickle.loads(pickle.dumps(function))
        assert again is function


@pytest.mark.parametrize(
    "error",
    [
        JundscanError("x"),
        InputError("x"),
        FastaError("genome.fa", "is empty"),
        TrackError("track.bed", "is wrong", 7),
        RegionError("s:1-2", "is short"),
        ShardError("folder", "is missing"),
        ModelError("x"),
        DeviceError("x"),
        ClusterError("x"),
        OutputError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_pickled(error: JundscanError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.exit_code == error.exit_code
