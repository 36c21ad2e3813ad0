# Wrong versions of the exercises of section 9; grader.mistakes describes the format.

# %% mistake: mask-hides-self
# exercise: causal_attention
# fails: test_attention_weights
# advice: The diagonal is masked as well, so position 0 has nothing left to look at. A position sees itself: look at
#   the `diagonal` of your triangle.
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.masked_fill(torch.ones(t, t).tril(-1) == 0, -math.inf).softmax(-1) @ v


# %% mistake: mask-shows-next
# exercise: causal_attention
# fails: test_attention_weights
# advice: Each position also sees the next one: your triangle is one diagonal too large. In a language model that is
#   the answer itself.
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.masked_fill(torch.ones(t, t).tril(1) == 0, -math.inf).softmax(-1) @ v


# %% mistake: mask-inverted
# exercise: causal_attention
# fails: test_attention_weights
# advice: The mask is upside down: the past is hidden and the future is seen. masked_fill fills where its mask is
#   True.
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.masked_fill(torch.ones(t, t).tril().bool(), -math.inf).softmax(-1) @ v


# %% mistake: mask-transposed
# exercise: causal_attention
# fails: test_attention_weights
# advice: Each position sees itself and what comes after it: your triangle is the upper one.
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.masked_fill(torch.ones(t, t).triu() == 0, -math.inf).softmax(-1) @ v


# %% mistake: mask-after-softmax
# exercise: causal_attention
# fails: test_attention_weights
# advice: Masked after the softmax, the weights of a row no longer add up to 1. Mask the scores, before the softmax.
def causal_attention(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1).tril() @ v


# %% mistake: fill-zero
# exercise: causal_attention
# fails: test_attention_weights
# advice: A score of 0 is not a weight of 0: exp(0) = 1, so the future still counts. Which score has exponential 0?
def causal_attention(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-1])).tril().softmax(-1) @ v


# %% mistake: softmax-over-queries
# exercise: causal_attention
# fails: test_attention_weights
# advice: The columns add up to 1, not the rows. The weights of one query over all keys are its probabilities: which
#   dimension holds the keys?
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.masked_fill(torch.ones(t, t).tril() == 0, -math.inf).softmax(1) @ v


# %% mistake: no-scale
# exercise: causal_attention
# fails: test_attention_weights
# advice: The scores are not divided by the root of D, so the softmax is too sharp.
def causal_attention(q, k, v):
    t = q.shape[1]
    return (q @ k.mT).masked_fill(torch.ones(t, t).tril() == 0, -math.inf).softmax(-1) @ v


# %% mistake: scale-by-dim
# exercise: causal_attention
# fails: test_attention_weights
# advice: The scores are divided by D: the softmax is too flat. The root of D is meant.
def causal_attention(q, k, v):
    t = q.shape[1]
    return (q @ k.mT / q.shape[-1]).masked_fill(torch.ones(t, t).tril() == 0, -math.inf).softmax(-1) @ v


# %% mistake: scale-by-length
# exercise: causal_attention
# fails: test_attention_of_any_size
# advice: You divide by the root of the number of positions. Which dimension of q are the features?
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = q @ k.mT / math.sqrt(t)
    return scores.masked_fill(torch.ones(t, t).tril() == 0, -math.inf).softmax(-1) @ v


# %% mistake: keys-for-queries
# exercise: causal_attention
# fails: test_attention_weights
# advice: Your scores are those of the keys with the queries, (key, query), not (query, key). Which of the two is
#   transposed?
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = k @ q.mT / math.sqrt(q.shape[-1])
    return scores.masked_fill(torch.ones(t, t).tril() == 0, -math.inf).softmax(-1) @ v


# %% mistake: not-causal
# exercise: causal_attention
# fails: test_attention_weights
# advice: Every position sees the whole sequence, the future too. Mask the scores.
def causal_attention(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


# %% mistake: weak-fill
# exercise: causal_attention
# fails: test_attention_of_any_size
# advice: Scores can be far below the number that you fill in, and then the future gets all the weight. Minus infinity
#   is below every score.
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.masked_fill(torch.ones(t, t).tril() == 0, -100.0).softmax(-1) @ v


# %% mistake: detached-weights
# exercise: causal_attention
# fails: test_attention_gradient
# advice: No gradient reaches queries and keys: something (detach, no_grad, .data) cuts the weights from them.
def causal_attention(q, k, v):
    t = q.shape[1]
    scores = (q @ k.mT / math.sqrt(q.shape[-1])).detach() + 0 * (q.sum() + k.sum())
    return scores.masked_fill(torch.ones(t, t).tril() == 0, -math.inf).softmax(-1) @ v


# %% mistake: view-without-transpose
# exercise: MultiHeadAttention
# fails: test_heads_agree_with_torch
# advice: Cut with view to (B, heads, T, features) straight away, a head gets pieces of different positions. View to
#   (B, T, heads, features) first, and then swap.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, w, b).reshape(len(x), self.heads, x.shape[1], -1)
            for x, w, b in zip((query, key, value), weights, biases)
        )
        out = F.scaled_dot_product_attention(q, k, v, mask)
        return self.out_proj(out.transpose(1, 2).flatten(2))


# %% mistake: heads-merged-wrongly
# exercise: MultiHeadAttention
# fails: test_heads_agree_with_torch
# advice: The heads are joined without swapping heads and positions back, so features of different positions are
#   mixed.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((query, key, value), weights, biases)
        )
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, mask).reshape(query.shape))


# %% mistake: scale-by-dim
# exercise: MultiHeadAttention
# fails: test_heads_agree_with_torch
# advice: You scale by the root of all features. A head's scores are sums over its own features only.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((query, key, value), weights, biases)
        )
        out = F.scaled_dot_product_attention(q, k, v, mask, scale=query.shape[-1] ** -0.5)
        return self.out_proj(out.transpose(1, 2).flatten(2))


# %% mistake: no-scale
# exercise: MultiHeadAttention
# fails: test_heads_agree_with_torch
# advice: The scores are not scaled by the root of a head's features.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((query, key, value), weights, biases)
        )
        out = F.scaled_dot_product_attention(q, k, v, mask, scale=1.0)
        return self.out_proj(out.transpose(1, 2).flatten(2))


# %% mistake: no-output-projection
# exercise: MultiHeadAttention
# fails: test_heads_agree_with_torch
# advice: The joined heads are returned as they are: out_proj is made but never used.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((query, key, value), weights, biases)
        )
        return F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)


