// SPDX-License-Identifier: MIT
/*
 * A call and its reply wake the other side on the current CPU, which is about to be idle, so
 * no other CPU is interrupted. Before Linux 6.6, modules cannot request that.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fixture.h"

#define ROUNDS 2000

/* Sums "RES: A B …" over all CPUs: interrupts that make another CPU reschedule. */
static unsigned long rescheduling_interrupts(void)
{
	FILE *file = fopen("/proc/interrupts", "re");
	unsigned long sum = 0, n;
	char line[1024], *at, *end;

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, "RES:");
		if (!at)
			continue;
		for (at += 4; n = strtoul(at, &end, 10), end != at; at = end)
			sum += n;
	}
	fclose(file);
	return sum;
}

static void *serve(void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
		raw_reply(&srv, ev.call, NULL, 0);
	}
	return NULL;
}

/* Without the driver's hint there are two interrupts per call. */
START_TEST(call_interrupts_no_other_cpu)
{
	struct ipcbus_event ev;
	struct helper server;
	unsigned long before, n;

	helper_start(&server, serve, NULL);
	wait_asleep(server.tid);
	before = rescheduling_interrupts();
	for (int i = 0; i < ROUNDS; i++) {
		raw_call(&cli, 0, 1, NULL, 0);
		raw_wait(&cli, IPCBUS_EVENT_REPLY, &ev);
	}
	n = rescheduling_interrupts() - before;
	helper_end(&server);
	printf("# %lu interrupts in %d calls\n", n, ROUNDS);
	ck_assert_uint_lt(n, ROUNDS / 2);
}
END_TEST

static bool kernel_can(void)
{
	struct utsname name;
	unsigned int major, minor;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 6);
}

int main(void)
{
	Suite *s = suite_create("wake");
	TCase *tc = add_case(s, "wake", setup_bus);

	if (!kernel_can() || sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		fprintf(stderr, "needs Linux 6.6 and two CPUs\n");
		return 77;
	}
	tcase_add_test(tc, call_interrupts_no_other_cpu);
	return suite_main(s);
}
