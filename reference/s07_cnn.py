# %% [markdown]
# # Convolutional networks: windows, LeNet, residual blocks, torchvision's models
#
# A linear layer treats every pixel as a stranger to its neighbours: shift a digit by two pixels and it has to be learnt
# again. A **convolution** looks through a small window and slides the *same* weights over the whole image. Few
# weights, and what is learnt in one place is known everywhere: that is why convolutional networks read images well.
#
# You write the convolution and the pooling yourself, once. Then you build LeNet from torch's layers, train it to
# read handwritten digits (well over 90 % right in a few seconds on a laptop), look inside it, and go on to the residual
# block, the step that made networks of a hundred layers possible, and to the models that torchvision keeps ready.
#
# Fill in every function and class below, then run `pytest checks/test_s07_cnn.py`. Images are batches: (N, C, H, W)
# stands for N images of C channels, H high and W wide.
#
# **To read:** [Training a classifier](https://docs.pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html) (a
# small CNN on CIFAR-10),
# [nn.Conv2d](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html),
# [models in torchvision](https://docs.pytorch.org/vision/stable/models.html).

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

# %% [markdown]
# ## How large is the output?
#
# Half of all bugs in convolutional networks are a size that was guessed. Along one dimension it is a matter of counting
# the places where the kernel fits:
#
# ```
# n = 7, kernel = 3               n = 7, kernel = 3, stride = 2      n = 7, kernel = 3, dilation = 2
# a b c d e f g                   a b c d e f g                      a b c d e f g
# [---]                           [---]                              [-   -   -]
#   [---]                             [---]                            [-   -   -]
#     [---]                               [---]                          [-   -   -]
#       [---]
#         [---]         5         3                                  3
# ```
#
# - `padding` adds that many values at *both* ends;
# - `stride` is how far the kernel moves from one place to the next; a last step that would hang over the end is not
#   taken, so the division is rounded down;
# - `dilation` is the distance between the kernel's own values: with 2 it skips every other one, so that three values
#   span five places.
#
# Windows are something that torch can show you:

# %%
row = torch.arange(7)
print(row.unfold(0, size=3, step=1), row.unfold(0, size=3, step=2), sep="\n")

# %% [markdown]
# **Hint 1.** How many places does the kernel span from its first value to its last, if it has `kernel` values with
# `dilation` between neighbours? Check yourself: 3 values with dilation 2 span 5.
#
# **Hint 2.** From the leftmost place the kernel can move right by what is left over of the padded row. How many strides
# are in that? And the leftmost place itself is a place too.


