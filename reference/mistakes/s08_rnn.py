# Wrong versions of the exercises of section 8; grader.mistakes describes the format.

# %% mistake: not-transposed
# exercise: rnn_cell
# fails: test_rnn_cell_follows_the_formula
# advice: The weights are (outputs, inputs), and your rows must be multiplied by their transposes: neither is transposed.
def rnn_cell(x, h, w_x, w_h, b):
    return torch.tanh(x @ w_x + h @ w_h + b)


# %% mistake: state-weight-not-transposed
# exercise: rnn_cell
# fails: test_rnn_cell_follows_the_formula
# advice: w_h is square, so a missing transpose raises no error. It is stored as (outputs, inputs), just as w_x is.
def rnn_cell(x, h, w_x, w_h, b):
    return torch.tanh(x @ w_x.T + h @ w_h + b)


# %% mistake: no-tanh
# exercise: rnn_cell
# fails: test_rnn_cell_follows_the_formula
# advice: The sum is returned as it is, so the state grows from step to step. The formula squashes it to between -1 and 1.
def rnn_cell(x, h, w_x, w_h, b):
    return x @ w_x.T + h @ w_h.T + b


# %% mistake: weights-swapped
# exercise: rnn_cell
# fails: test_rnn_cell_follows_the_formula
# advice: The input meets the state's weight and the state the input's. w_x (H, I) belongs to x, w_h (H, H) to h.
def rnn_cell(x, h, w_x, w_h, b):
    return torch.tanh(x @ w_h.T + h @ w_x.T + b)


# %% mistake: no-bias
# exercise: rnn_cell
# fails: test_rnn_cell_follows_the_formula
# advice: The bias is missing from the sum.
def rnn_cell(x, h, w_x, w_h, b):
    return torch.tanh(x @ w_x.T + h @ w_h.T)


# %% mistake: bias-outside
# exercise: rnn_cell
# fails: test_rnn_cell_follows_the_formula
# advice: The bias is added after the tanh. It belongs to the sum that is squashed.
def rnn_cell(x, h, w_x, w_h, b):
    return torch.tanh(x @ w_x.T + h @ w_h.T) + b


# %% mistake: sigmoid
# exercise: rnn_cell
# fails: test_rnn_cell_follows_the_formula
# advice: A sigmoid gives values between 0 and 1. The state of an RNN goes through a tanh.
def rnn_cell(x, h, w_x, w_h, b):
    return torch.sigmoid(x @ w_x.T + h @ w_h.T + b)


# %% mistake: state-ignored
# exercise: rnn_cell
# fails: test_rnn_cell_follows_the_formula
# advice: The state before has no influence on the new one: then there is no memory. Add its product with w_h.
def rnn_cell(x, h, w_x, w_h, b):
    return torch.tanh(x @ w_x.T + b)


# %% mistake: detached
# exercise: rnn_cell
# fails: test_rnn_cell_lets_the_gradient_through
# advice: The state before is detached inside the cell, so nothing is learned across steps. Cutting is the training's job.
def rnn_cell(x, h, w_x, w_h, b):
    return torch.tanh(x @ w_x.T + h.detach() @ w_h.T + b) + 0 * h.sum()


# %% mistake: plain-tensors
# exercise: LSTMCell
# fails: test_lstm_cell_has_torchs_parameters
# advice: The weights are plain tensors: the module does not know them, so they are neither saved nor trained. Wrap them in
#     nn.Parameter.
class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = torch.randn(4 * hidden_size, input_size, requires_grad=True)
        self.weight_hh = torch.randn(4 * hidden_size, hidden_size, requires_grad=True)
        self.bias_ih = torch.randn(4 * hidden_size, requires_grad=True)
        self.bias_hh = torch.randn(4 * hidden_size, requires_grad=True)


