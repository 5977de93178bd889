"""Knights and knaves as a table: completion, outcome, why; Zoey is a knave, Oliver a knight."""

import json
from pathlib import Path

import pytest
from filter_rows import candidate, problem, puzzle
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.puzzle import PuzzleVerifier
from rsfactory.records import Outcome

RIGHT, WRONG, UNPARSED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED
MATERIAL = Path("../shared/material/logic/knights_knaves_5000.jsonl")
NAMES = ["Zoey", "Oliver", "Mia"]
GOLD = "(1) Zoey is a knave\n(2) Oliver is a knight\n(3) Mia is a knave"
STATEMENTS = "(('telling-truth', 2), ('and', ('lying', 0), ('lying', 2)), ('lying', 1))"
"""Zoey: Mia is a knight. Oliver: Zoey and Mia are knaves. Mia: Oliver is a knave."""
ASKED = puzzle({"kind": "knights_and_knaves", "names": NAMES, "statements": STATEMENTS}, GOLD)

TABLE = [
    (f"<answer>{GOLD}</answer>", RIGHT, "the gold"),
    (GOLD, RIGHT, "the gold without a mark"),
    (f"  {GOLD.upper()}\n", RIGHT, "padding and case"),
    ("Answer: Zoey is a knave, Oliver is a knight, and Mia is a knave.", RIGHT, "a sentence"),
    ("<answer>Oliver: knight\nZoey: knave\nMia: knave</answer>", RIGHT, "colons, another order"),
    ("<answer>\n- **Zoey** is a *knave*\n- **Oliver** is a *knight*\n- **Mia** - knave\n</answer>",
     RIGHT, "bullets and bold"),
    ("<answer>| Zoey | knave |\n| Oliver | knight |\n| Mia | knave |</answer>", RIGHT, "a table"),
    ("<answer>Knights: Oliver\nKnaves: Zoey, Mia</answer>", RIGHT, "by role"),
    ("<answer>The knight is Oliver; the knaves are Zoey and Mia.</answer>", RIGHT, "by role"),
    ("<answer>Zoey and Mia are knaves and Oliver is a knight</answer>", RIGHT, "several at once"),
    ("<answer>Zoey is not a knight, Oliver is not a knave, Mia isn't a knight</answer>", RIGHT,
     "negations"),
    ("<answer>Zoey is a knave, not a knight. Oliver is a knight. Mia is a knave.</answer>", RIGHT,
     "said again by its opposite"),
    ("<answer>Neither Zoey nor Mia is a knight; Oliver is a knight.</answer>", RIGHT, "neither"),
    ("<answer>Zoey is a liar, Oliver is a truth-teller, Mia is a liar</answer>", RIGHT, "synonyms"),
    (r"\boxed{\text{Zoey is a knave, Oliver is a knight, Mia is a knave}}", RIGHT, "a box"),
    ("If Zoey is a knight, Mia is one.\n\nFinal answer:\n" + GOLD + "\n\nIf not, she would lie.",
     RIGHT, "reasoning before and after"),
    ("Hm.\n#### Zoey is a knave\nOliver is a knight\nMia is a knave", RIGHT, "hashes"),
    ("<answer>Zoey is a knight, Oliver is a knight, Mia is a knave</answer>", WRONG, "one wrong"),
    ("<answer>Zoey is a knave, Oliver is a knight</answer>", WRONG, "Mia is missing"),
    ("<answer>All are knaves</answer>", WRONG, "everybody"),
    ("<answer>Zoey is a knave. Zoey is a knight. Oliver is a knight. Mia is a knave.</answer>",
     UNPARSED, "a contradiction"),
    ("<answer>Zoey is a knight or a knave, Oliver is a knight, Mia is a knave</answer>", UNPARSED,
     "a hedge"),
    ("<answer>If Zoey is a knave then Oliver is a knight and Mia is a knave</answer>", UNPARSED,
     "a condition"),
    ("Zoey says Mia is a knave. Oliver is a knight.", UNPARSED, "reported speech"),
    (f"<think>{GOLD}</think>", UNPARSED, "only in the thinking"),
    (f"<answer>{GOLD}", UNPARSED, "never closed"),
    ("<answer>I do not know.</answer>", UNPARSED, "nothing said"),
    ("<answer>Bob is a knave.</answer>", UNPARSED, "somebody else"),
    ("", UNPARSED, "empty"),
    ("Zoey is a knave. " * 60_000, UNPARSED, "1 MB without a mark"),
    ("Answer: " + "..." * 300_000, UNPARSED, "1 MB of dots"),
]  # fmt: skip


