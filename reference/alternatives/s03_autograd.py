# Other right solutions of section 3; grader.mistakes describes the format.

# %% alternative: float64-product
# exercise: derivative_of_square
def derivative_of_square(value):
    t = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad((t * t).sum(), t)
    return float(gradient)


# %% alternative: torch-func
# exercise: derivative_of_square
def derivative_of_square(x):
    return torch.func.grad(torch.square)(torch.tensor(x)).item()


# %% alternative: parameter
# exercise: derivative_of_square
def derivative_of_square(x):
    p = torch.nn.Parameter(torch.tensor(x))
    p.pow(2).backward()
    return p.grad.numpy().tolist()


# %% alternative: backward
# exercise: gradient_of
def gradient_of(f, x):
    leaf = x.clone().detach().requires_grad_(True)
    f(leaf).backward()
    return leaf.grad


# %% alternative: torch-func
# exercise: gradient_of
def gradient_of(function, at):
    return torch.func.grad(function)(at)


# %% alternative: jacobian
# exercise: gradient_of
def gradient_of(f, x):
    return torch.autograd.functional.jacobian(f, x.detach())


# %% alternative: parameter
# exercise: gradient_of
def gradient_of(f, x):
    with torch.enable_grad():
        p = torch.nn.Parameter(x.detach().clone())
        value = f(p)
    value.backward()
    return p.grad.clone()


# %% alternative: data
# exercise: gradient_step_
def gradient_step_(w, lr):
    w.data = w.data - lr * w.grad.data
    w.grad.zero_()


# %% alternative: detached-alias
# exercise: gradient_step_
def gradient_step_(w, lr):
    w.detach().sub_(w.grad, alpha=lr)
    w.grad = torch.zeros_like(w)


# %% alternative: optimizer
# exercise: gradient_step_
def gradient_step_(parameter, rate):
    optimizer = torch.optim.SGD([parameter], lr=rate)
    optimizer.step()
    optimizer.zero_grad()


# %% alternative: switch-and-back
# exercise: gradient_step_
@torch.no_grad()
def gradient_step_(w, lr):
    w.copy_(w - lr * w.grad)
    w.grad = None
    return w


# %% alternative: optimizer
# exercise: fit_polynomial
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.nn.Parameter(torch.zeros(degree + 1, dtype=x.dtype))
    optimizer = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(torch.vander(x, degree + 1, increasing=True) @ w, y).backward()
        optimizer.step()
    return w


# %% alternative: horner
# exercise: fit_polynomial
def fit_polynomial(x, y, degree, lr, steps):
    w = torch.zeros(degree + 1, dtype=x.dtype)
    for _ in range(steps):
        w.requires_grad_()
        prediction = torch.zeros_like(x)
        for coefficient in w.flip(0):
            prediction = prediction * x + coefficient
        (gradient,) = torch.autograd.grad((prediction - y).square().mean(), w)
        w = (w - lr * gradient).detach()
    return w


# %% alternative: list-of-scalars
# exercise: fit_polynomial
def fit_polynomial(x, y, degree, lr, steps):
    w = [torch.zeros((), dtype=x.dtype, requires_grad=True) for _ in range(degree + 1)]
    for _ in range(steps):
        loss = ((sum(c * x**k for k, c in enumerate(w)) - y) ** 2).sum() / len(x)
        loss.backward()
        for c in w:
            gradient_step_(c, lr)
    return torch.stack(w)


# %% alternative: gradient-written-out
# exercise: fit_polynomial
def fit_polynomial(x, y, degree, lr, steps):
    powers = torch.stack([x**k for k in range(degree + 1)])
    w = x.new_zeros(degree + 1)
    for _ in range(steps):
        w -= 2 * lr / x.numel() * torch.einsum("kn,n->k", powers, w @ powers - y)
    return w


# %% alternative: mse-loss
# exercise: semi_gradient_loss
def semi_gradient_loss(q, reward, q_next, gamma):
    with torch.no_grad():
        target = torch.add(reward, q_next, alpha=gamma)
    return torch.nn.functional.mse_loss(q, target)


# %% alternative: error-dot-error
# exercise: semi_gradient_loss
def semi_gradient_loss(prediction, reward, following, discount):
    error = reward + discount * following.data - prediction
    return error.dot(error) / error.numel()


# %% alternative: recursive
# exercise: graph_edges
def graph_edges(y):
    edges, seen = [], set()

    def visit(node):
        if node in seen:
            return
        seen.add(node)
        for source in (pair[0] for pair in node.next_functions):
            if source:
                edges.append((node.name(), source.name()))
                visit(source)

    visit(y.grad_fn)
    return edges


