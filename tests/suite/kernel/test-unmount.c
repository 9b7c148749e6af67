// SPDX-License-Identifier: MIT
/*
 * A bus lives until its last user closes it, however and wherever it is mounted and unmounted
 * in the meantime.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "mount.h"

START_TEST(unmount_is_busy_while_the_bus_is_used)
{
	struct place p;
	struct raw r;

	mount_bus(&p, NULL);
	raw_open_at(&r, p.bus, 4096);
	assert_result(try_umount(&p, 0), -EBUSY);
	raw_close(&r);
	umount_bus(&p);
}
END_TEST

/* A lazy unmount: existing users stay on the bus, and no new users can open it. */
START_TEST(bus_outlives_its_mount)
{
	struct pair pair;
	struct place p;

	mount_bus(&p, NULL);
	pair_open(&pair, p.bus);
	assert_ok(try_umount(&p, MNT_DETACH));
	assert_result(dev_open_at(p.bus, O_RDWR), -ENOENT);
	pair_talk(&pair);
	expect_buses(1);
	/* A new mount in the same place is a new bus. */
	assert_ok(try_mount(&p, 0, NULL));
	expect_buses(2);
	pair_talk(&pair);
	pair_close(&pair);
	umount_bus(&p);
	expect_buses(0);
}
END_TEST

/* The mapping alone keeps file, mount and bus. */
START_TEST(bus_lives_while_mapped)
{
	struct place p;
	void *map;
	int fd;

	mount_bus(&p, NULL);
	fd = dev_open_at(p.bus, O_RDWR);
	assert_ok(dev_map(fd, 4096, PROT_READ, MAP_SHARED, 0, &map));
	assert_ok(dev_close(fd));
	assert_result(try_umount(&p, 0), -EBUSY);
	assert_ok(try_umount(&p, MNT_DETACH));
	assert_ok(dev_unmap(map, 4096));
	place_remove(&p);
	expect_buses(0);
}
END_TEST

/* The server of an already unmounted bus. Dies with open calls. */
static int serve_forever(struct peer *self, void *arg)
{
	const struct place *p = arg;
	struct raw r;

	raw_open_at(&r, p->bus, 65536);
	assert_ok(raw_claim(&r, raw_node(&r, IPCBUS_NODE_ACCEPT_FDS, 1)));
	peer_notify(self, 1);
	serve_echo(&r);
	return 0;
}

START_TEST(killed_after_the_unmount)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL };
	struct ipcbus_event ev;
	struct place p;
	struct peer peer;
	struct raw r;

	mount_bus(&p, NULL);
	peer_start(&peer, serve_forever, &p);
	peer_hear(&peer);
	raw_open_at(&r, p.bus, 65536);
	assert_ok(raw_watch(&r, 0, 5));
	assert_ok(try_umount(&p, MNT_DETACH));
	raw_call_wait(&r, 0, 1, "x", 1, &ev);
	raw_release(&r, &ev);
	peer_kill(&peer);
	raw_wait(&r, IPCBUS_EVENT_DEAD, &ev);
	raw_fails(&r, &call, -ENOTCONN, IPCBUS_STAGE_TARGET, 0);
	raw_close(&r);
	place_remove(&p);
	expect_buses(0);
}
END_TEST

