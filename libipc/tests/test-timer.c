// SPDX-License-Identifier: MIT
/*
 * Timers of a connection: in whatever order they are set and removed, exactly the due timers run.
 */
#include <errno.h>

#include "base/deadline.h"
#include "conn/timer.h"
#include "conn/thread.h"
#include "fake-device.h"
#include "test-run.h"

#define MANY 200

static struct ipc *ipc;
static struct timer timers[MANY];
static unsigned int expired;

static void on_expired(struct timer *timer)
{
	ck_assert(!timer->is_set);
	expired++;
}

/* Deadlines are begin, begin + 1 ns, and so on, set in another order. */
static void set_all(uint64_t begin)
{
	expired = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		const uint64_t deadline = begin + i * 71 % MANY;

		timers[i] = (struct timer){ .expired = on_expired };
		ck_assert_int_eq(timer_set(ipc, &timers[i], deadline), 1);
		ck_assert_int_eq(timer_set(ipc, &timers[i], deadline), 0);
	}
}

static void begin(void)
{
	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
}

START_TEST(many_run)
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
	timers_run(ipc);
	ck_assert_uint_eq(expired, 0);
	ck_assert_int_eq(timer_set(ipc, &timers[7], 1), 0);
	timers_run(ipc);
	ck_assert_uint_eq(expired, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(timer_that_moves_waits)
{
	begin();
	set_all(1);
	ck_assert_int_eq(timer_set(ipc, &timers[7], time_now() + UINT64_C(3600) * 1000000000), 0);
	timers_run(ipc);
	ck_assert_uint_eq(expired, MANY - 1);
	ck_assert(timer_forget(ipc, &timers[7]));
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
	return RUN_TESTS("timer", many_run, timer_before_its_deadline_waits,
			 timer_that_moves_waits, removed_timers_do_not_run);
}
