// SPDX-License-Identifier: MIT
/*
 * Loading the policy, and --check-policy: see policy-load.h.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "policy-load.h"
#include "registry.h"

static const char built_in[] =
#include "default-policy.inc"
	;

/* --- Users and groups -------------------------------------------------------------- */

static bool number_from(const char *text, unsigned int *ret)
{
	uint64_t value;

	if (!config_take_number(&text, UINT32_MAX - 1, &value) || *text)
		return false;

	*ret = (unsigned int)value;
	return true;
}

/* root is 0, even if there is no user database. "%self" is the user of this process. */
static int user_named(const char *name, uid_t *ret_uid)
{
	const struct passwd *entry = getpwnam(name);

	if (!strcmp(name, "%self")) {
		*ret_uid = geteuid();
		return 0;
	}
	if (!entry && strcmp(name, "root"))
		return -ENOENT;

	*ret_uid = entry ? entry->pw_uid : 0;
	return 0;
}

static int group_named(const char *name, gid_t *ret_gid)
{
	const struct group *entry = getgrnam(name);

	if (!entry && strcmp(name, "root"))
		return -ENOENT;

	*ret_gid = entry ? entry->gr_gid : 0;
	return 0;
}

static int find_user(const char *text, uid_t *ret_uid)
{
	return number_from(text, ret_uid) ? 0 : user_named(text, ret_uid);
}

static int find_group(const char *text, gid_t *ret_gid)
{
	return number_from(text, ret_gid) ? 0 : group_named(text, ret_gid);
}

static const struct policy_names names = { .user = user_named, .group = group_named };

/* --- Reading ------------------------------------------------------------------------- */

static void print_problem(const char *file, const struct text_problem *problem)
{
	log_line("%s:%u: %s", file, problem->line, problem->text);
}

static int take_text(void *userdata, const char *path, const char *text, size_t size)
{
	struct text_problem problem;
	int r = policy_read(userdata, path, text, size, &names, print_problem, &problem);

	if (r == -EINVAL)
		print_problem(path, &problem);
	return r;
}

int policy_load(const char *const *folders, struct policy **ret_policy)
{
	struct policy *policy = policy_new();
	int r = policy ? config_load(folders, take_text, policy) : -ENOMEM;

	if (r == 0)
		r = take_text(policy, "(built in)", built_in, sizeof(built_in) - 1);
	if (r < 0) {
		policy_free(policy);
		return r;
	}

	*ret_policy = policy;
	return 0;
}

/* --- Checking -------------------------------------------------------------------------- */

#define GROUPS_MAX 64

/* policy_print() returns the other exit statuses. */
enum { ALLOWED = 0, BAD_POLICY = 1, BAD_QUESTION = 2 };

struct question {
	struct policy_subject subject;
	gid_t groups[GROUPS_MAX];
	enum policy_right right;
	const char *name;
};

static int complain(const char *what, const char *which)
{
	log_line("%s \"%s\"", what, which);
	return -EINVAL;
}

/* If no groups are given, the group is the number of the user. */
static int parse_who(struct question *question, char *who)
{
	struct policy_subject *subject = &question->subject;
	char *user = strsep(&who, ":"), *item;

	if (find_user(user, &subject->uid) < 0)
		return complain("unknown user", user);

	subject->groups = question->groups;
	while ((item = strsep(&who, ","))) {
		if (subject->n_groups == GROUPS_MAX)
			return complain("more than 64 groups, at", item);
		if (find_group(item, &question->groups[subject->n_groups++]) < 0)
			return complain("unknown group", item);
	}
	subject->gid = subject->n_groups ? question->groups[0] : subject->uid;

	return 0;
}

static int parse_question(struct question *question, char **words)
{
	if (!words[1] || !words[2] || (words[3] && words[4])) {
		log_line("expected USER[:GROUP,...] RIGHT NAME [LABEL]");
		return -EINVAL;
	}
	if (parse_who(question, words[0]) < 0)
		return -EINVAL;
	question->right = policy_right_from(words[1]);
	if (!question->right)
		return complain("a right is register, find, list or call, not", words[1]);
	question->name = words[2];
	if (!registry_name_is_valid(question->name))
		return complain("invalid name", question->name);

	question->subject.label = words[3];
	return 0;
}

int check_policy(const char *const *folders, char **words)
{
	struct question question = { .name = NULL };
	struct policy_decision decision;
	struct policy *policy;
	int status = ALLOWED;

	if (words[0] && parse_question(&question, words) < 0)
		return BAD_QUESTION;
	if (policy_load(folders, &policy) < 0)
		return BAD_POLICY;

	if (question.name) {
		decision = policy_decide(policy, &question.subject, question.right, question.name);
		status = policy_print(&decision);
	} else {
		printf("%zu rules\n", policy_count(policy));
	}
	policy_free(policy);
	return status;
}
