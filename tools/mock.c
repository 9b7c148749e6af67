// SPDX-License-Identifier: MIT
/*
 * The file of a mock service: see mock.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipcctl.h"
#include "mock.h"
#include "value.h"

#define MAX_DESCRIPTORS (16UL << 20)
#define MAX_TIMES	1000000
/* Numbers of errors end below that, on all systems. */
#define MAX_ERRNO	4096

/**
 * struct mock - see mock.h
 * @path: of the file, for messages
 * @json: its content, whose texts are used
 * @set: the descriptors, @size bytes
 */
struct mock {
	const char *path;
	json_t *json;
	void *set;
	size_t size;
	struct schema *schema;
	struct mock_entry *entry;
	size_t n;
};

static int bad(const struct mock *mock, size_t entry, const char *what, const char *detail)
{
	return fail_with(STATUS_USAGE, "ipcctl mock --help has an example", "%s: calls[%zu]: %s%s",
			 mock->path, entry, what, detail);
}

/* --- Descriptors --------------------------------------------------------------------- */

/* Relative to the folder of the file. NULL: no memory. */
static char *beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	char *full = NULL;

	if (*name == '/' || !slash)
		return strdup(name);
	return asprintf(&full, "%.*s/%s", (int)(slash - path), path, name) < 0 ? NULL : full;
}

static int read_set(struct mock *mock, const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return fail_with(STATUS_FAILED, "protoc --include_imports --descriptor_set_out makes it",
				 "%s: cannot open the descriptors %s: %s", mock->path, path,
				 strerror(errno));
	mock->set = malloc(MAX_DESCRIPTORS);
	if (mock->set)
		mock->size = fread(mock->set, 1, MAX_DESCRIPTORS, file);
	fclose(file);
	return mock->set ? STATUS_OK : fail_memory();
}

static int load_schema(struct mock *mock, const char *descriptors, const char *service)
{
	char *path = beside(mock->path, descriptors);
	int status, r;

	if (!path)
		return fail_memory();
	status = read_set(mock, path);
	r = status ? 0 : schema_new(mock->set, mock->size, service, &mock->schema);
	if (r == -ENOENT)
		status = fail_with(STATUS_USAGE, "give its full name, with the package",
				   "%s: %s has no service %s", mock->path, path, service);
	else if (r == -EBADMSG)
		status = fail_with(STATUS_USAGE,
				   "protoc --include_imports --descriptor_set_out makes one",
				   "%s: %s is no descriptor set", mock->path, path);
	else if (r < 0)
		status = fail_memory();
	free(path);
	return status;
}

/* --- Entries ------------------------------------------------------------------------- */

/* With all that protobuf leaves out, as a request is that was received. */
static int load_request(const struct mock *mock, size_t i, struct mock_entry *entry,
			const json_t *json)
{
	struct schema_message message = { .ipc = NULL };
	int r = schema_encode(entry->method->request, json, &message), status = STATUS_OK;

	if (r == -EINVAL)
		status = bad(mock, i, "request: ", message.what);
	else if (r < 0)
		status = fail_memory();
	else if (message.raw.n_entries)
		status = bad(mock, i, "request: files cannot be compared", "");
	if (!status) {
		entry->request = schema_decode(entry->method->request, message.raw.data,
					       message.raw.size);
		if (!entry->request)
			status = fail_memory();
	}
	schema_message_done(&message);
	return status;
}

static int load_reply(const struct mock *mock, size_t i, struct mock_entry *entry,
		      const json_t *json)
{
	int r = schema_encode(entry->method->reply, json, &entry->reply);

	if (r == -EINVAL)
		return bad(mock, i, "reply: ", entry->reply.what);
	return r < 0 ? fail_memory() : STATUS_OK;
}

static int errno_of(const char *name)
{
	for (int number = 1; number < MAX_ERRNO; number++)
		if (strerrorname_np(number) && !strcmp(strerrorname_np(number), name))
			return number;
	return 0;
}

static int load_error(const struct mock *mock, size_t i, struct mock_entry *entry,
		      const json_t *json)
{
	const char *name = value_text(json, "errno");

	entry->error = value_text(json, "name");
	entry->message = value_text(json, "message");
	if (name) {
		entry->errno_code = errno_of(name);
		return entry->errno_code ? STATUS_OK : bad(mock, i, "error: no errno ", name);
	}
	return entry->error ? STATUS_OK : bad(mock, i, "error: has no name and no errno", "");
}

/* Only these, so that a mistyped one is seen. */
static int check_keys(const struct mock *mock, size_t i, const json_t *json)
{
	static const char *const known[] = { "method", "request", "reply", "error", "times" };
	const char *key;
	json_t *value;
	size_t at;

	json_object_foreach((json_t *)json, key, value) {
		for (at = 0; at < sizeof(known) / sizeof(*known) && strcmp(known[at], key); at++)
			;
		if (at == sizeof(known) / sizeof(*known))
			return bad(mock, i, "unknown member ", key);
	}
	return STATUS_OK;
}

static int load_times(const struct mock *mock, size_t i, struct mock_entry *entry,
		      const json_t *times)
{
	json_int_t n = times ? json_integer_value(times) : 1;

	if ((times && !json_is_integer(times)) || n < 0 || n > MAX_TIMES)
		return bad(mock, i, "times: not a number from 0 to 1000000", "");
	entry->times = (unsigned int)n;
	return STATUS_OK;
}