@pytest.mark.parametrize(("completion", "outcome", "why"), TABLE)
def test_table(completion: str, outcome: Outcome, why: str) -> None:
    verdict = PuzzleVerifier().verify(ASKED, candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


def test_cut_off_before_the_end_is_truncated() -> None:
    for said, outcome in (
        (f"Answer: {GOLD}", Outcome.TRUNCATED),
        (f"<answer>{GOLD}</answer>", RIGHT),
    ):
        found = PuzzleVerifier().verify(ASKED, candidate(said, finish_reason="length"))
        assert found.outcome is outcome


def test_the_gold_alone_is_enough() -> None:
    asked = problem(GOLD, verifier="puzzle")
    said = candidate("<answer>Zoey: knave, Oliver: knight, Mia: knave</answer>")
    assert PuzzleVerifier().verify(asked, said).outcome is RIGHT


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"names": []}, "nobody"),
        ({"names": ["Zoey", "Oliver", "Mia", "Bob"]}, "the gold leaves Bob out"),
        ({"names": ["Zoey", 3]}, "a number for a name"),
        ({"statements": "(('lying', 2), ('lying', 2), ('lying', 1))"}, "the gold contradicts them"),
        ({"statements": "(('lying', 2),)"}, "too few"),
        ({"statements": "(('lying', 9), ('lying', 2), ('lying', 1))"}, "nobody of that number"),
        ({"statements": "__import__('os').system('true')"}, "code"),
        ({"statements": "(" * 10_000}, "nested too deep"),
        ({"statements": 3}, "no text"),
    ],
)
def test_a_broken_puzzle_is_unverifiable(change: dict[str, object], why: str) -> None:
    metadata = {"kind": "knights_and_knaves", "names": NAMES, "statements": STATEMENTS, **change}
    verdict = PuzzleVerifier().verify(puzzle(metadata, GOLD), candidate(GOLD))
    assert verdict.outcome is Outcome.UNVERIFIABLE, why


PAIR = [
    (r"\boxed{Ann is no knave, Bob is no knight}", RIGHT, "no is a negation"),
    (r"\boxed{Ann is no knight, Bob is no knave}", WRONG, "and turned round"),
    ("Answer: Ann is a knight, no knave; Bob is a knave, no knight.", RIGHT, "by the opposite"),
    ("Answer: No one is a knight.", WRONG, "no one is a subject"),
    ("Answer: Ann is a knight and Bob is a knave, with no contradiction.", RIGHT, "another no"),
    ("Answer: Ann is a knight: no. Bob is a knave: no.", UNPARSED, "a no to each"),
    ("Answer: Is Ann a knight? Yes. Is Bob a knave? No.", UNPARSED, "questions"),
    ("It is false that Ann is a knight, and Bob is a knave.", UNPARSED, "false that"),
    (r"\boxed{It is wrong that Ann is a knight, and Bob is a knave}", UNPARSED, "wrong that"),
    (r"\boxed{the opposite of: Ann is a knight, Bob is a knave}", UNPARSED, "the opposite"),
    (r"\boxed{Ann is a knight: false. Bob is a knave: false}", UNPARSED, "false behind it"),
    ("Answer: It is not true that Ann is a knave and Bob is a knave", UNPARSED, "not true that"),
    ("Answer: It is not the case that Ann is a knave and Bob a knave", UNPARSED, "not the case"),
    ("Answer: Ann is a knight, Bob is a knave - not.", UNPARSED, "not behind it"),
    ("Answer: Not Bob but Ann is a knight, Bob is a knave", UNPARSED, "a denied name"),
    ("Answer: The knight is not Ann. The knave is Bob.", UNPARSED, "a denied name of a role"),
    ("Answer: Ann is a knight but Bob is a knave", RIGHT, "a but between two"),
    ("Answer: I lied: Ann is a knight, Bob is a knave", UNPARSED, "taken back"),
    ("Answer: Ann is a knight, Bob cannot lie: Bob is a knight", UNPARSED, "a denied act"),
]  # fmt: skip


@pytest.mark.parametrize(("completion", "outcome", "why"), PAIR)
def test_denials(completion: str, outcome: Outcome, why: str) -> None:
    asked = problem("Ann is a knight, and Bob is a knave", verifier="puzzle")
    verdict = PuzzleVerifier().verify(asked, candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


@pytest.mark.parametrize("said", [
    "Ann and Bob are not both knights", "Not all are knights", "Nobody but Ann is a knight",
    "All but Ann are knaves", "All are knaves but Ann", "All are knaves, except Ann",
])  # fmt: skip
def test_some_of_several_are_not_all_of_them(said: str) -> None:
    asked = problem("Ann is a knave, and Bob is a knave", verifier="puzzle")
    assert PuzzleVerifier().verify(asked, candidate(f"Answer: {said}")).outcome is UNPARSED


@given(st.text(alphabet="ZoeyMia Oliver knightsav:,.?\n()or", max_size=200))
def test_never_raises(text: str) -> None:
    PuzzleVerifier().verify(ASKED, candidate(f"Answer: {text}"))


@pytest.mark.skipif(not MATERIAL.is_file(), reason="the outside material is not here")
def test_golds_are_right_and_mutated_golds_wrong() -> None:
    for row in map(json.loads, MATERIAL.read_text().splitlines()):
        names, statements = row["names"], row["statements"]
        metadata = {"kind": "knights_and_knaves", "names": names, "statements": statements}
        asked = puzzle(metadata, row["solution_text"])
        verdict = PuzzleVerifier().verify(asked, candidate(row["solution_text"]))
        assert verdict.outcome is RIGHT, (row["id"], verdict.reason)
        for flipped in range(len(names)):
            said = [knight != (i == flipped) for i, knight in enumerate(row["solution"])]
            text = ", ".join(f"{name} is a {'knight' if knight else 'knave'}"
                             for name, knight in zip(names, said, strict=True))  # fmt: skip
            verdict = PuzzleVerifier().verify(asked, candidate(f"Answer: {text}"))
            assert verdict.outcome is WRONG, (row["id"], text)
