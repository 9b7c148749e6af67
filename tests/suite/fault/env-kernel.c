// SPDX-License-Identifier: MIT
/*
 * A real kernel with failures injected by /proc/thread-self/fail-nth, in one process; see env.h.
 * Runs in kernels of tests/env/debug.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env.h"
#include "fail-nth.h"

int env_check(void)
{
	return fail_init();
}

const struct env_test *env_tests(size_t *ret)
{
	*ret = 0;
	return NULL;
}

bool env_has(enum point kind)
{
	return kind == POINT_ANY;
}

const char *env_lacks(const char *scenario)
{
	if (strstr(scenario, "a label"))
		return "no security module labels processes";
	if (strstr(scenario, "freeze") || strstr(scenario, "thaw"))
		return "the only process would freeze itself";
	return NULL;
}

/* Other users may open the device, too. */
void env_boot(void)
{
	ck_assert_msg(mkdir(BUS_DIR, 0700) == 0 || errno == EEXIST, "no " BUS_DIR);
	ck_assert_int_ge(dev_set_mode(0666), 0);
}

/* Opens this process's file fail-nth now, so that it does not count as a leak. */
void env_note(void)
{
	fail_arm(0);
}

void env_expect_as_noted(void)
{
}

void env_open(struct raw *who)
{
	raw_open(who, REGION);
}

void env_close(struct raw *who)
{
	raw_close(who);
}

void env_enter(const struct raw *who)
{
	(void)who;
}

void env_leave(void)
{
}

void env_moment(void)
{
	usleep(1000);
}

void env_estrange(struct raw *who)
{
	raw_close(who);
	ck_assert_int_eq(seteuid(STRANGER), 0);
	raw_open(who, REGION);
	ck_assert_int_eq(seteuid(0), 0);
}

void env_arm(const struct raw *who, const struct plan *plan)
{
	(void)who;
	if (plan->n)
		fail_arm(plan->fail[0].nth);
}

bool env_disarm(const struct raw *who, const struct plan *plan)
{
	(void)who;
	return plan->n && fail_disarm();
}
