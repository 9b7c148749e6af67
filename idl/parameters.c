// SPDX-License-Identifier: MIT
#include "parameters.h"

#include <string.h>

static const struct {
	const char *name;
	enum language language;
} languages[] = {
	{ "c", LANGUAGE_C },
	{ "cpp", LANGUAGE_CPP },
	{ "python", LANGUAGE_PYTHON },
	{ "rust", LANGUAGE_RUST },
};

static const char *parse_language(struct arena *arena, const char *name, enum language *ret)
{
	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
		if (strcmp(languages[i].name, name))
			continue;
		*ret = languages[i].language;
		return NULL;
	}
	return arena_printf(arena,
			    "unknown language \"%s\"; protoc-gen-ipc knows lang=c, lang=cpp, "
			    "lang=python and lang=rust",
			    name);
}

static const char *parse_switch(struct arena *arena, const char *word, const char *value,
				bool *ret_no)
{
	*ret_no = !strcmp(value, "no");
	if (*ret_no || !strcmp(value, "yes"))
		return NULL;
	return arena_printf(arena, "parameter \"%s\" must be yes or no", word);
}

static void choices_add(struct arena *arena, struct choices *choices, const char *full_name,
			const char *value)
{
	struct choice *list = arena_array(arena, choices->count + 1, sizeof(*list));

	if (choices->count)
		memcpy(list, choices->list, choices->count * sizeof(*list));
	list[choices->count++] = (struct choice){ .full_name = full_name, .value = value };
	choices->list = list;
}

/* Parses NAME=VALUE. */
static const char *parse_choice(struct arena *arena, const char *word, const char *text,
				struct choices *ret)
{
	size_t length = strcspn(text, "=");

	if (!length || !text[length] || !text[length + 1])
		return arena_printf(arena, "parameter \"%s\" needs a full name, \"=\" and a value",
				    word);
	choices_add(arena, ret, arena_strndup(arena, text, length), text + length + 1);
	return NULL;
}

/* Parses NAME+NAME... */
static void parse_names(struct arena *arena, const char *text, struct choices *ret)
{
	while (*text) {
		size_t length = strcspn(text, "+");

		choices_add(arena, ret, arena_strndup(arena, text, length), "");
		text += length + (text[length] == '+');
	}
}

static const char *parse_one(struct arena *arena, const char *word, struct parameters *ret)
{
	const char *value = strchr(word, '=');
	size_t length = value ? (size_t)(value++ - word) : strlen(word);
	const char *key = arena_strndup(arena, word, length);

	if (!strcmp(word, "no_comments"))
		ret->no_comments = true;
	else if (!strcmp(word, "imports"))
		ret->imports = true;
	else if (value && !strcmp(key, "lang"))
		return parse_language(arena, value, &ret->language);
	else if (value && !strcmp(key, "prefix_package"))
		return parse_switch(arena, word, value, &ret->short_prefix);
	else if (value && !strcmp(key, "interfaces"))
		parse_names(arena, value, &ret->interfaces);
	else if (value && !strcmp(key, "c_prefix"))
		return parse_choice(arena, word, value, &ret->prefixes);
	else if (value && !strcmp(key, "name"))
		return parse_choice(arena, word, value, &ret->names);
	else
		return arena_printf(
			arena,
			"unknown parameter \"%s\"; protoc-gen-ipc accepts lang=LANGUAGE, "
			"interfaces=INTERFACE+INTERFACE, name=METHOD=NAME, "
			"c_prefix=INTERFACE=PREFIX, "
			"prefix_package=no, imports and no_comments",
			word);
	return NULL;
}

const char *parameters_parse(struct arena *arena, const char *text, struct parameters *ret)
{
	const char *error = NULL;

	*ret = (struct parameters){ .language = LANGUAGE_C };
	while (text && *text && !error) {
		size_t length = strcspn(text, ",");

		error = parse_one(arena, arena_strndup(arena, text, length), ret);
		text += length + (text[length] == ',');
	}
	return error;
}

const char *choices_find(struct choices *choices, const char *full_name)
{
	const char *value = NULL;

	for (size_t i = 0; i < choices->count; i++) {
		if (strcmp(choices->list[i].full_name, full_name))
			continue;
		choices->list[i].used = true;
		value = choices->list[i].value;
	}
	return value;
}

static const char *unused_of(struct arena *arena, const struct choices *choices, const char *key,
			     const char *kind)
{
	for (size_t i = 0; i < choices->count; i++)
		if (!choices->list[i].used)
			return arena_printf(arena, "parameter %s: no file has the %s %s", key, kind,
					    choices->list[i].full_name);
	return NULL;
}

const char *parameters_unused(struct arena *arena, const struct parameters *parameters)
{
	return unused_of(arena, &parameters->interfaces, "interfaces", "interface") ?:
		       unused_of(arena, &parameters->prefixes, "c_prefix", "interface") ?:
		       unused_of(arena, &parameters->names, "name", "method");
}
