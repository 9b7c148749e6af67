// SPDX-License-Identifier: MIT
/*
 * ipcctl watch and policy, in the guest with the servicemanager.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"

#define OUTPUT "/tmp/live-watch"

/* Returns whether the watcher prints the text within five seconds. */
static bool was_printed(const char *text)
{
	static char out[4096];

	for (int i = 0; i < 100; i++) {
		FILE *file = fopen(OUTPUT, "re");
		size_t n = file ? fread(out, 1, sizeof(out) - 1, file) : 0;

		out[n] = '\0';
		if (file)
			fclose(file);
		if (strstr(out, text))
			return true;
		usleep(50000);
	}
	return false;
}

static pid_t watch(const char *arguments)
{
	char line[256];

	unlink(OUTPUT);
	snprintf(line, sizeof(line), "exec ipcctl watch %s >" OUTPUT, arguments);
	return live_start("/bin/sh", "-c", line, NULL);
}

static int ended(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(changes_are_printed)
{
	pid_t watcher = watch("--json"), echo;

	ck_assert(was_printed("{\"change\":\"settled\"}\n"));
	echo = live_echo();
	ck_assert(was_printed("{\"change\":\"present\",\"name\":\"demo.echo\""));
	ck_assert(was_printed("\"process\":\"server\""));
	live_stop(echo);
	ck_assert(was_printed("{\"change\":\"gone\",\"name\":\"demo.echo\"}\n"));
	kill(watcher, SIGINT);
	ck_assert_int_eq(ended(watcher), 0);
}
END_TEST

START_TEST(existing_services_are_printed_first)
{
	pid_t echo = live_echo(), watcher = watch("--count 1 'demo.*'");

	ck_assert_int_eq(ended(watcher), 0);
	ck_assert(was_printed("+ demo.echo "));
	ck_assert_int_eq(live_run("watch --timeout 0.5 other.name")->status, 7);
	ck_assert_int_eq(live_run("watch 'a b'")->status, 2);
	live_stop(echo);
}
END_TEST

START_TEST(missing_names_are_reported)
{
	pid_t watcher = watch("other. 2>" OUTPUT);

	ck_assert(was_printed("waiting for a service with the name other.; a prefix must end"));
	kill(watcher, SIGINT);
	ck_assert_int_eq(ended(watcher), 0);
	watcher = watch("'other.*' 2>" OUTPUT);
	ck_assert(was_printed("waiting for a service with a name like other.*\n"));
	kill(watcher, SIGINT);
	ck_assert_int_eq(ended(watcher), 0);
}
END_TEST

START_TEST(policy_says_why)
{
	const struct ran *ran = live_run("policy check find demo.echo");
	json_t *said;

	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_eq(strstr(ran->out, "allowed\n"), ran->out);
	said = live_json("policy check --json --user root register demo.echo");
	ck_assert_str_eq(json_string_value(json_object_get(said, "verdict")), "allowed");
	ck_assert_int_gt(strlen(json_string_value(json_object_get(said, "file"))), 0);
	json_decref(said);
	ck_assert_int_eq(live_run("policy check --user 4000 call x.y")->status, 0);
	ran = live_run("policy check --user user register system.x");
	ck_assert_int_eq(ran->status, 6);
	ck_assert_ptr_eq(strstr(ran->out, "refused\n"), ran->out);
	ck_assert_ptr_nonnull(strstr(ran->out, ": refuse anyone register ipc.* system.*"));
	ck_assert_int_eq(live_run("policy check dance demo.echo")->status, 2);
	ck_assert_int_eq(live_run("policy check --user no-such-user find x")->status, 2);
	ck_assert_int_eq(live_run("policy change find x")->status, 2);
	ck_assert_int_eq(live_run("policy check find")->status, 2);
}
END_TEST

int main(void)
{
	return LIVE_TESTS("ipcctl watch", changes_are_printed, existing_services_are_printed_first,
			  missing_names_are_reported, policy_says_why);
}
