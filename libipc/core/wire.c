// SPDX-License-Identifier: MIT
/*
 * Fields of protobuf's wire format; see wire.h.
 */
#include <errno.h>
#include <string.h>

#include "wire.h"

/* --- Reading ---------------------------------------------------------------------- */

static int get_varint(struct wire *wire, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (wire->at == wire->end)
			return -EBADMSG;
		byte = *wire->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return 0;
		}
	}
	return -EBADMSG;
}

static int get_bytes(struct wire *wire, uint64_t size, struct wire *ret_bytes)
{
	if (size > (uint64_t)(wire->end - wire->at))
		return -EBADMSG;
	ret_bytes->at = wire->at;
	wire->at += size;
	ret_bytes->end = wire->at;
	return 0;
}

static int get_fixed(struct wire *wire, size_t size, uint64_t *ret_value)
{
	struct wire bytes;
	int r;

	r = get_bytes(wire, size, &bytes);
	if (r < 0)
		return r;
	*ret_value = 0;
	for (size_t i = 0; i < size; i++)
		*ret_value |= (uint64_t)bytes.at[i] << 8 * i;
	return 0;
}

int wire_next(struct wire *wire, struct wire_field *ret_field)
{
	uint64_t tag;
	int r;

	if (wire->at == wire->end)
		return 0;
	r = get_varint(wire, &tag);
	if (r < 0)
		return r;
	if (tag > UINT32_MAX)
		return -EBADMSG;

	ret_field->number = (uint32_t)tag >> 3;
	ret_field->type = tag & 7;
	switch (ret_field->type) {
	case WIRE_VARINT:
		r = get_varint(wire, &ret_field->value);
		break;
	case WIRE_64BIT:
		r = get_fixed(wire, 8, &ret_field->value);
		break;
	case WIRE_BYTES:
		r = get_varint(wire, &ret_field->value);
		if (r == 0)
			r = get_bytes(wire, ret_field->value, &ret_field->bytes);
		break;
	case WIRE_32BIT:
		r = get_fixed(wire, 4, &ret_field->value);
		break;
	default:
		r = -EBADMSG;
	}
	return r < 0 ? r : 1;
}

/* --- Writing ---------------------------------------------------------------------- */

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
	for (unsigned int i = 0; i < 8; i++)
		*to++ = (uint8_t)(value >> 8 * i);
	return to;
}

uint8_t *wire_put_bytes(uint8_t *to, uint32_t number, const void *data, size_t size)
{
	to = put_varint(put_varint(to, number << 3 | WIRE_BYTES), size);
	if (size)
		memcpy(to, data, size);
	return to + size;
}
