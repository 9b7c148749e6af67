/* SPDX-License-Identifier: MIT */
/*
 * Packing and unpacking of small messages in generated code (protoc-gen-ipc): see struct ipc_codec
 * in <ipc/rpc.h>. Programs must not use it, although it is compiled into them.
 *
 * Generated functions read and write the fields in the order of their numbers, as every
 * implementation of protobuf writes them. Received bytes are not trusted. If the input has any
 * other form, the functions must return without a result. libipc's generic code then handles the
 * message, including its errors.
 */
#ifndef IPC_CODEC_H
#define IPC_CODEC_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Maximum bytes of a field without the contents of strings and bytes. */
#define IPC_CODEC_FIELD		16

/* The bytes of a number below 2^14, such as a tag. */
#define IPC_CODEC_IS_SHORT(number)	((number) < 0x80)
#define IPC_CODEC_FIRST(number)		((uint8_t)((number) | 0x80))
#define IPC_CODEC_SECOND(number)	((uint8_t)((number) >> 7))

static inline uint32_t ipc_codec_little32(uint32_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	return value;
}

static inline uint64_t ipc_codec_little64(uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

/* Returns whether text has only ASCII characters and no NUL. libipc's generic code handles other
 * text, and checks that it is UTF-8. */
static inline int ipc_codec_is_ascii(const char *text, size_t size)
{
	uint64_t word, found = 0;
	size_t i;

	/* A byte of 0 borrows from its highest bit when 1 is subtracted. */
	for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, text + i, sizeof(word));
		found |= word | (word - UINT64_C(0x0101010101010101));
	}
	for (; i < size; i++)
		found |= (uint64_t)(unsigned char)text[i] | ((uint64_t)(unsigned char)text[i] - 1);
	return !(found & UINT64_C(0x8080808080808080));
}

/* --- Packing --------------------------------------------------------------------- */

/* Each function writes to `to` and returns the place of the next field. The caller must provide
 * space for all fields without their contents. */

static inline uint8_t *ipc_codec_put_tag(uint8_t *to, uint32_t tag)
{
	if (IPC_CODEC_IS_SHORT(tag)) {
		*to++ = (uint8_t)tag;
	} else {
		*to++ = IPC_CODEC_FIRST(tag);
		*to++ = IPC_CODEC_SECOND(tag);
	}
	return to;
}

