// SPDX-License-Identifier: MIT
/*
 * ipcctl top and monitor while an echo server is called, in the guest with the servicemanager.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"

static pid_t echo, caller;

static void begin(void)
{
	echo = live_echo();
	caller = live_start("/bin/sh", "-c",
			    "while :; do " ECHO_CLIENT " hello; done >/dev/null 2>&1", NULL);
}

static void end(void)
{
	kill(caller, 9);
	waitpid(caller, NULL, 0);
	live_stop(echo);
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* Parses the lines of a stream. */
static json_t *lines(const char *out)
{
	json_t *array = json_array();

	while (*out) {
		size_t n = strcspn(out, "\n");

		ck_assert_int_eq(json_array_append_new(array, json_loadb(out, n, 0, NULL)), 0);
		out += n + 1;
	}
	return array;
}

static json_t *reply_to(json_t *rows, const json_t *call)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) if (number(row, "id") == number(call, "id") &&
					     !strcmp(text(row, "kind"), "reply")) return row;
	return NULL;
}

/* --- monitor -------------------------------------------------------------------- */

START_TEST(calls_and_replies_are_printed)
{
	const struct ran *ran = live_run("monitor --json --name demo.echo --method Say --count 6");
	json_t *rows = lines(ran->out), *call, *reply;

	ck_assert_int_eq(ran->status, 0);
	ck_assert_uint_eq(json_array_size(rows), 6);
	call = live_find(rows, "kind", "call");
	reply = reply_to(rows, call);
	ck_assert_str_eq(text(call, "name"), "demo.echo");
	ck_assert_str_eq(text(call, "method"), "Say");
	ck_assert_int_eq(number(call, "to_pid"), echo);
	ck_assert_int_eq(number(reply, "from_pid"), echo);
	ck_assert_str_eq(text(json_object_get(call, "payload"), "text"), "hello");
	ck_assert_str_eq(text(json_object_get(reply, "payload"), "text"), "hello");
	ck_assert(json_real_value(json_object_get(reply, "took_us")) > 0);
	json_decref(rows);
}
END_TEST

START_TEST(users_and_failures_are_selected)
{
	pid_t other = live_start("/bin/su", "user", "-c",
				 "while :; do ipcctl call demo.echo Say || :; done >/dev/null 2>&1",
				 NULL);
	const struct ran *ran = live_run("monitor --json --name demo.echo --method Say --failed "
					 "--uid user --count 3");
	json_t *rows = lines(ran->out), *row;
	size_t i;

	ck_assert_int_eq(ran->status, 0);
	ck_assert_uint_eq(json_array_size(rows), 3);
	json_array_foreach(rows, i, row)
		ck_assert_str_eq(text(row, "kind"), "error");
	json_decref(rows);
	ran = live_run("monitor --json --method Say --uid user --count 6");
	rows = lines(ran->out);
	ck_assert_ptr_null(live_find(rows, "kind", "reply"));
	ck_assert_ptr_nonnull(live_find(rows, "kind", "error"));
	json_array_foreach(rows, i, row)
		ck_assert(strcmp(text(row, "kind"), "call") || number(row, "from_uid") != 0);
	json_decref(rows);
	kill(other, 9);
	waitpid(other, NULL, 0);
	ck_assert_int_eq(live_run("monitor --uid no-such-user")->status, 2);
}
END_TEST

START_TEST(lines_are_printed_without_json)
{
	const struct ran *ran = live_run("monitor --pid %d --method Say --count 2", echo);

	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "demo.echo.Say  7 B"));
	ck_assert_ptr_nonnull(strstr(ran->out, "{\"text\":\"hello\"}"));
}
END_TEST

