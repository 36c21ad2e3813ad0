# Wrong versions of the exercises of section 4; grader.mistakes describes the format.

# %% mistake: counts-tensors
# exercise: count_parameters
# fails: test_count_parameters_adds_up_all_parameters
# advice: You count tensors. A weight of shape (3, 5) holds 15 numbers: ask each parameter how many it holds.
def count_parameters(model, trainable_only=True):
    return len([p for p in model.parameters() if p.requires_grad or not trainable_only])


# %% mistake: top-level-only
# exercise: count_parameters
# fails: test_count_parameters_adds_up_all_parameters
# advice: Only the parameters that the model itself holds are counted, not those of the modules inside it. By default
# `parameters()` goes through all of them.
def count_parameters(model, trainable_only=True):
    return sum(p.numel() for p in model.parameters(recurse=False) if p.requires_grad or not trainable_only)


# %% mistake: children-only
# exercise: count_parameters
# fails: test_count_parameters_adds_up_all_parameters
# advice: You go one level deep: the layers inside a nested Sequential are missed. `parameters()` of the whole model
# goes through all levels.
def count_parameters(model, trainable_only=True):
    return sum(p.numel() for m in model.children() for p in m.parameters(recurse=False))


# %% mistake: adds-dimensions
# exercise: count_parameters
# fails: test_count_parameters_adds_up_all_parameters
# advice: You add up the sizes in the shape. A (3, 5) tensor holds 3 times 5 numbers, not 3 plus 5.
def count_parameters(model, trainable_only=True):
    return sum(sum(p.shape) for p in model.parameters() if p.requires_grad or not trainable_only)


# %% mistake: count-as-tensor
# exercise: count_parameters
# fails: test_count_parameters_adds_up_all_parameters
# advice: The result is a tensor. A number of parameters is a plain int; `numel()` gives one.
def count_parameters(model, trainable_only=True):
    sizes = [p.numel() for p in model.parameters() if p.requires_grad or not trainable_only]
    return torch.tensor(sizes, dtype=torch.int64).sum()


# %% mistake: shared-weights-twice
# exercise: count_parameters
# fails: test_count_parameters_ignores_buffers_and_counts_shared_weights_once
# advice: A weight that two layers share is one parameter, and you count it for each of them. Go through the
# parameters of the model, not through its layers.
def count_parameters(model, trainable_only=True):
    parameters = [p for m in model.modules() for p in m.parameters(recurse=False)]
    return sum(p.numel() for p in parameters if p.requires_grad or not trainable_only)


# %% mistake: buffers-counted
# exercise: count_parameters
# fails: test_count_parameters_ignores_buffers_and_counts_shared_weights_once
# advice: Buffers (running statistics, counters) are no parameters: nothing trains them. Leave them out.
def count_parameters(model, trainable_only=True):
    parameters = [p for p in model.parameters() if p.requires_grad or not trainable_only]
    return sum(t.numel() for t in [*parameters, *model.buffers()])


# %% mistake: state-dict-counted
# exercise: count_parameters
# fails: test_count_parameters_ignores_buffers_and_counts_shared_weights_once
# advice: The state_dict holds buffers too, and a shared weight once for each of its names. Count the parameters.
def count_parameters(model, trainable_only=True):
    return sum(t.numel() for t in model.state_dict().values())


# %% mistake: frozen-counted
# exercise: count_parameters
# fails: test_count_parameters_leaves_frozen_ones_out_if_asked
# advice: Frozen parameters are counted even when only the trainable ones are asked for. Look at `requires_grad`.
def count_parameters(model, trainable_only=True):
    return sum(p.numel() for p in model.parameters())


# %% mistake: flag-ignored
# exercise: count_parameters
# fails: test_count_parameters_leaves_frozen_ones_out_if_asked
# advice: Frozen parameters are left out always. With trainable_only=False they count too.
def count_parameters(model, trainable_only=True):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


# %% mistake: only-frozen
# exercise: count_parameters
# fails: test_count_parameters_leaves_frozen_ones_out_if_asked
# advice: With trainable_only=False you count the frozen parameters alone. The flag means "leave the frozen ones out";
# without it, all count.
def count_parameters(model, trainable_only=True):
    return sum(p.numel() for p in model.parameters() if p.requires_grad == trainable_only)


# %% mistake: not-transposed
# exercise: Linear
# fails: test_linear_output_shape
# advice: The weight is (out, in), x is (..., in): in this order they cannot be multiplied. Transpose the weight.
class Linear(Linear):
    def forward(self, x):
        return x @ self.weight + self.bias


# %% mistake: no-super-init
# exercise: Linear
# fails: test_linear_output_shape
# advice: A module can register nothing before nn.Module is set up: call `super().__init__()` first.
class Linear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.randn(out_features)) if bias else None

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% mistake: returns-nothing
# exercise: Linear
# fails: test_linear_output_shape
# advice: `forward` returns None: the result is computed, and lost. Return it.
class Linear(Linear):
    def forward(self, x):
        x @ self.weight.T + self.bias


