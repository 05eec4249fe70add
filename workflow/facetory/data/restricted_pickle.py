"""Pickles of plain data, read without Python's unpickler: nothing in such a file can run.

`pickletools.genops` lists a pickle's operations without obeying them.  The few that make lists, tuples,
bytes, booleans and integers are obeyed here, on a stack of our own, and so are the calls by which NumPy
writes arrays and scalars of them.  No other function or class is looked up by a name that the file gives.
"""

from __future__ import annotations

import mmap
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from facetory.pipeline.files import FacetoryError

MAX_BYTES = 2**30
MAX_OPERATIONS = 2_000_000
MAX_TUPLE = 9
MAX_DEPTH = 2
"""Bounds that a verification set of 14,000 pictures keeps; depth is of tuples, for lists hold no lists."""
DTYPES = {"u1", "b1", "i1", "i2", "i4", "i8"}
KNOWN = {
    "numpy ndarray": "class",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
    "__builtin__ bytes": "bytes",
    **{
        f"numpy.{core}.{module} {name}": name.strip("_")
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    },
}
"""What a file may name, and which of `_called`'s cases answers to it."""


class _Known(str):
    """A value of `KNOWN`, told apart from a text of the file."""


class _Array:
    """An array, empty between its making and the filling of it."""

    content: np.ndarray | None = None


def load_plain(path: Path | str) -> Any:
    """The content of a pickle of protocol 2 or later: tuples and lists of bytes, bool, int, str, None, and
    1-d arrays of `DTYPES`.

    Strings of Python 2 are bytes, NumPy's scalars are Python's.  A pickle that names anything else, is
    damaged or exceeds the bounds is a `FacetoryError`.
    """
    path = Path(path)
    if not path.is_file():
        raise FacetoryError(f"{path}: the file is missing. Place it there.")
    if not 0 < path.stat().st_size <= MAX_BYTES:
        raise FacetoryError(f"{path}: {path.stat().st_size:,} bytes, where 1 to {MAX_BYTES:,} are read.")
    try:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _obeyed(content)
    except _Refused as error:
        raise FacetoryError(f"{path}: refused: the pickle {error}. Do not use this file.") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FacetoryError(
            f"{path}: not a whole pickle of plain data ({error}). Get the file again from its source."
        ) from error


class _Refused(Exception):
    """What a pickle does that no plain data needs."""


def _obeyed(content: Any) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def take(first: int) -> list[Any]:
        taken = stack[first:]
        del stack[first:]
        return [item.content if isinstance(item, _Array) else item for item in taken]

    value: Any
    for count, (operation, value, _) in enumerate(pickletools.genops(content)):
        if count == MAX_OPERATIONS:
            raise _Refused(f"has more than {MAX_OPERATIONS:,} operations")
        match operation.name:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE" as name:
                stack.append(name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(value)
            case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
                stack.append(bytes(value))
            case "BINSTRING" | "SHORT_BINSTRING":
                stack.append(value.encode("latin-1"))
            case "MARK":
                marks.append(len(stack))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                stack.append(_leaves(take(marks.pop())))
            case "APPEND":
                items = take(-1)
                stack[-1] += _leaves(items)
            case "APPENDS":
                items = take(marks.pop())
                stack[-1] += _leaves(items)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                stack.append(_shallow(take(marks.pop())))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                stack.append(_shallow(take(-int(name[-1]))))
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[int(value)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[int(value)])
            case "GLOBAL":
                stack.append(_known(value))
            case "STACK_GLOBAL":
                stack.append(_known(" ".join(take(-2))))
            case "REDUCE":
                stack.append(_called(*take(-2)))
            case "BUILD":
                state = stack.pop()
                _fill(stack[-1], state)
            case "STOP":
                return take(-1)[0]
            case name:
                raise _Refused(f"asks for {name}")
    raise ValueError("it has no end")


def _leaves(items: list[Any]) -> list[Any]:
    if any(isinstance(item, list | tuple) for item in items):
        raise _Refused("puts a list or tuple into a list")
    return items


def _shallow(items: list[Any]) -> tuple[Any, ...]:
    made = tuple(items)
    if len(made) > MAX_TUPLE or _depth(made) > MAX_DEPTH:
        raise _Refused(f"has a tuple of more than {MAX_TUPLE} items, or more than {MAX_DEPTH} deep")
    return made


def _depth(item: Any) -> int:
    return 1 + max(map(_depth, item), default=0) if isinstance(item, tuple) else 0


def _known(name: str) -> _Known:
    if name not in KNOWN:
        raise _Refused(f"names {name.replace(' ', '.')}")
    return _Known(KNOWN[name])


def _called(function: Any, arguments: tuple[Any, ...]) -> Any:
    """What NumPy's own functions would make of their arguments."""
    if not isinstance(function, _Known):
        raise _Refused("calls what is no function")
    match function, arguments:
        case "dtype", (bytes() | str() as code, *_):
            return _dtype(code if isinstance(code, str) else code.decode("ascii"))
        case "encode", (str() as text, "latin1"):
            return text.encode("latin-1")
        case "bytes", ():
            return b""
        case "reconstruct", _:
            return _Array()
        case "frombuffer", (bytes() as content, np.dtype() as dtype, (int() as length,), *_):
            return _array(content, dtype, length)
        case "scalar", (np.dtype() as dtype, bytes() as content):
            return _array(content, dtype, 1)[0].item()
    raise _Refused(f"calls {function!s} with arguments that no plain data has")


def _fill(target: Any, state: Any) -> None:
    """Set the state of an array, or pass over that of a dtype."""
    match target, state:
        case _Array(), (_, (int() as length,), np.dtype() as dtype, _, bytes() as content):
            target.content = _array(content, dtype, length)
        case np.dtype(), (_, "<" | "|" | b"<" | b"|", None, None, None, *_):
            pass
        case _:
            raise _Refused("sets the state of something other than a plain 1-d array")


def _dtype(code: str) -> np.dtype[Any]:
    if code.lstrip("|<") not in DTYPES:
        raise _Refused(f"has an array of {code!r}")
    return np.dtype(code)


def _array(content: bytes, dtype: np.dtype[Any], length: int) -> np.ndarray:
    if len(content) != length * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes for {length} items of {dtype}")
    return np.frombuffer(content, dtype)
