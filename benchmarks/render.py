"""Write tables from the JSON: ``benchmarks/README.md``, and blocks in the top-level README and docs/benchmarks.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.targets import targets
from jundscan.dna.letters import WINDOW_LENGTH

BEGIN = "<!-- benchmark: written by `python -m benchmarks`, do not edit -->"
END = "<!-- /benchmark -->"
BLOCK = re.compile(r"<!-- benchmark:.*?-->.*?<!-- /benchmark -->", re.DOTALL)
HG38_BASES = 3.1e9
FAMILIES = ("default", "mlp", "lstm")
OTHERS = (
    "Motif scanners search one JUND-like motif at p < 1e-4 on both strands, one thread, sequence in memory. Window "
    "loops score a window at every base, each with all that the network sees of it; the plain CNN sees the window "
    "alone.\n"
)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def replace_block(text: str, content: str, name: str) -> str:
    """Write ``content`` between the markers of the page ``name``.

    Raises
    ------
    ValueError
        When the page has no markers.
    """
    if not BLOCK.search(text):
        raise ValueError(f"{name} has no benchmark block; put these lines where it belongs:\n{BEGIN}\n{END}")
    return BLOCK.sub(lambda _: f"{BEGIN}\n{content}{END}", text, count=1)


def short(against_fimo: dict[str, Any]) -> str:
    """Write the top-level README's block: the scan of the default model beside FIMO."""
    return f"{_where(against_fimo)}\n\n{_fimo_table(against_fimo)}"


def page(
    results: dict[str, Any],
    against_fimo: dict[str, Any],
    around_model: dict[str, Any] | None = None,
    on_card: dict[str, Any] | None = None,
) -> str:
    """Write the block of docs/benchmarks.md: FIMO, the work around the model, a graphics card, and the whole run."""
    parts = [f"## The bundled model beside FIMO\n\n{short(against_fimo)}"]
    if around_model is not None:
        parts.append(_around_model(around_model))
    if on_card is not None:
        parts.append(_on_card(on_card))
    parts.append("## Speed, memory and others: the whole run\n")
    measured, newest = results["models"]["default"]["name"], against_fimo["model"]["name"]
    if measured != newest:
        parts.append(f"This run measured {measured}, not {newest}. Do not compare its speeds with those above.\n")
    parts += [
        _where(results) + "\n",
        _models(results),
        _genome(results["genome"]) + "\n",
        _scan_table(results),
        _projection(results),
        OTHERS,
        _others_table(results),
    ]
    if results.get("memory"):
        parts.append(_memory(results["memory"]))
    return "\n".join(parts)


def full(results: dict[str, Any], profile: dict[str, Any] | None = None) -> str:
    """Write ``benchmarks/README.md``."""
    parts = [
        "# Benchmarks\n",
        "Written by `make bench` from `results.json`, which has every raw figure; do not edit. (`variants.json`, "
        "`inputs.json`, `longer.json`, `report.json` and `precision.json` come from the modules of these names.) One "
        "run; repetitions were taken in turn (A B C A B C …); medians, extremes in brackets; a ratio is taken within "
        "each repetition.\n",
        _where(results) + "\n",
        _models(results),
        f"{_genome(results['genome'])} Files were in the page cache.\n",
        "## Targets\n",
        table(
            ["#", "measure", "target", "measured", "met"],
            [[r.number, r.measure, r.target, r.measured, _met(r.met)] for r in targets(results)],
        ),
        "## Our scan\n",
        "Mbp/s. End to end is the command line from the start of its process to its end: FASTA and bedGraph in, BED "
        "out. Kernel is calls of the model on arrays in memory. Threads are those that run the network; another reads "
        "and writes, so one thread uses more than one core if there are more (see the raw figures for one core).\n",
        _scan_table(results),
        _projection(results),
        _ratios(results),
        "## Others\n",
        OTHERS,
        _others_table(results),
        "## Yardstick\n",
        _sgemm(results),
    ]
    for key, section in (
        ("memory", _memory),
        ("evaluation", _evaluation),
        ("training", _training),
        ("stride", _stride),
    ):
        if results.get(key):
            parts.append(section(results[key]))
    if results.get("startup"):
        parts.append(_startup(results["startup"]))
    if profile:
        parts.append(_profile(profile))
    return "\n".join(parts)


