// SPDX-License-Identifier: MIT
/*
 * Processes and objects: see peers.h. Nodes and handles are joined by the number of the owner's
 * connection and that of the node, so the work is in proportion to the driver's state.
 */
#include <stdio.h>
#include <unistd.h>

#include "names.h"
#include "peers.h"
#include "process.h"
#include "value.h"

static json_t *client_new(struct names *names, json_int_t pid)
{
	const char *known;

	names_note(names, pid);
	known = names_known(names, pid);
	return json_pack("{s:I, s:s, s:i}", "pid", pid, "process", known ? known : "", "handles", 0);
}

/* Counts one handle of a client. Clients come one after the other: only the last can be equal. */
static json_t *add_handle(json_t *clients, struct names *names, json_int_t pid)
{
	json_t *last = json_array_get(clients, json_array_size(clients) - 1);

	if (!clients || pid == getpid())
		return clients;
	if (!last || value_number(last, "pid") != pid) {
		clients = value_append(clients, client_new(names, pid));
		last = json_array_get(clients, json_array_size(clients) - 1);
	}
	if (last)
		json_integer_set(json_object_get(last, "handles"),
				 value_number(last, "handles") + 1);
	return clients;
}

static const char *key_of(char *key, size_t size, json_int_t proc, json_int_t node)
{
	snprintf(key, size, "%lld/%lld", (long long)proc, (long long)node);
	return key;
}

/* The clients of each node, by "PROC/NODE". procs: the driver's lines by number. */
static json_t *clients_by_node(struct names *names, const json_t *state, const json_t *procs)
{
	json_t *by_node = json_object(), *handle;
	char key[48];
	size_t i;

	json_array_foreach(json_object_get(state, "handle"), i, handle) {
		json_int_t holder =
			value_number(value_indexed(procs, value_number(handle, "proc")), "pid");
		json_t *clients;

		key_of(key, sizeof(key), value_number(handle, "owner"),
		       value_number(handle, "node"));
		clients = json_incref(json_object_get(by_node, key));
		clients = add_handle(clients ? clients : json_array(), names, holder);
		by_node = value_set(by_node, key, clients);
	}
	return by_node;
}

static json_t *object_new(struct names *names, const json_t *by_node, const json_t *node,
			  json_int_t pid)
{
	json_int_t number = value_number(node, "node");
	const char *name = names_service(names, pid, number);
	json_t *clients;
	char key[48];

	key_of(key, sizeof(key), value_number(node, "proc"), number);
	clients = json_incref(json_object_get(by_node, key));
	return json_pack("{s:I, s:s, s:o}", "node", number, "name", name ? name : "", "clients",
			 clients ? clients : json_array());
}

static int by_pid(const void *a, const void *b)
{
	json_int_t x = value_number(*(json_t *const *)a, "pid");
	json_int_t y = value_number(*(json_t *const *)b, "pid");

	return x < y ? -1 : x > y;
}

/* Its values by pid. Takes the reference. */
static json_t *rows_of(json_t *peers)
{
	json_t *rows = json_array(), *row;
	const char *key;

	json_object_foreach(peers, key, row)
		rows = value_append(rows, json_incref(row));
	json_decref(peers);
	return value_sorted(rows, by_pid);
}

/* Adds the process of a connection, which may have others. */
static json_t *add_process(json_t *peers, struct names *names, json_int_t pid)
{
	const char *known;
	char key[32];

	snprintf(key, sizeof(key), "%lld", (long long)pid);
	if (pid == getpid() || json_object_get(peers, key))
		return peers;
	names_note(names, pid);
	known = names_known(names, pid);
	return value_set(peers, key, json_pack("{s:I, s:s, s:[]}", "pid", pid, "process",
					       known ? known : "", "objects"));
}

json_t *peers_of(struct names *names, const json_t *state)
{
	json_t *procs = value_index(json_object_get(state, "proc"), "proc");
	json_t *by_node = clients_by_node(names, state, procs);
	json_t *peers = json_object(), *line;
	char key[32];
	size_t i;

	json_array_foreach(json_object_get(state, "proc"), i, line)
		peers = add_process(peers, names, value_number(line, "pid"));
	json_array_foreach(json_object_get(state, "node"), i, line) {
		json_int_t pid =
			value_number(value_indexed(procs, value_number(line, "proc")), "pid");
		json_t *objects, *object;

		snprintf(key, sizeof(key), "%lld", (long long)pid);
		objects = json_object_get(json_object_get(peers, key), "objects");
		object = objects ? object_new(names, by_node, line, pid) : NULL;
		/* Without memory all of it fails. */
		if (objects && (!object || json_array_append_new(objects, object) < 0))
			peers = value_set(peers, key, NULL);
	}
	json_decref(by_node);
	json_decref(procs);
	return peers ? rows_of(peers) : NULL;
}