# %% mistake: transposed-weights
# exercise: LSTMCell
# fails: test_lstm_cell_has_torchs_parameters
# advice: torch stores weights as (outputs, inputs): (4H, I) and (4H, H). Yours are transposed, so torch's don't fit.
class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(input_size, 4 * hidden_size))
        self.weight_hh = nn.Parameter(torch.randn(hidden_size, 4 * hidden_size))
        self.bias_ih = nn.Parameter(torch.randn(4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.randn(4 * hidden_size))


# %% mistake: one-bias
# exercise: LSTMCell
# fails: test_lstm_cell_has_torchs_parameters
# advice: torch keeps two biases, bias_ih and bias_hh, though one would do. Without both its weights cannot be loaded.
class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.randn(4 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.randn(4 * hidden_size))


# %% mistake: layers-inside
# exercise: LSTMCell
# fails: test_lstm_cell_has_torchs_parameters
# advice: With two nn.Linear inside, the parameters have other names, such as ih.weight. Make the four parameters yourself.
class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.ih = nn.Linear(input_size, 4 * hidden_size)
        self.hh = nn.Linear(hidden_size, 4 * hidden_size)


# %% mistake: zeros
# exercise: LSTMCell
# fails: test_lstm_cell_has_torchs_parameters
# advice: All weights begin as zero: every unit gets the same gradient and they never become different. Begin at random.
class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.zeros(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.zeros(4 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.zeros(4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.zeros(4 * hidden_size))


# %% mistake: order-ifog
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as i, f, o, g: g and o are swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, o, g = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-igfo
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as i, g, f, o: f and g are swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, g, f, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-igof
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as i, g, o, f: your g reads the rows of f,
# your o reads the rows of g, your f reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, g, o, f = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-iofg
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as i, o, f, g: your o reads the rows of f,
# your f reads the rows of g, your g reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, o, f, g = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-iogf
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as i, o, g, f: f and o are swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, o, g, f = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-figo
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as f, i, g, o: i and f are swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        f, i, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-fiog
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as f, i, o, g: i and f and g and o are
# swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        f, i, o, g = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-fgio
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as f, g, i, o: your f reads the rows of i,
# your g reads the rows of f, your i reads the rows of g.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        f, g, i, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-fgoi
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as f, g, o, i: your f reads the rows of i,
# your g reads the rows of f, your o reads the rows of g, your i reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        f, g, o, i = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-foig
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as f, o, i, g: your f reads the rows of i,
# your o reads the rows of f, your i reads the rows of g, your g reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        f, o, i, g = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-fogi
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as f, o, g, i: your f reads the rows of i,
# your o reads the rows of f, your i reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        f, o, g, i = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-gifo
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as g, i, f, o: your g reads the rows of i,
# your i reads the rows of f, your f reads the rows of g.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        g, i, f, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-giof
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as g, i, o, f: your g reads the rows of i,
# your i reads the rows of f, your o reads the rows of g, your f reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        g, i, o, f = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-gfio
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as g, f, i, o: i and g are swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        g, f, i, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-gfoi
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as g, f, o, i: your g reads the rows of i,
# your o reads the rows of g, your i reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        g, f, o, i = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-goif
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as g, o, i, f: i and g and f and o are
# swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        g, o, i, f = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-gofi
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as g, o, f, i: your g reads the rows of i,
# your o reads the rows of f, your f reads the rows of g, your i reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        g, o, f, i = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-oifg
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as o, i, f, g: your o reads the rows of i,
# your i reads the rows of f, your f reads the rows of g, your g reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        o, i, f, g = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-oigf
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as o, i, g, f: your o reads the rows of i,
# your i reads the rows of f, your f reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        o, i, g, f = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-ofig
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as o, f, i, g: your o reads the rows of i,
# your i reads the rows of g, your g reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        o, f, i, g = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-ofgi
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as o, f, g, i: i and o are swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        o, f, g, i = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-ogif
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as o, g, i, f: your o reads the rows of i,
# your g reads the rows of f, your i reads the rows of g, your f reads the rows of o.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        o, g, i, f = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: order-ogfi
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order i, f, g, o; you take them as o, g, f, i: i and o and f and g are
# swapped.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        o, g, f, i = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: sigmoid-on-g
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: g is what is written, not a gate: it may be negative. It goes through a tanh, only i, f and o through a sigmoid.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.sigmoid().chunk(4, 1)
        c = f * c + i * g
        return o * c.tanh(), c


# %% mistake: tanh-on-all
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The gates i, f and o go through a tanh and become negative. A gate lies between 0 and 1: that is a sigmoid.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.tanh().chunk(4, 1)
        c = f * c + i * g
        return o * c.tanh(), c


# %% mistake: h-without-tanh
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The new h shows the cell as it is. In the formula the cell goes through a tanh before the output gate.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c, c


# %% mistake: h-from-the-old-cell
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The new h is made from the cell before this step. Make the new cell first, then show that one.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        return o.sigmoid() * c.tanh(), f.sigmoid() * c + i.sigmoid() * g.tanh()


# %% mistake: tanh-kept-in-the-cell
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The cell itself is squashed by the tanh. Only what h shows is; the cell is kept as it is, so that it can last.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).tanh()
        return o.sigmoid() * c, c


# %% mistake: nothing-forgotten
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The old cell is kept in full. It is multiplied by the forget gate before something new is added.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: bias-hh-unused
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: bias_hh is made but never added. Both biases belong to the sum.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        i, f, g, o = (F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh)).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: pair-unpacked-backwards
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: You take the given pair as (c, h). It is (h, c): the output first, then the cell.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        c, h = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


# %% mistake: pair-returned-backwards
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: You return the pair as (c, h). It is (h, c): the output first, then the cell.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return c, o.sigmoid() * c.tanh()


# %% mistake: h-alone
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: Only h is returned, and the cell is lost for the next step. Return the pair (h, c).
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh()


# %% mistake: torchs-own
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: This is torch's own cell under your name. The exercise is to write its step.
class LSTMCell(nn.LSTMCell):
    pass


# %% mistake: cell-detached
# exercise: LSTMCell
# fails: test_lstm_cell_lets_the_gradient_through
# advice: The old cell is detached, so nothing is learned across steps. Cutting the history is the training loop's job.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        return super().forward(x, (state[0], state[1].detach() + 0 * state[1]))


# %% mistake: cell-changed-in-place
# exercise: LSTMCell
# fails: test_lstm_cell_agrees_with_torch
# advice: The caller's c is changed in place. Make a new tensor, so that the state that you were given stays as it was.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c.copy_(f.sigmoid() * c + i.sigmoid() * g.tanh())
        return o.sigmoid() * c.tanh(), 1 * c


# %% mistake: state-kept-inside
# exercise: LSTMCell
# fails: test_lstm_cell_runs_a_sequence
# advice: The cell is kept in the module from the first call on, and the state that later calls give is ignored: the second
#     sequence begins where the first one ended. Use the given pair, and keep nothing.
class LSTMCell(LSTMCell):
    def forward(self, x, state):
        self.state = super().forward(x, getattr(self, "state", state))
        return self.state


# %% mistake: plain-tensors
# exercise: GRUCell
# fails: test_gru_cell_has_torchs_parameters
# advice: The weights are plain tensors: the module does not know them, so they are neither saved nor trained. Wrap them in
#     nn.Parameter.
class GRUCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = torch.randn(3 * hidden_size, input_size, requires_grad=True)
        self.weight_hh = torch.randn(3 * hidden_size, hidden_size, requires_grad=True)
        self.bias_ih = torch.randn(3 * hidden_size, requires_grad=True)
        self.bias_hh = torch.randn(3 * hidden_size, requires_grad=True)


# %% mistake: four-gates
# exercise: GRUCell
# fails: test_gru_cell_has_torchs_parameters
# advice: Four times hidden_size rows are an LSTM's. A GRU has three parts: reset gate, update gate, candidate.
class GRUCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.randn(4 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.randn(4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.randn(4 * hidden_size))


# %% mistake: transposed-weights
# exercise: GRUCell
# fails: test_gru_cell_has_torchs_parameters
# advice: torch stores weights as (outputs, inputs): (3H, I) and (3H, H). Yours are transposed, so torch's don't fit.
class GRUCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(input_size, 3 * hidden_size))
        self.weight_hh = nn.Parameter(torch.randn(hidden_size, 3 * hidden_size))
        self.bias_ih = nn.Parameter(torch.randn(3 * hidden_size))
        self.bias_hh = nn.Parameter(torch.randn(3 * hidden_size))


# %% mistake: order-rnz
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order r, z, n; you take them as r, n, z: z and n are swapped.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_r, x_n, x_z = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_r, h_n, h_z = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        z = (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + z * h


# %% mistake: order-zrn
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order r, z, n; you take them as z, r, n: r and z are swapped.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_z, x_r, x_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_z, h_r, h_n = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        z = (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + z * h


# %% mistake: order-znr
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order r, z, n; you take them as z, n, r: your z reads the rows of r, your n
# reads the rows of z, your r reads the rows of n.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_z, x_n, x_r = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_z, h_n, h_r = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        z = (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + z * h


# %% mistake: order-nrz
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order r, z, n; you take them as n, r, z: your n reads the rows of r, your r
# reads the rows of z, your z reads the rows of n.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_n, x_r, x_z = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_n, h_r, h_z = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        z = (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + z * h


# %% mistake: order-nzr
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The gates' rows stand in torch's order r, z, n; you take them as n, z, r: r and n are swapped.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_n, x_z, x_r = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_n, h_z, h_r = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        z = (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + z * h


# %% mistake: blend-swapped
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: z and 1 - z are swapped in the blend. torch's update gate is the share of the OLD state; 1 - z is the candidate's.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_r, x_z, x_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_r, h_z, h_n = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        z = (x_z + h_z).sigmoid()
        return z * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + (1 - z) * h


# %% mistake: reset-before-the-matmul
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The reset gate scales h before it meets W_hn, as in the first paper. torch's GRU multiplies first, adds the bias,
#     and scales the result.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_r, x_z, x_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_r, h_z, _ = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
        h_n = F.linear(r * h, self.weight_hh.chunk(3)[2], self.bias_hh.chunk(3)[2])
        return (1 - z) * (x_n + h_n).tanh() + z * h


# %% mistake: bias-outside-the-reset
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The reset gate must scale all of W_hn h + b_hn: you leave the bias b_hn outside.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_r, x_z, x_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_r, h_z, h_n = F.linear(h, self.weight_hh).chunk(3, 1)
        b_r, b_z, b_n = self.bias_hh.chunk(3)
        r, z = (x_r + h_r + b_r).sigmoid(), (x_z + h_z + b_z).sigmoid()
        return (1 - z) * (x_n + r * h_n + b_n).tanh() + z * h


# %% mistake: no-reset
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The reset gate has no influence: the candidate sees all of the old state. In n it scales the part from h.
class GRUCell(GRUCell):
    def forward(self, x, h):
        r, z, n = (F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)).chunk(3, 1)
        return (1 - z.sigmoid()) * n.tanh() + z.sigmoid() * h


# %% mistake: reset-on-everything
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The reset gate scales the part from x too. It is about the old state only: in n it multiplies the part from h.
class GRUCell(GRUCell):
    def forward(self, x, h):
        r, z, n = (F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)).chunk(3, 1)
        return (1 - z.sigmoid()) * (r.sigmoid() * n).tanh() + z.sigmoid() * h


# %% mistake: sigmoid-on-n
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The candidate n is not a gate: it may be negative, so it goes through a tanh.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_r, x_z, x_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_r, h_z, h_n = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        z = (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).sigmoid() + z * h


# %% mistake: returns-a-pair
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: A GRU has one state, and torch's cell returns that tensor alone, not a pair.
class GRUCell(GRUCell):
    def forward(self, x, h):
        h = super().forward(x, h)
        return h, h


# %% mistake: torchs-own
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: This is torch's own cell under your name. The exercise is to write its step.
class GRUCell(nn.GRUCell):
    pass


# %% mistake: state-detached
# exercise: GRUCell
# fails: test_gru_cell_lets_the_gradient_through
# advice: The old state is detached in the blend, so nothing is learned across steps. Cutting the history is the training
#     loop's job.
class GRUCell(GRUCell):
    def forward(self, x, h):
        x_r, x_z, x_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        h_r, h_z, h_n = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        z = (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + z * h.detach()


# %% mistake: state-changed-in-place
# exercise: GRUCell
# fails: test_gru_cell_agrees_with_torch
# advice: The caller's h is changed in place. Make a new tensor, so that the state that you were given stays as it was.
class GRUCell(GRUCell):
    def forward(self, x, h):
        return 1 * h.copy_(super().forward(x, h))


# %% mistake: state-kept-inside
# exercise: GRUCell
# fails: test_gru_cell_runs_a_sequence
# advice: The module keeps its state from the first call on, and the one that later calls give is ignored. Use the given
#     state, and keep nothing.
class GRUCell(GRUCell):
    def forward(self, x, h):
        self.h = super().forward(x, getattr(self, "h", h))
        return self.h


# %% mistake: last-step
# exercise: last_state
# fails: test_last_state_agrees_with_torch
# advice: [:, -1] is padding in all but the longest sequences. Use the lengths.
def last_state(outputs, lengths):
    return outputs[:, -1]


# %% mistake: backward-from-the-wrong-end
# exercise: last_state
# fails: test_last_state_agrees_with_torch
# advice: At a sequence's last step the backward direction has read one element only. It has read everything at step 0.
def last_state(outputs, lengths):
    return outputs[torch.arange(len(lengths)), lengths - 1]


# %% mistake: forward-from-the-padding
# exercise: last_state
# fails: test_last_state_agrees_with_torch
# advice: The forward half is taken at the last column, which is padding in short sequences. Use the lengths.
def last_state(outputs, lengths):
    half = outputs.shape[2] // 2
    return torch.cat([outputs[:, -1, :half], outputs[:, 0, half:]], 1)


# %% mistake: halves-swapped
# exercise: last_state
# fails: test_last_state_agrees_with_torch
# advice: The halves are taken for each other: features 0 to H - 1 are the forward direction.
def last_state(outputs, lengths):
    half = outputs.shape[2] // 2
    rows = torch.arange(len(lengths))
    return torch.cat([outputs[:, 0, :half], outputs[rows, lengths - 1, half:]], 1)


# %% mistake: backward-first
# exercise: last_state
# fails: test_last_state_agrees_with_torch
# advice: Both states are right, but stand in the wrong order: forward first, then backward.
def last_state(outputs, lengths):
    half = outputs.shape[2] // 2
    rows = torch.arange(len(lengths))
    return torch.cat([outputs[:, 0, half:], outputs[rows, lengths - 1, :half]], 1)


# %% mistake: off-by-one
# exercise: last_state
# fails: test_last_state_agrees_with_torch
# advice: Steps count from 0, so a sequence of length n ends at step n - 1; you take the one before.
def last_state(outputs, lengths):
    half = outputs.shape[2] // 2
    rows = torch.arange(len(lengths))
    return torch.cat([outputs[rows, (lengths - 2).clamp(min=0), :half], outputs[:, 0, half:]], 1)


# %% mistake: first-padding
# exercise: last_state
# fails: test_last_state_is_one_row_for_each_sequence
# advice: Steps count from 0, so step `length` is the first padding, and does not exist in the longest sequence.
def last_state(outputs, lengths):
    half = outputs.shape[2] // 2
    rows = torch.arange(len(lengths))
    return torch.cat([outputs[rows, lengths, :half], outputs[:, 0, half:]], 1)


# %% mistake: mean-of-steps
# exercise: last_state
# fails: test_last_state_agrees_with_torch
# advice: This averages over the steps, padding included. Take one step of each direction.
def last_state(outputs, lengths):
    return outputs.mean(1)


# %% mistake: every-row-with-every-length
# exercise: last_state
# fails: test_last_state_is_one_row_for_each_sequence
# advice: outputs[:, lengths - 1] takes all lengths from every row, (B, B, 2H). Index the rows with a tensor too, (B,).
def last_state(outputs, lengths):
    half = outputs.shape[2] // 2
    return torch.cat([outputs[:, lengths - 1, :half], outputs[:, :1, half:].expand(-1, len(lengths), -1)], 2)


# %% mistake: detached
# exercise: last_state
# fails: test_last_state_sends_the_gradient_to_the_right_steps
# advice: The result is cut off from the graph, so the layer below would never be trained.
def last_state(outputs, lengths):
    half = outputs.shape[2] // 2
    rows = torch.arange(len(lengths))
    return torch.cat([outputs[rows, lengths - 1, :half].detach(), outputs[:, 0, half:]], 1)


# %% mistake: classes-in-the-wrong-dimension
# exercise: sequence_loss
# fails: test_sequence_loss_averages_over_all_places
# advice: cross_entropy takes dimension 1 for the classes; in (B, T, V) that is the time, silently if T = V. Flatten first.
def sequence_loss(logits, targets, pad):
    return F.cross_entropy(logits, targets, ignore_index=pad)


# %% mistake: view-mixes
# exercise: sequence_loss
# fails: test_sequence_loss_averages_over_all_places
# advice: view(B, V, T) does not move dimensions, it cuts the same numbers anew, so scores of different places mix.
#     Transpose, or flatten.
def sequence_loss(logits, targets, pad):
    batch, steps, classes = logits.shape
    return F.cross_entropy(logits.view(batch, classes, steps), targets, ignore_index=pad)


# %% mistake: time-first-targets
# exercise: sequence_loss
# fails: test_sequence_loss_averages_over_all_places
# advice: The logits are listed row by row, the targets step by step, so they belong to different places. Flatten both alike.
def sequence_loss(logits, targets, pad):
    return F.cross_entropy(logits.flatten(0, 1), targets.T.flatten(), ignore_index=pad)


# %% mistake: sum
# exercise: sequence_loss
# fails: test_sequence_loss_averages_over_all_places
# advice: This is the sum over all places, which grows with the batch. Take the mean.
def sequence_loss(logits, targets, pad):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad, reduction="sum")


# %% mistake: softmax-twice
# exercise: sequence_loss
# fails: test_sequence_loss_averages_over_all_places
# advice: cross_entropy does its own softmax. Give it the logits as they are.
def sequence_loss(logits, targets, pad):
    return F.cross_entropy(logits.softmax(-1).flatten(0, 1), targets.flatten(), ignore_index=pad)


# %% mistake: sum-over-time
# exercise: sequence_loss
# fails: test_sequence_loss_averages_over_all_places
# advice: Added up over the steps and averaged over the batch only. Every place counts the same: divide by all of them.
def sequence_loss(logits, targets, pad):
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad, reduction="none")
    return each.sum() / len(targets)


# %% mistake: not-reduced
# exercise: sequence_loss
# fails: test_sequence_loss_is_a_scalar
# advice: This is one loss for each place. Return their mean, a single number.
def sequence_loss(logits, targets, pad):
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad, reduction="none")
    return each.view(targets.shape)


