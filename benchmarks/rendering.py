"""How long do all pages of a run take, beside nbconvert's own template on the same notebooks in the same run?

    python benchmarks/rendering.py [RUN]

RUN is a finished run directory (default reports/demo, which `make report` writes). Libraries are loaded and templates
compiled before the clock starts, for both alike. Only the ratio says anything on another machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import nbformat
from nbconvert import HTMLExporter

from counterfault.publish import run_files
from counterfault.publish.sanitise import sanitise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=Path("reports/demo"))
    folder = parser.parse_args().run
    if not (folder / "results.json").exists():
        raise SystemExit(f"{folder}: no finished run there; `make report` writes reports/demo")
    record = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    notebooks = [(path.stem, nbformat.read(path, 4)) for path in sorted((folder / "notebooks").glob("*.ipynb"))]
    exporter = HTMLExporter()

    ours: dict[str, str] = {}
    theirs: dict[str, str] = {}

    def render() -> None:
        sanitise.cache_clear()  # a run meets each output for the first time
        ours.update(run_files(record, notebooks))

    mine = timed(render)
    peer = timed(lambda: theirs.update({name: exporter.from_notebook_node(nb)[0] for name, nb in notebooks}))

    print(f"{len(ours)} pages, the report among them: {mine:.2f} s, {size(ours):,} bytes")
    print(f"the report alone: {len(ours['index.html'].encode()):,} bytes")
    print(f"{len(theirs)} pages by nbconvert's own template, no report: {peer:.2f} s, {size(theirs):,} bytes")
    print(f"ratio of times {mine / peer:.2f}, of bytes {size(ours) / size(theirs):.2f}")


def timed(work: Callable[[], None]) -> float:
    """Seconds of processor, the median of three after a first run that loads libraries."""
    work()
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return median(found)


def size(pages: dict[str, str]) -> int:
    return sum(len(page.encode()) for page in pages.values())


if __name__ == "__main__":
    main()
