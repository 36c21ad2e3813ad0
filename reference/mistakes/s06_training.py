# Wrong versions of the exercises of section 6; grader.mistakes describes the format.

# %% mistake: returns-the-graph
# exercise: train_step
# fails: test_train_step_returns_the_loss
# advice: You return the loss as a tensor, with the whole graph of the step behind it; a list of those fills the memory.
# Take the number out of it.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


# %% mistake: returns-a-tensor
# exercise: train_step
# fails: test_train_step_returns_the_loss
# advice: The loss is free of its graph but still a tensor. A float of Python is asked for.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.detach()


# %% mistake: loss-after-the-step
# exercise: train_step
# fails: test_train_step_returns_the_loss
# advice: You run the batch through the model again after the step and return that loss. Return the one that you
# differentiated.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    optimizer.step()
    return loss_fn(model(x), y).item()


# %% mistake: loss-times-batch-size
# exercise: train_step
# fails: test_train_step_returns_the_loss
# advice: You multiply the loss by the number of samples. Return what the loss function gave.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item() * len(x)


# %% mistake: loss-arguments-swapped
# exercise: train_step
# fails: test_train_step_returns_the_loss
# advice: The loss function takes the model's output first and the target second.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(y, model(x))
    loss.backward()
    optimizer.step()
    return loss.item()


# %% mistake: gradients-never-cleared
# exercise: train_step
# fails: test_train_step_uses_the_gradient_of_this_batch_alone
# advice: backward() adds to .grad, so every step also takes all earlier gradients. Clear them once a step.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% mistake: cleared-between-backward-and-step
# exercise: train_step
# fails: test_train_step_uses_the_gradient_of_this_batch_alone
# advice: You clear the gradients after backward() has computed them and before step() uses them: nothing ever moves.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


# %% mistake: no-backward
# exercise: train_step
# fails: test_train_step_uses_the_gradient_of_this_batch_alone
# advice: Nobody computes gradients: call backward() on the loss before the step.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    optimizer.step()
    return loss.item()


# %% mistake: no-step
# exercise: train_step
# fails: test_train_step_uses_the_gradient_of_this_batch_alone
# advice: The gradients are there, but nobody moves the weights: the optimiser has a method for that.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    return loss.item()


# %% mistake: step-before-backward
# exercise: train_step
# fails: test_train_step_uses_the_gradient_of_this_batch_alone
# advice: The optimiser steps before backward() has computed the gradient. Look at the order of the calls.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    optimizer.step()
    loss.backward()
    return loss.item()


# %% mistake: evaluation-mode-left-on
# exercise: train_step
# fails: test_train_step_moves_the_weights_in_training_mode
# advice: The model comes from an evaluation, and you train it in that mode: dropout is off, running statistics stand
# still. Switch to training mode first.
def train_step(model, x, y, loss_fn, optimizer):
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% mistake: a-second-forward-pass
# exercise: train_step
# fails: test_train_step_moves_the_weights_in_training_mode
# advice: The batch goes through the model twice, so the running statistics are updated twice. One forward pass is enough
# for the gradient and for the number.
def train_step(model, x, y, loss_fn, optimizer):
    model.train()
    optimizer.zero_grad()
    before = loss_fn(model(x), y).item()
    loss_fn(model(x), y).backward()
    optimizer.step()
    return before


# %% mistake: mean-of-batch-means
# exercise: evaluate
# fails: test_evaluate_weighs_every_sample_alike
# advice: You average the batches' averages, so that a sample in a small last batch counts more. Add up over the samples
# and divide once.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    losses, accuracies = [], []
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            losses.append(F.cross_entropy(logits, y).item())
            accuracies.append((logits.argmax(1) == y).double().mean().item())
    model.train(was_training)
    return sum(losses) / len(losses), sum(accuracies) / len(accuracies)


# %% mistake: mean-of-batch-losses
# exercise: evaluate
# fails: test_evaluate_weighs_every_sample_alike
# advice: The accuracy counts samples, but the loss is the mean of the batches' means. A small last batch must count less.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y).item()
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
    model.train(was_training)
    return loss / len(loader), correct / count


# %% mistake: argmax-over-the-batch
# exercise: evaluate
# fails: test_evaluate_gives_loss_and_accuracy
# advice: Your argmax runs along the batch: it finds the best sample of each class. You want the best class of each sample.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(0) == y).sum().item()
            count += len(y)
    model.train(was_training)
    return loss / count, correct / count


# %% mistake: loss-not-divided
# exercise: evaluate
# fails: test_evaluate_gives_loss_and_accuracy
# advice: Your loss is the sum over all samples; divide by how many there are.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
    model.train(was_training)
    return loss, correct / count


# %% mistake: divided-by-the-batches
# exercise: evaluate
# fails: test_evaluate_gives_loss_and_accuracy
# advice: Sums over samples are divided by the number of batches. `len(loader)` counts batches; divide by the samples.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
    model.train(was_training)
    return loss / len(loader), correct / len(loader)


# %% mistake: last-batch-only
# exercise: evaluate
# fails: test_evaluate_gives_loss_and_accuracy
# advice: Each batch overwrites the one before, and the last one alone is reported. Add up over all batches.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss = F.cross_entropy(logits, y).item()
            accuracy = (logits.argmax(1) == y).double().mean().item()
    model.train(was_training)
    return loss, accuracy


# %% mistake: accuracy-in-percent
# exercise: evaluate
# fails: test_evaluate_gives_loss_and_accuracy
# advice: The accuracy is a fraction from 0 to 1, not a percentage.
def evaluate(model, loader):
    loss, accuracy = evaluate_right(model, loader)
    return loss, 100 * accuracy


def evaluate_right(model, loader):
    was_training = model.training
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
    model.train(was_training)
    return loss / count, correct / count


# %% mistake: accuracy-first
# exercise: evaluate
# fails: test_evaluate_gives_loss_and_accuracy
# advice: Loss and accuracy come back in the wrong order: the loss is first.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
    model.train(was_training)
    return correct / count, loss / count


# %% mistake: loss-keeps-the-graph
# exercise: evaluate
# fails: test_evaluate_gives_loss_and_accuracy
# advice: You add up tensors with their graphs, so those of all batches stay in memory. Evaluate without gradients, and
# add up numbers.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    loss, correct, count = 0.0, 0, 0
    for x, y in loader:
        logits = model(x)
        loss = loss + F.cross_entropy(logits, y, reduction="sum")
        correct += (logits.argmax(1) == y).sum().item()
        count += len(y)
    model.train(was_training)
    return loss / count, correct / count