# %% mistake: plain-tensors
# exercise: Linear
# fails: test_linear_parameters_are_those_of_torch
# advice: Weight and bias are plain tensors, so nobody knows of them: not the optimiser, not the state_dict. Wrap each
# in nn.Parameter.
class Linear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = torch.randn(out_features, in_features, requires_grad=True)
        self.bias = torch.randn(out_features, requires_grad=True) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


# %% mistake: weight-in-out
# exercise: Linear
# fails: test_linear_parameters_are_those_of_torch
# advice: Your weight is (in, out). torch keeps it as (out, in), one row for each output, and transposes it in forward.
class Linear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_features, out_features))
        if bias:
            self.bias = nn.Parameter(torch.randn(out_features))
        else:
            self.register_parameter("bias", None)

    def forward(self, x):
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


# %% mistake: bias-flag-ignored
# exercise: Linear
# fails: test_linear_parameters_are_those_of_torch
# advice: With bias=False the layer has a bias all the same. Then there must be no such parameter at all.
class Linear(Linear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, True)


# %% mistake: other-names
# exercise: Linear
# fails: test_linear_parameters_are_those_of_torch
# advice: The parameters are called w and b. To load the state_dict of nn.Linear they need its names: weight and bias.
class Linear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.w = nn.Parameter(torch.randn(out_features, in_features))
        self.b = nn.Parameter(torch.randn(out_features)) if bias else None

    def forward(self, x):
        return F.linear(x, self.w, self.b)


# %% mistake: wraps-nn-linear
# exercise: Linear
# fails: test_linear_parameters_are_those_of_torch
# advice: Your layer holds another layer, so the names are those of the inner one, with a dot. Make the parameters
# yourself, here.
class Linear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias)

    def forward(self, x):
        return self.linear(x)


# %% mistake: subclass-of-nn-linear
# exercise: Linear
# fails: test_linear_with_given_weights
# advice: This is torch's layer under your name. Derive from nn.Module, and write the parameters and forward.
class Linear(nn.Linear):
    pass


# %% mistake: bias-forgotten
# exercise: Linear
# fails: test_linear_with_given_weights
# advice: The bias is made, and never added. Add it in forward, if there is one.
class Linear(Linear):
    def forward(self, x):
        return x @ self.weight.T


# %% mistake: bias-subtracted
# exercise: Linear
# fails: test_linear_with_given_weights
# advice: The bias has the wrong sign: it is added.
class Linear(Linear):
    def forward(self, x):
        return x @ self.weight.T - (0 if self.bias is None else self.bias)


# %% mistake: bias-that-is-not-there
# exercise: Linear
# fails: test_linear_with_given_weights
# advice: With bias=False the bias is None, and forward adds it all the same. Ask first whether there is one.
class Linear(Linear):
    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% mistake: two-dimensions-only
# exercise: Linear
# fails: test_linear_with_given_weights
# advice: `torch.mm` takes matrices only. Any number of dimensions may stand before the last: `@` works on the last
# one, whatever comes before.
class Linear(Linear):
    def forward(self, x):
        y = torch.mm(x, self.weight.T)
        return y if self.bias is None else y + self.bias


# %% mistake: two-dimensions-only-addmm
# exercise: Linear
# fails: test_linear_with_given_weights
# advice: `torch.addmm` takes matrices only. Any number of dimensions may stand before the last: `@` works on the last
# one, whatever comes before.
class Linear(Linear):
    def forward(self, x):
        return x @ self.weight.T if self.bias is None else torch.addmm(self.bias, x, self.weight.T)


# %% mistake: flattens-to-two-dimensions
# exercise: Linear
# fails: test_linear_with_given_weights
# advice: The dimensions before the last are flattened and not brought back: (..., in) must become (..., out).
class Linear(Linear):
    def forward(self, x):
        y = x.reshape(-1, x.shape[-1]) @ self.weight.T
        return y if self.bias is None else y + self.bias


# %% mistake: weight-detached
# exercise: Linear
# fails: test_linear_gradients
# advice: No gradient reaches the parameters: `.data` and `.detach()` cut them off from the graph. Use the parameters
# themselves.
class Linear(Linear):
    def forward(self, x):
        return x @ self.weight.data.T + (0 if self.bias is None else self.bias.data)


# %% mistake: constant-weights
# exercise: Linear
# fails: test_linear_starts_at_random
# advice: All weights start at the same value, so all outputs stay the same for ever. Fill them with random numbers.
class Linear(Linear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        nn.init.zeros_(self.weight)


# %% mistake: seeds-itself
# exercise: Linear
# fails: test_linear_starts_at_random
# advice: Every layer starts with the same numbers, because it sets the seed. Leave the seed to the program that uses
# the layer.
class Linear(Linear):
    def __init__(self, in_features, out_features, bias=True):
        torch.manual_seed(0)
        super().__init__(in_features, out_features, bias)


# %% mistake: last-layer-missing
# exercise: MLP
# fails: test_mlp_output_shape
# advice: The last layer is missing. Between four sizes there are three layers, one for each pair of neighbours.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 2))

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


# %% mistake: hidden-layer-required
# exercise: MLP
# fails: test_mlp_output_shape
# advice: With [5, 2] there is no hidden layer, just one linear layer from 5 to 2. Yours needs at least three sizes.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.first = nn.Linear(sizes[0], sizes[1])
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes[1:-1]))
        self.last = nn.Linear(sizes[-2], sizes[-1])

    def forward(self, x):
        x = torch.relu(self.first(x))
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return self.last(x)


