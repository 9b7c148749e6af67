/* SPDX-License-Identifier: MIT */
/*
 * Texts of others: names of processes, texts of services, files. They may contain anything, and
 * a terminal and JSON may not.
 */
#ifndef IPCCTL_TEXT_H
#define IPCCTL_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at text, which is not empty: returns its bytes. A byte that is no UTF-8 is one of
 * its own. Not printable are control characters, among them those of escape sequences,
 * characters that change the direction of text or have no width, and bytes that are no
 * UTF-8. */
size_t text_character(const char *text, uint32_t *ret_code, bool *ret_printable);

/* Replaces each byte of a character that is not printable by '?', as ipc_printable() does. A text
 * that needs no change is not written to. */
void text_clean(char *text);

/* The same for a line that may have tabs, which become blanks. */
void text_clean_line(char *line);

/* A cleaned copy as JSON. NULL: no memory. */
json_t *text_json(const char *text);

#endif
