/* SPDX-License-Identifier: MIT */
/*
 * Imports: gRPC services that programs on the bus may call. Each has a local name, whose object
 * describes itself as the service.
 */
#ifndef GATEWAY_IMPORT_H
#define GATEWAY_IMPORT_H

#include <ipc/ipc.h>

#include "metrics.h"
#include "net.h"
#include "peer-limits.h"

struct imports;

/* Options of all imports of a gateway. */
struct import_options {
	const char *descriptor_set; /* path of a FileDescriptorSet, with all imports of its files */
	const struct net_pem *pem;  /* of "tls:" targets */
	size_t message_size;
	unsigned int keepalive_msec; /* see struct net_channel_options */
	unsigned int max_calls; /* open calls and streams of an object */
	struct peers *users;	/* limits calls and streams; outlives the connection */
};

/* Create an empty set of imports, and read the descriptor set. The reason of a failure is
 * logged. */
int imports_new(struct imports **ret_imports, struct ipc *ipc, struct net *net,
		const struct import_options *options);

/* Free it. The bus and the network must no longer be served. NULL is allowed. */
struct imports *imports_free(struct imports *imports);

/* Register a name: "NAME=[tls:]TARGET/package.Service". Blocks until the service manager has
 * replied. The reason of a failure is logged. */
int imports_add(struct imports *imports, const char *what);

/* Print the counts of each name. */
void imports_metrics(const struct imports *imports, FILE *file, metrics_printer *print);

#endif /* GATEWAY_IMPORT_H */
