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
	return arena_printf(arena, "unknown language \"%s\"; protoc-gen-ipc knows lang=c, lang=cpp, "
			    "lang=python and lang=rust", name);
}

static const char *parse_one(struct arena *arena, const char *word, struct parameters *ret)
{
	if (!strcmp(word, "no_comments")) {
		ret->no_comments = true;
		return NULL;
	}
	if (!strncmp(word, "lang=", strlen("lang=")))
		return parse_language(arena, word + strlen("lang="), &ret->language);
	return arena_printf(arena, "unknown parameter \"%s\"; protoc-gen-ipc takes no_comments and "
			    "lang=LANGUAGE", word);
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
