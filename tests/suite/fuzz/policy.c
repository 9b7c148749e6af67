// SPDX-License-Identifier: MIT
/*
 * Texts of policy files. A refusal names a line of the text. An accepted policy decides as its
 * lines do in turn, from the last to the first. The printed text of a rule parses to an equal
 * rule.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

#define must(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "policy: line %d: %s\n", __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* The names "x", "xx", ... have numbers, other names none. */
static int number_named(const char *name, unsigned int *ret)
{
	size_t size = strspn(name, "x");

	if (!size || name[size])
		return -ENOENT;
	*ret = (unsigned int)size;
	return 0;
}

static const struct policy_names names = { .user = number_named, .group = number_named };

static struct policy *read_text(const char *text, size_t size, struct text_problem *problem)
{
	struct policy *policy = policy_new();
	int r = policy_read(policy, "fuzz", text, size, &names, NULL, problem);

	must(r == 0 || r == -EINVAL);
	return r == 0 ? policy : policy_free(policy);
}

static unsigned int lines_of(const char *text, size_t size)
{
	unsigned int n = 1;

	for (size_t i = 0; i < size; i++)
		n += text[i] == '\n';
	return n;
}

/* Decides by the lines alone: the last matching line applies. */
static struct policy_decision decide_by_lines(const char *text, size_t size,
					      const struct policy_subject *subject,
					      enum policy_right right, const char *name,
					      unsigned int *ret_line)
{
	struct policy_decision found = { POLICY_REFUSE, NULL };
	unsigned int line = 0;

	*ret_line = 0;
	while (size) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;
		struct policy *one = read_text(text, length, NULL);
		struct policy_decision decision;

		line++;
		must(one);
		decision = policy_decide(one, subject, right, name);
		if (decision.rule) {
			found.verdict = decision.verdict;
			*ret_line = line;
		}
		policy_free(one);
		length += end ? 1 : 0;
		text += length;
		size -= length;
	}
	return found;
}

static void compare_rule(const struct policy_rule *rule, const struct policy_decision *decision,
			 const struct policy_subject *subject, enum policy_right right,
			 const char *name)
{
	const char *text = rule->text;
	struct policy *again = read_text(text, strlen(text), NULL);

	must(again && policy_count(again) == 1);
	must(policy_decide(again, subject, right, name).verdict == decision->verdict);
	policy_free(again);
}

static void compare(const struct policy *policy, const char *text, size_t size,
		    const struct policy_subject *subject, const char *name)
{
	for (unsigned int right = POLICY_REGISTER; right <= POLICY_CALL; right <<= 1) {
		struct policy_decision a = policy_decide(policy, subject, right, name), b;
		unsigned int line;

		b = decide_by_lines(text, size, subject, right, name, &line);
		must(a.verdict == b.verdict);
		must((a.rule ? a.rule->line : 0) == line);
		if (a.rule)
			compare_rule(a.rule, &a, subject, right, name);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const gid_t groups[] = { 2, 5 };
	static const struct policy_subject subjects[] = {
		{ .uid = 0, .gid = 0 },
		{ .uid = 2, .gid = 1, .groups = groups, .n_groups = 2, .label = "a b" },
	};
	static const char *const tried[] = { "a", "a.b", "user/2/x" };
	struct text_problem problem = { .line = 0 };
	const char *text = (const char *)data;
	struct policy *policy;

	if (size > 4096)
		return 0;
	policy = read_text(text, size, &problem);
	if (!policy) {
		must(problem.line >= 1 && problem.line <= lines_of(text, size));
		must(problem.text[0]);
		return 0;
	}
	for (size_t i = 0; i < 6; i++)
		compare(policy, text, size, &subjects[i % 2], tried[i / 2]);
	policy_free(policy);
	return 0;
}