# %% mistake: python-float
# exercise: sequence_loss
# fails: test_sequence_loss_is_a_scalar
# advice: A Python float has no gradient: .item() is for printing. Return the tensor.
def sequence_loss(logits, targets, pad):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad).item()


# %% mistake: pads-counted
# exercise: sequence_loss
# fails: test_sequence_loss_leaves_padding_out
# advice: Padding is counted like a real target. Leave places out whose target is `pad`.
def sequence_loss(logits, targets, pad):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# %% mistake: pads-in-the-denominator
# exercise: sequence_loss
# fails: test_sequence_loss_leaves_padding_out
# advice: Padding adds nothing to the sum, but the sum is still divided by all B x T places. Divide by the real ones.
def sequence_loss(logits, targets, pad):
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad, reduction="none")
    return each.mean()


# %% mistake: pad-fixed
# exercise: sequence_loss
# fails: test_sequence_loss_leaves_padding_out
# advice: 0 is always taken for padding. The caller says what padding is: `pad`.
def sequence_loss(logits, targets, pad):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)


# %% mistake: mean-of-rows
# exercise: sequence_loss
# fails: test_sequence_loss_leaves_padding_out
# advice: A mean of the rows' means gives a place in a short row more weight. Take one mean over all real places.
def sequence_loss(logits, targets, pad):
    rows = [F.cross_entropy(a, b, ignore_index=pad) for a, b in zip(logits, targets)]
    return torch.stack(rows).mean()


