# Wrong versions of the exercises of section 1; grader.mistakes describes the format.


# %% mistake: int64
# exercise: first_tensor
# fails: test_first_tensor_is_2_by_3_and_float32
# advice: From whole numbers torch makes int64. Ask for float32 with `dtype=`, or write numbers with a point.
def first_tensor():
    return torch.tensor([[1, 2, 3], [4, 5, 6]])


# %% mistake: float64
# exercise: first_tensor
# fails: test_first_tensor_is_2_by_3_and_float32
# advice: That is float64, twice as long as asked for (NumPy's default, or `.double()`). PyTorch's models use float32.
def first_tensor():
    return torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.float64)


# %% mistake: flat
# exercise: first_tensor
# fails: test_first_tensor_is_2_by_3_and_float32
# advice: The six numbers lie in a single row. Nest the lists, or reshape.
def first_tensor():
    return torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


# %% mistake: three-rows
# exercise: first_tensor
# fails: test_first_tensor_is_2_by_3_and_float32
# advice: You have 3 rows of 2. In a shape the rows come first: (2, 3) is 2 rows of 3.
def first_tensor():
    return torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


# %% mistake: three-rows-transposed
# exercise: first_tensor
# fails: test_first_tensor_is_2_by_3_and_float32
# advice: This is the transpose of what is asked for: rows and columns are swapped. Each inner list is a row.
def first_tensor():
    return torch.tensor([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])


