// SPDX-License-Identifier: MIT
/*
 * The registry alone: names, owners, waiters and limits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/run-cases.h"
#include "registry.h"

static struct registry *registry;

static void setup(void)
{
	registry = registry_new();
	ck_assert_ptr_nonnull(registry);
}

/* Asserts that a test left no entries, waiters or watches behind. */
static void teardown(void)
{
	registry = registry_free(registry);
}

static struct registry_entry entry(const char *name, uid_t uid)
{
	struct registry_entry e = { .uid = uid };

	strcpy(e.name, name);
	return e;
}

static struct registry_waiter waiter(const char *name, uid_t uid)
{
	struct registry_waiter w = { .uid = uid };

	strcpy(w.name, name);
	return w;
}

START_TEST(names_have_rules)
{
	char longest[REGISTRY_NAME_MAX + 2];

	memset(longest, 'x', sizeof(longest));
	longest[REGISTRY_NAME_MAX] = '\0';
	ck_assert(registry_name_is_valid(longest));
	longest[REGISTRY_NAME_MAX] = 'x';
	longest[REGISTRY_NAME_MAX + 1] = '\0';
	ck_assert(!registry_name_is_valid(longest));

	ck_assert(registry_name_is_valid("demo.Echo_1/x-y"));
	ck_assert(!registry_name_is_valid(""));
	ck_assert(!registry_name_is_valid("a b"));
	ck_assert(!registry_name_is_valid("a\n"));
	ck_assert(!registry_name_is_valid("\xc3\xa4"));
	/* Neither options nor paths out of the folder. */
	ck_assert(!registry_name_is_valid("-rf"));
	ck_assert(!registry_name_is_valid("/etc"));
	ck_assert(!registry_name_is_valid("user/1000/"));
	ck_assert(!registry_name_is_valid("user/1000/../1"));
	ck_assert(!registry_name_is_valid("user/./1"));
	ck_assert(!registry_name_is_valid("user//1"));
	ck_assert(!registry_name_is_valid("user/-x"));
	ck_assert(!registry_name_is_valid("..."));
	ck_assert(registry_name_is_valid("_a..b-/1/_"));
	ck_assert(registry_prefix_is_valid("user/1000/"));
	ck_assert(!registry_prefix_is_valid("user/1000/."));
	ck_assert(!registry_prefix_is_valid("-"));
	ck_assert(registry_prefix_is_valid(""));
	ck_assert(!registry_prefix_is_valid("*"));
}
END_TEST

START_TEST(interfaces_have_rules)
{
	char longest[REGISTRY_INTERFACE_MAX + 2];

	memset(longest, 'x', sizeof(longest));
	longest[REGISTRY_INTERFACE_MAX] = '\0';
	ck_assert(registry_interface_is_valid(longest));
	longest[REGISTRY_INTERFACE_MAX] = 'x';
	longest[REGISTRY_INTERFACE_MAX + 1] = '\0';
	ck_assert(!registry_interface_is_valid(longest));
	ck_assert(registry_interface_is_valid(""));
	ck_assert(registry_interface_is_valid("echo.v2.Echo_"));
	ck_assert(!registry_interface_is_valid("echo/Echo"));
	ck_assert(!registry_interface_is_valid("\x1b[31m"));
}
END_TEST

START_TEST(a_name_is_added_found_and_removed)
{
	struct registry_entry a = entry("demo.echo", 1000), *replaced = &a;

	ck_assert_ptr_null(registry_find(registry, "demo.echo"));
	ck_assert_int_eq(registry_register(registry, &a, 0, &replaced), 0);
	ck_assert_ptr_null(replaced);
	ck_assert_ptr_eq(registry_find(registry, "demo.echo"), &a);
	ck_assert_ptr_null(registry_find(registry, "demo.ech"));
	ck_assert_ptr_null(registry_find(registry, "demo.echoo"));
	registry_unregister(registry, &a);
	ck_assert_ptr_null(registry_find(registry, "demo.echo"));
}
END_TEST

