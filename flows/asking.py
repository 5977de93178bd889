"""How a run asks: its recipe's templates, settings and policy, made what sampling takes."""

from collections.abc import Iterable

from flows.context import Run
from flows.known import next_index
from generators.adaptive import policy_of
from generators.agenda import Fixed, Policy
from generators.prompts import pick
from generators.sample import Asking, canonical
from rsfactory.recipe import Recipe
from rsfactory.records import Problem
from rsfactory.store import PROMPTS


def policy_for(recipe: Recipe) -> Policy:
    """When a problem has been asked often enough."""
    section, most = recipe.adaptive, recipe.sample.num_samples
    alike = section.policy == "fixed" and section.hopeless is None
    return Fixed(most) if alike else policy_of(section, most)


def asking_of(run: Run, round: int, teacher: str, *, hinted: bool) -> Asking:
    """How a teacher, by its identity, is asked a round's problems: plainly or with a hint."""
    section = run.recipe.sample
    settings = {"temperature": section.temperature, "top_p": section.top_p, "seed": run.seed}
    return Asking(
        prompt_for=lambda problem: pick(section.template, problem, hinted=hinted),
        teacher=teacher,
        sampling=canonical(settings),
        round=round,
        hinted=hinted,
        first_index=next_index(run, round, hinted=hinted),
    )


def record_prompts(run: Run, round: int, problems: Iterable[Problem], *, hinted: bool) -> None:
    """Keeps the templates that these problems are asked with, each once a run."""
    template = run.recipe.sample.template
    used = {prompt.id: prompt for prompt in (pick(template, p, hinted=hinted) for p in problems)}
    there = {prompt.id for prompt in run.store.read(PROMPTS)}
    for prompt in used.values():
        if prompt.id not in there:
            run.store.write(PROMPTS, round, prompt.id, [prompt])
