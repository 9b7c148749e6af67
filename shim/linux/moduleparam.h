/* SPDX-License-Identifier: MIT */
/* Module parameters: see boot.c. */
#pragma once

#include "../kernel.h"

void shim_param_add(const char *name, unsigned int *value);

/* These cannot be set here. */
#define module_param(name, type, mode) _Static_assert(1, #name)
#define MODULE_PARM_DESC(name, text) _Static_assert(1, text)
#define module_param_named(name, value, type, mode)                               \
	static void __attribute__((constructor)) shim_param_##name(void)          \
	{                                                                         \
		_Static_assert(sizeof(type) == sizeof(unsigned int), #name);      \
		shim_param_add(#name, &(value));                                  \
	}
#define uint unsigned int
