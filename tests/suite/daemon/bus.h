/* SPDX-License-Identifier: MIT */
/*
 * A private ipcbusd for a program that attacks it or kills its clients. The socket and the log
 * are in a folder below /tmp. A fault that the program finds ends the program: see bus_found().
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
/* Ends the daemon and removes the folder. Fails if the daemon has printed a message. */
void bus_end(void);
/* Prints the finding and the daemon's log, ends all processes, and exits with 1. */
_Noreturn void bus_found(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The daemon must not have ended. */
void bus_check_alive(void);

uint64_t bus_now(void);
/* Number of descriptors of a process; number of its mappings with the text in /proc/PID/maps. */
unsigned int bus_count_fds(pid_t pid);
unsigned int bus_count_maps(pid_t pid, const char *text);
/* Reads the driver's stats. */
void bus_read_stats(char *text, size_t size);
/* Reads the present numbers of these names, each with a blank before and behind it. */
void bus_read_numbers(const char *names, char *text, size_t size);

#endif /* DAEMON_BUS_H */
