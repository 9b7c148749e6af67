// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a proc reports about itself: see info.h.
 */
#include "bus.h"
#include "info.h"
#include "proc.h"
#include "user.h"

int ipcbus_info(struct ipcbus_proc *proc, void *data)
{
	struct ipcbus_info *args = data;

	*args = (struct ipcbus_info){
		.size = args->size,
		.version = IPCBUS_VERSION,
		.features = IPCBUS_FEATURES_ALL,
		.region_size = proc->region.size,
		.max_nodes = READ_ONCE(proc->bus->limits.nodes),
		.max_handles = READ_ONCE(proc->bus->limits.handles),
		.max_buffers = IPCBUS_LIMIT_BUFFERS,
		.max_threads = READ_ONCE(proc->bus->limits.threads),
		.user_procs = ipcbus_user_limit(proc->bus, IPCBUS_USE_PROCS),
		.user_nodes = ipcbus_user_limit(proc->bus, IPCBUS_USE_NODES),
		.user_handles = ipcbus_user_limit(proc->bus, IPCBUS_USE_HANDLES),
		.user_watches = ipcbus_user_limit(proc->bus, IPCBUS_USE_WATCHES),
		.user_calls = ipcbus_user_limit(proc->bus, IPCBUS_USE_CALLS),
		.user_files = ipcbus_user_limit(proc->bus, IPCBUS_USE_FILES),
	};
	return 0;
}
