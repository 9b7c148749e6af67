// SPDX-License-Identifier: MIT
/*
 * ipcctl describe, ping, dump: what every object answers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "schema.h"
#include "stop.h"
#include "verbs.h"

static bool methods_only;

static const struct option options[] = {
	{ "methods", no_argument, NULL, 'm' },
	{ NULL, 0, NULL, 0 },
};

static int option(int key, const char *value)
{
	(void)key;
	(void)value;
	methods_only = true;
	return 0;
}

/* --- describe --------------------------------------------------------------------- */

static json_t *methods_of(const struct schema *schema)
{
	json_t *methods = json_array();

	for (size_t i = 0; methods && i < schema_count(schema); i++) {
		const struct schema_method *m = schema_at(schema, i);
		json_t *row = json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:b}", "name",
					m->method.name, "code", (json_int_t)m->method.code,
					"request", m->method.request->name, "reply",
					m->method.reply->name, "oneway", m->oneway, "streams_in",
					m->streams_in, "streams_out", m->streams_out);

		if (json_array_append_new(methods, row) < 0) {
			json_decref(methods);
			methods = NULL;
		}
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
	for (size_t i = 0; methods_only && i < schema_count(schema); i++)
		puts(schema_at(schema, i)->method.name);
	if ((methods_only || schema_print(schema, stdout) == 0) && fflush(stdout) == 0)
		return STATUS_OK;
	return fail_with(STATUS_FAILED, NULL, "cannot write to standard output");
}

static int run_describe(int argc, char **argv)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct schema *schema;
	int status;

	(void)argc;
	status = bus_open(&ipc);
	if (!status)
		status = bus_describe(ipc, argv[0], &proxy, &schema);
	if (status)
		return status;
	status = put(schema);
	schema_free(schema);
	return status;
}

/* --- ping and dump ------------------------------------------------------------------ */

static int run_ping(int argc, char **argv)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	uint64_t begin;
	int status, r;

	(void)argc;
	status = bus_open(&ipc);
	if (!status)
		status = bus_find(ipc, argv[0], &proxy);
	if (status)
		return status;
	begin = clock_ns();
	r = ipc_proxy_ping(proxy, &error);
	if (r < 0)
		return fail_errno(r, argv[0]);
	if (ctl.json)
		return out_json(json_pack("{s:s, s:f}", "name", argv[0], "us",
					  (clock_ns() - begin) / 1000.0));
	printf("%s answers, in %.0f us\n", argv[0], (clock_ns() - begin) / 1000.0);
	return STATUS_OK;
}

static int dump_refused(int r, const char *name, const struct ipc_error *error)
{
	if (r == -EOPNOTSUPP)
		return fail_with(STATUS_NOT_FOUND, "a service says it with ipc_object_set_dump()",
				 "%s has nothing to say of its inside", name);
	return fail_errno(r, error->message ? error->message : name);
}

static int run_dump(int argc, char **argv)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int status, r;

	status = bus_open(&ipc);
	if (!status)
		status = bus_find(ipc, argv[0], &proxy);
	if (status)
		return status;
	r = ipc_proxy_dump(proxy, STDOUT_FILENO, (const char *const *)argv + 1, argc - 1, &error);
	return r < 0 ? dump_refused(r, argv[0], &error) : STATUS_OK;
}

const struct verb verb_describe = {
	.name = "describe",
	.arguments = "NAME",
	.summary = "what a service can do, as a .proto file",
	.help = "Prints the .proto file of the service NAME, as the service itself tells it; protoc\n"
		"reads it. \"servicemanager\" is the service manager.\n"
		"\n"
		"      --methods        the methods' names alone, a line each\n",
	.options = options,
	.option = option,
	.min = 1,
	.max = 1,
	.run = run_describe,
};

const struct verb verb_ping = {
	.name = "ping",
	.arguments = "NAME",
	.summary = "whether a service answers, and how fast",
	.help = "Asks the service NAME whether a thread of it serves. Without --timeout it waits for\n"
		"ever: with status 7 it does not answer.\n",
	.min = 1,
	.max = 1,
	.run = run_ping,
};

const struct verb verb_dump = {
	.name = "dump",
	.arguments = "NAME [ARGUMENT]...",
	.summary = "what goes on inside a service, in its own words",
	.help = "Has the service NAME write down what goes on inside it, to standard output. The\n"
		"ARGUMENTs are its own. For root, and the user whose process it is.\n",
	.min = 1,
	.max = 32,
	.run = run_dump,
};
