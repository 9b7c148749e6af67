// SPDX-License-Identifier: MIT
/*
 * The log: see log.h. One write for each line, so that lines of two threads do not mix.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include <ipc/ipc.h>

#include "log.h"

static void print(const char *format, va_list args)
{
	/* One byte more than is printed, so that a text that is cut says so. */
	char text[LOG_LINE_MAX + 2];

	vsnprintf(text, sizeof(text), format, args);
	/* Some of it may be of peers, such as the reason why a link ended. */
	fprintf(stderr, "ipc-gateway: %s\n", ipc_printable(text, LOG_LINE_MAX + 1, text));
}

void log_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(format, args);
	va_end(args);
}

/* Whether there may be one more line. *ret_left_out: how many there were not, before. */
static bool take(struct log_limit *limit, unsigned int *ret_left_out)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct timespec now;
	bool may;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*ret_left_out = 0;
	pthread_mutex_lock(&lock);
	if (limit->second != now.tv_sec) {
		*ret_left_out = limit->left_out;
		*limit = (struct log_limit){ .second = now.tv_sec };
	}
	may = limit->lines < LOG_OTHERS_MAX;
	if (may)
		limit->lines++;
	else
		limit->left_out++;
	pthread_mutex_unlock(&lock);
	return may;
}

void log_others(struct log_limit *limit, const char *format, ...)
{
	unsigned int left_out;
	va_list args;

	if (!take(limit, &left_out))
		return;
	if (left_out)
		log_line("%u lines were left out before this one:", left_out);
	va_start(args, format);
	print(format, args);
	va_end(args);
}
