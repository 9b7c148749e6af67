// SPDX-License-Identifier: MIT
/*
 * Names for numbers: see names.h. To learn the node of a service, we get a handle of it and
 * look that up in the driver's state.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/monitor.h>

#include "bus.h"
#include "ipcctl.h"
#include "names.h"
#include "process.h"
#include "schema.h"
#include "servicemanager.ipc.h"
#include "state.h"
#include "value.h"

/**
 * struct names - all that is known
 * @services: an array of objects: name, pid, node and, if the service described itself,
 *	interface and set (the descriptors in base64)
 * @schemas: the schema of each of @services, or NULL
 * @processes: names by pid as text
 * @live: pids are those of this machine, now; else those of a file
 */
struct names {
	json_t *services;
	struct schema **schemas;
	json_t *processes;
	bool live;
};

/* --- Learning ------------------------------------------------------------------- */

/* The driver's line about the handle of a proxy. */
static const json_t *handle_of(const json_t *state, const struct ipc_proxy *proxy)
{
	json_int_t number = (json_int_t)(ipc_proxy_id(proxy) >> 1) - 1;
	json_t *proc, *handle;
	size_t i, j;

	json_array_foreach(json_object_get(state, "proc"), i, proc) {
		if (value_number(proc, "pid") != getpid())
			continue;
		json_array_foreach(json_object_get(state, "handle"), j, handle)
			if (value_number(handle, "proc") == value_number(proc, "proc") &&
			    value_number(handle, "handle") == number)
				return handle;
	}
	return NULL;
}

/* Adds a service with what it says of itself. Returns services or, without memory, NULL. */
static json_t *add_service(json_t *services, const char *name, struct ipc_proxy *proxy,
			   const json_t *state)
{
	const json_t *handle = handle_of(state, proxy);
	Ipc__Description *description;
	json_t *service;

	service = json_pack("{s:s, s:I, s:I}", "name", name, "pid", value_number(handle, "pid"),
			    "node", value_number(handle, "node"));
	if (ipc_rpc_describe(proxy, &description, NULL) == 0) {
		if (description->interface)
			service = value_set(service, "interface",
					    json_string(description->interface));
		service = value_set(service, "set",
				    base64_encode(description->descriptor_set.data,
						  description->descriptor_set.len));
		ipc_rpc_free(&description->base);
	}
	return value_append(services, service);
}

/* Without a service manager or permission, names are missing. That is no error. */
static void learn(struct names *names)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	json_t *rows = NULL, *state = NULL, *row;
	struct ipc_proxy **proxies;
	size_t i;

	if (bus_manager(&ipc, &manager) || ipc_wait_manager(ctl_device(), 0) != 1 ||
	    bus_list(manager, "", &rows))
		return;
	proxies = calloc(json_array_size(rows) + 1, sizeof(*proxies));
	/* First all proxies, so that the driver's file has a handle of each. */
	json_array_foreach(rows, i, row)
		if (proxies && ipc_get_name(ipc, value_text(row, "name"), &proxies[i]) < 0)
			proxies[i] = NULL;
	if (proxies && !state_read("state", &state)) {
		json_array_foreach(rows, i, row)
			if (proxies[i])
				names->services = add_service(names->services,
							      value_text(row, "name"), proxies[i],
							      state);
		names->services = add_service(names->services, "servicemanager",
					      service_manager_proxy(manager), state);
	}
	for (i = 0; proxies && i < json_array_size(rows); i++)
		ipc_proxy_unref(proxies[i]);
	free(proxies);
	json_decref(state);
	json_decref(rows);
}

/* A set that is not valid leaves NULL. */
static int build_schemas(struct names *names)
{
	json_t *service;
	size_t i;

	names->schemas = calloc(json_array_size(names->services) + 1, sizeof(struct schema *));
	if (!names->schemas)
		return -1;
	json_array_foreach(names->services, i, service) {
		const char *interface = json_string_value(json_object_get(service, "interface"));
		size_t size;
		void *set = base64_decode(json_object_get(service, "set"), &size);

		if (set && interface && schema_new(set, size, interface, &names->schemas[i]) < 0)
			names->schemas[i] = NULL;
		free(set);
	}
	return 0;
}

struct names *names_new(void)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->live = true;
	names->services = json_array();
	names->processes = json_object();
	learn(names);
	if (!names->services || !names->processes || build_schemas(names) < 0)
		return names_free(names);
	return names;
}

struct names *names_free(struct names *names)
{
	if (!names)
		return NULL;
	for (size_t i = 0; names->schemas && i < json_array_size(names->services); i++)
		schema_free(names->schemas[i]);
	free(names->schemas);
	json_decref(names->services);
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
	if (!names->services || !names->processes || build_schemas(names) < 0)
		return names_free(names);
	return names;
}

void names_learn(struct names *names, const json_t *processes)
{
	/* Without memory they stay numbers. */
	json_object_update_missing(names->processes, (json_t *)processes);
}

/* --- Names ---------------------------------------------------------------------- */

/* Index of the service at a node; if there is none, the number of services. */
static size_t index_of(const struct names *names, uint32_t pid, uint32_t node)
{
	json_t *service;
	size_t i;

	json_array_foreach(names->services, i,
			   service) if (value_number(service, "pid") == (json_int_t)pid &&
					value_number(service, "node") == (json_int_t)node) return i;
	return json_array_size(names->services);
}

const char *names_service(const struct names *names, uint32_t pid, uint32_t node)
{
	const json_t *service = json_array_get(names->services, index_of(names, pid, node));

	return json_string_value(json_object_get(service, "name"));
}

void names_target(const struct names *names, uint32_t pid, uint32_t node, char *text, size_t size)
{
	const char *service = names_service(names, pid, node);

	if (service)
		snprintf(text, size, "%s", service);
	else
		snprintf(text, size, "%" PRIu32 "/%" PRIu32, pid, node);
}

static const struct schema_method *method_of(const struct names *names, uint32_t pid, uint32_t node,
					     uint32_t code)
{
	const struct schema *schema = names->schemas[index_of(names, pid, node)];

	return schema ? schema_find_code(schema, code) : NULL;
}

void names_method(const struct names *names, uint32_t pid, uint32_t node, uint32_t code,
		  char *text, size_t size)
{
	const struct schema_method *method = method_of(names, pid, node, code);
	const char *name = method ? method->method.name : schema_builtin(code);

	if (name)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "%#" PRIx32, code);
}

json_t *names_decode(const struct names *names, uint32_t pid, uint32_t node, uint32_t code,
		     uint32_t kind, const void *data, size_t size)
{
	const struct schema_method *method = method_of(names, pid, node, code);

	if (kind == IPC_RECORD_ERROR)
		return schema_decode(&ipc__error__descriptor, data, size);
	if (!method)
		return NULL;
	return schema_decode(kind == IPC_RECORD_REPLY ? method->method.reply :
							method->method.request,
			     data, size);
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
}
