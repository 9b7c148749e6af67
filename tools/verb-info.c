// SPDX-License-Identifier: MIT
/*
 * ipcctl info: the path of the bus, why it is used, its kind and missing features.
 */

#include "bus.h"
#include "deadline.h"
#include "ipcbus.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "process.h"
#include "verbs.h"

/* Properties that only some buses have. If feature is 0, all buses except those of a daemon have
 * the property. */
static const struct {
	uint64_t feature;
	const char *name;
} offers[] = {
	{ IPCBUS_FEATURE_LABEL, "label" },
	{ IPCBUS_FEATURE_PRIORITY, "priority" },
	{ IPCBUS_FEATURE_MOUNT, "mount" },
	{ 0, "cgroup_charge" },
	{ 0, "reclaim" },
};

static json_t *lacks(uint64_t features, bool is_daemon)
{
	json_t *names = json_array();

	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++)
		if (offers[i].feature ? !(features & offers[i].feature) : is_daemon)
			names = value_append(names, json_string(offers[i].name));
	return names;
}

/* Adds the process behind the socket, or null if connecting fails. */
static json_t *add_daemon(json_t *info, const char *path)
{
	struct daemon_peer peer;
	char process[64], user[64];

	daemon_ask(path, (int)(deadline_question_usec() / 1000), &peer);
	if (peer.connect_error)
		return value_set(info, "pid", json_null());
	process_name(peer.pid, process, sizeof(process));
	user_name(peer.uid, user, sizeof(user));
	info = value_set(info, "pid", json_integer(peer.pid));
	info = value_set(info, "process", json_string(process));
	return value_set(info, "user", json_string(user));
}

static json_t *info_of(const struct ctl_bus *bus, uint32_t abi, uint64_t features)
{
	bool is_daemon = bus->kind == IPC_BUS_DAEMON;
	json_t *info = json_pack("{s:s, s:s, s:s}", "bus", bus->path, "chosen",
				 bus_reason(bus->reason), "bus_kind",
				 is_daemon ? "ipcbusd" : "driver");

	if (is_daemon)
		info = add_daemon(info, bus->path);
	info = value_set(info, "abi", json_integer(abi));
	return value_set(info, "lacks", lacks(features, is_daemon));
}

static int run(int argc, char **argv)
{
	static const char *const keys[] = { "bus",  "chosen", "bus_kind", "pid", "process",
					    "user", "abi",    "lacks" };
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t features;
	uint32_t abi;
	json_t *info;
	int status;

	(void)argc;
	(void)argv;
	status = bus_open(&ipc);
	if (status)
		return status;
	if (ipc_get_features(ipc, &abi, &features) < 0)
		return fail_with(STATUS_FAILED, "see ipcctl doctor", "cannot ask the bus %s",
				 ctl_bus_path());
	info = info_of(ctl_bus(), abi, features);
	if (!info || ctl.json)
		return out_json(info);
	status = out_fields(info, keys, sizeof(keys) / sizeof(*keys));
	json_decref(info);
	return status;
}

const struct verb verb_info = {
	.name = "info",
	.arguments = "",
	.summary = "show the bus, its kind and missing features",
	.description =
		"Prints the path of the bus and why it is used, the kind of the bus (the driver of the\n"
		"kernel, or ipcbusd with its process and user), the ABI version, and the features that\n"
		"this bus lacks.\n",
	.example = "  ipcctl info\n",
	.statuses = ON_BUS,
	.run = run,
};
