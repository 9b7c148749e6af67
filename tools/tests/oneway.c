// SPDX-License-Identifier: MIT
/*
 * oneway NAME CODE: sends an empty oneway to the object of that name.
 */
#include <stdio.h>
#include <stdlib.h>

#include <ipc/raw.h>

int main(int argc, char **argv)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	struct ipc_raw_message message = { 0 };
	struct ipc_proxy *proxy = NULL;
	int r;

	if (argc != 3)
		return 2;
	message.code = (uint32_t)strtoul(argv[2], NULL, 0);
	r = ipc_open(&ipc, /* bus= */ NULL);
	if (r == 0)
		r = ipc_proxy_get(ipc, argv[1], NULL, &proxy);
	if (r == 0)
		r = ipc_raw_oneway(proxy, &message, /* options= */ NULL);
	ipc_proxy_unref(proxy);
	if (r < 0)
		fprintf(stderr, "oneway: %s\n", ipc_strerror(r));
	return r < 0;
}
