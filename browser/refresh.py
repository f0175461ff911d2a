"""Copy libraries out of npm's packages, with their licences (`make static`).

Those of the reports go into the package, with their SHA-256. axe-core, which examines pages, goes to the tests.
"""

from __future__ import annotations

import hashlib
import json
import shutil
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
AXE = HERE.parent / "tests" / "browser" / "axe-core"


def main() -> None:
    """Copy the files, and write what those of the reports are to ``libraries.json``."""
    AXE.mkdir(exist_ok=True)
    for name in ("axe.min.js", "LICENSE"):
        shutil.copyfile(HERE / "node_modules" / "axe-core" / name, AXE / name)
    TARGET.mkdir(exist_ok=True)
    libraries = []
    for package, (file, licence) in FILES.items():
        folder = HERE / "node_modules" / package
        about = json.loads((folder / "package.json").read_bytes())
        name = Path(file).name
        # without the line that would make a browser's console ask for a source map
        lines = (folder / file).read_text("utf-8").split("\n")
        text = "\n".join(line for line in lines if not line.startswith("//# sourceMappingURL"))
        (TARGET / name).write_text(text, "utf-8")
        (TARGET / f"{name}.LICENSE").write_text((folder / licence).read_text().strip() + "\n")
        sha256 = hashlib.sha256((TARGET / name).read_bytes()).hexdigest()
        what = {"package": package, "version": about["version"], "licence": about["license"]}
        libraries.append({"file": name, **what, "sha256": sha256})
    (TARGET / "libraries.json").write_text(json.dumps(libraries, indent=1) + "\n")


if __name__ == "__main__":
    main()