# %% mistake: no-eval
# exercise: evaluate
# fails: test_evaluate_uses_evaluation_mode_and_restores_the_mode
# advice: The model is evaluated in training mode: dropout stays on, and batch normalisation learns from the held-out data.
def evaluate(model, loader):
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
    return loss / count, correct / count


# %% mistake: left-in-evaluation-mode
# exercise: evaluate
# fails: test_evaluate_uses_evaluation_mode_and_restores_the_mode
# advice: You leave the model in evaluation mode, and the training goes on without dropout. Put the old mode back.
def evaluate(model, loader):
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
    return loss / count, correct / count


# %% mistake: always-left-in-training-mode
# exercise: evaluate
# fails: test_evaluate_uses_evaluation_mode_and_restores_the_mode
# advice: You always switch to training mode at the end. A model that came in evaluation mode must leave in it: remember
# the mode first.
def evaluate(model, loader):
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
    model.train()
    return loss / count, correct / count


# %% mistake: no-no-grad
# exercise: evaluate
# fails: test_evaluate_records_no_graph
# advice: Every forward pass records a graph that nobody will use. eval() does not switch that off; a context does.
def evaluate(model, loader):
    was_training = model.training
    model.eval()
    loss, correct, count = 0.0, 0, 0
    for x, y in loader:
        logits = model(x)
        loss += F.cross_entropy(logits, y, reduction="sum").item()
        correct += (logits.argmax(1) == y).sum().item()
        count += len(y)
    model.train(was_training)
    return loss / count, correct / count


# %% mistake: torch-sgd
# exercise: SGD
# fails: test_sgd_steps_against_the_gradient
# advice: This is torch's own optimiser. Write the update yourself.
class SGD(torch.optim.SGD):
    pass


# %% mistake: climbs
# exercise: SGD
# fails: test_sgd_steps_against_the_gradient
# advice: Your weights go up the gradient, and the loss grows. Subtract.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p.add_(self.param_groups[0]["lr"] * p.grad)


# %% mistake: name-rebound
# exercise: SGD
# fails: test_sgd_steps_against_the_gradient
# advice: `p = p - ...` makes a new tensor and gives it the name p; the model's parameter stays where it was. Change it in
# place.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p = p - self.param_groups[0]["lr"] * p.grad


# %% mistake: outside-no-grad
# exercise: SGD
# fails: test_sgd_steps_against_the_gradient
# advice: Parameters are leaves that require a gradient: autograd lets nobody change them in place while it records. Switch
# the recording off around the update.
class SGD(SGD):
    def step(self):
        for p in self.param_groups[0]["params"]:
            p -= self.param_groups[0]["lr"] * p.grad


# %% mistake: generator-used-up
# exercise: SGD
# fails: test_sgd_steps_against_the_gradient
# advice: The parameters come as a generator, which can be walked through once: from the second loop on it is empty. Make a
# list of it at once.
class SGD(SGD):
    def __init__(self, params, lr, momentum=0, weight_decay=0):
        self.params, self.lr = params, lr

    def step(self):
        with torch.no_grad():
            for p in self.params:
                p -= self.lr * p.grad


# %% mistake: whole-model-by-its-first-parameter
# exercise: SGD
# fails: test_sgd_steps_against_the_gradient
# advice: Only the first parameter moves. Walk through all of them.
class SGD(SGD):
    def step(self):
        p = self.param_groups[0]["params"][0]
        with torch.no_grad():
            p -= self.param_groups[0]["lr"] * p.grad


# %% mistake: float32-buffers
# exercise: SGD
# fails: test_sgd_steps_against_the_gradient
# advice: Your velocities are float32 whatever the parameters are, so double precision is lost. `zeros_like` takes over shape,
# dtype and device.
class SGD(SGD):
    def __init__(self, params, lr, momentum=0, weight_decay=0):
        super().__init__(params, lr, momentum, weight_decay)
        self.velocities = [torch.zeros(p.shape) for p in self.param_groups[0]["params"]]


# %% mistake: rate-inside-the-velocity
# exercise: SGD
# fails: test_sgd_agrees_with_torch
# advice: Your velocity holds gradients times the rate, so old steps live on at the old rate when it changes. Keep the rate
# out of the velocity.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                v.mul_(self.momentum).add_(self.param_groups[0]["lr"] * (p.grad + self.weight_decay * p))
                p.sub_(v)


# %% mistake: dampening
# exercise: SGD
# fails: test_sgd_agrees_with_torch
# advice: You mix old velocity and gradient as a running mean. Here the gradient enters whole: no factor 1 - momentum.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                v.mul_(self.momentum).add_((1 - self.momentum) * (p.grad + self.weight_decay * p))
                p.sub_(self.param_groups[0]["lr"] * v)


# %% mistake: decay-after-the-momentum
# exercise: SGD
# fails: test_sgd_agrees_with_torch
# advice: The decay goes straight to the weights, past the velocity. Add it to the gradient before the momentum.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                v.mul_(self.momentum).add_(p.grad)
                p.sub_(self.param_groups[0]["lr"] * (v + self.weight_decay * p))


# %% mistake: no-decay
# exercise: SGD
# fails: test_sgd_agrees_with_torch
# advice: `weight_decay` is taken and never used: it adds a share of the weights to the gradient.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                v.mul_(self.momentum).add_(p.grad)
                p.sub_(self.param_groups[0]["lr"] * v)


# %% mistake: velocity-forgotten
# exercise: SGD
# fails: test_sgd_agrees_with_torch
# advice: The velocity starts from zero in every step, so there is no momentum. It has to live as long as the optimiser.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                v = torch.zeros_like(p)
                v.mul_(self.momentum).add_(p.grad + self.weight_decay * p)
                p.sub_(self.param_groups[0]["lr"] * v)


# %% mistake: nesterov
# exercise: SGD
# fails: test_sgd_agrees_with_torch
# advice: This is Nesterov's variant, which looks one step ahead. Plain momentum moves along the velocity alone.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                g = p.grad + self.weight_decay * p
                v.mul_(self.momentum).add_(g)
                p.sub_(self.param_groups[0]["lr"] * (g + self.momentum * v))


# %% mistake: rate-fixed-at-the-start
# exercise: SGD
# fails: test_sgd_agrees_with_torch
# advice: `step` uses a copy of the rate that was made at the start, so a schedule changes nothing. Read the rate where it
# can be changed, in every step.
class SGD(SGD):
    def __init__(self, params, lr, momentum=0, weight_decay=0):
        super().__init__(params, lr, momentum, weight_decay)
        self.fixed = lr

    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                v.mul_(self.momentum).add_(p.grad + self.weight_decay * p)
                p.sub_(self.fixed * v)


