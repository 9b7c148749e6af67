// SPDX-License-Identifier: MIT
/*
 * ipcctl list, wait, stats, freeze and thaw, and errors of the tool, in the guest with the
 * servicemanager.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"

static json_int_t number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

START_TEST(a_service_is_listed)
{
	pid_t echo = live_echo();
	json_t *list = live_json("list --json"), *row = live_find(list, "name", "demo.echo");

	ck_assert_ptr_nonnull(row);
	ck_assert_int_eq(number(row, "pid"), echo);
	ck_assert_int_eq(number(row, "uid"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(row, "process")), "server");
	ck_assert_str_eq(json_string_value(json_object_get(row, "user")), "root");
	ck_assert_str_eq(json_string_value(json_object_get(row, "interface")), "echo.Echo");
	ck_assert_ptr_nonnull(strstr(live_run("list 'demo.*'")->out, "demo.echo"));
	ck_assert_ptr_nonnull(strstr(live_run("list")->out, "INTERFACE"));
	ck_assert_ptr_null(strchr(live_run("list")->out, '\033'));
	ck_assert_int_eq(live_run("list demo.ech")->status, 3);
	ck_assert_int_eq(live_run("list 'nothing.*'")->status, 0);
	ck_assert_ptr_nonnull(strstr(live_run("--version >/dev/null; CLICOLOR_FORCE=1 ipcctl list")->out, "\033[1mdemo.echo"));
	ck_assert_str_eq(live_run("list --names")->out, "demo.echo\n");
	ck_assert_str_eq(live_run("list --json 'demo.x*'")->out, "[]\n");
	json_decref(list);
	live_stop(echo);
}
END_TEST

START_TEST(a_user_sees_it_too)
{
	pid_t echo = live_echo();

	const struct ran *ran = live_run("--version >/dev/null && su user -c 'ipcctl list'");

	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "demo.echo"));
	live_stop(echo);
}
END_TEST

START_TEST(waiting_ends_when_it_comes)
{
	pid_t waiter = live_start("/t/tools/ipcctl", "wait", "--timeout", "20", "demo.echo", NULL);
	pid_t echo;
	int status;

	usleep(300000);
	ck_assert_int_eq(waitpid(waiter, &status, WNOHANG), 0);
	echo = live_echo();
	ck_assert_int_eq(waitpid(waiter, &status, 0), waiter);
	ck_assert_int_eq(status, 0);
	live_stop(echo);
}
END_TEST

START_TEST(waiting_ends_with_the_time)
{
	ck_assert_int_eq(live_run("wait --timeout 0.3 no.body")->status, 7);
	ck_assert_str_eq(live_run("wait --timeout 0.3 no.body")->err,
			 "ipcctl: service no.body was not registered within 0.300 s\n");
	ck_assert_str_eq(live_run("--json --timeout 0.3 wait no.body")->err,
			 "{\"message\":\"service no.body was not registered within 0.300 s\","
			 "\"status\":7}\n");
	ck_assert_int_eq(live_run("wait 'no body'")->status, 2);
	ck_assert_int_eq(live_run("list ''")->status, 2);
}
END_TEST

START_TEST(waiting_for_a_manager)
{
	ck_assert_int_eq(live_run("wait --timeout 20")->status, 0);
	ck_assert_int_eq(system("mkdir /tmp/nobody && mount -t ipcbus none /tmp/nobody"), 0);
	ck_assert_int_eq(live_run("--bus /tmp/nobody/bus wait --timeout 0.3")->status, 7);
	ck_assert_str_eq(live_run("--bus /tmp/nobody/bus wait --timeout 0.3 no.body")->err,
			 "ipcctl: wait for no.body: no service manager started within 0.300 s\n");
	ck_assert_str_eq(live_run("--bus /tmp/nobody/bus wait --timeout 0.3")->err,
			 "ipcctl: no service manager started within 0.300 s\n");
	ck_assert_int_eq(system("umount /tmp/nobody && rmdir /tmp/nobody"), 0);
}
END_TEST

START_TEST(processes_have_stats)
{
	pid_t echo = live_echo();
	json_t *stats = live_json("stats --json");
	json_t *row = live_find(stats, "process", "server");

	ck_assert_ptr_nonnull(live_find(stats, "process", "servicemanager"));
	ck_assert_ptr_nonnull(row);
	ck_assert_int_eq(number(row, "pid"), echo);
	/* The service, and the object by which the manager reports the loss of its name. */
	ck_assert_int_eq(number(row, "nodes"), 2);
	ck_assert_int_eq(number(row, "threads"), 1);
	ck_assert(json_is_integer(json_object_get(row, "serving")));
	ck_assert_int_eq(number(row, "region"), 16 << 20);
	json_decref(stats);
	ck_assert_ptr_nonnull(strstr(live_run("stats")->out, "servicemanager"));
	live_stop(echo);
}
END_TEST