def _fimo_table(found: dict[str, Any]) -> str:
    speeds, threads = found["mbp_per_second"], found["threads"]
    rows = []
    for stride in sorted((name for name in speeds if name.isdigit()), key=int):
        cells = [_range(speeds[stride]), _minutes(speeds[stride]), f"{found['peak_bytes'][stride] / 1e6:.0f} MB"]
        rows.append([f"jundscan, stride {stride}", f"{threads}", *cells])
    rows.append(["FIMO, one motif", "1", _speed(speeds, "FIMO"), "", ""])
    model = f"{found['model']['name']} {found['model']['version']}"
    return f"{model}. {_genome(found['genome'])}\n\n" + table(
        ["both strands", "threads", "Mbp/s, median (min – max)", "projected for hg38", "peak memory"], rows
    )


def _around_model(found: dict[str, Any]) -> str:
    """Write the speed of a scan whose model costs nothing, by track, stride and threads."""
    speeds: dict[str, dict[str, str]] = {}
    for case, speed in found["mbp_per_second"].items():
        group, threads = case.rsplit(", threads ", 1)
        speeds.setdefault(group, {})[threads] = _range(speed)
    counts = sorted({threads for of_group in speeds.values() for threads in of_group}, key=int)
    rows = [[group, *(of_group.get(threads, "–") for threads in counts)] for group, of_group in speeds.items()]
    return (
        "## Around the model\n\n"
        f"{_where(found)}\n\n"
        "Mbp/s of a scan with zeros in place of the model's probabilities: the bound where the model runs on many "
        f"cores or on a graphics card. {_genome(found['genome'])}\n\n"
        + table(["track", *(f"{threads} thread{'s' * (threads != '1')}" for threads in counts)], rows)
    )


def _on_card(found: dict[str, Any]) -> str:
    """Write what ran on a graphics card: the checks, and calls of the model in several settings."""
    card, checks, about = found["card"], found["checks"], found["machine"]
    passed = [name for name, facts in checks.items() if facts["passed"]]
    speeds: dict[str, dict[str, str]] = {}
    for row in found["sweep"]:
        if "mbp_per_second" in row:
            speeds.setdefault(row["setting"], {})[str(row["stride"])] = f"{row['mbp_per_second']['median']:.3g}"
    strides = sorted({stride for of_setting in speeds.values() for stride in of_setting}, key=int)
    rows = [[name, *(of_setting.get(stride, "–") for stride in strides)] for name, of_setting in speeds.items()]
    runs = found["scans"]["runs"]
    seconds = {
        device: [run["seconds_scanning"] for run in runs if run["device"] == device] for device in ("cuda", "cpu")
    }
    rates = {device: found["scans"]["bases"] / 1e6 / (sum(some) / len(some)) for device, some in seconds.items()}
    return (
        "## On a graphics card\n\n"
        f"{about['date'][:10]}, {card['name']}, driver {card['driver_version']}, beside {about['hardware']['cores']} "
        f"cores; ONNX Runtime {about['versions']['onnxruntime-gpu']}. {found['model']['name']} "
        f"{found['model']['version']}.\n\n"
        f"- Checks passed: {len(passed)} of {len(checks)} ({', '.join(passed)}). Probabilities differ from the "
        f"processor's by {checks['agreement']['largest']:.1e} at most, and hits are the same lines.\n"
        f"- A scan at stride 1 is not faster than on all cores yet: {rates['cuda']:.2g} against {rates['cpu']:.2g} "
        "Mbp/s. The card's calls alone are faster (below), so the work around the model is the bound. The table above "
        "has its speed today, which is higher than when this scan was timed.\n"
        "- Speed of the model's calls alone, Mbp/s, with two calls at a time unless said otherwise:\n\n"
        + table(["calls", *(f"stride {stride}" for stride in strides)], rows)
    )


def _genome(genome: dict[str, Any]) -> str:
    peaks = f", {genome['peaks']:,} peaks" if "peaks" in genome else ""
    return f"Genome: {genome['source']}, {genome['bases'] / 1e6:.1f} Mb{peaks}."


def _where(results: dict[str, Any]) -> str:
    hardware, versions = results["machine"]["hardware"], results["machine"]["versions"]
    flags = ", ".join(name for name, there in hardware["flags"].items() if there) or "no AVX"
    amx = "" if any(there for name, there in hardware["flags"].items() if name.startswith("amx")) else ", no AMX"
    return (
        f"{results['machine']['date'][:10]}, {hardware['cpu']}, {hardware['cores']} cores ({flags}{amx}); "
        f"jundscan {versions['jundscan']}, ONNX Runtime {versions['onnxruntime']}, torch {versions['torch']}, "
        f"Python {versions['python']}."
    )