START_TEST(own_name_is_replaced_on_request)
{
	struct registry_entry a = entry("x", 1000), b = entry("x", 1000), *replaced = &b;

	ck_assert_int_eq(registry_register(registry, &a, 0, &replaced), 0);
	ck_assert_int_eq(registry_register(registry, &b, 0, &replaced), -EEXIST);
	ck_assert_ptr_eq(registry_find(registry, "x"), &a);
	ck_assert_ptr_null(replaced);
	ck_assert_int_eq(registry_register(registry, &b, REGISTRY_REPLACE, &replaced), 0);
	ck_assert_ptr_eq(replaced, &a);
	ck_assert_ptr_eq(registry_find(registry, "x"), &b);
	registry_unregister(registry, &b);
}
END_TEST

START_TEST(queue_gets_the_name_in_order)
{
	struct registry_entry a = entry("x", 1000), b = entry("x", 1000), c = entry("x", 1000);
	struct registry_entry d = entry("x", 1000), other = entry("x", 1001), *replaced;

	ck_assert_int_eq(registry_register(registry, &a, REGISTRY_QUEUE, &replaced), 0);
	ck_assert_int_eq(registry_register(registry, &b, REGISTRY_QUEUE, &replaced), 1);
	ck_assert_int_eq(registry_register(registry, &c, REGISTRY_QUEUE, &replaced), 1);
	ck_assert_int_eq(registry_register(registry, &d, REGISTRY_QUEUE, &replaced), 1);
	ck_assert_int_eq(registry_register(registry, &other, REGISTRY_QUEUE, &replaced), -EEXIST);
	ck_assert_ptr_null(registry_promote(registry, "x"));
	registry_unregister(registry, &c);

	registry_unregister(registry, &a);
	ck_assert_int_eq(registry_register(registry, &other, 0, &replaced), -EEXIST);
	ck_assert_ptr_eq(registry_queue_after(registry, ""), &b);
	ck_assert_ptr_null(registry_queue_after(registry, "x"));
	ck_assert_ptr_eq(registry_promote(registry, "x"), &b);
	ck_assert_ptr_eq(registry_find(registry, "x"), &b);
	ck_assert_ptr_eq(registry_queue(registry, "x"), &d);
	registry_unregister(registry, &b);
	ck_assert_ptr_eq(registry_promote(registry, "x"), &d);
	registry_unregister(registry, &d);
	ck_assert_ptr_null(registry_promote(registry, "x"));
	ck_assert_int_eq(registry_register(registry, &other, 0, &replaced), 0);
	registry_unregister(registry, &other);
}
END_TEST

START_TEST(newest_owner_wins_a_replay)
{
	struct registry_entry older = entry("x", 1000), newer = entry("x", 1000);
	struct registry_entry fresh = entry("x", 1000), other = entry("x", 1001), *replaced;

	older.number = 5;
	newer.number = 6;
	other.number = 7;
	ck_assert_int_eq(registry_register(registry, &older, REGISTRY_REPLAY, &replaced), 0);
	ck_assert_int_eq(registry_register(registry, &newer, REGISTRY_REPLAY, &replaced), 0);
	ck_assert_ptr_eq(replaced, &older);
	/* The flags of the first registration have no effect. */
	ck_assert_int_eq(registry_register(registry, &older, REGISTRY_REPLAY | REGISTRY_REPLACE,
					   &replaced), -ESTALE);
	ck_assert_int_eq(registry_register(registry, &older, REGISTRY_REPLAY | REGISTRY_QUEUE,
					   &replaced), -ESTALE);
	ck_assert_int_eq(registry_register(registry, &other, REGISTRY_REPLAY, &replaced), -EEXIST);
	registry_unregister(registry, &newer);

	/* A new server that registered before the owner's replay. */
	fresh.number = 1;
	ck_assert_int_eq(registry_register(registry, &fresh, 0, &replaced), 0);
	ck_assert_int_eq(registry_register(registry, &older, REGISTRY_REPLAY, &replaced), 0);
	ck_assert_ptr_eq(replaced, &fresh);
	ck_assert_int_eq(registry_register(registry, &fresh, REGISTRY_QUEUE | REGISTRY_WAIT,
					   &replaced), 1);
	registry_unregister(registry, &older);
	registry_unregister(registry, &fresh);

	/* With REGISTRY_WAIT, a free name is not given at once. */
	ck_assert_int_eq(registry_register(registry, &fresh, REGISTRY_QUEUE | REGISTRY_WAIT,
					   &replaced), 1);
	ck_assert_ptr_null(registry_find(registry, "x"));
	ck_assert_int_eq(registry_register(registry, &older, REGISTRY_REPLAY, &replaced), 0);
	ck_assert_ptr_null(replaced);
	registry_unregister(registry, &older);
	ck_assert_ptr_eq(registry_promote(registry, "x"), &fresh);
	registry_unregister(registry, &fresh);
}
END_TEST