static int load_entry(struct mock *mock, size_t i, struct mock_entry *entry, const json_t *json)
{
	const json_t *request = json_object_get(json, "request");
	const json_t *reply = json_object_get(json, "reply");
	const json_t *error = json_object_get(json, "error");
	const char *method = value_text(json, "method");
	int status;

	if (!method)
		return bad(mock, i, "has no method", "");
	status = check_keys(mock, i, json);
	if (status)
		return status;
	entry->method = schema_find(mock->schema, method);
	if (!entry->method)
		return bad(mock, i, "the service has no method ", method);
	if (entry->method->streams_in || entry->method->streams_out)
		return bad(mock, i, "a mock has no streams: ", method);
	if (entry->method->oneway ? reply || error : !reply == !error)
		return bad(mock, i, entry->method->oneway ? "a oneway has no reply and no error" :
							    "needs a reply or an error", "");
	status = load_times(mock, i, entry, json_object_get(json, "times"));
	if (!status && request)
		status = load_request(mock, i, entry, request);
	if (!status && reply)
		status = load_reply(mock, i, entry, reply);
	if (!status && error)
		status = load_error(mock, i, entry, error);
	return status;
}

static int load_entries(struct mock *mock, const json_t *calls)
{
	int status = STATUS_OK;

	if (!json_is_array(calls))
		return fail_with(STATUS_USAGE, "ipcctl mock --help has an example",
				 "%s: \"calls\" is no array", mock->path);
	mock->entry = calloc(json_array_size(calls) + 1, sizeof(*mock->entry));
	if (!mock->entry)
		return fail_memory();
	mock->n = json_array_size(calls);
	for (size_t i = 0; !status && i < mock->n; i++)
		status = load_entry(mock, i, &mock->entry[i], json_array_get(calls, i));
	return status;
}

static int load(struct mock *mock)
{
	static const char *const needed[] = { "descriptors", "service", "name" };
	json_error_t error;
	int status;

	mock->json = json_load_file(mock->path, JSON_REJECT_DUPLICATES, &error);
	/* Without a line it is the file itself that cannot be opened or read. */
	if (!mock->json && error.line < 1)
		return fail_with(STATUS_USAGE, NULL, "%s", error.text);
	if (!mock->json)
		return fail_with(STATUS_USAGE, "ipcctl mock --help has an example",
				 "%s: line %d, column %d: %s", mock->path, error.line, error.column,
				 error.text);
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!value_text(mock->json, needed[i]))
			return fail_with(STATUS_USAGE, "ipcctl mock --help has an example",
					 "%s: has no text \"%s\"", mock->path, needed[i]);
	status = load_schema(mock, value_text(mock->json, "descriptors"),
			     value_text(mock->json, "service"));
	return status ? status : load_entries(mock, json_object_get(mock->json, "calls"));
}

/* --- The interface --------------------------------------------------------------------- */

int mock_load(const char *path, struct mock **ret_mock)
{
	struct mock *mock = calloc(1, sizeof(*mock));
	int status;

	if (!mock)
		return fail_memory();
	mock->path = path;
	status = load(mock);
	if (status)
		mock_free(mock);
	else
		*ret_mock = mock;
	return status;
}

struct mock *mock_free(struct mock *mock)
{
	if (!mock)
		return NULL;
	for (size_t i = 0; i < mock->n; i++) {
		json_decref(mock->entry[i].request);
		schema_message_done(&mock->entry[i].reply);
	}
	free(mock->entry);
	schema_free(mock->schema);
	free(mock->set);
	json_decref(mock->json);
	free(mock);
	return NULL;
}

const char *mock_name(const struct mock *mock)
{
	return value_text(mock->json, "name");
}

const struct schema *mock_schema(const struct mock *mock)
{
	return mock->schema;
}

const void *mock_descriptors(const struct mock *mock, size_t *ret_size)
{
	*ret_size = mock->size;
	return mock->set;
}

struct mock_entry *mock_match(struct mock *mock, const struct schema_method *method,
			      const json_t *request, const struct mock_entry **ret_nearest)
{
	*ret_nearest = NULL;
	for (size_t i = 0; i < mock->n; i++) {
		struct mock_entry *entry = &mock->entry[i];

		if (entry->method != method || (entry->times && entry->used == entry->times))
			continue;
		if (!entry->request || json_equal(entry->request, request)) {
			entry->used++;
			return entry;
		}
		if (!*ret_nearest)
			*ret_nearest = entry;
	}
	return NULL;
}

static bool is_unused(const struct mock_entry *entry)
{
	return entry->times ? entry->used < entry->times : !entry->used;
}

size_t mock_unused(const struct mock *mock)
{
	size_t n = 0;

	for (size_t i = 0; i < mock->n; i++)
		n += is_unused(&mock->entry[i]);
	return n;
}

const struct mock_entry *mock_unused_at(const struct mock *mock, size_t at)
{
	for (size_t i = 0; i < mock->n; i++)
		if (is_unused(&mock->entry[i]) && at-- == 0)
			return &mock->entry[i];
	return NULL;
}
