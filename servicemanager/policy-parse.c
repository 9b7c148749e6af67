// SPDX-License-Identifier: MIT
/*
 * The text of a policy file. Each line is a rule:
 *
 *   VERDICT WHO... RIGHTS NAME...
 *
 *   VERDICT  allow, refuse, hide
 *   WHO      anyone, or one or more of: user LIST, group LIST, label PATTERN
 *   RIGHTS   all, or some of register,find,list,call
 *   NAME     a name; "%u" in it is the user id of the caller, and a '*' at its end matches
 *            any rest
 *
 * A LIST has names, numbers and ranges of numbers, with commas and no blanks. words.h says
 * what a word and a comment is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy-rule.h"
#include "words.h"

/* Words point into the line. */
struct parser {
	const char *file;
	const struct policy_names *names;
	void (*warn)(const char *file, const struct text_problem *problem);
	struct text_problem *problem;
	struct line line;
	struct words words;
	size_t at; /* the next word */
};

#define complain(parser, ...) \
	text_problem_set((parser)->problem, (parser)->line.number, __VA_ARGS__)

static void warn_of(const struct parser *parser, const char *what, const char *name)
{
	struct text_problem problem;

	if (!parser->warn)
		return;

	text_problem_set(&problem, parser->line.number,
			 "unknown %s \"%.64s\": the rule matches nobody of that name", what,
			 name);
	parser->warn(parser->file, &problem);
}

static char *next_word(struct parser *parser)
{
	return parser->at < parser->words.count ? parser->words.list[parser->at++] : NULL;
}

/* --- Who --------------------------------------------------------------------------- */

/* A number up to 2^32 - 2; 2^32 - 1 is nobody's. */
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

/* 1: *ret is from "7" or "7-9"; 0: the text is a name; -EINVAL. */
static int range_from(struct parser *parser, const char *text, struct policy_range *ret)
{
	const char *p = text;

	if (!take_number(&p, &ret->first))
		return *text >= '0' && *text <= '9' ?
			       complain(parser, "\"%.64s\" is too large", text) :
			       0;
	ret->last = ret->first;
	if (*p == '-') {
		p++;
		if (!take_number(&p, &ret->last) || *p)
			return complain(parser, "\"%.64s\" is not a range of numbers", text);
		if (ret->last < ret->first)
			return complain(parser, "\"%.64s\" ends before it begins", text);
	}

	return *p ? complain(parser, "\"%.64s\" is neither a number nor a name", text) : 1;
}

static int range_named(struct parser *parser, const char *what, const char *name,
		       struct policy_range *ret)
{
	uid_t uid = 0;
	gid_t gid = 0;
	int r;

	if (*what == 'u')
		r = parser->names->user(name, &uid);
	else
		r = parser->names->group(name, &gid);
	if (r < 0) {
		warn_of(parser, what, name);
		return 0;
	}

	ret->first = ret->last = *what == 'u' ? uid : gid;
	return 1;
}

static int add_range(struct parser *parser, const char *what, const char *text,
		     struct policy_ranges *ranges)
{
	struct policy_range range, *grown;
	int r;

	if (!*text)
		return complain(parser, "missing %s before or after a comma", what);
	r = range_from(parser, text, &range);
	if (r == 0)
		r = range_named(parser, what, text, &range);
	if (r <= 0)
		return r;

	grown = reallocarray(ranges->ranges, ranges->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;

	ranges->ranges = grown;
	ranges->ranges[ranges->count++] = range;
	return 0;
}

static int parse_list(struct parser *parser, const char *what, struct policy_ranges *ranges)
{
	char *list = next_word(parser), *item;
	int r;

	if (!list)
		return complain(parser, "\"%s\" needs a list", what);
	if (!ranges->any)
		return complain(parser, "more than one %s; write a list with commas", what);

	ranges->any = false;
	while ((item = strsep(&list, ","))) {
		r = add_range(parser, what, item, ranges);
		if (r < 0)
			return r;
	}

	return 0;
}

static int parse_label(struct parser *parser, struct policy_rule *rule)
{
	char *label = next_word(parser);

	if (!label || !*label)
		return complain(parser, "\"label\" needs a pattern");
	if (rule->label)
		return complain(parser, "more than one label");

	rule->label = strdup(label);
	return rule->label ? 0 : -ENOMEM;
}

/* Stops before the first word that does not say who. */
static int parse_who(struct parser *parser, struct policy_rule *rule)
{
	size_t before = parser->at;
	char *word;
	int r = 0;

	rule->users.any = rule->groups.any = true;
	word = next_word(parser);
	if (word && !strcmp(word, "anyone"))
		return 0;

	for (; word && r == 0; word = next_word(parser)) {
		if (!strcmp(word, "user"))
			r = parse_list(parser, "user", &rule->users);
		else if (!strcmp(word, "group"))
			r = parse_list(parser, "group", &rule->groups);
		else if (!strcmp(word, "label"))
			r = parse_label(parser, rule);
		else
			break;
	}
	if (r < 0)
		return r;
	if (word)
		parser->at--;

	return parser->at > before ?
		       0 :
		       complain(parser, "missing who; use anyone, user LIST, group LIST or label PATTERN");
}

/* --- What ---------------------------------------------------------------------------- */

enum policy_right policy_right_from(const char *text)
{
	static const char *const names[] = { "register", "find", "list", "call" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(text, names[i]))
			return (enum policy_right)(1 << i);