# %% mistake: crashes-on-none
# exercise: SGD
# fails: test_sgd_leaves_parameters_without_gradient_alone
# advice: A parameter that took no part in the loss has no gradient: its grad is None. Pass it over.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                v.mul_(self.momentum).add_(p.grad + self.weight_decay * p)
                p.sub_(self.param_groups[0]["lr"] * v)


# %% mistake: none-taken-for-zero
# exercise: SGD
# fails: test_sgd_leaves_parameters_without_gradient_alone
# advice: You take a missing gradient for zero, and then weight decay shrinks a parameter that should be left alone.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                grad = torch.zeros_like(p) if p.grad is None else p.grad
                v.mul_(self.momentum).add_(grad + self.weight_decay * p)
                p.sub_(self.param_groups[0]["lr"] * v)


# %% mistake: stops-at-none
# exercise: SGD
# fails: test_sgd_leaves_parameters_without_gradient_alone
# advice: At the first parameter without a gradient you leave the loop, and the ones after it never move. Pass over that one
# only.
class SGD(SGD):
    def step(self):
        with torch.no_grad():
            for p, v in zip(self.param_groups[0]["params"], self.velocities):
                if p.grad is None:
                    break
                v.mul_(self.momentum).add_(p.grad + self.weight_decay * p)
                p.sub_(self.param_groups[0]["lr"] * v)


# %% mistake: zero-grad-does-nothing
# exercise: SGD
# fails: test_sgd_clears_gradients_and_keeps_no_graph
# advice: Your zero_grad leaves the gradients as they are: it must change `p.grad`, not a name for it.
class SGD(SGD):
    def zero_grad(self):
        for p in self.param_groups[0]["params"]:
            grad = p.grad
            grad = None


# %% mistake: velocity-keeps-the-graph
# exercise: SGD
# fails: test_sgd_clears_gradients_and_keeps_no_graph
# advice: Your velocities are computed while autograd records, so they hang in a graph that grows with every step. Do the whole
# update without gradients, not only the last line.
class SGD(SGD):
    def step(self):
        for i, p in enumerate(self.param_groups[0]["params"]):
            if p.grad is not None:
                self.velocities[i] = self.momentum * self.velocities[i] + p.grad + self.weight_decay * p
                p.data -= self.param_groups[0]["lr"] * self.velocities[i].detach()


# %% mistake: velocity-is-the-gradient
# exercise: SGD
# fails: test_sgd_clears_gradients_and_keeps_no_graph
# advice: Your first velocity is the tensor `p.grad` itself, not a copy, so clearing the gradient clears the velocity too.
class SGD(SGD):
    def __init__(self, params, lr, momentum=0, weight_decay=0):
        super().__init__(params, lr, momentum, weight_decay)
        self.velocities = [None] * len(self.param_groups[0]["params"])

    def zero_grad(self):
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                p.grad.zero_()

    def step(self):
        with torch.no_grad():
            for i, p in enumerate(self.param_groups[0]["params"]):
                if p.grad is None:
                    continue
                p.grad.add_(self.weight_decay * p)
                if self.velocities[i] is None:
                    self.velocities[i] = p.grad
                else:
                    self.velocities[i] = self.momentum * self.velocities[i] + p.grad
                p.sub_(self.param_groups[0]["lr"] * self.velocities[i])


# %% mistake: torch-adam
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: This is torch's own optimiser. Write the update yourself.
class Adam(torch.optim.Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, betas, eps, weight_decay)


# %% mistake: no-bias-correction
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: The means start at zero and are too small in the first steps. Correct both of them with the number of the step.
class Adam(Adam):
    def update(self, p, grad, m, v):
        beta1, beta2 = self.betas
        m.mul_(beta1).add_((1 - beta1) * grad)
        v.mul_(beta2).add_((1 - beta2) * grad**2)
        return m / (v.sqrt() + self.eps)

    def step(self):
        lr = self.param_groups[0]["lr"]
        self.steps += 1
        with torch.no_grad():
            for p, m, v in zip(self.param_groups[0]["params"], self.means, self.squares):
                if p.grad is None:
                    continue
                grad = p.grad
                if self.decoupled:
                    p.mul_(1 - lr * self.weight_decay)
                else:
                    grad = grad + self.weight_decay * p
                p.sub_(lr * self.update(p, grad, m, v))


# %% mistake: steps-from-zero
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: In the first step your counter is 0, and the bias correction divides 0 by 0: every weight becomes NaN. The first
# step is number 1.
class Adam(Adam):
    def step(self):
        self.steps -= 1
        super().step()
        self.steps += 1


# %% mistake: steps-counted-per-parameter
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: Your counter goes up for every parameter, so the second parameter's first step is number 2. Count once a `step`.
class Adam(Adam):
    def step(self):
        lr, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        with torch.no_grad():
            for p, m, v in zip(self.param_groups[0]["params"], self.means, self.squares):
                self.steps += 1
                grad = p.grad + self.weight_decay * p
                m.mul_(beta1).add_((1 - beta1) * grad)
                v.mul_(beta2).add_((1 - beta2) * grad**2)
                m_hat, v_hat = m / (1 - beta1**self.steps), v / (1 - beta2**self.steps)
                p.sub_(lr * m_hat / (v_hat.sqrt() + self.eps))


# %% mistake: one-correction-only
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: You correct the mean of the gradient but not the mean of its square. Both start at zero.
class Adam(Adam):
    def step(self):
        lr, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        self.steps += 1
        with torch.no_grad():
            for p, m, v in zip(self.param_groups[0]["params"], self.means, self.squares):
                grad = p.grad + self.weight_decay * p
                m.mul_(beta1).add_((1 - beta1) * grad)
                v.mul_(beta2).add_((1 - beta2) * grad**2)
                p.sub_(lr * m / (1 - beta1**self.steps) / (v.sqrt() + self.eps))


# %% mistake: no-root
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: You divide by the mean of the squares itself. Its root has the size of a gradient.
class Adam(Adam):
    def step(self):
        lr, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        self.steps += 1
        with torch.no_grad():
            for p, m, v in zip(self.param_groups[0]["params"], self.means, self.squares):
                grad = p.grad + self.weight_decay * p
                m.mul_(beta1).add_((1 - beta1) * grad)
                v.mul_(beta2).add_((1 - beta2) * grad**2)
                m_hat, v_hat = m / (1 - beta1**self.steps), v / (1 - beta2**self.steps)
                p.sub_(lr * m_hat / (v_hat + self.eps))


