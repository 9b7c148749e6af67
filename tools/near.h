/* SPDX-License-Identifier: MIT */
/*
 * The nearest of the names that exist, for messages about one that does not.
 */
#ifndef IPCCTL_NEAR_H
#define IPCCTL_NEAR_H

#include <stddef.h>

#define NEAR_MAX 128

/**
 * struct near - the nearest name so far
 * @wanted: the name that does not exist
 * @distance: of @name from it
 * @name: empty: none is near
 */
struct near {
	const char *wanted;
	size_t distance;
	char name[NEAR_MAX];
};

/* Nothing is near yet. */
struct near near_begin(const char *wanted);

/* One name that exists. Near is what differs in a few letters, or in upper and lower case, or
 * has the wanted name as its last part ("demo.echo" for "echo"). Names of NEAR_MAX bytes
 * or more are never near, nor is the wanted name itself, which exists as something else. */
void near_offer(struct near *near, const char *name);

/* Writes "; is "NAME" meant?" without what a terminal would interpret, or nothing. */
void near_question(const struct near *near, char *text, size_t size);

#endif
