// SPDX-License-Identifier: MIT
/*
 * The features of a driver by name, as the driver itself names them: see feature.h.
 */
#include <stddef.h>

#include "feature.h"
#include "ipcbus.h"
#include "value.h"

static const struct {
	uint64_t bit;
	const char *name;
} features[] = {
	{ IPCBUS_FEATURE_DEADLINE, "deadline" },
	{ IPCBUS_FEATURE_CANCEL, "cancel" },
	{ IPCBUS_FEATURE_ASYNC, "async" },
	{ IPCBUS_FEATURE_WRITABLE, "writable" },
	{ IPCBUS_FEATURE_CLEAR, "clear" },
	{ IPCBUS_FEATURE_QUOTA, "quota" },
	{ IPCBUS_FEATURE_REPLACE, "replace" },
	{ IPCBUS_FEATURE_FREEZE, "freeze" },
	{ IPCBUS_FEATURE_LABEL, "label" },
	{ IPCBUS_FEATURE_PRIORITY, "priority" },
	{ IPCBUS_FEATURE_NODE_INFO, "node_info" },
	{ IPCBUS_FEATURE_SENDER_INFO, "sender_info" },
	{ IPCBUS_FEATURE_MONITOR, "monitor" },
	{ IPCBUS_FEATURE_WATCH_MANAGER, "watch_manager" },
	{ IPCBUS_FEATURE_MOUNT, "mount" },
};

#define N_FEATURES (sizeof(features) / sizeof(*features))

/* As in the driver: a feature without a name does not compile. */
_Static_assert((1ULL << N_FEATURES) - 1 == IPCBUS_FEATURES_ALL, "each feature has a name");

json_t *feature_names(uint64_t set)
{
	json_t *names = json_array();

	for (size_t i = 0; i < N_FEATURES; i++)
		if (set & features[i].bit)
			names = value_append(names, json_string(features[i].name));
	return names;
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
