// SPDX-License-Identifier: MIT
/*
 * Tracepoints match docs/tracing.md: each stage of a message once, in order, joined by ids;
 * failures with errno and stage; no kernel pointers.
 *
 * Each case has its own instance of tracefs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"

#define TRACEFS "/sys/kernel/tracing"
#define INSTANCE TRACEFS "/instances/ipcbus-test"

static char trace[1 << 20];

static bool have_tracefs(void)
{
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	return !access(TRACEFS "/events/ipcbus", F_OK) && !access(TRACEFS "/instances", F_OK);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %m", path);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void setup_trace(void)
{
	setup_bus();
	rmdir(INSTANCE);
	ck_assert_msg(!mkdir(INSTANCE, 0700) || errno == EEXIST, "%m");
	put(INSTANCE "/events/ipcbus/enable", "1");
}

/* Stops tracing and reads all lines into trace[], without the header. */
static void take_trace(void)
{
	put(INSTANCE "/events/ipcbus/enable", "0");
	ck_assert_int_eq(dev_read_text(INSTANCE "/trace", trace, sizeof(trace)), 0);
	ck_assert_int_eq(rmdir(INSTANCE), 0);
	ck_assert_msg(!strstr(trace, "0xffff"), "a kernel pointer:\n%s", trace);
}

/* Returns the @nth line of this event, starting at its fields, or NULL. */
static const char *event(const char *name, int n)
{
	const char *at = trace;
	char text[64];

	snprintf(text, sizeof(text), ": %s: ", name);
	while ((at = strstr(at, text))) {
		at += strlen(text);
		if (!n--)
			return at;
	}
	return NULL;
}

/* must: returns the text of a line's field. */
static const char *field(const char *line, const char *name)
{
	static char value[64];
	size_t size = strlen(name);
	const char *at = line, *end;

	ck_assert_msg(line, "no line with %s in:\n%s", name, trace);
	for (end = strchrnul(line, '\n'); at < end; at = strpbrk(at, " \n") + 1)
		if (!strncmp(at, name, size) && at[size] == '=')
			break;
	ck_assert_msg(at < end, "no %s in %.*s", name, (int)(end - line), line);
	at += size + 1;
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, " \n"), at);
	return value;
}

static uint64_t number(const char *line, const char *name)
{
	return strtoull(field(line, name), NULL, 0);
}

static int count(const char *name)
{
	int n = 0;

	while (event(name, n))
		n++;
	return n;
}

/* "PID:TID" of this thread, which plays all sides. */
static const char *self(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "%d:%ld", getpid(), syscall(SYS_gettid));
	return text;
}

START_TEST(call_and_reply)
{
	struct ipcbus_event call, reply;
	const char *line;
	uint64_t id;

	raw_call(&cli, 0, 17, "hello", 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &call);
	raw_release(&srv, &call);
	raw_reply(&srv, call.call, "fine!!", 6);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &reply);
	raw_release(&cli, &reply);
	take_trace();

	line = event("ipcbus_send", 0);
	id = number(line, "id");
	ck_assert_uint_ne(id, 0);
	ck_assert_str_eq(field(line, "kind"), "call");
	ck_assert_str_eq(field(line, "from"), self());
	ck_assert_int_eq(number(line, "to"), getpid());
	ck_assert_uint_eq(number(line, "node"), srv_node);
	ck_assert_uint_eq(number(line, "code"), 17);
	ck_assert_uint_eq(number(line, "size"), 5);
	ck_assert_uint_eq(number(line, "objects"), 0);
	ck_assert_uint_eq(number(line, "parent"), 0);

	line = event("ipcbus_deliver", 0);
	ck_assert_uint_eq(number(line, "id"), id);
	ck_assert_str_eq(field(line, "kind"), "call");
	ck_assert_str_eq(field(line, "to"), self());
	ck_assert_uint_eq(number(line, "buffer"), call.buffer);
	ck_assert_uint_eq(number(line, "size"), 5);

	ck_assert_uint_eq(number(event("ipcbus_release", 0), "buffer"), call.buffer);
	ck_assert_str_eq(field(event("ipcbus_release", 0), "by"), self());

	line = event("ipcbus_reply", 0);
	ck_assert_uint_eq(number(line, "id"), id);
	ck_assert_str_eq(field(line, "kind"), "reply");
	ck_assert_str_eq(field(line, "error"), "0");
	ck_assert_uint_eq(number(line, "size"), 6);

	line = event("ipcbus_result", 0);
	ck_assert_uint_eq(number(line, "id"), id);
	ck_assert_str_eq(field(line, "kind"), "reply");
	ck_assert_uint_eq(number(line, "buffer"), reply.buffer);
	ck_assert_uint_eq(number(event("ipcbus_release", 1), "buffer"), reply.buffer);

	ck_assert_int_eq(count("ipcbus_send"), 1);
	ck_assert_int_eq(count("ipcbus_deliver"), 1);
	ck_assert_int_eq(count("ipcbus_reply"), 1);
	ck_assert_int_eq(count("ipcbus_result"), 1);
	ck_assert_int_eq(count("ipcbus_release"), 2);
	ck_assert_int_eq(count("ipcbus_fail"), 0);
}
END_TEST

