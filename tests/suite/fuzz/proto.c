// SPDX-License-Identifier: MIT
/*
 * See proto.h; called by plugin.c. A message anywhere in the tree is chosen, a
 * field of it, and something is done that fits the field's type. Strings are
 * often replaced by others of the tree, so that names keep meeting names.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto.h"

struct mutator {
	uint32_t state;
	unsigned int seen;		/* so far, for choosing evenly */
	ProtobufCMessage *chosen;
	const char *string;
};

static uint32_t some(struct mutator *m, uint32_t n)
{
	m->state = m->state * 1103515245 + 12345;
	return (m->state >> 12) % n;
}

static void *member(const ProtobufCMessage *message, unsigned int offset)
{
	return (char *)message + offset;
}

static bool is_repeated(const ProtobufCFieldDescriptor *field)
{
	return field->label == PROTOBUF_C_LABEL_REPEATED;
}

static bool is_in_use(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
	       *(uint32_t *)member(message, field->quantifier_offset) == field->id;
}

/* --- Choosing ---------------------------------------------------------------------------- */

static void visit(struct mutator *m, ProtobufCMessage *message);

static void visit_string(struct mutator *m, const char *string)
{
	if (string && !some(m, ++m->seen))
		m->string = string;
}

static void visit_field(struct mutator *m, ProtobufCMessage *message,
			const ProtobufCFieldDescriptor *field)
{
	void *at = member(message, field->offset);
	size_t n = is_repeated(field) ? *(size_t *)member(message, field->quantifier_offset) : 1;

	if (!is_in_use(message, field))
		return;
	if (is_repeated(field))
		at = *(void **)at;
	for (size_t i = 0; i < n; i++) {
		if (field->type == PROTOBUF_C_TYPE_STRING)
			visit_string(m, ((char **)at)[i]);
		else if (field->type == PROTOBUF_C_TYPE_MESSAGE && ((ProtobufCMessage **)at)[i])
			visit(m, ((ProtobufCMessage **)at)[i]);
	}
}

static void visit(struct mutator *m, ProtobufCMessage *message)
{
	if (!some(m, ++m->seen))
		m->chosen = message;
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++)
		visit_field(m, message, &message->descriptor->fields[i]);
}

/* --- Changing ------------------------------------------------------------------------------ */

static ProtobufCMessage *copy_of(const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *data = malloc(size ? size : 1);
	ProtobufCMessage *copy;

	protobuf_c_message_pack(message, data);
	copy = protobuf_c_message_unpack(message->descriptor, NULL, size, data);
	free(data);
	return copy;
}

static char *other_string(struct mutator *m, const char *old)
{
	static const char *const words[] = {
		"", "int", "struct", "_", "a.b.C", ".ipc.None", ".ipc.Object", "main", "errno",
		"ipc", "Say", "\xc3\xa4", "*/", "\"", "class", "NULL", "x__y", "../x.proto",
	};
	char *changed;

	switch (some(m, 4)) {
	case 0:
		return strdup(words[some(m, sizeof(words) / sizeof(*words))]);
	case 1:
		changed = strdup(old ? old : "");
		if (*changed)
			changed[some(m, (uint32_t)strlen(changed))] = (char)(32 + some(m, 96));
		return changed;
	default:
		return strdup(m->string ? m->string : "");
	}
}

/* Not the default's, which is not ours to free. */
static void change_string(struct mutator *m, char **at, const void *initial)
{
	char *old = *at;

	*at = other_string(m, old);
	if (old && old != initial && old != protobuf_c_empty_string)
		free(old);
}

static uint64_t odd_number(struct mutator *m)
{
	static const uint64_t numbers[] = { 0, 1, 2, 127, 128, 65535, 65536, 536870911, 0x7fffffff,
					    0xffffffff, UINT64_MAX };

	return some(m, 2) ? numbers[some(m, sizeof(numbers) / sizeof(*numbers))] : some(m, 100000);
}

static void change_number(struct mutator *m, const ProtobufCFieldDescriptor *field, void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		*(uint64_t *)at = odd_number(m);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at ^= 1;
		break;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	default:
		*(uint32_t *)at = (uint32_t)odd_number(m);
	}
}

static void change_repeated(struct mutator *m, ProtobufCMessage *message,
			    const ProtobufCFieldDescriptor *field)
{
	size_t *n = member(message, field->quantifier_offset);
	void ***items = member(message, field->offset);
	uint32_t i = *n ? some(m, (uint32_t)*n) : 0, j = *n ? some(m, (uint32_t)*n) : 0;
	bool is_string = field->type == PROTOBUF_C_TYPE_STRING;
	void *swapped;

	if (!*n || (!is_string && field->type != PROTOBUF_C_TYPE_MESSAGE))
		return;
	switch (some(m, 3)) {
	case 0:
		*items = realloc(*items, (*n + 1) * sizeof(void *));
		(*items)[*n] = is_string ? (void *)strdup((*items)[i]) : copy_of((*items)[i]);
		*n += (*items)[*n] != NULL;
		break;
	case 1:
		if (is_string) {
			change_string(m, (char **)&(*items)[i], NULL);
		} else {
			protobuf_c_message_free_unpacked((*items)[i], NULL);
			(*items)[i] = (*items)[--*n];
		}
		break;
	default:
		swapped = (*items)[i];
		(*items)[i] = (*items)[j];
		(*items)[j] = swapped;
	}
}

static void change_single(struct mutator *m, ProtobufCMessage *message,
			  const ProtobufCFieldDescriptor *field)
{
	void *at = member(message, field->offset);

	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return;
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		change_string(m, at, field->default_value);
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		if (*(ProtobufCMessage **)at && field->label == PROTOBUF_C_LABEL_OPTIONAL) {
			protobuf_c_message_free_unpacked(*(ProtobufCMessage **)at, NULL);
			*(ProtobufCMessage **)at = NULL;
		}
	} else if (field->type != PROTOBUF_C_TYPE_BYTES) {
		change_number(m, field, at);
		if (field->label == PROTOBUF_C_LABEL_OPTIONAL)
			*(protobuf_c_boolean *)member(message, field->quantifier_offset) =
				some(m, 4) != 0;
	}
}

static void change(struct mutator *m)
{
	const ProtobufCMessageDescriptor *descriptor = m->chosen->descriptor;
	const ProtobufCFieldDescriptor *field;

	if (!descriptor->n_fields)
		return;
	field = &descriptor->fields[some(m, descriptor->n_fields)];
	if (is_repeated(field))
		change_repeated(m, m->chosen, field);
	else
		change_single(m, m->chosen, field);
}

size_t proto_mutate(const ProtobufCMessageDescriptor *descriptor, uint8_t *data, size_t size,
		    size_t max, uint32_t seed)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, size, data);
	struct mutator m = { .state = seed };
	size_t packed;

	if (!message)
		return 0;
	for (uint32_t times = some(&m, 4) + 1; times; times--) {
		m.seen = 0;
		m.string = NULL;
		visit(&m, message);
		change(&m);
	}
	packed = protobuf_c_message_get_packed_size(message);
	if (packed <= max)
		protobuf_c_message_pack(message, data);
	protobuf_c_message_free_unpacked(message, NULL);
	return packed <= max ? packed : 0;
}
