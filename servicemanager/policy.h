/* SPDX-License-Identifier: MIT */
/*
 * The policy: which users may register, find, list and call which names. policy-parse.c reads the
 * text of a file, policy.c decides, and policy-load.c finds the files of ipcbus-policy(5). policy.c
 * and policy-parse.c use no user database and no ipc: ipc-gateway has them too, for clients on the
 * network.
 *
 * A policy is a list of rules in the order in which they were read. The last rule that matches
 * the caller, the right and the name decides. If no rule matches, access is refused.
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
	POLICY_REGISTER = 1 << 0, /* give an object the name */
	POLICY_FIND = 1 << 1,	  /* learn who has it */
	POLICY_LIST = 1 << 2,	  /* see it in a list of names */
	POLICY_CALL = 1 << 3,	  /* get the object */
};

enum policy_verdict {
	POLICY_REFUSE,
	POLICY_HIDE, /* as if nobody had the name; registering it is refused */
	POLICY_ALLOW,
};

/* A caller, as rules see it. */
struct policy_subject {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* besides gid */
	size_t n_groups;
	const char *label; /* of the security module; NULL: none */
	char *const *certificates; /* names in the certificate, and NULL; or NULL: none */
};

/* Numbers of users or groups, both ends included. */
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
	char *label;	 /* NULL: any */
	char **certificates; /* patterns; NULL: any, or no certificate */
	size_t n_certificates;
	char **patterns; /* of names */
	size_t n_patterns;
	char *file;
	unsigned int line;
	char *text; /* the line of the file */
};

struct policy_decision {
	enum policy_verdict verdict;
	const struct policy_rule *rule; /* NULL: no rule matches */
};

/* Looks up users and groups by name. -ENOENT: not found. */
struct policy_names {
	int (*user)(const char *name, uid_t *ret_uid);
	int (*group)(const char *name, gid_t *ret_gid);
	/* The callers are on the network: rules are about certificates, and user() and group() are
	 * never called. Otherwise they are processes, which have users, groups and labels. */
	bool network;
};

struct policy;

/* Makes a policy without rules, which refuses everything. Returns NULL without memory. */
struct policy *policy_new(void);
struct policy *policy_free(struct policy *policy);

/*
 * Appends the rules in the text of a file. A user or group that does not exist matches
 * nobody in a rule that allows, and is passed to warn(), which may be NULL. After an error
 * some of the rules may be in the policy, which must not be used.
 *
 *   -EINVAL  the text is wrong, or a rule that refuses or hides is about a user or group that
 *            does not exist; *ret_problem, which may be NULL, says where and why
 *   -ENOMEM
 */
int policy_read(struct policy *policy, const char *file, const char *text, size_t size,
		const struct policy_names *names,
		void (*warn)(const char *file, const struct text_problem *problem),
		struct text_problem *ret_problem);

/* For policy_read(): takes the rule over. -EINVAL: there are too many; -ENOMEM. */
int policy_append(struct policy *policy, struct policy_rule *rule);
struct policy_rule *policy_rule_free(struct policy_rule *rule);

struct policy_decision policy_decide(const struct policy *policy,
				     const struct policy_subject *subject, enum policy_right right,
				     const char *name);

/* Is there a rule about groups? If not, supplementary groups of a caller need not be known. */
bool policy_asks_for_groups(const struct policy *policy);

size_t policy_count(const struct policy *policy);
const struct policy_rule *policy_at(const struct policy *policy, size_t i);

/* From "register", "find", "list" or "call"; 0 for anything else. */
enum policy_right policy_right_from(const char *text);
const char *policy_verdict_text(enum policy_verdict verdict);

/* Prints the decision and its rule, for --check-policy. Returns the exit status: 0 allowed, 3
 * refused, 4 hidden. */
int policy_print(const struct policy_decision *decision);

#endif /* SERVICEMANAGER_POLICY_H */
