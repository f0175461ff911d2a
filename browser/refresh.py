"""Copy libraries out of npm's packages, with their licences (`make static`).

Those of the reports go into the package, and ONNX Runtime Web beside the page that runs the model in a browser. Both
get a list with their SHA-256. axe-core, which examines pages, goes to the tests.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from importlib.resources import files
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parent / "jundscan" / "report" / "static"
FILES = {
    "igv": ("dist/igv.min.js", "LICENSE"),
    "vega": ("build/vega.min.js", "LICENSE"),
    "vega-lite": ("build/vega-lite.min.js", "LICENSE"),
    "vega-embed": ("build/vega-embed.min.js", "LICENSE"),
    "datatables.net": ("js/dataTables.min.js", "License.txt"),
    "datatables.net-dt": ("css/dataTables.dataTables.min.css", "License.txt"),
}
"""Package to its minified file and its licence."""
TRY = HERE.parent / "docs" / "try" / "lib"
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""Files of onnxruntime-web: its JavaScript, and its WebAssembly, which is compressed because few servers do that."""
AXE = HERE.parent / "tests" / "browser" / "axe-core"


def main() -> None:
    """Copy the files, and write what those of the reports are to ``libraries.json``."""
    AXE.mkdir(exist_ok=True)
    for name in ("axe.min.js", "LICENSE"):
        shutil.copyfile(HERE / "node_modules" / "axe-core" / name, AXE / name)
    TARGET.mkdir(exist_ok=True)
    libraries = []
    for package, (file, licence) in FILES.items():
        name = Path(file).name
        (TARGET / name).write_text(_without_source_map(HERE / "node_modules" / package / file), "utf-8")
        libraries.append(_describe(package, HERE / "node_modules" / package / licence, TARGET / name))
    (TARGET / "libraries.json").write_text(json.dumps(libraries, indent=1) + "\n")

    TRY.mkdir(exist_ok=True)
    script, wasm = (HERE / "node_modules" / "onnxruntime-web" / "dist" / name for name in RUNTIME)
    targets = TRY / script.name, TRY / f"{wasm.name}.gz"
    targets[0].write_text(_without_source_map(script), "utf-8")
    targets[1].write_bytes(gzip.compress(wasm.read_bytes(), mtime=0))
    # npm's package holds neither: those of the same project in Python's package
    native = Path(str(files("onnxruntime")))
    shutil.copyfile(native / "ThirdPartyNotices.txt", TRY / "ThirdPartyNotices.txt")
    libraries = [_describe("onnxruntime-web", native / "LICENSE", target) for target in targets]
    (TRY / "libraries.json").write_text(json.dumps(libraries, indent=1) + "\n")


def _without_source_map(path: Path) -> str:
    """Return a script without the line that would make a browser's console ask for a source map."""
    lines = path.read_text("utf-8").split("\n")
    return "\n".join(line for line in lines if not line.startswith("//# sourceMappingURL"))


def _describe(package: str, licence: Path, target: Path) -> dict[str, str]:
    """Write the licence of a copied file beside it, and return what the file is."""
    about = json.loads((HERE / "node_modules" / package / "package.json").read_bytes())
    target.with_name(f"{target.name}.LICENSE").write_text(licence.read_text("utf-8").strip() + "\n", "utf-8")
    sha256 = hashlib.sha256(target.read_bytes()).hexdigest()
    return {
        "file": target.name,
        "package": package,
        "version": about["version"],
        "licence": about["license"],
        "sha256": sha256,
    }


if __name__ == "__main__":
    main()
