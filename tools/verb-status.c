// SPDX-License-Identifier: MIT
/*
 * ipcctl status and tree: a process on the bus, who it is, what it has, and who uses that; and
 * the objects of all processes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "ipcctl.h"
#include "names.h"
#include "out.h"
#include "peers.h"
#include "process.h"
#include "servicemanager.ipc.h"
#include "state.h"
#include "stats.h"
#include "text.h"
#include "user.h"
#include "value.h"
#include "verbs.h"

#define NEEDS_ROOT "the objects and clients of a process need root, or the owner of " \
	"a mounted bus or of an ipcbusd"

/* --- Who it is ---------------------------------------------------------------------- */

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

/* What anybody may know. NULL: it has ended, or there is no memory. */
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

/* The rows of its names. */
static int get_services(pid_t pid, json_t **ret_services)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	json_t *rows = NULL, *services = json_array(), *row;
	int status;
	size_t i;

	status = bus_manager(&ipc, &manager);
	if (!status)
		status = bus_list(manager, "", &rows);
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

/* --- What it has -------------------------------------------------------------------- */

static json_t *find_pid(json_t *rows, json_int_t pid)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (value_number(row, "pid") == pid)
			return row;
	return NULL;
}

/* Each client once, with the handles that it has of all objects. */
static json_t *clients_of(const json_t *objects)
{
	json_t *clients = json_array(), *object, *client, *known;
	size_t i, j;

	json_array_foreach(objects, i, object)
		json_array_foreach(json_object_get(object, "clients"), j, client) {
			known = find_pid(clients, value_number(client, "pid"));
			if (known)
				json_integer_set(json_object_get(known, "handles"),
						 value_number(known, "handles") +
							 value_number(client, "handles"));
			else
				clients = value_append(clients, json_copy(client));
		}
	return clients;
}

/* All connections of the process, each as a row of ipcctl stats. */
static json_t *connections_of(const json_t *state, pid_t pid)
{
	json_t *rows = stats_rows(state), *own = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (value_number(row, "pid") == pid)
			own = value_append(own, json_incref(row));
	json_decref(rows);
	return own;
}

/* The driver's state, if ret_state is not NULL, and all processes of it. Prints what went wrong. */
static int get_peers(json_t **ret_state, json_t **ret_peers)
{
	struct names *names = names_new(/* describe= */ false);
	json_t *state = NULL, *peers;
	int status;

	/* Once what we held to learn the names is gone. */
	status = names ? state_read("state", &state) : fail_memory();
	peers = status ? NULL : peers_of(names, state);
	names_free(names);
	if (!status && !peers)
		status = fail_memory();
	if (!status && ret_state)
		*ret_state = json_incref(state);
	*ret_peers = peers;
	json_decref(state);
	return status;
}

/* Without permission they are missing. */
static int add_state(json_t **status, pid_t pid)
{
	FILE *file = state_open("state");
	json_t *state, *peers, *peer, *objects;
	int r;

	if (!file)
		return STATUS_OK;
	fclose(file);
	r = get_peers(&state, &peers);
	if (r)
		return r;
	peer = find_pid(peers, pid);
	objects = json_object_get(peer, "objects");
	if (peer) {
		*status = value_set(*status, "objects", json_incref(objects));
		*status = value_set(*status, "clients", clients_of(objects));
		*status = value_set(*status, "connections", connections_of(state, pid));
	}
	if (!peer)
		r = fail_with(STATUS_NOT_FOUND, "ipcctl stats lists the processes on the bus",
			      "process %d is not on the bus %s", (int)pid, ctl_device());
	else if (!*status)
		r = fail_memory();
	json_decref(peers);
	json_decref(state);
	return r;
}

/* --- Showing ------------------------------------------------------------------------ */

static int put_line(const char *title, const json_t *value)
{
	char *text = out_text(value);

	if (!text)
		return fail_memory();
	printf("%s%-11s%s %s\n", out_color(COLOR_DIM), title, out_plain(), text);
	free(text);
	return STATUS_OK;
}

/* "client(312), client(313)" */
static void put_clients(const json_t *clients)
{
	json_t *client;
	size_t i;

	json_array_foreach(clients, i, client)
		printf("%s%s(%lld)", i ? ", " : "", value_text(client, "process"),
		       (long long)value_number(client, "pid"));
	if (!json_array_size(clients))
		putchar('-');
}

static void put_objects(const json_t *objects, const char *indent)
{
	json_t *object;
	size_t i;

	json_array_foreach(objects, i, object) {
		const char *name = value_text(object, "name");

		printf("%s%s%s%s%snode %lld, held by ", indent, out_color(COLOR_BOLD), name,
		       out_plain(), *name ? ", " : "", (long long)value_number(object, "node"));
		put_clients(json_object_get(object, "clients"));
		putchar('\n');
	}
}

static void put_services(const json_t *services)
{
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
		printf("%s%-11s%s %s%s%s, interface %s\n", out_color(COLOR_DIM), i ? "" : "names",
		       out_plain(), out_color(COLOR_BOLD), value_text(service, "name"),
		       out_plain(), value_text(service, "interface"));
}

