# Other right solutions of section 5; grader.mistakes describes the format.

# %% alternative: tensor-dataset
# exercise: TabularDataset
class TabularDataset(TensorDataset):
    def __init__(self, features, labels):
        super().__init__(torch.as_tensor(features, dtype=torch.float32), torch.as_tensor(labels, dtype=torch.long))


# %% alternative: convert-each-item
# exercise: TabularDataset
class TabularDataset:
    def __init__(self, x, y):
        self.table, self.labels = x, y

    def __len__(self):
        return self.table.shape[0]

    def __getitem__(self, i):
        return [self.table[i].float().clone(), torch.tensor(self.labels[i].item())]


# %% alternative: struct-and-numpy
# exercise: read_idx
def read_idx(path):
    import struct

    import numpy as np

    with gzip.open(path, "rb") if Path(path).suffix == ".gz" else open(path, "rb") as stream:
        head = stream.read(4)
        if len(head) != 4:
            raise ValueError("no header")
        zeros, kind, ndim = struct.unpack(">HBB", head)
        if zeros != 0 or kind != 8:
            raise ValueError("bad magic number")
        sizes = stream.read(4 * ndim)
        if len(sizes) != 4 * ndim:
            raise ValueError("header too short")
        shape = struct.unpack(f">{ndim}I", sizes)
        values = np.frombuffer(stream.read(), dtype=np.uint8)
    if values.size != math.prod(shape):
        raise ValueError("wrong number of values")
    return torch.from_numpy(values.reshape(shape).copy())


# %% alternative: known-magic-numbers
# exercise: read_idx
def read_idx(path):
    import numpy as np

    data = Path(path).read_bytes()
    if str(path).endswith(".gz"):
        data = gzip.decompress(data)
    magic = int.from_bytes(data[:4], "big")
    if magic == 2049:
        dims = np.frombuffer(data, dtype=">i4", count=1, offset=4).tolist()
        values = data[8:]
    elif magic == 2051:
        dims = np.frombuffer(data, dtype=">i4", count=3, offset=4).tolist()
        values = data[16:]
    else:
        raise ValueError(f"magic number {magic}")
    if len(values) < math.prod(dims):
        raise ValueError("short file")
    return torch.tensor(np.frombuffer(values, np.uint8).reshape(dims))


# %% alternative: shared-then-cloned
# exercise: read_idx
def read_idx(path):
    import numpy as np

    try:
        with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as stream:
            raw = stream.read()
    except (EOFError, OSError) as error:
        raise ValueError("cannot be read") from error
    if len(raw) < 4 or raw[:2] != bytes(2) or raw[2] != 8:
        raise ValueError("not IDX")
    ndim = raw[3]
    if len(raw) < 4 * (ndim + 1):
        raise ValueError("header cut")
    shape = tuple(np.frombuffer(raw, ">u4", ndim, 4).astype(int))
    if len(raw) != 4 * (ndim + 1) + np.prod(shape):
        raise ValueError("length")
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 * (ndim + 1)).reshape(shape)).clone()


# %% alternative: pil-to-tensor
# exercise: load_mnist
def load_mnist(root, train):
    transform = v2.Compose([v2.PILToTensor(), v2.Lambda(lambda image: image.float().div_(255.0))])
    return datasets.MNIST(root=str(root), train=train, transform=transform)


# %% alternative: wrapped
# exercise: load_mnist
class _Scaled(Dataset):
    def __init__(self, mnist):
        self.mnist = mnist

    def __len__(self):
        return len(self.mnist)

    def __getitem__(self, index):
        image, label = self.mnist[index]
        return v2.functional.to_dtype(v2.functional.to_image(image), torch.float32, scale=True), label


def load_mnist(root, train):
    if not (Path(root) / "MNIST").exists():
        raise FileNotFoundError(f"no MNIST in {root}")
    return _Scaled(datasets.MNIST(root, train))


# %% alternative: own-reader
# exercise: load_mnist
class _Digits(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index].unsqueeze(0).float() / 255, self.labels[index].item()


def load_mnist(root, train):
    stem = Path(root) / "MNIST" / "raw" / ("train" if train else "t10k")
    return _Digits(read_idx(f"{stem}-images-idx3-ubyte"), read_idx(f"{stem}-labels-idx1-ubyte"))


# %% alternative: random-split
# exercise: split_indices
def split_indices(n, fractions, seed):
    import warnings

    generator = torch.Generator().manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random_split tells of an empty part
        parts = torch.utils.data.random_split(range(n), fractions, generator=generator)
    return [torch.tensor(part.indices, dtype=torch.int64) for part in parts]


# %% alternative: largest-remainder
# exercise: split_indices
def split_indices(n, fractions, seed):
    import numpy as np

    sizes = [int(n * fraction) for fraction in fractions]
    rest = sorted(range(len(sizes)), key=lambda k: sizes[k] - n * fractions[k])
    for k in rest[: n - sum(sizes)]:
        sizes[k] += 1
    return list(torch.split(torch.from_numpy(np.random.default_rng(seed).permutation(n)), sizes))


# %% alternative: python-random-and-sorted-parts
# exercise: split_indices
def split_indices(n, fractions, seed):
    import random

    order = list(range(n))
    random.Random(seed).shuffle(order)
    edges = [0]
    for fraction in fractions:
        edges.append(edges[-1] + fraction * n)
    return [torch.LongTensor(sorted(order[round(a) : round(b)])) for a, b in zip(edges, edges[1:])]


