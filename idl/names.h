/* SPDX-License-Identifier: MIT */
/*
 * Names: from .proto names to C names. Pure functions. The arena owns the results.
 *
 * There are two conversions. Message types have the names that protoc-c uses, with its oddities
 * (SayURLReply becomes say_urlreply), because its header declares them. Services and methods have
 * names as a person would write them (GetURLList becomes get_url_list). These never contain two
 * underscores in a row, and names of protoc-c always do, so they cannot clash.
 */
#ifndef IDL_NAMES_H
#define IDL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

/* --- Names of protoc-c; full names have no leading dot ---------------------- */

char *name_c_class(struct arena *arena, const char *full_name);	/* Echo__SayReply */
char *name_c_lower(struct arena *arena, const char *full_name);	/* echo__say_reply */
char *name_c_member(struct arena *arena, const char *field);	/* a field, in lower case */

/* Returns the full name from which protoc-c derives C names if option (pb_c_file).c_package is set.
 * package is the package of the file, "" if there is none. */
char *name_override(struct arena *arena, const char *full_name, const char *package,
		    const char *c_package);

/* Convert "dir/echo.proto" to "dir/echo" and to "dir_2fecho_2eproto". */
char *name_file_base(struct arena *arena, const char *file);
char *name_file_identifier(struct arena *arena, const char *file);

/* --- Names of services and methods ------------------------------------------ */

/* Convert to snake case. If the result would be empty or begin with a digit, return "". */
char *name_snake(struct arena *arena, const char *name);
char *name_upper(struct arena *arena, const char *name);

/* The number of a method without (ipc.id): FNV-1a with the top bit set. path is
 * "package.Service/Method". */
uint32_t method_number(const char *path);

/* --- Checks ------------------------------------------------------------------ */

/* True if the list, which strcmp() has sorted, has the word. */
bool name_is_in(const char *word, const char *const *list, size_t n);
#define IN_LIST(word, list) name_is_in(word, list, sizeof(list) / sizeof((list)[0]))

/* True for [A-Za-z_][A-Za-z0-9_]*. False for NULL. */
bool name_is_identifier(const char *name);

/* True if the name can be used in an #include and in a comment. */
bool name_is_file(const char *file);

/* True for lower-case words with single underscores between them. */
bool name_is_snake(const char *name);

/* True for keywords of C and C++ and for macros that the included headers define. They cannot be
 * names of a struct or a member. */
bool name_is_reserved(const char *word);

/* True for keywords of C++, to which protoc --cpp_out appends '_'. */
bool name_is_keyword(const char *word);

/* True if the C library has a function with that name. The list has only names that a service and a
 * method could form: timer_create, sem_wait. */
bool name_is_libc(const char *name);

/* True for macros of the headers that generated C++ includes. with_arguments: also those with
 * arguments, which only a name of a function must not have. */
bool name_is_cpp_macro(const char *name, bool with_arguments);

#endif /* IDL_NAMES_H */
