// SPDX-License-Identifier: MIT
/*
 * Texts of files of services that are started on demand. What is refused names a line
 * of the text, or none if something is missing; what is accepted is whole, within its
 * limits, and the same when it is read again.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demand.h"
#include "registry.h"

#define must(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "demand: line %d: %s\n", __LINE__, #condition); \
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

static void check(const struct demand *demand)
{
	must(demand->names && demand->names[0]);
	for (char **name = demand->names; *name; name++) {
		must(registry_name_is_valid(*name));
		must(demand_has_name(demand, *name));
	}
	must(!demand->command != !demand->unit);
	must(!demand->command || demand->command[0][0] == '/');
	must(!demand->unit || (demand->unit[0] != '-' && !demand->user && !demand->n_limits));
	must(demand->n_limits <= DEMAND_LIMITS);
	must(demand->timeout_sec >= 1 && demand->timeout_sec <= 3600);
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
	struct demand_problem problem = { .line = 0 };
	const char *text = (const char *)data;
	struct demand *demand, *again;
	int r;

	r = demand_read("fuzz", text, size, &demand, &problem);
	if (r < 0) {
		must(r == -EINVAL);
		must(problem.line <= lines_of(text, size) && problem.text[0]);
		return 0;
	}

	check(demand);
	must(demand_read("fuzz", text, size, &again, &problem) == 0);
	compare(demand->names, again->names);
	compare(demand->command, again->command);
	demand_free(again);
	demand_free(demand);
	return 0;
}
