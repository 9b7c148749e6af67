// SPDX-License-Identifier: MIT
/*
 * ipcctl mock: simulates a service. A file contains the expected calls and the replies. The help of
 * the verb, below, describes the file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/ipc.pb-c.h>

#include "bus.h"
#include "deadline.h"
#include "ipcctl.h"
#include "json.h"
#include "output.h"
#include "schema.h"
#include "text.h"
#include "verbs.h"

/* The error for a call that the file does not expect. */
#define UNEXPECTED	"mock.Unexpected"
#define MAX_DESCRIPTORS (16UL << 20)

/**
 * struct entry - an expected call
 * @method: its method
 * @request: NULL: any request
 * @reply: its bytes, unless @error is set or the method is a oneway
 * @error: name of an error, with @message; or NULL
 * @message: of @error, or NULL
 * @times: how often the entry may be used; 0: always
 * @used: how often the entry was used
 */
struct entry {
	const struct schema_method *method;
	json_t *request;
	struct schema_message reply;
	const char *error, *message;
	int times, used;
};

/* The mock, which exists until the process ends. */
static struct mock {
	const char *path; /* path of the file */
	json_t *json;	  /* content of the file; entries point to its texts */
	const char *name;
	void *set; /* the descriptors */
	size_t size;
	struct schema *schema;
	struct entry *entries;
	size_t n;
	struct ipc *ipc;
	unsigned long as_expected, wrong; /* calls */
} mock;

/* --- The file -------------------------------------------------------------------------- */

static int bad(const char *where, const char *what, const char *detail)
{
	return fail_with(STATUS_USAGE, "ipcctl mock --help has an example", "%s: %s%s%s", mock.path,
			 where, what, detail);
}

/* path of the descriptors, relative to the folder of the mock's file. */
static int load_schema(const char *path, const char *service)
{
	const char *slash = strrchr(mock.path, '/');
	char *full = NULL;
	FILE *file;
	int r;

	if (asprintf(&full, "%.*s%s", *path != '/' && slash ? (int)(slash - mock.path) + 1 : 0,
		     mock.path, path) < 0)
		return fail_memory();
	file = fopen(full, "re");
	free(full);
	if (!file)
		return bad("cannot open the descriptors ", path, "");
	mock.set = malloc(MAX_DESCRIPTORS);
	if (mock.set)
		mock.size = fread(mock.set, 1, MAX_DESCRIPTORS, file);
	fclose(file);
	r = mock.set ? schema_new(mock.set, mock.size, service, &mock.schema) : -ENOMEM;
	if (r == -ENOENT)
		return bad(path, " has no service ", service);
	if (r == -EBADMSG)
		return bad(path, " is not a descriptor set", "");
	return r < 0 ? fail_memory() : STATUS_OK;
}

static int encode(const char *where, const char *what, const struct schema_type *type,
		  const json_t *json, struct schema_message *message)
{
	int r = schema_encode(type, json, message);

	return r == -EINVAL ? bad(where, what, message->what) : r < 0 ? fail_memory() : STATUS_OK;
}

/* Decodes the request again, so that it has the same form as a received request. */
static int load_request(const char *where, struct entry *entry, const json_t *json)
{
	const struct schema_type *type = entry->method->request;
	struct schema_message message = { .ipc = NULL };
	int status = encode(where, "request: ", type, json, &message);

	if (!status && message.raw.n_entries)
		status = bad(where, "request: files cannot be compared", "");
	if (!status) {
		entry->request = schema_decode(type, message.raw.data, message.raw.size);
		status = entry->request ? STATUS_OK : fail_memory();
	}
	schema_message_done(&message);
	return status;
}

static int load_entry(const char *where, struct entry *entry, json_t *json)
{
	json_t *request = NULL, *reply = NULL, *error = NULL;
	const char *method;
	json_error_t fault;
	int status = STATUS_OK;

	entry->times = 1;
	if (json_unpack_ex(json, &fault, JSON_STRICT, "{s:s, s?o, s?o, s?o, s?i}", "method", &method,
			   "request", &request, "reply", &reply, "error", &error, "times",
			   &entry->times) < 0)
		return bad(where, fault.text, "");
	if (error && json_unpack_ex(error, &fault, JSON_STRICT, "{s:s, s?s}", "name", &entry->error,
				    "message", &entry->message) < 0)
		return bad(where, "error: ", fault.text);
	entry->method = schema_find(mock.schema, method);
	if (!entry->method)
		return bad(where, "the service has no method ", method);
	if (entry->method->streams_in || entry->method->streams_out)
		return bad(where, "a mock has no streams: ", method);
	if (entry->method->oneway ? reply || error : !reply == !error)
		return bad(where, entry->method->oneway ? "a oneway has no reply and no error" :
							  "needs a reply or an error", "");
	if (entry->times < 0)
		return bad(where, "times: is negative", "");
	if (request)
		status = load_request(where, entry, request);
	if (!status && reply)
		status = encode(where, "reply: ", entry->method->reply, reply, &entry->reply);
	return status;
}

