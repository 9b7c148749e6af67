/* SPDX-License-Identifier: MIT */
/*
 * Text that grows: the output files and the error report. Also lays out what
 * generated C is made of: comments filled to the margin and parameter lists
 * broken under their parenthesis. Knows nothing of services.
 */
#ifndef IDL_TEXT_H
#define IDL_TEXT_H

#include <stddef.h>

/* Lines of generated code end before this column where they can. */
#define TEXT_MARGIN 80

struct text {
	char *data; /* terminated; NULL while empty */
	size_t size;
	size_t capacity;
};

void text_add(struct text *text, const char *string);
void text_addn(struct text *text, const char *string, size_t length);
void text_printf(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Words of string, each line starting with lead and ending before the margin. */
void text_fill(struct text *text, const char *lead, const char *string);

/* Lines of a comment in a .proto file, each starting with lead, with what would
 * end or nest a C comment pulled apart. Empty lines at either end are dropped. */
void text_quote(struct text *text, const char *lead, const char *comment);

/* So many tabs, lead, the parameters (NULL at the end) in parentheses, and tail:
 * "int echo_say(struct echo *echo,\n\t     const ...);\n". */
void text_params(struct text *text, unsigned int tabs, const char *lead,
		 const char *const *params, const char *tail);

void text_done(struct text *text);

#endif /* IDL_TEXT_H */
