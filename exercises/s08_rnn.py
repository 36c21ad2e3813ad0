# %% [markdown]
# # Recurrent networks: memory, gates, and a model that writes
#
# A sentence has no fixed size, and what a character means depends on those before it. A **recurrent** network reads one
# step at a time and carries a **state**: a vector that sums up all it has read. The same weights serve every step, so
# that one small network reads texts of any length.
#
# You build the three cells that everybody uses (the plain RNN, the **LSTM** and the **GRU**) from their formulas, so
# exactly that they run with torch's own weights. Then you train a network on *Pride and Prejudice* to predict the next
# character, measure it against simple counting, and let it write.
#
# Shapes: B sequences in a batch, T steps, I inputs a step, H numbers in the state, V characters in the vocabulary.
# Everything is **batch first**, (B, T, ...); torch's layers need `batch_first=True` for that.
#
# Fill in the exercises below, then run `pytest checks/test_s08_rnn.py`.
#
# **To read:** [nn.RNN](https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html),
# [nn.LSTM](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html),
# [nn.GRU](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html), and the tutorial
# [classifying names with a character-level RNN](https://docs.pytorch.org/tutorials/intermediate/char_rnn_classification_tutorial.html).

# %%
import math
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# %% [markdown]
# ## One step of an RNN
#
# All the memory of a plain RNN is one formula, applied at every step to the input $x$ and to the state $h$ that the
# step before left behind:
#
# $$h' = \tanh(W_x\,x + W_h\,h + b)$$
#
#     x1        x2        x3
#      |         |         |
#     cell ---> cell ---> cell ---> h3, which has seen everything
#          h1        h2
#
# The tanh keeps every number of the state between -1 and 1, however long the text. With single numbers in place of
# matrices, and one pulse at the first step, you can watch such a memory fade:

# %%
state = 0.0
for pulse in (1.0, 0.0, 0.0, 0.0, 0.0, 0.0):
    state = math.tanh(1.5 * pulse + 0.8 * state)
    print(f"{state:.3f}", end="  ")
print()

# %% [markdown]
# A formula in a book multiplies one column vector: $W x$. A batch holds its vectors as *rows*, (B, I), and torch stores
# a weight as (outputs, inputs), here (H, I). Write the shapes down, and let them tell you what to transpose. Mind
# $W_h$: it is square, so that a forgotten transpose raises no error.
#
# **Hint 1.** What must happen to a weight of shape (H, I) so that a (B, I) batch times it is (B, H)?
#
# **Hint 2.** Both products go to (B, H), the bias broadcasts over the rows, and the tanh comes last, around the sum.


