"""Checks of section 9: attention, Transformer, VAE, GAN, transfer learning.

Where a learner is free to choose layers and initial weights, a probe reports what does not depend on them: which
positions feel a change, what is left when the weights are zero, how large the noise is in units of its own width.
"""

import contextlib
import io

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from grader.checks import (
    assert_at_least,
    assert_at_most,
    assert_close,
    assert_equal,
    assert_finite,
    assert_tensor,
    check,
    picture_confusion,
    picture_curve,
    picture_images,
    picture_matrix,
    require,
)

# ----------------------------------------------------------------------------------------- causal_attention


def attention_weights(q, k, allowed):
    scores = torch.einsum("...td,...sd->...ts", q, k) * q.shape[-1] ** -0.5
    weights = torch.where(allowed, torch.exp(scores - scores.amax(-1, keepdim=True)), 0.0)
    return weights / weights.sum(-1, keepdim=True)


@check("causal_attention", kind="value", points=4)
def test_attention_weights(student, rng):
    """With v the identity, the output is the weights: lower triangular, each row the softmax of q k / root D."""
    q, k = rng.normal(2, 5, 5, dtype=torch.float64), rng.normal(2, 5, 5, dtype=torch.float64)
    v = torch.eye(5, dtype=torch.float64).repeat(2, 1, 1)
    allowed = torch.ones(5, 5).tril().bool()
    weights = student.causal_attention(q, k, v)
    picture_matrix("Who attends to whom", weights, across="to this position", up="from this one")
    assert_close(weights, attention_weights(q, k, allowed), "the weights (v is the identity)")


@check("causal_attention", kind="value", points=2)
def test_attention_of_any_size(student, rng):
    """It works for any batch, length and number of features, one position and large scores among them."""
    for shape, scale in (((2, 3, 7), 1), ((1, 7, 3), 1), ((3, 1, 2), 1), ((2, 7, 5), 30)):
        q, k, v = (scale * rng.normal(*shape) for _ in range(3))
        expected = F.scaled_dot_product_attention(*(x.double() for x in (q, k, v)), is_causal=True).float()
        assert_close(student.causal_attention(q, k, v), expected, tolerance=1e-4)
    # Every score lies below -140, so that no small number will do for the future's.
    q, k = (4 * (2 + rng.normal(2, 5, 5, dtype=torch.float64).abs()) for _ in range(2))
    v = torch.eye(5, dtype=torch.float64).repeat(2, 1, 1)
    expected = F.scaled_dot_product_attention(q, -k, v, is_causal=True)
    assert_close(student.causal_attention(q, -k, v), expected, "the weights where all scores are far below zero")


@check("causal_attention", kind="gradient", points=2)
def test_attention_gradient(student, rng):
    """Gradients flow back to queries, keys and values."""
    inputs = [rng.normal(2, 3, 5, dtype=torch.float64) for _ in range(3)]
    upstream = rng.normal(2, 3, 5, dtype=torch.float64)
    leaves = [x.clone().requires_grad_() for x in inputs]
    expected = torch.autograd.grad(F.scaled_dot_product_attention(*leaves, is_causal=True), leaves, upstream)
    actual = student.probe(gradients_of_attention, inputs=inputs, upstream=upstream)
    for name, mine, theirs in zip(("q", "k", "v"), actual, expected, strict=True):
        assert_close(mine, theirs, f"the gradient with respect to {name}")


def gradients_of_attention(solution, inputs, upstream):
    leaves = [x.requires_grad_() for x in inputs]
    return list(torch.autograd.grad(solution.causal_attention(*leaves), leaves, upstream))


# --------------------------------------------------------------------------------------- MultiHeadAttention


def torch_attention(rng, dim, heads):
    """torch's own layer in float64 with weights and biases drawn from rng."""
    layer = nn.MultiheadAttention(dim, heads, batch_first=True, dtype=torch.float64)
    for parameter in layer.parameters():
        parameter.data = 0.5 * rng.normal(*parameter.shape, dtype=torch.float64)
    return layer


def attend(solution, dim, heads, state, inputs):
    """The output for these inputs after loading torch's weights."""
    layer = solution.MultiHeadAttention(dim, heads).double()
    layer.load_state_dict(state)
    with torch.no_grad():
        return layer(*inputs)


@check("MultiHeadAttention", kind="shape", points=1)
def test_heads_keep_the_shape(student):
    """(B, T, D) comes in, (B, T, D) goes out, the tensor alone, with the layer's own first weights."""
    for dim, heads in ((15, 3), (4, 4)):
        made = student.probe(shape_of_attention, dim=dim, heads=heads, x=torch.ones(2, 7, dim))
        assert_equal(made, (2, 7, dim), f"the shape of MultiHeadAttention({dim}, {heads})(x)")


def shape_of_attention(solution, dim, heads, x):
    made = solution.MultiHeadAttention(dim, heads)(x)
    return tuple(made.shape) if isinstance(made, torch.Tensor) else f"a {type(made).__name__}, not a tensor"


@check("MultiHeadAttention", kind="value", points=4)
def test_heads_agree_with_torch(student, rng):
    """With the weights of nn.MultiheadAttention it gives the same self-attention."""
    for dim, heads, shape in ((15, 3, (2, 7, 15)), (15, 5, (1, 5, 15)), (6, 1, (3, 2, 6))):
        layer, x = torch_attention(rng, dim, heads), rng.normal(*shape, dtype=torch.float64)
        made = student.probe(attend, dim=dim, heads=heads, state=dict(layer.state_dict()), inputs=[x])
        assert_close(made, layer(x, x, x, need_weights=False)[0].detach(), "the self-attention of x")


@check("MultiHeadAttention", kind="value", points=2)
def test_heads_attend_to_another_sequence(student, rng):
    """Keys and values may come from another sequence, of another length, and differ from each other."""
    layer = torch_attention(rng, 15, 3)
    query, key, value = (rng.normal(2, n, 15, dtype=torch.float64) for n in (3, 7, 7))
    made = student.probe(attend, dim=15, heads=3, state=dict(layer.state_dict()), inputs=[query, key, value])
    assert_close(made, layer(query, key, value, need_weights=False)[0].detach(), "the attention of query, key, value")


