/* SPDX-License-Identifier: MIT */
/*
 * The policy of names: who may add, find, list and call which. policy.c decides,
 * policy-parse.c reads the text of a file; ipcbus-policy(5) is what people are
 * told. Pure: no files, no user database, no ipc. policy-load.c finds the files.
 *
 * A policy is a list of rules in the order in which they were read. The last one
 * that is about the caller, the right and the name decides; if none is, it is
 * refused.
 */
#ifndef SERVICEMANAGER_POLICY_H
#define SERVICEMANAGER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "words.h"

#define POLICY_RULES_MAX 4096

enum policy_right {
	POLICY_REGISTER = 1 << 0, /* give an object the name */
	POLICY_FIND = 1 << 1,	  /* learn that somebody has it, and who */
	POLICY_LIST = 1 << 2,	  /* see it among others */
	POLICY_CALL = 1 << 3,	  /* get the object */
};

enum policy_verdict {
	POLICY_REFUSE,
	POLICY_HIDE, /* as if nobody had the name; to add it: refused */
	POLICY_ALLOW,
};

/* Whom a rule may be about. */
struct policy_subject {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* besides gid */
	size_t n_groups;
	const char *label; /* of the security module; NULL: none */
};

struct policy_rule;

struct policy_decision {
	enum policy_verdict verdict;
	const struct policy_rule *rule; /* NULL: no rule is about it */
};

/* How names of users and groups become numbers: 0, or -ENOENT. */
struct policy_names {
	int (*user)(const char *name, uid_t *ret_uid);
	int (*group)(const char *name, gid_t *ret_gid);
};

struct policy;

/* NULL: out of memory. Without rules it refuses everything. */
struct policy *policy_new(void);
struct policy *policy_free(struct policy *policy);

/*
 * Appends the rules of a file's text. -EINVAL: the text is wrong and *ret_problem
 * says where; -ENOMEM. Then some of its rules may be there: throw the policy away.
 * A user or group that does not exist is nobody; warn, if not NULL, is told.
 */
int policy_read(struct policy *policy, const char *file, const char *text, size_t size,
		const struct policy_names *names,
		void (*warn)(const char *file, const struct text_problem *problem),
		struct text_problem *ret_problem);

struct policy_decision policy_decide(const struct policy *policy,
				     const struct policy_subject *subject, enum policy_right right,
				     const char *name);

/* Does it matter which groups besides the first a caller has? */
bool policy_asks_for_groups(const struct policy *policy);

size_t policy_count(const struct policy *policy);
const char *policy_rule_file(const struct policy_rule *rule);
unsigned int policy_rule_line(const struct policy_rule *rule);
/* The line as it was written. */
const char *policy_rule_text(const struct policy_rule *rule);

/* "add", "find", "list", "call": 0 if it is none of these. */
enum policy_right policy_right_from(const char *text);
const char *policy_verdict_text(enum policy_verdict verdict);

#endif /* SERVICEMANAGER_POLICY_H */
