// SPDX-License-Identifier: MIT
/*
 * Passes messages through libipc for test-judge. Standard input has, for each message, the index of
 * its type, its size in 4 bytes and its bytes. Standard output has the same without the index, or a
 * size of UINT32_MAX if the message is refused.
 */
#include <endian.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "pass.h"

static bool get(void *to, size_t size)
{
	return !size || fread(to, size, 1, stdin) == 1;
}

static void put(const uint8_t *data, size_t size)
{
	uint32_t head = htole32(data ? (uint32_t)size : UINT32_MAX);

	fwrite(&head, sizeof(head), 1, stdout);
	if (data)
		fwrite(data, 1, size, stdout);
}

int main(void)
{
	uint32_t in_size;
	uint8_t index;

	while (get(&index, 1) && get(&in_size, sizeof(in_size))) {
		/* Exactly that long, for tools that check bounds. */
		uint8_t *in, *data;
		size_t size;

		in_size = le32toh(in_size);
		in = malloc(in_size ? in_size : 1);
		if (!get(in, in_size))
			errx(1, "the input ends in a message");
		data = pass(index, in, in_size, &size);
		put(data, size);
		free(data);
		free(in);
	}
	return 0;
}