# %% mistake: logits-masked
# exercise: sequence_loss
# fails: test_sequence_loss_leaves_padding_out
# advice: Logits of 0 are not "no loss": they cost log V each. Leave the places out instead.
def sequence_loss(logits, targets, pad):
    kept = logits * (targets != pad)[..., None]
    return F.cross_entropy(kept.flatten(0, 1), targets.flatten())


# %% mistake: detached
# exercise: sequence_loss
# fails: test_sequence_loss_gives_padding_no_gradient
# advice: The logits are detached first, so the loss cannot train anything.
def sequence_loss(logits, targets, pad):
    return F.cross_entropy(logits.detach().flatten(0, 1), targets.flatten(), ignore_index=pad)


# %% mistake: y-equals-x
# exercise: char_batches
# fails: test_char_batches_have_the_next_character_as_target
# advice: y is the same as x: a model that learns this repeats what it reads, with a loss too good to be true. Begin y one
#     place later.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    x = ids[: n * batch_size * steps].view(batch_size, n * steps)
    return [(x[:, t : t + steps], x[:, t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: shifted-by-2
# exercise: char_batches
# fails: test_char_batches_have_the_next_character_as_target
# advice: y is two places after x, so that a character is skipped. The target is the very next one.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[:used].view(batch_size, n * steps), ids.roll(-2)[:used].view(batch_size, n * steps)
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: shifted-backwards
# exercise: char_batches
# fails: test_char_batches_have_the_next_character_as_target
# advice: y holds the character before x: x and y are swapped.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[1 : used + 1].view(batch_size, n * steps), ids[:used].view(batch_size, n * steps)
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: last-target-forgotten
# exercise: char_batches
# fails: test_char_batches_are_full_and_none_is_missing
# advice: The number of batches is worked out from all L characters. The last one has no target, so L - 1 can be inputs.
def char_batches(ids, batch_size, steps):
    n = len(ids) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[:used].view(batch_size, n * steps), ids[1 : used + 1].view(batch_size, n * steps)
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: wraps
# exercise: char_batches
# fails: test_char_batches_are_full_and_none_is_missing
# advice: The last target wraps around to the first character of the text. The last character has no target: it can only be
#     one, so there are (L - 1) // (B * T) batches.
def char_batches(ids, batch_size, steps):
    n = len(ids) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[:used].view(batch_size, n * steps), ids.roll(-1)[:used].view(batch_size, n * steps)
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: wraps-in-each-row
# exercise: char_batches
# fails: test_char_batches_have_the_next_character_as_target
# advice: The last target of a row wraps around to the row's own beginning. Shift the whole text before you cut it.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    x = ids[: n * batch_size * steps].view(batch_size, n * steps)
    y = x.roll(-1, dims=1)
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: wraps-in-each-batch
# exercise: char_batches
# fails: test_char_batches_have_the_next_character_as_target
# advice: The last target of each piece wraps around to the piece's own beginning. Shift the whole text before you cut it.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    x = ids[: n * batch_size * steps].view(batch_size, n * steps)
    return [(x[:, t : t + steps], x[:, t : t + steps].roll(-1, dims=1)) for t in range(0, n * steps, steps)]


# %% mistake: rows-do-not-go-on
# exercise: char_batches
# fails: test_char_batches_go_on_where_they_stopped
# advice: Each batch takes the next B x T characters and cuts these into rows, so row 0 of the next batch goes on where the
#     LAST row stopped. Cut the text into B streams first.
def char_batches(ids, batch_size, steps):
    size = batch_size * steps
    return [
        (ids[i : i + size].view(batch_size, steps), ids[i + 1 : i + size + 1].view(batch_size, steps))
        for i in range(0, len(ids) - size, size)
    ]


# %% mistake: neighbours-in-different-rows
# exercise: char_batches
# fails: test_char_batches_go_on_where_they_stopped
# advice: Neighbours in the text stand below each other, not side by side. view fills row by row: make the batch its first
#     dimension.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[:used].view(n * steps, batch_size).T, ids[1 : used + 1].view(n * steps, batch_size).T
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: streams-overlap
# exercise: char_batches
# fails: test_char_batches_go_on_where_they_stopped
# advice: The rows begin one character apart and read nearly the same text. Let each have a part of its own.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    x = torch.stack([ids[b : b + n * steps] for b in range(batch_size)])
    y = torch.stack([ids[b + 1 : b + 1 + n * steps] for b in range(batch_size)])
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: batches-shuffled
# exercise: char_batches
# fails: test_char_batches_go_on_where_they_stopped
# advice: The batches are in random order, so a carried state would meet text from another place. Keep the text's order.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[:used].view(batch_size, n * steps), ids[1 : used + 1].view(batch_size, n * steps)
    order = torch.randperm(n).tolist()
    return [(x[:, t * steps : (t + 1) * steps], y[:, t * steps : (t + 1) * steps]) for t in order]


# %% mistake: time-first
# exercise: char_batches
# fails: test_char_batches_are_full_and_none_is_missing
# advice: These batches are (T, B). Everything here is batch first, (B, T).
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[:used].view(batch_size, n * steps).T, ids[1 : used + 1].view(batch_size, n * steps).T
    return [(x[t : t + steps], y[t : t + steps]) for t in range(0, n * steps, steps)]


# %% mistake: one-batch-short
# exercise: char_batches
# fails: test_char_batches_are_full_and_none_is_missing
# advice: The last full batch is missing: look at the end of your range.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[:used].view(batch_size, n * steps), ids[1 : used + 1].view(batch_size, n * steps)
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n * steps - steps, steps)]


# %% mistake: uneven-last-batch
# exercise: char_batches
# fails: test_char_batches_are_full_and_none_is_missing
# advice: The last batch is narrower than the others. Full batches only: drop what is left over.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // batch_size
    x, y = ids[: n * batch_size].view(batch_size, n), ids[1 : n * batch_size + 1].view(batch_size, n)
    return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, n, steps)]


