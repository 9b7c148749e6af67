// SPDX-License-Identifier: MIT
/*
 * Error reports, and counters of everything that can leak. A broken rule ends the program here,
 * because later results would be meaningless.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim.h"

void (*shim_panic_hook)(const char *text);

long shim_live[SHIM_COUNTS];
const char *const shim_count_name[SHIM_COUNTS] = {
	[SHIM_ALLOCS] = "allocations",
	[SHIM_PAGES] = "pages",
	[SHIM_FILES] = "files",
	[SHIM_PIDS] = "pids",
	[SHIM_TASKS] = "tasks",
	[SHIM_CREDS] = "credentials",
	[SHIM_MMS] = "address spaces",
	[SHIM_MAPS] = "mappings",
	[SHIM_INODES] = "inodes",
};

void shim_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

void shim_panic(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "\nhost kernel: %s\n", text);
	if (shim_panic_hook)
		shim_panic_hook(text);
	abort();
}