# %% mistake: python-list
# exercise: MLP
# fails: test_mlp_owns_its_layers
# advice: The layers are in a Python list, so the model has no parameters and nothing would be trained. Use
# nn.Sequential or nn.ModuleList, which register what they hold.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


# %% mistake: built-in-forward
# exercise: MLP
# fails: test_mlp_owns_its_layers
# advice: New layers with new random weights are made at every call, so nothing that is learned would last. Make them
# once, in __init__.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes

    def forward(self, x):
        for a, b in pairwise(self.sizes[:-1]):
            x = torch.relu(nn.Linear(a, b)(x))
        return nn.Linear(*self.sizes[-2:])(x)


# %% mistake: built-in-forward-and-kept
# exercise: MLP
# fails: test_mlp_owns_its_layers
# advice: The layers are made anew at every call, with new random weights; an optimiser made before would train the old
# ones. Make them once, in __init__.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes

    def forward(self, x):
        layers = [m for a, b in pairwise(self.sizes) for m in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(*layers[:-1])
        return self.layers(x)


# %% mistake: built-at-the-first-call
# exercise: MLP
# fails: test_mlp_owns_its_layers
# advice: The layers are made at the first call, so an optimiser made before it finds no parameters. Make them in
# __init__.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.sizes, self.layers = sizes, None

    def forward(self, x):
        if self.layers is None:
            layers = [m for a, b in pairwise(self.sizes) for m in (nn.Linear(a, b), nn.ReLU())]
            self.layers = nn.Sequential(*layers[:-1])
        return self.layers(x)


# %% mistake: two-layers-only
# exercise: MLP
# fails: test_mlp_owns_its_layers
# advice: There are always two layers, whatever the sizes. Make one for each pair of neighbours in `sizes`.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.hidden = nn.Linear(sizes[0], sizes[1])
        self.out = nn.Linear(sizes[1], sizes[-1])

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))


# %% mistake: no-bias
# exercise: MLP
# fails: test_mlp_owns_its_layers
# advice: The layers have no bias. Every layer of an MLP has one.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b, bias=False), nn.ReLU())]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.layers(x)


# %% mistake: no-activation
# exercise: MLP
# fails: test_mlp_with_given_weights
# advice: There is nothing between the linear layers, so all of them together are one linear layer. Put a ReLU between
# them.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes)))

    def forward(self, x):
        return self.layers(x)


# %% mistake: activation-after-the-last
# exercise: MLP
# fails: test_mlp_with_given_weights
# advice: There is a ReLU after the last layer too, so the network can never answer with a negative number. Leave that
# one out.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.Sequential(*(m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())))

    def forward(self, x):
        return self.layers(x)


# %% mistake: softmax-at-the-end
# exercise: MLP
# fails: test_mlp_with_given_weights
# advice: There is a softmax after the last layer. The network gives plain scores; the loss takes care of the rest, and
# a regression needs any number.
class MLP(MLP):
    def forward(self, x):
        return torch.softmax(super().forward(x), dim=1)


# %% mistake: relu-on-the-input
# exercise: MLP
# fails: test_mlp_with_given_weights
# advice: The ReLU comes before each layer, so it cuts the negative inputs off. It belongs between two layers only.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x):
        for layer in self.layers:
            x = layer(torch.relu(x))
        return x


# %% mistake: one-relu-only
# exercise: MLP
# fails: test_mlp_with_given_weights
# advice: Only the first layer is followed by a ReLU. Every layer but the last needs one, or neighbours melt into one.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x):
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index == 0 and len(self.layers) > 1:
                x = torch.relu(x)
        return x


# %% mistake: sigmoid-for-relu
# exercise: MLP
# fails: test_mlp_with_given_weights
# advice: Between the layers stands a sigmoid. Use ReLU.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.sigmoid(layer(x))
        return self.layers[-1](x)


# %% mistake: tanh-for-relu
# exercise: MLP
# fails: test_mlp_with_given_weights
# advice: Between the layers stands a tanh. Use ReLU.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


# %% mistake: sizes-eaten
# exercise: MLP
# fails: test_mlp_with_given_weights
# advice: You take the sizes out of the caller's own list, which is empty or shorter afterwards. Read it, and leave it
# as it was.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        layers = []
        while len(sizes) > 1:
            layers += [nn.Linear(sizes.pop(0), sizes[0]), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.layers(x)


# %% mistake: hidden-detached
# exercise: MLP
# fails: test_mlp_gradients
# advice: Gradients stop between the layers: `.data` or `.detach()` cuts the graph, so only the last layer would learn.
# Pass on the tensors themselves.
class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x)).detach()
        return self.layers[-1](x)


