// SPDX-License-Identifier: MIT
/*
 * ipcctl describe and ping, which every service supports: libipc serves them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "schema/json.h"
#include "output.h"
#include "schema/schema.h"
#include "verbs.h"

static bool methods_only;

static const struct verb_option options[] = {
	{ "methods", NULL, "print the names of the methods only, one a line",
	  .flag = &methods_only },
	{ 0 },
};

/* --- describe --------------------------------------------------------------------- */

static json_t *methods_of(const struct schema *schema)
{
	json_t *methods = json_array();

	for (size_t i = 0; methods && i < schema_count(schema); i++) {
		const struct schema_method *m = schema_at(schema, i);

		methods = value_append(
			methods, json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:b}", "method", m->name,
					   "method_number", (json_int_t)m->number, "request",
					   schema_type_name(m->request), "reply",
					   schema_type_name(m->reply), "oneway", m->oneway,
					   "streams_in", m->streams_in, "streams_out",
					   m->streams_out));
	}
	return methods;
}

static int put_json(const struct schema *schema)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	json_t *json;
	int r;

	if (!file)
		return fail_memory();
	r = schema_print(schema, file);
	if (fclose(file) || r < 0) {
		free(text);
		return fail_memory();
	}
	json = json_pack("{s:s, s:o, s:s}", "interface", schema_interface(schema), "methods",
			 methods_of(schema), "proto", text);
	free(text);
	return out_json(json);
}

static int put(const struct schema *schema)
{
	if (ctl.json)
		return put_json(schema);
	if (!methods_only && schema_print(schema, stdout) == -ENOMEM)
		return fail_memory();
	for (size_t i = 0; methods_only && i < schema_count(schema); i++)
		puts(schema_at(schema, i)->name);
	return STATUS_OK;
}

static int run_describe(int argc, char **argv)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct schema *schema;
	int status;

	(void)argc;
	status = bus_describe(argv[0], &ipc, &proxy, &schema);
	if (status)
		return status;
	status = put(schema);
	schema_free(schema);
	return status;
}

/* --- ping ------------------------------------------------------------------ */

static int run_ping(int argc, char **argv)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t begin;
	double us;
	int status, r;

	(void)argc;
	status = bus_find(argv[0], &ipc, &proxy);
	if (status)
		return status;
	ipc_set_timeout(ipc, bus_request_usec());
	begin = clock_ns();
	r = ipc_proxy_ping(proxy, &error);
	us = (clock_ns() - begin) / 1000.0;
	if (r < 0)
		return r == -ETIMEDOUT ? bus_no_reply(ipc, argv[0], &error) :
					 fail_call(r, &error, argv[0]);
	if (ctl.json)
		return out_json(json_pack("{s:s, s:f}", "name", argv[0], "took_us", us));
	printf("%s replied in %.0f us\n", argv[0], us);
	return STATUS_OK;
}

const struct verb verb_describe = {
	.name = "describe",
	.arguments = "NAME",
	.summary = "print the interface of a service as a .proto file",
	.description =
		"Asks the service NAME for its interface and prints it as a .proto file, which protoc\n"
		"reads, with the comments that protoc-gen-ipc kept. The name \"servicemanager\" stands for\n"
		"the service manager.\n",
	.example = "  ipcctl describe demo.echo\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER) | MAY_END(GONE),
	.options = options,
	.min = 1,
	.max = 1,
	.run = run_describe,
};

const struct verb verb_ping = {
	.name = "ping",
	.arguments = "NAME",
	.summary = "check whether a service replies, and how fast",
	.description =
		"Sends the service NAME a call that a thread of it must serve, and prints the time from\n"
		"the call to the reply in microseconds.\n",
	.example = "  ipcctl ping --timeout 1 demo.echo\n",
	.statuses = ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER) | MAY_END(GONE),
	.min = 1,
	.max = 1,
	.run = run_ping,
};
