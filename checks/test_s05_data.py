"""Checks of section 5: data.

Files reach the sandbox as uint8 tensors of their bytes; the probes write them into temporary folders of their own, with
the network refused where a solution might try it.
"""

import contextlib
import gzip
import os
import random
import socket
import struct
import tempfile
import warnings
from unittest import mock

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms.v2 import functional

from grader.checks import assert_close, assert_equal, assert_tensor, check, fail, parts, require, show

# ------------------------------------------------------------------------------------------- TabularDataset


@check("TabularDataset", kind="shape", points=3)
def test_tabular_dataset_has_an_item_for_each_row(student, rng):
    """The length of the dataset is the number of rows."""
    for rows, columns in ((5, 3), (3, 7), (1, 2)):
        x, y = rng.normal(rows, columns), rng.integers(0, 5, rows)
        found = student.probe(length_of_dataset, x=x, y=y)
        assert_equal(found, rows, f"len(dataset) for x of shape ({rows}, {columns})")


def length_of_dataset(solution, x, y):
    return len(solution.TabularDataset(x, y))


@check("TabularDataset", kind="shape", points=3)
def test_tabular_dataset_gives_float_features_and_an_int_label(student, rng):
    """An item is float32 features of shape (D,) and an int64 label of shape (), whatever dtypes came in."""
    for x, y in (
        (rng.normal(5, 3), rng.integers(0, 5, 5)),
        (rng.normal(7, 2, dtype=torch.float64), rng.integers(0, 5, 7, dtype=torch.int32)),
        (rng.integers(0, 200, 1, 5, dtype=torch.uint8), rng.integers(0, 5, 1, dtype=torch.uint8)),
    ):
        items = parts(student.probe(all_items, x=x, y=y), len(x))
        given = f"of a dataset of {show(x.dtype)} features and {show(y.dtype)} labels"
        for i, item in enumerate(items):
            require(len(item) == 2, f"item {i} {given}: {len(item)} things came back, not a pair (features, label)")
            assert_tensor(item[0], (x.shape[1],), torch.float32, f"the features of item {i} {given}")
            assert_tensor(item[1], (), torch.int64, f"the label of item {i} {given}")


@check("TabularDataset", kind="value", points=3)
def test_tabular_dataset_takes_an_item_from_its_own_row(student, rng):
    """Item i is row i as it is, even when other rows hold NaN."""
    x, y = rng.normal(5, 3), rng.permutation(5)
    items = parts(student.probe(all_items, x=x, y=y), len(x))
    for i, (features, label) in enumerate(items):
        assert_close(features, x[i], f"the features of item {i}")
        assert_close(label, y[i], f"the label of item {i}")
    x[1] = float("nan")
    for i, (features, _) in enumerate(parts(student.probe(all_items, x=x, y=y), len(x))):
        assert_close(features, x[i], f"the features of item {i}, where only row 1 holds NaN")


def all_items(solution, x, y):
    dataset = solution.TabularDataset(x, y)
    return [[*dataset[i]] for i in range(len(x))]


@check("TabularDataset", kind="value", points=2)
def test_tabular_dataset_works_with_a_loader(student, rng):
    """A DataLoader makes batches of it, with an uneven last one."""
    x, y = rng.normal(7, 3, dtype=torch.float64), rng.integers(0, 5, 7, dtype=torch.int32)
    batches = student.probe(batches_of_tabular, x=x, y=y, batch_size=3)
    expected = [[x[i : i + 3].float(), y[i : i + 3].long()] for i in (0, 3, 6)]
    assert_close(batches, expected, "the batches of DataLoader(dataset, batch_size=3)")


def batches_of_tabular(solution, x, y, batch_size):
    loader = DataLoader(solution.TabularDataset(x, y), batch_size=batch_size)
    return [[*batch] for batch in loader]


# ------------------------------------------------------------------------------------------------- read_idx


@check("read_idx", kind="shape", points=3)
def test_read_idx_reads_labels(student, rng):
    """A file of labels (one dimension, a header of 8 bytes) becomes a uint8 tensor of shape (N,)."""
    # 65,536 is 00 01 00 00, and 256 if it is read with the bytes the other way round.
    for count in (65_536, 5):
        labels = rng.integers(0, 10, count, dtype=torch.uint8)
        found = student.probe(read_file, name="labels-idx1-ubyte", file=idx(labels))["result"]
        assert_tensor(found, (count,), torch.uint8, f"a file of {count} labels")
        assert_close(found, labels, f"a file of {count} labels")


