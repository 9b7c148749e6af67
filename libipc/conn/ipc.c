// SPDX-License-Identifier: MIT
/* The connection: its locks, references, generation and settings. open.c opens it. */
#include <errno.h>

#include "private.h"

static pthread_mutex_t connections_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_id;

void connections_lock(void)
{
	pthread_mutex_lock(&connections_mutex);
}

void connections_unlock(void)
{
	pthread_mutex_unlock(&connections_mutex);
}

uint64_t connections_next_id(void)
{
	return ++last_id;
}

struct ipc *ipc_ref(struct ipc *ipc)
{
	if (ipc)
		refs_take(&ipc->refs);
	return ipc;
}

struct ipc *ipc_unref(struct ipc *ipc)
{
	if (ipc && refs_drop(&ipc->refs))
		ipc->close(ipc);
	return NULL;
}

/* --- Settings ---------------------------------------------------------------------- */

int ipc_set_clear(struct ipc *ipc, int clear)
{
	int r = ipc_check(ipc);

	if (r == 0)
		ipc->device.send_flags = clear ? IPCBUS_SEND_CLEAR : 0;
	return r;
}

int ipc_get_features(struct ipc *ipc, uint32_t *ret_version, uint64_t *ret_features)
{
	if (!ipc || !ret_version || !ret_features)
		return -EINVAL;
	*ret_version = ipc->device.version;
	*ret_features = ipc->device.features;
	return 0;
}

int ipc_set_timeout(struct ipc *ipc, uint64_t timeout_usec)
{
	int r = timeout_usec && timeout_usec != IPC_INHERIT ? ipc_check(ipc) : -EINVAL;

	if (r == 0)
		atomic_store_explicit(&ipc->timeout_usec,
				      timeout_usec == IPC_NEVER ? 0 : timeout_usec,
				      memory_order_relaxed);
	return r;
}

int ipc_raw_set_interrupt(struct ipc *ipc, ipc_raw_interrupt_cb cb, void *userdata)
{
	int r = ipc_check(ipc);

	if (r < 0)
		return r;
	ipc->on_interrupt = cb;
	ipc->interrupt_userdata = userdata;
	return 0;
}

int ipc_set_message_max(struct ipc *ipc, size_t size)
{
	int r = size && size <= IPC_MESSAGE_MAX ? ipc_check(ipc) : -EINVAL;

	if (r == 0)
		atomic_store_explicit(&ipc->message_max, size, memory_order_relaxed);
	return r;
}

bool route_chooses_bus(void)
{
	static atomic_uint messages;

	return atomic_fetch_add(&messages, 1) * 2654435769U >> 31;
}

/* --- Freezing ---------------------------------------------------------------------- */

_Static_assert(IPC_FROZEN_CALL == IPCBUS_FROZEN_CALL &&
	       IPC_FROZEN_ONEWAY == IPCBUS_FROZEN_ONEWAY, "what came");

static int freeze(struct ipc *ipc, struct ipcbus_freeze *freeze)
{
	return ipc_check(ipc) ?: device_request(&ipc->device, IPCBUS_IOC_FREEZE, freeze);
}

int ipc_freeze(struct ipc *ipc, pid_t pid, uint64_t timeout_usec)
{
	uint64_t msec = timeout_usec / 1000 + !!(timeout_usec % 1000);
	struct ipcbus_freeze arg = {
		.pid = (uint32_t)pid,
		.timeout_ms = msec < UINT32_MAX ? (uint32_t)msec : UINT32_MAX,
	};

	return freeze(ipc, &arg);
}

int ipc_thaw(struct ipc *ipc, pid_t pid)
{
	struct ipcbus_freeze arg = { .pid = (uint32_t)pid, .flags = IPCBUS_FREEZE_THAW };
	int r = freeze(ipc, &arg);

	return r < 0 ? r : (int)(arg.received & (IPCBUS_FROZEN_CALL | IPCBUS_FROZEN_ONEWAY));
}

int ipc_get_frozen(struct ipc *ipc, pid_t pid)
{
	struct ipcbus_freeze arg = { .pid = (uint32_t)pid, .flags = IPCBUS_FREEZE_QUERY };
	int r = freeze(ipc, &arg);

	return r < 0 ? r : !!(arg.received & IPCBUS_FROZEN_NOW);
}
