# Wrong versions of the exercises of section 3; grader.mistakes describes the format.

# %% mistake: returns-y
# exercise: derivative_of_square
# fails: test_derivative_of_square_is_twice_x
# advice: This is y itself. After backward() the derivative is in the `.grad` of the leaf that you started from.
def derivative_of_square(x):
    leaf = torch.tensor(x, requires_grad=True)
    y = leaf**2
    y.backward()
    return y.item()


# %% mistake: accumulates
# exercise: derivative_of_square
# fails: test_derivative_of_square_is_twice_x
# advice: The first call is right, the later ones carry the earlier gradients along: backward() adds to `.grad`. Make a
#   new leaf in every call.
one_leaf = torch.zeros((), requires_grad=True)


def derivative_of_square(x):
    one_leaf.data.fill_(x)
    (one_leaf**2).backward()
    return one_leaf.grad.item()


# %% mistake: tensor-for-float
# exercise: derivative_of_square
# fails: test_derivative_of_square_is_twice_x
# advice: The number is right, but it is still a tensor. A Python float is asked for; `item()` makes one.
def derivative_of_square(x):
    leaf = torch.tensor(x, requires_grad=True)
    (leaf**2).backward()
    return leaf.grad


# %% mistake: no-requires-grad
# exercise: derivative_of_square
# fails: test_derivative_of_square_is_twice_x
# advice: Without requires_grad=True torch notes nothing, and there is no graph to go back through.
def derivative_of_square(x):
    leaf = torch.tensor(x)
    (leaf**2).backward()
    return leaf.grad.item()


# %% mistake: by-hand
# exercise: derivative_of_square
# fails: test_derivative_of_square_comes_out_of_the_graph
# advice: 2x is right, but you found it, not autograd. Half of the points; for the rest let backward() work it out.
def derivative_of_square(x):
    return 2 * x


# %% mistake: leaves-the-gradient
# exercise: gradient_of
# fails: test_gradient_of_leaves_no_trace
# advice: You called backward() on the caller's own x, which now carries `.grad` and `requires_grad`. Differentiate with
#   respect to a leaf of your own that has the same values.
def gradient_of(f, x):
    x.requires_grad_()
    f(x).backward()
    return x.grad


# %% mistake: leaves-x-marked
# exercise: gradient_of
# fails: test_gradient_of_leaves_no_trace
# advice: `x.requires_grad_()` marks the caller's x for good. Mark a detached one of your own instead.
def gradient_of(f, x):
    return torch.autograd.grad(f(x.requires_grad_()), x)[0]


# %% mistake: finite-differences
# exercise: gradient_of
# fails: test_gradient_of_is_exact_and_takes_one_pass
# advice: You nudge one input after the other: rough, and N times the work. Let autograd go backward once.
def gradient_of(f, x):
    nudges = 1e-3 * torch.eye(len(x), dtype=x.dtype)
    return torch.stack([(f(x + nudge) - f(x - nudge)) / 2e-3 for nudge in nudges])


# %% mistake: caller-must-mark-x
# exercise: gradient_of
# fails: test_gradient_of_has_the_shape_and_dtype_of_x
# advice: This works only if the caller's x requires grad already; torch says that what you differentiate does not. Make
#   a leaf of your own from x that does.
def gradient_of(f, x):
    f(x).backward()
    return x.grad


# %% mistake: still-in-a-graph
# exercise: gradient_of
# fails: test_gradient_of_leaves_no_trace
# advice: With create_graph=True the gradient itself becomes part of a graph. That is for second derivatives; here the
#   result should be plain numbers.
def gradient_of(f, x):
    leaf = x.detach().requires_grad_()
    return torch.autograd.grad(f(leaf), leaf, create_graph=True)[0]


# %% mistake: returns-the-value
# exercise: gradient_of
# fails: test_gradient_of_has_the_shape_and_dtype_of_x
# advice: This is the value f(x), one number. The gradient has as many as x.
def gradient_of(f, x):
    leaf = x.detach().requires_grad_()
    value = f(leaf)
    value.backward()
    return value.detach()


# %% mistake: tuple
# exercise: gradient_of
# fails: test_gradient_of_has_the_shape_and_dtype_of_x
# advice: torch.autograd.grad returns a tuple, one gradient for each thing you differentiate by. Take it out.
def gradient_of(f, x):
    leaf = x.detach().requires_grad_()
    return torch.autograd.grad(f(leaf), leaf)