@check("MultiHeadAttention", kind="value", points=2)
def test_heads_obey_a_mask(student, rng):
    """A query does not look where the (T, S) mask forbids it."""
    layer = torch_attention(rng, 15, 3)
    query, key, value = (rng.normal(2, n, 15, dtype=torch.float64) for n in (3, 5, 5))
    mask = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 1, 0], [0, 1, 1, 0, 1]]).bool()
    made = student.probe(attend, dim=15, heads=3, state=dict(layer.state_dict()), inputs=[query, key, value, mask])
    expected, opposite = (
        layer(query, key, value, attn_mask=blocked, need_weights=False)[0].detach() for blocked in (~mask, mask)
    )
    # torch itself has both conventions: True is "may look" in scaled_dot_product_attention, "may not" in
    # nn.MultiheadAttention. The docstring takes the first; a class that takes over the second one obeys its mask too.
    if not (isinstance(made, torch.Tensor) and made.shape == opposite.shape and torch.allclose(made, opposite)):
        assert_close(made, expected, "the attention of query, key, value with a mask")


@check("MultiHeadAttention", kind="value", points=2)
def test_heads_must_divide_the_features(student):
    """A number of heads that does not divide the features raises ValueError."""
    for dim, heads in ((15, 4), (4, 8)):
        student.must_raise(ValueError, build_attention, dim=dim, heads=heads)


def build_attention(solution, dim, heads):
    return type(solution.MultiHeadAttention(dim, heads)).__name__


# ------------------------------------------------------------------------------------- sinusoidal_positions


@check("sinusoidal_positions", kind="shape", points=1)
def test_positions_have_their_shape(student):
    """The result is (length, dim) in float32."""
    for length, dim in ((7, 10), (1, 2), (6, 6)):
        assert_tensor(student.sinusoidal_positions(length, dim), (length, dim), torch.float32)