# %% mistake: square-of-the-mean
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: Your second mean does not square the gradient.
class Adam(Adam):
    def step(self):
        lr, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        self.steps += 1
        with torch.no_grad():
            for p, m, v in zip(self.param_groups[0]["params"], self.means, self.squares):
                grad = p.grad + self.weight_decay * p
                m.mul_(beta1).add_((1 - beta1) * grad)
                v.mul_(beta2).add_((1 - beta2) * grad)
                m_hat, v_hat = m / (1 - beta1**self.steps), (v / (1 - beta2**self.steps)) ** 2
                p.sub_(lr * m_hat / (v_hat.sqrt() + self.eps))


# %% mistake: betas-swapped
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: The first of the betas belongs to the mean of the gradient, the second to the mean of its square.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, betas[::-1], eps, weight_decay, decoupled)


# %% mistake: means-without-the-share
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: The new gradient enters whole, as into a velocity. In a running mean it has the share 1 - beta.
class Adam(Adam):
    def step(self):
        lr, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        self.steps += 1
        with torch.no_grad():
            for p, m, v in zip(self.param_groups[0]["params"], self.means, self.squares):
                grad = p.grad + self.weight_decay * p
                m.mul_(beta1).add_(grad)
                v.mul_(beta2).add_(grad**2)
                m_hat, v_hat = m / (1 - beta1**self.steps), v / (1 - beta2**self.steps)
                p.sub_(lr * m_hat / (v_hat.sqrt() + self.eps))


# %% mistake: generator-used-up
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: The parameters come as a generator, which can be walked through once: the next loop over it finds nothing. Make a
# list of it at once.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__([], lr, betas, eps, weight_decay, decoupled)
        self.means = [torch.zeros_like(p) for p in params]
        self.squares = [torch.zeros_like(m) for m in self.means]
        self.params = params

    def step(self):
        for p in self.params:
            raise AssertionError


# %% mistake: eps-inside-the-root
# exercise: Adam
# fails: test_adam_has_eps_in_its_place
# advice: Your eps is added below the root, where a small one becomes a large one (the root of 1e-8 is 1e-4). Add it to the
# root.
class Adam(Adam):
    def step(self):
        lr, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        self.steps += 1
        with torch.no_grad():
            for p, m, v in zip(self.param_groups[0]["params"], self.means, self.squares):
                if p.grad is None:
                    continue
                grad = p.grad + self.weight_decay * p
                m.mul_(beta1).add_((1 - beta1) * grad)
                v.mul_(beta2).add_((1 - beta2) * grad**2)
                m_hat, v_hat = m / (1 - beta1**self.steps), v / (1 - beta2**self.steps)
                p.sub_(lr * m_hat / (v_hat + self.eps).sqrt())


# %% mistake: eps-before-the-correction
# exercise: Adam
# fails: test_adam_has_eps_in_its_place
# advice: You add eps to the root of the mean before the bias correction, which then enlarges eps as well. Correct first, add
# eps after.
class Adam(Adam):
    def step(self):
        lr, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        self.steps += 1
        with torch.no_grad():
            for p, m, v in zip(self.param_groups[0]["params"], self.means, self.squares):
                grad = p.grad + self.weight_decay * p
                m.mul_(beta1).add_((1 - beta1) * grad)
                v.mul_(beta2).add_((1 - beta2) * grad**2)
                rate = lr * math.sqrt(1 - beta2**self.steps) / (1 - beta1**self.steps)
                p.sub_(rate * m / (v.sqrt() + self.eps))


# %% mistake: eps-fixed
# exercise: Adam
# fails: test_adam_has_eps_in_its_place
# advice: You always use an eps of 1e-8. Use the one that you were given.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, betas, 1e-8, weight_decay, decoupled)


# %% mistake: betas-fixed
# exercise: Adam
# fails: test_adam_agrees_with_torch
# advice: You always use the betas 0.9 and 0.999. Use those that you were given.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, (0.9, 0.999), eps, weight_decay, decoupled)


# %% mistake: l2-and-decoupled-swapped
# exercise: Adam
# fails: test_adam_weight_decay_of_both_kinds
# advice: The two kinds of decay are the wrong way round: only with decoupled=True does the gradient stay free of it.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, betas, eps, weight_decay, not decoupled)


# %% mistake: always-l2
# exercise: Adam
# fails: test_adam_weight_decay_of_both_kinds
# advice: With decoupled=True the decay still goes through the gradient. Shrink the weights themselves instead.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, betas, eps, weight_decay, False)


# %% mistake: always-decoupled
# exercise: Adam
# fails: test_adam_weight_decay_of_both_kinds
# advice: Without decoupled=True the decay belongs to the gradient, before the means.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, betas, eps, weight_decay, True)


# %% mistake: both-decays
# exercise: Adam
# fails: test_adam_weight_decay_of_both_kinds
# advice: With decoupled=True you shrink the weights and still add the decay to the gradient. One of the two.
class Adam(Adam):
    def step(self):
        if self.decoupled:
            with torch.no_grad():
                for p in self.param_groups[0]["params"]:
                    p.mul_(1 - self.param_groups[0]["lr"] * self.weight_decay)
        decoupled, self.decoupled = self.decoupled, False
        super().step()
        self.decoupled = decoupled


# %% mistake: decay-without-the-rate
# exercise: Adam
# fails: test_adam_weight_decay_of_both_kinds
# advice: Your decoupled decay shrinks the weights by weight_decay whatever the rate is. The rate belongs to it too.
class Adam(Adam):
    def step(self):
        lr, decay = self.param_groups[0]["lr"], self.weight_decay
        if self.decoupled:
            self.weight_decay = decay / lr
        super().step()
        self.weight_decay = decay


# %% mistake: decay-after-the-update
# exercise: Adam
# fails: test_adam_weight_decay_of_both_kinds
# advice: You shrink the weights after the update, and the update with them. Shrink first.
class Adam(Adam):
    def step(self):
        decay = self.weight_decay
        if self.decoupled:
            self.weight_decay = 0
        super().step()
        self.weight_decay = decay
        if self.decoupled:
            with torch.no_grad():
                for p in self.param_groups[0]["params"]:
                    p.mul_(1 - self.param_groups[0]["lr"] * decay)


# %% mistake: rate-fixed-at-the-start
# exercise: Adam
# fails: test_adam_weight_decay_of_both_kinds
# advice: `step` uses a copy of the rate that was made at the start, so a schedule changes nothing. Read the rate where it
# can be changed, in every step.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, betas, eps, weight_decay, decoupled)
        self.fixed = lr

    def step(self):
        self.param_groups[0]["lr"] = self.fixed
        super().step()


# %% mistake: no-eps
# exercise: Adam
# fails: test_adam_has_eps_in_its_place
# advice: Without eps a gradient of 0 gives 0 / 0, and one NaN spoils the whole model.
class Adam(Adam):
    def __init__(self, params, lr, betas, eps, weight_decay=0, decoupled=False):
        super().__init__(params, lr, betas, 0.0, weight_decay, decoupled)


