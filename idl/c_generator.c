// SPDX-License-Identifier: MIT
/*
 * Runs protoc-gen-c: see c_messages.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "c_messages.h"
#include "text.h"

extern char **environ;

static FILE *memory_file(void)
{
	int fd = memfd_create("protoc-gen-ipc", MFD_CLOEXEC);

	return fd < 0 ? NULL : fdopen(fd, "w+");
}

/* Both are files, not pipes: neither side can wait for the other. */
static const char *spawn(struct arena *arena, FILE *input, FILE *output)
{
	char *const arguments[] = { (char *)"protoc-gen-c", NULL };
	posix_spawn_file_actions_t actions;
	int r, status = 0;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) ||
	    posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO) ||
	    posix_spawn_file_actions_adddup2(&actions, fileno(output), STDOUT_FILENO))
		out_of_memory();
	r = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r == ENOENT)
		return "protoc-gen-c, which generates the messages in C, is not in the PATH; install "
		       "protobuf-c's compiler (protobuf-c-compiler in Debian)";
	if (r)
		return arena_printf(arena, "cannot start protoc-gen-c: %s", strerror(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return arena_printf(arena, "cannot wait for protoc-gen-c: %s",
					    strerror(errno));
	if (WIFSIGNALED(status))
		return arena_printf(arena, "protoc-gen-c was killed by signal %d",
				    WTERMSIG(status));
	if (WEXITSTATUS(status))
		return arena_printf(arena, "protoc-gen-c failed with status %d",
				    WEXITSTATUS(status));
	return NULL;
}

static const char *run_with(struct arena *arena, FILE *input, FILE *output, const uint8_t *request,
			    size_t size, uint8_t **ret_response, size_t *ret_size)
{
	char buffer[4096];
	struct text text = { 0 };
	const char *problem;
	size_t n;

	if (fwrite(request, 1, size, input) != size || fflush(input) || fseek(input, 0, SEEK_SET))
		return arena_printf(arena, "cannot write a temporary file: %s", strerror(errno));
	problem = spawn(arena, input, output);
	if (problem)
		return problem;

	rewind(output);
	while ((n = fread(buffer, 1, sizeof(buffer), output)))
		text_addn(&text, buffer, n);
	*ret_response = (uint8_t *)arena_strndup(arena, text.data ?: "", text.size);
	*ret_size = text.size;
	text_done(&text);
	return NULL;
}

const char *c_generator_run(struct arena *arena, const uint8_t *request, size_t size,
			    uint8_t **ret_response, size_t *ret_size)
{
	FILE *input = memory_file(), *output = memory_file();
	const char *problem;

	if (input && output)
		problem = run_with(arena, input, output, request, size, ret_response, ret_size);
	else
		problem = arena_printf(arena, "cannot make a temporary file: %s", strerror(errno));
	if (input)
		fclose(input);
	if (output)
		fclose(output);
	return problem;
}
