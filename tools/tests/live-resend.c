// SPDX-License-Identifier: MIT
/*
 * ipcctl monitor --resend: in the guest, with the servicemanager up and the story
 * server, some of whose replies depend on nothing (Say), some on which process it is
 * (Meet), and to which objects and oneways are sent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "live.h"

#define FILE_NAME "/tmp/resend.json"
#define CALL	  "ipcctl call demo.story "

static pid_t story;

static void begin(void)
{
	story = live_start("/t/examples/story/server", NULL);
	ck_assert_int_eq(live_run("wait --timeout 60 demo.story")->status, 0);
}

static void end(void)
{
	kill(story, SIGKILL);
	waitpid(story, NULL, 0);
	unlink(FILE_NAME);
}

static void restart(void)
{
	kill(story, SIGKILL);
	waitpid(story, NULL, 0);
	for (int i = 0; i < 100 && *live_run("list --names demo.story")->out; i++)
		usleep(20000);
	begin();
}

/* Records what is done in a shell in the meantime, over and over. */
static void record(const char *options, const char *commands)
{
	char line[512];
	pid_t caller;

	snprintf(line, sizeof(line), "while :; do %s; done >/dev/null 2>&1", commands);
	caller = live_start("/bin/sh", "-c", line, NULL);
	ck_assert_int_eq(live_run("monitor --write " FILE_NAME " %s", options)->status, 0);
	kill(caller, SIGKILL);
	waitpid(caller, NULL, 0);
	/* What it was about to do is over before anything is compared. */
	usleep(500000);
}

/* The lines of monitor --read --resend --json; the last one is the sums. */
static json_t *resend(const char *options, int status)
{
	const struct ran *ran =
		live_run("monitor --read " FILE_NAME " --resend --json %s", options);
	json_t *rows = json_array();

	ck_assert_int_eq(ran->status, status);
	for (const char *line = ran->out; *line; line += strcspn(line, "\n") + 1)
		json_array_append_new(rows, json_loadb(line, strcspn(line, "\n"), 0, NULL));
	ck_assert_uint_ge(json_array_size(rows), 1);
	return rows;
}

static json_int_t sum(json_t *rows, const char *key)
{
	json_t *last = json_array_get(rows, json_array_size(rows) - 1);

	ck_assert_str_eq(json_string_value(json_object_get(last, "kind")), "sum");
	return json_integer_value(json_object_get(last, key));
}

static const char *text(json_t *row, const char *key)
{
	const char *value = json_string_value(json_object_get(row, key));

	return value ? value : "";
}

/* The first line with that result. */
static json_t *row_with(json_t *rows, const char *result)
{
	json_t *row = live_find(rows, "result", result);

	ck_assert_msg(row != NULL, "nothing is %s", result);
	return row;
}

/* Whether a call fails with that name. */
static bool has_error(json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!strcmp(text(json_object_get(row, "reply"), "name"), name))
			return true;
	return false;
}

START_TEST(the_same_is_equal)
{
	json_t *rows, *row;

	record("--name demo.story --count 30", CALL "Say '{\"text\": \"hello\"}'; " CALL "Say");
	rows = resend("", 0);
	row = live_find(rows, "method", "Say");
	ck_assert_str_eq(text(row, "result"), "equal");
	ck_assert(json_real_value(json_object_get(row, "took_us")) > 0);
	/* An error is the same, too. */
	ck_assert(has_error(rows, "story.Empty"));
	ck_assert_int_ge(sum(rows, "equal"), 8);
	ck_assert_int_eq(sum(rows, "differs"), 0);
	json_decref(rows);
	ck_assert_ptr_nonnull(strstr(live_run("monitor --read " FILE_NAME " --resend")->out,
				     "{\"text\":\"hello\"}  equal\n"));
}
END_TEST

START_TEST(what_is_sent_is_chosen)
{
	json_t *rows;

	record("--name demo.story --count 20", CALL "Say '{\"text\": \"x\"}'");
	rows = resend("--method Say --count 2", 0);
	ck_assert_uint_eq(json_array_size(rows), 3);
	ck_assert_int_eq(sum(rows, "equal"), 2);
	json_decref(rows);
	/* There is no reply to compare with if --max-data cut it. */
	record("--name demo.story --max-data 3 --count 20", CALL "Say '{\"text\": \"x\"}'");
	rows = resend("--method Say", 0);
	ck_assert_str_eq(text(json_array_get(rows, 0), "result"), "sent");
	json_decref(rows);
	ck_assert_int_eq(live_run("monitor --read " FILE_NAME " --resend --name no.body")->status,
			 1);
	ck_assert_int_eq(live_run("monitor --resend")->status, 2);
	ck_assert_int_eq(live_run("monitor --read /no/thing --resend")->status, 1);
	ck_assert_int_eq(live_run("monitor --read " FILE_NAME " --resend -d /dev/nothing")->status,
			 5);
}
END_TEST

