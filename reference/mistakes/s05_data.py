# Wrong versions of the exercises of section 5; grader.mistakes describes the format.

# %% mistake: length-of-features
# exercise: TabularDataset
# fails: test_tabular_dataset_has_an_item_for_each_row
# advice: You count the columns. A dataset is as long as it has items, and an item is a row: the first dimension of x.
class TabularDataset(TabularDataset):
    def __len__(self):
        return self.x.shape[1]


# %% mistake: length-of-all-numbers
# exercise: TabularDataset
# fails: test_tabular_dataset_has_an_item_for_each_row
# advice: You count all numbers in the table. A dataset is as long as it has items, and an item is a row.
class TabularDataset(TabularDataset):
    def __len__(self):
        return self.x.numel()


# %% mistake: label-as-float
# exercise: TabularDataset
# fails: test_tabular_dataset_gives_float_features_and_an_int_label
# advice: Your labels are floats. Only the features are numbers to compute with; a label is the number of a class, and
# cross-entropy wants it as int64.
class TabularDataset(TabularDataset):
    def __init__(self, x, y):
        self.x, self.y = x.float(), y.float()


# %% mistake: label-with-a-dimension
# exercise: TabularDataset
# fails: test_tabular_dataset_gives_float_features_and_an_int_label
# advice: Your label has shape (1,), so that a batch of labels becomes (B, 1) instead of (B,). Index with the integer
# itself: a slice, or unsqueeze, leaves a dimension of size 1.
class TabularDataset(TabularDataset):
    def __getitem__(self, index):
        return self.x[index], self.y[index : index + 1]


# %% mistake: label-as-number
# exercise: TabularDataset
# fails: test_tabular_dataset_gives_float_features_and_an_int_label
# advice: Your label is an int of Python. Leave it a tensor of shape (): indexing (N,) with an integer gives one.
class TabularDataset(TabularDataset):
    def __getitem__(self, index):
        return self.x[index], int(self.y[index])


# %% mistake: features-with-a-dimension
# exercise: TabularDataset
# fails: test_tabular_dataset_gives_float_features_and_an_int_label
# advice: Your features have shape (1, D): a slice keeps the dimension of the rows. Index with the integer itself.
class TabularDataset(TabularDataset):
    def __getitem__(self, index):
        return self.x[index : index + 1], self.y[index]


# %% mistake: dtypes-as-given
# exercise: TabularDataset
# fails: test_tabular_dataset_gives_float_features_and_an_int_label
# advice: You hand out whatever dtypes you were given. Convert both once, in __init__: features to float32, labels to
# int64.
class TabularDataset(TabularDataset):
    def __init__(self, x, y):
        self.x, self.y = x, y


# %% mistake: features-only-converted
# exercise: TabularDataset
# fails: test_tabular_dataset_gives_float_features_and_an_int_label
# advice: You convert the features, but leave the labels in the dtype they came in. They should come out as int64.
class TabularDataset(TabularDataset):
    def __init__(self, x, y):
        self.x, self.y = x.float(), y


# %% mistake: statistics-of-the-whole-set
# exercise: TabularDataset
# fails: test_tabular_dataset_takes_an_item_from_its_own_row
# advice: You normalise each item with the mean and the spread of all rows. That is the work of the whole table for each
# item, and it mixes rows that may not know of each other. Give out the row as it is.
class TabularDataset(TabularDataset):
    def __getitem__(self, index):
        x = (self.x - self.x.mean(0)) / (self.x.std(0, correction=0) + 1e-8)
        return x[index], self.y[index]


# %% mistake: centred-by-the-whole-set
# exercise: TabularDataset
# fails: test_tabular_dataset_takes_an_item_from_its_own_row
# advice: You subtract the mean of all rows from each item. Give out the row as it is: an item is made from its own row.
class TabularDataset(TabularDataset):
    def __getitem__(self, index):
        return self.x[index] - self.x.mean(0), self.y[index]


# %% mistake: labels-sorted
# exercise: TabularDataset
# fails: test_tabular_dataset_takes_an_item_from_its_own_row
# advice: Features and labels are out of step: your labels come in another order than the rows. Index both with the same
# number.
class TabularDataset(TabularDataset):
    def __init__(self, x, y):
        super().__init__(x, y.sort().values)


# %% mistake: always-the-first-row
# exercise: TabularDataset
# fails: test_tabular_dataset_takes_an_item_from_its_own_row
# advice: Every item is row 0. Use the index that __getitem__ is given.
class TabularDataset(TabularDataset):
    def __getitem__(self, index):
        return self.x[0], self.y[0]


# %% mistake: little-endian
# exercise: read_idx
# fails: test_read_idx_reads_labels
# advice: You read the sizes with the least significant byte first. The numbers in an IDX file are big-endian.
def read_idx(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    if data[:3] != b"\x00\x00\x08":
        raise ValueError("bad magic number")
    start = 4 + 4 * data[3]
    shape = [int.from_bytes(data[i : i + 4], "little") for i in range(4, start, 4)]
    if len(data) < start + math.prod(shape):
        raise ValueError("file too short")
    return torch.tensor(list(data[start : start + math.prod(shape)]), dtype=torch.uint8).reshape(shape)


# %% mistake: values-as-int64
# exercise: read_idx
# fails: test_read_idx_reads_labels
# advice: Your tensor is int64, eight bytes for a number that fits in one. Say dtype=torch.uint8 when you make it.
_right_read_idx = read_idx


def read_idx(path):
    return _right_read_idx(path).long()


# %% mistake: values-as-float
# exercise: read_idx
# fails: test_read_idx_reads_labels
# advice: Your tensor is float32. A reader gives what is in the file: bytes, uint8. Scaling to floats comes later.
_right_read_idx = read_idx


def read_idx(path):
    return _right_read_idx(path).float()


# %% mistake: header-of-16-for-labels
# exercise: read_idx
# fails: test_read_idx_reads_labels
# advice: You skip 16 bytes in every file. There is one size of four bytes for each dimension: images have a header of
# 16 bytes, but labels one of 8.
def read_idx(path):
    with open(path, "rb") as file:
        data = file.read()
    return torch.frombuffer(bytearray(data[16:]), dtype=torch.uint8)


# %% mistake: header-of-8-for-images
# exercise: read_idx
# fails: test_read_idx_reads_images
# advice: You start to read values at byte 8, and take the last two sizes of the header for pixels. There is one size of
# four bytes for each dimension: images have a header of 16 bytes, labels one of 8.
def read_idx(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, 4 + 4 * data[3], 4)]
    return torch.frombuffer(data, dtype=torch.uint8)[8 : 8 + math.prod(shape)].reshape(shape)


