// SPDX-License-Identifier: MIT
/*
 * Names in Python: the classes of a service in its module, and their methods.
 */
#include <stdlib.h>
#include <string.h>

#include "emit_python.h"
#include "naming.h"
#include "scope.h"

static int compare_words(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

#define IN_LIST(word, list) \
	(bsearch(word, list, sizeof(list) / sizeof((list)[0]), sizeof((list)[0]), compare_words))

bool python_is_keyword(const char *word)
{
	/* Sorted. */
	static const char *const words[] = {
		"False",  "None",   "True",    "and",	   "as",       "assert", "async",
		"await",  "break",  "class",   "continue", "def",      "del",	 "elif",
		"else",	  "except", "finally", "for",	   "from",     "global", "if",
		"import", "in",	    "is",      "lambda",   "nonlocal", "not",	 "or",
		"pass",	  "raise",  "return",  "try",	   "while",    "with",	 "yield",
	};

	return IN_LIST(word, words);
}

/*
 * Modules that Python finds before a folder of the same name: the public modules of 3.11 on
 * Linux, which include those of 3.12 and 3.13. The package test is part of Debian's Python.
 */
static bool hides_folders(const char *name)
{
	/* Sorted. */
	static const char *const words[] = {
		"abc", "aifc", "antigravity", "argparse", "array", "ast", "asynchat", "asyncio",
		"asyncore", "atexit", "audioop", "base64", "bdb", "binascii", "bisect",
		"builtins", "bz2", "cProfile", "calendar", "cgi", "cgitb", "chunk", "cmath",
		"cmd", "code", "codecs", "codeop", "collections", "colorsys", "compileall",
		"concurrent", "configparser", "contextlib", "contextvars", "copy", "copyreg",
		"crypt", "csv", "ctypes", "curses", "dataclasses", "datetime", "dbm", "decimal",
		"difflib", "dis", "distutils", "doctest", "email", "encodings", "ensurepip",
		"enum", "errno", "faulthandler", "fcntl", "filecmp", "fileinput", "fnmatch",
		"fractions", "ftplib", "functools", "gc", "genericpath", "getopt", "getpass",
		"gettext", "glob", "graphlib", "grp", "gzip", "hashlib", "heapq", "hmac", "html",
		"http", "idlelib", "imaplib", "imghdr", "imp", "importlib", "inspect", "io",
		"ipaddress", "ipcbus", "itertools", "json", "keyword", "lib2to3", "linecache",
		"locale", "logging", "lzma", "mailbox", "mailcap", "marshal", "math", "mimetypes",
		"mmap", "modulefinder", "multiprocessing", "netrc", "nis", "nntplib", "ntpath",
		"nturl2path", "numbers", "opcode", "operator", "optparse", "os", "ossaudiodev",
		"pathlib", "pdb", "pickle", "pickletools", "pipes", "pkgutil", "platform",
		"plistlib", "poplib", "posix", "posixpath", "pprint", "profile", "pstats", "pty",
		"pwd", "py_compile", "pyclbr", "pydoc", "pydoc_data", "pyexpat", "queue",
		"quopri", "random", "re", "readline", "reprlib", "resource", "rlcompleter",
		"runpy", "sched", "secrets", "select", "selectors", "shelve", "shlex", "shutil",
		"signal", "site", "smtpd", "smtplib", "sndhdr", "socket", "socketserver", "spwd",
		"sqlite3", "sre_compile", "sre_constants", "sre_parse", "ssl", "stat",
		"statistics", "string", "stringprep", "struct", "subprocess", "sunau", "symtable",
		"sys", "sysconfig", "syslog", "tabnanny", "tarfile", "telnetlib", "tempfile",
		"termios", "test", "textwrap", "this", "threading", "time", "timeit", "tkinter",
		"token", "tokenize", "tomllib", "trace", "traceback", "tracemalloc", "tty",
		"turtle", "turtledemo", "types", "typing", "unicodedata", "unittest", "urllib",
		"uu", "uuid", "venv", "warnings", "wave", "weakref", "webbrowser", "wsgiref",
		"xdrlib", "xml", "xmlrpc", "zipapp", "zipfile", "zipimport", "zlib", "zoneinfo",
	};

	return IN_LIST(name, words);
}

/* Types that X_ipc.pyi uses. */
static bool is_builtin(const char *name)
{
	static const char *const words[] = { "bool", "bytes", "float", "int", "str" };

	return IN_LIST(name, words);
}

static bool is_reserved_class(const char *name)
{
	static const char *const words[] = { "_SET", "_aio", "_importlib", "_stubs", "_sync" };
	size_t length = strlen(name);

	return python_is_keyword(name) || is_builtin(name) || IN_LIST(name, words) ||
	       (length >= 4 && !strcmp(name + length - 4, "_pb2"));
}

/* What the classes of the package have: python/ipcbus/aio.py and sync.py. */
static bool is_reserved_method(const char *name)
{
	static const char *const words[] = {
		"ACCEPT_FDS", "INTERFACE", "bus",  "call",  "on_death",
		"oneway",     "open",	   "ping", "serve", "wait_dead",
	};

	return python_is_keyword(name) || is_builtin(name) || IN_LIST(name, words);
}

/* Names with an underscore in front belong to the package, and Python mangles those with two. */
static const char *public_name(struct arena *arena, const char *name)
{
	const char *rest = name + strspn(name, "_");

	if (rest == name)
		return name;
	return *rest >= '0' && *rest <= '9' ? arena_printf(arena, "x_%s", rest) :
	       *rest			    ? rest :
					      "x_";
}

static void name_methods(struct arena *arena, struct service *s)
{
	static const char *const itself[] = { "*", NULL };
	struct scope scope = { .arena = arena, .reserved = is_reserved_method };

	for (size_t i = 0; i < s->n_methods; i++)
		s->methods[i].ident = scope_choose(&scope, public_name(arena, s->methods[i].called),
						   itself, s->methods[i].path);
	scope_done(&scope);
}

/* Generated code, also protoc's own, imports the modules of all imported files. */
static void check_folder(const Google__Protobuf__FileDescriptorProto *file, struct arena *arena,
			 struct diag *diag)
{
	const char *module = python_module(arena, file->name);
	size_t length = strcspn(module, ".");
	const char *folder = arena_strndup(arena, module, length);

	if (module[length] && hides_folders(folder))
		diag_add(diag, file->name, file->source_code_info, (struct path){ 0 },
			 "Python cannot import %s, because it finds its module %s first; give protoc "
			 "the parent of the -I folder as -I, so that the file is FOLDER/%s, and import "
			 "it by that path",
			 module, folder, file->name);
}

void naming_python(struct unit *units, size_t n_units, struct arena *arena, struct diag *diag)
{
	static const char *const forms[] = { "*", "_*", "*Sync", "*Service", "*SyncService", NULL };

	for (size_t i = 0; n_units && i < units[0].request->n_files; i++)
		check_folder(units[0].request->files[i], arena, diag);
	for (size_t i = 0; i < n_units; i++) {
		struct scope scope = { .arena = arena, .reserved = is_reserved_class };

		for (size_t j = 0; j < units[i].n_services; j++) {
			struct service *s = &units[i].services[j];

			s->ident = scope_choose(&scope, s->name, forms, s->full_name);
			name_methods(arena, s);
		}
		scope_done(&scope);
	}
}
