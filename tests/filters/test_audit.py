"""False accepts and rejects are counted from the label's side, unverifiable ones on their own."""

import dataclasses

import pytest
from filter_rows import problem

from filters.audit import audit, gold_candidate, kind_of, labelled
from filters.verify.pool import VerifierPool
from rsfactory.errors import InputError

ROWS = [
    {"gold": "7", "completion": r"\boxed{7}", "label": True, "source": "a"},
    {"gold": "7", "completion": r"\boxed{8}", "label": False, "source": "a"},
    {"gold": "7", "completion": r"\boxed{7}", "label": "wrong", "source": "b"},
    {"gold": "7", "completion": "seven, I think", "label": "pass", "source": "b"},
    {"gold": "", "completion": r"\boxed{7}", "label": 1, "source": "b"},
]


def test_counts_rates_and_sources() -> None:
    rows = [labelled(i, row, {}, "math", "f.jsonl") for i, row in enumerate(ROWS)]
    with VerifierPool() as pool:
        found, verdicts = audit(rows, pool)
    kinds = [kind_of(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]
    assert kinds == [None, None, "false_accept", "false_reject", "unverifiable"]
    assert {k: found[k] for k in ("rows", "accepted", "false_accepts", "false_rejects")} == {
        "rows": 5, "accepted": 2, "false_accepts": 1, "false_rejects": 1,
    }  # fmt: skip
    assert found["unverifiable"] == 1
    assert found["false_accept_rate"]["rate"] == 1 / 2  # of the two that are labelled wrong
    assert found["false_reject_rate"]["rate"] == 1 / 3
    assert list(found["by_source"]) == ["a", "b"]
    assert found["by_source"]["a"]["false_accepts"] == 0


def test_nothing_labelled_wrong_has_no_rate_of_false_accepts() -> None:
    with VerifierPool() as pool:
        found, _ = audit([labelled(0, ROWS[0], {}, "math", "f")], pool)
    assert found["false_accept_rate"] is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"gold": "1", "completion": "2"}, r"row 3: expected a column 'label', found gold, compl"),
        ({"gold": "1", "completion": "2", "label": "maybe"}, r"row 3: expected a label.*'maybe'"),
        ({"gold": "1", "metadata": "level 5"}, "row 3: expected metadata as a JSON object, got"),
        ({"completion": "2", "label": 1, "metadata": {"a": 1}}, "row 3: expected a column 'gold'"),
        ({**ROWS[0], "choices": 5}, r"row 3: expected a list of choices' texts, got '5'"),
        ({**ROWS[0], "choices": "abc"}, r"row 3: expected a list of choices' texts, got 'abc'"),
        ({**ROWS[0], "choices": {"a": 1}}, r"row 3: expected a list of choices"),
        ({**ROWS[0], "choices": [["a"]]}, r"row 3: expected a list of choices"),
        ({**ROWS[0], "gold": "\ud800"}, r"row 3: expected text, got half a character"),
        ({**ROWS[0], "source": "\udc00"}, r"row 3: expected text, got half a character"),
        ({**ROWS[0], "choices": ["\udc00"]}, r"row 3: expected text, got half a character"),
        ({**ROWS[0], "choices": r'["\ud800"]'}, r"row 3: expected text, got half a character"),
        ({**ROWS[0], "metadata": {"a": "\udc00"}}, r"row 3: expected text, got half a character"),
    ],
)
def test_rows_that_cannot_be_used(row: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        labelled(3, row, {}, "math", "f.jsonl")


@pytest.mark.parametrize("gold", ["7", r"\frac{1}{2}", "(1, 2)", "x^2 + 1"])
def test_a_gold_is_accepted_by_its_verifier(gold: str) -> None:
    row = labelled(0, {"gold": gold, "completion": "", "label": 1}, {}, "math", "f")
    with VerifierPool() as pool:
        [verdict] = pool.verify([(row.problem, gold_candidate(row.problem))])
    assert verdict.outcome == "correct", verdict.reason


@pytest.mark.parametrize(
    ("metadata", "text"), [('{"a": 1}', '{"a": 1}'), ({"a": "é"}, '{"a": "é"}'), (None, "")]
)
def test_metadata_as_text_or_object(metadata: object, text: str) -> None:
    row = {"gold": "1", "completion": "", "label": 1, "metadata": metadata}
    assert labelled(0, row, {}, "math", "f").problem.metadata == text


def test_metadata_that_decides_needs_no_gold() -> None:
    rows = [
        {"metadata": {"pattern": r"\d+"}, "completion": "Answer: 42", "label": 1},
        {"metadata": '{"pattern": "[a-z]+"}', "completion": "Answer: 42", "label": 0},
    ]
    with VerifierPool() as pool:
        found, _ = audit([labelled(n, row, {}, "regex", "f") for n, row in enumerate(rows)], pool)
    assert (found["accepted"], found["false_accepts"], found["false_rejects"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("choices", "texts"),
    [(["a", 2], ["a", "2"]), ('["a", "b"]', ["a", "b"]), (None, []), ("", []), ([], [])],
)
def test_choices_as_list_or_text(choices: object, texts: list[str]) -> None:
    row = {"gold": "1", "completion": "", "label": 1, "choices": choices}
    assert labelled(0, row, {}, "math", "f").problem.choices == texts


def test_half_a_character_in_a_completion_stops_nothing() -> None:
    rows = [{**ROWS[0], "completion": "\ud800 \\boxed{7}"}, {**ROWS[1], "completion": "\udfff"}]
    with VerifierPool() as pool:
        _, verdicts = audit([labelled(i, r, {}, "math", "f") for i, r in enumerate(rows)], pool)
    assert [verdict.outcome for verdict in verdicts] == ["correct", "unparsed"]


def test_rows_of_one_problem_are_candidates_of_their_own() -> None:
    known = problem("7", id="p-9")
    row = {"problem": 9, "completion": r"\boxed{7}", "label": 1, "source": "s"}
    rows = [labelled(n, row, {}, "math", "f", {"9": known}.__getitem__) for n in range(2)]
    assert {one.problem.id for one in rows} == {"p-9"}
    assert len({one.candidate.id for one in rows}) == 2
    with VerifierPool() as pool:
        found, _ = audit(rows, pool)
    assert (found["accepted"], list(found["by_source"])) == (2, ["s"])


def test_the_gold_of_a_program_is_its_worked_solution() -> None:
    asked = dataclasses.replace(problem("", verifier="code"), solution="def f(): pass")
    assert gold_candidate(asked).completion == "def f(): pass"
    assert gold_candidate(problem("7")).completion == "<answer>7</answer>"
