"""A judge against labelled completions: how often it is wrong, and how often it decides nothing.

    python -m benchmarks.judge_labels FILE.jsonl --teacher local:embedded --rows 24 --votes 1

Columns: gold, completion, label, problem. As many rows labelled right as wrong are taken, spread
over the file. ``--no-reference`` hides the golds. A false accept is a row labelled wrong and judged
correct. What is said of a judge here holds for its rubric, its settings and this kind of rows.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from filters.audit import Labelled, labelled
from filters.verify import LlmJudge
from flows import teachers
from rsfactory.contracts import Teacher
from rsfactory.records import Verdict


def balanced(rows: list[Labelled], count: int) -> list[Labelled]:
    """``count`` rows at most, half of them labelled right, evenly spread."""
    chosen: list[Labelled] = []
    for label in (True, False):
        alike = [row for row in rows if row.label is label]
        wanted = min(count // 2, len(alike))
        chosen += [alike[i * len(alike) // wanted] for i in range(wanted)]
    return sorted(chosen, key=lambda row: row.row)


async def judge_all(judge: LlmJudge, rows: list[Labelled], teacher: Teacher) -> list[Verdict]:
    """Verdicts in the rows' order."""
    asked = (judge.judge(row.problem, row.candidate, teacher) for row in rows)
    return list(await asyncio.gather(*asked))


def main() -> None:
    """Prints outcomes by label, what became of the votes, and the time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--votes", type=int, default=3)
    parser.add_argument("--rubric", default="science")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = given.file.read_text().splitlines()
    read = [labelled(i, json.loads(x), {}, "judge", given.file.name) for i, x in enumerate(lines)]
    rows = balanced(read, given.rows)
    if given.no_reference:
        rows = [replace(row, problem=replace(row.problem, answer="")) for row in rows]
    judge = LlmJudge(
        rubric=given.rubric, votes=given.votes, agreement=0.6,
        temperature=0.7 if given.votes > 1 else 0.0, max_tokens=given.max_tokens,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        teacher = teachers.judge(given.teacher, "embedded", Path(folder) / "judge.log")
        began = time.monotonic()
        try:
            verdicts = asyncio.run(judge_all(judge, rows, teacher))
        finally:
            teacher.close()
    seconds = time.monotonic() - began
    print(
        f"{len(rows)} rows, {seconds:.0f} s, {teacher.identity}, {given.votes} votes of 2 requests"
    )
    for label, word in ((True, "right"), (False, "wrong")):
        told = [v.outcome.value for r, v in zip(rows, verdicts, strict=True) if r.label is label]
        print(f"labelled {word}: {dict(Counter(told))}")
    print(f"votes: {dict(Counter(vote for v in verdicts for vote in v.results).most_common())}")
    if given.out:
        kept = zip(rows, verdicts, strict=True)
        text = [{"row": r.row, "label": r.label, "outcome": v.outcome, "reason": v.reason,
                 "results": v.results} for r, v in kept]  # fmt: skip
        given.out.write_text("".join(json.dumps(line) + "\n" for line in text))


if __name__ == "__main__":
    main()
