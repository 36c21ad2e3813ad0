# Other right solutions of section 7; grader.mistakes describes the format.

# %% alternative: floor-of-a-quotient
# exercise: conv_output_size
def conv_output_size(length, kernel_size, step=1, pad=0, dil=1):
    import math

    return math.floor((length + 2 * pad - dil * (kernel_size - 1) - 1) / step + 1)


# %% alternative: count-the-starts
# exercise: conv_output_size
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    starts = range(0, n + 2 * padding - dilation * (kernel - 1), stride)
    return len(starts)


# %% alternative: columns-and-matmul
# exercise: conv2d
def conv2d(x, weight, bias=None, stride=1, padding=0):
    co, _, kh, kw = weight.shape
    n, _, h, w = x.shape
    columns = F.unfold(x, (kh, kw), padding=padding, stride=stride)  # (N, Ci * kh * kw, L)
    out = weight.view(co, -1) @ columns
    if bias is not None:
        out = out + bias.view(-1, 1)
    return out.view(n, co, (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1)


# %% alternative: loop-over-the-kernel
# exercise: conv2d
def conv2d(x, weight, bias=None, stride=1, padding=0):
    n, ci, h, w = x.shape
    co, _, kh, kw = weight.shape
    padded = x.new_zeros(n, ci, h + 2 * padding, w + 2 * padding)
    padded[:, :, padding : padding + h, padding : padding + w] = x
    ho, wo = (padded.shape[2] - kh) // stride + 1, (padded.shape[3] - kw) // stride + 1
    out = x.new_zeros(n, co, ho, wo)
    for i in range(kh):
        for j in range(kw):
            patch = padded[:, :, i : i + stride * (ho - 1) + 1 : stride, j : j + stride * (wo - 1) + 1 : stride]
            out += torch.tensordot(patch, weight[:, :, i, j], dims=([1], [1])).permute(0, 3, 1, 2)
    if bias is not None:
        out += bias.view(1, -1, 1, 1)
    return out


# %% alternative: strided-view-with-helper
# exercise: conv2d
def all_windows(x, kh, kw, stride):
    n, c, h, w = x.shape
    sn, sc, sh, sw = x.stride()
    shape = (n, c, (h - kh) // stride + 1, (w - kw) // stride + 1, kh, kw)
    return x.as_strided(shape, (sn, sc, sh * stride, sw * stride, sh, sw))


def conv2d(image, kernels, bias=None, stride=1, padding=0):
    if padding > 0:
        image = nn.ZeroPad2d(padding)(image)
    windows = all_windows(image.contiguous(), *kernels.shape[-2:], stride)
    out = torch.tensordot(windows, kernels, dims=([1, 4, 5], [1, 2, 3]))  # (N, Ho, Wo, Co)
    if bias is not None:
        out = out + bias
    return out.movedim(-1, 1)


# %% alternative: one-image-and-kernel-at-a-time
# exercise: conv2d
def conv2d(x, weight, bias=None, stride=1, padding=0):
    kh, kw = weight.shape[2:]
    x = F.pad(x, [padding] * 4)
    images = []
    for image in x:
        windows = image.unfold(1, kh, stride).unfold(2, kw, stride)  # (Ci, Ho, Wo, kh, kw)
        images.append(torch.stack([(windows * kernel[:, None, None]).sum((0, 3, 4)) for kernel in weight]))
    out = torch.stack(images)
    return out + (0 if bias is None else bias.reshape(1, -1, 1, 1))


# %% alternative: running-maximum-of-slices
# exercise: max_pool2d
def max_pool2d(x, kernel, stride=None, padding=0):
    step = stride or kernel
    lowest = torch.finfo(x.dtype).min
    x = F.pad(x, (padding, padding, padding, padding), "constant", lowest)
    ho, wo = ((size - kernel) // step + 1 for size in x.shape[2:])
    out = None
    for i in range(kernel):
        for j in range(kernel):
            piece = x[:, :, i : i + step * (ho - 1) + 1 : step, j : j + step * (wo - 1) + 1 : step]
            out = piece if out is None else torch.maximum(out, piece)
    return out


# %% alternative: columns
# exercise: max_pool2d
def max_pool2d(x, kernel, stride=None, padding=0):
    if stride is None:
        stride = kernel
    x = F.pad(x, (padding,) * 4, value=float("-inf"))
    n, c, h, w = x.shape
    columns = F.unfold(x.reshape(n * c, 1, h, w), kernel, stride=stride)  # (N * C, k * k, L)
    return columns.max(dim=1).values.view(n, c, (h - kernel) // stride + 1, (w - kernel) // stride + 1)


# %% alternative: of-torch
# exercise: max_pool2d
def max_pool2d(x, kernel, stride=None, padding=0):
    return nn.MaxPool2d(kernel, stride, padding)(x)


# %% alternative: as-in-1998
# exercise: LeNet5
class LeNet5(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5, padding="same")
        self.c3 = nn.Conv2d(6, 16, 5)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.c1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.c3(x)), 2)
        x = torch.tanh(self.c5(x)).squeeze(3).squeeze(2)
        return self.output(torch.tanh(self.f6(x)))


# %% alternative: lazy-layers-and-dropout
# exercise: LeNet5
class LeNet5(nn.Sequential):
    def __init__(self, n=10):
        super().__init__(
            *(nn.ZeroPad2d(2), nn.LazyConv2d(6, 5), nn.MaxPool2d(2), nn.GELU()),
            *(nn.LazyConv2d(16, 5), nn.MaxPool2d(2), nn.GELU(), nn.Flatten()),
            *(nn.LazyLinear(120), nn.SiLU(inplace=True), nn.Dropout(0.1), nn.LazyLinear(84), nn.Sigmoid()),
            nn.LazyLinear(n),
        )


# %% alternative: best-epoch-and-momentum
# exercise: train_lenet
def train_lenet(train_loader, val_loader, epochs, seed):
    from copy import deepcopy

    torch.manual_seed(seed)
    net = LeNet5(10)
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    loss_fn = nn.CrossEntropyLoss(label_smoothing=0.05)
    best_loss, best_state, history = float("inf"), None, []
    for _ in range(epochs):
        net.train()
        running = 0.0
        for x, y in train_loader:
            opt.zero_grad(set_to_none=True)
            loss = loss_fn(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            opt.step()
            running += loss.item() * len(y)
        schedule.step()
        net.eval()
        with torch.inference_mode():
            val_loss = sum(loss_fn(net(x), y).item() * len(y) for x, y in val_loader) / len(val_loader.dataset)
        history.append((running, val_loss))
        if val_loss < best_loss:
            best_loss, best_state = val_loss, deepcopy(net.state_dict())
    net.load_state_dict(best_state)
    net.eval()
    return net


# %% alternative: seeded-in-a-fork
# exercise: train_lenet
def train_lenet(train_loader, val_loader, epochs, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LeNet5()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        for _ in range(epochs):
            losses = []
            for images, labels in train_loader:
                loss = -model(images).log_softmax(-1)[torch.arange(len(labels)), labels].mean()
                model.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
        model.requires_grad_(False)
        return model.eval()


# %% alternative: attributes-and-biases
# exercise: ResidualBlock
class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride > 1 or in_channels != out_channels:
            self.downsample = nn.Conv2d(in_channels, out_channels, 1, stride)

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


# %% alternative: basic-block-of-torchvision
# exercise: ResidualBlock
class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        from torchvision.models.resnet import BasicBlock

        super().__init__()
        projection = None
        if (in_channels, 1) != (out_channels, stride):
            projection = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        self.inner = BasicBlock(in_channels, out_channels, stride, projection)
        nn.init.zeros_(self.inner.bn2.weight)

    def forward(self, x):
        return self.inner(x)


# %% alternative: partial-and-remove
# exercise: feature_shapes
def feature_shapes(model, x):
    from functools import partial

    shapes = {}

    def note(name, module, args, output):
        shapes[name] = output.shape

    hooks = [child.register_forward_hook(partial(note, name)) for name, child in model.named_children()]
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        model(x)
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return shapes


# %% alternative: feature-extractor-of-torchvision
# exercise: feature_shapes
def feature_shapes(model, x):
    from torchvision.models.feature_extraction import create_feature_extractor

    names = [name for name, _ in model.named_children()]
    return {name: tuple(out.shape) for name, out in create_feature_extractor(model, names)(x).items()}
