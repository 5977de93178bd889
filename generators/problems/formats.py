r"""Rows of a table as problems: the formats that are recognised, and the user's own mapping.

Recognised by their columns: GSM8K (``question``, ``answer`` with ``####``), CommonsenseQA and ARC
(``question.stem``, ``question.choices``, ``answerKey``, or the Hub's flattened form), MATH
(``problem``, ``solution`` with ``\boxed{}``, perhaps ``answer``), puzzles
(`generators.problems.puzzles`), programs (`generators.problems.programs`), and plain tables with a
question and an answer. Anything else takes a mapping such as ``problem=Body+Question
answer=Answer``: ``+`` joins columns with a space, a dot reaches into a nested one. A row without a
gold answer is an error that names the row, unless the verifier needs none; nothing is left out
silently.

A column ``metadata`` (with a mapping: the column that is mapped to it) has what a verifier needs
beyond the answer (docs/verifiers.md). Where its form names a verifier (a program's tests, a kind of
puzzle) that one decides, and where it says all that the verifier needs a row may have no answer.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from generators.problems import choices, origin, programs, puzzles
from generators.problems.cells import (
    BadRow,
    Row,
    columns_of,
    get,
    has,
    likely_mapping,
    shown,
    text_of,
)  # fmt: skip
from generators.problems.origin import NOWHERE, Origin
from generators.problems.parts import Parts, last_box, problem_of
from generators.prompts import final_line
from rsfactory import metadata
from rsfactory.errors import InputError
from rsfactory.records import Problem

FIELDS = ("problem", "answer", "choices", "solution", "metadata", "licence", "provenance")
"""What a mapping may name."""

_QUESTIONS = ("problem", "question", "prompt")
_ANSWERS = ("answer", "expected_answer")
_SOLUTIONS = ("solution", "reference_solution")


Reader = Callable[[Row], Parts]


def problems(
    rows: Iterable[tuple[str, Row]],
    source: str,
    columns: Mapping[str, str],
    verifier: str | None,
    *,
    lenient: bool = False,
    gold: bool = True,
    known: Origin = NOWHERE,
    said: Origin = NOWHERE,
) -> Iterator[Problem]:
    """Problems of a table's rows.

    Args:
        rows: Each with the words that say where it is, e.g. ``line 3``.
        source: Name that the problems' keys contain.
        columns: The user's mapping; it overrides recognition.
        verifier: The user's choice instead of the format's.
        lenient: Recognise the format where the mapping's columns are not there.
        gold: Whether a row without an answer is an error; else its problem's answer is empty.
        known: What is known of the source (a card's licence).
        said: What the user says of it, for rows that say nothing themselves.

    Raises:
        InputError: The columns are not understood, or a row has no question or no gold answer.
    """
    reader: Reader | None = None
    telling, columns = _telling(columns)
    for number, (where, row) in enumerate(rows):
        if number == 0 and not lenient:
            _check_telling(telling, row, source)
        try:
            asked_only = _asked_only(row, columns, verifier, gold)
            if reader is None and not asked_only:
                if lenient and any(not has(row, column) for column in columns.values()):
                    columns = {}
                reader = _mapped(columns, row, source) if columns else _recognise(row, source)
            elif number == 0 and not lenient:
                _check_metadata(columns, row, source)
            parts = _question(row, columns) if asked_only or reader is None else reader(row)
            if not parts.metadata:
                parts = _with_metadata(parts, _metadata(row, columns), verifier)
        except BadRow as error:
            raise InputError(f"{source}, {where}: {error}") from error
        for text in (
            parts.prompt, parts.answer, parts.solution or "", parts.metadata, *parts.choices,
        ):  # fmt: skip
            if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise InputError(
                    f"{source}, {where}: expected text, got half a character (a lone surrogate) "
                    f"in {text[:40]!r}; write the file as UTF-8"
                )
        if verifier == "judge":
            parts = _with_rubric(parts, row)
        came = origin.of_row(row, telling).over(said)
        parts = replace(parts, origin=came.over(known.over(parts.origin)))
        yield problem_of(parts, source, number, verifier)


def _telling(columns: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The mapping's columns that say where a gold comes from, and the others."""
    telling = {name: c for name, c in columns.items() if name in ("licence", "provenance")}
    return telling, {name: c for name, c in columns.items() if name not in telling}


def _check_telling(telling: Mapping[str, str], row: Row, source: str) -> None:
    if missing := [column for column in telling.values() if not has(row, column)]:
        raise _no_column(source, missing, row)


def _asked_only(row: Row, columns: Mapping[str, str], verifier: str | None, gold: bool) -> bool:
    """Whether a row is to be read without a gold: it has none, and none is needed.

    Raises:
        BadRow: It has none, and its metadata would do if somebody said for which verifier.
    """
    if _answered(row, columns):
        return False
    given = _metadata(row, columns)
    if not gold or metadata.decides(given, verifier):
        return True
    fitting = metadata.fitting(given) if given and verifier is None else []
    if fitting:
        name = fitting[0]
        raise BadRow(
            f"it has no gold answer, and metadata for the verifier {' or '.join(fitting)}; name it "
            f"with --verifier {name}, or in a run with --set problems.verifier={name}"
        )
    return False


def _metadata(row: Row, columns: Mapping[str, str]) -> str:
    """JSON text of the row's own metadata; empty where it has none."""
    column = columns.get("metadata") if columns else "metadata"
    try:
        return metadata.as_text(get(row, column)) if column else ""
    except ValueError as error:
        raise BadRow(
            f"{column}: {error}; a column that is no metadata of ours is left alone where "
            "--map problem=COLUMN --map answer=COLUMN name the others"
        ) from error


def _check_metadata(columns: Mapping[str, str], row: Row, source: str) -> None:
    """Looks whether a mapping's names are known and the column of its metadata is there."""
    _check_names(columns)
    if "metadata" in columns and not has(row, columns["metadata"]):
        raise _no_column(source, [columns["metadata"]], row)


def _with_metadata(parts: Parts, given: str, verifier: str | None) -> Parts:
    """The parts with the row's own metadata, and the verifier that it names."""
    if not given:
        return parts
    decides = metadata.named(given)
    solution = parts.solution
    if "code" in (verifier, decides) and parts.answer and not solution:
        solution = _fenced(parts.answer)
    return replace(parts, metadata=given, verifier=decides or parts.verifier, solution=solution)


def _with_rubric(parts: Parts, row: Row) -> Parts:
    """The parts with a row's own rubric (a text or a list of texts), which a judge goes by."""
    rubric = row.get("rubric")
    if not rubric or not isinstance(rubric, str | list):
        return parts
    given = json.loads(parts.metadata or "{}")
    return replace(parts, metadata=json.dumps({"rubric": rubric, **given}, ensure_ascii=False))


def _recognise(row: Row, source: str) -> Reader:
    """The reader for a table, by the columns of its first row."""
    if isinstance(row.get("question"), Mapping) and has(row, "question.stem"):
        return _nested_choice
    if has(row, "question") and has(row, "choices") and has(row, "answerKey"):
        return _flat_choice
    if puzzle := puzzles.recognise(row):
        return _decided_by("puzzle", puzzle, origin.KNIGHTS if "quiz" in row else origin.SEARCHED)
    if program := programs.recognise(row):
        return _decided_by("code", program, programs.origin_of(row))
    question = next((name for name in _QUESTIONS if name in row), None)
    answer = next((name for name in _ANSWERS if name in row), None)
    solution = next((name for name in _SOLUTIONS if name in row), None)
    if question == "question" and "####" in str(row.get("answer")):
        return _gsm8k
    if question and (answer or "\\boxed" in str(row.get(solution or ""))):
        came = _origin_of(row, solution)
        return lambda row: replace(_plain(row, question, answer, solution), origin=came)
    raise InputError(
        f"{source} is not understood: it has the columns {columns_of(row)}; needed are "
        f"{' or '.join(_QUESTIONS)}, and answer (or solution with \\boxed{{}}); "
        f"or name them: {likely_mapping(row)} "
        "(A+B joins two columns, a.b reaches into a nested one); a set without answers needs a "
        "verifier that does without: judge or majority (docs/recipes.md)"
    )


def _origin_of(row: Row, solution: str | None) -> Origin:
    """What a table with problem and solution says by its columns: those of MATH are its own."""
    if re.fullmatch(r"(train|test)/\w+/\d+\.json", str(row.get("unique_id"))):
        return origin.MATH_OWN
    named = "level" in row and ("type" in row or "subject" in row)
    return origin.MATH if named and solution == "solution" else NOWHERE


def _answered(row: Row, columns: Mapping[str, str]) -> bool:
    """Whether a row has a gold, or something that has to be read as one."""
    names = [columns["answer"]] if "answer" in columns else [*_ANSWERS, "answerKey"]
    values = [get(row, name) for name in names]
    if not columns and (puzzles.recognise(row) or programs.recognise(row)):
        return True
    boxed = any("\\boxed" in str(row.get(name)) for name in _SOLUTIONS if not columns)
    return boxed or any(v is not None and v == v and str(v).strip() for v in values)


def _question(row: Row, columns: Mapping[str, str]) -> Parts:
    """A row without a gold: its question, with choices and a worked solution where it has them."""
    there = (name for name in ("question.stem", *_QUESTIONS) if has(row, name))
    asked = columns.get("problem") or next(there, None)
    if asked is None:
        expected = " or ".join(_QUESTIONS)
        raise BadRow(
            f"expected a question in a column {expected}, found {columns_of(row)}; "
            "name it with --map problem=COLUMN"
        )
    prompt = " ".join(text_of(row, column) for column in asked.split("+"))
    nested = asked == "question.stem"
    offered = get(row, columns.get("choices", "question.choices" if nested else "choices"))
    if offered is not None:
        texts = choices.labelled(offered)[1]
        return Parts(prompt=f"{prompt}\n{choices.listed(texts)}", answer="", choices=tuple(texts))
    names = [columns["solution"]] if "solution" in columns else _SOLUTIONS
    worked = next((str(get(row, name)).strip() for name in names if get(row, name)), None)
    return Parts(prompt=prompt, answer="", solution=worked or None)


def _decided_by(verifier: str, reader: puzzles.Reader, came: Origin) -> Reader:
    def read(row: Row) -> Parts:
        try:
            prompt, answer, metadata = reader(row)
        except KeyError as error:
            raise BadRow(f"it has no column {error.args[0]}, which the first row has") from error
        except ValueError as error:
            raise BadRow(str(error)) from error
        return Parts(
            prompt=prompt,
            answer=answer,
            solution=_fenced(answer) if verifier == "code" and answer else None,
            verifier=verifier,
            metadata=metadata,
            origin=came,
        )

    return read


def _fenced(program: str) -> str:
    """A gold program as a completion shows one."""
    return f"```python\n{program}\n```"


def _gsm8k(row: Row) -> Parts:
    worked, mark, gold = text_of(row, "answer").rpartition("####")
    gold = gold.strip().replace(",", "")
    if not mark or not gold:
        raise BadRow(f"expected a gold answer after '####', got {shown(row['answer'])}")
    worked = re.sub(r"<<.*?>>", "", worked).strip()
    return Parts(
        prompt=text_of(row, "question"),
        answer=gold,
        solution=f"{worked}\n{final_line(gold)}",
        math=True,
        origin=origin.GSM8K,
    )


def _nested_choice(row: Row) -> Parts:
    own = has(row, "question.question_concept")
    return replace(
        _choice(text_of(row, "question.stem"), get(row, "question.choices"), row.get("answerKey")),
        origin=origin.COMMONSENSE if own else NOWHERE,
    )


def _flat_choice(row: Row) -> Parts:
    own = "question_concept" in row
    return replace(
        _choice(text_of(row, "question"), row.get("choices"), row.get("answerKey")),
        origin=origin.COMMONSENSE if own else NOWHERE,
    )


def _plain(row: Row, question: str, answer: str | None, solution: str | None) -> Parts:
    worked = str(row.get(solution) or "") if solution else ""
    boxed = last_box(worked)
    gold = text_of(row, answer) if answer else boxed
    if not gold:
        raise BadRow(f"expected a gold answer in \\boxed{{}}, got {shown(worked)}")
    text = f"{worked.strip()}\n{final_line(gold)}" if worked.strip() else None
    return Parts(prompt=text_of(row, question), answer=gold, solution=text, math=boxed is not None)


def _mapped(columns: Mapping[str, str], row: Row, source: str) -> Reader:
    """The reader that the user's mapping describes, checked against the first row."""
    _check_names(columns)
    if not {"problem", "answer"} <= set(columns):
        raise _bad_names(columns)
    missing = [c for column in columns.values() for c in column.split("+") if not has(row, c)]
    if missing:
        raise _no_column(source, missing, row)

    def read(row: Row) -> Parts:
        prompt = " ".join(text_of(row, column) for column in columns["problem"].split("+"))
        if "choices" in columns:
            return _choice(prompt, get(row, columns["choices"]), get(row, columns["answer"]))
        gold = text_of(row, columns["answer"])
        worked = str(get(row, columns.get("solution", "")) or "").strip()
        solution = f"{worked}\n{final_line(gold)}" if worked else None
        return Parts(prompt=prompt, answer=gold, solution=solution)

    return read


def _check_names(columns: Mapping[str, str]) -> None:
    if any(name not in FIELDS for name in columns):
        raise _bad_names(columns)


def _bad_names(columns: Mapping[str, str]) -> InputError:
    return InputError(
        f"a mapping names {', '.join(FIELDS)} and needs the first two (the second only where the "
        f"verifier needs a gold answer), got {', '.join(columns)}; for example "
        "--map problem=COLUMN --map answer=COLUMN"
    )


def _no_column(source: str, missing: Sequence[str], row: Row) -> InputError:
    return InputError(
        f"{source} has no column {', '.join(missing)}; it has {columns_of(row)} "
        "(as in --map problem=COLUMN --map answer=COLUMN)"
    )


def _choice(stem: str, listed: Any, gold: Any) -> Parts:
    """A multiple-choice problem."""
    letter, texts = choices.read(listed, gold)
    return Parts(prompt=f"{stem}\n{choices.listed(texts)}", answer=letter, choices=tuple(texts))