# %% mistake: header-of-8-and-reshape
# exercise: read_idx
# fails: test_read_idx_reads_images
# advice: You skip only 8 bytes, so that 8 bytes of the header are left among the values. There is one size of four
# bytes for each dimension: images have a header of 16 bytes, labels one of 8.
def read_idx(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, 4 + 4 * data[3], 4)]
    return torch.frombuffer(data[8:], dtype=torch.uint8).reshape(shape)


# %% mistake: sizes-reversed
# exercise: read_idx
# fails: test_read_idx_reads_images
# advice: Your sizes come out backwards: (columns, rows, N). Keep them in the order of the file.
_right_read_idx = read_idx


def read_idx(path):
    values = _right_read_idx(path)
    return values.reshape(values.shape[::-1])


# %% mistake: rows-and-columns-swapped
# exercise: read_idx
# fails: test_read_idx_reads_images
# advice: You swap rows and columns. The second size is the number of rows, the third that of columns; for 28 x 28
# digits nobody notices.
_right_read_idx = read_idx


def read_idx(path):
    values = _right_read_idx(path)
    return values.reshape(values.shape[0], *values.shape[:0:-1])


# %% mistake: transposed
# exercise: read_idx
# fails: test_read_idx_reads_images
# advice: Your images are mirrored along their diagonal. The last dimension, the columns, runs fastest: a plain reshape
# is enough.
_right_read_idx = read_idx


def read_idx(path):
    values = _right_read_idx(path)
    return values.reshape(values.shape[0], *values.shape[:0:-1]).mT if values.dim() == 3 else values


# %% mistake: images-left-flat
# exercise: read_idx
# fails: test_read_idx_reads_images
# advice: Your images come out as one long row of bytes. The sizes of all dimensions stand in the header: reshape to
# them.
_right_read_idx = read_idx


def read_idx(path):
    return _right_read_idx(path).reshape(-1)


# %% mistake: not-unpacked
# exercise: read_idx
# fails: test_read_idx_unpacks_gzip
# advice: You read a .gz file as if it were a plain one. Open it with gzip.open when its name ends in .gz.
def read_idx(path):
    data = Path(path).read_bytes()
    if data[:3] != b"\x00\x00\x08":
        raise ValueError("bad magic number")
    start = 4 + 4 * data[3]
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.uint8).reshape(shape)


