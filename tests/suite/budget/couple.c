// SPDX-License-Identifier: MIT
/*
 * Procs with handles of each other's nodes; see couple.h.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "couple.h"
#include "machine.h"

const char *device;

int try_open(void)
{
	return device ? dev_open_at(device, O_RDWR) : dev_open(O_RDWR);
}

bool try_raw(struct raw *r, size_t size)
{
	void *map = NULL;
	int fd = try_open();

	if (fd < 0)
		return false;
	if (size && dev_map(fd, size, PROT_READ, MAP_SHARED, 0, &map)) {
		dev_close(fd);
		return false;
	}
	*r = (struct raw){ .fd = fd, .map = map, .size = size };
	return true;
}

struct raw must_raw(size_t size)
{
	struct raw r;

	ck_assert(try_raw(&r, size));
	return r;
}

int try_node(const struct raw *r, uint64_t *ret_node)
{
	struct ipcbus_node n = { .flags = IPCBUS_NODE_ACCEPT_FDS };
	int e = raw_node_ioctl(r, IPCBUS_IOC_NODE_CREATE, &n);

	*ret_node = n.node;
	return e;
}

static bool offer_node(const struct raw *from, uint64_t node)
{
	struct ipcbus_object o = object_node(node);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .code = 1, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;

	if (raw_send(from, &send, &ev) || raw_next(from, 0, &ev) ||
	    ev.kind != IPCBUS_EVENT_REPLY)
		return false;
	raw_release(from, &ev);
	return true;
}

static bool take_handle(const struct raw *to, uint32_t *ret_handle)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .code = 2 };
	struct ipcbus_event ev;

	if (raw_send(to, &send, &ev) || raw_next(to, 0, &ev) || ev.kind != IPCBUS_EVENT_REPLY)
		return false;
	*ret_handle = raw_objects(to, &ev)[0].value;
	raw_release(to, &ev);
	return true;
}

bool pass_handle(const struct raw *from, uint64_t node, const struct raw *to,
			uint32_t *ret_handle)
{
	return offer_node(from, node) && take_handle(to, ret_handle);
}

bool couple_open(struct couple *c, size_t size)
{
	return try_raw(&c->server, size) && try_raw(&c->client, 64 * KIB) &&
	       !try_node(&c->server, &c->node) &&
	       pass_handle(&c->server, c->node, &c->client, &c->handle);
}

long give_handles(struct couple *c)
{
	struct ipcbus_object o[IPCBUS_MAX_OBJECTS];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .handle = c->handle, .objects = PTR64(o),
	};
	struct ipcbus_event ev;
	uint32_t n;

	for (n = 0; n < IPCBUS_MAX_OBJECTS; n++) {
		uint64_t node;

		if (try_node(&c->client, &node))
			break;
		o[n] = object_node(node);
	}
	send.object_count = n;
	if (!n || raw_send(&c->client, &send, &ev))
		return 0;
	if (raw_next(&c->server, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev) ||
	    ev.kind != IPCBUS_EVENT_ONEWAY)
		return 0;
	n = ev.object_count;
	raw_release(&c->server, &ev);
	return n;
}
