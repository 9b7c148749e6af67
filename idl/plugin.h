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
 * Makes the CodeGeneratorResponse to a CodeGeneratorRequest. Errors in the .proto files are
 * part of the response. Returns NULL, or the error in the request itself; protoc never
 * sends such a request.
 */
const char *plugin_run(struct arena *arena, const uint8_t *data, size_t size,
		       uint8_t **ret_response, size_t *ret_size);

#endif /* IDL_PLUGIN_H */
