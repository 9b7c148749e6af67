// SPDX-License-Identifier: MIT
/*
 * The types of a descriptor set by name, and the hash of a service. See shape.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shape_private.h"

const ProtobufCMessageDescriptor *shape_descriptor(void)
{
	return &shape__set__descriptor;
}

char *shape_text(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

/* --- Types by name ------------------------------------------------------------- */

static int add_type(struct shape *shape, const char *scope, const char *name,
		    const Shape__Message *message, const Shape__Enum *enumeration)
{
	struct shape_type *type;

	if (!name)
		return -EBADMSG;
	if (shape->n_types == shape->capacity) {
		size_t capacity = shape->capacity ? 2 * shape->capacity : 32;

		type = reallocarray(shape->types, capacity, sizeof(*type));
		if (!type)
			return -ENOMEM;
		shape->types = type;
		shape->capacity = capacity;
	}

	type = &shape->types[shape->n_types];
	type->name = shape_text("%s.%s", scope, name);
	if (!type->name)
		return -ENOMEM;
	type->message = message;
	type->enumeration = enumeration;
	shape->n_types++;
	return 0;
}

static int add_enums(struct shape *shape, const char *scope, Shape__Enum *const *enums, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_type(shape, scope, enums[i]->name, NULL, enums[i]);
	return r;
}

static int add_messages(struct shape *shape, const char *scope, Shape__Message *const *messages,
			size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const Shape__Message *m = messages[i];
		const char *name;

		r = add_type(shape, scope, m->name, m, NULL);
		if (r < 0)
			return r;
		/* The array may move, but the name does not. */
		name = shape->types[shape->n_types - 1].name;
		r = add_enums(shape, name, m->enum_type, m->n_enum_type);
		if (r == 0)
			r = add_messages(shape, name, m->nested_type, m->n_nested_type);
	}
	return r;
}

static int add_file(struct shape *shape, const Shape__File *file)
{
	const char *package = file->package ?: "";
	char *scope;
	int r;

	scope = shape_text("%s%s", *package ? "." : "", package);
	if (!scope)
		return -ENOMEM;
	r = add_enums(shape, scope, file->enum_type, file->n_enum_type);
	if (r == 0)
		r = add_messages(shape, scope, file->message_type, file->n_message_type);
	free(scope);
	return r;
}

static int compare_types(const void *a, const void *b)
{
	return strcmp(((const struct shape_type *)a)->name, ((const struct shape_type *)b)->name);
}

int shape_new(struct shape **ret_shape, const ProtobufCMessage *set)
{
	struct shape *shape;
	int r = 0;

	if (set->descriptor != &shape__set__descriptor)
		return -EINVAL;
	shape = calloc(1, sizeof(*shape));
	if (!shape)
		return -ENOMEM;

	shape->set = (const Shape__Set *)set;
	for (size_t i = 0; i < shape->set->n_file && r == 0; i++)
		r = add_file(shape, shape->set->file[i]);
	if (r < 0) {
		shape_free(shape);
		return r;
	}

	if (shape->n_types)
		qsort(shape->types, shape->n_types, sizeof(*shape->types), compare_types);
	*ret_shape = shape;
	return 0;
}

struct shape *shape_free(struct shape *shape)
{
	if (!shape)
		return NULL;
	for (size_t i = 0; i < shape->n_types; i++)
		free(shape->types[i].name);
	free(shape->types);
	free(shape);
	return NULL;
}

const struct shape_type *shape_type(const struct shape *shape, const char *name)
{
	struct shape_type key = { .name = (char *)name };

	if (!name || !shape->n_types)
		return NULL;
	return bsearch(&key, shape->types, shape->n_types, sizeof(key), compare_types);
}

/* Returns true if full is the full name of `name` in the package. */
static bool is_full_name(const char *full, const char *package, const char *name)
{
	size_t length = package ? strlen(package) : 0;

	if (!name)
		return false;
	if (!length)
		return !strcmp(full, name);
	return !strncmp(full, package, length) && full[length] == '.' &&
	       !strcmp(full + length + 1, name);
}

const Shape__Service *shape_service(const struct shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->set->n_file; i++) {
		const Shape__File *file = shape->set->file[i];

		for (size_t j = 0; j < file->n_service; j++)
			if (is_full_name(name, file->package, file->service[j]->name))
				return file->service[j];
	}
	return NULL;
}

uint32_t shape_method_code(const char *service, const Shape__Method *method)
{
	const char *const parts[] = { service, "/", method->name ?: "" };
	uint32_t hash = 0x811c9dc5;

	if (shape_method_id(method))
		return shape_method_id(method);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (const char *c = parts[i]; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 0x01000193;
	return hash | 0x80000000;
}

/* --- The hash -------------------------------------------------------------------- */

/*
 * FNV-1a over numbers and names. The type of a field is hashed as the index at which it first
 * occurred, so its name does not matter. Types are then visited in that order.
 */
struct hasher {
	const struct shape *shape;
	uint64_t value;
	const struct shape_type **met; /* as many as the shape has types */
	size_t n_met;
};

static void hash_bytes(struct hasher *h, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		h->value = (h->value ^ bytes[i]) * 0x100000001b3;
}

static void hash_number(struct hasher *h, int64_t number)
{
	uint8_t bytes[8];

	/* Independent of the byte order of the machine. */
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)((uint64_t)number >> 8 * i);
	hash_bytes(h, bytes, sizeof(bytes));
}