# %%
def conv_output_size(n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """The number of places where a kernel fits along a dimension of size n.

    All are ints, and the kernel fits at least once. `padding` is added at both ends. Returns an int, the formula under
    "Shape" at https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html.
    """
    # TODO: what does the kernel span? How many strides fit into what is left over? Count the first place as well.
    # BEGIN SOLUTION
    span = dilation * (kernel - 1) + 1
    return (n + 2 * padding - span) // stride + 1
    # END SOLUTION


# %% [markdown]
# Sizes of 28 pixels as a 5 x 5 kernel meets them. Padding 2 keeps the size: (kernel - 1) / 2, for odd kernels.

# %%
for padding in (0, 1, 2):
    print(
        f"padding {padding}:", [conv_output_size(28, 5, stride, padding) for stride in (1, 2, 3)], "for strides 1, 2, 3"
    )

# %% [markdown]
# ## Convolution
#
# At every place, multiply what is in the window by the kernel, value by value, and add everything up, over the
# rows and columns of the window and over all input channels. Every output channel has a kernel of its own:
#
# $$\text{out}[n, o, i, j] = b_o + \sum_{c}\sum_{u}\sum_{v}
# x_\text{padded}[n, c, \; i s + u, \; j s + v]\;\; w[o, c, u, v]$$
#
# with $s$ the stride. Mathematicians would call this a *cross-correlation*: their convolution flips the kernel first.
# In deep learning nothing is flipped; a kernel that is learnt does not care.
#
# What does a kernel see? One that subtracts the left neighbour from the right one answers to vertical edges
# (here with torch's own convolution, which you are about to replace):

# %%
square = torch.zeros(1, 1, 6, 6)
square[..., 1:5, 1:5] = 1.0
right_minus_left = torch.tensor([[[[-1.0, 0.0, 1.0]]]])  # one kernel, one channel, 1 high, 3 wide
print(square[0, 0], F.conv2d(square, right_minus_left)[0, 0], sep="\n")

# %% [markdown]
# A loop over the pixels in Python would be right, and slow beyond use: an image of 224 x 224 has 50,176 of them. There
# are two good ways. Take all windows at once, with `unfold`, and contract them with the weights; or loop over the
# few positions *inside* the kernel, and for each of them add a weighted, shifted slice of the whole image.
#
# **Hint 1.** `F.pad(x, (left, right, top, bottom))` pads the last two dimensions; the last one comes first.
#
# **Hint 2.** `x.unfold(dim, size, step)` puts the windows along one dimension into a new last dimension, without
# copying. An image has two dimensions to slide along. Print the shape after each.
#
# **Hint 3.** `torch.einsum` says which letters survive: input channels, window rows and window columns are
# shared by windows and weight, and are summed over.
#
# **Hint 4.** The bias has shape (Co,). Which shape broadcasts it over (N, Co, Ho, Wo)?


# %%
def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    """Slide the kernels over the images, as torch's own conv2d does, but without it or any other convolution of torch.

    x: (N, Ci, H, W) float; weight: (Co, Ci, kh, kw); bias: (Co,) or None. `padding` zeros are added on all four sides;
    `stride` holds for both dimensions. Returns (N, Co, Ho, Wo) in the dtype of x, and gradients reach x, weight and
    bias. There is no loop over pixels; one over the kernel's few positions is fine.
    See https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html.
    """
    # TODO: pad, take all windows, contract them with the weights, add the bias.
    # BEGIN SOLUTION
    kh, kw = weight.shape[2:]
    x = F.pad(x, (padding,) * 4)  # (N, Ci, H + 2p, W + 2p)
    windows = x.unfold(2, kh, stride).unfold(3, kw, stride)  # (N, Ci, Ho, Wo, kh, kw)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight)  # (N, Co, Ho, Wo)
    return out if bias is None else out + bias[:, None, None]
    # END SOLUTION


# %% [markdown]
# Your convolution on a real digit. Nobody learnt these three kernels; they were chosen by hand, as it was done for
# decades. The network further down finds its own.

# %%
DATA = next(folder for folder in map(Path, ("data", "exercises/data", "../exercises/data")) if folder.is_dir())


def mnist(train: bool) -> tuple[Tensor, Tensor]:
    """Digits as (N, 1, 28, 28) float32 in [0, 1] and their labels: at most 6,000 to train, 1,000 to test."""
    from torchvision.datasets import MNIST

    digits = MNIST(DATA, train=train, download=False)
    count = 6_000 if train else 1_000
    return digits.data[:count, None] / 255, digits.targets[:count]


train_images, train_labels = mnist(train=True)
test_images, test_labels = mnist(train=False)

kernels = {
    "upright edges": torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]),
    "level edges": torch.tensor([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]),
    "blur": torch.full((3, 3), 1 / 9),
}
filtered = conv2d(train_images[:1], torch.stack(list(kernels.values()))[:, None], padding=1)  # (1, 3, 28, 28)
_, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for ax, image, title in zip(axes, [train_images[0, 0], *filtered[0]], ["the digit", *kernels], strict=True):
    ax.imshow(image, cmap="gray" if title in ("the digit", "blur") else "coolwarm")
    ax.set_title(title)
    ax.axis("off")
plt.show()

# %% [markdown]
# ## Max pooling
#
# Between convolutions an image is made smaller: of every 2 x 2 window only the largest value is kept. What was found is
# still known, where exactly matters less, and the next kernel sees twice as far. Pooling works on every channel by
# itself and has nothing to learn. By convention the windows do not overlap: unless told otherwise, the stride is the
# size of the window.
#
# ```
# 1  3 | 2  0
# 5  2 | 1  1          5  2
# -----+-----    ->
# 0  1 | 7  3          4  9
# 4  2 | 9  8
# ```
#
# Padding has a trap. A maximum needs a padding that can never win; see who wins here:

