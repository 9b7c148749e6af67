// SPDX-License-Identifier: MIT
/*
 * Names: from .proto to C. Characters are ASCII, regardless of the locale.
 */
#include <stdlib.h>
#include <string.h>

#include "names.h"

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char to_upper(char c)
{
	return is_lower(c) ? (char)(c - 'a' + 'A') : c;
}

static char to_lower(char c)
{
	return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

/* --- Names of protoc-c -------------------------------------------------------- */

/* Converts one part of a full name. A capital begins a word unless it is the first character or
 * follows another capital. */
static char *put_lower(char *out, const char *part, size_t length)
{
	bool was_upper = true;

	for (size_t i = 0; i < length; i++) {
		if (is_upper(part[i]) && !was_upper)
			*out++ = '_';
		was_upper = is_upper(part[i]);
		*out++ = to_lower(part[i]);
	}

	return out;
}

/* Removes underscores; the character after one becomes a capital. */
static char *put_camel(char *out, const char *part, size_t length)
{
	bool capital = true;

	for (size_t i = 0; i < length; i++) {
		if (part[i] == '_') {
			capital = true;
			continue;
		}
		*out++ = capital ? to_upper(part[i]) : part[i];
		capital = false;
	}

	return out;
}

static char *name_join(struct arena *arena, const char *full_name,
		       char *(*put)(char *out, const char *part, size_t length))
{
	char *name = arena_array(arena, strlen(full_name) + 1, 2);
	char *out = name;

	while (*full_name) {
		size_t length = strcspn(full_name, ".");

		if (length && out != name) {
			*out++ = '_';
			*out++ = '_';
		}
		out = put(out, full_name, length);
		full_name += length + (full_name[length] == '.');
	}

	*out = '\0';
	return name;
}

char *name_c_class(struct arena *arena, const char *full_name)
{
	return name_join(arena, full_name, put_camel);
}

char *name_c_lower(struct arena *arena, const char *full_name)
{
	return name_join(arena, full_name, put_lower);
}

char *name_c_member(struct arena *arena, const char *field)
{
	char *lower = arena_strndup(arena, field, strlen(field));

	for (char *p = lower; *p; p++)
		*p = to_lower(*p);

	return lower;
}

char *name_override(struct arena *arena, const char *full_name, const char *package,
		    const char *c_package)
{
	return arena_printf(arena, "%s%s%s", c_package, *package ? "" : ".",
			    full_name + strlen(package));
}

static size_t file_base_length(const char *file)
{
	static const char *const endings[] = { ".protodevel", ".proto" };
	size_t length = strlen(file);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t ending = strlen(endings[i]);

		if (length >= ending && !strcmp(file + length - ending, endings[i]))
			return length - ending;
	}

	return length;
}

char *name_file_base(struct arena *arena, const char *file)
{
	return arena_strndup(arena, file, file_base_length(file));
}

char *name_file_identifier(struct arena *arena, const char *file)
{
	static const char hex[] = "0123456789abcdef";
	char *name = arena_array(arena, strlen(file) + 1, 3);
	char *out = name;

	for (; *file; file++) {
		unsigned char c = (unsigned char)*file;

		if (is_upper(*file) || is_lower(*file) || is_digit(*file)) {
			*out++ = *file;
			continue;
		}
		*out++ = '_';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}

	*out = '\0';
	return name;
}

/* --- Names of services and methods -------------------------------------------- */

/* Returns true if another word begins at name[i]: the B of FooBar and foo2Bar, and the last capital
 * of a run before lower case, the S of HTTPServer. */
static bool word_begins(const char *name, size_t i)
{
	if (!i || !is_upper(name[i]))
		return false;

	return is_lower(name[i - 1]) || is_digit(name[i - 1]) ||
	       (is_upper(name[i - 1]) && is_lower(name[i + 1]));
}

char *name_snake(struct arena *arena, const char *name)
{
	char *snake = arena_array(arena, strlen(name) + 1, 2);
	char *out = snake;
	bool gap = false;

	for (size_t i = 0; name[i]; i++) {
		if (name[i] == '_') {
			gap = true;
			continue;
		}
		if ((gap || word_begins(name, i)) && out != snake)
			*out++ = '_';
		*out++ = to_lower(name[i]);
		gap = false;
	}

	*out = '\0';
	if (is_digit(*snake))
		*snake = '\0';

	return snake;
}

char *name_upper(struct arena *arena, const char *name)
{
	char *upper = arena_strndup(arena, name, strlen(name));

	for (char *p = upper; *p; p++)
		*p = to_upper(*p);

	return upper;
}

uint32_t method_number(const char *path)
{
	uint32_t hash = 0x811c9dc5;

	for (; *path; path++) {
		hash ^= (unsigned char)*path;
		hash *= 0x01000193;
	}

	return hash | 0x80000000;
}

/* --- Checks -------------------------------------------------------------------- */

static size_t identifier_length(const char *name)
{
	size_t i = 0;

	while (is_upper(name[i]) || is_lower(name[i]) || name[i] == '_' ||
	       (i && is_digit(name[i])))
		i++;

	return i;
}

