// SPDX-License-Identifier: MIT
/*
 * Numbers on the command line: see ipcctl.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "ipcctl.h"

int number_parse(const char *what, const char *text, unsigned long min, unsigned long max,
		 unsigned long *ret_number)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || number < min || number > max)
		return fail_with(STATUS_USAGE, NULL,
				 "%s must be a number from %lu to %lu, not \"%s\"", what, min, max,
				 text);
	*ret_number = number;
	return STATUS_OK;
}

int number_parse_seconds(const char *what, const char *text, unsigned int *ret_ms)
{
	double seconds;
	char *end;

	seconds = strtod(text, &end);
	if (!isdigit((unsigned char)*text) || *end || !(seconds >= 0.001) || seconds > 86400)
		return fail_with(STATUS_USAGE, NULL,
				 "%s must be seconds from 0.001 to 86400, such as 0.5 or 3, not \"%s\"",
				 what, text);
	/* Cuts off further decimals. Adds a microsecond, because 0.1 may be stored as a slightly
	 * smaller number. */
	*ret_ms = (unsigned long)(seconds * 1000000 + 1) / 1000;
	return STATUS_OK;
}
