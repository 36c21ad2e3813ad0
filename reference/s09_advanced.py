# %% [markdown]
# # Advanced architectures: attention, Transformer, VAE, GAN, transfer learning
#
# Four ideas stand behind most of what you read about today. **Attention** lets every position of a sequence look at
# every other, and stacked with small networks it is the *Transformer*. A **variational autoencoder** learns to draw by
# squeezing images through a few random numbers. A **generative adversarial network** learns to draw by fooling a second
# network. **Transfer learning** starts from somebody else's training, so that fifty images of your own are enough.
# You build each of them, small enough to train in seconds, and whole.
#
# Fill in every exercise below, then run `pytest checks/test_s09_advanced.py`.
#
# **To read:** [Transformer building blocks](https://docs.pytorch.org/tutorials/intermediate/transformer_building_blocks.html)
# (PyTorch's Transformer tutorial),
# [scaled_dot_product_attention](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html),
# [DCGAN tutorial](https://docs.pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html),
# [transfer learning tutorial](https://docs.pytorch.org/tutorials/beginner/transfer_learning_tutorial.html),
# [models of torchvision](https://docs.pytorch.org/vision/stable/models.html).

# %%
import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

# The data of the kit, whether you start Python in the kit's folder, in exercises/ or beside it.
places = ("exercises/data", "data", "../exercises/data")
DATA = next((Path(place) for place in places if Path(place).is_dir()), Path("exercises/data"))

# %% [markdown]
# ## Causal attention
#
# Every position t asks a question, its *query* $q_t$. Every position s offers a *key* $k_s$ and a *value* $v_s$. The
# dot product of query and key says how well they match; a softmax over the keys turns the matches into weights; the
# answer is the weighted mean of the values:
#
# $$\text{out}_t = \sum_{s \le t} w_{ts} v_s, \qquad
# w_{t\cdot} = \operatorname{softmax}_s\!\left(\frac{q_t \cdot k_s}{\sqrt D}\right)$$
#
# *Causal* means $s \le t$: a model that predicts the next token must not see it. So the (T, T) matrix of weights is
# lower triangular, each row a set of probabilities:
#
# ```
#            key 0  key 1  key 2
#  query 0 [  1      0      0   ]
#  query 1 [  .6     .4     0   ]
#  query 2 [  .2     .5     .3  ]
# ```
#
# Why $\sqrt D$? A dot product of D random terms has a standard deviation of $\sqrt D$, and a softmax over large scores
# puts everything on one key, where no gradient is left:

# %%
torch.manual_seed(0)
for size in (4, 64, 1024):
    scores = (torch.randn(1000, size) * torch.randn(1000, size)).sum(dim=1)
    print(
        f"D = {size:4}: the scores spread by {scores.std():.1f}, divided by the root by {scores.std() / size**0.5:.2f}"
    )

# %% [markdown]
# A future position must get the weight 0 *exactly*, and the other weights must still add up to 1. So the mask belongs
# before the softmax: which score becomes the weight 0?
#
# **Hint 1.** `q @ k.transpose(-2, -1)` is a (B, T, T) matrix of scores, one row for each query.
#
# **Hint 2.** `torch.ones(T, T).tril()` is 1 where a query may look. `masked_fill` wants the places where it may not.
#
# **Hint 3.** The exponential of minus infinity is 0. The weights of one query, a row, add up to 1: which `dim` is that?


