// SPDX-License-Identifier: MIT
/*
 * ipcctl policy and list --activatable, in the guest, on a private bus whose servicemanager reads
 * files that the test writes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"

#define BUS "/tmp/managed/bus"
#define POLICY "/tmp/managed.policy"
#define SERVICES "/tmp/managed.services"
#define ON "--bus " BUS " "

static pid_t manager;

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void start_manager(void)
{
	manager = live_start("/bin/sh", "-c",
			     "exec /t/servicemanager/servicemanager --bus " BUS " --policy " POLICY
			     " --activations " SERVICES " 2>/dev/null",
			     NULL);
	ck_assert_int_eq(live_run(ON "wait --timeout 20")->status, 0);
}

static void begin(void)
{
	ck_assert_int_eq(system("mkdir -p /tmp/managed " POLICY " " SERVICES
				" && mount -t ipcbus none /tmp/managed"),
			 0);
	put(POLICY "/10-test.conf", "allow anyone register,find,list,call *\n");
	put(SERVICES "/broken.conf", "name broken.a broken.b\nrun /bin/false\n");
	put(SERVICES "/echo.conf", "name demo.echo\nrun " ECHO_SERVER "\n");
	start_manager();
	/* The servicemanager replies after it has read its files. */
	ck_assert_int_eq(live_run(ON "list --timeout 20")->status, 0);
}

static void end(void)
{
	kill(manager, SIGKILL);
	waitpid(manager, NULL, 0);
	system("fuser -k " BUS " 2>/dev/null; umount -l /tmp/managed; "
	       "rm -rf /tmp/managed " POLICY " " SERVICES);
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

START_TEST(rules_are_shown)
{
	json_t *policy = live_json(ON "policy show --json");
	json_t *rule = live_find(json_object_get(policy, "rules"), "rule",
				 "allow anyone register,find,list,call *");

	ck_assert_ptr_nonnull(rule);
	ck_assert_str_eq(text(rule, "file"), POLICY "/10-test.conf");
	ck_assert_int_eq(number(rule, "line"), 1);
	ck_assert(json_is_false(json_object_get(policy, "outdated")));
	ck_assert(json_is_false(json_object_get(policy, "activations_outdated")));
	ck_assert_uint_eq(json_array_size(json_object_get(policy, "rules")), 1);
	json_decref(policy);
	ck_assert_ptr_nonnull(strstr(live_run(ON "policy show")->out,
				     POLICY "/10-test.conf:1: allow anyone register"));
	ck_assert_int_eq(live_run(ON "policy show more")->status, 2);
	ck_assert_int_eq(live_run(ON "policy hide")->status, 2);
	ck_assert_int_eq(live_run(ON "policy check find")->status, 2);
}
END_TEST

/* More rules than a reply can contain. */
START_TEST(many_rules_are_shown)
{
	json_t *policy;
	char expected[64];
	FILE *file = fopen(POLICY "/20-many.conf", "we");

	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < 200; i++)
		fprintf(file, "hide user 1000 list many.%d\n", i);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(live_run(ON "policy reload")->status, 0);
	policy = live_json(ON "policy show --json");
	for (int i = 0; i < 200; i++) {
		snprintf(expected, sizeof(expected), "hide user 1000 list many.%d", i);
		ck_assert_msg(live_find(json_object_get(policy, "rules"), "rule", expected) != NULL,
			      "no %s", expected);
	}
	json_decref(policy);
}
END_TEST

