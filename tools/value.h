/* SPDX-License-Identifier: MIT */
/*
 * JSON values, where no memory is one case for the whole of a value: a function that
 * fails releases what was built so far and returns NULL, and takes NULL for that.
 */
#ifndef IPCCTL_VALUE_H
#define IPCCTL_VALUE_H

#include <jansson.h>

/* The text of a key, or NULL. The number of a key, or 0. */
const char *value_text(const json_t *object, const char *key);
json_int_t value_number(const json_t *object, const char *key);

/* Adds a value and takes its reference. Returns the array or object; NULL: one of both is
 * NULL, or there is no memory. */
json_t *value_append(json_t *array, json_t *value);
json_t *value_set(json_t *object, const char *key, json_t *value);

/* The values of an array in another order: qsort() calls compare() with two json_t *const *. Takes
 * the reference of the array. */
json_t *value_sorted(json_t *array, int (*compare)(const void *a, const void *b));

/* The objects of an array by one of their numbers, and one of them. NULL: no memory; there is
 * none. */
json_t *value_index(const json_t *array, const char *key);
json_t *value_indexed(const json_t *index, json_int_t number);

#endif
