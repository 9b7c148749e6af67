// SPDX-License-Identifier: MIT
/*
 * The policy alone: its syntax, the place and text of errors, its decisions, and its files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tests/run-cases.h"
#include "log.h"
#include "policy-load.h"

static struct text_problem problem;
static unsigned int warned;

static int user_named(const char *name, uid_t *ret_uid)
{
	if (strcmp(name, "root") && strcmp(name, "eve"))
		return -ENOENT;
	*ret_uid = *name == 'e' ? 1005 : 0;
	return 0;
}

static int group_named(const char *name, gid_t *ret_gid)
{
	if (strcmp(name, "audio"))
		return -ENOENT;
	*ret_gid = 29;
	return 0;
}

static void warn(const char *file, const struct text_problem *about)
{
	ck_assert_str_eq(file, "test");
	ck_assert_uint_gt(about->line, 0);
	warned++;
}

static int try(struct policy *policy, const char *text)
{
	static const struct policy_names names = { user_named, group_named, /* network= */ false };

	memset(&problem, 0, sizeof(problem));
	return policy_read(policy, "test", text, strlen(text), &names, warn, &problem);
}

static struct policy *policy_from(const char *text)
{
	struct policy *policy = policy_new();

	ck_assert_ptr_nonnull(policy);
	ck_assert_msg(try(policy, text) == 0, "line %u: %s", problem.line, problem.text);
	return policy;
}

static enum policy_verdict decide(const struct policy *policy, uid_t uid, enum policy_right right,
				  const char *name)
{
	struct policy_subject subject = { .uid = uid, .gid = uid };

	return policy_decide(policy, &subject, right, name).verdict;
}

/* --- Valid policies -------------------------------------------------------------------- */

START_TEST(empty_policy_refuses_all)
{
	struct policy *policy = policy_from("# nothing\n\n   \t\n");

	ck_assert_uint_eq(policy_count(policy), 0);
	ck_assert_int_eq(decide(policy, 0, POLICY_FIND, "a"), POLICY_REFUSE);
	policy_free(policy);
	ck_assert_ptr_null(policy_free(NULL));
}
END_TEST

START_TEST(last_matching_rule_decides)
{
	struct policy *policy = policy_from("allow anyone all *\n"
					    "hide user eve find,list secret.*\n"
					    "allow user 1005 find secret.but  # this\n"
					    "refuse anyone register ipc.*\n"
					    "allow user root register ipc.*");

	ck_assert_uint_eq(policy_count(policy), 5);
	ck_assert_int_eq(decide(policy, 1005, POLICY_FIND, "secret.a"), POLICY_HIDE);
	ck_assert_int_eq(decide(policy, 1005, POLICY_FIND, "secret.but"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1005, POLICY_CALL, "secret.a"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1006, POLICY_FIND, "secret.a"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1005, POLICY_REGISTER, "ipc.a"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 0, POLICY_REGISTER, "ipc.a"), POLICY_ALLOW);
	policy_free(policy);
}
END_TEST

START_TEST(deciding_rule_is_reported)
{
	struct policy *policy = policy_from("\n  allow anyone\tfind a.* # all of a\n");
	struct policy_subject subject = { .uid = 1 };
	struct policy_decision decision = policy_decide(policy, &subject, POLICY_FIND, "a.b");

	ck_assert_ptr_nonnull(decision.rule);
	ck_assert_str_eq(decision.rule->file, "test");
	ck_assert_uint_eq(decision.rule->line, 2);
	ck_assert_str_eq(decision.rule->text, "allow anyone\tfind a.* # all of a");
	ck_assert_ptr_null(policy_decide(policy, &subject, POLICY_REGISTER, "a.b").rule);
	ck_assert_ptr_null(policy_decide(policy, &subject, POLICY_FIND, "a").rule);
	policy_free(policy);
}
END_TEST

START_TEST(users_and_groups_are_lists)
{
	struct policy *policy = policy_from("allow user root,1000-1002,7 find *\n"
					    "allow user 20 group audio,5 find *\n");
	gid_t further[] = { 3, 29 };
	struct policy_subject subject = { .uid = 20, .gid = 1, .groups = further };

	ck_assert_int_eq(decide(policy, 0, POLICY_FIND, "a"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 7, POLICY_FIND, "a"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 999, POLICY_FIND, "a"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 1000, POLICY_FIND, "a"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1002, POLICY_FIND, "a"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1003, POLICY_FIND, "a"), POLICY_REFUSE);
	ck_assert(policy_asks_for_groups(policy));
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_REFUSE);
	subject.n_groups = 2;
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_ALLOW);
	subject.n_groups = 0;
	subject.gid = 5;
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_ALLOW);
	policy_free(policy);
}
END_TEST