# %% mistake: generator
# exercise: char_batches
# fails: test_char_batches_are_full_and_none_is_missing
# advice: zip makes an iterator that can be used once. Return a list.
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    used = n * batch_size * steps
    x, y = ids[:used].view(batch_size, n * steps), ids[1 : used + 1].view(batch_size, n * steps)
    return zip(x.split(steps, 1), y.split(steps, 1))


# %% mistake: batch-first-missing
# exercise: CharRNN
# fails: test_char_rnn_reads_each_row_from_left_to_right
# advice: The recurrent layer takes your batch for time: the state flows from row 0 into row 1, and never along the text.
#     Say batch_first=True.
class CharRNN(CharRNN):
    def __init__(self, vocabulary, embedding, hidden, cell="gru"):
        super().__init__(vocabulary, embedding, hidden, cell)
        self.recurrent.batch_first = False


# %% mistake: softmax-in-forward
# exercise: CharRNN
# fails: test_char_rnn_reads_each_row_from_left_to_right
# advice: The model returns probabilities, and cross_entropy would take their softmax once more. Return the logits.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        logits, state = super().forward(ids, state)
        return logits.softmax(-1), state


# %% mistake: last-step-only
# exercise: CharRNN
# fails: test_char_rnn_scores_every_step
# advice: Only the last step is scored, (B, V). Every step predicts its next character: score all outputs, (B, T, V).
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        logits, state = super().forward(ids, state)
        return logits[:, -1], state