# %% mistake: bias-forgotten
# exercise: MultiHeadAttention
# fails: test_heads_agree_with_torch
# advice: in_proj_bias is never added. New layers hide it, for their bias is 0.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        q, k, v = (
            F.linear(x, w).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w in zip((query, key, value), self.in_proj_weight.chunk(3))
        )
        out = F.scaled_dot_product_attention(q, k, v, mask)
        return self.out_proj(out.transpose(1, 2).flatten(2))


# %% mistake: one-head
# exercise: MultiHeadAttention
# fails: test_heads_agree_with_torch
# advice: This is attention with a single head over all features: cut the projections into `heads` parts first.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, mask))


# %% mistake: projections-in-another-order
# exercise: MultiHeadAttention
# fails: test_heads_agree_with_torch
# advice: The rows of in_proj_weight are query, key, value from the top, in that order.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        k, q, v = (
            F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((key, query, value), weights, biases)
        )
        out = F.scaled_dot_product_attention(q, k, v, mask)
        return self.out_proj(out.transpose(1, 2).flatten(2))


# %% mistake: returns-weights-too
# exercise: MultiHeadAttention
# fails: test_heads_keep_the_shape
# advice: A pair comes back, as from nn.MultiheadAttention. Here the tensor alone is asked for.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        return super().forward(query, key, value, mask), None


# %% mistake: self-attention-only
# exercise: MultiHeadAttention
# fails: test_heads_attend_to_another_sequence
# advice: Key and value are ignored, the query attends to itself. Keys and values are projected from `key` and
#   `value`.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        return super().forward(query, None, None, mask)


# %% mistake: value-from-key
# exercise: MultiHeadAttention
# fails: test_heads_attend_to_another_sequence
# advice: `value` is ignored: the values are projected from `key`, which is only the default.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        return super().forward(query, key, None, mask)


# %% mistake: mask-ignored
# exercise: MultiHeadAttention
# fails: test_heads_obey_a_mask
# advice: `mask` changes nothing. Where it forbids, the score must become minus infinity before the softmax.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        return super().forward(query, key, value)


# %% mistake: mask-added
# exercise: MultiHeadAttention
# fails: test_heads_obey_a_mask
# advice: Adding a mask of True and False adds 1 to some scores and forbids nothing. Fill with minus infinity instead.
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        mask = None if mask is None else mask.to(query)
        key = query if key is None else key
        value = key if value is None else value
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((query, key, value), weights, biases)
        )
        out = F.scaled_dot_product_attention(q, k, v, mask)
        return self.out_proj(out.transpose(1, 2).flatten(2))


# %% mistake: odd-heads-accepted
# exercise: MultiHeadAttention
# fails: test_heads_must_divide_the_features
# advice: Four heads cannot share fifteen features. Say so with a ValueError in __init__, not with a puzzling error
#   (or none at all) later.
class MultiHeadAttention(MultiHeadAttention):
    def __init__(self, dim, heads):
        super().__init__(dim, 1)
        self.heads = heads


# %% mistake: assertion-for-value-error
# exercise: MultiHeadAttention
# fails: test_heads_must_divide_the_features
# advice: An assert raises AssertionError and disappears with `python -O`; a ValueError is asked for.
class MultiHeadAttention(MultiHeadAttention):
    def __init__(self, dim, heads):
        assert dim % heads == 0, "heads must divide dim"
        super().__init__(dim, heads)


# %% mistake: halves
# exercise: sinusoidal_positions
# fails: test_positions_are_the_waves_of_the_formula
# advice: All sines first, then all cosines. The formula interleaves them: sine, cosine, sine, cosine.
def sinusoidal_positions(length, dim):
    angles = torch.arange(length)[:, None] * 10_000 ** (-torch.arange(0, dim, 2) / dim)
    return torch.cat([angles.sin(), angles.cos()], 1)


