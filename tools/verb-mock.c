// SPDX-License-Identifier: MIT
/*
 * ipcctl mock: plays a service of which a file says what calls it expects and what it replies. The
 * help of the verb, below, describes the file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/ipc.pb-c.h>

#include "bus.h"
#include "ipcctl.h"
#include "out.h"
#include "schema.h"
#include "text.h"
#include "value.h"
#include "verbs.h"

/* What a caller hears of a call that the file does not have. */
#define UNEXPECTED	"mock.Unexpected"
#define TEXT_MAX	1024
#define MAX_DESCRIPTORS (16UL << 20)
/* Numbers of errors end below that, on all systems. */
#define MAX_ERRNO 4096

/**
 * struct entry - an expected call
 * @method: its method
 * @request: NULL: any
 * @reply: its bytes, unless @error, @errno_code, or the method is a oneway
 * @error: name of an error, with @message; or NULL
 * @message: of @error, or NULL
 * @errno_code: an errno, or 0
 * @times: how often it may be used; 0: always
 * @used: how often it was
 */
struct entry {
	const struct schema_method *method;
	json_t *request;
	struct schema_message reply;
	const char *error, *message;
	int errno_code, times, used;
};

/* The only one; it lasts as long as the process. */
static struct mock {
	const char *path; /* of the file */
	json_t *json;	  /* its content, whose texts are used */
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

/* The path is relative to the folder of the file. */
static int read_descriptors(const char *path)
{
	const char *slash = strrchr(mock.path, '/');
	char *full = NULL;
	FILE *file;

	if (asprintf(&full, "%.*s%s", *path != '/' && slash ? (int)(slash - mock.path) + 1 : 0,
		     mock.path, path) < 0)
		return fail_memory();
	file = fopen(full, "re");
	free(full);
	if (!file)
		return fail_with(STATUS_FAILED, "protoc --include_imports --descriptor_set_out makes it",
				 "%s: cannot open the descriptors %s: %s", mock.path, path,
				 strerror(errno));
	mock.set = malloc(MAX_DESCRIPTORS);
	if (mock.set)
		mock.size = fread(mock.set, 1, MAX_DESCRIPTORS, file);
	fclose(file);
	return mock.set ? STATUS_OK : fail_memory();
}

static int load_schema(const char *descriptors, const char *service)
{
	int status = read_descriptors(descriptors);
	int r = status ? 0 : schema_new(mock.set, mock.size, service, &mock.schema);

	if (r == -ENOENT)
		return fail_with(STATUS_USAGE, "give its full name, with the package",
				 "%s: %s has no service %s", mock.path, descriptors, service);
	if (r == -EBADMSG)
		return fail_with(STATUS_USAGE,
				 "protoc --include_imports --descriptor_set_out makes one",
				 "%s: %s is no descriptor set", mock.path, descriptors);
	return r < 0 ? fail_memory() : status;
}

/* The request with all that protobuf leaves out, as one that was received. */
static int load_request(const char *where, struct entry *entry, const json_t *json)
{
	struct schema_message message = { .ipc = NULL };
	int r = schema_encode(entry->method->request, json, &message), status = STATUS_OK;

	if (r == -EINVAL)
		status = bad(where, "request: ", message.what);
	else if (r == 0 && message.raw.n_entries)
		status = bad(where, "request: files cannot be compared", "");
	else if (r == 0)
		entry->request = schema_decode(entry->method->request, message.raw.data,
					       message.raw.size);
	if (!status && !entry->request)
		status = fail_memory();
	schema_message_done(&message);
	return status;
}

static int load_reply(const char *where, struct entry *entry, const json_t *json)
{
	int r = schema_encode(entry->method->reply, json, &entry->reply);

	return r == -EINVAL ? bad(where, "reply: ", entry->reply.what) : r < 0 ? fail_memory() :
										 STATUS_OK;
}

static int load_error(const char *where, struct entry *entry, json_t *json)
{
	const char *number = NULL;
	json_error_t error;

	if (json_unpack_ex(json, &error, JSON_STRICT, "{s?s, s?s, s?s}", "name", &entry->error,
			   "message", &entry->message, "errno", &number) < 0)
		return bad(where, "error: ", error.text);
	for (int i = 1; number && i < MAX_ERRNO; i++)
		if (strerrorname_np(i) && !strcmp(strerrorname_np(i), number))
			entry->errno_code = i;
	if (number && !entry->errno_code)
		return bad(where, "error: no errno ", number);
	return number || entry->error ? STATUS_OK : bad(where, "error: has no name and no errno", "");
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
		status = load_reply(where, entry, reply);
	return !status && error ? load_error(where, entry, error) : status;
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
	/* Without a line it is the file itself that cannot be opened or read. */
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
		return bad("\"calls\" is no array", "", "");
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

/* --- Calls that are not expected ----------------------------------------------------- */

/* Text without a line break, and without anything that a terminal would interpret. */
static char *dump(const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) :
			    strdup("nothing");

	/* JSON has no escape for DEL. */
	if (text)
		text_clean(text);
	return text;
}

/* Appends "FIELD: expected X, got Y", if they differ. */
static void append_difference(char *text, const char *key, const json_t *wanted, const json_t *got)
{
	size_t used = strlen(text);
	char *a, *b;

	if (wanted && got && json_equal(wanted, got))
		return;
	a = dump(wanted);
	b = dump(got);
	snprintf(text + used, TEXT_MAX - used, "%s%s: expected %.100s, got %.100s", used ? "; " : "",
		 key, a ?: "?", b ?: "?");
	free(a);
	free(b);
}

static int unexpected(struct ipc_call *call, const char *method, const char *text)
{
	mock.wrong++;
	fprintf(stderr, "ipcctl: %s: %s: %s\n", mock.name, method, text);
	return ipc_call_is_oneway(call) ? 0 : ipc_call_error(call, UNEXPECTED, "%s", text);
}

/* nearest: an entry of the same method that may be used, or NULL. */
static int wrong_request(struct ipc_call *call, const char *method, const struct entry *nearest,
			 const json_t *request)
{
	char text[TEXT_MAX] = "";
	const char *key;
	json_t *value;

	if (!nearest)
		return unexpected(call, method, "no such call is expected, or none any more");
	json_object_foreach(nearest->request, key, value)
		append_difference(text, key, value, json_object_get(request, key));
	json_object_foreach((json_t *)request, key, value)
		if (!json_object_get(nearest->request, key))
			append_difference(text, key, NULL, value);
	return unexpected(call, method, text);
}

/* --- Serving --------------------------------------------------------------------------- */

static int reply(struct ipc_call *call, struct entry *entry)
{
	entry->used++;
	mock.as_expected++;
	if (entry->method->oneway)
		return 0;
	if (entry->errno_code)
		return ipc_call_errno(call, -entry->errno_code, NULL);
	if (entry->error)
		return ipc_call_error(call, entry->error, entry->message ? "%s" : NULL,
				      entry->message);
	return ipc_raw_reply(call, &entry->reply.raw);
}

/* The first entry that fits and may still be used counts. */
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

static json_t *unused_entries(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < mock.n; i++) {
		const struct entry *entry = &mock.entries[i];

		if (entry->times ? entry->used < entry->times : !entry->used)
			list = value_append(list, json_pack("{s:s, s:O?}", "method",
							    entry->method->name, "request",
							    entry->request));
	}
	return list;
}