# %% mistake: crashes-on-none
# exercise: Adam
# fails: test_adam_leaves_parameters_without_gradient_alone
# advice: A parameter that took no part in the loss has no gradient: its grad is None. Pass it over.
class Adam(Adam):
    def step(self):
        for p in self.param_groups[0]["params"]:
            p.grad = p.grad + 0.0
        super().step()


# %% mistake: decays-without-gradient
# exercise: Adam
# fails: test_adam_leaves_parameters_without_gradient_alone
# advice: A parameter without a gradient is still shrunk by the decay. Pass it over before anything else.
class Adam(Adam):
    def step(self):
        if self.decoupled:
            with torch.no_grad():
                for p in self.param_groups[0]["params"]:
                    if p.grad is None:
                        p.mul_(1 - self.param_groups[0]["lr"] * self.weight_decay)
        super().step()


# %% mistake: none-taken-for-zero
# exercise: Adam
# fails: test_adam_leaves_parameters_without_gradient_alone
# advice: You take a missing gradient for zero, and then weight decay moves a parameter that should be left alone.
class Adam(Adam):
    def step(self):
        for p in self.param_groups[0]["params"]:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        super().step()


# %% mistake: zero-grad-does-nothing
# exercise: Adam
# fails: test_adam_clears_gradients_and_keeps_no_graph
# advice: Your zero_grad leaves the gradients as they are: it must change `p.grad`, not a name for it.
class Adam(Adam):
    def zero_grad(self):
        for p in self.param_groups[0]["params"]:
            grad = p.grad
            grad = None


# %% mistake: means-keep-the-graph
# exercise: Adam
# fails: test_adam_clears_gradients_and_keeps_no_graph
# advice: Your means are computed while autograd records, so they hang in a graph that grows with every step. Do the whole
# update without gradients, not only the last line.
class Adam(Adam):
    def step(self):
        lr, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        self.steps += 1
        for i, p in enumerate(self.param_groups[0]["params"]):
            if p.grad is None:
                continue
            grad = p.grad
            if self.decoupled:
                p.data *= 1 - lr * self.weight_decay
            else:
                grad = grad + self.weight_decay * p
            self.means[i] = beta1 * self.means[i] + (1 - beta1) * grad
            self.squares[i] = beta2 * self.squares[i] + (1 - beta2) * grad**2
            m_hat = self.means[i] / (1 - beta1**self.steps)
            v_hat = self.squares[i] / (1 - beta2**self.steps)
            p.data -= (lr * m_hat / (v_hat.sqrt() + self.eps)).detach()


# %% mistake: starts-at-zero
# exercise: warmup_cosine
# fails: test_warmup_is_a_ramp
# advice: Your rate at step 0 is 0, so the first step is wasted. Steps count from 0: the first one has the rate
# lr_max / warmup.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * step / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: full-rate-a-step-late
# exercise: warmup_cosine
# fails: test_warmup_is_a_ramp
# advice: Your ramp would reach lr_max at step warmup; the last step of the warm-up, warmup - 1, already has it.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / (warmup + 1)
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: ramp-from-the-minimum
# exercise: warmup_cosine
# fails: test_warmup_is_a_ramp
# advice: Your ramp climbs from lr_min. It is a plain fraction of lr_max; lr_min matters only for the cosine.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_min + (lr_max - lr_min) * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: no-warmup
# exercise: warmup_cosine
# fails: test_warmup_is_a_ramp
# advice: The rate starts at its maximum: the warm-up is missing.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    progress = min(1.0, step / total)
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: returns-a-tensor
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: The rate is a tensor; a float of Python is asked for. `math.cos` works on plain numbers.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = torch.tensor(min(1.0, (step - warmup) / (total - warmup)))
    return lr_min + (lr_max - lr_min) * (1 + torch.cos(math.pi * progress)) / 2


# %% mistake: ramp-a-step-too-long
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: At step warmup your ramp goes on and overshoots lr_max. The warm-up has `warmup` steps, 0 to warmup - 1.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step <= warmup:
        return lr_max * (step + 1) / max(1, warmup)
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: cosine-a-step-early
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: Your cosine is one step ahead: at step warmup it should still be at lr_max.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = min(1.0, (step + 1 - warmup) / (total - warmup))
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: minimum-a-step-early
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: Your cosine is at lr_min at step total - 1 already. The progress is 1 at step total.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - 1 - warmup))
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: progress-ignores-the-warmup
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: Your cosine counts its progress from step 0, so the rate jumps where the warm-up ends. It starts at step warmup.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = min(1.0, step / total)
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: degrees
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: `math.cos` takes radians: half a turn is pi, not 180.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_min + (lr_max - lr_min) * (1 + math.cos(180 * progress)) / 2


# %% mistake: whole-wave
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: Your rate goes down and up again: that is a whole cosine wave. Half of one is asked for.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_min + (lr_max - lr_min) * (1 + math.cos(2 * math.pi * progress)) / 2


# %% mistake: straight-line
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: Your rate falls along a straight line. The cosine stays high at first, and levels out at the end.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_max + (lr_min - lr_max) * progress


# %% mistake: minimum-ignored
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: Your rate goes down to 0 whatever lr_min is.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_max * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: minimum-on-top
# exercise: warmup_cosine
# fails: test_cosine_goes_down_to_the_minimum
# advice: You add lr_min to a wave of height lr_max, so the rate starts above lr_max. The wave's height is lr_max - lr_min.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return lr_min + lr_max * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: climbs-again
# exercise: warmup_cosine
# fails: test_rate_stays_at_the_minimum
# advice: After step total your rate climbs up the next half of the wave. Hold the progress at 1.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: restarts
# exercise: warmup_cosine
# fails: test_rate_stays_at_the_minimum
# advice: After step total your schedule begins anew. It should stay at lr_min.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    step = step % total if step > total else step
    if step < warmup:
        return lr_max * (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: zero-after-the-end
# exercise: warmup_cosine
# fails: test_rate_stays_at_the_minimum
# advice: After step total your rate is 0. It should stay at lr_min.
def warmup_cosine(step, total, warmup, lr_max, lr_min=0):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    if step > total:
        return 0.0
    progress = (step - warmup) / (total - warmup)
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * progress)) / 2


# %% mistake: per-parameter
# exercise: clip_grad_norm_
# fails: test_clip_shortens_all_gradients_together
# advice: You clip each parameter's gradient on its own, which turns the direction of the step. One norm over all of them, one
# factor for all of them.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm()
    for g in grads:
        g.mul_(torch.clamp(max_norm / g.norm(), max=1.0))
    return norm