@check("read_idx", kind="value", points=5)
def test_read_idx_reads_images(student, rng):
    """A file of images (three dimensions, a header of 16 bytes) becomes (N, rows, columns), columns fastest."""
    for shape in ((7, 3, 5), (1, 5, 2)):
        images = rng.integers(0, 256, *shape, dtype=torch.uint8)
        found = student.probe(read_file, name="images-idx3-ubyte", file=idx(images))["result"]
        assert_close(found, images, f"a file of {shape[0]} images, {shape[1]} rows x {shape[2]} columns")


@check("read_idx", kind="value", points=3)
def test_read_idx_unpacks_gzip(student):
    """A file whose name ends in .gz is unpacked on the way: here the first of the kit's test digits."""
    images, _ = real_digits(student, "t10k", 100)
    file = packed(gzip.compress(unpacked(idx(images)), mtime=0))
    found = student.probe(read_file, name="images-idx3-ubyte.gz", file=file)["result"]
    assert_close(found, images, "a gzipped file of real digits")


@check("read_idx", kind="value", points=2)
def test_read_idx_refuses_another_magic_number(student, rng):
    """A file that is no IDX file of unsigned bytes raises ValueError."""
    good = idx(rng.integers(0, 256, 2, 3, 5, dtype=torch.uint8))
    for start, what in (
        (b"\x89PNG", "starts as a PNG picture does"),
        (b"\x01\x00\x08\x03", "starts with 01 00 08 03: the first two bytes must be zero"),
        (b"\x00\x00\x07\x03", "starts with 00 00 07 03: there is no type 7"),
    ):
        file = torch.cat([packed(start), good[4:]])
        must_refuse(student, f"a file that {what}", "images-idx3-ubyte", file)


