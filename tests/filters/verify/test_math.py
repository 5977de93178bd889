"""The math verifier as a table: gold, completion, outcome, why."""

import json
from pathlib import Path

import pytest
from filter_rows import candidate, problem
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.math import MathVerifier
from filters.verify.pool import VerifierPool
from rsfactory.records import Outcome

RIGHT, WRONG, UNPARSED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED
TRUNCATED, UNVERIFIABLE = Outcome.TRUNCATED, Outcome.UNVERIFIABLE
MATERIAL = Path(__file__).parents[4] / "shared" / "material"
MATH = MathVerifier()

NUMBERS = [
    ("25", r"\boxed{25}", RIGHT, "plain"),
    ("25", r"\boxed{5}", WRONG, "the end of the gold is not the gold"),
    ("5", r"\boxed{25}", WRONG, "and the other way round"),
    ("0.6", r"\boxed{60\%}", RIGHT, "a percentage is a number"),
    ("60%", "The answer is 0.6.", RIGHT, "the same with the gold as percentage"),
    ("60", r"The answer is 60%.", RIGHT, "golds often leave the sign out"),
    ("0.6", r"\boxed{0.6\%}", WRONG, "but 0.6 may be meant as it stands"),
    ("28", r"$\boxed{28}$ percent", RIGHT, "the sign may stand behind the box"),
    ("0.28", r"\boxed{28}\%", RIGHT, "or right behind it"),
    ("1/2", r"\boxed{\frac{1}{2}}", RIGHT, "fraction"),
    ("0.5", r"\boxed{\frac12}", RIGHT, "short fraction"),
    (r"1\frac{1}{4}", r"\boxed{1.25}", RIGHT, "mixed number"),
    ("1/3", r"\boxed{0.333333}", RIGHT, "six places stand for a third"),
    ("1/3", r"\boxed{0.33}", WRONG, "two do not"),
    ("6/11", r"\boxed{0.\overline{54}}", RIGHT, "repeating decimal"),
    ("70000", "#### 70,000", RIGHT, "thousands mark"),
    ("10{,}000", r"\boxed{10000}", RIGHT, "thousands mark in LaTeX"),
    ("18", "#### $18.00", RIGHT, "money"),
    ("1.50", "The answer is $1.50 per day.", RIGHT, "money in a sentence is not LaTeX"),
    ("$1.50", r"\boxed{150 \text{ cents}}", RIGHT, "both units known"),
    ("150", r"\boxed{150 \text{ cents}}", RIGHT, "gold without unit"),
    ("5 m", r"\boxed{5 \text{ cm}}", WRONG, "another unit"),
    ("$5", "The answer is €5.", WRONG, "another currency"),
    ("18", r"\boxed{18 \text{ eggs}}", RIGHT, "what is counted"),
    ("90", r"\boxed{90^\circ}", RIGHT, "degrees"),
    ("36", r"The answer is $\$36$.", RIGHT, "money in mathematics"),
    ("-5", "\\boxed{\u22125}", RIGHT, "Unicode minus"),
    ("5", "The answer is 5 million.", WRONG, "magnitude"),
    ("5000000", r"\boxed{5} million", RIGHT, "magnitude behind the box"),
    ("7", r"\boxed{x = 7}", RIGHT, "assignment"),
    ("7", "The answer is 3 + 4 = 7.", RIGHT, "end of a chain"),
    ("204_5", r"\boxed{204_6}", WRONG, "another base"),
    ("5", "The answer is 5 or 6.", WRONG, "two values are not one"),
    ("1" * 20_000, rf"\boxed{{{'1' * 20_000}}}", RIGHT, "equal integers of 20,000 digits"),
    ("1" * 20_000, rf"\boxed{{{'1' * 19_999}2}}", WRONG, "different in the last digit"),
    ("5", "The answer is 1/0.", WRONG, "no finite number"),
    ("0.3333", r"\boxed{1/3}", RIGHT, "the gold is the looser one"),
    ("1/3", r"\boxed{0.3333}", WRONG, "never the answer"),
    ("12.50", r"\boxed{12.4999}", WRONG, "a decimal is not the other rounded"),
    ("1,22", r"\boxed{1.22}", RIGHT, "a decimal comma in the gold"),
    ("0,111", r"\boxed{0.111}", RIGHT, "no thousands begin with 0"),
    ("1,234", r"\boxed{1.234}", WRONG, "these are thousands"),
    ("30", r"\boxed{30 \text{ (with a remainder of } 0 \text{)}}", RIGHT, "nothing is left over"),
    ("30", r"\boxed{30 \text{ (with a remainder of } 5 \text{)}}", WRONG, "something is"),
]  # fmt: skip

