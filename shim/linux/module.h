/* SPDX-License-Identifier: MIT */
/* A module; the tests call its init and exit functions. */
#pragma once

#include "moduleparam.h"

#include "../kernel.h"

#define THIS_MODULE NULL
#define __module_get(module) ((void)(module))
#define module_put(module) ((void)(module))
#define MODULE_DESCRIPTION(text) _Static_assert(1, text)
#define MODULE_AUTHOR(text) _Static_assert(1, text)
#define MODULE_PARM_DESC(name, text) _Static_assert(1, text)
#define MODULE_LICENSE(text) _Static_assert(1, text)

int shim_module_init(void);
void shim_module_exit(void);

#define module_init(fn) int shim_module_init(void) { return fn(); }
#define module_exit(fn) void shim_module_exit(void) { fn(); }