static int load(const char *path)
{
	const char *descriptors, *service;
	json_t *calls, *call;
	json_error_t error;
	char where[32];
	int status;
	size_t i;

	mock.path = path;
	mock.json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	/* If there is no line, the file itself cannot be opened or read. */
	if (!mock.json && error.line < 1)
		return fail_with(STATUS_USAGE, NULL, "%s", error.text);
	if (!mock.json)
		return fail_with(STATUS_USAGE, "ipcctl mock --help has an example",
				 "%s: line %d, column %d: %s", path, error.line, error.column,
				 error.text);
	if (json_unpack_ex(mock.json, &error, JSON_STRICT, "{s:s, s:s, s:s, s:o}", "descriptors",
			   &descriptors, "service", &service, "name", &mock.name, "calls", &calls) < 0)
		return bad(error.text, "", "");
	if (!json_is_array(calls))
		return bad("\"calls\" is not an array", "", "");
	status = load_schema(descriptors, service);
	mock.n = json_array_size(calls);
	mock.entries = calloc(mock.n + 1, sizeof(*mock.entries));
	if (!mock.entries)
		return fail_memory();
	json_array_foreach(calls, i, call) {
		snprintf(where, sizeof(where), "calls[%zu]: ", i);
		if (!status)
			status = load_entry(where, &mock.entries[i], call);
	}
	return status;
}

/* --- Serving --------------------------------------------------------------------------- */

/* Returns text without line breaks, and without characters that a terminal would interpret. */
static char *dump(const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : strdup("any");

	/* JSON has no escape for DEL. */
	if (text)
		text_clean(text);
	return text;
}

static int unexpected(struct ipc_call *call, const char *method, const char *text)
{
	mock.wrong++;
	fprintf(stderr, "ipcctl: %s: %s: %s\n", mock.name, method, text);
	return ipc_call_is_oneway(call) ? 0 : ipc_call_fail(call, 0, UNEXPECTED, "%s", text);
}

/* nearest: an entry of the same method that may still be used, or NULL. */
static int wrong_request(struct ipc_call *call, const char *method, const struct entry *nearest,
			 const json_t *request)
{
	char text[1024] = "no such call is expected, or none any more";
	char *wanted = nearest ? dump(nearest->request) : NULL, *got = dump(request);

	if (wanted && got)
		snprintf(text, sizeof(text), "expected %.400s, got %.400s", wanted, got);
	free(wanted);
	free(got);
	return unexpected(call, method, text);
}

static int reply(struct ipc_call *call, struct entry *entry)
{
	entry->used++;
	mock.as_expected++;
	if (entry->method->oneway)
		return 0;
	if (entry->error)
		return ipc_call_fail(call, 0, entry->error, entry->message ? "%s" : NULL,
				     entry->message);
	return ipc_raw_reply(call, &entry->reply.raw);
}

/* Uses the first entry that matches and may still be used. */
static int serve_request(struct ipc_call *call, const struct schema_method *method,
			 const json_t *request)
{
	const struct entry *nearest = NULL;

	for (size_t i = 0; i < mock.n; i++) {
		struct entry *entry = &mock.entries[i];

		if (entry->method != method || (entry->times && entry->used == entry->times))
			continue;
		if (!entry->request || json_equal(entry->request, request))
			return reply(call, entry);
		if (!nearest)
			nearest = entry;
	}
	return wrong_request(call, method->name, nearest, request);
}

