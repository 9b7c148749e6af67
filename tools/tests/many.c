// SPDX-License-Identifier: MIT
/*
 * many N: registers the names many.0 to many.N-1 for one object, which describes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <ipc/raw.h>

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)request;
	(void)userdata;
	return ipc_call_errno(call, EOPNOTSUPP, NULL);
}

int main(int argc, char **argv)
{
	static const struct ipc_raw_ops ops = { .serve = serve };
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int n = argc > 1 ? atoi(argv[1]) : 1;
	char name[32];
	int r;

	r = ipc_open(&ipc, /* device= */ NULL);
	if (r == 0)
		r = ipc_raw_object_new(ipc, &ops, /* userdata= */ NULL, &object);
	for (int i = 0; r == 0 && i < n; i++) {
		snprintf(name, sizeof(name), "many.%d", i);
		r = ipc_register_name(ipc, name, object, /* ret_slot= */ NULL);
	}
	if (r == 0)
		r = ipc_run(ipc);
	fprintf(stderr, "many: %s\n", ipc_strerror(r));
	return 1;
}
