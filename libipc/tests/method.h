/* SPDX-License-Identifier: MIT */
/*
 * Methods by name, for tests that name a method outside generated stubs.
 */
#ifndef IPC_TEST_METHOD_H
#define IPC_TEST_METHOD_H

#include <check.h>
#include <ipc/rpc.h>
#include <string.h>

static inline const struct ipc_method *method_of(const struct ipc_interface *interface,
						 const char *name)
{
	for (size_t i = 0; i < interface->n_methods; i++)
		if (!strcmp(interface->methods[i].name, name))
			return &interface->methods[i];
	ck_abort_msg("no method %s", name);
	return NULL;
}

#endif /* IPC_TEST_METHOD_H */