# %% mistake: a-list
# exercise: first_tensor
# fails: test_first_tensor_is_2_by_3_and_float32
# advice: That is a list of Python. Make a tensor of it.
def first_tensor():
    return [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


# %% mistake: nothing-returned
# exercise: first_tensor
# fails: test_first_tensor_is_2_by_3_and_float32
# advice: The function makes a tensor (or prints it) and does not return it.
def first_tensor():
    torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


# %% mistake: uninitialised
# exercise: first_tensor
# fails: test_first_tensor_counts_row_by_row
# advice: `torch.Tensor(2, 3)` and `torch.empty(2, 3)` are memory of this shape that nobody has written to: any numbers may
#   be in it (NaN here). Make the tensor from your numbers.
def first_tensor():
    return torch.Tensor(2, 3)


# %% mistake: column-by-column
# exercise: first_tensor
# fails: test_first_tensor_counts_row_by_row
# advice: You count down the columns: 1 and 2 stand below each other. The first row is 1 2 3.
def first_tensor():
    return torch.tensor([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])


# %% mistake: from-zero
# exercise: first_tensor
# fails: test_first_tensor_counts_row_by_row
# advice: You count from 0 to 5. Asked for are 1 to 6.
def first_tensor():
    return torch.arange(6.0).reshape(2, 3)


# %% mistake: a-tensor
# exercise: to_float
# fails: test_to_float_gives_a_python_float
# advice: That is still a tensor, of shape (). detach cuts it off from its history; it doesn't take the number out.
def to_float(x):
    return x.detach()


# %% mistake: numpy-number
# exercise: to_float
# fails: test_to_float_gives_a_python_float
# advice: That is NumPy's, no float of Python. A tensor can hand out its one number directly.
def to_float(x):
    return x.detach().numpy()


# %% mistake: text
# exercise: to_float
# fails: test_to_float_gives_a_python_float
# advice: That is a text. Don't print the number, return it.
def to_float(x):
    return str(x.item())


# %% mistake: integer
# exercise: to_float
# fails: test_to_float_gives_a_python_float
# advice: `int` cuts off what stands behind the point.
def to_float(x):
    return int(x)


# %% mistake: rounded
# exercise: to_float
# fails: test_to_float_keeps_the_number
# advice: Don't round: that is for whoever prints the number.
def to_float(x):
    return round(x.item(), 4)


# %% mistake: through-float32
# exercise: to_float
# fails: test_to_float_keeps_the_number
# advice: On its way your number passes through float32, and loses half of its digits. Take it out as it is.
def to_float(x):
    return x.float().item()


# %% mistake: numpy-of-a-loss
# exercise: to_float
# fails: test_to_float_keeps_the_number
# advice: A tensor with a gradient to come refuses `.numpy()`. Let the tensor itself hand out its number.
def to_float(x):
    return float(x.numpy())


# %% mistake: copies
# exercise: share_with_numpy
# fails: test_shared_tensor_follows_the_array
# advice: You make a copy: the tensor has memory of its own. Another door shares.
def share_with_numpy(array):
    return torch.tensor(array)


# %% mistake: copies-unless-contiguous
# exercise: share_with_numpy
# fails: test_shared_tensor_follows_the_array
# advice: `np.ascontiguousarray` (or `.contiguous()`) copies whatever isn't laid out row by row, such as a transposed array.
#   torch can share that too.
def share_with_numpy(array):
    return torch.from_numpy(np.ascontiguousarray(array))


# %% mistake: dtype-changed
# exercise: share_with_numpy
# fails: test_shared_tensor_equals_the_array
# advice: float64 became float32: `torch.Tensor(...)` and `.float()` convert, and so they copy. Keep the array's dtype.
def share_with_numpy(array):
    return torch.Tensor(array)


# %% mistake: still-an-array
# exercise: share_with_numpy
# fails: test_shared_tensor_equals_the_array
# advice: That is still an array of NumPy. A tensor is asked for.
def share_with_numpy(array):
    return array


# %% mistake: shares
# exercise: copy_from_numpy
# fails: test_copied_tensor_is_independent
# advice: `from_numpy` and `as_tensor` share the memory of the array. Here the tensor must have its own.
def copy_from_numpy(array):
    return torch.from_numpy(array)


# %% mistake: contiguous-is-no-copy
# exercise: copy_from_numpy
# fails: test_copied_tensor_is_independent
# advice: `.contiguous()` (like `.to(...)`) copies only where there is something to change; otherwise it gives back the same
#   memory. Ask for a copy in so many words.
def copy_from_numpy(array):
    return torch.from_numpy(array).contiguous()


# %% mistake: dtype-changed
# exercise: copy_from_numpy
# fails: test_copied_tensor_equals_the_array
# advice: float64 became float32. `torch.Tensor(...)`, `.float()` and lists of Python forget the array's dtype; keep it.
def copy_from_numpy(array):
    return torch.Tensor(array)


# %% mistake: still-an-array
# exercise: copy_from_numpy
# fails: test_copied_tensor_equals_the_array
# advice: That is a copy, but an array of NumPy. A tensor is asked for.
def copy_from_numpy(array):
    return array.copy()


# %% mistake: float64
# exercise: seeded_normal
# fails: test_random_tensor_has_the_shape
# advice: NumPy draws float64. Asked for is float32.
def seeded_normal(shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# %% mistake: uniform
# exercise: seeded_normal
# fails: test_random_numbers_are_standard_normal
# advice: `rand` draws uniformly between 0 and 1. The normal distribution has a function of its own, close by.
def seeded_normal(shape, seed):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


# %% mistake: uniform-around-zero
# exercise: seeded_normal
# fails: test_random_numbers_are_standard_normal
# advice: Your numbers are uniform between -1 and 1. A normal distribution has a bell and no ends.
def seeded_normal(shape, seed):
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


# %% mistake: seed-ignored
# exercise: seeded_normal
# fails: test_the_seed_alone_decides
# advice: The same seed gave other numbers: you draw from the global generator. Hand your own one to the function that draws.
def seeded_normal(shape, seed):
    return torch.randn(shape)


# %% mistake: seed-fixed
# exercise: seeded_normal
# fails: test_the_seed_alone_decides
# advice: Every seed gives the same numbers. Use the `seed` that you were given.
def seeded_normal(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


# %% mistake: generator-not-seeded
# exercise: seeded_normal
# fails: test_the_seed_alone_decides
# advice: Every seed gives the same numbers: a new generator starts from torch's default seed. Seed it with `seed`.
def seeded_normal(shape, seed):
    return torch.randn(shape, generator=torch.Generator())


# %% mistake: generator-kept
# exercise: seeded_normal
# fails: test_the_seed_alone_decides
# advice: Your generator lives on from call to call, so the second call with a seed goes on where the first one stopped.
#   Seed it in every call.
GENERATORS = {}


def seeded_normal(shape, seed):
    if seed not in GENERATORS:
        GENERATORS[seed] = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=GENERATORS[seed])


# %% mistake: global-seed
# exercise: seeded_normal
# fails: test_no_global_generator_moves
# advice: `torch.manual_seed` sets the global generator, and changes all random numbers of the program from here on. Use a
#   `torch.Generator` of your own.
def seeded_normal(shape, seed):
    torch.manual_seed(seed)
    return torch.randn(shape)


# %% mistake: numpys-global-seed
# exercise: seeded_normal
# fails: test_no_global_generator_moves
# advice: `np.random.seed` sets NumPy's global generator, which others draw from too. Use a generator of your own.
def seeded_normal(shape, seed):
    np.random.seed(seed)
    return torch.from_numpy(np.random.standard_normal(shape)).float()


# %% mistake: is-available-not-called
# exercise: environment_report
# fails: test_report_has_its_keys
# advice: `torch.cuda.is_available` is the function itself, and counts as true wherever it is tested. Call it: ().
def environment_report():
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": torch.cuda.is_available,
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: dtype-not-a-text
# exercise: environment_report
# fails: test_report_has_its_keys
# advice: The default dtype is there as a torch.dtype. The report is to hold its text.
def environment_report():
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": torch.get_default_dtype(),
    }


# %% mistake: cuda-as-text
# exercise: environment_report
# fails: test_report_has_its_keys
# advice: "False" is a text, and every text but the empty one counts as true. Keep the bool.
def environment_report():
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": str(torch.cuda.is_available()),
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: torchvision-forgotten
# exercise: environment_report
# fails: test_report_has_its_keys
# advice: The version of torchvision is missing.
def environment_report():
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: versions-hard-coded
# exercise: environment_report
# fails: test_report_tells_the_versions_in_use
# advice: The report tells versions that were written down. After the next update, or on another machine, it would be wrong:
#   ask each library.
def environment_report():
    return {
        "python": "3.11.7",
        "torch": "2.14.1",
        "torchvision": "0.29.1",
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: torch-for-torchvision
# exercise: environment_report
# fails: test_report_tells_the_versions_in_use
# advice: Under torchvision stands the version of torch. The two count on their own.
def environment_report():
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torch.__version__,
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: whole-python-version
# exercise: environment_report
# fails: test_report_tells_the_versions_in_use
# advice: `sys.version` tells about the compiler and the day of the build as well. Only the three numbers are asked for.
def environment_report():
    import sys

    import torchvision

    return {
        "python": sys.version,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: python-without-the-third-number
# exercise: environment_report
# fails: test_report_tells_the_versions_in_use
# advice: Python's version has three numbers; you give two of them.
def environment_report():
    import sys

    import torchvision

    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: compiled-for-cuda
# exercise: environment_report
# fails: test_report_tells_what_the_machine_can_do
# advice: You tell whether this build of torch knows CUDA. Whether there is a card that can be used is another question.
def environment_report():
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": torch.version.cuda is not None,
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: cuda-hard-coded
# exercise: environment_report
# fails: test_report_tells_what_the_machine_can_do
# advice: The report says that there is no card, whatever the machine. Ask torch.
def environment_report():
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": False,
        "default_dtype": str(torch.get_default_dtype()),
    }


# %% mistake: dtype-hard-coded
# exercise: environment_report
# fails: test_report_tells_what_the_machine_can_do
# advice: The default dtype can be changed (`torch.set_default_dtype`), and your report doesn't notice. Ask for it.
def environment_report():
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": "torch.float32",
    }


# %% mistake: dtype-without-its-first-half
# exercise: environment_report
# fails: test_report_tells_what_the_machine_can_do
# advice: Only half of the dtype's name is there. Its text is "torch.float32", as printed.
def environment_report():
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": str(torch.get_default_dtype()).split(".")[1],
    }