START_TEST(another_reply_differs)
{
	json_t *rows, *row;
	const char *out;

	record("--name demo.story --count 20", CALL "Meet");
	restart();
	rows = resend("--method Meet", 10);
	row = row_with(rows, "differs");
	ck_assert_int_ne(
		json_integer_value(json_object_get(json_object_get(row, "reply"), "pid")),
		json_integer_value(json_object_get(json_object_get(row, "recorded"), "pid")));
	ck_assert_int_eq(sum(rows, "equal"), 0);
	json_decref(rows);
	out = live_run("monitor --read " FILE_NAME " --resend --method Meet --count 1")->out;
	ck_assert_ptr_nonnull(strstr(out, "differs: {"));
	ck_assert_ptr_nonnull(strstr(out, ", was {"));
}
END_TEST

static json_int_t error_of(json_t *row)
{
	return json_integer_value(json_object_get(json_object_get(row, "reply"), "error"));
}

START_TEST(a_failure_differs)
{
	json_t *rows;

	record("--name demo.story --count 20", CALL "Say '{\"text\": \"x\"}'");
	ck_assert_int_eq(live_run("freeze demo.story")->status, 0);
	rows = resend("--method Say --count 1", 10);
	ck_assert_int_eq(error_of(row_with(rows, "differs")), -EHOSTDOWN);
	json_decref(rows);
	ck_assert_int_eq(live_run("thaw demo.story")->status, 0);
	kill(story, SIGKILL);
	for (int i = 0; i < 100 && *live_run("list --names demo.story")->out; i++)
		usleep(20000);
	rows = resend("--method Say --count 1", 10);
	ck_assert_int_eq(error_of(row_with(rows, "differs")), -ENOENT);
	json_decref(rows);
}
END_TEST

/* What the file has not got cannot be sent. */
START_TEST(messages_are_skipped_with_a_reason)
{
	json_t *rows;

	record("--count 120",
	       CALL "Log '{\"line\": \"x\"}'; " CALL "Share '{\"file\": \"/etc/passwd\"}'");
	rows = resend("--name demo.story", 0);
	ck_assert_str_eq(text(live_find(rows, "method", "Log"), "result"), "sent");
	ck_assert_str_eq(text(live_find(rows, "method", "Share"), "result"), "skipped");
	ck_assert_ptr_nonnull(strstr(text(live_find(rows, "method", "Share"), "reason"),
				     "its bytes are not in the file"));
	ck_assert_int_ge(sum(rows, "skipped"), 1);
	json_decref(rows);
	rows = resend("", 0);
	ck_assert_str_eq(text(live_find(rows, "service", "servicemanager"), "result"), "skipped");
	json_decref(rows);
}
END_TEST

/* Makes the second call of the file one that was made while the first was served: the end of the
 * first one gets another id. */
static void nest(void)
{
	FILE *file = fopen(FILE_NAME, "re"), *nested = fopen(FILE_NAME ".nested", "we");
	char *line = NULL;
	size_t size = 0, calls = 0;
	json_int_t first = 0;

	ck_assert(file && nested);
	while (getline(&line, &size, file) > 0) {
		json_t *row = json_loads(line, 0, NULL);
		json_int_t id = json_integer_value(json_object_get(row, "id"));

		if (!strcmp(text(row, "kind"), "call")) {
			calls++;
			if (calls == 1)
				first = id;
			if (calls == 2)
				json_object_set_new(row, "parent", json_integer(first));
		} else if (id == first) {
			json_object_set_new(row, "id", json_integer(1));
		}
		ck_assert_int_eq(json_dumpf(row, nested, JSON_COMPACT), 0);
		fputc('\n', nested);
		json_decref(row);
	}
	free(line);
	fclose(file);
	ck_assert_int_eq(fclose(nested), 0);
	ck_assert_int_eq(rename(FILE_NAME ".nested", FILE_NAME), 0);
}

START_TEST(what_follows_is_not_sent)
{
	json_t *rows;

	record("--name demo.story --method Say --count 10", CALL "Say '{\"text\": \"x\"}'");
	nest();
	rows = resend("", 0);
	ck_assert_ptr_nonnull(live_find(rows, "reason",
					"a service sends it while it serves a call that was resent"));
	ck_assert_int_eq(sum(rows, "skipped"), 1);
	ck_assert_int_ge(sum(rows, "equal"), 1);
	/* The end of the first one was not found. */
	ck_assert_int_ge(sum(rows, "sent"), 1);
	ck_assert_int_eq(sum(rows, "differs"), 0);
	json_decref(rows);
}
END_TEST

int main(void)
{
	live_fixture(begin, end);
	return LIVE_TESTS("ipcctl monitor --resend", the_same_is_equal, what_is_sent_is_chosen,
			  another_reply_differs, a_failure_differs,
			  messages_are_skipped_with_a_reason, what_follows_is_not_sent);
}
