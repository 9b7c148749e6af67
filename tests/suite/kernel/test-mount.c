// SPDX-License-Identifier: MIT
/*
 * Mounted buses: each is isolated from all others. Also mount options, limits, and the files
 * of a mount.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "ipcbus-monitor.h"
#include "mount.h"
#include "namespace.h"

/* --- Isolation -------------------------------------------------------------------- */

START_TEST(mount_is_a_bus_of_its_own)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL };
	struct pair pair;
	struct place p;
	struct raw early;

	mount_bus(&p, NULL);
	/* The default bus has a manager, this bus has none. */
	raw_open_at(&early, p.bus, 65536);
	raw_fails(&early, &call, -ENOTCONN, IPCBUS_STAGE_TARGET, 0);
	pair_open(&pair, p.bus);
	pair_talk(&pair);
	raw_none(&srv);
	raw_round_trip(&cli, 0, &srv, "world", 5);
	raw_none(&pair.server);
	pair_close(&pair);
	raw_fails(&early, &call, -ENOTCONN, IPCBUS_STAGE_TARGET, 0);
	raw_close(&early);
	umount_bus(&p);
}
END_TEST

START_TEST(two_mounts_are_two_buses)
{
	struct pair one, two;
	struct place p, q;

	mount_bus(&p, NULL);
	mount_bus(&q, NULL);
	pair_open(&one, p.bus);
	pair_open(&two, q.bus);
	pair_talk(&one);
	raw_none(&two.server);
	pair_talk(&two);
	raw_none(&one.server);
	pair_close(&one);
	pair_talk(&two);
	umount_bus(&p);
	pair_talk(&two);
	pair_close(&two);
	umount_bus(&q);
}
END_TEST

/* An id is valid only in its own proc, which is on a single bus. */
START_TEST(numbers_do_not_cross)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .handle = 1 };
	struct ipcbus_object o;
	struct pair pair;
	struct place p;
	uint64_t node;
	uint32_t handle;

	mount_bus(&p, NULL);
	pair_open(&pair, p.bus);
	for (int i = 0; i < 10; i++)
		node = raw_node(&oth, 0, 1);
	handle = give_handle(&cli, &oth, node);
	call.handle = handle;
	raw_fails(&pair.client, &call, -EBADF, IPCBUS_STAGE_TARGET, 0);
	o = object_handle(handle);
	call = (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL, .objects = PTR64(&o), .object_count = 1,
	};
	raw_fails(&pair.client, &call, -EBADF, IPCBUS_STAGE_OBJECT, 0);
	o = object_node(node);
	raw_fails(&pair.client, &call, -EBADF, IPCBUS_STAGE_OBJECT, 0);
	assert_result(raw_watch(&pair.client, handle, 1), -EBADF);
	assert_result(raw_destroy(&pair.client, node, 0), -ENOENT);
	assert_ok(raw_put(&cli, handle, 1));
	pair_close(&pair);
	umount_bus(&p);
}
END_TEST

/* The id of a call on a bus is invalid on another bus. */
START_TEST(calls_do_not_cross)
{
	struct ipcbus_send reply = { .kind = IPCBUS_SEND_REPLY };
	struct ipcbus_event ev;
	struct pair pair;
	struct place p;

	mount_bus(&p, NULL);
	pair_open(&pair, p.bus);
	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	reply.call = ev.call;
	raw_fails(&pair.server, &reply, -ESRCH, IPCBUS_STAGE_TARGET, 0);
	/* While this thread serves a call on a bus, it may call on another bus. */
	pair_talk(&pair);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	pair_close(&pair);
	umount_bus(&p);
}
END_TEST