# %% mistake: last-step-everywhere
# exercise: CharRNN
# fails: test_char_rnn_reads_each_row_from_left_to_right
# advice: The last state's scores are repeated at every step, so each prediction has seen its answer. Score the outputs of
#     each step.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        logits, state = super().forward(ids, state)
        return logits[:, -1:].expand_as(logits), state


# %% mistake: logits-alone
# exercise: CharRNN
# fails: test_char_rnn_scores_every_step
# advice: Only the logits come back. Return the state too, so that the next call can go on from there.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        return super().forward(ids, state)[0]


# %% mistake: hidden-size-logits
# exercise: CharRNN
# fails: test_char_rnn_scores_every_step
# advice: These are the recurrent layer's outputs, (B, T, H). A linear layer must turn them into V scores.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        return self.recurrent(self.embedding(ids), state)


# %% mistake: bidirectional
# exercise: CharRNN
# fails: test_char_rnn_reads_each_row_from_left_to_right
# advice: A bidirectional layer reads from the right too, so that each prediction sees the character that it should guess.
class CharRNN(CharRNN):
    def __init__(self, vocabulary, embedding, hidden, cell="gru"):
        super().__init__(vocabulary, embedding, hidden, cell)
        layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.recurrent = layer(embedding, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, len(vocabulary))


# %% mistake: no-recurrence
# exercise: CharRNN
# fails: test_char_rnn_reads_each_row_from_left_to_right
# advice: Each step is run with a fresh state, so the model knows nothing but the current character. Give the layer the
#     whole (B, T, E) at once.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        steps = [super(CharRNN, self).forward(step, None) for step in ids.split(1, dim=1)]
        return torch.cat([logits for logits, _ in steps], dim=1), steps[-1][1]


# %% mistake: embedding-detached
# exercise: CharRNN
# fails: test_char_rnn_trains_all_its_parts
# advice: A part of the model is cut off from the graph: the embedding never learns.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        outputs, state = self.recurrent(self.embedding(ids).detach(), state)
        return self.head(outputs), state


# %% mistake: head-built-in-forward
# exercise: CharRNN
# fails: test_char_rnn_reads_each_row_from_left_to_right
# advice: The last layer is made anew in every call, with new random weights, and nobody trains it. Make layers in __init__.
class CharRNN(CharRNN):
    def __init__(self, vocabulary, embedding, hidden, cell="gru"):
        super().__init__(vocabulary, embedding, hidden, cell)
        self.head = None

    def forward(self, ids, state=None):
        outputs, state = self.recurrent(self.embedding(ids), state)
        return nn.Linear(outputs.shape[2], len(self.vocabulary), dtype=outputs.dtype)(outputs), state