@check("read_idx", kind="value", points=3)
def test_read_idx_refuses_a_file_that_is_cut(student, rng):
    """A file that is shorter than its header says raises ValueError, and so does one that ends within its header."""
    images = rng.integers(0, 256, 5, 7, 3, dtype=torch.uint8)
    file = idx(images)
    one_more = torch.cat([packed(struct.pack(">4I", 2051, 6, 7, 3)), file[16:]])
    must_refuse(student, "a file that names 6 images and holds 5", "images-idx3-ubyte", one_more)
    must_refuse(student, "a file that lacks its last byte", "images-idx3-ubyte", file[:-1])
    must_refuse(student, "a file cut within its header, after 10 bytes", "images-idx3-ubyte", file[:10])
    must_refuse(student, "an empty file", "labels-idx1-ubyte", file[:0])
    zipped = packed(gzip.compress(unpacked(idx(rng.integers(0, 256, 500, dtype=torch.uint8))), mtime=0))
    half = zipped[: len(zipped) // 2]
    must_refuse(student, "a .gz cut in the middle", "labels-idx1-ubyte.gz", half, also="EOFError")


@check("read_idx", kind="state", points=2)
def test_read_idx_gives_memory_that_may_be_written(student, rng):
    """The result does not share the read-only memory of a bytes object: torch has nothing to warn of."""
    labels = rng.integers(0, 10, 7, dtype=torch.uint8)
    found = student.probe(read_file, name="labels-idx1-ubyte", file=idx(labels))
    assert_close(found["result"], labels)
    require(
        found["read_only"] is False,
        "the tensor shares memory with a bytes object, which must never be written to (torch warns of it):\n"
        "  copy the values, or make the tensor over a bytearray",
    )


def read_file(solution, name, file):
    """What read_idx makes of a file, and whether that shares the memory of something that must not be written to."""
    sources = []

    def spy(function):
        def call(*arguments, **named):
            sources.extend((*arguments[:1], *named.values()))
            return function(*arguments, **named)

        return call

    shares = ("from_numpy", "frombuffer", "as_tensor", "asarray")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*not writable")
        with mock.patch.multiple(torch, **{each: spy(getattr(torch, each)) for each in shares}):
            result = solution.read_idx(write(folder, name, file))
    return {"result": result, "read_only": any(is_read_only_view(result, source) for source in sources)}


def is_read_only_view(result, source):
    """Whether a tensor lies in the memory of a read-only bytes or NumPy array."""
    try:
        view = memoryview(source)
        if not view.readonly or not isinstance(result, torch.Tensor):
            return False
        array = np.asarray(view)
        return array.ctypes.data <= result.data_ptr() < array.ctypes.data + array.nbytes
    except (TypeError, ValueError):
        return False


def must_refuse(student, what, name, file, also="ValueError"):
    """The check fails unless reading this file raises a ValueError (or the other exception named)."""
    found = student.probe(outcome_of_reading, name=name, file=file)
    if found["raised"] is None:
        fail(f"{what}:\n  came back  {show(found['returned'])}\n  expected   ValueError")
    if "ValueError" not in found["raised"] and also not in found["raised"]:
        fail(f"{what}:\n  it raised  {found['raised'][0]}\n  expected   ValueError")


def outcome_of_reading(solution, name, file):
    """What read_idx returned, or the names of the exception's classes (its words are the learner's own)."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return {"raised": None, "returned": solution.read_idx(write(folder, name, file))}
        except NotImplementedError:
            raise
        except Exception as error:
            kinds = [kind for kind in type(error).__mro__ if kind is not object]
            names = [f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.") for kind in kinds]
            return {"raised": names, "returned": None}


def write(folder, name, file):
    """Write the bytes of a file; returns its path."""
    path = os.path.join(folder, name)
    with open(path, "wb") as opened:
        opened.write(file.numpy().tobytes())
    return path


def idx(values):
    """The IDX file of a uint8 tensor, as a tensor of bytes."""
    header = struct.pack(f">BBBB{values.dim()}I", 0, 0, 8, values.dim(), *values.shape)
    return torch.cat([packed(header), values.reshape(-1)])


def packed(data):
    """Bytes as a uint8 tensor, which a message shows well."""
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def unpacked(file):
    return file.numpy().tobytes()


def real_digits(student, split, count):
    """The first digits of the kit's own MNIST, read here with NumPy: images (n, 28, 28) uint8, labels (n,) uint8."""
    raw = student.data / "MNIST" / "raw"
    try:
        with open(raw / f"{split}-images-idx3-ubyte", "rb") as file:
            _, there, rows, columns = np.frombuffer(file.read(16), ">u4").tolist()
            count = min(count, there)
            images = np.frombuffer(file.read(count * rows * columns), np.uint8).reshape(count, rows, columns)
        with open(raw / f"{split}-labels-idx1-ubyte", "rb") as file:
            labels = np.frombuffer(file.read(8 + count), np.uint8)[8:]
    except (OSError, ValueError) as error:
        fail(f"this is no fault of yours: the kit's MNIST cannot be read ({error}). Put back the files in {raw}")
    return torch.tensor(images), torch.tensor(labels)


# ----------------------------------------------------------------------------------------------- load_mnist


@check("load_mnist", kind="shape", points=4)
def test_load_mnist_gives_both_splits_as_tensors(student, rng):
    """Each split has its own items: a (1, 28, 28) float32 image and an int."""
    files = {"train": made_up_digits(rng, 20), "t10k": made_up_digits(rng, 11)}
    for train, items in zip((True, False), loaded(student, files), strict=True):
        count = 20 if train else 11
        dataset = f"load_mnist(root, train={train})"
        require(len(items) == count, f"len({dataset}) is {len(items)}, and the files of this split hold {count} digits")
        for i, (image, label) in enumerate(items):
            assert_tensor(image, (1, 28, 28), torch.float32, f"the image of {dataset}[{i}]")
            require(type(label) is int, f"the label of {dataset}[{i}] is {show(label)}, not an int")


@check("load_mnist", kind="value", points=3)
def test_load_mnist_scales_the_pixels(student, rng):
    """Pixels 0 to 255 become 0 to 1, and labels stay with their images."""
    files = {"train": made_up_digits(rng, 20), "t10k": made_up_digits(rng, 11)}
    compare_digits(loaded(student, files), files)


@check("load_mnist", kind="value", points=2)
def test_load_mnist_reads_the_real_digits(student):
    """The same with the kit's own digits."""
    files = {"train": real_digits(student, "train", 200), "t10k": real_digits(student, "t10k", 100)}
    compare_digits(loaded(student, files), files)


@check("load_mnist", kind="state", points=3)
def test_load_mnist_says_so_when_files_are_missing(student, rng):
    """Without its files it raises an error, and never tries to download them."""
    whole = {"train": made_up_digits(rng, 20), "t10k": made_up_digits(rng, 11)}
    labels_lost = {"train": (whole["train"][0], None), "t10k": whole["t10k"]}
    images_lost = {"train": whole["train"], "t10k": (None, whole["t10k"][1])}
    nothing = {"train": (None, None), "t10k": (None, None)}
    for train, files, what in (
        (True, nothing, "an empty root"),
        (False, nothing, "an empty root"),
        (True, labels_lost, "a root without train-labels-idx1-ubyte"),
        (False, images_lost, "a root without t10k-images-idx3-ubyte"),
    ):
        found = student.probe(loading_without_files, train=train, **as_files(files))
        call = f"load_mnist(root, train={train}) with {what}"
        require(found["network"] is False, f"{call} tries to download the data: it must not touch the network")
        require(found["raised"] is True, f"{call} raises nothing: it must say at once that files are missing")


def made_up_digits(rng, count):
    images = rng.integers(0, 256, count, 28, 28, dtype=torch.uint8)
    images[:, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)
    return images, rng.integers(0, 10, count, dtype=torch.uint8)


def as_files(splits):
    """The four files (None: not there) of two splits of (images, labels), by argument of the probes."""
    (train_images, train_labels), (test_images, test_labels) = splits["train"], splits["t10k"]
    files = {
        "train_images": train_images,
        "train_labels": train_labels,
        "t10k_images": test_images,
        "t10k_labels": test_labels,
    }
    return {name: None if values is None else idx(values) for name, values in files.items()}


def loaded(student, files):
    """For train and test: all items of load_mnist, each [image, label]."""
    return student.probe(items_of_both_splits, **as_files(files))


def compare_digits(both, files):
    for train, items in zip((True, False), both, strict=True):
        images, labels = files["train" if train else "t10k"]
        dataset = f"load_mnist(root, train={train})"
        require(len(items) == len(images), f"len({dataset}) is {len(items)}, not {len(images)}")
        for i, (image, label) in enumerate(items):
            assert_close(image, images[i].float()[None] / 255, f"the image of {dataset}[{i}]")
            assert_equal(label, int(labels[i]), f"the label of {dataset}[{i}]")


def items_of_both_splits(solution, train_images, train_labels, t10k_images, t10k_labels):
    splits = []
    with tempfile.TemporaryDirectory() as root, no_network():
        fill_root(root, train_images, train_labels, t10k_images, t10k_labels)
        for train in (True, False):
            dataset = solution.load_mnist(root, train)
            items = [dataset[i] for i in range(len(dataset))]
            splits.append([[plain(image), label] for image, label in items])
    return splits


def loading_without_files(solution, train, train_images, train_labels, t10k_images, t10k_labels):
    """Whether loading (and reading an item) raised an error, and whether it tried to reach the network."""
    raised = False
    with tempfile.TemporaryDirectory() as root, no_network() as attempts:
        fill_root(root, train_images, train_labels, t10k_images, t10k_labels)
        try:
            solution.load_mnist(root, train)[0]
        except NotImplementedError:
            raise
        except Exception:
            raised = True
    return {"raised": raised, "network": bool(attempts)}


def fill_root(root, train_images, train_labels, t10k_images, t10k_labels):
    """Write the files that are not None where torchvision's MNIST looks for them."""
    raw = os.path.join(root, "MNIST", "raw")
    files = {
        "train-images-idx3-ubyte": train_images,
        "train-labels-idx1-ubyte": train_labels,
        "t10k-images-idx3-ubyte": t10k_images,
        "t10k-labels-idx1-ubyte": t10k_labels,
    }
    for name, file in files.items():
        if file is not None:
            os.makedirs(raw, exist_ok=True)
            write(raw, name, file)


@contextlib.contextmanager
def no_network():
    """Refuse every connection and every look-up of a name; yields the list of attempts."""
    attempts = []

    def refuse(*arguments, **named):
        attempts.append(True)
        raise OSError("a check has no network")

    with (
        mock.patch.multiple(socket, create_connection=refuse, getaddrinfo=refuse, gethostbyname=refuse),
        mock.patch.multiple(socket.socket, connect=refuse, connect_ex=refuse, sendto=refuse),
    ):
        yield attempts


def plain(image):
    """A tv_tensors.Image is as good as a tensor; whatever else stays as it is."""
    return image.as_subclass(torch.Tensor) if isinstance(image, torch.Tensor) else image


# -------------------------------------------------------------------------------------------- split_indices

SEED = 2357  # of splits and loaders: no seed that a run, and so the global generators, starts from
SPLITS = (
    (10, [0.7, 0.2, 0.1]),
    (11, [0.5, 0.25, 0.25]),
    (11, [0.15, 0.15, 0.15, 0.15, 0.4]),
    (13, [1.0]),
    (101, [0.8, 0.1, 0.1]),
)


@check("split_indices", kind="shape", points=3)
def test_split_indices_gives_each_part_its_share(student):
    """A list with an int64 tensor for each fraction, of a size within one of its share."""
    for n, fractions in SPLITS:
        parts = student.split_indices(n, fractions, SEED)
        require(type(parts) is list, f"the parts:\n  came back  {show(parts)}\n  expected   a list of tensors")
        require(len(parts) == len(fractions), f"{len(parts)} parts came back for {len(fractions)} fractions")
        for k, (part, fraction) in enumerate(zip(parts, fractions, strict=True)):
            assert_tensor(part, None, torch.int64, f"part {k}")
            require(part.dim() == 1, f"part {k} has shape {tuple(part.shape)}: indices have one dimension")
            require(
                abs(len(part) - n * fraction) <= 1 + 1e-6,
                f"part {k} has {len(part)} indices: its share is {n} * {fraction} = {n * fraction:g}, and the size may "
                "differ from that by at most one",
            )


@check("split_indices", kind="value", points=3)
def test_split_indices_uses_each_index_once(student):
    """No index is in two parts, and none is lost."""
    for n, fractions in (*SPLITS, (1, [0.5, 0.5])):
        parts = [assert_tensor(part, what="a part") for part in student.split_indices(n, fractions, SEED)]
        indices = torch.cat(parts).long().tolist() if parts else []
        twice = sorted({i for i in indices if indices.count(i) > 1})
        lost = sorted(set(range(n)) - set(indices))
        strange = sorted(set(indices) - set(range(n)))
        require(not strange, f"{show(strange)} came back: the indices go from 0 to {n - 1}")
        require(not twice, f"{_some(twice)} in there more than once: parts must not overlap")
        require(not lost, f"{_some(lost)} in no part: sizes {[len(p) for p in parts]} do not add up to {n}")


@check("split_indices", kind="state", points=3)
def test_split_indices_depends_on_the_seed(student):
    """The parts are drawn at random: the same for the same seed, others for another seed."""
    n, fractions = 101, [0.5, 0.3, 0.2]
    first, again, other = student.probe(parts_for_seeds, n=n, fractions=fractions, seeds=[SEED, SEED, SEED + 1])
    size = len(first[0])
    require(sorted(first[0].tolist()) != list(range(size)), f"part 0 holds just 0 to {size - 1}: nothing is shuffled")
    require(
        all(map(torch.equal, first, again)),
        f"split_indices({n}, {fractions}, {SEED}) gives another split when called again: seed a generator with it",
    )
    require(
        sorted(first[0].tolist()) != sorted(other[0].tolist()),
        f"seeds {SEED} and {SEED + 1} give the same part 0: the seed must decide what is drawn",
    )


@check("split_indices", kind="state", points=3)
def test_split_indices_leaves_the_global_generators_alone(student):
    """The split does not depend on the global random generators, and does not move them."""
    found = student.probe(split_and_global_generators, n=101, fractions=[0.5, 0.3, 0.2], seed=SEED)
    for name, moved in found["moved"].items():
        require(
            moved is False,
            f"the call moved the global generator of {name}: draw from a generator that you make yourself",
        )
    require(
        all(map(torch.equal, found["before"], found["after"])),
        "the split depends on the state of the global generators: draw from one that you make yourself",
    )


def parts_for_seeds(solution, n, fractions, seeds):
    return [[*solution.split_indices(n, fractions, seed)] for seed in seeds]


def split_and_global_generators(solution, n, fractions, seed):
    """Which global generators the call moves, and the split from two different states of these."""
    states = {
        "torch": lambda: torch.get_rng_state().tolist(),
        "NumPy": lambda: repr([part.tolist() if hasattr(part, "tolist") else part for part in np.random.get_state()]),
        "Python's random": random.getstate,
    }
    start = {name: state() for name, state in states.items()}
    before = [*solution.split_indices(n, fractions, seed)]
    moved = {name: state() != start[name] for name, state in states.items()}
    disturb_global_generators(11)
    return {"moved": moved, "before": before, "after": [*solution.split_indices(n, fractions, seed)]}


def _some(indices):
    shown = ", ".join(map(str, indices[:5]))
    more = f" and {len(indices) - 5} more" if len(indices) > 5 else ""
    return f"index {shown}{more} is" if len(indices) == 1 else f"indices {shown}{more} are"


# ---------------------------------------------------------------------------------------------- make_loader


@check("make_loader", kind="shape", points=3)
def test_make_loader_drops_nothing(student, rng):
    """Batches of the size asked for, and a smaller last one, in training and in evaluation."""
    for n, batch_size in ((11, 4), (3, 5), (6, 3)):
        sizes = [batch_size] * (n // batch_size) + ([n % batch_size] if n % batch_size else [])
        found = student.probe(sizes_of_batches, x=rng.normal(n, 3), batch_size=batch_size, seed=SEED)
        for train in (True, False):
            assert_equal(
                found[f"train={train}"],
                sizes,
                f"the sizes of the batches of {n} items with batch_size={batch_size}, train={train}",
            )


@check("make_loader", kind="value", points=3)
def test_make_loader_keeps_the_order_in_evaluation(student, rng):
    """With train=False the items come in order, in every epoch."""
    x = rng.normal(11, 3)
    found = student.probe(epochs_of_both_modes, x=x, batch_size=4, seed=SEED)
    for number, epoch in enumerate(tidy_epochs(found["train=False"])):
        order = [label for _, labels in epoch for label in labels.tolist()]
        require(order == list(range(11)), f"with train=False the items came in the order {order} in epoch {number}")
        assert_close(epoch, [[x[i : i + 4], torch.arange(11)[i : i + 4]] for i in (0, 4, 8)], f"epoch {number}")


@check("make_loader", kind="value", points=2)
def test_make_loader_shuffles_in_training(student, rng):
    """With train=True each item comes once an epoch, with its own label, in a random order."""
    x = rng.normal(23, 3)
    (epoch,) = run_loader(student, x, 1)
    order = torch.cat([labels for _, labels in epoch])
    require(
        sorted(order.tolist()) == list(range(23)),
        f"an epoch of items 0 to 22 with train=True gave {order.tolist()}: each item must come exactly once",
    )
    assert_close(torch.cat([images for images, _ in epoch]), x[order], "the features that came with these labels")
    require(order.tolist() != list(range(23)), "with train=True the items came in order 0 to 22: nothing is shuffled")


@check("make_loader", kind="state", points=3)
def test_make_loader_shuffles_anew_each_epoch(student, rng):
    """In training each epoch has an order of its own."""
    epochs = orders(run_loader(student, rng.normal(23, 3), 3))
    for later in (1, 2):
        require(epochs[0] != epochs[later], f"epochs 0 and {later} have the same order, {_row(epochs[0])}")


@check("make_loader", kind="state", points=3)
def test_make_loader_depends_on_the_seed_alone(student, rng):
    """The same seed gives the same epochs, whatever else draws random numbers; another seed gives others."""
    found = student.probe(orders_of_three_loaders, x=rng.normal(23, 3), batch_size=4, seeds=[SEED, SEED, SEED + 1])
    first, again, other = (orders(tidy_epochs(epochs)) for epochs in found)
    for number in (0, 1):
        require(
            first[number] == again[number],
            f"two loaders with seed {SEED}, used in turns while others draw random numbers, differ in epoch {number}:\n"
            f"  the first   {_row(first[number])}\n  the second  {_row(again[number])}\n"
            "  a loader must shuffle with a generator of its own, made from the seed",
        )
    require(first[0] != other[0], f"seeds {SEED} and {SEED + 1} give the same order, {_row(first[0])}")


def run_loader(student, x, epochs):
    """Batches [features, labels] of each epoch of a training loader, where the label of row i is i."""
    return tidy_epochs(student.probe(epochs_in_training, x=x, batch_size=4, seed=SEED, epochs=epochs))


def tidy_epochs(epochs):
    """The same epochs, once it is certain that their batches hold features and labels."""
    for epoch in epochs:
        for batch in epoch:
            require(len(batch) == 2, f"a batch holds {len(batch)} things, not features and labels")
            features = assert_tensor(batch[0], what="the features of a batch")
            assert_tensor(batch[1], (len(features),), torch.int64, "the labels of a batch")
    return epochs


def sizes_of_batches(solution, x, batch_size, seed):
    dataset = TensorDataset(x, torch.arange(len(x)))
    loaders = {train: solution.make_loader(dataset, batch_size, train, seed) for train in (True, False)}
    return {f"train={train}": [len(labels) for _, labels in loader] for train, loader in loaders.items()}


def epochs_in_training(solution, x, batch_size, seed, epochs):
    loader = solution.make_loader(TensorDataset(x, torch.arange(len(x))), batch_size, True, seed)
    return [[[*batch] for batch in loader] for _ in range(epochs)]


def epochs_of_both_modes(solution, x, batch_size, seed):
    """Two epochs of a loader for evaluation; and one for training, which tells who mixed up the two."""
    dataset = TensorDataset(x, torch.arange(len(x)))
    evaluation, training = (solution.make_loader(dataset, batch_size, train, seed) for train in (False, True))
    return {
        "train=False": [[[*batch] for batch in evaluation] for _ in range(2)],
        "train=True": [[[*batch] for batch in training]],
    }


def orders_of_three_loaders(solution, x, batch_size, seeds):
    """Two epochs of each loader, taken in turns; the global generators are disturbed before all but the very first."""
    dataset = TensorDataset(x, torch.arange(len(x)))
    loaders, found = [], []
    for seed in seeds:
        loaders.append(solution.make_loader(dataset, batch_size, True, seed))
        if found:
            disturb_global_generators(len(found))
        found.append([[[*batch] for batch in loaders[-1]]])
    for number, loader in enumerate(loaders):
        disturb_global_generators(10 + number)
        found[number].append([[*batch] for batch in loader])
    return found


def disturb_global_generators(seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def orders(epochs):
    return [[label for _, labels in epoch for label in labels.tolist()] for epoch in epochs]


def _row(order):
    return ", ".join(map(str, order[:8])) + ", ..."


# ---------------------------------------------------------------------------------------------- pad_collate


@check("pad_collate", kind="shape", points=3)
def test_pad_collate_gives_a_full_tensor_and_lengths(student, rng):
    """The tokens are (B, T), T the longest of this batch, and the lengths (B,), both int64."""
    for lengths in ((3, 7, 2, 1, 5), (2, 2, 2), (4,), (1, 11)):
        batch = sequences(rng, lengths)
        found = student.probe(padded, batch=batch)
        given = f"for sequences of lengths {list(lengths)}"
        require(len(found) == 2, f"{len(found)} things came back, not the tokens and the lengths")
        assert_tensor(found[0], (len(lengths), max(lengths)), torch.int64, f"the tokens {given}")
        assert_tensor(found[1], (len(lengths),), torch.int64, f"the lengths {given}")


@check("pad_collate", kind="value", points=4)
def test_pad_collate_pads_on_the_right(student, rng):
    """Each row starts with its sequence and goes on with zeros; the lengths are those before padding."""
    for lengths in ((3, 7, 2, 1, 5), (4,), (2, 3)):
        batch = sequences(rng, lengths)
        tokens, found = student.probe(padded, batch=batch)
        assert_close(tokens, by_hand(batch), "the tokens")
        assert_close(found, torch.tensor(lengths), "the lengths")


@check("pad_collate", kind="value", points=3)
def test_pad_collate_works_in_a_loader(student, rng):
    """As the collate_fn of a DataLoader it pads each batch to its own longest sequence."""
    items = sequences(rng, (3, 5, 2, 1, 1, 1, 4))
    found = student.probe(batches_of_sequences, items=items, batch_size=3)
    expected = [[by_hand(items[i : i + 3]), torch.tensor([len(t) for t in items[i : i + 3]])] for i in (0, 3, 6)]
    assert_close(found, expected, "the batches of DataLoader(items, batch_size=3, collate_fn=pad_collate)")


def sequences(rng, lengths):
    return [rng.integers(1, 50, length) for length in lengths]


def by_hand(batch):
    rows = [tokens.tolist() for tokens in batch]
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def padded(solution, batch):
    return [*solution.pad_collate(batch)]


def batches_of_sequences(solution, items, batch_size):
    return [[*batch] for batch in DataLoader(items, batch_size=batch_size, collate_fn=solution.pad_collate)]


# --------------------------------------------------------------------------------------- channel_statistics


@check("channel_statistics", kind="shape", points=2)
def test_channel_statistics_has_one_value_for_each_channel(student, rng):
    """Both results are float tensors of shape (C,), for grey images too."""
    for channels in (3, 1):
        images = rng.uniform(5, channels, 7, 2)
        for what, found in zip(("means", "standard deviations"), statistics(student, images, 5), strict=True):
            assert_tensor(found, (channels,), None, f"the {what} of {channels} channels")
            require(found.is_floating_point(), f"the {what} have {show(found.dtype)}: floats are expected")


@check("channel_statistics", kind="value", points=3)
def test_channel_statistics_of_one_batch(student, rng):
    """For a single batch: mean and population standard deviation over images, rows and columns."""
    for shape in ((3, 2, 5, 3), (1, 3, 3, 3)):
        compare_statistics(student, colourful(rng, *shape), shape[0])


@check("channel_statistics", kind="value", points=5)
def test_channel_statistics_over_uneven_batches(student, rng):
    """Over several batches that differ in level and size, every pixel counts the same."""
    images = colourful(rng, 11, 3, 5, 2)
    images += torch.arange(11.0).reshape(11, 1, 1, 1) / 5  # later batches are brighter
    images[-3:] *= 2  # and the smaller last batch is more colourful
    compare_statistics(student, images, 4)


def colourful(rng, count, channels, height, width):
    """Channels of different levels and spreads."""
    level, spread = torch.tensor([0.5, -1.0, 2.0])[:channels], torch.tensor([1.0, 0.5, 2.0])[:channels]
    return rng.normal(count, channels, height, width) * spread[:, None, None] + level[:, None, None]


def statistics(student, images, batch_size):
    found = student.probe(statistics_of_batches, images=images, batch_size=batch_size)
    require(len(found) == 2, f"{len(found)} things came back, not the means and the standard deviations")
    return found


def compare_statistics(student, images, batch_size):
    found = statistics(student, images, batch_size)
    pixels = images.double().numpy()
    oracles = {"means": pixels.mean(axis=(0, 2, 3)), "standard deviations": pixels.std(axis=(0, 2, 3))}
    for (what, expected), value in zip(oracles.items(), found, strict=True):
        value = assert_tensor(value, expected.shape, None, f"the {what}")
        # The float dtype is free, and so is the way of adding up in float32.
        assert_close(value, torch.from_numpy(expected).to(value.dtype), f"the {what}", tolerance=1e-4)


def statistics_of_batches(solution, images, batch_size):
    labels = 1000 + torch.arange(len(images))
    return [*solution.channel_statistics(DataLoader(TensorDataset(images, labels), batch_size=batch_size))]


# ------------------------------------------------------------------------------ eval_transform, train_transform

MEAN, STD = 0.1307, 0.3081
INSTEAD = "chain v2.ToImage() and v2.ToDtype(torch.float32, scale=True); ToTensor is deprecated"


@check("eval_transform", kind="shape", points=2)
def test_eval_transform_gives_a_float_tensor(student, rng):
    """A PIL image and a uint8 tensor both become a (1, 28, 28) float32 tensor."""
    student.forbid("ToTensor", instead=INSTEAD)
    compare_forms(student, rng, "eval_transform")


@check("eval_transform", kind="value", points=2)
def test_eval_transform_scales_then_normalises(student):
    """The middle of a black, a grey and a white image is scaled to [0, 1] first, and then normalised."""
    compare_greys(student, "eval_transform")


@check("eval_transform", kind="state", points=2)
def test_eval_transform_is_not_random(student):
    """The same image gives the same result each time, and all of its pixels are in their places."""
    images, _ = real_digits(student, "t10k", 5)
    counts = student.probe(how_many_differ, image=images[:1], which="eval_transform", calls=10)
    require(
        counts == {"calls": 1, "transforms": 1},
        f"10 calls for one image gave {counts['calls']} different results, and 10 new transforms gave "
        f"{counts['transforms']}: nothing may be random in evaluation",
    )
    found = student.probe(transformed, images=images, which="eval_transform", pil=True)
    for i, image in enumerate(found):
        assert_close(image, normalised(images[i : i + 1]), f"digit {i} of the test digits")


@check("train_transform", kind="shape", points=2)
def test_train_transform_gives_a_float_tensor(student, rng):
    """A PIL image and a uint8 tensor both become a (1, 28, 28) float32 tensor."""
    student.forbid("ToTensor", instead=INSTEAD)
    compare_forms(student, rng, "train_transform")


@check("train_transform", kind="value", points=2)
def test_train_transform_scales_then_normalises(student):
    """The middle of a black, a grey and a white image is scaled to [0, 1] first, and then normalised."""
    compare_greys(student, "train_transform")


@check("train_transform", kind="state", points=3)
def test_train_transform_draws_anew_for_each_image(student):
    """One transform, called again and again for one image, shifts or rotates it differently."""
    images, _ = real_digits(student, "t10k", 1)
    counts = student.probe(how_many_differ, image=images, which="train_transform", calls=40)
    require(
        type(counts["calls"]) is int and counts["calls"] > 1,
        "40 calls of one transform for one image gave the same result each time: draw anew in each call",
    )
    found = student.probe(transformed, images=images.expand(40, 28, 28), which="train_transform", pil=False)
    different = len({assert_tensor(image, (1, 28, 28)).numpy().tobytes() for image in found})
    require(
        different > 2,
        f"40 calls for one image gave only {different} different results: shift or rotate it at random (a flip has "
        "only two, and spoils digits)",
    )


def normalised(pixels):
    return ((pixels.double() / 255 - MEAN) / STD).float()


def compare_forms(student, rng, which):
    images = rng.integers(0, 256, 3, 28, 28, dtype=torch.uint8)
    for pil, form in ((False, "a uint8 tensor"), (True, "a PIL image")):
        for image in parts(student.probe(transformed, images=images, which=which, pil=pil), len(images)):
            assert_tensor(image, (1, 28, 28), torch.float32, f"{form}, transformed")


def compare_greys(student, which):
    """The middle of an even image stays in the middle, however it is shifted and rotated."""
    greys = torch.tensor([0, 51, 255], dtype=torch.uint8)
    found = student.probe(transformed, images=greys[:, None, None].expand(3, 28, 28), which=which, pil=True)
    for grey, image in zip(greys, found, strict=True):
        middle = assert_tensor(image, (1, 28, 28), torch.float32)[:, 12:16, 12:16]
        expected = normalised(grey.expand(1, 4, 4))
        assert_close(middle, expected, f"the middle of an image of pixels {int(grey)}, transformed", tolerance=1e-4)


def transformed(solution, images, which, pil):
    """One transform, applied to each image (28, 28), as a PIL image or as a (1, 28, 28) tensor."""
    transform = getattr(solution, which)()
    return [plain(transform(functional.to_pil_image(image) if pil else image[None].clone())) for image in images]


def how_many_differ(solution, image, which, calls):
    """How many different results one transform gives for one image, and how many as many new transforms give."""
    transform = getattr(solution, which)()

    def count(transforms):
        return len({plain(one(functional.to_pil_image(image))).numpy().tobytes() for one in transforms})

    return {
        "calls": count([transform] * calls),
        "transforms": count([getattr(solution, which)() for _ in range(calls)]),
    }
