/* SPDX-License-Identifier: MIT */
/*
 * gRPC services that programs on the bus may call: each under a local name, by an object that
 * describes itself as the service.
 */
#ifndef GATEWAY_IMPORT_H
#define GATEWAY_IMPORT_H

#include <ipc/ipc.h>

#include "metrics.h"
#include "net.h"
#include "peers.h"

struct imports;

/* What all imports of a gateway share. */
struct import_options {
	const char *descriptor_set; /* path of a FileDescriptorSet, with all imports of its files */
	const struct net_pem *pem;  /* of "tls:" targets */
	size_t message_size;
	unsigned int keepalive_msec; /* as net_channel_new() takes it */
	unsigned int max_calls; /* and streams, that are open at a time */
	struct peers *users;	/* limits calls and streams; outlives the connection */
};

/* Create an empty set of imports, which reads the descriptor set. The reason of a failure is
 * logged. */
int imports_new(struct imports **ret_imports, struct ipc *ipc, struct net *net,
		const struct import_options *options);

/* Free it, when neither the bus nor the network is served any more. NULL is allowed. */
struct imports *imports_free(struct imports *imports);

/* Register a name: "NAME=[tls:]TARGET/package.Service". Blocks until the service manager has
 * replied. The reason of a failure is logged. */
int imports_add(struct imports *imports, const char *what);

/* Print the counts of each name. */
void imports_metrics(const struct imports *imports, FILE *file, metrics_printer *print);

#endif /* GATEWAY_IMPORT_H */