# %% mistake: magic-not-checked
# exercise: read_idx
# fails: test_read_idx_refuses_another_magic_number
# advice: You read any file as if it were an IDX file. Check that the first bytes are 00 00 08, and raise a ValueError
# if not.
def read_idx(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = bytearray(file.read())
    start = 4 + 4 * (3 if data[3] != 1 else 1)
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    return torch.frombuffer(data, dtype=torch.uint8)[start:].reshape(shape)


# %% mistake: only-zeros-checked
# exercise: read_idx
# fails: test_read_idx_refuses_another_magic_number
# advice: You check the two zeros, and not the third byte: the type of the values. 8 means unsigned bytes, and anything
# else would be read wrongly.
def read_idx(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = bytearray(file.read())
    if data[:2] != b"\x00\x00":
        raise ValueError("bad magic number")
    start = 4 + 4 * data[3]
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    return torch.frombuffer(data, dtype=torch.uint8)[start:].reshape(shape)


# %% mistake: only-type-checked
# exercise: read_idx
# fails: test_read_idx_refuses_another_magic_number
# advice: You check the type of the values, but not that the first two bytes are zero.
def read_idx(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = bytearray(file.read())
    if data[2] != 8:
        raise ValueError("bad magic number")
    start = 4 + 4 * data[3]
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    return torch.frombuffer(data, dtype=torch.uint8)[start:].reshape(shape)


# %% mistake: assertion-for-an-error
# exercise: read_idx
# fails: test_read_idx_refuses_another_magic_number
# advice: An assert is a note to yourself, and Python -O leaves it out. For a bad file raise a ValueError.
def read_idx(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = bytearray(file.read())
    assert data[:3] == b"\x00\x00\x08"
    start = 4 + 4 * data[3]
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    assert len(data) == start + math.prod(shape)
    return torch.frombuffer(data, dtype=torch.uint8)[start:].reshape(shape)


# %% mistake: length-not-checked
# exercise: read_idx
# fails: test_read_idx_refuses_a_file_that_is_cut
# advice: A file that is too short ends in torch's own RuntimeError about a shape. Compare the number of bytes with what
# the header promises, and raise a ValueError that says so.
def read_idx(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = bytearray(file.read())
    if data[:3] != b"\x00\x00\x08":
        raise ValueError("bad magic number")
    start = 4 + 4 * data[3]
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    return torch.frombuffer(data, dtype=torch.uint8)[start:].reshape(shape)


# %% mistake: fewer-items-than-promised
# exercise: read_idx
# fails: test_read_idx_refuses_a_file_that_is_cut
# advice: You give out as many items as the file happens to hold, and nobody learns that the rest is lost. Compare with
# the number in the header, and raise a ValueError.
def read_idx(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = bytearray(file.read())
    if data[:3] != b"\x00\x00\x08":
        raise ValueError("bad magic number")
    start = 4 + 4 * data[3]
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    return torch.frombuffer(data, dtype=torch.uint8)[start:].reshape(-1, *shape[1:])


# %% mistake: filled-up-with-zeros
# exercise: read_idx
# fails: test_read_idx_refuses_a_file_that_is_cut
# advice: You fill up with zeros what the file lacks: a black picture that nobody drew. Raise a ValueError instead.
def read_idx(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = bytearray(file.read())
    if data[:3] != b"\x00\x00\x08":
        raise ValueError("bad magic number")
    start = 4 + 4 * data[3]
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    values = torch.zeros(math.prod(shape), dtype=torch.uint8)
    values[: len(data) - start] = torch.frombuffer(data, dtype=torch.uint8)[start:]
    return values.reshape(shape)


# %% mistake: cut-header
# exercise: read_idx
# fails: test_read_idx_refuses_a_file_that_is_cut
# advice: A file that ends within its header gives a struct.error. Look at the number of bytes before you unpack them,
# and raise a ValueError.
def read_idx(path):
    import struct

    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    if data[:3] != b"\x00\x00\x08":
        raise ValueError("bad magic number")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    values = bytearray(data[4 + 4 * data[3] :])
    if len(values) != math.prod(shape):
        raise ValueError("the file is too short")
    return torch.frombuffer(values, dtype=torch.uint8).reshape(shape)


# %% mistake: read-only-memory
# exercise: read_idx
# fails: test_read_idx_gives_memory_that_may_be_written
# advice: Your tensor shares the memory of a bytes object, which Python promises never to change; writing to the tensor
# breaks that promise, and torch warns of it. Copy the values, or make the tensor over a bytearray.
_right_read_idx = read_idx


def read_idx(path):
    values = _right_read_idx(path)
    return torch.frombuffer(values.numpy().tobytes(), dtype=torch.uint8).reshape(values.shape)


# %% mistake: train-ignored
# exercise: load_mnist
# fails: test_load_mnist_gives_both_splits_as_tensors
# advice: You load the training digits whatever `train` says. A test on these would tell nothing: pass `train` on.
def load_mnist(root, train):
    return datasets.MNIST(root, transform=v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]))


# %% mistake: splits-swapped
# exercise: load_mnist
# fails: test_load_mnist_gives_both_splits_as_tensors
# advice: You give the test digits for train=True and the other way round.
_right_load_mnist = load_mnist


def load_mnist(root, train):
    return _right_load_mnist(root, not train)


# %% mistake: pil-image-left
# exercise: load_mnist
# fails: test_load_mnist_gives_both_splits_as_tensors
# advice: Your items are PIL images, which no model takes. Give the dataset a transform that makes tensors of them.
def load_mnist(root, train):
    return datasets.MNIST(root, train=train)


# %% mistake: bytes-left
# exercise: load_mnist
# fails: test_load_mnist_gives_both_splits_as_tensors
# advice: Your images are tensors, but still bytes (uint8). Add a step that makes them float32 and scales them.
def load_mnist(root, train):
    return datasets.MNIST(root, train=train, transform=v2.ToImage())


# %% mistake: no-channel
# exercise: load_mnist
# fails: test_load_mnist_gives_both_splits_as_tensors
# advice: Your images have shape (28, 28). Images have a dimension for the channels, even when there is only one of
# them.
def load_mnist(root, train):
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Lambda(lambda image: image[0])]
    return datasets.MNIST(root, train=train, transform=v2.Compose(steps))


# %% mistake: label-as-tensor
# exercise: load_mnist
# fails: test_load_mnist_gives_both_splits_as_tensors
# advice: Your labels are tensors. torchvision's MNIST gives ints by itself, and a DataLoader makes int64 tensors of
# them.
def load_mnist(root, train):
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    return datasets.MNIST(root, train=train, transform=transform, target_transform=torch.tensor)


# %% mistake: not-scaled
# exercise: load_mnist
# fails: test_load_mnist_scales_the_pixels
# advice: Your pixels are floats, but still go from 0 to 255. ToDtype scales only if you tell it to.
def load_mnist(root, train):
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32)])
    return datasets.MNIST(root, train=train, transform=transform)


# %% mistake: scaled-twice
# exercise: load_mnist
# fails: test_load_mnist_scales_the_pixels
# advice: You divide by 255 twice: ToDtype with scale=True has done it already.
def load_mnist(root, train):
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Lambda(lambda image: image / 255)]
    return datasets.MNIST(root, train=train, transform=v2.Compose(steps))


# %% mistake: scaled-by-256
# exercise: load_mnist
# fails: test_load_mnist_scales_the_pixels
# advice: You divide by 256, so that white is a little less than 1. A byte goes from 0 to 255.
def load_mnist(root, train):
    steps = [v2.ToImage(), v2.ToDtype(torch.float32), v2.Lambda(lambda image: image / 256)]
    return datasets.MNIST(root, train=train, transform=v2.Compose(steps))


# %% mistake: normalised-too
# exercise: load_mnist
# fails: test_load_mnist_scales_the_pixels
# advice: You also normalise by mean and standard deviation. That comes in a later exercise: here pixels go from 0 to 1.
def load_mnist(root, train):
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.1307], [0.3081])]
    return datasets.MNIST(root, train=train, transform=v2.Compose(steps))


# %% mistake: minus-one-to-one
# exercise: load_mnist
# fails: test_load_mnist_scales_the_pixels
# advice: Your pixels go from -1 to 1. Leave the normalising out: here they go from 0 to 1.
def load_mnist(root, train):
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]
    return datasets.MNIST(root, train=train, transform=v2.Compose(steps))


# %% mistake: tries-to-download
# exercise: load_mnist
# fails: test_load_mnist_says_so_when_files_are_missing
# advice: When files are missing you try to download them, behind the caller's back and perhaps without a network. Leave
# download at False, and let the error say what is missing.
def load_mnist(root, train):
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    return datasets.MNIST(root, train=train, transform=transform, download=True)


# %% mistake: made-up-digits
# exercise: load_mnist
# fails: test_load_mnist_says_so_when_files_are_missing
# advice: When files are missing you go on with something else in their place, and nobody learns of it. Let the error
# through.
_right_load_mnist = load_mnist


def load_mnist(root, train):
    try:
        return _right_load_mnist(root, train)
    except Exception:
        return TensorDataset(torch.rand(10, 1, 28, 28), torch.arange(10))


