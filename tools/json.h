/* SPDX-License-Identifier: MIT */
/*
 * JSON values. If there is no memory, a function that builds a value releases the value and returns
 * NULL. It accepts NULL as such a value, so the caller checks only the complete value.
 */
#ifndef IPCCTL_JSON_H
#define IPCCTL_JSON_H

#include <jansson.h>
#include <stddef.h>

/* Return the text of a key, or NULL; the number of a key, or 0. */
const char *value_text(const json_t *object, const char *key);
json_int_t value_number(const json_t *object, const char *key);

/* Add a value and take its reference. Return the array or object; NULL if the container or the
 * value is NULL, or if there is no memory. */
json_t *value_append(json_t *array, json_t *value);
json_t *value_set(json_t *object, const char *key, json_t *value);

/* Indexes the objects of an array by the number of a key. */
json_t *value_index(const json_t *array, const char *key);
/* Finds an object in such an index, or NULL. */
json_t *value_indexed(const json_t *index, json_int_t number);

/* Returns bytes as base64 in a string. */
json_t *base64_encode(const void *data, size_t size);

/* Returns text as a string, or in base64 if it is not UTF-8. */
json_t *base64_text(const void *text, size_t size);

/* Decodes base64. A 0 follows the bytes, which the caller frees. NULL: no memory, or not base64. */
void *base64_decode(const json_t *text, size_t *ret_size);

#endif