# %% mistake: not-reduced
# exercise: mse_loss
# fails: test_mse_loss_is_a_scalar_tensor
# advice: One squared error for each sample came back. The loss is their mean, a single number.
def mse_loss(prediction, target):
    return (prediction.squeeze(1) - target) ** 2


# %% mistake: returns-float
# exercise: mse_loss
# fails: test_mse_loss_is_a_scalar_tensor
# advice: `.item()` makes a plain float, which has no gradient: backward would be impossible. Return the tensor.
def mse_loss(prediction, target):
    return (prediction.squeeze(1) - target).square().mean().item()


# %% mistake: every-prediction-against-every-target
# exercise: mse_loss
# fails: test_mse_loss_pairs_each_prediction_with_its_target
# advice: (N, 1) minus (N,) is (N, N): every prediction is compared with every target. Bring both to the same shape
# first.
def mse_loss(prediction, target):
    return (prediction - target).square().mean()


# %% mistake: sum
# exercise: mse_loss
# fails: test_mse_loss_pairs_each_prediction_with_its_target
# advice: The squared errors are added up. The loss is their mean, which does not grow with the batch.
def mse_loss(prediction, target):
    return (prediction.squeeze(1) - target).square().sum()


# %% mistake: half
# exercise: mse_loss
# fails: test_mse_loss_pairs_each_prediction_with_its_target
# advice: There is a factor 1/2 in front, as some textbooks have it. The mean squared error has none.
def mse_loss(prediction, target):
    return (prediction.squeeze(1) - target).square().mean() / 2


# %% mistake: root
# exercise: mse_loss
# fails: test_mse_loss_pairs_each_prediction_with_its_target
# advice: You return the root of the mean squared error. Leave the root out.
def mse_loss(prediction, target):
    return (prediction.squeeze(1) - target).square().mean().sqrt()


# %% mistake: absolute
# exercise: mse_loss
# fails: test_mse_loss_pairs_each_prediction_with_its_target
# advice: You average absolute differences. The differences are squared.
def mse_loss(prediction, target):
    return (prediction.squeeze(1) - target).abs().mean()


# %% mistake: square-of-the-mean
# exercise: mse_loss
# fails: test_mse_loss_pairs_each_prediction_with_its_target
# advice: You square the mean difference, in which errors up and down cancel. Square first, then average.
def mse_loss(prediction, target):
    return (prediction.squeeze(1) - target).mean().square()


# %% mistake: mse-detached
# exercise: mse_loss
# fails: test_mse_loss_gradient
# advice: The loss is cut off from its graph, by `.detach()`, `.data`, torch.no_grad or a new tensor made of numbers.
# Compute with the prediction itself.
def mse_loss(prediction, target):
    return (prediction.detach().squeeze(1) - target).square().mean()


# %% mistake: cross-entropy-not-reduced
# exercise: cross_entropy
# fails: test_cross_entropy_is_a_scalar_tensor
# advice: One loss for each sample came back. Return their mean, a single number.
def cross_entropy(logits, labels):
    return -torch.log_softmax(logits, 1).gather(1, labels.unsqueeze(1)).squeeze(1)


# %% mistake: torchs-own-cross-entropy
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: This is torch's own. Write it: log-probabilities, one picked in each row, the mean with the right sign.
def cross_entropy(logits, labels):
    return F.cross_entropy(logits, labels)


# %% mistake: softmax-twice
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: The softmax is taken twice: log_softmax (or logsumexp) already contains it. Give it the plain logits.
def cross_entropy(logits, labels):
    return F.nll_loss(torch.log_softmax(torch.softmax(logits, 1), 1), labels)


# %% mistake: wrong-dim
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: The probabilities add up to 1 down each column, over the samples. Normalise over the classes of each row.
def cross_entropy(logits, labels):
    return F.nll_loss(torch.log_softmax(logits, 0), labels)


# %% mistake: missing-minus
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: The sign is wrong: the log of a probability is negative, a loss is not.
def cross_entropy(logits, labels):
    return torch.log_softmax(logits, 1).gather(1, labels.unsqueeze(1)).mean()


# %% mistake: all-columns-of-labels
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: `[:, labels]` picks all N labels' columns in every row, an (N, N) table. Pick one entry in each row: pair row
# numbers with labels, or use gather.
def cross_entropy(logits, labels):
    return -torch.log_softmax(logits, 1)[:, labels].mean()


# %% mistake: log-forgotten
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: You average the probabilities themselves. The loss is minus their logarithm.
def cross_entropy(logits, labels):
    return -torch.softmax(logits, 1)[torch.arange(len(labels)), labels].mean()


# %% mistake: logits-for-log-probabilities
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: You pick from the plain logits. Turn them into log-probabilities first: nll_loss does not do that for you.
def cross_entropy(logits, labels):
    return F.nll_loss(logits, labels)


# %% mistake: cross-entropy-sum
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: The losses are added up. Return their mean, which does not grow with the batch.
def cross_entropy(logits, labels):
    return F.nll_loss(torch.log_softmax(logits, 1), labels, reduction="sum")


