"""The end of a run that trains nothing: its report, and the selected rows as files."""

from collections.abc import Sequence
from dataclasses import replace

from flows.context import Run
from flows.export import write_selected
from flows.gate import round_report
from flows.pass_rates import pass_rates
from flows.report import write_report
from flows.result import FILES, round_row
from flows.tasks import publish_table
from flows.teachers import is_archive
from rsfactory.errors import FactoryError
from rsfactory.records import Checkpoint, Gate, Problem, Selection
from rsfactory.store import ROUNDS


def report(
    run: Run,
    problems: Sequence[Problem],
    student: Checkpoint | None,
    chosen: list[Selection],
    ended: FactoryError | None,
) -> None:
    """Writes what was sampled and selected; once for each set of candidates.

    Args:
        run: The run.
        problems: All of them.
        student: Who answered, where that is the student.
        chosen: The selection.
        ended: Why nobody was asked any further, where that is not because all were.
    """
    if not is_archive(run.recipe.sample.teacher):
        pass_rates(run, 1, problems, student)
    reason = "this recipe trains nothing"
    made = round_report(run, 1, student, chosen, gate=Gate.STOP, gate_reason=reason)
    made = replace(made, stopped=str(ended).partition(";")[0] if ended else "")
    run.store.write(ROUNDS, 1, f"report-{made.id}", [made])
    run.reporter.round_done(made)
    publish_table(f"collected-{run.name}", [round_row(made)], f"Collected by {run.name}")


def export(run: Run) -> None:
    """Writes the selected rows with their history, as Parquet and as JSON Lines."""
    write_selected(run.store, [run.store.folder / name for name in FILES])
    write_report(run.store, run.store.folder / "report.html")
