# Other right solutions of section 2; grader.mistakes describes the format.

# %% alternative: mask-and-fill
# exercise: standardize
def standardize(x):
    mean = x.mean(0)
    std = ((x - mean) ** 2).mean(0).sqrt()
    return ((x - mean) / std).masked_fill(x.amax(0) == x.amin(0), 0.0)


# %% alternative: log-sum-exp
# exercise: softmax
def softmax(x, dim):
    return (x - x.logsumexp(dim, keepdim=True)).exp()
