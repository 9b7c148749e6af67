// SPDX-License-Identifier: MIT
/*
 * many N [FIRST]: registers N names from many.FIRST (0) on, each for a new object that does not
 * describe itself.
 *
 * many 3 0 flood: when asked for a dump, the first service writes three MiB, the second writes
 * until that fails, and the third writes "last".
 *
 * many 1 0 methods: the service describes an interface of 20,000 methods.
 *
 * many 2 0 apart: each name has a connection of its own. Only the last connection is served.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ipc/raw.h>

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)request;
	(void)userdata;
	return ipc_call_fail(call, EOPNOTSUPP, NULL, NULL);
}

static int flood(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	const struct ipc_raw_message done = { .method = 0 };
	char line[4096];
	int number = (int)(intptr_t)userdata;
	size_t lines = number == 0 ? (3 << 20) / sizeof(line) : number == 1 ? SIZE_MAX : 0;

	if (request->method != IPC_NUMBER_DUMP || request->n_entries != 1)
		return -EOPNOTSUPP;
	if (number == 2)
		dprintf(request->entries[0].fd, "last\x1b[31m\n");
	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 2] = '\n';
	while (lines-- && write(request->entries[0].fd, line, sizeof(line) - 1) > 0)
		;
	return ipc_raw_reply(call, &done);
}

/* Appends a field of bytes to a message of protobuf. */
static void put(FILE *file, unsigned int field, const char *bytes, size_t size)
{
	size_t left = size;

	fputc((int)(field << 3 | 2), file);
	for (; left >= 128; left >>= 7)
		fputc((int)(left & 127) | 128, file);
	fputc((int)left, file);
	fwrite(bytes, 1, size, file);
}

static void put_text(FILE *file, unsigned int field, const char *text)
{
	put(file, field, text, strlen(text));
}

/* Appends what was written to part, as a field, and frees it. */
static void put_part(FILE *file, unsigned int field, FILE *part, char **bytes, const size_t *size)
{
	fclose(part);
	put(file, field, *bytes, *size);
	free(*bytes);
}

/* The ipc.Description of the interface many.Many. */
static int describe(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct { char *bytes; size_t size; } set, proto, service, method, type, all;
	FILE *sets = open_memstream(&set.bytes, &set.size), *part, *methods, *alls;
	FILE *protos = open_memstream(&proto.bytes, &proto.size);
	char name[16];
	int r;

	(void)userdata;
	if (request->method != IPC_NUMBER_DESCRIBE)
		return -EOPNOTSUPP;
	put_text(protos, 1, "many.proto");
	put_text(protos, 2, "many");
	part = open_memstream(&type.bytes, &type.size);
	put_text(part, 1, "None");
	put_part(protos, 4, part, &type.bytes, &type.size);
	methods = open_memstream(&service.bytes, &service.size);
	put_text(methods, 1, "Many");
	for (unsigned int i = 0; i < 20000; i++) {
		part = open_memstream(&method.bytes, &method.size);
		snprintf(name, sizeof(name), "Method%u", i);
		put_text(part, 1, name);
		put_text(part, 2, ".many.None");
		put_text(part, 3, ".many.None");
		put_part(methods, 2, part, &method.bytes, &method.size);
	}
	put_part(protos, 6, methods, &service.bytes, &service.size);
	put_part(sets, 1, protos, &proto.bytes, &proto.size);
	alls = open_memstream(&all.bytes, &all.size);
	put_text(alls, 1, "many.Many");
	put_part(alls, 2, sets, &set.bytes, &set.size);
	fclose(alls);
	r = ipc_raw_reply(call, &(struct ipc_raw_message){ .data = all.bytes, .size = all.size });
	free(all.bytes);
	return r;
}

/* For ten seconds, the names of the previous test count as this user's. */
static int register_name(struct ipc *ipc, const char *name, struct ipc_object *object)
{
	static int left = 150;
	int r;

	while ((r = ipc_register_name(ipc, name, object, /* ret_slot= */ NULL)) == -EDQUOT &&
	       left-- > 0)
		usleep(100000);
	return r;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 3 ? argv[3] : "";
	bool floods = !strcmp(kind, "flood"), apart = !strcmp(kind, "apart");
	const struct ipc_raw_ops ops = {
		.serve = floods ? flood : !strcmp(kind, "methods") ? describe : serve, .flags = floods ? IPC_RAW_ACCEPT_FDS : 0,
	};
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int n = argc > 1 ? atoi(argv[1]) : 1, first = argc > 2 ? atoi(argv[2]) : 0;
	char name[32];
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = ipc_open(&ipc, /* bus= */ NULL);
	for (int i = first; r == 0 && i < first + n; i++) {
		struct ipc_object *object = NULL;

		snprintf(name, sizeof(name), "many.%d", i);
		if (apart && i > first)
			r = ipc_open(&ipc, /* bus= */ NULL); /* the earlier connection stays open */
		if (r == 0)
			r = ipc_raw_object_new(ipc, &ops, (void *)(intptr_t)i, &object);
		if (r == 0)
			r = register_name(ipc, name, object);
		ipc_object_unref(object); /* the registration holds a reference */
	}
	if (r == 0)
		r = ipc_run(ipc);
	fprintf(stderr, "many: %s\n", ipc_strerror(r));
	return 1;
}
