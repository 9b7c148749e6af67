// SPDX-License-Identifier: MIT
/*
 * ipcctl call: calls any method of any service, with JSON in and out. The service
 * describes its messages.
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

static const struct verb_option options[] = {
	{ "cat", NULL, "print the content of the files in the reply", .flag = &cat },
	{ 0 },
};

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

int call_bad_json(const json_error_t *error)
{
	return fail_with(STATUS_USAGE, "give JSON objects, as in '{\"text\": \"hello\"}'",
			 "invalid JSON in line %d, column %d: %s", error->line, error->column,
			 error->text);
}

int call_read_json(const char *text, json_t **ret_json)
{
	json_error_t error;

	if (!strcmp(text, "-"))
		*ret_json = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
	else
		*ret_json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	return *ret_json ? STATUS_OK : call_bad_json(&error);
}

int call_make_request(const struct schema_method *method, json_t *json,
		      struct schema_context *context, ProtobufCMessage **ret_request)
{
	int r = schema_from_json(method->method.request, json, context, ret_request);

	json_decref(json);
	if (r == -EINVAL)
		return fail_with(STATUS_USAGE, "ipcctl describe NAME prints the fields", "%s: %s",
				 method->method.request->name, context->what);
	return r < 0 ? fail_memory() : STATUS_OK;
}

/* --- The reply ------------------------------------------------------------------- */

static int cat_fd(int fd)
{
	char buffer[4096];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		fwrite(buffer, 1, n, stdout);
	if (n < 0 || fflush(stdout) < 0)
		return fail_with(STATUS_FAILED, NULL, "cannot copy the file: %s", strerror(errno));
	return STATUS_OK;
}

/* With --cat: the content of each file among the reply's own fields. */
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

int call_failed(int r, const char *what, const struct ipc_error *error)
{
	if (r == -ETIMEDOUT)
		return fail_with(STATUS_TIMEOUT, "wait longer: --timeout S", "%s: not done in time",
				 what);
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
		return call_failed(r, method->method.name, &error);
	status = call_put_reply(reply, false);
	ipc_rpc_free(reply);
	return status;
}

static int call(struct ipc *ipc, struct ipc_proxy *proxy, const struct schema_method *method,
		const char *text)
{
	struct schema_context context = { .ipc = ipc };
	ProtobufCMessage *request;
	json_t *json;
	int status;

	if (method->streams_in || method->streams_out)
		return call_stream(ipc, proxy, method, text);
	status = call_read_json(text ? text : "{}", &json);
	if (status)
		return status;
	status = call_make_request(method, json, &context, &request);
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

	status = bus_describe(argv[0], &ipc, &proxy, &schema);
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
	.description =
		"Calls METHOD of the service NAME and prints the reply as JSON. The request is a JSON\n"
		"object with the fields that ipcctl describe NAME lists. The default is {}, and \"-\"\n"
		"reads it from standard input. A oneway has no reply.\n"
		"\n"
		"  bytes        text in base64\n"
		"  ipc.Fd       the number of an open fd of ipcctl (0: standard input), the path of a\n"
		"               file to read, or \">PATH\" for a file to write\n"
		"  ipc.Object   the name of a service\n"
		"\n"
		"If the reply is a stream, each message is one line. If the request is a stream, ipcctl\n"
		"reads JSON objects from standard input, unless JSON is given: then it sends that one.\n",
	.example = "  ipcctl call demo.echo Say '{\"text\": \"hello\"}'\n",
	.statuses =
		ON_BUS | MAY_END(NOT_FOUND) | MAY_END(NO_MANAGER) | MAY_END(REMOTE) | MAY_END(GONE),
	.options = options,
	.min = 2,
	.max = 3,
	.run = run,
};
