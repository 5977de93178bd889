"""The ``math`` verifier against labelled completions, beside plain Math-Verify on the same rows.

    python -m benchmarks.math_labels --material FOLDER [--out FILE.jsonl]

Both run in the same pool under the same limits. A false accept is a row labelled wrong and judged
correct; a false reject is a row labelled right with any other outcome but unverifiable, which is
counted on its own. ``--out`` writes every row on which label and verdict differ, to read.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from filters.audit import audit, kind_of, labelled
from filters.verify.pool import VerifierPool
from filters.verify.verdicts import verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

FILES = (
    "core/math_completions_agreed.jsonl",
    "completions/gsm8k_openai_4models.jsonl",
    "completions/gsm8k_tora_2models.jsonl",
    "completions/mathcoder_mathematics.jsonl",
    "completions/mathcoder_math.jsonl",
    "completions/math50x3_nemo.jsonl",
)


COUNTS = ("rows", "accepted", "false_accepts", "false_rejects", "unverifiable", "rows_per_second")


class PlainMathVerify:
    """Math-Verify as its README shows it: parse both texts, verify gold first."""

    name = "plain"
    version = "0.9"

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """CORRECT or WRONG, as the library says."""
        from math_verify import parse
        from math_verify import verify as equal

        gold = parse(f"${problem.answer}$", parsing_timeout=None)
        answer = parse(candidate.completion, parsing_timeout=None)
        right = equal(gold, answer, timeout_seconds=None)
        outcome = Outcome.CORRECT if right else Outcome.WRONG
        return verdict(self, candidate, outcome, "", extracted=str(answer)[:200])


PLAIN = PlainMathVerify()


def measure(path: Path, verifier: str, pool: VerifierPool) -> tuple[dict[str, Any], list[Any]]:
    """Counts of one file under one verifier, and the rows that differ from their label."""
    read = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [labelled(i, row, {}, verifier, path.name) for i, row in enumerate(read)]
    found, verdicts = audit(rows, pool)
    counts = {k: found[k] for k in COUNTS}
    differ = [
        {"file": path.name, "row": row.row, "verifier": verifier, "kind": kind,
         "gold": row.problem.answer, "outcome": judged.outcome, "extracted": judged.extracted,
         "reason": judged.reason, "tail": row.candidate.completion[-200:]}
        for row, judged in zip(rows, verdicts, strict=True)
        if (kind := kind_of(row, judged))
    ]  # fmt: skip
    return counts, differ


def main() -> None:
    """Prints one line a file and verifier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--files", nargs="*", default=FILES)
    options = parser.parse_args()
    differ: list[Any] = []
    with VerifierPool() as pool:
        for name in options.files:
            for verifier in ("math", "benchmarks.math_labels:PLAIN"):
                counts, rows = measure(options.material / name, verifier, pool)
                differ += rows
                print(f"{name:45} {verifier.rpartition(':')[2]:6} {json.dumps(counts)}", flush=True)
    if options.out:
        options.out.write_text("".join(json.dumps(row) + "\n" for row in differ))


if __name__ == "__main__":
    main()
