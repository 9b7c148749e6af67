/* SPDX-License-Identifier: MIT */
/*
 * Texts that services, processes and files choose. They may contain characters that must not reach
 * a terminal.
 */
#ifndef IPCCTL_TEXT_H
#define IPCCTL_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns the size in bytes of the first character of a text, which must not be empty. A byte that
 * is no UTF-8 is a character. These are not printable: control characters, which begin escape
 * sequences; characters that change the direction of text or have no width; bytes that are no
 * UTF-8. */
size_t text_character(const char *text, uint32_t *ret_code, bool *ret_printable);

/* Replaces each byte of a character that is not printable by '?', as ipc_printable() does. A text
 * that needs no change is not written to. */
void text_clean(char *text);

/* Does the same for a line, whose tabs become blanks. */
void text_clean_line(char *line);

/* Returns a cleaned copy as JSON. NULL: no memory. */
json_t *text_json(const char *text);

#endif
