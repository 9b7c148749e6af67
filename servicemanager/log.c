// SPDX-License-Identifier: MIT
/*
 * The log: see log.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "log.h"

static struct log_copy *copied_to;

static void add_line(struct log_copy *copy, const char *format, va_list args)
{
	size_t space = sizeof(copy->text) - copy->size;
	int n = vsnprintf(copy->text + copy->size, space, format, args);

	if (n >= 0 && (size_t)n < space)
		copy->size += (size_t)n + 1;
}

void log_begin_copy(struct log_copy *copy)
{
	copied_to = copy;
}

void log_end_copy(void)
{
	copied_to = NULL;
}

void log_line(const char *format, ...)
{
	va_list args;

	if (copied_to) {
		va_start(args, format);
		add_line(copied_to, format, args);
		va_end(args);
	}
	va_start(args, format);
	fputs("servicemanager: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}
