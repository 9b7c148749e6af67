// SPDX-License-Identifier: MIT
/*
 * Proxies and their death watches.
 */
#include <errno.h>

#include "fake-device.h"
#include "core/object.h"
#include "core/proxy.h"
#include "test-run.h"

static struct ipc *ipc;
static char calls[16];
static int n_calls;

static struct ipc_proxy *begin(void)
{
	struct ipc_proxy *proxy;

	fake_reset();
	n_calls = 0;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	return proxy;
}

static void note(struct ipc_proxy *proxy, void *userdata)
{
	ck_assert_uint_eq(proxy->handle, 5);
	calls[n_calls++] = *(char *)userdata;
	calls[n_calls] = 0;
}

START_TEST(counts_are_put_together)
{
	struct ipc_proxy *proxy = begin();
	struct ipc_proxy *again;

	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &again), 0);
	ck_assert_ptr_eq(again, proxy);
	ck_assert_uint_eq(ipc_proxy_id(proxy), id_of_handle(5));
	ck_assert_ptr_eq(ipc_proxy_ipc(proxy), ipc);
	ck_assert_ptr_null(ipc_proxy_unref(again));
	ck_assert_uint_eq(fake.n_puts, 0);
	ck_assert_ptr_null(ipc_proxy_unref(proxy));
	ck_assert_uint_eq(fake.n_puts, 1);
	ck_assert_uint_eq(fake.put_count, 2);
	ipc_unref(ipc);
}
END_TEST

START_TEST(a_proxy_for_an_id)
{
	struct ipc_proxy *proxy = begin(), *taken = NULL;
	uint64_t id = ipc_proxy_id(proxy), wrong = id_of_handle(6), own = id_of_cookie(1), none = 0;

	ck_assert_int_eq(ipc_take_proxy(NULL, &id, &taken), -EINVAL);
	ck_assert_int_eq(ipc_take_proxy(ipc, NULL, &taken), -EINVAL);
	ck_assert_int_eq(ipc_take_proxy(ipc, &id, NULL), -EINVAL);
	ck_assert_int_eq(ipc_take_proxy(ipc, &none, &taken), -ENOENT);
	ck_assert_int_eq(ipc_take_proxy(ipc, &own, &taken), -EXDEV);
	ck_assert_int_eq(ipc_take_proxy(ipc, &wrong, &taken), -EBADF);
	ck_assert_ptr_null(taken);
	ck_assert_int_eq(ipc_take_proxy(ipc, &id, &taken), 0);
	ck_assert_uint_eq(id, 0);
	ck_assert_ptr_eq(taken, proxy);
	ipc_proxy_unref(taken);
	ck_assert_uint_eq(fake.n_puts, 0);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
}
END_TEST

START_TEST(the_managers_handle_is_never_put)
{
	struct ipc_proxy *proxy = begin(), *manager, *arrived;

	ck_assert_int_eq(ipc_get_manager(ipc, &manager), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, MANAGER_HANDLE, NULL, &arrived), 0);
	ck_assert_ptr_eq(arrived, manager);
	ipc_proxy_unref(manager);
	ipc_proxy_unref(arrived);
	ck_assert_uint_eq(fake.n_puts, 0);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
}
END_TEST

START_TEST(watchers_are_called_in_order_and_once)
{
	struct ipc_proxy *proxy = begin();
	struct ipc_slot *a, *b;

	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "a", &a), 0);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "b", &b), 0);
	ck_assert_ptr_ne(a, b);
	ck_assert_int_eq(fake.watches, 1);
	watch_died(ipc, fake.watch_cookie + 1);
	ck_assert_int_eq(n_calls, 0);
	watch_died(ipc, fake.watch_cookie);
	ck_assert_str_eq(calls, "ab");
	watch_died(ipc, fake.watch_cookie);
	ck_assert_int_eq(n_calls, 2);
	ipc_slot_end(a);
	ipc_slot_detach(b);
	ipc_proxy_unref(proxy);
	ck_assert_uint_eq(fake.n_puts, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(a_watch_holds_the_proxy)
{
	struct ipc_proxy *proxy = begin();

	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "a", NULL), 0);
	ipc_proxy_unref(proxy);
	ck_assert_uint_eq(fake.n_puts, 0);
	watch_died(ipc, fake.watch_cookie);
	ck_assert_str_eq(calls, "a");
	ck_assert_uint_eq(fake.n_puts, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(taken_back)
{
	struct ipc_proxy *proxy = begin();
	struct ipc_slot *a, *b;

	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "a", &a), 0);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "b", &b), 0);
	ck_assert_ptr_null(ipc_slot_end(a));
	ck_assert_int_eq(fake.watches, 1);
	/* Another thread has already taken the event. */
	fake.unwatch_error = -ENOENT;
	ck_assert_ptr_null(ipc_slot_end_async(b));
	ck_assert_int_eq(fake.watches, 0);
	watch_died(ipc, fake.watch_cookie);
	ck_assert_int_eq(n_calls, 0);
	ipc_proxy_unref(proxy);
	ck_assert_uint_eq(fake.n_puts, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(a_new_watch_after_death)
{
	struct ipc_proxy *proxy = begin();
	uint64_t first;

	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "a", NULL), 0);
	first = fake.watch_cookie;
	watch_died(ipc, first);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "b", NULL), 0);
	ck_assert_uint_ne(fake.watch_cookie, first);
	watch_died(ipc, first);
	ck_assert_str_eq(calls, "a");
	watch_died(ipc, fake.watch_cookie);
	ck_assert_str_eq(calls, "ab");
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
}
END_TEST

static struct ipc_slot *other;

static void take_other_back(struct ipc_proxy *proxy, void *userdata)
{
	note(proxy, userdata);
	other = ipc_slot_end(other);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "n", NULL), 0);
}

/* A callback that ends a pending watch, and adds another. */
START_TEST(callbacks_may_change_the_list)
{
	struct ipc_proxy *proxy = begin();
	uint64_t first;

	ck_assert_int_eq(ipc_proxy_on_death(proxy, take_other_back, "a", NULL), 0);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "b", &other), 0);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "c", NULL), 0);
	first = fake.watch_cookie;
	watch_died(ipc, first);
	ck_assert_str_eq(calls, "ac");
	watch_died(ipc, fake.watch_cookie);
	ck_assert_str_eq(calls, "acn");
	ipc_proxy_unref(proxy);
	ck_assert_uint_eq(fake.n_puts, 1);
	ipc_unref(ipc);
}
END_TEST

START_TEST(the_end_of_the_connection_forgets_watchers)
{
	struct ipc_proxy *proxy = begin();

	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "a", NULL), 0);
	ipc_unref(ipc);
	ck_assert_int_eq(n_calls, 0);
	/* Violates the rules, but must not crash. */
	ck_assert_int_eq(ipc_proxy_on_death(proxy, note, "a", NULL), -EINVAL);
	ipc_proxy_unref(proxy);
}
END_TEST

int main(void)
{
	return RUN_TESTS("death", counts_are_put_together, a_proxy_for_an_id,
			 the_managers_handle_is_never_put, watchers_are_called_in_order_and_once,
			 a_watch_holds_the_proxy, taken_back, a_new_watch_after_death,
			 callbacks_may_change_the_list, the_end_of_the_connection_forgets_watchers);
}