# %% mistake: by-value
# exercise: clip_grad_norm_
# fails: test_clip_shortens_all_gradients_together
# advice: You cut single numbers at max_norm. Scale all of them by one factor instead, so that the direction stays.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm()
    for g in grads:
        g.clamp_(-max_norm, max_norm)
    return norm


# %% mistake: norm-after-clipping
# exercise: clip_grad_norm_
# fails: test_clip_shortens_all_gradients_together
# advice: You return the norm after clipping, which never tells that a gradient exploded. Return the norm before.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm()
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return torch.stack([g.norm() for g in grads]).norm()


# %% mistake: gradients-rebound
# exercise: clip_grad_norm_
# fails: test_clip_shortens_all_gradients_together
# advice: You make new, shorter tensors and drop them: the parameters keep their long gradients. Change these in place.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm()
    if norm > max_norm:
        grads = [g * max_norm / norm for g in grads]
    return norm


# %% mistake: no-root
# exercise: clip_grad_norm_
# fails: test_clip_shortens_all_gradients_together
# advice: That is the square of the norm: the sum of squares, without the root.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = sum((g**2).sum() for g in grads)
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return norm


# %% mistake: sum-of-norms
# exercise: clip_grad_norm_
# fails: test_clip_shortens_all_gradients_together
# advice: You add up the norms of the parts. The squares add up, not the norms: 3 and 4 make 5.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = sum(g.norm() for g in grads)
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return norm


# %% mistake: returns-a-float
# exercise: clip_grad_norm_
# fails: test_clip_shortens_all_gradients_together
# advice: The norm comes back as a float of Python. A 0-d tensor is asked for, as torch's own gives.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm().item()
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return norm


# %% mistake: norm-of-the-weights
# exercise: clip_grad_norm_
# fails: test_clip_shortens_all_gradients_together
# advice: You measure the weights, not their gradients.
def clip_grad_norm_(params, max_norm):
    params = list(params)
    norm = torch.stack([p.detach().norm() for p in params]).norm()
    if norm > max_norm:
        for p in params:
            p.grad.mul_(max_norm / norm)
    return norm


# %% mistake: scales-up
# exercise: clip_grad_norm_
# fails: test_clip_leaves_short_gradients_alone
# advice: Short gradients are stretched to max_norm. The factor must never be larger than 1.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm()
    for g in grads:
        g.mul_(max_norm / norm)
    return norm


# %% mistake: nothing-returned-for-short-gradients
# exercise: clip_grad_norm_
# fails: test_clip_leaves_short_gradients_alone
# advice: When there is nothing to clip you return nothing. The norm is wanted all the same.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm()
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
        return norm


# %% mistake: limit-returned-for-short-gradients
# exercise: clip_grad_norm_
# fails: test_clip_leaves_short_gradients_alone
# advice: The returned norm is never below max_norm. Hold the factor at 1, not the norm at max_norm, and return the norm itself.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm().clamp(min=max_norm)
    for g in grads:
        g.mul_(max_norm / norm)
    return norm


# %% mistake: generator-used-up
# exercise: clip_grad_norm_
# fails: test_clip_takes_what_a_model_gives
# advice: `model.parameters()` is a generator: after the first loop it is empty, and nothing is clipped. Make a list first.
def clip_grad_norm_(params, max_norm):
    norm = torch.stack([p.grad.norm() for p in params if p.grad is not None]).norm()
    if norm > max_norm:
        for p in params:
            p.grad.mul_(max_norm / norm)
    return norm


# %% mistake: crashes-on-none
# exercise: clip_grad_norm_
# fails: test_clip_takes_what_a_model_gives
# advice: A parameter that took no part in the loss has grad None. Pass it over.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params]
    norm = torch.stack([g.norm() for g in grads]).norm()
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return norm


# %% mistake: nan-on-zero
# exercise: clip_grad_norm_
# fails: test_clip_takes_what_a_model_gives
# advice: You divide by the norm even if it is 0, and 0 / 0 is NaN. Zero gradients are short enough as they are.
def clip_grad_norm_(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm()
    for g in grads:
        g.div_(norm).mul_(torch.clamp(norm, max=max_norm))
    return norm


# %% mistake: unscaled
# exercise: accumulate_step
# fails: test_accumulate_equal_pieces
# advice: Each piece's gradient enters whole, so the step is as many times too long as there are pieces. Scale each loss by
# its share before backward().
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    optimizer.zero_grad()
    total, count = 0.0, sum(len(x) for x, _ in micro_batches)
    for x, y in micro_batches:
        loss = loss_fn(model(x), y)
        loss.backward()
        total += loss.item() * len(x) / count
    optimizer.step()
    return total


# %% mistake: sums-throughout
# exercise: accumulate_step
# fails: test_accumulate_equal_pieces
# advice: Losses and gradients of the pieces are added up without their shares. The batch's loss is a mean over its samples.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    optimizer.zero_grad()
    total = 0.0
    for x, y in micro_batches:
        loss = loss_fn(model(x), y)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


# %% mistake: cleared-inside
# exercise: accumulate_step
# fails: test_accumulate_equal_pieces
# advice: You clear the gradients before every piece, so only the last one counts. Clear once, before the first.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    total, count = 0.0, sum(len(x) for x, _ in micro_batches)
    for x, y in micro_batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y) * len(x) / count
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


# %% mistake: a-step-for-each-piece
# exercise: accumulate_step
# fails: test_accumulate_equal_pieces
# advice: The optimiser steps after every piece. The whole batch makes one step, after the last.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    optimizer.zero_grad()
    total, count = 0.0, sum(len(x) for x, _ in micro_batches)
    for x, y in micro_batches:
        loss = loss_fn(model(x), y) * len(x) / count
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


# %% mistake: last-loss-returned
# exercise: accumulate_step
# fails: test_accumulate_equal_pieces
# advice: You return the share of the last piece. Add up the shares of all of them.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    optimizer.zero_grad()
    count = sum(len(x) for x, _ in micro_batches)
    for x, y in micro_batches:
        loss = loss_fn(model(x), y) * len(x) / count
        loss.backward()
    optimizer.step()
    return loss.item()


# %% mistake: returns-the-graph
# exercise: accumulate_step
# fails: test_accumulate_equal_pieces
# advice: You return a tensor with the graphs of all pieces behind it. Add up numbers.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    optimizer.zero_grad()
    total, count = 0.0, sum(len(x) for x, _ in micro_batches)
    for x, y in micro_batches:
        loss = loss_fn(model(x), y) * len(x) / count
        loss.backward()
        total = total + loss
    optimizer.step()
    return total


