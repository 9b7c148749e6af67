// SPDX-License-Identifier: MIT
/*
 * ipcctl: the command line. Finds the verb, reads the common options and the options of the verb,
 * and runs the verb. Also prints the help, which completion and tools/tests/test-man read.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../libipc/base/descriptor.h"
#include "deadline.h"
#include "ipcctl.h"
#include "output.h"
#include "verbs.h"

/* Keys of the common options, and of the first option of a verb. */
enum { KEY_JSON = 0x100, KEY_TIMEOUT, KEY_VERSION, KEY_VERBS, KEY_VERB };

#define COMMON_OPTIONS                                                                       \
	{ "bus", required_argument, NULL, 'b' }, { "json", no_argument, NULL, KEY_JSON }, \
		{ "timeout", required_argument, NULL, KEY_TIMEOUT },                         \
	{                                                                                    \
		"help", no_argument, NULL, 'h'                                               \
	}

/* With the default of --timeout. */
#define COMMON_HELP                                                                              \
	"  -b, --bus PATH       the bus (default: $IPCBUS_BUS, else /dev/ipcbus or ipcbusd's)\n" \
	"      --json           print JSON: one value, or one line for each item of a stream\n"  \
	"      --timeout S      give up after S seconds (default: %s)\n"                         \
	"  -h, --help           print this text\n"

static const char *const status_texts[N_STATUSES] = {
	[STATUS_OK] = "success",
	[STATUS_FAILED] = "failure without a status of its own",
	[STATUS_USAGE] = "error in the command line",
	[STATUS_NOT_FOUND] = "no such name, process or method",
	[STATUS_NO_MANAGER] = "no service manager runs on the bus",
	[STATUS_NO_BUS] = "no such bus",
	[STATUS_DENIED] = "permission denied",
	[STATUS_TIMEOUT] = "not done within --timeout",
	[STATUS_REMOTE] = "the server replied with an error",
	[STATUS_GONE] = "the object is dead, or its process is frozen",
};

static const struct verb *const verbs[] = {
#define VERB(name) &verb_##name,
	VERBS
#undef VERB
		NULL,
};

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *const *verb = verbs; *verb; verb++)
		if (!strcmp((*verb)->name, name))
			return *verb;
	return NULL;
}

static int no_verb(const char *name)
{
	return fail_with(STATUS_USAGE, "see ipcctl --help", "unknown verb \"%s\"", name);
}

/* --- Help ------------------------------------------------------------------------ */

static int help(void)
{
	puts("usage: ipcctl [OPTION]... VERB [OPTION]... [ARGUMENT]...\n"
	     "\n"
	     "Inspects a bus and the services on it, and calls them.\n"
	     "\n"
	     "Verbs:");
	for (const struct verb *const *verb = verbs; *verb; verb++)
		printf("  %-10s %s\n", (*verb)->name, (*verb)->summary);
	printf("\nSee \"ipcctl help VERB\" for one verb, and ipcctl(1).\n\nOptions:\n" COMMON_HELP
	       "      --verbs          print the names of the verbs, one a line\n"
	       "      --version        print the version\n",
	       "by verb");
	return STATUS_OK;
}

static int help_verb(const struct verb *verb)
{
	unsigned int statuses = MAY_END(OK) | MAY_END(FAILED) | MAY_END(USAGE) | verb->statuses;

	printf("usage: ipcctl %s [OPTION]...%s%s\n\n%s\nOptions:\n", verb->name,
	       *verb->arguments ? " " : "", verb->arguments, verb->description);
	for (const struct verb_option *o = verb->options; o && o->name; o++)
		printf("      --%s %-*s %s\n", o->name, 13 - (int)strlen(o->name),
		       o->value ? o->value : "", o->help);
	printf(COMMON_HELP "\nExit status:\n", verb->timeout ?: "5");
	for (int i = 0; i < N_STATUSES; i++)
		if (statuses & 1u << i)
			printf("  %-2d  %s\n", i, status_texts[i]);
	printf("\nExample:\n%s", verb->example);
	return STATUS_OK;
}

/* Handles "ipcctl help [VERB]", which many people try first. */
static int help_on(const char *name)
{
	const struct verb *verb = name ? find_verb(name) : NULL;

	if (!name)
		return help();
	return verb ? help_verb(verb) : no_verb(name);
}

static int put_verbs(void)
{
	for (const struct verb *const *verb = verbs; *verb; verb++)
		puts((*verb)->name);
	return STATUS_OK;
}

/* --- Common options --------------------------------------------------------------- */