START_TEST(name_of_another_owner_is_not_replaced)
{
	struct registry_entry a = entry("x", 1000), b = entry("x", 1001), root = entry("x", 0);
	struct registry_entry *replaced;

	ck_assert_int_eq(registry_register(registry, &a, 0, &replaced), 0);
	ck_assert_int_eq(registry_register(registry, &b, 0, &replaced), -EEXIST);
	ck_assert_int_eq(registry_register(registry, &root, 0, &replaced), -EEXIST);
	ck_assert_ptr_eq(registry_find(registry, "x"), &a);
	registry_unregister(registry, &a);
	ck_assert_int_eq(registry_register(registry, &b, 0, &replaced), 0);
	registry_unregister(registry, &b);
}
END_TEST

/* All names with the prefix, separated by blanks. */
static const char *list(const char *prefix)
{
	static char text[256];
	struct registry_entry *e = NULL;

	*text = '\0';
	while ((e = registry_next(registry, prefix, e ? e->name : "")))
		sprintf(text + strlen(text), "%s ", e->name);

	return text;
}

START_TEST(names_are_listed_in_order)
{
	struct registry_entry entries[] = {
		entry("b", 0), entry("a.c", 0), entry("a", 0), entry("a.b", 0), entry("ab", 0),
	};
	struct registry_waiter w = waiter("a.a", 0);
	struct registry_entry *replaced;

	ck_assert_str_eq(list(""), "");
	for (size_t i = 0; i < 5; i++)
		ck_assert_int_eq(registry_register(registry, &entries[i], 0, &replaced), 0);
	ck_assert_int_eq(registry_wait(registry, &w), 0);

	ck_assert_str_eq(list(""), "a a.b a.c ab b ");
	ck_assert_str_eq(list("a."), "a.b a.c ");
	ck_assert_str_eq(list("a.a"), "");
	ck_assert_str_eq(list("b"), "b ");
	ck_assert_str_eq(list("c"), "");

	for (size_t i = 0; i < 5; i++)
		registry_unregister(registry, &entries[i]);
	ck_assert_str_eq(list(""), "");
	registry_unwait(registry, &w);
}
END_TEST

static struct registry_waiter *take(const char *name)
{
	struct registry_waiter *first = registry_waiters(registry, name);

	if (first)
		registry_unwait(registry, first);
	return first;
}

START_TEST(waiters_come_out_in_order)
{
	struct registry_waiter a = waiter("x", 1), b = waiter("x", 2), c = waiter("x", 1);
	struct registry_waiter other = waiter("y", 1);
	struct registry_entry e = entry("x", 3), *replaced;

	ck_assert_int_eq(registry_wait(registry, &a), 0);
	ck_assert_int_eq(registry_wait(registry, &b), 0);
	ck_assert_int_eq(registry_wait(registry, &other), 0);
	ck_assert_int_eq(registry_wait(registry, &c), 0);
	ck_assert_ptr_null(registry_find(registry, "x"));
	registry_unwait(registry, &b);

	ck_assert_int_eq(registry_register(registry, &e, 0, &replaced), 0);
	ck_assert_ptr_eq(take("x"), &a);
	ck_assert_ptr_eq(take("x"), &c);
	ck_assert_ptr_null(take("x"));
	ck_assert_ptr_null(take("z"));
	ck_assert_ptr_eq(registry_find(registry, "x"), &e);
	registry_unregister(registry, &e);
	registry_unwait(registry, &other);
}
END_TEST

