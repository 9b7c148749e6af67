/* SPDX-License-Identifier: MIT */
/*
 * Bytes as base64 in JSON strings, which contain UTF-8 only.
 */
#ifndef IPCCTL_BASE64_H
#define IPCCTL_BASE64_H

#include <jansson.h>
#include <stddef.h>

/* NULL: no memory. */
json_t *base64_encode(const void *data, size_t size);

/* Text as it is; in base64 if it is not UTF-8. NULL: no memory. */
json_t *base64_text(const void *text, size_t size);

/* The caller frees the bytes, which a 0 follows. NULL: no memory, or not base64. */
void *base64_decode(const json_t *text, size_t *ret_size);

#endif
