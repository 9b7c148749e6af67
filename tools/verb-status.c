// SPDX-License-Identifier: MIT
/*
 * ipcctl status: the identity of a process on the bus, its services and its connections.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "ipcctl.h"
#include "json.h"
#include "output.h"
#include "process.h"
#include "servicemanager.ipc.h"
#include "state.h"
#include "text.h"
#include "verbs.h"

/* --- Identity ---------------------------------------------------------------------- */

static json_t *group_names(const json_t *gids)
{
	json_t *names = json_array(), *gid;
	char name[64];
	size_t i;

	json_array_foreach(gids, i, gid) {
		group_name(json_integer_value(gid), name, sizeof(name));
		names = value_append(names, text_json(name));
	}
	return names;
}

static json_t *set_file(json_t *status, const char *key, pid_t pid, const char *file)
{
	char text[4096];

	process_text(pid, file, text, sizeof(text));
	return value_set(status, key, json_string(text));
}

/* Returns the facts that every user may know. If the process has ended or memory is short, returns
 * NULL. */
static json_t *identity_of(pid_t pid)
{
	char process[64], unit[256], user[64], group[64];
	json_t *ids = process_ids(pid), *status;

	if (!ids)
		return NULL;
	process_name(pid, process, sizeof(process));
	process_unit(pid, unit, sizeof(unit));
	user_name(value_number(ids, "uid"), user, sizeof(user));
	group_name(value_number(ids, "gid"), group, sizeof(group));
	status = json_pack("{s:i, s:s, s:O, s:s, s:O, s:s, s:O, s:o, s:s}", "pid", (int)pid,
			   "process", process, "uid", json_object_get(ids, "uid"), "user", user,
			   "gid", json_object_get(ids, "gid"), "group", group, "gids",
			   json_object_get(ids, "groups"), "groups",
			   group_names(json_object_get(ids, "groups")), "unit", unit);
	json_decref(ids);
	status = set_file(status, "command", pid, "cmdline");
	status = set_file(status, "label", pid, "attr/current");
	return set_file(status, "cgroup", pid, "cgroup");
}

/* Returns the services that the process registered. */
static int get_services(pid_t pid, json_t **ret_services)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	json_t *rows = NULL, *services = json_array(), *row;
	int status;
	size_t i;

	status = bus_manager(&ipc, &manager);
	if (!status)
		status = bus_list(manager, "", false, &rows);
	json_array_foreach(rows, i, row)
		if (value_number(row, "pid") == pid)
			services = value_append(
				services, json_pack("{s:O, s:O}", "name",
						    json_object_get(row, "name"), "interface",
						    json_object_get(row, "interface")));
	json_decref(rows);
	if (status)
		json_decref(services);
	else
		*ret_services = services;
	return status ? status : services ? STATUS_OK : fail_memory();
}

/* Adds the connections of the process, each as a row of ipcctl stats. If the user has no
 * permission, adds nothing. */
static json_t *add_connections(json_t *status, pid_t pid)
{
	FILE *file = state_open("state");
	json_t *state, *rows, *own, *row;
	size_t i;

	if (!file)
		return status;
	state = state_parse(file);
	fclose(file);
	rows = state ? stats_rows(state) : NULL;
	own = rows ? json_array() : NULL;
	json_array_foreach(rows, i, row)
		if (value_number(row, "pid") == pid)
			own = value_append(own, json_incref(row));
	json_decref(rows);
	json_decref(state);
	return value_set(status, "connections", own);
}

/* --- Showing ------------------------------------------------------------------------ */

static int put_status(const json_t *status)
{
	static const char *const lines[] = { "process", "pid", "command", "user", "uid", "group",
					     "groups", "label", "unit", "cgroup" };
	json_t *connections = json_object_get(status, "connections"), *service;
	int r = out_fields(status, lines, sizeof(lines) / sizeof(*lines));
	size_t i;

	if (r)
		return r;
	json_array_foreach(json_object_get(status, "services"), i, service)
		printf("%s%-11s%s %s%s%s, interface %s\n", out_color(COLOR_DIM), "service", out_plain(),
		       out_color(COLOR_BOLD), value_text(service, "name"), out_plain(),
		       value_text(service, "interface"));
	if (connections)
		return stats_put(json_incref(connections));
	printf("%s%-11s%s ? (they need root, or the owner of a mounted bus or of an ipcbusd)\n",
	       out_color(COLOR_DIM), "connections", out_plain());
	return out_flush();
}

static int run(int argc, char **argv)
{
	json_t *status, *connections, *services = NULL;
	pid_t pid;
	int r;

	(void)argc;
	r = bus_process(argv[0], &pid);
	if (r)
		return r;
	status = identity_of(pid);
	if (!status && access("/proc/self", F_OK) < 0)
		return fail_with(STATUS_FAILED, "mount it: mount -t proc proc /proc",
				 "/proc is missing, which describes process %d", (int)pid);
	if (!status)
		return fail_with(STATUS_NOT_FOUND, "ipcctl list shows the processes of services",
				 "process %d does not exist", (int)pid);
	r = get_services(pid, &services);
	if (!r)
		status = value_set(status, "services", services);
	if (!r)
		status = add_connections(status, pid);
	connections = json_object_get(status, "connections");
	if (!r && !status)
		r = fail_memory();
	else if (!r && connections && !json_array_size(connections))
		r = fail_not_on_bus(pid);
	if (!r && ctl.json)
		return out_json(status);
	if (!r)
		r = put_status(status);
	json_decref(status);
	return r;
}

const struct verb verb_status = {
	.name = "status",
	.arguments = "PID|NAME",
	.summary = "print a process's identity, services and connections",
	.description =
		"Prints the state of the process that registered NAME, or of PID: its command, user and\n"
		"groups, label of the security module, unit, cgroup, and services. Root, or the owner\n"
		"of a mounted bus or of an ipcbusd, also sees its connections as ipcctl stats prints them.\n",
	.example = "  sudo ipcctl status demo.echo\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER),
	.min = 1,
	.max = 1,
	.run = run,
};
