// SPDX-License-Identifier: MIT
/*
 * protoc-gen-ipc: for --ipc_out, protoc starts it, writes a request to its standard input and reads
 * the response from its standard output. Only this file uses arguments, files and standard streams.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../libipc/base/descriptor.h"
#include "check.h"
#include "plugin.h"
#include "text.h"

static const char usage[] =
	"protoc-gen-ipc generates stubs for the interfaces in .proto files. protoc starts it:\n"
	"\n"
	"  protoc --ipc_out=DIR FILE.proto...\n"
	"\n"
	"writes FILE.pb-c.h and FILE.pb-c.c (messages, by protoc-gen-c, which it runs) and\n"
	"FILE.ipc.h and FILE.ipc.c (stubs) to DIR. If protoc-gen-ipc is not in the PATH, add\n"
	"--plugin=protoc-gen-ipc=PROGRAM. To import ipc/ipc.proto and ipc/options.proto, add\n"
	"-I $(pkg-config --variable=protodir libipc). --ipc_out=imports:DIR writes the messages of\n"
	"the imported files as well, and --ipc_out=no_comments:DIR leaves out the comments that\n"
	"ipcctl describe prints.\n"
	"\n"
	"  protoc --python_out=DIR --pyi_out=DIR --ipc_out=lang=python:DIR FILE.proto...\n"
	"\n"
	"writes FILE_pb2.py (messages, from protoc) and FILE_ipc.py (stubs), both with types in\n"
	"a .pyi file. Parameters have commas between them: --ipc_out=lang=python,no_comments:DIR.\n"
	"\n"
	"  protoc --cpp_out=DIR --ipc_out=lang=cpp:DIR FILE.proto...\n"
	"\n"
	"writes FILE.pb.h and FILE.pb.cc (messages, from protoc) and FILE.ipc.hpp (stubs).\n"
	"\n"
	"  protoc --ipc_out=lang=rust,imports:DIR FILE.proto...\n"
	"\n"
	"writes FILE.ipc.rs (messages and stubs) for these files and their imports, and ipc.rs,\n"
	"which includes them. protoc-gen-ipc(1) lists all parameters.\n"
	"\n"
	"  protoc-gen-ipc --check OLD NEW\n"
	"\n"
	"lists the changes from OLD to NEW that break programs built from OLD, and exits with\n"
	"1 if there are any. OLD and NEW are descriptor sets; protoc --include_imports\n"
	"--descriptor_set_out=FILE writes one.\n"
	"\n"
	"  -h, --help     print this text\n"
	"      --check    compare two descriptor sets\n"
	"      --version  print the version\n";

static bool read_all(struct text *input, FILE *stream)
{
	static char buffer[64 << 10];
	size_t n;

	do {
		n = fread(buffer, 1, sizeof(buffer), stream);
		text_addn(input, buffer, n);
	} while (n == sizeof(buffer));

	return !ferror(stream);
}

static int run(struct arena *arena, struct text *input)
{
	uint8_t *response;
	size_t size;
	const char *problem;

	if (!read_all(input, stdin)) {
		fprintf(stderr, "protoc-gen-ipc: cannot read the request: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}

	problem = plugin_run(arena, (const uint8_t *)input->data, input->size, &response,
			     &size);
	if (problem) {
		fprintf(stderr, "protoc-gen-ipc: cannot use the request on standard input: %s\n",
			problem);
		return EXIT_FAILURE;
	}

	if (fwrite(response, 1, size, stdout) != size || fflush(stdout)) {
		fprintf(stderr, "protoc-gen-ipc: cannot write the response: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}

	return EXIT_SUCCESS;
}

/* --- --check ------------------------------------------------------------------- */

/* On failure prints the reason and returns NULL. */
static const Google__Protobuf__FileDescriptorSet *read_set(struct arena *arena, const char *name)
{
	const Google__Protobuf__FileDescriptorSet *set = NULL;
	FILE *stream = fopen(name, "re");
	struct text text = { 0 };

	if (!stream || !read_all(&text, stream)) {
		fprintf(stderr, "protoc-gen-ipc: cannot read %s: %s\n", name, strerror(errno));
	} else {
		set = check_read(arena, (const uint8_t *)(text.data ?: ""), text.size);
		if (!set)
			fprintf(stderr,
				"protoc-gen-ipc: %s is not a descriptor set; create one from X.proto: "
				"protoc --include_imports --descriptor_set_out=X.set X.proto\n",
				name);
	}

	if (stream)
		fclose(stream);
	text_done(&text);
	return set;
}

static int check_files(const char *old_name, const char *new_name)
{
	const Google__Protobuf__FileDescriptorSet *old, *new;
	struct arena arena = { 0 };
	struct text report = { 0 };
	int status = 2;

	old = read_set(&arena, old_name);
	new = old ? read_set(&arena, new_name) : NULL;
	if (new)
		status = check_compare(&arena, old, new, &report) > 0;
	fputs(report.data ?: "", stdout);
	text_done(&report);
	arena_done(&arena);
	return status;
}

/* --- Arguments ------------------------------------------------------------------ */

/* Returns an exit status, or -1 to serve protoc. */
static int parse_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "check", no_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};

	switch (getopt_long(argc, argv, "h", options, NULL)) {
	case 'h':
		fputs(usage, stdout);
		return 0;
	case 'v':
		puts("protoc-gen-ipc " IPC_VERSION);
		return 0;
	case 'c':
		if (argc - optind == 2)
			return check_files(argv[optind], argv[optind + 1]);
		fputs("protoc-gen-ipc: --check needs two descriptor sets, OLD and NEW\n", stderr);
		return 2;
	case -1:
		break;
	default:
		fputs("Try 'protoc-gen-ipc --help'.\n", stderr);
		return 2;
	}

	if (optind < argc || isatty(STDIN_FILENO)) {
		fputs("protoc-gen-ipc: protoc starts this program, for --ipc_out; see --help\n",
		      stderr);
		return 2;
	}

	return -1;
}

int main(int argc, char **argv)
{
	struct text input = { 0 };
	struct arena arena = { 0 };
	int status;

	status = parse_arguments(argc, argv);
	if (status >= 0)
		return descriptor_flush_output("protoc-gen-ipc", status);

	status = run(&arena, &input);
	text_done(&input);
	arena_done(&arena);
	return status;
}
