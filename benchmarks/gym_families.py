"""Every family of reasoning-gym: our verdicts beside the score of the family's own scorer.

    python -m benchmarks.gym_families [--items 20] [--seed 777] [--family NAME] [--material FOLDER]

Each item is answered with its gold, with another item's gold and with a mutated gold (one letter
or digit changed), written in `FORMS`: bare, padded, in a tag, a fence, behind "Answer:", in
capitals. An answer should be CORRECT exactly where the library gives the plain text 1.0, and the
gold in every form. This is asked of ``puzzle`` with the library's scorer, for all families, and of
the verifier that `generators.problems.family` names, where that is another one; differences are
printed. ``--material`` adds the answers of `logic/reasoning_gym_scored.jsonl`, whose scores
somebody else recorded, in families that need nothing but the gold (the items are not there).
"""

import argparse
import contextlib
import io
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filters.audit import written
from filters.verify import VERIFIERS
from filters.verify.gym import CASE_COUNTS
from filters.verify.pool import VerifierPool
from generators.problems.family import EXAMPLES, Family
from rsfactory import tagged
from rsfactory.records import Outcome, Problem

FORMS = {
    "bare": "{}",
    "padded": "  {}\n",
    "tag": "<answer>{}</answer>",
    "tag on lines": "<think>\nLet me see.\n</think>\n<answer>\n{}\n</answer>\n",
    "label": "Some thoughts.\nAnswer: {}",
    "label on lines": "Some thoughts.\n\n**Answer:**\n{}\n",
    "fence": "This is it:\n```\n{}\n```",
    "capitals": "<answer>{}</answer>",
}
NEED_ITEM = ("advanced_geometry", "arc_agi")
"""Families of the recorded scores whose scorer reads more of an item than its gold."""


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to one item."""

    family: str
    kind: str
    form: str
    problem: Problem
    completion: str
    right: bool
    """Whether the library's score of the plain answer is 1.0."""


def items(family: str, seed: int, count: int) -> tuple[Any, list[dict[str, Any]]]:
    """A family's data set and its first items; ``composite`` of three families."""
    import reasoning_gym
    from reasoning_gym.composite import DatasetSpec

    names = ("gcd", "sudoku", "word_ladder")
    params = {"datasets": [DatasetSpec(n, 1.0, {}) for n in names]} if family == "composite" else {}
    quiet, scratch = contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory()
    with quiet, scratch as folder, contextlib.chdir(folder):  # the programs of codeio write files
        data = reasoning_gym.create_dataset(family, seed=seed, size=count, **params)
        return data, [data[i] for i in range(count)]


def scored(family: str, item: dict[str, Any], row: int, gold: str) -> Problem:
    """The item as a problem that ``puzzle`` judges with the library's own scorer."""
    own = item["metadata"]["source_dataset"] if family == "composite" else family
    entry = {"answer": item["answer"], "metadata": item["metadata"]}
    return Problem(
        id=Problem.key(f"gym:{family}", str(item["question"]), gold), source=f"gym:{family}",
        split="audit", domain="text", verifier="puzzle", prompt=str(item["question"]),
        answer=gold, choices=[], solution=None, row=row,
        metadata=tagged.dumps({"kind": "gym", "family": own, "params": {}, "entry": entry}),
    )  # fmt: skip


def gold_of(family: str, item: dict[str, Any]) -> str:
    """The item's answer, or its example of one; empty where it has neither."""
    answer = item["answer"]
    if answer is None and family in EXAMPLES:
        answer = item["metadata"][EXAMPLES[family]]
    if answer is None:
        return ""
    return answer if isinstance(answer, str) else json.dumps(answer)


def mutated(text: str, rng: random.Random) -> str:
    """The text with one letter or digit changed."""
    places = [i for i, letter in enumerate(text) if letter.isalnum()] or [0]
    at = rng.choice(places)
    old = text[at]
    new = str((int(old) + 1) % 10) if old.isdecimal() else "b" if old.casefold() == "a" else "a"
    return text[:at] + new + text[at + 1 :]