# %% mistake: returns-text
# exercise: pick_device
# fails: test_device_is_a_torch_device
# advice: "cuda" is a text. Asked for is a torch.device, which can be compared and has a `.type`: make one of it.
def pick_device(prefer=None):
    there = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    return prefer if prefer in there else there[0]


# %% mistake: nothing-without-an-accelerator
# exercise: pick_device
# fails: test_device_is_a_torch_device
# advice: Without an accelerator your function returns None. The CPU is always there.
def pick_device(prefer=None):
    if prefer is not None and torch.get_device_module(prefer).is_available():
        return torch.device(prefer)
    return torch.accelerator.current_accelerator(check_available=True)


# %% mistake: always-cuda
# exercise: pick_device
# fails: test_device_is_the_best_there_is
# advice: You take "cuda" without asking. Most machines have no NVIDIA card: is it available?
def pick_device(prefer=None):
    return torch.device("cuda")


# %% mistake: always-cpu
# exercise: pick_device
# fails: test_device_is_the_best_there_is
# advice: You never leave the CPU, even where there is a graphics card.
def pick_device(prefer=None):
    return torch.device(prefer or "cpu")


# %% mistake: apple-forgotten
# exercise: pick_device
# fails: test_device_is_the_best_there_is
# advice: You know only NVIDIA's cards. On a Mac the best there is is `mps`.
def pick_device(prefer=None):
    best = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(prefer if prefer in ("cpu", best) else best)


# %% mistake: compiled-but-not-there
# exercise: pick_device
# fails: test_device_is_the_best_there_is
# advice: You take what this build of torch was made for. Whether there is such a device, now, is another question: look at
#   the parameter of `current_accelerator`, or ask `is_available()`.
def pick_device(prefer=None):
    return torch.device(prefer) if prefer else torch.accelerator.current_accelerator() or torch.device("cpu")


# %% mistake: prefer-ignored
# exercise: pick_device
# fails: test_device_is_the_preferred_one_if_it_is_there
# advice: You always take the best, whatever is preferred. Look at `prefer` first: even on a fast machine somebody may want
#   the CPU.
def pick_device(prefer=None):
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


# %% mistake: prefer-taken-blindly
# exercise: pick_device
# fails: test_device_is_the_preferred_one_if_it_is_there
# advice: You grant every wish, even for a device that isn't there. Ask first.
def pick_device(prefer=None):
    if prefer is not None:
        return torch.device(prefer)
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


# %% mistake: cpu-for-a-failed-wish
# exercise: pick_device
# fails: test_device_is_the_preferred_one_if_it_is_there
# advice: Where the preferred device is missing you fall back on the CPU. There may be another accelerator: take the best
#   that there is.
def pick_device(prefer=None):
    if prefer is not None:
        there = torch.get_device_module(prefer).is_available()
        return torch.device(prefer if there else "cpu")
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


# %% mistake: text-for-a-wish
# exercise: pick_device
# fails: test_device_is_the_preferred_one_if_it_is_there
# advice: What you give for a granted wish is the text `prefer` itself. Make a torch.device of it.
def pick_device(prefer=None):
    if prefer is not None and torch.get_device_module(prefer).is_available():
        return prefer
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
