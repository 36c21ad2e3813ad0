# Other right solutions of section 10; grader.mistakes describes the format.


# %% alternative: temporary-file
# exercise: save_checkpoint
def save_checkpoint(path, model, optimizer, epoch):
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.abspath(path)), delete=False) as file:
        try:
            torch.save((model.state_dict(), optimizer.state_dict(), epoch), file)
        except BaseException:
            os.unlink(file.name)
            raise
    Path(file.name).replace(path)


# %% alternative: moved
# exercise: save_checkpoint
def save_checkpoint(filename, net, opt, n):
    import shutil

    state = {"model_state_dict": net.state_dict(), "optimizer_state_dict": opt.state_dict(), "next_epoch": n + 1}
    torch.save(state, filename + ".partial")
    shutil.move(filename + ".partial", filename)


# %% alternative: one-flat-dictionary
# exercise: save_checkpoint
def save_checkpoint(path, model, optimizer, epoch):
    checkpoint = {f"model.{name}": value.detach().cpu().clone() for name, value in model.state_dict().items()}
    checkpoint |= optimizer.state_dict()
    checkpoint["epoch"] = torch.tensor(epoch)
    temporary = Path(path).with_suffix(".new")
    with open(temporary, "wb") as file:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)


# %% alternative: by-position
# exercise: save_checkpoint
def save_checkpoint(path, model, optimizer, epoch):
    from os import replace

    content = [list(model.parameters()), list(model.buffers()), optimizer.state_dict(), str(epoch)]
    torch.save(content, f"{path}~")
    replace(f"{path}~", path)


# %% alternative: default-load
# exercise: load_checkpoint
def load_checkpoint(path, model, optimizer):
    with open(path, "rb") as file:
        state = torch.load(file)
    optimizer.load_state_dict(state["optimizer"])
    missing, unexpected = model.load_state_dict(state["model"], strict=False)
    if missing or unexpected:
        raise KeyError(f"missing keys {missing}, unexpected keys {unexpected}")
    return int(state["epoch"])


# %% alternative: by-hand
# exercise: load_checkpoint
def load_checkpoint(path, model, optimizer):
    state = torch.load(io.BytesIO(Path(path).read_bytes()), weights_only=True)
    own = model.state_dict()
    if own.keys() != state["model"].keys():
        raise ValueError(f"keys do not fit: {own.keys() ^ state['model'].keys()}")
    with torch.no_grad():
        for name, value in state["model"].items():
            own[name].copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    return state["epoch"]


# %% alternative: deep-copy
# exercise: best_state
def best_state(model):
    return copy.deepcopy(model.state_dict())


# %% alternative: copied-model
# exercise: best_state
def best_state(model):
    return copy.deepcopy(model).state_dict()


# %% alternative: through-a-file
# exercise: best_state
def best_state(model):
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)


# %% alternative: parameters-and-buffers
# exercise: best_state
@torch.no_grad()
def best_state(model):
    return {name: torch.clone(value) for name, value in [*model.named_buffers(), *model.named_parameters()]}


# %% alternative: eval-afterwards
# exercise: to_torchscript
def to_torchscript(model, example):
    script = torch.jit.script(model)
    script.eval()
    return script


# %% alternative: frozen
# exercise: to_torchscript
def to_torchscript(model, example):
    return torch.jit.freeze(torch.jit.script(copy.deepcopy(model).eval()))


# %% alternative: mode-restored
# exercise: to_torchscript
def to_torchscript(model, example):
    training = model.training
    try:
        script = torch.jit.script(model.eval(), example_inputs=[(example,)])
    finally:
        model.train(training)
    return script.eval()


# %% alternative: traced-script
# exercise: to_torchscript
def to_torchscript(model, example):
    return torch.jit.trace(torch.jit.script(model.eval()), example)


# %% alternative: jit-save
# exercise: save_torchscript
def save_torchscript(script, filename):
    torch.jit.save(script, filename)


# %% alternative: open-file
# exercise: save_torchscript
def save_torchscript(module, path):
    with open(path, "wb") as file:
        torch.jit.save(module, file)


# %% alternative: buffer
# exercise: save_torchscript
def save_torchscript(module, path):
    Path(path).write_bytes(module.save_to_buffer())


# %% alternative: automatic-dimension
# exercise: export_program
def export_program(model, example):
    twin = copy.deepcopy(model)
    twin.eval()
    return torch.export.export(twin, (example,), dynamic_shapes=[{0: torch.export.Dim.AUTO}])


# %% alternative: strict-with-bounds
# exercise: export_program
def export_program(model, example):
    n = torch.export.Dim("n", min=2, max=4096)
    return torch.export.export(model.train(False), args=(example,), dynamic_shapes=({0: n},), strict=True)


