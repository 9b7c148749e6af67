/* SPDX-License-Identifier: MIT */
/*
 * JSON values (json.c) and their text (json-text.c). Without memory, a function that builds a value
 * drops its parts and returns NULL. Functions accept NULL instead of a value, so only the
 * complete value needs a check.
 */
#ifndef SCHEMA_JSON_H
#define SCHEMA_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ipc_error;

/* value_text() returns the text of a key, or NULL. value_number() returns the number of a key, or
 * 0. */
const char *value_text(const json_t *object, const char *key);
json_int_t value_number(const json_t *object, const char *key);

/* Returns the text of a string without NUL, or NULL for other values. */
const char *value_string(const json_t *value);

/* Add a value to the array or object, take its reference, and return the array or object. If either
 * is NULL, or without memory, drop both and return NULL. */
json_t *value_append(json_t *array, json_t *value);
json_t *value_set(json_t *object, const char *key, json_t *value);

/* Indexes the objects of an array by the number of a key. */
json_t *value_index(const json_t *array, const char *key);
/* Returns the object with that number in such an index, or NULL. */
json_t *value_indexed(const json_t *index, json_int_t number);

/* --- Text (json-text.c) ------------------------------------------------------------ */

/* Reads a value. With more, reads no character after an array, object or string, so that the caller
 * can read further values; at the end of the file returns NULL without an error text. Without more,
 * the file must contain a single value. On failure returns NULL and sets line, column and text of
 * error. */
json_t *value_read(FILE *file, bool more, json_error_t *error);
/* Reads the only value of a text in memory, like value_read() without more. */
json_t *value_read_text(const char *text, size_t size, json_error_t *error);

/* Returns a value as text, which the caller must free; indent: in lines, with two blanks for each
 * level. A double has as many digits as it needs. */
char *value_write(const json_t *value, bool indent);

/* value_read() reads an integer that does not fit json_int_t as a special string.
 * value_integer_text() returns its digits, or NULL for other values. value_is_string() returns true
 * for all other strings. */
const char *value_integer_text(const json_t *value);
bool value_is_string(const json_t *value);

/* Reads a string that contains a number in JSON's syntax. Returns NULL for other strings. */
json_t *value_of_number(const json_t *string);

/* --- Bytes and errors ------------------------------------------------------------------ */

/* Returns bytes as base64 in a string. */
json_t *base64_encode(const void *data, size_t size);

/* Returns text as a string, or in base64 if the text is not UTF-8. */
json_t *base64_text(const void *text, size_t size);

/* Decodes base64, of both alphabets and with or without padding, and appends a NUL byte. The caller
 * must free the bytes. Returns NULL for text that is not base64, or without memory. */
void *base64_decode(const json_t *text, size_t *ret_size);

/* Returns the members of an error that are set: error (the errno), cause, error_name, error_text,
 * error_number and error_details. */
json_t *error_json(const struct ipc_error *error);

#endif
