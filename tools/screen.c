// SPDX-License-Identifier: MIT
/*
 * A terminal: see screen.h.
 */
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "screen.h"
#include "stop.h"

static struct termios before;
static bool has_keys;

/* Async-signal-safe. */
static void restore(void)
{
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

bool screen_begin(void)
{
	struct termios keys;

	if (!isatty(STDOUT_FILENO))
		return false;
	/* In the background the shell has the keys. */
	if (tcgetattr(STDIN_FILENO, &before) < 0 || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return true;
	keys = before;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	stop_cleanup(restore);
	has_keys = true;
	tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	return true;
}

void screen_end(void)
{
	restore();
	has_keys = false;
	stop_cleanup(NULL);
}

void screen_size(size_t *ret_lines, size_t *ret_columns)
{
	struct winsize size = { 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*ret_lines = size.ws_row ? size.ws_row : 24;
	*ret_columns = size.ws_col ? size.ws_col : 80;
}

int screen_key(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	if (!has_keys || poll(&input, 1, 0) != 1)
		return 0;
	if (read(STDIN_FILENO, &key, 1) == 1)
		return (unsigned char)key;
	/* The terminal is gone. */
	has_keys = false;
	return 'q';
}

/* A color has no width; else a character, in UTF-8, has one column. */
static size_t put_line(FILE *file, const char *line, size_t columns)
{
	size_t n = strcspn(line, "\n"), width = 0;

	for (size_t i = 0; i < n;) {
		size_t size = 1;
		bool is_color = line[i] == '\033' && strcspn(line + i, "m\n") < n - i;

		if (is_color)
			size = strcspn(line + i, "m") + 1;
		else
			while (i + size < n && ((unsigned char)line[i + size] & 0xc0) == 0x80)
				size++;
		if (is_color || width++ < columns)
			fwrite(line + i, 1, size, file);
		i += size;
	}
	return n + (line[n] == '\n');
}

void screen_put(FILE *file, const char *text, size_t lines, size_t columns)
{
	for (size_t i = 0; *text && i < lines; i++) {
		if (i)
			fputc('\n', file);
		text += put_line(file, text, columns);
	}
}
