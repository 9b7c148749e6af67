// SPDX-License-Identifier: MIT
/*
 * ipcctl mock: plays a service of which a file says what calls it expects and what it replies.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "ipcctl.h"
#include "mock.h"
#include "out.h"
#include "text.h"
#include "verbs.h"
#include "wire.h"

/* What a caller hears of a call that the file does not have. */
#define UNEXPECTED "mock.Unexpected"
#define TEXT_MAX   1024

static bool until_used;

static const struct verb_option options[] = {
	{ "until-used", NULL, "end when each reply was used", .flag = &until_used },
	{ 0 },
};

/**
 * struct served - what the handlers know
 * @as_expected: calls that got what the file says
 * @wrong: others
 */
struct served {
	struct ipc *ipc;
	struct mock *mock;
	unsigned long as_expected;
	unsigned long wrong;
};

static struct ipc *bus; /* for the signal handler */

static void on_stop(int signal)
{
	(void)signal;
	ipc_stop(bus);
}

/* --- Calls that are not expected ----------------------------------------------------- */

/* One that has no line break, and nothing that a terminal would interpret. */
static char *dump(const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) :
			    strdup("nothing");

	/* JSON has no escape for DEL. */
	if (text)
		text_clean(text);
	return text;
}

/* "FIELD: expected X, got Y", or nothing if they are equal. */
static int append_difference(char *text, const char *key, const json_t *wanted, const json_t *got)
{
	char *a, *b;
	size_t used = strlen(text);

	if (wanted && got && json_equal(wanted, got))
		return 0;
	a = dump(wanted);
	b = dump(got);
	if (a && b)
		snprintf(text + used, TEXT_MAX - used, "%s%s: expected %.100s, got %.100s",
			 used ? "; " : "", key, a, b);
	free(a);
	free(b);
	return a && b ? 0 : -ENOMEM;
}

/* The fields in which they differ. */
static int difference(char *text, const json_t *wanted, const json_t *got)
{
	const char *key;
	json_t *value;
	int r = 0;

	*text = 0;
	json_object_foreach((json_t *)wanted, key, value)
		if (r == 0)
			r = append_difference(text, key, value, json_object_get(got, key));
	json_object_foreach((json_t *)got, key, value)
		if (r == 0 && !json_object_get(wanted, key))
			r = append_difference(text, key, NULL, value);
	return r;
}

static int unexpected(struct served *served, struct ipc_call *call, const char *method,
		      const char *text)
{
	served->wrong++;
	fprintf(stderr, "ipcctl: %s: %s: %s\n", mock_name(served->mock), method, text);
	return ipc_call_is_oneway(call) ? 0 : ipc_call_error(call, UNEXPECTED, "%s", text);
}

static int wrong_request(struct served *served, struct ipc_call *call,
			 const struct mock_entry *nearest, const struct schema_method *method,
			 const json_t *request)
{
	char text[TEXT_MAX];

	if (!nearest)
		return unexpected(served, call, method->name,
				  "no such call is expected, or none any more");
	if (difference(text, nearest->request, request) < 0)
		return -ENOMEM;
	return unexpected(served, call, method->name, text);
}

/* --- Serving --------------------------------------------------------------------------- */

static int reply(struct ipc_call *call, const struct mock_entry *entry)
{
	if (entry->method->oneway)
		return 0;
	if (entry->errno_code)
		return ipc_call_errno(call, -entry->errno_code, NULL);
	if (entry->error)
		return ipc_call_error(call, entry->error, entry->message ? "%s" : NULL,
				      entry->message);
	return ipc_raw_reply(call, &entry->reply.raw);
}

static int serve_method(struct served *served, struct ipc_call *call,
			const struct schema_method *method, const struct ipc_raw_message *message)
{
	const struct mock_entry *entry, *nearest;
	json_t *request;
	int r;

	if (ipc_call_is_oneway(call) != method->oneway)
		return unexpected(served, call, method->name,
				  method->oneway ? "it is a oneway, and was called" :
						   "it has a reply, and was called as a oneway");
	request = schema_decode_received(method->request, message);
	if (!request)
		return unexpected(served, call, method->name, "the request is malformed");
	entry = mock_match(served->mock, method, request, &nearest);
	if (entry) {
		served->as_expected++;
		r = reply(call, entry);
	} else {
		r = wrong_request(served, call, nearest, method, request);
	}
	json_decref(request);
	if (until_used && !mock_unused(served->mock))
		ipc_stop(served->ipc);
	return r;
}

