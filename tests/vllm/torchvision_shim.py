"""Lets PyPI's torchvision, a CUDA build, be imported beside a torch for CPUs; in the environment of these tests alone.

Its C++ library can't load there, and the import dies where torchvision registers shapes for operators that library
would have brought. Named before that, they are registered, and what needs no C++ (resizing, the processors of
transformers) works. `make test-vllm` copies this file into the environment and imports it from a .pth file, for vLLM's
own processes need it too. Machines with GPUs have builds that match and need none of this.
"""

import importlib.abc
import sys
from typing import Any

_kept: list[Any] = []


class _BeforeTorchvision(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, *_: Any) -> None:
        if fullname != "torchvision":
            return
        sys.meta_path.remove(self)
        import torch

        if torch.version.cuda is not None:
            return  # torchvision's own library loads
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)  # a library that is collected takes its operators along


sys.meta_path.insert(0, _BeforeTorchvision())
