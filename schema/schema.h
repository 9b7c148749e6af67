/* SPDX-License-Identifier: MIT */
/*
 * schema/ is shared by ipcctl and ipc-gateway, and knows neither: descriptions of services, and
 * their messages as bytes and as JSON. It uses libipc's public headers, and base/wire.h and
 * base/text.h. A file calls only files below it:
 *
 *   proto.c      a description, back to a .proto file
 *   local.c      methods whose messages cannot leave the machine
 *   encode.c     JSON to the bytes of a message
 *   decode.c     the bytes of a message to JSON
 *   known.c      the JSON of google.protobuf.Timestamp and the like
 *   schema.c     a description of a service: its methods, messages and enums
 *   json-text.c  the text of JSON
 *   json.c       JSON values, and bytes in them
 *   text.c       texts that may contain characters for terminals
 *   wire.c       writes protobuf's wire format
 *
 * This header has the interface of a service, according to its own description, and its messages as
 * JSON. Descriptions and messages are untrusted: after schema_new() names are valid identifiers,
 * and depth, sizes and the number of values are limited.
 */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ipc/raw.h>

#include "google/protobuf/descriptor.pb-c.h"

struct schema;
struct schema_type;

/**
 * struct schema_method - a method of the service
 * @name: its name ("Say")
 * @number: of the method
 * @request: type of the requests
 * @reply: type of the replies
 * @oneway: the method has no reply
 * @timeout_ms: timeout of a call; 0: not set
 * @streams_in: the client sends a stream
 * @streams_out: the server sends a stream
 */
struct schema_method {
	const char *name;
	uint32_t number;
	const struct schema_type *request;
	const struct schema_type *reply;
	bool oneway;
	uint32_t timeout_ms;
	bool streams_in;
	bool streams_out;
};

/* Builds the schema of the service with this full name from a FileDescriptorSet. Returns 0,
 * -ENOMEM, -EBADMSG if the set is invalid or too large, or -ENOENT if it does not contain the
 * service. */
int schema_new(const void *set, size_t size, const char *interface, struct schema **ret_schema);
struct schema *schema_free(struct schema *schema);

/* Builds the schema from the description that the object returns. Returns 0 or -errno. error may be
 * NULL. */
int schema_introspect(struct ipc_proxy *proxy, struct schema **ret_schema, struct ipc_error *error);

const char *schema_interface(const struct schema *schema);
/* Returns the description itself, which has been checked. */
const Google__Protobuf__FileDescriptorSet *schema_files(const struct schema *schema);
size_t schema_count(const struct schema *schema);
/* Returns the method with the index i. The methods are in an array. */
const struct schema_method *schema_at(const struct schema *schema, size_t i);
/* Return the method with that name ("Say") or number, or NULL. */
const struct schema_method *schema_find(const struct schema *schema, const char *name);
const struct schema_method *schema_find_number(const struct schema *schema, uint32_t number);

/* Returns the full name of a message ("echo.SayRequest"). */
const char *schema_type_name(const struct schema_type *type);

/* Returns the name of a method that every object has, or NULL. */
const char *schema_builtin(uint32_t number);

/* Finds the methods whose messages can contain an ipc.Object or ipc.Fd, which cannot leave the
 * machine. *ret_reasons has a text for each of these methods, with the path of a field, and NULL
 * for each other method, in the order of schema_at(). Returns 0 or -ENOMEM. */
int schema_find_local(const struct schema *schema, char ***ret_reasons);
/* Frees the reasons, which may be NULL. */
void schema_free_local(const struct schema *schema, char **reasons);

/* Prints the .proto file of the service, with the comments of its description. Returns 0, -ENOMEM
 * or -EIO. */
int schema_print(const struct schema *schema, FILE *file);

/* --- Messages (encode.c, decode.c) ----------------------------------- */

/* The problem of a JSON text: it does not suit the fields, names a service that is not registered,
 * or names a file or service that cannot be opened. */
enum schema_wrong { SCHEMA_WRONG_FIELD, SCHEMA_WRONG_NAME, SCHEMA_WRONG_OTHER };

/**
 * struct schema_message - a message built from JSON
 * @ipc: connection for objects; NULL: refuse fields of type ipc.Object
 * @raw: the message to send; the caller adds method and flags
 * @entries: its files and objects
 * @what: the first problem in the JSON, with the name of the field
 * @wrong: kind of that problem
 */
struct schema_message {
	struct ipc *ipc;
	struct ipc_raw_message raw;
	struct ipc_raw_entry entries[IPC_RAW_ENTRIES_MAX];
	char what[256];
	enum schema_wrong wrong;
};

/*
 * JSON follows protobuf's JSON mapping (https://protobuf.dev/programming-guides/json/). Two types
 * have JSON of ipcbus:
 *
 *            in requests                                          received
 * ipc.Fd     the number of an open fd, the path of a file to      {"fd": NUMBER}
 *            read ("-": standard input), or ">PATH" to write
 * ipc.Object the name of a service                                {"object": NUMBER}
 */

/* Builds a message from JSON, as value_read() returns it. Returns 0 or -ENOMEM. If the JSON is
 * wrong, returns -EINVAL and describes the problem in message->what. */
int schema_encode(const struct schema_type *type, const json_t *json,
		  struct schema_message *message);

/* Frees the message of schema_encode(), even if schema_encode() failed. */
void schema_message_done(struct schema_message *message);

/* Flag of the decoders: they also return a missing field without presence, with its default: zero,
 * an empty string, list or map. */
#define SCHEMA_ALL_FIELDS 1

/* Returns the payload of a record as JSON, for value_write(); files and objects are numbers. If the
 * payload does not match the type, or has no JSON, returns NULL: a required field is missing, or a
 * google.protobuf.Timestamp is after the year 9999, for example. */
json_t *schema_decode(const struct schema_type *type, const void *data, size_t size,
		      unsigned int flags);

/* Returns a received message as JSON, with its files and objects, like schema_decode(). */
json_t *schema_decode_received(const struct schema_type *type,
			       const struct ipc_raw_message *message, unsigned int flags);

#endif