START_TEST(objects_have_holders)
{
	pid_t echo = live_echo(), pinger;
	json_t *rows, *object;
	char holder[32];
	const struct ran *ran;

	/* Holds the object of the service until the service replies. */
	kill(echo, SIGSTOP);
	pinger = live_start("/t/tools/ipcctl", "--timeout", "60", "ping", "demo.echo", NULL);
	snprintf(holder, sizeof(holder), "ipcctl(%d)", pinger);
	do
		ran = live_run("tree demo.echo");
	while (!strstr(ran->out, holder));
	ck_assert_ptr_nonnull(strstr(ran->out, "servicemanager("));
	kill(echo, SIGCONT);
	waitpid(pinger, NULL, 0);

	rows = live_json("tree --json");
	object = live_find(rows, "name", "demo.echo");
	ck_assert_str_eq(json_string_value(json_object_get(object, "process")), "server");
	ck_assert_str_eq(json_string_value(json_object_get(object, "user")), "root");
	ck_assert_uint_eq(json_array_size(json_object_get(object, "held_by")), 1);
	ck_assert_ptr_nonnull(live_find(rows, "name", "servicemanager"));
	json_decref(rows);
	ck_assert_int_eq(live_run("tree 1")->status, 3);

	ck_assert_int_eq(live_run("--version; su user -c 'ipcctl tree'")->status, 6);
	ck_assert_int_eq(live_run("tree 4194303")->status, 3);
	ck_assert_int_eq(live_run("tree no.body")->status, 3);
	live_stop(echo);
}
END_TEST

START_TEST(a_process_is_frozen_and_thawed)
{
	pid_t echo = live_echo();
	json_t *said, *list;

	ck_assert_ptr_nonnull(strstr(live_run("thaw %d", echo)->out, "was not frozen\n"));
	said = live_json("freeze --json demo.echo");
	ck_assert_int_eq(number(said, "pid"), echo);
	ck_assert(json_is_true(json_object_get(said, "frozen")));
	json_decref(said);
	list = live_json("list --json");
	ck_assert(json_is_true(
		json_object_get(live_find(list, "name", "demo.echo"), "frozen")));
	json_decref(list);
	ck_assert_int_ne(system(ECHO_CLIENT " hello 2>/dev/null"), 0);
	ck_assert_ptr_nonnull(strstr(live_run("thaw %d", echo)->out, "; calls to it failed while it was frozen\n"));
	ck_assert_ptr_nonnull(strstr(live_run("thaw %d", echo)->out, "was not frozen\n"));
	ck_assert_int_eq(system(ECHO_CLIENT " hello"), 0);
	live_stop(echo);
}
END_TEST

START_TEST(many_services_are_asked)
{
	pid_t many = live_start("/t/tools/tests/many", "200", NULL), pinger;

	ck_assert_int_eq(live_run("wait --timeout 100 many.199")->status, 0);
	ck_assert_str_eq(live_run("--version >/dev/null; (ipcctl list --timeout 100 'many.*' | "
				  "grep -c many)")->out, "200\n");
	ck_assert_int_eq(live_run("top --timeout 100 --count 1 --interval 0.1")->status, 0);
	pinger = live_start("/bin/sh", "-c",
			    "while :; do /t/tools/ipcctl ping many.1; done >/dev/null 2>&1", NULL);
	ck_assert_int_eq(live_run("monitor --timeout 100 --count 1")->status, 0);
	kill(pinger, SIGKILL);
	kill(many, SIGKILL);
}
END_TEST

