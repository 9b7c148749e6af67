/* SPDX-License-Identifier: MIT */
/*
 * The characters that are removed from untrusted text before it reaches a terminal or a log: for
 * ipc_printable() and for ipcctl.
 */
#ifndef IPC_CORE_TEXT_H
#define IPC_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Control characters, characters that change the direction of text, and characters without
 * width. */
static inline bool text_is_hidden(uint32_t code)
{
	static const uint32_t ranges[][2] = {
		{ 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x61c, 0x61c }, { 0x180e, 0x180e },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	return false;
}

/* The character of size bytes in UTF-8 at c. */
static inline uint32_t text_code(const unsigned char *c, size_t size)
{
	uint32_t code = size == 1 ? *c : *c & 0x7f >> size;

	for (size_t i = 1; i < size; i++)
		code = code << 6 | (c[i] & 0x3f);
	return code;
}

#endif /* IPC_CORE_TEXT_H */