# %%
below_zero = torch.tensor([[-3.0, -1.0, -2.0]])
print(F.pad(below_zero, (1, 1)), "largest:", F.pad(below_zero, (1, 1)).max())

# %% [markdown]
# `F.max_pool2d` is torch's own; here you write what it does.
#
# **Hint 1.** The windows come as in your convolution. What is left is one reduction over two dimensions.
#
# **Hint 2.** `F.pad(..., value=...)` takes any number. Which one is smaller than every other?
#
# **Hint 3.** `amax` takes a tuple of dimensions.


# %%
def max_pool2d(x: Tensor, kernel: int, stride: int | None = None, padding: int = 0) -> Tensor:
    """The largest value of every kernel x kernel window, channel by channel.

    x: (N, C, H, W) float. `stride` is `kernel` unless it is given; `padding`, at most half of `kernel`, is added on all
    four sides and is never the largest. Returns (N, C, Ho, Wo) in the dtype of x, with Ho and Wo rounded down.
    See https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html.
    """
    # TODO: choose the stride, pad with something that never wins, and reduce every window to its maximum.
    # BEGIN SOLUTION
    stride = kernel if stride is None else stride
    x = F.pad(x, (padding,) * 4, value=-torch.inf)  # (N, C, H + 2p, W + 2p)
    return x.unfold(2, kernel, stride).unfold(3, kernel, stride).amax(dim=(-2, -1))  # (N, C, Ho, Wo)
    # END SOLUTION


# %% [markdown]
# What is left of a digit after pooling once, twice, three times: still a digit, twice.

# %%
_, axes = plt.subplots(1, 4, figsize=(9, 2.6))
image = train_images[:1]
for ax in axes:
    ax.imshow(image[0, 0], cmap="gray")
    ax.set_title(f"{image.shape[2]} x {image.shape[3]}")
    ax.axis("off")
    image = max_pool2d(image, 2)
plt.show()

# %% [markdown]
# ## LeNet-5
#
# The network that read cheques in the 1990s (LeCun, Bottou, Bengio and Haffner,
# [Gradient-based learning applied to document recognition](http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf), 1998).
# Every convolutional network since has had this shape: the image gets smaller, the channels get more, and at the
# end a few linear layers decide.
#
# ```
# image                                  1 x 28 x 28
# convolution 5 x 5, padding 2           6 x 28 x 28   activation
# pooling 2 x 2                          6 x 14 x 14
# convolution 5 x 5                     16 x 10 x 10   activation
# pooling 2 x 2                         16 x  5 x  5
# flatten                              400
# linear                               120             activation
# linear                                84             activation
# linear                         num_classes           nothing: these are the logits
# ```
#
# In 1998 the activations were tanh and the pooling an average; today one takes ReLU and the maximum. Either is right
# here. The last layer gives **logits**: plain scores, of any sign, because the cross-entropy does the softmax itself.
#
# Why so few weights do so much:

# %%
convolution, linear = nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Linear(28 * 28, 6 * 28 * 28)
for layer in (convolution, linear):
    print(f"{sum(p.numel() for p in layer.parameters()):>9,} parameters: {layer}")
print("flattened:", nn.Flatten()(torch.zeros(2, 16, 5, 5)).shape)

# %% [markdown]
# **Hint 1.** Use torch's layers: `nn.Conv2d`, `nn.MaxPool2d`, `nn.Flatten`, `nn.Linear`; `nn.Sequential` strings them
# together.
#
# **Hint 2.** Which size has to stay free when you flatten? `nn.Flatten()` and `x.flatten(1)` leave dimension 0, the
# batch, alone.
#
# **Hint 3.** If the first linear layer complains about its input, print the shapes on the way, or ask your
# `conv_output_size`. The sum of `p.numel()` over the parameters is 61,706.