# %% alternative: breadth-first-by-id
# exercise: graph_edges
def graph_edges(y):
    nodes = {id(y.grad_fn): y.grad_fn}
    queue = [y.grad_fn]
    for node in queue:
        for source, _ in node.next_functions:
            if source is not None and id(source) not in nodes:
                nodes[id(source)] = source
                queue.append(source)
    return [(n.name(), s.name()) for n in queue for s, _ in n.next_functions if s is not None]


# %% alternative: recomputes
# exercise: Exp
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.exp(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        if not ctx.needs_input_grad[0]:
            return None
        return grad_output * torch.exp(x)


# %% alternative: setup-context
# exercise: Exp
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return math.e**x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.saved_tensors[0].mul(grad_output)


# %% alternative: applies-itself
# exercise: Exp
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx, g):
        return g * Exp.apply(ctx.saved_tensors[0])


# %% alternative: functional-hvp
# exercise: hessian_vector_product
def hessian_vector_product(f, x, v):
    return torch.autograd.functional.hvp(f, x, v)[1]


# %% alternative: functional-vhp
# exercise: hessian_vector_product
def hessian_vector_product(f, x, v):
    _, product = torch.autograd.functional.vhp(f, x, v)
    return product


# %% alternative: forward-over-reverse
# exercise: hessian_vector_product
def hessian_vector_product(f, x, v):
    return torch.func.jvp(torch.func.grad(f), (x,), (v,))[1]


# %% alternative: reverse-over-reverse
# exercise: hessian_vector_product
def hessian_vector_product(f, x, v):
    _, vjp = torch.func.vjp(torch.func.grad(f), x)
    return vjp(v)[0]


# %% alternative: vector-seed
# exercise: hessian_vector_product
def hessian_vector_product(f, x, v):
    x = x.clone().requires_grad_(True)
    gradient = torch.autograd.grad(f(x), x, create_graph=True)[0]
    gradient.backward(v)
    return x.grad


# %% alternative: directional-derivative-first
# exercise: hessian_vector_product
def hessian_vector_product(f, x, v):
    return torch.func.grad(lambda z: torch.func.jvp(f, (z,), (v,))[1])(x)


# %% alternative: closures
# exercise: Value
class Value:
    def __init__(self, data, _children=()):
        self.data = data
        self.grad = 0
        self._prev = set(_children)
        self._backward = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __pow__(self, other):
        assert isinstance(other, (int, float))
        out = Value(self.data**other, (self,))

        def _backward():
            self.grad += other * self.data ** (other - 1) * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = (math.exp(2 * self.data) - 1) / (math.exp(2 * self.data) + 1)
        out = Value(t, (self,))

        def _backward():
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    __radd__ = __add__
    __rmul__ = __mul__

    def backward(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((child, False) for child in node._prev)
        self.grad = 1
        for node in reversed(order):
            node._backward()


# %% alternative: numbered
# exercise: Value
class Value:
    count = 0

    def __init__(self, number, *edges):
        self.data, self.grad, self.edges = float(number), 0.0, edges
        Value.count += 1
        self.number = Value.count

    @staticmethod
    def of(x):
        return x if isinstance(x, Value) else Value(x)

    def __add__(self, other):
        other = Value.of(other)
        return Value(self.data + other.data, (self, 1.0), (other, 1.0))

    def __radd__(self, other):
        return Value.of(other) + self

    def __mul__(self, other):
        other = Value.of(other)
        return Value(self.data * other.data, (self, other.data), (other, self.data))

    def __rmul__(self, other):
        return Value.of(other) * self

    def __pow__(self, n):
        return Value(self.data**n, (self, n * self.data ** (n - 1)))

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, (self, 1 - t * t))

    def backward(self):
        reached, waiting = {self}, [self]
        while waiting:
            new = {source for source, _ in waiting.pop().edges} - reached
            reached |= new
            waiting.extend(new)
        self.grad = 1.0
        for value in sorted(reached, key=lambda v: -v.number):
            for source, derivative in value.edges:
                source.grad += derivative * value.grad


# %% alternative: one-tape
# exercise: Value
class Value:
    tape = []

    def __init__(self, data):
        self.data, self.grad = data, 0.0

    def note(self, data, *edges):
        result = Value(data)
        Value.tape.append((result, edges))
        return result

    def __add__(self, other):
        if not isinstance(other, Value):
            return self.note(self.data + other, (self, 1.0))
        return self.note(self.data + other.data, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        if not isinstance(other, Value):
            return self.note(self.data * other, (self, other))
        return self.note(self.data * other.data, (self, other.data), (other, self.data))

    def __pow__(self, exponent):
        return self.note(self.data**exponent, (self, exponent * self.data ** (exponent - 1)))

    def tanh(self):
        return self.note(math.tanh(self.data), (self, math.cosh(self.data) ** -2))

    __radd__, __rmul__ = __add__, __mul__

    def backward(self):
        self.grad = 1.0
        while Value.tape:
            result, edges = Value.tape.pop()
            for source, derivative in edges:
                source.grad += derivative * result.grad
