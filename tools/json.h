/* SPDX-License-Identifier: MIT */
/*
 * JSON values. A function that builds a value returns NULL if there is no memory, releases what
 * was built so far, and takes NULL as such a value. So only the whole value is checked.
 */
#ifndef IPCCTL_JSON_H
#define IPCCTL_JSON_H

#include <jansson.h>
#include <stddef.h>

/* The text of a key, or NULL. The number of a key, or 0. */
const char *value_text(const json_t *object, const char *key);
json_int_t value_number(const json_t *object, const char *key);

/* Adds a value and takes its reference. Returns the array or object; NULL: one of both is
 * NULL, or there is no memory. */
json_t *value_append(json_t *array, json_t *value);
json_t *value_set(json_t *object, const char *key, json_t *value);

/* Indexes the objects of an array by one of their numbers, and finds one of them, or NULL. */
json_t *value_index(const json_t *array, const char *key);
json_t *value_indexed(const json_t *index, json_int_t number);

/* Bytes as base64 in a string. */
json_t *base64_encode(const void *data, size_t size);

/* Text as it is; in base64 if it is not UTF-8. */
json_t *base64_text(const void *text, size_t size);

/* The caller frees the bytes, which a 0 follows. NULL: no memory, or not base64. */
void *base64_decode(const json_t *text, size_t *ret_size);

#endif