/* An ipc.Description. */
static int describe(const struct served *served, struct ipc_call *call)
{
	const char *interface = schema_interface(mock_schema(served->mock));
	struct ipc_raw_message message = { 0 };
	struct wire_buffer buffer = { 0 };
	const void *set;
	size_t size;
	int r;

	set = mock_descriptors(served->mock, &size);
	wire_put(&buffer, interface, strlen(interface));
	wire_wrap(&buffer, 0, 1);
	r = (int)buffer.size;
	wire_put(&buffer, set, size);
	wire_wrap(&buffer, (size_t)r, 3);
	message.data = buffer.data;
	message.size = buffer.size;
	r = buffer.failed ? -ENOMEM : ipc_raw_reply(call, &message);
	free(buffer.data);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct served *served = userdata;
	const struct schema_method *method;

	if (request->code == IPC_CODE_DESCRIBE)
		return describe(served, call);
	method = schema_find_code(mock_schema(served->mock), request->code);
	if (method)
		return serve_method(served, call, method, request);
	if (schema_builtin(request->code))
		return -EOPNOTSUPP;
	unexpected(served, call, "?", "the service has no such method");
	return -EOPNOTSUPP;
}

/* --- The end --------------------------------------------------------------------------- */

static int put_unused(const struct mock *mock, json_t *list)
{
	const struct mock_entry *entry;

	for (size_t i = 0; (entry = mock_unused_at(mock, i)); i++) {
		char *request = dump(entry->request);

		if (!request)
			return fail_memory();
		if (!ctl.json)
			printf("%s: unused: %s %s\n", mock_name(mock), entry->method->name,
			       entry->request ? request : "(any request)");
		free(request);
		if (list && json_array_append_new(list, json_pack("{s:s, s:O?}", "method",
								  entry->method->name, "request",
								  entry->request)) < 0)
			return fail_memory();
	}
	return STATUS_OK;
}

static int put_result(const struct served *served)
{
	size_t unused = mock_unused(served->mock);
	json_t *list = json_array();
	int status = list ? put_unused(served->mock, list) : fail_memory();

	if (!status && ctl.json) {
		status = out_json(json_pack("{s:s, s:I, s:I, s:O}", "name", mock_name(served->mock),
					    "expected", (json_int_t)served->as_expected, "wrong",
					    (json_int_t)served->wrong, "unused", list));
	} else if (!status) {
		printf("%s: %lu as expected, %lu wrong, %zu unused\n", mock_name(served->mock),
		       served->as_expected, served->wrong, unused);
		status = out_flush();
	}
	json_decref(list);
	return status ? status : served->wrong || unused ? STATUS_DIFFERS : STATUS_OK;
}

static int run_service(struct served *served)
{
	struct ipc_raw_ops ops = {
		.interface = schema_interface(mock_schema(served->mock)),
		.serve = serve,
	};
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	struct sigaction action = { .sa_handler = on_stop };
	int r;

	/* Who waits for the name may end this at once. */
	bus = served->ipc;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	r = ipc_raw_object_new(served->ipc, &ops, served, &object);
	if (r == 0)
		r = ipc_register_name(served->ipc, mock_name(served->mock), object,
				      /* ret_slot= */ NULL);
	if (r < 0)
		return fail_errno(r, mock_name(served->mock));
	r = ipc_run(served->ipc);
	/* A test's bus ends with the test. */
	return r < 0 && r != -ECONNRESET ? fail_errno(r, "serve") : STATUS_OK;
}

static int run(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct served served = { 0 };
	int status;

	(void)argc;
	status = mock_load(argv[0], &served.mock);
	if (!status)
		status = bus_open(&ipc);
	served.ipc = ipc;
	if (!status)
		status = run_service(&served);
	/* The object has ended: nobody calls any more. */
	ipc = ipc_unref(ipc);
	if (!status)
		status = put_result(&served);
	mock_free(served.mock);
	return status;
}

const struct verb verb_mock = {
	.name = "mock",
	.arguments = "FILE",
	.summary = "play a service that a file describes",
	.description =
		"Registers a service that replies as FILE says, until Ctrl-C, SIGTERM, or the end of\n"
		"the bus. A call that FILE does not expect gets the error mock.Unexpected, and a line\n"
		"on stderr says what differs. At the end come the replies that were not used. FILE is\n"
		"JSON:\n"
		"\n"
		"  {\n"
		"    \"descriptors\": \"shop.set\",\n"
		"    \"service\": \"shop.Stock\",\n"
		"    \"name\": \"demo.stock\",\n"
		"    \"calls\": [\n"
		"      { \"method\": \"Count\", \"request\": { \"article\": \"screws\" },\n"
		"        \"reply\": { \"pieces\": 12 } },\n"
		"      { \"method\": \"Count\", \"times\": 0,\n"
		"        \"error\": { \"name\": \"shop.Unknown\", \"message\": \"not in the list\" } }\n"
		"    ]\n"
		"  }\n"
		"\n"
		"The descriptors are a file beside FILE that protoc --include_imports\n"
		"--descriptor_set_out makes. The first entry that fits a call and may still be used\n"
		"counts. \"times\" says how often: 1 without it, and 0 for always. Without \"request\",\n"
		"every request fits. An error is a name and a message, or an \"errno\" like \"ENOMEM\".\n"
		"Methods with streams cannot be played.\n",
	.example = "  ipcctl mock stock.json & ipcctl wait demo.stock && ./shop\n",
	.statuses = ON_BUS | MAY_END(NO_MANAGER) | MAY_END(DIFFERS),
	.options = options,
	.min = 1,
	.max = 1,
	.run = run,
};