@check("sinusoidal_positions", kind="value", points=3)
def test_positions_are_the_waves_of_the_formula(student):
    """Even columns are sines, odd ones cosines of the same angle, and each pair is slower than the one before."""
    for length, dim in ((7, 10), (31, 4), (6, 6)):
        expected = np.empty((length, dim))
        for t in range(length):
            for i in range(dim // 2):
                angle = t / 10_000 ** (2 * i / dim)
                expected[t, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
        made = student.sinusoidal_positions(length, dim)
        assert_close(made, torch.from_numpy(expected).float(), tolerance=1e-4)


# ----------------------------------------------------------------------------------------- TransformerBlock


def randomize(module):
    """Weights that no clever initialisation (zeros at the end of a branch, say) hides anything with."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.5)
    return module


@check("TransformerBlock", kind="shape", points=1)
def test_block_keeps_the_shape(student, rng):
    """(B, T, dim) comes in and goes out, and the network between is as wide as it is told."""
    made = student.probe(shapes_of_block, inputs=[rng.normal(2, 3, 6), rng.normal(1, 1, 6), rng.normal(6, 6, 6)])
    assert_equal(made["shapes"], [(2, 3, 6), (1, 1, 6), (6, 6, 6)], "the shapes of TransformerBlock(6, 2, 11)(x)")
    more = "a wider `hidden` must bring more parameters, in float32"
    require(made["more parameters for more hidden"] is True, more)


def shapes_of_block(solution, inputs):
    narrow, wide = solution.TransformerBlock(6, 2, 11), solution.TransformerBlock(6, 2, 31)
    narrow_size, wide_size = (sum(p.numel() for p in block.parameters()) for block in (narrow, wide))
    shapes = [tuple(narrow(x).shape) for x in inputs]
    return {"shapes": shapes, "more parameters for more hidden": wide_size > narrow_size}


@check("TransformerBlock", kind="value", points=3)
def test_block_adds_to_its_input(student, rng):
    """With all weights zero, each branch gives its bias at most, and the input comes out: both steps add to it."""
    inputs = [rng.normal(2, 3, 6), 5 * rng.normal(2, 3, 6) + 1]
    outputs = student.probe(block_without_weights, inputs=inputs)
    for x, made in zip(inputs, outputs, strict=True):
        added = (assert_tensor(made, x.shape, torch.float32) - x).mean()
        assert_close(made, x + added, "the output when every weight is 0 and every bias 0.3 (x plus a constant)")


def block_without_weights(solution, inputs):
    block = solution.TransformerBlock(6, 2, 11).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            gain = parameter.dim() == 1 and bool((parameter == 1).all())  # of a LayerNorm
            parameter.fill_(1.0 if gain else 0.3 if parameter.dim() == 1 else 0.0)
        return [block(x) for x in inputs]


@check("TransformerBlock", kind="value", points=2)
def test_block_normalises_inside_its_branches(student, rng):
    """An input ten times as large gets the same amount added: each branch sees it normalised."""
    grown = student.probe(growth_of_branches, x=rng.normal(2, 3, 6))
    require(
        type(grown) is int and grown == 1,
        f"what the block adds to x grows by a factor of {grown} when x grows by 10; it should not grow",
    )


def growth_of_branches(solution, x):
    """By how much more is added to an input of ten times the size, to the nearest integer."""
    block = randomize(solution.TransformerBlock(6, 2, 11)).eval()
    with torch.no_grad():
        small, large = (block(scale * x) - scale * x for scale in (1e3, 1e4))
    return round(float(large.norm() / small.norm()))


@check("TransformerBlock", kind="value", points=2)
def test_block_is_causal(student, rng):
    """A change at position t is felt at t and at every later position, and at no earlier one."""
    felt = student.probe(reach_of_block, x=rng.normal(2, 5, 6), change=3 * rng.normal(2, 5, 6))
    expected = torch.ones(5, 5).triu().bool()
    assert_close(felt, expected, "who feels a change (row: the position changed; column: the position that feels it)")


def reach_of_block(solution, x, change):
    block = randomize(solution.TransformerBlock(6, 2, 11)).eval()
    with torch.no_grad():
        before, felt = block(x), []
        for t in range(x.shape[1]):
            changed = x.clone()
            changed[:, t] += change[:, t]
            felt.append((block(changed) - before).abs().amax(dim=(0, 2)) > 1e-4)
    return torch.stack(felt)


@check("TransformerBlock", kind="state", points=1)
def test_block_drops_in_training_only(student, rng):
    """Dropout makes two passes differ in training mode, and is off in eval mode."""
    differ = student.probe(dropout_of_block, x=rng.normal(2, 3, 6))
    assert_equal(differ, {"training": True, "eval": False}, "whether two passes with dropout=0.5 differ")


def dropout_of_block(solution, x):
    block = randomize(solution.TransformerBlock(6, 2, 11, 0.5))
    with torch.no_grad():
        training = not torch.equal(block.train()(x), block(x))
        return {"training": training, "eval": not torch.equal(block.eval()(x), block(x))}


# -------------------------------------------------------------------------------------------------- TinyGPT


@check("TinyGPT", kind="shape", points=1)
def test_gpt_gives_logits_for_every_position(student, rng):
    """(B, T) ids give (B, T, V) logits in float32, up to the whole context."""
    for shape in ((2, 5), (1, 1), (3, 7)):
        made = student.probe(logits_of_gpt, sizes=(11, 12, 3, 2, 7), ids=rng.integers(0, 11, *shape))
        assert_tensor(made, (*shape, 11), torch.float32, f"the logits of TinyGPT(11, 12, 3, 2, 7) for ids {shape}")
    grows = student.probe(parameters_of_gpt)
    require(grows, "with two layers `parameters()` gives no more than with one: the blocks' are not found")


def logits_of_gpt(solution, sizes, ids):
    with torch.no_grad():
        return solution.TinyGPT(*sizes).eval()(ids)


def parameters_of_gpt(solution):
    one, two = (sum(p.numel() for p in solution.TinyGPT(11, 12, 3, n, 7).parameters()) for n in (1, 2))
    return two > one


@check("TinyGPT", kind="value", points=2)
def test_gpt_does_not_see_the_future(student, rng):
    """Another token at position t changes the logits at t and later, and none before."""
    felt = student.probe(reach_of_gpt, ids=rng.integers(0, 11, 3, 7))
    expected = torch.ones(7, 7).triu().bool()
    assert_close(felt, expected, "who feels a change (row: the position changed; column: the position that feels it)")


def reach_of_gpt(solution, ids):
    model = randomize(solution.TinyGPT(11, 12, 3, 2, 7)).eval()
    with torch.no_grad():
        before, felt = model(ids), []
        for t in range(ids.shape[1]):
            changed = ids.clone()
            changed[:, t] = (ids[:, t] + 5) % 11
            felt.append((model(changed) - before).abs().amax(dim=(0, 2)) > 1e-4)
    return torch.stack(felt)


@check("TinyGPT", kind="value", points=1)
def test_gpt_knows_positions(student):
    """The same token seven times gives other logits at each position."""
    differ = student.probe(positions_of_gpt, ids=torch.full((1, 7), 3))
    assert_equal(differ, [True] * 6, "whether the logits change from each position to the next, for one repeated token")


def positions_of_gpt(solution, ids):
    model = randomize(solution.TinyGPT(11, 12, 3, 2, 7)).eval()
    with torch.no_grad():
        return (model(ids).diff(dim=1)[0].abs().amax(dim=1) > 1e-4).tolist()


@check("TinyGPT", kind="value", points=1)
def test_gpt_refuses_what_is_too_long(student):
    """More tokens than the context raise an exception."""
    student.must_raise(Exception, logits_of_gpt, sizes=(11, 12, 3, 2, 7), ids=torch.zeros(2, 8, dtype=torch.int64))


@check("TinyGPT", kind="convergence", points=5, seconds=60)
def test_gpt_learns_to_reverse(student, rng):
    """After 300 steps it writes eight letters in reverse order, one after the other."""
    letters = rng.integers(0, 10, 100, 8)
    prompts = torch.cat([letters, torch.full((100, 1), 10)], dim=1)
    written = assert_tensor(student.probe(reversals_of_gpt, prompts=prompts), (100, 8), torch.int64, "the ids written")
    assert_at_least(float((written == letters.flip(1)).double().mean()), 0.95, "the share of letters reversed rightly")


def reversals_of_gpt(solution, prompts):
    """Train on random rows of eight letters, a separator and an answer; then continue the prompts."""
    model = solution.TinyGPT(11, 32, 4, 1, 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(300):
        letters = torch.randint(0, 10, (64, 8))
        ids = torch.cat([letters, torch.full((64, 1), 10), letters.flip(1)], dim=1)
        loss = F.cross_entropy(model(ids[:, :-1])[:, 8:].flatten(0, 1), ids[:, 9:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        for _ in range(8):
            prompts = torch.cat([prompts, model(prompts)[:, -1:].argmax(dim=-1)], dim=1)
    return prompts[:, 9:]


# ------------------------------------------------------------------------------------------- reparameterize


@check("reparameterize", kind="shape", points=1)
def test_samples_keep_shape_and_dtype(student, rng):
    """A sample has the shape and the dtype of mu."""
    for dtype in (torch.float32, torch.float64):
        mu, logvar = rng.normal(2, 3, dtype=dtype), rng.uniform(2, 3, dtype=dtype)
        assert_tensor(student.reparameterize(mu, logvar), (2, 3), dtype)


@check("reparameterize", kind="value", points=2)
def test_samples_have_mean_and_spread(student):
    """Each latent is normal with mean mu and variance exp(logvar), independent of the others."""
    n, mu, logvar = 5000, torch.tensor([-2.0, 0.5, 4.0]), torch.tensor([-2.0, -1.0, 1.5])
    z = student.reparameterize(mu.repeat(n, 1), logvar.repeat(n, 1))
    noise = (assert_tensor(z, (n, 3)).double() - mu) / (logvar / 2).exp()
    limit = 6 / n**0.5  # standard errors of a mean: not even one in 10^8 draws is this far off
    for j, place in enumerate(f"mu = {m:g} and logvar = {v:g}" for m, v in zip(mu, logvar, strict=True)):
        mean, spread = z[:, j].mean(), z[:, j].std()
        require(abs(noise[:, j].mean().item()) < limit, f"for {place} the mean of {n} samples is {mean:.3f}")
        right = f"it should be about {(logvar[j] / 2).exp():.3f}"
        far_off = abs(noise[:, j].std().item() - 1) >= limit
        require(not far_off, f"for {place} the standard deviation of {n} samples is {spread:.3f}; {right}")
    between = (noise.T @ noise / n - torch.eye(3)).abs().max().item()
    require(between < 2 * limit, "the latents of one row are not independent: each needs noise of its own")
    inside = (noise.abs() < 1).double().mean().item()
    require(abs(inside - 0.6827) < limit / 3**0.5, f"{inside:.3f} of the noise lies within one sigma, not 0.683")


@check("reparameterize", kind="gradient", points=2)
def test_samples_pass_gradients_on(student, rng):
    """dz/dmu is 1, and dz/dlogvar is half of z - mu."""
    mu, logvar, upstream = (rng.normal(3, 5, dtype=torch.float64) for _ in range(3))
    z, to_mu, to_logvar = student.probe(gradients_of_sample, mu=mu, logvar=logvar, upstream=upstream)
    reached = to_mu is not None and to_logvar is not None
    require(reached, "no gradient reaches mu and logvar: the sample must be computed from them")
    z = assert_tensor(z, (3, 5), torch.float64, "the sample")
    assert_close(to_mu, upstream, "the gradient with respect to mu")
    assert_close(to_logvar, upstream * (z - mu) / 2, "the gradient with respect to logvar")


def gradients_of_sample(solution, mu, logvar, upstream):
    z = solution.reparameterize(mu.requires_grad_(), logvar.requires_grad_())
    found = (None, None)
    if z.requires_grad:
        found = torch.autograd.grad(z, (mu, logvar), upstream, allow_unused=True)
    return [z.detach(), *found]


@check("reparameterize", kind="state", points=2)
def test_samples_come_from_the_generator(student):
    """A generator decides the sample and leaves torch's global one alone; without one, each call is another sample."""
    seen = student.probe(samples_of_generators, mu=torch.zeros(2, 3), logvar=torch.ones(2, 3))
    require(type(seen) is dict and len(seen) == 5, "the draws came back in a form that no honest run gives")
    for what, holds in seen.items():
        require(holds, f"this does not hold: {what}")


def samples_of_generators(solution, mu, logvar):
    state = torch.get_rng_state()
    draw = solution.reparameterize
    five, five_again, six = (torch.Generator().manual_seed(seed) for seed in (5, 5, 6))
    first, again, other, next_one = (draw(mu, logvar, g) for g in (five, five_again, six, five))
    return {
        "two generators with the same seed give the same sample": torch.equal(first, again),
        "generators with different seeds give different samples": not torch.equal(first, other),
        "a second sample from one generator is another one": not torch.equal(first, next_one),
        "with a generator, the global one is not used": torch.equal(state, torch.get_rng_state()),
        "without a generator, each call is another sample": not torch.equal(draw(mu, logvar), draw(mu, logvar)),
    }


# -------------------------------------------------------------------------------------------- kl_divergence


@check("kl_divergence", kind="value", points=2)
def test_kl_of_each_row(student, rng):
    """One number for each row: the divergence of its Gaussians from the standard normal, summed over the latents."""
    for rows, latents in ((3, 5), (1, 2), (4, 4)):
        mu, logvar = rng.normal(rows, latents, dtype=torch.float64), rng.normal(rows, latents, dtype=torch.float64)
        cloud = torch.distributions.Normal(mu, (logvar / 2).exp())
        expected = torch.distributions.kl_divergence(cloud, torch.distributions.Normal(0.0, 1.0)).sum(1)
        assert_close(student.kl_divergence(mu, logvar), expected)


@check("kl_divergence", kind="gradient", points=1)
def test_kl_gradient(student, rng):
    """The gradient pulls mu to 0 and logvar to 0."""
    mu, logvar = rng.normal(3, 5, dtype=torch.float64), rng.normal(3, 5, dtype=torch.float64)
    upstream = rng.normal(3, dtype=torch.float64)
    to_mu, to_logvar = student.probe(gradients_of_kl, mu=mu, logvar=logvar, upstream=upstream)
    assert_close(to_mu, upstream[:, None] * mu, "the gradient with respect to mu")
    assert_close(to_logvar, upstream[:, None] * torch.expm1(logvar) / 2, "the gradient with respect to logvar")


def gradients_of_kl(solution, mu, logvar, upstream):
    made = solution.kl_divergence(mu.requires_grad_(), logvar.requires_grad_())
    return list(torch.autograd.grad(made, (mu, logvar), upstream))


# ------------------------------------------------------------------------------------------------- vae_loss


def negative_elbo(logits, x, mu, logvar):
    """By the definition, element by element."""
    likelihood = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    price = (mu**2 + torch.exp(logvar) - logvar - 1) / 2
    return (-likelihood.flatten(1).sum(1) + price.sum(1)).mean()


def vae_inputs(rng, n, latents, *shape):
    logits, x = 2 * rng.normal(n, *shape, dtype=torch.float64), rng.uniform(n, *shape, dtype=torch.float64)
    return logits, x, rng.normal(n, latents, dtype=torch.float64), rng.normal(n, latents, dtype=torch.float64)


@check("vae_loss", kind="value", points=4)
def test_vae_loss_sums_and_averages(student, rng):
    """Both parts are summed over pixels and latents, and averaged over the batch."""
    for inputs in (vae_inputs(rng, 3, 5, 1, 4, 7), vae_inputs(rng, 1, 2, 1, 3, 3), vae_inputs(rng, 5, 5, 1, 2, 2)):
        assert_close(student.vae_loss(*inputs), negative_elbo(*inputs))


@check("vae_loss", kind="gradient", points=2)
def test_vae_loss_gradient(student, rng):
    """The gradient reaches the logits, mu and logvar, each with the right weight."""
    logits, x, mu, logvar = vae_inputs(rng, 3, 5, 1, 4, 7)
    actual = student.probe(gradients_of_vae_loss, logits=logits, x=x, mu=mu, logvar=logvar)
    leaves = [value.clone().requires_grad_() for value in (logits, mu, logvar)]
    expected = torch.autograd.grad(3 * negative_elbo(leaves[0], x, *leaves[1:]), leaves)
    for name, mine, theirs in zip(("the logits", "mu", "logvar"), actual, expected, strict=True):
        assert_close(mine, theirs, f"the gradient of 3 * vae_loss with respect to {name}")


def gradients_of_vae_loss(solution, logits, x, mu, logvar):
    leaves = [value.requires_grad_() for value in (logits, mu, logvar)]
    return list(torch.autograd.grad(3 * solution.vae_loss(leaves[0], x, *leaves[1:]), leaves))


# ------------------------------------------------------------------------------------------------------ VAE


def digits(student, part, start, stop):
    """MNIST images of the kit as (N, 1, 28, 28) uint8."""
    raw = np.fromfile(student.data / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", np.uint8)
    return torch.from_numpy(raw[16:].reshape(-1, 1, 28, 28)[start:stop].copy())


def reconstruction_error(logits, images):
    """Binary cross-entropy, summed over the pixels, of an average image."""
    target = images.double() / 255
    return float(F.binary_cross_entropy_with_logits(logits.double(), target, reduction="sum") / len(images))


@check("VAE", kind="shape", points=2)
def test_vae_gives_logits_mu_and_logvar(student, rng):
    """Digits give logits in the shape of the images, and mu and logvar of shape (N, latent), all of any sign."""
    seen = student.probe(outputs_of_vae, images=rng.uniform(3, 1, 28, 28))
    for n in (3, 1):
        expected = [(n, 1, 28, 28), (n, 5), (n, 5)]
        assert_equal(seen["shapes"][n], expected, f"the shapes of what VAE(latent=5) gives for {n} images")
    unbounded = "have no negative value: they must be any real numbers, so no sigmoid and no ReLU at the end"
    for name in ("logits", "mu", "logvar"):
        require(seen["negative"][name], f"{'the ' * (name == 'logits')}{name} {unbounded}")


def outputs_of_vae(solution, images):
    model = solution.VAE(5)
    with torch.no_grad():
        outputs = [tuple(model(images)), tuple(model.eval()(images[:1]))]
        many = model(torch.rand(64, 1, 28, 28))
    shapes = {len(o[0]): [tuple(t.shape) if isinstance(t, torch.Tensor) else str(type(t)) for t in o] for o in outputs}
    negative = {name: bool((t < 0).any()) for name, t in zip(("logits", "mu", "logvar"), many, strict=True)}
    return {"shapes": shapes, "negative": negative}


@check("VAE", kind="gradient", points=3)
def test_vae_decodes_a_sample_of_the_cloud(student):
    """The decoder sees mu + sigma * noise: standard normal noise, scaled with sigma = exp(logvar / 2)."""
    seen = student.probe(noise_of_vae)
    require(seen["differ"], "two passes of the same images in training mode give the same logits: nothing is random")
    require(seen["mu"], "no gradient flows from the logits to the returned mu: they do not depend on it")
    require(seen["logvar"], "no gradient flows from the logits to the returned logvar: the sample is not made with it")
    size = seen["noise"]
    require(size == 1.0, f"the noise, measured in units of sigma = exp(logvar / 2), has a size of {size}, not 1")


def noise_of_vae(solution):
    """The size of the noise, to the nearest half: with z = mu + s * noise, 2 dz/dlogvar / dz/dmu = noise * sigma."""
    model, images = solution.VAE(6).train(), torch.rand(256, 1, 28, 28)
    (logits, mu, logvar), (again, *_) = model(images), model(images)
    upstream = torch.randn(logits.shape)
    to_mu, to_logvar = None, None
    if logits.requires_grad:
        to_mu, to_logvar = torch.autograd.grad(logits, (mu, logvar), upstream, allow_unused=True)
    seen = {
        "differ": not torch.equal(logits, again),
        "mu": to_mu is not None and bool(to_mu.any()),
        "logvar": to_logvar is not None and bool(to_logvar.any()),
        "noise": None,
    }
    if seen["mu"] and seen["logvar"]:
        noise = 2 * to_logvar / to_mu / torch.exp(logvar / 2)
        seen["noise"] = round(2 * noise.detach().abs().median().item() / 0.6745) / 2  # the median of |noise| is 0.6745
    return seen


@check("VAE", kind="convergence", points=2, seconds=60)
def test_vae_can_reconstruct(student):
    """Trained for a moment, it gives digits back better than the mean image is."""
    train, test = digits(student, "train", 0, 2000), digits(student, "t10k", 0, 200)
    logits = student.probe(reconstructions_of_vae, train=train, test=test)
    _beats_mean_image(logits, train, test, 0.9)


def reconstructions_of_vae(solution, train, test):
    """Train as an autoencoder whose latent numbers are kept small."""
    model = solution.VAE(8).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for _ in range(4):
        for images in (train[torch.randperm(len(train))] / 255).split(50):
            logits, *latent = model(images)
            loss = F.binary_cross_entropy_with_logits(logits, images, reduction="sum")
            loss = (loss + 0.05 * sum((numbers**2).sum() for numbers in latent)) / len(images)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return model.eval()(test / 255)[0]


def _beats_mean_image(logits, train, test, share):
    assert_tensor(logits, test.shape, torch.float32, "the logits of test digits")
    picture_images(
        "Digits it never saw, and what it gives back", {"digits": test / 255, "given back": logits.sigmoid()}
    )
    mean = (train.double() / 255).mean(0).clamp(1e-3, 1 - 1e-3)
    baseline = reconstruction_error(torch.logit(mean).expand(len(test), -1, -1, -1), test)
    ratio = reconstruction_error(logits, test) / baseline
    assert_at_most(ratio, share, "the error of the reconstructions, as a share of the mean image's,")


# ------------------------------------------------------------------------------------------------ train_vae


@check("train_vae", kind="state", points=3)
def test_train_vae_updates_once_a_batch(student, rng):
    """Each batch of each epoch is used for one update, with fresh gradients of the sum of both parts of the loss."""
    images = rng.uniform(10, 1, 28, 28)
    encoder, decoder = 0.03 * rng.normal(6, 784), 0.3 * rng.normal(784, 3)
    seen = student.probe(updates_of_train_vae, images=images, encoder=encoder, decoder=decoder)
    require(seen["returned"], "it must return the model that it was given, trained")
    sums = [float(batch.double().sum()) for batch in images.split(4)] * 2
    count = len(seen["batches"])
    require(count == 6, f"2 epochs of 3 batches make 6 backward passes; yours made {count}")
    assert_close(seen["batches"], sums, "the sum of the pixels of each batch", tolerance=1e-4)
    stale = "when backward starts, gradients of an earlier batch are still there: clear them before each one"
    require(not any(seen["stale"]), stale)
    require(all(seen["moved"]), "the weights must change after each batch: one step of the optimiser for each")
    x = images[:4].flatten(1).double()
    mu, logvar = (x @ encoder.double().T).chunk(2, dim=1)
    logits = mu @ decoder.double().T
    leaves = [value.detach().requires_grad_() for value in (logits, mu, logvar)]
    wanted = torch.autograd.grad(negative_elbo(leaves[0], x, *leaves[1:]), leaves)
    actual = torch.cat([assert_tensor(g).double().flatten() for g in seen["gradients"]])
    expected = torch.cat([g.flatten() for g in wanted])
    scale = (actual @ expected / (expected @ expected)).item()  # a sum over the batch has the same direction
    require(scale > 0, "the first step goes uphill, or nowhere: minimise vae_loss")
    what = "the gradient of your loss for the first batch (at logits, mu and logvar), scaled to compare with vae_loss's"
    assert_close(actual / scale, expected, what, tolerance=1e-4)


def updates_of_train_vae(solution, images, encoder, decoder):
    """Train a model that takes notes whenever a gradient arrives."""
    seen = {"batches": [], "stale": [], "gradients": [], "moved": []}

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(784, 6, bias=False), nn.Linear(3, 784, bias=False)
            self.encoder.weight.data, self.decoder.weight.data = encoder.clone(), decoder.clone()
            self.before = None

        def forward(self, x):
            if self.before is not None:
                seen["moved"].append(not torch.equal(self.before, self.encoder.weight))
            self.before = self.encoder.weight.detach().clone()
            mu, logvar = self.encoder(x.flatten(1)).chunk(2, dim=1)
            logits = self.decoder(mu).view(x.shape)
            outputs = [logits, mu * 1.0, logvar * 1.0]  # of their own, so that their gradients are the loss's alone
            if logits.requires_grad:
                logits.register_hook(lambda gradient: self.note(x))
                for index, output in enumerate(outputs):
                    output.register_hook(lambda gradient, index=index: self.keep(index, gradient))
            return tuple(outputs)

        def note(self, x):
            seen["batches"].append(float(x.double().sum()))
            old = self.encoder.weight.grad
            seen["stale"].append(old is not None and bool(old.any()))

        def keep(self, index, gradient):
            first.setdefault(index, gradient.detach().clone())

    first, model = {}, Watched()
    dataset = torch.utils.data.TensorDataset(images, torch.zeros(len(images), dtype=torch.int64))
    made = solution.train_vae(model, torch.utils.data.DataLoader(dataset, batch_size=4), 2)
    seen["moved"].append(model.before is not None and not torch.equal(model.before, model.encoder.weight))
    empty = torch.zeros(0)
    seen["gradients"] = [first.get(index, empty) for index in range(3)]
    seen["returned"] = made is model
    return seen


@check("train_vae", kind="convergence", points=4, seconds=60)
def test_train_vae_beats_the_mean_image(student):
    """After four epochs on 2,000 digits the reconstruction of others is better than the mean image."""
    train, test = digits(student, "train", 0, 2000), digits(student, "t10k", 0, 200)
    _beats_mean_image(student.probe(trained_reconstructions, train=train, test=test), train, test, 0.9)


def trained_reconstructions(solution, train, test):
    """The learner's training, of a network given here (which passes mu on as it is)."""

    class Digits(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 16))
            self.decoder = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 784))

        def forward(self, x):
            latent = self.encoder(x)
            return self.decoder(latent[:, :8]).view(x.shape), latent[:, :8], latent[:, 8:]

    dataset = torch.utils.data.TensorDataset(train / 255, torch.zeros(len(train), dtype=torch.int64))
    model = solution.train_vae(Digits(), torch.utils.data.DataLoader(dataset, batch_size=50, shuffle=True), 4)
    with torch.no_grad():
        return model.eval()(test / 255)[0]


