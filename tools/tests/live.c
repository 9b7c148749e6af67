// SPDX-License-Identifier: MIT
/*
 * Running ipcctl and services for the tests in the guest: see live.h.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"

static struct ran ran;

static void slurp(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n;

	ck_assert_ptr_nonnull(file);
	n = fread(text, 1, size, file);
	ck_assert_msg(n < size, "%s is too long", path);
	text[n] = '\0';
	fclose(file);
	unlink(path);
}

/* Prints lines as comments, because the runner would take them for results of the test. */
static void print_lines(const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		printf("# %.*s\n", (int)strcspn(text, "\n"), text);
}

static void run(const char *format, va_list args)
{
	char out[64], err[64], *arguments, *line;
	int status;

	snprintf(out, sizeof(out), "/tmp/live.%d.out", getpid());
	snprintf(err, sizeof(err), "/tmp/live.%d.err", getpid());
	ck_assert_int_gt(vasprintf(&arguments, format, args), 0);
	ck_assert_int_gt(asprintf(&line, "ipcctl %s >%s 2>%s </dev/null", arguments, out, err), 0);
	status = system(line);
	ck_assert(WIFEXITED(status));
	ran.status = WEXITSTATUS(status);
	slurp(out, ran.out, sizeof(ran.out));
	slurp(err, ran.err, sizeof(ran.err));
	printf("# ipcctl %s: %d\n", arguments, ran.status);
	print_lines(ran.out);
	print_lines(ran.err);
	fflush(stdout);
	/* The output of processes that ipcctl started, too. */
	ck_assert(!strstr(ran.out, "Sanitizer") && !strstr(ran.err, "Sanitizer"));
	free(arguments);
	free(line);
}

const struct ran *live_run(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	run(format, args);
	va_end(args);
	return &ran;
}

json_t *live_json(const char *format, ...)
{
	json_error_t error;
	json_t *value;
	va_list args;

	va_start(args, format);
	run(format, args);
	va_end(args);
	ck_assert_int_eq(ran.status, 0);
	ck_assert_str_eq(ran.err, "");
	value = json_loads(ran.out, JSON_DECODE_ANY, &error);
	ck_assert_msg(value != NULL, "%d: %s", error.line, error.text);
	return value;
}

json_t *live_find(json_t *array, const char *key, const char *text)
{
	json_t *object;
	size_t i;

	json_array_foreach(array, i, object) {
		const char *value = json_string_value(json_object_get(object, key));

		if (value && !strcmp(value, text))
			return object;
	}
	return NULL;
}

pid_t live_start(const char *program, ...)
{
	char *argv[8] = { (char *)program };
	va_list args;
	pid_t pid;

	va_start(args, program);
	for (int i = 1; i < 7 && (argv[i] = va_arg(args, char *)); i++)
		;
	va_end(args);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(program, argv);
		_exit(127);
	}
	return pid;
}

pid_t live_echo(void)
{
	pid_t pid = live_start(ECHO_SERVER, NULL);

	ck_assert_int_eq(live_run("wait --timeout 60 demo.echo")->status, 0);
	return pid;
}

static void name_is_gone(void)
{
	for (int i = 0; i < 100 && !live_run("list --names demo.echo")->status && *ran.out; i++)
		usleep(20000);
	ck_assert_str_eq(ran.out, "");
}

void live_stop(pid_t pid)
{
	kill(pid, SIGCONT);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	name_is_gone();
}

static void (*before)(void), (*after)(void);

void live_fixture(void (*begin)(void), void (*end)(void))
{
	before = begin;
	after = end;
}

/* PATH begins with the folder above the test, which has its ipcctl. If a sanitizer finds a defect
 * in it, the exit status is a value that no test expects. */
static int choose_ipcctl(void)
{
	char path[512], *slash = NULL;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) / 2);

	if (n <= 0)
		return -1;
	path[n] = '\0';
	for (int i = 0; i < 2; i++) {
		slash = strrchr(path, '/');
		*slash = '\0';
	}
	snprintf(slash, path + sizeof(path) - slash, ":%s", getenv("PATH"));
	return setenv("PATH", path, 1) | setenv("ASAN_OPTIONS", "exitcode=99", 1) |
	       setenv("UBSAN_OPTIONS", "exitcode=99", 1);
}

int live_tests(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	if (choose_ipcctl()) {
		perror("live tests");
		return 1;
	}
	tcase_set_timeout(tcase, 200);
	tcase_add_checked_fixture(tcase, before, after);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