START_TEST(fds_of_a_bus_do_not_travel)
{
	struct ipcbus_object o;
	struct ipcbus_send call = {
		.kind = IPCBUS_SEND_CALL, .objects = PTR64(&o), .object_count = 1,
	};
	struct pair pair;
	struct place p;

	mount_bus(&p, NULL);
	pair_open(&pair, p.bus);
	o = object_fd(pair.client.fd);
	raw_fails(&pair.client, &call, -ELOOP, IPCBUS_STAGE_OBJECT, 0);
	raw_fails(&cli, &call, -ELOOP, IPCBUS_STAGE_OBJECT, 0);
	o = object_fd(cli.fd);
	raw_fails(&pair.client, &call, -ELOOP, IPCBUS_STAGE_OBJECT, 0);
	pair_close(&pair);
	umount_bus(&p);
}
END_TEST

static bool *permitted;	/* whether the administrator permitted monitors */

static int try_claim_as(const struct raw *r, uid_t uid)
{
	uint64_t node = raw_node(r, 0, 1);
	int e, ret;

	ck_assert_int_eq(setresuid(-1, uid, -1), 0);
	e = raw_claim(r, node);
	ret = setresuid(-1, 0, -1);
	ck_assert_int_eq(ret, 0);
	assert_ok(raw_destroy(r, node, 0));
	return e;
}

/* By default the mounter may be manager on this bus. A remount may name another user. */
START_TEST(mount_names_the_manager)
{
	struct raw user;
	struct place p;

	mount_bus(&p, "mode=666");
	raw_open_at(&user, p.bus, 65536);
	assert_result(try_claim_as(&user, 1000), -EPERM);
	assert_ok(try_claim_as(&user, 0));
	assert_result(try_claim_as(&user, 1000), -EPERM);
	assert_ok(try_mount(&p, MS_REMOUNT, "manager_uid=1000"));
	assert_ok(try_claim_as(&user, 1000));
	assert_result(try_claim_as(&user, 1001), -EPERM);
	assert_ok(try_claim_as(&user, 0));
	assert_ok(try_mount(&p, MS_REMOUNT, "manager_uid=1001"));
	assert_result(try_claim_as(&user, 1000), -EPERM);
	assert_ok(try_claim_as(&user, 1001));
	raw_close(&user);
	umount_bus(&p);
}
END_TEST

/* Users 0 to 9 of the namespace are 1000 to 1009 outside. */
static int claim_in_a_namespace(struct peer *self, void *arg)
{
	const struct place *p = arg;
	struct raw r;

	if (!enter_namespace(self, CLONE_NEWNS))
		return 0;
	if (setresuid(0, 0, 0) < 0)
		return 98;
	assert_ok(try_mount(p, 0, "uid=5,manager_uid=5"));
	raw_open_at(&r, p->bus, 65536);
	assert_ok(try_claim_as(&r, 5));
	assert_result(try_claim_as(&r, 6), -EPERM);
	assert_ok(try_claim_as(&r, 5));
	assert_ok(try_claim_as(&r, 0));
	assert_result(try_mount(p, MS_REMOUNT, "uid=10"), -EINVAL);
	assert_result(try_mount(p, MS_REMOUNT, "manager_uid=10"), -EINVAL);
	raw_close(&r);
	return 0;
}

/* As root of a namespace with users 1000 to 1009. */
static void run_in_a_namespace(int (*fn)(struct peer *self, void *arg))
{
	struct peer peer;
	struct place p;

	place_make(&p);
	peer_start(&peer, fn, &p);
	if (!give_users(&peer, "0 1000 10", "0 1000 10"))
		case_skip("no user namespaces in this kernel");
	peer_end(&peer);
	place_remove(&p);
}

START_TEST(root_of_the_namespace_may_claim)
{
	dev_set_param("userns_mounts", 1);
	run_in_a_namespace(claim_in_a_namespace);
	dev_set_param("userns_mounts", 0);
}
END_TEST

