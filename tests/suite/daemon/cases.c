// SPDX-License-Identifier: MIT
/*
 * Changes to the cases of tests/suite/kernel for a bus of ipcbusd. These functions replace some of
 * raw.c, fixture.c and Check (--wrap): some cases do not run, and others wait a moment, because the
 * daemon is another process.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kernel/fixture.h"

int __real_pthread_kill(pthread_t thread, int signal);
void __real_wait_asleep(pid_t tid);
void __real_peer_kill(struct peer *p);
void __real_peer_end(struct peer *p);
void __real__tcase_add_test(TCase *tc, const TTest *test, int signal, int exit_value, int start,
			    int end);
void __real__ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...);

int __wrap_pthread_kill(pthread_t thread, int signal);
long __wrap_kernel_memory(void);
int __wrap_dev_set_param(const char *name, unsigned int value);
void __wrap_wait_asleep(pid_t tid);
void __wrap_peer_kill(struct peer *p);
void __wrap_peer_end(struct peer *p);
void __wrap__tcase_add_test(TCase *tc, const TTest *test, int signal, int exit_value, int start,
			    int end);
void __attribute__((noreturn)) __wrap__ck_assert_failed(const char *file, int line,
							const char *expr, const char *msg, ...);

/* Defined in posix.c. */
int set_parameter(const char *name, unsigned int value);
pid_t daemon_pid(void);

/* --- Parameters ------------------------------------------------------------------------- */

/* Old values of parameters that the running case changed. A failing case does not restore them. */
static struct {
	char name[32];
	unsigned int before;
} changed[16];

int __wrap_dev_set_param(const char *name, unsigned int value)
{
	int before = set_parameter(name, value);

	for (size_t i = 0; before >= 0 && i < sizeof(changed) / sizeof(*changed); i++) {
		if (!strcmp(changed[i].name, name))
			break;
		if (*changed[i].name)
			continue;
		snprintf(changed[i].name, sizeof(changed[i].name), "%s", name);
		changed[i].before = (unsigned int)before;
		break;
	}
	return before;
}

void __wrap__ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
	char text[1024];
	va_list list;

	va_start(list, msg);
	vsnprintf(text, sizeof(text), msg ? msg : "", list);
	va_end(list);
	for (size_t i = 0; i < sizeof(changed) / sizeof(*changed) && *changed[i].name; i++)
		set_parameter(changed[i].name, changed[i].before);
	__real__ck_assert_failed(file, line, expr, msg ? "%s" : NULL, text);
	abort();
}

/* --- Cases ------------------------------------------------------------------------------ */

/* Cases listed in $LEFT_OUT do not run. Blanks separate and surround the names. */
void __wrap__tcase_add_test(TCase *tc, const TTest *test, int signal, int exit_value, int start,
			    int end)
{
	const char *left_out = getenv("LEFT_OUT");
	char name[256];

	snprintf(name, sizeof(name), " %s ", test->name);
	if (left_out && strstr(left_out, name))
		fprintf(stderr, "left out:%s%d\n", name, end - start);
	else
		__real__tcase_add_test(tc, test, signal, exit_value, start, end);
}

/* --- Deaths ----------------------------------------------------------------------------- */

/* The daemon notices a death before it replies to this request; its workers soon after. */
static void hear_of_deaths(void)
{
	int fd = open(DEBUGFS "/state", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	usleep(10000);
}

void __wrap_peer_kill(struct peer *p)
{
	__real_peer_kill(p);
	hear_of_deaths();
}

void __wrap_peer_end(struct peer *p)
{
	__real_peer_end(p);
	hear_of_deaths();
}

/* --- Threads ---------------------------------------------------------------------------- */

/* A thread appears asleep once the daemon has its ioctl or signal, but may still be served. */
void __wrap_wait_asleep(pid_t tid)
{
	__real_wait_asleep(tid);
	usleep(20000);
	__real_wait_asleep(tid);
}

/* A signal handler that runs between the start of an ioctl and the wait counts as earlier. */
int __wrap_pthread_kill(pthread_t thread, int signal)
{
	usleep(5000);
	return __real_pthread_kill(thread, signal);
}

/* --- Memory ----------------------------------------------------------------------------- */

long __wrap_kernel_memory(void)
{
	char path[32], line[128];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)daemon_pid());
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "RssAnon: %ld", &kib) != 1)
		;
	fclose(f);
	ck_assert_int_gt(kib, 0);
	return kib * 1024;
}