/* The name of the process is the byte ff, an escape sequence, and a character in UTF-8. */
START_TEST(names_of_processes_are_cleaned)
{
	pid_t odd;
	const struct ran *ran;

	ck_assert_int_eq(system("cp " ECHO_SERVER " /tmp/\377\033[2J\303\274"), 0);
	odd = live_start("/tmp/\377\033[2J\303\274", NULL);
	ck_assert_int_eq(live_run("wait --timeout 60 demo.echo")->status, 0);
	ran = live_run("list");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, "??[2J\303\274"));
	ck_assert_ptr_nonnull(strstr(live_run("stats")->out, "??[2J\303\274"));
	ck_assert_ptr_nonnull(strstr(live_run("tree")->out, "??[2J\303\274"));
	ck_assert_int_eq(live_run("watch --count 1")->status, 0);
	live_stop(odd);
}
END_TEST

START_TEST(errors_are_cleaned)
{
	const struct ran *ran = live_run("list --no$(printf '\\033[2J') ; ipcctl ping "
					 "\"$(printf 'a\\033[2J\\377')\"");

	ck_assert_int_eq(ran->status, 2);
	ck_assert_ptr_nonnull(strstr(ran->err, "\"a?[2J?\" is not a valid name"));
}
END_TEST

START_TEST(failures_have_statuses)
{
	ck_assert_int_eq(live_run("freeze no.body")->status, 3);
	ck_assert_int_eq(live_run("freeze 1")->status, 3);
	ck_assert_int_eq(live_run("--bus /dev/nothing list")->status, 5);
	ck_assert_ptr_nonnull(strstr(live_run("--bus /dev/nothing list")->err, "ipcbusd --bus /dev/nothing"));
	ck_assert_int_eq(live_run("-b /dev/null list")->status, 5);
	ck_assert_int_eq(live_run("list -b /dev/null")->status, 5);
	ck_assert_int_eq(
		live_run("--version; su nobody -c 'ipcctl list' || su user -c 'ipcctl stats'")
			->status,
		6);
}
END_TEST

START_TEST(command_lines_are_checked)
{
	ck_assert_int_eq(live_run(" ")->status, 2);
	ck_assert_int_eq(live_run("dance")->status, 2);
	ck_assert_int_eq(live_run("ping")->status, 2);
	ck_assert_int_eq(live_run("list a b")->status, 2);
	ck_assert_int_eq(live_run("list --nothing")->status, 2);
	ck_assert_str_eq(
		live_run("list --nothing")->err,
		"ipcctl: unrecognized option '--nothing'\nipcctl: see ipcctl list --help\n");
	ck_assert_str_eq(live_run("--nothing")->err,
			 "ipcctl: unrecognized option '--nothing'\nipcctl: see ipcctl --help\n");
	ck_assert_int_eq(live_run("help dance")->status, 2);
	ck_assert_int_eq(live_run("--timeout soon list")->status, 2);
	ck_assert_int_eq(live_run("freeze --timeout 0 1")->status, 2);
	ck_assert_int_eq(live_run("list >/dev/null; (ipcctl list --json >/dev/full)")->status, 1);
}
END_TEST

START_TEST(every_verb_has_help)
{
	static const char *const parts[] = { "usage: ipcctl ", "\n\nOptions:\n",
					     "\n\nExit status:\n", "\n\nExample:\n" };
	char names[1024], *name, *rest = names;

	snprintf(names, sizeof(names), "%.1000s", live_run("--verbs")->out);
	ck_assert_ptr_nonnull(strstr(names, "list"));
	while ((name = strtok_r(rest, "\n", &rest))) {
		const struct ran *ran = live_run("%s --help", name);
		char help[8192];

		ck_assert_int_eq(ran->status, 0);
		for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
			ck_assert_msg(strstr(ran->out, parts[i]) != NULL, "%s: no %s", name,
				      parts[i]);
		ck_assert_uint_lt(strlen(ran->out), sizeof(help));
		strcpy(help, ran->out);
		ran = live_run("help %s", name);
		ck_assert_int_eq(ran->status, 0);
		ck_assert_str_eq(ran->out, help);
	}
}
END_TEST

int main(void)
{
	return LIVE_TESTS("ipcctl list", a_service_is_listed, a_user_sees_it_too,
			  waiting_ends_when_it_comes, waiting_ends_with_the_time,
			  waiting_for_a_manager, processes_have_stats, objects_have_holders,
			  a_process_is_frozen_and_thawed, many_services_are_asked,
			  names_of_processes_are_cleaned, errors_are_cleaned,
			  failures_have_statuses, command_lines_are_checked, every_verb_has_help);
}