START_TEST(error_reply)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_error(&srv, ev.call, ENOTDIR, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_ERROR, &ev);
	take_trace();
	ck_assert_str_eq(field(event("ipcbus_reply", 0), "kind"), "error");
	ck_assert_str_eq(field(event("ipcbus_reply", 0), "error"), "-20");
	ck_assert_str_eq(field(event("ipcbus_result", 0), "kind"), "error");
	ck_assert_str_eq(field(event("ipcbus_result", 0), "error"), "-20");
}
END_TEST

START_TEST(oneway)
{
	struct ipcbus_event ev;

	raw_oneway(&cli, 0, 3, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	take_trace();
	ck_assert_str_eq(field(event("ipcbus_send", 0), "kind"), "oneway");
	ck_assert_str_eq(field(event("ipcbus_deliver", 0), "kind"), "oneway");
	ck_assert_uint_eq(number(event("ipcbus_send", 0), "id"),
			  number(event("ipcbus_deliver", 0), "id"));
	ck_assert_uint_eq(number(event("ipcbus_release", 0), "buffer"), ev.buffer);
}
END_TEST

/* A call made while serving another names that call as its parent. */
START_TEST(nested)
{
	struct ipcbus_event outer, inner, ev;
	uint32_t handle = give_handle(&srv, &oth, raw_node(&oth, 0, 7));
	int first = 0, outermost = 0;

	raw_call(&cli, 0, 100, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &outer);
	raw_call(&srv, handle, 101, NULL, 0);
	raw_take(&oth, IPCBUS_EVENT_CALL, &inner);
	raw_reply(&oth, inner.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_reply(&srv, outer.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	take_trace();
	/* Skips the messages of give_handle(). */
	while (number(event("ipcbus_send", first), "code") != 101)
		first++;
	while (number(event("ipcbus_send", outermost), "code") != 100)
		outermost++;
	ck_assert_uint_eq(number(event("ipcbus_send", first), "parent"),
			  number(event("ipcbus_send", outermost), "id"));
	ck_assert_int_eq(raw_put(&srv, handle, 1), 0);
}
END_TEST

START_TEST(failures)
{
	struct ipcbus_send nowhere = { .kind = IPCBUS_SEND_CALL, .handle = 99, .code = 5 };
	struct ipcbus_send bad = { .kind = IPCBUS_SEND_CALL, .code = 6, .data = 8, .data_size = 9 };
	struct ipcbus_send no_call = { .kind = IPCBUS_SEND_REPLY, .call = 1 };

	raw_fails(&cli, &nowhere, -EBADF, IPCBUS_STAGE_TARGET, 0);
	raw_fails(&cli, &bad, -EFAULT, IPCBUS_STAGE_COPY, 0);
	raw_fails(&srv, &no_call, -ESRCH, IPCBUS_STAGE_TARGET, 0);
	assert_result(raw_free(&cli, 77), -ENOENT);
	raw_call(&cli, 0, 8, NULL, 0);
	raw_close(&srv);
	raw_failed(&cli, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	take_trace();

	ck_assert_int_eq(count("ipcbus_fail"), 5);
	ck_assert_str_eq(field(event("ipcbus_fail", 0), "error"), "-9");
	ck_assert_str_eq(field(event("ipcbus_fail", 0), "stage"), "target");
	ck_assert_uint_eq(number(event("ipcbus_fail", 0), "id"), 0);
	ck_assert_uint_eq(number(event("ipcbus_fail", 0), "code"), 5);
	ck_assert_str_eq(field(event("ipcbus_fail", 0), "from"), self());
	ck_assert_str_eq(field(event("ipcbus_fail", 1), "error"), "-14");
	ck_assert_str_eq(field(event("ipcbus_fail", 1), "stage"), "copy");
	ck_assert_uint_ne(number(event("ipcbus_fail", 1), "id"), 0);
	ck_assert_uint_eq(number(event("ipcbus_fail", 1), "size"), 9);
	ck_assert_int_eq(number(event("ipcbus_fail", 1), "to"), getpid());
	ck_assert_str_eq(field(event("ipcbus_fail", 2), "error"), "-3");
	ck_assert_str_eq(field(event("ipcbus_fail", 3), "stage"), "release");
	ck_assert_str_eq(field(event("ipcbus_fail", 4), "stage"), "queue");
	ck_assert_uint_eq(number(event("ipcbus_fail", 4), "id"),
			  number(event("ipcbus_send", 0), "id"));
	ck_assert_str_eq(field(event("ipcbus_fail", 4), "from"), self());
	ck_assert_str_eq(field(event("ipcbus_result", 0), "kind"), "failure");
}
END_TEST

/* A oneway has no waiting thread, so only its sender's process is known. */
START_TEST(lost_oneway)
{
	char process[32];

	snprintf(process, sizeof(process), "%d:0", getpid());
	raw_oneway(&cli, 0, 3, "x", 1);
	raw_close(&srv);
	take_trace();
	ck_assert_int_eq(count("ipcbus_fail"), 1);
	ck_assert_str_eq(field(event("ipcbus_fail", 0), "from"), process);
	ck_assert_uint_eq(number(event("ipcbus_fail", 0), "size"), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace");
	TCase *tc;

	if (!have_tracefs()) {
		puts("no tracefs, or no tracepoints in this kernel");
		return 77;
	}
	tc = add_case(suite, "stages", setup_trace);
	tcase_add_test(tc, call_and_reply);
	tcase_add_test(tc, error_reply);
	tcase_add_test(tc, oneway);
	tcase_add_test(tc, nested);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, lost_oneway);
	return suite_main(suite);
}