def cases(family: str, seed: int, count: int) -> Iterator[Case]:
    """All cases of a family, for the library's scorer and for the source's own verifier."""
    data, drawn = items(family, seed, count)
    params = {"datasets": [{"name": n} for n in data.datasets]} if family == "composite" else {}
    try:
        source = Family(family, None, params, seed=seed)
    except Exception:  # what cannot be made has no source; the scorer is still asked
        source = None
    golds = [gold_of(family, item) for item in drawn]
    for row, (item, gold) in enumerate(zip(drawn, golds, strict=True)):
        rng = random.Random(row)
        answers = {"gold": gold, "other": golds[row - 1], "mutated": mutated(gold or "A+1", rng)}
        problem = scored(family, item, row, gold)
        own = source.problem(item, row) if source else None
        for kind, answer in answers.items():
            if not answer.strip():
                continue
            with contextlib.redirect_stdout(io.StringIO()):
                right = float(data.score_answer(answer, item)) == 1.0
            for form, text in FORMS.items():
                said = answer.upper() if form == "capitals" else answer
                if form == "capitals" and (kind != "gold" or item["answer"] is None
                                           or family in CASE_COUNTS):  # fmt: skip
                    continue
                completion = text.replace("{}", said)
                yield Case(family, kind, form, problem, completion, right)
                other = own is not None and '"kind": "gym"' not in own.metadata
                if own and other and form in ("tag", "tag on lines", "label"):
                    asked = replace(own, id=f"{own.id}-own")
                    yield Case(family, kind, form, asked, completion, right)


def measure(family: str, seed: int, count: int, pool: VerifierPool) -> tuple[Counter[str], float]:
    """Prints the differences of one family; counts by verifier, and seconds of the slowest."""
    found = list(cases(family, seed, count))
    pairs = [(c.problem, written(c.problem, c.completion, c.kind)) for c in found]
    verdicts = pool.verify(pairs)
    tally: Counter[str] = Counter()
    shown: set[tuple[str, str]] = set()
    for case, verdict in zip(found, verdicts, strict=True):
        ours = "own" if case.problem.id.endswith("-own") else "scorer"
        agrees = (verdict.outcome is Outcome.CORRECT) == case.right
        tally[f"{ours} rows"] += 1
        tally[f"{ours} differ"] += not agrees
        tally["wrong answers the library takes"] += ours == "scorer" and (
            case.kind == "mutated" and case.form == "bare" and case.right
        )
        if not agrees and (ours, case.kind) not in shown:
            shown.add((ours, case.kind))
            print(f"    {ours} ({case.problem.verifier}), {case.kind}, {case.form}: library "
                  f"{'1.0' if case.right else 'less'}, {verdict.outcome.value}: {verdict.reason}; "
                  f"gold {case.problem.answer[:40]!r}, {case.completion[-60:]!r}")  # fmt: skip
    return tally, max((v.seconds for v in verdicts), default=0.0)


def recorded(path: Path) -> None:
    """Our verdicts on answers that were scored elsewhere; gold items are known by their id."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    golds = {row["id"]: row["prediction"].strip() for row in rows if row["kind"] == "gold_ws"}
    golds |= {row["id"]: row["prediction"] for row in rows if row["kind"] == "gold"}
    agree: Counter[str] = Counter()
    for row in rows:
        gold = golds.get(row["id"])
        if gold is None or row["task"] in NEED_ITEM:
            agree["left out"] += 1
            continue
        item = {"question": "", "answer": gold, "metadata": {"source_dataset": row["task"]}}
        problem = scored(row["task"], item, 0, gold)
        verdict = VERIFIERS["puzzle"].verify(problem, written(problem, row["prediction"] or "", ""))
        right = row["score"] == 1.0 or row["kind"] == "gold_ws"
        same = (verdict.outcome is Outcome.CORRECT) == right
        agree[f"{row['kind']}: {'agree' if same else 'differ'}"] += 1
        if not same:
            print(f"    {row['id']} {row['kind']}: {row['score']}, {verdict.reason}")
    print(f"recorded scores: {json.dumps(agree, sort_keys=True)}")


def main() -> None:
    """Prints a line a family, its differences, and the sums."""
    from reasoning_gym.factory import DATASETS

    parser = argparse.ArgumentParser(description="reasoning-gym, family by family")
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--seed", type=int, default=777)
    parser.add_argument("--family")
    parser.add_argument("--material", type=Path)
    given = parser.parse_args()
    whole: Counter[str] = Counter()
    with VerifierPool() as pool:
        for family in [given.family] if given.family else sorted(DATASETS):
            began = time.monotonic()
            tally, slowest = measure(family, given.seed, given.items, pool)
            seconds = time.monotonic() - began
            print(f"{family}: {dict(tally)}, slowest {slowest:.2f} s, {seconds:.1f} s", flush=True)
            whole += tally
            whole["families"] += 1
    print(json.dumps(whole))
    if given.material:
        recorded(given.material / "logic/reasoning_gym_scored.jsonl")


if __name__ == "__main__":
    main()