WORDS = [
    *(("7", rf"\boxed{{7\text{{ {word}}}}}", WRONG, f"{word} changes it") for word in (
        "squared", "factorial", "thousandths", "millionths", "eighths", "root two", "i", "k", "M",
        "point five", "eight", "below zero", "negative", "wrong", "false", "dozens", "scores",
        "millions", "lakh", "bn", "grand", "is wrong", "and a half", "times nine", "untrue",
        "short", "each wrong", "trillionths", "forty-two")),
    *(("7", rf"\boxed{{7 {word}}}", WRONG, f"{word} changes it") for word in (
        "squared", "eighths", "eight", "untrue", "(and a half)", "M", "million", "basis points")),
    *(("7", rf"\boxed{{7 \text{{ {word}}}}}", RIGHT, f"{word} does not") for word in (
        "apples", "dollars", "days per week", "people", "miles per hour", "m/s^2", "cm^2",
        "square feet", "L", "years old", "red balls", "in", "of them", "times", "wrong answers",
        "cups of flour", "in all", "half-hours", "more apples", "fewer cars")),
    (r"\sqrt{2}", r"\boxed{\sqrt{2}\text{ squared}}", WRONG, "behind an expression too"),
    (r"\sqrt{2}", r"\boxed{\sqrt{2}\text{ apples}}", RIGHT, "counted behind an expression"),
    ("5 yuan", r"\boxed{5}", RIGHT, "a gold's words are trusted"),
    ("7 squared", r"\boxed{7}", WRONG, "unless they change its number"),
    ("1", r"\boxed{1 \text{ apple}}", RIGHT, "one needs no plural"),
    ("1", r"\boxed{1 \text{ wrong}}", WRONG, "but no denial"),
    ("7000000", r"\boxed{7 \text{ millions}}", RIGHT, "a magnitude counts"),
]  # fmt: skip

SIGNS = [
    *(("5", rf"\boxed{{{text}}}", WRONG, "a sign makes it another") for text in (
        r"\ge 5", r"\neq 5", "> 5", r"\sim 5", "5+", "5-", "5?", "5^+", "5^{-}", "5*", "5'",
        r"\not= 5", r"\ll 5", r"5 \ldots", "5...", r"\lnot 5", r"5 \text{ degrees}+")),
    (r"\ge 5", r"\boxed{5}", WRONG, "and the other way round"),
    (r"\ge 5", r"\boxed{\ge 5}", RIGHT, "both"),
    ("5", r"\boxed{\approx 5}", RIGHT, "a rounded value"),
    ("5", r"\boxed{= 5}", RIGHT, "equality"),
    ("5", "**Answer: 5**", RIGHT, "bold"),
    ("5", "The answer is *5*.", RIGHT, "italics"),
    ("x'", r"\boxed{x}", WRONG, "a derivative"),
    ("x", r"\boxed{x'}", WRONG, "and the other way round"),
]  # fmt: skip

CHAINS = [
    ("7", r"\boxed{8=7}", WRONG, "two numbers, not equal"),
    ("7", r"\boxed{x=8=7}", WRONG, "with a name"),
    ("7", r"\boxed{7 = 8 = 7}", WRONG, "in the middle"),
    ("7", r"\boxed{7 = 7.0}", RIGHT, "equal ones"),
    ("7", r"\boxed{x = 14/2 = 7}", RIGHT, "a chain of one value"),
    ("7", r"\boxed{\$10 - \$3 = \$7}", RIGHT, "money"),
    ("101", r"\boxed{x = 100.1 \approx 101}", WRONG, "no rounding"),
    ("100", r"\boxed{x = 100.1 \approx 100}", RIGHT, "a rounding"),
    ("3.14", r"\boxed{\frac{22}{7} = 3.142857 = 3.14}", RIGHT, "written with ="),
    ("3.14", r"\boxed{x = \frac{22}{7} \approx 3.14}", RIGHT, "rounded"),
    ("14.29", r"\boxed{\frac{100}{7}}", RIGHT, "the gold is rounded"),
    ("14.29", r"\boxed{\frac{100}{7}+0.001}", WRONG, "but not from this"),
]  # fmt: skip

