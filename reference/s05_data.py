# %% [markdown]
# # Data: Dataset, DataLoader, MNIST
#
# A model sees data as tidy batches of one dtype and one scale. Real data is nothing of the kind: files in odd formats,
# bytes for floats, sequences of all lengths, files cut short by a broken download. This section builds the road from
# one to the other, on MNIST, 28 x 28 pictures of handwritten digits. PyTorch splits the work in two:
#
# ```text
# files -> Dataset: "item 17, please" -> transform -> DataLoader: shuffled batches -> model
# ```
#
# A **Dataset** knows how many items there are and how to make *one*. A **DataLoader** decides on the order, and puts
# items together to batches. Most bugs with data raise no error: the training just goes worse, or looks better than it
# is. So look at your data, at every step; the cells with pictures are there for that.
#
# Fill in every exercise below, then run `pytest checks/test_s05_data.py`. Nothing here needs the network: a small MNIST
# lies in `data/MNIST/raw` beside the exercises. (The full one works just as well, in the same place or under any other
# root.)
#
# **To read:** [Datasets and DataLoaders](https://docs.pytorch.org/tutorials/beginner/basics/data_tutorial.html),
# [custom datasets, loaders and transforms](https://docs.pytorch.org/tutorials/beginner/data_loading_tutorial.html),
# [torch.utils.data](https://docs.pytorch.org/docs/stable/data.html),
# [torchvision's datasets](https://docs.pytorch.org/vision/stable/datasets.html) and
# [its transforms](https://docs.pytorch.org/vision/stable/transforms.html).

# %%
import gzip
import math
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from torchvision import datasets
from torchvision.transforms import v2

# %%
# The data of the kit, whether you start Python in the kit's folder, in exercises/ or beside it.
places = ("exercises/data", "data", "../exercises/data")
DATA = next((Path(place) for place in places if Path(place).is_dir()), Path("exercises/data"))

# %% [markdown]
# ## A dataset of rows
#
# A *map-style* dataset is any object that answers two questions: `len(dataset)`, how many items are there, and
# `dataset[i]`, what is item i. Python turns these into calls of `__len__` and `__getitem__`:


# %%
class Squares(Dataset):
    def __init__(self, n):
        self.numbers = torch.arange(n)

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        return self.numbers[index], self.numbers[index] ** 2


squares = Squares(5)
print(len(squares), squares[3])

# %% [markdown]
# Now the most common dataset of all: a table `x` with a row for each item, and a label `y` for each row. Tables arrive
# as float64 and labels as any kind of integer; models want float32 features, and a loss such as cross-entropy wants
# int64 labels. Convert once, at the start, rather than in every `__getitem__`: that one is called a million times.
#
# Item i must be made from row i *alone*. A dataset that normalises each item with the mean of all rows does the whole
# table's work for each item, and carries what it saw of the test rows into the training ones.
#
# **Hint 1.** `__init__` keeps what the other two methods need, as attributes of `self`.
#
# **Hint 2.** In a table of shape (N, D), which of the two is the number of items? `len` of a tensor tells the size of
# its first dimension.
#
# **Hint 3.** Indexing (N, D) with one integer gives (D,), and indexing (N,) gives a 0-d tensor of shape (). A slice
# would keep a dimension of size 1.