static void be_root_there(struct peer *self)
{
	ck_assert_int_eq(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
	peer_notify(self, 1);
	peer_hear(self);
	ck_assert_int_eq(setresgid(0, 0, 0), 0);
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
}

static int mount_without_permission(struct peer *self, void *arg)
{
	be_root_there(self);
	assert_result(try_mount(arg, 0, NULL), -EPERM);
	return 0;
}

/* The limit is 64, and lower on a machine with little memory. */
static int mount_too_often(struct peer *self, void *arg)
{
	int mounts = 0;

	be_root_there(self);
	while (!try_mount(arg, 0, NULL) && mounts < 65)
		mounts++;
	ck_assert_int_ge(mounts, 4);
	ck_assert_int_le(mounts, 64);
	assert_result(try_mount(arg, 0, NULL), -EDQUOT);
	assert_ok(try_umount(arg, 0));
	assert_ok(try_mount(arg, 0, NULL));
	assert_result(try_mount(arg, 0, NULL), -EDQUOT);
	return 0;
}

static int try_to_monitor(struct peer *self, void *arg)
{
	struct ipcbus_monitor m = { .size = sizeof(m), .flags = IPCBUS_MONITOR_MESSAGES };
	const struct place *p = arg;
	struct raw r;

	be_root_there(self);
	assert_ok(try_mount(p, 0, NULL));
	raw_open_at(&r, p->bus, 65536);
	assert_result(dev_ioctl(r.fd, IPCBUS_IOC_MONITOR, &m), *permitted ? 0 : -EPERM);
	raw_close(&r);
	return 0;
}

/* Another user of the namespace, with an open file of the bus. */
static int be_another_user(struct peer *self, void *arg)
{
	const struct place *p = arg;
	struct raw r;

	ck_assert_int_eq(setresuid(5, 5, 5), 0);
	raw_open_at(&r, p->bus, 65536);
	peer_notify(self, 1);
	peer_hear(self);
	raw_close(&r);
	return 0;
}

static int try_to_freeze(struct peer *self, void *arg)
{
	const struct place *p = arg;
	struct ipcbus_freeze f;
	struct peer other;
	struct raw r;

	be_root_there(self);
	assert_ok(try_mount(p, 0, "mode=666"));
	raw_open_at(&r, p->bus, 65536);
	peer_start(&other, be_another_user, arg);
	peer_hear(&other);
	assert_result(raw_freeze(&r, 0, other.pid, 0, &f), *permitted ? 0 : -EPERM);
	peer_notify(&other, 1);
	peer_end(&other);
	raw_close(&r);
	return 0;
}

START_TEST(administrator_permits_mounts)
{
	run_in_a_namespace(mount_without_permission);
}
END_TEST

START_TEST(mounts_of_a_user_are_limited)
{
	dev_set_param("userns_mounts", 1);
	run_in_a_namespace(mount_too_often);
	dev_set_param("userns_mounts", 0);
}
END_TEST

static void try_both(int (*fn)(struct peer *self, void *arg))
{
	permitted = shared_memory(sizeof(*permitted));
	dev_set_param("userns_mounts", 1);
	run_in_a_namespace(fn);
	*permitted = true;
	dev_set_param("userns_control", 1);
	run_in_a_namespace(fn);
	dev_set_param("userns_control", 0);
	dev_set_param("userns_mounts", 0);
}

START_TEST(administrator_permits_monitors)
{
	try_both(try_to_monitor);
}
END_TEST

START_TEST(administrator_permits_freezing)
{
	try_both(try_to_freeze);
}
END_TEST

/* --- Options -------------------------------------------------------------- */

static const char *const bad_options[] = {
	"colour=red", "mode", "mode=", "mode=888", "mode=1777", "mode=-1", "uid=x", "uid=",
	"uid=4294967295", "manager_uid=4294967295", "manager_uid", "gid=4294967295", "uid=4294967296",
	"mode=600x", "mode=600,uid=x", "max_procs=1", "user_procs=1",
};

START_TEST(bad_options_are_refused)
{
	struct place p;

	place_make(&p);
	assert_result(try_mount(&p, 0, bad_options[_i]), -EINVAL);
	assert_ok(try_mount(&p, 0, "mode=600"));
	assert_result(try_mount(&p, MS_REMOUNT, bad_options[_i]), -EINVAL);
	umount_bus(&p);
}
END_TEST

/* At its limit, a proc can still use a new manager after the old manager died. */
START_TEST(handle_0_keeps_its_place)
{
	int before = dev_set_param("user_handles", 1);
	struct ipcbus_event ev;
	struct pair pair;
	struct place p;

	ck_assert_int_gt(before, 0);
	mount_bus(&p, NULL);
	pair_open(&pair, p.bus);
	pair_talk(&pair);
	assert_ok(raw_watch(&pair.client, 0, 1));
	for (int i = 0; i < 3; i++) {
		raw_close(&pair.server);
		raw_take(&pair.client, IPCBUS_EVENT_DEAD, &ev);
		raw_open_at(&pair.server, p.bus, 65536);
		assert_ok(raw_claim(&pair.server, raw_node(&pair.server, 0, SRV_COOKIE)));
		raw_round_trip(&pair.client, 0, &pair.server, "again", 5);
		assert_ok(raw_watch(&pair.client, 0, 1));
		ck_assert_int_eq(live("handles"), 1);
	}
	dev_set_param("user_handles", before);
	pair_close(&pair);
	umount_bus(&p);
}
END_TEST

/* Reads the mount's options from /proc/self/mounts. */
static void shown_options(const struct place *p, char *ret, size_t size)
{
	char line[512], dir[256];
	FILE *f = fopen("/proc/self/mounts", "re");

	ck_assert_ptr_nonnull(f);
	*ret = 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "none %255s ipcbus %511s", dir, line) == 2 &&
		    !strcmp(dir, p->dir))
			snprintf(ret, size, "%s", line);
	fclose(f);
}