# %% alternative: tensors-until-the-end
# exercise: quantize_affine
def quantize_affine(x, bits=8):
    zero, most = torch.zeros(()), 2**bits - 1
    low, high = torch.minimum(x.min(), zero), torch.maximum(x.max(), zero)
    scale = ((high - low) / most).clamp(min=1e-8)
    zero_point = torch.round(-low / scale).clamp(0, most)
    q = torch.clamp(torch.round(x / scale + zero_point), 0, most).byte()
    return q, scale.item(), int(zero_point)


# %% alternative: torchs-own
# exercise: quantize_affine
def quantize_affine(x, bits=8):
    low, high, most = min(0.0, float(x.amin())), max(0.0, float(x.amax())), 2**bits - 1
    scale = max((high - low) / most, 1e-9)
    zero_point = int(round(-low / scale))
    faked = torch.fake_quantize_per_tensor_affine(x.float(), scale, zero_point, 0, most)
    return (faked / scale + zero_point).round().to(torch.uint8), scale, zero_point


# %% alternative: half-up
# exercise: quantize_affine
def quantize_affine(x, bits=8):
    x = x.double()
    low, high = min(x.min().item(), 0), max(x.max().item(), 0)
    if low == high:
        return torch.zeros(x.shape, dtype=torch.uint8), 1.0, 0
    scale = (high - low) / (2**bits - 1)
    zero_point = int(-low / scale + 0.5)
    return torch.floor(x / scale + 0.5).add(zero_point).clip(0, 2**bits - 1).type(torch.uint8), scale, zero_point


# %% alternative: through-int32
# exercise: dequantize_affine
def dequantize_affine(q, scale, zero_point):
    return (q.to(torch.int32) - zero_point) * scale


# %% alternative: multiplied-out
# exercise: dequantize_affine
def dequantize_affine(q, scale, zero_point):
    return torch.add(q.to(torch.float32) * scale, -scale * zero_point)


# %% alternative: table
# exercise: dequantize_affine
def dequantize_affine(q, scale, zero_point):
    return (scale * (torch.arange(256.0) - zero_point))[q.long()]


# %% alternative: scales-on-the-output
# exercise: Int8Linear
class Int8Linear(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.register_buffer("q", torch.zeros(out_features, in_features, dtype=torch.int8))
        self.register_buffer("scales", torch.ones(out_features))
        self.register_buffer("offset", torch.zeros(out_features))

    @classmethod
    def from_float(cls, linear):
        layer = cls(linear.in_features, linear.out_features)
        with torch.no_grad():
            largest = linear.weight.abs().max(dim=1).values
            layer.scales.copy_(torch.where(largest > 0, largest / 127, torch.ones_like(largest)))
            layer.q.copy_((linear.weight / layer.scales[:, None]).round().clamp(-127, 127))
            if linear.bias is not None:
                layer.offset.copy_(linear.bias)
        return layer

    @torch.no_grad()
    def forward(self, x):
        return x @ self.q.float().T * self.scales + self.offset


# %% alternative: bias-as-parameter
# exercise: Int8Linear
class Int8Linear(nn.Module):
    def __init__(self, weight, scale, bias):
        super().__init__()
        self.register_buffer("weight_t", weight)
        self.register_buffer("scale", scale)
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())

    @staticmethod
    def from_float(linear):
        weight = linear.weight.data
        scale = weight.abs().amax(1) / 128 + 1e-12
        q = torch.clamp(torch.round(weight / scale.unsqueeze(1)), -128, 127).to(torch.int8)
        return Int8Linear(q.t().contiguous(), scale, linear.bias)

    def forward(self, x):
        y = torch.einsum("...i,io->...o", x, self.weight_t.to(x.dtype)) * self.scale
        return y if self.bias is None else y + self.bias


# %% alternative: subclass-of-linear
# exercise: Int8Linear
class Int8Linear(nn.Linear):
    @classmethod
    def from_float(cls, linear):
        layer = cls(linear.in_features, linear.out_features, bias=False)
        del layer.weight, layer.bias
        weight = linear.weight.detach()
        scale = torch.linalg.vector_norm(weight, float("inf"), dim=1).clamp(min=1e-8) / 127
        layer.register_buffer("weight", torch.div(weight, scale[:, None]).round_().char())
        layer.register_buffer("scale", scale)
        layer.register_buffer("bias", linear.bias.detach().clone() if linear.bias is not None else None)
        return layer

    def forward(self, x):
        return F.linear(x, self.weight.float() * self.scale.unsqueeze(-1), self.bias)