# %% mistake: exponent-without-2
# exercise: sinusoidal_positions
# fails: test_positions_are_the_waves_of_the_formula
# advice: The exponent is i / D, not 2i / D: the hands of the clock slow down only half as fast as they should.
def sinusoidal_positions(length, dim):
    angles = torch.arange(length)[:, None] * 10_000 ** (-torch.arange(dim // 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


# %% mistake: exponent-doubled
# exercise: sinusoidal_positions
# fails: test_positions_are_the_waves_of_the_formula
# advice: The exponent has its factor 2 twice: arange(0, dim, 2) is the 2i already.
def sinusoidal_positions(length, dim):
    angles = torch.arange(length)[:, None] * 10_000 ** (-2 * torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


# %% mistake: exponent-of-each-column
# exercise: sinusoidal_positions
# fails: test_positions_are_the_waves_of_the_formula
# advice: Every column has an angle of its own. Columns 2i and 2i + 1, a sine and a cosine, share one.
def sinusoidal_positions(length, dim):
    angles = torch.arange(length)[:, None] * 10_000 ** (-torch.arange(dim) / dim)
    return torch.where(torch.arange(dim) % 2 == 0, angles.sin(), angles.cos())


# %% mistake: rates-rise
# exercise: sinusoidal_positions
# fails: test_positions_are_the_waves_of_the_formula
# advice: The exponent has the wrong sign: the angle is t divided by 10000 to that power.
def sinusoidal_positions(length, dim):
    angles = torch.arange(length, dtype=torch.float64)[:, None] * 10_000 ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1).float()


# %% mistake: cosine-first
# exercise: sinusoidal_positions
# fails: test_positions_are_the_waves_of_the_formula
# advice: Sine and cosine are swapped: even columns are sines, so row 0 starts with 0, 1, 0, 1.
def sinusoidal_positions(length, dim):
    angles = torch.arange(length)[:, None] * 10_000 ** (-torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.cos(), angles.sin()], -1).flatten(1)


# %% mistake: from-one
# exercise: sinusoidal_positions
# fails: test_positions_are_the_waves_of_the_formula
# advice: Your first position is 1. Positions start at 0.
def sinusoidal_positions(length, dim):
    angles = torch.arange(1, length + 1)[:, None] * 10_000 ** (-torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


# %% mistake: transposed
# exercise: sinusoidal_positions
# fails: test_positions_have_their_shape
# advice: Rows and columns are swapped: a row for each position, a column for each feature.
def sinusoidal_positions(length, dim):
    angles = torch.arange(length)[:, None] * 10_000 ** (-torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1).T


# %% mistake: post-norm
# exercise: TransformerBlock
# fails: test_block_adds_to_its_input
# advice: You normalise after the addition (post-norm). In a pre-norm block only the branch sees the norm: x itself is
#   added untouched.
class TransformerBlock(TransformerBlock):
    def forward(self, x):
        t = x.shape[1]
        x = self.norm1(x + self.dropout(self.attention(x, mask=torch.ones(t, t).tril().bool())))
        return self.norm2(x + self.dropout(self.mlp(x)))


# %% mistake: normalised-residual
# exercise: TransformerBlock
# fails: test_block_adds_to_its_input
# advice: You overwrite x with its normalised version, and then add to that. Keep x, and give the norm's result to the
#   branch only.
class TransformerBlock(TransformerBlock):
    def forward(self, x):
        t = x.shape[1]
        x = self.norm1(x)
        x = x + self.dropout(self.attention(x, mask=torch.ones(t, t).tril().bool()))
        x = self.norm2(x)
        return x + self.dropout(self.mlp(x))


# %% mistake: attention-not-added
# exercise: TransformerBlock
# fails: test_block_adds_to_its_input
# advice: The attention's result replaces x. It must be added to x.
class TransformerBlock(TransformerBlock):
    def forward(self, x):
        t = x.shape[1]
        x = self.dropout(self.attention(self.norm1(x), mask=torch.ones(t, t).tril().bool()))
        return x + self.dropout(self.mlp(self.norm2(x)))


# %% mistake: network-not-added
# exercise: TransformerBlock
# fails: test_block_adds_to_its_input
# advice: The result of the small network replaces what came before. It must be added.
class TransformerBlock(TransformerBlock):
    def forward(self, x):
        t = x.shape[1]
        x = x + self.dropout(self.attention(self.norm1(x), mask=torch.ones(t, t).tril().bool()))
        return self.dropout(self.mlp(self.norm2(x)))


# %% mistake: no-norm
# exercise: TransformerBlock
# fails: test_block_normalises_inside_its_branches
# advice: A branch sees x as it is. Each of the two branches starts with a LayerNorm of its own.
class TransformerBlock(TransformerBlock):
    def forward(self, x):
        t = x.shape[1]
        x = x + self.dropout(self.attention(x, mask=torch.ones(t, t).tril().bool()))
        return x + self.dropout(self.mlp(x))


# %% mistake: not-causal
# exercise: TransformerBlock
# fails: test_block_is_causal
# advice: Earlier positions feel a change of later ones: the attention was not given a causal mask.
class TransformerBlock(TransformerBlock):
    def forward(self, x):
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))


# %% mistake: mask-transposed
# exercise: TransformerBlock
# fails: test_block_is_causal
# advice: Information flows from the future to the past: the mask is the wrong triangle, or its True and False are
#   swapped.
class TransformerBlock(TransformerBlock):
    def forward(self, x):
        t = x.shape[1]
        x = x + self.dropout(self.attention(self.norm1(x), mask=torch.ones(t, t).triu().bool()))
        return x + self.dropout(self.mlp(self.norm2(x)))


# %% mistake: sequence-second
# exercise: TransformerBlock
# fails: test_block_is_causal
# advice: No position feels another one, but the samples of a batch do: batch and sequence are mixed up. torch's own
#   layers expect (T, B, D) unless you say batch_first=True.
class TransformerBlock(nn.Module):
    def __init__(self, dim, heads, hidden, dropout=0.0):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(dim, heads, hidden, dropout, norm_first=True)

    def forward(self, x):
        return self.layer(x, src_mask=torch.ones(len(x), len(x)).triu(1).bool())


# %% mistake: dropout-ignores-eval
# exercise: TransformerBlock
# fails: test_block_drops_in_training_only
# advice: F.dropout drops by default, in eval mode too. Tell it whether the module is training, or use nn.Dropout.
class TransformerBlock(TransformerBlock):
    def __init__(self, dim, heads, hidden, dropout=0.0):
        super().__init__(dim, heads, hidden, 0.0)
        self.p = dropout

    def forward(self, x):
        t = x.shape[1]
        x = x + F.dropout(self.attention(self.norm1(x), mask=torch.ones(t, t).tril().bool()), self.p)
        return x + F.dropout(self.mlp(self.norm2(x)), self.p)


# %% mistake: no-dropout
# exercise: TransformerBlock
# fails: test_block_drops_in_training_only
# advice: `dropout` changes nothing: no dropout is applied in training mode.
class TransformerBlock(TransformerBlock):
    def __init__(self, dim, heads, hidden, dropout=0.0):
        super().__init__(dim, heads, hidden)


# %% mistake: hidden-ignored
# exercise: TransformerBlock
# fails: test_block_keeps_the_shape
# advice: The small network has the same width whatever `hidden` says.
class TransformerBlock(TransformerBlock):
    def __init__(self, dim, heads, hidden, dropout=0.0):
        super().__init__(dim, heads, 4 * dim, dropout)


# %% mistake: sees-the-future
# exercise: TinyGPT
# fails: test_gpt_does_not_see_the_future
# advice: Logits change when a later token does: some attention in the model has no causal mask.
class TinyGPT(TinyGPT):
    def __init__(self, vocabulary, dim, heads, layers, context):
        super().__init__(vocabulary, dim, heads, layers, context)
        layer = nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


# %% mistake: no-blocks
# exercise: TinyGPT
# fails: test_gpt_does_not_see_the_future
# advice: Each position knows its own token only: the blocks are not called, or their result is not used.
class TinyGPT(TinyGPT):
    def forward(self, ids):
        if ids.shape[1] > self.context:
            raise ValueError("too long")
        return self.head(self.norm(self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))))


# %% mistake: no-positions
# exercise: TinyGPT
# fails: test_gpt_knows_positions
# advice: The same tokens in another order look alike to attention. Add a vector for the position to each token's.
class TinyGPT(TinyGPT):
    def forward(self, ids):
        if ids.shape[1] > self.context:
            raise ValueError("too long")
        return self.head(self.norm(self.blocks(self.tokens(ids))))