# %% mistake: mean-over-classes-too
# exercise: cross_entropy
# fails: test_cross_entropy_value
# advice: The mean runs over all N times C entries, most of them zero. Sum over the classes, average over the samples.
def cross_entropy(logits, labels):
    return -(F.one_hot(labels, logits.shape[1]) * torch.log_softmax(logits, 1)).mean()


# %% mistake: log-of-softmax
# exercise: cross_entropy
# fails: test_cross_entropy_survives_large_logits
# advice: A probability of e^-1000 is 0 in any float, and its log minus infinity. Compute the log-probability directly:
# log_softmax, or logits minus logsumexp.
def cross_entropy(logits, labels):
    return -torch.softmax(logits, 1).log()[torch.arange(len(labels)), labels].mean()


# %% mistake: exp-overflows
# exercise: cross_entropy
# fails: test_cross_entropy_survives_large_logits
# advice: exp(1000) is infinite. Take the maximum of each row off first, or let log_softmax or logsumexp do it.
def cross_entropy(logits, labels):
    picked = logits[torch.arange(len(labels)), labels]
    return (logits.exp().sum(1).log() - picked).mean()


# %% mistake: probability-with-an-epsilon
# exercise: cross_entropy
# fails: test_cross_entropy_survives_large_logits
# advice: A small number inside the log hides the infinity, and gives a wrong loss: 2000 becomes 28. Compute the
# log-probability directly.
def cross_entropy(logits, labels):
    return -torch.log(torch.softmax(logits, 1) + 1e-12)[torch.arange(len(labels)), labels].mean()


# %% mistake: maximum-of-the-whole-batch
# exercise: cross_entropy
# fails: test_cross_entropy_survives_large_logits
# advice: You take off the maximum of the whole batch: in a row far below it every exponential is 0. Take each row's
# own.
def cross_entropy(logits, labels):
    z = logits - logits.max()
    return (z.exp().sum(1).log() - z[torch.arange(len(labels)), labels]).mean()


# %% mistake: cross-entropy-detached
# exercise: cross_entropy
# fails: test_cross_entropy_gradient
# advice: The loss is cut off from its graph, by `.detach()`, `.data`, torch.no_grad or a new tensor made of numbers.
# Compute with the logits themselves.
def cross_entropy(logits, labels):
    return F.nll_loss(torch.log_softmax(logits.detach(), 1), labels)


# %% mistake: subclass-of-nn-dropout
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: This is torch's layer under your name. Derive from nn.Module, and write forward.
class Dropout(nn.Dropout):
    pass


# %% mistake: no-scale
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: The values that are kept stay as they are, so the sum shrinks with every layer. Divide them by 1 - p.
class Dropout(Dropout):
    def forward(self, x):
        return x * (torch.rand_like(x) >= self.p) if self.training else x


# %% mistake: p-is-kept
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: You use p as the probability to keep a value. It is the probability to drop it: 1 - p are kept, and divided
# by 1 - p.
class Dropout(Dropout):
    def forward(self, x):
        return x * (torch.rand_like(x) < self.p) / self.p if self.training and self.p > 0 else x


# %% mistake: multiplied-by-the-share-kept
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: The values that are kept are multiplied by 1 - p, which makes the loss twice as bad. Divide.
class Dropout(Dropout):
    def forward(self, x):
        return x * (torch.rand_like(x) >= self.p) * (1 - self.p) if self.training else x


# %% mistake: scales-in-eval
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: You scale by 1 - p in evaluation, and not at all in training. Divide in training; in evaluation x passes
# through.
class Dropout(Dropout):
    def forward(self, x):
        return x * (torch.rand_like(x) >= self.p) if self.training else x * (1 - self.p)


# %% mistake: dropout-in-place
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: The zeros are written into the caller's own x. Make a new tensor.
class Dropout(Dropout):
    def forward(self, x):
        if self.training:
            x[torch.rand_like(x) < self.p] = 0
            x /= 1 - self.p
        return x


# %% mistake: never-drops
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: Nothing happens to x, in training either. There a share p of the values becomes 0, and the others grow.
class Dropout(Dropout):
    def forward(self, x):
        return x


# %% mistake: keeps-the-wrong-share
# exercise: Dropout
# fails: test_dropout_draws_every_value_anew
# advice: The scale is right, but the share that is dropped is 1 - p. Look at the comparison with p once more.
class Dropout(Dropout):
    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand_like(x) < self.p if self.p > 0 else torch.ones_like(x)
        return x * kept / (1 - self.p)


# %% mistake: normal-for-uniform
# exercise: Dropout
# fails: test_dropout_draws_every_value_anew
# advice: randn draws from a normal distribution, so the share below p is not p. You want uniform numbers from 0 to 1.
class Dropout(Dropout):
    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        return x * (torch.randn_like(x) >= self.p) / (1 - self.p)


# %% mistake: one-mask-for-the-batch
# exercise: Dropout
# fails: test_dropout_draws_every_value_anew
# advice: One mask is drawn for a row and used for the whole batch: all samples lose the same units. Draw a mask of the
# shape of x.
class Dropout(Dropout):
    def forward(self, x):
        return x * (torch.rand_like(x[0]) >= self.p) / (1 - self.p) if self.training else x


