// SPDX-License-Identifier: MIT
/*
 * JSON values: see value.h.
 */
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
