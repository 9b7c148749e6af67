/* SPDX-License-Identifier: MIT */
/*
 * Contents of messages: each kind of payload and object, with functions that create and check them.
 * Used by scenarios about messages.
 */
#ifndef TESTS_FAIL_CONTENT_H
#define TESTS_FAIL_CONTENT_H

#include "walk.h"

/**
 * struct content - payload and objects of a message
 * @name: for people
 * @size: bytes of the payload
 * @parts: number of parts; 0: in a single piece
 * @objects: a letter each: n a node of the sender's own, h a handle for a third
 * proc's, 0 the manager's, m a handle for the receiver's own, f a file
 */
struct content {
	const char *name;
	size_t size;
	unsigned int parts;
	const char *objects;
};

enum { CONTENT_NONE, CONTENT_SMALL, CONTENT_MIXED = 10, CONTENTS = 13 };

extern const struct content contents[CONTENTS];

const char *content_name(const struct content *content);
/* Creates the content to send and puts it into s->send. */
void content_make(struct state *s, const struct raw *from, const struct raw *to);
/* Checks that everything arrived unchanged, and releases everything. */
void content_check(struct state *s, const struct raw *to, const struct ipcbus_event *ev);
void content_done(struct state *s);

#endif /* TESTS_FAIL_CONTENT_H */