# %%
class TabularDataset(Dataset):
    """The rows of a table with their labels.

    x: (N, D) of any number dtype; y: (N,) labels of any integer dtype. Item i is the tuple (features, label):
    (D,) float32 and () int64, both tensors, taken from row i as it is.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        # TODO: keep the features and the labels, in the dtypes in which they will be given out.
        # BEGIN SOLUTION
        self.x = x.to(torch.float32)  # (N, D)
        self.y = y.to(torch.int64)  # (N,)
        # END SOLUTION

    def __len__(self) -> int:
        # TODO: the number of items.
        # BEGIN SOLUTION
        return len(self.x)
        # END SOLUTION

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        # TODO: the features and the label of one row.
        # BEGIN SOLUTION
        return self.x[index], self.y[index]
        # END SOLUTION


# %% [markdown]
# Two clouds of points as a dataset, and what a `DataLoader` makes of it: items stacked to batches, (D,) to (B, D).

# %%
clouds = torch.cat([torch.randn(40, 2), torch.randn(40, 2) + 3]).double()
two_clouds = TabularDataset(clouds, torch.arange(80) // 40)
features, labels = next(iter(DataLoader(two_clouds, batch_size=16, shuffle=True)))
print(features.shape, features.dtype, labels)
plt.scatter(*clouds.T, color="lightgrey", label="the dataset")
plt.scatter(*features.T, c=labels, cmap="coolwarm", label="one batch of 16")
plt.legend()
plt.show()

# %% [markdown]
# ## Read an IDX file
#
# MNIST comes in IDX files, a format so simple that you can read it with your bare hands: a few numbers that say what is
# inside (the *header*), then the values, one byte each, the last dimension fastest.
#
# ```text
# bytes  0  1 |  2   |     3      |   4 - 7    |  8 - 11  |  12 - 15  | 16 ...
#        0  0 | 0x08 | dimensions | size of    | size of  | size of   | the values, N x 28 x 28 bytes
#             | uint8|     3      | dim. 0: N  | dim. 1   | dim. 2    |
# ```
#
# The first four bytes are the *magic number*: two zeros, the type of the values (8 stands for unsigned bytes), and how
# many dimensions there are. One size of four bytes follows for *each* dimension, so images have a header of 16 bytes
# and labels, with their single dimension, one of 8. Here is the start of a real file:

# %%
with open(DATA / "MNIST/raw/train-images-idx3-ubyte", "rb") as idx_file:
    print(idx_file.read(16).hex(" ", 4))

# %% [markdown]
# All sizes are *big-endian*: the most significant byte comes first, the way we write numbers. Most processors, and so
# most defaults, do it the other way round:

# %%
print(int.from_bytes(b"\x00\x00\x01\x02", "big"), int.from_bytes(b"\x00\x00\x01\x02", "little"))

# %% [markdown]
# A reader must also say no. A download that broke off, or a web page that was saved under the name of a file, should
# stop you here with a `ValueError` that names the trouble, and not show up as a strange accuracy a day later.
#
# At the end one subtlety: `bytes` can't be changed, a tensor can. `torch.frombuffer` and `torch.from_numpy` *share*
# memory with what they are given, so a tensor over `bytes` is a tensor that must not be written to; torch warns of it.
# A `bytearray` is a `bytes` that may be changed.
#
# **Hint 1.** Read the whole file into one `bytes` first. For a name that ends in `.gz`, `gzip.open(path, "rb")` does
# what `open(path, "rb")` does, and unpacks on the way.
#
# **Hint 2.** Check the first bytes before you believe any of the others. Byte 3 then tells how many sizes to read, and
# where the values start.
#
# **Hint 3.** The product of the sizes (`math.prod`) is the number of values that must be there. Are they?
#
# **Hint 4.** `torch.frombuffer(..., dtype=torch.uint8)` takes a `bytearray`; skip the header, then `reshape`.


# %%
def read_idx(path: str | Path) -> Tensor:
    """Read an IDX file of unsigned bytes: labels with one dimension, images with three.

    path: the file, gzipped if its name ends in `.gz`. Returns uint8 in the shape that the header names, in memory of
    its own that may be written to. Raises ValueError if the file has another magic number, if it is shorter than its
    header says, or if its header is not complete; for a .gz that breaks off, the EOFError of gzip will do as well.

    The format: http://yann.lecun.com/exdb/mnist/ (at the end of that page).
    """
    # TODO: read the bytes, check the magic number, read the sizes, check that all values are there, make the tensor.
    # BEGIN SOLUTION
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        try:
            data = file.read()
        except EOFError:
            raise ValueError(f"{path}: the compressed file breaks off") from None
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: no IDX file of unsigned bytes, it starts with {data[:4].hex()}")
    start = 4 + 4 * data[3]  # one size of four bytes for each dimension
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    end = start + math.prod(shape)
    if len(data) < end:
        raise ValueError(f"{path}: the header promises {end} bytes, the file has {len(data)}")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)[start:end].reshape(shape)
    # END SOLUTION


# %% [markdown]
# What you read, raw: bytes from 0 (paper) to 255 (ink). The numbers are the middle of the picture.

# %%
pixels = read_idx(DATA / "MNIST/raw/train-images-idx3-ubyte")
print(pixels.shape, pixels.dtype, read_idx(DATA / "MNIST/raw/train-labels-idx1-ubyte")[:10])
print(pixels[0, 10:16, 8:18])
plt.imshow(pixels[0], cmap="gray_r")
plt.show()

# %% [markdown]
# ## MNIST through torchvision
#
# `torchvision.datasets` knows dozens of published datasets, MNIST among them: it finds the files below a folder, the
# `root`, reads them as you just did, and hands out *PIL images* with a label. PIL is Python's library for pictures; no
# model takes one. What happens to each image is said by a **transform**, a function from image to image:

# %%
raw_digits = datasets.MNIST(DATA, train=False, download=False)
print(len(raw_digits), raw_digits[0])
small = v2.Compose([v2.Resize(7), v2.PILToTensor()])
print(datasets.MNIST(DATA, train=False, download=False, transform=small)[0][0])

# %% [markdown]
# Transforms come from `torchvision.transforms.v2`, the current generation. `v2.Compose` chains them; `v2.ToImage()`
# makes a tensor of shape (1, 28, 28) out of a PIL image, still uint8 from 0 to 255; `v2.ToDtype` changes the dtype, and
# takes a `scale` that you'll want to read about. (The `ToTensor` of older tutorials does both and is deprecated.) What
# comes out may be a `tv_tensors.Image`, a tensor that remembers being an image; it behaves as any other tensor.
#
# When files are missing, torchvision would download them if it were told to. A function that loads data should not
# surprise its caller, on a train or on a cluster without a network, by doing that: it should stop and say what is
# missing.
#
# **Hint 1.** Look up the four arguments of `datasets.MNIST` that matter here: `root`, `train`, `transform`, `download`.
#
# **Hint 2.** Two transforms are enough. If your pixels are floats up to 255, you forgot the `scale` of the second.
#
# **Hint 3.** Without `download=True` torchvision raises a RuntimeError for missing files, and that's enough. Kinder:
# look for the files in `MNIST/raw` below the root first, and name the one that isn't there.


# %%
def load_mnist(root: str | Path, train: bool) -> Dataset:
    """The training digits (train=True) or the test digits of the MNIST files below root, as a dataset.

    root: a folder with the four unpacked IDX files in root/MNIST/raw. Item i is an image, (1, 28, 28) float32 from 0
    to 1 (a plain tensor or a tv_tensors.Image), and its label, an int from 0 to 9. If files of the split are missing,
    it raises an error (FileNotFoundError, or torchvision's RuntimeError) and never tries to download them.
    """
    # TODO: torchvision's MNIST, with a transform that makes a tensor and scales it; no download.
    # BEGIN SOLUTION
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        file = Path(root, "MNIST", "raw", f"{name}-ubyte")
        if not file.is_file():
            how = "take it from the kit's exercises/data, or fetch all of MNIST once with datasets.MNIST(download=True)"
            raise FileNotFoundError(f"{file} is missing: {how}")
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    return datasets.MNIST(root, train=train, transform=transform, download=False)
    # END SOLUTION


# %% [markdown]
# Always look at a sheet of your data before you train on it, with its labels. Would you have read them all?

# %%
digits = load_mnist(DATA, train=True)
print(len(digits), "digits,", torch.bincount(digits.targets).tolist(), "of each class")
fig, axes = plt.subplots(4, 10, figsize=(10, 4.6))
for ax, (image, label) in zip(axes.flat, (digits[i] for i in range(40)), strict=True):
    ax.imshow(image[0], cmap="gray_r")
    ax.set_title(label, size=9)
    ax.axis("off")
plt.show()

# %% [markdown]
# ## Split the items
#
# A model is judged on items that it was not trained on. So the items are divided at random, say 80 % to train, 10 % to
# choose settings (validation) and 10 % for the final test: no item twice, none lost. It is enough to divide their
# *indices*; `torch.utils.data.Subset(dataset, indices)` makes datasets of them.
#
# Why at random? Files are often sorted, and then the last tenth is all nines. Why with a seed? With another split
# each day, yesterday's training items are among today's test items, and results look better than they are.
#
# A seed of your own belongs in a generator of your own. `torch.manual_seed` would set the *global* generator, and with
# it, behind the caller's back, every dropout mask and every initial weight that comes after. Compare:

# %%
own = torch.Generator().manual_seed(7)
print(torch.randint(100, (4,), generator=own), torch.rand(1))  # the first is 7's; the second has nothing to do with it

# %% [markdown]
# The sizes want some care. `int(n * fraction)` rounds each one down, and drops up to one item for each part: 11 items
# in shares of 1/2, 1/4, 1/4 would become 5 + 2 + 2. Giving all that is left to the last part is no good either: with
# many parts it may get several more than its share. Each size must be within one of n times its fraction.
#
# **Hint 1.** Shuffle all indices once, then cut: parts cut from one list can neither overlap nor lose an item.
#
# **Hint 2.** Round the *places of the cuts*, not the sizes. The cut after part k lies at n times the sum of the first k
# fractions.
#
# **Hint 3.** `torch.randperm` takes a `generator`, and `itertools.accumulate` or `torch.cumsum` add up.
# `torch.tensor_split` cuts at a list of places, the first and the last end left out; mind that it returns a tuple.


# %%
def split_indices(n: int, fractions: list[float], seed: int) -> list[Tensor]:
    """Divide the indices 0 to n - 1 at random into parts.

    fractions: shares that add up to 1 (within rounding). Returns a list with a 1-D int64 tensor for each: every index
    is in exactly one of them, and each size is within one of n times its fraction. The same seed gives the same parts,
    whatever the state of the global random generators, which are left as they are.
    """
    # TODO: a random permutation from a generator of your own, cut so that the sizes are right.
    # BEGIN SOLUTION
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    cuts = [round(n * sum(fractions[:k])) for k in range(1, len(fractions))]
    return list(order.tensor_split(cuts))
    # END SOLUTION


# %%
train_part, val_part, test_part = split_indices(len(digits), [0.8, 0.1, 0.1], seed=0)
print(len(train_part), len(val_part), len(test_part), "items; the first of the test part:", test_part[:5])
print(torch.bincount(digits.targets[test_part]).tolist(), "of each class in the test part")

# %% [markdown]
# ## A loader
#
# `DataLoader(dataset, batch_size=...)` goes through a dataset and yields batches. Going through all of it once is an
# *epoch*, and each `for batch in loader` is one:

# %%
ten = TensorDataset(torch.arange(10))
for (batch,) in DataLoader(ten, batch_size=4):
    print(batch)

# %% [markdown]
# What to ask of a loader depends on what it's for.
#
# - **For training**: shuffled, and *anew in each epoch*, so that no batch comes twice. With a seed, so that a run can
#   be repeated: the same seed gives the same orders, epoch by epoch. That must not depend on the global generator
#   either, or one more dropout layer in the model would change the order of the data.
# - **For evaluation**: in order, so that prediction i belongs to item i.
# - **For both**: every item, the smaller last batch too. (`drop_last=True` has its uses in training; here nothing is
#   lost.)
#
# Three more arguments, in words. `num_workers=4` starts four processes that make items while the model computes: worth
# it when an item is slow to make, such as a photo read from disk and augmented; for MNIST starting them costs more than
# they save. (Where processes are started afresh, on macOS and Windows, a script then needs `if __name__ ==
# "__main__":`.) `pin_memory=True` puts batches into memory that is never moved to disk, from which a GPU fetches by
# itself, while the program goes on (`batch.to("cuda", non_blocking=True)`); without a GPU it does nothing for you.
# `collate_fn` says how items become a batch: the next exercise.
#
# **Hint 1.** `shuffle` is True or False; which argument of `make_loader` tells?
#
# **Hint 2.** `DataLoader` takes a `generator`, and shuffles with it. It goes on from where it is, so that each epoch
# gets an order of its own.


# %%
def make_loader(dataset: Dataset, batch_size: int, train: bool, seed: int) -> DataLoader:
    """Batches of a dataset: shuffled for training, in order otherwise; every item is in each epoch exactly once.

    batch_size: items a batch, the last one may be smaller. seed: in training the same seed gives the same sequence of
    epochs, each of them in a new order, whatever the state of the global random generators.
    """
    # TODO: a DataLoader that shuffles only in training, with a generator of its own.
    # BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, generator=generator)
    # END SOLUTION


# %% [markdown]
# The first batch of three epochs, a row each: new digits every time. Run the cell again, and the rows are the same.

# %%
loader = make_loader(digits, batch_size=12, train=True, seed=1)
fig, axes = plt.subplots(3, 1, figsize=(9, 3))
for epoch, ax in enumerate(axes):
    images, labels = next(iter(loader))  # (12, 1, 28, 28), (12,)
    ax.imshow(torch.cat([*images[:, 0]], dim=1), cmap="gray_r")
    ax.set_title(f"epoch {epoch}: {tuple(images.shape)}, labels {labels.tolist()}", size=8)
    ax.axis("off")
plt.show()

# %% [markdown]
# ## Sequences of different lengths
#
# A batch is one tensor, and a tensor is a full box. Sentences are not all of one length, and the DataLoader's own way
# of stacking items gives up:

# %%
sentences = [torch.tensor([5, 3, 8]), torch.tensor([7]), torch.tensor([2, 9])]
try:
    next(iter(DataLoader(sentences, batch_size=3)))
except RuntimeError as error:
    print(error)

# %% [markdown]
# So short ones are filled up, *padded*, to the length of the longest of their batch, and the true lengths are kept, for
# whatever comes next must tell tokens from padding. Real tokens start at 1, so that 0 is free to mean "nothing here":
#
# ```text
# 5 3 8        5 3 8     3
# 7       ->   7 0 0     1
# 2 9          2 9 0     2
# ```
#
# A function from a list of items to a batch is a *collate function*; the loader calls it for each batch.
#
# **Hint 1.** Take the lengths first, while the sequences still have them.
#
# **Hint 2.** Start from zeros of the right shape and dtype, and copy each sequence to the start of its row; or look up
# `torch.nn.utils.rnn.pad_sequence` and its `batch_first`.


# %%
def pad_collate(batch: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Sequences of different lengths as one tensor, padded with 0 on the right, and their lengths.

    batch: B int64 tensors of shapes (t,), each t at least 1, tokens from 1 up. Returns (B, T) int64, where T is the
    longest t of this batch, and (B,) int64 lengths.
    """
    # TODO: the lengths before padding, and the padded rows.
    # BEGIN SOLUTION
    lengths = torch.tensor([len(tokens) for tokens in batch])
    return pad_sequence(batch, batch_first=True), lengths  # (B, T), (B,)
    # END SOLUTION


# %%
for tokens, lengths in DataLoader(sentences, batch_size=2, collate_fn=pad_collate):
    print(tokens, lengths)

# %% [markdown]
# ## Statistics of the channels
#
# Networks learn best from inputs around 0 with a spread around 1. So images are normalised, each channel (grey, or red,
# green and blue) with its mean and standard deviation over *all pixels of all training images*. That is a lot of
# pixels: they don't fit into memory at once, and arrive in batches.
#
# A mean of the batches' means is not the mean when the last batch is smaller. And a mean of the batches'
# standard deviations isn't right even for equal batches; it misses how far they lie apart:

# %%
dark, bright = torch.tensor([0.1, 0.2]), torch.tensor([0.8, 0.9])
print((dark.std(correction=0) + bright.std(correction=0)) / 2, torch.cat([dark, bright]).std(correction=0))

# %% [markdown]
# What *can* be added up from batch to batch are counts and sums. With n values in all,
#
# $$\mu = \frac1n \sum x, \qquad \sigma^2 = \frac1n \sum x^2 - \mu^2 .$$
#
# The second is a difference of two large numbers when $\mu$ is large against $\sigma$, so add up in float64.
#
# **Hint 1.** Images are (B, C, H, W). Which dimensions should disappear, so that (C,) is left?
#
# **Hint 2.** Keep three running totals: the number of pixels, the sum of the values, the sum of their squares.
#
# **Hint 3.** How many values does one channel of a batch have? Not `images.numel()`: that counts all channels.


# %%
def channel_statistics(loader: DataLoader) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over every pixel that a loader yields.

    loader: yields (images, labels) with images (B, C, H, W) float; B may differ from batch to batch. Returns two float
    tensors of shape (C,): the means, and the population standard deviations (divided by n, not n - 1).
    """
    # TODO: add up counts, sums and sums of squares over the batches; divide once, at the end.
    # BEGIN SOLUTION
    count, total, squares = 0, 0.0, 0.0
    for images, _ in loader:
        images = images.double()
        count += images.numel() // images.shape[1]
        total += images.sum(dim=(0, 2, 3))  # (C,)
        squares += images.square().sum(dim=(0, 2, 3))  # (C,)
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return mean.float(), std.float()
    # END SOLUTION


# %% [markdown]
# Known for all 60,000 training digits: 0.1307 and 0.3081. A thousand of them already come close.

# %%
thousand = Subset(digits, train_part[:1000].tolist())
print(channel_statistics(make_loader(thousand, batch_size=64, train=False, seed=0)))

# %% [markdown]
# ## Transforms for training and for evaluation
#
# Now the transforms that a model gets. Both scale to [0, 1] and then normalise with MNIST's own statistics,
#
# $$x \leftarrow \frac{x - 0.1307}{0.3081},$$
#
# in this order: the statistics were measured on *scaled* pixels, and say nothing about bytes.
#
# A 3 that is shifted by a pixel or turned by a few degrees is still a 3, but to a network it's a new image. Changing
# training images at random, each time they're asked for, is **augmentation**, the cheapest way to more data. Do it
# with sense: a 6 turned by 180 degrees is a 9, and a 2 seen in a mirror is no digit at all. For *evaluation* nothing is
# random, or else the same model would get another accuracy each time.
#
# The pixels that a shift or a turn leaves empty are filled with 0. Before normalising that's paper, as it should be;
# after it, a grey edge. One random transform, on a made-up image:

# %%
stripe = torch.zeros(1, 28, 28, dtype=torch.uint8)
stripe[:, 4:24, 12:16] = 255
fig, axes = plt.subplots(1, 4, figsize=(8, 2))
for ax in axes:
    ax.imshow(v2.RandomPerspective(distortion_scale=0.4, p=1.0)(stripe)[0], cmap="gray_r")
plt.show()

# %% [markdown]
# **Hint 1.** `v2.Normalize` takes a list of means and a list of standard deviations, one of each for every channel:
# here there is a single one.
#
# **Hint 2.** The evaluation transform has three steps: make it an image tensor, scale it to float32, normalise it.
#
# **Hint 3.** For training add one step, early: look up `v2.RandomAffine` (degrees, and `translate` as fractions of the
# size), `v2.RandomRotation` or `v2.RandomCrop` with a `padding`.


# %%
def eval_transform() -> v2.Transform:
    """A transform for evaluation, from torchvision's transforms.v2, without ToTensor (deprecated).

    The transform takes a PIL image (mode L, 28 x 28) or a uint8 tensor (1, 28, 28), and gives (1, 28, 28) float32:
    scaled to [0, 1], then normalised by mean 0.1307 and standard deviation 0.3081. The same image always gives the
    same result.
    """
    # TODO: compose three steps.
    # BEGIN SOLUTION
    return v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.1307], [0.3081])])
    # END SOLUTION


# %%
def train_transform() -> v2.Transform:
    """A transform for training: as eval_transform, and each image is also shifted or rotated a little, at random.

    Takes and gives what eval_transform does, without ToTensor too. Each call draws anew, also for the same image.
    """
    # TODO: a random shift or rotation, and the steps of eval_transform.
    # BEGIN SOLUTION
    shake = v2.RandomAffine(degrees=10, translate=(0.1, 0.1))
    return v2.Compose([v2.ToImage(), shake, v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.1307], [0.3081])])
    # END SOLUTION


# %% [markdown]
# A digit as evaluation sees it, in the first column, and as training does, in eight visits. Are they all still
# easy to read? Then make the transform stronger, or try another one.

# %%
fig, axes = plt.subplots(3, 9, figsize=(9, 3.2))
for row, index in zip(axes, (0, 3, 4), strict=True):
    picture, label = datasets.MNIST(DATA, train=True)[index]
    for ax, transform in zip(row, [eval_transform()] + 8 * [train_transform()], strict=True):
        ax.imshow(transform(picture)[0], cmap="gray_r")
        ax.axis("off")
plt.show()