# %% mistake: state-dropped
# exercise: CharRNN
# fails: test_char_rnn_goes_on_from_a_state
# advice: The state that the caller gives is ignored: each piece begins from zeros. Hand it to the recurrent layer.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        return super().forward(ids, None)


# %% mistake: state-not-returned
# exercise: CharRNN
# fails: test_char_rnn_goes_on_from_a_state
# advice: None comes back in place of the state, so nobody can go on from there. Return what the recurrent layer gives.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        return super().forward(ids, state)[0], None


# %% mistake: old-state-returned
# exercise: CharRNN
# fails: test_char_rnn_goes_on_from_a_state
# advice: The state that was given comes back, not the one after the last step.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        logits, new = super().forward(ids, state)
        return logits, new if state is None else state


# %% mistake: state-kept-inside
# exercise: CharRNN
# fails: test_char_rnn_reads_each_row_from_left_to_right
# advice: The model keeps the state itself, so a new text begins where the last one ended. The caller keeps it; None means
#     zeros.
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        logits, self.state = super().forward(ids, getattr(self, "state", None) if state is None else state)
        return logits, self.state


# %% mistake: cell-ignored
# exercise: CharRNN
# fails: test_char_rnn_builds_the_cell_that_is_asked_for
# advice: Whatever `cell` says, the layer is a GRU.
class CharRNN(CharRNN):
    def __init__(self, vocabulary, embedding, hidden, cell="gru"):
        super().__init__(vocabulary, embedding, hidden, "gru")


# %% mistake: vocabulary-not-kept
# exercise: CharRNN
# fails: test_char_rnn_builds_the_cell_that_is_asked_for
# advice: The model forgets its vocabulary, and whoever trains it or lets it write cannot encode text. Keep the string as
#     self.vocabulary.
class CharRNN(CharRNN):
    def __init__(self, vocabulary, embedding, hidden, cell="gru"):
        super().__init__(vocabulary, embedding, hidden, cell)
        del self.vocabulary


# %% mistake: vocabulary-sorted
# exercise: CharRNN
# fails: test_char_rnn_builds_the_cell_that_is_asked_for
# advice: The vocabulary is kept in another order than it was given, so numbers mean other characters. Keep it as it is.
class CharRNN(CharRNN):
    def __init__(self, vocabulary, embedding, hidden, cell="gru"):
        super().__init__("".join(sorted(vocabulary)), embedding, hidden, cell)


# %% mistake: state-not-detached
# exercise: train_char_rnn
# fails: test_train_char_rnn_returns_one_loss_for_each_update
# advice: The state still belongs to the batch before, and backward runs into that batch's graph, which is gone. Detach the
#     state before the next batch.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: graph-kept
# exercise: train_char_rnn
# fails: test_train_char_rnn_returns_one_loss_for_each_update
# advice: retain_graph=True hides the message but not the mistake: the graph grows from batch to batch, and the weights that
#     it needs have changed. Detach the state before the next batch.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: pair-not-detached
# exercise: train_char_rnn
# fails: test_train_char_rnn_returns_one_loss_for_each_update
# advice: An LSTM's state is a pair, and a tuple has no detach(). Detach each of its parts.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: losses-as-tensors
# exercise: train_char_rnn
# fails: test_train_char_rnn_returns_one_loss_for_each_update
# advice: The list holds tensors, each with its whole graph. Keep plain floats.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


# %% mistake: last-loss-alone
# exercise: train_char_rnn
# fails: test_train_char_rnn_returns_one_loss_for_each_update
# advice: Only the last loss comes back. Return a list with one for each update.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1]


# %% mistake: one-epoch-too-many
# exercise: train_char_rnn
# fails: test_train_char_rnn_returns_one_loss_for_each_update
# advice: `steps` counts updates, not passes over the text. Stop after that many batches.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32):
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: one-update-short
# exercise: train_char_rnn
# fails: test_train_char_rnn_returns_one_loss_for_each_update
# advice: One update is missing: count from 0 to steps - 1.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[: steps - 1]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: shift-0
# exercise: train_char_rnn
# fails: test_train_char_rnn_predicts_the_next_character
# advice: The targets are the inputs themselves. The loss becomes too good to be true: the network only has to repeat
#     what it reads. Use y, the characters one place on.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), x.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: shift-2
# exercise: train_char_rnn
# fails: test_train_char_rnn_predicts_the_next_character
# advice: The targets are two places after the inputs: shifted twice. char_batches has already moved y on by one.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in zip(char_batches(ids, 32, 32)[:steps], char_batches(ids[1:], 32, 32)):
        (x, _), (_, y) = x, y
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: backwards
# exercise: train_char_rnn
# fails: test_train_char_rnn_predicts_the_next_character
# advice: x and y are swapped: the network learns to name the character BEFORE the one that it reads.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for y, x in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: sum-of-losses
# exercise: train_char_rnn
# fails: test_train_char_rnn_predicts_the_next_character
# advice: The loss is summed over the characters of a batch, so that it grows with the batch. Take the mean.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: softmax-before-the-loss
# exercise: train_char_rnn
# fails: test_train_char_rnn_predicts_the_next_character
# advice: The logits go through a softmax before cross_entropy, which does its own.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.softmax(-1).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: no-update
# exercise: train_char_rnn
# fails: test_train_char_rnn_updates_step_by_step
# advice: No weight moves: gradients are computed, but the optimizer never takes its step.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
    return losses


# %% mistake: no-zeroing
# exercise: train_char_rnn
# fails: test_train_char_rnn_updates_step_by_step
# advice: Gradients of earlier batches are still there and are added up. Clear them before every backward.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses, state = [], None
    for x, y in char_batches(ids, 32, 32)[:steps]:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: shuffled-with-state
