// SPDX-License-Identifier: MIT
/*
 * The features of a driver by name, as the driver itself names them: see feature.h.
 */
#include <stddef.h>

#include "feature.h"
#include "ipcbus.h"
#include "value.h"

/* By bit. The list is made from the driver's header: FEATURE_NODE_INFO becomes "node_info". */
static const char *const names[] = {
#include "feature-names.inc"
};

#define N_FEATURES (sizeof(names) / sizeof(*names))

_Static_assert((1ULL << N_FEATURES) - 1 == IPCBUS_FEATURES_ALL, "the last feature has a name");

json_t *feature_names(uint64_t set)
{
	json_t *array = json_array();

	for (size_t i = 0; i < N_FEATURES; i++)
		if (set & 1ULL << i)
			array = value_append(array, json_string(names[i]));
	return array;
}

const char *feature_reason(enum ipc_bus_reason reason)
{
	switch (reason) {
	case IPC_BUS_BY_ARGUMENT:
		return "because the command line names it";
	case IPC_BUS_BY_ENVIRONMENT:
		return "because $IPCBUS_DEVICE names it";
	case IPC_BUS_BY_DEVICE:
		return "because it exists and $IPCBUS_DEVICE is not set";
	case IPC_BUS_BY_USER_DAEMON:
		return "because there is no /dev/ipcbus, and this user has a daemon";
	case IPC_BUS_BY_SYSTEM_DAEMON:
		return "because there is no /dev/ipcbus, and this user has no daemon";
	case IPC_BUS_NOT_FOUND:
		return "because there is no other bus";
	}
	return "for a reason that this program does not know";
}