static void hash_text(struct hasher *h, const char *text)
{
	hash_bytes(h, text ?: "", strlen(text ?: "") + 1);
}

static void hash_type(struct hasher *h, const char *name)
{
	const struct shape_type *type = shape_type(h->shape, name);
	size_t i = 0;

	/* libipc knows its own types by name. Types that are not in the set have only a name. */
	if (!type || !strncmp(name, ".ipc.", strlen(".ipc."))) {
		hash_text(h, name);
		return;
	}
	while (i < h->n_met && h->met[i] != type)
		i++;
	if (i == h->n_met)
		h->met[h->n_met++] = type;
	hash_number(h, (int64_t)i);
}

static int compare_fields(const void *a, const void *b)
{
	const Shape__Field *x = *(Shape__Field *const *)a;
	const Shape__Field *y = *(Shape__Field *const *)b;

	return (x->number > y->number) - (x->number < y->number);
}

static int compare_values(const void *a, const void *b)
{
	const Shape__EnumValue *x = *(Shape__EnumValue *const *)a;
	const Shape__EnumValue *y = *(Shape__EnumValue *const *)b;

	return (x->number > y->number) - (x->number < y->number);
}

static int compare_methods(const void *a, const void *b)
{
	const Shape__Method *x = *(Shape__Method *const *)a;
	const Shape__Method *y = *(Shape__Method *const *)b;

	return strcmp(x->name ?: "", y->name ?: "");
}

/* Returns a sorted copy of an array of pointers, or NULL if memory is short. */
static void *sorted(const void *array, size_t n, int (*compare)(const void *, const void *))
{
	void *copy = malloc((n + 1) * sizeof(void *));

	if (copy && n) {
		memcpy(copy, array, n * sizeof(void *));
		qsort(copy, n, sizeof(void *), compare);
	}
	return copy;
}

static int hash_message(struct hasher *h, const Shape__Message *message)
{
	Shape__Field **fields = sorted(message->field, message->n_field, compare_fields);

	if (!fields)
		return -ENOMEM;
	hash_number(h, (int64_t)message->n_field);
	for (size_t i = 0; i < message->n_field; i++) {
		const Shape__Field *field = fields[i];

		hash_number(h, field->number);
		hash_number(h, field->type);
		hash_number(h, field->label);
		hash_number(h, field->has_oneof_index && !field->proto3_optional ?
				       field->oneof_index :
				       -1);
		hash_text(h, field->default_value);
		if (field->type_name)
			hash_type(h, field->type_name);
	}
	free(fields);
	return 0;
}

static int hash_enum(struct hasher *h, const Shape__Enum *enumeration)
{
	Shape__EnumValue **values = sorted(enumeration->value, enumeration->n_value,
					   compare_values);

	if (!values)
		return -ENOMEM;
	hash_number(h, (int64_t)enumeration->n_value);
	for (size_t i = 0; i < enumeration->n_value; i++)
		hash_number(h, values[i]->number);
	free(values);
	return 0;
}

static int hash_methods(struct hasher *h, const Shape__Service *service)
{
	Shape__Method **methods = sorted(service->method, service->n_method, compare_methods);

	if (!methods)
		return -ENOMEM;
	for (size_t i = 0; i < service->n_method; i++) {
		const Shape__Method *method = methods[i];

		hash_text(h, method->name);
		hash_number(h, shape_method_id(method));
		hash_number(h, shape_is_oneway(method));
		hash_number(h, method->client_streaming);
		hash_number(h, method->server_streaming);
		hash_type(h, method->input_type ?: "");
		hash_type(h, method->output_type ?: "");
	}
	free(methods);
	return 0;
}

int shape_hash(const struct shape *shape, const char *name, uint64_t *ret_hash)
{
	struct hasher h = { .shape = shape, .value = 0xcbf29ce484222325 };
	const Shape__Service *service = shape_service(shape, name);
	int r;

	if (!service)
		return -ENOENT;
	h.met = calloc(shape->n_types + 1, sizeof(*h.met));
	if (!h.met)
		return -ENOMEM;

	hash_text(&h, name);
	r = hash_methods(&h, service);
	for (size_t i = 0; i < h.n_met && r == 0; i++)
		r = h.met[i]->message ? hash_message(&h, h.met[i]->message) :
					hash_enum(&h, h.met[i]->enumeration);
	free(h.met);
	if (r < 0)
		return r;

	*ret_hash = h.value ?: 1;
	return 0;
}
