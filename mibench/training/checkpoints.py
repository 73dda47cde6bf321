"""Checkpoints: tensors and facts in one safetensors file, which holds no code, is never half written, and is checked.

The facts are JSON in the file's metadata, beside the version of the format and a hash of all of the content.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mibench.interface import InputError

FORMAT = "1"


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors, and facts that JSON can hold; a file of that name is replaced at once or not at all."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(facts, sort_keys=True)
    content = save(stored, {"format": FORMAT, "facts": text, "content": content_hash(stored, text)})
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors, on the CPU, and facts; an `InputError` says why a file cannot be used."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError:
        raise InputError(f"checkpoint {path} does not exist") from None
    except (OSError, SafetensorError) as error:
        raise InputError(f"checkpoint {path} cannot be read, or is cut short: {error}") from None
    version = metadata.get("format")
    if version != FORMAT:
        raise InputError(f"checkpoint {path} has format {version}; this version of mibench reads format {FORMAT}")
    text = metadata.get("facts", "")
    if metadata.get("content") != content_hash(tensors, text):
        raise InputError(f"checkpoint {path} was altered: its content has another hash than it says")
    return tensors, json.loads(text)


def content_hash(tensors: Mapping[str, Tensor], text: str) -> str:
    """Hash names, types, shapes and bytes of tensors, and a text."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make the new name of a file durable, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
