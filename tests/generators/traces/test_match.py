import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.problems.finite import same_question
from generators.traces.match import QuestionIndex, cores, instructs, pieces, templates

BOXED = "Return your final response within \\boxed{}."


def found(questions: list[str], asked: str) -> list[int]:
    index, _ = indexed(questions)
    return index.find(asked, questions.__getitem__)


def indexed(questions: list[str]):
    shared = templates(questions)
    index = QuestionIndex(shared)
    for row, question in enumerate(questions):
        index.add(row, question)
    return index, shared


INSTRUCTIONS = [
    (BOXED, True),
    ("Please reason step by step, and put your final answer within \\boxed{}.", True),
    ("Let's think step by step.", True),
    ("Solve the following math problem:", True),
    ("Question:", True), ("**Problem:**", True), ("<problem>", True), ("Answer:", True),
    ("Give your final answer modulo 1000.", False), ("Round to the nearest cent.", False),
    ("What is 2 + 2?", False), ("Find x.", False), ("Find the last.", False),
    ("Give the answer as a percentage.", False), ("x = y", False), ("3", False),
]  # fmt: skip


@pytest.mark.parametrize(("piece", "expected"), INSTRUCTIONS)
def test_what_is_an_instruction(piece: str, expected: bool) -> None:
    assert instructs(same_question(piece)) is expected


Q = "Ann has 3 apples. How many are 2 more?"
WRAPPED = [
    Q, f"  {Q.upper()} ", f"{BOXED} {Q}", f"{Q}\n{BOXED}", f"Question: {Q}\nAnswer:",
    f"Solve the following problem.\n\n{Q}\n\nLet's think step by step.",
    f"<problem>\n{Q}\n</problem>",
    f"**Problem:** {Q}",
]  # fmt: skip


@pytest.mark.parametrize("question", WRAPPED)
def test_a_wrapped_question_is_found(question: str) -> None:
    assert found(["Another one?", question], Q) == [1]


OTHERS = [
    f"{Q} Give your answer modulo 2.", f"Bob has 9 pears. {Q}", f"{Q} And 3 more?",
    "How many are 2?",
    "Ann has 3 apples.", "How many are 2 more?", Q.replace("3", "4"), "",
]  # fmt: skip


@pytest.mark.parametrize("question", OTHERS)
def test_another_question_is_not(question: str) -> None:
    assert found([question or "x"], Q) == []
    assert found([Q], question or "x") == []


def test_a_template_of_the_set_is_taken_off() -> None:
    wrapper = "You are Tutor Bob, born in 1950."
    questions = [f"{wrapper} How much is {i} + {i}?" for i in range(8)]
    assert found(questions, "How much is 3 + 3?") == [3]
    assert found(questions[:3], "How much is 1 + 1?") == []  # nobody knows that it is a template
    same = [f"{wrapper} How much is 1 + 1?"] * 8
    assert templates(same) == frozenset()


def test_two_templates_around_one_text_are_ambiguous() -> None:
    sums = [f"Compute the sum. {i}, {i + 1}" for i in range(6)]
    products = [f"Compute the product. {i}, {i + 1}" for i in range(6)]
    index, _ = indexed(sums + products)
    assert index.find("3, 4", (sums + products).__getitem__) == []
    assert index.ambiguous == {3, 9}
    assert index.find("Compute the sum. 3, 4", (sums + products).__getitem__) == [3]


def test_all_rows_of_a_question_come_in_order() -> None:
    assert found([Q, "x", f"{Q} {BOXED}", Q], Q) == [0, 2, 3]


@given(st.text(max_size=200))
def test_pieces_make_up_the_whole_and_the_first_core_is_it(question: str) -> None:
    assert " ".join(pieces(question)) == same_question(question)
    forms = list(cores(question, frozenset()))
    if same_question(question):
        assert forms[0] == (same_question(question), ())
    assert all(form for form, _ in forms)


@given(st.lists(st.text(alphabet="ab 1.\n:", min_size=1, max_size=12), min_size=1, max_size=20))
def test_every_question_finds_itself(questions: list[str]) -> None:
    questions = [q for q in questions if same_question(q)] or ["x"]
    for row, question in enumerate(questions):
        rows = found(questions, question)
        assert row in rows
        assert rows == sorted(set(rows))