# ------------------------------------------------------------------------------------------------- gan_step


def gan_inputs(rng):
    """Weights of two small networks, and real samples and noise for two steps."""
    shapes = {"0.weight": (5, 3), "0.bias": (5,), "2.weight": (2, 5), "2.bias": (2,)}
    generator = {key: 0.7 * rng.normal(*shape) for key, shape in shapes.items()}
    shapes = {"0.weight": (7, 2), "0.bias": (7,), "2.weight": (1, 7), "2.bias": (1,)}
    discriminator = {key: 0.7 * rng.normal(*shape) for key, shape in shapes.items()}
    rounds = [(rng.normal(n, 2) + 1, rng.normal(n, 3)) for n in (5, 3)]
    return generator, discriminator, rounds


def play(solution, generator, discriminator, rounds):
    """Steps of a GAN with plain gradient descent: losses, weights after each, arrivals of gradients at G's output."""
    networks = [nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))]
    networks.append(nn.Sequential(nn.Linear(2, 7), nn.Tanh(), nn.Linear(7, 1)))
    for network, state in zip(networks, (generator, discriminator), strict=True):
        network.load_state_dict(state)
    opt_g, opt_d = torch.optim.SGD(networks[0].parameters(), lr=0.5), torch.optim.SGD(networks[1].parameters(), lr=0.3)
    arrived, losses, weights = [], [], []

    def watch(module, inputs, output):
        if output.requires_grad:
            output.register_hook(lambda gradient: arrived.append(True))

    networks[0].register_forward_hook(watch)
    arrivals = []
    for real, noise in rounds:
        arrived.clear()
        losses.append(solution.gan_step(*networks, real, opt_g, opt_d, noise))
        arrivals.append(len(arrived))
        copies = ({k: v.detach().clone() for k, v in n.state_dict().items()} for n in networks)
        weights.append(dict(zip(("generator", "discriminator"), copies, strict=True)))
    return {"losses": losses, "weights": weights, "arrivals": arrivals}


