// SPDX-License-Identifier: MIT
/*
 * Sets up each run of a scenario and tears it down; see world.h.
 */
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "world.h"

struct world_side sides[SIDES];

static const struct scenario *scenario;
static struct task_struct *threads[MAX_THREADS];
static struct task_struct *outside;

static const char payload[100] = { 'p' };

/* --- Functions for threads ----------------------------------------------------- */

enum side own_side(void)
{
	for (int side = 0; side < SIDES; side++)
		if (sides[side].process == current->process)
			return side;
	shim_panic("world: no side of mine");
}

int exchange(u32 flags, const struct ipcbus_send *send, u64 buffer, struct ipcbus_event *ret)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x), .flags = flags, .release_count = !!buffer, .release = buffer,
	};
	int r;

	if (send)
		x.send = *send;
	r = shim_ioctl(sides[own_side()].fd, IPCBUS_IOC_EXCHANGE, &x);
	if (ret)
		*ret = x.event;
	return r;
}

int ioctl_node(unsigned int cmd, u64 node, u32 flags)
{
	struct ipcbus_node arg = { .size = sizeof(arg), .node = node, .flags = flags };

	return shim_ioctl(sides[own_side()].fd, cmd, &arg);
}

int ioctl_handle(unsigned int cmd, u32 handle, u32 count, u64 cookie)
{
	struct ipcbus_handle arg = {
		.size = sizeof(arg), .handle = handle, .count = count, .cookie = cookie,
	};

	return shim_ioctl(sides[own_side()].fd, cmd, &arg);
}

int ioctl_manager_watch(unsigned int cmd, u64 cookie)
{
	struct ipcbus_handle args = {
		.size = sizeof(args), .flags = IPCBUS_WATCH_MANAGER, .cookie = cookie,
	};

	return shim_ioctl(sides[own_side()].fd, cmd, &args);
}

int ioctl_freeze(enum side side, u32 flags, struct ipcbus_freeze *ret)
{
	*ret = (struct ipcbus_freeze){
		.size = sizeof(*ret), .flags = flags, .pid = pid_nr(sides[side].process->pid),
	};
	return shim_ioctl(sides[own_side()].fd, IPCBUS_IOC_FREEZE, ret);
}

u64 node_create(u64 cookie)
{
	struct ipcbus_node arg = {
		.size = sizeof(arg), .flags = IPCBUS_NODE_ACCEPT_FDS, .cookie = cookie,
	};
	int r = shim_ioctl(sides[own_side()].fd, IPCBUS_IOC_NODE_CREATE, &arg);

	return r ? 0 : arg.node;
}

static int request(u32 kind, u32 handle, u32 code, u32 wait)
{
	struct ipcbus_send send = {
		.kind = kind, .handle = handle, .code = code,
		.data = (uintptr_t)payload, .data_size = sizeof(payload),
	};

	return exchange(wait, &send, 0, NULL);
}

int oneway(u32 handle, u32 code)
{
	return request(IPCBUS_SEND_ONEWAY, handle, code, 0);
}

int call(u32 handle, u32 code)
{
	return request(IPCBUS_SEND_CALL, handle, code, 0);
}

int reply(u64 id)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .call = id,
		.data = (uintptr_t)payload, .data_size = sizeof(payload),
	};

	return exchange(0, &send, 0, NULL);
}

int reply_object(u64 id, u32 type, u64 value)
{
	struct ipcbus_object object = { .type = type, .value = value };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .call = id,
		.objects = (uintptr_t)&object, .object_count = 1,
	};

	return exchange(0, &send, 0, NULL);
}

int release(u64 buffer)
{
	return exchange(0, NULL, buffer, NULL);
}

void wait_event(struct ipcbus_event *ret)
{
	int r;

	do
		r = exchange(IPCBUS_WAIT | IPCBUS_SERVE, NULL, 0, ret);
	while (!r && ret->kind == IPCBUS_EVENT_INTERRUPTED);
	if (r == -EBADF)
		*ret = (struct ipcbus_event){};	/* another thread closed the file */
	else
		CHECK(!r);
}

void next_event(struct ipcbus_event *ret)
{
	int r = exchange(IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK, NULL, 0, ret);

	if (r)
		*ret = (struct ipcbus_event){};
}

void look_at(const struct ipcbus_event *event)
{
	const char *byte;

	if (!event->data_size)
		return;
	byte = shim_touch(sides[own_side()].map, event->offset);
	CHECK(!byte || *byte == payload[0]);
}

/* --- Before and after ----------------------------------------------------- */

void be(int i)
{
	shim_task = threads[i];
}

