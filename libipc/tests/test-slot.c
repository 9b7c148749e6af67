// SPDX-License-Identifier: MIT
/*
 * Slots: the guarantees at a slot's end, from any thread and within callbacks.
 */
#include <errno.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/proxy.h"
#include "fake-device.h"
#include "test-run.h"

static struct ipc *ipc;
static struct ipc_proxy *proxy;
static struct ipc_slot *slot;
static atomic_uint begun, ended, destroyed;
static atomic_bool hold;
static pthread_t destroyer;

static void begin(void)
{
	fake_reset();
	begun = ended = destroyed = 0;
	hold = false;
	slot = NULL;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
}

static void end(void)
{
	ipc_proxy_unref(proxy);
	ck_assert_uint_eq(fake.n_puts, 1);
	ipc_unref(ipc);
}

static void destroy(void *userdata)
{
	ck_assert_ptr_eq(userdata, &begun);
	ck_assert_uint_eq(begun, ended);
	destroyer = pthread_self();
	destroyed++;
}

static void on_death(struct ipc_proxy *dead, void *userdata)
{
	ck_assert_ptr_eq(dead, proxy);
	ck_assert_ptr_eq(userdata, &begun);
	begun++;
	while (hold)
		sched_yield();
	ended++;
}

static void watch(ipc_death_cb cb)
{
	ck_assert_int_eq(ipc_proxy_on_death(proxy, cb, &begun, &slot), 0);
	ipc_slot_set_destroy(slot, destroy);
}

static void *die(void *unused)
{
	watch_died(ipc, fake.watch_cookie);
	return unused;
}

/* Returns when its callback has begun. The callback runs until hold is false. */
static pthread_t start(void *(*run)(void *unused))
{
	pthread_t thread;

	hold = true;
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
	while (!begun)
		sched_yield();
	return thread;
}

static void *let_go(void *unused)
{
	usleep(20000);
	hold = false;
	return unused;
}

START_TEST(the_end_waits_for_the_callback)
{
	pthread_t dying, other;

	begin();
	watch(on_death);
	dying = start(die);
	ck_assert_int_eq(pthread_create(&other, NULL, let_go, NULL), 0);
	ck_assert_ptr_null(ipc_slot_end(slot));
	ck_assert_uint_eq(ended, 1);
	ck_assert_uint_eq(destroyed, 1);
	pthread_join(dying, NULL);
	pthread_join(other, NULL);
	ck_assert_uint_eq(destroyed, 1);
	end();
}
END_TEST

START_TEST(the_async_end_does_not_wait)
{
	pthread_t dying;

	begin();
	watch(on_death);
	dying = start(die);
	ck_assert_ptr_null(ipc_slot_end_async(slot));
	ck_assert_uint_eq(destroyed, 0);
	hold = false;
	pthread_join(dying, NULL);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert(pthread_equal(destroyer, dying));
	end();
}
END_TEST

static void end_own(struct ipc_proxy *dead, void *userdata)
{
	unsigned int before = destroyed;

	begun++;
	slot = hold ? ipc_slot_end(slot) : ipc_slot_end_async(slot);
	ck_assert_uint_eq(destroyed, before);
	ended++;
	(void)dead, (void)userdata;
}

START_TEST(a_callback_ends_its_own)
{
	begin();
	for (unsigned int i = 0; i < 2; i++) {
		hold = i;
		watch(end_own);
		watch_died(ipc, fake.watch_cookie);
		ck_assert_uint_eq(destroyed, i + 1);
		ck_assert_ptr_null(slot);
	}
	end();
}
END_TEST

/* Runs a callback of the slot on its own thread, concurrently with other callbacks of the slot. */
static void *run_beside(void *unused)
{
	struct slot_frame frame;

	ck_assert(slot_enter(slot, &frame));
	on_death(proxy, &begun);
	slot_leave(&frame);
	return unused;
}

START_TEST(end_within_a_callback_waits_for_other_callbacks)
{
	struct slot_frame frame;
	pthread_t beside, other;

	begin();
	watch(on_death);
	beside = start(run_beside);
	ck_assert(slot_enter(slot, &frame));
	ck_assert_int_eq(pthread_create(&other, NULL, let_go, NULL), 0);
	ck_assert_ptr_null(ipc_slot_end(slot));
	ck_assert_uint_eq(ended, 1);
	ck_assert_uint_eq(destroyed, 0);
	slot_leave(&frame);
	ck_assert_uint_eq(destroyed, 1);
	pthread_join(beside, NULL);
	pthread_join(other, NULL);
	end();
}
END_TEST

