"""The nouns of the factory: frozen, typed, without I/O.

A record's ``id`` is the hash of what makes it what it is (its ``key`` says of what), so that two
processes that make the same thing make the same key. Every field is a scalar or a list of strings:
a record is one row of a Parquet shard, and its class is the shard's schema.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from rsfactory.ids import content_id


class Outcome(StrEnum):
    """What a verifier decided. Unknown never becomes right or wrong."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    """No answer was found in the completion."""
    TRUNCATED = "truncated"
    """Cut off by the length limit before an answer."""
    UNVERIFIABLE = "unverifiable"
    """Our fault: bad gold, time-out, crash, missing sandbox."""


class Gate(StrEnum):
    """What happens after a round."""

    ADVANCE = "advance"
    """The new checkpoint becomes the sampler."""
    HOLD = "hold"
    """The older checkpoint stays the sampler; the round's data is kept."""
    STOP = "stop"
    """The run ends here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A question with its gold answer."""

    id: str
    source: str
    """Where it comes from, e.g. ``gym:basic_arithmetic`` or a file's name."""
    split: str
    """``train``, ``cold_start`` or ``held_out``; held-out problems are never trained on."""
    domain: str
    """``sums``, ``math``, ``choice``, ``code`` or ``text``; names the default prompt template."""
    verifier: str
    """Name in ``VERIFIERS`` of the verifier that decides."""
    prompt: str
    """The question as asked, choices included, without any template around it."""
    answer: str
    """Gold: a number or expression, or the letter of the right choice."""
    choices: list[str]
    """Texts of the choices A, B, C, ... in order; empty where there are none."""
    solution: str | None
    """A worked solution where the source has one, in the form a completion should have."""
    row: int
    """Row of the file (from 0) or index of the generated item."""
    metadata: str = ""
    """JSON: what the verifier needs beyond the answer (a program's tests, a puzzle's entry)."""
    licence: str = "unknown"
    """SPDX name of the source's licence where it is known."""
    provenance: str = "unknown"
    """How its gold answer was obtained, in a few words (written by people, by the generator)."""

    @staticmethod
    def key(source: str, prompt: str, answer: str) -> str:
        """Hash of source and content."""
        return content_id("p", source, prompt, answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A template that turns a problem into messages; versioned by its text."""

    id: str
    template: str
    version: int
    system: str | None
    """Text of the system message; None leaves it out (a chat template may then add its own)."""
    text: str
    """User message with ``{problem}`` and, when hinted, ``{answer}``."""

    @staticmethod
    def make(template: str, version: int, system: str | None, text: str) -> "Prompt":
        """A prompt with the key that its content gives."""
        key = content_id("t", template, version, system, text)
        return Prompt(id=key, template=template, version=version, system=system, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Saved weights."""

    id: str
    """``k-`` and the first 16 hex digits of the weights' SHA-256."""
    parent: str | None
    """Key of the checkpoint training started from; None for a model that came from outside."""
    run: str
    round: int
    stage: str
    """``base``, ``cold_start``, ``sft`` or ``grpo``."""
    training_set: str | None
    """Name of the rows it was trained on."""
    path: str
    """Folder, relative to the run's folder where it lies inside it."""
    trainer: str
    rows: int
    steps: int
    """Optimizer steps."""
    seconds: float
    """Wall time of the stage, over all starts of the command that worked on it."""
    metrics: str
    """JSON: what the trainer measured (loss, reward, rows/s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One completion, kept with its key."""

    id: str
    problem_id: str
    prompt_id: str
    teacher: str
    """Who answered, by content: a checkpoint's key, or model and address."""
    sampling: str
    """JSON of the settings that shape the text, without num_samples and max_tokens."""
    index: int
    """Which of the problem's completions under these settings; goes on over rounds."""
    attempt: int
    """1 and above: the same index once more, with more tokens after a truncation."""
    round: int
    hinted: bool
    """Made with the answer shown (rationalization)."""
    seed: int
    """What was sent with its request. It comes from the key, without the attempt; where one request
    was made for several candidates (`endpoint.n`), all of them have the seed of the first."""
    max_tokens: int
    completion: str
    reasoning: str | None
    """The teacher's separate reasoning field, where it has one."""
    finish_reason: str
    """``stop``, ``length``, or what the server said."""
    prompt_tokens: int
    tokens: int
    """Tokens of the completion, reasoning included."""
    requests: int = 1
    """Requests that it took until one was answered; 0 where none was made (traces that exist,
    another run's answers)."""
    seconds: float = 0.0
    """Wall time of the request that was answered."""
    note: str = ""
    """What the server said instead of a text: a refusal, why it did not take the request."""

    @property
    def trace(self) -> str:
        """Reasoning and completion as one text."""
        return trace_of(self.reasoning, self.completion)

    @staticmethod
    def key(
        problem_id: str, prompt_id: str, teacher: str, sampling: str, index: int, attempt: int = 0
    ) -> str:
        """Hash of what decides the text; neither num_samples nor max_tokens is in it."""
        return content_id("c", problem_id, prompt_id, teacher, sampling, index, attempt)


def trace_of(reasoning: str | None, completion: str) -> str:
    """One text of both: reasoning that came in a field of its own stands in think tags."""
    return completion if reasoning is None else f"<think>\n{reasoning}\n</think>\n{completion}"


def newest(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The newest attempt of every candidate, in the order given."""
    rows = list(candidates)
    last = {_place(row): row.attempt for row in sorted(rows, key=lambda row: row.attempt)}
    return [row for row in rows if row.attempt == last[_place(row)]]


def _place(row: Candidate) -> tuple[str, str, str, str, int]:
    return row.problem_id, row.prompt_id, row.teacher, row.sampling, row.index


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRate:
    """How often a teacher solves a problem, and why it was asked no further."""

    id: str
    problem_id: str
    teacher: str
    sampling: str
    round: int
    asked: int
    """Candidates that count, hinted ones left out."""
    correct: int
    mean: float | None
    """Unbiased under the stopping rule (docs/adaptive.md); None where a verifier was at fault."""
    low: float | None
    high: float | None
    stopped_by: str
    """``num_samples``, ``correct``, ``interval``, ``difficulty``, ``hopeless``, ``unverifiable``;
    ``budget`` where its last wave is not whole."""
    attempts: int = 0
    """Candidates there were, superseded and unverifiable ones included: the newest rate of a
    problem has the most."""

    @staticmethod
    def key(problem_id: str, teacher: str, sampling: str, round: int, attempts: int) -> str:
        """Hash of who was asked what, and how often."""
        return content_id("q", problem_id, teacher, sampling, round, attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verifier decided about a candidate."""

    id: str
    candidate_id: str
    verifier: str
    version: str
    outcome: Outcome
    extracted: str | None
    """The answer found in the completion."""
    reason: str
    seconds: float
    isolation: str
    """``process`` (a killable worker), ``full`` or ``weak`` (the sandbox), ``none``."""
    results: list[str] = field(default_factory=list)
    """Of each test in order: ``passed``, or why not; of each vote of a judge what it says."""
    share: float | None = None
    """Share of tests passed, or of votes that agree; None where only the outcome is known."""
    requests: int = 0
    """Requests that a judge was made for it; 0 where none decides. Its tokens below."""
    prompt_tokens: int = 0
    tokens: int = 0

    @staticmethod
    def key(candidate_id: str, verifier: str, version: str) -> str:
        """Hash of candidate and verifier@version."""
        return content_id("v", candidate_id, f"{verifier}@{version}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A check's finding on a candidate's reasoning."""

    id: str
    candidate_id: str
    check: str
    evidence: str

    @staticmethod
    def make(candidate_id: str, check: str, evidence: str) -> "Flag":
        """A flag with the key that its content gives."""
        key = content_id("f", candidate_id, check)
        return Flag(id=key, candidate_id=candidate_id, check=check, evidence=evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Whether a candidate goes into a training set, and if not, which rule kept it out."""

    id: str
    candidate_id: str
    training_set: str
    round: int
    selected: bool
    rejected_by: str | None
    """``outcome``, ``finish``, ``flag``, ``length``, ``duplicate``, ``max_per_problem``; None when
    selected."""
    reason: str

    @staticmethod
    def key(candidate_id: str, training_set: str) -> str:
        """Hash of candidate and training set."""
        return content_id("s", candidate_id, training_set)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One row as a trainer saw it: hint removed, in training order."""

    candidate_id: str
    problem_id: str
    training_set: str
    prompt_id: str
    system: str | None
    prompt: str
    """The user message that is trained on (never the hinted one)."""
    completion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A checkpoint on a benchmark, with the outcome of every problem."""

    id: str
    checkpoint_id: str
    benchmark: str
    """Hash of the held-out problems, the prompt and the settings."""
    round: int
    stage: str
    """``base``, ``start`` or ``round``."""
    accuracy: float
    low: float
    high: float
    problem_ids: list[str]
    outcomes: list[str]
    """Outcome of each problem, in the order of ``problem_ids``."""

    @staticmethod
    def key(checkpoint_id: str, benchmark: str) -> str:
        """Hash of checkpoint and benchmark."""
        return content_id("e", checkpoint_id, benchmark)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """What a round did. The five outcomes add up to ``sampled``."""

    id: str
    run: str
    round: int
    sampler: str
    """Key of the checkpoint that sampled."""
    checkpoint_id: str
    """Key of the checkpoint that the round ended with."""
    problems: int
    sampled: int
    correct: int
    wrong: int
    unparsed: int
    truncated: int
    unverifiable: int
    hinted_sampled: int
    hinted_correct: int
    selected: int
    rejected_by: str
    """JSON: rule -> count."""
    pool: int
    tokens: int
    """Completion tokens sampled in this round, evaluation and GRPO left out."""
    accuracy: float | None
    """On held-out problems; None where the recipe trains nothing."""
    low: float | None
    high: float | None
    change: float | None
    """Paired with the evaluation before this round: mean difference, and its 95% interval."""
    change_low: float | None
    change_high: float | None
    gate: Gate
    gate_reason: str
    grpo: str
    """JSON: what GRPO sampled and gained; ``{}`` where it did not run."""
    seconds: str
    """JSON: stage -> seconds, over all starts of the command that worked on it."""
    pass_rate: float | None = None
    """Mean over the round's problems, unbiased under the stopping rule, and its 95% interval."""
    pass_rate_low: float | None = None
    pass_rate_high: float | None = None
    requests: int = 0
    """Requests that the round's candidates took."""
    prompt_tokens: int = 0
    cost: float | None = None
    """USD, where the recipe says what tokens cost."""
    attempts: int = 0
    """Candidates there were, superseded ones included: the newest report of a round has the
    most."""
    stopped: str = ""
    """Why it ended before everything was asked (a budget); empty where it did not."""
    judge_requests: int = 0
    judge_tokens: int = 0
    """Of prompts and completions together; they are in ``cost``, and in no other figure."""
