// SPDX-License-Identifier: MIT
/*
 * ipcctl info: which bus this is, why, how it is reached and what it lacks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "ipcbus.h"
#include "ipcctl.h"
#include "json.h"
#include "output.h"
#include "process.h"
#include "verbs.h"

/* What only some buses have. Without a feature: a daemon does not have it. */
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

static json_t *daemon_of(const char *path)
{
	struct daemon_peer peer;
	char process[64], user[64];

	daemon_ask(path, (int)(bus_limit_usec() / 1000), &peer);
	if (peer.connect_error)
		return json_null();
	process_name(peer.pid, process, sizeof(process));
	if (!*process)
		strcpy(process, "?");
	user_name(peer.uid, user, sizeof(user));
	return json_pack("{s:i, s:s, s:i, s:s}", "pid", (int)peer.pid, "process", process, "uid",
			 (int)peer.uid, "user", user);
}

static json_t *info_of(const struct ctl_bus *bus, uint32_t version, uint64_t features)
{
	bool is_daemon = bus->kind == IPC_BUS_DAEMON;
	json_t *info = json_pack("{s:s, s:s, s:s, s:i}", "bus", bus->path, "reason",
				 bus_reason(bus->reason), "transport",
				 is_daemon ? "daemon" : "device", "version", (int)version);

	if (is_daemon)
		info = value_set(info, "daemon", daemon_of(bus->path));
	return value_set(info, "lacks", lacks(features, is_daemon));
}

static void put_lacks(const json_t *info)
{
	const json_t *names = json_object_get(info, "lacks");
	const json_t *name;
	size_t i;

	printf("%s%-10s%s", out_color(COLOR_BOLD), "lacks", out_plain());
	if (!json_array_size(names))
		printf(" nothing");
	json_array_foreach(names, i, name) printf(" %s", json_string_value(name));
	putchar('\n');
}

static void put_line(const char *title, const char *text)
{
	printf("%s%-10s%s %s\n", out_color(COLOR_BOLD), title, out_plain(), text);
}

static int put_text(json_t *info)
{
	const json_t *daemon = json_object_get(info, "daemon");
	char *bus = out_text(json_object_get(info, "bus"));
	char line[512];

	if (!bus) {
		json_decref(info);
		return fail_memory();
	}
	put_line("bus", bus);
	free(bus);
	put_line("chosen", value_text(info, "reason"));
	if (json_is_object(daemon)) {
		snprintf(line, sizeof(line), "ipcbusd: process %lld (%s) of user %s, shared memory",
			 (long long)value_number(daemon, "pid"), value_text(daemon, "process"),
			 value_text(daemon, "user"));
		put_line("transport", line);
	} else {
		put_line("transport", daemon ? "ipcbusd, which has just ended" :
					       "the driver of the kernel");
	}
	snprintf(line, sizeof(line), "%lld", (long long)value_number(info, "version"));
	put_line("version", line);
	put_lacks(info);
	json_decref(info);
	return out_flush();
}

static int run(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t features;
	uint32_t version;
	json_t *info;
	int status;

	(void)argc;
	(void)argv;
	status = bus_open(&ipc);
	if (status)
		return status;
	if (ipc_get_driver(ipc, &version, &features) < 0)
		return fail_with(STATUS_FAILED, "see ipcctl doctor", "cannot ask the bus %s",
				 ctl_device());
	info = info_of(ctl_bus(), version, features);
	if (!info)
		return fail_memory();
	return ctl.json ? out_json(info) : put_text(info);
}

const struct verb verb_info = {
	.name = "info",
	.arguments = "",
	.summary = "show which bus this is, how it is reached and what it lacks",
	.description =
		"Prints the path of the bus and why it is this one, the transport (the driver of the\n"
		"kernel, or ipcbusd with its process and user), the version of the driver, and\n"
		"what the bus lacks of what others have.\n",
	.example = "  ipcctl info\n",
	.statuses = ON_BUS,
	.run = run,
};
