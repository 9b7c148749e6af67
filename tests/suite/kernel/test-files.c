// SPDX-License-Identifier: MIT
/*
 * The debugfs files of a bus (docs/tracing.md): their lines match the objects of this test,
 * and contain no kernel addresses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"

static char text[1 << 20];

static void read_file(const char *name)
{
	assert_ok(dev_debug(name, text, sizeof(text)));
	ck_assert_msg(!strstr(text, "0xffff"), "a kernel pointer");
}

/* Returns the first line from *at that begins with @kind and contains @words, or NULL. */
static const char *find_line(const char *at, const char *kind, const char *words)
{
	static char line[512];
	char *word, *rest, copy[256], look[64];
	bool all;

	for (; *at; at = strchrnul(at, '\n'), at += *at == '\n') {
		snprintf(line, sizeof(line), "%.*s ", (int)strcspn(at, "\n"), at);
		if (strncmp(line, kind, strlen(kind)) || line[strlen(kind)] != ' ')
			continue;
		snprintf(copy, sizeof(copy), "%s", words);
		all = true;
		for (rest = copy; (word = strsep(&rest, " "));) {
			snprintf(look, sizeof(look), " %s ", word);
			all &= !*word || strstr(line, look);
		}
		if (all)
			return line;
	}
	return NULL;
}

static int count_lines(const char *kind)
{
	int n = 0;

	for (const char *at = text; *at; at = strchrnul(at, '\n'), at += *at == '\n')
		n += !strncmp(at, kind, strlen(kind)) && at[strlen(kind)] == ' ';
	return n;
}

/* must: there is such a line */
__attribute__((format(printf, 2, 3))) static const char *line(const char *kind, const char *words,
							      ...)
{
	const char *found;
	char all[256];
	va_list args;

	va_start(args, words);
	vsnprintf(all, sizeof(all), words, args);
	va_end(args);
	found = find_line(text, kind, all);
	if (!found)
		fputs(text, stderr);
	ck_assert_msg(found, "no %s with %s", kind, all);
	return found;
}

static uint64_t number(const char *of, const char *name)
{
	char look[64];
	const char *at;

	snprintf(look, sizeof(look), " %s=", name);
	at = strstr(of, look);
	ck_assert_msg(at, "no %s in %s", name, of);
	return strtoull(at + strlen(look), NULL, 0);
}

/* The ids of srv, cli and oth: they were opened last, in this order. */
static uint64_t last_proc(int before_it)
{
	uint64_t numbers[64];
	int n = 0;

	for (const char *at = text; *at; at = strchrnul(at, '\n'), at += *at == '\n')
		if (!strncmp(at, "proc ", 5) && n < 64)
			numbers[n++] = number(at, "proc");
	ck_assert_int_gt(n, before_it);
	return numbers[n - 1 - before_it];
}

#define SRV last_proc(2)
#define CLI last_proc(1)

static long self(void)
{
	return syscall(SYS_gettid);
}

START_TEST(procs)
{
	struct ipcbus_freeze f;
	const char *l;

	raw_none(&srv);
	read_file("state");
	l = line("proc", "proc=%" PRIu64 " pid=%d", SRV, getpid());
	ck_assert_uint_eq(number(l, "nodes"), 1);
	ck_assert_uint_eq(number(l, "queued"), 0);
	ck_assert_uint_eq(number(l, "frozen"), 0);
	line("thread", "proc=%" PRIu64 " tid=%ld state=away call=0", SRV, self());
	line("region", "proc=%" PRIu64 " size=%u used=0 buffers=0 oneways=0 held=0", SRV, REGION);
	line("node", "proc=%" PRIu64 " node=%" PRIu64 " pending=0 busy=0 queued=0", SRV, srv_node);
	assert_ok(raw_freeze(&cli, 0, getpid(), 0, &f));
	read_file("state");
	ck_assert_uint_eq(number(line("proc", "proc=%" PRIu64, SRV), "frozen"), 1);
	assert_ok(raw_freeze(&cli, IPCBUS_FREEZE_THAW, getpid(), 0, &f));
}
END_TEST

START_TEST(handles)
{
	uint64_t node = raw_node(&oth, 0, 7);
	uint32_t handle = give_handle(&cli, &oth, node);
	const char *l;

	assert_ok(raw_watch(&cli, handle, 1));
	read_file("state");
	l = line("handle", "proc=%" PRIu64 " handle=%u node=%" PRIu64, CLI, handle, node);
	ck_assert_uint_eq(number(l, "count"), 1);
	ck_assert_uint_eq(number(l, "watched"), 1);
	ck_assert_uint_eq(number(l, "dead"), 0);
	ck_assert_uint_eq(number(l, "pid"), getpid());
	ck_assert_uint_eq(number(l, "owner"), last_proc(0));
	l = line("node", "proc=%" PRIu64 " node=%" PRIu64, last_proc(0), node);
	ck_assert_uint_eq(number(l, "refs"), 1);
	assert_ok(raw_destroy(&oth, node, 0));
	read_file("state");
	l = line("handle", "proc=%" PRIu64 " handle=%u", CLI, handle);
	ck_assert_uint_eq(number(l, "dead"), 1);
	ck_assert_ptr_null(find_line(text, "handle", "handle=12345"));
}
END_TEST

