/* SPDX-License-Identifier: MIT */
/*
 * JSON values. If memory is short, a function that builds a value drops its parts and returns NULL.
 * Functions accept NULL instead of a value, so the caller needs to check only the complete value.
 */
#ifndef IPCCTL_JSON_H
#define IPCCTL_JSON_H

#include <jansson.h>
#include <stddef.h>

struct ipc_error;

/* value_text() returns the text of a key, or NULL. value_number() returns the number of a key, or
 * 0. */
const char *value_text(const json_t *object, const char *key);
json_int_t value_number(const json_t *object, const char *key);

/* Add a value and take its reference. Return the array or object, or NULL if it or the value is
 * NULL, or if memory is short. */
json_t *value_append(json_t *array, json_t *value);
json_t *value_set(json_t *object, const char *key, json_t *value);

/* Indexes the objects of an array by the number of a key. */
json_t *value_index(const json_t *array, const char *key);
/* Returns the object with that number in such an index, or NULL. */
json_t *value_indexed(const json_t *index, json_int_t number);

/* Returns bytes as base64 in a string. */
json_t *base64_encode(const void *data, size_t size);

/* Returns text as a string. If it is not UTF-8, returns it in base64. */
json_t *base64_text(const void *text, size_t size);

/* Decodes base64 and appends a NUL byte. The caller must free the bytes. If the text is not base64,
 * or memory is short, returns NULL. */
void *base64_decode(const json_t *text, size_t *ret_size);

/* Returns the members of an error that are set: error (the errno), cause, error_name, error_text,
 * error_number and error_details. */
json_t *error_json(const struct ipc_error *error);

#endif
