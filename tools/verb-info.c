// SPDX-License-Identifier: MIT
/*
 * ipcctl info: which bus this is, why, how it is reached and what it offers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "daemon.h"
#include "feature.h"
#include "ipcbus.h"
#include "ipcctl.h"
#include "out.h"
#include "process.h"
#include "user.h"
#include "value.h"
#include "verbs.h"

/* What a daemon cannot do and no feature stands for. */
static const char *const daemon_lacks[] = { "cgroup_charge", "reclaim" };

static json_t *lacks(uint64_t features, bool is_daemon)
{
	json_t *names = feature_names(IPCBUS_FEATURES_ALL & ~features);

	for (size_t i = 0; is_daemon && i < sizeof(daemon_lacks) / sizeof(*daemon_lacks); i++)
		names = value_append(names, json_string(daemon_lacks[i]));
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
	user_name(peer.uid, user, sizeof(user));
	return json_pack("{s:i, s:s, s:i, s:s}", "pid", (int)peer.pid, "process", process, "uid",
			 (int)peer.uid, "user", user);
}

static json_t *info_of(const struct ctl_bus *bus, uint32_t version, uint64_t features)
{
	bool is_daemon = bus->kind == IPC_BUS_DAEMON;
	json_t *info = json_pack("{s:s, s:s, s:s, s:i}", "bus", bus->path, "reason",
				 feature_reason(bus->reason), "transport",
				 is_daemon ? "daemon" : "device", "version", (int)version);

	if (is_daemon)
		info = value_set(info, "daemon", daemon_of(bus->path));
	info = value_set(info, "features", feature_names(features));
	return value_set(info, "lacks", lacks(features, is_daemon));
}

static int put_list(const json_t *info, const char *title, const char *key)
{
	const json_t *names = json_object_get(info, key);
	const json_t *name;
	size_t i;

	printf("%s%-10s%s", out_color(COLOR_BOLD), title, out_plain());
	if (!json_array_size(names))
		printf(" nothing");
	json_array_foreach(names, i, name) printf(" %s", json_string_value(name));
	putchar('\n');
	return STATUS_OK;
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
	put_list(info, "features", "features");
	put_list(info, "lacks", "lacks");
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
	.summary = "show which bus this is, how it is reached and what it offers",
	.description =
		"Prints the path of the bus and why it is this one, the transport (the driver of the\n"
		"kernel, or ipcbusd with its process and user), the version of the driver, its\n"
		"features, and what it lacks of those that this program knows.\n",
	.example = "  ipcctl info\n",
	.statuses = ON_BUS,
	.run = run,
};
