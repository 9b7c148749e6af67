// SPDX-License-Identifier: MIT
/*
 * The text of a policy file. Each line is a rule:
 *
 *   VERDICT WHO... RIGHTS NAME...
 *
 *   VERDICT  allow, refuse, hide
 *   WHO      anyone, or at least one of: user LIST, group LIST, label PATTERN; on the network
 *            anyone, or certificate PATTERN,...
 *   RIGHTS   all, or some of register,find,list,call; on the network, where clients cannot
 *            register names, the last three
 *   NAME     a name; "%u" in it is the user id of the caller, and a '*' at its end matches
 *            any rest
 *
 * A LIST has names, numbers and ranges of numbers, with commas and no blanks. config.h defines
 * words and comments.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

struct parser {
	struct policy *policy;
	const char *file;
	const struct policy_names *names;
	void (*warn)(const char *file, const struct text_problem *problem);
	struct config_line line;
	size_t at; /* the next word */
};

#define complain(parser, ...) config_complain(&(parser)->line, __VA_ARGS__)

static char *next_word(struct parser *parser)
{
	return parser->at < parser->line.n_words ? parser->line.words[parser->at++] : NULL;
}

/* --- Users, groups, labels and certificates ----------------------------------------- */

/* Numbers go up to 2^32 - 2, because 2^32 - 1 is not a valid id. */
#define NUMBER_MAX (UINT32_MAX - 1)

/* Returns 1 if the text is a range such as "7" or "7-9", 0 if it may be a name, or -EINVAL. */
static int range_from(struct parser *parser, const char *text, struct policy_range *ret)
{
	uint64_t first, last;
	const char *p = text;

	if (!config_take_number(&p, NUMBER_MAX, &first))
		return *text >= '0' && *text <= '9' ?
			       complain(parser, "\"%.64s\" is too large", text) :
			       0;
	last = first;
	if (*p == '-') {
		p++;
		if (!config_take_number(&p, NUMBER_MAX, &last) || *p)
			return complain(parser, "\"%.64s\" is not a range of numbers", text);
		if (last < first)
			return complain(parser, "\"%.64s\" ends before it begins", text);
	}
	if (*p)
		return complain(parser, "\"%.64s\" is neither a number nor a name", text);

	*ret = (struct policy_range){ (uint32_t)first, (uint32_t)last };
	return 1;
}

/* what must be "user" or "group". Returns 1, or 0 with a warning if the name is unknown. If the
 * rule takes rights away, an unknown name is an error: it may be misspelt, and the intended rule
 * would be missing. */
static int range_named(struct parser *parser, enum policy_verdict verdict, const char *what,
		       const char *name, struct policy_range *ret)
{
	uid_t uid = 0;
	gid_t gid = 0;
	int r;

	if (*what == 'u')
		r = parser->names->user(name, &uid);
	else
		r = parser->names->group(name, &gid);
	if (r < 0 && verdict != POLICY_ALLOW)
		return complain(parser, "unknown %s \"%.64s\"", what, name);
	if (r < 0) {
		complain(parser, "unknown %s \"%.64s\": the rule matches no caller of that name",
			 what, name);
		if (parser->warn)
			parser->warn(parser->file, parser->line.problem);
		return 0;
	}

	ret->first = ret->last = *what == 'u' ? uid : gid;
	return 1;
}

