"""Names of deciders that cannot be asked alone, and how they are asked instead.

A judge needs a teacher and a rubric, a majority the other candidates of its problem: both come with
a run and its recipe.
"""

from filters.verify import GROUP_VERIFIERS, JUDGES
from rsfactory.errors import InputError


def refuse_unless_alone(name: str) -> None:
    """Looks whether a verifier decides by a row alone.

    Raises:
        InputError: It is a judge or a majority; the message says how to use it.
    """
    if name in JUDGES:
        raise InputError(
            f"verifier {name} is a language model that decides by a rubric, so it needs a run: "
            f"factory run RECIPE --set problems.verifier={name} --set judge.teacher=local:MODEL; "
            "measure one on labelled rows with python -m benchmarks.judge_labels"
        )
    if name in GROUP_VERIFIERS:
        raise InputError(
            f"verifier {name} takes the answer that most candidates of a problem give, so it needs "
            f"a run that samples them: factory run RECIPE --set problems.verifier={name}"
        )