#define MANY 200

/* Checks that there is a line of this kind for each of the numbers, in this order. */
static void in_order(const char *kind, const char *key, const uint64_t *numbers)
{
	int n = 0;

	for (const char *at = text; *at; at = strchrnul(at, '\n'), at += *at == '\n')
		if (n < MANY && !strncmp(at, kind, strlen(kind)) && at[strlen(kind)] == ' ' &&
		    number(at, key) == numbers[n])
			n++;
	ck_assert_int_eq(n, MANY);
}

/* More objects than the driver prints in a single step. */
START_TEST(many)
{
	uint64_t nodes[MANY], handles[MANY];
	int before, handles_before;

	read_file("state");
	before = count_lines("node");
	handles_before = count_lines("handle");
	for (int i = 0; i < MANY; i++) {
		nodes[i] = raw_node(&cli, 0, i);
		handles[i] = give_handle(&srv, &cli, nodes[i]);
	}
	read_file("state");
	ck_assert_int_eq(count_lines("node"), before + MANY);
	/* The other handle is handle 0 of cli, used here for the first time. */
	ck_assert_int_eq(count_lines("handle"), handles_before + MANY + 1);
	in_order("node", "node", nodes);
	in_order("handle", "handle", handles);
	for (int i = 0; i < MANY; i++) {
		assert_ok(raw_put(&srv, handles[i], 1));
		assert_ok(raw_destroy(&cli, nodes[i], 0));
	}
}
END_TEST

/* The same for calls. */
START_TEST(many_open_calls)
{
	struct ipcbus_send call = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .code = 1000
	};
	struct ipcbus_event ev[MANY];

	for (int i = 0; i < MANY; i++, call.code++, call.cookie++) {
		assert_ok(raw_send(&cli, &call, NULL));
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev[i]);
	}
	read_file("transactions");
	ck_assert_int_eq(count_lines("message"), MANY);
	for (call.code = 1000; call.code < 1000 + MANY; call.code++)
		line("message", "kind=call state=served code=%u", call.code);
	ck_assert_int_eq(count_lines("more"), 0);
	for (int i = 0; i < MANY; i++) {
		raw_reply(&srv, ev[i].call, NULL, 0);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &ev[i]);
	}
}
END_TEST

/* Reads the rest of a file, 7 bytes at a time. */
static void read_rest(int fd, size_t have)
{
	ssize_t n;

	while ((n = read(fd, text + have, 7)) > 0)
		have += n;
	ck_assert_int_eq(n, 0);
	text[have] = 0;
}

/* While a slow reader reads, procs are opened and closed. */
START_TEST(procs_end_during_a_read)
{
	int fd = open(DEBUGFS "/state", O_RDONLY | O_CLOEXEC);
	struct raw others[8];
	uint64_t last;
	int lines;

	ck_assert_int_ge(fd, 0);
	for (int i = 0; i < 8; i++) {
		raw_open(&others[i], REGION);
		raw_node(&others[i], 0, i);
	}
	ck_assert_int_eq(read(fd, text, 1), 1);
	for (int i = 0; i < 8; i++)
		raw_close(&others[i]);
	read_rest(fd, 1);
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	ck_assert_int_eq(strncmp(text, "proc ", 5), 0);

	/* After a seek to the beginning, the whole file can be read. */
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	read_rest(fd, 0);
	lines = count_lines("proc");
	last = last_proc(0);
	close(fd);
	read_file("state");
	ck_assert_int_eq(count_lines("proc"), lines);
	ck_assert_uint_eq(last_proc(0), last);
}
END_TEST

START_TEST(buffers)
{
	struct ipcbus_event call, oneway;
	const char *l;

	raw_oneway(&cli, 0, 1, text, 1000);
	raw_call(&cli, 0, 2, text, 100);
	read_file("state");
	l = line("region", "proc=%" PRIu64, SRV);
	ck_assert_uint_eq(number(l, "buffers"), 2);
	ck_assert_uint_eq(number(l, "used"), 1024 + 128);
	ck_assert_uint_eq(number(l, "oneways"), 1);
	ck_assert_uint_eq(number(l, "oneway_used"), 1024);
	ck_assert_uint_eq(number(l, "held"), 0);
	ck_assert_uint_eq(number(l, "quick"), 0);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &oneway);
	raw_take(&srv, IPCBUS_EVENT_CALL, &call);
	read_file("state");
	l = line("region", "proc=%" PRIu64, SRV);
	ck_assert_uint_eq(number(l, "held"), 2);
	ck_assert_uint_ne(number(l, "oldest"), 0);
	ck_assert_uint_eq(number(l, "oldest_from"), CLI);
	raw_release(&srv, &oneway);
	read_file("state");
	l = line("region", "proc=%" PRIu64, SRV);
	ck_assert_uint_eq(number(l, "held"), 1);
	ck_assert_uint_eq(number(l, "quick"), 1); /* kept whole for the next message of that size */
	ck_assert_uint_eq(number(l, "oldest"), call.buffer);
	raw_release(&srv, &call);
	raw_reply(&srv, call.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &call);
}
END_TEST

