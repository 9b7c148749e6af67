/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Label
 *
 * Some nodes want their senders' security labels (IPCBUS_NODE_WANT_LABEL). A label is
 * the text by which the security module knows the sending thread at the moment of
 * sending. It travels in the message's buffer, behind the table of objects.
 */
#ifndef IPCBUS_LABEL_H
#define IPCBUS_LABEL_H

#include "compat.h"
#include "main.h"

/**
 * struct ipcbus_label - the current thread's label
 * @context: the security module's, to be released to it
 * @text: not terminated, or NULL if it has none
 * @size: of the text
 */
struct ipcbus_label {
	struct ipcbus_secctx context;
	const char *text;
	u32 size;
};

/* Where there is no security module, or it has no labels, there is just no text. */
int ipcbus_label_take(struct ipcbus_label *label);
void ipcbus_label_drop(struct ipcbus_label *label);

#endif
