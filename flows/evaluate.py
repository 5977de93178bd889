"""Evaluation: a checkpoint on the held-out problems, greedily, with Wilson's interval.

It samples and verifies with the same functions as a round, into tables of its own. A checkpoint
that was evaluated already is not evaluated again.
"""

from flows.asking import record_prompts
from flows.context import Run, benchmark_id
from flows.problems import held_out
from flows.sample import run_shards
from flows.tasks import log
from flows.verify import verify_table
from generators.prompts import pick
from generators.sample import Asking, canonical, plan
from rsfactory.records import Checkpoint, Evaluation, Outcome
from rsfactory.stats import wilson
from rsfactory.store import EVALUATION_CANDIDATES, EVALUATION_VERDICTS, EVALUATIONS


def evaluate(run: Run, checkpoint: Checkpoint, round: int, stage: str) -> Evaluation:
    """Accuracy of a checkpoint on the held-out problems.

    Args:
        run: The run.
        checkpoint: Whose weights answer.
        round: 0 for ``base`` and ``start``.
        stage: ``base``, ``start`` or ``round``.
    """
    problems = held_out(run)
    prompt = pick(run.recipe.sample.template, problems[0], hinted=False)
    limit = _length(run)
    benchmark = benchmark_id([p.id for p in problems], prompt.id, limit)
    key = Evaluation.key(checkpoint.id, benchmark)
    for done in run.store.read(EVALUATIONS):
        if done.id == key:
            return done
    teacher = run.teacher(checkpoint, asked="student")
    asking = Asking(
        prompt_for=lambda problem: pick(run.recipe.sample.template, problem, hinted=False),
        teacher=teacher.identity,
        sampling=canonical({"temperature": 0.0}),
        round=round,
    )
    shards = plan(problems, asking, num_samples=1, shard_size=run.recipe.sample.shard_size)
    record_prompts(run, round, problems, hinted=False)
    run_shards(run, round, shards, teacher, EVALUATION_CANDIDATES, "evaluate", limit)
    by_id = {p.id: p for p in problems}
    verdicts = verify_table(run, round, by_id, EVALUATION_CANDIDATES, EVALUATION_VERDICTS, None)
    planned = [item for shard in shards for item in shard.items]
    outcomes = [verdicts[item.id].outcome for item in planned]
    share = wilson(sum(o is Outcome.CORRECT for o in outcomes), len(outcomes))
    evaluation = Evaluation(
        id=key,
        checkpoint_id=checkpoint.id,
        benchmark=benchmark,
        round=round,
        stage=stage,
        accuracy=share.mean,
        low=share.low,
        high=share.high,
        problem_ids=[item.problem.id for item in planned],
        outcomes=[str(outcome) for outcome in outcomes],
    )
    run.store.write(EVALUATIONS, round, stage, [evaluation])
    said = f"{stage if stage != 'round' else f'round {round}'}: accuracy {share.mean:.3f} "
    log(said + f"[{share.low:.3f}, {share.high:.3f}] on {len(outcomes)} held-out problems")
    run.reporter.note(said + f"[{share.low:.3f}, {share.high:.3f}]")
    return evaluation


def _length(run: Run) -> int:
    """Length limit of an answer: that of the run's first evaluation, so that all are alike."""
    for round in run.store.rounds(EVALUATION_CANDIDATES):
        for limit in run.store.columns(EVALUATION_CANDIDATES, round, ["max_tokens"])["max_tokens"]:
            return int(limit)
    return run.recipe.evaluate.max_tokens or run.student_tokens()