# %%
def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention in which position t sees the positions 0 to t, itself included.

    q, k, v: (B, T, D) float. Returns (B, T, D) in their dtype. The scores are divided by the root of D.
    See "Attention Is All You Need", https://arxiv.org/abs/1706.03762, section 3.2.1.
    """
    # TODO: scores, scale, mask, softmax over the keys, weighted sum of the values.
    # BEGIN SOLUTION
    t = q.shape[1]
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[2])  # (B, T, T): a row for each query
    allowed = torch.ones(t, t, dtype=torch.bool, device=q.device).tril()
    weights = scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)
    return weights @ v  # (B, T, T) @ (B, T, D) -> (B, T, D)
    # END SOLUTION


# %% [markdown]
# With the identity matrix for values, the output *is* the matrix of weights: an attention map. The checks look at yours
# in the same way. Left: random queries and keys. Right: queries equal to keys, so that each position finds itself.

# %%
torch.manual_seed(1)
random_q, random_k, identity = torch.randn(1, 12, 12), torch.randn(1, 12, 12), torch.eye(12)[None]
figure, axes = plt.subplots(1, 2, figsize=(7, 3))
axes[0].imshow(causal_attention(random_q, random_k, identity)[0].numpy())
axes[1].imshow(causal_attention(2 * random_q, 2 * random_q, identity)[0].numpy())
for axis, title in zip(axes, ("random", "queries = keys"), strict=True):
    axis.set(title=title, xlabel="key", ylabel="query")
plt.show()

# %% [markdown]
# ## Multi-head attention
#
# One set of weights can follow one kind of relation. *Multi-head* attention runs several side by side: the D features
# are projected to queries, keys and values, cut into H heads of D / H features each, every head attends on its own, and
# the results are joined and projected once more:
#
# ```
#  (B, T, D) --project--> (B, T, D) --cut--> (B, H, T, D/H) --attend--> (B, H, T, D/H) --join--> (B, T, D) --project-->
# ```
#
# The cut is where most bugs are. Here is one sequence of three positions with four features; position 0 holds 0, 1, 2,
# 3. Both results have the right shape for two heads. In which one does head 0 hold two features of *each position*?

# %%
positions = torch.arange(12).view(1, 3, 4)
print(positions.view(1, 2, 3, 2)[0, 0].tolist(), positions.unflatten(-1, (2, 2)).movedim(2, 1)[0, 0].tolist())

# %% [markdown]
# Yours shall be able to take over the weights of
# [nn.MultiheadAttention](https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html). These are
# its parameters; the first one holds the three projections above each other, query first:

# %%
for name, parameter in nn.MultiheadAttention(4, 2).named_parameters():
    print(name, tuple(parameter.shape))

# %% [markdown]
# **Hint 1.** `nn.Parameter(torch.empty(3 * dim, dim))` and `nn.Linear` give exactly these names if you call them so;
# `nn.init.xavier_uniform_` fills the first, zeros the second.
#
# **Hint 2.** `in_proj_weight.chunk(3)` gives the three matrices, and `F.linear(x, weight, bias)` applies one.
#
# **Hint 3.** To cut: `view` to (B, T, heads, features), then swap two dimensions. To join: the same way back.
#
# **Hint 4.** Each head has D / H features. What is the scale of its scores?


# %%
class MultiHeadAttention(nn.Module):
    """Attention in several heads, with the parameters of nn.MultiheadAttention, whose state_dict it loads.

    dim: features; heads: must divide dim, otherwise ValueError.
    Parameters: in_proj_weight (3 dim, dim), in_proj_bias (3 dim,), and a Linear(dim, dim) called out_proj.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        # TODO: refuse a number of heads that does not divide dim; make the parameters.
        # BEGIN SOLUTION
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide {dim} features")
        self.heads = heads
        self.in_proj_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * dim, dim)))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        # END SOLUTION

    def forward(
        self, query: Tensor, key: Tensor | None = None, value: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """query: (B, T, D); key, value: (B, S, D), by default the query itself, and the value is by default the key.

        mask: None, or a (T, S) bool tensor, True where a query may look at a key, as in F.scaled_dot_product_attention.
        Returns (B, T, D), the tensor alone.
        """
        # TODO: project, cut into heads, attend (scale, mask, softmax), join the heads, project.
        # BEGIN SOLUTION
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (  # each (B, heads, T or S, D / heads)
            F.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, heads, T, S)
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        heads = scores.softmax(dim=-1) @ v  # (B, heads, T, D / heads)
        return self.out_proj(heads.transpose(1, 2).flatten(2))  # (B, T, heads, D / heads) -> (B, T, D)
        # END SOLUTION


# %% [markdown]
# Queries may come from one sequence, keys and values from another: *cross-attention*, how a decoder reads what the
# encoder wrote. Without key and value, the sequence attends to itself.

# %%
cross = MultiHeadAttention(8, 2)
print(cross(torch.randn(1, 3, 8)).shape, cross(torch.randn(1, 3, 8), torch.randn(1, 5, 8)).shape)

# %% [markdown]
# ## Sinusoidal positions
#
# Attention is a weighted mean, and a mean knows no order: shuffle the keys and their values, and the answer is the
# same. So the position must be written into the features. The original Transformer adds a pattern of waves to each
# token:
#
# $$P_{t,\,2i} = \sin\frac{t}{10000^{2i/D}}, \qquad P_{t,\,2i+1} = \cos\frac{t}{10000^{2i/D}}$$
#
# It is a clock with many hands. The first pair of features turns fast, and each next pair more slowly; one look at all
# hands tells the time. Even columns hold sines, odd columns the cosines of the *same* hand. Here are three hands, for
# ten ticks each:

# %%
for rate in (1.0, 0.1, 0.01):
    print(f"{rate:5}", [f"{math.sin(rate * tick):5.2f}" for tick in range(10)])

# %% [markdown]
# **Hint 1.** There are dim / 2 hands. `torch.arange(0, dim, 2)` holds the 2i of the formula.
#
# **Hint 2.** A column of times (T, 1) against a row of rates (D/2,) broadcasts to all angles.
#
# **Hint 3.** `positions[:, 0::2]` is every second column, and can be assigned to.


# %%
def sinusoidal_positions(length: int, dim: int) -> Tensor:
    """The sine and cosine positions of "Attention Is All You Need", section 3.5.

    dim is even. Returns (length, dim) float32: row t belongs to position t, from 0; even columns are sines, odd columns
    cosines, interleaved.
    """
    # TODO: make the angles (length, dim / 2); their sines go to the even columns, their cosines to the odd ones.
    # BEGIN SOLUTION
    rates = 10_000 ** (-torch.arange(0, dim, 2) / dim)  # (D / 2,)
    angles = torch.arange(length)[:, None] * rates  # (T, D / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # (T, D / 2, 2) -> (T, D)
    # END SOLUTION


# %% [markdown]
# Left, the pattern. Right, how similar two positions are (their dot product): near ones more than far ones, whatever
# their absolute place. That is what attention can use.

# %%
pattern = sinusoidal_positions(64, 32)
figure, axes = plt.subplots(1, 2, figsize=(8, 3))
axes[0].imshow(pattern.numpy(), aspect="auto", cmap="RdBu")
axes[0].set(xlabel="feature", ylabel="position")
axes[1].imshow((pattern @ pattern.T).numpy())
axes[1].set(xlabel="position", ylabel="position")
plt.show()

# %% [markdown]
# ## Transformer block
#
# A block is two steps, and each *adds* to what is there:
#
# $$y = x + \text{attention}(\text{norm}_1(x)), \qquad z = y + \text{mlp}(\text{norm}_2(y))$$
#
# Attention carries information between positions; the small network (D to `hidden`, a nonlinearity, back to D) works on
# each position alone. The norm stands *before* each step (*pre-norm*), inside the branch, so that a straight road leads
# from the input to the output, and gradients through a hundred blocks arrive. The original paper normalised after the
# addition (*post-norm*), which is harder to train. [nn.LayerNorm](https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html)
# gives every position mean 0 and standard deviation 1, whatever its scale was:

# %%
token = torch.tensor([[1.0, 2.0, 4.0, 5.0]])
print(nn.LayerNorm(4)(token), nn.LayerNorm(4)(1000 * token))

# %% [markdown]
# **Hint 1.** You need two LayerNorms (not one used twice), your MultiHeadAttention, and an `nn.Sequential` for the MLP.
#
# **Hint 2.** The mask of a causal block is the same lower triangle as before, (T, T) and bool.
#
# **Hint 3.** An `nn.Dropout` module follows `train()` and `eval()` by itself; put one at the end of each branch.


# %%
class TransformerBlock(nn.Module):
    """A pre-norm, causal Transformer block: attention, then a two-layer network, each added to its input.

    dim: features; heads: of the attention; hidden: width of the network between; dropout: its probability, on what each
    branch adds, in training only. (B, T, dim) -> (B, T, dim).
    """

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        # TODO: two norms, attention, the network, dropout.
        # BEGIN SOLUTION
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.dropout = nn.Dropout(dropout)
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # TODO: two branches, each from the normalised x and added to x; position t must not see what comes after t.
        # BEGIN SOLUTION
        t = x.shape[1]
        allowed = torch.ones(t, t, dtype=torch.bool, device=x.device).tril()
        x = x + self.dropout(self.attention(self.norm1(x), mask=allowed))
        return x + self.dropout(self.mlp(self.norm2(x)))
        # END SOLUTION


# %% [markdown]
# ## TinyGPT
#
# A language model of the GPT kind is now only assembly: look up a vector for each token, add a vector for its position,
# pass it through some blocks, normalise, and ask for a score for each token of the vocabulary at each position.
#
# ```
#  ids (B, T) -> token vectors + position vectors (B, T, D) -> blocks -> LayerNorm -> Linear -> logits (B, T, V)
# ```
#
# [nn.Embedding](https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html) is the table for the look-up:
# its row i is the (trained) vector of token i.

# %%
table = nn.Embedding(5, 3)
print(table(torch.tensor([[4, 0, 4]])))

# %% [markdown]
# Positions can be trained too, in a second table with `context` rows, as GPT-2 does, or be your sinusoidal ones. Either
# way the model was never shown more than `context` positions: it must refuse a longer input, not answer nonsense.
#
# **Hint 1.** An `nn.ModuleList` or `nn.Sequential` holds the blocks, so that their parameters are found.
#
# **Hint 2.** `torch.arange(T)` looks up the positions of a sequence; (T, D) broadcasts over the batch.
#
# **Hint 3.** The last LayerNorm is needed because pre-norm blocks leave their sum unnormalised.


# %%
class TinyGPT(nn.Module):
    """A small GPT: (B, T) int64 token ids to (B, T, vocabulary) logits for the token after each position.

    vocabulary: how many tokens there are; dim, heads, layers: of the blocks (hidden width 4 dim, no dropout); context:
    the most positions it takes. A longer input raises ValueError. Position t sees the ids 0 to t only.
    """

    def __init__(self, vocabulary: int, dim: int, heads: int, layers: int, context: int) -> None:
        super().__init__()
        # TODO: tables for tokens and positions, the blocks, the last norm, the head.
        # BEGIN SOLUTION
        self.context = context
        self.tokens, self.positions = nn.Embedding(vocabulary, dim), nn.Embedding(context, dim)
        self.blocks = nn.Sequential(*(TransformerBlock(dim, heads, 4 * dim) for _ in range(layers)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocabulary)
        # END SOLUTION

    def forward(self, ids: Tensor) -> Tensor:
        # TODO: refuse what is too long; tokens plus positions, blocks, norm, head.
        # BEGIN SOLUTION
        t = ids.shape[1]
        if t > self.context:
            raise ValueError(f"{t} tokens are more than the context of {self.context}")
        x = self.tokens(ids) + self.positions(torch.arange(t, device=ids.device))  # (B, T, D) + (T, D)
        return self.head(self.norm(self.blocks(x)))
        # END SOLUTION


# %% [markdown]
# A task that needs attention and positions: eight letters, an equals sign, and then the letters in reverse. A
# model that only counts letters gets one in ten right. After a few seconds of training, yours writes whole answers, one
# letter after the other, each fed back as input.

# %%
LETTERS, SEPARATOR = "abcdefghij", 10


def reversal(n: int) -> Tensor:
    """n rows of eight letters, the separator, and the letters in reverse: (n, 17)."""
    letters = torch.randint(0, len(LETTERS), (n, 8))
    return torch.cat([letters, torch.full((n, 1), SEPARATOR), letters.flip(1)], dim=1)


torch.manual_seed(0)
gpt = TinyGPT(vocabulary=11, dim=32, heads=4, layers=1, context=16)
adam, losses = torch.optim.Adam(gpt.parameters(), lr=3e-3), []
for _ in range(300):
    rows = reversal(64)
    answers = gpt(rows[:, :-1])[:, 8:]  # what it says from the separator on: (64, 8, 11)
    loss = F.cross_entropy(answers.flatten(0, 1), rows[:, 9:].flatten())
    adam.zero_grad()
    loss.backward()
    adam.step()
    losses.append(loss.item())
written = reversal(3)[:, :9]
for _ in range(8):
    written = torch.cat([written, gpt(written)[:, -1:].argmax(dim=-1)], dim=1)
for row in written.tolist():
    print("".join((LETTERS + "=")[i] for i in row))
plt.plot(losses)
plt.xlabel("step")
plt.ylabel("cross-entropy")
plt.show()

# %% [markdown]
# ## Reparameterisation
#
# A *variational autoencoder* (VAE) is a pair of networks. The encoder turns an image into a small Gaussian cloud, a
# mean $\mu$ and a variance $\sigma^2$ for each of a few *latent* numbers; the decoder turns a point z of the cloud back
# into the image. Because clouds of similar images overlap, points between them decode to images as well: one can draw
# new ones.
#
# But how does a gradient get through "draw z at random"? It does not:

# %%
cloud = torch.distributions.Normal(torch.zeros(3, requires_grad=True), torch.ones(3))
print(cloud.sample().requires_grad)

# %% [markdown]
# The trick: draw $\varepsilon$ from a *fixed* standard normal, and move it: $z = \mu + \sigma\varepsilon$. Now z is an
# ordinary function of $\mu$ and $\sigma$, with noise as a constant. The encoder gives the *logarithm of the variance*,
# which may be any real number: from $\log\sigma^2$ to $\sigma$ is one short formula, which you should derive first.
#
# **Hint 1.** $\log\sigma^2 = 2\log\sigma$.
#
# **Hint 2.** `torch.randn` takes a size, `generator=`, `dtype=` and `device=`; `generator=None` is the global one.


# %%
def reparameterize(mu: Tensor, logvar: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A sample of the normal distributions with mean mu and log-variance logvar, differentiable in both.

    mu, logvar: the same shape, float. generator: where the noise comes from; the global one if None, which otherwise
    stays untouched. Returns their shape and dtype.
    """
    # TODO: the standard deviation from logvar; standard normal noise; scale and shift it.
    # BEGIN SOLUTION
    noise = torch.randn(mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)
    return mu + torch.exp(0.5 * logvar) * noise
    # END SOLUTION


# %% [markdown]
# ## The price of a cloud
#
# Left alone, the encoder would make every cloud a single point, far from all others, and the space between would mean
# nothing. So each cloud pays for its distance from the standard normal, the Kullback-Leibler divergence, which for
# Gaussians has a closed form:
#
# $$\text{KL}_n = \tfrac12\sum_j \left(\mu_{nj}^2 + \sigma_{nj}^2 - 1 - \log\sigma_{nj}^2\right)$$
#
# Each bracket is 0 for $\mu = 0, \sigma = 1$, and positive otherwise:

# %%
for sigma in (0.1, 0.5, 1.0, 2.0):
    print(f"sigma = {sigma}: {sigma**2 - 1 - math.log(sigma**2):.3f}")

# %% [markdown]
# **Hint 1.** The formula speaks of $\sigma^2$ and $\log\sigma^2$; you are given the second.
#
# **Hint 2.** Latents are summed, samples are not: one number for each row.


# %%
def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each row's normal distribution from the standard normal.

    mu, logvar: (B, Z) float. Returns (B,): summed over the latents. See https://arxiv.org/abs/1312.6114, appendix B.
    """
    # TODO: the formula above, summed over the latents.
    # BEGIN SOLUTION
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1)
    # END SOLUTION


# %% [markdown]
# ## The loss of a VAE
#
# How badly the image came back, plus the price of the cloud. The decoder gives a *logit* for each pixel; with pixels
# between 0 and 1, the natural distance is the binary cross-entropy. Both parts are **summed** over one image's pixels
# and latents, then **averaged over the batch**: the negative *evidence lower bound* of one image. Whoever averages over
# the 784 pixels instead makes the price 784 times too high, and the encoder gives up: *posterior collapse*, every
# reconstruction is the same grey mean.
#
# `F.binary_cross_entropy_with_logits` applies the sigmoid itself, stably. Its `reduction` decides sum or mean:

# %%
pixel_logits, pixels = torch.tensor([[-2.0, 3.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.5]])
for reduction in ("none", "sum", "mean"):
    print(reduction, F.binary_cross_entropy_with_logits(pixel_logits, pixels, reduction=reduction))

# %% [markdown]
# **Hint 1.** Sum everything, over the whole batch too, then divide by the number of images.
#
# **Hint 2.** The KL of each image you have already; of those, which reduction is asked for?


# %%
def vae_loss(reconstruction_logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Negative evidence lower bound: binary cross-entropy plus KL divergence, per image.

    reconstruction_logits, x: the same shape (B, ...), x in [0, 1]; mu, logvar: (B, Z). Returns (): both parts summed
    over pixels and latents, averaged over the batch.
    """
    # TODO: the two parts, each summed within an image, averaged over the batch.
    # BEGIN SOLUTION
    reconstruction = F.binary_cross_entropy_with_logits(reconstruction_logits, x, reduction="sum") / len(x)
    return reconstruction + kl_divergence(mu, logvar).mean()
    # END SOLUTION


# %% [markdown]
# ## The autoencoder
#
# Two small networks with one hidden layer are enough for digits: 784 pixels to, say, 256 features, to `2 * latent`
# numbers; and back. The first half of those numbers is $\mu$, the second $\log\sigma^2$; the names are all that makes
# them so, together with the loss.

# %%
halves = torch.arange(8).view(2, 4)
print(halves.chunk(2, dim=1))

# %% [markdown]
# **Hint 1.** `nn.Flatten()` at the start of the encoder, and `nn.Unflatten(1, (1, 28, 28))` at the end of the decoder.
#
# **Hint 2.** The decoder ends with a Linear layer: logits, no sigmoid. Neither $\mu$ nor logvar passes a ReLU.
#
# **Hint 3.** What you hand to the decoder is a sample, made by `reparameterize`, and not $\mu$.


# %%
class VAE(nn.Module):
    """A variational autoencoder for digits: (N, 1, 28, 28) in [0, 1] -> (logits, mu, logvar).

    logits: (N, 1, 28, 28), of a reconstruction from a random sample of the cloud; mu, logvar: (N, latent).
    Call the decoder `self.decoder`: (N, latent) to logits. The pictures of this lesson use it.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        # TODO: an encoder to 2 * latent numbers, and a decoder from latent numbers to 784 logits.
        # BEGIN SOLUTION
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 2 * latent))
        self.decoder = nn.Sequential(
            nn.Linear(latent, 256), nn.ReLU(), nn.Linear(256, 784), nn.Unflatten(1, (1, 28, 28))
        )
        # END SOLUTION

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # TODO: encode, sample, decode.
        # BEGIN SOLUTION
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return self.decoder(reparameterize(mu, logvar)), mu, logvar
        # END SOLUTION


# %% [markdown]
# ## Training the VAE
#
# A training loop as in section 6; only the target is the image itself, and the labels of the loader are ignored.
#
# **Hint 1.** For each epoch, for each `(images, _)`: loss, zero_grad, backward, step.
#
# **Hint 2.** Adam with a rate of 1e-3 to 3e-3 is a good choice. The model's three results go straight into `vae_loss`.


# %%
def train_vae(model: nn.Module, train_loader: DataLoader, epochs: int) -> nn.Module:
    """Minimise vae_loss over `epochs` passes through the loader, one update for each batch; returns the same model.

    model: (N, 1, 28, 28) -> (logits, mu, logvar), as VAE; train_loader: batches of (images, labels).
    """
    # TODO: make an optimiser; for each epoch and each batch: loss, gradients, step.
    # BEGIN SOLUTION
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(epochs):
        for images, _ in train_loader:
            logits, mu, logvar = model(images)
            loss = vae_loss(logits, images, mu, logvar)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model
    # END SOLUTION


# %% [markdown]
# First row: test digits. Second: what came back through eight numbers. Below: a walk in a straight line from the cloud
# of the first digit to that of the fourth; and at the bottom, digits that nobody ever wrote, from random z.

# %%
pixel_bytes = np.fromfile(DATA / "MNIST/raw/train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28)
digits = torch.from_numpy(pixel_bytes) / 255
test_bytes = np.fromfile(DATA / "MNIST/raw/t10k-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28)
torch.manual_seed(0)
digit_loader = DataLoader(TensorDataset(digits, torch.zeros(len(digits))), batch_size=64, shuffle=True)
vae = train_vae(VAE(latent=8), digit_loader, epochs=4)
with torch.no_grad():
    originals = torch.from_numpy(test_bytes)[:10] / 255
    logits, mu, _ = vae(originals)
    line = torch.linspace(0, 1, 10)[:, None]
    walk = vae.decoder((1 - line) * mu[0] + line * mu[3])
    imagined = vae.decoder(torch.randn(10, 8))
    drawn = [images.sigmoid().view(-1, 1, 28, 28) for images in (logits, walk, imagined)]
    sheet = torch.cat([originals, *drawn])
plt.figure(figsize=(8, 3.4))
plt.imshow(sheet.view(4, 10, 28, 28).transpose(1, 2).reshape(4 * 28, 280).numpy(), cmap="gray")
plt.yticks([14, 42, 70, 98], ["digit", "reconstructed", "walk", "imagined"])
plt.xticks([])
plt.show()

# %% [markdown]
# ## One step of a GAN
#
# A *generative adversarial network* is a game. The generator G turns noise into samples; the discriminator D gives each
# sample a logit, high for "real", low for "fake". In turn, each gets one update:
#
# 1. **D's turn.** Real samples should get the label 1, fakes the label 0. The loss is the *sum* of the two
#    cross-entropies (each a mean over its batch). G is not asked: its samples are data here, and no gradient should
#    flow into it.
# 2. **G's turn**, against the D just updated. G wants its fakes to get the label *1*. The gradient flows through D, but
#    only G moves.
#
# "G maximises what D minimises" (*minimax*) would be to push up the loss of the fakes under label 0. The goal is the
# same, but look at the gradient that a bad fake (logit -5: D is sure) gets from either:

# %%
sure = torch.tensor(-5.0, requires_grad=True)
minimax = -F.binary_cross_entropy_with_logits(sure, torch.tensor(0.0))
non_saturating = F.binary_cross_entropy_with_logits(sure, torch.tensor(1.0))
print(torch.autograd.grad(minimax, sure)[0].item(), torch.autograd.grad(non_saturating, sure)[0].item())

# %% [markdown]
# A generator that loses needs to learn most, and minimax gives it next to nothing. Hence the *non-saturating* loss of
# step 2, which everybody uses.
#
# **Hint 1.** One call of `generator(noise)` is enough for both halves: in the first, use it without its history.
#
# **Hint 2.** G's backward leaves gradients in D as well. Who clears them, and when?
#
# **Hint 3.** `torch.ones_like(logits)` are the labels. A loss becomes a plain number with `.item()`.


# %%
def gan_step(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    opt_g: torch.optim.Optimizer,
    opt_d: torch.optim.Optimizer,
    noise: Tensor,
) -> tuple[float, float]:
    """One update of the discriminator, then one of the generator against the updated discriminator.

    real: (N, ...) samples; noise: (N, Z), used in both halves; the discriminator gives logits, (N, 1). loss_d is the
    sum of the cross-entropies of real samples with label 1 and of fakes with label 0; loss_g is the (non-saturating)
    cross-entropy of fakes with label 1; each is a mean over its batch. In the first half no gradient flows into the
    generator. Returns (loss_d, loss_g) as floats.
    """
    # TODO: D's half with fakes that carry no history; then G's half.
    # BEGIN SOLUTION
    fake = generator(noise)

    real_logits, fake_logits = discriminator(real), discriminator(fake.detach())
    loss_d = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    loss_d = loss_d + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()

    fake_logits = discriminator(fake)
    loss_g = F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()
    # END SOLUTION


# %% [markdown]
# The smallest GAN there is: samples are single numbers from a normal distribution with mean 4 and standard deviation
# 1.25 (grey). Watch how the fakes (blue) come closer. Note how little the losses tell: they are the state of a
# game, not a distance, and when G wins and when D wins they hover about the same numbers.


# %%
def normal_gan(steps: int, pictures: int) -> tuple[list[Tensor], list[tuple[float, float]]]:
    """Train a small GAN on N(4, 1.25); samples of the generator at regular times, and all losses."""
    generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
    discriminator = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    samples, losses = [], []
    for step in range(steps):
        if step % (steps // pictures) == 0:
            samples.append(generator(torch.randn(1000, 4)).detach())
        real = 4 + 1.25 * torch.randn(128, 1)
        losses.append(gan_step(generator, discriminator, real, opt_g, opt_d, torch.randn(128, 4)))
    return [*samples, generator(torch.randn(1000, 4)).detach()], losses


torch.manual_seed(0)
gan_samples, gan_losses = normal_gan(steps=1500, pictures=4)
figure, axes = plt.subplots(1, 6, figsize=(13, 2.2))
for number, (axis, sample) in enumerate(zip(axes, gan_samples, strict=False)):
    axis.hist((4 + 1.25 * torch.randn(1000)).numpy(), bins=30, range=(-2, 9), color="lightgrey")
    axis.hist(sample[:, 0].numpy(), bins=30, range=(-2, 9), alpha=0.6)
    axis.set(title=f"step {number * 375}", yticks=[])
axes[5].plot(gan_losses, label=["D", "G"], linewidth=0.5)
axes[5].legend()
plt.show()

# %% [markdown]
# ## Transfer learning: a pretrained network
#
# You have fifty photographs, and a network needs fifty thousand. Almost all of a network is general, though: edges,
# strokes, corners. So take one that somebody has trained on a large, similar set, replace its last layer (the *head*)
# and train that on your images. The trained rest is the *backbone*.
#
# `data/resnet_digits.pt` holds the weights of a small ResNet that was trained on the MNIST digits of this kit. It is
# torchvision's own [ResNet](https://docs.pytorch.org/vision/stable/models/resnet.html) class with one block in each of
# the first two stages and none in the others; like all of torchvision's, its head is called `fc`:

# %%
from torchvision.models.resnet import BasicBlock, ResNet


def digits_resnet(num_classes: int) -> nn.Module:
    """The architecture of data/resnet_digits.pt (which has 10 classes), with random weights: (N, 3, H, W) images."""
    model = ResNet(BasicBlock, [1, 1, 1, 1])
    model.layer3 = model.layer4 = nn.Identity()
    model.fc = nn.Linear(128, num_classes)  # the second stage has 128 channels
    return model


print(sum(p.numel() for p in digits_resnet(10).parameters()), "parameters, head:", digits_resnet(10).fc)

# %% [markdown]
# **The same with the real thing.** Everything below works unchanged with a ResNet trained on the 1.3 million images of
# ImageNet:
#
# ```python
# from torchvision.models import resnet18
# model = resnet18(weights="DEFAULT")
# freeze_backbone(model)
# model.fc = nn.Linear(model.fc.in_features, num_classes)
# ```
#
# Online, this downloads `resnet18-f37072fd.pth` (45 MB) once. Offline, put that file into
# `$TORCH_HOME/hub/checkpoints/` (`~/.cache/torch/hub/checkpoints/` unless you set TORCH_HOME), and it is taken from
# there. (Its input should be normalised as in its training: `ResNet18_Weights.DEFAULT.transforms()` does that.)
#
# Freezing means: no gradient is computed for a parameter, so that no optimiser can move it. You met the flag in
# section 3:

# %%
layer = nn.Linear(2, 2)
layer.weight.requires_grad_(False)
layer(torch.ones(1, 2)).sum().backward()
print(layer.weight.grad, layer.bias.grad)

# %% [markdown]
# **Hint 1.** `model.named_parameters()` gives names such as `layer1.0.conv1.weight` and `fc.bias`.
#
# **Hint 2.** Or freeze everything, and then thaw the head.


# %%
def freeze_backbone(model: nn.Module) -> None:
    """Freeze every parameter of a torchvision ResNet but those of its head `fc`, which stay trainable."""
    # TODO: requires_grad is False for all parameters but the head's.
    # BEGIN SOLUTION
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("fc."))
    # END SOLUTION


# %% [markdown]
# ## Transfer learning: a new head
#
# A checkpoint is only useful if *every* weight finds its place. `load_state_dict` checks that, and says which keys are
# missing or unexpected, unless it is told `strict=False`: then a checkpoint of another architecture is quietly
# dropped, and you fine-tune random numbers. Look what goes unnoticed:

# %%
print(nn.Linear(2, 2).load_state_dict({"wieght": torch.ones(2, 2)}, strict=False))

# %% [markdown]
# And a file of unknown origin is loaded with `torch.load(path, weights_only=True)`, which reads tensors and nothing
# else. A pickle may run any program; never load a whole pickled module from a stranger.
#
# The old head knows MNIST's ten classes. Your classes are others, in number or in order, so the head must be new.
#
# **Hint 1.** Which number of classes must the network have for the checkpoint to fit?
#
# **Hint 2.** Load first, then replace `model.fc`. Its `in_features` stay as they are.


# %%
def build_finetune_model(num_classes: int, weights_path: str | Path) -> nn.Module:
    """The network of digits_resnet with the weights of a checkpoint, and a new, trainable head for num_classes.

    weights_path: a state_dict of digits_resnet(10), as data/resnet_digits.pt; float16 weights become float32. Raises an
    exception for a file that is damaged, or that holds a pickled module or any other program (which is not run), or
    whose keys are not exactly those of the network (the message names them, as load_state_dict's does). Freezing is
    not its business.
    """
    # TODO: build the network that the checkpoint fits, load it strictly and safely, give it a new head.
    # BEGIN SOLUTION
    model = digits_resnet(10)
    model.load_state_dict(torch.load(weights_path, weights_only=True))
    model.fc = nn.Linear(model.fc.in_features, num_classes)
    return model
    # END SOLUTION


# %% [markdown]
# ## Transfer learning: fine-tuning
#
# Your own images usually lie in a folder with a subfolder for each class, and
# [ImageFolder](https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html) makes a dataset
# of it. Here is such a folder: five digits of each class, from *other writers* than MNIST's, scanned at 8 x 8 pixels
# and enlarged. Note the numbers of the classes: they follow the alphabet.

# %%
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
folder = Path(tempfile.mkdtemp())
scans = np.load(DATA / "digits8x8" / "digits8x8.npz")
for split, chosen in (("train", slice(0, 5)), ("test", slice(5, 45))):
    for label, name in enumerate(NAMES):
        (folder / split / name).mkdir(parents=True)
        for i, scan in enumerate(scans["x"][scans["y"] == label][chosen]):
            image = Image.new("L", (28, 28))
            image.paste(Image.fromarray(scan * 15).resize((20, 20), Image.Resampling.BILINEAR), (4, 4))
            image.save(folder / split / name / f"{i}.png")

to_tensor = v2.Compose([v2.RGB(), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
own_images, own_tests = (ImageFolder(folder / split, to_tensor) for split in ("train", "test"))
print(len(own_images), "images,", own_images.class_to_idx)

# %% [markdown]
# Real folders are messy. A subfolder without an image makes `ImageFolder` raise `FileNotFoundError` at once, with the
# class's name. A broken image is noticed only when it is read, maybe in the middle of the night: check all of them
# once, before.

# %%
for path, _ in own_images.samples:
    with Image.open(path) as image:
        image.verify()  # raises if the file is damaged

# %% [markdown]
# Now train what may be trained. One trap is left: batch normalisation keeps *running statistics*, which are no
# parameters but buffers. In training mode every forward pass moves them, frozen or not, and ten images of yours would
# overwrite what thousands have measured. Frozen batch normalisation must therefore stay in eval mode:

# %%
norm = nn.BatchNorm2d(1).requires_grad_(False)
norm(torch.full((2, 1, 3, 3), 5.0))
print(norm.running_mean)

# %% [markdown]
# **Hint 1.** Hand the optimiser only parameters that require a gradient. A head alone can take Adam at a rate of 1e-2.
#
# **Hint 2.** `model.train()` first, then `eval()` for each `nn.BatchNorm2d` of `model.modules()` with a frozen weight.
#
# **Hint 3.** Eval mode again before you return the model.


# %%
def fine_tune(model: nn.Module, train_loader: DataLoader, epochs: int) -> nn.Module:
    """Train what is not frozen by cross-entropy, one update for each batch; returns the model in eval mode.

    model: a torchvision ResNet with its head; train_loader: batches of images (N, 3, H, W) and labels (N,). Frozen
    parameters, and the running statistics of frozen batch normalisation, stay exactly as they are.
    """
    # TODO: an optimiser for what is trainable; modes; the loop; eval mode.
    # BEGIN SOLUTION
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()
    for _ in range(epochs):
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()
    # END SOLUTION


# %% [markdown]
# Fifty images, five passes: the pretrained network against the same one from scratch. (A rate of 1e-2 is steep for a
# whole network. With the best one we have seen scratch reach .74, and no more.) Below, digits that the
# fine-tuned model gets wrong, with what it took them for. Would you have known?

# %%
torch.manual_seed(0)
own_loader = DataLoader(own_images, batch_size=10, shuffle=True)
pretrained = build_finetune_model(10, DATA / "resnet_digits.pt")
freeze_backbone(pretrained)
fine_tune(pretrained, own_loader, epochs=5)
scratch = fine_tune(digits_resnet(10), own_loader, epochs=5)
test_images, test_labels = next(iter(DataLoader(own_tests, batch_size=len(own_tests))))
with torch.no_grad():
    guesses, scratch_guesses = pretrained(test_images).argmax(dim=1), scratch(test_images).argmax(dim=1)
for what, found in (("fine-tuned", guesses), ("from scratch", scratch_guesses)):
    print(f"{what}: {(found == test_labels).float().mean():.3f} of {len(test_labels)} new images right")

wrong = (guesses != test_labels).nonzero().flatten()[:8]
figure, axes = plt.subplots(1, 8, figsize=(10, 1.8))
for axis in axes:
    axis.axis("off")
for axis, i in zip(axes, wrong, strict=False):
    axis.imshow(test_images[i].permute(1, 2, 0).numpy())
    axis.set_title(f"{own_images.classes[test_labels[i]]}: {own_images.classes[guesses[i]]}?", fontsize=8)
plt.show()
