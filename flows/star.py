"""STaR on real parts: sample, verify, rationalize, check, select, train, evaluate, gate.

Read `star` down the page and you know a round. Every stage skips what the store already has, so
running it again continues: the functions are the same with Prefect and without.
"""

from pathlib import Path

from flows.context import Run
from flows.evaluate import evaluate
from flows.finish import finish_round, finished
from flows.flow import run_flow
from flows.gate import gate
from flows.problems import training
from flows.progress import Reporter
from flows.result import RunResult, load_result
from flows.sample import rationalize, sample
from flows.select import check, select
from flows.start import base_checkpoint, cold_start
from flows.train import train
from flows.verify import verify_missing
from rsfactory.recipe import Recipe
from rsfactory.records import Gate


def run_star(
    recipe: Recipe, *, seed: int, data: Path, name: str | None, reporter: Reporter, prefect: bool
) -> RunResult:
    """Runs or continues a recipe that trains; see `flows.flow`."""
    return run_flow(
        star, recipe, seed=seed, data=data, name=name, reporter=reporter, prefect=prefect
    )


def star(run: Run) -> RunResult:
    """The whole loop."""
    base = base_checkpoint(run)
    evaluate(run, base, 0, "base")
    start = cold_start(run, base)
    standing = evaluate(run, start, 0, "start")
    sampler = start
    for round in range(1, run.recipe.rounds + 1):
        problems = training(run, round)
        by_id = {problem.id: problem for problem in problems}
        report = finished(run, round)
        if report is None:
            sample(run, round, problems, sampler)
            verify_missing(run, round, by_id)
            rationalize(run, round, problems, sampler)
            verify_missing(run, round, by_id)
            check(run, round, by_id)
            select(run, round)
            checkpoint = train(run, round, sampler, start)
            evaluation = evaluate(run, checkpoint, round, "round")
            report = gate(run, round, sampler, standing, checkpoint, evaluation)
        sampler, standing = finish_round(run, report, sampler, standing)
        if report.gate is Gate.STOP:
            break
    return load_result(run.store)