/* A oneway that is not released delays the oneways behind it, and the file shows that. */
START_TEST(stalled_node)
{
	struct ipcbus_event ev;
	const char *l;

	for (int i = 0; i < 3; i++)
		raw_oneway(&cli, 0, i, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	usleep(50000);
	read_file("state");
	l = line("node", "proc=%" PRIu64 " node=%" PRIu64, SRV, srv_node);
	ck_assert_uint_eq(number(l, "busy"), 1);
	ck_assert_uint_ge(number(l, "busy_ms"), 40);
	ck_assert_uint_eq(number(l, "queued"), 2);
	ck_assert_uint_ge(number(l, "oldest_ms"), 40);
	ck_assert_uint_eq(number(l, "pending"), 3);
}
END_TEST

START_TEST(waiting_work)
{
	struct ipcbus_event ev;
	const char *l;
	uint64_t id;

	raw_call(&cli, 0, 1, NULL, 0);
	usleep(50000);
	read_file("state");
	l = line("proc", "proc=%" PRIu64, SRV);
	ck_assert_uint_eq(number(l, "queued"), 1);
	ck_assert_uint_ge(number(l, "oldest_ms"), 40);
	l = line("thread", "proc=%" PRIu64 " tid=%ld state=calling", CLI, self());
	ck_assert_uint_ge(number(l, "ms"), 40);
	id = number(l, "call");
	ck_assert_uint_ne(id, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	read_file("state");
	line("proc", "proc=%" PRIu64 " queued=0 oldest_ms=0", SRV);
	line("thread", "proc=%" PRIu64 " tid=%ld state=serving call=%" PRIu64, SRV, self(), id);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

static void *serve(void *arg)
{
	serve_echo(arg);
	return NULL;
}

START_TEST(idle_thread)
{
	struct ipcbus_event ev;
	struct helper h;

	helper_start(&h, serve, &srv);
	wait_asleep(h.tid);
	usleep(20000);
	read_file("state");
	ck_assert_uint_ge(number(line("thread", "proc=%" PRIu64 " tid=%d state=idle call=0", SRV,
				      h.tid), "ms"), 10);
	raw_call_wait(&cli, 0, QUIT, NULL, 0, &ev);
	helper_end(&h);
}
END_TEST

START_TEST(transactions)
{
	struct ipcbus_event outer, ev;
	uint32_t handle = give_handle(&srv, &oth, raw_node(&oth, 0, 7));
	const char *l;
	char who[64];
	uint64_t id;

	snprintf(who, sizeof(who), "%d:%ld", getpid(), self());
	raw_call(&cli, 0, 100, NULL, 0);
	read_file("transactions");
	l = line("message", "kind=call state=queued from=%s to=%d:0 node=%" PRIu64
		 " code=100 parent=0", who, getpid(), srv_node);
	id = number(l, "id");
	raw_take(&srv, IPCBUS_EVENT_CALL, &outer);
	raw_call(&srv, handle, 101, NULL, 0);
	raw_oneway(&cli, 0, 7, NULL, 0);
	raw_oneway(&cli, 0, 8, NULL, 0);
	usleep(50000);
	read_file("transactions");
	l = line("message", "id=%" PRIu64 " state=served from=%s to=%s code=100", id, who, who);
	ck_assert_uint_ge(number(l, "ms"), 40);
	line("message", "kind=call state=queued code=101 parent=%" PRIu64, id);
	line("message", "kind=oneway state=queued from=%s code=7", who);
	line("message", "kind=oneway state=queued from=%s code=8", who);
	ck_assert_int_eq(count_lines("message"), 4);

	raw_take(&oth, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&oth, ev.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&srv, outer.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	assert_ok(raw_put(&srv, handle, 1));
}
END_TEST

/* A queue is printed only as far as a single step allows. */
START_TEST(long_queue)
{
	for (int i = 0; i < 300; i++)
		raw_oneway(&cli, 0, i, NULL, 0);
	read_file("transactions");
	ck_assert_int_ge(count_lines("message"), 60);
	ck_assert_int_lt(count_lines("message"), 300);
	ck_assert_int_eq(count_lines("more"), 1);
	read_file("state");
	ck_assert_uint_ge(number(line("node", "proc=%" PRIu64 " busy=1", SRV), "queued"), 60);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("files");
	TCase *tc = add_case(suite, "files", setup_bus);

	tcase_add_test(tc, procs);
	tcase_add_test(tc, handles);
	tcase_add_test(tc, many);
	tcase_add_test(tc, many_open_calls);
	tcase_add_test(tc, procs_end_during_a_read);
	tcase_add_test(tc, buffers);
	tcase_add_test(tc, stalled_node);
	tcase_add_test(tc, waiting_work);
	tcase_add_test(tc, idle_thread);
	tcase_add_test(tc, transactions);
	tcase_add_test(tc, long_queue);
	return suite_main(suite);
}