# %% mistake: last-part-takes-the-rest
# exercise: split_indices
# fails: test_split_indices_gives_each_part_its_share
# advice: You round each size down and give all that is left to the last part, which may get several indices too many.
# Round the places of the cuts instead.
def split_indices(n, fractions, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    sizes = [int(n * fraction) for fraction in fractions[:-1]]
    return list(order.split([*sizes, n - sum(sizes)]))


# %% mistake: rounded-and-the-rest
# exercise: split_indices
# fails: test_split_indices_gives_each_part_its_share
# advice: You round each size and give what is left to the last part: the errors of all others add up there. Round the
# places of the cuts instead.
def split_indices(n, fractions, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    sizes = [round(n * fraction) for fraction in fractions[:-1]]
    return list(order.split([*sizes, n - sum(sizes)]))


# %% mistake: first-part-takes-the-rest
# exercise: split_indices
# fails: test_split_indices_gives_each_part_its_share
# advice: You round each size down and give all that is left to the first part, which may get several indices too many.
# Round the places of the cuts instead.
def split_indices(n, fractions, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    sizes = [int(n * fraction) for fraction in fractions[1:]]
    return list(order.split([n - sum(sizes), *sizes]))


# %% mistake: tuple
# exercise: split_indices
# fails: test_split_indices_gives_each_part_its_share
# advice: You return a tuple, as torch.split and torch.tensor_split do. Make a list of it.
_right_split_indices = split_indices


def split_indices(n, fractions, seed):
    return tuple(_right_split_indices(n, fractions, seed))


# %% mistake: plain-lists
# exercise: split_indices
# fails: test_split_indices_gives_each_part_its_share
# advice: Your parts are lists of ints. Make an int64 tensor of each.
_right_split_indices = split_indices


def split_indices(n, fractions, seed):
    return [part.tolist() for part in _right_split_indices(n, fractions, seed)]


# %% mistake: equal-parts
# exercise: split_indices
# fails: test_split_indices_gives_each_part_its_share
# advice: Your parts are all of one size. Each should have its own fraction of the indices.
def split_indices(n, fractions, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return list(order.tensor_split(len(fractions)))


# %% mistake: lost-to-rounding
# exercise: split_indices
# fails: test_split_indices_uses_each_index_once
# advice: You round each size down, and what is left over is in no part. Round the places of the cuts instead, the last
# of which is n itself.
def split_indices(n, fractions, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    parts, start = [], 0
    for fraction in fractions:
        size = int(n * fraction)
        parts.append(order[start : start + size])
        start += size
    return parts


# %% mistake: overlap
# exercise: split_indices
# fails: test_split_indices_uses_each_index_once
# advice: You draw each part anew from all indices, so that parts overlap, and the model is tested on what it was
# trained on. Shuffle once, then cut.
def split_indices(n, fractions, seed):
    generator = torch.Generator().manual_seed(seed)
    cuts = [round(n * sum(fractions[:k])) for k in range(len(fractions) + 1)]
    return [torch.randperm(n, generator=generator)[: b - a] for a, b in zip(cuts, cuts[1:])]


# %% mistake: every-part-from-the-start
# exercise: split_indices
# fails: test_split_indices_uses_each_index_once
# advice: Each of your parts starts at the beginning of the shuffled indices, so that they overlap. Let each part start
# where the one before it ends.
def split_indices(n, fractions, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    cuts = [round(n * sum(fractions[:k])) for k in range(len(fractions) + 1)]
    return [order[: b - a] for a, b in zip(cuts, cuts[1:])]


# %% mistake: with-replacement
# exercise: split_indices
# fails: test_split_indices_uses_each_index_once
# advice: You draw the indices independently: some come twice, and others never. You want a permutation of them.
def split_indices(n, fractions, seed):
    order = torch.randint(n, (n,), generator=torch.Generator().manual_seed(seed))
    return list(order.tensor_split([round(n * sum(fractions[:k])) for k in range(1, len(fractions))]))


# %% mistake: counted-from-one
# exercise: split_indices
# fails: test_split_indices_uses_each_index_once
# advice: Your indices go from 1 to n. They should go from 0 to n - 1.
_right_split_indices = split_indices


def split_indices(n, fractions, seed):
    return [part + 1 for part in _right_split_indices(n, fractions, seed)]


# %% mistake: not-shuffled
# exercise: split_indices
# fails: test_split_indices_depends_on_the_seed
# advice: You cut the indices as they come. Files are often sorted by class, and then the last part holds only the last
# classes. Shuffle before you cut.
def split_indices(n, fractions, seed):
    return list(torch.arange(n).tensor_split([round(n * sum(fractions[:k])) for k in range(1, len(fractions))]))


# %% mistake: shuffled-within-parts
# exercise: split_indices
# fails: test_split_indices_depends_on_the_seed
# advice: You cut first and shuffle each part by itself: part 0 still holds the first indices. Shuffle before you cut.
def split_indices(n, fractions, seed):
    generator = torch.Generator().manual_seed(seed)
    parts = torch.arange(n).tensor_split([round(n * sum(fractions[:k])) for k in range(1, len(fractions))])
    return [part[torch.randperm(len(part), generator=generator)] for part in parts]


# %% mistake: seed-ignored
# exercise: split_indices
# fails: test_split_indices_depends_on_the_seed
# advice: You shuffle without the seed, so that every call gives another split. Seed a generator with it.
def split_indices(n, fractions, seed):
    return list(torch.randperm(n).tensor_split([round(n * sum(fractions[:k])) for k in range(1, len(fractions))]))


# %% mistake: one-seed-for-all
# exercise: split_indices
# fails: test_split_indices_depends_on_the_seed
# advice: Every seed gives the same split. Seed your generator with the seed that you are given.
_right_split_indices = split_indices


def split_indices(n, fractions, seed):
    return _right_split_indices(n, fractions, 0)


# %% mistake: global-generator
# exercise: split_indices
# fails: test_split_indices_leaves_the_global_generators_alone
# advice: torch.manual_seed sets the global generator: all that the caller draws after this is changed. Make a
# torch.Generator of your own.
def split_indices(n, fractions, seed):
    torch.manual_seed(seed)
    return list(torch.randperm(n).tensor_split([round(n * sum(fractions[:k])) for k in range(1, len(fractions))]))


# %% mistake: global-generator-of-python
# exercise: split_indices
# fails: test_split_indices_leaves_the_global_generators_alone
# advice: random.seed sets Python's global generator: all that the caller draws after this is changed. Make a generator
# of your own.
def split_indices(n, fractions, seed):
    import random

    random.seed(seed)
    order = torch.tensor(random.sample(range(n), n))
    return list(order.tensor_split([round(n * sum(fractions[:k])) for k in range(1, len(fractions))]))


# %% mistake: global-generator-of-numpy
# exercise: split_indices
# fails: test_split_indices_leaves_the_global_generators_alone
# advice: numpy.random.seed sets NumPy's global generator: all that the caller draws after this is changed. Make a
# generator of your own.
def split_indices(n, fractions, seed):
    import numpy as np

    np.random.seed(seed)
    order = torch.from_numpy(np.random.permutation(n)).long()
    return list(order.tensor_split([round(n * sum(fractions[:k])) for k in range(1, len(fractions))]))


# %% mistake: drops-the-last
# exercise: make_loader
# fails: test_make_loader_drops_nothing
# advice: You drop the last batch when it is smaller, so that some items are never seen. Leave drop_last at False.
def make_loader(dataset, batch_size, train, seed):
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, generator=generator, drop_last=True)


# %% mistake: drops-the-last-in-evaluation
# exercise: make_loader
# fails: test_make_loader_drops_nothing
# advice: In evaluation you drop the last batch when it is smaller: the accuracy would be that of other items than asked
# for. Leave drop_last at False.
def make_loader(dataset, batch_size, train, seed):
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, generator=generator, drop_last=not train)


# %% mistake: drops-the-last-in-training
# exercise: make_loader
# fails: test_make_loader_drops_nothing
# advice: In training you drop the last batch when it is smaller. That can be wanted; here every item counts. Leave
# drop_last at False.
def make_loader(dataset, batch_size, train, seed):
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, generator=generator, drop_last=train)


# %% mistake: batch-size-ignored
# exercise: make_loader
# fails: test_make_loader_drops_nothing
# advice: Your batches have one item each, as they do when a DataLoader isn't told their size. Pass batch_size on.
def make_loader(dataset, batch_size, train, seed):
    return DataLoader(dataset, shuffle=train, generator=torch.Generator().manual_seed(seed))


# %% mistake: shuffles-in-evaluation
# exercise: make_loader
# fails: test_make_loader_keeps_the_order_in_evaluation
# advice: You shuffle in evaluation too, so that prediction i no longer belongs to item i. Shuffle only if `train` says
# so.
def make_loader(dataset, batch_size, train, seed):
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=True, generator=generator)


# %% mistake: train-inverted
# exercise: make_loader
# fails: test_make_loader_keeps_the_order_in_evaluation
# advice: You shuffle in evaluation, and not in training: it is the other way round.
def make_loader(dataset, batch_size, train, seed):
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=not train, generator=generator)


# %% mistake: global-generator-in-evaluation
# exercise: make_loader
# fails: test_make_loader_keeps_the_order_in_evaluation
# advice: You shuffle in evaluation too, and with the global generator. Shuffle only if `train` says so.
def make_loader(dataset, batch_size, train, seed):
    return DataLoader(dataset, batch_size=batch_size, shuffle=True)


# %% mistake: not-shuffled
# exercise: make_loader
# fails: test_make_loader_shuffles_in_training
# advice: You never shuffle. Files are often sorted, and a model that sees one class after the other forgets the first.
# Shuffle when `train` is True.
def make_loader(dataset, batch_size, train, seed):
    return DataLoader(dataset, batch_size=batch_size, generator=torch.Generator().manual_seed(seed))


# %% mistake: with-replacement
# exercise: make_loader
# fails: test_make_loader_shuffles_in_training
# advice: You draw items with replacement: in an epoch some come twice, and others never. Each should come exactly once.
def make_loader(dataset, batch_size, train, seed):
    from torch.utils.data import RandomSampler

    generator = torch.Generator().manual_seed(seed)
    sampler = RandomSampler(dataset, replacement=True, generator=generator) if train else None
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler)