# %% mistake: whole-rows
# exercise: Dropout
# fails: test_dropout_draws_every_value_anew
# advice: One number is drawn for each row, so whole samples disappear. Draw a mask of the shape of x.
class Dropout(Dropout):
    def forward(self, x):
        return x * (torch.rand_like(x.sum(-1, keepdim=True)) >= self.p) / (1 - self.p) if self.training else x


# %% mistake: same-mask-every-call
# exercise: Dropout
# fails: test_dropout_draws_every_value_anew
# advice: Every call drops the same values: the mask is kept, or the seed is set in forward. Draw a new one each time.
class Dropout(Dropout):
    def forward(self, x):
        torch.manual_seed(0)
        return x * (torch.rand_like(x) >= self.p) / (1 - self.p) if self.training else x


# %% mistake: dropout-detached
# exercise: Dropout
# fails: test_dropout_gradient
# advice: No gradient flows back: `.data`, `.detach()` or torch.no_grad cuts x off from the graph. Multiply x itself.
class Dropout(Dropout):
    def forward(self, x):
        return x.detach() * (torch.rand_like(x) >= self.p) / (1 - self.p) if self.training else x


# %% mistake: ignores-training
# exercise: Dropout
# fails: test_dropout_returns_x_in_evaluation
# advice: Values are dropped in evaluation too, so predictions are a matter of luck. Ask `self.training`.
class Dropout(Dropout):
    def forward(self, x):
        return x * (torch.rand_like(x) >= self.p) / (1 - self.p)


# %% mistake: p-not-passed-on
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: The share dropped is one half whatever p is: that is F.dropout's default. Give it your p.
class Dropout(Dropout):
    def forward(self, x):
        return F.dropout(x, training=self.training)


# %% mistake: scales-in-both-modes
# exercise: Dropout
# fails: test_dropout_returns_x_in_evaluation
# advice: In evaluation x is divided by 1 - p too, though nothing is dropped. There x passes through as it is.
class Dropout(Dropout):
    def forward(self, x):
        if self.training:
            x = x * (torch.rand_like(x) >= self.p)
        return x / (1 - self.p)


# %% mistake: drops-in-evaluation-only
# exercise: Dropout
# fails: test_dropout_zeroes_or_scales
# advice: The modes are swapped: you drop in evaluation and not in training. `self.training` is True in training.
class Dropout(Dropout):
    def forward(self, x):
        return x if self.training else x * (torch.rand_like(x) >= self.p) / (1 - self.p)


# %% mistake: statistics-as-parameters
# exercise: BatchNorm1d
# fails: test_batch_norm_has_the_state_of_torch
# advice: The running statistics are parameters, so an optimiser would train them. Register them as buffers.
class BatchNorm1d(BatchNorm1d):
    def __init__(self, features, momentum=0.1, eps=1e-5):
        super().__init__(features, momentum, eps)
        del self.running_mean, self.running_var
        self.running_mean = nn.Parameter(torch.zeros(features))
        self.running_var = nn.Parameter(torch.ones(features))


# %% mistake: statistics-as-frozen-parameters
# exercise: BatchNorm1d
# fails: test_batch_norm_has_the_state_of_torch
# advice: The running statistics and the counter are parameters. Frozen or not, they are none: register them as
# buffers.
class BatchNorm1d(BatchNorm1d):
    def __init__(self, features, momentum=0.1, eps=1e-5):
        super().__init__(features, momentum, eps)
        del self.running_mean, self.running_var, self.num_batches_tracked
        self.running_mean = nn.Parameter(torch.zeros(features), requires_grad=False)
        self.running_var = nn.Parameter(torch.ones(features), requires_grad=False)
        self.num_batches_tracked = nn.Parameter(torch.tensor(0), requires_grad=False)


# %% mistake: statistics-as-plain-tensors
# exercise: BatchNorm1d
# fails: test_batch_norm_has_the_state_of_torch
# advice: The running statistics are plain tensors: they are neither saved nor moved with the model. Register them as
# buffers.
class BatchNorm1d(BatchNorm1d):
    def __init__(self, features, momentum=0.1, eps=1e-5):
        super().__init__(features, momentum, eps)
        del self.running_mean, self.running_var, self.num_batches_tracked
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.num_batches_tracked = torch.tensor(0)


# %% mistake: counter-missing
# exercise: BatchNorm1d
# fails: test_batch_norm_has_the_state_of_torch
# advice: The buffer num_batches_tracked is missing, so a state_dict of torch's does not load strictly.
class BatchNorm1d(BatchNorm1d):
    def __init__(self, features, momentum=0.1, eps=1e-5):
        super().__init__(features, momentum, eps)
        del self.num_batches_tracked
        self.num_batches_tracked = 0


# %% mistake: running-variance-from-zero
# exercise: BatchNorm1d
# fails: test_batch_norm_has_the_state_of_torch
# advice: The running variance starts at zeros. It starts at ones, so that an untrained layer leaves x as it is.
class BatchNorm1d(BatchNorm1d):
    def __init__(self, features, momentum=0.1, eps=1e-5):
        super().__init__(features, momentum, eps)
        self.running_var.zero_()