static int put_result(void)
{
	json_t *unused = unused_entries(), *entry, *request;
	int status;
	size_t i;

	if (!unused)
		return fail_memory();
	status = mock.wrong || json_array_size(unused) ? STATUS_DIFFERS : STATUS_OK;
	if (ctl.json)
		return out_json(json_pack("{s:s, s:I, s:I, s:o}", "name", mock.name, "expected",
					  (json_int_t)mock.as_expected, "wrong",
					  (json_int_t)mock.wrong, "unused", unused)) ?: status;
	json_array_foreach(unused, i, entry) {
		char *text;

		request = json_object_get(entry, "request");
		text = dump(request);
		printf("%s: unused: %s %s\n", mock.name, value_text(entry, "method"),
		       json_is_null(request) ? "(any request)" : text ?: "?");
		free(text);
	}
	printf("%s: %lu as expected, %lu wrong, %zu unused\n", mock.name, mock.as_expected,
	       mock.wrong, json_array_size(unused));
	json_decref(unused);
	return out_flush() ?: status;
}

static void on_stop(int signal)
{
	(void)signal;
	ipc_stop(mock.ipc);
}

static int run_service(void)
{
	struct ipc_raw_ops ops = { .interface = schema_interface(mock.schema), .serve = serve };
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	struct sigaction action = { .sa_handler = on_stop };
	int r;

	/* Who waits for the name may end this at once. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	r = ipc_raw_object_new(mock.ipc, &ops, NULL, &object);
	if (r == 0)
		r = ipc_register_name(mock.ipc, mock.name, object, /* ret_slot= */ NULL);
	if (r < 0)
		return fail_errno(r, mock.name);
	r = ipc_run(mock.ipc);
	/* A test's bus ends with the test. */
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
	/* The object has ended: nobody calls any more. */
	ipc_unref(mock.ipc);
	return status ? status : put_result();
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
	.min = 1,
	.max = 1,
	.run = run,
};