# %% mistake: same-order-every-epoch
# exercise: make_loader
# fails: test_make_loader_shuffles_anew_each_epoch
# advice: You shuffle once, and every epoch has that same order and the same batches. Let the loader shuffle, which
# draws a new order for each epoch.
def make_loader(dataset, batch_size, train, seed):
    if train:
        order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
        dataset = Subset(dataset, order.tolist())
    return DataLoader(dataset, batch_size=batch_size)


# %% mistake: generator-seeded-every-epoch
# exercise: make_loader
# fails: test_make_loader_shuffles_anew_each_epoch
# advice: You seed the generator anew at the start of each epoch, so that each has the same order. Seed it once, and let
# it go on from there.
def make_loader(dataset, batch_size, train, seed):
    class Again(DataLoader):
        def __iter__(self):
            self.generator.manual_seed(seed)
            return super().__iter__()

    return Again(dataset, batch_size=batch_size, shuffle=train, generator=torch.Generator())


# %% mistake: global-generator-seeded
# exercise: make_loader
# fails: test_make_loader_depends_on_the_seed_alone
# advice: torch.manual_seed sets the global generator, and the loader shuffles only later, when others may have drawn
# from it. Give the DataLoader a generator of its own.
def make_loader(dataset, batch_size, train, seed):
    torch.manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train)


# %% mistake: seed-ignored
# exercise: make_loader
# fails: test_make_loader_depends_on_the_seed_alone
# advice: You make no use of the seed: the order is another one in each run, and depends on all that draws random
# numbers. Give the DataLoader a generator, seeded with it.
def make_loader(dataset, batch_size, train, seed):
    return DataLoader(dataset, batch_size=batch_size, shuffle=train)


# %% mistake: one-seed-for-all
# exercise: make_loader
# fails: test_make_loader_depends_on_the_seed_alone
# advice: Every seed gives the same order. Seed the generator with the seed that you are given.
def make_loader(dataset, batch_size, train, seed):
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, generator=torch.Generator().manual_seed(0))


# %% mistake: one-generator-for-all
# exercise: make_loader
# fails: test_make_loader_depends_on_the_seed_alone
# advice: All your loaders share one generator, so that using one changes the order of the others. Make a new generator
# in each call.
_shared_generator = torch.Generator()


def make_loader(dataset, batch_size, train, seed):
    generator = _shared_generator.manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, generator=generator)


# %% mistake: cut-to-the-shortest
# exercise: pad_collate
# fails: test_pad_collate_gives_a_full_tensor_and_lengths
# advice: You cut all sequences to the shortest, and throw tokens away. Fill the short ones up to the longest instead.
def pad_collate(batch):
    lengths = torch.tensor([len(tokens) for tokens in batch])
    return torch.stack([tokens[: int(lengths.min())] for tokens in batch]), lengths