	return 0;
}

static int parse_verdict(struct parser *parser, struct policy_rule *rule)
{
	const char *word = next_word(parser);

	if (!strcmp(word, "allow"))
		rule->verdict = POLICY_ALLOW;
	else if (!strcmp(word, "refuse"))
		rule->verdict = POLICY_REFUSE;
	else if (!strcmp(word, "hide"))
		rule->verdict = POLICY_HIDE;
	else
		return complain(parser, "a rule begins with allow, refuse or hide, not \"%.64s\"",
				word);

	return 0;
}

static int parse_rights(struct parser *parser, struct policy_rule *rule)
{
	char *list = next_word(parser), *item;

	if (!list)
		return complain(parser, "missing rights; use all, or some of register,find,list,call");
	if (!strcmp(list, "all")) {
		rule->rights = POLICY_REGISTER | POLICY_FIND | POLICY_LIST | POLICY_CALL;
		return 0;
	}

	while ((item = strsep(&list, ","))) {
		unsigned int right = policy_right_from(item);

		if (!right)
			return complain(parser,
					"unknown right \"%.64s\"; use all, or some of register,find,list,call",
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
				   "0123456789_./-",
				   *p)) {
			return false;
		}
	}

	return *pattern;
}

static int parse_patterns(struct parser *parser, struct policy_rule *rule)
{
	char *word;

	rule->patterns = calloc(WORDS_MAX, sizeof(*rule->patterns));
	if (!rule->patterns)
		return -ENOMEM;

	while ((word = next_word(parser))) {
		if (!pattern_is_valid(word))
			return complain(parser,
					"\"%.64s\" is neither a name nor the beginning of names and a *",
					word);
		rule->patterns[rule->n_patterns] = strdup(word);
		if (!rule->patterns[rule->n_patterns])
			return -ENOMEM;
		rule->n_patterns++;
	}

	return rule->n_patterns ? 0 : complain(parser, "missing names; * means all");
}

/* --- Lines --------------------------------------------------------------------------- */

static int parse_rule(struct parser *parser, struct policy_rule *rule)
{
	const char *problem;
	int r;

	rule->line = parser->line.number;
	rule->file = strdup(parser->file);
	rule->text = strdup(parser->line.text + strspn(parser->line.text, " \t"));
	if (!rule->file || !rule->text)
		return -ENOMEM;

	parser->at = 0;
	problem = words_split(&parser->words, &parser->line);
	if (problem)
		return complain(parser, "%s", problem);

	r = parse_verdict(parser, rule);
	if (r == 0)
		r = parse_who(parser, rule);
	if (r == 0)
		r = parse_rights(parser, rule);
	if (r == 0)
		r = parse_patterns(parser, rule);
	return r;
}

static int read_rule(struct parser *parser, struct policy *policy)
{
	struct policy_rule *rule = calloc(1, sizeof(*rule));
	int r;

	if (!rule)
		return -ENOMEM;
	r = parse_rule(parser, rule);
	if (r < 0) {
		policy_rule_free(rule);
		return r;
	}

	r = policy_append(policy, rule);
	return r == -EINVAL ? complain(parser, "more than %d rules", POLICY_RULES_MAX) : r;
}

int policy_read(struct policy *policy, const char *file, const char *text, size_t size,
		const struct policy_names *names,
		void (*warn)(const char *file, const struct text_problem *problem),
		struct text_problem *ret_problem)
{
	struct parser parser = {
		.file = file,
		.names = names,
		.warn = warn,
		.problem = ret_problem,
	};
	const char *problem;
	int r = 0;

	while (r == 0 && line_next(&parser.line, &text, &size, &problem)) {
		if (problem)
			r = complain(&parser, "%s", problem);
		else if (line_has_words(&parser.line))
			r = read_rule(&parser, policy);
	}

	return r;
}
