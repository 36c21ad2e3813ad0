"""Checks of the tiny section."""

import torch

from grader.checks import assert_at_most, assert_close, assert_equal, assert_tensor, check, require, shared


@check("double", kind="shape", points=10)
def test_double_shape_and_dtype(student, rng):
    """The result is like x."""
    x = rng.normal(2, 3)
    assert_tensor(student.double(x), x.shape, x.dtype)


@check("double", kind="value", points=30, seconds=2)
def test_double_values(student, rng):
    """Every value is doubled."""
    x = rng.normal(5, dtype=torch.float64) + 3
    assert_close(student.double(x), x + x)


@check("double", kind="roundtrip", points=10)
def test_double_in_a_clean_room(student, clean_room):
    """A clean room knows nothing of the learner's file."""
    assert_equal(clean_room.probe(modules_like, name="s01_tiny"), [])
    assert_close(student.double(torch.ones(2)), torch.full((2,), 2.0))


def modules_like(name):
    import sys

    return [module for module in sys.modules if name in module]


@check("Shift", kind="state", points=20)
def test_shift_is_a_parameter(student):
    """The shift is learned."""
    names = student.probe(parameter_names, features=3)
    assert_equal(names, ["shift"])


def parameter_names(solution, features):
    return [name for name, _ in solution.Shift(features).named_parameters()]


@shared
def draws(student):
    return student.probe(draw, n=1000)


def draw(solution, n):
    return solution.noise(n)


@check("noise", kind="shape", points=10)
def test_noise_shape(draws):
    """n values."""
    require(len(draws) == 1000, "there are not 1000 values")


@check("noise", kind="value", points=20)
def test_noise_is_normal(draws):
    """Mean 0, standard deviation 1."""
    assert_at_most(abs(float(draws.mean())), 0.2, "distance of the mean from 0")
    assert_at_most(abs(float(draws.std()) - 1), 0.2, "distance of the standard deviation from 1")