# %%
class LeNet5(nn.Module):
    """LeNet-5 for images of 28 x 28: two convolutions with pooling, three linear layers.

    forward takes (N, 1, 28, 28) float32, for any N, and returns the logits, (N, num_classes). With 10 classes there are
    61,706 parameters: convolutions 1 -> 6 and 6 -> 16 with 5 x 5 kernels, the first with padding 2; linear layers
    400 -> 120 -> 84 -> num_classes; a bias everywhere. An activation follows every layer but the last.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        # TODO: make the layers of the table above.
        # BEGIN SOLUTION
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2),  # (N, 6, 28, 28)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 6, 14, 14)
            nn.Conv2d(6, 16, kernel_size=5),  # (N, 16, 10, 10)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 16, 5, 5)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),  # (N, 400)
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # TODO: from the images to the logits.
        # BEGIN SOLUTION
        return self.classifier(self.features(x))
        # END SOLUTION


# %% [markdown]
# ## Train LeNet on handwritten digits
#
# Everything comes together: the digits of section 5, the loop of section 6, the network from above. There are three
# sets of images, and each has its own job:
#
# | set | what it is for |
# | --- | --- |
# | training | gradients come from here, and only from here |
# | validation | watched after every epoch, to compare settings or to know when to stop |
# | test | looked at once, at the end; its labels are with the judge |
#
# A network that was trained on its validation images gets them right, and tells you nothing. And an experiment that
# cannot be repeated is an anecdote: the same seed has to give the same network, weight by weight. torch draws a layer's
# weights from its global generator at the moment when the layer is made:

# %%
for _ in range(2):
    torch.manual_seed(7)
    print(nn.Linear(2, 2).weight.flatten().tolist())

# %% [markdown]
# You choose the optimiser and its learning rate; the caller decides the number of epochs. With 5 epochs over 5,500
# digits more than 93 % of new digits are to be read rightly; an ordinary choice gets to 95 % or more.
#
# **Hint 1.** When does `LeNet5()` draw its weights? Seed before that.
#
# **Hint 2.** Each epoch: `model.train()`, one optimiser step for each batch; then `model.eval()` and, without
# gradients, the validation accuracy, to print it or to keep the weights of the best epoch (as copies).
#
# **Hint 3.** Adam with a learning rate of 2e-3 needs no tuning here. Take plain numbers out of tensors (`.item()`)
# before you add them up: a sum of losses that are still tensors keeps the graph of every step.


# %%
def train_lenet(train_loader: DataLoader, val_loader: DataLoader, epochs: int, seed: int) -> nn.Module:
    """Train a LeNet5 on the batches of train_loader for this many epochs, and return it in eval mode.

    Both loaders give batches (images (B, 1, 28, 28) float32, normalised already; labels (B,) int64). What is in
    val_loader may be looked at (for the accuracy, or to keep the best epoch), never trained on. The same seed and the
    same batches give the same network, bit for bit, whatever was drawn at random before; another seed gives another
    network. The graph of a step is not kept beyond it. All of it happens on the CPU.
    """
    # TODO: seed, make the network and an optimiser, train for all epochs, and return the network in eval mode.
    # BEGIN SOLUTION
    torch.manual_seed(seed)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    best, weights = -1.0, model.state_dict()
    for _ in range(epochs):
        model.train()
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in val_loader)
        if right > best:
            best, weights = right, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights)
    return model.eval()
    # END SOLUTION


# %% [markdown]
# A few seconds, and it reads digits that it has never seen.

# %%
normalised = (train_images - 0.1307) / 0.3081, (test_images - 0.1307) / 0.3081  # MNIST's own mean and deviation
train_set = TensorDataset(normalised[0][:5_500], train_labels[:5_500])
val_set = TensorDataset(normalised[0][5_500:], train_labels[5_500:])
train_loader = DataLoader(train_set, batch_size=48, shuffle=True, generator=torch.Generator().manual_seed(0))
lenet = train_lenet(train_loader, DataLoader(val_set, batch_size=250), epochs=5, seed=0)

with torch.no_grad():
    guesses = lenet(normalised[1]).argmax(1)
wrong = (guesses != test_labels).nonzero().flatten()
print(f"test digits read rightly: {(guesses == test_labels).float().mean():.1%}")

# %% [markdown]
# **What did it learn?** Above, the six 5 x 5 kernels of its first convolution: edges and strokes in several directions,
# found by gradient descent alone. Below, what each of them makes of a digit (its *feature map*).

# %%
first_convolution = next(module for module in lenet.modules() if isinstance(module, nn.Conv2d))
with torch.no_grad():
    feature_maps = first_convolution(normalised[1][:1])[0].relu()  # (6, 28, 28)
_, axes = plt.subplots(2, 6, figsize=(9, 3.2))
for (above, below), kernel, feature_map in zip(axes.T, first_convolution.weight.detach(), feature_maps, strict=True):
    above.imshow(kernel[0], cmap="coolwarm", vmin=-0.6, vmax=0.6)
    below.imshow(feature_map, cmap="gray")
    above.axis("off")
    below.axis("off")
plt.show()

# %% [markdown]
# **Where does it fail?** Always look at the mistakes, not only at their number. Many of these a person would miss as
# well. The title gives what was read, and what was meant.

# %%
_, axes = plt.subplots(2, 8, figsize=(9, 2.8))
for ax in axes.flat:
    ax.axis("off")
for ax, index in zip(axes.flat, wrong, strict=False):
    ax.imshow(test_images[index, 0], cmap="gray")
    ax.set_title(f"{guesses[index]} not {test_labels[index]}", fontsize=9)
plt.show()

# %% [markdown]
# **Which digits are mixed up?** Row: what it is. Column: what was read. The counts on the diagonal are right, and left
# out of the colours so that the others show.

# %%
confusion = torch.bincount(test_labels * 10 + guesses, minlength=100).view(10, 10)
plt.figure(figsize=(4.5, 4.5))
plt.imshow(confusion - confusion.diag().diag(), cmap="Reds", vmax=10)
for (i, j), count in zip(torch.cartesian_prod(torch.arange(10), torch.arange(10)), confusion.flatten(), strict=True):
    if count:
        plt.text(j, i, int(count), ha="center", va="center", fontsize=8)
plt.xticks(range(10))
plt.yticks(range(10))
plt.xlabel("read as")
plt.ylabel("is")
plt.show()

# %% [markdown]
# **To go on by yourself.** CIFAR-10 is the next classic: 32 x 32, three channels, cats and lorries. On a machine with a
# network, `torchvision.datasets.CIFAR10("data", download=True)` fetches it (170 MB). Only two things change in the
# network: `nn.Conv2d(3, 6, 5)` takes three channels, and needs no padding to arrive at 16 x 5 x 5. Expect about 60 %.
#
# ## Residual block
#
# Why not simply stack fifty convolutions? Because the gradient has to come back through all of them, and shrinks on
# the way:

# %%
torch.manual_seed(0)
layers = [torch.randn(32, 32) / 8 for _ in range(30)]
for residual in (False, True):
    x = torch.randn(1, 32, requires_grad=True)
    h = x
    for layer in layers:
        h = torch.tanh(h @ layer) + (h if residual else 0)
    h.sum().backward()
    print(f"{'with' if residual else 'without'} a shortcut around each of 30 layers: gradient {x.grad.norm():.1e}")

# %% [markdown]
# He, Zhang, Ren and Sun ([Deep residual learning](https://arxiv.org/abs/1512.03385), 2015) let every block learn what
# to *add* to its input. The shortcut carries the signal forward and the gradient back, untouched:
#
# ```
#      +------------------ shortcut ------------------+
#      |                                              |
# x ---+--> conv 3x3 -> BN -> ReLU -> conv 3x3 -> BN --(+)--> ReLU --> out
#           (stride)
# ```
#
# Two tensors can only be added if their shapes agree. If the block changes the number of channels or has a stride, the
# shortcut is a *projection*: a 1 x 1 convolution with that stride, and a batch norm. Otherwise it is x itself.
#
# **Hint 1.** Two convolutions, two batch norms of their own (each keeps statistics of what passes through it). Both
# convolutions have padding 1; only the first has the stride.
#
# **Hint 2.** `nn.Identity()` does nothing, and is a fine shortcut: with it, forward is the same for both cases.
#
# **Hint 3.** The last ReLU sees the sum. And x belongs to the caller: no `x += ...`.


# %%
class ResidualBlock(nn.Module):
    """The basic block of a ResNet: relu(branch(x) + shortcut(x)).

    forward takes (N, in_channels, H, W) and returns (N, out_channels, H', W'), where H' and W' are H and W divided by
    the stride, rounded up. The branch: 3 x 3 convolution (padding 1, with the stride), batch norm, ReLU, 3 x 3
    convolution (padding 1), batch norm. The shortcut: x itself if shapes agree, otherwise a 1 x 1 convolution with the
    stride and a batch norm. Batch norms are nn.BatchNorm2d with its defaults; convolutions may have a bias or none.
    x is not changed.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        # TODO: make the layers of the branch, and a shortcut that has the branch's shape.
        # BEGIN SOLUTION
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),  # it has a bias already
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # TODO: add branch and shortcut, then the last ReLU.
        # BEGIN SOLUTION
        return F.relu(self.branch(x) + self.shortcut(x))
        # END SOLUTION