static int add_range(struct parser *parser, enum policy_verdict verdict, const char *what,
		     const char *text, struct policy_ranges *ranges)
{
	struct policy_range range, *grown;
	int r;

	if (!*text)
		return complain(parser, "missing %s before or after a comma", what);
	r = range_from(parser, text, &range);
	if (r == 0)
		r = range_named(parser, verdict, what, text, &range);
	if (r <= 0)
		return r;

	grown = reallocarray(ranges->ranges, ranges->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;

	ranges->ranges = grown;
	ranges->ranges[ranges->count++] = range;
	return 0;
}

static int parse_list(struct parser *parser, enum policy_verdict verdict, const char *what,
		      struct policy_ranges *ranges)
{
	char *list = next_word(parser), *item;
	int r;

	if (!list)
		return complain(parser, "\"%s\" needs a list", what);
	if (!ranges->any)
		return complain(parser, "more than one %s; write a list with commas", what);

	ranges->any = false;
	while ((item = strsep(&list, ","))) {
		r = add_range(parser, verdict, what, item, ranges);
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
	if (strchr(label, '*') != strrchr(label, '*'))
		return complain(parser, "more than one * in \"%.64s\"", label);

	rule->label = strdup(label);
	return rule->label ? 0 : -ENOMEM;
}

/* Parses patterns of names in certificates. One '*' in each pattern may stand for any text. */
static int parse_certificates(struct parser *parser, struct policy_rule *rule)
{
	char *list = next_word(parser), *item;

	if (!list)
		return complain(parser, "\"certificate\" needs a list of names");
	if (rule->certificates)
		return complain(parser, "more than one certificate; write a list with commas");

	/* Each pattern has at least a character and, except for the last, a comma. */
	rule->certificates = calloc(strlen(list) / 2 + 1, sizeof(*rule->certificates));
	if (!rule->certificates)
		return -ENOMEM;
	while ((item = strsep(&list, ","))) {
		if (!*item)
			return complain(parser, "missing name before or after a comma");
		if (strchr(item, '*') != strrchr(item, '*'))
			return complain(parser, "more than one * in \"%.64s\"", item);
		rule->certificates[rule->n_certificates] = strdup(item);
		if (!rule->certificates[rule->n_certificates])
			return -ENOMEM;
		rule->n_certificates++;
	}

	return 0;
}

/* Returns 1 if the word is not about the caller. A rule that cannot match any caller here may be
 * meant for another program, so it is an error. */
static int parse_who_word(struct parser *parser, struct policy_rule *rule, const char *word)
{
	bool network = parser->names->network;

	if (!strcmp(word, "certificate"))
		return network ? parse_certificates(parser, rule) :
				 complain(parser, "only clients of ipc-gateway have certificates");
	if (strcmp(word, "user") && strcmp(word, "group") && strcmp(word, "label"))
		return 1;
	if (network)
		return complain(parser, "clients on the network have no %s, but certificates",
				word);
	if (!strcmp(word, "user"))
		return parse_list(parser, rule->verdict, "user", &rule->users);
	if (!strcmp(word, "group"))
		return parse_list(parser, rule->verdict, "group", &rule->groups);
	return parse_label(parser, rule);
}

/* Stops before the first word that is not about the caller. */
static int parse_who(struct parser *parser, struct policy_rule *rule)
{
	size_t before = parser->at;
	char *word;
	int r = 0;

	rule->users.any = rule->groups.any = true;
	word = next_word(parser);
	if (word && !strcmp(word, "anyone"))
		return 0;

	while (word && (r = parse_who_word(parser, rule, word)) == 0)
		word = next_word(parser);
	if (r < 0)
		return r;
	if (word)
		parser->at--;
	if (parser->at > before)
		return 0;

	return parser->names->network ?
		       complain(parser, "missing callers; use anyone or certificate LIST") :
		       complain(parser, "missing callers; use anyone, user LIST, group LIST or label PATTERN");
}

/* --- Rights and names ------------------------------------------------------------------ */

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
		if (right == POLICY_REGISTER && parser->names->network)
			return complain(parser, "clients on the network register no names");
		rule->rights |= right;
	}

	return 0;
}

/* Returns true if the text after %u could continue its number. Then "user-%u*" for the user 100
 * would match "user-1000-x". */
static bool pattern_is_open(const char *pattern)
{
	const char *u = strchr(pattern, '%');

	if (!u)
		return false;

	return (u[2] && strchr("0123456789%*", u[2])) || pattern_is_open(u + 2);
}

/* Allows characters of names, %u, and a '*' at the end. */
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

	rule->patterns = calloc(CONFIG_WORDS_MAX, sizeof(*rule->patterns));
	if (!rule->patterns)
		return -ENOMEM;

	while ((word = next_word(parser))) {
		if (!pattern_is_valid(word))
			return complain(parser,
					"\"%.64s\" is neither a name nor the beginning of names and a *",
					word);
		if (parser->names->network && strchr(word, '%'))
			return complain(parser, "clients on the network have no user for %%u");
		if (pattern_is_open(word))
			return complain(parser,
					"\"%.64s\" would match names of other users; put a / or . after %%u",
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
	const char *line = parser->line.text;
	int r;

	rule->line = parser->line.number;
	rule->file = strdup(parser->file);
	rule->text = strdup(line + strspn(line, " \t"));
	if (!rule->file || !rule->text)
		return -ENOMEM;

	parser->at = 0;
	r = parse_verdict(parser, rule);
	if (r == 0)
		r = parse_who(parser, rule);
	if (r == 0)
		r = parse_rights(parser, rule);
	if (r == 0)
		r = parse_patterns(parser, rule);
	return r;
}

static int parse_line(void *userdata)
{
	struct policy_rule *rule = calloc(1, sizeof(*rule));
	struct parser *parser = userdata;
	int r;

	if (!rule)
		return -ENOMEM;
	r = parse_rule(parser, rule);
	if (r < 0) {
		policy_rule_free(rule);
		return r;
	}

	r = policy_append(parser->policy, rule);
	return r == -EINVAL ? complain(parser, "more than %d rules", POLICY_RULES_MAX) : r;
}

int policy_read(struct policy *policy, const char *file, const char *text, size_t size,
		const struct policy_names *names,
		void (*warn)(const char *file, const struct text_problem *problem),
		struct text_problem *ret_problem)
{
	struct parser parser = {
		.policy = policy,
		.file = file,
		.names = names,
		.warn = warn,
		.line = { .problem = ret_problem },
	};

	return config_parse(&parser.line, text, size, parse_line, &parser);
}
