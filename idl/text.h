/* SPDX-License-Identifier: MIT */
/*
 * Growing text: the output files and the error report. Also the layout of generated C: comments
 * filled to the margin, and parameter lists broken under their parenthesis. It is independent of
 * services.
 */
#ifndef IDL_TEXT_H
#define IDL_TEXT_H

#include <stddef.h>

/* Lines of generated code end before this column, unless a single word or parameter is longer. */
#define TEXT_MARGIN 80

struct text {
	char *data; /* terminated; NULL while empty */
	size_t size;
	size_t capacity;
};

/* If memory is short, functions that append end the program. */
void text_add(struct text *text, const char *string);
void text_addn(struct text *text, const char *string, size_t length);
void text_printf(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends the words of string, which blanks separate. Each line begins with lead, ends before the
 * margin if possible, and ends with a newline. */
void text_fill(struct text *text, const char *lead, const char *string);

/* Appends the lines of a comment in a .proto file. Each line begins with lead. Characters that
 * would end or nest a C comment are separated. Characters that reverse the direction of text are
 * removed, because compilers refuse them. Empty lines at both ends are dropped, and several empty
 * lines in between become one. */
void text_quote(struct text *text, const char *lead, const char *comment);

/* If p begins with a character that reverses the direction, returns its length, else 0. */
size_t text_bidi(const char *p);

/* Appends tabs, lead, the parameters (a list that ends with NULL) in parentheses, and tail: "int
 * echo_say(struct echo *echo,\n\t     const ...);\n". */
void text_params(struct text *text, unsigned int tabs, const char *lead,
		 const char *const *params, const char *tail);

/* Frees the memory. The text is empty then, and may be used again. */
void text_done(struct text *text);

#endif /* IDL_TEXT_H */
