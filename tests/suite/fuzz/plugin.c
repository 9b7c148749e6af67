// SPDX-License-Identifier: MIT
/*
 * protoc-gen-ipc with requests that protoc would not send. Input: a
 * CodeGeneratorRequest, mutated as a message (proto.c) and as bytes. Whatever
 * comes, the reply is a response, or a complaint; a response has files or an
 * error, and the files are text. What is replied to twice is replied to the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "plugin.h"
#include "proto.h"
#include "wire.h"

typedef Google__Protobuf__Compiler__CodeGeneratorResponse Response;

#define must(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "plugin: line %d: %s\n", __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

static const ProtobufCMessageDescriptor *const request_type =
	&google__protobuf__compiler__code_generator_request__descriptor;

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* Text that ends in a newline, of a file that can be named. */
static void check_file(const Google__Protobuf__Compiler__CodeGeneratorResponse__File *file)
{
	size_t length;

	must(file->name && *file->name && file->content);
	length = strlen(file->content);
	must(length > 100 && file->content[length - 1] == '\n');
}

static void check_response(const uint8_t *data, size_t size)
{
	Response *response = google__protobuf__compiler__code_generator_response__unpack(NULL, size,
											 data);

	must(response);
	must(!response->error || !response->n_file);
	must(!response->error || *response->error);
	for (size_t i = 0; i < response->n_file; i++)
		check_file(response->file[i]);
	google__protobuf__compiler__code_generator_response__free_unpacked(response, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 }, again = { 0 };
	uint8_t *response, *same;
	size_t n, n_same;
	const char *problem = plugin_run(&arena, data, size, NULL, &response, &n);

	if (problem)
		must(*problem);
	else
		check_response(response, n);
	if (!problem && n % 16 == 0) {
		must(!plugin_run(&again, data, size, NULL, &same, &n_same));
		must(n == n_same && !memcmp(response, same, n));
	}
	arena_done(&arena);
	arena_done(&again);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct arena arena = { 0 };
	size_t mutated = 0;

	if (seed % 8 && wire_unpack(&arena, request_type, data, size))
		mutated = proto_mutate(request_type, data, size, max_size, seed);
	arena_done(&arena);
	return mutated ? mutated : LLVMFuzzerMutate(data, size, max_size);
}
