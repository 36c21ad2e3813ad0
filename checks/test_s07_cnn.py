"""Checks of section 7: convolutional networks."""

import gc
import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from grader.checks import (
    assert_at_least,
    assert_at_most,
    assert_close,
    assert_equal,
    assert_tensor,
    check,
    fail,
    picture_confusion,
    require,
    shared,
)

# ------------------------------------------------------------------------------------------- conv_output_size


@check("conv_output_size", kind="value", points=4)
def test_conv_output_size_with_stride_and_padding(student, rng):
    """The size follows kernel, stride (rounded down) and padding (at both ends)."""
    cases = [(28, 5), (7, 7), (7, 2, 2), (7, 3, 3), (28, 5, 1, 2), (224, 7, 2, 3), (8, 3, 2, 1), (11, 2, 5, 1)]
    for _ in range(5):
        cases.append(tuple(int(rng.integers(low, high)) for low, high in ((11, 40), (1, 8), (1, 5), (0, 4))))
    compare_sizes(cases, student.probe(sizes, cases=cases))


@check("conv_output_size", kind="value", points=3)
def test_conv_output_size_with_dilation(student, rng):
    """A dilated kernel spans more places than it has values."""
    cases = [(7, 3, 1, 0, 2), (9, 3, 2, 0, 3), (13, 5, 3, 2, 3), (5, 1, 1, 0, 4)]
    for _ in range(5):
        bounds = ((29, 60), (2, 6), (1, 5), (0, 4), (2, 5))
        cases.append(tuple(int(rng.integers(low, high)) for low, high in bounds))
    compare_sizes(cases, student.probe(sizes, cases=cases))


def sizes(solution, cases):
    return [solution.conv_output_size(*case) for case in cases]


def compare_sizes(cases, found):
    """Every size as torch's own convolution gives it."""
    for case, size in zip(cases, found, strict=True):
        n, kernel, stride, padding, dilation = (*case, *(1, 0, 1)[len(case) - 2 :])
        row, weight = torch.zeros(1, 1, n), torch.zeros(1, 1, kernel)
        expected = F.conv1d(row, weight, stride=stride, padding=padding, dilation=dilation).shape[-1]
        assert_equal(size, expected, f"conv_output_size{case}")


# ----------------------------------------------------------------------------------------------------- conv2d