# %% mistake: weight-from-zero
# exercise: BatchNorm1d
# fails: test_batch_norm_has_the_state_of_torch
# advice: The weight starts at zeros, so every output is 0. It starts at ones, the bias at zeros.
class BatchNorm1d(BatchNorm1d):
    def __init__(self, features, momentum=0.1, eps=1e-5):
        super().__init__(features, momentum, eps)
        nn.init.zeros_(self.weight)


# %% mistake: subclass-of-nn-batch-norm
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: This is torch's layer under your name. Derive from nn.Module, and write the parts and forward.
class BatchNorm1d(nn.BatchNorm1d):
    def __init__(self, features, momentum=0.1, eps=1e-5):
        super().__init__(features, eps, momentum)


# %% mistake: normalised-by-unbiased-variance
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: The batch is normalised by the variance divided by N - 1. Divide by N here; N - 1 is for the running
# variance.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: eps-outside-the-root
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: eps is added to the standard deviation. Add it to the variance, inside the root.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / (torch.sqrt(var) + self.eps) * self.weight + self.bias


# %% mistake: eps-forgotten
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: eps is not used: a constant column would be divided by 0. Add it to the variance, inside the root.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var) * self.weight + self.bias


# %% mistake: divided-by-the-variance
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: You divide by the variance. Divide by the standard deviation, its root.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / (var + self.eps) * self.weight + self.bias


# %% mistake: normalises-rows
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: Each row is normalised by itself (that is layer normalisation). Here each column is: reduce over dimension
# 0.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        mean, var = x.mean(1, keepdim=True), x.var(1, correction=0, keepdim=True)
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: weight-and-bias-forgotten
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: The output is normalised, but neither scaled by the weight nor shifted by the bias.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps)


# %% mistake: running-statistics-in-training
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: In training too you normalise by the running statistics. They are for evaluation; a training batch uses its
# own.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.running_mean.lerp_(x.mean(0), self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: momentum-and-eps-in-the-other-order
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: The arguments come as features, momentum, eps: you take eps before momentum, as torch's own layer does. Keep
# the order of the stub.
class BatchNorm1d(BatchNorm1d):
    def __init__(self, features, eps=1e-5, momentum=0.1):
        super().__init__(features, momentum, eps)


# %% mistake: batch-norm-in-place
# exercise: BatchNorm1d
# fails: test_batch_norm_normalises_the_batch_in_training
# advice: You change the caller's own x. Make a new tensor: x - mean, not x -= mean.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        x -= mean
        return x / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: statistics-detached
