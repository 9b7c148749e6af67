// SPDX-License-Identifier: MIT
/*
 * A region is charged to the memory cgroup of its owner, regardless of the sender. Also the
 * effects of that group's limit. Needs cgroup v2 and root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

#define ROOT "/tmp/cgroup"
#define PART (64 * 1024)
#define MIB (1 << 20)
#define LARGE_REGION (64 * MIB)

static void path_of(char *path, const char *group, const char *name)
{
	snprintf(path, 128, ROOT "/%s%s%s", group, *group ? "/" : "", name);
}

static int write_group(const char *group, const char *name, const char *text)
{
	char path[128];

	path_of(path, group, name);
	return write_file(path, text);
}

/* Reads the number in the file, or the number behind @word if that is not NULL. */
static long read_number(const char *group, const char *name, const char *word)
{
	char path[128], text[1024] = "";
	const char *at;
	ssize_t n;
	int fd;

	path_of(path, group, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	ck_assert_int_gt(n, 0);
	at = word ? strstr(text, word) : text;
	ck_assert_ptr_nonnull(at);
	return strtol(at + (word ? strlen(word) : 0), NULL, 10);
}

static long used_by(const char *group)
{
	return read_number(group, "memory.current", NULL);
}

static void group_new(const char *group, const char *max)
{
	char path[128];

	path_of(path, group, "");
	ck_assert(!mkdir(path, 0755) || errno == EEXIST);
	assert_ok(write_group(group, "memory.max", max));
}

static void group_done(const char *group)
{
	char path[128];

	path_of(path, group, "");
	/* The group's last process may still be exiting. */
	for (uint64_t end = now_ms() + 2000; rmdir(path) && now_ms() < end;)
		usleep(1000);
}

static void enter(const char *group)
{
	assert_ok(write_group(group, "cgroup.procs", "0"));
}

/* A server in the group "receiver" that releases and replies to each call. */
static int serve_in_group(struct peer *self, void *arg)
{
	struct raw me;
	uint64_t node;

	enter("receiver");
	raw_open(&me, *(size_t *)arg);
	node = raw_node(&me, 0, 1);
	assert_ok(raw_claim(&me, node));
	peer_notify(self, 0);
	for (;;) {
		struct ipcbus_event ev;

		raw_wait(&me, IPCBUS_EVENT_CALL, &ev);
		/* In this order: a client that has the reply relies on the space. */
		raw_release(&me, &ev);
		raw_reply(&me, ev.call, NULL, 0);
		if (ev.code == QUIT)
			break;
	}
	raw_close(&me);
	return 0;
}

/* Sends a call of @size bytes, all parts of which point to a few bytes. */
static int send_large(const struct raw *r, size_t size)
{
	static uint8_t part[PART];
	static struct ipcbus_iovec parts[IPCBUS_MAX_IOV];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_IOV, .data = PTR64(parts),
		.data_size = size, .iov_count = size / PART,
	};
	struct ipcbus_event ev;
	int e;

	memset(part, 7, sizeof(part));
	for (size_t i = 0; i < size / PART; i++)
		parts[i] = (struct ipcbus_iovec){ PTR64(part), PART };
	e = raw_send(r, &send, &ev);
	if (e)
		ck_assert_uint_eq(ev.stage, IPCBUS_STAGE_BUFFER);
	else
		raw_wait(r, IPCBUS_EVENT_REPLY, &ev);
	return e;
}

static size_t region_size = LARGE_REGION;

static void begin(struct peer *server, const char *receiver, const char *sender)
{
	group_new("receiver", receiver);
	group_new("sender", sender);
	peer_start(server, serve_in_group, &region_size);
	peer_hear(server);
	enter("sender");
	raw_open(&cli, REGION);
}

static void end(struct peer *server)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, QUIT, NULL, 0);
	raw_wait(&cli, IPCBUS_EVENT_REPLY, &ev);
	peer_end(server);
	raw_close(&cli);
	ck_assert_int_eq(read_number("receiver", "memory.events", "oom_kill "), 0);
	ck_assert_int_eq(read_number("sender", "memory.events", "oom_kill "), 0);
	assert_ok(write_group("", "cgroup.procs", "0"));
	group_done("receiver");
	group_done("sender");
}

START_TEST(owner_pays)
{
	long receiver, sender;
	struct peer server;

	begin(&server, "max", "max");
	assert_ok(send_large(&cli, PART));
	receiver = used_by("receiver");
	sender = used_by("sender");
	assert_ok(send_large(&cli, 32 * MIB));
	ck_assert_int_ge(used_by("receiver") - receiver, 31 * MIB);
	ck_assert_int_lt(used_by("sender") - sender, MIB);
	/* Reclaim credits the owner's group too. */
	assert_ok(dev_reclaim());
	ck_assert_int_lt(used_by("receiver") - receiver, MIB);
	end(&server);
}
END_TEST

START_TEST(small_sender_sends_large_messages)
{
	struct peer server;

	begin(&server, "max", "8M");
	assert_ok(send_large(&cli, 48 * MIB));
	assert_ok(send_large(&cli, 48 * MIB));
	end(&server);
}
END_TEST

/* The sender gets an error, no process is killed, and messages that fit still succeed. */
START_TEST(small_receiver_is_left_alone)
{
	struct peer server;

	begin(&server, "8M", "max");
	for (int i = 0; i < 3; i++) {
		assert_result(send_large(&cli, 48 * MIB), -ENOMEM);
		assert_ok(send_large(&cli, MIB));
	}
	end(&server);
}
END_TEST

/* Idle pages of the region suffice for the next message, at any offset. */
START_TEST(idle_pages_make_space)
{
	struct peer server;

	begin(&server, "8M", "max");
	for (int i = 1; i < 40; i++)
		assert_ok(send_large(&cli, (i % 5 + 1) * MIB));
	end(&server);
}
END_TEST

static bool have_groups(void)
{
	if (mkdir(ROOT, 0755) && errno != EEXIST)
		return false;
	if (mount("none", ROOT, "cgroup2", 0, NULL) && errno != EBUSY)
		return false;
	return !write_group("", "cgroup.subtree_control", "+memory");
}

int main(void)
{
	Suite *s = suite_create("memcg");
	TCase *tc;
	int failed;

	if (geteuid() || !have_groups()) {
		fprintf(stderr, "no memory cgroups, no tests run\n");
		return 77;
	}
	tc = add_case(s, "groups", setup_bare);
	tcase_add_test(tc, owner_pays);
	tcase_add_test(tc, small_sender_sends_large_messages);
	tcase_add_test(tc, small_receiver_is_left_alone);
	tcase_add_test(tc, idle_pages_make_space);
	failed = suite_main(s);
	umount(ROOT);
	return failed;
}
