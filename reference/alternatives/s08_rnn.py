# Other right solutions of section 8; grader.mistakes describes the format.


# %% alternative: linear
# exercise: rnn_cell
def rnn_cell(x, h, w_x, w_h, b):
    return (F.linear(x, w_x, b) + F.linear(h, w_h)).tanh()


# %% alternative: one-product
# exercise: rnn_cell
def rnn_cell(x, h, w_x, w_h, b):
    both = torch.cat([x, h], dim=1)  # (B, I + H)
    return torch.tanh(both @ torch.cat([w_x, w_h], dim=1).T + b)


# %% alternative: einsum-in-place
# exercise: rnn_cell
def rnn_cell(inputs, previous, input_weight, state_weight, bias):
    new = torch.einsum("bi,hi->bh", inputs, input_weight)
    new += torch.einsum("bj,hj->bh", previous, state_weight)
    new += bias
    return new.tanh_()


# %% alternative: slices
# exercise: LSTMCell
class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        for name, shape in {
            "weight_hh": (4 * hidden_size, hidden_size),
            "weight_ih": (4 * hidden_size, input_size),
            "bias_hh": (4 * hidden_size,),
            "bias_ih": (4 * hidden_size,),
        }.items():
            self.register_parameter(name, nn.Parameter(0.1 * torch.randn(shape)))

    def forward(self, x, hc):
        H = self.hidden_size
        a = x @ self.weight_ih.T + hc[0] @ self.weight_hh.T + (self.bias_ih + self.bias_hh)
        i, f, o = torch.sigmoid(a[:, :H]), torch.sigmoid(a[:, H : 2 * H]), torch.sigmoid(a[:, 3 * H :])
        g = torch.tanh(a[:, 2 * H : 3 * H])
        c = torch.addcmul(f * hc[1], i, g)
        return o * torch.tanh(c), c


# %% alternative: gate-by-gate
# exercise: LSTMCell
class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size, **options):
        super().__init__()
        self.weight_ih = nn.Parameter(nn.init.xavier_uniform_(torch.empty(4 * hidden_size, input_size)))
        self.weight_hh = nn.Parameter(nn.init.orthogonal_(torch.empty(4 * hidden_size, hidden_size)))
        self.bias_ih = nn.Parameter(torch.zeros(4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.zeros(4 * hidden_size))

    def gate(self, k, x, h):
        w, u = self.weight_ih.chunk(4)[k], self.weight_hh.chunk(4)[k]
        return torch.einsum("bi,hi->bh", x, w) + torch.einsum("bj,hj->bh", h, u) + sum(self.biases(k))

    def biases(self, k):
        return self.bias_ih.chunk(4)[k], self.bias_hh.chunk(4)[k]

    def forward(self, x, state=None):
        if state is None:
            zeros = x.new_zeros(len(x), self.weight_hh.shape[1])
            state = zeros, zeros
        h, c = state
        new = self.gate(0, x, h).sigmoid() * self.gate(2, x, h).tanh()
        c = self.gate(1, x, h).sigmoid() * c + new
        h = self.gate(3, x, h).sigmoid() * c.tanh()
        return [h, c]


# %% alternative: torchs-parameters
# exercise: LSTMCell
class LSTMCell(nn.LSTMCell):
    def forward(self, x, state):
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        gates = gates.unflatten(1, (4, -1))  # (B, 4, H)
        i, f, o = gates[:, [0, 1, 3]].sigmoid().unbind(1)
        c = f * c + i * gates[:, 2].tanh()
        return o * c.tanh(), c


# %% alternative: lerp
# exercise: GRUCell
class GRUCell(GRUCell):
    def forward(self, x, h):
        a = torch.addmm(self.bias_ih, x, self.weight_ih.T)  # (B, 3H)
        b = torch.addmm(self.bias_hh, h, self.weight_hh.T)
        H = h.shape[1]
        r, z = torch.sigmoid(a[:, : 2 * H] + b[:, : 2 * H]).split(H, dim=1)
        n = torch.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
        return torch.lerp(n, h, z)


# %% alternative: apart
# exercise: GRUCell
class GRUCell(nn.RNNCellBase):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size, bias=True, num_chunks=3)

    def forward(self, x, h=None):
        h = x.new_zeros(len(x), self.hidden_size) if h is None else h
        (wr, wz, wn), (ur, uz, un) = self.weight_ih.chunk(3), self.weight_hh.chunk(3)
        (br, bz, bn), (cr, cz, cn) = self.bias_ih.chunk(3), self.bias_hh.chunk(3)
        r = torch.sigmoid(x @ wr.T + h @ ur.T + br + cr)
        z = torch.sigmoid(x @ wz.T + h @ uz.T + bz + cz)
        n = torch.tanh(x @ wn.T + bn + r * (h @ un.T + cn))
        return n + z * (h - n)