static int common_option(const struct verb *verb, int key, const char *value)
{
	switch (key) {
	case 'b':
		ctl.bus = value;
		return 0;
	case KEY_JSON:
		ctl.json = true;
		return 0;
	case KEY_TIMEOUT:
		return number_parse_seconds("--timeout", value, &ctl.timeout_ms);
	default:
		/* getopt has printed the error. */
		fprintf(stderr, "ipcctl: see ipcctl %s%s--help\n", verb ? verb->name : "",
			verb ? " " : "");
		return STATUS_USAGE;
	}
}

/* --- A verb --------------------------------------------------------------------- */

static void join_options(const struct verb *verb, struct option *all, size_t max)
{
	static const struct option common[] = { COMMON_OPTIONS };
	size_t n = sizeof(common) / sizeof(*common);

	memcpy(all, common, sizeof(common));
	for (const struct verb_option *o = verb->options; o && o->name && n + 1 < max; o++)
		all[n++] = (struct option){ o->name, o->value ? required_argument : no_argument,
					    NULL, KEY_VERB + (int)(o - verb->options) };
	memset(&all[n], 0, sizeof(*all));
}

static int set_option(const struct verb_option *option, const char *value)
{
	char name[40];

	snprintf(name, sizeof(name), "--%s", option->name);
	if (option->number)
		return number_parse(name, value, option->min, option->max, option->number);
	if (option->ms)
		return number_parse_seconds(name, value, option->ms);
	if (option->texts && option->texts->n == MAX_TEXTS)
		return fail_with(STATUS_USAGE, NULL, "%s may be given at most %d times", name,
				 MAX_TEXTS);
	if (option->texts)
		option->texts->list[option->texts->n++] = value;
	else if (option->text)
		*option->text = value;
	else
		*option->flag = true;
	return 0;
}

static int check_arguments(const struct verb *verb, int argc, char **argv)
{
	if (argc < verb->min)
		return fail_with(STATUS_USAGE, NULL,
				 "missing argument: ipcctl %s %s; see ipcctl %s --help", verb->name,
				 verb->arguments, verb->name);
	if (argc > verb->max)
		return fail_with(STATUS_USAGE, NULL,
				 "unexpected argument \"%s\"; see ipcctl %s --help",
				 argv[verb->max], verb->name);
	return 0;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct option all[24];
	int key, status = 0;

	join_options(verb, all, sizeof(all) / sizeof(*all));
	optind = 0;
	/* getopt's messages begin with argv[0]. */
	argv[0] = "ipcctl";
	while (!status && (key = getopt_long(argc, argv, "b:h", all, NULL)) != -1) {
		if (key == 'h')
			return help_verb(verb);
		if (key >= KEY_VERB)
			status = set_option(&verb->options[key - KEY_VERB], optarg);
		else
			status = common_option(verb, key, optarg);
	}
	if (!status)
		status = check_arguments(verb, argc - optind, argv + optind);
	if (status)
		return status;
	ctl.endless = !ctl.timeout_ms && verb->timeout && !strcmp(verb->timeout, NO_TIMEOUT);
	if (ctl.timeout_ms && !verb->keeps_time)
		deadline_set(ctl.timeout_ms);
	return verb->run(argc - optind, argv + optind);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS,
						 { "version", no_argument, NULL, KEY_VERSION },
						 { "verbs", no_argument, NULL, KEY_VERBS },
						 { NULL, 0, NULL, 0 } };
	const struct verb *verb;
	int key, status = 0;

	argv[0] = "ipcctl";
	while ((key = getopt_long(argc, argv, "+b:h", options, NULL)) != -1) {
		if (key == 'h')
			return help();
		if (key == KEY_VERBS)
			return put_verbs();
		if (key == KEY_VERSION) {
			puts("ipcctl " IPC_VERSION);
			return STATUS_OK;
		}
		status = common_option(NULL, key, optarg);
		if (status)
			return status;
	}
	if (optind == argc)
		return fail_with(STATUS_USAGE, NULL, "missing verb; see ipcctl --help");
	if (!strcmp(argv[optind], "help"))
		return help_on(argv[optind + 1]);
	verb = find_verb(argv[optind]);
	return verb ? run_verb(verb, argc - optind, argv + optind) : no_verb(argv[optind]);
}

int main(int argc, char **argv)
{
	int status;

	descriptor_fill_streams(O_RDONLY);
	/* If the parent ignored SIGCHLD, ipcctl inherits that and would not get the status of
	 * children. */
	signal(SIGCHLD, SIG_DFL);
	status = run(argc, argv);
	return status ? status : out_flush();
}