def _models(results: dict[str, Any]) -> str:
    """Describe what every network sees."""
    return "".join(
        f"- {family}: {_sees(results['models'][family])}\n" for family in FAMILIES if family in results["models"]
    )


def _sees(model: dict[str, Any]) -> str:
    """Describe in a sentence what a model sees. Models of early results see windows only."""
    flank, widths = model.get("flank", 0), model.get("accessibility_widths", [WINDOW_LENGTH])
    bases = f"a window's {WINDOW_LENGTH} bases" + (f" and {flank:,} to each side" if flank else "")
    *less, most = (f"{width:,}" for width in widths)
    over = f"{', '.join(less)} and {most}" if less else most
    return f"{model['name']} ({model['family']}) sees {bases}, and mean accessibility over {over} bases."


def _met(met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "not measured"}[met]


def _range(one: dict[str, Any], form: str = ".3g") -> str:
    if len(one["runs"]) == 1:
        return f"{one['median']:{form}}"
    return f"{one['median']:{form}} ({one['min']:{form}} – {one['max']:{form}})"


def _speed(speeds: dict[str, Any], name: str) -> str:
    return _range(speeds[name]) if name in speeds else "–"


def _minutes(rate: dict[str, Any]) -> str:
    seconds = HG38_BASES / 1e6 / rate["median"]
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _scan_table(results: dict[str, Any]) -> str:
    speeds, rows = results["speeds"], []
    for family in FAMILIES:
        for stride in results["strides"]:
            cells = [
                _speed(speeds, f"{way}/{family}/{stride}/{threads}")
                for way in ("end to end", "kernel")
                for threads in (1, results["threads"])
            ]
            peak = results["scan_peak_bytes"].get(f"end to end/{family}/{stride}/{results['threads']}")
            if peak is not None:
                bases = results["scan_bases"][f"{family}/{stride}"]
                label = f"{family} ({results['models'][family]['name']})"
                mark = " \\*" if bases < results["genome"]["bases"] else ""
                rows.append([label, f"{stride}", f"{bases / 1e6:.3g} Mb{mark}", *cells, f"{peak / 1e6:.0f} MB"])
    two = results["threads"]
    header = ["network", "stride", "genome", "end to end, 1 thread", f"{two} threads", "kernel, 1 thread"]
    short_one = "\n\\* Measured once, on a piece of the genome, so that the start of the process weighs more.\n"
    return table([*header, f"{two} threads", "peak memory"], rows) + short_one


def _projection(results: dict[str, Any]) -> str:
    rows = []
    for stride in results["strides"]:
        rate = results["speeds"].get(f"end to end/default/{stride}/{results['threads']}")
        if rate:
            rows.append([f"{stride}", _minutes(rate)])
    title = f"Projected (not measured) for hg38, 3.1 Gbp, default network, {results['threads']} threads:\n\n"
    return title + table(["stride", "time"], rows)


def _ratios(results: dict[str, Any]) -> str:
    names = {
        "end_to_end_kernel_stride_1": "end to end ÷ kernel, stride 1",
        "kernel_sgemm_1": "kernel ÷ sgemm, GFLOP/s, 1 thread, default stride",
        "scaling_kernel": "speed with all threads ÷ 1 thread, over the same of sgemm: kernel",
        "scaling_from_one_core": "the same: end to end, the one thread's process held to one core",
    }
    rows = [[words, _range(results["ratios"][key])] for key, words in names.items() if key in results["ratios"]]
    return table(["further ratios", "measured"], rows)


def _others_table(results: dict[str, Any]) -> str:
    speeds, rows = results["speeds"], []
    for name, note in results["peers"].items():
        version = note["version"]
        speed = _speed(speeds, f"peer/{name}") if version != "not installed" else "not installed"
        rows.append([f"{name} {version}", f"{note['bases'] / 1e6:.3g} Mb", speed, f"{note['matches']}"])
    for name in speeds:
        if name.startswith("windows/"):
            label = name.removeprefix("windows/").replace("Runtime/1", "Runtime, 1 thread")
            label = re.sub(r"Runtime/(\d+)", r"Runtime, \1 threads", label)
            rows.append([label, f"{results['window_counts'][name]:,} windows", _speed(speeds, name), ""])
    return table(["what", "on", "Mbp/s", "matches"], rows)


