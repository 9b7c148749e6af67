// SPDX-License-Identifier: MIT
/* See bus.h. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ipc/admin.h>

#include "bus.h"

#define LOG_LINES 60

char bus_path[64];
pid_t bus_daemon;

static char folder[] = "/tmp/ipcbusd.XXXXXX", log_path[64];
static const struct bus_program *program;

static void remove_folder(void)
{
	unlink(bus_path);
	unlink(log_path);
	rmdir(folder);
}

static void print_log(void)
{
	char line[500];
	FILE *file = fopen(log_path, "re");

	for (int i = 0; file && i < LOG_LINES && fgets(line, sizeof(line), file); i++)
		fprintf(stderr, "# %s", line);
	if (file)
		fclose(file);
}

void bus_found(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: FOUND: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	program->print_progress();
	print_log();
	program->end_processes();
	if (bus_daemon > 0)
		kill(bus_daemon, SIGKILL);
	remove_folder();
	exit(1);
}

void bus_check_alive(void)
{
	int status;

	if (waitpid(bus_daemon, &status, WNOHANG) == bus_daemon) {
		bus_daemon = 0;
		bus_found("the daemon ended with status %#x", status);
	}
}

void bus_start(const struct bus_program *of, const char *daemon, const char *option)
{
	int log;

	program = of;
	if (!mkdtemp(folder) || chmod(folder, 0755))
		bus_found("cannot make a folder");
	snprintf(bus_path, sizeof(bus_path), "%s/bus", folder);
	snprintf(log_path, sizeof(log_path), "%s/log", folder);
	log = open(log_path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0600);
	bus_daemon = fork();
	if (!bus_daemon) {
		dup2(log, STDERR_FILENO);
		/* With --print-path it prints nothing about its start. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		execl(daemon, daemon, "--bus", bus_path, "--print-path=1", option, NULL);
		_exit(127);
	}
	close(log);
	while (ipc_wait_manager(bus_path, 0) != 0) {
		bus_check_alive();
		usleep(1000);
	}
}

void bus_end(void)
{
	struct stat log;
	int status;

	kill(bus_daemon, SIGTERM);
	waitpid(bus_daemon, &status, 0);
	bus_daemon = 0;
	if (status)
		bus_found("the daemon ended with status %#x", status);
	if (stat(log_path, &log) || log.st_size)
		bus_found("the daemon printed something");
	remove_folder();
}

uint64_t bus_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

unsigned int bus_count_fds(pid_t pid)
{
	char path[64];
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

unsigned int bus_count_maps(pid_t pid, const char *text)
{
	char path[64], line[500];
	unsigned int n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		n += !!strstr(line, text);
	if (file)
		fclose(file);
	return n;
}

void bus_read_stats(char *text, size_t size)
{
	int fd = ipc_open_state(bus_path, "stats");
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	bus_check_alive();
	if (n < 0)
		bus_found("the daemon does not reply with its counts");
	close(fd);
	text[n] = 0;
}

void bus_read_numbers(const char *names, char *text, size_t size)
{
	char all[1000], *line, *rest = all, name[40], word[42];
	unsigned long now;
	size_t n = 0;

	bus_read_stats(all, sizeof(all));
	*text = 0;
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%39s %lu", name, &now) != 2)
			continue;
		snprintf(word, sizeof(word), " %s ", name);
		if (strstr(names, word))
			n += (size_t)snprintf(text + n, size - n, "%s %lu ", name, now);
	}
}
