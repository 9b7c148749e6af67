/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer for a service consists of its interface, its handlers and ten lines; see streams.c. The
 * service runs on the library's fake device, and its callers send the messages of the input.
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
 * Runs an input: calls and oneways to the service and to all objects it creates, with arbitrary
 * payloads and objects. In every case, each call gets at most one reply, each buffer is released
 * once, each fd closed and each handle put. Handlers must not wait. Returns 0.
 */
int fuzz_service(const struct fuzz_service *service, const uint8_t *data, size_t size);

#endif /* FUZZ_SERVICE_H */
