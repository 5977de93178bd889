"""What the benchmark computes from samples, and that it watches a process with its children."""

import sys

import pytest

from benchmarks.sampling import compared, medians
from benchmarks.sampling_measure import Sample, cpu_at, watched

SAMPLES = [Sample(1.0, 0.0, 10, 10), Sample(2.0, 4.0, 30, 50), Sample(4.0, 5.0, 20, 20)]


@pytest.mark.parametrize(
    ("moment", "cpu"), [(0.0, 0.0), (1.0, 0.0), (1.25, 1.0), (2.0, 4.0), (3.0, 4.5), (9.0, 5.0)]
)
def test_cpu_is_read_between_samples(moment: float, cpu: float) -> None:
    assert cpu_at(SAMPLES, moment) == pytest.approx(cpu)


def test_no_samples_are_no_cpu() -> None:
    assert cpu_at([], 1.0) == 0.0


BUSY = """
import subprocess, sys, time
block = bytearray(64 * 2**20)
code = "import time; e = time.process_time() + 0.3\\nwhile time.process_time() < e: pass"
subprocess.run([sys.executable, "-c", code])
print("done")
"""


def test_children_and_peaks_count() -> None:
    ended = watched([sys.executable, "-c", BUSY], {})
    assert (ended.code, ended.stdout) == (0, "done\n")
    assert ended.cpu >= 0.3
    assert ended.watch.cpu_between(0.0, 1e12) == pytest.approx(ended.cpu, abs=0.1)
    assert 64 < ended.watch.peak / 1024 < 120
    assert max(s.rss_all for s in ended.watch.samples) > ended.watch.peak


def test_what_runs_too_long_is_killed() -> None:
    ended = watched([sys.executable, "-c", "import time; time.sleep(60)"], {}, limit=0.3)
    assert ended.code == -9
    assert ended.wall < 30


def row(rate: float, cpu: float) -> dict[str, float]:
    return {"per_second": rate, "cpu": cpu, "cpu_asking": cpu / 2}


def test_ratios_are_to_who_they_name() -> None:
    found = {"aiohttp": row(4000, 1), "openai": row(400, 10), "openai-aiohttp": row(600, 8)}
    found |= {"curator": row(500, 20), "collect": row(1800, 4)}
    table = compared(found, 5000)
    ours = table["collect"]
    assert (ours["of_bare"], ours["of_fastest"], ours["cpu_of_openai"]) == (0.45, 3.0, 0.4)
    assert ours["cpu_per_1000"] == pytest.approx(0.8)
    assert compared({"collect": row(1, 1)}, 1)["collect"]["of_fastest"] is None


def test_medians_leave_the_text_out() -> None:
    runs = [{"per_second": rate, "stdout": "x"} for rate in (3.0, 9.0, 4.0)]
    assert medians(runs) == {"per_second": 4.0}
