// SPDX-License-Identifier: MIT
/*
 * DOT and SVG: see draw.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "draw.h"
#include "ipcctl.h"
#include "value.h"

/* --- DOT ------------------------------------------------------------------------ */

/* In double quotes. */
static void put_quoted(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', file);
		if (*text == '\n')
			fputs("\\n", file);
		else
			fputc((unsigned char)*text < ' ' ? '?' : *text, file);
	}
	fputc('"', file);
}

/* More messages, a thicker line. */
static double width_of(json_int_t messages)
{
	double width = 1;

	for (; messages >= 10; messages /= 10)
		width += 0.8;
	return width;
}

static void put_edge(FILE *file, const json_t *edge)
{
	json_int_t calls = value_number(edge, "calls"), oneways = value_number(edge, "oneways");
	bool failed = value_number(edge, "failures");
	char label[320];

	fputc('\t', file);
	put_quoted(file, value_text(edge, "from"));
	fputs(" -> ", file);
	put_quoted(file, value_text(edge, "to"));
	snprintf(label, sizeof(label), "%s", value_text(edge, "service"));
	if (calls)
		snprintf(label + strlen(label), sizeof(label) - strlen(label), "\n%lld calls, %.0f us",
			 (long long)calls, json_real_value(json_object_get(edge, "p50_us")));
	if (oneways)
		snprintf(label + strlen(label), sizeof(label) - strlen(label), "\n%lld oneways",
			 (long long)oneways);
	fprintf(file, " [penwidth=%.1f%s, label=", width_of(calls + oneways),
		failed ? ", color=red" : "");
	put_quoted(file, label);
	fputs("];\n", file);
}

void draw_dot(FILE *file, const json_t *edges)
{
	json_t *edge;
	size_t i;

	fputs("digraph ipcbus {\n"
	      "\trankdir=LR;\n"
	      "\tnode [shape=box, style=\"rounded,filled\", fillcolor=\"#eef3f8\", fontname=\"sans-serif\"];\n"
	      "\tedge [fontname=\"sans-serif\", fontsize=10];\n",
	      file);
	json_array_foreach(edges, i, edge)
		put_edge(file, edge);
	fputs("}\n", file);
}

/* --- SVG ------------------------------------------------------------------------ */

/* Runs dot with this standard input. 0 or -errno. */
static int spawn_dot(int input, pid_t *ret_pid)
{
	char *const argv[] = { "dot", "-Tsvg", NULL };
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	if (r == 0)
		r = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Runs dot, whose input is what is written to the file. NULL: errno says why. */
static FILE *start_dot(pid_t *ret_pid)
{
	FILE *file = NULL;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	r = spawn_dot(ends[0], ret_pid);
	close(ends[0]);
	if (r == 0)
		file = fdopen(ends[1], "w");
	if (!file) {
		r = r < 0 ? r : -errno;
		close(ends[1]);
		errno = -r;
	}
	return file;
}

int draw_svg(const json_t *edges)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	int wstatus = 0, r;
	pid_t pid = 0;
	FILE *file;

	fflush(stdout);
	file = start_dot(&pid);
	if (!file && errno == ENOENT)
		return fail_with(STATUS_FAILED,
				 "install it: apt install graphviz; or print DOT, without --svg",
				 "cannot find graphviz's dot, which makes the SVG");
	if (!file)
		return fail_with(STATUS_FAILED, NULL, "cannot run dot: %s", strerror(errno));
	/* If dot ends early, its exit status says so. */
	sigaction(SIGPIPE, &ignore, &before);
	draw_dot(file, edges);
	r = fclose(file);
	sigaction(SIGPIPE, &before, NULL);
	if (waitpid(pid, &wstatus, 0) == pid && r == 0 && WIFEXITED(wstatus) &&
	    WEXITSTATUS(wstatus) == 0)
		return STATUS_OK;
	return fail_with(STATUS_FAILED, "ipcctl graph without --svg prints its input",
			 "graphviz's dot failed");
}