# %% mistake: divided-by-the-number-of-pieces
# exercise: accumulate_step
# fails: test_accumulate_uneven_pieces
# advice: Every piece counts the same, so samples of small pieces count more. A piece's share is its samples over all samples.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    optimizer.zero_grad()
    total = 0.0
    for x, y in micro_batches:
        loss = loss_fn(model(x), y) / len(micro_batches)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


# %% mistake: never-cleared
# exercise: accumulate_step
# fails: test_accumulate_uneven_pieces
# advice: Nobody clears the gradients, so the second call still has those of the first. Clear once a call.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    total, count = 0.0, sum(len(x) for x, _ in micro_batches)
    for x, y in micro_batches:
        loss = loss_fn(model(x), y) * len(x) / count
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


# %% mistake: first-size-for-all
# exercise: accumulate_step
# fails: test_accumulate_uneven_pieces
# advice: You take every piece to be as large as the first. Count the samples of each.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    optimizer.zero_grad()
    total, size = 0.0, len(micro_batches[0][0])
    for x, y in micro_batches:
        loss = loss_fn(model(x), y) * len(x) / (size * len(micro_batches))
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


# %% mistake: glued-together
# exercise: accumulate_step
# fails: test_accumulate_keeps_one_piece_in_memory
# advice: You glue the pieces together and run the big batch at once: that is what does not fit into memory.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    x, y = (torch.cat(parts) for parts in zip(*micro_batches))
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% mistake: one-backward-at-the-end
# exercise: accumulate_step
# fails: test_accumulate_keeps_one_piece_in_memory
# advice: You add up the losses and call backward() once: until then the graphs of all pieces are in memory, as with the big
# batch. Call it for each piece.
def accumulate_step(model, optimizer, loss_fn, micro_batches):
    count = sum(len(x) for x, _ in micro_batches)
    optimizer.zero_grad()
    loss = sum(loss_fn(model(x), y) * len(x) / count for x, y in micro_batches)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% mistake: history-keeps-the-graphs
# exercise: fit
# fails: test_fit_returns_a_history
# advice: The history holds tensors, with the graphs of all batches behind them. Write down plain numbers.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total = total + loss * len(x)
            count += len(x)
        if scheduler is not None:
            scheduler.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: last-epoch-only
# exercise: fit
# fails: test_fit_returns_a_history
# advice: The history holds the numbers of one epoch. Keep a list for each key, and append to it in every epoch.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    for _ in range(epochs):
        lr = optimizer.param_groups[0]["lr"]
        losses = [train_step(model, x, y, F.cross_entropy, optimizer) for x, y in train_loader]
        val_loss, val_accuracy = evaluate(model, val_loader)
    return {"train_loss": losses[-1], "val_loss": val_loss, "val_accuracy": val_accuracy, "lr": lr}


# %% mistake: train-loss-of-every-batch
# exercise: fit
# fails: test_fit_returns_a_history
# advice: train_loss has a number for every batch. One for every epoch is asked for: the mean of its batches.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        for x, y in train_loader:
            history["train_loss"].append(train_step(model, x, y, F.cross_entropy, optimizer))
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: an-epoch-that-never-ends
# exercise: fit
# fails: test_fit_returns_a_history
# advice: Your loop over the training data starts again and again within one epoch. An epoch is once through the data.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    while len(history["val_loss"]) < epochs:
        for x, y in train_loader:
            train_step(model, x, y, F.cross_entropy, optimizer)
    return history


# %% mistake: trains-on-the-validation-data
# exercise: fit
# fails: test_fit_history_is_right
# advice: The model is trained on val_loader too, so the validation measures what was learnt by heart. Only look at it.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        for x, y in val_loader:
            train_step(model, x, y, F.cross_entropy, optimizer)
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: validates-on-the-training-data
# exercise: fit
# fails: test_fit_history_is_right
# advice: You validate on train_loader: these numbers say nothing about new data.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        val_loss, val_accuracy = evaluate(model, train_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: validates-in-training-mode
# exercise: fit
# fails: test_fit_history_is_right
# advice: You validate in training mode: batch normalisation uses, and learns, the statistics of the held-out batches.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        loss, correct, samples = 0.0, 0, 0
        with torch.no_grad():
            for x, y in val_loader:
                logits = model(x)
                loss += F.cross_entropy(logits, y, reduction="sum").item()
                correct += (logits.argmax(1) == y).sum().item()
                samples += len(y)
        history["train_loss"].append(total / count)
        history["val_loss"].append(loss / samples)
        history["val_accuracy"].append(correct / samples)
    return history


# %% mistake: trains-in-evaluation-mode
# exercise: fit
# fails: test_fit_history_is_right
# advice: After the first validation the model stays in evaluation mode, and the next epochs are trained in it. Switch back at
# the start of every epoch.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    model.train()
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            count += len(x)
        model.eval()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: mean-of-batch-losses
# exercise: fit
# fails: test_fit_history_is_right
# advice: train_loss is the mean of the batches' means, so that a small last batch counts too much. Weigh each by its samples.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        losses = [train_step(model, x, y, F.cross_entropy, optimizer) for x, y in train_loader]
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(sum(losses) / len(losses))
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: loss-of-the-last-batch
# exercise: fit
# fails: test_fit_history_is_right
# advice: train_loss is the loss of the epoch's last batch alone. Average over all its batches.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        for x, y in train_loader:
            loss = train_step(model, x, y, F.cross_entropy, optimizer)
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(loss)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: train-loss-measured-afterwards
# exercise: fit
# fails: test_fit_history_is_right
# advice: You measure train_loss with the weights at the end of the epoch. It is the mean of the losses that the batches had
# as they were trained on.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        for x, y in train_loader:
            train_step(model, x, y, F.cross_entropy, optimizer)
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(evaluate(model, train_loader)[0])
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: scheduler-first
# exercise: fit
# fails: test_fit_steps_the_scheduler_once_an_epoch
# advice: The scheduler steps before the epoch is trained, so the first rate is never used. Train first.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        if scheduler is not None:
            scheduler.step()
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: scheduler-after-every-batch
# exercise: fit
# fails: test_fit_steps_the_scheduler_once_an_epoch
# advice: The scheduler steps after every batch, so the schedule is over long before the training. Once an epoch.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
            if scheduler is not None:
                scheduler.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: scheduler-never
# exercise: fit
# fails: test_fit_steps_the_scheduler_once_an_epoch
# advice: Nobody steps the scheduler: the rate stays as it was. It steps once an epoch, after the training.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: rate-of-the-next-epoch
# exercise: fit
# fails: test_fit_steps_the_scheduler_once_an_epoch
# advice: You write down the rate after the scheduler has changed it: that is the next epoch's. Read it before the training.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    for _ in range(epochs):
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        if scheduler is not None:
            scheduler.step()
        history["lr"].append(optimizer.param_groups[0]["lr"])
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
    return history


