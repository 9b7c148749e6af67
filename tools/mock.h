/* SPDX-License-Identifier: MIT */
/*
 * The file of a mock service: which calls it expects, and what it replies.
 *
 *   {
 *     "descriptors": "shop.set",
 *     "service": "shop.Stock",
 *     "name": "demo.stock",
 *     "calls": [
 *       { "method": "Count", "request": { "article": "screws" }, "reply": { "pieces": 12 } },
 *       { "method": "Count", "times": 0, "error": { "name": "shop.Unknown", "message": "no" } }
 *     ]
 *   }
 *
 * An entry without a request expects any request. "times" says how often it is used: 1 by
 * default, 0 for as often as it is called.
 */
#ifndef IPCCTL_MOCK_H
#define IPCCTL_MOCK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "schema.h"

struct mock;

/**
 * struct mock_entry - an expected call
 * @method: its method
 * @request: NULL: any
 * @reply: its bytes, unless @error, @errno_code, or the method is a oneway
 * @error: name of an error, with @message; or NULL
 * @message: of @error, or NULL
 * @errno_code: an errno, or 0
 * @times: how often it may be used; 0: always
 * @used: how often it was
 */
struct mock_entry {
	const struct schema_method *method;
	json_t *request;
	struct schema_message reply;
	const char *error;
	const char *message;
	int errno_code;
	unsigned int times;
	unsigned int used;
};

/* Reads the file. Prints what is wrong with it, and returns an enum status. */
int mock_load(const char *path, struct mock **ret_mock);
struct mock *mock_free(struct mock *mock);

/* The name to register, the interface, and the descriptors as the object returns them. */
const char *mock_name(const struct mock *mock);
const struct schema *mock_schema(const struct mock *mock);
const void *mock_descriptors(const struct mock *mock, size_t *ret_size);

/* The first entry for this call that may be used once more, which counts as used. NULL: none; then
 * *ret_nearest is one of the same method that was not used, or NULL. */
struct mock_entry *mock_match(struct mock *mock, const struct schema_method *method,
			      const json_t *request, const struct mock_entry **ret_nearest);

/* How many entries were not used as often as they are to be: those without a limit, once. */
size_t mock_unused(const struct mock *mock);
/* Number i of them, from 0, or NULL. */
const struct mock_entry *mock_unused_at(const struct mock *mock, size_t i);

#endif
