// SPDX-License-Identifier: MIT
/*
 * Names for numbers: see names.h. To learn the node of a service, we get a handle of it and
 * look that up in the driver's state.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/monitor.h>
#include <ipc/rpc.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "json.h"
#include "names.h"
#include "process.h"
#include "schema.h"
#include "servicemanager.ipc.h"
#include "state.h"
#include "text.h"

/* Limits for the description of one service, and for those of all. */
#define ONE_USEC UINT64_C(500000)
#define ALL_NS	 UINT64_C(5000000000)

/**
 * struct known - what was built of a service when it was first needed
 * @built: @schema was built
 * @schema: NULL: the service did not describe itself, or not as protoc would
 */
struct known {
	bool built;
	struct schema *schema;
};

/**
 * struct names - all that is known
 * @services: an array of objects: name, pid, node and, if the service described itself,
 *	interface and set (the descriptors in base64)
 * @known: one for each of @services
 * @nodes: indices into @services by "PID/NODE"
 * @processes: names by pid as text
 * @live: pids are those of this machine, now; else those of a file
 */
struct names {
	json_t *services;
	struct known *known;
	json_t *nodes;
	json_t *processes;
	bool live;
};

/* --- Services and their nodes ------------------------------------------------------- */

/* The driver's lines about our own handles, by number. */
static json_t *own_handles(const json_t *state)
{
	json_t *procs = value_index(json_object_get(state, "proc"), "proc");
	json_t *own = json_array(), *handles, *handle;
	size_t i;

	json_array_foreach(json_object_get(state, "handle"), i, handle)
		if (value_number(value_indexed(procs, value_number(handle, "proc")), "pid") ==
		    getpid())
			own = value_append(own, json_incref(handle));
	handles = value_index(own, "handle");
	json_decref(procs);
	json_decref(own);
	return handles;
}

static json_t *service_new(const char *name, const struct ipc_proxy *proxy, const json_t *handles)
{
	const json_t *handle = value_indexed(handles, (json_int_t)(ipc_proxy_id(proxy) >> 1) - 1);

	return json_pack("{s:s, s:I, s:I}", "name", name, "pid", value_number(handle, "pid"),
			 "node", value_number(handle, "node"));
}

/* Asks a service for its interface. If it does not reply, its methods stay numbers. */
static void describe_service(struct ipc_proxy *proxy, json_t *service)
{
	Ipc__Description *description;

	if (ipc_rpc_describe(proxy, &description, /* error= */ NULL) < 0)
		return;
	if (description->interface)
		json_object_set_new(service, "interface", text_json(description->interface));
	json_object_set_new(service, "set", base64_encode(description->descriptor_set.data,
							  description->descriptor_set.len));
	ipc_rpc_free(&description->base);
}

/* The driver's lines about our own handles; NULL: no permission. */
static json_t *read_handles(void)
{
	FILE *file = state_open("state");
	json_t *state = file ? state_parse(file) : NULL, *handles;

	if (file)
		fclose(file);
	handles = state ? own_handles(state) : NULL;
	json_decref(state);
	return handles;
}

/* rows: all services. The last proxy becomes that of the service manager. */
static void find_all(struct names *names, struct ipc *ipc, struct ipc_proxy *manager, json_t *rows,
		     bool describe, struct ipc_proxy **proxies)
{
	uint64_t end = clock_ns() + ALL_NS;
	json_t *handles, *row;
	size_t i;
	int r = 0;

	/* First all proxies, so that the driver's file has a handle of each. */
	json_array_foreach(rows, i, row) {
		if (r != -ETIMEDOUT)
			r = ipc_get_name(ipc, value_text(row, "name"), &proxies[i]);
		if (r < 0)
			proxies[i] = NULL;
	}
	proxies[i] = ipc_proxy_ref(manager);
	handles = read_handles();
	ipc_set_timeout(ipc, ONE_USEC);
	for (i = 0; handles && i <= json_array_size(rows); i++) {
		const char *name = value_text(json_array_get(rows, i), "name") ?: "servicemanager";
		json_t *service = proxies[i] ? service_new(name, proxies[i], handles) : NULL;

		if (service && describe && clock_ns() < end)
			describe_service(proxies[i], service);
		if (service)
			names->services = value_append(names->services, service);
	}
	json_decref(handles);
}

/* Without a service manager or permission, names are missing. That is no error. */
static void learn(struct names *names, bool describe)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_proxy **proxies = NULL;
	json_t *rows = NULL;

	if (ipc_wait_manager(ctl_device(), 0) == 1 && !bus_manager(&ipc, &manager) &&
	    !bus_list(manager, "", false, &rows))
		proxies = calloc(json_array_size(rows) + 1, sizeof(*proxies));
	if (proxies)
		find_all(names, ipc, service_manager_proxy(manager), rows, describe, proxies);
	for (size_t i = 0; proxies && i <= json_array_size(rows); i++)
		ipc_proxy_unref(proxies[i]);
	free(proxies);
	json_decref(rows);
}

/* --- All names ---------------------------------------------------------------------- */

static const char *key_of(char *key, size_t size, json_int_t pid, json_int_t node)
{
	snprintf(key, size, "%lld/%lld", (long long)pid, (long long)node);
	return key;
}

/* After services and processes are complete. Returns names or, without memory, NULL. */
static struct names *finish(struct names *names)
{
	json_t *service;
	char key[48];
	size_t i;