static int describe(struct ipc_call *call)
{
	Ipc__Description description = IPC__DESCRIPTION__INIT;
	struct ipc_raw_message message = { 0 };
	uint8_t *data;
	int r;

	description.interface = (char *)schema_interface(mock.schema);
	description.has_descriptor_set = 1;
	description.descriptor_set = (ProtobufCBinaryData){ mock.size, mock.set };
	data = malloc(ipc__description__get_packed_size(&description));
	if (!data)
		return -ENOMEM;
	message.size = ipc__description__pack(&description, data);
	message.data = data;
	r = ipc_raw_reply(call, &message);
	free(data);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *message, void *userdata)
{
	const struct schema_method *method = schema_find_code(mock.schema, message->code);
	json_t *request;
	int r;

	(void)userdata;
	if (message->code == IPC_CODE_DESCRIBE)
		return describe(call);
	if (schema_builtin(message->code))
		return -EOPNOTSUPP;
	if (!method) {
		unexpected(call, "?", "the service has no such method");
		return -EOPNOTSUPP;
	}
	if (ipc_call_is_oneway(call) != method->oneway)
		return unexpected(call, method->name,
				  method->oneway ? "it is a oneway, and was called" :
						   "it has a reply, and was called as a oneway");
	request = schema_decode_received(method->request, message);
	if (!request)
		return unexpected(call, method->name, "the request is malformed");
	r = serve_request(call, method, request);
	json_decref(request);
	return r;
}

/* --- The end --------------------------------------------------------------------------- */

static int put_result(void)
{
	json_t *unused = json_array();
	size_t n;
	int status;

	for (const struct entry *entry = mock.entries; entry < mock.entries + mock.n; entry++) {
		char *text;

		if (entry->times ? entry->used >= entry->times : entry->used)
			continue;
		unused = value_append(unused, json_pack("{s:s, s:O?}", "method", entry->method->name,
							"request", entry->request));
		text = ctl.json ? NULL : dump(entry->request);
		if (text)
			printf("%s: unused: %s %s\n", mock.name, entry->method->name, text);
		free(text);
	}
	if (!unused)
		return fail_memory();
	n = json_array_size(unused);
	status = mock.wrong || n ? STATUS_DIFFERS : STATUS_OK;
	if (ctl.json)
		return out_json(json_pack("{s:s, s:I, s:I, s:o}", "name", mock.name, "expected",
					  (json_int_t)mock.as_expected, "wrong",
					  (json_int_t)mock.wrong, "unused", unused)) ?: status;
	printf("%s: %lu as expected, %lu wrong, %zu unused\n", mock.name, mock.as_expected,
	       mock.wrong, n);
	json_decref(unused);
	return out_flush() ?: status;
}

static int run_service(void)
{
	struct ipc_raw_ops ops = { .interface = schema_interface(mock.schema), .serve = serve };
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r;

	/* Must come before the registration: a process that waits for the name may then send a
	 * signal at once. */
	signals_stop(mock.ipc);
	r = ipc_raw_object_new(mock.ipc, &ops, NULL, &object);
	if (r == 0)
		r = ipc_register_name(mock.ipc, mock.name, object, /* ret_slot= */ NULL);
	if (r < 0)
		return fail_errno(r, mock.name);
	r = ipc_run(mock.ipc);
	/* The bus of a test ends with the test. */
	return r < 0 && r != -ECONNRESET ? fail_errno(r, "serve") : STATUS_OK;
}

static int run(int argc, char **argv)
{
	int status = load(argv[0]);

	(void)argc;
	if (!status)
		status = bus_open(&mock.ipc);
	if (!status)
		status = run_service();
	signals_stop(NULL);
	/* If its object is gone, the service receives no more calls. */
	ipc_unref(mock.ipc);
	return status ? status : put_result();
}

const struct verb verb_mock = {
	.name = "mock",
	.arguments = "FILE",
	.summary = "simulate a service that a file describes",
	.description =
		"Registers a service that replies according to FILE, until Ctrl-C, SIGTERM, or the end\n"
		"of the bus. If FILE does not expect a call, the call fails with the error\n"
		"mock.Unexpected, and a line on stderr has the expected calls. At the end, it prints the\n"
		"replies that were not used. FILE is JSON:\n"
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
		"\"descriptors\" is a file in the folder of FILE, written by protoc --include_imports\n"
		"--descriptor_set_out. The first entry that matches a call and may still be used\n"
		"applies. \"times\" is the number of times an entry may be used: by default 1; 0 means\n"
		"always. An entry without a \"request\" matches every request.\n"
		"Methods with streams are not supported.\n",
	.example = "  ipcctl mock stock.json & ipcctl wait demo.stock && ./shop\n",
	.statuses = ON_BUS | MAY_END(NO_MANAGER) | MAY_END(DIFFERS),
	.min = 1,
	.max = 1,
	.run = run,
};
