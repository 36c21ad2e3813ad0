"""Reading a learner's file: what it defines, what an exercise needs, and what a broken piece costs."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.solutions.execution import load
from grader.solutions.source import MAX_PIECES, Parameters, Source

FILE = """\
from __future__ import annotations

# %% [markdown]
# A lesson.

# %%
import math
import matplotlib.pyplot as plt
SCALE = 2

# %%
def helper(x: not_defined_anywhere):
    return SCALE * x

# %%
def first(x):
    return helper(x)

table = [first(1)]
table.append(print("a demonstration"))
plt.plot(table)

# %%
def broken(x)
    return 1

# %%
class Second:
    def __init__(self, a, b=1): ...

Second.extra = math.pi

# %%
1 / 0

# %%
def third(x):
    raise NotImplementedError("your turn")
"""


def names(source: Source, *wanted: str) -> set[str]:
    return {name for statement in source.needed(wanted) for name in statement.binds}


def test_only_what_an_exercise_needs_is_run(capsys: object) -> None:
    source = Source(FILE, "file.py")
    assert names(source, "first") == {"first", "helper", "SCALE"}
    assert names(source, "Second") == {"Second", "math"}
    loaded = load(source.program(["first", "broken", "Second", "third"]))
    assert loaded.failures == {}
    assert loaded.module.first(3) == 6
    assert loaded.module.Second.extra > 3
    assert not hasattr(loaded.module, "table")


def test_a_broken_cell_costs_its_own_names() -> None:
    source = Source(FILE, "file.py")
    assert [piece.names for piece in source.broken] == [{"broken"}]
    problem = source.problem("broken")
    assert problem is not None
    assert problem.line == 24
    assert source.problem("first") is None


def test_a_broken_definition_in_a_file_without_cells_costs_itself() -> None:
    source = Source(
        "import math\n\ndef a():\n    return 1\n\ndef b(:\n    pass\n\n@property\ndef c(x):\n    return math.e\n",
        "f.py",
    )
    assert source.defined == {"math", "a", "b", "c"}
    assert source.problem("b") is not None
    assert source.definition("c") is not None


def test_a_failing_statement_costs_those_that_need_it() -> None:
    source = Source("bad = 1 / 0\ndef f():\n    return bad\ndef g():\n    return 2\n", "f.py")
    loaded = load(source.program(["f", "g"]))
    (line, why), *others = loaded.failures.items()
    assert (line, others) == (1, [])
    assert "line 1: ZeroDivisionError" in why.detail
    assert [statement.line for statement in source.needed(["f"])] == [1, 2]
    assert [statement.line for statement in source.needed(["g"])] == [4]
    assert loaded.module.g() == 2


def test_calls_that_change_how_a_module_behaves_are_run() -> None:
    source = Source("import sys, torch\nsys.setrecursionlimit(9999)\nprint(torch)\ndef f(): ...\n", "f.py")
    assert [statement.line for statement in source.needed(["f"])] == [1, 2, 4]


def test_signatures() -> None:
    source = Source("def f(a, b=1, *args, c, d=2): ...\nclass G:\n    def __init__(self, x): ...\n", "f.py")
    assert source.parameters("f") == Parameters(("a", "b"), 1, True, ("c",))
    parameters = source.parameters("G")
    assert parameters is not None
    assert [parameters.accept(n) for n in range(3)] == [False, True, False]
    assert str(parameters) == "(x)"


def test_what_is_still_to_do() -> None:
    source = Source(FILE, "file.py")
    assert source.is_untouched("third")
    assert not source.is_untouched("first")


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    Source(text, "any.py").needed(["anything"])


@given(st.integers(0, len(FILE)), st.sampled_from(["\x00", "(", '"""', "\t", "# %%\n", "\r\n", "\ud800", "def "]))
def test_a_damaged_file_can_be_read(place: int, damage: str) -> None:
    source = Source(FILE[:place] + damage + FILE[place:], "file.py")
    source.needed(["first", "Second"])


@pytest.mark.parametrize(
    "text",
    [
        *("# %%\n" * 50_000, "# %%\nx = 1\n" * 20_000, "x\n" * 30_000, "@a\n" * 40_000, "def a(:\n" * 30_000),
        "".join(f"a{n} = a{n + 1}\n" for n in range(15_000)),
        "import torch\n" + "torch.x()\n" * 6_000,
        "x = " + "a + " * 60_000 + "a",
        "(" * 250_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_file_as_large_as_may_be_takes_the_judge_a_moment(text: str) -> None:
    started = time.process_time()
    source = Source(f"{text}\n# %%\ndef f(): return a0\n", "file.py")
    source.needed(["f"])
    assert time.process_time() - started < 8
    assert len(source.statements) <= MAX_PIECES


def test_what_is_beyond_the_limit_is_told() -> None:
    source = Source("x\n" * 5_000 + "def f(): ...\n", "file.py")
    problem = source.problem("f")
    assert problem is not None
    assert problem.message == "there are more than 3,000 statements; the rest is not read"
