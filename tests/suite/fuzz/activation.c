// SPDX-License-Identifier: MIT
/*
 * Texts of activation files. A refusal names a line of the text, or none if something
 * is missing. An accepted text is complete, and parses to the same result again.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activation-config.h"
#include "registry.h"

#define must(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "activation: line %d: %s\n", __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

static unsigned int lines_of(const char *text, size_t size)
{
	unsigned int n = 1;

	for (size_t i = 0; i < size; i++)
		n += text[i] == '\n';
	return n;
}

static void check(const struct activation_config *config)
{
	must(config->names && config->names[0]);
	for (char **name = config->names; *name; name++) {
		must(registry_name_is_valid(*name));
		must(activation_config_has_name(config, *name));
	}
	must(!config->command != !config->unit);
	must(!config->command || config->command[0][0] == '/');
	must(!config->unit || config->unit[0] != '-');
	must(config->timeout_sec >= 1 && config->timeout_sec <= 3600);
}

static void compare(char **a, char **b)
{
	must(!a == !b);
	for (; a && *a; a++, b++)
		must(*b && !strcmp(*a, *b));
	must(!b || !*b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text_problem problem = { .line = 0 };
	const char *text = (const char *)data;
	struct activation_config *config, *second;
	int r;

	r = activation_config_read("fuzz", text, size, &config, &problem);
	if (r < 0) {
		must(r == -EINVAL);
		must(problem.line <= lines_of(text, size) && problem.text[0]);
		return 0;
	}

	check(config);
	must(activation_config_read("fuzz", text, size, &second, &problem) == 0);
	compare(config->names, second->names);
	compare(config->command, second->command);
	activation_config_free(second);
	activation_config_free(config);
	return 0;
}
