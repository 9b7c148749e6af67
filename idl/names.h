/* SPDX-License-Identifier: MIT */
/*
 * Names: what a .proto name is called in C. Pure functions; results live in the
 * arena.
 *
 * Two conversions exist side by side. Message types are called as protoc-c
 * calls them, oddities included (SayURLReply is say_urlreply), because its
 * header declares them. Services and methods are ours to name and come out as
 * a person would write them (GetURLList is get_url_list). Ours never contain
 * two underscores in a row and protoc-c's always do, so the two cannot clash.
 */
#ifndef IDL_NAMES_H
#define IDL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

/* --- As protoc-c does it; full names without a leading dot ----------------- */

char *name_c_class(struct arena *arena, const char *full_name);	/* Echo__SayReply */
char *name_c_lower(struct arena *arena, const char *full_name);	/* echo__say_reply */

/* The full name that protoc-c mangles where option (pb_c_file).c_package is
 * given; package is the file's, "" for none. */
char *name_override(struct arena *arena, const char *full_name, const char *package,
		    const char *c_package);

/* "dir/echo.proto" to "dir/echo" and to "dir_2fecho_2eproto". */
char *name_file_base(struct arena *arena, const char *file);
char *name_file_identifier(struct arena *arena, const char *file);

/* --- Ours ------------------------------------------------------------------ */

/* Snake case; "" if nothing is left or a digit comes first. */
char *name_snake(struct arena *arena, const char *name);
char *name_upper(struct arena *arena, const char *name);

/* The number of a method without (ipc.id): FNV-1a with the top bit set. path is
 * "package.Service/Method". */
uint32_t name_code(const char *path);

/* --- Questions -------------------------------------------------------------- */

/* [A-Za-z_][A-Za-z0-9_]*, and such parts with single dots between them. */
bool name_is_identifier(const char *name);
bool name_is_dotted(const char *name);

/* May it stand in an #include and in a comment? */
bool name_is_file(const char *file);

/* Words in lower case with single underscores between them. */
bool name_is_snake(const char *name);

/* Keywords of C and C++, and macros that the included headers define: no name of
 * a struct or of a member of one. */
bool name_is_reserved(const char *word);

/* Does the C library have a function of that name? Only those that could come
 * out of a service and a method: timer_create, sem_wait. */
bool name_is_libc(const char *name);

#endif /* IDL_NAMES_H */
