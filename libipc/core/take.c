// SPDX-License-Identifier: MIT
/*
 * Taking things out of a received message: the references that its fields hold
 * go over to the caller. typed/table.c put them there and releases the rest.
 */
#include <errno.h>

#include "object.h"
#include "proxy.h"

int ipc_take_proxy(struct ipc *ipc, uint64_t *id, struct ipc_proxy **ret_proxy)
{
	struct ipc_proxy *proxy;

	if (!ipc || !id || !ret_proxy)
		return -EINVAL;
	if (!*id)
		return -ENOENT;
	if (id_is_object(*id))
		return -EXDEV;

	proxy = proxy_from_handle(ipc, id_handle(*id));
	if (!proxy)
		return -EBADF;

	*id = 0;
	*ret_proxy = proxy;
	return 0;
}

int ipc_take_object(struct ipc *ipc, uint64_t *id, struct ipc_object **ret_object)
{
	struct ipc_object *object;

	if (!ipc || !id || !ret_object)
		return -EINVAL;
	if (!*id)
		return -ENOENT;
	if (!id_is_object(*id))
		return -EXDEV;

	object = object_from_node(ipc, id_node(*id));
	if (!object)
		return -EBADF;

	*id = 0;
	*ret_object = object;
	return 0;
}

int ipc_take_fd(int32_t *fd)
{
	int taken;

	if (!fd)
		return -EINVAL;
	if (*fd < 0)
		return -ENOENT;

	taken = *fd;
	*fd = -1;
	return taken;
}
