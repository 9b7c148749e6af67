/* SPDX-License-Identifier: MIT */
/*
 * Shared by the C programs of this folder. Each is a server and a client: `PROGRAM server NAME`
 * registers its services and serves, `PROGRAM client NAME` checks all replies.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ipc/ipc.h>

#define LONG_USEC 60000000

#define CHECK(condition)                                                                        \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                                \
		}                                                                               \
	} while (0)

static int serve(struct ipc *ipc, const char *name);
static void call(struct ipc *ipc, const char *name);

static inline int failed_as(int result, struct ipc_error *error, const char *name)
{
	int is = result < 0 && error->name && !strcmp(error->name, name);

	ipc_error_done(error);
	return is;
}

int main(int argc, char **argv)
{
	struct ipc *ipc;
	int r;

	CHECK(argc == 3);
	r = ipc_open(&ipc, NULL);
	if (r < 0)
		return ipc_print_open_error(NULL, r);
	/* Stream handlers wait. */
	ipc_set_threads(ipc, 4);
	if (!strcmp(argv[1], "client")) {
		call(ipc, argv[2]);
		ipc_unref(ipc);
		return 0;
	}
	r = serve(ipc, argv[2]);
	return ipc_print_error("serve", r < 0 ? r : ipc_run(ipc), NULL);
}

#endif /* SERVICE_H */