def _sgemm(results: dict[str, Any]) -> str:
    rows = [
        [name.removeprefix("sgemm/").replace("/", ", threads "), _range(one)]
        for name, one in results["speeds"].items()
        if name.startswith("sgemm/")
    ]
    rows += [[f"kernel, threads {count}", _range(one)] for count, one in results["kernel_gflops"].items()]
    note = (
        "Products of float32 matrices; the faster library is the yardstick. The kernel's GFLOP/s are twice the "
        f"multiply–adds of the cheapest exact form ({results['multiply_adds_per_base']:,.0f} per base at the default "
        "stride, see `flops.py`) times its speed, whatever the graph executes.\n\n"
    )
    return note + table(["float32", "GFLOP/s"], rows)


def _memory(memory: dict[str, Any]) -> str:
    rows = [
        [
            name.replace("/", ", "),
            f"{one['bases'] / 1e6:.0f} Mb",
            f"{one['peak_bytes'] / 1e6:.0f} MB",
            f"{one['seconds']:.1f} s",
        ]
        for name, one in memory.items()
        if isinstance(one, dict)
    ]
    setting = f"Stride {memory['stride']}, {memory['threads']} threads, {memory['unknown']:.0%} unknown bases."
    return f"## Memory\n\n{setting}\n\n" + table(["genome", "size", "peak", "time"], rows)


def _startup(startup: dict[str, Any]) -> str:
    return "## Start\n\nFrom start to end of the process, median of 5.\n\n" + table(
        ["process", "seconds"], [[name, _range(one)] for name, one in startup.items()]
    )


def _evaluation(found: dict[str, Any]) -> str:
    names = {
        "ours": "`jundscan evaluate` as a library call, reading and looking up surroundings included",
        "ours_alone": "the same, windows without surroundings",
        "loop_same_network": "torch DataLoader loop, the same architecture, surroundings in memory before",
        "loop_plain": "torch DataLoader loop, a plain CNN on windows alone",
    }
    title = f"## Evaluation\n\n{found['windows']:,} windows ({found['source']}), {found['threads']} threads.\n\n"
    rows = [[words, _range(found[name])] for name, words in names.items() if name in found]
    return title + table(["way", "seconds"], rows)


def _training(found: dict[str, Any]) -> str:
    names = {
        "ours": f"`train.fitting.fit`, batches of {found['batch']:,}",
        "summaries": "once before it: what fixed filters find, with surroundings and without",
        "loop_same_network": "torch DataLoader loop, the same architecture",
        "loop_plain": "torch DataLoader loop, a plain CNN on windows alone",
    }
    rows = [[words, _range(found[name], ",.0f")] for name, words in names.items() if name in found]
    return "## Training\n\n" + table(["way", "windows/s"], rows)


def _stride(found: dict[str, Any]) -> str:
    rows = []
    for row in found["rows"]:
        speed = f"{row['mbp_per_second']:.3g}" if "mbp_per_second" in row else "–"
        cells = [f"{row['stride']}", speed]
        for rule in ("default", "lenient"):
            low, middle, high = row[rule]["summit_distance_quartiles"]
            cells += [f"{row[rule]['recall']:.3f}", "–" if middle is None else f"{middle:.0f} ({low:.0f} – {high:.0f})"]
        rows.append(cells)
    header = ["stride", "end to end, Mbp/s"]
    for rule in (found["threshold_rule"], found["lenient_rule"]):
        header += [f"peaks found, {rule}", "summit distance, bp"]
    return (
        f"## Stride\n\n{found['peaks']} peaks of the training and validation shards ({found['cell']}). The network was "
        "fitted on these peaks: compare strides, not networks. Distance is from the best hit's summit to the peak's "
        "centre (quartiles).\n\n" + table(header, rows)
    )


def _profile(profile: dict[str, Any]) -> str:
    parts = ["## Profile\n\nFrom `python -m benchmarks --profile`. CPU seconds, all threads together.\n"]
    first, second = profile["stages"][0], profile["stages"][-1]
    rows = [
        [
            name,
            *(
                f"{run['stages'][name]['cpu_seconds']:.2f} s, {run['stages'][name]['share']:.1%}"
                for run in (first, second)
            ),
        ]
        for name in first["stages"]
    ]
    rows.append(["wall clock", *(f"{run['wall_seconds']:.2f} s" for run in (first, second))])
    parts.append(table(["stage", f"stride {first['stride']}", f"stride {second['stride']}"], rows))
    for run in profile["operators"]:
        shares = [[name, f"{share:.1%}"] for name, share in run["operators"].items() if share >= 0.005]
        parts.append(table([f"operator, stride {run['stride']}", "share of inference"], shares))
    return "\n".join(parts)
