// SPDX-License-Identifier: MIT
/*
 * A servicemanager for a single test; see manager.h. The binary is in the build tree, two folders
 * up from here.
 */
#define _GNU_SOURCE
#include <check.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "manager.h"

#define ARGUMENTS_MAX 16

/*
 * The default policy, except that every user may register every free name. Concurrent tests use the
 * same folder, so the file is replaced atomically.
 */
static void write_policy(char *folder, size_t size)
{
	char new[64], file[64];
	FILE *stream;

	snprintf(folder, size, "/tmp/ipcbus-e2e-policy.%u", geteuid());
	mkdir(folder, 0755);
	snprintf(new, sizeof(new), "%s/%d.new", folder, (int)getpid());
	snprintf(file, sizeof(file), "%s/policy.conf", folder);
	stream = fopen(new, "we");
	if (!stream)
		_exit(125);
	fputs("allow anyone all *\nrefuse anyone register ipc.* system.* user/*\n"
	      "allow user root register ipc.* system.*\nallow anyone register user/%u/*\n",
	      stream);
	if (fclose(stream) || rename(new, file) < 0)
		_exit(125);
}

static void run_manager(const char *const *arguments, int log)
{
	char self[PATH_MAX] = "", path[PATH_MAX + 64];
	char policy[48];
	const char *argv[ARGUMENTS_MAX + 4] = { path, "--policy", policy };
	bool own = false;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		_exit(126);
	snprintf(path, sizeof(path), "%s/../../../servicemanager/servicemanager", dirname(self));
	for (int i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
		own |= !strcmp(arguments[i], "--policy");
	if (!own)
		write_policy(policy, sizeof(policy));
	for (int i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
		argv[i + (own ? 1 : 3)] = arguments[i];
	dup2(log, STDERR_FILENO);
	/* The caller may ignore SIGCHLD, and the manager inherits that. */
	signal(SIGCHLD, SIG_IGN);
	execv(path, (char *const *)argv);
	_exit(127);
}

void manager_start(struct manager *manager, const char *const *arguments)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	manager->log = fdopen(fds[0], "r");
	ck_assert_ptr_nonnull(manager->log);
	manager->pid = fork();
	ck_assert_int_ge(manager->pid, 0);
	if (!manager->pid)
		run_manager(arguments, fds[1]);
	close(fds[1]);
	manager_expect(manager, "servicemanager: ready");
}

void manager_expect(struct manager *manager, const char *text)
{
	char line[512];

	while (fgets(line, sizeof(line), manager->log))
		if (strstr(line, text))
			return;
	ck_abort_msg("servicemanager ends without saying \"%s\"", text);
}

void manager_signal(const struct manager *manager, int signal)
{
	ck_assert_int_eq(kill(manager->pid, signal), 0);
}

int manager_end(struct manager *manager, int signal)
{
	int status;

	manager_signal(manager, signal);
	ck_assert_int_eq(waitpid(manager->pid, &status, 0), manager->pid);
	fclose(manager->log);
	return status;
}