START_TEST(rule_about_unknown_user_matches_no_caller)
{
	struct policy *policy;

	warned = 0;
	policy = policy_from("allow user mallory find *\nallow group none,audio find *\n");
	ck_assert_uint_eq(warned, 2);
	ck_assert_int_eq(decide(policy, 1, POLICY_FIND, "a"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 29, POLICY_FIND, "a"), POLICY_ALLOW);
	policy_free(policy);
}
END_TEST

START_TEST(labels_are_compared)
{
	struct policy *policy = policy_from("allow label \"/usr/bin/a b (enforce)\" find *\n"
					    "allow label system_u:* user 3 find *\n"
					    "allow label staff_u:*:mixer_t find *\n");
	struct policy_subject subject = { .uid = 3 };

	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_REFUSE);
	subject.label = "/usr/bin/a b (enforce)";
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_ALLOW);
	subject.label = "/usr/bin/a b";
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_REFUSE);
	subject.label = "system_u:x:y";
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_ALLOW);
	subject.label = "staff_u:x:mixer_t";
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_ALLOW);
	subject.label = "staff_u:x:y";
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_REFUSE);
	subject.label = "system_u:x:y";
	subject.uid = 4;
	ck_assert_int_eq(policy_decide(policy, &subject, POLICY_FIND, "a").verdict, POLICY_REFUSE);
	ck_assert(!policy_asks_for_groups(policy));
	policy_free(policy);
}
END_TEST

START_TEST(patterns_are_names_beginnings_and_users)
{
	struct policy *policy = policy_from("allow anyone find a.b user/%u/* x%u %u\n");

	ck_assert_int_eq(decide(policy, 12, POLICY_FIND, "a.b"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 12, POLICY_FIND, "a.bc"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 12, POLICY_FIND, "user/12/"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 12, POLICY_FIND, "user/123/"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 12, POLICY_FIND, "user/1"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 12, POLICY_FIND, "x12"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 12, POLICY_FIND, "x123"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 12, POLICY_FIND, "12"), POLICY_ALLOW);
	policy_free(policy);
}
END_TEST

/* --- Errors --------------------------------------------------------------------- */

START_TEST(what_is_wrong_is_said)
{
	static const struct {
		const char *line, *text;
	} wrong[] = {
		{ "permit anyone all *", "a rule begins with allow, refuse or hide, not \"permit\"" },
		{ "allow", "missing callers; use anyone, user LIST, group LIST or label PATTERN" },
		{ "allow all *", "missing callers; use anyone, user LIST, group LIST or label PATTERN" },
		{ "allow user", "\"user\" needs a list" },
		{ "allow user 1 user 2 all *", "more than one user; write a list with commas" },
		{ "allow user 1,,2 all *", "missing user before or after a comma" },
		{ "allow group 5-2 all *", "\"5-2\" ends before it begins" },
		{ "allow user 5- all *", "\"5-\" is not a range of numbers" },
		{ "allow user 5x all *", "\"5x\" is neither a number nor a name" },
		{ "allow user 4294967295 all *", "\"4294967295\" is too large" },
		{ "allow label", "\"label\" needs a pattern" },
		{ "allow label a label b all *", "more than one label" },
		{ "allow label a*b* all *", "more than one * in \"a*b*\"" },
		{ "allow anyone", "missing rights; use all, or some of register,find,list,call" },
		{ "allow anyone find,eat *", "unknown right \"eat\"; use all, or some of register,find,list,call" },
		{ "allow anyone find", "missing names; * means all" },
		{ "allow anyone find a*b",
		  "\"a*b\" is neither a name nor the beginning of names and a *" },
		{ "allow anyone find %x", "\"%x\" is neither a name nor the beginning of names and a *" },
		/* Without these rules, users would have more rights than the policy intends. */
		{ "refuse user mallory find *", "unknown user \"mallory\"" },
		{ "hide group none,audio find *", "unknown group \"none\"" },
		{ "allow anyone register user-%u*",
		  "\"user-%u*\" would match names of other users; put a / or . after %u" },
		{ "allow anyone register a%u1*",
		  "\"a%u1*\" would match names of other users; put a / or . after %u" },
		{ "allow anyone register %u.%u%u",
		  "\"%u.%u%u\" would match names of other users; put a / or . after %u" },
		{ "allow label \"a find *", "a quote is not closed" },
		{ "allow label \"a\"b find *", "a closing quote must be followed by a blank" },
		{ "allow label a\"b\" find *", "a quote must be at the beginning of a word" },
		{ "allow certificate a find *", "only clients of ipc-gateway have certificates" },
		{ "allow anyone find \001", "there is a control character in the line" },
	};
	char text[256];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct policy *policy = policy_new();

		snprintf(text, sizeof(text), "allow anyone all *\n# a\n%s\nnonsense\n",
			 wrong[i].line);
		ck_assert_int_eq(try(policy, text), -EINVAL);
		ck_assert_str_eq(problem.text, wrong[i].text);
		ck_assert_uint_eq(problem.line, 3);
		policy_free(policy);
	}
}
END_TEST

