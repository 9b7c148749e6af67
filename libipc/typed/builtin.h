/* SPDX-License-Identifier: MIT */
/*
 * Methods that every object of generated code serves: ping, describe, dump. serve.c looks
 * here for a number that the object's own interface does not have; introspect.c calls
 * them.
 */
#ifndef IPC_BUILTIN_H
#define IPC_BUILTIN_H

#include "typed.h"

/* NULL: not one of them. */
const struct ipc_method *builtin_find(uint32_t code);

#endif /* IPC_BUILTIN_H */