static void destroy_in_child(void *userdata)
{
	(void)userdata;
	destroyed++;
}

/* The thread that ran the callback does not exist in the child. */
START_TEST(a_child_waits_for_no_callback)
{
	pthread_t beside;
	int status;
	pid_t pid;

	begin();
	watch(on_death);
	beside = start(run_beside);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		ipc_slot_set_destroy(slot, destroy_in_child);
		ipc_slot_end(slot);
		_exit(destroyed == 1 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	hold = false;
	pthread_join(beside, NULL);
	ipc_slot_end(slot);
	end();
}
END_TEST

START_TEST(without_a_callback)
{
	begin();
	watch(on_death);
	ipc_slot_end(slot);
	ck_assert_uint_eq(destroyed, 1);
	watch(on_death);
	ipc_slot_end_async(slot);
	ck_assert_uint_eq(destroyed, 2);
	ck_assert_int_eq(fake.watches, 0);
	ck_assert_uint_eq(begun, 0);
	ck_assert_ptr_null(ipc_slot_end(NULL));
	ck_assert_ptr_null(ipc_slot_end_async(NULL));
	ck_assert_ptr_null(ipc_slot_detach(NULL));
	ipc_slot_set_destroy(NULL, destroy);
	end();
}
END_TEST

START_TEST(destroy_is_set_late)
{
	begin();
	ck_assert_int_eq(ipc_proxy_on_death(proxy, on_death, &begun, &slot), 0);
	watch_died(ipc, fake.watch_cookie);
	ck_assert_uint_eq(ended, 1);
	ipc_slot_set_destroy(slot, NULL);
	ipc_slot_set_destroy(slot, destroy);
	ck_assert_uint_eq(destroyed, 1);
	ipc_slot_end(slot);
	ck_assert_uint_eq(destroyed, 1);
	end();
}
END_TEST

/* Released slots end with the connection. Other slots keep it open. */
START_TEST(the_end_of_the_connection)
{
	begin();
	watch(on_death);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	ck_assert_uint_eq(destroyed, 0);
	ipc_slot_detach(slot);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_uint_eq(begun, 0);
}
END_TEST

static void writable(struct ipc *from, void *userdata)
{
	ck_assert_ptr_eq(from, ipc);
	ck_assert_ptr_eq(userdata, &begun);
	begun++;
	ended++;
}

START_TEST(writable_slots)
{
	struct ipc_slot *first, *second;

	begin();
	fake.poll_error = -EMFILE;
	ck_assert_int_eq(ipc_on_writable(ipc, writable, &begun, &first), -EMFILE);
	fake.poll_error = 0;
	ck_assert_int_eq(ipc_on_writable(ipc, NULL, &begun, &first), -EINVAL);
	ck_assert_int_eq(ipc_on_writable(ipc, writable, &begun, &first), 0);
	ck_assert_int_eq(ipc_on_writable(ipc, writable, &begun, &second), 0);
	ipc_slot_set_destroy(first, destroy);
	ipc_slot_end(first);
	ck_assert_uint_eq(destroyed, 1);
	for (int i = 0; i < 2; i++) {
		writable_notify(ipc);
		while (ipc_process(ipc) > 0)
			;
	}
	ck_assert_uint_eq(begun, 1);
	ipc_slot_set_destroy(second, destroy);
	ck_assert_uint_eq(destroyed, 2);
	ipc_slot_end(second);
	/* Two slots are left when the connection closes. The first was notified. */
	ck_assert_int_eq(ipc_on_writable(ipc, writable, &begun, NULL), 0);
	writable_notify(ipc);
	ck_assert_int_eq(ipc_on_writable(ipc, writable, &begun, NULL), 0);
	end();
	ck_assert_uint_eq(begun, 1);
}
END_TEST

int main(void)
{
	return RUN_TESTS("slot", the_end_waits_for_the_callback, the_async_end_does_not_wait,
			 a_callback_ends_its_own, end_within_a_callback_waits_for_other_callbacks,
			 a_child_waits_for_no_callback, without_a_callback, destroy_is_set_late,
			 the_end_of_the_connection, writable_slots);
}
