// SPDX-License-Identifier: MIT
/*
 * Names for numbers: see names.h. Services are found by their names; at which node
 * one is, the driver's state says of our own handles.
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

/**
 * struct names - all that is known
 * @services: an array of objects: name, pid, node, interface, and set, the descriptors
 *	in base64, where the service gave them
 * @schemas: of each of @services what was made of its set, or NULL
 * @processes: names by pid as text
 * @live: the processes are those of this machine, now
 */
struct names {
	json_t *services;
	struct schema **schemas;
	json_t *processes;
	bool live;
};

/* --- Learning ------------------------------------------------------------------- */

/* The node behind a handle of the proc that libipc opened: the driver's own line. */
static const json_t *handle_of(const json_t *state, const struct ipc_proxy *proxy)
{
	json_int_t number = (json_int_t)(ipc_proxy_id(proxy) >> 1) - 1;
	json_t *proc, *handle;
	size_t i, j;

	json_array_foreach(state_all(state, "proc"), i, proc) {
		if (state_number(proc, "pid") != getpid())
			continue;
		json_array_foreach(state_all(state, "handle"), j, handle)
			if (state_number(handle, "proc") == state_number(proc, "proc") &&
			    state_number(handle, "handle") == number)
				return handle;
	}
	return NULL;
}

/* What the object says of itself, if it does. */
static void describe(json_t *service, struct ipc_proxy *proxy)
{
	Ipc__Description *description;

	if (!service || ipc_rpc_describe(proxy, &description, NULL) < 0)
		return;
	if (description->interface)
		json_object_set_new(service, "interface", json_string(description->interface));
	json_object_set_new(service, "set", base64_encode(description->descriptor_set.data,
							   description->descriptor_set.len));
	ipc_rpc_free(&description->base);
}

static int add_service(struct names *names, const char *name, struct ipc_proxy *proxy,
		       const json_t *state)
{
	const json_t *handle = handle_of(state, proxy);
	json_t *service = json_pack("{s:s, s:I, s:I}", "name", name, "pid",
				    state_number(handle, "pid"), "node",
				    state_number(handle, "node"));

	describe(service, proxy);
	return json_array_append_new(names->services, service);
}

/* All proxies first, then the driver's file once, for it has the handles then. */
struct finding {
	struct ipc *ipc;
	json_t *rows;
	struct ipc_proxy **proxies;
	json_t *state;
};

static void finding_done(struct finding *finding)
{
	for (size_t i = 0; finding->proxies && i < json_array_size(finding->rows); i++)
		ipc_proxy_unref(finding->proxies[i]);
	free(finding->proxies);
	json_decref(finding->state);
	json_decref(finding->rows);
}

static const char *name_at(const struct finding *finding, size_t i)
{
	return json_string_value(json_object_get(json_array_get(finding->rows, i), "name"));
}

static int get_proxies(struct finding *finding)
{
	size_t n = json_array_size(finding->rows);

	finding->proxies = calloc(n + 1, sizeof(struct ipc_proxy *));
	if (!finding->proxies)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (ipc_get_name(finding->ipc, name_at(finding, i), &finding->proxies[i]) < 0)
			finding->proxies[i] = NULL;
	return 0;
}

static int learn_services(struct names *names, struct finding *finding)
{
	for (size_t i = 0; i < json_array_size(finding->rows); i++) {
		struct ipc_proxy *proxy = finding->proxies[i];

		if (proxy && add_service(names, name_at(finding, i), proxy, finding->state) < 0)
			return -1;
	}
	return 0;
}

/* Without a service manager, or the right to look, there is just less to know. */
static int learn(struct names *names)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct finding finding = { 0 };
	int r = 0;

	if (bus_manager(&ipc, &manager))
		return 0;
	finding.ipc = ipc;
	if (ipc_wait_manager(ctl_device(), 0) == 1 && !bus_list(manager, "", &finding.rows)) {
		r = get_proxies(&finding);
		if (r == 0 && !state_read("state", &finding.state))
			r = learn_services(names, &finding);
		if (r == 0 && finding.state)
			r = add_service(names, "servicemanager", service_manager_proxy(manager),
					finding.state);
	}
	finding_done(&finding);
	return r;
}

/* What cannot be used is left NULL. */
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
	if (!names->services || !names->processes || learn(names) < 0 || build_schemas(names) < 0)
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

/* A copy of what has the right type, else what is empty. */
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
	/* Without memory some stay numbers. */
	json_object_update_missing(names->processes, (json_t *)processes);
}

/* --- Telling -------------------------------------------------------------------- */

/* Its place in services, or their number. */
static size_t index_of(const struct names *names, uint32_t pid, uint32_t node)
{
	json_t *service;
	size_t i;

	json_array_foreach(names->services, i, service)
		if (state_number(service, "pid") == pid && state_number(service, "node") == node)
			return i;
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
