"""Checks of section 2: tensors."""

import torch

from grader.checks import assert_close, assert_tensor, check

# ---------------------------------------------------------------------------------------------- standardize


@check("standardize", kind="shape", points=2)
def test_standardize_keeps_shape_and_dtype(student, rng):
    """The result has the shape and the dtype of x."""
    for dtype in (torch.float32, torch.float64):
        x = rng.normal(4, 4, dtype=dtype)
        assert_tensor(student.standardize(x), x.shape, dtype)


@check("standardize", kind="value", points=5)
def test_standardize_works_on_columns(student, rng):
    """Every column has mean 0 and (biased) standard deviation 1."""
    for rows, columns in ((7, 7), (11, 3)):  # with a square, a mean per row broadcasts without an error
        x = 3 * rng.normal(rows, columns, dtype=torch.float64) + 5
        expected = (x - x.mean(0, keepdim=True)) / x.var(0, correction=0, keepdim=True).sqrt()
        assert_close(student.standardize(x), expected)


@check("standardize", kind="value", points=3)
def test_standardize_gives_zeros_for_a_constant_column(student, rng):
    """A constant column becomes zeros, whatever its value, and its neighbours are as they should be."""
    x = rng.normal(5, 3, dtype=torch.float64)
    x[:, 1] = 3.0  # exact in binary, so that its mean is exact too, however it is summed
    expected = (x - x.mean(0)) / x.std(0, correction=0)
    expected[:, 1] = 0.0
    assert_close(student.standardize(x), expected)


# -------------------------------------------------------------------------------------------------- softmax


@check("softmax", kind="value", points=6)
def test_softmax_along_any_dimension(student, rng):
    """Softmax works along whichever dimension it is given, the last and the negative ones too."""
    student.forbid("softmax", "log_softmax", "Softmax", instead="write it with exp and sum")
    for shape in ((3, 3), (2, 3, 5)):
        x = rng.normal(*shape, dtype=torch.float64)
        for dim in range(-len(shape), len(shape)):
            assert_close(student.softmax(x, dim), torch.softmax(x, dim))


@check("softmax", kind="value", points=5)
def test_softmax_survives_large_scores(student):
    """Scores of 1000 and rows far apart give finite probabilities."""
    x = torch.tensor([[1000.0, 1001.0, 999.0], [-1000.0, -1001.0, -1002.0]], dtype=torch.float64)
    assert_close(student.softmax(x, 1), torch.softmax(x, 1))


@check("softmax", kind="gradient", points=3)
def test_softmax_gradient(student, rng):
    """The gradient flows back through every step."""
    x, upstream = rng.normal(3, 5, dtype=torch.float64), rng.normal(3, 5, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(torch.softmax(leaf, 1), leaf, upstream)
    assert_close(student.probe(gradient_of_softmax, x=x, upstream=upstream), expected, "the gradient with respect to x")


def gradient_of_softmax(solution, x, upstream):
    x.requires_grad_()
    return torch.autograd.grad(solution.softmax(x, 1), x, upstream)[0]