def expected_play(generator, discriminator, rounds):
    """The same with pencil and paper: softplus for the cross-entropies, gradients by hand to whom they belong."""

    def run(state, x):
        hidden = torch.tanh(x @ state["0.weight"].T + state["0.bias"])
        return hidden @ state["2.weight"].T + state["2.bias"]

    def descend(state, loss, rate):
        gradients = torch.autograd.grad(loss, list(state.values()))
        moved = (value - rate * gradient for value, gradient in zip(state.values(), gradients, strict=True))
        return {key: value.detach().requires_grad_() for key, value in zip(state, moved, strict=True)}

    g, d = ({k: v.double().requires_grad_() for k, v in state.items()} for state in (generator, discriminator))
    losses, weights = [], []
    for real, noise in rounds:
        real, noise = real.double(), noise.double()
        loss_d = F.softplus(-run(d, real)).mean() + F.softplus(run(d, run(g, noise))).mean()
        d = descend(d, loss_d, 0.3)
        loss_g = F.softplus(-run(d, run(g, noise))).mean()
        g = descend(g, loss_g, 0.5)
        losses.append((loss_d.item(), loss_g.item()))
        plain = ({k: v.detach().float() for k, v in state.items()} for state in (g, d))
        weights.append(dict(zip(("generator", "discriminator"), plain, strict=True)))
    return losses, weights


