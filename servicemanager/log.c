// SPDX-License-Identifier: MIT
/*
 * The log: see log.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "log.h"

void log_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("servicemanager: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}