# %% mistake: any-length
# exercise: TinyGPT
# fails: test_gpt_refuses_what_is_too_long
# advice: An input longer than `context` is answered with positions that were never trained. Raise a ValueError.
class TinyGPT(TinyGPT):
    def forward(self, ids):
        positions = self.positions(torch.arange(ids.shape[1]).clamp(max=self.context - 1))
        return self.head(self.norm(self.blocks(self.tokens(ids) + positions)))


# %% mistake: cuts-long-input
# exercise: TinyGPT
# fails: test_gpt_refuses_what_is_too_long
# advice: Tokens beyond `context` are silently dropped, and with them their logits. Raise a ValueError instead.
class TinyGPT(TinyGPT):
    def forward(self, ids):
        return super().forward(ids[:, : self.context])


# %% mistake: last-position-only
# exercise: TinyGPT
# fails: test_gpt_gives_logits_for_every_position
# advice: Only the last position's logits come back. Training needs a prediction at each position.
class TinyGPT(TinyGPT):
    def forward(self, ids):
        return super().forward(ids)[:, -1]


# %% mistake: no-head
# exercise: TinyGPT
# fails: test_gpt_gives_logits_for_every_position
# advice: The features come back as they are, `dim` of them. A last Linear layer makes them a score for each token.
class TinyGPT(TinyGPT):
    def forward(self, ids):
        return self.norm(self.blocks(self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))))


# %% mistake: blocks-in-a-list
# exercise: TinyGPT
# fails: test_gpt_gives_logits_for_every_position
# advice: The blocks are in a plain list, so `parameters()` does not find them and no optimiser trains them. Use
#   nn.ModuleList or nn.Sequential.
class TinyGPT(TinyGPT):
    def __init__(self, vocabulary, dim, heads, layers, context):
        super().__init__(vocabulary, dim, heads, 0, context)
        self.hidden_blocks = [TransformerBlock(dim, heads, 4 * dim) for _ in range(layers)]

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.hidden_blocks:
            x = block(x)
        return self.head(self.norm(x))


# %% mistake: logvar-as-deviation
# exercise: reparameterize
# fails: test_samples_have_mean_and_spread
# advice: logvar is used as the standard deviation. It is the logarithm of the variance: undo the logarithm, then take
#   the root.
def reparameterize(mu, logvar, generator=None):
    return mu + logvar * torch.randn(mu.shape, generator=generator, dtype=mu.dtype)


# %% mistake: logvar-as-variance
# exercise: reparameterize
# fails: test_samples_have_mean_and_spread
# advice: logvar is used as the variance, and its root taken: NaN for every variance below 1. It is a logarithm.
def reparameterize(mu, logvar, generator=None):
    return mu + logvar.sqrt() * torch.randn(mu.shape, generator=generator, dtype=mu.dtype)


# %% mistake: variance-as-deviation
# exercise: reparameterize
# fails: test_samples_have_mean_and_spread
# advice: exp(logvar) is the variance. The noise is scaled by the standard deviation, its root.
def reparameterize(mu, logvar, generator=None):
    return mu + logvar.exp() * torch.randn(mu.shape, generator=generator, dtype=mu.dtype)


# %% mistake: sign-of-logvar
# exercise: reparameterize
# fails: test_samples_have_mean_and_spread
# advice: Where the variance should be large it is small: the sign in your exponent is wrong.
def reparameterize(mu, logvar, generator=None):
    return mu + torch.exp(-0.5 * logvar) * torch.randn(mu.shape, generator=generator, dtype=mu.dtype)


# %% mistake: uniform-noise
# exercise: reparameterize
# fails: test_samples_have_mean_and_spread
# advice: torch.rand draws uniformly from 0 to 1. Normal noise comes from torch.randn.
def reparameterize(mu, logvar, generator=None):
    return mu + torch.exp(0.5 * logvar) * torch.rand(mu.shape, generator=generator, dtype=mu.dtype)


# %% mistake: one-noise-for-the-batch
# exercise: reparameterize
# fails: test_samples_have_mean_and_spread
# advice: All rows get the same noise. Draw noise in the full shape of mu.
def reparameterize(mu, logvar, generator=None):
    return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape[-1], generator=generator, dtype=mu.dtype)


# %% mistake: no-noise
# exercise: reparameterize
# fails: test_samples_have_mean_and_spread
# advice: Nothing is random here: every sample is the same. Multiply the standard deviation with standard normal
#   noise.
def reparameterize(mu, logvar, generator=None):
    return mu + torch.exp(0.5 * logvar)


# %% mistake: float32-noise
# exercise: reparameterize
# fails: test_samples_keep_shape_and_dtype
# advice: The sample is not in the dtype of mu.
def reparameterize(mu, logvar, generator=None):
    return (mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=generator)).float()


# %% mistake: drawn-without-gradient
# exercise: reparameterize
# fails: test_samples_pass_gradients_on
# advice: torch.normal draws a value that does not depend on its arguments, as far as autograd knows. Compute the
#   sample from mu, sigma and noise.
def reparameterize(mu, logvar, generator=None):
    return torch.normal(mu.detach(), torch.exp(0.5 * logvar.detach()), generator=generator)


# %% mistake: normal-with-zero-gradients
# exercise: reparameterize
# fails: test_samples_pass_gradients_on
# advice: torch.normal passes on gradients of zero: the encoder would never learn. Compute the sample from mu, sigma
#   and noise.
def reparameterize(mu, logvar, generator=None):
    return torch.normal(mu, torch.exp(0.5 * logvar), generator=generator)


# %% mistake: detached-spread
# exercise: reparameterize
# fails: test_samples_pass_gradients_on
# advice: A gradient reaches mu and not logvar: the standard deviation is cut off (detach, no_grad or .data).
def reparameterize(mu, logvar, generator=None):
    std = torch.exp(0.5 * logvar).detach()
    return mu + std * torch.randn(mu.shape, generator=generator, dtype=mu.dtype)


# %% mistake: generator-ignored
# exercise: reparameterize
# fails: test_samples_come_from_the_generator
# advice: `generator` is not used, so a sample cannot be repeated. torch.randn takes it; randn_like may not.
def reparameterize(mu, logvar, generator=None):
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


# %% mistake: reseeds
# exercise: reparameterize
# fails: test_samples_come_from_the_generator
# advice: torch.manual_seed resets the global generator for everybody, and every sample is the same. Hand the
#   generator to the function that draws.
def reparameterize(mu, logvar, generator=None):
    torch.manual_seed(generator.initial_seed() if generator is not None else 0)
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