@check("gan_step", kind="value", points=4)
def test_gan_losses(student, rng):
    """The losses of a step: the discriminator's two terms added, the generator's against the new discriminator."""
    generator, discriminator, rounds = gan_inputs(rng)
    made = student.probe(play, generator=generator, discriminator=discriminator, rounds=rounds[:1])["losses"][0]
    (expected,), _ = expected_play(generator, discriminator, rounds[:1])
    require(type(made) is tuple and len(made) == 2, "it must return a tuple of two floats, (loss_d, loss_g)")
    for name, mine, theirs in zip(("loss_d", "loss_g"), made, expected, strict=True):
        assert_close(mine, theirs, name)


@check("gan_step", kind="state", points=3)
def test_gan_moves_each_player_by_its_own_loss(student, rng):
    """After one step and after two, each network has moved down the gradient of its own loss, and of nothing else."""
    generator, discriminator, rounds = gan_inputs(rng)
    made = student.probe(play, generator=generator, discriminator=discriminator, rounds=rounds)["weights"]
    _, expected = expected_play(generator, discriminator, rounds)
    for number, (mine, theirs) in enumerate(zip(made, expected, strict=True), 1):
        for player in ("discriminator", "generator"):
            for key, value in theirs[player].items():
                assert_close(mine[player][key], value, f"after step {number}, the {player}'s {key}", tolerance=1e-4)