START_TEST(bind_mounts_are_the_same_bus)
{
	struct place p, q;
	struct pair pair;
	struct raw r;

	mount_bus(&p, NULL);
	place_make(&q);
	ck_assert_int_eq(mount(p.dir, q.dir, NULL, MS_BIND, NULL), 0);
	pair_open(&pair, p.bus);
	raw_open_at(&r, q.bus, 65536);
	raw_round_trip(&r, 0, &pair.server, "x", 1);
	pair_close(&pair);
	raw_close(&r);
	umount_bus(&p);
	/* The bus still exists, and only this user may still claim it. */
	pair_open(&pair, q.bus);
	pair_talk(&pair);
	/* A read-only mount refuses to open the bus for writing. */
	ck_assert_int_eq(mount(NULL, q.dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), -1);
	pair_close(&pair);
	ck_assert_int_eq(mount(NULL, q.dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_result(dev_open_at(q.bus, O_RDWR), -EROFS);
	umount_bus(&q);
}
END_TEST

/* Bind-mounts the file alone over another: how a container gets a bus. */
START_TEST(bus_file_may_be_bound)
{
	struct place p, q;
	struct pair pair;
	struct raw r;
	int fd;

	mount_bus(&p, NULL);
	place_make(&q);
	fd = open(q.bus, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(mount(p.bus, q.bus, NULL, MS_BIND, NULL), 0);
	umount_bus(&p);
	pair_open(&pair, q.bus);
	raw_open_at(&r, q.bus, 65536);
	raw_round_trip(&r, 0, &pair.server, "x", 1);
	pair_close(&pair);
	raw_close(&r);
	ck_assert_int_eq(umount2(q.bus, 0), 0);
	unlink(q.bus);
	place_remove(&q);
}
END_TEST

/* A mount namespace is copied and left while the bus is in use. */
static int open_in_a_copy(struct peer *self, void *arg)
{
	const struct place *p = arg;
	struct ipcbus_event ev;
	struct raw r;

	if (unshare(CLONE_NEWNS) < 0)
		return 98;
	peer_notify(self, 1);
	peer_hear(self);
	raw_open_at(&r, p->bus, 65536);
	raw_call_wait(&r, 0, 1, "x", 1, &ev);
	return umount2(p->dir, 0) < 0 && errno == EBUSY ? 0 : 97;
}

START_TEST(mounts_propagate)
{
	struct place p;
	struct pair pair;
	struct peer peer;
	struct ipcbus_event ev;

	/* A shared mount to mount in. */
	place_make(&p);
	ck_assert_int_eq(mount("none", "/tmp", NULL, MS_SHARED, NULL), 0);
	peer_start(&peer, open_in_a_copy, &p);
	peer_hear(&peer);
	assert_ok(try_mount(&p, 0, NULL));
	pair_open(&pair, p.bus);
	peer_notify(&peer, 1);
	raw_wait(&pair.server, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&pair.server, ev.call, NULL, 0);
	peer_end(&peer);
	pair_close(&pair);
	ck_assert_int_eq(mount("none", "/tmp", NULL, MS_PRIVATE, NULL), 0);
	umount_bus(&p);
}
END_TEST

START_TEST(module_stays_while_mounted)
{
	struct place p;
	struct raw r;

	raw_close(&oth);
	raw_close(&cli);
	raw_close(&srv);
	mount_bus(&p, NULL);
	ck_assert_int_lt(syscall(SYS_delete_module, "ipcbus", O_NONBLOCK), 0);
	ck_assert_int_eq(errno, EAGAIN);
	raw_open_at(&r, p.bus, 4096);
	assert_ok(try_umount(&p, MNT_DETACH));
	ck_assert_int_lt(syscall(SYS_delete_module, "ipcbus", O_NONBLOCK), 0);
	ck_assert_int_eq(errno, EAGAIN);
	raw_close(&r);
	place_remove(&p);
}
END_TEST

/* --- Concurrent mounts and unmounts ------------------------------------------------ */

#define STRESS_MS 1500
#define STRESS_DIRS 2

static struct place stress[STRESS_DIRS];
static uint64_t stress_end;

static void *mount_and_unmount(void *arg)
{
	uint32_t seed = (uintptr_t)arg + 1;
	intptr_t done = 0;

	while (now_ms() < stress_end) {
		const struct place *p = &stress[next_random(&seed) % STRESS_DIRS];

		switch (next_random(&seed) % 4) {
		case 0:
			done += !try_mount(p, 0, "mode=666");
			break;
		case 1:
			try_mount(p, MS_REMOUNT, "mode=600,gid=900");
			break;
		case 2:
			try_umount(p, MNT_DETACH);
			break;
		default:
			try_umount(p, 0);
		}
	}
	return (void *)done;
}

static void talk_once(const char *path)
{
	struct ipcbus_send oneway = { .kind = IPCBUS_SEND_ONEWAY, .data = PTR64("x"),
				      .data_size = 1 };
	struct ipcbus_node node = {};
	struct raw r = {};
	void *map;

	r.fd = dev_open_at(path, O_RDWR);
	if (r.fd < 0)
		return;
	if (!dev_map(r.fd, 4096, PROT_READ, MAP_SHARED, 0, &map)) {
		r.map = map;
		r.size = 4096;
	}
	if (!raw_node_ioctl(&r, IPCBUS_IOC_NODE_CREATE, &node))
		raw_claim(&r, node.node);
	raw_send(&r, &oneway, NULL);
	if (r.map)
		dev_unmap((void *)(uintptr_t)r.map, r.size);
	dev_close(r.fd);
}

static void *open_and_talk(void *arg)
{
	uint32_t seed = (uintptr_t)arg + 100;
	char text[4096];

	while (now_ms() < stress_end) {
		const struct place *p = &stress[next_random(&seed) % STRESS_DIRS];

		talk_once(p->bus);
		read_file(p, "state", text, sizeof(text));
	}
	return NULL;
}

static void stress_clean(const struct place *p)
{
	while (!try_umount(p, MNT_DETACH))
		;
	place_remove(p);
}

START_TEST(mounted_and_unmounted_in_use)
{
	struct helper mounters[2], users[3];
	intptr_t done = 0;
	size_t i;

	for (i = 0; i < STRESS_DIRS; i++)
		place_make(&stress[i]);
	stress_end = now_ms() + STRESS_MS;
	for (i = 0; i < ARRAY_SIZE(mounters); i++)
		helper_start(&mounters[i], mount_and_unmount, (void *)i);
	for (i = 0; i < ARRAY_SIZE(users); i++)
		helper_start(&users[i], open_and_talk, (void *)i);
	for (i = 0; i < ARRAY_SIZE(mounters); i++)
		done += (intptr_t)helper_end(&mounters[i]);
	for (i = 0; i < ARRAY_SIZE(users); i++)
		helper_end(&users[i]);
	for (i = 0; i < STRESS_DIRS; i++)
		stress_clean(&stress[i]);
	ck_assert_int_gt(done, 0);
	expect_buses(0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("unmount");
	TCase *tc = add_case(s, "lifetime", setup_bus);

	if (geteuid()) {
		fprintf(stderr, "mounting needs root\n");
		return 77;
	}
	tcase_add_test(tc, unmount_is_busy_while_the_bus_is_used);
	tcase_add_test(tc, bus_outlives_its_mount);
	tcase_add_test(tc, bus_lives_while_mapped);
	tcase_add_test(tc, killed_after_the_unmount);
	tcase_add_test(tc, bind_mounts_are_the_same_bus);
	tcase_add_test(tc, bus_file_may_be_bound);
	tcase_add_test(tc, mounts_propagate);
	tcase_add_test(tc, module_stays_while_mounted);
	tcase_add_test(tc, mounted_and_unmounted_in_use);
	return suite_main(s);
}