# %% mistake: clone-without-detach
# exercise: gradient_of
# fails: test_gradient_of_works_where_x_requires_grad_already
# advice: A clone of an x that requires grad is no leaf: it is part of x's graph, its `.grad` stays empty, and the
#   gradient runs on into the caller's x. Cut it off first.
def gradient_of(f, x):
    import warnings

    leaf = x.clone().requires_grad_()
    f(leaf).backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return leaf.grad


# %% mistake: unmarks-x
# exercise: gradient_of
# fails: test_gradient_of_works_where_x_requires_grad_already
# advice: You switch requires_grad on and off on the caller's own x: an x that required grad before comes back without.
def gradient_of(f, x):
    (gradient,) = torch.autograd.grad(f(x.requires_grad_()), x)
    x.requires_grad_(False)
    return gradient


# %% mistake: outside-no-grad
# exercise: gradient_step_
# fails: test_gradient_step_moves_against_the_gradient
# advice: A leaf that requires grad must not be changed in place while torch takes notes. Do the update where it takes
#   none: `with torch.no_grad():`.
def gradient_step_(w, lr):
    w -= lr * w.grad
    w.grad = None


# %% mistake: rebinds
# exercise: gradient_step_
# fails: test_gradient_step_moves_against_the_gradient
# advice: `w = w - ...` makes a new tensor and gives it the name w inside your function; the caller's w has not changed.
#   Change it in place.
def gradient_step_(w, lr):
    with torch.no_grad():
        w = w - lr * w.grad
        w.grad = None


# %% mistake: cleared-too-early
# exercise: gradient_step_
# fails: test_gradient_step_moves_against_the_gradient
# advice: You clear the gradient before you use it, so w does not move. First the step, then the clearing.
def gradient_step_(w, lr):
    w.grad.zero_()
    with torch.no_grad():
        w -= lr * w.grad


# %% mistake: climbs
# exercise: gradient_step_
# fails: test_gradient_step_moves_against_the_gradient
# advice: The gradient points uphill, and you follow it. Go against it.
def gradient_step_(w, lr):
    with torch.no_grad():
        w += lr * w.grad
    w.grad = None


# %% mistake: rate-ignored
# exercise: gradient_step_
# fails: test_gradient_step_moves_against_the_gradient
# advice: You take the whole gradient as the step; it has to be multiplied by lr.
def gradient_step_(w, lr):
    with torch.no_grad():
        w -= w.grad
    w.grad = None


# %% mistake: no-leaf
# exercise: gradient_step_
# fails: test_gradient_step_leaves_a_leaf
# advice: What you copied into w was still part of a graph, so w is now a result, not a leaf, and gets no `.grad` any
#   more. Compute the new values under no_grad too.
def gradient_step_(w, lr):
    updated = w - lr * w.grad
    w.grad = None
    w.requires_grad_(False)
    w.copy_(updated)


# %% mistake: no-longer-requires-grad
# exercise: gradient_step_
# fails: test_gradient_step_leaves_a_leaf
# advice: You switched requires_grad off for the update and not on again. `with torch.no_grad():` does without the
#   switch.
def gradient_step_(w, lr):
    w.requires_grad_(False)
    w -= lr * w.grad
    w.grad = None


# %% mistake: gradient-not-cleared
# exercise: gradient_step_
# fails: test_gradient_step_clears_the_gradient
# advice: backward() adds to `.grad`. Unless it is cleared after the step, the next step takes this gradient once more.
def gradient_step_(w, lr):
    with torch.no_grad():
        w -= lr * w.grad


