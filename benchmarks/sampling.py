"""Sampling measured side by side in one run, against a stub server on the loopback address.

    python -m benchmarks.sampling [--peers VENVS] [--repeat 3] [--json FILE] [--only NAME ...]
    python -m benchmarks.sampling --only memory

Who is measured: bare aiohttp (nothing checked, nothing kept) and with checks and retries; the
OpenAI client in three ways; ``curator``, ``distilabel`` and ``data-designer`` where ``VENVS`` has a
virtual environment of that name (`benchmarks/peers`: the head of each file says how to make it);
our `ApiTeacher` alone (``teacher-uvloop``); and the whole ``factory run collect`` with one process
and with two: every candidate validated, keyed, journalled, stored in shards, verified and shown.

Each has a process and a stub of its own, and they take turns ``--repeat`` times; medians are shown.
What is measured and how is at the head of `benchmarks/sampling_measure.py`. ``of aiohttp`` is the
ratio to the bare client's rate, ``of fastest`` to the fastest of the OpenAI client's three and the
peers, ``CPU of openai`` compares CPU seconds a request with AsyncOpenAI's. ``memory`` queues
100,000 requests in front of a stub that takes 2 s for each, and looks at the process meanwhile.

Not covered: a network, long answers, faults. Rates on a machine in use say little: run it alone,
on two cores at least (the stub needs a tenth of one; ``collect-2`` uses both).
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.sampling_collect import MEMORY, collect, memory
from benchmarks.sampling_measure import measure, stub

BARE, OPENAI = "aiohttp", "openai"
CLIENTS = (
    BARE, "aiohttp-uvloop", "aiohttp-checked", "aiohttp-checked-uvloop",
    OPENAI, "openai-aiohttp", "openai-aiohttp-uvloop",
)  # fmt: skip
PEERS = ("curator", "distilabel", "data-designer")
OURS = {"teacher-uvloop": 0, "collect": 1, "collect-2": 2}
"""Name -> processes of the whole command; 0 is the teacher alone."""
NAMES = (*CLIENTS, *PEERS, *OURS)
Figures = dict[str, Any]


def once(name: str, given: argparse.Namespace) -> Figures:
    """One measurement of one client."""
    requests, in_flight = given.requests, given.in_flight
    with stub(given.latency) as port, tempfile.TemporaryDirectory() as home:
        if OURS.get(name):
            return collect(
                port, Path(home), requests, in_flight, samples=given.samples, processes=OURS[name]
            )
        where = [str(port), str(requests), str(in_flight)]
        if name in PEERS:
            python, module = _python(given.peers, name), f"peers.{name.replace('-', '_')}"
            command = [str(python), "-m", f"benchmarks.{module}", *where]
        else:
            command = [sys.executable, "-m", "benchmarks.sampling_clients", name, *where]
        return measure(command, port, requests, {"HOME": home, "TMPDIR": home})


def _python(venvs: Path, name: str) -> Path:
    return venvs.absolute() / name / "bin" / "python"


def there(names: Iterable[str], peers: Path | None) -> list[str]:
    """The names without the peers that have no virtual environment."""
    found = []
    for name in names:
        if name in PEERS and not (peers and _python(peers, name).exists()):
            print(f"{name}: left out, no virtual environment of that name", file=sys.stderr)
        else:
            found.append(name)
    return found


def medians(runs: Iterable[Figures]) -> Figures:
    """The median of every figure; the text is left out."""
    rows = [{key: value for key, value in run.items() if key != "stdout"} for run in runs]
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def compared(found: Mapping[str, Figures], requests: int) -> dict[str, Figures]:
    """The medians with the ratios that are asked for; None where the other was not measured."""
    rivals = [n for n in found if n in PEERS or n.startswith(OPENAI)]
    fastest = max((found[n]["per_second"] for n in rivals), default=None)
    bare = found.get(BARE, {}).get("per_second")
    cpu = found.get(OPENAI, {}).get("cpu")
    one = found.get("collect", {}).get("per_second")
    table = {}
    for name, row in found.items():
        table[name] = row | {
            "cpu_per_1000": row["cpu"] * 1000 / requests,
            "cpu_asking_per_1000": row["cpu_asking"] * 1000 / requests,
            "of_bare": _ratio(row["per_second"], bare),
            "of_fastest": _ratio(row["per_second"], fastest),
            "cpu_of_openai": _ratio(row["cpu"], cpu),
            "of_one_process": _ratio(row["per_second"], one) if name == "collect-2" else None,
        }
    return table


def _ratio(mine: float, other: float | None) -> float | None:
    return mine / other if other else None


COLUMNS = {
    "per_second": ("requests/s", "{:.0f}"),
    "of_bare": ("of aiohttp", "{:.2f}"),
    "of_fastest": ("of fastest", "{:.2f}"),
    "cpu_per_1000": ("CPU s/1000", "{:.2f}"),
    "cpu_asking_per_1000": ("while asking", "{:.2f}"),
    "cpu_of_openai": ("CPU of openai", "{:.2f}"),
    "wall": ("wall s", "{:.1f}"),
    "rss": ("peak MiB", "{:.0f}"),
    "rss_all": ("with children", "{:.0f}"),
    "stub_busy": ("stub busy", "{:.2f}"),
}
"""Figure -> its heading and format."""


def shown(table: Mapping[str, Figures]) -> str:
    """The table as Markdown."""
    lines = [["", *(heading for heading, _ in COLUMNS.values())], ["---"] * (len(COLUMNS) + 1)]
    for name, row in table.items():
        cells = [(row[key], form) for key, (_, form) in COLUMNS.items()]
        lines.append([name, *("" if v is None else form.format(v) for v, form in cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--samples", type=int, default=8, help="candidates a problem in collect")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.0, help="of the stub, seconds")
    parser.add_argument("--peers", type=Path, help="folder of the peers' virtual environments")
    parser.add_argument("--only", nargs="+", choices=[*NAMES, MEMORY], default=[*NAMES])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.requests % given.samples:
        parser.error("--requests must be a multiple of --samples")
    return given


def main() -> None:
    """Measures who was asked for, and prints the table."""
    given = options()
    names = there((n for n in given.only if n != MEMORY), given.peers)
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for turn in range(given.repeat):
        for name in names:
            row = once(name, given)
            runs[name].append(row)
            rate, cpu = row["per_second"], row["cpu"]
            print(f"{turn + 1} {name}: {rate:.0f}/s, {cpu:.1f} s CPU", file=sys.stderr, flush=True)
    table = compared({name: medians(rows) for name, rows in runs.items()}, given.requests)
    found: dict[str, Any] = {"clients": table}
    if table:
        print(shown(table))
    if MEMORY in given.only:
        found[MEMORY] = memory(given.in_flight)
        print(json.dumps(found[MEMORY], indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
