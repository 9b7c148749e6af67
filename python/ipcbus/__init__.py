# SPDX-License-Identifier: MIT
"""Calls between processes through ipcbus.

``ipcbus.aio`` is for asyncio, ``ipcbus.sync`` for threads that block. Both raise the exceptions of
this module. ``protoc --ipc_out=lang=python:DIR`` generates proxies and services from a ``.proto``
file.
"""

import atexit

from . import _core
from .errors import (
    ActivationFailed,
    BadMessage,
    BusEnded,
    Canceled,
    DeadObject,
    DeadlineExceeded,
    Error,
    Forked,
    InterfaceMismatch,
    InvalidArgument,
    MessageTooLarge,
    NameTaken,
    NoManager,
    NoReply,
    NotFound,
    Origin,
    PeerFrozen,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    ServiceError,
    Unimplemented,
    WouldBlock,
)
from ._base import Entry, NameChange, NameInfo, RegistrationEvent
from .memory import Memory

__all__ = [
    "ActivationFailed",
    "BadMessage",
    "BusEnded",
    "Canceled",
    "DeadObject",
    "DeadlineExceeded",
    "Entry",
    "Error",
    "Forked",
    "InterfaceMismatch",
    "InvalidArgument",
    "Memory",
    "MessageTooLarge",
    "NameChange",
    "NameInfo",
    "NameTaken",
    "NoManager",
    "NoReply",
    "NotFound",
    "Origin",
    "PeerFrozen",
    "PermissionDenied",
    "ProtocolError",
    "QuotaExceeded",
    "RegistrationEvent",
    "ServiceError",
    "Unimplemented",
    "WouldBlock",
]

# Close open connections at exit, while the interpreter can still run callbacks.
atexit.register(_core.close_all)