/* --- On the network ----------------------------------------------------------------------- */

static int try_network(struct policy *policy, const char *text)
{
	static const struct policy_names names = { .network = true };

	memset(&problem, 0, sizeof(problem));
	return policy_read(policy, "test", text, strlen(text), &names, warn, &problem);
}

/* The names in the certificate of the peer, at most two. Missing names are NULL. */
static enum policy_verdict decide_for(const char *rule, const char *first, const char *second)
{
	char *certificates[] = { (char *)first, (char *)second, NULL };
	struct policy_subject subject = { .certificates = certificates };
	struct policy *policy = policy_new();
	enum policy_verdict verdict;

	ck_assert_msg(try_network(policy, rule) == 0, "%s: %s", rule, problem.text);
	verdict = policy_decide(policy, &subject, POLICY_CALL, "a").verdict;
	subject.certificates = NULL;
	if (!first)
		ck_assert_int_eq(policy_decide(policy, &subject, POLICY_CALL, "a").verdict,
				 verdict);
	policy_free(policy);
	return verdict;
}

START_TEST(certificates_are_compared)
{
	static const struct {
		const char *rule;
		const char *first, *second;
		bool allowed;
	} all[] = {
		{ "allow certificate a.b call *", "a.b", NULL, true },
		{ "allow certificate a.b call *", "a.bc", NULL, false },
		{ "allow certificate a.b call *", "a.", NULL, false },
		{ "allow certificate a.b call *", "", NULL, false },
		{ "allow certificate a.b call *", "A.b", NULL, false },
		{ "allow certificate a.b call *", NULL, NULL, false },
		{ "allow certificate a.b call *", "x", "a.b", true },
		{ "allow certificate a.b,x call *", "x", NULL, true },
		{ "allow certificate \"a b\" call *", "a b", NULL, true },
		{ "allow certificate *.b call *", "a.b", NULL, true },
		{ "allow certificate *.b call *", "a.c.b", NULL, true },
		{ "allow certificate *.b call *", ".b", NULL, true },
		{ "allow certificate *.b call *", "b", NULL, false },
		{ "allow certificate *.b call *", "a.b.c", NULL, false },
		{ "allow certificate a* call *", "a", NULL, true },
		{ "allow certificate a* call *", "ba", NULL, false },
		{ "allow certificate aa*aa call *", "aaa", NULL, false },
		{ "allow certificate aa*aa call *", "aaaa", NULL, true },
		{ "allow certificate * call *", "a", NULL, true },
		{ "allow certificate * call *", NULL, NULL, false },
		{ "allow anyone call *", NULL, NULL, true },
		{ "allow anyone call *\nrefuse certificate b call *", "a", "b", false },
		{ "allow anyone call *\nrefuse certificate b call *", "a", NULL, true },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		ck_assert_msg((decide_for(all[i].rule, all[i].first, all[i].second) ==
			       POLICY_ALLOW) == all[i].allowed,
			      "%s: %s", all[i].rule, all[i].first ?: "none");
}
END_TEST

START_TEST(errors_of_network_policies_name_the_reason)
{
	static const struct {
		const char *line, *text;
	} wrong[] = {
		{ "allow user root call *",
		  "clients on the network have no user, but certificates" },
		{ "allow certificate a group 1 call *",
		  "clients on the network have no group, but certificates" },
		{ "allow label a call *",
		  "clients on the network have no label, but certificates" },
		{ "allow certificate", "\"certificate\" needs a list of names" },
		{ "allow certificate \"\" call *", "missing name before or after a comma" },
		{ "allow certificate a, call *", "missing name before or after a comma" },
		{ "allow certificate a*b* call *", "more than one * in \"a*b*\"" },
		{ "allow certificate a certificate b call *",
		  "more than one certificate; write a list with commas" },
		{ "allow call *", "missing callers; use anyone or certificate LIST" },
		{ "allow anyone find,register *", "clients on the network register no names" },
		{ "allow anyone call user/%u/*", "clients on the network have no user for %u" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct policy *policy = policy_new();

		ck_assert_int_eq(try_network(policy, wrong[i].line), -EINVAL);
		ck_assert_str_eq(problem.text, wrong[i].text);
		ck_assert_uint_eq(problem.line, 1);
		policy_free(policy);
	}
}
END_TEST

START_TEST(there_are_limits)
{
	struct policy *policy = policy_new();
	char line[CONFIG_LINE_MAX + 2];

	memset(line, ' ', sizeof(line));
	line[CONFIG_LINE_MAX] = '\0';
	ck_assert_int_eq(try(policy, line), 0);
	line[CONFIG_LINE_MAX] = ' ';
	line[CONFIG_LINE_MAX + 1] = '\0';
	ck_assert_int_eq(try(policy, line), -EINVAL);
	for (int i = 0; i < POLICY_RULES_MAX; i++)
		ck_assert_int_eq(try(policy, "allow anyone all *"), 0);
	ck_assert_int_eq(try(policy, "allow anyone all *"), -EINVAL);
	ck_assert_str_eq(problem.text, "more than 4096 rules");
	policy_free(policy);
}
END_TEST

/* --- Files ------------------------------------------------------------------------------- */

static char first[] = "/tmp/policy1.XXXXXX", second[] = "/tmp/policy2.XXXXXX";
static const char *const folders[] = { first, "/nonexistent", second, NULL };

static void put(const char *folder, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void begin_files(void)
{
	ck_assert_ptr_nonnull(mkdtemp(first));
	ck_assert_ptr_nonnull(mkdtemp(second));
}

static void end_files(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s %s", first, second);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(files_are_read_by_name_and_the_first_directory_wins)
{
	struct policy *policy;

	begin_files();
	put(second, "00-default.conf", "allow anyone all *\n");
	put(second, "10-a.conf", "refuse anyone find a\n");
	put(second, "20-b.conf", "refuse anyone find b\n");
	put(first, "10-a.conf", "# not here\n");
	put(first, "15-b.conf", "allow anyone find b\nrefuse anyone find c\n");
	put(first, "README", "not a rule");
	put(first, ".hidden.conf", "not a rule");
	ck_assert_int_eq(policy_load(folders, &policy), 0);
	ck_assert_uint_eq(policy_count(policy), 4);
	ck_assert_int_eq(decide(policy, 1, POLICY_FIND, "a"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1, POLICY_FIND, "b"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 1, POLICY_FIND, "c"), POLICY_REFUSE);
	policy_free(policy);

	put(second, "20-b.conf", "nonsense\n");
	ck_assert_int_eq(policy_load(folders, &policy), -EINVAL);
	end_files();
}
END_TEST

START_TEST(defaults_grant_only_own_names)
{
	struct policy *policy;

	begin_files();
	ck_assert_int_eq(policy_load(folders, &policy), 0);
	ck_assert_int_eq(decide(policy, 1000, POLICY_FIND, "ipc.x"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1000, POLICY_REGISTER, "ipc.x"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, 0, POLICY_REGISTER, "ipc.x"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1000, POLICY_REGISTER, "demo.echo"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 64999, POLICY_REGISTER, "mixer.main"), POLICY_REFUSE);
	ck_assert_int_eq(decide(policy, geteuid(), POLICY_REGISTER, "mixer.main"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 0, POLICY_REGISTER, "mixer.main"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1000, POLICY_REGISTER, "user/1000/a"), POLICY_ALLOW);
	ck_assert_int_eq(decide(policy, 1000, POLICY_REGISTER, "user/1001/a"), POLICY_REFUSE);
	policy_free(policy);
	end_files();
}
END_TEST

/* The reason is the end of the log's only line. */
static void fails_to_load(int error, const char *reason)
{
	struct log_copy copy = { .size = 0 };
	struct policy *policy;

	log_begin_copy(&copy);
	ck_assert_int_eq(policy_load(folders, &policy), error);
	log_end_copy();
	ck_assert_msg(strstr(copy.text, reason), "%s: %s", reason, copy.text);
}

START_TEST(only_regular_files_are_read)
{
	char path[128];

	begin_files();
	snprintf(path, sizeof(path), "%s/a.conf", first);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	fails_to_load(-EISDIR, "a.conf: Is a directory");
	rmdir(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fails_to_load(-EINVAL, "a.conf: not a regular file");
	unlink(path);
	ck_assert_int_eq(symlink("nothing-is-here", path), 0);
	fails_to_load(-ENOENT, "a.conf: No such file or directory");
	end_files();
}
END_TEST

int main(void)
{
	return RUN_CASES("policy", NULL, NULL, empty_policy_refuses_all,
			 last_matching_rule_decides, deciding_rule_is_reported,
			 users_and_groups_are_lists, rule_about_unknown_user_matches_no_caller,
			 labels_are_compared, patterns_are_names_beginnings_and_users,
			 what_is_wrong_is_said, certificates_are_compared,
			 errors_of_network_policies_name_the_reason, there_are_limits,
			 files_are_read_by_name_and_the_first_directory_wins,
			 defaults_grant_only_own_names, only_regular_files_are_read);
}