# %%
def rnn_cell(x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Tensor:
    """One step of a plain RNN: the state after reading x.

    x: (B, I) float. h: (B, H), the state before. w_x: (H, I). w_h: (H, H). b: (H,). Returns (B, H), in their dtype.
    See https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
    """
    # TODO: transform the input and the state, add them and the bias, and squash the sum.
    raise NotImplementedError


# %% [markdown]
# ## The LSTM: a memory with gates
#
# A plain RNN rewrites its whole state at every step; after twenty steps little is left of the first, and of its
# gradient as well. The **long short-term memory** (Hochreiter and Schmidhuber, 1997) has a second state, the **cell**
# $c$, that is changed only by gates: numbers between 0 and 1 that say how much passes.
#
# $$\begin{aligned}
# i &= \sigma(W_{ii} x + b_{ii} + W_{hi} h + b_{hi}) && \text{input gate: how much to write} \\
# f &= \sigma(W_{if} x + b_{if} + W_{hf} h + b_{hf}) && \text{forget gate: how much to keep} \\
# g &= \tanh(W_{ig} x + b_{ig} + W_{hg} h + b_{hg}) && \text{what to write} \\
# o &= \sigma(W_{io} x + b_{io} + W_{ho} h + b_{ho}) && \text{output gate: how much to show} \\
# c' &= f \odot c + i \odot g, \qquad h' = o \odot \tanh(c')
# \end{aligned}$$
#
# With gates set by hand, a cell can remember that a quotation is open, for as long as it lasts:

# %%
line = 'She said: "You must know," and left.'
write, keep, content, cell_state = [], [], [], 0.0
for position, character in enumerate(line):
    quote = character == '"'
    write.append(1.0 if quote and '"' not in line[:position] else 0.0)  # write only where the quotation opens
    keep.append(0.0 if quote else 1.0)  # forget at every quotation mark
    cell_state = keep[-1] * cell_state + write[-1] * 1.0
    content.append(cell_state)

figure, axes = plt.subplots(3, 1, figsize=(9, 3), sharex=True)
for axis, values, label in zip(axes, (write, keep, content), ("input gate", "forget gate", "cell"), strict=True):
    axis.bar(range(len(line)), values)
    axis.set_ylabel(label, rotation=0, ha="right", va="center")
    axis.set_yticks([0, 1])
axes[-1].set_xticks(range(len(line)), list(line))
plt.show()

# %% [markdown]
# A network learns its gates. For speed torch keeps the four weight matrices in one, stacked in the order **i, f, g, o**
# along the rows, and the four biases likewise; there are two biases, one for x and one for h, which is one more than
# needed. If you keep to the same names and the same order, torch's weights fit your cell:

# %%
for name, values in nn.LSTMCell(input_size=3, hidden_size=5).state_dict().items():
    print(f"{name:<10} {tuple(values.shape)}")

# %% [markdown]
# **Hint 1.** An `nn.Parameter` that is assigned to `self` appears in the state_dict under the attribute's name.
#
# **Hint 2.** Compute all four gates at once, (B, 4H), and cut the result into four along dimension 1 with `chunk`.
#
# **Hint 3.** First make the new c; the new h needs it. Return both, and leave the tensors that you were given alone.


# %%
class LSTMCell(nn.Module):
    """One step of a long short-term memory, with the parameters of torch's nn.LSTMCell; written without it.

    Parameters: weight_ih (4H, I), weight_hh (4H, H), bias_ih (4H,), bias_hh (4H,), with the rows of the gates in the
    order i, f, g, o; at first drawn between -1/sqrt(H) and 1/sqrt(H).
    See https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        # TODO: make the four parameters, by these names and with these shapes.
        raise NotImplementedError

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """x: (B, I). state: the pair (h, c), each (B, H). Returns the new pair (h, c)."""
        # TODO: the four gates from x and h, then the new cell, then the new h.
        raise NotImplementedError


# %% [markdown]
# ## The GRU: fewer gates, one state
#
# The **gated recurrent unit** (Cho and others, 2014) does without the second state. Its update gate $z$ blends the old
# state with a candidate $n$; its reset gate $r$ says how much of the old state the candidate may see:
#
# $$\begin{aligned}
# r &= \sigma(W_{ir} x + b_{ir} + W_{hr} h + b_{hr}) && \text{reset gate} \\
# z &= \sigma(W_{iz} x + b_{iz} + W_{hz} h + b_{hz}) && \text{update gate} \\
# n &= \tanh(W_{in} x + b_{in} + r \odot (W_{hn} h + b_{hn})) && \text{candidate} \\
# h' &= (1 - z) \odot n + z \odot h
# \end{aligned}$$
#
# The blend is a running average, and $z$ sets how long it remembers:

# %%
candidate = torch.tensor([0.0] * 5 + [1.0] * 15 + [0.0] * 20)
for z in (0.2, 0.7, 0.95):
    average, track = 0.0, []
    for value in candidate.tolist():
        average = (1 - z) * value + z * average
        track.append(average)
    plt.plot(track, label=f"z = {z}")
plt.plot(candidate, "k:", label="candidate")
plt.legend()
plt.xlabel("step")
plt.show()

# %% [markdown]
# Read the formulas closely. The rows of torch's weights stand in the order **r, z, n**. And $r$ multiplies the
# *product* $W_{hn} h + b_{hn}$, its bias included, not the state before the product as in the original paper: that lets
# one matrix multiplication serve all three. See the note in
# [nn.GRUCell](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html).
#
# **Hint 1.** The candidate needs the part from x and the part from h apart, so don't add the two before you cut them.
#
# **Hint 2.** Cut both (B, 3H) tensors into three. r and z add the two parts; in n the part from h is scaled by r first.


# %%
class GRUCell(nn.Module):
    """One step of a gated recurrent unit, with the parameters of torch's nn.GRUCell; written without it.

    Parameters: weight_ih (3H, I), weight_hh (3H, H), bias_ih (3H,), bias_hh (3H,), with the rows of the gates in the
    order r, z, n; at first drawn between -1/sqrt(H) and 1/sqrt(H).
    See https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        # TODO: make the four parameters, by these names and with these shapes.
        raise NotImplementedError

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x: (B, I). h: (B, H), the state before. Returns the new state (B, H)."""
        # TODO: both gates, the candidate, and the blend of the candidate with the old state.
        raise NotImplementedError


# %% [markdown]
# ## Where a padded sequence ends
#
# Sentences differ in length, and a batch is a rectangle: short ones are **padded** on the right. A *bidirectional*
# layer reads each sentence twice, from left to right and from right to left, and its output at every step holds both
# states side by side: `[forward (H), backward (H)]`. To sum a sentence up in one vector you want, of each direction,
# the state that has read all of it:
#
#     step        0     1     2     3     4
#     text        t     h     e    pad   pad      length 3
#     forward    f0 -> f1 -> f2    --    --       has read all at the last real step
#     backward   b0 <- b1 <- b2    --    --       has read all at step ...?
#
# torch's layers skip the pads if the batch is
# [packed](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html). Below, the
# forward half is column 0 and the backward half column 1; what stands in the pads after unpacking is nobody's state.

# %%
torch.manual_seed(0)
reader = nn.GRU(input_size=2, hidden_size=1, batch_first=True, bidirectional=True)
lengths = torch.tensor([3, 5])
packed = nn.utils.rnn.pack_padded_sequence(torch.randn(2, 5, 2), lengths, batch_first=True, enforce_sorted=False)
outputs, _ = nn.utils.rnn.pad_packed_sequence(reader(packed)[0], batch_first=True)
print(outputs.shape, outputs[0], sep="\n")

# %% [markdown]
# **Hint 1.** The two directions end at different steps. Cut the features into two halves first.
#
# **Hint 2.** To take another step of each row, index with two tensors: the row numbers and the steps, both (B,).


# %%
def last_state(outputs: Tensor, lengths: Tensor) -> Tensor:
    """The two states of a bidirectional RNN that have read a whole sequence, side by side.

    outputs: (B, T, 2H) float, padded on the right; features 0 to H - 1 are the forward direction, the others the
    backward one. lengths: (B,) int64, from 1 to T. Returns (B, 2H) in the dtype of outputs. What stands at the padded
    steps is never used.
    """
    # TODO: the forward half at each sequence's last real step, the backward half where that direction ends.
    raise NotImplementedError


# %% [markdown]
# ## The loss of a sequence
#
# A language model predicts at *every* step: scores (logits) for V characters at B x T places. Each place is a
# classification of its own, and cross-entropy is the mean of them all. torch wants the classes in dimension 1:

# %%
four_guesses = torch.zeros(4, 10)  # four places, ten classes, all equally likely
print(F.cross_entropy(four_guesses, torch.tensor([1, 2, 3, 4])), math.log(10))

# %% [markdown]
# (B, T, V) has the *time* in dimension 1, and that is an error only as long as T and V differ: with T = V torch takes
# steps for classes without a word. So make one long list of places first.
#
# Places that are padding are no predictions: they count neither in the sum nor in the number that it is divided by.
# See [cross_entropy](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).
#
# **Hint 1.** `flatten(0, 1)` joins the first two dimensions and leaves the rest.
#
# **Hint 2.** `F.cross_entropy` can leave a label out by itself; look for `ignore_index`.


# %%
def sequence_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    """The mean cross-entropy over all places whose target is not padding.

    logits: (B, T, V) float. targets: (B, T) int64, each a class or `pad`. pad: the class, 0 to V - 1, that marks
    padding. Returns a scalar tensor, shape (), in the dtype of the logits. At least one target is not padding.
    """
    # TODO: one row of scores for each place, and the mean over those that are not padding.
    raise NotImplementedError


# %% [markdown]
# ## Cutting a text into batches
#
# Now the novel. Its characters become numbers (their places in the vocabulary), and training wants batches of B short
# pieces. Cut the text into B long **streams** of neighbours, one for each row, and walk along all of them in parallel,
# T steps at a time. Then row b of a batch goes on exactly where row b of the batch before stopped, and the state may be
# carried over. With B = 2 and T = 3:
#
#     the text    a b c d e f g h i j k l m n
#
#     row 0       a b c | d e f                 x of the first batch | of the second
#     row 1       g h i | j k l
#
# The target of every character is the one that follows it, so y is x moved on by one place; in the first batch:
#
#     x   a b c        y   b c d
#         g h i            h i j
#
# The last character can only be a target. What is left over at the end is dropped. Lining numbers up in rows that hold
# neighbours is what `view` does:

# %%
print(torch.arange(12).view(2, 6), torch.arange(12).view(2, 6).split(3, dim=1)[1], sep="\n")

# %% [markdown]
# **Hint 1.** Make the inputs and the targets as two long pieces of `ids`, one beginning a place later, before you cut
# anything.
#
# **Hint 2.** With n batches, each stream is n T long: shape both pieces (B, n T).
#
# **Hint 3.** Then cut both along dimension 1 into n pieces, and pair them up with `zip`.


# %%
def char_batches(ids: Tensor, batch_size: int, steps: int) -> list[tuple[Tensor, Tensor]]:
    """Pairs (x, y) of inputs and targets, in which every row goes on where it stopped in the pair before.

    ids: (L,) int64, a text as numbers. batch_size: B. steps: T. Returns a list of (L - 1) // (B * T) pairs of tensors
    (B, T), int64: all of them full, what is left over is dropped. Each row is a piece of the text, and over the whole
    list a row is one unbroken piece; no two rows overlap. y holds, for every character of x, the one after it.
    """
    # TODO: B streams of inputs, B streams of targets one place later, both cut every T steps.
    raise NotImplementedError


# %% [markdown]
# ## A model of characters
#
# Three layers make a language model:
#
#     ids (B, T) --embedding--> (B, T, E) --recurrent layer--> (B, T, H) --linear--> logits (B, T, V)
#                                            state in | state out
#
# `nn.RNN`, `nn.GRU` and `nn.LSTM` are loops over the cells that you wrote, and faster. They return the outputs of every
# step *and* the last state, and take a state (or None, for zeros) to begin with:

# %%
print("gru ", nn.GRU(4, 5, batch_first=True)(torch.zeros(2, 3, 4))[1].shape)
h, c = nn.LSTM(4, 5, batch_first=True)(torch.zeros(2, 3, 4))[1]
print("lstm", h.shape, c.shape)

# %% [markdown]
# Without `batch_first=True` they take (B, T, E) for (T, B, E): no error, and the state flows from one *sentence* into
# the next. Return logits, not probabilities: the loss does its own softmax.
#
# **Hint 1.** A dictionary from "rnn", "gru" and "lstm" to torch's three classes saves an if.
#
# **Hint 2.** Hand the state that you were given to the recurrent layer, and return the one that it gives back, whatever
# its form.


# %%
class CharRNN(nn.Module):
    """Predicts the next character: embedding, one recurrent layer, linear.

    vocabulary: a string of V different characters; character i has the number i. It is kept as `self.vocabulary`.
    embedding, hidden: how many numbers an embedded character, and the recurrent layer's state, have.
    cell: "rnn", "gru" or "lstm".
    """

    def __init__(self, vocabulary: str, embedding: int, hidden: int, cell: str = "gru") -> None:
        super().__init__()
        # TODO: keep the vocabulary, and make the three layers.
        raise NotImplementedError

    def forward(
        self, ids: Tensor, state: Tensor | tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor | tuple[Tensor, Tensor]]:
        """ids: (B, T) int64. state: None at the start of a text, else what an earlier call returned.

        Returns (logits, state): logits (B, T, V), at every step for the character after it; and the state after the
        last step (torch's own: a tensor, or for an LSTM a pair), so that the next call can go on from there.
        """
        # TODO: embed, run the recurrent layer from `state`, and score every step.
        raise NotImplementedError


# %% [markdown]
# ## Training on the novel
#
# First the bar to clear. A language model is measured by its cross-entropy on text that it never saw: nats per
# character, lower is better; guessing among V characters costs $\ln V$. Two models need nothing but counting: the
# **unigram** model knows how often each character comes, the **bigram** model how often it comes after the one before.

# %%
DATA = next(path for path in (Path("data"), Path("exercises/data"), Path("../exercises/data")) if path.is_dir())
novel = (DATA / "text" / "pride_and_prejudice_1-12.txt").read_text()
novel = " ".join(novel.lower().split())  # one case, one kind of space: fewer symbols, faster learning
vocabulary = "".join(sorted(set(novel)))
cut = len(novel) * 9 // 10
train_text, test_text = novel[:cut], novel[cut:]

train_ids = torch.tensor([vocabulary.index(character) for character in train_text])
test_ids = torch.tensor([vocabulary.index(character) for character in test_text])
V = len(vocabulary)
unigram = torch.bincount(train_ids, minlength=V) + 1.0  # one more of each, so that nothing is impossible
unigram /= unigram.sum()
pairs = torch.bincount(V * train_ids[:-1] + train_ids[1:], minlength=V * V).view(V, V)
bigram = (pairs + 5 * unigram) / (pairs.sum(1, keepdim=True) + 5)  # five imagined characters for what was never seen
UNIGRAM = -unigram[test_ids].log().mean().item()
BIGRAM = -bigram[test_ids[:-1], test_ids[1:]].log().mean().item()
print(f"{V} characters; guessing {math.log(V):.2f}, unigram {UNIGRAM:.2f}, bigram {BIGRAM:.2f} nats per character")

# %% [markdown]
# A text of 90,000 characters can't be one backward pass. **Truncated backpropagation through time** takes a few steps,
# computes gradients within them, updates, and goes on from the state it reached. That state must be cut off from the
# graph that made it. This is what `detach` does: the numbers stay, the history goes.

# %%
weight = torch.tensor(2.0, requires_grad=True)
reached = 3 * weight
print(reached, reached.detach())

# %% [markdown]
# Without it the second backward pass would run through the first batch again, whose graph is gone, and raise an error.
#
# A recipe that works well here: `char_batches` with B = 32 and T = 32, Adam with a learning rate of 1e-2, gradients
# clipped to norm 1 (in long chains they can explode). A few hundred steps are several passes over the text. A new pass
# begins with a new state, and better not at the very same cuts: drop a random number of characters at its start, drawn
# from the seed. And be wary of a loss that is **too good**. Nobody knows English so well that a character costs
# 0.1 nats; if yours falls like that, the network has been shown the answer, and you have set it to repeat x.
#
# **Hint 1.** A dictionary from character to number is built in one line with `enumerate(model.vocabulary)`.
#
# **Hint 2.** Two loops: over the passes until there are `steps` losses, and over the batches of a pass. The state
# starts as None in each pass.
#
# **Hint 3.** The state of an LSTM is a pair: detach both. `isinstance(state, tuple)` tells.
#
# **Hint 4.** A batch is a training step like any other: loss, zero_grad, backward, clip, step. Keep the loss as a
# float.


# %%
def train_char_rnn(model: nn.Module, text: str, steps: int, seed: int) -> list[float]:
    """Train a model of characters on a text, in place.

    model: `model(ids, state)` returns (logits, state) as in CharRNN, and `model.vocabulary` is the string of its
    characters; any such module will do. text: some ten thousand characters, all in the vocabulary. steps: how many
    updates to make. seed: whatever is drawn at random is drawn from it: same model, same seed, same losses.

    Returns one float for every update: the mean cross-entropy of its batch in nats per character, taken before it.
    The gradient of a batch does not flow into the batch before.
    """
    # TODO: encode the text, then pass over it in batches, carrying the state, until `steps` updates are made.
    raise NotImplementedError


# %% [markdown]
# The three cells, against counting (this takes some seconds):

# %%
models = {}
for cell in ("rnn", "lstm", "gru"):
    torch.manual_seed(0)
    models[cell] = CharRNN(vocabulary, 32, 64, cell)
    losses = train_char_rnn(models[cell], train_text, 250, seed=0)
    with torch.no_grad():
        logits, _ = models[cell](test_ids[None, :-1])
        held_out = F.cross_entropy(logits[0], test_ids[1:]).item()
    print(f"{cell}: {held_out:.2f} nats per character on text it never saw")
    plt.plot(losses, label=f"{cell} (held-out {held_out:.2f})")
plt.axhline(UNIGRAM, color="k", linestyle=":", label="unigram, held-out")
plt.axhline(BIGRAM, color="k", linestyle="--", label="bigram, held-out")
plt.xlabel("step")
plt.ylabel("training loss, nats per character")
plt.legend()
plt.show()

# %% [markdown]
# Look inside while it reads a sentence from the held-out part. Above, how surprised it was by each character
# ($-\ln p$): beginnings of words are hard, their ends easy. Below, its state; some units flicker with every letter,
# others hold on for words.

# %%
sentence = test_text[test_text.index('"much more rational') :][:72]
states, surprise, state = [], [0.0], None
with torch.no_grad():
    for character, following in zip(sentence, [*sentence[1:], None], strict=True):
        logits, state = models["gru"](torch.tensor([[vocabulary.index(character)]]), state)
        states.append(state.flatten())
        if following is not None:
            surprise.append(-torch.log_softmax(logits[0, 0], 0)[vocabulary.index(following)].item())
history = torch.stack(states, dim=1)  # (H, T)
slow_first = (history[:, 1:] - history[:, :-1]).abs().mean(1).argsort()

figure, axes = plt.subplots(2, 1, figsize=(12, 6), sharex=True, height_ratios=[1, 2])
axes[0].bar(range(len(sentence)), surprise)
axes[0].set_ylabel("surprise (nats)")
axes[1].imshow(history[slow_first].numpy(), aspect="auto", cmap="RdBu", vmin=-1, vmax=1)
axes[1].set_ylabel("units, slow ones on top")
axes[1].set_xticks(range(len(sentence)), list(sentence))
plt.show()

# %% [markdown]
# ## Letting it write
#
# To write, feed the prompt, draw a character from the predicted distribution, feed that, and so on. The **temperature**
# $\tau$ scales the logits first, $\operatorname{softmax}(\text{logits} / \tau)$. Below 1 the likely becomes likelier
# (safe, soon dull), above 1 everything comes closer together (bold, soon nonsense):

# %%
scores = torch.tensor([2.0, 1.0, 0.0])
for temperature in (0.3, 1.0, 3.0):
    print(temperature, (scores / temperature).softmax(0))
dice = torch.Generator().manual_seed(7)
print(torch.multinomial(torch.tensor([0.7, 0.2, 0.1]), 10, replacement=True, generator=dice))

# %% [markdown]
# The draw comes from the `generator` that the caller gives, so that the same generator writes the same text and nobody
# else's random numbers move. See [torch.multinomial](https://docs.pytorch.org/docs/stable/generated/torch.multinomial.html).
#
# **Hint 1.** The first call reads the whole prompt, as a (1, P) tensor; its *last* step predicts the first new
# character.
#
# **Hint 2.** Every later call reads one new character, (1, 1), and the state of the call before.
#
# **Hint 3.** No gradients are needed: `torch.no_grad()`.


# %%
def sample_text(model: nn.Module, prompt: str, n: int, temperature: float, generator: torch.Generator) -> str:
    """The prompt and n more characters, drawn one after the other from the model.

    model: `model(ids, state)` returns (logits, state) as in CharRNN, and `model.vocabulary` is the string of its
    characters; any such module will do. prompt: at least one character, all in the vocabulary. temperature: above 0,
    divides the logits. generator: the only source of randomness.
    """
    # TODO: read the prompt, then draw, append and read one character at a time.
    raise NotImplementedError


# %% [markdown]
# A few seconds of training have taught it spelling, spaces and quotation marks, from nothing but the next character.
# Try more steps, a wider state, your own prompt, and text of your own.

# %%
for temperature in (0.3, 0.7, 1.2):
    sampled = sample_text(models["gru"], "mr. darcy ", 150, temperature, torch.Generator().manual_seed(1))
    print(f"temperature {temperature}: {sampled}\n")