# exercise: train_char_rnn
# fails: test_train_char_rnn_updates_step_by_step
# advice: The batches come in random order, but the state is carried from one to the next: it belongs to text from
#     another place. Keep the order, or begin each batch with None.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    batches = char_batches(ids, 32, 32)
    order = torch.randperm(len(batches), generator=torch.Generator().manual_seed(seed))
    batches = [batches[i] for i in order[:steps].tolist()]
    losses, state = [], None
    for x, y in batches:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: seed-ignored
# exercise: train_char_rnn
# fails: test_train_char_rnn_repeats_itself_for_a_seed
# advice: Where the pieces begin is drawn from the global random numbers, and the seed is not used.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        places = torch.randint(len(ids) - 33, (32, 1)) + torch.arange(32)
        x, y = ids[places], ids[places + 1]
        logits, _ = model(x)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: one-batch-for-ever
# exercise: train_char_rnn
# fails: test_train_char_rnn_updates_step_by_step
# advice: Every update uses the first batch: the model learns a few lines by heart, with a loss that looks fine, and
#     nothing of the language. Walk along the text.
def train_char_rnn(model, text, steps, seed):
    ids = torch.tensor([model.vocabulary.index(character) for character in text])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x, y = char_batches(ids, 32, 32)[0]
    losses = []
    for _ in range(steps):
        logits, _ = model(x)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: prompt-missing
# exercise: sample_text
# fails: test_sample_text_begins_with_the_prompt
# advice: Only the new characters come back. The text begins with the prompt.
def sample_text(model, prompt, n, temperature, generator):
    text, state = "", None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: n-with-the-prompt
# exercise: sample_text
# fails: test_sample_text_begins_with_the_prompt
# advice: n counts the new characters, not the prompt's.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n - len(prompt)):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: list-of-characters
# exercise: sample_text
# fails: test_sample_text_begins_with_the_prompt
# advice: A list of characters comes back. Join it to one string.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return list(text)


# %% mistake: numbers
# exercise: sample_text
# fails: test_sample_text_begins_with_the_prompt
# advice: The text holds numbers of characters. Look each number up in the vocabulary.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += str(ids.item())
    return text


# %% mistake: prompt-not-fed
# exercise: sample_text
# fails: test_sample_text_feeds_everything_once
# advice: The model never reads the prompt, only its first character. Feed all of it before the first draw.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt[:1]]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: last-character-only
# exercise: sample_text
# fails: test_sample_text_feeds_everything_once
# advice: The model reads only the last character of the prompt. Feed all of it before the first draw.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt[-1:]]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: state-dropped
# exercise: sample_text
# fails: test_sample_text_feeds_everything_once
# advice: The state is not handed on: after the prompt the model knows one character only. Give each call the state of
#     the call before.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: prompt-fed-twice
# exercise: sample_text
# fails: test_sample_text_feeds_everything_once
# advice: The prompt is read once to get a state, then again from that state. Everything is fed once.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        state = model(ids)[1]
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: first-step
# exercise: sample_text
# fails: test_sample_text_feeds_everything_once
# advice: The scores are taken at the first step of what was fed. The last step predicts the next character.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, 0] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: same-input-again
# exercise: sample_text
# fails: test_sample_text_feeds_everything_once
# advice: Every call reads the prompt again, and the new characters are never fed.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            text += model.vocabulary[torch.multinomial(probabilities, 1, generator=generator).item()]
    return text


# %% mistake: sorted-vocabulary
# exercise: sample_text
# fails: test_sample_text_feeds_everything_once
# advice: Characters are numbered in alphabetical order. Their numbers are their places in model.vocabulary.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[sorted(model.vocabulary).index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: times-temperature
# exercise: sample_text
# fails: test_sample_text_draws_with_the_temperature
# advice: The logits are multiplied by the temperature: it works the wrong way round. Divide.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] * temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: temperature-ignored
# exercise: sample_text
# fails: test_sample_text_draws_with_the_temperature
# advice: The temperature has no influence. Divide the logits by it before the softmax.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1], dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: always-the-likeliest
# exercise: sample_text
# fails: test_sample_text_draws_with_the_temperature
# advice: The likeliest character is taken every time. Draw from the distribution.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = probabilities.argmax(-1, keepdim=True)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: sigmoid
# exercise: sample_text
# fails: test_sample_text_feeds_everything_once
# advice: multinomial is given powers of the probabilities' complements or the like: give it softmax(logits /
#     temperature).
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.sigmoid(logits[:, -1] / temperature)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: softmax-overflows
# exercise: sample_text
# fails: test_sample_text_draws_with_the_temperature
# advice: exp of large scores is infinite, and at low temperatures they are large. Use torch.softmax, which subtracts
#     the maximum.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.exp(logits[:, -1] / temperature)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: global-random-numbers
# exercise: sample_text
# fails: test_sample_text_uses_the_generator_alone
# advice: The draw comes from the global random numbers. Hand the generator to torch.multinomial.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: own-generator
# exercise: sample_text
# fails: test_sample_text_uses_the_generator_alone
# advice: You make a generator of your own, so that every call writes the same. Use the one that you are given.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1, generator=generator)
            text += model.vocabulary[ids.item()]
    return text


# %% mistake: generator-reseeds-all
# exercise: sample_text
# fails: test_sample_text_uses_the_generator_alone
# advice: torch.manual_seed changes everybody's random numbers. Draw from the given generator alone.
def sample_text(model, prompt, n, temperature, generator):
    text, state = prompt, None
    ids = torch.tensor([[model.vocabulary.index(character) for character in prompt]])
    torch.manual_seed(generator.initial_seed())
    with torch.no_grad():
        for _ in range(n):
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[:, -1] / temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1)
            text += model.vocabulary[ids.item()]
    return text
