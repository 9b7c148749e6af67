// SPDX-License-Identifier: MIT
/*
 * Runs very many inputs of the driver's fuzzer in one process: random mutations of the inputs in
 * folders. There is no coverage feedback and there are no sanitizers; the heap (heap.h), the host
 * build and the judge detect faults. It runs about twenty times more sequences per second than
 * libFuzzer, starting from libFuzzer's corpus.
 *
 *   fast [--count N] [--from N] [--seed S] [--every SECONDS] [--found FILE] FOLDER...
 *   fast FILE...                  these inputs, once each, unmodified
 *
 * The same seed and folders give the same sequences. --from N begins with sequence N, and --count
 * is the number at which it ends. Prints its progress, and at the end `fast: N sequences, R a
 * second`. A failing input is written to FILE.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "driver/input.h"
#include "heap.h"

#define MAX_SIZE	320	/* libFuzzer has the same limit, set by lib.sh */
#define MAX_INPUTS	20000
#define TOO_LONG	20	/* seconds of processor time per sequence */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint16_t size;
	uint8_t data[MAX_SIZE];
};

static struct input *inputs;
static unsigned int n_inputs;
static struct input now;
static unsigned long count = 1000000, from, every = 60, seed = 1;
static unsigned long done;
static const char *found_path = "fast-found.seed";
static bool as_they_are;

/* --- Findings --------------------------------------------------------------------------- */

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(EXIT_FAILURE);
}

/* From here on memory may be corrupt: only system calls are safe. */
static void keep_input(void)
{
	char text[400];
	int fd;

	if (as_they_are)
		return;
	fd = open(found_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, now.data, now.size) != now.size) {
		snprintf(text, sizeof(text),
			 "fast: sequence %lu of seed %lu cannot be written to %s\n", done, seed,
			 found_path);
		say(text);
		return;
	}
	snprintf(text, sizeof(text), "fast: FOUND something, sequence %lu of seed %lu: %s\n", done,
		 seed, found_path);
	say(text);
}

_Noreturn void heap_found(const char *what)
{
	say(what);
	say("\n");
	abort();
}

static void on_signal(int sig)
{
	static const char *const names[] = {
		[SIGSEGV] = "a fault\n", [SIGBUS] = "a bus error\n", [SIGFPE] = "a bad division\n",
		[SIGILL] = "a bad instruction\n", [SIGVTALRM] = "a sequence does not end\n",
	};

	signal(SIGABRT, SIG_DFL);
	if (sig != SIGABRT)
		say(names[sig]);
	keep_input();
	abort();
}

/* On a separate stack: a fiber's stack may be the cause. */
static void catch_signals(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGVTALRM };
	static char stack[64 << 10];
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	sigaltstack(&other, NULL);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		sigaction(sigs[i], &action, NULL);
}

static void run_now(void)
{
	LLVMFuzzerTestOneInput(now.data, now.size);
	heap_settle();
	done++;
}

/* --- Inputs ------------------------------------------------------------------------------ */

static bool read_input(const char *path, struct input *input)
{
	FILE *file = fopen(path, "rb");

	if (!file) {
		fprintf(stderr, "fast: %s cannot be read: %s\n", path, strerror(errno));
		return false;
	}
	input->size = fread(input->data, 1, MAX_SIZE, file);
	fclose(file);
	return true;
}

/* Sorted, so that the order is always the same. */
static bool read_folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	char name[4096];
	bool ok = n >= 0;

	if (!ok)
		fprintf(stderr, "fast: %s cannot be read: %s\n", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]->d_name);
		if (ok && names[i]->d_name[0] != '.' && n_inputs < MAX_INPUTS)
			ok = read_input(name, &inputs[n_inputs++]);
		free(names[i]);
	}
	free(names);
	return ok;
}

/* --- Mutation ---------------------------------------------------------------------------- */

/* splitmix64 */
static uint32_t chance(uint32_t n)
{
	static uint64_t state;
	uint64_t z;

	if (!state)
		state = seed * 0xd1342543de82ef95ULL + 1; /* not a multiple of the step */
	z = state += 0x9e3779b97f4a7c15ULL;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (uint32_t)((z >> 32) * n >> 32);
}

