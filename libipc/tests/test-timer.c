// SPDX-License-Identifier: MIT
/*
 * Timers of a connection: in whatever order they are set and removed, exactly the due timers run,
 * the earliest first.
 */
#include <errno.h>

#include "core/deadline.h"
#include "core/timer.h"
#include "core/thread.h"
#include "fake-device.h"
#include "test-run.h"

#define MANY 200

static struct ipc *ipc;
static struct timer timers[MANY];
static uint64_t last;
static unsigned int expired;

static void on_expired(struct timer *timer)
{
	ck_assert_uint_ge(timer->deadline, last);
	last = timer->deadline;
	expired++;
}

/* Deadlines are begin, begin + 1 ns, and so on, set in another order. */
static void set_all(uint64_t begin)
{
	last = expired = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		timers[i] =
			(struct timer){ .deadline = begin + i * 71 % MANY, .expired = on_expired };
		ck_assert_int_eq(timer_set(ipc, &timers[i]), 1);
		ck_assert_int_eq(timer_set(ipc, &timers[i]), 0);
	}
}

static void begin(void)
{
	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
}

START_TEST(many_run_in_order)
{
	begin();
	set_all(1);
	timers_run(ipc);
	ck_assert_uint_eq(expired, MANY);
	for (unsigned int i = 0; i < MANY; i++)
		ck_assert(!timer_forget(ipc, &timers[i]));
	ipc_unref(ipc);
}
END_TEST

START_TEST(timer_before_its_deadline_waits)
{
	begin();
	set_all(time_now() + UINT64_C(3600) * 1000000000);
	timers[7].deadline = 1;
	ck_assert(timer_forget(ipc, &timers[7]));
	ck_assert_int_eq(timer_set(ipc, &timers[7]), 1);
	timers_run(ipc);
	ck_assert_uint_eq(expired, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(removed_timers_do_not_run)
{
	begin();
	set_all(1);
	for (unsigned int i = 0; i < MANY; i += 2)
		ck_assert(timer_forget(ipc, &timers[i]));
	timers_run(ipc);
	ck_assert_uint_eq(expired, MANY / 2);
	ipc_unref(ipc);
}
END_TEST

int main(void)
{
	return RUN_TESTS("timer", many_run_in_order, timer_before_its_deadline_waits,
			 removed_timers_do_not_run);
}
