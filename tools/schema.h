/* SPDX-License-Identifier: MIT */
/*
 * What a service says of itself, made usable: of the descriptors that it answers
 * "describe" with, protobuf-c descriptors are built at run time, so that libipc can
 * carry its messages, objects and fds, and JSON can be made of them and back.
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

/* Of a FileDescriptorSet, the service with that full name. 0, -ENOMEM, -EBADMSG: it is
 * none, or -ENOENT: the service is not in it. */
int schema_new(const void *set, size_t size, const char *interface, struct schema **ret_schema);
struct schema *schema_free(struct schema *schema);

/* Asks the object itself; 0 or -errno. error may be NULL. */
int schema_introspect(struct ipc_proxy *proxy, struct schema **ret_schema, struct ipc_error *error);

const char *schema_interface(const struct schema *schema);
size_t schema_count(const struct schema *schema);
const struct schema_method *schema_at(const struct schema *schema, size_t i);
/* By name ("Say"), or NULL. */
const struct schema_method *schema_find(const struct schema *schema, const char *name);
const struct schema_method *schema_find_code(const struct schema *schema, uint32_t code);

/* A method that every object has, or NULL. */
const char *schema_builtin(uint32_t code);

/* Prints the service's file as a .proto; 0 or -ENOMEM. */
int schema_print(const struct schema *schema, FILE *file);

/* --- Messages (schema-json.c) ------------------------------------------------------ */

/**
 * struct schema_context - what JSON may name besides values
 * @ipc: where objects are found by name; NULL: there are none
 * @fds: fds that were opened for fields, @n_fds of them, to be closed by who sends
 * @proxies: objects that were found for fields, @n_proxies of them, to be unref'ed
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

void schema_context_done(struct schema_context *context);

/* A message of JSON, the caller's to protobuf_c_message_free_unpacked(): 0, -ENOMEM, or
 * -EINVAL and context->what. An Ipc.Fd is a number (an open fd), or a path to read ("-":
 * standard input), or ">PATH" to write; an ipc.Object a service's name. */
int schema_from_json(const ProtobufCMessageDescriptor *type, const json_t *json,
		     struct schema_context *context, ProtobufCMessage **ret_message);

/* JSON of a message; NULL: no memory. */
json_t *schema_to_json(const ProtobufCMessage *message);

/* Bytes as text and back; NULL: no memory, or not base64. The second's result, with a 0
 * behind it, is the caller's to free. */
json_t *base64_encode(const void *data, size_t size);
void *base64_decode(const json_t *text, size_t *ret_size);

/* JSON of bytes of that type; NULL: they are none, or no memory. */
json_t *schema_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t size);

#endif
