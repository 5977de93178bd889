"""Recipes: one frozen pydantic model per TOML section; unknown keys are errors.

Shipped recipes are in ``flows/recipes`` (read through importlib.resources); a path to a TOML file
is a recipe too. ``--set section.key=value`` changes one value. No logic is in a recipe.
"""

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)  # fmt: skip
from pydantic.fields import FieldInfo

from rsfactory.errors import InputError, RecipeChanged
from rsfactory.ids import content_id


class Section(BaseModel):
    """Base of all sections: frozen, and strict about keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class ProblemsSection(Section):
    """Which problems, and how many."""

    source: str
    """``gym:FAMILY[@LEVEL]`` (generated), a mix ``gym:FAMILY=2,FAMILY=1``, a JSONL/CSV/Parquet
    file, or a Hub id ``owner/name`` (docs/sources.md)."""
    params: dict[str, Any] = {}
    """Parameters of a generated family; of a mix a table for each family."""
    columns: dict[str, str] = {}
    """For files: problem, answer, choices, solution, metadata, licence, provenance -> the file's
    column."""
    licence: str | None = None
    """The source's licence, for rows that do not say it; by default what is known of the source."""
    provenance: str | None = None
    """How the source's golds were obtained, likewise."""
    verifier: str | None = None
    """Verifier that decides; by default the one the source's format names. `judge` and `majority`
    take training problems without an answer too."""
    per_round: int = Field(192, gt=0)
    """Problems sampled in a round."""
    limit: int | None = Field(None, gt=0)
    """Bound on the training problems of the whole run."""
    held_out: str | None = None
    """Source of the held-out problems; by default the source itself, kept apart."""


class JudgeSection(Section):
    """How `problems.verifier = "judge"` decides."""

    teacher: str | None = None
    """Who judges: `openai:MODEL[@URL]`, `vllm:MODEL`, `local:MODEL`, `student` (as it was before
    any training) or `scripted`."""
    rubric: str = "science"
    """`science`, `proof`, or the rubric itself; a row's own `rubric` comes first."""
    votes: int = Field(3, gt=0)
    """Asked for each candidate; a vote is two requests, with the layout swapped."""
    agreement: float = Field(0.6, gt=0.5, le=1)
    """Share of all votes that must say the same; else the candidate is unverifiable."""
    temperature: float = Field(0.7, ge=0)
    """Of the judge; 0 makes all votes alike, so it goes with one vote."""
    max_tokens: int = Field(512, gt=0)
    """Length limit of one answer of the judge."""
    price_prompt: float | None = Field(None, ge=0)
    """USD for a million tokens of the judge's prompts; by default, for a judge `openai:MODEL`, that
    of `endpoint`, and nothing for others."""
    price_completion: float | None = Field(None, ge=0)
    """USD for a million tokens of the judge's completions, likewise."""


class MajoritySection(Section):
    """How `problems.verifier = "majority"` decides."""

    share: float = Field(0.5, gt=0, le=1)
    """Of a problem's candidates in a round, that must give the same answer."""
    minimum: int = Field(3, gt=1)
    """Candidates that must give the same answer."""


class ModelSection(Section):
    """The student."""

    student: str = "embedded"
    """``embedded``, a folder, or a Hub id."""


class ColdStartSection(Section):
    """Fine-tuning on the source's own worked solutions before round 1."""

    traces: int = Field(32, ge=0)
    """Worked solutions; 0 leaves the cold start out."""
    epochs: float = Field(2, gt=0)
    """Passes over the traces."""
    learning_rate: float = Field(1e-4, gt=0)
    """At its peak: it rises for a tenth of the steps and falls to 0."""
    batch_size: int = Field(8, gt=0)
    """Rows in an optimizer step."""


