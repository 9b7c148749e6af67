# SPDX-License-Identifier: MIT
"""Calls between processes through ipcbus.

``ipcbus.aio`` is for asyncio, ``ipcbus.sync`` for threads that block. Both raise the errors
that this module has. ``protoc --ipc_out=lang=python:DIR`` makes clients and services of a
``.proto`` file.
"""

import atexit

from . import _core
from .errors import (
    ActivationFailed,
    BadMessage,
    BusEnded,
    Canceled,
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
    PeerDied,
    PeerFrozen,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    ServiceError,
    Unimplemented,
    WouldBlock,
)
from ._base import Entry, NameChange, NameInfo, Registration
from .memory import Memory

__all__ = [
    "ActivationFailed",
    "BadMessage",
    "BusEnded",
    "Canceled",
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
    "PeerDied",
    "PeerFrozen",
    "PermissionDenied",
    "ProtocolError",
    "QuotaExceeded",
    "Registration",
    "ServiceError",
    "Unimplemented",
    "WouldBlock",
]

# Connections that are open at the end are closed while Python still works.
atexit.register(_core.close_all)
