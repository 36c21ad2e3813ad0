import torch
import platform
import numpy as np
from torch import Tensor

# %%
torch.manual_seed(0)


# %%
def first_tensor() -> Tensor:
    return torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


# %%
def to_float(x: Tensor) -> float:
    return x.item()


# %%
def share_with_numpy(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)


# %%
def copy_from_numpy(array: np.ndarray) -> Tensor:
    return torch.tensor(array)


# %%
def seeded_normal(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator)


# %%
def environment_report() -> dict[str, str | bool]:
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda_available": torch.cuda.is_available(),
        "default_dtype": str(torch.get_default_dtype()),
    }


# %%
def pick_device(prefer: str | None = None) -> torch.device:
    if prefer is not None and torch.get_device_module(prefer).is_available():
        return torch.device(prefer)
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")

