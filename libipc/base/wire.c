// SPDX-License-Identifier: MIT
/* Fields of protobuf's wire format; see wire.h. */
#include <errno.h>

#include "wire.h"

static struct wire_field field_of(uint32_t tag)
{
	return (struct wire_field){ .number = tag >> 3, .type = tag & 7, .n_read = 1 };
}

/* Reads the content of a field that is not a group. */
static bool take_content(struct wire *wire, struct wire_field *field)
{
	return field->type == WIRE_BYTES ? wire_take_sized(wire, &field->bytes) :
					   wire_take_value(wire, field->type, &field->value);
}

static bool take_group(struct wire *wire, struct wire_field *group, unsigned int max)
{
	uint32_t open[WIRE_MAX_GROUPS], tag;
	struct wire_field field;
	unsigned int n_open = 0;

	if (!max)
		return false;
	open[n_open++] = group->number;
	group->bytes.at = wire->at;
	while (n_open) {
		group->bytes.end = wire->at;
		if (!wire_take_tag(wire, &tag))
			return false;
		field = field_of(tag);
		if (field.type == WIRE_GROUP_END) {
			if (field.number != open[--n_open])
				return false;
			continue;
		}
		group->n_read++;
		if (field.type != WIRE_GROUP) {
			if (!take_content(wire, &field))
				return false;
			continue;
		}
		if (n_open == max)
			return false;
		open[n_open++] = field.number;
	}
	return true;
}

static bool take_field(struct wire *wire, struct wire_field *field, unsigned int max_groups)
{
	return field->type == WIRE_GROUP ? take_group(wire, field, max_groups) :
					   take_content(wire, field);
}

int wire_next(struct wire *wire, struct wire_field *ret_field)
{
	uint32_t tag;

	if (wire->at == wire->end)
		return 0;
	if (!wire_take_tag(wire, &tag))
		return -EBADMSG;
	*ret_field = field_of(tag);
	return take_field(wire, ret_field, WIRE_MAX_GROUPS) ? 1 : -EBADMSG;
}

bool wire_skip(struct wire *wire, uint32_t tag, unsigned int max_groups)
{
	struct wire_field field = field_of(tag);

	return take_field(wire, &field, max_groups);
}

int wire_fields(struct wire message, const uint8_t *types, uint32_t n, struct wire_field *ret)
{
	struct wire_field field;
	int r;

	memset(ret, 0, n * sizeof(*ret));
	while ((r = wire_next(&message, &field)) > 0) {
		if (field.number >= n)
			continue;
		if (field.type != types[field.number])
			return -EBADMSG;
		ret[field.number] = field;
	}
	return r;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

uint8_t *wire_put_number(uint8_t *to, uint32_t number, uint64_t value)
{
	return put_varint(put_varint(to, number << 3 | WIRE_VARINT), value);
}

uint8_t *wire_put_fixed64(uint8_t *to, uint32_t number, uint64_t value)
{
	to = put_varint(to, number << 3 | WIRE_64BIT);
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

uint8_t *wire_put_bytes(uint8_t *to, uint32_t number, const void *data, size_t size)
{
	to = put_varint(put_varint(to, number << 3 | WIRE_BYTES), size);
	if (size)
		memcpy(to, data, size);
	return to + size;
}

static inline bool is_continuation(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

size_t utf8_size(const uint8_t *c, const uint8_t *end)
{
	size_t left = (size_t)(end - c);

	if (*c < 0x80)
		return *c != 0;
	if (*c < 0xc2 || *c > 0xf4 || left < 2 || !is_continuation(c[1]))
		return 0;
	if (*c < 0xe0)
		return 2;
	if (left < 3 || !is_continuation(c[2]))
		return 0;
	/* Reject overlong forms and surrogates. */
	if (*c < 0xf0)
		return (*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) ? 0 : 3;
	if (left < 4 || !is_continuation(c[3]))
		return 0;
	/* Up to U+10FFFF. */
	return (*c == 0xf0 && c[1] < 0x90) || (*c == 0xf4 && c[1] > 0x8f) ? 0 : 4;
}
