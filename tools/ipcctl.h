/* SPDX-License-Identifier: MIT */
/*
 * What all files of ipcctl share: the options that every verb has, the shape of
 * a verb, exit statuses, and how to fail.
 *
 *   main.c     the command line: finds the verb, reads options, runs it
 *   verb-*.c   a verb each, and what only it needs
 *   out.c      what goes to standard output: tables, records, colors, JSON
 *   fail.c     what goes to standard error, and the exit status
 *   bus.c      a connection, the manager and its list of names
 *   state.c    the driver's files about a bus
 *   process.c  what the system knows of a process
 */
#ifndef IPCCTL_H
#define IPCCTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

/* Exit statuses; documented in ipcctl(1), and never renumbered. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,	/* anything that has no status of its own */
	STATUS_USAGE = 2,	/* the command line is wrong */
	STATUS_NOT_FOUND = 3,	/* no such name, process, method */
	STATUS_NO_MANAGER = 4,	/* no servicemanager runs on the bus */
	STATUS_NO_BUS = 5,	/* there is no such bus */
	STATUS_DENIED = 6,	/* not allowed */
	STATUS_TIMEOUT = 7,	/* not done in the time that --timeout gave */
	STATUS_REMOTE = 8,	/* the service answered with an error */
	STATUS_GONE = 9,	/* the other side died, or is frozen */
	STATUS_DIFFERS = 10,	/* monitor --resend: not all ended as in the recording */
};

enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER };

/**
 * struct ctl - what the options that every verb has say
 * @device: the bus; NULL: $IPCBUS_DEVICE, else /dev/ipcbus
 * @json: JSON instead of text for people
 * @color: when to color
 * @timeout_ms: how long all of it may take, in milliseconds; 0: for ever
 */
struct ctl {
	const char *device;
	bool json;
	enum when color;
	unsigned int timeout_ms;
};

extern struct ctl ctl;

/* The path that ctl.device stands for. */
const char *ctl_device(void);

/**
 * struct verb - one thing that ipcctl can do
 * @name: as on the command line
 * @arguments: what follows the options in its usage line, or ""
 * @summary: a line for the list of verbs
 * @help: what --help says of it: sentences, its own options
 * @options: its own options, ended by zeroes, or NULL; val is the key, not one of
 *	those that main.c uses
 * @option: takes one of them: 0, or a status after having said what is wrong
 * @min: arguments it needs
 * @max: and may have
 * @keeps_time: --timeout is its own business
 * @run: does it: an enum status
 */
struct verb {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *help;
	const struct option *options;
	int (*option)(int key, const char *value);
	int min;
	int max;
	bool keeps_time;
	int (*run)(int argc, char **argv);
};

/* All of them in the order of the help, ended by NULL (main.c). */
extern const struct verb *const verbs[];

/* --- Failing (fail.c) ---------------------------------------------------------- */

/* Says what is wrong and, in the second line, how to right it (hint, or NULL).
 * Returns status. */
int fail_with(int status, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* No memory. */
int fail_memory(void);

/* The negative errno of a library's or the system's function, said of what. */
int fail_errno(int error, const char *what);

/* A number from min to max in text, said of what; 0, or a status. */
int parse_number(const char *what, const char *text, unsigned long min, unsigned long max,
		 unsigned long *ret_number);

/* Seconds with up to three decimals to milliseconds, 1 ms to a day; 0, or a status. */
int parse_seconds(const char *what, const char *text, unsigned int *ret_ms);

#endif
