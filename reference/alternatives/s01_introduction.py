# Other right solutions of section 1; grader.mistakes describes the format.


# %% alternative: arange
# exercise: first_tensor
def first_tensor():
    return torch.arange(1, 7, dtype=torch.float32).view(2, 3)


# %% alternative: filled-in
# exercise: first_tensor
def first_tensor():
    result = torch.empty(2, 3)
    result[0] = torch.tensor([1, 2, 3])
    result[1] = torch.tensor([4, 5, 6])
    return result


# %% alternative: legacy-constructor
# exercise: first_tensor
def first_tensor():
    return torch.FloatTensor([[1, 2, 3], [4, 5, 6]])


# %% alternative: python-float
# exercise: to_float
def to_float(x):
    return float(x.detach())


# %% alternative: tolist
# exercise: to_float
def to_float(loss):
    return loss.tolist()


# %% alternative: through-numpy
# exercise: to_float
def to_float(x):
    return float(x.detach().cpu().numpy())


# %% alternative: as-tensor
# exercise: share_with_numpy
def share_with_numpy(array):
    return torch.as_tensor(array)


# %% alternative: dlpack
# exercise: share_with_numpy
def share_with_numpy(array):
    return torch.from_dlpack(array)


# %% alternative: asarray
# exercise: share_with_numpy
def share_with_numpy(data):
    return torch.asarray(data, copy=False)


# %% alternative: clone
# exercise: copy_from_numpy
def copy_from_numpy(array):
    return torch.from_numpy(array).clone()


# %% alternative: numpy-copies
# exercise: copy_from_numpy
def copy_from_numpy(array):
    return torch.from_numpy(array.copy())


# %% alternative: asarray-copy
# exercise: copy_from_numpy
def copy_from_numpy(array):
    return torch.asarray(array, copy=True)


# %% alternative: fork-rng
# exercise: seeded_normal
def seeded_normal(shape, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.randn(*shape)


# %% alternative: state-put-back
# exercise: seeded_normal
def seeded_normal(shape, seed):
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    result = torch.normal(0.0, 1.0, size=shape)
    torch.set_rng_state(state)
    return result


# %% alternative: numpy-generator
# exercise: seeded_normal
def seeded_normal(shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


# %% alternative: fill-in-place
# exercise: seeded_normal
def seeded_normal(shape, seed):
    g = torch.Generator(device="cpu")
    g.manual_seed(seed)
    return torch.empty(shape).normal_(generator=g)


# %% alternative: sys-and-texts
# exercise: environment_report
import sys

import torchvision


def environment_report():
    report = dict(python=sys.version.split()[0], torch=str(torch.__version__), torchvision=torchvision.__version__)
    report["cuda_available"] = torch.cuda.device_count() > 0
    report["default_dtype"] = f"{torch.tensor(1.0).dtype}"
    return report


# %% alternative: version-info
# exercise: environment_report
from sys import version_info

import torchvision.version


def environment_report():
    return {
        "python": ".".join(str(n) for n in version_info[:3]),
        "torch": torch.version.__version__,
        "torchvision": torchvision.version.__version__,
        "cuda_available": bool(torch.cuda.is_available()),
        "default_dtype": repr(torch.get_default_dtype()),
    }


# %% alternative: package-metadata
# exercise: environment_report
import sys
from importlib.metadata import version


def environment_report():
    return {
        "python": "{}.{}.{}".format(*sys.version_info),
        "torch": version("torch"),
        "torchvision": version("torchvision"),
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": str(torch.empty(0).dtype),
    }


# %% alternative: one-by-one
# exercise: pick_device
def pick_device(prefer=None):
    there = []
    if torch.cuda.is_available():
        there.append("cuda")
    if torch.backends.mps.is_available():
        there.append("mps")
    there.append("cpu")
    return torch.device(prefer if prefer in there else there[0])


# %% alternative: accelerator
# exercise: pick_device
def pick_device(prefer=None):
    best = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    if prefer is None:
        return best
    wanted = torch.device(prefer)
    return wanted if wanted.type in ("cpu", best.type) else best


# %% alternative: by-trying
# exercise: pick_device
def pick_device(prefer=None):
    for name in (prefer, "cuda:0", "mps"):
        try:
            if name is not None:
                torch.zeros(1, device=name)
                return torch.device(name)
        except (RuntimeError, AssertionError):
            pass
    return torch.device("cpu")


# %% alternative: by-counting
# exercise: pick_device
from torch.backends.mps import is_available as mps_there
from torch.cuda import is_available as cuda_there


def pick_device(prefer=None):
    counts = {"cuda": int(cuda_there()), "mps": int(mps_there()), "cpu": 1}
    if prefer is not None and counts.get(prefer):
        return torch.device(prefer)
    return torch.device(next(name for name, n in counts.items() if n))