# %% alternative: fork-the-global-generator
# exercise: split_indices
def split_indices(n, fractions, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        order = torch.randperm(n)
    return list(order.tensor_split([round(n * sum(fractions[:k])) for k in range(1, len(fractions))]))


# %% alternative: sampler
# exercise: make_loader
def make_loader(dataset, batch_size, train, seed):
    from torch.utils.data import RandomSampler, SequentialSampler

    generator = torch.Generator()
    generator.manual_seed(seed)
    sampler = RandomSampler(dataset, generator=generator) if train else SequentialSampler(dataset)
    return DataLoader(dataset, batch_size, sampler=sampler, drop_last=False)


# %% alternative: own-sampler
# exercise: make_loader
class _Orders:
    def __init__(self, n, seed):
        self.n, self.seed, self.epoch = n, seed, 0

    def __len__(self):
        return self.n

    def __iter__(self):
        self.epoch += 1
        generator = torch.Generator().manual_seed(1000 * self.seed + self.epoch)
        return iter(torch.randperm(self.n, generator=generator).tolist())


def make_loader(dataset, batch_size, train, seed):
    if not train:
        return DataLoader(dataset, batch_size=batch_size, shuffle=False)
    return DataLoader(dataset, batch_size=batch_size, sampler=_Orders(len(dataset), seed))


# %% alternative: rows-of-zeros
# exercise: pad_collate
def pad_collate(batch):
    lengths = torch.as_tensor([t.numel() for t in batch], dtype=torch.long)
    padded = batch[0].new_zeros(len(batch), lengths.max())
    for row, t in enumerate(batch):
        padded[row, : t.numel()] = t
    return padded, lengths


# %% alternative: pad-each
# exercise: pad_collate
def pad_collate(batch):
    longest = max(t.shape[0] for t in batch)
    rows = [torch.nn.functional.pad(t, (0, longest - t.shape[0])) for t in batch]
    padded = torch.stack(rows)
    return padded, (padded != 0).sum(1)


# %% alternative: transposed-view
# exercise: pad_collate
def pad_collate(batch):
    return [pad_sequence(batch).t(), torch.LongTensor([*map(len, batch)])]


# %% alternative: all-at-once
# exercise: channel_statistics
def channel_statistics(loader):
    images = torch.cat([x for x, _ in loader])
    std, mean = torch.std_mean(images, dim=(0, 2, 3), unbiased=False)
    return mean, std


# %% alternative: two-passes
# exercise: channel_statistics
def channel_statistics(loader):
    n = sum(x.size(0) * x.size(2) * x.size(3) for x, _ in loader)
    mean = sum(x.sum((0, 2, 3)) for x, _ in loader) / n
    variance = sum(((x - mean[None, :, None, None]) ** 2).sum((0, 2, 3)) for x, _ in loader) / n
    return mean, variance.sqrt()


# %% alternative: chan-update-in-float64
# exercise: channel_statistics
def channel_statistics(loader):
    n, mean, m2 = 0, None, None
    for x, _ in loader:
        x = x.transpose(0, 1).flatten(1).to(torch.float64)  # (C, pixels)
        k, batch_mean = x.shape[1], x.mean(1)
        batch_m2 = (x - batch_mean[:, None]).square().sum(1)
        if n == 0:
            n, mean, m2 = k, batch_mean, batch_m2
        else:
            delta = batch_mean - mean
            m2 = m2 + batch_m2 + delta**2 * n * k / (n + k)
            mean = mean + delta * k / (n + k)
            n += k
    return mean, (m2 / n) ** 0.5


# %% alternative: float32-sums
# exercise: channel_statistics
def channel_statistics(loader):
    s1 = s2 = n = 0
    for x, _ in loader:
        s1 = s1 + x.sum(dim=[0, 2, 3])
        s2 = s2 + (x * x).sum(dim=[0, 2, 3])
        n += x.numel() / x.shape[1]
    return s1 / n, torch.sqrt(s2 / n - (s1 / n) ** 2)


# %% alternative: plain-function
# exercise: eval_transform
def eval_transform():
    def transform(image):
        if not isinstance(image, Tensor):
            image = v2.functional.pil_to_tensor(image)
        return (image.to(torch.float32) / 255 - 0.1307) / 0.3081

    return transform


# %% alternative: module
# exercise: eval_transform
def eval_transform():
    normalize = v2.Normalize(mean=(0.1307,), std=(0.3081,), inplace=True)
    return torch.nn.Sequential(v2.ToImage(), v2.ToDtype(torch.float32, scale=True), normalize, v2.ToPureTensor())


# %% alternative: random-crop
# exercise: train_transform
def train_transform():
    return v2.Compose([v2.RandomCrop(28, padding=2), *eval_transform().transforms])


# %% alternative: rotate-at-the-end
# exercise: train_transform
def train_transform():
    fill = -0.1307 / 0.3081
    rotation = v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR, fill=fill)
    return v2.Compose([eval_transform(), v2.RandomApply([rotation], p=0.5)])


# %% alternative: roll
# exercise: train_transform
def train_transform():
    evaluate = eval_transform()

    def transform(image):
        shift = torch.randint(-2, 3, (2,)).tolist()
        return torch.roll(evaluate(image), shifts=shift, dims=(-2, -1))

    return transform


# %% alternative: old-transforms
# exercise: train_transform
def train_transform():
    from torchvision import transforms

    shift = transforms.RandomAffine(0, translate=(0.08, 0.08))
    return v2.Compose([v2.ToImage(), shift, v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.1307,), (0.3081,))])
