/* SPDX-License-Identifier: MIT */
/*
 * An ipcbusd of its own for a program that attacks it or kills its clients: the socket and the log
 * are in a folder below /tmp. What the program found ends it: see bus_found().
 */
#ifndef DAEMON_BUS_H
#define DAEMON_BUS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

extern char bus_path[64];
extern pid_t bus_daemon;

/* For bus_found(): prints how far the program has got; and ends its processes. */
struct bus_program {
	void (*print_progress)(void);
	void (*end_processes)(void);
};

/* Starts the daemon, with an option or NULL, and waits until it serves. */
void bus_start(const struct bus_program *program, const char *daemon, const char *option);
/* Ends the daemon, which must have printed nothing, and removes the folder. */
void bus_end(void);
/* Prints the finding and the daemon's log, ends all processes, and exits with 1. */
_Noreturn void bus_found(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The daemon must not have ended. */
void bus_check_alive(void);

uint64_t bus_now(void);
/* Number of descriptors of a process, and of its mappings whose line in /proc has the text. */
unsigned int bus_count_fds(pid_t pid);
unsigned int bus_count_maps(pid_t pid, const char *text);
/* Reads the driver's stats. */
void bus_read_stats(char *text, size_t size);
/* Reads the present numbers of these names, each with a blank before and behind it. */
void bus_read_numbers(const char *names, char *text, size_t size);

#endif /* DAEMON_BUS_H */
