// SPDX-License-Identifier: MIT
/*
 * JSON values: see value.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "value.h"

const char *value_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_int_t value_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

json_t *value_append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) == 0)
		return array;
	json_decref(array);
	return NULL;
}

json_t *value_set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *value_sorted(json_t *array, int (*compare)(const void *a, const void *b))
{
	size_t n = json_array_size(array), i;
	json_t **values = calloc(n + 1, sizeof(*values)), *value;
	json_t *sorted = array && values ? json_array() : NULL;

	if (values) {
		json_array_foreach(array, i, value)
			values[i] = value;
		qsort(values, n, sizeof(*values), compare);
	}
	for (i = 0; sorted && i < n; i++)
		sorted = value_append(sorted, json_incref(values[i]));
	free(values);
	json_decref(array);
	return sorted;
}

static const char *key_of(char key[32], json_int_t number)
{
	snprintf(key, 32, "%lld", (long long)number);
	return key;
}

json_t *value_index(const json_t *array, const char *key)
{
	json_t *index = json_object(), *object;
	char text[32];
	size_t i;

	json_array_foreach(array, i, object)
		index = value_set(index, key_of(text, value_number(object, key)),
				  json_incref(object));
	return index;
}

json_t *value_indexed(const json_t *index, json_int_t number)
{
	char key[32];

	return json_object_get(index, key_of(key, number));
}
