# Other right solutions of section 6; grader.mistakes describes the format.

# %% alternative: clears-after-the-step
# exercise: train_step
def train_step(net, inputs, targets, criterion, opt):
    net.train(True)
    loss = criterion(net(inputs), targets)
    loss.backward()
    opt.step()
    opt.zero_grad(set_to_none=False)
    return float(loss.detach())


# %% alternative: closure
# exercise: train_step
def train_step(model, x, y, loss_fn, optimizer):
    model.train()

    def closure():
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        return loss

    return optimizer.step(closure).item()


# %% alternative: gradients-put-by-hand
# exercise: train_step
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    params = [p for p in model.parameters() if p.requires_grad]
    loss = loss_fn(model(x), y)
    for p, grad in zip(params, torch.autograd.grad(loss, params)):
        p.grad = grad
    optimizer.step()
    return loss.item()


# %% alternative: model-clears
# exercise: train_step
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    model.zero_grad()
    with torch.enable_grad():
        loss = loss_fn(model(x), y)
        loss.backward()
    optimizer.step()
    return loss.detach().cpu().tolist()


# %% alternative: everything-at-once
# exercise: evaluate
@torch.inference_mode()
def evaluate(model, loader):
    mode = model.training
    model.eval()
    try:
        outputs, labels = zip(*((model(x), y) for x, y in loader))
    finally:
        model.train(mode)
    logits, y = torch.cat(outputs), torch.cat(labels)
    return F.cross_entropy(logits, y).item(), (logits.argmax(-1) == y).double().mean().item()


# %% alternative: weighted-means
# exercise: evaluate
@torch.no_grad()
def evaluate(model, loader):
    was = model.training
    model.eval()
    losses, hits, sizes = [], [], []
    for x, y in loader:
        log_probabilities = model(x).log_softmax(-1)
        losses.append(-log_probabilities.gather(1, y[:, None]).mean() * y.numel())
        hits.append(log_probabilities.max(1).indices.eq(y).sum())
        sizes.append(y.numel())
    if was:
        model.train()
    return (sum(losses) / sum(sizes)).item(), (sum(hits) / sum(sizes)).item()


# %% alternative: tensors-without-a-graph
# exercise: evaluate
def evaluate(model, loader):
    mode, total, right = model.training, torch.zeros(()), torch.zeros(())
    with torch.no_grad():
        model.eval()
        for x, y in loader:
            logits = model(x)
            total = total + F.cross_entropy(logits, y) * len(y)
            right = right + (logits.argmax(1) == y).float().sum()
    model.train(mode)
    return [total / len(loader.dataset), right / len(loader.dataset)]


