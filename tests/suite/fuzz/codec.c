// SPDX-License-Identifier: MIT
/*
 * The decoder and encoder of messages (libipc/typed/decode.c, encode.c), and generated codecs.
 * Input: the type of the message, then its bytes. Memory is limited, a generated codec gives the
 * same result as the descriptor, and an accepted message is unchanged after another round trip.
 */
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "pass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *first, *second;
	size_t first_size, second_size;

	if (!size)
		return 0;
	first = pass(data[0], data + 1, size - 1, &first_size);
	if (!first)
		return 0;
	second = pass(data[0], first, first_size, &second_size);
	must(second && first_size == second_size && !memcmp(first, second, first_size));
	free(first);
	free(second);
	return 0;
}
