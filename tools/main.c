// SPDX-License-Identifier: MIT
/*
 * ipcctl: the command line. Finds the verb, reads the options that all verbs have
 * and those of its own, and runs it.
 */
#include <stdio.h>
#include <string.h>

#include "ipcctl.h"
#include "stop.h"
#include "verbs.h"

/* Keys of the options of all verbs; those of one verb are letters. */
enum { KEY_JSON = 0x100, KEY_COLOR, KEY_TIMEOUT, KEY_VERSION, KEY_VERBS };

#define COMMON_OPTIONS                                                                       \
	{ "device", required_argument, NULL, 'd' }, { "json", no_argument, NULL, KEY_JSON }, \
		{ "color", required_argument, NULL, KEY_COLOR },                             \
		{ "timeout", required_argument, NULL, KEY_TIMEOUT },                         \
	{                                                                                    \
		"help", no_argument, NULL, 'h'                                               \
	}

static const char common_help[] =
	"Options of every verb:\n"
	"  -d, --device PATH    the bus (default: $IPCBUS_DEVICE, else /dev/ipcbus)\n"
	"      --json           JSON: one value, or a line for each of a stream\n"
	"      --timeout S      give up after S seconds, with status 7\n"
	"      --color WHEN     auto (default), always, never\n"
	"  -h, --help           this text\n";

const struct verb *const verbs[] = {
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

static int help(void)
{
	puts("usage: ipcctl [OPTION]... VERB [OPTION]... [ARGUMENT]...\n"
	     "\n"
	     "Looks at a bus and what is on it, and calls services.\n");
	for (const struct verb *const *verb = verbs; *verb; verb++)
		printf("  %-10s %s\n", (*verb)->name, (*verb)->summary);
	printf("\nipcctl help VERB says more of each; ipcctl(1) has all of it.\n\n%s"
	       "      --verbs          the verbs, a line each\n"
	       "      --version        the version\n",
	       common_help);
	return STATUS_OK;
}

static int no_verb(const char *name)
{
	return fail_with(STATUS_USAGE, "ipcctl --help lists the verbs", "there is no verb %s",
			 name);
}

static int put_verbs(void)
{
	for (const struct verb *const *verb = verbs; *verb; verb++)
		puts((*verb)->name);
	return STATUS_OK;
}

static int help_verb(const struct verb *verb)
{
	printf("usage: ipcctl %s [OPTION]...%s%s\n\n%s\n%s", verb->name, *verb->arguments ? " " : "",
	       verb->arguments, verb->help, common_help);
	return STATUS_OK;
}

/* "ipcctl help [VERB]", which many try first. */
static int help_on(const char *name)
{
	const struct verb *verb = name ? find_verb(name) : NULL;

	if (!name)
		return help();
	return verb ? help_verb(verb) : no_verb(name);
}

static int color_option(const char *value)
{
	static const char *const names[] = { "auto", "always", "never" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(value, names[i]))
			continue;
		ctl.color = (enum when)i;
		return 0;
	}
	return fail_with(STATUS_USAGE, NULL, "--color is auto, always or never, not \"%s\"", value);
}

static int common_option(const struct verb *verb, int key, const char *value)
{
	switch (key) {
	case 'd':
		ctl.device = value;
		return 0;
	case KEY_JSON:
		ctl.json = true;
		return 0;
	case KEY_COLOR:
		return color_option(value);
	case KEY_TIMEOUT:
		return parse_seconds("--timeout", value, &ctl.timeout_ms);
	default:
		/* getopt has said what. */
		fprintf(stderr, "ipcctl: try ipcctl %s%s--help\n", verb ? verb->name : "",
			verb ? " " : "");
		return STATUS_USAGE;
	}
}

/* --- A verb --------------------------------------------------------------------- */

/* The options of all verbs and this one's; letters without values are short, too. */
static int join_options(const struct verb *verb, struct option *all, size_t max)
{
	static const struct option common[] = { COMMON_OPTIONS };
	size_t n = sizeof(common) / sizeof(*common);

	memcpy(all, common, sizeof(common));
	for (const struct option *o = verb->options; o && o->name && n + 1 < max; o++)
		all[n++] = *o;
	memset(&all[n], 0, sizeof(*all));
	return n;
}

static int check_arguments(const struct verb *verb, int argc, char **argv)
{
	if (argc < verb->min)
		return fail_with(STATUS_USAGE, NULL, "%s needs %s; try ipcctl %s --help",
				 verb->name, verb->arguments, verb->name);
	if (argc > verb->max)
		return fail_with(STATUS_USAGE, NULL, "what is \"%s\"? Try ipcctl %s --help",
				 argv[verb->max], verb->name);
	return 0;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct option all[24];
	int key, status = 0;

	join_options(verb, all, sizeof(all) / sizeof(*all));
	optind = 0;
	/* getopt's own complaints begin with it. */
	argv[0] = "ipcctl";
	while (!status && (key = getopt_long(argc, argv, "d:h", all, NULL)) != -1) {
		if (key == 'h')
			return help_verb(verb);
		if (key < 0x100 && key != 'd' && key != '?')
			status = verb->option(key, optarg);
		else
			status = common_option(verb, key, optarg);
	}
	if (!status)
		status = check_arguments(verb, argc - optind, argv + optind);
	if (status)
		return status;
	if (ctl.timeout_ms && !verb->keeps_time)
		stop_after(ctl.timeout_ms);
	return verb->run(argc - optind, argv + optind);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS,
						 { "version", no_argument, NULL, KEY_VERSION },
						 { "verbs", no_argument, NULL, KEY_VERBS },
						 { NULL, 0, NULL, 0 } };
	const struct verb *verb;
	int key, status = 0;

	argv[0] = "ipcctl";
	while ((key = getopt_long(argc, argv, "+d:h", options, NULL)) != -1) {
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
		return fail_with(STATUS_USAGE, "ipcctl --help lists the verbs",
				 "what is to be done?");
	if (!strcmp(argv[optind], "help"))
		return help_on(argv[optind + 1]);
	verb = find_verb(argv[optind]);
	return verb ? run_verb(verb, argc - optind, argv + optind) : no_verb(argv[optind]);
}