START_TEST(options_are_shown)
{
	char text[512];
	struct stat st;
	struct place p;

	mount_bus(&p, "uid=1000,mode=640");
	shown_options(&p, text, sizeof(text));
	ck_assert_str_eq(text, "rw,relatime,mode=640,uid=1000,gid=0,manager_uid=0");
	assert_ok(try_mount(&p, MS_REMOUNT, "gid=900"));
	shown_options(&p, text, sizeof(text));
	ck_assert_str_eq(text, "rw,relatime,mode=640,uid=1000,gid=900,manager_uid=0");
	ck_assert_int_eq(stat(p.bus, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	ck_assert_uint_eq(st.st_uid, 1000);
	ck_assert_uint_eq(st.st_gid, 900);
	ck_assert_int_eq(chmod(p.bus, 0600), 0);
	ck_assert_int_eq(chown(p.bus, 1001, -1), 0);
	/* Remount tools repeat all options that are shown. */
	shown_options(&p, text, sizeof(text));
	ck_assert_str_eq(text, "rw,relatime,mode=600,uid=1001,gid=900,manager_uid=0");
	assert_ok(try_mount(&p, MS_REMOUNT, strstr(text, "mode")));
	umount_bus(&p);
}
END_TEST

START_TEST(mode_limits_open)
{
	struct place p;
	int fd;

	mount_bus(&p, "uid=1000,mode=600");
	ck_assert_int_eq(setresuid(-1, 1001, -1), 0);
	assert_result(dev_open_at(p.bus, O_RDWR), -EACCES);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	fd = dev_open_at(p.bus, O_RDWR);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	umount_bus(&p);
}
END_TEST

/* --- Files ---------------------------------------------------------------- */

START_TEST(procs_are_listed)
{
	static char text[65536];
	char want[64];
	struct pair pair;
	struct place p;

	mount_bus(&p, NULL);
	assert_ok(read_file(&p, "state", text, sizeof(text)));
	ck_assert_str_eq(text, "");
	pair_open(&pair, p.bus);
	pair_talk(&pair);
	assert_ok(read_file(&p, "state", text, sizeof(text)));
	snprintf(want, sizeof(want), "proc proc=1 pid=%d nodes=1 handles=0", getpid());
	ck_assert_ptr_nonnull(strstr(text, want));
	snprintf(want, sizeof(want), "proc proc=2 pid=%d nodes=0 handles=1", getpid());
	ck_assert_ptr_nonnull(strstr(text, want));
	ck_assert_ptr_nonnull(strstr(text, " size=65536 "));
	/* The default bus shows only its own procs. */
	assert_ok(dev_debug("state", text, sizeof(text)));
	ck_assert_ptr_null(strstr(text, " size=65536 "));
	pair_close(&pair);
	umount_bus(&p);
}
END_TEST

START_TEST(files_cannot_be_changed)
{
	struct place p;
	char path[128];
	struct stat st;
	struct statfs fs;
	int fd;

	mount_bus(&p, NULL);
	snprintf(path, sizeof(path), "%s/mine", p.dir);
	ck_assert_int_lt(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600), 0);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_lt(mkdir(path, 0700), 0);
	ck_assert_int_lt(mknod(path, S_IFCHR | 0600, 0x103), 0);
	ck_assert_int_lt(symlink("bus", path), 0);
	ck_assert_int_lt(link(p.bus, path), 0);
	ck_assert_int_lt(rename(p.bus, path), 0);
	ck_assert_int_lt(unlink(p.bus), 0);
	ck_assert_int_eq(errno, EPERM);
	/* The file has no size, and truncating it has no effect. */
	ck_assert_int_eq(truncate(p.bus, 12345), 0);
	fd = open(p.bus, O_RDWR | O_TRUNC | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_lt(ftruncate(fd, 1 << 20), 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(st.st_blksize, getpagesize());
	ck_assert_int_lt(fallocate(fd, 0, 0, 4096), 0);
	ck_assert_int_lt(read(fd, path, 1), 0);
	ck_assert_int_lt(write(fd, path, 1), 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/state", p.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0400);
	ck_assert_int_eq(statfs(p.dir, &fs), 0);
	ck_assert_uint_eq(fs.f_type, IPCBUS_SUPER_MAGIC);
	ck_assert_int_lt(execl(p.bus, p.bus, NULL), 0);
	ck_assert_int_eq(errno, EACCES);
	umount_bus(&p);
}
END_TEST

START_TEST(region_survives_truncation)
{
	struct ipcbus_event ev;
	struct pair pair;
	struct place p;

	mount_bus(&p, NULL);
	pair_open(&pair, p.bus);
	raw_call(&pair.client, 0, 1, "abc", 3);
	raw_take(&pair.server, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&pair.server, &ev, "abc", 3);
	ck_assert_int_eq(truncate(p.bus, 0), 0);
	raw_holds(&pair.server, &ev, "abc", 3);
	pair_close(&pair);
	umount_bus(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mount");
	TCase *tc = add_case(s, "each its own", setup_bus);

	if (geteuid()) {
		fprintf(stderr, "mounting needs root\n");
		return 77;
	}
	tcase_add_test(tc, mount_is_a_bus_of_its_own);
	tcase_add_test(tc, two_mounts_are_two_buses);
	tcase_add_test(tc, numbers_do_not_cross);
	tcase_add_test(tc, calls_do_not_cross);
	tcase_add_test(tc, fds_of_a_bus_do_not_travel);
	tcase_add_test(tc, mount_names_the_manager);
	tcase_add_test(tc, root_of_the_namespace_may_claim);
	tcase_add_test(tc, administrator_permits_mounts);
	tcase_add_test(tc, mounts_of_a_user_are_limited);
	tcase_add_test(tc, administrator_permits_monitors);
	tcase_add_test(tc, administrator_permits_freezing);

	tc = add_case(s, "options", setup_bus);
	tcase_add_loop_test(tc, bad_options_are_refused, 0, ARRAY_SIZE(bad_options));
	tcase_add_test(tc, handle_0_keeps_its_place);
	tcase_add_test(tc, options_are_shown);
	tcase_add_test(tc, mode_limits_open);

	tc = add_case(s, "files", setup_bus);
	tcase_add_test(tc, procs_are_listed);
	tcase_add_test(tc, files_cannot_be_changed);
	tcase_add_test(tc, region_survives_truncation);
	return suite_main(s);
}
