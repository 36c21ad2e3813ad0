# %% alternative: sum
# exercise: double
def double(values):
    return values + values


# %% alternative: registered
# exercise: Shift
class Shift(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.register_parameter("shift", nn.Parameter(torch.zeros(d)))

    def forward(self, x):
        return self.shift + x


# %% alternative: normal-underscore
# exercise: noise
def noise(n):
    return torch.empty(n).normal_()