/* Replaces libFuzzer's function; called by mutate.c. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
	for (uint32_t times = chance(3) + 1; times && size; times--) {
		uint32_t at = chance(size);

		switch (chance(4)) {
		case 0:
			data[at] ^= 1U << chance(8);
			break;
		case 1:
			data[at] = chance(256);
			break;
		case 2:
			data[at] += chance(9) - 4;
			break;
		default:
			data[at] = data[chance(size)];
		}
	}
	return size < max_size ? size : max_size;
}

static void change(void)
{
	const struct input *from = &inputs[chance(n_inputs)], *other;
	uint32_t word;

	now = *from;
	if (!chance(4)) {
		other = &inputs[chance(n_inputs)];
		now.size = LLVMFuzzerCustomCrossOver(from->data, from->size, other->data,
						     other->size, now.data, MAX_SIZE,
						     chance(UINT32_MAX));
	}
	for (uint32_t times = chance(6); times; times--)
		now.size = LLVMFuzzerCustomMutator(now.data, now.size, MAX_SIZE,
						   chance(UINT32_MAX));
	/* Usually changes the interleaving. */
	if (now.size < HEADER || !chance(4))
		return;
	now.data[3] ^= chance(4);
	word = chance(UINT32_MAX);
	memcpy(now.data + 4, &word, sizeof(word));
}

/* --- The run ----------------------------------------------------------------------------- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void report(double since)
{
	double passed = seconds() - since;
	unsigned long ran = done - from;

	printf("fast: %lu sequences, %.0f a second\n", ran, ran / (passed > 0 ? passed : 1));
	fflush(stdout);
}

static void run_many(void)
{
	const struct itimerval limit = { .it_value.tv_sec = TOO_LONG };
	double begin = seconds(), next = begin + every;

	for (; done < from; done++)
		change();
	setitimer(ITIMER_VIRTUAL, &limit, NULL);
	while (done < count) {
		if (done % 256 == 0) {
			setitimer(ITIMER_VIRTUAL, &limit, NULL);
			if (seconds() >= next) {
				report(begin);
				next += every;
			}
		}
		change();
		run_now();
	}
	report(begin);
}

static int usage(void)
{
	fputs("usage: fast [--count N] [--from N] [--seed S] [--every SECONDS] [--found FILE]\n"
	      "            FOLDER...\n"
	      "       fast FILE...\n", stderr);
	return 2;
}

static bool number(const char *text, unsigned long *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoul(text, &end, 10);
	return !errno && end != text && !*end && *text != '-';
}

/* Returns the index of the first argument that is not an option, or -1. */
static int read_options(int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		unsigned long *value = !strcmp(argv[i], "--count") ? &count :
				       !strcmp(argv[i], "--from") ? &from :
				       !strcmp(argv[i], "--seed") ? &seed :
				       !strcmp(argv[i], "--every") ? &every : NULL;

		if (!strcmp(argv[i], "--found"))
			found_path = argv[i + 1];
		else if (!value || !number(argv[i + 1], value) || !every)
			return -1;
	}
	if (from >= count) {
		fputs("fast: --from begins where --count ends\n", stderr);
		return -1;
	}
	return i < argc && argv[i][0] != '-' ? i : -1;
}

int main(int argc, char **argv)
{
	int i = read_options(argc, argv);
	struct stat st;

	if (i < 0)
		return usage();
	if (!stat(found_path, &st) && !S_ISREG(st.st_mode)) {
		fprintf(stderr, "fast: %s is no file\n", found_path);
		return 2;
	}
	inputs = calloc(MAX_INPUTS, sizeof(*inputs));
	if (!inputs)
		return EXIT_FAILURE;
	catch_signals();
	for (; i < argc; i++) {
		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode)) {
			if (!read_folder(argv[i]))
				return EXIT_FAILURE;
			continue;
		}
		as_they_are = true;
		if (!read_input(argv[i], &now))
			return EXIT_FAILURE;
		run_now();
	}
	if (n_inputs) {
		as_they_are = false;
		run_many();
	} else if (!as_they_are) {
		fprintf(stderr, "fast: no inputs there\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