static void put_state(const json_t *status)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(status, "connections"), i, row)
		printf("%s%-11s%s threads %lld (busy %lld), queued %lld, objects %lld, handles %lld, "
		       "bytes %lld of %lld\n",
		       out_color(COLOR_DIM), i ? "" : "connection", out_plain(),
		       (long long)value_number(row, "threads"),
		       (long long)value_number(row, "busy"), (long long)value_number(row, "queued"),
		       (long long)value_number(row, "nodes"),
		       (long long)value_number(row, "handles"),
		       (long long)value_number(row, "used"), (long long)value_number(row, "size"));
	printf("%s%-11s%s ", out_color(COLOR_DIM), "clients", out_plain());
	put_clients(json_object_get(status, "clients"));
	putchar('\n');
	if (json_array_size(json_object_get(status, "objects")))
		printf("%sobjects%s\n", out_color(COLOR_DIM), out_plain());
	put_objects(json_object_get(status, "objects"), "  ");
}

static int put_status(const json_t *status)
{
	static const char *const lines[][2] = {
		{ "process", "process" }, { "pid", "pid" },	  { "command", "command" },
		{ "user", "user" },	  { "uid", "uid" },	  { "group", "group" },
		{ "groups", "groups" },	  { "label", "label" },	  { "unit", "unit" },
		{ "cgroup", "cgroup" },
	};
	int r = STATUS_OK;

	for (size_t i = 0; !r && i < sizeof(lines) / sizeof(*lines); i++)
		r = put_line(lines[i][0], json_object_get(status, lines[i][1]));
	if (r)
		return r;
	put_services(json_object_get(status, "services"));
	if (json_object_get(status, "objects"))
		put_state(status);
	else
		printf("%s%-11s%s ? (%s)\n", out_color(COLOR_DIM), "clients", out_plain(),
		       NEEDS_ROOT);
	return out_flush();
}

/* It has no name; the driver knows it as the owner of its object. */
static int find_manager(pid_t *ret_pid)
{
	json_t *peers, *peer, *object;
	int r = get_peers(NULL, &peers);
	size_t i, j;

	*ret_pid = 0;
	json_array_foreach(peers, i, peer)
		json_array_foreach(json_object_get(peer, "objects"), j, object)
			if (!strcmp(value_text(object, "name"), "servicemanager"))
				*ret_pid = value_number(peer, "pid");
	json_decref(peers);
	if (r)
		return r;
	return *ret_pid ? STATUS_OK : fail_errno(-ENOTCONN, "the service manager");
}

static int run_status(int argc, char **argv)
{
	json_t *status, *services = NULL;
	pid_t pid;
	int r;

	(void)argc;
	r = strcmp(argv[0], "servicemanager") ? bus_process(argv[0], &pid) : find_manager(&pid);
	if (r)
		return r;
	status = identity_of(pid);
	if (!status && access("/proc/self", F_OK) < 0)
		return fail_with(STATUS_FAILED, "mount it: mount -t proc proc /proc",
				 "/proc is missing, and has who process %d is", (int)pid);
	if (!status)
		return fail_with(STATUS_NOT_FOUND, "ipcctl list shows the processes of services",
				 "there is no process %d", (int)pid);
	r = get_services(pid, &services);
	if (!r)
		status = value_set(status, "services", services);
	if (!r && status)
		r = add_state(&status, pid);
	if (!r && !status)
		r = fail_memory();
	if (!r && ctl.json)
		return out_json(status);
	if (!r)
		r = put_status(status);
	json_decref(status);
	return r;
}

/* --- tree --------------------------------------------------------------------------- */

static json_t *add_identity(json_t *peer)
{
	json_int_t pid = value_number(peer, "pid");
	char unit[256], user[64];
	json_t *ids = process_ids(pid);

	process_unit(pid, unit, sizeof(unit));
	if (ids)
		user_name(value_number(ids, "uid"), user, sizeof(user));
	json_object_set_new(peer, "unit", json_string(unit));
	json_object_set_new(peer, "user", ids ? json_string(user) : json_null());
	json_decref(ids);
	return peer;
}

static void put_peer(const json_t *peer)
{
	const char *unit = value_text(peer, "unit"), *user = value_text(peer, "user");

	printf("%s%s(%lld)%s", out_color(COLOR_BOLD), value_text(peer, "process"),
	       (long long)value_number(peer, "pid"), out_plain());
	if (unit && *unit)
		printf(", %s", unit);
	printf(", %s\n", user ? user : "?");
	put_objects(json_object_get(peer, "objects"), "  ");
}

static int run_tree(int argc, char **argv)
{
	json_t *peers, *peer;
	int r = get_peers(NULL, &peers);
	size_t i;

	(void)argc;
	(void)argv;
	if (r)
		return r;
	json_array_foreach(peers, i, peer)
		add_identity(peer);
	if (ctl.json)
		return out_json(peers);
	json_array_foreach(peers, i, peer)
		put_peer(peer);
	json_decref(peers);
	return out_flush();
}

const struct verb verb_status = {
	.name = "status",
	.arguments = "PID|NAME",
	.summary = "print who a process is, what it has, and who uses it",
	.description =
		"Prints what is known of the process that registered NAME, or of PID: its command, user\n"
		"and groups, label of the security module, unit, cgroup, and names. Root, or the owner of\n"
		"a mounted bus, also sees its threads and queue, its objects, and its clients: the\n"
		"processes that hold these.\n",
	.example = "  sudo ipcctl status demo.echo\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER),
	.min = 1,
	.max = 1,
	.run = run_status,
};

const struct verb verb_tree = {
	.name = "tree",
	.arguments = "",
	.summary = "print processes, their objects, and who holds them",
	.description =
		"Prints each process on the bus with its unit and user, and below it its objects: name,\n"
		"number, and the processes that hold it. Needs root, or the owner of a mounted bus or of\n"
		"an ipcbusd.\n",
	.example = "  sudo ipcctl tree\n",
	.statuses = ON_BUS,
	.run = run_tree,
};
