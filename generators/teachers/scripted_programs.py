"""What the scripted teacher writes where a program is asked for: the gold, or one that is wrong.

A wrong program defines every function that the gold defines (or the one that is asked for), takes
whatever it is given and returns something else; where only output counts it prints something else.
Not covered: tests that any answer passes, or that ask for a class; a gold that is no Python.
"""

import ast
import json
from random import Random

from rsfactory.records import Problem


def right(problem: Problem) -> str:
    """The gold program in a fence; one that does nothing where there is none."""
    text = problem.answer or problem.solution or "pass"
    return text if "```" in text else _fenced(text)


def wrong(problem: Problem, dice: Random) -> str:
    """A program that loads and fails its tests, in a fence."""
    other = dice.choice(["...", f"-{dice.randrange(10**6, 10**7)}.5"])  # no test expects these
    asked = _asked(problem)
    if not asked:
        return _fenced(f"print({other})")
    return _fenced("\n\n".join(f"def {name}(*_, **__):\n    return {other}" for name in asked))


def _asked(problem: Problem) -> list[str]:
    """Names of the functions that a program must define; none where its output counts."""
    try:
        tests = json.loads(problem.metadata or "{}")
        if "stdio" in tests:
            return []
        if tests.get("entry"):
            return [str(tests["entry"])]
        body = ast.parse(problem.answer or problem.solution or "").body
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError):
        return []
    made = [part.name for part in body if isinstance(part, ast.FunctionDef | ast.ClassDef)]
    return list(dict.fromkeys(made))


def _fenced(text: str) -> str:
    return f"```python\n{text}\n```"
