/* SPDX-License-Identifier: MIT */
/* The interface: a name, the numbers of the methods, and the format of their bytes. */
#ifndef NOTES_H
#define NOTES_H

#include <ipc/raw.h>

#define NOTES_NAME	"demo.notes"
#define NOTES_MAX	16
#define NOTE_SIZE	256

enum {
	NOTES_PUT = 1,	/* number (a byte), text -> no bytes */
	NOTES_GET = 2,	/* number -> text */
	NOTES_LIST = 3,	/* a stream of texts */
};

#endif /* NOTES_H */
