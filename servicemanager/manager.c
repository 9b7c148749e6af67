// SPDX-License-Identifier: MIT
/*
 * The object behind handle 0: see manager.h. main.c creates the manager, and calls manager_work()
 * in each turn of its loop, after at most the timeout that the last call returned. All handlers and
 * callbacks run in the same thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "manager.h"

/* Enough for a name, an interface, a watcher and some metadata, or for about a thousand groups. */
#define REQUEST_MAX 4096

static const struct service_manager_ops ops = {
	.register_name = handle_register_name,
	.get = handle_get,
	.wait = handle_wait,
	.check = handle_check,
	.list = handle_list,
	.unregister_name = handle_unregister_name,
	.watch = handle_watch,
	.unwatch = handle_unwatch,
	.check_policy = handle_check_policy,
	.show_policy = handle_show_policy,
	.reload = handle_reload,
};

int manager_new(struct ipc *ipc, const struct manager_options *options,
		struct manager **ret_manager)
{
	const struct ipc_object_limits limits = {
		.size = sizeof(limits),
		.message_size = REQUEST_MAX,
	};
	struct manager *manager = calloc(1, sizeof(*manager));
	int r;

	if (!manager)
		return -ENOMEM;

	manager->ipc = ipc;
	manager->options = *options;
	manager->settled = !options->settle_msec;
	manager->started_at = now_usec();
	manager->settled_at = manager->started_at + options->settle_msec * 1000ULL;
	manager->registry = registry_new();
	r = manager->registry ? 0 : -ENOMEM;
	if (r == 0)
		r = service_manager_object_new(ipc, &ops, manager, /* destroy= */ NULL,
					       &manager->object);
	if (r == 0)
		r = ipc_object_set_limits(manager->object, &limits);
	if (r == 0)
		r = ipc_object_set_flags(manager->object, IPC_OBJECT_LABEL);
	/* If the driver has no labels, rules about labels match no caller. */
	if (r == 0 || r == -EOPNOTSUPP)
		r = ipc_set_manager(ipc, manager->object);
	if (r < 0) {
		manager_free(manager);
		return r;
	}

	*ret_manager = manager;
	return 0;
}

void manager_set_policy(struct manager *manager, const struct policy *policy)
{
	manager->options.policy = policy;
	lookup_policy_changed(manager);
	watch_policy_changed(manager);
}

static int settle_work(struct manager *manager)
{
	int timeout;

	if (manager->settled)
		return -1;
	timeout = timeout_until(manager->settled_at);
	if (timeout)
		return timeout;

	manager->settled = true;
	registrations_settle(manager);
	lookup_settle(manager);
	watch_continue(manager);
	return -1;
}

int manager_work(struct manager *manager)
{
	int timeout = settle_work(manager);

	timeout = timeout_min(timeout, activation_work(manager));
	timeout = timeout_min(timeout, registrants_work(manager));
	/* Must be last, because the functions above may change names. */
	return timeout_min(timeout, watch_work(manager));
}

struct manager *manager_free(struct manager *manager)
{
	if (!manager)
		return NULL;

	waiters_end(manager);
	activations_end(manager);
	watch_end(manager);
	registrations_end(manager);
	registrants_end(manager);
	registry_free(manager->registry);
	ipc_object_unref(manager->object);
	free(manager);
	return NULL;
}
