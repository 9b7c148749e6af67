/* SPDX-License-Identifier: MIT */
/*
 * Shared by shape.c (names, hash) and shape_compare.c.
 */
#ifndef IDL_SHAPE_PRIVATE_H
#define IDL_SHAPE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "shape.h"
#include "shape.pb-c.h"

/* FieldDescriptorProto.Label and .Type */
#define LABEL_REQUIRED	2
#define LABEL_REPEATED	3
#define TYPE_GROUP	10
#define TYPE_MESSAGE	11
#define TYPE_ENUM	14

/* A message or an enum. */
struct shape_type {
	char *name; /* ".echo.SayRequest" */
	const Shape__Message *message;
	const Shape__Enum *enumeration;
};

struct shape {
	const Shape__Set *set;
	struct shape_type *types; /* sorted by name */
	size_t n_types;
	size_t capacity;
};

/* Like asprintf(). The caller must free the text. Returns NULL if memory is short. */
char *shape_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Return NULL if there is no such type. Sets never include the types of descriptor.proto. */
const struct shape_type *shape_type(const struct shape *shape, const char *name);
const Shape__Service *shape_service(const struct shape *shape, const char *name);

static inline bool shape_is_oneway(const Shape__Method *method)
{
	return method->options && method->options->oneway;
}

/* Returns the number of option (ipc.id), or 0. */
static inline uint32_t shape_method_id(const Shape__Method *method)
{
	return method->options ? method->options->id : 0;
}

/* Returns the number on the wire: the option, or the number derived from the names. service is the
 * full name. */
uint32_t shape_method_code(const char *service, const Shape__Method *method);

#endif /* IDL_SHAPE_PRIVATE_H */