/* A number of several bytes. */
static __attribute__((noinline, unused)) uint8_t *ipc_codec_put_long(uint8_t *to, uint64_t value)
{
	while (value >= 0x80) {
		*to++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*to++ = (uint8_t)value;
	return to;
}

static inline uint8_t *ipc_codec_put_varint(uint8_t *to, uint32_t tag, uint64_t value)
{
	to = ipc_codec_put_tag(to, tag);
	if (__builtin_expect(value >= 0x80, 0))
		return ipc_codec_put_long(to, value);
	*to++ = (uint8_t)value;
	return to;
}

static inline uint64_t ipc_codec_zigzag32(int32_t value)
{
	return (uint32_t)value << 1 ^ (uint32_t)(value >> 31);
}

static inline uint64_t ipc_codec_zigzag64(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

/* Writes the value at from, of 4 or of 8 bytes. */
static inline uint8_t *ipc_codec_put_fixed32(uint8_t *to, uint32_t tag, const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	value = ipc_codec_little32(value);
	to = ipc_codec_put_tag(to, tag);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static inline uint8_t *ipc_codec_put_fixed64(uint8_t *to, uint32_t tag, const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	value = ipc_codec_little64(value);
	to = ipc_codec_put_tag(to, tag);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

/* If all bits of a proto3 field are 0, it is not sent. -0 is sent. */
static inline int ipc_codec_is_zero32(const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return !value;
}

static inline int ipc_codec_is_zero64(const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return !value;
}

/* Returns NULL if the bytes do not fit. fields is the number of this field and all later fields. */
static inline uint8_t *ipc_codec_put_bytes(uint8_t *to, const uint8_t *end, size_t fields,
					   uint32_t tag, const void *data, size_t size)
{
	if (__builtin_expect(size > (size_t)(end - to) - fields * IPC_CODEC_FIELD, 0))
		return NULL;
	to = ipc_codec_put_varint(to, tag, size);
	if (size)
		memcpy(to, data, size);
	return to + size;
}

/* Returns NULL if the text does not fit or is not ASCII. */
static inline uint8_t *ipc_codec_put_text(uint8_t *to, const uint8_t *end, size_t fields,
					  uint32_t tag, const char *text)
{
	size_t size = strlen(text);

	if (__builtin_expect(!ipc_codec_is_ascii(text, size), 0))
		return NULL;
	return ipc_codec_put_bytes(to, end, fields, tag, text, size);
}

/* --- Unpacking ------------------------------------------------------------------- */

/* The input, and the memory for its contents. The structure can grow, because all functions that
 * use it are compiled into the program. */
struct ipc_codec_input {
	const uint8_t *at;	/* the next byte to read */
	const uint8_t *end;
	uint8_t *memory;	/* aligned to 8 bytes; enough for each field once */
};

#define IPC_CODEC_ALIGN(size)	(((size) + 7) & ~(size_t)7)

/*
 * Takes memory for the message. Returns NULL if there is not enough memory for the message and for
 * n_bytes fields of strings or bytes. Each of these takes up to 8 bytes more than in the input.
 */
static inline void *ipc_codec_begin(struct ipc_codec_input *in, const uint8_t *memory_end,
				    size_t message_size, size_t n_bytes)
{
	size_t size = IPC_CODEC_ALIGN(message_size);

	if (__builtin_expect((size_t)(memory_end - in->memory) <
			     size + (size_t)(in->end - in->at) + n_bytes * 8, 0))
		return NULL;
	in->memory += size;
	return in->memory - size;
}

/* Each of these returns 1, or 0 if the input continues otherwise. */

/* If the next field has this tag, skips the tag. */
static inline int ipc_codec_has(struct ipc_codec_input *in, uint32_t tag)
{
	if (IPC_CODEC_IS_SHORT(tag)) {
		if (in->at == in->end || *in->at != tag)
			return 0;
		in->at++;
		return 1;
	}
	if (in->end - in->at < 2 || in->at[0] != IPC_CODEC_FIRST(tag) ||
	    in->at[1] != IPC_CODEC_SECOND(tag))
		return 0;
	in->at += 2;
	return 1;
}

/* Returns the end of a number of several bytes, or NULL. Ignores bits above the 64th. */
static __attribute__((noinline, unused)) const uint8_t *
ipc_codec_take_long(const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
	uint64_t value = 0;
	unsigned int shift;

	for (shift = 0; shift < 70 && at < end; shift += 7) {
		value |= (uint64_t)(*at & 0x7f) << shift;
		if (*at++ < 0x80) {
			*ret_value = value;
			return at;
		}
	}
	return NULL;
}

static inline int ipc_codec_take_varint(struct ipc_codec_input *in, uint64_t *ret_value)
{
	if (__builtin_expect(in->at < in->end && *in->at < 0x80, 1)) {
		*ret_value = *in->at++;
		return 1;
	}
	in->at = ipc_codec_take_long(in->at, in->end, ret_value);
	return in->at != NULL;
}

static inline int32_t ipc_codec_unzigzag32(uint64_t value)
{
	return (int32_t)((uint32_t)value >> 1 ^ -((uint32_t)value & 1));
}

static inline int64_t ipc_codec_unzigzag64(uint64_t value)
{
	return (int64_t)(value >> 1 ^ -(value & 1));
}

/* Copies the value to `to`, of 4 or of 8 bytes. */
static inline int ipc_codec_take_fixed32(struct ipc_codec_input *in, void *to)
{
	uint32_t value;

	if (in->end - in->at < (ptrdiff_t)sizeof(value))
		return 0;
	memcpy(&value, in->at, sizeof(value));
	in->at += sizeof(value);
	value = ipc_codec_little32(value);
	memcpy(to, &value, sizeof(value));
	return 1;
}

static inline int ipc_codec_take_fixed64(struct ipc_codec_input *in, void *to)
{
	uint64_t value;

	if (in->end - in->at < (ptrdiff_t)sizeof(value))
		return 0;
	memcpy(&value, in->at, sizeof(value));
	in->at += sizeof(value);
	value = ipc_codec_little64(value);
	memcpy(to, &value, sizeof(value));
	return 1;
}

/* Reads a size, which has one or two bytes. The contents must be within the input. */
static inline int ipc_codec_take_size(struct ipc_codec_input *in, size_t *ret_size)
{
	size_t size;

	if (in->at == in->end)
		return 0;
	size = *in->at++;
	if (__builtin_expect(size >= 0x80, 0)) {
		if (in->at == in->end || *in->at >= 0x80)
			return 0;
		size = (size & 0x7f) | (size_t)*in->at++ << 7;
	}
	*ret_size = size;
	return size <= (size_t)(in->end - in->at);
}

/* Returns NULL if the input continues otherwise or the text is not ASCII. */
static inline char *ipc_codec_take_text(struct ipc_codec_input *in)
{
	char *text = (char *)in->memory;
	size_t size;

	if (!ipc_codec_take_size(in, &size) ||
	    !ipc_codec_is_ascii((const char *)in->at, size))
		return NULL;
	memcpy(text, in->at, size);
	text[size] = 0;
	in->at += size;
	in->memory += IPC_CODEC_ALIGN(size + 1);
	return text;
}

static inline int ipc_codec_take_data(struct ipc_codec_input *in, ProtobufCBinaryData *ret_data)
{
	size_t size;

	if (!ipc_codec_take_size(in, &size))
		return 0;
	ret_data->len = size;
	ret_data->data = NULL;
	if (size) {
		ret_data->data = in->memory;
		memcpy(in->memory, in->at, size);
		in->at += size;
		in->memory += IPC_CODEC_ALIGN(size);
	}
	return 1;
}

#ifdef __cplusplus
}
#endif

#endif /* IPC_CODEC_H */