# %% mistake: fixed-length
# exercise: pad_collate
# fails: test_pad_collate_gives_a_full_tensor_and_lengths
# advice: You pad to a length fixed in your code: short batches waste work, and long sequences will not fit. T is the
# longest of this batch.
def pad_collate(batch):
    padded = torch.zeros(len(batch), 10, dtype=torch.int64)
    for row, tokens in zip(padded, batch):
        for i in range(min(10, len(tokens))):
            row[i] = tokens[i]
    return padded, torch.tensor([len(tokens) for tokens in batch])


# %% mistake: time-first
# exercise: pad_collate
# fails: test_pad_collate_gives_a_full_tensor_and_lengths
# advice: Your tensor is (T, B), as pad_sequence makes it when it isn't told otherwise. Look up its batch_first.
def pad_collate(batch):
    return pad_sequence(batch), torch.tensor([len(tokens) for tokens in batch])


# %% mistake: float-tokens
# exercise: pad_collate
# fails: test_pad_collate_gives_a_full_tensor_and_lengths
# advice: Your tokens are floats: torch.zeros makes float32 unless you ask for int64. An embedding needs integers.
def pad_collate(batch):
    padded = torch.zeros(len(batch), max(len(tokens) for tokens in batch))
    for row, tokens in zip(padded, batch):
        row[: len(tokens)] = tokens
    return padded, torch.tensor([len(tokens) for tokens in batch])


# %% mistake: lengths-as-list
# exercise: pad_collate
# fails: test_pad_collate_gives_a_full_tensor_and_lengths
# advice: Your lengths are a list. Make an int64 tensor of them.
def pad_collate(batch):
    return pad_sequence(batch, batch_first=True), [len(tokens) for tokens in batch]


# %% mistake: one-length-for-all
# exercise: pad_collate
# fails: test_pad_collate_gives_a_full_tensor_and_lengths
# advice: Your second result is the length of the longest. Return a length for each sequence, (B,).
def pad_collate(batch):
    padded = pad_sequence(batch, batch_first=True)
    return padded, torch.tensor(padded.shape[1])


# %% mistake: pads-on-the-left
# exercise: pad_collate
# fails: test_pad_collate_pads_on_the_right
# advice: Your zeros stand to the left of the tokens. A sequence starts at position 0, and is filled up on the right.
def pad_collate(batch):
    lengths = torch.tensor([len(tokens) for tokens in batch])
    return pad_sequence(batch, batch_first=True, padding_side="left"), lengths


# %% mistake: lengths-after-padding
# exercise: pad_collate
# fails: test_pad_collate_pads_on_the_right
# advice: You take the lengths after padding, when all rows are equally long. Take them from the sequences as they came.
def pad_collate(batch):
    padded = pad_sequence(batch, batch_first=True)
    return padded, torch.tensor([len(row) for row in padded])


# %% mistake: pads-with-minus-one
# exercise: pad_collate
# fails: test_pad_collate_pads_on_the_right
# advice: You pad with -1, which is no index of an embedding. Tokens start at 1 so that 0 is free for the padding.
def pad_collate(batch):
    lengths = torch.tensor([len(tokens) for tokens in batch])
    return pad_sequence(batch, batch_first=True, padding_value=-1), lengths


# %% mistake: repeats-the-last-token
# exercise: pad_collate
# fails: test_pad_collate_pads_on_the_right
# advice: You fill up with the last token of each sequence. Padding must be told from tokens: use 0.
def pad_collate(batch):
    lengths = torch.tensor([len(tokens) for tokens in batch])
    longest = int(lengths.max())
    return torch.stack([tokens[torch.arange(longest).clamp(max=len(tokens) - 1)] for tokens in batch]), lengths


# %% mistake: sorted-by-length
# exercise: pad_collate
# fails: test_pad_collate_pads_on_the_right
# advice: You sort the sequences by length, so that they no longer belong to their labels. Keep the order of the batch.
def pad_collate(batch):
    batch = sorted(batch, key=len, reverse=True)
    return pad_sequence(batch, batch_first=True), torch.tensor([len(tokens) for tokens in batch])


# %% mistake: one-value-for-all-channels
# exercise: channel_statistics
# fails: test_channel_statistics_has_one_value_for_each_channel
# advice: You average over the channels too. Keep their dimension: there should be one mean for each channel.
def channel_statistics(loader):
    pixels = torch.cat([images for images, _ in loader])
    return pixels.mean(), pixels.std(correction=0)


# %% mistake: one-value-for-each-pixel
# exercise: channel_statistics
# fails: test_channel_statistics_has_one_value_for_each_channel
# advice: You average over the images only, and get an average image. Reduce over rows and columns as well.
def channel_statistics(loader):
    pixels = torch.cat([images for images, _ in loader])
    return pixels.mean(0), pixels.std(0, correction=0)


# %% mistake: one-value-for-each-row
# exercise: channel_statistics
# fails: test_channel_statistics_has_one_value_for_each_channel
# advice: You reduce over the wrong dimensions: one of your results for each row of pixels. The channels are dimension
# 1.
def channel_statistics(loader):
    pixels = torch.cat([images for images, _ in loader])
    return pixels.mean((0, 1, 3)), pixels.std((0, 1, 3), correction=0)


# %% mistake: one-value-for-each-image
# exercise: channel_statistics
# fails: test_channel_statistics_has_one_value_for_each_channel
# advice: You average each image by itself. Reduce over the images too, so that (C,) is left.
def channel_statistics(loader):
    pixels = torch.cat([images for images, _ in loader])
    return pixels.mean((2, 3)), pixels.std((2, 3), correction=0)


# %% mistake: sample-std
# exercise: channel_statistics
# fails: test_channel_statistics_of_one_batch
# advice: You divide by n - 1, torch's default for std and var. Asked for is the population's: divided by n.
def channel_statistics(loader):
    pixels = torch.cat([images for images, _ in loader])
    return pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))


