/* SPDX-License-Identifier: MIT */
/*
 * Several users for the tests: their files, their usage, and a limit on each of them.
 */
#ifndef TESTS_KERNEL_USERS_H
#define TESTS_KERNEL_USERS_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static unsigned int mode_before;
static const char *limited;
static unsigned int limit_before;

/* Opens the file as that user. Later operations run as root, which makes no difference. */
static inline void open_at_as(struct raw *r, const char *path, uid_t uid, size_t size)
{
	ck_assert_int_eq(setresuid(-1, uid, -1), 0);
	if (path)
		raw_open_at(r, path, size);
	else
		raw_open(r, size);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
}

static inline void open_as(struct raw *r, uid_t uid)
{
	open_at_as(r, NULL, uid, REGION);
}

/* Sets a limit until the end of the case, once per case: the driver is shared by all cases. */
static inline void set_limit(const char *name, unsigned int value)
{
	int before = dev_set_param(name, value);

	ck_assert_int_ge(before, 0);
	limited = name;
	limit_before = before;
}

/* The columns of the driver's users file, after the uid. */
enum { PROCS, NODES, HANDLES, WATCHES, CALLS, FILES, THREADS, MEMORY };

/* Returns the user's usage over all buses; 0 if the file does not list the user. */
static inline long account(uid_t uid, int column)
{
	char text[8192], *line, *save;

	assert_ok(dev_debug("users", text, sizeof(text)));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strtoul(line, &line, 10) != uid)
			continue;
		while (column--)
			strtoul(line, &line, 10);
		return strtol(line, NULL, 10);
	}
	return 0;
}

/* srv belongs to root, cli and oth to two other users. */
static inline void setup_users(void)
{
	setup_bare();
	mode_before = dev_set_mode(0666);
	raw_open(&srv, REGION);
	srv_node = raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, SRV_COOKIE);
	assert_ok(raw_claim(&srv, srv_node));
	open_as(&cli, 1000);
	open_as(&oth, 1001);
}

static inline void teardown_users(void)
{
	if (limited)
		ck_assert_int_ge(dev_set_param(limited, limit_before), 0);
	limited = NULL;
	dev_set_mode(mode_before);
}

static inline TCase *add_user_case(Suite *suite, const char *name)
{
	TCase *tc = add_case(suite, name, setup_users);

	/* Runs before the files are closed and the counters are compared. */
	tcase_add_checked_fixture(tc, NULL, teardown_users);
	return tc;
}

#endif /* TESTS_KERNEL_USERS_H */