START_TEST(files_are_read_again)
{
	const struct ran *ran;
	json_t *result;

	ck_assert_int_eq(live_run(ON "policy check --user 1000 find x")->status, 0);
	put(POLICY "/20-more.conf", "refuse user 1000 find x\n");
	ck_assert_int_eq(live_run(ON "policy check --user 1000 find x")->status, 0);
	ran = live_run(ON "policy reload");
	ck_assert_int_eq(ran->status, 0);
	ck_assert_ptr_nonnull(strstr(ran->out, " rules and 2 activation files are in force\n"));
	ck_assert_int_eq(live_run(ON "policy check --user 1000 find x")->status, 6);

	put(POLICY "/20-more.conf", "allow anyone find *\nallow nonsense\n");
	ran = live_run(ON "policy reload");
	ck_assert_int_eq(ran->status, 1);
	ck_assert_ptr_nonnull(strstr(ran->out, "problem: " POLICY "/20-more.conf:2: "));
	ck_assert_ptr_nonnull(strstr(ran->err, "a file is wrong; still in force: the old policy"));
	ck_assert_int_eq(live_run(ON "policy check --user 1000 find x")->status, 6);
	ran = live_run(ON "policy show");
	ck_assert_ptr_nonnull(strstr(ran->out, "/20-more.conf:1: refuse user 1000 find x\n"));
	ck_assert_ptr_nonnull(strstr(ran->out, "problem: " POLICY "/20-more.conf:2: "));
	ck_assert_ptr_nonnull(strstr(ran->out, "these rules are older than the files"));

	put(POLICY "/20-more.conf", "");
	put(SERVICES "/wrong.conf", "name x\n");
	ran = live_run(ON "policy reload --json");
	ck_assert_int_eq(ran->status, 1);
	result = json_loads(ran->out, 0, NULL);
	ck_assert(json_is_true(json_object_get(result, "activations_refused")));
	ck_assert(json_is_false(json_object_get(result, "policy_refused")));
	ck_assert_uint_eq(json_array_size(json_object_get(result, "problems")), 1);
	json_decref(result);
	result = live_json(ON "policy show --json");
	ck_assert(json_is_true(json_object_get(result, "activations_outdated")));
	json_decref(result);
	ck_assert_ptr_nonnull(strstr(live_run(ON "policy show")->out, "an activation file is wrong"));
	ck_assert_int_eq(live_run(ON "policy check --user 1000 find x")->status, 0);
	unlink(SERVICES "/wrong.conf");
	ck_assert_int_eq(live_run(ON "policy reload")->status, 0);
}
END_TEST

START_TEST(files_that_are_wrong_at_the_start_leave_nothing_in_force)
{
	const struct ran *ran;

	kill(manager, SIGKILL);
	waitpid(manager, NULL, 0);
	put(POLICY "/10-test.conf", "allow nonsense\n");
	put(SERVICES "/wrong.conf", "name x\n");
	start_manager();
	ran = live_run(ON "policy show");
	ck_assert_ptr_nonnull(strstr(ran->out, "no rules are in force, and all names are refused"));
	ran = live_run(ON "policy reload");
	ck_assert_int_eq(ran->status, 1);
	ck_assert_ptr_nonnull(strstr(ran->err, "no rules are in force, and all names are refused; "
					       "no activation files are in force\n"));
}
END_TEST

START_TEST(only_administrators_may)
{
	ck_assert_int_eq(system("chmod 666 " BUS " && chmod 755 /tmp/managed"), 0);
	ck_assert_int_eq(live_run("--version; su user -c 'ipcctl " ON "list'")->status, 0);
	ck_assert_int_eq(live_run("--version; su user -c 'ipcctl " ON "policy show'")->status, 6);
	ck_assert_int_eq(live_run("--version; su user -c 'ipcctl " ON "policy reload'")->status, 6);
}
END_TEST

