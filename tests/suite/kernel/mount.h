/* SPDX-License-Identifier: MIT */
/*
 * Mounted buses: their paths, a pair of procs on each, and the number of live buses. Used by
 * test-mount.c, test-unmount.c and test-account.c.
 */
#ifndef TESTS_KERNEL_MOUNT_H
#define TESTS_KERNEL_MOUNT_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fixture.h"

/* A mount point, and the file in it that opens the bus. */
struct place {
	char dir[64];
	char bus[80];
};

static inline void place_make(struct place *p)
{
	strcpy(p->dir, "/tmp/ipcbus-mount-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p->dir));
	strcpy(stpcpy(p->bus, p->dir), "/bus");
}

static inline void place_remove(const struct place *p)
{
	ck_assert_int_eq(rmdir(p->dir), 0);
}

static inline int try_mount(const struct place *p, unsigned long flags, const char *options)
{
	return dev_mount(p->dir, flags, options);
}

static inline int try_umount(const struct place *p, int flags)
{
	return dev_umount(p->dir, flags);
}

static inline void mount_bus(struct place *p, const char *options)
{
	place_make(p);
	assert_ok(try_mount(p, 0, options));
}

static inline void umount_bus(const struct place *p)
{
	assert_ok(try_umount(p, 0));
	place_remove(p);
}

/* A server and a client of a bus. */
struct pair {
	struct raw server, client;
	uint64_t node;
};

static inline void pair_open(struct pair *pair, const char *path)
{
	raw_open_at(&pair->server, path, 65536);
	raw_open_at(&pair->client, path, 65536);
	pair->node = raw_node(&pair->server, IPCBUS_NODE_ACCEPT_FDS, 7);
	assert_ok(raw_claim(&pair->server, pair->node));
}

static inline void pair_close(struct pair *pair)
{
	raw_close(&pair->client);
	raw_close(&pair->server);
}

/* The client calls. Only its own server gets the call. */
static inline void pair_talk(const struct pair *pair)
{
	raw_round_trip(&pair->client, 0, &pair->server, "hello", 5);
}

/* Waits until @n mounted buses are alive: a killed bus is freed a moment later. */
static inline void expect_buses(long n)
{
	for (uint64_t end = now_ms() + 2000; live("buses") != n && now_ms() < end;)
		usleep(1000);
	ck_assert_int_eq(live("buses"), n);
}

/* Reads a file of the mount as text. */
static inline int read_file(const struct place *p, const char *name, char *text, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	return dev_read_text(path, text, size);
}

#endif /* TESTS_KERNEL_MOUNT_H */
