// SPDX-License-Identifier: MIT
/*
 * many N [FIRST]: registers N names from many.FIRST (0) on, each for a new object that does not
 * describe itself.
 *
 * many 3 0 flood: when asked for a dump, the first service writes three MiB, the second writes
 * until that fails, and the third writes "last".
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
	bool floods = argc > 3 && !strcmp(argv[3], "flood"), apart = argc > 3 && !floods;
	const struct ipc_raw_ops ops = {
		.serve = floods ? flood : serve, .flags = floods ? IPC_RAW_ACCEPT_FDS : 0,
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
