"""Time of the discovery of plugins, and of the command `quaterion plugins`.

Each is measured in a new process, since a process discovers plugins once, with 20 plugins of 10
components each in addition to the installed ones. They are compared with budgets: 50 ms for
discovery in a process that has imported torch, and 400 ms for the whole command. The minimum of
several runs counts, because other processes on the machine can only make a run slower.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.report import report

PLUGINS: Final = 20
COMPONENTS: Final = 10
RUNS: Final = 7
DISCOVERY_BUDGET_MS: Final = 50.0
COMMAND_BUDGET_MS: Final = 400.0

DISCOVER: Final = """
import time
import torch
start = time.perf_counter()
from quaterion_core.plugins import registry
imported = time.perf_counter()
found = registry.components("loss")
end = time.perf_counter()
assert sum(record.distribution.startswith("bench-") for record in found) == {components}
print((imported - start) * 1000, (end - imported) * 1000)
"""


def write_plugins(folder: Path) -> None:
    """Write distributions with plugins, as an installer would."""
    for number in range(PLUGINS):
        package = f"bench_plugin_{number}"
        losses = {f"loss-{i}": f"{package}.losses:Loss{i}" for i in range(COMPONENTS)}
        info = folder / f"{package}-1.0.dist-info"
        for path, content in {
            folder / package / "__init__.py": "",
            folder / package / "plugin.py": (
                "from quaterion_core.plugins import hookimpl\n\nquaterion_api = 1\n\n\n"
                f"@hookimpl\ndef quaterion_losses():\n    return {losses!r}\n"
            ),
            info / "METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n\n",
            info / "entry_points.txt": f"[quaterion.plugins]\nbench = {package}.plugin\n",
        }.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)


def measure_discovery(environment: dict[str, str]) -> tuple[float, float]:
    """Return the time of importing ``quaterion_core.plugins`` and of discovery, in ms."""
    program = DISCOVER.format(components=PLUGINS * COMPONENTS)
    output = subprocess.run(
        [sys.executable, "-c", program],
        env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    imported, discovered = output.split()
    return float(imported), float(discovered)


def measure_process(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the time from the start of a Python process to its end, in ms."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Measure and report."""
    command = ["-m", "quaterion_core.cli", "plugins"]
    discoveries, tables, jsons, bare = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        write_plugins(Path(folder))
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        # The first calls compile the modules, as an installer would.
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}
        measure_discovery(environment)
        measure_process(command, environment)
        for _ in range(RUNS):
            discoveries.append(measure_discovery(environment))
            tables.append(measure_process(command, environment))
            jsons.append(measure_process([*command, "--json"], environment))
            bare.append(measure_process(["-c", ""], environment))
    figures = {
        "import_ms": min(imported for imported, _ in discoveries),
        "discovery_ms": min(discovered for _, discovered in discoveries),
        "command_table_ms": min(tables),
        "command_json_ms": min(jsons),
        "python_alone_ms": min(bare),
    }
    budgets = {
        "discovery_ms": DISCOVERY_BUDGET_MS,
        "command_table_ms": COMMAND_BUDGET_MS,
        "command_json_ms": COMMAND_BUDGET_MS,
    }
    report(
        "discovery",
        [
            {"what": what, "best": figure, "budget": budgets.get(what, "")}
            for what, figure in figures.items()
        ],
        ratios={what: figures[what] / budget for what, budget in budgets.items()},
        figures=figures,
        packages=["quaterion-core", "pluggy", "importlib-metadata", "torch"],
    )


if __name__ == "__main__":
    main()