# %% mistake: negative
# exercise: kl_divergence
# fails: test_kl_of_each_row
# advice: The sign is wrong: a divergence is never negative.
def kl_divergence(mu, logvar):
    return 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)


# %% mistake: mean-over-latents
# exercise: kl_divergence
# fails: test_kl_of_each_row
# advice: The latents are averaged. Independent latents' divergences add up.
def kl_divergence(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean(1)


# %% mistake: summed-over-batch
# exercise: kl_divergence
# fails: test_kl_of_each_row
# advice: One number comes back for the whole batch. Each row has its own divergence.
def kl_divergence(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()


# %% mistake: wrong-dimension
# exercise: kl_divergence
# fails: test_kl_of_each_row
# advice: You sum over the rows. The latents are dimension 1.
def kl_divergence(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(0)


# %% mistake: no-half
# exercise: kl_divergence
# fails: test_kl_of_each_row
# advice: Twice the right value: the factor one half is missing.
def kl_divergence(mu, logvar):
    return (mu**2 + logvar.exp() - 1 - logvar).sum(1)


# %% mistake: logvar-as-variance
# exercise: kl_divergence
# fails: test_kl_of_each_row
# advice: logvar is used as if it were the variance. Its exponential is the variance; it is the logarithm already.
def kl_divergence(mu, logvar):
    return 0.5 * (mu**2 + logvar - 1 - logvar.abs().log()).sum(1)


# %% mistake: logvar-as-log-deviation
# exercise: kl_divergence
# fails: test_kl_of_each_row
# advice: logvar is used as the logarithm of the standard deviation. It is that of the variance.
def kl_divergence(mu, logvar):
    return 0.5 * (mu**2 + (2 * logvar).exp() - 1 - 2 * logvar).sum(1)


# %% mistake: mu-not-squared
# exercise: kl_divergence
# fails: test_kl_of_each_row
# advice: The mean enters squared: a cloud to the left pays as much as one to the right.
def kl_divergence(mu, logvar):
    return 0.5 * (mu + logvar.exp() - 1 - logvar).sum(1)


# %% mistake: no-gradient
# exercise: kl_divergence
# fails: test_kl_gradient
# advice: The result is cut from the graph (no_grad, detach or .data), so the encoder would not feel the price.
def kl_divergence(mu, logvar):
    with torch.no_grad():
        return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


# %% mistake: mean-for-sum
# exercise: vae_loss
# fails: test_vae_loss_sums_and_averages
# advice: Both parts are averaged over everything. Within one image, pixels and latents are summed.
def vae_loss(reconstruction_logits, x, mu, logvar):
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()
    return F.binary_cross_entropy_with_logits(reconstruction_logits, x) + kl


# %% mistake: reconstruction-mean-kl-sum
# exercise: vae_loss
# fails: test_vae_loss_sums_and_averages
# advice: The reconstruction is averaged over the pixels while the divergence is summed: the price is hundreds of
#   times too high, and the posterior collapses. Look at `reduction`.
def vae_loss(reconstruction_logits, x, mu, logvar):
    return F.binary_cross_entropy_with_logits(reconstruction_logits, x) + kl_divergence(mu, logvar).mean()


# %% mistake: summed-over-the-batch
# exercise: vae_loss
# fails: test_vae_loss_sums_and_averages
# advice: Both parts are summed over the batch. Divide by the number of images, or the step grows with the batch.
def vae_loss(reconstruction_logits, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(reconstruction_logits, x, reduction="sum")
    return bce + kl_divergence(mu, logvar).sum()


# %% mistake: kl-summed-over-the-batch
# exercise: vae_loss
# fails: test_vae_loss_sums_and_averages
# advice: The divergence is summed over the batch, the reconstruction averaged. Both are averaged over the images.
def vae_loss(reconstruction_logits, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(reconstruction_logits, x, reduction="sum") / len(x)
    return bce + kl_divergence(mu, logvar).sum()


# %% mistake: sigmoid-twice
# exercise: vae_loss
# fails: test_vae_loss_sums_and_averages
# advice: The sigmoid is applied twice: binary_cross_entropy_with_logits applies it itself.
def vae_loss(reconstruction_logits, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(reconstruction_logits.sigmoid(), x, reduction="sum") / len(x)
    return bce + kl_divergence(mu, logvar).mean()


# %% mistake: kl-subtracted
# exercise: vae_loss
# fails: test_vae_loss_sums_and_averages
# advice: The divergence is a price: it is added to the loss.
def vae_loss(reconstruction_logits, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(reconstruction_logits, x, reduction="sum") / len(x)
    return bce - kl_divergence(mu, logvar).mean()


# %% mistake: no-kl
# exercise: vae_loss
# fails: test_vae_loss_sums_and_averages
# advice: Only the reconstruction is there: that is a plain autoencoder. Add the divergence.
def vae_loss(reconstruction_logits, x, mu, logvar):
    return F.binary_cross_entropy_with_logits(reconstruction_logits, x, reduction="sum") / len(x)


# %% mistake: squared-error
# exercise: vae_loss
# fails: test_vae_loss_sums_and_averages
# advice: Squared error is the loss of another model (Gaussian pixels). Binary cross-entropy of the logits is asked
#   for.
def vae_loss(reconstruction_logits, x, mu, logvar):
    error = F.mse_loss(reconstruction_logits.sigmoid(), x, reduction="sum") / len(x)
    return error + kl_divergence(mu, logvar).mean()


# %% mistake: kl-detached
# exercise: vae_loss
# fails: test_vae_loss_gradient
# advice: The value is right, but the divergence sends no gradient to mu and logvar (detach, item or no_grad).
def vae_loss(reconstruction_logits, x, mu, logvar):
    bce = F.binary_cross_entropy_with_logits(reconstruction_logits, x, reduction="sum") / len(x)
    return bce + kl_divergence(mu, logvar).mean().detach() + 0 * (mu.sum() + logvar.sum())


# %% mistake: no-sample
# exercise: VAE
# fails: test_vae_decodes_a_sample_of_the_cloud
# advice: The decoder gets mu itself, so the clouds are points and logvar is idle. Decode a sample: reparameterize.
class VAE(VAE):
    def forward(self, x):
        mu, logvar = self.encoder(x).chunk(2, 1)
        return self.decoder(mu), mu, logvar


# %% mistake: variance-as-deviation
# exercise: VAE
# fails: test_vae_decodes_a_sample_of_the_cloud
# advice: The noise is scaled wrongly for a logarithm of the variance: sigma is exp(logvar / 2). Is your
#   reparameterize the one that you use?
class VAE(VAE):
    def forward(self, x):
        mu, logvar = self.encoder(x).chunk(2, 1)
        return self.decoder(mu + logvar.exp() * torch.randn_like(mu)), mu, logvar


# %% mistake: sample-without-gradient
# exercise: VAE
# fails: test_vae_decodes_a_sample_of_the_cloud
# advice: The sample is drawn without a way back for the gradient, so the encoder never learns from the
#   reconstruction.
class VAE(VAE):
    def forward(self, x):
        mu, logvar = self.encoder(x).chunk(2, 1)
        z = torch.distributions.Normal(mu, (logvar / 2).exp()).sample()
        return self.decoder(z), mu, logvar


# %% mistake: logvar-detached
# exercise: VAE
# fails: test_vae_decodes_a_sample_of_the_cloud
# advice: The noise has a size that does not depend on the returned logvar: the encoder cannot learn how sure it is.
class VAE(VAE):
    def forward(self, x):
        mu, logvar = self.encoder(x).chunk(2, 1)
        return self.decoder(mu + torch.randn_like(mu)), mu, logvar


# %% mistake: sigmoid-in-forward
# exercise: VAE
# fails: test_vae_gives_logits_mu_and_logvar
# advice: Probabilities come back. vae_loss expects logits, and applies the sigmoid itself.
class VAE(VAE):
    def forward(self, x):
        logits, mu, logvar = super().forward(x)
        return logits.sigmoid(), mu, logvar


# %% mistake: relu-on-mu
# exercise: VAE
# fails: test_vae_gives_logits_mu_and_logvar
# advice: An activation at the end of the encoder cuts off negative values. Means and log-variances may have any sign.
class VAE(VAE):
    def forward(self, x):
        mu, logvar = self.encoder(x).relu().chunk(2, 1)
        return self.decoder(reparameterize(mu, logvar)), mu, logvar


# %% mistake: flat-output
# exercise: VAE
# fails: test_vae_gives_logits_mu_and_logvar
# advice: The logits are flat rows. Give them the shape of the images again, so that they can be compared pixel by
#   pixel.
class VAE(VAE):
    def forward(self, x):
        logits, mu, logvar = super().forward(x)
        return logits.flatten(1), mu, logvar


# %% mistake: sample-for-mu
# exercise: VAE
# fails: test_vae_gives_logits_mu_and_logvar
# advice: The order is logits, mu, logvar. Look at what your forward returns.
class VAE(VAE):
    def forward(self, x):
        logits, mu, logvar = super().forward(x)
        return mu, logvar, logits


# %% mistake: posterior-collapse
# exercise: train_vae
# fails: test_train_vae_updates_once_a_batch
# advice: The reconstruction is averaged over the pixels and the divergence is not, so its price crushes everything:
#   the posterior collapses. Use vae_loss as it is.
def train_vae(model, train_loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for x, _ in train_loader:
            logits, mu, logvar = model(x)
            loss = F.binary_cross_entropy_with_logits(logits, x) + kl_divergence(mu, logvar).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


# %% mistake: no-divergence
# exercise: train_vae
# fails: test_train_vae_updates_once_a_batch
# advice: You train a plain autoencoder: nothing pulls the clouds together. Use vae_loss as it is.
def train_vae(model, train_loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for x, _ in train_loader:
            logits, mu, logvar = model(x)
            loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
            optimizer.zero_grad()
            (loss + 0 * (mu.sum() + logvar.sum())).backward()
            optimizer.step()
    return model


# %% mistake: no-zeroing
# exercise: train_vae
# fails: test_train_vae_updates_once_a_batch
# advice: Gradients pile up from batch to batch. Clear them before each backward.
def train_vae(model, train_loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for x, _ in train_loader:
            logits, mu, logvar = model(x)
            vae_loss(logits, x, mu, logvar).backward()
            optimizer.step()
    return model


# %% mistake: no-step
# exercise: train_vae
# fails: test_train_vae_updates_once_a_batch
# advice: The weights never change: nobody calls the optimiser's step.
def train_vae(model, train_loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for x, _ in train_loader:
            logits, mu, logvar = model(x)
            optimizer.zero_grad()
            vae_loss(logits, x, mu, logvar).backward()
    return model


# %% mistake: one-epoch
# exercise: train_vae
# fails: test_train_vae_updates_once_a_batch
# advice: One pass through the loader, however many epochs are asked for. Look at where your return stands.
def train_vae(model, train_loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for x, _ in train_loader:
            logits, mu, logvar = model(x)
            optimizer.zero_grad()
            vae_loss(logits, x, mu, logvar).backward()
            optimizer.step()
        return model


# %% mistake: step-once-an-epoch
# exercise: train_vae
# fails: test_train_vae_updates_once_a_batch
# advice: One update for each epoch is not enough: step after each batch. Look at the indentation.
def train_vae(model, train_loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for x, _ in train_loader:
            logits, mu, logvar = model(x)
            optimizer.zero_grad()
            vae_loss(logits, x, mu, logvar).backward()
        optimizer.step()
    return model


# %% mistake: nothing-returned
# exercise: train_vae
# fails: test_train_vae_updates_once_a_batch
# advice: The trained model must be returned.
def train_vae(model, train_loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for x, _ in train_loader:
            logits, mu, logvar = model(x)
            optimizer.zero_grad()
            vae_loss(logits, x, mu, logvar).backward()
            optimizer.step()


# %% mistake: labels-swapped
# exercise: gan_step
# fails: test_gan_losses
# advice: The discriminator is taught that real samples are fake: real ones get the label 1, fakes 0.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(discriminator(real)).mean() + F.softplus(-discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: generator-wants-to-be-caught
# exercise: gan_step
# fails: test_gan_losses
# advice: In its half the generator gives its fakes the label 0, so it learns to be caught. It wants them to be taken
#   for real.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: minimax
# exercise: gan_step
# fails: test_gan_losses
# advice: That is the minimax loss, which has almost no gradient while the generator is bad. Ask for the label 1
#   instead of maximising the loss under label 0.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = -F.softplus(discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: half-the-sum
# exercise: gan_step
# fails: test_gan_losses
# advice: loss_d is half of what it should be: the two terms are added, not averaged.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = (F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()) / 2
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: returns-tensors
# exercise: gan_step
# fails: test_gan_losses
# advice: The losses are tensors that still hold the graph. Return plain floats.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d, loss_g


# %% mistake: generator-first
# exercise: gan_step
# fails: test_gan_losses
# advice: The generator moves before the discriminator. The discriminator goes first, and the generator plays against
#   the new one.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    loss_g = F.softplus(-discriminator(generator(noise))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(generator(noise).detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    return loss_d.item(), loss_g.item()


# %% mistake: other-noise
# exercise: gan_step
# fails: test_gan_losses
# advice: The generator's half draws noise of its own. The noise that is given serves both halves.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(generator(torch.randn_like(noise)))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: old-discriminator
# exercise: gan_step
# fails: test_gan_losses
# advice: The generator is judged by the discriminator as it was before its step. Ask the updated one.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_d.zero_grad()
    gradients = torch.autograd.grad(loss_g, list(generator.parameters()), retain_graph=True)
    loss_d.backward()
    opt_d.step()
    for parameter, gradient in zip(generator.parameters(), gradients):
        parameter.grad = gradient
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: fake-not-detached
# exercise: gan_step
# fails: test_gan_losses
# advice: The discriminator's backward went through the generator too, and freed its graph, so the generator's own
#   backward fails. In the discriminator's half the fakes are data: cut their history.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: fake-not-detached-and-kept
# exercise: gan_step
# fails: test_gan_moves_each_player_by_its_own_loss
# advice: The fakes were not detached in the discriminator's half, so its gradients, which want the fakes to be
#   caught, were added to the generator's. Cut the history of the fakes there.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    opt_g.zero_grad()
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    opt_d.zero_grad()
    loss_d.backward(retain_graph=True)
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: fake-not-detached-but-cleared
# exercise: gan_step
# fails: test_gan_spares_the_generator_in_the_other_half
# advice: The discriminator's backward runs through the generator as well: the fakes were not detached. You clear the
#   result later, so it is only wasteful here, but it is half of the step's work, and wrong as soon as the gradients
#   are used.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(generator(noise))).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(generator(noise))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: detached-in-both
# exercise: gan_step
# fails: test_gan_moves_each_player_by_its_own_loss
# advice: The fakes are detached in the generator's half too, so no gradient reaches the generator and it never moves.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise).detach()
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: one-optimizer
# exercise: gan_step
# fails: test_gan_moves_each_player_by_its_own_loss
# advice: The discriminator's optimiser makes both steps: it helps the generator instead of the generator learning.
#   Each player has its own.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_d.zero_grad()
    loss_g.backward()
    opt_d.step()
    return loss_d.item(), loss_g.item()


# %% mistake: both-optimizers-step
# exercise: gan_step
# fails: test_gan_moves_each_player_by_its_own_loss
# advice: In the generator's half the discriminator moves as well, in the generator's favour. Only opt_g steps there.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_g.zero_grad()
    opt_d.zero_grad()
    loss_g.backward()
    opt_g.step()
    opt_d.step()
    return loss_d.item(), loss_g.item()


# %% mistake: discriminator-not-cleared
# exercise: gan_step
# fails: test_gan_moves_each_player_by_its_own_loss
# advice: From the second step on, the discriminator also follows gradients left over from the generator's half. Clear
#   them before its backward.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: discriminator-cleared-too-early
# exercise: gan_step
# fails: test_gan_moves_each_player_by_its_own_loss
# advice: You clear the discriminator's gradients after its step, but then the generator's backward leaves new ones in
#   it. Clear them right before the discriminator's backward.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    loss_d.backward()
    opt_d.step()
    opt_d.zero_grad()
    loss_g = F.softplus(-discriminator(fake)).mean()
    loss_g.backward()
    opt_g.step()
    opt_g.zero_grad()
    return loss_d.item(), loss_g.item()


# %% mistake: generator-not-cleared
# exercise: gan_step
# fails: test_gan_moves_each_player_by_its_own_loss
# advice: From the second step on, the generator follows its old gradients too. Clear them before its backward.
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    loss_g = F.softplus(-discriminator(fake)).mean()
    loss_g.backward()
    opt_g.step()
    return loss_d.item(), loss_g.item()


# %% mistake: head-frozen
# exercise: freeze_backbone
# fails: test_freezing_leaves_the_head_trainable
# advice: Everything is frozen, the head too: nothing is left to train.
def freeze_backbone(model):
    model.requires_grad_(False)


# %% mistake: flag-on-the-module
# exercise: freeze_backbone
# fails: test_freezing_leaves_the_head_trainable
# advice: A module has no requires_grad: you made a new attribute that nobody reads. The parameters have the flag.
def freeze_backbone(model):
    for name, child in model.named_children():
        child.requires_grad = name == "fc"


# %% mistake: eval-is-not-frozen
# exercise: freeze_backbone
# fails: test_freezing_leaves_the_head_trainable
# advice: eval() changes how dropout and batch normalisation work, and returns the model. It freezes nothing.
def freeze_backbone(model):
    return model.eval()


# %% mistake: inverted
# exercise: freeze_backbone
# fails: test_freezing_leaves_the_head_trainable
# advice: The head is frozen and the backbone is trained: the other way round.
def freeze_backbone(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith("fc."))


# %% mistake: norms-left
# exercise: freeze_backbone
# fails: test_freezing_leaves_the_head_trainable
# advice: Only the convolutions are frozen. Batch normalisation has weights and biases too, and they belong to the
#   backbone.
def freeze_backbone(model):
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.requires_grad_(False)


# %% mistake: bias-of-the-head-frozen
# exercise: freeze_backbone
# fails: test_freezing_leaves_the_head_trainable
# advice: The head has a weight and a bias; one of them is frozen.
def freeze_backbone(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name == "fc.weight")


# %% mistake: last-block-left
# exercise: freeze_backbone
# fails: test_freezing_leaves_the_head_trainable
# advice: The first layers are frozen, the later ones are not. Everything but `fc` is the backbone.
def freeze_backbone(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(("layer2", "fc.")))


# %% mistake: no-weights
# exercise: build_finetune_model
# fails: test_model_has_the_weights_and_a_new_head
# advice: The network has random weights: the checkpoint was never loaded into it.
def build_finetune_model(num_classes, weights_path):
    torch.load(weights_path, weights_only=True)
    return digits_resnet(num_classes)


# %% mistake: head-first
# exercise: build_finetune_model
# fails: test_model_has_the_weights_and_a_new_head
# advice: The checkpoint has a head for ten classes and does not fit a network that already has another one. Load
#   first, then replace the head.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(num_classes)
    model.load_state_dict(torch.load(weights_path, weights_only=True))
    return model


# %% mistake: old-head-kept
# exercise: build_finetune_model
# fails: test_model_has_the_weights_and_a_new_head
# advice: The old head is kept when the number of classes happens to agree. The classes are others all the same.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(10)
    model.load_state_dict(torch.load(weights_path, weights_only=True))
    if num_classes != 10:
        model.fc = nn.Linear(128, num_classes)
    return model


# %% mistake: head-not-replaced
# exercise: build_finetune_model
# fails: test_model_has_the_weights_and_a_new_head
# advice: The network still has the head of the checkpoint, for ten classes. Replace `model.fc`; a layer under any
#   other name is not used by forward.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(10)
    model.load_state_dict(torch.load(weights_path, weights_only=True))
    return model


# %% mistake: head-frozen
# exercise: build_finetune_model
# fails: test_model_has_the_weights_and_a_new_head
# advice: You freeze everything after the new head is in place, so the head is frozen too.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(10)
    model.load_state_dict(torch.load(weights_path, weights_only=True))
    model.fc = nn.Linear(128, num_classes)
    return model.requires_grad_(False)


# %% mistake: float16
# exercise: build_finetune_model
# fails: test_model_has_the_weights_and_a_new_head
# advice: The network computes in float16, as the file is stored. Keep the network in float32: load_state_dict
#   converts.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(10).half()
    model.load_state_dict(torch.load(weights_path, weights_only=True))
    model.fc = nn.Linear(128, num_classes)
    return model


# %% mistake: not-strict
# exercise: build_finetune_model
# fails: test_model_refuses_another_architecture
# advice: With strict=False a checkpoint of another network is dropped without a word, and random weights stay.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(10)
    model.load_state_dict(torch.load(weights_path, weights_only=True), strict=False)
    model.fc = nn.Linear(128, num_classes)
    return model


# %% mistake: drops-what-does-not-fit
# exercise: build_finetune_model
# fails: test_model_refuses_another_architecture
# advice: You keep only the keys that fit, and whatever else the file holds is dropped in silence. Unexpected keys
#   tell that the file is of another network.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(10)
    state = model.state_dict()
    saved = torch.load(weights_path, weights_only=True)
    missing = state.keys() - saved.keys()
    if 0 < len(missing) < 5:
        raise RuntimeError(f"missing: {missing}")
    state.update({key: value for key, value in saved.items() if key in state})
    model.load_state_dict(state)
    model.fc = nn.Linear(128, num_classes)
    return model


# %% mistake: error-swallowed
# exercise: build_finetune_model
# fails: test_model_refuses_another_architecture
# advice: Your except hides the error, and a network with random weights comes back. Let the error through.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(10)
    try:
        model.load_state_dict(torch.load(weights_path, weights_only=True))
    except Exception:
        return None
    model.fc = nn.Linear(128, num_classes)
    return model


# %% mistake: unsafe-load
# exercise: build_finetune_model
# fails: test_model_refuses_damaged_and_unsafe_files
# advice: A file can hold a program, and yours has just run it. Load with weights_only=True.
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(10)
    model.load_state_dict(torch.load(weights_path, weights_only=False))
    model.fc = nn.Linear(128, num_classes)
    return model


# %% mistake: statistics-move
# exercise: fine_tune
# fails: test_fine_tuning_moves_the_head_alone
# advice: The running mean and variance of the frozen batch normalisation drift to your few images: in training mode
#   every forward pass moves them. Keep those layers in eval mode.
def fine_tune(model, train_loader, epochs):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    model.train()
    for _ in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model.eval()


# %% mistake: weight-decay-on-frozen
# exercise: fine_tune
# fails: test_fine_tuning_moves_the_head_alone
# advice: The optimiser got the frozen weights as well, with gradients of zero, and its weight decay shrinks them.
#   Give it only what is to be trained.
def fine_tune(model, train_loader, epochs):
    model.eval()
    frozen = [p for p in model.parameters() if not p.requires_grad]
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.1)
    for _ in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            for p in frozen:
                p.grad = torch.zeros_like(p)
            optimizer.step()
    return model


# %% mistake: thaws-everything
# exercise: fine_tune
# fails: test_fine_tuning_moves_the_head_alone
# advice: Frozen weights were trained: do not set requires_grad anew. What is frozen was frozen on purpose.
def fine_tune(model, train_loader, epochs):
    model.eval().requires_grad_(True)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model


# %% mistake: optimizer-before-head
# exercise: fine_tune
# fails: test_fine_tuning_moves_the_head_alone
# advice: The optimiser holds the parameters of a head that you then replace: it trains one that is no longer in use.
#   The head is in place already, and an optimiser is made last.
def fine_tune(model, train_loader, epochs):
    model.eval()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    model.fc = nn.Linear(model.fc.in_features, model.fc.out_features)
    for _ in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model


# %% mistake: no-step
# exercise: fine_tune
# fails: test_fine_tuning_moves_the_head_alone
# advice: Nothing was trained: gradients alone move no weight.
def fine_tune(model, train_loader, epochs):
    model.eval()
    for _ in range(epochs):
        for x, y in train_loader:
            F.cross_entropy(model(x), y).backward()
    return model


# %% mistake: left-in-training-mode
# exercise: fine_tune
# fails: test_fine_tuning_moves_the_head_alone
# advice: The model comes back in training mode: its next predictions would depend on the batch. Return it in eval
#   mode.
def fine_tune(model, train_loader, epochs):
    model = fine_tune_head(model, train_loader, epochs)
    model.training = True
    return model


def fine_tune_head(model, train_loader, epochs):
    model.eval()
    optimizer = torch.optim.Adam(model.fc.parameters(), 1e-2)
    for _ in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model


# %% mistake: nothing-returned
# exercise: fine_tune
# fails: test_fine_tuning_moves_the_head_alone
# advice: The trained model must be returned.
def fine_tune(model, train_loader, epochs):
    model.eval()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    for _ in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
