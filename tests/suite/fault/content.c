// SPDX-License-Identifier: MIT
/*
 * Payloads and objects; see content.h.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content.h"

#define LARGE (200 * 1024)
#define TAG 100
#define HOME_COOKIE 0x40e

const struct content contents[CONTENTS] = {
	[CONTENT_NONE] = { "nothing", 0, 0, "" },
	[CONTENT_SMALL] = { "small", 100, 0, "" },
	{ "crossing a page", 5000, 0, "" },
	{ "large", LARGE, 0, "" },
	{ "parts", 50, 5, "" },
	{ "large parts", 3000 * 64, 64, "" },
	{ "a node", 8, 0, "n" },
	{ "a handle", 8, 0, "h" },
	{ "an fd", 8, 0, "f" },
	{ "a node that comes home", 8, 0, "m" },
	[CONTENT_MIXED] = { "mixed objects", 5000, 0, "fnhmfn" },
	{ "16 nodes", 0, 0, "nnnnnnnnnnnnnnnn" },
	{ "handle 0 behind other handles", 8, 0, "fn0" },
};

static char data[LARGE];

const char *content_name(const struct content *content)
{
	return content->name;
}

static struct ipcbus_object object_make(struct state *s, char kind, const struct raw *from,
					const struct raw *to)
{
	switch (kind) {
	case 'n':
		return object_node(raw_node(from, 0, 1));
	case 'h':
		return object_handle(give_handle(from, &oth, raw_node(&oth, 0, 2)));
	case '0':
		return object_handle(0);
	case 'm':
		s->home = raw_node(to, 0, HOME_COOKIE);
		return object_handle(give_handle(from, to, s->home));
	default:
		return object_fd(s->fd);
	}
}

static void make_parts(struct state *s, unsigned int n)
{
	size_t size = s->send.data_size / n;

	for (unsigned int i = 0; i < n; i++)
		s->parts[i] = (struct ipcbus_iovec){ .base = PTR64(data + i * size), .size = size };
	s->send.flags |= IPCBUS_SEND_IOV;
	s->send.data = PTR64(s->parts);
	s->send.iov_count = n;
}

void content_make(struct state *s, const struct raw *from, const struct raw *to)
{
	const struct content *content = s->sc->content;

	if (!data[1])
		pattern_fill(data, sizeof(data), 3);
	if (strchr(content->objects, 'f'))
		s->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->send.data = PTR64(data);
	s->send.data_size = content->size;
	if (content->parts)
		make_parts(s, content->parts);
	s->send.object_count = strlen(content->objects);
	s->send.objects = s->send.object_count ? PTR64(s->objects) : 0;
	for (unsigned int i = 0; i < s->send.object_count; i++) {
		s->objects[i] = object_make(s, content->objects[i], from, to);
		s->objects[i].tag = TAG + i;
	}
	note_counts(s);
}

static void check_fd(int sent, int received)
{
	struct stat a, b;

	ck_assert_int_ne(sent, received);
	ck_assert_int_eq(fstat(sent, &a), 0);
	ck_assert_int_eq(fstat(received, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_eq(fcntl(received, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(close(received), 0);
}

/* The manager's own node returns home. Other procs get another handle. */
static void check_manager(const struct raw *to, const struct ipcbus_object *o)
{
	if (to == &srv) {
		ck_assert_uint_eq(o->type, IPCBUS_OBJECT_NODE);
		ck_assert_uint_eq(o->value, srv_node);
		ck_assert_uint_eq(o->cookie, SRV_COOKIE);
		return;
	}
	ck_assert_uint_eq(o->type, IPCBUS_OBJECT_HANDLE);
	assert_ok(raw_put(to, o->value, 1));
}

static void check_object(const struct state *s, const struct raw *to, char kind,
			 const struct ipcbus_object *o)
{
	ck_assert_uint_eq(o->flags, 0);
	if (kind == '0') {
		check_manager(to, o);
		return;
	}
	ck_assert_uint_eq(o->cookie, kind == 'm' ? HOME_COOKIE : 0);
	switch (kind) {
	case 'f':
		ck_assert_uint_eq(o->type, IPCBUS_OBJECT_FD);
		check_fd(s->fd, o->value);
		break;
	case 'm':
		ck_assert_uint_eq(o->type, IPCBUS_OBJECT_NODE);
		ck_assert_uint_eq(o->value, s->home);
		break;
	default:
		ck_assert_uint_eq(o->type, IPCBUS_OBJECT_HANDLE);
		assert_ok(raw_put(to, o->value, 1));
	}
}

void content_check(struct state *s, const struct raw *to, const struct ipcbus_event *ev)
{
	const char *objects = s->sc->content->objects;
	const struct ipcbus_object *o;

	raw_holds(to, ev, data, s->sc->content->size);
	ck_assert_uint_eq(ev->object_count, strlen(objects));
	o = raw_objects(to, ev);
	for (unsigned int i = 0; i < ev->object_count; i++) {
		ck_assert_uint_eq(o[i].tag, TAG + i);
		check_object(s, to, objects[i], &o[i]);
	}
	raw_release(to, ev);
	files_expect(&s->files);
}

void content_done(struct state *s)
{
	if (s->fd >= 0)
		close(s->fd);
}
