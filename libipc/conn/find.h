/* SPDX-License-Identifier: MIT */
#ifndef IPC_FIND_H
#define IPC_FIND_H

#include "private.h"

/* Returns the path that bus stands for: bus itself, a constant, the environment's, or path, which
 * has size bytes and is then filled in. Sets *ret_reason. */
const char *bus_choose(const char *bus, char *path, size_t size, enum ipc_bus_reason *ret_reason);

#endif /* IPC_FIND_H */