/* The clients of this file live for some milliseconds, but have names. */
START_TEST(clients_that_ended_have_names)
{
	const struct ran *ran;
	json_t *top, *pairs, *pair;
	size_t i, named = 0;

	ran = live_run("monitor --name demo.echo --method Say --count 10");
	ck_assert_ptr_nonnull(strstr(ran->out, " client("));

	top = live_json("top --json --interval 1 --count 1");
	pairs = json_object_get(top, "pairs");
	json_array_foreach(pairs, i, pair) named += !strncmp(text(pair, "from"), "client(", 7);
	ck_assert_uint_ge(named, 1);
	json_decref(top);
}
END_TEST

START_TEST(users_may_not)
{
	ck_assert_int_eq(live_run("--verbs >/dev/null; su user -c 'ipcctl monitor'")->status, 6);
	ck_assert_int_eq(live_run("--verbs >/dev/null; su user -c 'ipcctl top'")->status, 6);
	ck_assert_int_eq(live_run("monitor --pid 4194303")->status, 3);
}
END_TEST

/* --- top ---------------------------------------------------------------------- */

START_TEST(top_counts)
{
	const struct ran *ran = live_run("top --json --interval 0.7 --count 2");
	json_t *rows = lines(ran->out), *last, *pair;

	ck_assert_int_eq(ran->status, 0);
	ck_assert_uint_eq(json_array_size(rows), 2);
	last = json_array_get(rows, 1);
	pair = live_find(json_object_get(last, "pairs"), "target", "demo.echo");
	ck_assert_ptr_nonnull(strstr(text(pair, "to"), "server("));
	ck_assert(json_real_value(json_object_get(pair, "calls_s")) > 1);
	ck_assert(json_real_value(json_object_get(pair, "p50_us")) > 1);
	ck_assert(json_real_value(json_object_get(pair, "p99_us")) >=
		  json_real_value(json_object_get(pair, "p50_us")));
	json_decref(rows);
	ran = live_run("top --interval 2 --count 1");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "demo.echo"));
	ck_assert_ptr_null(strchr(ran->out, '\033'));
}
END_TEST

START_TEST(messages_of_streams_have_names)
{
	pid_t server = live_start("/t/examples/clock/server", NULL), client;
	json_t *rows, *row;
	size_t i;

	ck_assert_int_eq(live_run("wait --timeout 60 demo.clock")->status, 0);
	client = live_start("/bin/sh", "-c",
			    "while :; do /t/examples/clock/client 2 10; done >/dev/null 2>&1", NULL);
	rows = lines(live_run("monitor --json --name demo.clock --method Watch --count 6")->out);
	ck_assert_uint_eq(json_array_size(rows), 6);
	json_array_foreach(rows, i, row)
		ck_assert(!strcmp(text(row, "stream"), "open") ||
			  !strcmp(text(row, "kind"), "oneway"));
	row = live_find(rows, "stream", "message");
	ck_assert_int_eq(number(json_object_get(row, "payload"), "periodMs"), 10);
	json_decref(rows);
	kill(client, SIGKILL);
	kill(server, SIGKILL);
}
END_TEST

/* Once, each of them waited for the service. */
START_TEST(a_stopped_service_delays_no_output)
{
	pid_t story = live_start("/t/examples/story/server", NULL);

	ck_assert_int_eq(live_run("wait --timeout 60 demo.story")->status, 0);
	kill(story, SIGSTOP);
	ck_assert_int_eq(live_run("top --timeout 20 --count 1 --interval 0.1")->status, 0);
	ck_assert_int_eq(live_run("monitor --timeout 20 --count 1 --method Say")->status, 0);
	ck_assert_int_eq(live_run("describe demo.story")->status, 7);
	kill(story, SIGKILL);
}
END_TEST

int main(void)
{
	live_fixture(begin, end);
	return LIVE_TESTS("ipcctl traffic", calls_and_replies_are_printed,
			  users_and_failures_are_selected, lines_are_printed_without_json,
			  clients_that_ended_have_names, users_may_not,
			  top_counts, messages_of_streams_have_names,
			  a_stopped_service_delays_no_output);
}
