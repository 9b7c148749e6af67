// SPDX-License-Identifier: MIT
/*
 * servicemanager --check-policy: see check-policy.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check-policy.h"
#include "log.h"
#include "policy-load.h"
#include "registry.h"

#define GROUPS_MAX 64

/* Others are those of policy_print(). */
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

/* Without groups, the group with the number of the user. */
static int parse_who(struct question *question, char *who)
{
	struct policy_subject *subject = &question->subject;
	char *user = strsep(&who, ":"), *item;

	if (policy_find_user(user, &subject->uid) < 0)
		return complain("unknown user", user);

	subject->groups = question->groups;
	while ((item = strsep(&who, ","))) {
		if (subject->n_groups == GROUPS_MAX)
			return complain("more than 64 groups, at", item);
		if (policy_find_group(item, &question->groups[subject->n_groups++]) < 0)
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

int check_policy(const char *const *directories, char **words)
{
	struct question question = { .name = NULL };
	struct policy_decision decision;
	struct policy *policy;
	int status = ALLOWED;

	if (words[0] && parse_question(&question, words) < 0)
		return BAD_QUESTION;
	if (policy_load(directories, &policy) < 0)
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
