// SPDX-License-Identifier: MIT
/*
 * The text of a service's file: a word and what belongs to it, a line.
 *
 *   name NAME...          what it adds; at least one
 *   run PATH ARGUMENT...  starts it: an absolute path; or else
 *   unit UNIT             systemd starts it
 *   user NAME             who runs it; of a unit, who the unit's User= is
 *   timeout SECONDS       for the names to be there
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "activation-config.h"
#include "registry.h"

#define TIMEOUT_MAX 3600

struct parser {
	struct activation_config *config;
	struct words words;
};

#define complain(parser, ...) words_complain(&(parser)->words, __VA_ARGS__)

/* --- Configurations ----------------------------------------------------------------------- */

static void strings_free(char **strings)
{
	for (char **string = strings; string && *string; string++)
		free(*string);
	free(strings);
}

struct activation_config *activation_config_free(struct activation_config *config)
{
	if (!config)
		return NULL;

	strings_free(config->names);
	strings_free(config->command);
	free(config->unit);
	free(config->user);
	free(config->login);
	free(config->home);
	free(config->file);
	free(config);
	return NULL;
}

bool activation_config_has_name(const struct activation_config *config, const char *name)
{
	for (char **own = config->names; own && *own; own++)
		if (!strcmp(*own, name))
			return true;

	return false;
}

/* The words from the second on, as an array that ends with NULL. */
static char **copy_words(const struct words *words)
{
	char **copy = calloc(words->count, sizeof(*copy));

	for (size_t i = 1; copy && i < words->count; i++) {
		copy[i - 1] = strdup(words->list[i]);
		if (!copy[i - 1]) {
			strings_free(copy);
			return NULL;
		}
	}

	return copy;
}

/* --- Lines -------------------------------------------------------------------------- */

static int parse_name(struct parser *parser)
{
	const struct words *words = &parser->words;

	if (parser->config->names)
		return complain(parser, "more than one name line; write all names on one");
	for (size_t i = 1; i < words->count; i++)
		if (!registry_name_is_valid(words->list[i]))
			return complain(parser, "\"%.64s\" is not a valid name", words->list[i]);

	parser->config->names = copy_words(words);
	return parser->config->names ? 0 : -ENOMEM;
}

static int parse_run(struct parser *parser)
{
	if (parser->config->command || parser->config->unit)
		return complain(parser, "more than one run or unit line");
	if (*parser->words.list[1] != '/')
		return complain(parser, "a program needs an absolute path");

	parser->config->command = copy_words(&parser->words);
	return parser->config->command ? 0 : -ENOMEM;
}

/* More is for systemd to say. */
static int parse_unit(struct parser *parser)
{
	const char *unit = parser->words.list[1];

	if (parser->config->command || parser->config->unit)
		return complain(parser, "more than one run or unit line");
	if (parser->words.count > 2 || *unit == '-' || !strchr(unit, '.'))
		return complain(parser, "a unit is written like mixer.service");

	parser->config->unit = strdup(unit);
	return parser->config->unit ? 0 : -ENOMEM;
}

static int parse_user(struct parser *parser)
{
	if (parser->config->user)
		return complain(parser, "more than one user line");
	if (parser->words.count > 2)
		return complain(parser, "a user line has one user");

	parser->config->user = strdup(parser->words.list[1]);
	return parser->config->user ? 0 : -ENOMEM;
}

static int parse_timeout(struct parser *parser)
{
	const char *text = parser->words.list[1];
	uint64_t seconds;

	if (parser->words.count > 2 || !words_take_number(&text, TIMEOUT_MAX, &seconds) || *text ||
	    !seconds)
		return complain(parser, "a timeout must be 1 to %d seconds", TIMEOUT_MAX);

	parser->config->timeout_sec = (unsigned int)seconds;
	return 0;
}

static int parse_line(void *userdata)
{
	static const struct {
		const char *word;
		int (*parse)(struct parser *parser);
	} known[] = {
		{ "name", parse_name }, { "run", parse_run },	      { "unit", parse_unit },
		{ "user", parse_user }, { "timeout", parse_timeout },
	};
	struct parser *parser = userdata;
	const char *word = parser->words.list[0];

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(word, known[i].word))
			continue;
		if (parser->words.count < 2)
			return complain(parser, "\"%s\" needs a value", word);
		return known[i].parse(parser);
	}

	return complain(parser, "unknown word \"%.64s\"; use name, run, unit, user or timeout", word);
}

static int check_whole(struct parser *parser)
{
	const struct activation_config *config = parser->config;

	if (!config->names)
		return complain(parser, "no name line");
	if (!config->command && !config->unit)
		return complain(parser, "no run or unit line");

	return 0;
}

int activation_config_read(const char *file, const char *text, size_t size,
			   struct activation_config **ret_config, struct text_problem *ret_problem)
{
	struct parser parser = {
		.config = calloc(1, sizeof(*parser.config)),
		.words = { .problem = ret_problem },
	};
	int r = -ENOMEM;

	if (!parser.config)
		return -ENOMEM;

	parser.config->timeout_sec = ACTIVATION_TIMEOUT_SEC;
	parser.config->file = strdup(file);
	if (parser.config->file)
		r = words_parse(&parser.words, text, size, parse_line, &parser);
	if (r == 0)
		r = check_whole(&parser);
	if (r < 0) {
		activation_config_free(parser.config);
		return r;
	}

	*ret_config = parser.config;
	return 0;
}