OF_TORCH = (
    *("conv1d", "conv2d", "conv3d", "Conv1d", "Conv2d", "Conv3d", "LazyConv1d", "LazyConv2d", "LazyConv3d", "conv_tbc"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution", "_convolution", "_convolution_mode"),
    *("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "convolution_overrideable", "mkldnn_convolution"),
    *("thnn_conv2d", "_slow_conv2d_forward", "slow_conv3d", "cudnn_convolution", "miopen_convolution"),
    *("convolve", "convolve2d", "correlate", "correlate2d", "fftconvolve"),
)


@check("conv2d", kind="shape", points=3)
def test_conv2d_shape(student, rng):
    """(N, Ci, H, W) becomes (N, Co, Ho, Wo), in the dtype of x, and not by one of torch's convolutions."""
    student.forbid(*OF_TORCH, instead="write it with unfold or slices, and a sum of products")
    for dtype in (torch.float32, torch.float64):
        x, weight = rng.normal(2, 3, 7, 11, dtype=dtype), rng.normal(5, 3, 3, 2, dtype=dtype)
        assert_tensor(student.conv2d(x, weight), (2, 5, 5, 10), dtype)


@check("conv2d", kind="value", points=4)
def test_conv2d_of_an_impulse(student):
    """A single bright pixel shows the kernel as the window meets it, which tells whether it was flipped."""
    x = torch.zeros(1, 1, 5, 4, dtype=torch.float64)
    x[0, 0, 2, 2] = 1.0
    weight = torch.tensor([[[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]], dtype=torch.float64)
    assert_close(student.conv2d(x, weight), F.conv2d(x, weight))


@check("conv2d", kind="value", points=5)
def test_conv2d_adds_up_channels_and_bias(student, rng):
    """Every output channel has its own kernel, adds up all input channels, and gets its own bias."""
    # The second has as many output channels as columns, the last as many input as output channels, and one image.
    for (n, ci, h, w), (co, kh, kw) in (
        ((2, 3, 7, 11), (5, 3, 2)),
        ((2, 3, 5, 8), (7, 3, 2)),
        ((1, 3, 5, 7), (3, 1, 1)),
        ((1, 5, 7, 8), (5, 3, 4)),
    ):
        x, weight = rng.normal(n, ci, h, w, dtype=torch.float64), rng.normal(co, ci, kh, kw, dtype=torch.float64)
        bias = rng.normal(co, dtype=torch.float64)
        assert_close(student.conv2d(x, weight), F.conv2d(x, weight), "without a bias")
        assert_close(student.conv2d(x, weight, bias), F.conv2d(x, weight, bias), "with a bias")


@check("conv2d", kind="value", points=5)
def test_conv2d_stride_and_padding(student, rng):
    """Stride and padding work in both dimensions, alone and together, and where the last step does not fit."""
    for stride, padding in itertools.product((1, 2, 3), (0, 1, 2)):
        x, weight = rng.normal(2, 3, 11, 8, dtype=torch.float64), rng.normal(5, 3, 3, 2, dtype=torch.float64)
        bias = rng.normal(5, dtype=torch.float64)
        expected = F.conv2d(x, weight, bias, stride, padding)
        assert_close(student.conv2d(x, weight, bias, stride, padding), expected, f"stride {stride}, padding {padding}")


@check("conv2d", kind="gradient", points=3)
def test_conv2d_gradients(student, rng):
    """The gradient reaches the image, the weights and the bias."""
    x, weight = rng.normal(2, 3, 7, 8, dtype=torch.float64), rng.normal(5, 3, 3, 2, dtype=torch.float64)
    bias = rng.normal(5, dtype=torch.float64)
    upstream = rng.normal(*F.conv2d(x, weight, bias, 2, 1).shape, dtype=torch.float64)
    leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
    expected = torch.autograd.grad(F.conv2d(*leaves, 2, 1), leaves, upstream)
    found = student.probe(gradients_of_conv2d, x=x, weight=weight, bias=bias, stride=2, padding=1, upstream=upstream)
    for gradient, right, name in zip(found, expected, ("x", "weight", "bias"), strict=True):
        assert_close(gradient, right, f"the gradient with respect to {name}")


def gradients_of_conv2d(solution, x, weight, bias, stride, padding, upstream):
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    return list(torch.autograd.grad(solution.conv2d(*leaves, stride, padding), leaves, upstream))


@check("conv2d", kind="state", points=3)
def test_conv2d_has_no_loop_over_pixels(student, rng):
    """A larger image is more work for torch, not more work for Python."""
    images = [rng.normal(1, 2, size, size) for size in (8, 32)]
    seen = student.probe(work_by_size, small=images[0], large=images[1], weight=rng.normal(3, 2, 3, 3))
    used = seen["convolutions of torch"]
    require(used == [], f"it calls torch's {used}: write the sum of products yourself")
    require(
        seen["a call or more for every pixel"] is False,
        "An image of 32 x 32 has 864 more output pixels than one of 8 x 8, and took at least 864 more calls of torch: "
        "there is a loop over the pixels. Let one operation work on all of them",
    )


def work_by_size(solution, small, large, weight):
    class Calls(torch.overrides.TorchFunctionMode):
        def __init__(self):
            super().__init__()
            self.names = []

        def __torch_function__(self, function, types, args=(), kwargs=None):
            self.names.append(getattr(function, "__name__", ""))
            return function(*args, **(kwargs or {}))

    calls = []
    for x in (small, large):
        with Calls() as mode:
            out = solution.conv2d(x, weight)
        calls.append((len(mode.names), out.shape[-2] * out.shape[-1]))
    (few, pixels), (many, more_pixels) = calls
    return {
        "convolutions of torch": sorted(set(OF_TORCH) & set(mode.names)),
        "a call or more for every pixel": many - few >= more_pixels - pixels,
    }


# ------------------------------------------------------------------------------------------------- max_pool2d


@check("max_pool2d", kind="shape", points=2)
def test_max_pool2d_shape(student, rng):
    """Without a stride the windows lie side by side; rows and columns that fill no window are left out."""
    for dtype, kernel in ((torch.float32, 2), (torch.float64, 3)):
        x = rng.normal(2, 3, 7, 11, dtype=dtype)
        assert_tensor(student.max_pool2d(x, kernel), (2, 3, 7 // kernel, 11 // kernel), dtype)


@check("max_pool2d", kind="value", points=4)
def test_max_pool2d_takes_the_largest_of_each_window(student, rng):
    """Every channel by itself, negative values too, windows that overlap or leave gaps."""
    for shape, arguments in (
        ((2, 3, 7, 11), (2,)),
        ((2, 3, 7, 11), (3, 2)),
        ((1, 5, 8, 8), (2, 3)),
        ((3, 3, 6, 6), (3, 1)),
        ((1, 1, 5, 7), (1,)),
    ):
        x = rng.normal(*shape, dtype=torch.float64) - 1
        assert_close(student.max_pool2d(x, *arguments), F.max_pool2d(x, *arguments))


@check("max_pool2d", kind="value", points=4)
def test_max_pool2d_padding_never_wins(student, rng):
    """Padding goes on all four sides and is never the largest, even where everything else is negative."""
    for shape, arguments in (((2, 3, 7, 11), (3, 2, 1)), ((1, 2, 6, 5), (2, None, 1)), ((2, 3, 7, 5), (5, 3, 2))):
        x = -1 - 1000 * rng.uniform(*shape, dtype=torch.float64)
        assert_close(student.max_pool2d(x, *arguments), F.max_pool2d(x, *arguments))


@check("max_pool2d", kind="gradient", points=2)
def test_max_pool2d_gradient(student, rng):
    """The gradient goes to the pixel that was the largest, once for every window that it won."""
    x = rng.normal(2, 3, 7, 8, dtype=torch.float64) - 1
    upstream = rng.normal(*F.max_pool2d(x, 3, 2, 1).shape, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(F.max_pool2d(leaf, 3, 2, 1), leaf, upstream)
    found = student.probe(gradient_of_max_pool2d, x=x, kernel=3, stride=2, padding=1, upstream=upstream)
    assert_close(found, expected, "the gradient with respect to x")


def gradient_of_max_pool2d(solution, x, kernel, stride, padding, upstream):
    x.requires_grad_()
    return torch.autograd.grad(solution.max_pool2d(x, kernel, stride, padding), x, upstream)[0]


# ----------------------------------------------------------------------------------------------------- LeNet5


@check("LeNet5", kind="shape", points=3)
def test_lenet_gives_one_row_of_logits_for_each_image(student, rng):
    """(N, 1, 28, 28) becomes (N, num_classes), for any number of images and of classes."""
    for count, classes in ((3, 10), (1, 10), (2, 7)):
        found = student.probe(output_of_lenet, classes=classes, images=rng.normal(count, 1, 28, 28))
        assert_equal(found, {"shape": (count, classes), "dtype": "float32"}, f"LeNet5({classes}) on {count} images")


def output_of_lenet(solution, classes, images):
    logits = solution.LeNet5(classes)(images)
    if not isinstance(logits, torch.Tensor):
        return type(logits).__name__
    return {"shape": tuple(logits.shape), "dtype": str(logits.dtype).removeprefix("torch.")}


@check("LeNet5", kind="value", points=3)
def test_lenet_has_61706_parameters(student):
    """With 10 classes LeNet-5 has 61,706 parameters: the layers are those of the table, and all are registered."""
    for classes, expected in ((10, 61_706), (7, 61_706 - 3 * 85)):
        found = student.probe(parameters_of_lenet, classes=classes, images=torch.zeros(1, 1, 28, 28))
        assert_equal(found, expected, f"the number of parameters of LeNet5({classes})")


def parameters_of_lenet(solution, classes, images):
    model = solution.LeNet5(classes)
    model(images)  # a lazy layer gets its shape now
    return sum(map(torch.numel, model.parameters()))


@check("LeNet5", kind="value", points=3)
def test_lenet_gives_plain_scores(student, rng):
    """What the last linear layer says is what comes out: no softmax, no activation after it."""
    bias = torch.tensor([-30.0, 4.0, 0.5, -0.25, 11.0, -3.0, 6.0])
    found = student.probe(logits_of_last_bias, images=rng.normal(2, 1, 28, 28), bias=bias)
    require(found is not None, "LeNet5(7) has no last layer with 84 inputs, 7 outputs and a bias")
    assert_close(found, bias.expand(2, 7).clone(), "with the last layer's weight set to 0, the logits are its bias")


def logits_of_last_bias(solution, images, bias):
    classes = len(bias)
    model = solution.LeNet5(classes).eval()
    model(images)
    last = [p for p in model.parameters() if p.shape[0] == classes and p.numel() in (classes, 84 * classes)]
    if len(last) != 2:
        return None
    with torch.no_grad():
        for p in last:
            p.copy_(bias) if p.numel() == classes else p.zero_()
        return model(images)


@check("LeNet5", kind="value", points=2)
def test_lenet_has_activations_between_its_linear_layers(student, rng):
    """Between two linear layers stands an activation: without one, the two are no more than one."""
    bias = rng.integers(1, 2**10, 84, dtype=torch.float64) * 2**10
    found = student.probe(bend, image=torch.zeros(1, 1, 28, 28, dtype=torch.float64), bias=bias)
    require(
        bool((assert_tensor(found, (1, 10), torch.float64).abs() > 1).any()),
        "However far the bias of the layer with 84 outputs is moved, the logits follow it in a straight line: nothing "
        "between this layer and the last bends, so both together are no more than one linear layer",
    )


def bend(solution, image, bias):
    """How far the logits are from following the bias of the layer of 84 in a straight line, to whole numbers.

    All numbers are multiples of powers of two, so that a straight line is one exactly.
    """
    model = solution.LeNet5(10).eval().double()
    logits = [model(image)]
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(((torch.arange(p.numel()) * 7 % 5 + 1) / 8).view_as(p) if p.dim() > 1 else torch.zeros_like(p))
        (of_84,) = [p for p in model.parameters() if p.numel() == 84]
        for factor in (-1, 0, 2):
            of_84.copy_((factor * bias).view_as(of_84))
            logits.append(model(image))
    return (2 * logits[1] - 3 * logits[2] + logits[3]).round()


@check("LeNet5", kind="gradient", points=3)
def test_lenet_keeps_images_apart(student, rng):
    """The logits of an image depend on that image alone, and on every parameter."""
    found = student.probe(influence, images=rng.normal(3, 1, 28, 28, dtype=torch.float64))
    assert_close(found["images"], torch.eye(3, dtype=torch.bool), "which logits (row) depend on which image (column)")
    assert_equal(found["parameters without influence"], 0, "parameters without influence")


def influence(solution, images):
    model = solution.LeNet5(10).double().eval()
    images.requires_grad_()
    logits = model(images)
    rows = [torch.autograd.grad(row.sum(), images, retain_graph=True)[0] for row in logits]
    logits.square().sum().backward()
    return {
        "images": torch.stack([row.flatten(1).abs().amax(1) > 0 for row in rows]),
        "parameters without influence": sum(p.grad is None or not p.grad.any() for p in model.parameters()),
    }


# ----------------------------------------------------------------------------------------------- train_lenet

MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's training pixels
EPOCHS, BATCH = 5, 48


def digits(student, split, each):
    """The first `each` images of every digit, in the order of the file: (N, 28, 28) uint8, labels (N,) int64.

    From the kit's part of MNIST or, where the full one was put in its place, from that. The judge's part only.
    """
    parts = []
    for name, magic, header in ((f"{split}-images-idx3-ubyte", 2051, 16), (f"{split}-labels-idx1-ubyte", 2049, 8)):
        path = student.data / "MNIST" / "raw" / name
        advice = (
            "The four unpacked files of MNIST belong into exercises/data/MNIST/raw: take that folder from the kit "
            'again, or run torchvision.datasets.MNIST("exercises/data", download=True) where there is a network'
        )
        try:
            raw = path.read_bytes()
        except OSError as error:
            fail(f"{path} cannot be read ({error.strerror}). {advice}")
        sizes = np.frombuffer(raw[:header].ljust(header, b"\0"), ">u4").tolist()
        if sizes[0] != magic or len(raw) != header + int(np.prod(sizes[1:])):
            fail(f"{path} is cut short, or no IDX file with the magic number {magic}. {advice}")
        parts.append(torch.frombuffer(bytearray(raw[header:]), dtype=torch.uint8).view(sizes[1:]))
    images, labels = parts[0], parts[1].long()
    of_class = [(labels == digit).nonzero().flatten()[:each] for digit in range(10)]
    if len(images) != len(labels) or min(map(len, of_class)) < each:
        fail(f"{student.data / 'MNIST' / 'raw'} holds fewer than {each} digits of some class in {split}. {advice}")
    chosen = torch.cat(of_class).sort().values
    return images[chosen], labels[chosen]


@check("train_lenet", kind="shape", points=2)
def test_train_lenet_returns_the_network(student, rng):
    """A network comes back that gives ten logits for each image."""
    found = student.probe(kind_of_result, **few_digits(student, rng))
    require(found != "not a module", "train_lenet must return the network, an nn.Module: something else came back")
    assert_equal(found, {"shape": (60, 10), "dtype": "float32"}, "what the network gives for 60 images")


def few_digits(student, rng):
    """60 digits to train and 40 to validate with, from the kit's own, of every class as many."""
    images, labels = digits(student, "train", 10)
    by_class = labels.sort(stable=True).indices.view(10, 10)
    train, val = by_class[:, :6].flatten()[rng.permutation(60)], by_class[:, 6:].flatten()
    return {"images": images[train], "labels": labels[train], "val_images": images[val], "val_labels": labels[val]}


def scaled(images):
    """(N, 28, 28) uint8 as a network takes it: (N, 1, 28, 28) float32."""
    return (images[:, None] / 255 - MEAN) / DEVIATION


def batches(images, labels, size, shuffled_by=None):
    """A DataLoader; its order comes from a generator of its own."""
    generator = None if shuffled_by is None else torch.Generator().manual_seed(shuffled_by)
    dataset = TensorDataset(scaled(images), labels)
    return DataLoader(dataset, size, shuffle=generator is not None, generator=generator)


def train(solution, train_loader, val_loader, epochs, seed):
    """Train on one thread, as a grade does, so that sums are added in the same order everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return solution.train_lenet(train_loader, val_loader, epochs, seed)
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def predict(model, images, size=250):
    """The network's logits, as it was returned: nobody calls eval() for it."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    return torch.cat([model(scaled(part).to(device)).cpu() for part in images.split(size)])


class Watched(Dataset):
    """A small training set that is not endless.

    It notes how much of the autograd graph is alive when the `early`-th and the `late`-th image are fetched.
    """

    def __init__(self, images, labels, early=0, late=0):
        self.images, self.labels = scaled(images), labels
        self.early, self.late = early, late
        self.asked = 0
        self.nodes = []

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        self.asked += 1
        if self.asked > 20 * len(self):
            raise RuntimeError(
                f"a training of 1 epoch on {len(self)} images has asked for {20 * len(self)} of them: does it ever end?"
            )
        if self.asked in (self.early, self.late):
            self.nodes.append(graph_nodes())
        if self.asked == self.late and self.nodes[1] > self.nodes[0]:  # unless it was only not cleared away yet
            gc.collect()
            self.nodes[1] = graph_nodes()
        return self.images[index], self.labels[index]


def graph_nodes():
    """How many nodes of autograd graphs hang on tensors that are alive."""
    found = [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]
    seen, open_nodes = set(), [tensor.grad_fn for tensor in found]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, torch.autograd.graph.Node) and node not in seen:  # of a subclass it may be anything
            seen.add(node)
            open_nodes += [after for after, _ in node.next_functions]
    return len(seen)


def briefly(solution, images, labels, val_images, val_labels, seed=3):
    """One epoch of four batches."""
    generator = torch.Generator().manual_seed(0)
    train_loader = DataLoader(Watched(images, labels), 16, shuffle=True, generator=generator)
    return train(solution, train_loader, batches(val_images, val_labels, 10), 1, seed)


def kind_of_result(solution, **data):
    model = briefly(solution, **data)
    if not isinstance(model, nn.Module):
        return "not a module"
    logits = predict(model, data["images"])
    return {"shape": tuple(logits.shape), "dtype": str(logits.dtype).removeprefix("torch.")}


@check("train_lenet", kind="state", points=2)
def test_train_lenet_returns_in_eval_mode(student, rng):
    """The network comes back in eval mode, and looking at an image does not change it."""
    found = student.probe(mode_of_result, **few_digits(student, rng))
    require(found["training"] is False, "the network came back in training mode: it must come back in eval mode")
    require(found["steady"] is True, "asked about the same images again, the network gives other answers")


def mode_of_result(solution, **data):
    model = briefly(solution, **data)
    first = predict(model, data["images"])
    again = predict(model, data["images"].flip(0)).flip(0)
    return {
        "training": any(module.training for module in model.modules()),
        "steady": torch.allclose(first, again, rtol=1e-3, atol=1e-4),
    }


@check("train_lenet", kind="state", points=3)
def test_train_lenet_is_repeatable(student, rng):
    """The same seed gives the same network, bit for bit, whatever was drawn before; another seed another network."""
    found = student.probe(repeated, **few_digits(student, rng))
    require(
        found["same seed, same network"] is True,
        "Two runs with seed 3 on the same batches gave two different networks: something random was drawn unseeded",
    )
    require(
        found["other seed, other network"] is True,
        "Seed 3 and seed 4 gave the very same network: the `seed` that was passed in is not used",
    )


def repeated(solution, **data):
    logits = []
    for before, seed in ((101, 3), (102, 3), (103, 4)):
        torch.manual_seed(before)  # somebody else used the global generators in between
        np.random.seed(before)
        logits.append(predict(briefly(solution, **data, seed=seed), data["images"]))
    return {
        "same seed, same network": torch.equal(logits[0], logits[1]),
        "other seed, other network": not torch.equal(logits[0], logits[2]),
    }


@check("train_lenet", kind="state", points=3)
def test_train_lenet_learns_nothing_from_validation_data(student, rng):
    """Inverted validation digits with wrong labels leave the network as it is: nothing is learnt from them."""
    data = few_digits(student, rng)
    wrong = data["val_labels"][rng.permutation(40)]
    found = student.probe(with_other_validation, **data, other_images=255 - data["val_images"], other_labels=wrong)
    require(
        found == "the same network",
        "One epoch on the same training data gave another network when the validation digits were inverted and their "
        "labels wrong: the validation data is trained on",
    )


def with_other_validation(solution, images, labels, val_images, val_labels, other_images, other_labels):
    usual = briefly(solution, images, labels, val_images, val_labels)
    other = briefly(solution, images, labels, other_images, other_labels)
    equal = torch.equal(predict(usual, images), predict(other, images))
    return "the same network" if equal else "another network"


@check("train_lenet", kind="state", points=3)
def test_train_lenet_keeps_images_with_their_labels(student, rng):
    """Whether the loader shuffles or not: every image is learnt with its own label."""
    place = rng.permutation(128) % 4  # a bright box in one of four corners, labelled 1, 3, 5, 7
    images = rng.integers(0, 30, 128, 28, 28, dtype=torch.uint8)
    for corner in range(4):
        top, left = 3 + 12 * (corner // 2), 3 + 12 * (corner % 2)
        images[place == corner, top : top + 10, left : left + 10] += 160
    found = student.probe(learns_corners, images=images, labels=1 + 2 * place)
    require(
        found["in order"] is True,
        "Five epochs on images with a bright box in one of the four corners, and the network cannot tell the corners "
        "apart: it does not learn, or learns each image with another's label",
    )
    require(
        found["shuffled"] is True,
        "It learns to tell four easy kinds of image apart from a loader that keeps the order, but not from one that "
        "shuffles: images and labels are not taken from the same batch",
    )


def learns_corners(solution, images, labels):
    """Whether it learns at all; a bad start may be bad luck, so there are up to three."""

    def learns(shuffled_by, seed):
        loaders = batches(images, labels, 16, shuffled_by), batches(images[:20], labels[:20], 10)
        model = train(solution, *loaders, 5, seed)
        return bool((predict(model, images).argmax(1) == labels).float().mean() > 0.9)

    return {name: any(learns(by, seed) for seed in range(3)) for name, by in (("in order", None), ("shuffled", 0))}


@check("train_lenet", kind="state", points=2)
def test_train_lenet_lets_go_of_every_step(student, rng):
    """Memory does not grow with the number of steps."""
    found = student.probe(watched, **few_digits(student, rng))
    require(
        found == "no step is kept",
        "With each step more of the autograd graph is alive: some tensor that hangs on the loss is kept or added up. "
        "In a long training the memory runs out",
    )


def watched(solution, images, labels, val_images, val_labels):
    dataset = Watched(images, labels, early=9, late=57)  # the first images of steps 3 and 15
    train(solution, DataLoader(dataset, 4), batches(val_images, val_labels, 10), 1, 3)
    grown = len(dataset.nodes) > 1 and dataset.nodes[1] - dataset.nodes[0] >= 12
    return "every step is kept" if grown else "no step is kept"


@shared
def trained(student, rng):
    """One training as it is meant, on real digits, and logits for held-out ones, whose labels stay here."""
    images, labels = digits(student, "train", 600)
    held_out, answers = digits(student, "t10k", 100)
    val = torch.arange(6_000) % 12 == 0
    images, labels, val_images, val_labels = images[~val], labels[~val], images[val], labels[val]
    seed = int(rng.integers(0, 1_000))
    found = student.probe(
        train_and_predict,
        images=images,
        labels=labels,
        val_images=val_images,
        val_labels=val_labels,
        held_out=held_out,
        epochs=EPOCHS,
        seed=seed,
    )
    return found, labels, answers


def train_and_predict(solution, images, labels, val_images, val_labels, held_out, epochs, seed):
    train_loader = batches(images, labels, BATCH, shuffled_by=seed)
    model = train(solution, train_loader, batches(val_images, val_labels, 250), epochs, seed)
    return {"seen": predict(model, images[:1_000]), "held out": predict(model, held_out)}


@check("train_lenet", kind="convergence", points=2, seconds=100)
def test_train_lenet_converges(student, trained):
    """After 5 epochs on 5,500 digits the loss on the training digits is low (2.3 is guessing)."""
    found, labels, _ = trained
    logits = assert_tensor(found["seen"], (1_000, 10), torch.float32, "the logits of the first 1,000 training digits")
    loss = F.cross_entropy(logits, labels[:1_000]).item()
    assert_at_most(loss, 0.35, "the cross-entropy on training digits")


@check("train_lenet", kind="accuracy", points=5, seconds=100)
def test_train_lenet_reads_digits_it_has_never_seen(student, trained):
    """At least 93 % of 1,000 held-out digits are read rightly."""
    found, _, answers = trained
    logits = assert_tensor(found["held out"], (1_000, 10), torch.float32, "the logits of 1,000 held-out digits")
    picture_confusion("1,000 digits that it never saw", answers, logits.argmax(1), labels="0123456789")
    assert_at_least((logits.argmax(1) == answers).double().mean().item(), 0.93, "held-out accuracy")


# --------------------------------------------------------------------------------------------- ResidualBlock


@check("ResidualBlock", kind="shape", points=2)
def test_residual_block_shape(student, rng):
    """out_channels come out, and height and width divided by the stride, rounded up; either may change alone."""
    for channels_in, channels_out, stride in ((3, 3, 1), (3, 5, 1), (3, 5, 2), (5, 5, 2), (5, 3, 3)):
        x = rng.normal(2, channels_in, 11, 8)
        expected = {"shape": (2, channels_out, -(-11 // stride), -(-8 // stride)), "dtype": "float32"}
        found = student.probe(output_of_block, arguments=(channels_in, channels_out, stride), x=x)
        assert_equal(found, expected, f"ResidualBlock({channels_in}, {channels_out}, {stride}) on {tuple(x.shape)}")


def output_of_block(solution, arguments, x):
    out = solution.ResidualBlock(*arguments)(x)
    return {"shape": tuple(out.shape), "dtype": str(out.dtype).removeprefix("torch.")}


@check("ResidualBlock", kind="value", points=2)
def test_residual_block_passes_x_through_a_silent_branch(student, rng):
    """Where shapes agree the shortcut is x itself: with all parameters 0 the block gives relu(x)."""
    x = rng.normal(2, 3, 4, 5, dtype=torch.float64)
    found = student.probe(silenced, x=x, constants=[0.0, -0.5, 0.5])
    assert_close(found[0], x.relu(), "ResidualBlock(3, 3) with all parameters 0")


@check("ResidualBlock", kind="value", points=2)
def test_residual_block_adds_before_the_last_relu(student, rng):
    """The branch may take away from x: it is added first, the last ReLU comes after."""
    x = rng.normal(2, 3, 4, 5, dtype=torch.float64)
    found = student.probe(silenced, x=x, constants=[0.0, -0.5, 0.5])
    for constant, out in ((-0.5, found[1]), (0.5, found[2])):
        # Only the second batch norm's bias is left of the branch, and if its convolution has a bias, that one's share.
        share = constant * constant / (1 + 1e-5) ** 0.5
        assert_close(
            out,
            closest(out, [(x + constant).relu(), (x + constant + share).relu()]),
            f"ResidualBlock(3, 3) in eval mode, with its kernels 0 and all other parameters {constant}",
        )


def silenced(solution, x, constants):
    """What the block gives with all kernels 0, and all other parameters one constant."""
    block = solution.ResidualBlock(x.shape[1], x.shape[1]).double().eval()
    found = []
    with torch.no_grad():
        for constant in constants:
            for p in block.parameters():
                p.fill_(constant if p.dim() == 1 else 0.0)
            found.append(block(x.clone()))
    return found


def closest(found, candidates):
    """Of several right answers the one that is nearest to what came back; the first if nothing can be compared."""
    if not isinstance(found, torch.Tensor) or found.shape != candidates[0].shape:
        return candidates[0]
    return min(candidates, key=lambda right: float((found - right).abs().nan_to_num(torch.inf).max()))


@check("ResidualBlock", kind="value", points=3)
def test_residual_block_values(student, rng):
    """From given weights the block gives what a ResNet's basic block gives, with and without a projection."""
    for channels_in, channels_out, stride in ((5, 5, 1), (3, 5, 1), (3, 5, 2), (5, 5, 2)):
        x = rng.normal(2, channels_in, 7, 8, dtype=torch.float64)
        shapes = {
            *((channels_out, channels_in, 3, 3), (channels_out, channels_out, 3, 3)),
            *((channels_out, channels_in, 1, 1), (channels_out,)),
        }
        weights = {shape: rng.normal(*shape, dtype=torch.float64) for shape in sorted(shapes)}
        found = student.probe(block_with_weights, arguments=(channels_in, channels_out, stride), weights=weights, x=x)
        bools = itertools.product((False, True), repeat=3)
        right = [block(x, weights, channels_out, stride, *options, norm) for options in bools for norm in (True, False)]
        assert_close(found, closest(found, right), f"ResidualBlock({channels_in}, {channels_out}, {stride})")


def block_with_weights(solution, arguments, weights, x):
    """The block's output in eval mode when every parameter has the values sent for its shape."""
    block = solution.ResidualBlock(*arguments).double().eval()
    with torch.no_grad():
        for p in block.parameters():
            if tuple(p.shape) in weights:
                p.copy_(weights[tuple(p.shape)])
        return block(x)


def block(x, weights, channels, stride, bias_1, bias_2, bias_3, norm_3):
    """The oracle, for convolutions with or without a bias and a projection with or without a batch norm."""
    vector = weights[channels,]

    def norm(h):
        return F.batch_norm(h, torch.zeros_like(vector), torch.ones_like(vector), vector, vector)

    bias_1, bias_2, bias_3 = (vector if given else None for given in (bias_1, bias_2, bias_3))
    h = norm(F.conv2d(x, weights[channels, x.shape[1], 3, 3], bias_1, stride, 1)).relu()
    h = norm(F.conv2d(h, weights[channels, channels, 3, 3], bias_2, 1, 1))
    if stride != 1 or x.shape[1] != channels:
        x = F.conv2d(x, weights[channels, x.shape[1], 1, 1], bias_3, stride)
        x = norm(x) if norm_3 else x
    return (h + x).relu()


@check("ResidualBlock", kind="value", points=1)
def test_residual_block_leaves_x_alone(student, rng):
    """The caller's x is what it was after the call."""
    found = student.probe(fate_of_x, x=rng.normal(2, 3, 4, 5))
    require(found == "x is as it was", "ResidualBlock(3, 3) changes the caller's x: something works in place on it")


def fate_of_x(solution, x):
    before = x.clone()
    with torch.no_grad():
        solution.ResidualBlock(3, 3).eval()(x)
    return "x is as it was" if torch.equal(x, before) else "x was changed"


@check("ResidualBlock", kind="gradient", points=2)
def test_residual_block_gradient_takes_the_shortcut(student, rng):
    """Even if the branch is silent the gradient comes back, unchanged, wherever the last ReLU lets it through."""
    x, upstream = rng.normal(2, 3, 4, 5, dtype=torch.float64), rng.normal(2, 3, 4, 5, dtype=torch.float64)
    found = student.probe(gradient_of_silent_block, x=x, upstream=upstream)
    assert_close(found, upstream * (x > 0), "the gradient with respect to x")


def gradient_of_silent_block(solution, x, upstream):
    block = solution.ResidualBlock(3, 3).double().eval()
    with torch.no_grad():
        for p in block.parameters():
            p.zero_()
    x.requires_grad_()
    return torch.autograd.grad(block(x), x, upstream)[0]


@check("ResidualBlock", kind="state", points=2)
def test_residual_block_has_a_batch_norm_for_each_convolution(student, rng):
    """Each convolution has its own batch norm, whose running mean and variance move in training."""
    found = student.probe(moving_statistics, x=1 + rng.normal(5, 3, 4, 5))
    require(
        type(found) is int and found >= 4,
        f"A training step moves {found} running means and variances; with two batch norms there are 4. Has each "
        "convolution a batch norm of its own?",
    )


def moving_statistics(solution, x):
    """How many buffers of floats change when x passes through in training."""
    block = solution.ResidualBlock(3, 3).train()
    before = {name: buffer.clone() for name, buffer in block.named_buffers()}
    block(x)
    return sum(not torch.equal(b, before[name]) for name, b in block.named_buffers() if b.is_floating_point())


# -------------------------------------------------------------------------------------------- feature_shapes


class Net(nn.Module):
    """A small network that is more than its children in a row: it flattens in between, and one child holds others."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, stride=2)
        self.norm = nn.BatchNorm2d(5)
        self.stage = nn.Sequential(nn.Conv2d(5, 7, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(7 * 3 * 4, 11)

    def forward(self, x):
        x = self.stage(self.norm(self.stem(x)).relu())
        return self.head(self.drop(x.flatten(1)))


@check("feature_shapes", kind="value", points=3)
def test_feature_shapes_of_every_child(student, rng):
    """The shape of what each direct child gives, under its name, as a tuple."""
    for count in (2, 1):
        found = student.probe(shapes_of_net, x=rng.normal(count, 3, 17, 23))
        expected = {"stem": (count, 5, 8, 11), "norm": (count, 5, 8, 11), "stage": (count, 7, 3, 4)}
        compare_shapes(found, {**expected, "drop": (count, 84), "head": (count, 11)})


def shapes_of_net(solution, x):
    return solution.feature_shapes(Net().eval(), x)


def compare_shapes(found, expected):
    """The same names with the same shapes, in whatever order; a torch.Size is a tuple."""
    require(type(found) is dict, f"a dict is expected, name -> tuple; a {type(found).__name__} came back")
    require(
        set(found) == set(expected),
        f"names:\n  came back  {', '.join(map(str, found)) or 'none'}\n  expected   {', '.join(expected)}",
    )
    for name, shape in expected.items():
        value = tuple(found[name]) if isinstance(found[name], torch.Size) else found[name]
        assert_equal(value, shape, f"the shape of {name!r}")


@check("feature_shapes", kind="value", points=2)
def test_feature_shapes_of_a_resnet(student, rng):
    """The stages of torchvision's ResNet-18, with random weights."""
    found = student.probe(shapes_of_resnet18, x=rng.normal(2, 3, 64, 96))
    expected = {name: (2, 64, 32, 48) for name in ("conv1", "bn1", "relu")}
    expected |= {"maxpool": (2, 64, 16, 24), "layer1": (2, 64, 16, 24), "layer2": (2, 128, 8, 12)}
    expected |= {"layer3": (2, 256, 4, 6), "layer4": (2, 512, 2, 3), "avgpool": (2, 512, 1, 1), "fc": (2, 1000)}
    compare_shapes(found, expected)


def shapes_of_resnet18(solution, x):
    from torchvision.models import resnet18  # here, so that the other checks need not wait for it

    return solution.feature_shapes(resnet18(weights=None).eval(), x)


@check("feature_shapes", kind="state", points=3)
def test_feature_shapes_leaves_the_model_as_it_was(student, rng):
    """Afterwards your hooks are gone, the caller's are still there, and the mode is the same, training or eval."""
    for training in (True, False):
        found = student.probe(traces_left, training=training, x=rng.normal(2, 3, 17, 23))
        mode = "training" if training else "eval"
        require(found["hooks left behind"] <= 0, f"{found['hooks left behind']} hooks are left behind on the model")
        require(found["caller's hook"] == "still there", "a hook that the caller had on the model is gone")
        require(found["modules in another mode"] == 0, f"the model was in {mode} mode, and is not any more")


def traces_left(solution, training, x):
    model = Net().train(training)
    model.norm.register_forward_hook(keep_out)
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

    def hooks():
        found = sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)
        return found + sum("forward" in vars(module) for module in model.modules())

    before = hooks()
    solution.feature_shapes(model, x)
    return {
        "hooks left behind": hooks() - before,
        "caller's hook": "still there" if keep_out in model.norm._forward_hooks.values() else "gone",
        "modules in another mode": sum(module.training is not training for module in model.modules()),
    }


def keep_out(module, inputs, output):
    """Somebody else's hook: it does nothing, and it is not ours to remove."""
