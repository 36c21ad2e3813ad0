# %% mistake: squared
# exercise: double
# fails: test_double_values
# advice: You square.
# Twice x is x + x.
def double(x):
    return x * x


# %% mistake: integer
# exercise: double
# fails: test_double_shape_and_dtype
# advice: You lose the dtype.
def double(x):
    return (2 * x).long()


# %% mistake: plain-tensor
# exercise: Shift
# fails: test_shift_is_a_parameter
# advice: A plain tensor is not learned; wrap it in nn.Parameter.
class Shift(Shift):
    def __init__(self, features):
        nn.Module.__init__(self)
        self.shift = torch.zeros(features)


# %% mistake: uniform
# exercise: noise
# fails: test_noise_is_normal
# advice: Uniform values are not normal.
def noise(n):
    return torch.rand(n)
