/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer for a service takes its interface, its handlers and ten lines: see
 * streams.c. The service is served on the library's fake device, its callers send
 * what the input says.
 */
#ifndef FUZZ_SERVICE_H
#define FUZZ_SERVICE_H

#include <ipc/rpc.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz_service {
	const struct ipc_interface *interface;
	const void *ops;
	void *userdata;
};

/*
 * One input: calls and oneways to the service and to whatever objects it makes of
 * its own, with payloads and objects that may be anything. Whatever comes, each call
 * is replied to at most once, each buffer released once, each fd closed and each
 * handle put. Handlers must not wait. Returns 0.
 */
int fuzz_service(const struct fuzz_service *service, const uint8_t *data, size_t size);

#endif /* FUZZ_SERVICE_H */
