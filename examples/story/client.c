// SPDX-License-Identifier: MIT
/*
 * The client of the demo. Runs the step named by its argument, with the server that is registered
 * as demo.story. The script demo runs the steps in order.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

/* A step that takes longer is killed. */
#define STEP_SECONDS	30

static const struct {
	const char *name;
	int (*run)(struct ipc *ipc, struct story *story);
} steps[] = {
	{ "call", step_call }, { "oneway", step_oneway }, { "callback", step_callback },
	{ "fd", step_fd },     { "pages", step_pages },	  { "death", step_death },
};

void show(const char *what, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("    %-22s  ", what);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
}

int fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("    UNEXPECTED: ");
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	return 1;
}

static int run_step(struct ipc *ipc, const char *name)
{
	ipc_auto(story_unref) struct story *story = NULL;
	int r;

	if (!strcmp(name, "names"))
		return step_names(ipc);

	r = story_get(ipc, "demo.story", &story);
	if (r < 0)
		return ipc_print_error("find demo.story", r, NULL);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!strcmp(name, steps[i].name))
			return steps[i].run(ipc, story);

	return fail("there is no step %s", name);
}

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int r;

	if (argc != 2) {
		fputs("usage: client names|call|oneway|callback|fd|pages|death\n", stderr);
		return 2;
	}

	alarm(STEP_SECONDS);
	/* Print line by line, even into a pipe. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r < 0)
		return ipc_print_open_error(/* bus= */ NULL, r);

	return run_step(ipc, argv[1]);
}
