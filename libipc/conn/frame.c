// SPDX-License-Identifier: MIT
/* Received frames: see frame.h. The bytes are not trusted. */
#include <errno.h>
#include <string.h>

#include "frame.h"
#include "private.h"

/* Cuts off the next part, and the padding to a multiple of 8 that may follow it. */
static int cut(const uint8_t **at, const uint8_t *end, size_t size, const uint8_t **ret_part)
{
	size_t left = (size_t)(end - *at);

	if (size > left)
		return -EBADMSG;

	*ret_part = *at;
	*at += FRAME_ALIGN(size) < left ? FRAME_ALIGN(size) : left;
	return 0;
}

int frame_parse(struct frame *frame, const uint8_t **data, size_t *size)
{
	const uint8_t *at = *data, *end = *data + *size;
	const uint8_t *metadata;
	struct frame_header header;
	int r;

	if (*size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, at, sizeof(header));
	if (header.zero[0] || header.zero[1] || header.zero[2] || header.in_file)
		return -EBADMSG;

	at += sizeof(header);
	r = cut(&at, end, header.message_size, data);
	if (r < 0)
		return r;
	r = cut(&at, end, header.metadata_size, &metadata);
	if (r < 0)
		return r;
	if (at != end)
		return -EBADMSG;
	if (header.metadata_size > METADATA_MAX)
		return -EMSGSIZE;
	if (header.metadata_size && metadata[header.metadata_size - 1])
		return -EBADMSG;

	*size = header.message_size;
	*frame = (struct frame){
		.metadata = (const char *)metadata,
		.metadata_size = header.metadata_size,
	};
	return 0;
}

bool metadata_is_valid(const char *const *metadata)
{
	for (; *metadata; metadata += 2)
		if (!**metadata || !metadata[1])
			return false;
	return true;
}

size_t metadata_size(const char *const *metadata)
{
	size_t size = 0;

	for (; metadata && *metadata; metadata++)
		size += strlen(*metadata) + 1;
	return size;
}

void metadata_copy(uint8_t *to, const char *const *metadata)
{
	for (; *metadata; metadata++)
		to = (uint8_t *)stpcpy((char *)to, *metadata) + 1;
}

const char *frame_next_metadata(const struct frame *frame, const char *name,
				const char **ret_value)
{
	const char *end = frame->metadata + frame->metadata_size;
	const char *at = frame->metadata;

	if (name) {
		at = name + strlen(name) + 1;
		at += strlen(at) + 1;
	}
	*ret_value = at < end ? at + strlen(at) + 1 : end;
	/* The last name may have no value. */
	return *ret_value < end ? at : NULL;
}

const char *frame_metadata(const struct frame *frame, const char *name)
{
	const char *at = NULL, *value;

	while ((at = frame_next_metadata(frame, at, &value)))
		if (!strcmp(at, name))
			return value;
	return NULL;
}

int ipc_payload_message(const void *payload, size_t size, const void **ret_message,
			size_t *ret_size)
{
	const uint8_t *message = payload;
	struct frame frame;
	int r = 0;

	if (!ret_message || !ret_size || (size && !payload))
		return -EINVAL;
	if (unlikely_frame(message, size))
		r = frame_parse(&frame, &message, &size);
	if (r < 0)
		return r;
	*ret_message = message;
	*ret_size = size;
	return 0;
}
