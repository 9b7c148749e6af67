// SPDX-License-Identifier: MIT
/*
 * The text of a policy file: a rule a line, words apart by blanks.
 *
 *   VERDICT WHO... RIGHTS NAME...
 *
 *   VERDICT  allow, refuse, hide
 *   WHO      anyone, or one or more of: user LIST, group LIST, label PATTERN
 *   RIGHTS   all, or some of add,find,list,call
 *   NAME     a name; "%u" in it is the caller's user id, '*' at its end anything
 *
 * A LIST has commas and no blanks: names, numbers, ranges of numbers. What a word
 * is and where a comment begins is in words.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy-rule.h"
#include "words.h"

/* One line on its way to a rule. Words point into the buffer. */
struct line {
	const char *file;
	const struct policy_names *names;
	void (*warn)(const char *file, const struct policy_problem *problem);
	struct policy_problem *problem;
	unsigned int number;
	char buffer[POLICY_LINE_MAX + 1];
	struct words words; /* of the buffer */
	size_t at; /* the next word */
};

static int complain(struct line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int complain(struct line *line, const char *format, ...)
{
	va_list args;

	line->problem->line = line->number;
	va_start(args, format);
	vsnprintf(line->problem->text, sizeof(line->problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

static void warn_of(const struct line *line, const char *what, const char *name)
{
	struct policy_problem problem = { .line = line->number };

	if (!line->warn)
		return;

	snprintf(problem.text, sizeof(problem.text), "there is no %s \"%.64s\": the rule is about nobody of that name",
		 what, name);
	line->warn(line->file, &problem);
}

static char *next_word(struct line *line)
{
	return line->at < line->words.count ? line->words.list[line->at++] : NULL;
}

/* --- Who --------------------------------------------------------------------------- */

/* A number up to 2^32 - 2: the last one is nobody's. */
static bool take_number(const char **p, uint32_t *ret)
{
	unsigned long value;
	char *end;

	if (**p < '0' || **p > '9')
		return false;

	errno = 0;
	value = strtoul(*p, &end, 10);
	if (errno || value > UINT32_MAX - 1)
		return false;

	*p = end;
	*ret = (uint32_t)value;
	return true;
}

/* 1: "7" or "7-9"; 0: it is a name; -EINVAL. */
static int range_from(struct line *line, const char *text, struct policy_range *ret)
{
	const char *p = text;

	if (!take_number(&p, &ret->first))
		return *text >= '0' && *text <= '9' ? complain(line, "\"%.64s\" is too large", text) :
						      0;
	ret->last = ret->first;
	if (*p == '-') {
		p++;
		if (!take_number(&p, &ret->last) || *p)
			return complain(line, "\"%.64s\" is no range of numbers", text);
		if (ret->last < ret->first)
			return complain(line, "\"%.64s\" ends before it begins", text);
	}

	return *p ? complain(line, "\"%.64s\" is neither a number nor a name", text) : 1;
}

static int range_named(struct line *line, const char *what, const char *name,
		       struct policy_range *ret)
{
	uid_t uid = 0;
	gid_t gid = 0;
	int r;

	if (*what == 'u')
		r = line->names->user(name, &uid);
	else
		r = line->names->group(name, &gid);
	if (r < 0) {
		warn_of(line, what, name);
		return 0;
	}

	ret->first = ret->last = *what == 'u' ? uid : gid;
	return 1;
}

static int add_range(struct line *line, const char *what, const char *text,
		     struct policy_ranges *ranges)
{
	struct policy_range range, *grown;
	int r;

	if (!*text)
		return complain(line, "a %s is missing around a comma", what);
	r = range_from(line, text, &range);
	if (r == 0)
		r = range_named(line, what, text, &range);
	if (r <= 0)
		return r;

	grown = reallocarray(ranges->ranges, ranges->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;

	ranges->ranges = grown;
	ranges->ranges[ranges->count++] = range;
	return 0;
}

static int parse_list(struct line *line, const char *what, struct policy_ranges *ranges)
{
	char *list = next_word(line), *item;
	int r;

	if (!list)
		return complain(line, "which %s?", what);
	if (!ranges->any)
		return complain(line, "%s comes twice: write a list with commas", what);

	ranges->any = false;
	while ((item = strsep(&list, ","))) {
		r = add_range(line, what, item, ranges);
		if (r < 0)
			return r;
	}

	return 0;
}

static int parse_label(struct line *line, struct policy_rule *rule)
{
	char *label = next_word(line);

	if (!label || !*label)
		return complain(line, "which label?");
	if (rule->label)
		return complain(line, "label comes twice");

	rule->label = strdup(label);
	return rule->label ? 0 : -ENOMEM;
}

/* Up to the first word that is none of who's; that is left. */
static int parse_who(struct line *line, struct policy_rule *rule)
{
	size_t before = line->at;
	char *word;
	int r = 0;

	rule->users.any = rule->groups.any = true;
	word = next_word(line);
	if (word && !strcmp(word, "anyone"))
		return 0;

	for (; word && r == 0; word = next_word(line)) {
		if (!strcmp(word, "user"))
			r = parse_list(line, "user", &rule->users);
		else if (!strcmp(word, "group"))
			r = parse_list(line, "group", &rule->groups);
		else if (!strcmp(word, "label"))
			r = parse_label(line, rule);
		else
			break;
	}
	if (r < 0)
		return r;
	if (word)
		line->at--;

	return line->at > before ? 0 :
				   complain(line, "who? anyone, user LIST, group LIST or label PATTERN");
}

/* --- What ---------------------------------------------------------------------------- */

enum policy_right policy_right_from(const char *text)
{
	static const char *const names[] = { "add", "find", "list", "call" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(text, names[i]))
			return (enum policy_right)(1 << i);

	return 0;
}

static int parse_verdict(struct line *line, struct policy_rule *rule)
{
	const char *word = next_word(line);

	if (!strcmp(word, "allow"))
		rule->verdict = POLICY_ALLOW;
	else if (!strcmp(word, "refuse"))
		rule->verdict = POLICY_REFUSE;
	else if (!strcmp(word, "hide"))
		rule->verdict = POLICY_HIDE;
	else
		return complain(line, "a rule begins with allow, refuse or hide, not \"%.64s\"",
				word);

	return 0;
}

static int parse_rights(struct line *line, struct policy_rule *rule)
{
	char *list = next_word(line), *item;

	if (!list)
		return complain(line, "which rights? all, or some of add,find,list,call");
	if (!strcmp(list, "all")) {
		rule->rights = POLICY_ADD | POLICY_FIND | POLICY_LIST | POLICY_CALL;
		return 0;
	}

	while ((item = strsep(&list, ","))) {
		unsigned int right = policy_right_from(item);

		if (!right)
			return complain(line, "\"%.64s\" is no right: all, or some of add,find,list,call",
					item);
		rule->rights |= right;
	}

	return 0;
}

/* Characters of names, %u, and a '*' at the end. */
static bool pattern_is_valid(const char *pattern)
{
	for (const char *p = pattern; *p; p++) {
		if (*p == '*')
			return !p[1];
		if (*p == '%') {
			if (*++p != 'u')
				return false;
		} else if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789_./-", *p)) {
			return false;
		}
	}

	return *pattern;
}

static int parse_patterns(struct line *line, struct policy_rule *rule)
{
	char *word;

	rule->patterns = calloc(WORDS_MAX, sizeof(*rule->patterns));
	if (!rule->patterns)
		return -ENOMEM;

	while ((word = next_word(line))) {
		if (!pattern_is_valid(word))
			return complain(line, "\"%.64s\" is no name, nor the beginning of names and a *",
					word);
		rule->patterns[rule->n_patterns] = strdup(word);
		if (!rule->patterns[rule->n_patterns])
			return -ENOMEM;
		rule->n_patterns++;
	}

	return rule->n_patterns ? 0 : complain(line, "which names? * is all of them");
}

/* --- Lines --------------------------------------------------------------------------- */

static int parse_rule(struct line *line, struct policy_rule *rule)
{
	const char *problem;
	int r;

	rule->line = line->number;
	rule->file = strdup(line->file);
	rule->text = strdup(line->buffer + strspn(line->buffer, " \t"));
	if (!rule->file || !rule->text)
		return -ENOMEM;

	line->at = 0;
	problem = words_split(&line->words, line->buffer);
	if (problem)
		return complain(line, "%s", problem);

	r = parse_verdict(line, rule);
	if (r == 0)
		r = parse_who(line, rule);
	if (r == 0)
		r = parse_rights(line, rule);
	if (r == 0)
		r = parse_patterns(line, rule);
	return r;
}

/* The buffer has the line. */
static int read_rule(struct line *line, struct policy *policy)
{
	struct policy_rule *rule;
	int r;

	if (!words_are_there(line->buffer))
		return 0;

	rule = calloc(1, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	r = parse_rule(line, rule);
	if (r < 0) {
		policy_rule_free(rule);
		return r;
	}

	r = policy_append(policy, rule);
	return r == -EINVAL ? complain(line, "more than %d rules", POLICY_RULES_MAX) : r;
}

static int take_line(struct line *line, const char *text, size_t size)
{
	const char *problem = words_take_line(line->buffer, sizeof(line->buffer), text, size);

	return problem ? complain(line, "%s", problem) : 0;
}

int policy_read(struct policy *policy, const char *file, const char *text, size_t size,
		const struct policy_names *names,
		void (*warn)(const char *file, const struct policy_problem *problem),
		struct policy_problem *ret_problem)
{
	struct line line = {
		.file = file, .names = names, .warn = warn, .problem = ret_problem,
	};

	while (size) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;
		int r;

		line.number++;
		r = take_line(&line, text, length);
		if (r == 0)
			r = read_rule(&line, policy);
		if (r < 0)
			return r;
		length += end ? 1 : 0;
		text += length;
		size -= length;
	}

	return 0;
}
