/* SPDX-License-Identifier: MIT */
/*
 * A rule: policy-parse.c makes it, policy.c keeps and applies it.
 */
#ifndef SERVICEMANAGER_POLICY_RULE_H
#define SERVICEMANAGER_POLICY_RULE_H

#include <stdint.h>

#include "policy.h"

/* Numbers of users or groups, both ends included. */
struct policy_range {
	uint32_t first, last;
};

struct policy_ranges {
	bool any; /* all numbers; otherwise those of the list, which may be empty */
	struct policy_range *ranges;
	size_t count;
};

struct policy_rule {
	enum policy_verdict verdict;
	unsigned int rights; /* enum policy_right, or'ed */
	struct policy_ranges users;
	struct policy_ranges groups;
	char *label;	 /* NULL: any */
	char **patterns; /* of names */
	size_t n_patterns;
	char *file;
	unsigned int line;
	char *text;
};

/* Takes the rule over. -EINVAL: there are too many; -ENOMEM. */
int policy_append(struct policy *policy, struct policy_rule *rule);
struct policy_rule *policy_rule_free(struct policy_rule *rule);

#endif /* SERVICEMANAGER_POLICY_RULE_H */