# %% alternative: gather
# exercise: last_state
def last_state(outputs, lengths):
    forward, backward = outputs.chunk(2, dim=2)
    index = (lengths - 1)[:, None, None].expand(-1, 1, forward.shape[2])
    return torch.cat([forward.gather(1, index).squeeze(1), backward[:, 0]], dim=-1)


# %% alternative: loop
# exercise: last_state
def last_state(outputs, lengths):
    half = outputs.size(-1) // 2
    rows = [torch.cat([row[n - 1, :half], row[0, half:]]) for row, n in zip(outputs, lengths.tolist(), strict=True)]
    return torch.stack(rows)


# %% alternative: mask
# exercise: last_state
def last_state(outputs, lengths):
    B, T, D = outputs.shape
    last = torch.arange(T) == (lengths - 1)[:, None]  # (B, T), True at one step of each row
    first = torch.zeros_like(last)
    first[:, 0] = True
    mask = torch.stack([last, first], dim=-1).repeat_interleave(D // 2, dim=-1)  # (B, T, 2H)
    return outputs.masked_fill(~mask, 0).sum(1)


# %% alternative: classes-moved
# exercise: sequence_loss
def sequence_loss(logits, targets, pad):
    return nn.CrossEntropyLoss(ignore_index=pad)(logits.transpose(1, 2), targets)


# %% alternative: selected
# exercise: sequence_loss
def sequence_loss(logits, targets, pad):
    real = targets != pad
    return nn.functional.cross_entropy(logits[real], targets[real])


# %% alternative: masked-sum
# exercise: sequence_loss
def sequence_loss(logits, targets, pad):
    log_p = logits.log_softmax(dim=-1)
    each = -log_p.gather(2, targets.unsqueeze(2)).squeeze(2)
    mask = (targets != pad).to(logits.dtype)
    return (each * mask).sum() / mask.sum()


# %% alternative: longer-streams
# exercise: char_batches
def char_batches(ids, batch_size, steps):
    length = (len(ids) - 1) // batch_size  # what is left over is dropped from the end of every stream
    x = ids[: length * batch_size].reshape(batch_size, length)
    y = ids[1 : length * batch_size + 1].reshape(batch_size, length)
    pairs = []
    for k in range(length // steps):
        pairs.append((x[:, k * steps : (k + 1) * steps].clone(), y[:, k * steps : (k + 1) * steps].clone()))
    return pairs


# %% alternative: indices
# exercise: char_batches
def char_batches(ids, batch_size, steps):
    n = (len(ids) - 1) // (batch_size * steps)
    starts = torch.arange(batch_size)[:, None] * n * steps
    places = [starts + k * steps + torch.arange(steps) for k in range(n)]
    return [[ids[p], ids[p + 1]] for p in places]


# %% alternative: unfold
# exercise: char_batches
def char_batches(ids, batch_size, steps):
    windows = ids.unfold(0, steps + 1, steps) if len(ids) > steps else ids.new_empty(0, steps + 1)
    n = len(windows) // batch_size
    windows = windows[: n * batch_size].reshape(batch_size, n, steps + 1)
    return [(w[:, :-1], w[:, 1:]) for w in windows.unbind(1)]


# %% alternative: time-first-inside
# exercise: CharRNN
class CharRNN(nn.Module):
    def __init__(self, vocabulary, embedding, hidden, cell="gru"):
        super().__init__()
        self.vocabulary = vocabulary
        self.stoi = {c: i for i, c in enumerate(vocabulary)}
        self.drop = nn.Dropout(0.1)
        self.net = nn.ModuleDict(
            {"emb": nn.Embedding(len(vocabulary), embedding), "out": nn.Linear(hidden, len(vocabulary), bias=False)}
        )
        self.rnn = getattr(nn, "RNN" if cell == "rnn" else cell.upper())(embedding, hidden)

    def forward(self, ids, state=None):
        x = self.drop(self.net["emb"](ids.T))  # (T, B, E)
        out, state = self.rnn(x, state) if state is not None else self.rnn(x)
        return self.net["out"](out).transpose(0, 1), state


# %% alternative: cells-in-a-loop
# exercise: CharRNN
class CharRNN(nn.Module):
    def __init__(self, vocabulary, embedding, hidden, cell="gru"):
        super().__init__()
        self.vocabulary, self.hidden, self.kind = vocabulary, hidden, cell
        self.encode = nn.Embedding(len(vocabulary), embedding)
        self.cell = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}[cell](embedding, hidden)
        self.decode = nn.Linear(hidden, len(vocabulary))

    def forward(self, ids, state=None):
        if state is None:
            zeros = self.decode.weight.new_zeros(len(ids), self.hidden)
            state = (zeros, zeros) if self.kind == "lstm" else zeros
        outputs = []
        for x in self.encode(ids).unbind(1):
            state = self.cell(x, state)
            outputs.append(state[0] if self.kind == "lstm" else state)
        return self.decode(torch.stack(outputs, dim=1)), state


# %% alternative: log-probabilities
# exercise: CharRNN
class CharRNN(CharRNN):
    def forward(self, ids, state=None):
        logits, state = super().forward(ids, state)
        return F.log_softmax(logits, dim=-1), state


# %% alternative: random-windows
# exercise: train_char_rnn
def train_char_rnn(model, text, steps, seed):
    torch.manual_seed(seed)
    stoi = {c: i for i, c in enumerate(model.vocabulary)}
    data = torch.tensor([stoi[c] for c in text])
    opt = torch.optim.AdamW(model.parameters(), lr=3e-3)
    loss_fn = nn.CrossEntropyLoss()
    losses = []
    for _ in range(steps):
        start = torch.randint(len(data) - 41, (24,)).tolist()
        x = torch.stack([data[s : s + 40] for s in start])
        y = torch.stack([data[s + 1 : s + 41] for s in start])
        opt.zero_grad(set_to_none=False)
        out, _ = model(x)
        loss = loss_fn(out.transpose(1, 2), y)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


# %% alternative: streams-by-hand
# exercise: train_char_rnn
def train_char_rnn(model, text, steps, seed):
    torch.manual_seed(seed)
    model.train()
    ids = torch.tensor([model.vocabulary.index(c) for c in text])
    B, T = 16, 48
    length = (len(ids) - 1) // B
    x, y = ids[: B * length].view(B, length), ids[1 : B * length + 1].view(B, length)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    losses, state, at = [], None, 0
    for _ in range(steps):
        if at + T > length:
            state, at = None, 0
        if isinstance(state, tuple):
            state = tuple(part.data for part in state)
        elif state is not None:
            state = state.data
        logits, state = model(x[:, at : at + T], state)
        loss = F.nll_loss(logits.log_softmax(-1).reshape(B * T, -1), y[:, at : at + T].reshape(-1))
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.detach().item())
        at += T
    return losses