# exercise: BatchNorm1d
# fails: test_batch_norm_gradients
# advice: The gradient does not flow through the batch's mean and variance, because they are computed without one.
# Only the update of the buffers belongs in torch.no_grad.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            with torch.no_grad():
                mean, var = x.mean(0), x.var(0, correction=0)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: running-variance-biased
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: The running variance is updated with the variance divided by N. It estimates that of all data: divide by N -
# 1 there.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var, self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: momentum-swapped
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: The momentum weighs the old value, so that one batch all but replaces it. In torch it weighs the new one: (1
# - m) times old, plus m times new.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 1 - self.momentum)
                self.running_var.lerp_(x.var(0), 1 - self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: momentum-ignored
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: The momentum that was asked for is not used: your update always has 0.1 in it.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 0.1)
                self.running_var.lerp_(x.var(0), 0.1)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: running-statistics-replaced
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: Each batch replaces the running statistics. Move them only by a share, the momentum, towards the batch's.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 1.0)
                self.running_var.lerp_(x.var(0), 1.0)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: old-value-kept-whole
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: You add a share of the new value and keep all of the old, so the statistics only grow. The two shares add up
# to 1.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean += self.momentum * mean
                self.running_var += self.momentum * x.var(0)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: never-updated
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: The running statistics stay as they were at the start. Every training batch moves them.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: counter-not-counted
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: num_batches_tracked stays 0. Add 1 to it in every training batch.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: running-standard-deviation
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: The running variance is updated with a standard deviation. Take the variance.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.std(0), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: buffers-keep-the-graph
# exercise: BatchNorm1d
# fails: test_batch_norm_updates_its_running_statistics
# advice: The running statistics are updated inside the graph, which then grows with every batch. Update them in
# torch.no_grad, or with detached values.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * x.var(0)
            self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: batch-statistics-in-evaluation
# exercise: BatchNorm1d
# fails: test_batch_norm_uses_its_running_statistics_in_evaluation
# advice: In evaluation too each batch is normalised by itself, so a sample's answer depends on its neighbours. Use
# the running statistics there.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        mean, var = x.mean(0), x.var(0, correction=0)
        if self.training:
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(0), self.momentum)
                self.num_batches_tracked += 1
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %% mistake: updates-in-evaluation
# exercise: BatchNorm1d
# fails: test_batch_norm_uses_its_running_statistics_in_evaluation
# advice: Evaluation moves the running statistics: what is learned from test data must not be kept. Update in training
# only.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
        else:
            mean, var = self.running_mean, self.running_var
        output = (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias
        with torch.no_grad():
            self.running_mean.lerp_(x.mean(0), self.momentum)
            self.running_var.lerp_(x.var(0), self.momentum)
            self.num_batches_tracked += 1
        return output


# %% mistake: counts-in-evaluation
# exercise: BatchNorm1d
# fails: test_batch_norm_uses_its_running_statistics_in_evaluation
# advice: num_batches_tracked counts evaluation batches too. It counts those of training.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        self.num_batches_tracked += 0 if self.training else 1
        return super().forward(x)


# %% mistake: weight-and-bias-in-training-only
# exercise: BatchNorm1d
# fails: test_batch_norm_uses_its_running_statistics_in_evaluation
# advice: In evaluation the output is neither scaled by the weight nor shifted by the bias. Both modes end in the same
# way.
class BatchNorm1d(BatchNorm1d):
    def forward(self, x):
        if self.training:
            return super().forward(x)
        return (x - self.running_mean) / torch.sqrt(self.running_var + self.eps)


# %% mistake: list-of-tensors
# exercise: fit_regressor
# fails: test_fit_regressor_returns_a_list_of_floats
# advice: The list holds loss tensors, and each keeps its whole graph alive. Note the number: `.item()`.
def fit_regressor(model, x, y, lr, epochs):
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= lr * p.grad
        losses.append(loss)
    return losses


# %% mistake: list-of-detached-tensors
# exercise: fit_regressor
# fails: test_fit_regressor_returns_a_list_of_floats
# advice: The list holds tensors with one value each. Plain floats are asked for: `.item()`.
def fit_regressor(model, x, y, lr, epochs):
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= lr * p.grad
        losses.append(loss.detach())
    return losses


# %% mistake: last-loss-only
# exercise: fit_regressor
# fails: test_fit_regressor_returns_a_list_of_floats
# advice: Only the last loss came back. Keep the loss of every step in a list, and return that.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    return loss.item()


# %% mistake: returns-the-model
# exercise: fit_regressor
# fails: test_fit_regressor_returns_a_list_of_floats
# advice: The model is trained in place, so its caller has it already. What is asked for is the list of losses.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
    return model


# %% mistake: one-loss-more
# exercise: fit_regressor
# fails: test_fit_regressor_returns_a_list_of_floats
# advice: The list holds one loss more than there are steps: that of the end. Only the loss before each step belongs in
# it.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return [*losses, F.mse_loss(model(x), y).item()]


# %% mistake: loss-after-the-step
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: You note the loss after each step. Note the one that the gradient came from, before the step.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(F.mse_loss(model(x), y).item())
    return losses


# %% mistake: not-trained
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: All losses are the same: the weights never move. Is there a backward, a step, and are the gradients still
# there when the step comes?
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
    return losses


# %% mistake: no-zeroing
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: The gradients are never cleared, so each step takes those of all steps before it along. Clear them before
# backward.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: sum-for-mean
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: The loss is the sum of the squared errors. Their mean is asked for, or the step grows with the number of
# samples.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: every-prediction-against-every-target-in-fit
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: Prediction (N, 1) and target (N,) are compared all against all, (N, N). Here y is (N, 1) already: leave it
# so, or bring both to (N,).
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = (model(x) - y.squeeze(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: climbs
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: The loss rises: the step goes up the gradient. Subtract it.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, maximize=True)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: half-the-squared-error
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: There is a factor 1/2 in the loss. The mean squared error has none.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: one-sample-at-a-time
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: You take a step for each sample. Full-batch descent takes one step an epoch, with the gradient of the mean
# over all samples.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        losses.append(F.mse_loss(model(x), y).item())
        for i in range(len(x)):
            optimizer.zero_grad()
            F.mse_loss(model(x[i]), y[i]).backward()
            optimizer.step()
    return losses


# %% mistake: adam
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: These are the steps of Adam. Plain gradient descent is asked for: the learning rate times the gradient.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: with-momentum
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: These are the steps of gradient descent with momentum. Plain descent is asked for, without it.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: learning-rate-ignored
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: The learning rate that was given is not used: yours is 0.01 always.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: biases-not-trained
# exercise: fit_regressor
# fails: test_fit_regressor_losses_of_three_steps
# advice: Only the weight matrices are trained, the biases stay. Give all of `model.parameters()` to the optimiser.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.dim() > 1], lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: trains-a-copy
# exercise: fit_regressor
# fails: test_fit_regressor_trains_the_model_in_place
# advice: The losses are right, but the caller's model is as it was: you trained a copy, or put the first weights back.
# Train the model that you were given, and leave it as the last step made it.
def fit_regressor(model, x, y, lr, epochs):
    import copy

    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: last-step-missing
# exercise: fit_regressor
# fails: test_fit_regressor_trains_the_model_in_place
# advice: The losses are right, but the last step is not taken: `epochs` losses and `epochs` steps are asked for.
def fit_regressor(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)
        losses.append(loss.item())
        if len(losses) == epochs:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses
