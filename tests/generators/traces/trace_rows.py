"""One row of each layout of a published set, written for the tests, and what is read from it."""

from dataclasses import dataclass, field
from typing import Any

BOX = "so it is \\boxed{4}."
THINK = "<think>\nTwo and two.\n</think>\n\nIt is \\boxed{4}."
STRATOS = (
    "<|begin_of_thought|>\n\nTwo and two.\n\n<|end_of_thought|>\n\n"
    "<|begin_of_solution|>\n\nIt is \\boxed{4}.\n\n<|end_of_solution|>"
)
IT = "It is \\boxed{4}."


@dataclass(frozen=True)
class Layout:
    name: str
    row: dict[str, Any]
    answers: list[tuple[str, str | None, str]]
    """Text, reasoning, finish reason."""
    gold: str | None = None
    question: str = "What is 2 + 2?"
    columns: dict[str, str] = field(default_factory=dict)


Q = "What is 2 + 2?"
ASKED = {"role": "user", "content": Q}
LAYOUTS = [
    Layout("prompt and completion", {"prompt": Q, "completion": BOX}, [(BOX, None, "dataset")]),
    Layout("TRL's messages", {"prompt": [{"role": "system", "content": "Be short."}, ASKED],
                              "completion": [{"role": "assistant", "content": THINK}]},
           [(IT, "Two and two.", "dataset")]),
    Layout("OpenR1-Math", {
        "problem": Q, "solution": "Add. $4$", "answer": "4", "generations": [THINK, "<think>\nTwo"],
        "is_reasoning_complete": [True, False], "finish_reasons": ["stop", "length"],
        "correctness_math_verify": [True, False], "uuid": "x", "source": "olympiads",
        "messages": [ASKED, {"role": "assistant", "content": THINK}],
    }, [(IT, "Two and two.", "stop"), ("", "Two", "length")], "4"),
    Layout("OpenR1-Math without finish reasons", {
        "problem": Q, "answer": "proof", "generations": [THINK, "On and on", THINK],
        "is_reasoning_complete": [True, False, True], "finish_reasons": None,
    }, [(IT, "Two and two.", "dataset"), ("On and on", None, "length"),
        (IT, "Two and two.", "dataset")]),
    Layout("OpenThoughts", {"system": "Think.", "conversations": [
        {"from": "user", "value": f"Return your final response within \\boxed{{}}. {Q}"},
        {"from": "assistant", "value": STRATOS}]},
        [(IT, "Two and two.", "dataset")],
        question=f"Return your final response within \\boxed{{}}. {Q}"),
    Layout("OpenThoughts metadata", {
        "problem": Q, "deepseek_reasoning": "Two and two.", "deepseek_solution": IT,
        "ground_truth_solution": "\\boxed{4}", "domain": "math", "source": "numina",
        "test_cases": None, "starter_code": None}, [(IT, "Two and two.", "dataset")], "4"),
    Layout("OpenThoughts-math", {
        "problem": Q, "solution": f"By hand, {BOX}", "source": "s", "correct": True,
        "messages": [ASKED, {"role": "assistant", "content": f"By hand, {BOX}"}],
        "conversations": [{"from": "user", "value": f"Think. {Q}"},
                          {"from": "assistant", "value": STRATOS}]},
        [(IT, "Two and two.", "dataset")], "4"),
    Layout("s1K", {"question": Q, "solution": "4", "cot_type": "math", "cot": None,
                   "source_type": "x", "metadata": "{}", "thinking_trajectories": ["Two and two."],
                   "attempt": IT}, [(IT, "Two and two.", "dataset")], "4"),
    Layout("s1K-1.1", {"question": Q, "solution": "Some words that say why it is so.",
                       "gemini_thinking_trajectory": "Hm.", "gemini_attempt": "Four.",
                       "deepseek_thinking_trajectory": "Two and two.", "deepseek_attempt": IT},
           [(IT, "Two and two.", "dataset"), ("Four.", "Hm.", "dataset")]),
    Layout("NuminaMath-CoT", {"source": "s", "problem": Q, "solution": BOX,
                              "messages": [ASKED, {"role": "assistant", "content": BOX}]},
           [(BOX, None, "dataset")]),
    Layout("problem and solution", {"problem": Q, "solution": BOX, "answer": "4"},
           [(BOX, None, "dataset")], "4"),
    Layout("Magpie", {"instruction": Q, "response": THINK, "conversations": [
        {"from": "human", "value": Q}, {"from": "gpt", "value": THINK}], "difficulty": "easy"},
        [(IT, "Two and two.", "dataset")]),
    Layout("DeepMath", {"question": Q, "final_answer": "4", "difficulty": 2.0, "topic": "t",
                        "r1_solution_1": "One. \\boxed{4}", "r1_solution_2": IT},
           [("One. \\boxed{4}", None, "dataset"), (IT, None, "dataset")], "4"),
    Layout("OpenMathReasoning", {"problem": Q, "generated_solution": THINK, "expected_answer": "4",
                                 "problem_type": "has_answer_extracted"},
           [(IT, "Two and two.", "dataset")], "4"),
    Layout("OpenCodeReasoning", {"id": "x", "input": Q, "output": THINK, "solution": "print(4)"},
           [(IT, "Two and two.", "dataset")]),
    Layout("dolphin-r1", {"messages": [{"role": "system", "content": "s"}, ASKED],
                          "reasoning": "Two and two.", "answer": IT, "model": "m"},
           [(IT, "Two and two.", "dataset")]),
    Layout("messages with reasoning", {"messages": [ASKED, {
        "role": "assistant", "content": IT, "reasoning_content": "Two and two."}]},
        [(IT, "Two and two.", "dataset")]),
    Layout("messages with thinking", {"messages": [ASKED, {
        "role": "assistant", "content": IT, "thinking": "Two and two."}]},
        [(IT, "Two and two.", "dataset")]),
    Layout("messages as columns", {"messages": {"role": ["user", "assistant"],
                                                "content": [Q, IT]}}, [(IT, None, "dataset")]),
    Layout("messages in parts", {"messages": [
        {"role": "user", "content": [{"type": "text", "text": Q}]},
        {"role": "assistant", "content": [{"type": "text", "text": IT}]}]},
        [(IT, None, "dataset")]),
    Layout("ShareGPT", {"conversations": [
        {"from": "system", "value": "s"}, {"from": "human", "value": Q},
        {"from": "gpt", "value": f"<reasoning>Two and two.</reasoning>\n{IT}"}]},
        [(IT, "Two and two.", "dataset")]),
    Layout("Alpaca", {"instruction": "Add these.", "input": "2, 2", "output": IT},
           [(IT, None, "dataset")], question="Add these.\n2, 2"),
    Layout("Alpaca without input", {"instruction": Q, "input": "", "output": IT},
           [(IT, None, "dataset")]),
    Layout("reasoning in a column", {"question": Q, "thinking": "Two and two.", "response": IT,
                                     "answer": "it is \\boxed{4}", "finish_reason": "stop"},
           [(IT, "Two and two.", "stop")], "4"),
    Layout("a switch for reasoning", {"prompt": Q, "reasoning": "on", "output": THINK},
           [(IT, "Two and two.", "dataset")]),
    Layout("question and answer", {"question": Q, "answer": "2+2=4\n#### 4"},
           [("2+2=4\n#### 4", None, "dataset")]),
    Layout("a gold behind ####", {"question": Q, "generation": IT, "answer": "2+2=4\n#### 4"},
           [(IT, None, "dataset")], "4"),
    Layout("verl", {"prompt": [ASKED], "response": IT,
                    "reward_model": {"ground_truth": "4", "style": "rule"}},
           [(IT, None, "dataset")], "4"),
    Layout("lone closing tag", {"prompt": Q, "completion": f"Two and two.\n</think>\n{IT}"},
           [(IT, "Two and two.", "dataset")]),
    Layout("cut in a thought", {"prompt": Q, "completion": "<think>\nTwo and"},
           [("", "Two and", "length")]),
    Layout("cut in a solution", {"prompt": Q, "completion": STRATOS.partition("{4}")[0]},
           [("It is \\boxed", "Two and two.", "length")]),
    Layout("cut in a fence", {"prompt": Q, "completion": "```python\nprint("},
           [("```python\nprint(", None, "length")]),
    Layout("said to be whole", {"prompt": Q, "completion": "```python\nprint(",
                                "finish_reason": "stop"}, [("```python\nprint(", None, "stop")]),
    Layout("texts that look like lists", {"prompt": Q, "completion": "[1, 2]"},
           [("[1, 2]", None, "dataset")]),
    Layout("mapped", {"a": "What is", "b": {"c": "2 + 2?"}, "d": IT, "e": "Two and two.", "f": 4,
                      "g": "eos", "problem": "no", "completion": "no"},
           [(IT, "Two and two.", "eos")], "4",
           columns={"problem": "a+b.c", "completion": "d", "reasoning": "e", "answer": "f",
                    "finish_reason": "g"}),
    Layout("mapped in part", {"question": Q, "generations": ["no"], "kept": [THINK, IT]},
           [(IT, "Two and two.", "dataset"), (IT, None, "dataset")],
           columns={"completion": "kept"}),
]  # fmt: skip