# %% [markdown]
# Three blocks, and an image of 32 x 32 becomes 64 channels of 8 x 8. This, with more blocks, is ResNet.

# %%
x = torch.randn(2, 3, 32, 32)
for block in (ResidualBlock(3, 16), ResidualBlock(16, 32, stride=2), ResidualBlock(32, 64, stride=2)):
    print(tuple(x.shape), end=" -> ")
    x = block(x)
print(tuple(x.shape))

# %% [markdown]
# ## Look into a torchvision model
#
# torchvision keeps the well-known networks ready: `torchvision.models.resnet18()` builds one with random weights.
# For pretrained weights there is an enum beside each model. It knows the file, the names of the classes, the accuracy
# to expect, and the one transform that the images must go through. Nothing is downloaded below; only
# `resnet18(weights=weights)` would fetch the 45 MB of weights. (Section 9 starts from a pretrained network.)

# %%
from torchvision import models

weights = models.ResNet18_Weights.DEFAULT
print(len(models.list_models(module=models)), "models, among them", models.list_models(include="resnet*")[:4])
print(weights, weights.meta["categories"][:3], weights.meta["_metrics"])
print(weights.transforms())
resnet = models.resnet18(weights=None).eval()  # random weights: nothing is downloaded
print([name for name, _ in resnet.named_children()])