@check("gan_step", kind="state", points=1)
def test_gan_spares_the_generator_in_the_other_half(student, rng):
    """A gradient flows into the generator once in a step: in its own half."""
    generator, discriminator, rounds = gan_inputs(rng)
    made = student.probe(play, generator=generator, discriminator=discriminator, rounds=rounds)
    assert_equal(made["arrivals"], [1, 1], "how often a gradient reached the generator's output, in each of two steps")
    assert_finite(made["weights"], "the weights after each of two steps")


@check("gan_step", kind="convergence", points=3, seconds=60)
def test_gan_learns_a_normal_distribution(student):
    """1,200 steps turn noise into samples close to a normal distribution with mean 4 and standard deviation 1.25."""
    samples = assert_tensor(student.probe(samples_of_gan), (2000, 1), torch.float32, "the samples").double()
    middle = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    quantiles = 4 + 1.25 * torch.special.ndtri(middle)
    places = torch.linspace(-0.9, 8.9, 50, dtype=torch.float64)
    bell = torch.exp(-(((places - 4) / 1.25) ** 2) / 2) / (1.25 * (2 * torch.pi) ** 0.5)
    density = torch.histc(samples, 50, -1, 9) / (2000 * 0.2)
    lines = {"your samples": (places, density), "the distribution": (places, bell)}
    picture_curve("2,000 samples", lines, across="value", up="density")
    distance = float((samples.flatten().sort().values - quantiles).abs().mean())
    assert_at_most(distance, 0.7, "the distance (Wasserstein-1) of the samples from the distribution")


def samples_of_gan(solution):
    generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
    discriminator = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    samples = []
    for step in range(1200):
        real = 4 + 1.25 * torch.randn(128, 1)
        solution.gan_step(generator, discriminator, real, opt_g, opt_d, torch.randn(128, 4))
        if step >= 1000 and step % 10 == 0:  # a game circles round its end: several moments tell where that is
            with torch.no_grad():
                samples.append(generator(torch.randn(100, 4)))
    return torch.cat(samples)


# ------------------------------------------------------------------------------------------ freeze_backbone


def small_resnet(num_classes, blocks=1):
    """The lesson's architecture (given there, no exercise)."""
    from torchvision.models.resnet import BasicBlock, ResNet

    model = ResNet(BasicBlock, [blocks, 1, 1, 1])
    model.layer3 = model.layer4 = nn.Identity()
    model.fc = nn.Linear(128, num_classes)
    return model


@check("freeze_backbone", kind="state", points=3)
def test_freezing_leaves_the_head_trainable(student):
    """Only the head's weight and bias can still be trained; nothing is returned."""
    seen = student.probe(trainable_after_freezing)
    assert_equal(seen["trainable"], ["fc.weight", "fc.bias"], "the parameters that require a gradient")
    assert_equal(seen["returned"], None, "what it returned")


def trainable_after_freezing(solution):
    model = small_resnet(7)
    returned = solution.freeze_backbone(model)
    trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    return {"trainable": trainable, "returned": None if returned is None else type(returned).__name__}


# ------------------------------------------------------------------------------------- build_finetune_model


def saved(value):
    """The file that torch.save writes, as a tensor of bytes."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def checkpoint(student):
    """The kit's own checkpoint, as a tensor of bytes and as a state_dict."""
    path = student.data / "resnet_digits.pt"
    return torch.from_numpy(np.fromfile(path, np.uint8)), torch.load(path, weights_only=True)


@check("build_finetune_model", kind="value", points=3)
def test_model_has_the_weights_and_a_new_head(student):
    """Every weight and statistic but the head's comes from the checkpoint; the head is new, trainable, and fits."""
    file, _ = checkpoint(student)
    for classes in (7, 10):
        seen = student.probe(compare_with_checkpoint, file=file, classes=classes)
        what = f"with {classes} classes"
        assert_equal(seen["other"], [], f"{what}, the entries that are not the checkpoint's in float32")
        assert_equal(seen["head"], [(classes, 128), (classes,)], f"{what}, the shapes of fc.weight and fc.bias")
        require(seen["new"], f"{what}, the head still has the old weights: they belong to other classes")
        require(seen["trainable"], f"{what}, the head is frozen: nothing is left to train")


def compare_with_checkpoint(solution, file, classes):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        path.write_bytes(file.numpy().tobytes())
        model = solution.build_finetune_model(classes, str(path))
        saved = torch.load(path, weights_only=True)
    head = saved.pop("fc.weight")
    saved.pop("fc.bias")
    state = model.state_dict()
    same = {
        key
        for key, value in saved.items()
        if key in state and torch.equal(state[key], value.float() if value.is_floating_point() else value)
    }
    return {
        "other": [key for key in saved if key not in same or state[key].dtype == torch.float16],
        "head": [tuple(p.shape) for p in model.fc.parameters()],
        "new": not torch.equal(model.fc.weight[:7], head[:7].float()),
        "trainable": all(p.requires_grad for p in model.fc.parameters()),
    }


@check("build_finetune_model", kind="value", points=2)
def test_model_refuses_another_architecture(student):
    """A checkpoint with a key missing, or with keys of another network, raises an exception that names a key."""
    _, state = checkpoint(student)
    key, other = "layer2.0.conv1.weight", "layer1.1.conv1.weight"
    for case, changed in (
        (f"without {key}", {k: v for k, v in state.items() if k != key}),
        (f"with {other} too", {**state, other: torch.zeros(64, 64, 3, 3)}),
        ("with module. before each key", {f"module.{k}": v for k, v in state.items()}),
    ):
        message = student.must_raise(Exception, build_from_file, checkpoint=case, file=saved(changed))
        strange = state.keys() ^ changed.keys()
        named = any(k in message for k in strange)
        require(named, f"the exception must name a key that does not fit, {sorted(strange)[0]}; it says: {message}")


def build_from_file(solution, checkpoint, file):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        path.write_bytes(file.numpy().tobytes())
        return type(solution.build_finetune_model(10, str(path))).__name__


class Program:
    """A pickle of it runs a program when it is loaded without care; this one only leaves a note."""

    def __reduce__(self):
        return exec, ("import torch; torch.a_pickle_ran = True",)


