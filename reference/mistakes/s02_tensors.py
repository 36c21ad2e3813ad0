# Wrong versions of the exercises of section 2; grader.mistakes describes the format.

# %% mistake: per-row
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: You average along the rows' own values. Each column is one feature: reduce over dimension 0, the rows.
def standardize(x):
    return (x - x.mean(1, keepdim=True)) / x.std(1, correction=0, keepdim=True)


# %% mistake: whole-tensor
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: One mean and one standard deviation for all of x mixes the features. Reduce over dimension 0 only.
def standardize(x):
    return (x - x.mean()) / x.std(correction=0)


# %% mistake: unbiased-std
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: torch's std divides by N - 1 by default. Ask for the biased one: correction=0.
def standardize(x):
    return (x - x.mean(0)) / x.std(0)


# %% mistake: nan-on-constant-column
# exercise: standardize
# fails: test_standardize_gives_zeros_for_a_constant_column
# advice: A constant column has standard deviation 0, and 0 / 0 is NaN. Divide such a column by something else.
def standardize(x):
    return (x - x.mean(0)) / x.std(0, correction=0)


# %% mistake: per-row-without-keepdim
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: Row statistics of shape (N,) were spread over the columns. Reduce over dimension 0.
def standardize(x):
    return (x - x.mean(1)) / x.std(1, correction=0)


# %% mistake: dim-fixed
# exercise: softmax
# fails: test_softmax_along_any_dimension
# advice: You always work along the last dimension. Use the `dim` that you were given.
def softmax(x, dim):
    e = torch.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


# %% mistake: overflow
# exercise: softmax
# fails: test_softmax_survives_large_scores
# advice: exp(1000) is infinite, and inf / inf is NaN. Subtract the maximum along `dim` first.
def softmax(x, dim):
    return torch.exp(x) / torch.exp(x).sum(dim, keepdim=True)


# %% mistake: global-maximum
# exercise: softmax
# fails: test_softmax_survives_large_scores
# advice: You subtract the maximum of the whole tensor: a row far below it underflows to 0 / 0. Take it along `dim`.
def softmax(x, dim):
    e = torch.exp(x - x.max())
    return e / e.sum(dim, keepdim=True)


# %% mistake: no-keepdim
# exercise: softmax
# fails: test_softmax_along_any_dimension
# advice: Without keepdim=True the sum loses a dimension and is spread over the wrong one.
def softmax(x, dim):
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.sum(dim)
