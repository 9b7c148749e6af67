/* SPDX-License-Identifier: MIT */
/*
 * The interface that all files of ipcctl share: the common options, the description of a verb, exit
 * statuses, and errors.
 *
 *   main.c        the command line: finds the verb, reads options, runs it; help
 *   verb-*.c      the verbs
 *   output.c      standard output: tables, lines, colors, JSON
 *   fail.c        standard error and the exit status
 *   options.c     the common options, and the bus that they select
 *   numbers.c     numbers on the command line
 *   deadline.c    the end of a run: --timeout, signals; the clock
 *   bus.c         a connection, the service manager and its list of names, the daemon
 *   state.c       the driver's files about a bus
 *   process.c     processes and users of the system
 *   names.c       names for the numbers in records: services, methods, processes
 *   monitor.c     receives the driver's records
 *   streams.c     the streams of records
 *   traffic.c     sums over records
 *   doctor-checks.c  judges the facts that verb-doctor.c collects
 *
 * Interfaces of services, JSON and texts are in schema/: see schema/schema.h.
 */
#ifndef IPCCTL_H
#define IPCCTL_H

#include <ipc/ipc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit statuses. Users rely on the numbers (ipcctl(1)): add at the end, never renumber.
 * main.c has a text for each. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,     /* failure without a status of its own */
	STATUS_USAGE = 2,      /* error in the command line */
	STATUS_NOT_FOUND = 3,  /* no such name, process or method */
	STATUS_NO_MANAGER = 4, /* no service manager runs on the bus */
	STATUS_NO_BUS = 5,     /* no such bus */
	STATUS_DENIED = 6,     /* permission denied */
	STATUS_TIMEOUT = 7,    /* not done within --timeout */
	STATUS_REMOTE = 8,     /* the server replied with an error */
	STATUS_GONE = 9,       /* the object is dead, or its process is frozen */
	N_STATUSES
};

/* For struct verb.statuses. Every verb may end with 0, 1 and 2. A verb that opens the bus may also
 * end with the statuses of ON_BUS. */
#define MAY_END(name) (1u << STATUS_##name)
#define ON_BUS	      (MAY_END(NO_BUS) | MAY_END(DENIED) | MAY_END(TIMEOUT))

/**
 * struct ctl - the common options
 * @bus: path of the bus; NULL: the bus that libipc finds
 * @json: print JSON instead of text for people
 * @timeout_ms: timeout of the whole run in milliseconds; 0: none, but see deadline_question_usec()
 * @endless: the verb has no default timeout
 */
struct ctl {
	const char *bus;
	bool json;
	unsigned int timeout_ms;
	bool endless;
};

extern struct ctl ctl;

/**
 * struct ctl_bus - the bus that the options select
 * @path: its path
 * @kind: kind of the file at @path
 * @reason: why this bus is selected
 */
struct ctl_bus {
	char *path;
	enum ipc_bus_kind kind;
	enum ipc_bus_reason reason;
};

/* Return the bus, and its path. Must be called after the options were read. If memory is short, end
 * the program. */
const struct ctl_bus *ctl_bus(void);
const char *ctl_bus_path(void);

/* Parses a number from min to max. what is the name of the option or argument for the message. On
 * failure prints an error. Returns an enum status. */
int number_parse(const char *what, const char *text, unsigned long min, unsigned long max,
		 unsigned long *ret_number);

/* The same for seconds, from 1 ms to a day, in milliseconds. Further decimals are cut off. */
int number_parse_seconds(const char *what, const char *text, unsigned int *ret_ms);

/**
 * struct texts - the values of an option that may be given more than once
 * @list: @n values
 */
#define MAX_TEXTS 16
struct texts {
	const char *list[MAX_TEXTS];
	size_t n;
};

/**
 * struct verb_option - an option of a verb
 * @name: without "--"
 * @value: name of its value in the help, which completion reads as well: NAME is a service, USER
 *	is a user. NULL: the option is a flag.
 * @help: for --help; further lines begin with 23 blanks
 * @flag: set to true
 * @text: set to the value
 * @texts: the value is appended; the option may be given more than once
 * @ms: set to the value in seconds, as milliseconds
 * @number: set to the value, which must be from @min to @max
 * @min: see @number
 * @max: see @number
 *
 * Exactly one of the five pointers must be set.
 */
struct verb_option {
	const char *name;
	const char *value;
	const char *help;
	bool *flag;
	const char **text;
	struct texts *texts;
	unsigned int *ms;
	unsigned long *number;
	unsigned long min;
	unsigned long max;
};

/* For --count. */
#define MAX_COUNT (1UL << 40)

/* For a verb that waits for as long as it takes. */
#define NO_TIMEOUT "no timeout"

/**
 * struct verb - a command of ipcctl
 * @name: as on the command line
 * @arguments: text after the options in the usage line, or "". Completion reads it: NAME and PREFIX
 *	are services, METHOD is a method of the preceding service, COMMAND is a program,
 *	lower-case words stand for themselves
 * @summary: one line for the list of verbs
 * @description: sentences for --help
 * @example: command lines for --help
 * @timeout: default of --timeout for --help, or NO_TIMEOUT; NULL: "5"
 * @statuses: statuses besides 0, 1 and 2: MAY_END() and ON_BUS
 * @options: its options, ended by zeroes, or NULL
 * @min: minimum number of arguments
 * @max: maximum number of arguments
 * @keeps_time: @run handles ctl.timeout_ms itself
 * @run: runs the verb; returns an enum status
 */
struct verb {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *description;
	const char *example;
	const char *timeout;
	unsigned int statuses;
	const struct verb_option *options;
	int min;
	int max;
	bool keeps_time;
	int (*run)(int argc, char **argv);
};

/* --- Errors (fail.c) ----------------------------------------------------------- */

/* Prints an error and, in a second line, the hint (a remedy, or NULL). Returns status. */
int fail_with(int status, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Like fail_with(). With --json, also prints the origin and the cause of the error that a call
 * reported. */
int fail_reported(int status, const char *hint, const struct ipc_error *reported,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Prints an error to a stream. reported may be NULL. */
void print_error(FILE *file, int status, const char *hint, const struct ipc_error *reported,
		 const char *text);

/* fail_with() if memory is short. */
int fail_memory(void);

/* fail_with() for a negative errno of libipc or the system. what: the object or operation that
 * failed. */
int fail_errno(int error, const char *what);

/* Like fail_errno(), for a failed call, with the texts of reported, which may be NULL. */
int fail_call(int error, const struct ipc_error *reported, const char *what);
/* For a call of the service manager. */
int fail_manager(int error, const struct ipc_error *reported);

/* fail_with() for a process that has no connection to the bus. */
int fail_not_on_bus(int pid);

/* fail_with() for a bus that does not exist or has ended. */
int fail_no_bus(int error);

/* The hint if only root and the owner of the bus have permission. Valid until the next call. */
const char *fail_root_hint(void);

/* Whether the caller may use stats and tree. A hint must not name them to other users. */
bool may_read_state(void);

#endif