MEASURES = [
    ("5 m/s", r"\boxed{5\text{ km/h}}", WRONG, "another speed"),
    ("18 km/h", r"\boxed{5\text{ m/s}}", RIGHT, "the same speed"),
    ("5 cm", r"\boxed{5\text{ cm}^2}", WRONG, "a length is no area"),
    ("5 square feet", r"\boxed{5 \text{ ft}^2}", RIGHT, "an area, in two ways"),
    ("5 square meters", "The answer is 5 square feet.", WRONG, "another area"),
    (r"\sqrt{5}\text{ cm}^2", r"\boxed{\sqrt{5}\text{ cm}}", WRONG, "behind an expression"),
    ("5 pm", r"\boxed{5 \text{ a.m.}}", WRONG, "the other half of the day"),
    ("5 p.m.", r"\boxed{5 \text{ PM}}", RIGHT, "in capitals"),
    (r"90^\circ", r"\boxed{90 \text{ radians}}", WRONG, "another angle"),
    (r"90^\circ", r"\boxed{90 \text{ degrees}}", RIGHT, "the same one"),
    ("15 dollars per hour", r"\boxed{\$15}", RIGHT, "money by the hour"),
    ("5 mph", r"\boxed{5 \text{ miles per hour}}", RIGHT, "a speed in short"),
]  # fmt: skip

NOTATION = [
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
     r"\boxed{\begin{vmatrix}1&2\\3&4\end{vmatrix}}", WRONG, "a determinant is no matrix"),
    (r"x\equiv 1\pmod 3", r"\boxed{x\equiv 2\pmod{3}}", WRONG, "another residue"),
    (r"x\equiv 1\pmod 3", r"\boxed{x\equiv 1\pmod{4}}", WRONG, "another modulus"),
    (r"x\equiv 1\pmod 3", r"\boxed{x \equiv 4 \pmod{3}}", RIGHT, "the same class"),
    (r"\angle ABC", r"\boxed{\angle ACB}", WRONG, "another angle"),
    (r"\angle ABC", r"\boxed{\angle CBA}", RIGHT, "the same one"),
]  # fmt: skip

TURNS = [
    ("7", r"<thinking>\boxed{7}</thinking> I do not know", UNPARSED, "thinking by another name"),
    ("7", r"<reasoning>\boxed{8}</reasoning> \boxed{7}", RIGHT, "and an answer behind it"),
    ("7", r"The answer is \boxed{7}. No, that is wrong; the answer is 8.", WRONG, "taken back"),
    ("8", r"The answer is \boxed{7}. No, that is wrong; the answer is 8.", RIGHT, "for this"),
    ("7", r"The answer is \boxed{7}. Wait, the answer is 8.", WRONG, "without a denial"),
    ("7", r"\boxed{7}. That is wrong.", UNPARSED, "without another answer"),
    ("7", "The answer is 7, which is wrong.", UNPARSED, "in the same sentence"),
    ("7", "The answer is 7, or maybe 8.", WRONG, "two values"),
    ("7", "The answer is 7 but could be 8.", WRONG, "two values, with but"),
    ("7", "The answer is 7, but it could also be 8.", WRONG, "two values, in more words"),
    ("7", "The answer is 7. Wait, it's 8.", WRONG, "another one without the word answer"),
    ("7", "The answer is 7. No, 8.", WRONG, "in fewest words"),
    ("7", "The answer is 7, I mean 8.", WRONG, "in the same sentence"),
    ("7", "The answer is 7, but we could also write 14/2.", RIGHT, "another form"),
    ("7", "The answer is 7. No, 8 is too many.", RIGHT, "about another value"),
    ("7", r"\boxed{7}. I hope this is not wrong.", RIGHT, "doubt"),
    ("7", "Options:\n5\n6\n7", UNPARSED, "a list of lines"),
    ("7", "Options:\n- 5\n- 6\n7", UNPARSED, "a list with bullets"),
    ("7", "\n".join(rf"\boxed{{{i}}}" for i in range(8)), WRONG, "boxes one a line"),
    ("7", "\n".join(rf"{i}. \boxed{{{i}}}" for i in range(8)), WRONG, "numbered ones"),
    ("7", "\n".join([r"\boxed{7}"] * 8), RIGHT, "unless they are all the same"),
]  # fmt: skip

