// SPDX-License-Identifier: MIT
/*
 * Inputs as text, which people can read and write; see cells.h.
 */
#include <string.h>

#include "cells.h"

static const char *const names[WHAT_COUNT] = {
	[OPEN] = "OPEN", [CONNECT] = "CONNECT", [HELLO] = "HELLO", [MESSAGE] = "MESSAGE",
	[FLOOD] = "FLOOD", [CLOSE] = "CLOSE", [EXCHANGE] = "EXCHANGE", [IOCTL] = "IOCTL",
	[SERVE_ASKS] = "SERVE_ASKS", [WAIT_DONE] = "WAIT_DONE", [STATE] = "STATE",
	[FLAG] = "FLAG", [REPLY] = "REPLY", [TID] = "TID", [POKE] = "POKE", [RACE] = "RACE",
	[BITS] = "BITS", [POLL_FD] = "POLL_FD", [HOLE] = "HOLE", [FORK] = "FORK",
	[STOP] = "STOP", [DIE] = "DIE",
};

void input_write(const struct input *input, FILE *file)
{
	for (unsigned int i = 0; i < input->n; i++) {
		const struct op *op = &input->op[i];

		fprintf(file, "%s %u %u %u %#x\n", names[op->what % WHAT_COUNT], op->where, op->a,
			op->b, op->value);
	}
}

static bool read_op(struct op *op, const char *line)
{
	unsigned int where, a, b, value;
	char name[20];

	if (sscanf(line, "%19s %u %u %u %x", name, &where, &a, &b, &value) != 5 || where > 255 ||
	    a > 255 || b > 255)
		return false;
	*op = (struct op){ .where = (uint8_t)where, .a = (uint8_t)a, .b = (uint8_t)b,
			   .value = value };
	while (op->what < WHAT_COUNT && strcmp(names[op->what], name))
		op->what++;
	return op->what < WHAT_COUNT;
}

bool input_read(struct input *input, FILE *file)
{
	char line[100];

	input->n = 0;
	while (fgets(line, sizeof(line), file)) {
		if (*line == '#' || *line == '\n')
			continue;
		if (input->n == MAX_OPS || !read_op(&input->op[input->n], line))
			return false;
		input->n++;
	}
	return true;
}
