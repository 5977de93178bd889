"""The code verifier against recorded verdicts, and against the same tests run the usual way.

    python benchmarks/code_labels.py [--material ../shared/material] [--workers 2]

Rows: 1,400 real programs with EvalPlus's recorded verdict under the public tests of HumanEval and
MBPP. EvalPlus corrected some of MBPP's tests and signatures after the file of MBPP used here was
made, so a second judge tells the causes apart: program and tests in one process (in the sandbox,
but without any of the verifier's own machinery), accepted when it exits with 0. Where both judges
contradict the record, the tests are not the same; where only ours does, ours is wrong.
Also: every canonical solution of both sets must pass.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from filters.audit import gold_candidate, written
from filters.sandbox.run import Sandbox
from filters.verify.pool import VerifierPool
from generators.problems import open_source
from rsfactory.records import Outcome, Problem


def main() -> None:
    """Prints what is found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--material", type=Path, default=Path("../shared/material"))
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    problems: dict[str, Problem] = {}
    found: dict[str, Any] = {}
    for name, prefix in (("humaneval", "HumanEval"), ("mbpp_974", "Mbpp")):
        file = chosen.material / "code" / f"{name}.jsonl"
        ids = [json.loads(line)["task_id"] for line in file.open()]
        listed = list(open_source(str(file), seed=0, purpose="train").problems())
        problems |= {f"{prefix}/{str(i).rpartition('/')[2]}": listed[n] for n, i in enumerate(ids)}
        for workers in (1, 2):
            with VerifierPool(workers=workers, cache=False) as pool:
                pool.verify([(listed[0], gold_candidate(listed[0]))] * workers)
                began = time.monotonic()
                verdicts = pool.verify([(p, gold_candidate(p)) for p in listed])
                seconds = time.monotonic() - began
            found[f"{name}, {workers} workers"] = {
                "canonical": len(listed),
                "correct": sum(v.outcome is Outcome.CORRECT for v in verdicts),
                "isolation": sorted({v.isolation for v in verdicts}),
                "programs_per_second": round(len(listed) / seconds, 1),
            }
    file = chosen.material / "code_completions" / "evalplus_labelled.jsonl"
    rows = [json.loads(line) for line in file.open()]
    found["labelled"] = labelled(rows, problems, chosen.workers)
    print(json.dumps(found, indent=1))


def labelled(
    rows: list[dict[str, Any]], problems: dict[str, Problem], workers: int
) -> dict[str, Any]:
    """Agreement of our verdicts with the record and with the usual way of testing."""
    pairs = []
    for row in rows:
        problem = problems[row["task_id"]]
        pairs.append((problem, written(problem, f"```python\n{row['solution']}\n```", "recorded")))
    with VerifierPool(workers=workers, cache=False) as pool:
        verdicts = pool.verify(pairs)
    ours = [verdict.outcome is Outcome.CORRECT for verdict in verdicts]
    record = [row["base_status"] == "pass" for row in rows]
    with Sandbox() as sandbox:
        usual = [together(sandbox, row["solution"], problems[row["task_id"]]) for row in rows]
    both = [n for n in range(len(rows)) if ours[n] == usual[n] != record[n]]
    return {
        "rows": len(rows),
        "agree_with_record": sum(a == b for a, b in zip(ours, record, strict=True)),
        "agree_with_usual_run": sum(a == b for a, b in zip(ours, usual, strict=True)),
        "record_contradicts_both": len(both),
        "problems_of_those": sorted({rows[n]["task_id"] for n in both}),
        "only_ours": [
            {
                "row": n, "task_id": rows[n]["task_id"], "record": record[n], "usual": usual[n],
                "outcome": verdicts[n].outcome.value, "reason": verdicts[n].reason,
            }
            for n in range(len(rows)) if ours[n] != usual[n]
        ],
        "unverifiable": sum(v.outcome is Outcome.UNVERIFIABLE for v in verdicts),
    }  # fmt: skip


def together(sandbox: Sandbox, program: str, problem: Problem) -> bool:
    """Program and tests in one process: whether it ends with exit status 0."""
    tests = json.loads(problem.metadata)
    if "check" in tests:
        if tests["prefix"].count("\ndef ") > 1:  # functions that the tests call besides the entry
            program = f"{tests['prefix']}\n    pass\n{program}"
        program += f"\n{tests['check']}\ncheck({tests['entry']})\n"
    else:
        program += "\n" + "\n".join([tests.get("setup") or "", *tests["asserts"]])
    return sandbox.run(program).exit == 0


if __name__ == "__main__":
    main()
