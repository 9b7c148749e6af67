/* SPDX-License-Identifier: MIT */
/*
 * The methods that every object of generated code serves: ping, describe and dump. serve.c
 * looks here if the object's own interface has no method with the code of a request.
 * introspect.c calls these methods.
 */
#ifndef IPC_BUILTIN_H
#define IPC_BUILTIN_H

#include "typed.h"

/* Returns NULL if no such method has this code. */
const struct ipc_method *builtin_find(uint32_t code);

#endif /* IPC_BUILTIN_H */