START_TEST(a_user_has_so_many_names)
{
	static struct registry_entry entries[REGISTRY_USER_NAMES + 1];
	struct registry_entry other = entry("other", 8), replacement = entry("", 7);
	struct registry_entry *replaced;

	for (int i = 0; i <= REGISTRY_USER_NAMES; i++) {
		entries[i] = entry("", 7);
		sprintf(entries[i].name, "n%d", i);
		ck_assert_int_eq(registry_register(registry, &entries[i], 0, &replaced),
				 i < REGISTRY_USER_NAMES ? 0 : -EDQUOT);
	}

	/* Replacing does not count as a name, and other users are not affected. */
	ck_assert_int_eq(registry_register(registry, &entries[REGISTRY_USER_NAMES], 0, &replaced),
			 -EDQUOT);
	strcpy(replacement.name, entries[3].name);
	ck_assert_int_eq(registry_register(registry, &replacement, REGISTRY_REPLACE, &replaced), 0);
	ck_assert_ptr_eq(replaced, &entries[3]);
	ck_assert_int_eq(registry_register(registry, &entries[3], REGISTRY_QUEUE, &replaced),
			 -EDQUOT);
	ck_assert_int_eq(registry_register(registry, &entries[3], REGISTRY_REPLACE, &replaced), 0);
	ck_assert_int_eq(registry_register(registry, &other, 0, &replaced), 0);
	registry_unregister(registry, &other);

	registry_unregister(registry, &entries[0]);
	ck_assert_int_eq(registry_register(registry, &entries[REGISTRY_USER_NAMES], 0, &replaced),
			 0);
	for (int i = 1; i <= REGISTRY_USER_NAMES; i++)
		registry_unregister(registry, &entries[i]);
}
END_TEST

START_TEST(a_user_has_so_many_waiters)
{
	static struct registry_waiter waiters[REGISTRY_USER_WAITERS + 1];
	struct registry_waiter other = waiter("x", 8);

	for (int i = 0; i <= REGISTRY_USER_WAITERS; i++) {
		waiters[i] = waiter("x", 7);
		ck_assert_int_eq(registry_wait(registry, &waiters[i]),
				 i < REGISTRY_USER_WAITERS ? 0 : -EDQUOT);
	}

	ck_assert_int_eq(registry_wait(registry, &other), 0);
	registry_unwait(registry, &other);
	while (take("x"))
		;
}
END_TEST

START_TEST(total_numbers_are_limited)
{
	const int users = REGISTRY_NAMES / REGISTRY_USER_NAMES;
	struct registry_entry *entries, late = entry("late", 999), *replaced;
	struct registry_waiter *waiters, late_waiter = waiter("late", 999);

	entries = calloc(REGISTRY_NAMES, sizeof(*entries));
	waiters = calloc(REGISTRY_WAITERS, sizeof(*waiters));
	for (int i = 0; i < REGISTRY_NAMES; i++) {
		entries[i].uid = (uid_t)(1 + i % users);
		sprintf(entries[i].name, "n%d", i);
		ck_assert_int_eq(registry_register(registry, &entries[i], 0, &replaced), 0);
	}
	for (int i = 0; i < REGISTRY_WAITERS; i++) {
		waiters[i].uid = (uid_t)(1 + i % users);
		sprintf(waiters[i].name, "w%d", i);
		ck_assert_int_eq(registry_wait(registry, &waiters[i]), 0);
	}

	ck_assert_int_eq(registry_register(registry, &late, 0, &replaced), -EDQUOT);
	ck_assert_int_eq(registry_wait(registry, &late_waiter), -EDQUOT);

	/* The number of users must not prevent root's services from having names. */
	late.uid = late_waiter.uid = 0;
	ck_assert_int_eq(registry_register(registry, &late, 0, &replaced), 0);
	ck_assert_int_eq(registry_wait(registry, &late_waiter), 0);
	registry_unregister(registry, &late);
	registry_unwait(registry, &late_waiter);

	for (int i = 0; i < REGISTRY_NAMES; i++)
		registry_unregister(registry, &entries[i]);
	for (int i = 0; i < REGISTRY_WAITERS; i++)
		registry_unwait(registry, &waiters[i]);
	free(entries);
	free(waiters);
}
END_TEST

/* --- Watching ------------------------------------------------------------------------ */

static struct registry_watch watch(const char *name, bool prefix, uid_t uid)
{
	struct registry_watch w = { .prefix = prefix, .uid = uid };

	strcpy(w.name, name);
	return w;
}