# %% mistake: no-zeroing
# exercise: fit_polynomial
# fails: test_fit_polynomial_takes_plain_steps_from_zeros
# advice: The first step is right, later ones go too far: gradients of earlier steps are still in `.grad`. Clear it
#   after every step.
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.zeros(degree + 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        ((x[:, None] ** torch.arange(degree + 1) @ w - y) ** 2).mean().backward()
        with torch.no_grad():
            w -= lr * w.grad
    return w.detach()


# %% mistake: sum-for-mean
# exercise: fit_polynomial
# fails: test_fit_polynomial_takes_plain_steps_from_zeros
# advice: With the sum of the squared errors the steps are N times as long, and depend on how many points there are.
#   Take the mean.
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.zeros(degree + 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        ((x[:, None] ** torch.arange(degree + 1) @ w - y) ** 2).sum().backward()
        gradient_step_(w, lr)
    return w.detach()


# %% mistake: half
# exercise: fit_polynomial
# fails: test_fit_polynomial_takes_plain_steps_from_zeros
# advice: Your steps are half as long as they should be: the loss is the mean of the squares, without a factor 1/2.
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.zeros(degree + 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        (0.5 * (x[:, None] ** torch.arange(degree + 1) @ w - y) ** 2).mean().backward()
        gradient_step_(w, lr)
    return w.detach()


# %% mistake: powers-reversed
# exercise: fit_polynomial
# fails: test_fit_polynomial_takes_plain_steps_from_zeros
# advice: These are the right coefficients in the opposite order. The lowest power comes first: the constant, then that
#   of x.
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.zeros(degree + 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        ((torch.vander(x, degree + 1) @ w - y) ** 2).mean().backward()
        gradient_step_(w, lr)
    return w.detach()


# %% mistake: one-coefficient-short
# exercise: fit_polynomial
# fails: test_fit_polynomial_has_one_coefficient_more_than_its_degree
# advice: A polynomial of degree d has d + 1 coefficients: a straight line, of degree 1, has two.
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.zeros(degree, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        ((x[:, None] ** torch.arange(degree) @ w - y) ** 2).mean().backward()
        gradient_step_(w, lr)
    return w.detach()


# %% mistake: no-constant
# exercise: fit_polynomial
# fails: test_fit_polynomial_takes_plain_steps_from_zeros
# advice: Your powers start with x itself. The lowest power is 0: the constant.
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.zeros(degree + 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        ((x[:, None] ** torch.arange(1, degree + 2) @ w - y) ** 2).mean().backward()
        gradient_step_(w, lr)
    return w.detach()


# %% mistake: random-start
# exercise: fit_polynomial
# fails: test_fit_polynomial_takes_plain_steps_from_zeros
# advice: You start from random coefficients. Start from zeros, so that the result is the same each time.
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.randn(degree + 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        ((x[:, None] ** torch.arange(degree + 1) @ w - y) ** 2).mean().backward()
        gradient_step_(w, lr)
    return w.detach()


# %% mistake: one-point-a-step
# exercise: fit_polynomial
# fails: test_fit_polynomial_takes_plain_steps_from_zeros
# advice: You step after every single point. One step takes the mean over all of them (the full batch).
def fit_polynomial(x, y, degree, lr, steps):
    powers = x[:, None] ** torch.arange(degree + 1)
    w = torch.zeros(degree + 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        for row, target in zip(powers, y):
            ((row @ w - target) ** 2).backward()
            gradient_step_(w, lr)
    return w.detach()


# %% mistake: column-against-row
# exercise: fit_polynomial
# fails: test_fit_polynomial_takes_plain_steps_from_zeros
# advice: Your prediction is (N, 1) and y is (N,): their difference is an N by N table. Print its shape.
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.zeros(degree + 1, 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        ((x[:, None] ** torch.arange(degree + 1) @ w - y) ** 2).mean().backward()
        gradient_step_(w, lr)
    return w.detach()[:, 0]


# %% mistake: float32-always
# exercise: fit_polynomial
# fails: test_fit_polynomial_has_one_coefficient_more_than_its_degree
# advice: The coefficients are float32 whatever x is. Make them in the dtype of x.
def fit_polynomial(x, y, degree, lr, steps):
    x, y = x.float(), y.float()
    w = torch.zeros(degree + 1, requires_grad=True)
    for _ in range(steps):
        ((x[:, None] ** torch.arange(degree + 1) @ w - y) ** 2).mean().backward()
        gradient_step_(w, lr)
    return w.detach()


# %% mistake: target-attached
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_moves_q_alone
# advice: Gradient flows into the target as well, so it runs after q instead of standing still. Cut it off.
def semi_gradient_loss(q, reward, q_next, gamma):
    return ((q - (reward + gamma * q_next)) ** 2).mean()


# %% mistake: all-detached
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_moves_q_alone
# advice: Everything is cut off, q too, so there is nothing left to learn from. Only the target must stand still.
def semi_gradient_loss(q, reward, q_next, gamma):
    with torch.no_grad():
        return ((q - (reward + gamma * q_next)) ** 2).mean()


# %% mistake: rewrapped
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_moves_q_alone
# advice: You put the value into a new tensor with requires_grad=True: a new leaf, with no way back to q. It silences
#   the error and stops the learning.
def semi_gradient_loss(q, reward, q_next, gamma):
    loss = ((q.detach() - (reward + gamma * q_next.detach())) ** 2).mean()
    return torch.tensor(loss.item(), dtype=q.dtype, requires_grad=True)


# %% mistake: wrong-side-detached
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_moves_q_alone
# advice: You cut off q and let the gradient into the target: the wrong way round.
def semi_gradient_loss(q, reward, q_next, gamma):
    return ((q.detach() - (reward + gamma * q_next)) ** 2).mean()


# %% mistake: half
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_is_the_mean_square
# advice: This is half of what is asked for: no factor 1/2 here.
def semi_gradient_loss(q, reward, q_next, gamma):
    return 0.5 * ((q - (reward + gamma * q_next).detach()) ** 2).mean()


# %% mistake: sum-for-mean
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_is_the_mean_square
# advice: You add the squares up. Take their mean, so that the loss does not grow with the batch.
def semi_gradient_loss(q, reward, q_next, gamma):
    return ((q - (reward + gamma * q_next).detach()) ** 2).sum()


# %% mistake: per-element
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_is_a_scalar
# advice: There is one squared difference for each element. The loss is one number: their mean.
def semi_gradient_loss(q, reward, q_next, gamma):
    return (q - (reward + gamma * q_next).detach()) ** 2


# %% mistake: discounts-the-reward
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_is_the_mean_square
# advice: gamma belongs to q_next alone; the reward comes now and is not discounted.
def semi_gradient_loss(q, reward, q_next, gamma):
    return ((q - (gamma * (reward + q_next)).detach()) ** 2).mean()


# %% mistake: gamma-ignored
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_is_the_mean_square
# advice: gamma is not used: the next value must be multiplied by it.
def semi_gradient_loss(q, reward, q_next, gamma):
    return ((q - (reward + q_next).detach()) ** 2).mean()


# %% mistake: absolute
# exercise: semi_gradient_loss
# fails: test_semi_gradient_loss_is_the_mean_square
# advice: These are absolute differences. Square them.
def semi_gradient_loss(q, reward, q_next, gamma):
    return (q - (reward + gamma * q_next).detach()).abs().mean()


# %% mistake: first-input-only
# exercise: graph_edges
# fails: test_graph_edges_reach_every_leaf
# advice: You follow only the first entry of `next_functions`. Every operation with several inputs branches.
def graph_edges(y):
    edges, node = [], y.grad_fn
    while node.next_functions and node.next_functions[0][0] is not None:
        source = node.next_functions[0][0]
        edges.append((node.name(), source.name()))
        node = source
    return edges


# %% mistake: no-leaves
# exercise: graph_edges
# fails: test_graph_edges_reach_every_leaf
# advice: The arrows to the leaves are missing. An AccumulateGrad has no inputs of its own, but the arrow to it counts.
def graph_edges(y):
    edges, seen, waiting = [], set(), [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is not None and source.next_functions:
                edges.append((node.name(), source.name()))
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
    return edges


# %% mistake: only-the-first-node
# exercise: graph_edges
# fails: test_graph_edges_reach_every_leaf
# advice: These are the arrows of `y.grad_fn` alone. The nodes behind it have inputs as well: go on to the leaves.
def graph_edges(y):
    return [(y.grad_fn.name(), source.name()) for source, _ in y.grad_fn.next_functions if source is not None]


# %% mistake: backwards-pairs
# exercise: graph_edges
# fails: test_graph_edges_reach_every_leaf
# advice: Your pairs are the wrong way round: first the node, then the input that its gradient goes to.
def graph_edges(y):
    edges, seen, waiting = [], {y.grad_fn}, [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is not None:
                edges.append((source.name(), node.name()))
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
    return edges


# %% mistake: name-of-the-type
# exercise: graph_edges
# fails: test_graph_edges_reach_every_leaf
# advice: That is the name of the node's Python type. Ask the node itself: `node.name()`.
def graph_edges(y):
    edges, seen, waiting = [], {y.grad_fn}, [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is not None:
                edges.append((type(node).__name__, type(source).__name__))
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
    return edges


# %% mistake: set-of-edges
# exercise: graph_edges
# fails: test_graph_edges_count_every_input
# advice: Arrows with the same two names were merged. In `a * a` there are two; keep a list.
def graph_edges(y):
    edges, seen, waiting = set(), {y.grad_fn}, [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is not None:
                edges.add((node.name(), source.name()))
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
    return sorted(edges)


# %% mistake: new-nodes-only
# exercise: graph_edges
# fails: test_graph_edges_count_every_input
# advice: You note an arrow only if its end is new. Every arrow counts; only the walk goes on from new nodes alone.
def graph_edges(y):
    edges, seen, waiting = [], {y.grad_fn}, [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is not None and source not in seen:
                edges.append((node.name(), source.name()))
                seen.add(source)
                waiting.append(source)
    return edges


# %% mistake: none-not-skipped
# exercise: graph_edges
# fails: test_graph_edges_count_every_input
# advice: An input that needs no gradient stands in `next_functions` as None, which has no name. Skip it.
def graph_edges(y):
    edges, seen, waiting = [], {y.grad_fn}, [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            edges.append((node.name(), source.name()))
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return edges


# %% mistake: shared-node-twice
# exercise: graph_edges
# fails: test_graph_edges_visit_a_shared_node_once
# advice: A node that is reached in two ways was walked through twice, and all that lies behind it too. Remember the
#   nodes that you have seen.
def graph_edges(y):
    edges, waiting = [], [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is not None:
                edges.append((node.name(), source.name()))
                waiting.append(source)
    return edges


# %% mistake: seen-by-name
# exercise: graph_edges
# fails: test_graph_edges_visit_a_shared_node_once
# advice: You take two nodes of the same name for one. Remember the nodes, not their names.
def graph_edges(y):
    edges, seen, waiting = [], {y.grad_fn.name()}, [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is not None:
                edges.append((node.name(), source.name()))
                if source.name() not in seen:
                    seen.add(source.name())
                    waiting.append(source)
    return edges


# %% mistake: seen-by-name-and-index
# exercise: graph_edges
# fails: test_graph_edges_visit_a_shared_node_once
# advice: You take the pair (node, index) for the node. The index says which output of that node was used; a node with
#   several outputs, such as an unbind, is still one node.
def graph_edges(y):
    edges, seen, waiting = [], set(), [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for pair in node.next_functions:
            if pair[0] is not None:
                edges.append((node.name(), pair[0].name()))
                if pair not in seen:
                    seen.add(pair)
                    waiting.append(pair[0])
    return edges


# %% mistake: upstream-forgotten
# exercise: Exp
# fails: test_exp_hands_the_upstream_gradient_on
# advice: You return the local derivative alone. That is right after `.sum()`, where the upstream gradient is 1, and
#   wrong after anything else: multiply by what comes from above.
class Exp(Exp):
    @staticmethod
    def backward(ctx, upstream):
        return ctx.saved_tensors[0]


# %% mistake: local-derivative-forgotten
# exercise: Exp
# fails: test_exp_hands_the_upstream_gradient_on
# advice: You hand the upstream gradient on as it came. The chain rule multiplies it by the local derivative.
class Exp(Exp):
    @staticmethod
    def backward(ctx, upstream):
        return upstream


# %% mistake: input-for-output
# exercise: Exp
# fails: test_exp_hands_the_upstream_gradient_on
# advice: You saved the input and multiplied by it. The derivative of e to the x is the output, e to the x.
class Exp(Exp):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()


# %% mistake: input-alone
# exercise: Exp
# fails: test_exp_hands_the_upstream_gradient_on
# advice: You saved the input and returned it. The gradient is the upstream one times the output, e to the x.
class Exp(Exp):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx, upstream):
        return ctx.saved_tensors[0]


# %% mistake: adds-the-upstream
# exercise: Exp
# fails: test_exp_hands_the_upstream_gradient_on
# advice: The chain rule multiplies the upstream gradient by the local derivative; you add them.
class Exp(Exp):
    @staticmethod
    def backward(ctx, upstream):
        return upstream + ctx.saved_tensors[0]


# %% mistake: summed-gradient
# exercise: Exp
# fails: test_exp_hands_the_upstream_gradient_on
# advice: Each input gets its own upstream gradient, not the sum of all of them.
class Exp(Exp):
    @staticmethod
    def backward(ctx, upstream):
        return upstream.sum() * ctx.saved_tensors[0]


# %% mistake: kept-on-the-class
# exercise: Exp
# fails: test_exp_hands_the_upstream_gradient_on
# advice: The result is kept on the class, where the next call overwrites it before backward reads it. Every call has a
#   ctx of its own: save it there.
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        Exp.y = x.exp()
        return Exp.y

    @staticmethod
    def backward(ctx, upstream):
        return upstream * Exp.y


# %% mistake: only-once-differentiable
# exercise: Exp
# fails: test_exp_can_be_differentiated_twice
# advice: What backward uses was cut off (by detach, `.data`, no_grad, or kept beside ctx.save_for_backward), so the
#   gradient has no graph. Save it with ctx.save_for_backward and use it as it comes back.
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.y = x.exp()
        return ctx.y.clone()

    @staticmethod
    def backward(ctx, upstream):
        return upstream * ctx.y


# %% mistake: once-differentiable
# exercise: Exp
# fails: test_exp_can_be_differentiated_twice
# advice: `once_differentiable` forbids the second derivative. Leave it out: torch operations on saved tensors need no
#   more.
class Exp(Exp):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        return upstream * ctx.saved_tensors[0]


# %% mistake: changes-x
# exercise: Exp
# fails: test_exp_is_a_function_that_computes_the_exponential
# advice: `exp_()` works in place and overwrites the caller's x. Make a new tensor.
class Exp(Exp):
    @staticmethod
    def forward(ctx, x):
        y = x.exp_().clone()
        ctx.save_for_backward(y)
        return y


# %% mistake: not-a-function
# exercise: Exp
# fails: test_exp_is_a_function_that_computes_the_exponential
# advice: This is torch's own exp under another name. Write forward and backward of a torch.autograd.Function.
class Exp:
    apply = staticmethod(torch.exp)


# %% mistake: no-create-graph
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_has_the_shape_of_x
# advice: torch finds no graph behind the first gradient. It must become part of a graph to be differentiated once more:
#   create_graph=True.
def hessian_vector_product(f, x, v):
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf)
    return torch.autograd.grad(gradient @ v, leaf)[0]


# %% mistake: full-hessian
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_never_builds_the_hessian
# advice: You compute every row of the Hessian, and then multiply: N times the work. Differentiate the one number
#   `gradient @ v` instead.
def hessian_vector_product(f, x, v):
    return torch.autograd.functional.hessian(f, x) @ v


# %% mistake: full-hessian-at-once
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_never_builds_the_hessian
# advice: You hold N x N numbers, the whole Hessian: for 20,000 inputs 3 GB in float64. Differentiate the one number
#   `gradient @ v` instead.
def hessian_vector_product(f, x, v):
    rows = torch.eye(len(x), dtype=x.dtype)
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    return torch.autograd.grad(gradient, leaf, rows, is_grads_batched=True)[0] @ v


# %% mistake: row-sums
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_is_exact
# advice: You sum the gradient, differentiate, and multiply by v afterwards. The product with v must come before the
#   second derivative: only then is every column weighed by its own v.
def hessian_vector_product(f, x, v):
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    return torch.autograd.grad(gradient.sum(), leaf)[0] * v


# %% mistake: half
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_is_exact
# advice: Your result is half of what it should be. The factor 1/2 belongs to the Taylor series, not to H v.
def hessian_vector_product(f, x, v):
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    return 0.5 * torch.autograd.grad(gradient @ v, leaf)[0]


# %% mistake: v-normalised
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_is_exact
# advice: You divide v by its length first. H v grows with v: take v as it is.
def hessian_vector_product(f, x, v):
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    return torch.autograd.grad(gradient @ (v / v.norm()), leaf)[0]


# %% mistake: divided-by-n
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_is_exact
# advice: You take a mean where a sum belongs, so the result is N times too small.
def hessian_vector_product(f, x, v):
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    return torch.autograd.grad((gradient * v).mean(), leaf)[0]


# %% mistake: gradient-times-v
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_has_the_shape_of_x
# advice: This is `gradient @ v`, one number: how f changes along v. Differentiate it once more.
def hessian_vector_product(f, x, v):
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf)
    return gradient @ v


# %% mistake: quadratic-form
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_has_the_shape_of_x
# advice: This is v H v, one number. The product H v has as many numbers as x.
def hessian_vector_product(f, x, v):
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    return torch.autograd.grad(gradient @ v, leaf)[0] @ v


# %% mistake: first-derivative-stays
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_is_exact
# advice: Two calls of backward() add up in `.grad`: the first derivative is still in there. Clear it in between, or use
#   torch.autograd.grad.
def hessian_vector_product(f, x, v):
    leaf = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    leaf.grad = gradient.detach().clone()
    (gradient @ v).backward()
    return leaf.grad


# %% mistake: leaves-x-marked
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_leaves_x_as_it_was
# advice: `x.requires_grad_()` marks the caller's x for good. Work on a detached leaf of your own.
def hessian_vector_product(f, x, v):
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(f(x), x, create_graph=True)
    return torch.autograd.grad(gradient @ v, x)[0]


# %% mistake: leaves-the-gradient
# exercise: hessian_vector_product
# fails: test_hessian_vector_product_leaves_x_as_it_was
# advice: The second backward() leaves its result in the `.grad` of the caller's own x. Work on a leaf of your own.
def hessian_vector_product(f, x, v):
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(f(x), x, create_graph=True)
    (gradient @ v).backward()
    return x.grad


# %% mistake: no-numbers-on-the-left
# exercise: Value
# fails: test_value_adds_and_multiplies
# advice: `a + 2` works and `2 + a` does not: Python asks the number first, and then calls the reflected method of a.
#   Write `__radd__` and `__rmul__`.
class Value(Value):
    __radd__ = __rmul__ = None


# %% mistake: no-plain-numbers
# exercise: Value
# fails: test_value_adds_and_multiplies
# advice: A plain number has no `.data`. Wrap it in a Value before you use it.
class Value(Value):
    def __add__(self, other):
        result = Value(self.data + other.data)
        result.sources = [(self, 1.0), (other, 1.0)]
        return result

    def __mul__(self, other):
        result = Value(self.data * other.data)
        result.sources = [(self, other.data), (other, self.data)]
        return result


# %% mistake: sum-for-product
# exercise: Value
# fails: test_value_adds_and_multiplies
# advice: The number that `*` makes is the sum. Look at what is handed to the new value in `__mul__`.
class Value(Value):
    def __mul__(self, other):
        return self + other


# %% mistake: power-multiplies
# exercise: Value
# fails: test_value_has_powers_and_tanh
# advice: `a ** n` is not `a * n`: the number of the new value is the power.
class Value(Value):
    def __pow__(self, exponent):
        return self * exponent


# %% mistake: whole-powers-only
# exercise: Value
# fails: test_value_has_powers_and_tanh
# advice: Your power multiplies as often as the exponent says, so it only works for whole, positive ones. `**` between
#   plain numbers knows them all.
class Value(Value):
    def __pow__(self, exponent):
        result = Value(1.0)
        for _ in range(int(exponent)):
            result = result * self
        return result


# %% mistake: overwrites
# exercise: Value
# fails: test_value_backward_where_a_value_is_used_twice
# advice: In `a + a` the gradient of a is 2, and yours is 1: the second contribution overwrites the first. Add to
#   `.grad`.
class Value(Value):
    def backward(self):
        uses, waiting = Counter(), [self]
        while waiting:
            for source, _ in waiting.pop().sources:
                uses[source] += 1
                if uses[source] == 1:
                    waiting.append(source)
        self.grad = 1.0
        ready = [self]
        while ready:
            value = ready.pop()
            for source, derivative in value.sources:
                source.grad = derivative * value.grad
                uses[source] -= 1
                if uses[source] == 0:
                    ready.append(source)


# %% mistake: no-order
# exercise: Value
# fails: test_value_backward_where_a_value_is_used_twice
# advice: A value hands its gradient on each time that something arrives, and what came first is counted twice. It must
#   wait until all that was made from it has handed on: put the values in order first.
class Value(Value):
    def backward(self):
        self.grad = 1.0
        waiting = [self]
        while waiting:
            value = waiting.pop()
            for source, derivative in value.sources:
                source.grad += derivative * value.grad
                waiting.append(source)


# %% mistake: no-order-depth-first
# exercise: Value
# fails: test_value_backward_where_a_value_is_used_twice
# advice: A value hands its gradient on as soon as the first part arrives, and again with the next. It must wait until
#   all that was made from it has handed on: put the values in order first.
class Value(Value):
    def backward(self):
        self.grad = 1.0
        self.hand_on()

    def hand_on(self):
        for source, derivative in self.sources:
            source.grad += derivative * self.grad
            source.hand_on()


# %% mistake: nearest-first
# exercise: Value
# fails: test_value_backward_where_a_value_is_used_twice
# advice: You go through the values by their distance from the result. A value may be near by one way and far by
#   another: it must wait for the longest.
class Value(Value):
    def backward(self):
        self.grad = 1.0
        order, seen = [self], {self}
        for value in order:
            for source, derivative in value.sources:
                source.grad += derivative * value.grad
                if source not in seen:
                    seen.add(source)
                    order.append(source)


# %% mistake: first-of-a-kind-lost
# exercise: Value
# fails: test_value_backward_where_a_value_is_used_twice
# advice: You keep the inputs in a set or dict, where a value that is used twice by one operation stands only once. Keep
#   a list.
class Value(Value):
    def backward(self):
        uses, waiting = Counter(), [self]
        while waiting:
            for source in dict(waiting.pop().sources):
                uses[source] += 1
                if uses[source] == 1:
                    waiting.append(source)
        self.grad = 1.0
        ready = [self]
        while ready:
            value = ready.pop()
            for source, derivative in dict(value.sources).items():
                source.grad += derivative * value.grad
                uses[source] -= 1
                if uses[source] == 0:
                    ready.append(source)


# %% mistake: no-seed
# exercise: Value
# fails: test_value_backward_through_each_operation
# advice: All gradients are 0: the derivative of the result with respect to itself is 1, and there everything begins.
class Value(Value):
    def backward(self):
        pass


# %% mistake: factors-mixed-up
# exercise: Value
# fails: test_value_backward_through_each_operation
# advice: For a product, the derivative with respect to one factor is the *other* one.
class Value(Value):
    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        result = Value(self.data * other.data)
        result.sources = [(self, self.data), (other, other.data)]
        return result


# %% mistake: power-rule-without-exponent
# exercise: Value
# fails: test_value_backward_through_each_operation
# advice: The derivative of a power has the exponent in front: n times a to the n - 1.
class Value(Value):
    def __pow__(self, exponent):
        result = Value(self.data**exponent)
        result.sources = [(self, self.data ** (exponent - 1))]
        return result


# %% mistake: tanh-of-the-input
# exercise: Value
# fails: test_value_backward_through_each_operation
# advice: The derivative of tanh is 1 minus the square of the *output*; you square the input.
class Value(Value):
    def tanh(self):
        result = Value(math.tanh(self.data))
        result.sources = [(self, 1 - self.data**2)]
        return result


# %% mistake: chain-rule-forgotten
# exercise: Value
# fails: test_value_backward_through_each_operation
# advice: Only the local derivatives are added up. Multiply each by the gradient of the value that hands it on.
class Value(Value):
    def backward(self):
        uses, waiting = Counter(), [self]
        while waiting:
            for source, derivative in waiting.pop().sources:
                source.grad += derivative
                uses[source] += 1
                if uses[source] == 1:
                    waiting.append(source)


# %% mistake: recursion
# exercise: Value
# fails: test_value_backward_through_a_long_chain
# advice: A function that calls itself for every input runs out of stack after about a thousand. Put the values still to
#   visit on a list of your own, in a loop.
class Value(Value):
    def backward(self):
        order, seen = [], set()

        def visit(value):
            if value not in seen:
                seen.add(value)
                for source, _ in value.sources:
                    visit(source)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for source, derivative in value.sources:
                source.grad += derivative * value.grad


# %% mistake: every-path
# exercise: Value
# fails: test_value_backward_hands_on_once
# advice: You follow every path from the result to the inputs. The sums come out right, but where a value is used twice
#   the work behind it doubles, and again at the next such value. Let each value hand on once, when its gradient is
#   complete.
class Value(Value):
    def backward(self):
        waiting = [(self, 1.0)]
        while waiting:
            value, gradient = waiting.pop()
            value.grad += gradient
            for source, derivative in value.sources:
                waiting.append((source, derivative * gradient))
