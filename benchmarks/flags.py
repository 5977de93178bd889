"""How often each check flags completions that are labelled right, and ones labelled wrong.

    python -m benchmarks.flags --material FOLDER

A flag is about the reasoning and a label about the answer, so a right answer may well carry a
wrong step: the rows that are flagged and right are the ones to read (``--show wrong_step``).
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from benchmarks.math_labels import FILES
from filters.audit import labelled
from filters.checks import CHECKS

HUMAN = "completions/mr_gsm8k_human_subset.jsonl"
"""Solutions in which people marked the first wrong step; all of them have one."""


def main() -> None:
    """Prints one line a file and check that flagged something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--show", choices=list(CHECKS), help="Print its flags on right rows.")
    given = parser.parse_args()
    for name in (*FILES, HUMAN):
        lines = (given.material / name).read_text().splitlines()
        read = [json.loads(line) for line in lines]
        columns = {"label": "solution_correct"} if name == HUMAN else {}
        rows = [labelled(i, row, columns, "math", name) for i, row in enumerate(read)]
        found: Counter[tuple[str, bool]] = Counter()
        began = time.monotonic()
        for row in rows:
            for check in CHECKS.values():
                for flag in check.check(row.problem, row.candidate):
                    found[flag.check, row.label] += 1
                    if flag.check == given.show and row.label:
                        print(f"  row {row.row}: {flag.evidence}")
        speed = len(rows) / (time.monotonic() - began)
        right = sum(row.label for row in rows)
        print(f"{name}: {right} right, {len(rows) - right} wrong, {speed:.0f} rows/s, all checks")
        for check in CHECKS:
            if found[check, True] or found[check, False]:
                print(f"  {check:16} {found[check, True]:4} right {found[check, False]:4} wrong")


if __name__ == "__main__":
    main()
