"""Probes and their inputs on the way to a solution: pickled by value, from us to the untrusted side and never back."""

from __future__ import annotations

import importlib
import io
import pickle
import sys
import types
from dataclasses import fields
from functools import lru_cache
from typing import Any

import cloudpickle

from grader.solutions import Packed, Request


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Also takes modules that are instances of a class of their own, as torch.backends is, by name."""

    def reducer_override(self, value: Any) -> Any:
        if (
            isinstance(value, types.ModuleType)
            and type(value) is not types.ModuleType
            and value.__name__ in sys.modules
        ):
            return importlib.import_module, (value.__name__,)
        return super().reducer_override(value)


def dumps(value: Any) -> bytes:
    """`value` as a pickle that needs none of our modules but those the worker has."""
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


def pack(request: Request) -> Packed:
    """A request on its way to a sandbox: the probe apart, which comes again with other inputs."""
    probe = request.probe
    at_top = isinstance(probe, types.FunctionType) and probe.__closure__ is None
    pickled = _dumps_once(probe) if at_top else dumps(probe)
    rest = {field.name: getattr(request, field.name) for field in fields(request) if field.name != "probe"}
    return Packed(request.exercise, pickle.dumps((pickled, dumps(rest))), request.seconds, request.clean)


_dumps_once = lru_cache(maxsize=1_000)(dumps)