# %% alternative: reads-it-all-again
# exercise: sample_text
@torch.no_grad()
def sample_text(model, prompt, n, temperature, generator):
    model.eval()
    stoi = {c: i for i, c in enumerate(model.vocabulary)}
    ids = [stoi[c] for c in prompt]
    for _ in range(n):
        logits, _ = model(torch.tensor(ids).unsqueeze(0))
        p = F.softmax(logits[0, -1].div(temperature), dim=0)
        ids.append(torch.multinomial(p, num_samples=1, generator=generator).item())
    return "".join(model.vocabulary[i] for i in ids)


# %% alternative: gumbel
# exercise: sample_text
def sample_text(model, prompt, n, temperature, generator):
    out, state = list(prompt), None
    for c in prompt:
        scores, state = model(torch.tensor([[model.vocabulary.index(c)]]), state)
    for _ in range(n):
        u = torch.rand(len(model.vocabulary), generator=generator).clamp(min=1e-9)
        pick = int((scores[0, -1].detach() / temperature - torch.log(-torch.log(u))).argmax())
        out.append(model.vocabulary[pick])
        scores, state = model(torch.tensor([[pick]]), state)
    return "".join(out)


# %% alternative: inverse-of-the-distribution
# exercise: sample_text
def sample_text(model, prompt, n, temperature, generator):
    text = prompt
    with torch.inference_mode():
        logits, state = model(torch.tensor([[model.vocabulary.find(c) for c in prompt]]), None)
        while len(text) < len(prompt) + n:
            cumulative = (logits[0, -1] / temperature).softmax(0).cumsum(0)
            k = torch.searchsorted(cumulative, torch.rand(1, generator=generator)).clamp(max=len(cumulative) - 1)
            text += model.vocabulary[k]
            logits, state = model(k.view(1, 1), state)
    return text