class SampleSection(Section):
    """How a teacher is asked."""

    teacher: str = "student"
    """Who answers: ``student``, ``openai:MODEL[@URL]``, ``vllm:MODEL``, ``local:MODEL``,
    ``dataset:FILE-or-Hub-id`` or ``scripted`` (docs/collect.md)."""
    template: str | None = None
    """How a problem is asked: ``math``, ``choice``, ``code``, ``text``, ``sums``, or a text of your
    own with ``{problem}`` in it; by default the one that fits the problem."""
    num_samples: int = Field(2, gt=0, le=100_000)
    """Completions per problem."""
    temperature: float = Field(0.7, ge=0)
    """Of the softmax; 0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus: the smallest set of tokens of this probability is sampled from."""
    max_tokens: int | None = Field(None, gt=0)
    """Length limit of one completion, its reasoning included; by default 4096 where the teacher is
    behind an address (``openai:``), else what the template needs of a small model: 48 (sums) to 512
    (code)."""
    shard_size: int = Field(96, gt=0)
    """Completions in a shard: written together, and what a kill costs a local teacher at most."""
    processes: int = Field(1, gt=0, le=128)
    """Sampling processes of a teacher behind an address (`openai:`)."""
    reuse: list[str] = []
    """Runs whose answers are taken over where they were asked the same (by name or folder)."""


class AdaptiveSection(Section):
    """When a problem has been asked often enough; `sample.num_samples` bounds every policy."""

    policy: Literal["fixed", "correct", "interval", "difficulty"] = "fixed"
    """`fixed` asks `sample.num_samples` times; `correct` until there are `adaptive.correct` right
    ones; `interval` until the pass rate's 95% interval is at most `adaptive.width` wide;
    `difficulty` until there are right ones in proportion to how hard the problem is."""
    correct: int = Field(1, gt=0)
    """Right candidates at which `correct` stops, and of the hardest problem for `difficulty`."""
    width: float = Field(0.4, gt=0, lt=1)
    """Width of the 95% interval at which `interval` stops."""
    first: int = Field(1, gt=0)
    """Candidates of each problem in the first wave, where no fewer can do; more take fewer waves
    and spend more."""
    hopeless: int | None = Field(None, gt=0)
    """Stop a problem with so many candidates and none right; it is set aside, or rationalized."""


class EndpointSection(Section):
    """How a teacher behind an HTTP address is asked (`openai:`, `vllm:`)."""

    api: Literal["chat", "completions"] = "chat"
    """`chat` sends messages, `completions` their plain text."""
    extra: dict[str, Any] = {}
    """Further fields of every request's body, e.g. `reasoning_effort`."""
    n: int = Field(8, gt=0)
    """Completions asked for in one request at most, where the server gives as many. The prompt is
    then paid once, and they share a seed; 1 gives each its own."""
    concurrency: int = Field(256, gt=0, le=65_536)
    """Requests under way at one address at most; how many there are adapts to what it bears."""
    requests_per_minute: float | None = Field(None, gt=0)
    """Bound for each address."""
    prompt_tokens_per_minute: float | None = Field(None, gt=0)
    """Bound for each address."""
    completion_tokens_per_minute: float | None = Field(None, gt=0)
    """Bound for each address."""
    timeout: float = Field(600, gt=0)
    """Seconds that one request may take in all, however it drips."""
    connect_timeout: float = Field(10, gt=0)
    """Seconds until a connection stands."""
    max_requests: int = Field(8, gt=0)
    """Requests made for one candidate at most; rate limits (429) do not count."""
    price_prompt: float | None = Field(None, ge=0)
    """USD for a million tokens of prompts."""
    price_completion: float | None = Field(None, ge=0)
    """USD for a million tokens of completions."""


class RationalizeSection(Section):
    """A second try at failed problems with the answer hinted (STaR, Zelikman et al. 2022)."""

    num_samples: int = Field(1, ge=0)
    """Hinted completions per failed problem; 0 (the default of a collection) leaves it out."""


class SelectSection(Section):
    """What goes to training."""

    max_per_problem: int = Field(2, gt=0)
    """Distinct correct traces of a problem in one round."""
    finish_reasons: list[str] = ["stop", "dataset"]
    """Of whole completions; others (`length`, `content_filter`, unknown ones) are not selected.
    `dataset` is that of published traces which do not say theirs."""


class TrainSection(Section):
    """What is trained on, and from where."""

    trainer: str = "trl"
    """``trl``, or ``dry-run`` (trains nothing and says so)."""
    restart: Literal["continue", "base"] = "continue"
    """Go on from the last advanced checkpoint, or start each round from the start checkpoint."""
    pool: Literal["all", "round"] = "all"
    """Rows of all rounds, or of this round only."""
    max_rows: int = Field(256, gt=0)
    """Bound on the rows of one SFT; this round's first, then the newest of the earlier ones."""