REPEATING = [
    *(("1/3", rf"\boxed{{{text}}}", RIGHT, "a third") for text in (
        "0.333...", r"0.333\ldots", r"0.\dot{3}", "0.(3)", r"0.\overline{3}", r"0.\bar{3}")),
    ("1/6", r"\boxed{0.1666...}", RIGHT, "a digit before it"),
    ("1/3", r"\boxed{0.334...}", WRONG, "nothing repeats"),
    ("1/3", r"\boxed{0.(34)}", WRONG, "another period"),
    ("0.333", r"\boxed{0.333...}", WRONG, "a gold of three digits is exact"),
    ("0.999...", r"\boxed{1}", RIGHT, "in the gold"),
]  # fmt: skip

WHERE = [
    ("5", r"\boxed{7} no, \boxed{5}", RIGHT, "the last box counts"),
    ("7", r"\boxed{7} no, \boxed{5}", WRONG, "not an earlier one"),
    ("7", r"\boxed{7}, or \boxed{5}", WRONG, "joined boxes are one answer of two values"),
    ("7", r"\boxed{5} and \boxed{7}", WRONG, "in any order"),
    ("7", r"\boxed{7}\boxed{5}", WRONG, "side by side they are one answer too"),
    ("7", r"\boxed{7} or \boxed{14/2}", RIGHT, "two forms of one value"),
    ("7", "\\boxed{5}\n\\boxed{7}", RIGHT, "lines of their own: the last counts"),
    ("(3, 4)", r"$x = \boxed{3}$ and $y = \boxed{4}$", RIGHT, "joined with a name between"),
    ("7", r"\boxed{5}, so the final answer is 7.", RIGHT, "the final answer replaces a box"),
    ("7", r"\boxed{7}. That answer is 1 more than 6.", RIGHT, "other phrases do not"),
    ("7", r"\boxed{7}. Yes, so it is \boxed{7}.", RIGHT, "the same box twice is one value"),
    ("7", r"First \boxed{7} but then \boxed{", UNPARSED, "the last box is never closed"),
    ("7", r"\boxed{7} and later \boxed{}", UNPARSED, "the last box is empty"),
    ("7", r"\boxed{ sum { is } then \boxed{7}", RIGHT, "the last one is complete"),
    (r"\frac{1}{2}", r"\boxed{\frac{\frac{2}{2}}{2}}", RIGHT, "nested braces"),
    ("7", r"<answer>7</answer>", RIGHT, "tags"),
    ("7", r"<answer>\boxed{7}</answer>", RIGHT, "tags around a box"),
    ("7", r"<answer>5</answer> <answer>7", UNPARSED, "the last tag is never closed"),
    ("7", "<think>the answer is 7</think> I do not know.", UNPARSED, "only in the thinking"),
    ("7", r"<think>\boxed{7}", UNPARSED, "thinking that never ends"),
    ("7", r"\boxed{5}</think> \boxed{7}", RIGHT, "a template opened the thinking"),
    ("7", "#### 7", RIGHT, "hashes"),
    ("7", "#### Step 1\nAdd.\nThe answer is 7.", RIGHT, "a heading is not an answer"),
    ("7", "**Answer:** 7.", RIGHT, "bold"),
    ("7", "### Final Answer:\n\n7", RIGHT, "on the next line"),
    ("42", r"ANSWER: \boxed{42}", RIGHT, "both marks"),
    ("7", r"The final answer is: \[ 7 \]", RIGHT, "display mathematics"),
    ("7", "The answer to the question is $7$, I hope.", RIGHT, "inline mathematics"),
    ("7", "The answer is not 7.", UNPARSED, "a denial"),
    ("7", "The answer is 7. I hope the answer is correct.", RIGHT, "no second claim"),
    ("7", "So 3 + 4 = 7\nA: 7", RIGHT, "short label"),
    ("7", "7", RIGHT, "nothing but a value"),
    ("7", "3 + 4 makes 7, I think.", UNPARSED, "no mark"),
    ("7", "Answer $7$", RIGHT, "a label without a colon before mathematics"),
    ("7", "Answer 7", UNPARSED, "but not before anything else"),
    ("7", "Three and four.\n7", RIGHT, "a last line that is nothing but a number"),
    ("7", "Three and four.\n7 or 8", UNPARSED, "one number"),
    ("7", "```output\n7\n```\n7 birds came in 2 days.", RIGHT, "printed, and said first"),
    ("7", "```output\n7\n```\nIn 2 days came 7 birds.", UNPARSED, "not said first"),
    ("7", "```output\n7\n```", UNPARSED, "printed only"),
    ("7", "", UNPARSED, "empty"),
    ("7", "The answer is 7.\n\nQuestion?\nThe answer is 2.", WRONG, "ran on, claimed anew"),
    ("7", "The answer is 7.\n\n" + "I like sums. " * 500, RIGHT, "ran on without a claim"),
    ("7", "x" * 1_000_000 + r"\boxed{7}", RIGHT, "1 MB"),
    ("7", "x" * 1_000_000, UNPARSED, "1 MB without an answer"),
    ("7", r"\boxed{7}" * 20_000, RIGHT, "20,000 boxes"),
    ("7", r"\boxed{{{{" * 100_000, UNPARSED, "1 MB of opened braces"),
    ("7", rf"\boxed{{{'(' * 3000}7{')' * 3000}}}", UNVERIFIABLE, "3,000 nested brackets"),
    ("", r"\boxed{7}", UNVERIFIABLE, "no gold"),
    ("Evelyn", r"\boxed{\text{Evelyn}}", RIGHT, "a word"),
    (r"So it is \boxed{7}.", r"\boxed{7}", RIGHT, "the gold is a whole solution"),
]  # fmt: skip

