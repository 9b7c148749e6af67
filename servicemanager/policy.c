// SPDX-License-Identifier: MIT
/*
 * Storing and applying rules: see policy.h. A policy has some dozens of rules, so a decision
 * compares them in turn, beginning with the last.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

struct policy {
	struct policy_rule **rules;
	size_t n_rules;
};

/* --- Keeping rules ------------------------------------------------------------- */

struct policy *policy_new(void)
{
	return calloc(1, sizeof(struct policy));
}

struct policy_rule *policy_rule_free(struct policy_rule *rule)
{
	if (!rule)
		return NULL;

	for (size_t i = 0; i < rule->n_patterns; i++)
		free(rule->patterns[i]);
	free(rule->patterns);
	for (size_t i = 0; i < rule->n_certificates; i++)
		free(rule->certificates[i]);
	free(rule->certificates);
	free(rule->users.ranges);
	free(rule->groups.ranges);
	free(rule->label);
	free(rule->file);
	free(rule->text);
	free(rule);
	return NULL;
}

struct policy *policy_free(struct policy *policy)
{
	if (!policy)
		return NULL;

	for (size_t i = 0; i < policy->n_rules; i++)
		policy_rule_free(policy->rules[i]);
	free(policy->rules);
	free(policy);
	return NULL;
}

int policy_append(struct policy *policy, struct policy_rule *rule)
{
	struct policy_rule **rules = NULL;
	size_t n = policy->n_rules;

	if (n < POLICY_RULES_MAX)
		rules = reallocarray(policy->rules, n + 1, sizeof(*rules));
	if (!rules) {
		policy_rule_free(rule);
		return n < POLICY_RULES_MAX ? -ENOMEM : -EINVAL;
	}

	policy->rules = rules;
	policy->rules[policy->n_rules++] = rule;
	return 0;
}

/* --- Deciding ------------------------------------------------------------------ */

static bool ranges_have(const struct policy_ranges *ranges, uint32_t number)
{
	if (ranges->any)
		return true;

	for (size_t i = 0; i < ranges->count; i++)
		if (number >= ranges->ranges[i].first && number <= ranges->ranges[i].last)
			return true;

	return false;
}

static bool groups_match(const struct policy_ranges *ranges, const struct policy_subject *subject)
{
	if (ranges_have(ranges, subject->gid))
		return true;

	for (size_t i = 0; i < subject->n_groups; i++)
		if (ranges_have(ranges, subject->groups[i]))
			return true;

	return false;
}

/* "%u" in a pattern is the user id of the caller. A '*' at its end matches any rest. */
static bool pattern_matches(const char *pattern, const char *name, uid_t uid)
{
	char number[16];
	size_t size = (size_t)snprintf(number, sizeof(number), "%u", uid);

	for (; *pattern; pattern++) {
		if (*pattern == '*')
			return true;
		if (*pattern == '%') {
			if (strncmp(name, number, size))
				return false;
			name += size;
			pattern++;
		} else if (*pattern != *name++) {
			return false;
		}
	}

	return !*name;
}

/* The pattern may contain a single '*', which matches any text. */
static bool text_matches(const char *pattern, const char *text)
{
	const char *star = strchr(pattern, '*');
	size_t begin = star ? (size_t)(star - pattern) : 0, end, size = strlen(text);

	if (!star)
		return !strcmp(pattern, text);
	end = strlen(star + 1);
	return size >= begin + end && !strncmp(pattern, text, begin) &&
	       !strcmp(star + 1, text + size - end);
}

static bool certificates_match(const struct policy_rule *rule,
			       const struct policy_subject *subject)
{
	for (char *const *name = subject->certificates; name && *name; name++)
		for (size_t i = 0; i < rule->n_certificates; i++)
			if (text_matches(rule->certificates[i], *name))
				return true;

	return false;
}

static bool is_about(const struct policy_rule *rule, const struct policy_subject *subject,
		     enum policy_right right, const char *name)
{
	if (!(rule->rights & right) || !ranges_have(&rule->users, subject->uid) ||
	    !groups_match(&rule->groups, subject))
		return false;
	if (rule->label && !(subject->label && text_matches(rule->label, subject->label)))
		return false;
	if (rule->certificates && !certificates_match(rule, subject))
		return false;

	for (size_t i = 0; i < rule->n_patterns; i++)
		if (pattern_matches(rule->patterns[i], name, subject->uid))
			return true;

	return false;
}

struct policy_decision policy_decide(const struct policy *policy,
				     const struct policy_subject *subject,
				     enum policy_right right, const char *name)
{
	for (size_t i = policy->n_rules; i-- > 0;) {
		const struct policy_rule *rule = policy->rules[i];

		if (is_about(rule, subject, right, name))
			return (struct policy_decision){ rule->verdict, rule };
	}

	return (struct policy_decision){ POLICY_REFUSE, NULL };
}

bool policy_asks_for_groups(const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (!policy->rules[i]->groups.any)
			return true;

	return false;
}

/* --- Texts --------------------------------------------------------------------- */

size_t policy_count(const struct policy *policy)
{
	return policy->n_rules;
}

const struct policy_rule *policy_at(const struct policy *policy, size_t i)
{
	return policy->rules[i];
}

const char *policy_verdict_text(enum policy_verdict verdict)
{
	static const char *const texts[] = {
		[POLICY_ALLOW] = "allowed",
		[POLICY_REFUSE] = "refused",
		[POLICY_HIDE] = "hidden",
	};

	return texts[verdict];
}

int policy_print(const struct policy_decision *decision)
{
	const struct policy_rule *rule = decision->rule;

	if (rule)
		printf("%s: %s:%u: %s\n", policy_verdict_text(decision->verdict), rule->file,
		       rule->line, rule->text);
	else
		printf("%s: no rule matches\n", policy_verdict_text(decision->verdict));
	if (decision->verdict == POLICY_ALLOW)
		return 0;
	return decision->verdict == POLICY_REFUSE ? 3 : 4;
}
