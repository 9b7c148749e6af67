// SPDX-License-Identifier: MIT
/*
 * ipcctl call: any method of any service, with JSON in and out, by what the service
 * says of itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "call.h"
#include "ipcctl.h"
#include "out.h"
#include "schema.h"
#include "verbs.h"

static bool cat;

static const struct option options[] = {
	{ "cat", no_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

static int option(int key, const char *value)
{
	(void)key;
	(void)value;
	cat = true;
	return 0;
}

/* --- The request ------------------------------------------------------------------ */

static int no_method(const struct schema *schema, const char *name)
{
	char known[512] = "";

	for (size_t i = 0; i < schema_count(schema); i++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), " %s",
			 schema_at(schema, i)->method.name);
	return fail_with(STATUS_NOT_FOUND, NULL, "%s has no method %s; it has:%s",
			 schema_interface(schema), name, known);
}

/* An argument, or "-": standard input. */
static int read_json(const char *text, json_t **ret_json)
{
	json_error_t error;

	if (!strcmp(text, "-"))
		*ret_json = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
	else
		*ret_json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (*ret_json)
		return STATUS_OK;
	return fail_with(STATUS_USAGE,
			 "the request is one JSON object, like '{\"text\": \"hello\"}'",
			 "JSON, line %d, column %d: %s", error.line, error.column, error.text);
}

int call_make_request(const struct schema_method *method, json_t *json,
		      struct schema_context *context, ProtobufCMessage **ret_request)
{
	int r = schema_from_json(method->method.request, json, context, ret_request);

	json_decref(json);
	if (r == -EINVAL)
		return fail_with(STATUS_USAGE, "ipcctl describe NAME shows what it takes", "%s: %s",
				 method->method.request->name, context->what);
	return r < 0 ? fail_memory() : STATUS_OK;
}

static int make_request(const struct schema_method *method, const char *text,
			struct schema_context *context, ProtobufCMessage **ret_request)
{
	json_t *json;
	int status = read_json(text, &json);

	return status ? status : call_make_request(method, json, context, ret_request);
}

/* --- The answer ------------------------------------------------------------------- */

static int cat_fd(int fd)
{
	char buffer[4096];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		fwrite(buffer, 1, n, stdout);
	if (n < 0 || fflush(stdout) < 0)
		return fail_with(STATUS_FAILED, NULL, "copying the file: %s", strerror(errno));
	return STATUS_OK;
}

/* With --cat: what is behind each fd of the answer's own fields. */
static int cat_fds(const ProtobufCMessage *reply)
{
	const ProtobufCMessageDescriptor *type = reply->descriptor;
	int status = STATUS_OK;

	for (unsigned int i = 0; !status && i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		Ipc__Fd *const *member = (void *)((char *)reply + field->offset);

		if (field->descriptor == &ipc__fd__descriptor && *member &&
		    field->label != PROTOBUF_C_LABEL_REPEATED)
			status = cat_fd((*member)->fd);
	}
	return status;
}

int call_put_reply(const ProtobufCMessage *reply, bool line)
{
	json_t *json;

	if (!reply)
		return STATUS_OK;
	if (cat)
		return cat_fds(reply);
	json = schema_to_json(reply);
	return line || ctl.json || !json ? out_line(json) : out_json(json);
}

int call_refused(int r, const char *what, const struct ipc_error *error)
{
	if (r == -ETIMEDOUT)
		return fail_with(STATUS_TIMEOUT, "give it more: --timeout S",
				 "%s: not done in time", what);
	if (r == -EOWNERDEAD || r == -EHOSTDOWN)
		return fail_errno(r, what);
	if (error->name || error->message || r == -EREMOTEIO)
		return fail_with(STATUS_REMOTE, NULL, "%s: %s%s%s", what,
				 error->name ? error->name : ipc_strerror(r),
				 error->message ? ": " : "", error->message ? error->message : "");
	return fail_errno(r, what);
}

static int send(struct ipc_proxy *proxy, const struct schema_method *method,
		const ProtobufCMessage *request)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	ProtobufCMessage *reply = NULL;
	int status, r;

	if (method->oneway)
		r = ipc_rpc_oneway(proxy, &method->method, request);
	else
		r = ipc_rpc_call(proxy, &method->method, request, &reply, &error);
	if (r < 0)
		return call_refused(r, method->method.name, &error);
	status = call_put_reply(reply, false);
	ipc_rpc_free(reply);
	return status;
}

static int call(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text)
{
	struct schema_context context = { .ipc = ipc };
	ProtobufCMessage *request;
	int status;

	if (method->streams_in || method->streams_out)
		return call_stream(ipc, proxy, method, text);
	status = make_request(method, text ? text : "{}", &context, &request);
	if (!status) {
		status = send(proxy, method, request);
		protobuf_c_message_free_unpacked(request, NULL);
	}
	schema_context_done(&context);
	return status;
}

static int run(int argc, char **argv)
{
	ipc_auto(ipc_proxy_unref) struct ipc_proxy *proxy = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	const struct schema_method *method;
	struct schema *schema;
	int status;

	status = bus_open(&ipc);
	if (!status)
		status = bus_describe(ipc, argv[0], &proxy, &schema);
	if (status)
		return status;
	method = schema_find(schema, argv[1]);
	if (method)
		status = call(ipc, proxy, method, argc > 2 ? argv[2] : NULL);
	else
		status = no_method(schema, argv[1]);
	schema_free(schema);
	return status;
}

const struct verb verb_call = {
	.name = "call",
	.arguments = "NAME METHOD [JSON|-]",
	.summary = "call a method, with JSON in and out",
	.help = "Calls METHOD of the service NAME with the fields that the JSON object has, {} if there\n"
		"is none; \"-\" reads it from standard input. The service itself says what types the\n"
		"fields have: ipcctl describe NAME. The answer is printed as JSON; of a oneway there\n"
		"is none. Bytes are text in base64. A field that is a file (ipc.Fd) takes a number,\n"
		"which is an open fd of ipcctl's (0: standard input), or a path to read, or \">PATH\"\n"
		"to write; one that is an object (ipc.Object) takes a service's name. An error of the\n"
		"service's is status 8.\n"
		"Of a stream of answers each is a line; a stream of requests is read from standard\n"
		"input, one JSON object after the other, unless JSON gives a single one.\n"
		"\n"
		"      --cat            print what is in the files that the answer brings\n",
	.options = options,
	.option = option,
	.min = 2,
	.max = 3,
	.run = run,
};