START_TEST(a_watch_is_of_a_name_or_of_many)
{
	struct registry_watch one = watch("a.b", false, 1), many = watch("a.", true, 1);
	struct registry_watch all = watch("", true, 1);

	ck_assert(registry_watches(&one, "a.b"));
	ck_assert(!registry_watches(&one, "a.b/c"));
	ck_assert(registry_watches(&many, "a.b/c"));
	ck_assert(!registry_watches(&many, "a"));
	ck_assert(registry_watches(&all, "x"));
}
END_TEST

START_TEST(all_watches_are_found)
{
	struct registry_watch watches[3], *found = NULL;
	unsigned int n = 0;

	for (int i = 0; i < 3; i++) {
		watches[i] = watch("a", false, 1);
		ck_assert_int_eq(registry_watch(registry, &watches[i]), 0);
	}
	registry_unwatch(registry, &watches[1]);
	while ((found = registry_next_watch(registry, found))) {
		ck_assert_ptr_ne(found, &watches[1]);
		n++;
	}
	ck_assert_uint_eq(n, 2);
	/* The newest watch is first until it has had its turn. */
	ck_assert_ptr_eq(registry_next_watch(registry, NULL), &watches[2]);
	registry_watch_last(registry, &watches[2]);
	ck_assert_ptr_eq(registry_next_watch(registry, NULL), &watches[0]);
	ck_assert_ptr_eq(registry_next_watch(registry, &watches[0]), &watches[2]);
	ck_assert_ptr_null(registry_next_watch(registry, &watches[2]));
	registry_watch_last(registry, &watches[2]);
	ck_assert_ptr_eq(registry_next_watch(registry, &watches[0]), &watches[2]);
	registry_unwatch(registry, &watches[2]);
	registry_unwatch(registry, &watches[0]);
	ck_assert_ptr_null(registry_next_watch(registry, NULL));
}
END_TEST

START_TEST(a_prefix_is_walked_in_order)
{
	struct registry_entry entries[] = {
		entry("a", 1), entry("b.1", 1), entry("b.2", 1), entry("b.3", 1), entry("c", 1),
	};
	struct registry_waiter nobodys = waiter("b.0", 1);
	struct registry_entry *old;

	for (int i = 4; i >= 0; i--)
		ck_assert_int_eq(registry_register(registry, &entries[i], 0, &old), 0);
	ck_assert_int_eq(registry_wait(registry, &nobodys), 0);
	ck_assert_ptr_eq(registry_next(registry, "b.", ""), &entries[1]);
	ck_assert_ptr_eq(registry_next(registry, "b.", "b.1"), &entries[2]);
	ck_assert_ptr_eq(registry_next(registry, "b.", "b.2.gone"), &entries[3]);
	ck_assert_ptr_null(registry_next(registry, "b.", "b.3"));
	for (int i = 0; i < 5; i++)
		registry_unregister(registry, &entries[i]);
	registry_unwait(registry, &nobodys);
}
END_TEST

START_TEST(watches_have_limits)
{
	static struct registry_watch watches[REGISTRY_USER_WATCHES + 1];
	int n = REGISTRY_USER_WATCHES;

	for (int i = 0; i <= n; i++)
		watches[i] = watch("a", false, 1);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(registry_watch(registry, &watches[i]), 0);
	ck_assert_int_eq(registry_watch(registry, &watches[n]), -EDQUOT);
	watches[n].uid = 2;
	ck_assert_int_eq(registry_watch(registry, &watches[n]), 0);
	for (int i = 0; i <= n; i++)
		registry_unwatch(registry, &watches[i]);
}
END_TEST

int main(void)
{
	return RUN_CASES("registry", setup, teardown, names_have_rules, interfaces_have_rules,
			 a_name_is_added_found_and_removed, own_name_is_replaced_on_request,
			 queue_gets_the_name_in_order, newest_owner_wins_a_replay,
			 name_of_another_owner_is_not_replaced, names_are_listed_in_order,
			 waiters_come_out_in_order, a_user_has_so_many_names,
			 a_user_has_so_many_waiters, total_numbers_are_limited,
			 a_watch_is_of_a_name_or_of_many, all_watches_are_found,
			 a_prefix_is_walked_in_order, watches_have_limits);
}
