/* SPDX-License-Identifier: MIT */
/*
 * A run of the plugin without its process: request bytes in, response bytes out.
 */
#ifndef IDL_PLUGIN_H
#define IDL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/*
 * Answers a CodeGeneratorRequest with a CodeGeneratorResponse; what is wrong
 * with the .proto files is in the response. NULL, or what is wrong with the
 * request itself, which no protoc sends.
 */
const char *plugin_run(struct arena *arena, const uint8_t *data, size_t size,
		       uint8_t **ret_response, size_t *ret_size);

#endif /* IDL_PLUGIN_H */