# %% mistake: variance
# exercise: channel_statistics
# fails: test_channel_statistics_of_one_batch
# advice: You return the variance. The standard deviation is its square root.
def channel_statistics(loader):
    pixels = torch.cat([images for images, _ in loader])
    return pixels.mean((0, 2, 3)), pixels.var((0, 2, 3), correction=0)


# %% mistake: all-channels-counted
# exercise: channel_statistics
# fails: test_channel_statistics_of_one_batch
# advice: You divide by the number of values in all channels. Count those of one channel.
def channel_statistics(loader):
    pixels = torch.cat([images for images, _ in loader]).double()
    mean = pixels.sum((0, 2, 3)) / pixels.numel()
    return mean.float(), (pixels.square().sum((0, 2, 3)) / pixels.numel() - mean.square()).sqrt().float()


# %% mistake: root-mean-square
# exercise: channel_statistics
# fails: test_channel_statistics_of_one_batch
# advice: You forget to subtract the square of the mean: the root of the mean square tells how far from 0 the values
# are, not how far from their mean.
def channel_statistics(loader):
    pixels = torch.cat([images for images, _ in loader])
    return pixels.mean((0, 2, 3)), pixels.square().mean((0, 2, 3)).sqrt()


# %% mistake: mean-of-batches
# exercise: channel_statistics
# fails: test_channel_statistics_over_uneven_batches
# advice: You average the means and the standard deviations of the batches. A smaller last batch then counts as much as
# a full one, and what lies between the batches is missing. Add up counts, sums and sums of squares instead.
def channel_statistics(loader):
    means = torch.stack([images.mean((0, 2, 3)) for images, _ in loader])
    stds = torch.stack([images.std((0, 2, 3), correction=0) for images, _ in loader])
    return means.mean(0), stds.mean(0)


# %% mistake: mean-of-batch-means
# exercise: channel_statistics
# fails: test_channel_statistics_over_uneven_batches
# advice: Your mean is the mean of the batches' means: a smaller last batch counts as much as a full one. Weigh each
# with its number of pixels, or add up sums.
def channel_statistics(loader):
    mean = torch.stack([images.mean((0, 2, 3)) for images, _ in loader]).mean(0)
    return mean, torch.cat([images for images, _ in loader]).std((0, 2, 3), correction=0)


# %% mistake: mean-of-batch-stds
# exercise: channel_statistics
# fails: test_channel_statistics_over_uneven_batches
# advice: Your mean is right, but you average the standard deviations of the batches: how far the batches lie apart is
# missing. Add up squares, and take the root once, at the end.
def channel_statistics(loader):
    std = torch.stack([images.std((0, 2, 3), correction=0) for images, _ in loader]).mean(0)
    return torch.cat([images for images, _ in loader]).mean((0, 2, 3)), std


# %% mistake: weighted-mean-of-batch-stds
# exercise: channel_statistics
# fails: test_channel_statistics_over_uneven_batches
# advice: You weigh the batches by their sizes, which makes the mean right. Standard deviations can't be averaged,
# weighted or not: how far the batches lie apart is missing. Add up squares, and take the root once, at the end.
def channel_statistics(loader):
    count, mean, std = 0, 0, 0
    for images, _ in loader:
        mean = mean + len(images) * images.mean((0, 2, 3))
        std = std + len(images) * images.std((0, 2, 3), correction=0)
        count += len(images)
    return mean / count, std / count


# %% mistake: mean-of-batch-variances
# exercise: channel_statistics
# fails: test_channel_statistics_over_uneven_batches
# advice: You average the variances within the batches: how far the batches lie apart is missing. The squares must be
# taken around one mean, that of all pixels.
def channel_statistics(loader):
    count, mean, variance = 0, 0, 0
    for images, _ in loader:
        mean = mean + len(images) * images.mean((0, 2, 3))
        variance = variance + len(images) * images.var((0, 2, 3), correction=0)
        count += len(images)
    return mean / count, (variance / count).sqrt()


# %% mistake: mean-square-of-batches
# exercise: channel_statistics
# fails: test_channel_statistics_over_uneven_batches
# advice: You average means and mean squares over the batches, each batch alike: a smaller last one counts too much.
# Divide the sums by the number of pixels, once, at the end.
def channel_statistics(loader):
    mean = torch.stack([images.mean((0, 2, 3)) for images, _ in loader]).mean(0)
    square = torch.stack([images.square().mean((0, 2, 3)) for images, _ in loader]).mean(0)
    return mean, (square - mean.square()).clamp(min=0).sqrt()


# %% mistake: last-batch-only
# exercise: channel_statistics
# fails: test_channel_statistics_over_uneven_batches
# advice: Your result is that of the last batch alone. Carry totals from batch to batch.
def channel_statistics(loader):
    for images, _ in loader:
        mean, std = images.mean((0, 2, 3)), images.std((0, 2, 3), correction=0)
    return mean, std


# %% mistake: first-batch-only
# exercise: channel_statistics
# fails: test_channel_statistics_over_uneven_batches
# advice: Your result is that of the first batch alone. Go through the whole loader.
def channel_statistics(loader):
    images, _ = next(iter(loader))
    return images.mean((0, 2, 3)), images.std((0, 2, 3), correction=0)


# %% mistake: deprecated-totensor
# exercise: eval_transform
# fails: test_eval_transform_gives_a_float_tensor
# advice: ToTensor is deprecated, and leaves a tensor as it is, unscaled. Chain ToImage and ToDtype instead.
def eval_transform():
    return v2.Compose([v2.ToTensor(), v2.Normalize([0.1307], [0.3081])])


# %% mistake: no-image-tensor
# exercise: eval_transform
# fails: test_eval_transform_gives_a_float_tensor
# advice: A PIL image is left a PIL image: ToDtype and Normalize work on tensors. Make an image tensor first.
def eval_transform():
    return v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Lambda(lambda x: x)])


# %% mistake: bytes-left
# exercise: eval_transform
# fails: test_eval_transform_gives_a_float_tensor
# advice: Your result is still uint8. Scale it to float32, then normalise it.
def eval_transform():
    return v2.ToImage()


# %% mistake: not-normalised
# exercise: eval_transform
# fails: test_eval_transform_scales_then_normalises
# advice: You scale to [0, 1], but do not normalise. Subtract the mean and divide by the standard deviation.
def eval_transform():
    return v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])