# %% [markdown]
# `named_children` gives the top-level modules; here they are the stages of the network. What comes out of each? You
# cannot edit their forward, but torch lets you listen in: a **forward hook** is called after a module has run, with the
# module, its inputs and its output.

# %%
layer = nn.Linear(3, 2)
handle = layer.register_forward_hook(lambda module, inputs, output: print("heard:", output.tolist()))
layer(torch.ones(1, 3))
handle.remove()  # from here on, silence: a forgotten hook would fire at every later call
print("not heard:", layer(torch.ones(1, 3)).tolist())

# %% [markdown]
# **Hint 1.** One hook for each child; keep the handles that `register_forward_hook` gives you, and remove those.
#
# **Hint 2.** A function made in a loop sees the loop's variable as it is when the function *runs*: every hook would
# write to the last name. Give each hook its own name, with a function that takes the name and returns the hook, or with
# a default argument.
#
# **Hint 3.** A `finally` removes the hooks even if the model fails.


# %%
def feature_shapes(model: nn.Module, x: Tensor) -> dict[str, tuple]:
    """Run the model on x, and tell the shape of what each of its direct children gives.

    model: every direct child returns one tensor, and runs at most once; it may be in train or eval mode. x: what the
    model takes, for example (N, 3, H, W). Returns the shape of the output as a tuple for each name of
    `model.named_children()` that was run. Afterwards the model is as it was: the same mode everywhere, hooks of others
    still there, ours gone. See https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html.
    """
    # TODO: hook every child, run the model once, remove your hooks.
    # BEGIN SOLUTION
    shapes = {}

    def record(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)

        return hook

    handles = [child.register_forward_hook(record(name)) for name, child in model.named_children()]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes
    # END SOLUTION


# %% [markdown]
# An image on its way through ResNet-18: smaller and smaller, with more and more channels, as in LeNet. Try other
# models: `models.squeezenet1_1()`, `models.vgg11()`, `models.mobilenet_v3_small()`.

# %%
shapes = feature_shapes(resnet, torch.randn(1, 3, 224, 224))
for name, shape in shapes.items():
    print(f"{name:8} {shape}")

stages = {name: shape for name, shape in shapes.items() if len(shape) == 4}
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.bar(list(stages), [shape[1] for shape in stages.values()], color="tab:orange")
left.set_title("channels")
right.bar(list(stages), [shape[2] for shape in stages.values()])
right.set_title("height and width")
for ax in (left, right):
    ax.tick_params(axis="x", rotation=60)
plt.tight_layout()
plt.show()
