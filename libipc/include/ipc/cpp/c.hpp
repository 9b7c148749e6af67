/* SPDX-License-Identifier: MIT */
/*
 * The C library, in the namespace ipc::c: ipc::c::ipc_open() is the ipc_open() of <ipc/ipc.h>.
 *
 * Protobuf makes a namespace ipc from "ipc/ipc.proto", and C++ does not allow a type and a
 * namespace with the same name. So a C++ source that includes <ipc/ipc.hpp> must not include the C
 * headers, nor the C stubs of a .proto file. Another source of the same program may.
 */
#ifndef IPC_CPP_C_HPP
#define IPC_CPP_C_HPP

#ifdef IPC_IPC_H
#error "<ipc/ipc.hpp> has the C functions in ipc::c; do not include <ipc/ipc.h> in the same source"
#endif

/* The system headers of the C headers must be included outside of the namespace. */
#include <cstddef>
#include <cstdint>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

namespace ipc {
namespace c {
#include <ipc/memory.h>
#include <ipc/raw.h>

/* IPC_ERROR_INIT must be expanded in this namespace. */
inline ipc_error no_error() { return IPC_ERROR_INIT; }
} // namespace c
} // namespace ipc

#endif /* IPC_CPP_C_HPP */