@check("build_finetune_model", kind="value", points=1)
def test_model_refuses_damaged_and_unsafe_files(student):
    """A truncated file, a whole pickled module, and a pickle with a program in it raise; the program is not run."""
    file, state = checkpoint(student)
    for what, content in (
        ("a pickle that holds a program", saved({**state, "conv1.weight": Program()})),
        ("a whole pickled module", saved(nn.Linear(2, 2))),
        ("a truncated checkpoint", file[: len(file) // 2].clone()),
    ):
        seen = student.probe(build_from_bad_file, checkpoint=what, file=content)
        require(not seen["ran"], f"{what}: loading it ran the program. Load tensors and nothing else")
        require(seen["raised"], f"{what}: it must raise an exception, but a model came back")


def build_from_bad_file(solution, checkpoint, file):
    torch.a_pickle_ran, raised = False, False
    try:
        build_from_file(solution, checkpoint, file)
    except Exception:
        raised = True
    ran = torch.a_pickle_ran
    del torch.a_pickle_ran
    return {"raised": raised, "ran": ran}


# ------------------------------------------------------------------------------------------------ fine_tune


def freeze(solution, model):
    """Freeze with the learner's own function if it works (it may do more than set flags), and in any case with ours."""
    with contextlib.suppress(Exception):  # missing, or still to do: no concern of this exercise
        solution.freeze_backbone(model)
    for place, parameter in enumerate(reversed([*model.parameters()])):
        parameter.requires_grad = place < 2  # the head's two come last


@check("fine_tune", kind="state", points=4)
def test_fine_tuning_moves_the_head_alone(student, rng):
    """The head is trained; frozen weights and the running statistics of their norms stay; eval mode at the end."""
    file, _ = checkpoint(student)
    seen = student.probe(changes_of_fine_tune, checkpoint=file, images=rng.uniform(10, 3, 20, 20))
    require(seen["is a module"], "it must return the model")
    shrunk = ": all shrunk by one factor, as weight decay does" if seen["shrunk"] else ""
    moved = seen["weights"]
    require(not moved, f"{len(moved)} frozen parameters moved, {', '.join(moved[:1])} first{shrunk}")
    moved = seen["statistics"]
    require(not moved, f"{len(moved)} buffers of frozen norms moved, {', '.join(moved[:1])} first")
    require(seen["head"] != "as it was", "the head has not moved: nothing was trained")
    other = "the head was not trained from the weights that it had: it must be the one that the model came with"
    require(seen["head"] == "trained", other)
    require(seen["eval"], "the model must be returned in eval mode, with all of its parts")


def changes_of_fine_tune(solution, checkpoint, images):
    """What moved. The head starts at zero with two classes: by symmetry, a trained one has opposite rows."""
    model = pretrained_resnet(checkpoint)
    model.fc = zero_head(2)
    freeze(solution, model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images[5:] *= 0.3
    dataset = torch.utils.data.TensorDataset(images, torch.tensor([0] * 5 + [1] * 5))
    made = solution.fine_tune(model, torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True), 2)
    if not isinstance(made, nn.Module):
        return {"is a module": False}
    after = made.state_dict()
    parameters = {name for name, _ in model.named_parameters()}
    moved = [key for key in before if not key.startswith("fc.") and not torch.equal(before[key], after[key])]
    weights = [key for key in moved if key in parameters]
    ratios = torch.cat([(after[key] / before[key]).flatten() for key in weights]) if weights else torch.ones(1)
    ratios = ratios[ratios.isfinite()]
    head, untouched = after["fc.weight"], not bool(after["fc.weight"].any())
    mirrored = bool((head[0] + head[1]).abs().max() <= 1e-4 * head.abs().max())
    return {
        "is a module": True,
        "weights": weights,
        "shrunk": bool(weights) and bool((ratios - ratios.median()).abs().max() < 1e-3),
        "statistics": [key for key in moved if key not in parameters],
        "head": "as it was" if untouched else "trained" if mirrored else "another",
        "eval": not any(module.training for module in made.modules()),
    }


def pretrained_resnet(checkpoint):
    model = small_resnet(10)
    model.load_state_dict(torch.load(io.BytesIO(checkpoint.numpy().tobytes()), weights_only=True))
    return model


def zero_head(num_classes):
    """A head that starts at zero: a few dozen small steps are not lost in its random weights."""
    head = nn.Linear(128, num_classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@check("fine_tune", kind="accuracy", points=4, seconds=60)
def test_fine_tuning_beats_training_from_scratch(student, rng):
    """From fifty images in a folder, five epochs on the pretrained network beat five epochs from scratch by far."""
    file, _ = checkpoint(student)
    scans = np.load(student.data / "digits8x8" / "digits8x8.npz")
    order = rng.permutation(len(scans["y"]))
    images, labels = torch.from_numpy(scans["x"])[order], torch.from_numpy(scans["y"]).long()[order]
    images = F.interpolate(images[:, None].float() * 255 / 16, size=(20, 20), mode="bilinear", antialias=True)
    images = F.pad(images.round().clamp(0, 255).byte(), (4, 4, 4, 4))[:, 0]
    chosen = torch.cat([(labels == digit).nonzero()[:5, 0] for digit in range(10)])
    held_out = torch.ones(len(labels), dtype=torch.bool)
    held_out[chosen] = False
    named = [(NAMES[digit], image) for digit, image in zip(labels[chosen].tolist(), images[chosen], strict=True)]
    answers = student.probe(transfer, file=file, images=named, test=images[held_out][:400])
    numbers = {name: number for number, name in enumerate(sorted(NAMES))}  # as ImageFolder counts them
    wanted = torch.tensor([numbers[NAMES[digit]] for digit in labels[held_out][:400].tolist()])
    for how, made in zip(("fine-tuned", "from scratch"), answers, strict=True):
        picture_confusion(f"400 digits read by the network {how}", wanted, made, labels=sorted(NAMES))
    tuned, scratch = (
        float((assert_tensor(made, (400,), torch.int64, "the predicted classes") == wanted).double().mean())
        for made in answers
    )
    shares = f"{tuned:.3f} fine-tuned, {scratch:.3f} from scratch"
    assert_at_least(tuned - scratch, 0.25, "the gain in held-out accuracy over the network from scratch", shares)


def transfer(solution, file, images, test):
    """Write the images to a folder with one subfolder for each class; fine-tune on it, and train from scratch."""
    import tempfile
    from pathlib import Path

    from PIL import Image
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    to_tensor = v2.Compose([v2.RGB(), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, image) in enumerate(images):
            (Path(folder) / name).mkdir(exist_ok=True)
            Image.fromarray(image.numpy()).save(Path(folder) / name / f"{number}.png")
        loader = torch.utils.data.DataLoader(ImageFolder(folder, to_tensor), batch_size=10, shuffle=True)
        pretrained, scratch = pretrained_resnet(file), small_resnet(10)
        pretrained.fc, scratch.fc = zero_head(10), zero_head(10)
        freeze(solution, pretrained)
        for model in (pretrained, scratch):
            made = solution.fine_tune(model, loader, 5).eval()
            with torch.no_grad():
                found.append(made((test[:, None] / 255).expand(-1, 3, -1, -1)).argmax(dim=1))
    return found
