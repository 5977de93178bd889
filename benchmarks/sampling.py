"""Sampling measured side by side in one run, against a stub server on the loopback address.

    python -m benchmarks.sampling [--peers VENVS] [--repeat 3] [--json FILE] [--only NAME ...]
    python -m benchmarks.sampling --only memory

Who is measured: bare aiohttp (nothing checked, nothing kept) and with checks and retries; the
OpenAI client in three ways; ``curator``, ``distilabel`` and ``data-designer`` where ``VENVS`` has a
virtual environment of that name (`benchmarks/peers`: the head of each file says how to make it);
our `ApiTeacher` alone (``teacher-uvloop``); and the whole ``factory run collect``: every candidate
validated, keyed, journalled, stored in shards, verified and shown.

Each has a process and a stub of its own, and they take turns ``--repeat`` times; medians are shown.
What is measured and how is at the head of `benchmarks/sampling_measure.py`. ``of aiohttp`` is the
ratio to the bare client's rate, ``of fastest`` to the fastest of the OpenAI client's three and the
peers, ``CPU of openai`` compares CPU seconds a request with AsyncOpenAI's.

``scaling`` is the whole command with one process and with two on ``--scaling-requests``, many more,
since the children of the second do not begin at the same moment. ``memory`` queues 100,000 requests
in front of a stub that takes 2 s for each, and looks at the process meanwhile.

Not covered: a network, long answers, faults. Rates on a machine in use say little: run it alone,
on two cores at least (the stub needs a tenth of one; two processes use both).
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
COLLECT, SCALING = "collect", "scaling"
NAMES = (*CLIENTS, *PEERS, "teacher-uvloop", COLLECT)
PARTS = (SCALING, MEMORY)
Figures = dict[str, Any]


def once(name: str, given: argparse.Namespace) -> Figures:
    """One measurement of one client."""
    if name == COLLECT:
        return _collect(given.requests, 1, given)
    with stub(given.latency) as port, tempfile.TemporaryDirectory() as home:
        where = [str(port), str(given.requests), str(given.in_flight)]
        if name in PEERS:
            python, module = _python(given.peers, name), f"peers.{name.replace('-', '_')}"
            command = [str(python), "-m", f"benchmarks.{module}", *where]
        else:
            command = [sys.executable, "-m", "benchmarks.sampling_clients", name, *where]
        return measure(command, port, given.requests, {"HOME": home, "TMPDIR": home})


def scaling(given: argparse.Namespace) -> Figures:
    """Medians of the whole command with one process and with two, and what two are worth."""
    requests = given.scaling_requests
    runs: dict[int, list[Figures]] = {1: [], 2: []}
    for _ in range(given.repeat):
        for processes, rows in runs.items():
            rows.append(_collect(requests, processes, given))
            _tell(f"{SCALING}, {processes}", rows[-1])
    one, two = (medians(rows) for rows in runs.values())
    times = two["per_second"] / one["per_second"]
    return {"requests": requests, "one": one, "two": two, "times": times}


def _collect(requests: int, processes: int, given: argparse.Namespace) -> Figures:
    with stub(given.latency) as port, tempfile.TemporaryDirectory() as home:
        return collect(
            port, Path(home), requests, given.in_flight, samples=given.samples, processes=processes
        )


def _tell(who: str, row: Figures) -> None:
    words = f"{who}: {row['per_second']:.0f}/s, {row['cpu']:.1f} s CPU"
    print(words, file=sys.stderr, flush=True)


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
    table = {}
    for name, row in found.items():
        table[name] = row | {
            "cpu_per_1000": row["cpu"] * 1000 / requests,
            "cpu_asking_per_1000": row["cpu_asking"] * 1000 / requests,
            "of_bare": _ratio(row["per_second"], bare),
            "of_fastest": _ratio(row["per_second"], fastest),
            "cpu_of_openai": _ratio(row["cpu"], cpu),
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
    parser.add_argument("--scaling-requests", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.0, help="of the stub, seconds")
    parser.add_argument("--peers", type=Path, help="folder of the peers' virtual environments")
    parser.add_argument("--only", nargs="+", choices=[*NAMES, *PARTS], default=[*NAMES, SCALING])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.requests % given.samples or given.scaling_requests % given.samples:
        parser.error("requests must be a multiple of --samples")
    return given


def main() -> None:
    """Measures who was asked for, and prints the table."""
    given = options()
    names = there((n for n in given.only if n not in PARTS), given.peers)
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for turn in range(given.repeat):
        for name in names:
            runs[name].append(once(name, given))
            _tell(f"{turn + 1} {name}", runs[name][-1])
    table = compared({name: medians(rows) for name, rows in runs.items()}, given.requests)
    found: dict[str, Any] = {"clients": table}
    if table:
        print(shown(table))
    if SCALING in given.only:
        part = found[SCALING] = scaling(given)
        one, two = (part[key]["per_second"] for key in ("one", "two"))
        print(f"two processes: {two:.0f}/s, one: {one:.0f}/s, {part['times']:.2f} times")
    if MEMORY in given.only:
        found[MEMORY] = memory(given.in_flight)
        print(json.dumps(found[MEMORY], indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
