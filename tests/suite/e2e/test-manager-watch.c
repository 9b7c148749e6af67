// SPDX-License-Identifier: MIT
/*
 * Watching names, with the real servicemanager: the notifications of each watcher. A slow watcher
 * must delay no other watcher, and must get the latest state in the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define SEEN_MAX 2048

/* The changes of a watch, as "+name ", "-name " and "= ". */
struct seen {
	pthread_mutex_t lock;
	char text[SEEN_MAX];
	unsigned int n, others;
};

static void on_change(struct ipc *ipc, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	struct seen *seen = userdata;
	size_t size;

	(void)ipc;
	pthread_mutex_lock(&seen->lock);
	size = strlen(seen->text);
	seen->n++;
	if (change == IPC_NAME_PRESENT && !proxy)
		seen->others++;
	if (size + sizeof(info->name) + 3 < SEEN_MAX)
		sprintf(seen->text + size, "%c%s ",
			change == IPC_NAME_PRESENT ? '+' : change == IPC_NAME_GONE ? '-' : '=',
			info ? info->name : "");
	pthread_mutex_unlock(&seen->lock);
}

/* Waits until the watch has seen as much as that text, which must be the same, and clears it. */
static void expect(struct seen *seen, const char *text)
{
	pthread_mutex_lock(&seen->lock);
	while (strlen(seen->text) < strlen(text)) {
		pthread_mutex_unlock(&seen->lock);
		sleep_ms(5);
		pthread_mutex_lock(&seen->lock);
	}
	ck_assert_str_eq(seen->text, text);
	seen->text[0] = '\0';
	pthread_mutex_unlock(&seen->lock);
}

static void *run(void *data)
{
	return (void *)(intptr_t)ipc_run(data);
}

/* A connection that is served by its own thread. */
struct party {
	struct ipc *ipc;
	pthread_t thread;
};

static void party_open(struct party *party, size_t region_size)
{
	ck_assert_int_eq(ipc_open_sized(&party->ipc, NULL, region_size), 0);
}

static void party_serve(struct party *party)
{
	ck_assert_int_eq(pthread_create(&party->thread, NULL, run, party->ipc), 0);
}

static void party_close(struct party *party)
{
	void *result;

	ipc_stop(party->ipc);
	pthread_join(party->thread, &result);
	ck_assert_ptr_null(result);
	ipc_unref(party->ipc);
}

static struct party watcher, owner;

static void begin(void)
{
	party_open(&watcher, IPC_REGION_DEFAULT);
	party_serve(&watcher);
	party_open(&owner, IPC_REGION_DEFAULT);
	party_serve(&owner);
}

static void add(const char *name)
{
	ck_assert_int_eq(server_register(owner.ipc, name, &server_handlers, NULL), 0);
}

static void replace(const char *name)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;

	ck_assert_int_eq(server_object_new(owner.ipc, &server_handlers, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_register_name_with(owner.ipc, name, object, IPC_NAME_REPLACE,
						/* ret_slot= */ NULL), 0);
}

START_TEST(watch_reports_present_new_and_removed_names)
{
	struct seen one = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct seen many = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct ipc_slot *slot_one;

	begin();
	add("e2e.w.1");
	add("e2e.w.2");
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, "e2e.w.2", on_change, &one, &slot_one), 0);
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, "e2e.w.*", on_change, &many, NULL), 0);
	expect(&one, "+e2e.w.2 = ");
	expect(&many, "+e2e.w.1 +e2e.w.2 = ");

	add("e2e.w.0");
	expect(&many, "+e2e.w.0 ");
	ck_assert_int_eq(ipc_unregister_name(owner.ipc, "e2e.w.2"), 0);
	expect(&one, "-e2e.w.2 ");
	expect(&many, "-e2e.w.2 ");
	add("e2e.w.2");
	expect(&one, "+e2e.w.2 ");
	/* A replacement by another object. */
	replace("e2e.w.2");
	expect(&one, "+e2e.w.2 ");
	expect(&many, "+e2e.w.2 +e2e.w.2 ");

	ipc_slot_end(slot_one);
	ck_assert_int_eq(ipc_unregister_name(owner.ipc, "e2e.w.0"), 0);
	ck_assert_int_eq(ipc_unregister_name(owner.ipc, "e2e.w.1"), 0);
	party_close(&owner);
	expect(&many, "-e2e.w.0 -e2e.w.1 -e2e.w.2 ");
	expect(&one, "");
	ck_assert_uint_eq(one.others + many.others, 0);
	party_close(&watcher);
}
END_TEST

