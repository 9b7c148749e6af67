/* SPDX-License-Identifier: MIT */
/*
 * Where the bus is: see ipc_find_bus() in ipc.h.
 */
#ifndef IPC_BUS_H
#define IPC_BUS_H

#include <stddef.h>

#include "private.h"

/* Returns the path that device stands for: device itself, a constant, the environment's, or
 * path, which has size bytes and is then filled in. Sets *ret_reason. */
const char *bus_choose(const char *device, char *path, size_t size,
		       enum ipc_bus_reason *ret_reason);

#endif /* IPC_BUS_H */