class SftSection(Section):
    """Supervised fine-tuning with TRL: loss on the completion only."""

    epochs: float = Field(2, gt=0)
    """Passes over the rows."""
    learning_rate: float = Field(1e-4, gt=0)
    """At its peak: it rises for a tenth of the steps and falls to 0."""
    batch_size: int = Field(8, gt=0)
    """Rows in an optimizer step."""
    round_decay: float = Field(0.6, gt=0, le=1)
    """The rate of round r is `learning_rate` times this to the power of r - 1."""
    max_length: int = Field(1024, gt=0)
    """Tokens of prompt and completion together; longer candidates are not selected, none is cut.
    32768 by default in a collection."""


class GrpoSection(Section):
    """Policy optimisation with TRL's GRPO; rewards come from the same verifiers."""

    steps: int = Field(0, ge=0)
    """Optimizer updates in a round; 0 leaves GRPO out."""
    prompts: int = Field(2, gt=0)
    """Problems in a step."""
    num_generations: int = Field(4, gt=1)
    """Completions per problem."""
    learning_rate: float = Field(2e-6, gt=0)
    """Constant."""
    beta: float = Field(0.0, ge=0)
    """Weight of the KL term; 0 leaves the reference model out."""
    temperature: float = Field(0.9, gt=0)
    """Of the completions that GRPO samples."""
    share_reward: float = Field(0.0, ge=0, lt=1)
    """A wrong program's reward: this times the share of tests it passes; 0: only all count."""
    max_tokens: int | None = Field(None, gt=0)
    """Length limit of one completion; by default `sample.max_tokens`, else the template's."""


class EvaluateSection(Section):
    """Held-out problems, answered greedily."""

    problems: int = Field(128, ge=32, le=256)
    """How many held-out problems, where the source has that many to spare."""
    max_tokens: int | None = Field(None, gt=0)
    """Length limit of one completion; by default `sample.max_tokens`, else the template's."""


class GateSection(Section):
    """When a round's checkpoint is taken over: paired with the evaluation before it."""

    max_drop: float = Field(0.02, ge=0, le=1)
    """Hold when accuracy falls by more than this (mean of the paired change)."""
    stop_at: float = Field(1.0, gt=0, le=1)
    """Stop when accuracy reaches this."""


class KeepSection(Section):
    """Which checkpoints stay on disk."""

    checkpoints: Literal["best_and_last", "all"] = "best_and_last"
    """`best_and_last` keeps the next round's sampler too."""


Treatment = Literal["ignore", "count", "reject"]
"""What becomes of a flag: not looked for, kept beside the candidate, or a reason to reject it."""
TREATMENTS: dict[str, Treatment] = {"leaked_hint": "reject"}
"""Check -> treatment where a recipe says nothing; others are counted."""


COLLECTION: dict[str, Any] = {
    "rounds": 1,
    "rationalize": {"num_samples": 0},
    "sft": {"max_length": 32768},  # nothing is trained: only very long candidates are left out
}
"""Defaults of a recipe that trains nothing, where they are others."""


