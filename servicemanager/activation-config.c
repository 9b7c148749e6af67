// SPDX-License-Identifier: MIT
/*
 * Activation files. Each line is a keyword and its values:
 *
 *   name NAME...          names that the service registers; at least one
 *   run PATH ARGUMENT...  the program to run, with an absolute path; or else
 *   unit UNIT             the unit that systemd starts
 *   user NAME             the user of the program, or of the unit (User=)
 *   timeout SECONDS       until all names must be registered
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "activation-config.h"
#include "log.h"
#include "registry.h"

#define TIMEOUT_MAX 3600

struct parser {
	struct activation_config *config;
	struct config_line line;
};

#define complain(parser, ...) config_complain(&(parser)->line, __VA_ARGS__)

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

/* Returns the words from the second as an array that ends with NULL. */
static char **copy_words(const struct config_line *line)
{
	char **copy = calloc(line->n_words, sizeof(*copy));

	for (size_t i = 1; copy && i < line->n_words; i++) {
		copy[i - 1] = strdup(line->words[i]);
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
	const struct config_line *line = &parser->line;

	if (parser->config->names)
		return complain(parser, "more than one name line; write all names on one");
	for (size_t i = 1; i < line->n_words; i++)
		if (!registry_name_is_valid(line->words[i]))
			return complain(parser, "\"%.64s\" is not a valid name", line->words[i]);

	parser->config->names = copy_words(line);
	return parser->config->names ? 0 : -ENOMEM;
}

static int parse_run(struct parser *parser)
{
	if (parser->config->command || parser->config->unit)
		return complain(parser, "more than one run or unit line");
	if (*parser->line.words[1] != '/')
		return complain(parser, "\"%.64s\" is not an absolute path of a program",
				parser->line.words[1]);

	parser->config->command = copy_words(&parser->line);
	return parser->config->command ? 0 : -ENOMEM;
}

/* systemd checks the rest of the name. */
static int parse_unit(struct parser *parser)
{
	const char *unit = parser->line.words[1];

	if (parser->config->command || parser->config->unit)
		return complain(parser, "more than one run or unit line");
	if (parser->line.n_words > 2 || *unit == '-' || !strchr(unit, '.'))
		return complain(parser,
				"\"%.64s\" is not the name of a unit, such as mixer.service", unit);

	parser->config->unit = strdup(unit);
	return parser->config->unit ? 0 : -ENOMEM;
}

static int parse_user(struct parser *parser)
{
	if (parser->config->user)
		return complain(parser, "more than one user line");
	if (parser->line.n_words > 2)
		return complain(parser, "more than one user: \"%.64s\"", parser->line.words[2]);

	parser->config->user = strdup(parser->line.words[1]);
	return parser->config->user ? 0 : -ENOMEM;
}

static int parse_timeout(struct parser *parser)
{
	const char *text = parser->line.words[1];
	uint64_t seconds;

	if (parser->line.n_words > 2 || !config_take_number(&text, TIMEOUT_MAX, &seconds) ||
	    *text || !seconds)
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
	const char *word = parser->line.words[0];

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(word, known[i].word))
			continue;
		if (parser->line.n_words < 2)
			return complain(parser, "\"%s\" needs a value", word);
		return known[i].parse(parser);
	}

	return complain(parser, "unknown word \"%.64s\"; use name, run, unit, user or timeout",
			word);
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
		.line = { .problem = ret_problem },
	};
	int r = -ENOMEM;

	if (!parser.config)
		return -ENOMEM;

	parser.config->timeout_sec = ACTIVATION_TIMEOUT_SEC;
	parser.config->file = strdup(file);
	if (parser.config->file)
		r = config_parse(&parser.line, text, size, parse_line, &parser);
	if (r == 0)
		r = check_whole(&parser);
	if (r < 0) {
		activation_config_free(parser.config);
		return r;
	}

	*ret_config = parser.config;
	return 0;
}

/* --- Files ---------------------------------------------------------------------------- */

struct activation_configs *activation_configs_free(struct activation_configs *configs)
{
	if (!configs)
		return NULL;

	while (configs->count)
		activation_config_free(configs->list[--configs->count]);
	free(configs);
	return NULL;
}

static int find_user(struct activation_config *config)
{
	const uid_t own = config->unit ? 0 : geteuid();
	const struct passwd *entry = config->user ? getpwnam(config->user) : getpwuid(own);
	char number[16];

	if (config->user && !entry) {
		log_line("%s: unknown user %s", config->file, config->user);
		return -EINVAL;
	}
	if (!config->unit && geteuid() != 0 && entry && entry->pw_uid != geteuid()) {
		log_line("%s: only root can run a program as %s; use a unit", config->file,
			 config->user);
		return -EINVAL;
	}

	config->uid = entry ? entry->pw_uid : own;
	config->gid = entry ? entry->pw_gid : getegid();
	snprintf(number, sizeof(number), "%u", config->uid);
	config->login = strdup(entry ? entry->pw_name : number);
	config->home = strdup(entry ? entry->pw_dir : "/");
	return config->login && config->home ? 0 : -ENOMEM;
}

static int check_names(const struct activation_configs *configs,
		       const struct activation_config *config)
{
	for (size_t i = 0; i < configs->count; i++)
		for (char **name = config->names; *name; name++)
			if (activation_config_has_name(configs->list[i], *name)) {
				log_line("%s: %s has the name %s too", config->file,
					 configs->list[i]->file, *name);
				return -EINVAL;
			}

	return 0;
}

static int take_file(void *userdata, const char *path, const char *text, size_t size)
{
	struct activation_configs *configs = userdata;
	struct text_problem problem;
	struct activation_config *config;
	int r = activation_config_read(path, text, size, &config, &problem);

	if (r == -EINVAL)
		log_line("%s:%u: %s", path, problem.line, problem.text);
	if (r < 0)
		return r;

	r = find_user(config);
	if (r == 0)
		r = check_names(configs, config);
	if (r == 0)
		configs->list[configs->count++] = config;
	else
		activation_config_free(config);
	return r;
}

int activation_configs_load(const char *const *folders, struct activation_configs **ret_configs)
{
	struct activation_configs *configs = calloc(1, sizeof(*configs));
	int r;

	if (!configs)
		return -ENOMEM;

	r = config_load(folders, take_file, configs);
	if (r < 0) {
		activation_configs_free(configs);
		return r;
	}

	*ret_configs = configs;
	return 0;
}