CUT_OFF = [
    ("7", "3 + 4 =", TRUNCATED, "no answer before the limit"),
    ("7", r"So \boxed{7", TRUNCATED, "the box was not closed in time"),
    ("7", r"So \boxed{7}. Let me check that: 7 - 4", RIGHT, "answered before the limit"),
    ("7", "The answer is 7", TRUNCATED, "may have become 72"),
    ("7", "The answer is 7.", TRUNCATED, "may have become 7.5"),
    ("7", "The answer is 7. Let me", RIGHT, "closed by what follows"),
    ("7", "#### 7", TRUNCATED, "may have become 72"),
]  # fmt: skip

EXPRESSIONS = [
    ("x^2-2x+2", r"\boxed{2 + x^2 - 2x}", RIGHT, "another order"),
    ("x^2-2x+2", r"\boxed{x^2-2x-2}", WRONG, "another sign"),
    ("(x-5)(x^2-4x+7)", r"\boxed{x^3-9x^2+27x-35}", RIGHT, "multiplied out"),
    ("-8", r"\boxed{-8y - 1}", WRONG, "an expression is not a number"),
    ("5", r"\boxed{n=5k}", WRONG, "a multiple is not the number"),
    ("5t", r"\boxed{5}", WRONG, "a last letter is a variable, not a unit"),
    (r"\sin^2t", r"\boxed{\sin^2 t}", RIGHT, "and so in a function"),
    (r"\sin^2t", r"\boxed{\tan^2 t}", WRONG, "another function"),
    (r"2\sqrt{3}", r"\boxed{2\sqrt{3} \text{ cm}}", RIGHT, "a unit in text is one"),
    (r"2\sqrt{3} \text{ m}", r"\boxed{2\sqrt{3} \text{ cm}}", WRONG, "another unit"),
    (r"2\sqrt{3} \text{ m}", r"\boxed{2\sqrt{3}}", RIGHT, "a unit in the gold only"),
    (r"2\sqrt{3}", r"\boxed{\sqrt{12}}", RIGHT, "the same root"),
    (r"\frac{\sqrt{2}}{2}", r"\boxed{1/\sqrt{2}}", RIGHT, "a root in the denominator"),
    (r"\sqrt{2}+\sqrt{3}", r"\boxed{\sqrt{5}}", WRONG, "roots do not add up"),
    (r"\sqrt{65}", r"\boxed{8.062258}", RIGHT, "six places stand for a root"),
    (r"\sqrt{65}", r"\boxed{8.06}", WRONG, "two do not"),
    ("8.062", r"\boxed{\sqrt{65}}", RIGHT, "the gold is the looser one"),
    (r"14\pi", r"\boxed{\pi \cdot 14}", RIGHT, "pi"),
    (r"14\pi", r"\boxed{14}", WRONG, "without it"),
    (r"\frac34 i", r"\boxed{0.75i}", RIGHT, "imaginary"),
    ("(1+i)^2", r"\boxed{2i}", RIGHT, "i squared is -1"),
    (r"x^{2/3}", r"\boxed{\sqrt[3]{x}^2}", RIGHT, "fractional powers"),
    ("x", r"\boxed{\sqrt{x^2}}", WRONG, "the root of a square is not its base"),
    ("120", r"\boxed{5!}", RIGHT, "factorial"),
    ("5", r"\boxed{5!}", WRONG, "not punctuation"),
    ("10", r"\boxed{\binom{5}{2}}", RIGHT, "binomial"),
    ("1024", r"\boxed{2**10}", RIGHT, "power as in a program"),
    ("1024", r"\boxed{2^10}", RIGHT, "power without braces"),
    ("25", r"\boxed{5^2}", RIGHT, "power"),
    ("1/x", r"\boxed{\frac{x}{x^2}}", RIGHT, "cancelled"),
    (r"\frac{1}{x+1}", r"\boxed{\frac{x-1}{x^2-1}}", RIGHT, "and with sums"),
    (r"\ln 2", r"\boxed{\ln 3}", WRONG, "logarithms"),
    (r"\frac{1}{2}e^{2x}", r"\boxed{\frac{e^{2x}}{2}}", RIGHT, "letters in an exponent"),
]  # fmt: skip

