// SPDX-License-Identifier: MIT
/*
 * Names for numbers: see names.h. To learn the node of a service, ipcctl gets a handle to it and
 * looks up that handle in the driver's state.
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
#include "schema/json.h"
#include "names.h"
#include "process.h"
#include "schema/schema.h"
#include "servicemanager.ipc.h"
#include "state.h"
#include "schema/text.h"

/* Timeouts for the description of one service, and for all descriptions. */
#define ONE_USEC UINT64_C(500000)
#define ALL_NS	 UINT64_C(5000000000)

/**
 * struct service - a registered service, or the service manager
 * @name: its name
 * @schema: its interface; NULL if it was not asked, or did not describe itself
 */
struct service {
	char *name;
	struct schema *schema;
};

/**
 * struct names - all known names
 * @services: @n_services services
 * @nodes: indices into @services by "PROC/NODE": pids are ambiguous
 * @processes: names by pid as text
 */
struct names {
	struct service *services;
	size_t n_services;
	json_t *nodes;
	json_t *processes;
};

/* --- Services and their nodes ------------------------------------------------------- */

/* Returns the driver's lines about ipcctl's own handles, by number. */
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

static const char *key_of(char *key, size_t size, uint64_t owner, json_int_t node)
{
	snprintf(key, size, "%" PRIu64 "/%lld", owner, (long long)node);
	return key;
}

/* Adds the service of a proxy. If memory is short, the service is missing. */
static struct service *add_service(struct names *names, const char *name,
				   const struct ipc_proxy *proxy, const json_t *handles)
{
	const json_t *handle = value_indexed(handles, (json_int_t)(ipc_proxy_id(proxy) >> 1) - 1);
	struct service *service = &names->services[names->n_services];
	uint64_t owner = (uint64_t)value_number(handle, "owner");
	char key[48];

	service->name = strdup(name);
	if (!service->name)
		return NULL;
	key_of(key, sizeof(key), owner, value_number(handle, "node"));
	/* If a node has several names, the first is shown. 0: the state does not show the node. */
	if (owner && !json_object_get(names->nodes, key))
		json_object_set_new(names->nodes, key, json_integer(names->n_services));
	names->n_services++;
	return service;
}

/* Returns the driver's lines about ipcctl's own handles, or NULL without permission. */
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

/* rows are all services. The last proxy is the proxy of the service manager. */
static void find_all(struct names *names, struct ipc *ipc, struct ipc_proxy *manager, json_t *rows,
		     bool describe, struct ipc_proxy **proxies)
{
	uint64_t end = clock_ns() + ALL_NS;
	json_t *handles, *row;
	size_t i;
	int r = 0;

	/* Get all proxies first, so that the driver's file lists a handle for each. */
	json_array_foreach(rows, i, row) {
		if (r != -ETIMEDOUT)
			r = ipc_proxy_get(ipc, value_text(row, "name"), NULL, &proxies[i]);
		if (r < 0)
			proxies[i] = NULL;
	}
	proxies[i] = ipc_proxy_ref(manager);
	handles = read_handles();
	ipc_set_timeout(ipc, ONE_USEC);
	for (i = 0; handles && i <= json_array_size(rows); i++) {
		const char *name = value_text(json_array_get(rows, i), "name") ?: "servicemanager";
		struct service *service =
			proxies[i] ? add_service(names, name, proxies[i], handles) : NULL;

		if (service && describe && clock_ns() < end &&
		    schema_introspect(proxies[i], &service->schema, /* error= */ NULL) < 0)
			service->schema = NULL;
	}
	json_decref(handles);
}

/* If there is no service manager or no permission, names are missing. That is not an error. */
static void learn(struct names *names, bool describe)
{
	ipc_auto(service_manager_unref) struct service_manager *manager = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_proxy **proxies = NULL;
	json_t *rows = NULL;

	if (bus_has_manager() && !bus_manager(&ipc, &manager) &&
	    !bus_list(manager, "*", false, &rows))
		proxies = calloc(json_array_size(rows) + 1, sizeof(*proxies));
	if (proxies)
		names->services = calloc(json_array_size(rows) + 1, sizeof(*names->services));
	if (names->services)
		find_all(names, ipc, service_manager_proxy(manager), rows, describe, proxies);
	for (size_t i = 0; proxies && i <= json_array_size(rows); i++)
		ipc_proxy_unref(proxies[i]);
	free(proxies);
	json_decref(rows);
}