void be_side(enum side side)
{
	shim_task = sides[side].keeper;
	for (int i = 0; !shim_task && i < MAX_THREADS; i++)
		if (scenario->thread[i].fn && scenario->thread[i].side == side)
			shim_task = threads[i];
}

static void side_open(enum side side)
{
	struct world_side *s = &sides[side];

	be_side(side);
	s->fd = shim_open(O_RDWR);
	CHECK(s->fd >= 0);
	CHECK(!shim_mmap(s->fd, NULL, REGION, VM_READ, true, 0, &s->map));
	s->node = node_create(100 + side);
	CHECK(s->node);
}

void world_estrange(enum side side, u32 uid)
{
	be_side(side);
	shim_munmap(sides[side].map, 0, REGION / PAGE_SIZE);
	shim_close(sides[side].fd);
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i] && threads[i]->process == sides[side].process) {
			be(i);
			shim_set_ids(uid, uid, NULL);
		}
	be_side(side);
	shim_set_ids(uid, uid, NULL);
	side_open(side);
}

static void side_new(enum side side)
{
	struct world_side *s = &sides[side];

	*s = (struct world_side){ .process = shim_process_new(0, NULL) };
	if (!(scenario->dies & 1U << side))
		s->keeper = shim_task_new(s->process, 0);
}

/* Objects go through SRV, as in real use. Queues are empty before and after. */
static u32 show_to_manager(enum side from, u64 node)
{
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_NODE, .value = node };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = (uintptr_t)&object, .object_count = 1,
	};
	struct ipcbus_event event;
	u32 handle;

	be_side(from);
	CHECK(!exchange(0, &send, 0, NULL));
	be_side(SRV);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	handle = ((const struct ipcbus_object *)shim_touch(sides[SRV].map, event.objects))->value;
	CHECK(!release(event.buffer));
	return handle;
}

static u32 hand_out(enum side to, u32 type, u64 value)
{
	struct ipcbus_event event;
	u32 handle;

	be_side(to);
	CHECK(!call(0, 0));
	be_side(SRV);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL);
	CHECK(!release(event.buffer));
	CHECK(!reply_object(event.call, type, value));
	be_side(to);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_REPLY);
	handle = ((const struct ipcbus_object *)shim_touch(sides[to].map, event.objects))->value;
	CHECK(!release(event.buffer));
	return handle;
}

u32 hand_over(enum side to, enum side from, u64 node)
{
	u32 mine, theirs;

	if (from == SRV)
		return hand_out(to, IPCBUS_OBJECT_NODE, node);
	mine = show_to_manager(from, node);
	if (to == SRV)
		return mine;
	theirs = hand_out(to, IPCBUS_OBJECT_HANDLE, mine);
	be_side(SRV);
	CHECK(!ioctl_handle(IPCBUS_IOC_HANDLE_PUT, mine, 1, 0));
	return theirs;
}

static void set_up(void)
{
	outside = current;
	for (int side = 0; side < SIDES; side++)
		side_new(side);
	for (int i = 0; i < MAX_THREADS; i++)
		threads[i] = scenario->thread[i].fn ?
			shim_task_new(sides[scenario->thread[i].side].process, 0) : NULL;
	for (int side = 0; side < SIDES; side++)
		side_open(side);
	be_side(SRV);
	CHECK(!ioctl_node(IPCBUS_IOC_SET_MANAGER, sides[SRV].node, 0));
	if (scenario->prepare)
		scenario->prepare();
	shim_task = outside;
}

static void tear_down(void)
{
	for (int side = 0; side < SIDES; side++) {
		if (sides[side].keeper) {
			shim_task = sides[side].keeper;
			shim_task_exit();
		}
		shim_process_put(sides[side].process);
	}
	shim_task = outside;
	/* Pending timers hold references to objects. */
	while (shim_time_passes())
		;
	rcu_barrier();
}

static void check_nothing_left(const long *before)
{
	for (int stat = 0; stat < IPCBUS_STAT_COUNT; stat++)
		if (ipcbus_stat_live(stat))
			shim_panic("world: left behind: %ld %s", (long)ipcbus_stat_live(stat),
				   ipcbus_stat_name(stat));
	for (int i = 0; i < SHIM_COUNTS; i++)
		if (shim_live[i] != before[i])
			shim_panic("world: left behind: %ld %s", shim_live[i] - before[i],
				   shim_count_name[i]);
}

void world_run(const struct scenario *what, const struct shim_policy *policy)
{
	long before[SHIM_COUNTS];

	scenario = what;
	memcpy(before, shim_live, sizeof(before));
	set_up();
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i])
			shim_spawn(threads[i], what->thread[i].name, what->thread[i].fn, NULL);
	shim_run(policy);
	tear_down();
	check_nothing_left(before);
}