bool name_is_identifier(const char *name)
{
	size_t length = name ? identifier_length(name) : 0;

	return length && !name[length];
}

bool name_is_file(const char *file)
{
	if (!*file || strstr(file, "*/") || strstr(file, "/*"))
		return false;

	for (; *file; file++) {
		unsigned char c = (unsigned char)*file;

		if (c < ' ' || c == 0x7f || strchr("\"\\<>?", *file))
			return false;
	}

	return true;
}

bool name_is_snake(const char *name)
{
	if (!is_lower(*name))
		return false;

	for (; *name; name++) {
		if (*name == '_' && (name[1] == '_' || !name[1]))
			return false;
		if (*name != '_' && !is_lower(*name) && !is_digit(*name))
			return false;
	}

	return true;
}

static int compare_words(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

bool name_is_in(const char *word, const char *const *list, size_t n)
{
	return bsearch(word, list, n, sizeof(*list), compare_words);
}

bool name_is_keyword(const char *word)
{
	/* Sorted by strcmp(), for bsearch(). Keywords of C++ up to C++20, and NULL. */
	static const char *const words[] = {
		"NULL", "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand",
		"bitor", "bool", "break", "case", "catch", "char", "char16_t", "char32_t",
		"char8_t", "class", "co_await", "co_return", "co_yield", "compl",
		"concept", "const", "const_cast", "consteval", "constexpr", "constinit",
		"continue", "decltype", "default", "delete", "do", "double",
		"dynamic_cast", "else", "enum", "explicit", "export", "extern", "false",
		"float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable",
		"namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator",
		"or", "or_eq", "private", "protected", "public", "register",
		"reinterpret_cast", "requires", "return", "short", "signed", "sizeof",
		"static", "static_assert", "static_cast", "struct", "switch", "template",
		"this", "thread_local", "throw", "true", "try", "typedef", "typeid",
		"typename", "union", "unsigned", "using", "virtual", "void", "volatile",
		"wchar_t", "while", "xor", "xor_eq",
	};

	return IN_LIST(word, words);
}

bool name_is_reserved(const char *word)
{
	/* Sorted. Keywords of C up to C23 that C++ does not have. Also macros of headers that
	 * generated code includes, if they are plausible names. */
	static const char *const others[] = {
		"BUFSIZ", "EOF", "HUGE_VAL", "INFINITY", "NAN", "assert", "errno", "i386",
		"linux", "major", "makedev", "minor", "offsetof", "restrict", "stderr",
		"stdin", "stdout", "typeof", "typeof_unqual", "unix",
	};

	return name_is_keyword(word) || IN_LIST(word, others);
}

bool name_is_libc(const char *name)
{
	/* Sorted. */
	static const char *const words[] = {
		"aio_cancel", "aio_error", "aio_fsync", "aio_read", "aio_return",
		"aio_suspend", "aio_write", "call_once", "clock_adjtime", "clock_getres",
		"clock_gettime", "clock_nanosleep", "clock_settime", "cnd_broadcast",
		"cnd_destroy", "cnd_init", "cnd_signal", "cnd_timedwait", "cnd_wait",
		"epoll_create", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd_read",
		"eventfd_write", "inotify_init", "key_gendes", "lio_listio", "mq_close",
		"mq_getattr", "mq_notify", "mq_open", "mq_receive", "mq_send",
		"mq_setattr", "mq_timedreceive", "mq_timedsend", "mq_unlink", "mtx_destroy",
		"mtx_init", "mtx_lock", "mtx_timedlock", "mtx_trylock", "mtx_unlock",
		"pkey_alloc", "pkey_free", "pkey_get", "pkey_mprotect", "pkey_set",
		"posix_fadvise", "posix_fallocate", "posix_madvise", "posix_memalign",
		"posix_openpt", "posix_spawn", "posix_spawnp", "process_madvise",
		"process_mrelease", "pthread_cancel", "pthread_create", "pthread_detach",
		"pthread_equal", "pthread_exit", "pthread_join", "pthread_kill",
		"pthread_once", "pthread_self", "pthread_sigmask", "pthread_yield",
		"sched_getcpu", "sched_getparam", "sched_setparam", "sched_yield",
		"sem_clockwait", "sem_close", "sem_destroy", "sem_getvalue", "sem_init",
		"sem_open", "sem_post", "sem_timedwait", "sem_trywait", "sem_unlink",
		"sem_wait", "shm_open", "shm_unlink", "thrd_create", "thrd_current",
		"thrd_detach", "thrd_equal", "thrd_exit", "thrd_join", "thrd_sleep",
		"thrd_yield", "timer_create", "timer_delete", "timer_getoverrun",
		"timer_gettime", "timer_settime", "timerfd_create", "timerfd_gettime",
		"timerfd_settime", "timespec_get", "timespec_getres", "tss_create",
		"tss_delete", "tss_get", "tss_set",
	};

	return IN_LIST(name, words);
}