START_TEST(own_names_have_no_proxy)
{
	struct seen own = { .lock = PTHREAD_MUTEX_INITIALIZER };
	begin();
	ck_assert_int_eq(ipc_watch_names(owner.ipc, "e2e.own", on_change, &own, NULL), 0);
	expect(&own, "= ");
	add("e2e.own");
	expect(&own, "+e2e.own ");
	ck_assert_uint_eq(own.others, 1);
	party_close(&owner);
	party_close(&watcher);
}
END_TEST

START_TEST(patterns_have_rules)
{
	static const char *const bad[] = { "", "a b", "a*b", "**", "a**" };
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	char longest[130];
	struct ipc_slot *slot = NULL;

	begin();
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(ipc_watch_names(watcher.ipc, bad[i], on_change, &seen, &slot),
				 -EINVAL);
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, NULL, on_change, &seen, &slot), -EINVAL);
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, "*", NULL, &seen, &slot), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[128] = '\0';
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, longest, on_change, &seen, &slot), -EINVAL);
	ck_assert_ptr_null(slot);
	longest[127] = '*';
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, longest, on_change, &seen, NULL), 0);
	expect(&seen, "= ");
	party_close(&owner);
	party_close(&watcher);
}
END_TEST

/* Ends its own watch in the callback, which must not be called again. */
static struct ipc_slot *only_slot;
static atomic_uint only_calls;

static void only_once(struct ipc *ipc, enum ipc_name_change change,
		      const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	(void)ipc, (void)change, (void)info, (void)proxy, (void)userdata;
	only_slot = ipc_slot_end_async(only_slot);
	atomic_fetch_add(&only_calls, 1);
}

START_TEST(a_callback_may_end_its_watch)
{
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

	party_open(&watcher, IPC_REGION_DEFAULT);
	party_open(&owner, IPC_REGION_DEFAULT);
	party_serve(&owner);
	add("e2e.once.1");
	add("e2e.once.2");
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, "e2e.once.*", only_once, NULL, &only_slot), 0);
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, "e2e.once.2", on_change, &seen, NULL), 0);
	party_serve(&watcher);
	expect(&seen, "+e2e.once.2 = ");
	ck_assert_uint_eq(only_calls, 1);
	party_close(&owner);
	party_close(&watcher);
}
END_TEST

/* More changes than fit into a small region, and than the manager keeps. */
#define MANY 700

/* The names of an earlier test count toward this user's limit until its death is noticed. */
static void add_many(void)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r, left = 150;
	char name[32];

	ck_assert_int_eq(server_object_new(owner.ipc, &server_handlers, NULL, NULL, &object), 0);
	for (int i = 0; i < MANY; i++) {
		sprintf(name, "e2e.slow.%d", i);
		while ((r = ipc_register_name(owner.ipc, name, object, /* ret_slot= */ NULL)) ==
			       -EDQUOT &&
		       left-- > 0)
			usleep(100000);
		ck_assert_int_eq(r, 0);
	}
}

/* The names that exist according to a single watch. */
static bool believed[MANY];
static atomic_int wrong = MANY / 2;

static void believe(struct ipc *ipc, enum ipc_name_change change,
		    const struct ipc_name_info *info, struct ipc_proxy *proxy, void *userdata)
{
	int i;

	(void)ipc, (void)proxy, (void)userdata;
	if (change == IPC_NAME_SETTLED)
		return;
	i = atoi(info->name + strlen("e2e.slow."));
	ck_assert_int_ne(believed[i], change == IPC_NAME_PRESENT);
	believed[i] = change == IPC_NAME_PRESENT;
	atomic_fetch_add(&wrong, believed[i] == i % 2 ? -1 : 1);
}

START_TEST(slow_watcher_gets_a_replay)
{
	struct ipc_name_info **infos;
	struct ipc_slot *slot;

	party_open(&watcher, 64 << 10);
	party_open(&owner, IPC_REGION_DEFAULT);
	party_serve(&owner);
	ck_assert_int_eq(ipc_watch_names(watcher.ipc, "e2e.slow.*", believe, NULL, &slot), 0);
	add_many();
	for (int i = 0; i < MANY; i += 2) {
		char name[32];

		sprintf(name, "e2e.slow.%d", i);
		ck_assert_int_eq(ipc_unregister_name(owner.ipc, name), 0);
	}

	/* Other clients get their replies in the meantime. */
	ck_assert_int_eq(ipc_list_names(owner.ipc, "e2e.slow.*", &infos), MANY / 2);
	free(infos);

	/* In the end the watcher has the right state, and got no notification twice. */
	party_serve(&watcher);
	while (wrong)
		sleep_ms(10);
	ipc_slot_end(slot);
	party_close(&owner);
	party_close(&watcher);
}
END_TEST

int main(void)
{
	return RUN_TESTS("watch", watch_reports_present_new_and_removed_names,
			 own_names_have_no_proxy, patterns_have_rules,
			 a_callback_may_end_its_watch, slow_watcher_gets_a_replay);
}
