/* SPDX-License-Identifier: MIT */
/*
 * The program under test: answers customers of a shop.
 */
#ifndef SHOP_H
#define SHOP_H

struct ipc;

/* Asks demo.stock, which has two seconds to reply. Returns a constant sentence, never NULL. */
const char *shop_say(struct ipc *ipc, const char *article);

#endif