HEDGES = [
    r"5 \text{ or } 6", "5/6 or 5", "5; 6", r"\{5, 6\}", r"5 \text{ (or 6)}", r"5 \vee 6", "5 | 6",
    "5 6", r"5\quad 6", r"5 \\ 6", r"5\text{ maybe }6", r"\pm 5", r"5 \pm 1", r"5 \ne 6", "5 = 6",
    "(5, 6)", "x = 5, y = 6", "5 < 6", r"6 \approx 5", "not 5", "5 to 6", "5-6",
]  # fmt: skip
"""Each names more than the gold 5, or denies it."""

SHAPES = [
    ("(0,0)", r"\boxed{(0, 0)}", RIGHT, "pair"),
    (r"(1,\frac92)", r"\boxed{(1.0, 4.5)}", RIGHT, "values in it"),
    ("(1,2)", r"\boxed{(2,1)}", WRONG, "its order"),
    ("(1,2)", r"\boxed{1, 2}", RIGHT, "its values without brackets"),
    ("5", r"\boxed{(5, 16)}", WRONG, "a pair is not its first value"),
    ("(1,2)", r"\boxed{[1,2)}", WRONG, "interval ends"),
    (r"[1,\infty)", r"\boxed{x \ge 1}", RIGHT, "inequality as interval"),
    (r"x \in [-2,7]", r"\boxed{-2 \le x \le 7}", RIGHT, "chain as membership"),
    ("x > 5", r"\boxed{5 < x}", RIGHT, "mirrored"),
    ("x > 5", r"\boxed{x < 5}", WRONG, "the other side"),
    ("x < 1", r"\boxed{-x > -1}", RIGHT, "multiplied by -1 (math-verify knows)"),
    ("17", r"\boxed{r > 17}", WRONG, "a bound is not a value"),
    (r"(-\infty,1)\cup(1,\infty)", r"\boxed{(1,\infty) \cup (-\infty,1)}", RIGHT, "union"),
    (r"\{1,2,3\}", r"\boxed{\{3,2,1\}}", RIGHT, "set"),
    (r"\{1,2,3\}", r"\boxed{\{1,2\}}", WRONG, "smaller set"),
    (r"\{1\pm\sqrt{5}\}", r"\boxed{1+\sqrt5, 1-\sqrt5}", RIGHT, "two values in one sign"),
    (r"1\pm\sqrt{5}", r"\boxed{1+\sqrt5}", WRONG, "one of them"),
    ("2, -1", r"\boxed{-1 \text{ and } 2}", RIGHT, "two solutions in any order"),
    ("1, 2, 3", r"\boxed{3, 2, 1}", RIGHT, "rising: solutions"),
    ("1, 2, 3", r"\boxed{3, 1, 2}", RIGHT, "in any order"),
    ("3, 1, 2", r"\boxed{1, 2, 3}", WRONG, "the gold's order decides"),
    ("4, 10, -2", r"\boxed{10, 4, -2}", WRONG, "neither rising nor falling: a sequence"),
    ("42", r"\boxed{66, 42}", WRONG, "a list is not one of its values"),
    ("42", r"\boxed{x = 42, y = 42}", RIGHT, "unless they are all the same"),
    (r"\sqrt{67},-\sqrt{85}", r"\boxed{\sqrt{67}}", WRONG, "half of the solutions"),
    ("[103]", r"\boxed{103}", RIGHT, "a list of one"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
     r"\boxed{\left[\begin{array}{cc}1 & 2 \\ 3 & \frac82\end{array}\right]}", RIGHT, "matrix"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
     r"\boxed{\begin{bmatrix}1&2\\3&5\end{bmatrix}}", WRONG, "one entry"),
    (r"\begin{pmatrix}1/3\\2\end{pmatrix}",
     r"\boxed{\begin{pmatrix}0.333333\\2\end{pmatrix}}", RIGHT, "six places in a matrix"),
    ("14", r"\boxed{\begin{pmatrix} 2 \\ 1 \end{pmatrix}}", WRONG, "a vector is not a number"),
    ("2x+1", r"\boxed{y = 2x+1}", RIGHT, "assignment"),
    ("y = 2x+1", r"\boxed{2x+1}", RIGHT, "in the gold"),
    ("x = 5", r"\boxed{y = 5}", WRONG, "another name"),
    (r"1/3", r"\boxed{x = 1/3 \approx 0.33}", RIGHT, "the exact one of two values"),
    ("2x+4y-3=0", r"\boxed{y=-\frac{1}{2}x+\frac{3}{4}}", RIGHT, "a multiple of an equation"),
    ("7 = 11a+c", r"\boxed{11a+c}", WRONG, "an equation is not its right side"),
    ("$p=-1,p=1/2$", r"\boxed{p=\frac12, p=-1}", RIGHT, "assignments in any order"),
    (r"\boxed{1} papers and \boxed{2} bins", r"\boxed{1, 2}", RIGHT, "boxes in the gold"),
    (r"\text{(E)}", r"\boxed{E}", RIGHT, "a letter in text"),
    ("C", r"\boxed{\text{(C) } 7}", RIGHT, "a letter with the text of its choice"),
    ("C", r"\boxed{\text{(D) } 7}", WRONG, "another letter"),
    ("C", r"\boxed{\text{(C) or (D)}}", WRONG, "two letters"),
    (r"\text{Even}", r"\boxed{even}", RIGHT, "a word"),
    (r"\frac{", r"\boxed{7}", UNVERIFIABLE, "unreadable gold, any answer"),
    (r"\frac{", r"\boxed{\frac{}{}}", UNVERIFIABLE, "unreadable gold and answer"),
    ("7", r"\boxed{\frac{}{}}", UNPARSED, "unreadable answer"),
]  # fmt: skip

