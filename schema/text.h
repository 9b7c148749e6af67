/* SPDX-License-Identifier: MIT */
/*
 * Texts from services, processes and files. They are untrusted and may contain characters that must
 * not reach a terminal.
 */
#ifndef SCHEMA_TEXT_H
#define SCHEMA_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns the size in bytes of the first character of a text, which must not be empty. A byte that
 * is not UTF-8 counts as a character. Not printable are control characters, which begin escape
 * sequences; characters that change the direction of text or have no width; and bytes that are not
 * UTF-8. */
size_t text_character(const char *text, uint32_t *ret_code, bool *ret_printable);

/* Replaces each byte of an unprintable character by '?', like ipc_printable(). If the text needs no
 * change, does not write to it. */
void text_clean(char *text);

/* Like text_clean(), for a line: tabs become blanks. */
void text_clean_line(char *line);

/* Returns a cleaned copy as JSON. If memory is short, returns NULL. */
json_t *text_json(const char *text);

#endif