class Recipe(Section):
    """All that decides a run, besides its seed."""

    name: str
    """Begins the names of its runs."""
    description: str = ""
    """For people."""
    flow: Literal["star", "collect"] = "star"
    """`star` trains a student round by round; `collect` ends with the selected candidates."""
    rounds: int = Field(3, gt=0)
    """How many, unless a gate stops before; a collection has one."""
    budget: str | None = None
    """What the run may cost in all: `20USD`, `5Mtok` or `2h`."""
    sandbox: Literal["full", "weak"] = "full"
    """Where programs run: `full` isolation or not at all; `weak` is none, at your own risk."""
    problems: ProblemsSection
    judge: JudgeSection = JudgeSection()
    majority: MajoritySection = MajoritySection()
    model: ModelSection = ModelSection()
    cold_start: ColdStartSection = ColdStartSection()
    sample: SampleSection = SampleSection()
    adaptive: AdaptiveSection = AdaptiveSection()
    endpoint: EndpointSection = EndpointSection()
    rationalize: RationalizeSection = RationalizeSection()
    flags: dict[str, Treatment] = {}
    """Check -> what becomes of its flags (docs/verifiers.md); by default `leaked_hint` is `reject`,
    the others are `count`."""
    select: SelectSection = SelectSection()
    train: TrainSection = TrainSection()
    sft: SftSection = SftSection()
    grpo: GrpoSection = GrpoSection()
    evaluate: EvaluateSection = EvaluateSection()
    gate: GateSection = GateSection()
    keep: KeepSection = KeepSection()

    @model_validator(mode="before")
    @classmethod
    def _of_a_collection(cls, values: Any) -> Any:
        """What a collection has where it does not say."""
        if not isinstance(values, Mapping) or values.get("flow") != "collect":
            return values
        said = dict(values)
        for name, default in COLLECTION.items():
            own = said.get(name, {} if isinstance(default, Mapping) else default)
            said[name] = {**default, **own} if isinstance(own, Mapping) else own
        return said

    @field_validator("rounds")
    @classmethod
    def _no_more_rounds(cls, rounds: int, known: ValidationInfo) -> int:
        if known.data.get("flow") == "collect" and rounds != 1:
            raise ValueError(
                "a collection has one round; for more data raise sample.num_samples, give more "
                "problems, or (generated ones) raise problems.per_round"
            )
        return rounds


def treatment(recipe: Recipe, check: str) -> Treatment:
    """What a recipe does with a check's flags."""
    return recipe.flags.get(check, TREATMENTS.get(check, "count"))


MORE_KNOBS = (
    "rounds", "problems.per_round", "problems.limit", "sample.num_samples", "sample.max_tokens",
)  # fmt: skip
"""Settings that only ask for more: raising them continues the same run (docs/decisions/004)."""

FREE_KNOBS = (
    "budget", "sample.reuse", "sample.processes", "endpoint.n", "endpoint.concurrency",
    "endpoint.requests_per_minute", "endpoint.prompt_tokens_per_minute",
    "endpoint.completion_tokens_per_minute", "endpoint.timeout", "endpoint.connect_timeout",
    "endpoint.max_requests", "endpoint.price_prompt", "endpoint.price_completion",
    "judge.price_prompt", "judge.price_completion",
)  # fmt: skip
"""Settings that decide no text and no verdict: any change continues the same run."""


def shipped() -> dict[str, str]:
    """Name -> TOML text of the recipes that come with the factory."""
    folder = resources.files("flows.recipes")
    files = (f for f in folder.iterdir() if f.name.endswith(".toml"))
    return {f.name.removesuffix(".toml"): f.read_text() for f in files}


def load(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a name or a TOML file, with settings (``section.key`` -> value) applied.

    Raises:
        InputError: No such recipe, broken TOML, an unknown key or a wrong type.
    """
    known = shipped()
    if name in known:
        text = known[name]
    elif name.endswith(".toml") or Path(name).is_file():
        text = _read(Path(name))
    else:
        raise InputError(
            f"no recipe is called {name!r}{_did_you_mean(name, known)}; "
            f"there is: {', '.join(sorted(known))}; or give a TOML file"
        )
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"recipe {name} is not valid TOML: {error}") from error
    for key, value in (settings or {}).items():
        _set(values, key, value)
    return parse(values, name)


def parse(values: Mapping[str, Any], name: str) -> Recipe:
    """A recipe from plain values.

    Raises:
        InputError: An unknown key or a wrong type; every fault is listed.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(e)}" for e in error.errors())
        raise InputError(f"recipe {name} is not valid:\n{faults}") from error