START_TEST(activatable_services_are_listed)
{
	json_t *list = live_json(ON "list --activatable --json"), *row;
	const struct ran *ran;

	row = live_find(list, "name", "broken.b");
	ck_assert_uint_eq(json_array_size(list), 3);
	ck_assert_str_eq(text(row, "state"), "down");
	ck_assert_str_eq(text(row, "start"), "/bin/false");
	ck_assert_str_eq(text(row, "file"), SERVICES "/broken.conf");
	ck_assert_int_eq(number(row, "failures"), 0);
	json_decref(list);

	ck_assert_int_ne(live_run(ON "ping broken.a")->status, 0);
	list = live_json(ON "list --activatable --json broken.b");
	row = live_find(list, "name", "broken.b");
	ck_assert_uint_eq(json_array_size(list), 1);
	ck_assert_int_ge(number(row, "failures"), 1);
	ck_assert_ptr_nonnull(strstr(text(row, "problem"), "exited with status 1"));
	json_decref(list);
	ran = live_run(ON "list --activatable");
	ck_assert_ptr_nonnull(strstr(ran->out, "exited with status 1 before its names were"));

	ck_assert_int_eq(live_run(ON "ping demo.echo")->status, 0);
	list = live_json(ON "list --activatable --json 'demo.*'");
	row = live_find(list, "name", "demo.echo");
	ck_assert_str_eq(text(row, "state"), "up");
	ck_assert_int_gt(number(row, "pid"), 0);
	ck_assert_str_eq(text(row, "process"), "server");
	kill((pid_t)number(row, "pid"), SIGKILL);
	json_decref(list);
	ck_assert_str_eq(live_run(ON "list --activatable --names")->out,
			 "broken.a\nbroken.b\ndemo.echo\n");
}
END_TEST

START_TEST(denied_find_names_the_check)
{
	const struct ran *ran;

	put(POLICY "/20-more.conf", "refuse anyone find demo.echo\n");
	ck_assert_int_eq(live_run(ON "policy reload")->status, 0);
	ran = live_run(ON "ping demo.echo");
	ck_assert_int_eq(ran->status, 6);
	ck_assert_ptr_nonnull(strstr(ran->err, "policy check --user root find demo.echo, and the same "
					       "with call"));
	ran = live_run(ON "policy check --user root find demo.echo");
	ck_assert_int_eq(ran->status, 6);
	ck_assert_ptr_nonnull(strstr(ran->out, "/20-more.conf:1: refuse anyone find demo.echo"));
}
END_TEST

START_TEST(failed_activation_is_explained)
{
	const struct ran *ran;

	put(SERVICES "/missing.conf", "name missing.a\nrun /nonexistent/x\n");
	ck_assert_int_eq(live_run(ON "policy reload")->status, 0);
	ran = live_run(ON "ping missing.a");
	ck_assert_int_eq(ran->status, 1);
	ck_assert_ptr_nonnull(strstr(ran->err, "ipcctl list --activatable shows why"));
	ck_assert_ptr_nonnull(strstr(live_run(ON "list --activatable 'missing.*'")->out,
				     "the program cannot be run (see the log), or exited with status 127"));
}
END_TEST

/* Names that a user may not list are not shown. */
START_TEST(hidden_names_stay_hidden)
{
	ck_assert_int_eq(system("chmod 666 " BUS " && chmod 755 /tmp/managed"), 0);
	put(POLICY "/20-more.conf", "hide anyone list broken.b\nallow user root list *\n");
	ck_assert_int_eq(live_run(ON "policy reload")->status, 0);
	ck_assert_str_eq(live_run("--version >/dev/null; su user -c 'ipcctl " ON
				  "list --activatable --names'")->out,
			 "broken.a\ndemo.echo\n");
	ck_assert_ptr_nonnull(strstr(live_run("--version >/dev/null; su user -c 'ipcctl " ON
					      "policy check list broken.b'")->out,
				     "allowed, unless the policy hides the name\n"));
	ck_assert_str_eq(live_run(ON "list --activatable --names 'broken*'")->out,
			 "broken.a\nbroken.b\n");
}
END_TEST

int main(void)
{
	live_fixture(begin, end);
	return LIVE_TESTS("ipcctl manager", rules_are_shown, many_rules_are_shown,
			  files_are_read_again,
			  files_that_are_wrong_at_the_start_leave_nothing_in_force,
			  denied_find_names_the_check,
			  failed_activation_is_explained, only_administrators_may,
			  activatable_services_are_listed, hidden_names_stay_hidden);
}