LEFT = [
    (r"\sum_{k=1}^{3} k", r"\boxed{6}", RIGHT, "a sum"),
    (r"\frac{x^3}{3}", r"\boxed{\int_0^x t^2 dt}", RIGHT, "an integral"),
    (r"3+4\sqrt{2}", r"\boxed{\sqrt{24\sqrt{2}+41}}", RIGHT, "nested roots"),
    (r"\sin^2 x + \cos^2 x", r"\boxed{1}", RIGHT, "an identity"),
    ("-1", r"\boxed{z^3 = -1}", RIGHT, "an equation that assigns to no letter"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gold", "completion", "outcome", "why"),
    [
        *NUMBERS,
        *WORDS,
        *SIGNS,
        *CHAINS,
        *MEASURES,
        *NOTATION,
        *TURNS,
        *WHERE,
        *EXPRESSIONS,
        *SHAPES,
    ],
)
def test_table(pool: VerifierPool, gold: str, completion: str, outcome: Outcome, why: str) -> None:
    [verdict] = pool.verify([(problem(gold), candidate(completion))])
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


@pytest.mark.parametrize("answer", HEDGES)
@pytest.mark.parametrize("form", [r"\boxed{%s}", "<answer>%s</answer>", "The answer is $%s$."])
def test_hedges(pool: VerifierPool, form: str, answer: str) -> None:
    [verdict] = pool.verify([(problem("5"), candidate(form.replace("%s", answer)))])
    assert verdict.outcome in (WRONG, UNPARSED), verdict.reason


@pytest.mark.parametrize(("gold", "completion", "outcome", "why"), CUT_OFF)
def test_cut_off(gold: str, completion: str, outcome: Outcome, why: str) -> None:
    verdict = MATH.verify(problem(gold), candidate(completion, finish_reason="length"))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


@pytest.mark.parametrize(("gold", "completion", "outcome", "why"), LEFT)
def test_what_needs_algebra_is_left_to_a_worker(
    gold: str, completion: str, outcome: Outcome, why: str
) -> None:
    assert MATH.quick(problem(gold), candidate(completion)) is None
    assert MATH.verify(problem(gold), candidate(completion)).outcome is outcome, why


def test_verdict_says_what_was_found() -> None:
    verdict = MATH.verify(problem("5"), candidate(r"So \boxed{25}."))
    assert (verdict.extracted, verdict.reason) == ("25", "25 is not 5")
    assert (verdict.verifier, verdict.version, verdict.isolation) == ("math", "2", "none")
    assert verdict.candidate_id == "c-1"


@given(st.text(max_size=300), st.text(max_size=60))
def test_quick_never_raises(completion: str, gold: str) -> None:
    for text in (completion, rf"\boxed{{{completion}}}", f"The answer is {completion}"):
        MATH.quick(problem(gold), candidate(text))


@given(st.integers(-(10**12), 10**12))
def test_an_integer_equals_itself_however_written(number: int) -> None:
    for text in (f"{number}", f"{number:,}", f"{number}.0", f"${number}", f"{number} eggs"):
        verdict = MATH.quick(problem(str(number)), candidate(rf"\boxed{{{text}}}"))
        assert verdict is not None
        assert verdict.outcome is RIGHT, text


@given(st.integers(-999, 999), st.integers(-999, 999))
def test_different_integers_differ(gold: int, answer: int) -> None:
    verdict = MATH.quick(problem(str(gold)), candidate(f"The answer is {answer}."))
    assert verdict is not None
    assert (verdict.outcome is RIGHT) == (gold == answer)


def rows(name: str) -> list[dict[str, str]]:
    file = MATERIAL / name
    if not file.exists():
        pytest.skip(f"{file} is not there: outside material is optional")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_answers_from_issues() -> None:
    """Strings that hung or fooled math checkers: each ends, and none is accepted wrongly."""
    found = rows("adversarial/math_answers_from_issues.jsonl")
    found = [row for row in found if "MCQ" not in row["kind"]]  # the choice verifier's business
    with VerifierPool(workers=1, limit=1.0) as pool:
        verdicts = pool.verify([(problem(r["gold"]), candidate(r["prediction"])) for r in found])
    for row, verdict in zip(found, verdicts, strict=True):
        assert (verdict.outcome is RIGHT) == row["expected"], row


def test_malformed_latex_does_not_crash(pool: VerifierPool) -> None:
    found = rows("equivalence/malformed_latex.jsonl")
    pairs = [(problem("5"), candidate(rf"\boxed{{{row['latex']}}}")) for row in found]
    assert all(verdict.outcome is not RIGHT for verdict in pool.verify(pairs))
