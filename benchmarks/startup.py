"""How soon the command answers: `factory --help`, and the first progress line of a run.

    python benchmarks/startup.py [--times N]

The run is `factory run star --rounds 3` with the model in the cache; it is interrupted (SIGTERM)
once its first line is there, and its folder removed. Median of several.
"""

import argparse
import shutil
import signal
import statistics
import subprocess
import tempfile
import time


def help_seconds() -> float:
    """Wall seconds of `factory --help`."""
    began = time.monotonic()
    subprocess.run(["factory", "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def first_lines_seconds() -> tuple[float, float]:
    """Wall seconds to a run's first line of any kind, and to the first that shows progress."""
    data = tempfile.mkdtemp()
    began = time.monotonic()
    run = subprocess.Popen(
        ["factory", "run", "star", "--rounds", "3", "--data", data],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert run.stderr is not None
    first = progress = None
    for line in run.stderr:
        first = first or time.monotonic() - began
        if "evaluate" in line:
            progress = time.monotonic() - began
            break
    run.send_signal(signal.SIGTERM)
    run.stderr.read()
    code = run.wait()
    shutil.rmtree(data)
    if first is None or progress is None or code != 3:
        raise SystemExit(f"expected a progress line and exit code 3 after SIGTERM, got {code}")
    return first, progress


def main() -> None:
    """Prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    print(f"factory --help: median {statistics.median(help_seconds() for _ in range(times)):.2f} s")
    both = [first_lines_seconds() for _ in range(3)]
    print(f"first line of a run: median {statistics.median(f for f, _ in both):.1f} s")
    print(f"first progress line: median {statistics.median(p for _, p in both):.1f} s")


if __name__ == "__main__":
    main()