	names->nodes = json_object();
	names->known = calloc(json_array_size(names->services) + 1, sizeof(*names->known));
	/* The first name of a node is the one that is shown. */
	json_array_foreach(names->services, i, service) {
		key_of(key, sizeof(key), value_number(service, "pid"),
		       value_number(service, "node"));
		if (!json_object_get(names->nodes, key))
			json_object_set_new(names->nodes, key, json_integer(i));
	}
	if (!names->services || !names->processes || !names->nodes || !names->known)
		return names_free(names);
	return names;
}

struct names *names_new(bool describe)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->live = true;
	names->services = json_array();
	names->processes = json_object();
	learn(names, describe);
	return finish(names);
}

struct names *names_free(struct names *names)
{
	if (!names)
		return NULL;
	for (size_t i = 0; names->known && i < json_array_size(names->services); i++)
		schema_free(names->known[i].schema);
	free(names->known);
	json_decref(names->services);
	json_decref(names->nodes);
	json_decref(names->processes);
	free(names);
	return NULL;
}

json_t *names_to_json(const struct names *names)
{
	return json_pack("{s:O, s:O}", "services", names->services, "processes", names->processes);
}

/* A copy if the type is right, else an empty value. */
static json_t *copy_of(const json_t *value, json_type type)
{
	if (value && json_typeof(value) == type)
		return json_deep_copy(value);
	return type == JSON_ARRAY ? json_array() : json_object();
}

struct names *names_from_json(const json_t *json)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->services = copy_of(json_object_get(json, "services"), JSON_ARRAY);
	names->processes = copy_of(json_object_get(json, "processes"), JSON_OBJECT);
	return finish(names);
}

void names_learn(struct names *names, const json_t *processes)
{
	/* Without memory they stay numbers. */
	json_object_update_missing(names->processes, (json_t *)processes);
}

/* --- Names ---------------------------------------------------------------------- */

/* Index of the service at a node, or the number of services. */
static size_t index_of(const struct names *names, uint32_t pid, uint32_t node)
{
	char key[48];
	const json_t *index = json_object_get(names->nodes, key_of(key, sizeof(key), pid, node));

	return index ? (size_t)json_integer_value(index) : json_array_size(names->services);
}

const char *names_service(const struct names *names, uint32_t pid, uint32_t node)
{
	return value_text(json_array_get(names->services, index_of(names, pid, node)), "name");
}

void names_target(const struct names *names, uint32_t pid, uint32_t node, char *text, size_t size)
{
	const char *service = names_service(names, pid, node);

	if (service)
		snprintf(text, size, "%s", service);
	else
		snprintf(text, size, "%" PRIu32 "/%" PRIu32, pid, node);
	text_clean(text);
}

static const struct schema_method *method_of(const struct names *names, uint32_t pid, uint32_t node,
					     uint32_t code)
{
	size_t i = index_of(names, pid, node), size;
	const json_t *service = json_array_get(names->services, i);
	const char *interface = value_text(service, "interface");
	struct known *known = &names->known[i];
	void *set;

	if (!known->built && interface) {
		set = base64_decode(json_object_get(service, "set"), &size);
		if (set && schema_new(set, size, interface, &known->schema) < 0)
			known->schema = NULL;
		free(set);
	}
	known->built = true;
	return known->schema ? schema_find_code(known->schema, code) : NULL;
}

void names_method(const struct names *names, uint32_t pid, uint32_t node, uint32_t code,
		  char *text, size_t size)
{
	const struct schema_method *method = method_of(names, pid, node, code);
	const char *name = method ? method->name : schema_builtin(code);

	if (name)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "%#" PRIx32, code);
}

static json_t *text_of(const char *text)
{
	return text ? base64_text(text, strlen(text)) : NULL;
}

/* An ipc.Error, as schema_decode() would show it. */
static json_t *decode_error(const void *data, size_t size)
{
	Ipc__Error *error;
	json_t *json;

	if (ipc_payload_message(data, size, &data, &size) < 0)
		return NULL;
	error = ipc__error__unpack(NULL, size, data);
	if (!error)
		return NULL;
	json = json_pack("{s:o*, s:o*, s:o*, s:o*}", "name", text_of(error->name), "message",
			 text_of(error->message), "number",
			 error->has_number ? json_integer(error->number) : NULL, "details",
			 error->has_details ? base64_encode(error->details.data,
							    error->details.len) : NULL);
	ipc__error__free_unpacked(error, NULL);
	return json;
}

json_t *names_decode(const struct names *names, uint32_t pid, uint32_t node, uint32_t code,
		     uint32_t kind, const void *data, size_t size)
{
	const struct schema_method *method = method_of(names, pid, node, code);

	if (kind == IPC_RECORD_ERROR)
		return decode_error(data, size);
	if (!method)
		return NULL;
	return schema_decode(kind == IPC_RECORD_REPLY ? method->reply : method->request, data,
			     size);
}

const char *names_known(const struct names *names, uint32_t pid)
{
	char key[16];

	snprintf(key, sizeof(key), "%" PRIu32, pid);
	return json_string_value(json_object_get(names->processes, key));
}

void names_note(struct names *names, uint32_t pid)
{
	char key[16], name[64];

	if (!names->live || names_known(names, pid))
		return;
	process_name(pid, name, sizeof(name));
	snprintf(key, sizeof(key), "%" PRIu32, pid);
	/* Without memory it is looked up again. */
	if (*name)
		json_object_set_new(names->processes, key, json_string(name));
}

void names_process(struct names *names, uint32_t pid, char *text, size_t size)
{
	const char *known;

	names_note(names, pid);
	known = names_known(names, pid);
	if (known)
		snprintf(text, size, "%s(%" PRIu32 ")", known, pid);
	else if (pid)
		snprintf(text, size, "%" PRIu32, pid);
	else
		snprintf(text, size, "?");
	text_clean(text);
}