# %% mistake: best-weights-aliased
# exercise: fit
# fails: test_fit_restores_the_best_state
# advice: At the end the model has its last weights. If you kept the state_dict of the best epoch: it holds the model's own
# tensors, which the training went on changing. Keep a copy of the tensors, and load it at the end.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    best_loss, best_state = math.inf, model.state_dict()
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        if scheduler is not None:
            scheduler.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
        if val_loss < best_loss:
            best_loss, best_state = val_loss, model.state_dict()
    model.load_state_dict(best_state)
    return history


# %% mistake: best-by-accuracy
# exercise: fit
# fails: test_fit_restores_the_best_state
# advice: You keep the weights of the highest accuracy. The lowest val_loss decides.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    best_accuracy, best_state = -1.0, None
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        if scheduler is not None:
            scheduler.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
        if val_accuracy > best_accuracy:
            best_accuracy, best_state = val_accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return history


# %% mistake: worst-restored
# exercise: fit
# fails: test_fit_restores_the_best_state
# advice: You keep the weights of the highest val_loss. A low loss is good.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    best_loss, best_state = -math.inf, None
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        if scheduler is not None:
            scheduler.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
        if val_loss > best_loss:
            best_loss, best_state = val_loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return history


# %% mistake: buffers-not-restored
# exercise: fit
# fails: test_fit_restores_the_best_state
# advice: The weights come back, the running statistics of batch normalisation do not: they are buffers, not parameters. Keep
# the whole state.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    best_loss, best = math.inf, None
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        if scheduler is not None:
            scheduler.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
        if val_loss < best_loss:
            best_loss, best = val_loss, [p.detach().clone() for p in model.parameters()]
    with torch.no_grad():
        for p, kept in zip(model.parameters(), best):
            p.copy_(kept)
    return history


# %% mistake: nan-taken-for-the-best
# exercise: fit
# fails: test_fit_never_takes_nan_for_the_best
# advice: A val_loss of NaN counts as an improvement: every comparison with NaN is False, so `not loss >= best` is True. Ask
# whether it is smaller.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    best_loss, best_state = math.inf, None
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            total += train_step(model, x, y, F.cross_entropy, optimizer) * len(x)
            count += len(x)
        if scheduler is not None:
            scheduler.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
        if not val_loss >= best_loss:
            best_loss, best_state = val_loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return history


# %% mistake: running-sum-of-tensors
# exercise: fit
# fails: test_fit_keeps_no_graphs
# advice: You add up losses as tensors, and the sum keeps the graphs of all batches alive until the epoch ends. Add up numbers.
def fit(model, train_loader, val_loader, optimizer, scheduler, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": []}
    best_loss, best_state = math.inf, None
    for _ in range(epochs):
        history["lr"].append(optimizer.param_groups[0]["lr"])
        total, count = 0.0, 0
        for x, y in train_loader:
            model.train()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total = total + loss * len(x)
            count += len(x)
        if scheduler is not None:
            scheduler.step()
        val_loss, val_accuracy = evaluate(model, val_loader)
        history["train_loss"].append(total.item() / count)
        history["val_loss"].append(val_loss)
        history["val_accuracy"].append(val_accuracy)
        if val_loss < best_loss:
            best_loss, best_state = val_loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return history


# %% mistake: one-model-for-all
# exercise: compare_optimizers
# fails: test_compare_trains_a_model_with_each_optimizer
# advice: One model goes from optimiser to optimiser: the second one starts where the first one stopped. Each needs a copy of
# the start.
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    model = make_model()
    return {
        name: fit(model, train_loader, val_loader, make(model.parameters()), None, epochs)
        for name, make in optimizers.items()
    }


# %% mistake: optimizer-of-another-model
# exercise: compare_optimizers
# fails: test_compare_trains_a_model_with_each_optimizer
# advice: The optimiser was given the parameters of another model than the one that is trained, so nothing is learnt. Make the
# model first, then its optimiser.
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    start = make_model()
    return {
        name: fit(copy.deepcopy(start), train_loader, val_loader, make(start.parameters()), None, epochs)
        for name, make in optimizers.items()
    }


# %% mistake: a-list-without-names
# exercise: compare_optimizers
# fails: test_compare_trains_a_model_with_each_optimizer
# advice: The histories come back as a list. A dict with the names of the optimisers is asked for.
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    histories = []
    for make in optimizers.values():
        model = make_model()
        histories.append(fit(model, train_loader, val_loader, make(model.parameters()), None, epochs))
    return histories


# %% mistake: other-initial-weights
# exercise: compare_optimizers
# fails: test_compare_starts_from_the_same_weights
# advice: Every optimiser gets a new random model. Make one, and give each a copy; or put the random generator back first.
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    histories = {}
    for name, make in optimizers.items():
        model = make_model()
        histories[name] = fit(model, train_loader, val_loader, make(model.parameters()), None, epochs)
    return histories


# %% mistake: other-data-order
# exercise: compare_optimizers
# fails: test_compare_shows_the_same_order
# advice: All start alike, but each sees the data in another order, because the random generator goes on from run to run. Put
# it back to the same state before each training.
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    start = make_model()
    histories = {}
    for name, make in optimizers.items():
        model = copy.deepcopy(start)
        histories[name] = fit(model, train_loader, val_loader, make(model.parameters()), None, epochs)
    return histories


# %% mistake: shuffling-removed
# exercise: compare_optimizers
# fails: test_compare_shows_the_same_order
# advice: The order is the same for all because you took the shuffling away. Use train_loader as it is.
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    start = make_model()
    ordered = DataLoader(train_loader.dataset, train_loader.batch_size)
    histories = {}
    for name, make in optimizers.items():
        model = copy.deepcopy(start)
        histories[name] = fit(model, ordered, val_loader, make(model.parameters()), None, epochs)
    return histories


# %% mistake: loaders-own-generator-forgotten
# exercise: compare_optimizers
# fails: test_compare_shows_the_same_order_from_a_loader_with_its_own_generator
# advice: You put torch's global generator back, but this loader shuffles with one of its own, which goes on from run to run.
# Look at `train_loader.generator`.
def compare_optimizers(make_model, train_loader, val_loader, optimizers, epochs):
    start = make_model()
    state = torch.get_rng_state()
    histories = {}
    for name, make in optimizers.items():
        torch.set_rng_state(state)
        model = copy.deepcopy(start)
        histories[name] = fit(model, train_loader, val_loader, make(model.parameters()), None, epochs)
    return histories