def parse_setting(text: str) -> tuple[str, Any]:
    """``section.key=value`` as key and value; the value is TOML, or else plain text.

    Raises:
        InputError: There is no ``=`` or no key.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise InputError(f"expected --set section.key=value, got {text!r}")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def flatten(recipe: Recipe) -> dict[str, Any]:
    """``section.key`` -> value, for hashing and for showing a difference."""
    flat: dict[str, Any] = {}
    for section, value in recipe.model_dump(mode="json").items():
        if isinstance(value, dict):
            flat |= {f"{section}.{key}": inner for key, inner in value.items()}
        else:
            flat[section] = value
    return flat


def run_name(recipe: Recipe, seed: int) -> str:
    """Recipe and a short hash of settings and seed, without the knobs that only ask for more."""
    loose = {*MORE_KNOBS, *FREE_KNOBS, "description"}
    fixed = {key: value for key, value in flatten(recipe).items() if key not in loose}
    return f"{recipe.name}-{content_id('r', fixed, seed).partition('-')[2][:8]}"


def merge(old: Recipe, new: Recipe, run: str, *, begun: bool = True) -> Recipe:
    """The recipe to continue a run with: the new one, if it only asks for more than the old.

    Fewer rounds than the run was asked for before ask for nothing new, and the old number stays:
    the command without ``--rounds`` continues a run that was begun with more. Of a run that was
    only planned, and has not begun, less may be asked too; the problems of its first round stay.

    Raises:
        RecipeChanged: Something else differs, or a knob asks for less; the difference is shown.
    """
    if begun:
        new = new.model_copy(update={"rounds": max(old.rounds, new.rounds)})
    before, after = flatten(old), flatten(new)
    free = {"description", *FREE_KNOBS}
    if new.flow == "collect":  # nothing is trained on it: another teacher's answers are added
        free.add("sample.teacher")
    changed = [k for k in after if before.get(k) != after[k] and k not in free]
    drawn = "problems.per_round" if new.flow == "star" else ""
    upwards = MORE_KNOBS if begun else (drawn,)
    wrong = [
        k for k in changed
        if k not in MORE_KNOBS or (k in upwards and _less(k, before[k], after[k]))
    ]  # fmt: skip
    if wrong:
        lines = "\n".join(f"  {k}: {before.get(k)!r} -> {after[k]!r}" for k in wrong)
        raise RecipeChanged(
            f"run {run} was made with another recipe:\n{lines}\n"
            f"only {', '.join(MORE_KNOBS)} may change, and only upwards, and what decides no text "
            "(budget, limits and prices of an endpoint); "
            "give the old settings, or start another run with --run NAME"
        )
    return new


def settings_table() -> str:
    """Every setting with its default and meaning, as Markdown (docs/recipes.md)."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Recipe.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            lines += [
                _setting(f"{name}.{key}", inner) for key, inner in section.model_fields.items()
            ]
        else:
            lines.append(_setting(name, field))
    return "\n".join(lines)


def _setting(name: str, field: FieldInfo) -> str:
    default = "" if field.is_required() else f"`{json.dumps(field.default)}`"
    meaning = " ".join((field.description or "").replace("``", "`").split())
    choices = ", ".join(f"`{json.dumps(choice)}`" for choice in _choices(field.annotation))
    each = "Each one" if get_origin(field.annotation) is dict else "One"
    return f"| `{name}` | {default} | {f'{each} of {choices}. ' if choices else ''}{meaning} |"


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values that a type allows, itself or for the values of a dict; empty where any goes."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next(filter(None, map(_choices, get_args(annotation))), ())


def _less(key: str, before: Any, after: Any) -> bool:
    if before is None or after is None:
        # From no limit to a limit; a length that the template gave may be said in numbers.
        return before is None and after is not None and key != "sample.max_tokens"
    return bool(after < before)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"recipe file {path} cannot be read: {error}") from error


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    here = values
    for section in sections:
        here = here.setdefault(section, {})
        if not isinstance(here, dict):
            raise InputError(f"cannot set {key}: {section} is not a section")
    here[last] = value


def _fault(error: Any) -> str:
    where = [str(part) for part in error["loc"]]
    key = ".".join(where)
    if error["type"] == "extra_forbidden":
        model: Any = Recipe
        for part in where[:-1]:
            model = model.model_fields[part].annotation
        return f"{key} is not a setting{_did_you_mean(where[-1], model.model_fields)}"
    if error["type"] == "missing":
        return f"{key} is missing"
    got = error["input"]
    said = error["msg"].removeprefix("Value error, ")
    return f"{key}: {said[0].lower()}{said[1:]}, got {got!r}"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
