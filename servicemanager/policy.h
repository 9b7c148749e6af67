/* SPDX-License-Identifier: MIT */
/*
 * The policy: which users may register, find, list and call which names. policy-parse.c reads the
 * text of a file, policy.c decides, and policy-load.c finds the files of ipcbus-policy(5). policy.c
 * and policy-parse.c use neither a user database nor libipc, because ipc-gateway also uses them,
 * for clients on the network.
 *
 * A policy is a list of rules in the order in which they were read. The last rule that matches the
 * caller, the right and the name decides. If no rule matches, access is refused.
 */
#ifndef SERVICEMANAGER_POLICY_H
#define SERVICEMANAGER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"

#define POLICY_RULES_MAX 4096

enum policy_right {
	POLICY_REGISTER = 1 << 0, /* register an object under the name */
	POLICY_FIND = 1 << 1,	  /* learn the owner of the name */
	POLICY_LIST = 1 << 2,	  /* see it in a list of names */
	POLICY_CALL = 1 << 3,	  /* get the object */
};

enum policy_verdict {
	POLICY_REFUSE,
	POLICY_HIDE, /* as if the name were not registered; registering it is refused */
	POLICY_ALLOW,
};

/* A caller, as the rules see it. Borrows all that it points to. */
struct policy_subject {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary groups */
	size_t n_groups;
	const char *label; /* of the security module; NULL: no label */
	char *const *certificates; /* names in the certificate, ending with NULL; NULL: no
				    * certificate */
};

/* Range of user or group ids, both ends included. */
struct policy_range {
	uint32_t first, last;
};

struct policy_ranges {
	bool any; /* all numbers; otherwise only the numbers of the list */
	struct policy_range *ranges;
	size_t count;
};

struct policy_rule {
	enum policy_verdict verdict;
	unsigned int rights; /* enum policy_right, or'ed */
	struct policy_ranges users;
	struct policy_ranges groups;
	char *label;	 /* a pattern; NULL: any label */
	char **certificates; /* patterns; NULL: the rule is not about certificates */
	size_t n_certificates;
	char **patterns; /* of names */
	size_t n_patterns;
	char *file;
	unsigned int line;
	char *text; /* the line of the file */
};

struct policy_decision {
	enum policy_verdict verdict;
	const struct policy_rule *rule; /* of the policy; NULL: no rule matches */
};

/* Look up users and groups by name. If there is no such name, return -ENOENT. */
struct policy_names {
	int (*user)(const char *name, uid_t *ret_uid);
	int (*group)(const char *name, gid_t *ret_gid);
	/* True if callers are on the network: rules are about certificates, and user() and group()
	 * are never called. False if callers are processes, which have users, groups and labels. */
	bool network;
};

struct policy;

/* Creates a policy without rules, which refuses everything. Returns NULL if memory is short. */
struct policy *policy_new(void);
struct policy *policy_free(struct policy *policy);

/*
 * Appends the rules in the text of a file. If a rule that allows names an unknown user or group, it
 * applies to the others that it names, and warn(), which may be NULL, is called. After an error the
 * policy must not be used, because it may have only some of the rules.
 *
 *   -EINVAL  the text is wrong, or a rule that refuses or hides names an unknown user or
 *            group; *ret_problem, which may be NULL, has the line and the reason
 *   -ENOMEM
 */
int policy_read(struct policy *policy, const char *file, const char *text, size_t size,
		const struct policy_names *names,
		void (*warn)(const char *file, const struct text_problem *problem),
		struct text_problem *ret_problem);

/* For policy_read(): appends the rule and takes ownership of it, even if it fails. If there are too
 * many rules, returns -EINVAL; if memory is short, -ENOMEM. */
int policy_append(struct policy *policy, struct policy_rule *rule);
struct policy_rule *policy_rule_free(struct policy_rule *rule);

struct policy_decision policy_decide(const struct policy *policy,
				     const struct policy_subject *subject, enum policy_right right,
				     const char *name);

/* Returns true if a rule is about groups. If not, the supplementary groups of callers are not
 * needed. */
bool policy_asks_for_groups(const struct policy *policy);

size_t policy_count(const struct policy *policy);
const struct policy_rule *policy_at(const struct policy *policy, size_t i);

/* Parses "register", "find", "list" or "call". Returns 0 for any other text. */
enum policy_right policy_right_from(const char *text);
const char *policy_verdict_text(enum policy_verdict verdict);

/* Prints the decision and its rule, for --check-policy. Returns the exit status: 0 allowed, 3
 * refused, 4 hidden. */
int policy_print(const struct policy_decision *decision);

#endif /* SERVICEMANAGER_POLICY_H */
