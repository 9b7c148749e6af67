// SPDX-License-Identifier: MIT
/*
 * many N [FIRST]: registers N names from many.FIRST (0) on, each for an object of its own,
 * which describes nothing.
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
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	int n = argc > 1 ? atoi(argv[1]) : 1, first = argc > 2 ? atoi(argv[2]) : 0;
	char name[32];
	int r;

	r = ipc_open(&ipc, /* device= */ NULL);
	for (int i = first; r == 0 && i < first + n; i++) {
		struct ipc_object *object = NULL;

		snprintf(name, sizeof(name), "many.%d", i);
		r = ipc_raw_object_new(ipc, &ops, /* userdata= */ NULL, &object);
		if (r == 0)
			r = ipc_register_name(ipc, name, object, /* ret_slot= */ NULL);
		ipc_object_unref(object); /* the registration holds it */
	}
	if (r == 0)
		r = ipc_run(ipc);
	fprintf(stderr, "many: %s\n", ipc_strerror(r));
	return 1;
}
