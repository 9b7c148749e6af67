// SPDX-License-Identifier: MIT
/*
 * reader FILE: prints the lines. Fails if a line of a writer is missing or duplicated.
 */
#include <inttypes.h>
#include <stdio.h>

#include "file.h"

#define WRITERS_MAX 256

int main(int argc, char **argv)
{
	static uint64_t last[WRITERS_MAX];
	const struct record *record = NULL;
	const struct file *file;
	int wrong = 0;

	file = file_open(argc > 1 ? argv[1] : "journal", /* writable= */ 0);
	if (!file) {
		perror(argc > 1 ? argv[1] : "journal");
		return 1;
	}
	while ((record = file_next(file, record)) != NULL) {
		uint64_t *number = &last[record->writer % WRITERS_MAX];

		printf("%.*s\n", (int)record->size, record->text);
		if (record->number != ++*number) {
			fprintf(stderr, "writer %u: %" PRIu64 " instead of %" PRIu64 "\n",
				record->writer, record->number, *number);
			wrong = 1;
		}
	}
	return wrong;
}
