// SPDX-License-Identifier: MIT
/*
 * The log: see log.h. Each line is a single write, so that lines of two threads do not mix.
 */
#include <stdarg.h>
#include <stdio.h>

#include <ipc/ipc.h>

#include "log.h"

void log_line(const char *format, ...)
{
	/* One byte more than is printed, so that ipc_printable() marks a truncated text. */
	char text[LOG_LINE_MAX + 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "ipc-gateway: %s\n", ipc_printable(text, LOG_LINE_MAX + 1, text));
}