# %% alternative: copy-first
# exercise: quantize_model
def quantize_model(model):
    twin = copy.deepcopy(model)
    twin.eval()
    return torch.ao.quantization.quantize_dynamic(twin, {torch.nn.Linear}, torch.qint8, inplace=True)


# %% alternative: defaults
# exercise: quantize_model
def quantize_model(model):
    return torch.quantization.quantize_dynamic(model)


# %% alternative: mode-restored
# exercise: quantize_model
def quantize_model(net):
    training = net.training
    net.eval()
    small = torch.ao.quantization.quantize_dynamic(net, qconfig_spec={nn.Linear}, dtype=torch.qint8)
    net.train(training)
    return small


# %% alternative: own-mask
# exercise: prune_magnitude_
def prune_magnitude_(module, amount):
    layers = [m for m in module.modules() if type(m) in (nn.Linear, nn.Conv2d)]
    sizes = torch.cat([layer.weight.detach().abs().reshape(-1) for layer in layers])
    cut = torch.argsort(sizes)[: int(amount * len(sizes))]
    mask = torch.ones_like(sizes)
    mask[cut] = 0
    for layer, part in zip(layers, mask.split([m.weight.numel() for m in layers]), strict=True):
        prune.custom_from_mask(layer, "weight", part.reshape(layer.weight.shape))


# %% alternative: gradient-hooks
# exercise: prune_magnitude_
def prune_magnitude_(module, amount):
    layers = [m for m in module.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    threshold = torch.quantile(torch.cat([m.weight.detach().abs().flatten() for m in layers]), amount)
    for layer in layers:
        mask = (layer.weight.detach().abs() > threshold).to(layer.weight.dtype)
        layer.weight.data.mul_(mask)
        layer.weight.register_hook(lambda gradient, mask=mask: gradient * mask)


# %% alternative: parametrized
# exercise: prune_magnitude_
def prune_magnitude_(module, amount):
    from torch.nn.utils import parametrize

    class Masked(nn.Module):
        def __init__(self, mask):
            super().__init__()
            self.register_buffer("mask", mask)

        def forward(self, weight):
            return weight * self.mask

    sizes = torch.cat([layer.weight.detach().abs().flatten() for layer in prunable(module)])
    threshold = sizes.sort().values[round(amount * len(sizes))]
    for layer in prunable(module):
        parametrize.register_parametrization(layer, "weight", Masked(layer.weight.detach().abs() >= threshold))


# %% alternative: concatenated
# exercise: sparsity
def sparsity(net):
    weights = torch.cat([m.weight.detach().flatten() for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))])
    return weights.eq(0).double().mean().item()


# %% alternative: count-nonzero
# exercise: sparsity
def sparsity(module):
    alive = total = 0
    for layer in prunable(module):
        alive += int(layer.weight.count_nonzero())
        total += layer.weight.nelement()
    return 1 - alive / total


# %% alternative: by-hand
# exercise: finalize_pruning
def finalize_pruning(module):
    for layer in module.modules():
        if hasattr(layer, "weight_mask"):
            weight = nn.Parameter((layer.weight_orig * layer.weight_mask).detach())
            prune.remove(layer, "weight")
            layer.weight = weight


# %% alternative: remove-all
# exercise: finalize_pruning
def finalize_pruning(module):
    for _, layer in module.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            prune.remove(layer, name="weight")


# %% alternative: torchs-own
# exercise: fold_batchnorm
def fold_batchnorm(conv, bn):
    return torch.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)


# %% alternative: new-convolution
# exercise: fold_batchnorm
def fold_batchnorm(conv, bn):
    with torch.no_grad():
        folded = nn.Conv2d(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.groups,
            bias=True,
        )
        scale = bn.weight * (bn.running_var + bn.eps).rsqrt()
        folded.weight.copy_(torch.einsum("o,oihw->oihw", scale, conv.weight))
        folded.bias.copy_(bn.bias - bn.running_mean * scale)
        if conv.bias is not None:
            folded.bias += conv.bias * scale
    return folded


# %% alternative: batch-norm-of-the-bias
# exercise: fold_batchnorm
def fold_batchnorm(conv, bn):
    folded = copy.deepcopy(conv)
    channels = len(bn.running_mean)
    with torch.no_grad():
        zero = F.batch_norm(torch.zeros(1, channels), bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps)
        one = F.batch_norm(torch.ones(1, channels), bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps)
        factor = (one - zero)[0]
        folded.weight.data = (conv.weight.flatten(1) * factor.unsqueeze(1)).view_as(conv.weight)
        bias = zero[0] if conv.bias is None else zero[0] + factor * conv.bias
        folded.register_parameter("bias", nn.Parameter(bias))
    return folded
