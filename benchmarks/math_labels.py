"""The ``math`` verifier against labelled completions, beside plain Math-Verify on the same rows.

    python -m benchmarks.math_labels --material FOLDER [--out FILE.jsonl]

Both run in the same pool under the same limits. A false accept is a row labelled wrong and judged
correct; a false reject is a row labelled right with any other outcome but unverifiable, which is
counted on its own. ``--out`` writes every row on which label and verdict differ, to read.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def pairs(path: Path, verifier: str) -> Iterator[tuple[Problem, Candidate]]:
    """The rows of a labelled file as problems and candidates."""
    for number, line in enumerate(path.read_text().splitlines()):
        row = json.loads(line)
        problem = Problem(
            id=f"p-{number}", source=path.name, split="held_out", domain="math",
            verifier=verifier, prompt=row["problem"], answer=str(row["gold"]), choices=[],
            solution=None, row=number,
        )  # fmt: skip
        yield problem, Candidate(
            id=f"c-{number}", problem_id=problem.id, prompt_id="t", teacher=row["source"],
            sampling="{}", index=0, attempt=0, round=0, hinted=False, seed=0, max_tokens=0,
            completion=row["completion"], reasoning=None, finish_reason="stop", prompt_tokens=0,
            tokens=0,
        )  # fmt: skip


def measure(path: Path, verifier: str, pool: VerifierPool) -> tuple[dict[str, Any], list[Any]]:
    """Counts of one file under one verifier, and the rows that differ from their label."""
    labels = [json.loads(line)["label"] for line in path.read_text().splitlines()]
    rows = list(pairs(path, verifier))
    began = time.monotonic()
    verdicts = pool.verify(rows)
    seconds = time.monotonic() - began
    counts = dict.fromkeys(("accepted", "false_accepts", "false_rejects", "unverifiable"), 0)
    differ = []
    for (problem, candidate), label, found in zip(rows, labels, verdicts, strict=True):
        right = found.outcome is Outcome.CORRECT
        counts["accepted"] += right
        kind = None
        if found.outcome is Outcome.UNVERIFIABLE:
            kind = "unverifiable"
        elif right != label:
            kind = "false_accepts" if right else "false_rejects"
        if kind:
            counts[kind] += 1
            differ.append(
                {"file": path.name, "row": problem.row, "verifier": verifier, "kind": kind,
                 "gold": problem.answer, "outcome": found.outcome, "extracted": found.extracted,
                 "reason": found.reason, "tail": candidate.completion[-200:]}
            )  # fmt: skip
    speed = round(len(rows) / seconds, 1)
    return {"rows": len(rows), **counts, "rows_per_second": speed}, differ


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
