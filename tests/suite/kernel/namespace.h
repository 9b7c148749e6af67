/* SPDX-License-Identifier: MIT */
/*
 * Peers in user namespaces of their own. Used by test-account.c, test-identity.c and test-mount.c.
 */
#ifndef TESTS_KERNEL_NAMESPACE_H
#define TESTS_KERNEL_NAMESPACE_H

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* Called by a peer: waits for give_users(). False: this kernel has no user namespaces. */
static inline bool enter_namespace(struct peer *self, int flags)
{
	if (unshare(CLONE_NEWUSER | flags) < 0) {
		peer_notify(self, 0);
		return false;
	}
	peer_notify(self, 1);
	peer_hear(self);
	return true;
}

static inline void write_map(pid_t pid, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	assert_ok(write_file(path, text));
}

/* Lines of first id inside, first id outside, count. False: the peer entered none. */
static inline bool give_users(struct peer *p, const char *users, const char *groups)
{
	if (!peer_hear(p))
		return false;
	write_map(p->pid, "uid_map", users);
	write_map(p->pid, "gid_map", groups);
	peer_notify(p, 1);
	return true;
}

#endif /* TESTS_KERNEL_NAMESPACE_H */
