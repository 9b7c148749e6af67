// SPDX-License-Identifier: MIT
/*
 * Metadata that come over a link. On this bus, names that begin with "ipc-" are what this gateway
 * itself says of a call, such as the name in a client's certificate. The other side's may not look
 * like that.
 */
#include <stdint.h>
#include <string.h>

#include "../libipc/core/frame.h"
#include "link-private.h"

#define OWN    "ipc-"
#define OTHER  "far-"
#define PREFIX (sizeof(OWN) - 1)

_Static_assert(sizeof(OWN) == sizeof(OTHER), "a name keeps its length");

/* The metadata in a payload, and their size. 0: there are none, or the receiver refuses the
 * frame. */
static size_t find(uint8_t *payload, size_t size, uint8_t **ret_metadata)
{
	struct frame_header header;
	size_t left;

	if (!unlikely_frame(payload, size) || size < sizeof(header))
		return 0;
	memcpy(&header, payload, sizeof(header));
	left = size - sizeof(header);
	if (header.message_size > left || FRAME_ALIGN((size_t)header.message_size) > left)
		return 0;
	left -= FRAME_ALIGN((size_t)header.message_size);
	*ret_metadata = payload + size - left;
	return header.metadata_size > left ? 0 : header.metadata_size;
}

void link_rename_metadata(uint8_t *payload, size_t size)
{
	uint8_t *at, *end;

	size = find(payload, size, &at);
	if (!size || at[size - 1])
		return;
	/* Name, 0, value, 0, and so on. */
	for (end = at + size; at < end; at += strlen((char *)at) + 1) {
		if (!strncmp((char *)at, OWN, PREFIX))
			memcpy(at, OTHER, PREFIX);
		at += strlen((char *)at) + 1;
		if (at == end)
			break;
	}
}
