// SPDX-License-Identifier: MIT
/*
 * Converts messages for test-json, by the protocol of protobuf's conformance suite, so that its
 * runner can run it too: reads requests from standard input, each after its size in four bytes, and
 * writes responses. Usage: testee SET INTERFACE. The suite names types of messages, which must be
 * types of requests of the service.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/json.h"
#include "schema/schema.h"
#include "schema/wire.h"

/* Fields of conformance.ConformanceRequest. */
enum { PROTOBUF = 1, JSON = 2, OUTPUT = 3, TYPE = 4, CATEGORY = 5, N_REQUEST };
/* Fields of conformance.ConformanceResponse. */
enum { PARSE_ERROR = 1, TO_PROTOBUF = 3, TO_JSON = 4, SKIPPED = 5, SERIALIZE_ERROR = 6 };
/* conformance.TestCategory: JSON with unknown fields, which ipcctl refuses. */
#define IGNORE_UNKNOWN 3
/* conformance.WireFormat; test-json asks for ALL_JSON, which is ours, to get all fields. */
enum { AS_PROTOBUF = 1, AS_JSON = 2, AS_ALL_JSON = 100 };

static void put(struct wire_buffer *response, uint32_t field, const void *data, size_t size)
{
	wire_put_field(response, field, data, size);
}

static void put_text(struct wire_buffer *response, uint32_t field, const char *text)
{
	put(response, field, text, strlen(text));
}

static const struct schema_type *find_type(const struct schema *schema, struct wire name)
{
	for (size_t i = 0; i < schema_count(schema); i++) {
		const struct schema_type *type = schema_at(schema, i)->request;
		const char *known = schema_type_name(type);

		if (strlen(known) == wire_size(&name) && !memcmp(known, name.at, wire_size(&name)))
			return type;
	}
	return NULL;
}

/* Returns the message of JSON; on failure puts the error. The caller must free it. */
static int from_json(const struct schema_type *type, struct wire text,
		     struct schema_message *message, struct wire_buffer *response)
{
	json_error_t error;
	json_t *json = value_read_text((const char *)text.at, wire_size(&text), &error);
	int r;

	if (!json) {
		put_text(response, PARSE_ERROR, error.text);
		return -1;
	}
	r = schema_encode(type, json, message);
	json_decref(json);
	if (r < 0)
		put_text(response, PARSE_ERROR, message->what);
	return r;
}

static void convert(const struct schema_type *type, const struct wire_field *request,
		    struct wire_buffer *response)
{
	struct wire bytes = request[PROTOBUF].bytes;
	struct schema_message message = { 0 };
	uint64_t output = request[OUTPUT].value;
	json_t *json;
	char *text;

	if (request[JSON].number) {
		if (from_json(type, request[JSON].bytes, &message, response) < 0)
			goto done;
		bytes = wire_of(message.raw.data, message.raw.size);
	}
	if (output == AS_PROTOBUF) {
		put(response, TO_PROTOBUF, bytes.at, wire_size(&bytes));
		goto done;
	}
	json = schema_decode(type, bytes.at, wire_size(&bytes),
			     output == AS_ALL_JSON ? SCHEMA_ALL_FIELDS : 0);
	text = value_write(json, false);
	put_text(response, text ? TO_JSON : SERIALIZE_ERROR, text ? text : "no JSON");
	free(text);
	json_decref(json);
done:
	schema_message_done(&message);
}

static void respond(const struct schema *schema, struct wire wire, struct wire_buffer *response)
{
	static const uint8_t types[N_REQUEST] = {
		[PROTOBUF] = WIRE_BYTES,
		[JSON] = WIRE_BYTES,
		[OUTPUT] = WIRE_VARINT,
		[TYPE] = WIRE_BYTES,
		[CATEGORY] = WIRE_VARINT,
	};
	struct wire_field request[N_REQUEST];
	const struct schema_type *type;
	uint64_t output;

	if (wire_fields(wire, types, N_REQUEST, request) < 0)
		errx(1, "invalid request");
	type = find_type(schema, request[TYPE].bytes);
	output = request[OUTPUT].value;
	/* The runner asks for a set of known failures first, of another type. */
	if (!type || request[CATEGORY].value == IGNORE_UNKNOWN ||
	    (!request[PROTOBUF].number && !request[JSON].number) ||
	    (output != AS_PROTOBUF && output != AS_JSON && output != AS_ALL_JSON) ||
	    (request[PROTOBUF].number && output == AS_PROTOBUF))
		put_text(response, SKIPPED, "not supported");
	else
		convert(type, request, response);
}

static struct schema *load(const char *path, const char *interface)
{
	static unsigned char set[1 << 20];
	FILE *file = fopen(path, "re");
	struct schema *schema;
	size_t size;

	if (!file)
		err(1, "%s", path);
	size = fread(set, 1, sizeof(set), file);
	fclose(file);
	if (schema_new(set, size, interface, &schema) < 0)
		errx(1, "%s does not describe %s", path, interface);
	return schema;
}

int main(int argc, char **argv)
{
	struct wire_buffer response = { 0 };
	struct schema *schema;
	uint32_t size;

	if (argc != 3)
		errx(2, "usage: testee SET INTERFACE");
	schema = load(argv[1], argv[2]);
	while (fread(&size, sizeof(size), 1, stdin) == 1) {
		unsigned char *request = malloc(size + 1);

		if (!request || fread(request, 1, size, stdin) != size)
			err(1, "request");
		response.size = 0;
		respond(schema, wire_of(request, size), &response);
		free(request);
		size = (uint32_t)response.size;
		fwrite(&size, sizeof(size), 1, stdout);
		fwrite(response.data, 1, size, stdout);
		fflush(stdout);
	}
	free(response.data);
	schema_free(schema);
	return 0;
}
