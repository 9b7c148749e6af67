// SPDX-License-Identifier: MIT
/*
 * The text of a service's file: a word and what belongs to it, a line.
 *
 *   name NAME...          what it adds; at least one
 *   run PATH ARGUMENT...  starts it: an absolute path; or else
 *   unit UNIT             systemd starts it
 *   user NAME             who runs it (with run)
 *   limit WHAT NUMBER     files, processes, memory, core (with run; K, M, G)
 *   timeout SECONDS       for the names to be there
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demand.h"
#include "registry.h"
#include "words.h"

#define LINE_MAX_SIZE	1024
#define TIMEOUT_MAX	3600

struct parser {
	struct demand *demand;
	struct demand_problem *problem;
	unsigned int line;
	struct words words;
};

static int complain(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int complain(struct parser *parser, const char *format, ...)
{
	va_list args;

	parser->problem->line = parser->line;
	va_start(args, format);
	vsnprintf(parser->problem->text, sizeof(parser->problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

/* --- Demands ----------------------------------------------------------------------- */

static void strings_free(char **strings)
{
	for (char **string = strings; string && *string; string++)
		free(*string);
	free(strings);
}

struct demand *demand_free(struct demand *demand)
{
	if (!demand)
		return NULL;

	strings_free(demand->names);
	strings_free(demand->command);
	free(demand->unit);
	free(demand->user);
	free(demand->file);
	free(demand);
	return NULL;
}

bool demand_has_name(const struct demand *demand, const char *name)
{
	for (char **own = demand->names; own && *own; own++)
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

	if (parser->demand->names)
		return complain(parser, "name comes twice: write all names on one line");
	for (size_t i = 1; i < words->count; i++)
		if (!registry_name_is_valid(words->list[i]))
			return complain(parser, "no name can be \"%.64s\"", words->list[i]);

	parser->demand->names = copy_words(words);
	return parser->demand->names ? 0 : -ENOMEM;
}

static int parse_run(struct parser *parser)
{
	if (parser->demand->command || parser->demand->unit)
		return complain(parser, "there is one run or one unit");
	if (*parser->words.list[1] != '/')
		return complain(parser, "what is run begins with a /");

	parser->demand->command = copy_words(&parser->words);
	return parser->demand->command ? 0 : -ENOMEM;
}

/* More is for systemd to say. */
static int parse_unit(struct parser *parser)
{
	const char *unit = parser->words.list[1];

	if (parser->demand->command || parser->demand->unit)
		return complain(parser, "there is one run or one unit");
	if (parser->words.count > 2 || *unit == '-' || !strchr(unit, '.'))
		return complain(parser, "a unit is like mixer.service");

	parser->demand->unit = strdup(unit);
	return parser->demand->unit ? 0 : -ENOMEM;
}

static int parse_user(struct parser *parser)
{
	if (parser->demand->user)
		return complain(parser, "user comes twice");
	if (parser->words.count > 2)
		return complain(parser, "a service runs as one user");

	parser->demand->user = strdup(parser->words.list[1]);
	return parser->demand->user ? 0 : -ENOMEM;
}

static bool number_from(const char *text, uint64_t *ret)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;

	if (*text < '0' || *text > '9')
		return false;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || *ret >= UINT64_C(1) << 32)
		return false;
	if (!*end)
		return true;

	unit = strchr(units, *end);
	if (!unit || end[1])
		return false;
	*ret <<= 10 * (unit - units + 1);
	return true;
}

static int parse_limit(struct parser *parser)
{
	static const struct {
		const char *name;
		int resource;
	} known[DEMAND_LIMITS] = {
		{ "files", RLIMIT_NOFILE },
		{ "processes", RLIMIT_NPROC },
		{ "memory", RLIMIT_AS },
		{ "core", RLIMIT_CORE },
	};
	struct demand *demand = parser->demand;
	char **words = parser->words.list;
	uint64_t value;
	size_t i = 0;

	if (parser->words.count != 3 || !number_from(words[2], &value))
		return complain(parser, "a limit is like: limit memory 64M");
	while (i < DEMAND_LIMITS && strcmp(words[1], known[i].name))
		i++;
	if (i == DEMAND_LIMITS)
		return complain(parser, "\"%.64s\" is no limit: files, processes, memory, core",
				words[1]);
	for (size_t j = 0; j < demand->n_limits; j++)
		if (demand->limits[j].resource == known[i].resource)
			return complain(parser, "limit %s comes twice", known[i].name);

	demand->limits[demand->n_limits].resource = known[i].resource;
	demand->limits[demand->n_limits++].value = value;
	return 0;
}

static int parse_timeout(struct parser *parser)
{
	uint64_t seconds;

	if (parser->words.count > 2 || !number_from(parser->words.list[1], &seconds) ||
	    seconds < 1 || seconds > TIMEOUT_MAX)
		return complain(parser, "a timeout is 1 to %d seconds", TIMEOUT_MAX);

	parser->demand->timeout_sec = (unsigned int)seconds;
	return 0;
}

static int parse_words(struct parser *parser)
{
	static const struct {
		const char *word;
		int (*parse)(struct parser *parser);
	} known[] = {
		{ "name", parse_name }, { "run", parse_run },	  { "unit", parse_unit },
		{ "user", parse_user }, { "limit", parse_limit }, { "timeout", parse_timeout },
	};
	const char *word = parser->words.list[0];

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(word, known[i].word))
			continue;
		if (parser->words.count < 2)
			return complain(parser, "after \"%s\" something is missing", word);
		return known[i].parse(parser);
	}

	return complain(parser, "a line begins with name, run, unit, user, limit or timeout, not \"%.64s\"",
			word);
}

static int parse_line(struct parser *parser, const char *text, size_t size)
{
	char buffer[LINE_MAX_SIZE + 1];
	const char *problem;

	problem = words_take_line(buffer, sizeof(buffer), text, size);
	if (!problem && !words_are_there(buffer))
		return 0;
	if (!problem)
		problem = words_split(&parser->words, buffer);
	if (problem)
		return complain(parser, "%s", problem);

	return parse_words(parser);
}

static int check_whole(struct parser *parser)
{
	const struct demand *demand = parser->demand;

	if (!demand->names)
		return complain(parser, "there is no line with name");
	if (!demand->command && !demand->unit)
		return complain(parser, "there is no line with run or unit");
	if (demand->unit && (demand->user || demand->n_limits))
		return complain(parser, "user and limits of a unit are in the unit");

	return 0;
}

static int parse(struct parser *parser, const char *file, const char *text, size_t size)
{
	int r = 0;

	parser->demand->file = strdup(file);
	parser->demand->timeout_sec = DEMAND_TIMEOUT_SEC;
	if (!parser->demand->file)
		return -ENOMEM;

	while (size && r == 0) {
		const char *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) : size;

		parser->line++;
		r = parse_line(parser, text, length);
		length += end ? 1 : 0;
		text += length;
		size -= length;
	}

	return r < 0 ? r : check_whole(parser);
}

int demand_read(const char *file, const char *text, size_t size, struct demand **ret_demand,
		struct demand_problem *ret_problem)
{
	struct parser parser = {
		.demand = calloc(1, sizeof(*parser.demand)),
		.problem = ret_problem,
	};
	int r = parser.demand ? parse(&parser, file, text, size) : -ENOMEM;

	if (r < 0) {
		demand_free(parser.demand);
		return r;
	}

	*ret_demand = parser.demand;
	return 0;
}