# %% alternative: torch-optimizer-subclass
# exercise: SGD
class SGD(torch.optim.Optimizer):
    def __init__(self, params, lr, momentum=0.0, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.add(p, alpha=group["weight_decay"])
                if group["momentum"]:
                    state = self.state[p]
                    if "velocity" in state:
                        state["velocity"].mul_(group["momentum"]).add_(grad)
                    else:
                        state["velocity"] = grad.clone()
                    grad = state["velocity"]
                p.add_(grad, alpha=-group["lr"])


# %% alternative: attribute-lr
# exercise: SGD
class SGD:
    def __init__(self, parameters, lr, momentum=0.0, weight_decay=0.0):
        self.lr, self.mu, self.wd = lr, momentum, weight_decay
        self.parameters = [p for p in parameters if p.requires_grad]
        self.velocity = {}

    def zero_grad(self, set_to_none=False):
        for p in self.parameters:
            if p.grad is not None:
                p.grad.zero_()

    def step(self):
        for p in self.parameters:
            if p.grad is None:
                continue
            g = p.grad.data + self.wd * p.data
            self.velocity[id(p)] = self.mu * self.velocity.get(id(p), 0) + g
            p.data = p.data - self.lr * self.velocity[id(p)]


# %% alternative: decay-into-grad
# exercise: SGD
class SGD:
    def __init__(self, params, lr, momentum=0, weight_decay=0):
        self.params = list(params)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.buffers = [None for _ in self.params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for i, p in enumerate(self.params):
            if p.grad is not None:
                p.grad += self.weight_decay * p
                self.buffers[i] = p.grad if self.buffers[i] is None else self.momentum * self.buffers[i] + p.grad
                p -= self.lr * self.buffers[i]


# %% alternative: torch-optimizer-subclass
# exercise: Adam
class Adam(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "decoupled": decoupled}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad, state = p.grad, self.state[p]
                if not state:
                    state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                state["t"] += 1
                if group["decoupled"]:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                else:
                    grad = grad.add(p, alpha=group["weight_decay"])
                state["m"].lerp_(grad, 1 - beta1)
                state["v"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                size = group["lr"] / (1 - beta1 ** state["t"])
                root = state["v"].sqrt() / math.sqrt(1 - beta2 ** state["t"])
                p.addcdiv_(state["m"], root.add_(group["eps"]), value=-size)


# %% alternative: attribute-lr
# exercise: Adam
class Adam:
    def __init__(self, parameters, lr, betas, eps, weight_decay=0.0, decoupled=False):
        self.parameters = list(parameters)
        self.lr, self.eps, self.wd, self.decoupled = lr, eps, weight_decay, decoupled
        self.b1, self.b2 = betas
        self.t = 0
        self.m = [0.0] * len(self.parameters)
        self.v = [0.0] * len(self.parameters)

    def zero_grad(self):
        for p in self.parameters:
            if p.grad is not None:
                p.grad.detach_().zero_()

    def step(self):
        self.t += 1
        for i, p in enumerate(self.parameters):
            if p.grad is None:
                continue
            g = p.grad.detach() + (0 if self.decoupled else self.wd) * p.detach()
            self.m[i] = self.b1 * self.m[i] + (1 - self.b1) * g
            self.v[i] = self.b2 * self.v[i] + (1 - self.b2) * g * g
            update = (self.m[i] / (1 - self.b1**self.t)) / ((self.v[i] / (1 - self.b2**self.t)) ** 0.5 + self.eps)
            if self.decoupled:
                update = update + self.wd * p.detach()
            p.data.copy_(p.data - self.lr * update)


# %% alternative: cases-first
# exercise: warmup_cosine
def warmup_cosine(i, n, warm, high, low=0):
    if i >= n:
        return low
    if i < warm:
        return high / warm * (i + 1)
    return low + 0.5 * (high - low) * (1.0 + math.cos((i - warm) / (n - warm) * math.pi))


# %% alternative: half-angle
# exercise: warmup_cosine
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    ramp = (step + 1) / warmup if warmup else 1.0
    angle = math.pi / 2 * min(max(step - warmup, 0), total - warmup) / (total - warmup)
    return lr_max * ramp if ramp < 1 else lr_min + (lr_max - lr_min) * math.cos(angle) ** 2


# %% alternative: torch-built-in
# exercise: clip_grad_norm_
def clip_grad_norm_(params, max_norm):
    return torch.nn.utils.clip_grad_norm_(params, max_norm)


# %% alternative: always-multiplied
# exercise: clip_grad_norm_
def clip_grad_norm_(params, max_norm):
    params = [p for p in params if p.grad is not None]
    norm = torch.cat([p.grad.detach().flatten() for p in params]).norm(2)
    factor = min(1.0, max_norm / (norm.item() + 1e-6))
    for p in params:
        p.grad = p.grad * factor
    return norm


# %% alternative: sum-of-squares
# exercise: clip_grad_norm_
def clip_grad_norm_(params, max_norm):
    params = list(params)
    squares = torch.tensor(0.0)
    for p in params:
        if p.grad is not None:
            squares += p.grad.pow(2).sum()
    norm = squares.sqrt()
    if norm > max_norm:
        for p in params:
            if p.grad is not None:
                p.grad.data.div_(norm / max_norm)
    return norm


# %% alternative: gradients-divided-at-the-end
# exercise: accumulate_step
def accumulate_step(model, optimizer, criterion, batches):
    optimizer.zero_grad()
    total, n = 0.0, 0
    for x, y in batches:
        loss = criterion(model(x), y) * y.shape[0]
        loss.backward()
        total += float(loss)
        n += y.shape[0]
    for p in model.parameters():
        if p.grad is not None:
            p.grad /= n
    optimizer.step()
    return total / n


# %% alternative: clears-at-the-end
# exercise: accumulate_step
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    model.train()
    sizes = torch.tensor([len(y) for _, y in micro_batches], dtype=torch.float64)
    losses = []
    for share, (x, y) in zip((sizes / sizes.sum()).tolist(), micro_batches):
        loss = loss_fn(model(x), y)
        (share * loss).backward()
        losses.append(share * loss.item())
    optimizer.step()
    optimizer.zero_grad()
    return sum(losses)


# %% alternative: all-in-one
# exercise: fit
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    from collections import defaultdict

    history, best = defaultdict(list), (float("inf"), None)
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for inputs, labels in train_loader:
            optimizer.zero_grad(set_to_none=False)
            loss = nn.CrossEntropyLoss()(model(inputs), labels)
            loss.backward()
            optimizer.step()
            running += loss.item() * inputs.size(0)
        history["train_loss"].append(running / len(train_loader.dataset))
        history["lr"].append(scheduler.get_last_lr()[0] if scheduler else optimizer.param_groups[0]["lr"])
        model.eval()
        total = correct = 0.0
        with torch.no_grad():
            for inputs, labels in val_loader:
                logits = model(inputs)
                total += F.cross_entropy(logits, labels, reduction="sum").item()
                correct += (logits.argmax(1) == labels).float().sum().item()
        n = len(val_loader.dataset)
        history["val_loss"].append(total / n)
        history["val_accuracy"].append(correct / n)
        history["epoch"].append(epoch)
        if total / n <= best[0]:
            best = total / n, {k: v.detach().clone() for k, v in model.state_dict().items()}
        if scheduler:
            scheduler.step()
    if best[1] is not None:
        model.load_state_dict(best[1])
    return history


# %% alternative: best-model-copied
# exercise: fit
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    rows, best = [], None
    for _ in range(epochs):
        lr = [group["lr"] for group in optimizer.param_groups][0]
        losses = [(train_step(model, x, y, F.cross_entropy, optimizer), len(y)) for x, y in train_loader]
        if scheduler is not None:
            scheduler.step()
        loss, accuracy = evaluate(model, val_loader)
        rows.append((sum(a * n for a, n in losses) / sum(n for _, n in losses), loss, accuracy, lr))
        if best is None or loss < best[0]:
            best = loss, copy.deepcopy(model)
    model.load_state_dict(best[1].state_dict())
    return dict(zip(("train_loss", "val_loss", "val_accuracy", "lr"), map(list, zip(*rows))))


# %% alternative: reseeds
# exercise: compare_optimizers
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    histories = {}
    for name, make in optimizers.items():
        torch.manual_seed(42)
        if train_loader.generator is not None:
            train_loader.generator.manual_seed(42)
        model = make_model()
        histories[name] = fit(model, train_loader, val_loader, make(model.parameters()), None, epochs)
    return histories


# %% alternative: recorded-batches
# exercise: compare_optimizers
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    recorded = [list(train_loader) for _ in range(epochs)]

    class Replay:
        def __init__(self):
            self.epochs = iter(recorded)

        def __iter__(self):
            return iter(next(self.epochs))

    initial = {key: value.clone() for key, value in make_model().state_dict().items()}
    histories = {}
    for name in optimizers:
        model = make_model()
        optimizer = optimizers[name](list(model.parameters()))
        model.load_state_dict(initial)
        histories[name] = fit(model, Replay(), val_loader, optimizer, None, epochs)
    return histories
