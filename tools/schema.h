/* SPDX-License-Identifier: MIT */
/*
 * The interface of a service, as it describes it. protobuf-c descriptors are built at run
 * time, so that libipc can send its messages, objects and fds, and convert them to and from
 * JSON.
 *
 *   schema.c        methods
 *   schema-types.c  messages and enums
 *   schema-json.c   messages <-> JSON
 *   schema-proto.c  back to a .proto file
 */
#ifndef IPCCTL_SCHEMA_H
#define IPCCTL_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ipc/rpc.h>

struct schema;

/**
 * struct schema_method - a method of the service
 * @method: for ipc_rpc_call() and ipc_rpc_oneway()
 * @oneway: it has no reply
 * @streams_in: the client sends many
 * @streams_out: the server sends many
 */
struct schema_method {
	struct ipc_method method;
	bool oneway;
	bool streams_in;
	bool streams_out;
};

/* Builds the service with this full name from a FileDescriptorSet. 0; -ENOMEM; -EBADMSG: the
 * set is not valid; -ENOENT: the service is not in it. */
int schema_new(const void *set, size_t size, const char *interface, struct schema **ret_schema);
struct schema *schema_free(struct schema *schema);

/* Builds it from the description that the object itself returns. 0 or -errno. error may be
 * NULL. */
int schema_introspect(struct ipc_proxy *proxy, struct schema **ret_schema, struct ipc_error *error);

const char *schema_interface(const struct schema *schema);
size_t schema_count(const struct schema *schema);
const struct schema_method *schema_at(const struct schema *schema, size_t i);
/* By name ("Say"), or NULL. */
const struct schema_method *schema_find(const struct schema *schema, const char *name);
const struct schema_method *schema_find_code(const struct schema *schema, uint32_t code);

/* The name of a method that every object has, or NULL. */
const char *schema_builtin(uint32_t code);

/* Prints the .proto file of the service. 0 or -EIO. */
int schema_print(const struct schema *schema, FILE *file);

/* --- Messages (schema-json.c) ------------------------------------------------------ */

/**
 * struct schema_context - files and objects of a message that is made of JSON
 * @ipc: connection for objects; NULL: fields of type ipc.Object are refused
 * @fds: @n_fds opened files
 * @proxies: @n_proxies objects
 * @what: where the JSON is wrong, and why
 */
struct schema_context {
	struct ipc *ipc;
	int fds[64];
	size_t n_fds;
	struct ipc_proxy *proxies[64];
	size_t n_proxies;
	char what[256];
};

/* Closes the files and releases the objects, after the message was sent. */
void schema_context_done(struct schema_context *context);

/* Makes a message of JSON. The caller frees it with protobuf_c_message_free_unpacked(). 0;
 * -ENOMEM; -EINVAL: context->what says why. An ipc.Fd is the number of an open fd, the path of
 * a file to read ("-": standard input), or ">PATH" to write. An ipc.Object is the name of a
 * service. */
int schema_from_json(const ProtobufCMessageDescriptor *type, const json_t *json,
		     struct schema_context *context, ProtobufCMessage **ret_message);

/* A message as JSON. NULL: no memory. */
json_t *schema_to_json(const ProtobufCMessage *message);

/* Bytes as base64 and back. NULL: no memory, or not base64. The caller frees the decoded
 * bytes, which a 0 follows. */
json_t *base64_encode(const void *data, size_t size);
void *base64_decode(const json_t *text, size_t *ret_size);

/* The bytes of a message of this type as JSON. NULL: they are no such message, or no memory. */
json_t *schema_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t size);

#endif