struct names *names_new(bool describe)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->nodes = json_object();
	names->processes = json_object();
	if (!names->nodes || !names->processes)
		return names_free(names);
	learn(names, describe);
	return names;
}

struct names *names_free(struct names *names)
{
	if (!names)
		return NULL;
	for (size_t i = 0; i < names->n_services; i++) {
		schema_free(names->services[i].schema);
		free(names->services[i].name);
	}
	free(names->services);
	json_decref(names->nodes);
	json_decref(names->processes);
	free(names);
	return NULL;
}

/* --- Names ---------------------------------------------------------------------- */

static const struct service *service_at(const struct names *names, uint64_t owner, uint32_t node)
{
	char key[48];
	const json_t *index = json_object_get(names->nodes, key_of(key, sizeof(key), owner, node));

	return index ? &names->services[json_integer_value(index)] : NULL;
}

const char *names_service(const struct names *names, uint64_t owner, uint32_t node)
{
	const struct service *service = service_at(names, owner, node);

	return service ? service->name : NULL;
}

bool names_lack_service(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n_services; i++)
		if (!strcmp(names->services[i].name, name))
			return false;
	/* Without permission, no service is known. */
	return names->n_services;
}

bool names_lack_method(const struct names *names, const char *method)
{
	const char *builtin;

	for (uint32_t number = IPC_NUMBER_BUILTIN; (builtin = schema_builtin(number)); number++)
		if (!strcmp(builtin, method))
			return false;
	for (size_t i = 0; i < names->n_services; i++)
		if (names->services[i].schema && schema_find(names->services[i].schema, method))
			return false;
	return names->n_services && strncmp(method, "0x", 2);
}

void names_target(const struct names *names, uint64_t owner, uint32_t pid, uint32_t node,
		  char *text, size_t size)
{
	const char *service = names_service(names, owner, node);

	if (service)
		snprintf(text, size, "%s", service);
	else if (!pid && !node)
		snprintf(text, size, "?");
	else
		snprintf(text, size, "%" PRIu32 "/%" PRIu32, pid, node);
	text_clean(text);
}

static const struct schema_method *method_of(const struct names *names, uint64_t owner,
					     uint32_t node, uint32_t number)
{
	const struct service *service = service_at(names, owner, node);

	return service && service->schema ? schema_find_number(service->schema, number) : NULL;
}

void names_method(const struct names *names, uint64_t owner, uint32_t node, uint32_t number,
		  char *text, size_t size)
{
	const struct schema_method *method = method_of(names, owner, node, number);
	const char *name = method ? method->name : schema_builtin(number);

	if (name)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "%#" PRIx32, number);
}

/* Decodes an ipc.Error like schema_decode(). */
static json_t *decode_error(const void *data, size_t size)
{
	Ipc__Error *error;
	json_t *json;

	if (ipc_payload_message(data, size, &data, &size) < 0)
		return NULL;
	error = ipc__error__unpack(NULL, size, data);
	if (!error)
		return NULL;
	json = error_json(&(struct ipc_error){ .name = error->name,
					       .text = error->text,
					       .number = error->number,
					       .details = error->details.data,
					       .details_size = error->details.len });
	ipc__error__free_unpacked(error, NULL);
	return json;
}

json_t *names_decode(const struct names *names, uint64_t owner, uint32_t node, uint32_t number,
		     uint32_t kind, const void *data, size_t size)
{
	const struct schema_method *method = method_of(names, owner, node, number);

	if (kind == IPC_RECORD_ERROR)
		return decode_error(data, size);
	if (!method)
		return NULL;
	return schema_decode(kind == IPC_RECORD_REPLY ? method->reply : method->request, data,
			     size, SCHEMA_ALL_FIELDS);
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

	if (names_known(names, pid))
		return;
	process_name(pid, name, sizeof(name));
	snprintf(key, sizeof(key), "%" PRIu32, pid);
	/* If memory is short, the name is looked up again. */
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
