/* SPDX-License-Identifier: MIT */
/*
 * A run of the plugin without its process: takes the request's bytes and returns the response's
 * bytes.
 */
#ifndef IDL_PLUGIN_H
#define IDL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/*
 * Creates the CodeGeneratorResponse to a CodeGeneratorRequest. Errors in the .proto files are part
 * of the response. Returns NULL, or an error in the request itself, which protoc never sends.
 */
const char *plugin_run(struct arena *arena, const uint8_t *data, size_t size,
		       uint8_t **ret_response, size_t *ret_size);

#endif /* IDL_PLUGIN_H */