# %% mistake: normalise-before-scaling
# exercise: eval_transform
# fails: test_eval_transform_scales_then_normalises
# advice: You normalise pixels from 0 to 255 by statistics that were measured on [0, 1]. Scale first.
def eval_transform():
    steps = [v2.ToDtype(torch.float32), v2.Normalize([0.1307], [0.3081]), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose([v2.ToImage(), *steps])


# %% mistake: scaled-after-normalising
# exercise: eval_transform
# fails: test_eval_transform_scales_then_normalises
# advice: You normalise first and divide by 255 afterwards. The statistics belong to pixels from 0 to 1: scale first.
def eval_transform():
    steps = [v2.ToDtype(torch.float32), v2.Normalize([0.1307], [0.3081]), v2.Lambda(lambda image: image / 255)]
    return v2.Compose([v2.ToImage(), *steps])


# %% mistake: mean-and-std-swapped
# exercise: eval_transform
# fails: test_eval_transform_scales_then_normalises
# advice: You swap mean and standard deviation: Normalize takes the means first.
def eval_transform():
    steps = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.3081], [0.1307])]
    return v2.Compose([v2.ToImage(), *steps])


# %% mistake: minus-one-to-one
# exercise: eval_transform
# fails: test_eval_transform_scales_then_normalises
# advice: You normalise by 0.5 and 0.5. Use the statistics of MNIST that the lesson gives.
def eval_transform():
    steps = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]
    return v2.Compose([v2.ToImage(), *steps])


# %% mistake: scaled-twice
# exercise: eval_transform
# fails: test_eval_transform_scales_then_normalises
# advice: You divide by 255 twice: ToDtype with scale=True has done it already.
def eval_transform():
    steps = [v2.ToDtype(torch.float32, scale=True), v2.Lambda(lambda x: x / 255), v2.Normalize([0.1307], [0.3081])]
    return v2.Compose([v2.ToImage(), *steps])


# %% mistake: random-in-evaluation
# exercise: eval_transform
# fails: test_eval_transform_is_not_random
# advice: You change images at random in evaluation, so that the same model gets another accuracy each time. Augment in
# training only.
def eval_transform():
    return train_transform()


# %% mistake: flipped
# exercise: eval_transform
# fails: test_eval_transform_is_not_random
# advice: Your digits come out mirrored, left to right. Leave their pixels in their places.
def eval_transform():
    steps = [v2.ToImage(), v2.RandomHorizontalFlip(1.0), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose([*steps, v2.Normalize([0.1307], [0.3081])])


# %% mistake: transposed
# exercise: eval_transform
# fails: test_eval_transform_is_not_random
# advice: Your digits come out mirrored along their diagonal: rows and columns are swapped somewhere.
def eval_transform():
    steps = [v2.ToImage(), v2.Lambda(lambda image: image.mT), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose([*steps, v2.Normalize([0.1307], [0.3081])])


# %% mistake: deprecated-totensor
# exercise: train_transform
# fails: test_train_transform_gives_a_float_tensor
# advice: ToTensor is deprecated, and leaves a tensor as it is, unscaled. Chain ToImage and ToDtype instead.
def train_transform():
    return v2.Compose([v2.RandomRotation(10), v2.ToTensor(), v2.Normalize([0.1307], [0.3081])])


# %% mistake: other-size
# exercise: train_transform
# fails: test_train_transform_gives_a_float_tensor
# advice: Your images grow or shrink. The result is 28 x 28: a crop needs a padding, and must cut back to 28.
def train_transform():
    steps = [v2.ToImage(), v2.RandomCrop(24), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.1307], [0.3081])]
    return v2.Compose(steps)


# %% mistake: padded-and-not-cut
# exercise: train_transform
# fails: test_train_transform_gives_a_float_tensor
# advice: You enlarge the images and do not cut them back to 28 x 28.
def train_transform():
    return v2.Compose([eval_transform(), v2.RandomRotation(10, expand=True)])


# %% mistake: bytes-left
# exercise: train_transform
# fails: test_train_transform_gives_a_float_tensor
# advice: Your result is still uint8. Scale it to float32, then normalise it.
def train_transform():
    return v2.Compose([v2.ToImage(), v2.RandomRotation(10)])


# %% mistake: not-normalised
# exercise: train_transform
# fails: test_train_transform_scales_then_normalises
# advice: You scale to [0, 1], but do not normalise. A model must see training and test images on the same scale.
def train_transform():
    return v2.Compose([v2.ToImage(), v2.RandomRotation(10), v2.ToDtype(torch.float32, scale=True)])


# %% mistake: normalise-before-scaling
# exercise: train_transform
# fails: test_train_transform_scales_then_normalises
# advice: You normalise pixels from 0 to 255 by statistics that were measured on [0, 1]. Scale first.
def train_transform():
    steps = [v2.ToDtype(torch.float32), v2.Normalize([0.1307], [0.3081]), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose([v2.ToImage(), v2.RandomRotation(10), *steps])


# %% mistake: mean-and-std-swapped
# exercise: train_transform
# fails: test_train_transform_scales_then_normalises
# advice: You swap mean and standard deviation: Normalize takes the means first.
def train_transform():
    steps = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.3081], [0.1307])]
    return v2.Compose([v2.ToImage(), v2.RandomRotation(10), *steps])


# %% mistake: no-augmentation
# exercise: train_transform
# fails: test_train_transform_draws_anew_for_each_image
# advice: Nothing is random here: training would see the same images in every epoch. Add a small random shift or
# rotation.
def train_transform():
    return eval_transform()


# %% mistake: drawn-once
# exercise: train_transform
# fails: test_train_transform_draws_anew_for_each_image
# advice: You draw the shift or the angle once, when the transform is made, and every image gets the same. Use a
# transform that draws each time it is called.
def train_transform():
    angle = torch.empty(1).uniform_(-10, 10).item()
    return v2.Compose([v2.ToImage(), v2.RandomRotation((angle, angle)), eval_transform()])


# %% mistake: flip
# exercise: train_transform
# fails: test_train_transform_draws_anew_for_each_image
# advice: You mirror images at random. That suits cats, but a digit seen in a mirror is no digit. Shift or rotate a
# little.
def train_transform():
    return v2.Compose([v2.RandomHorizontalFlip(), eval_transform()])
