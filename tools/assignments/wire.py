"""What may pass between the grader and a submission: plain values, written as JSON.

No pickle: what a submission sends can make nothing run here. An object that says of itself that it
equals everything arrives as the bare name of its type. This file runs on both sides and imports
nothing of the project.
"""

import base64
import json
import math
import socket
import struct
from collections.abc import Callable
from typing import Any

import torch

MOST_BYTES = 8 * 2**20  # of one message
DEEPEST = 20
DTYPES = {
    str(d).removeprefix("torch."): d
    for d in (
        torch.float32, torch.float64, torch.int64, torch.int32, torch.int16, torch.uint8, torch.bool
    )
}  # fmt: skip


class Unknown:
    """Something that is no plain value; equal to nothing, not even to itself."""

    def __init__(self, kind: str) -> None:
        self.kind = kind[:60]

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<something of the type {self.kind}>"


def encode(value: Any, function: Callable[[Any], Any], depth: int = 0) -> Any:
    """Return a value as something that JSON can write.

    Args:
        value: numbers, text, tensors, generators, lists, tuples and dicts of these, functions.
        function: what to write for a function, a dict.
        depth: of the lists around it.

    Example:
        >>> encode((1, [2.5, None]), lambda f: {})
        {'tuple': [1, [2.5, None]]}
        >>> encode(object(), lambda f: {})
        {'unknown': 'object'}
    """
    if depth > DEEPEST:
        return {"unknown": "something too deep"}
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return value if abs(value) < 2**63 else {"int": str(value)}
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if value is ...:
        return {"ellipsis": True}
    if isinstance(value, torch.Generator):
        return {"generator": _packed(value.get_state())}
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu()
        if str(plain.dtype).removeprefix("torch.") not in DTYPES:
            return {"unknown": f"tensor of {plain.dtype}"}
        return {"tensor": _packed(plain), "grad": value.requires_grad}
    if type(value).__module__ == "numpy":
        return encode(torch.as_tensor(value) if value.ndim else value.item(), function, depth)
    if isinstance(value, tuple):
        return {"tuple": [encode(v, function, depth + 1) for v in value]}
    if isinstance(value, list):
        return [encode(v, function, depth + 1) for v in value]
    if isinstance(value, (set, frozenset)):
        return {"set": [encode(v, function, depth + 1) for v in value]}
    if isinstance(value, dict):
        pairs = [[encode(part, function, depth + 1) for part in pair] for pair in value.items()]
        return {"dict": pairs}
    if callable(value):
        return function(value)
    return {"unknown": type(value).__name__}


def decode(data: Any, function: Callable[[Any], Any]) -> Any:
    """Return the value that `encode` wrote; what is malformed raises `ValueError`.

    Example:
        >>> decode({"tuple": [1, {"float": "inf"}]}, None)
        (1, inf)
        >>> decode({"unknown": "AlwaysRight"}, None) == 3
        False
    """
    if data is None or type(data) in (bool, int, float, str):
        return data
    if isinstance(data, list):
        return [decode(v, function) for v in data]
    if not isinstance(data, dict):
        raise ValueError("neither a list nor a dict")
    kind, inner = next(iter(data.items()), ("nothing", None))
    if kind == "tuple":
        return tuple(decode(v, function) for v in inner)
    if kind == "set":
        return {decode(v, function) for v in inner}
    if kind == "dict":
        return {decode(key, function): decode(v, function) for key, v in inner}
    if kind == "int":
        return int(str(inner)[:4000])
    if kind == "float":
        return float(inner)
    if kind == "ellipsis":
        return ...
    if kind == "generator":
        generator = torch.Generator()
        generator.set_state(_unpacked(inner))
        return generator
    if kind == "tensor":
        tensor = _unpacked(inner)
        wanted = bool(data.get("grad")) and tensor.is_floating_point()
        return tensor.requires_grad_() if wanted else tensor
    if kind in ("handle", "name"):
        return function(data)
    return Unknown(str(inner))


def _packed(tensor: torch.Tensor) -> list[Any]:
    raw = tensor.contiguous().flatten().view(torch.uint8) if tensor.numel() else tensor.byte()
    text = base64.b64encode(raw.numpy().tobytes()).decode()
    return [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), text]


def _unpacked(packed: Any) -> torch.Tensor:
    dtype, shape, text = packed
    if dtype not in DTYPES or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("no tensor")
    raw = bytearray(base64.b64decode(text, validate=True))
    if len(raw) != math.prod(shape) * DTYPES[dtype].itemsize:
        raise ValueError("a tensor's shape and bytes disagree")
    if not raw:
        return torch.empty(shape, dtype=DTYPES[dtype])
    return torch.frombuffer(raw, dtype=DTYPES[dtype]).view(shape).clone()


def send(channel: socket.socket, message: Any) -> None:
    """Send a message, its length first."""
    raw = json.dumps(message, allow_nan=False).encode()
    if len(raw) > MOST_BYTES:
        raise ValueError(f"a message of {len(raw)} bytes is too long")
    channel.sendall(struct.pack("!I", len(raw)) + raw)


def receive(channel: socket.socket) -> Any:
    """Receive a message.

    Raises:
        EOFError: if the other side is gone.
        ValueError: if what comes is no message.
        TimeoutError: if the channel has a time limit, and nothing comes.
    """
    (size,) = struct.unpack("!I", _exactly(channel, 4))
    if size > MOST_BYTES:
        raise ValueError("the message is too long")
    try:
        return json.loads(_exactly(channel, size))
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError("no JSON") from error


def _exactly(channel: socket.socket, n: int) -> bytes:
    parts = []
    while n:
        part = channel.recv(min(n, 2**20))
        if not part:
            raise EOFError("the other side is gone")
        parts.append(part)
        n -= len(part)
    return b"".join(parts)
